import { getLocation, GraphQLError, type Location } from "graphql";

/** Where something stands, counted from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Something in a client's code that cannot be persisted, and where it is. */
export class Fault extends Error {
  override readonly name = "Fault";
  readonly place: Place;

  /** @param message one sentence, without its full stop. */
  constructor(place: Place, message: string) {
    super(message);
    this.place = place;
  }

  /** `src/contacts.ts:12:5 Cannot query field "nam" on type "Contact"` */
  override toString(): string {
    const { file, line, column } = this.place;
    return `${file}:${line}:${column} ${this.message}`;
  }
}

/** The place in a file that a part of a document was read from. */
export function placeOf({ source, start }: Pick<Location, "source" | "start">): Place {
  const { line, column } = getLocation(source, start);
  const { locationOffset: offset, name: file } = source;
  return {
    file,
    line: line + offset.line - 1,
    column: line === 1 ? column + offset.column - 1 : column,
  };
}

/**
 * Makes a fault of what a parser, of GraphQL or of code, found wrong.
 *
 * @param file stands for where it is, if the error does not say it.
 */
export function faultOf(error: unknown, file: string): Fault {
  if (error instanceof Fault) return error;
  if (error instanceof GraphQLError) {
    const { source, positions, message } = error;
    const start = positions?.[0];
    if (source && start !== undefined) return new Fault(placeOf({ source, start }), plain(message));
  }
  const { message, loc } = error as Error & { loc?: { line: number; column: number } };
  const { line = 1, column = 0 } = loc ?? {};
  return new Fault({ file, line, column: column + 1 }, plain(message.replace(/ \(\d+:\d+\)$/, "")));
}

const plain = (message: string): string => message.replace(/\.$/, "");
