import { getLocation, GraphQLError, type Location } from "graphql";

/** A place in a file; line and column are counted from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A fault of a client's code that prevents persisting, and its place. */
export class Fault extends Error {
  override readonly name = "Fault";
  readonly place: Place;

  /** @param message one sentence, without a full stop. */
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

/** Returns the place in the file that a part of a document was read from. */
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
 * Converts an error of a parser, of GraphQL or of code, into a fault.
 *
 * @param file the file to report if the error does not name one.
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
