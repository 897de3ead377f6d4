/** A value that JSON.stringify writes as the text that it was made from. */
export interface RawJson {
  readonly rawJSON: string;
}

declare global {
  interface JSON {
    /** Makes a value that is written as the given text of JSON. */
    rawJSON(text: string): RawJson;
    isRawJSON(value: unknown): value is RawJson;
  }
}

/**
 * A number of 16 digits or more, or with an exponent, behind what a number stands behind. Most texts have
 * none.
 */
const long = /(?:^|[:,[\s])-?(?:\d[\d.]{15}|\d[\d.]*[eE])/;

/** A number whose fraction ends with a zero, which JavaScript would not write. */
const zeroAtEnd = /(?:^|[:,[\s])-?\d+\.\d*0(?!\d)/;

/** A decimal that PostgreSQL is sure to take as it is. */
const plain = /^-?\d{1,200}(?:\.\d{1,200})?$/;

/**
 * Whether a text of JSON may hold a number that reading it would change. Quick, and wrong now and
 * then where it says so.
 */
export function mayRound(text: string): boolean {
  return long.test(text);
}

/**
 * A number as a client wrote it: one of JavaScript where that is the same, a raw value where it is not,
 * and infinity, which is refused later, where its field is known, for what is not written plainly:
 * 1e-1000 would be read as zero.
 */
export function numberOf(source: string): number | RawJson {
  const number = Number(source);
  const isSame = !isRounded(source, number);
  // A whole number beyond these may be told from another only by its text.
  if (isSame && (Number.isSafeInteger(number) || !Number.isInteger(number))) return number;
  if (plain.test(source)) return JSON.rawJSON(source);
  return isSame ? number : Infinity;
}

/** What `JSON.parse` calls to read JSON that a client wrote; see {@link numberOf}. */
export const reviveSent = reviver(numberOf);

/** Reads JSON that a client wrote. */
export function parseSent(text: string): unknown {
  return mayRound(text) ? JSON.parse(text, reviveSent) : JSON.parse(text);
}

/**
 * Reads JSON, and keeps numbers that JavaScript would write in another way as they are written: as a
 * raw value of JSON (see https://github.com/tc39/proposal-json-parse-with-source), which
 * JSON.stringify writes digit for digit.
 */
export function parseAsWritten(text: string): unknown {
  return mayRound(text) || zeroAtEnd.test(text) ? JSON.parse(text, keepWritten) : JSON.parse(text);
}

/** The same for a program that calculates: those numbers alone are kept that would be rounded. */
export function parseUnrounded(text: string): unknown {
  return mayRound(text) ? JSON.parse(text, keepRounded) : JSON.parse(text);
}

const keepWritten = reviver((source) => {
  const number = Number(source);
  return source === String(number) ? number : JSON.rawJSON(source);
});
const keepRounded = reviver((source) => {
  const number = Number(source);
  return isRounded(source, number) ? JSON.rawJSON(source) : number;
});

/** What `JSON.parse` calls for each value, which reads numbers from their text. */
function reviver(read: (source: string) => number | RawJson) {
  return (_key: string, value: unknown, ...[context]: unknown[]): unknown => {
    const { source } = context as { source?: string };
    return typeof value === "number" && source !== undefined ? read(source) : value;
  };
}

/** Whether a number is another than the decimal that it was read from. */
export function isRounded(source: string, number: number): boolean {
  // A double holds every decimal of 15 digits, but for the smallest and the largest.
  if (source.length < 16 && Math.abs(number) > 1e-300 && Number.isFinite(number)) return false;
  return !Number.isFinite(number) || significant(source) !== significant(String(number));
}

/** A decimal without its sign, in the one way that equal ones have in common: `1.50` is `15e-1`. */
function significant(decimal: string): string {
  const [, integer = "", fraction = "", exponent = "0"] =
    /^-?(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(decimal) ?? [];
  const digits = (integer + fraction).replace(/^0+/, "");
  const trimmed = withoutZeros(digits);
  const power = Number(exponent) - fraction.length + digits.length - trimmed.length;
  return trimmed === "" ? "0" : `${trimmed}e${power}`;
}

/** A loop, because a pattern of zeros up to the end would be tried from each of them. */
function withoutZeros(digits: string): string {
  let end = digits.length;
  while (digits[end - 1] === "0") end -= 1;
  return digits.slice(0, end);
}
