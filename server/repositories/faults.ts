import { type Fields, ValidationError } from "../errors/classes.ts";
import { sentence } from "../errors/messages.ts";

/** The faults of an input, by the paths of its members. */
export interface Faults {
  /** Adds messages for a member. */
  add(path: readonly string[], ...messages: readonly string[]): void;
  /**
   * Refuses the input if it has faults.
   *
   * @param summary the message for several faults.
   * @throws {ValidationError} with the faults.
   */
  refuse(summary: string): void;
}

/** The deepest member that is read. No query of people is as deep. */
const maxDepth = 40;

/** Begins to collect faults. */
export function createFaults(): Faults {
  const fields = new Map<string, Set<string>>();
  return {
    add(path, ...messages) {
      const field = path.join(".");
      const known = fields.get(field) ?? new Set();
      fields.set(field, known);
      for (const message of messages) known.add(message);
    },
    refuse(summary) {
      if (fields.size === 0) return;
      const found: Fields = Object.fromEntries(
        [...fields].map(([field, messages]) => [field, [...messages]]),
      );
      throw new ValidationError(sentence(found, summary), found);
    },
  };
}

/**
 * Returns the members of an object that have a value. Undefined and null mean that a member was not given.
 */
export function membersOf(
  value: unknown,
  path: readonly string[],
  faults: Faults,
): readonly (readonly [string, unknown])[] {
  if (value == null) return [];
  if (typeof value !== "object" || Array.isArray(value)) {
    faults.add(path, "must be an object");
    return [];
  }
  if (path.length > maxDepth) {
    faults.add(path, "is nested too deeply");
    return [];
  }
  return Object.entries(value).filter(([, member]) => member != null);
}
