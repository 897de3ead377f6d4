/**
 * The accepted format of a scalar.
 */
export interface Scalar {
  /** The requirement, as the end of a sentence that begins with the name of the field. */
  expectation: string;
  isValid(text: string): boolean;
  acceptsNumbers?: boolean;
}

/**
 * The accepted formats of the scalars that are not built into GraphQL. PostgreSQL accepts much more,
 * depending on its version (`today`, `infinity`, `NaN`, `0x1F`), and its errors may name no field.
 */
export const scalars = {
  ID: {
    expectation: "must be a UUID",
    isValid: (text) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text),
  },
  BigInt: {
    expectation: "must be a whole number of at most 18 digits",
    isValid: (text) => /^-?\d{1,18}$/.test(text),
    acceptsNumbers: true,
  },
  BigFloat: {
    expectation: "must be a decimal number; beyond 15 digits, as a string",
    isValid: (text) => /^[+-]?(\d{1,200}(\.\d{0,200})?|\.\d{1,200})(e[+-]?\d{1,3})?$/i.test(text),
    acceptsNumbers: true,
  },
  Date: {
    expectation: "must be a date such as 2026-01-31",
    isValid: isDate,
  },
  Datetime: {
    expectation: "must be a date and time with its zone, such as 2026-01-31T09:30:00Z",
    isValid: (text) =>
      /^.{10}T([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)$/i.test(text) &&
      isDate(text.slice(0, 10)),
  },
} satisfies Record<string, Scalar> as Record<string, Scalar> & { readonly ID: Scalar };

/**
 * Reads a value of JSON. A number that JavaScript cannot represent is read from its text, or refused, but
 * never rounded.
 *
 * @returns the text for PostgreSQL; undefined if the format is wrong.
 */
export function readValue(scalar: Scalar, value: unknown): string | undefined {
  if (typeof value === "string") return readText(scalar, value);
  if (JSON.isRawJSON(value))
    return scalar.acceptsNumbers ? readText(scalar, value.rawJSON) : undefined;
  if (typeof value !== "number" || !scalar.acceptsNumbers) return undefined;
  const isExact = !Number.isInteger(value) || Number.isSafeInteger(value);
  return isExact ? readText(scalar, String(value)) : undefined;
}

/** Reads a text. Returns undefined if the format is wrong. */
export function readText(scalar: Scalar, text: string): string | undefined {
  return scalar.isValid(text) ? text : undefined;
}

function isDate(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text) || text < "0001") return false;
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}
