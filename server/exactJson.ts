/** A value that JSON.stringify writes as the text that it was made from. */
export interface RawJson {
  readonly rawJSON: string;
}

declare global {
  interface JSON {
    /** Makes a value that is written as the given text of JSON. */
    rawJSON(text: string): RawJson;
    isRawJSON(value: unknown): value is RawJson;
    parse(
      text: string,
      reviver: (key: string, value: unknown, context: { source?: string }) => unknown,
    ): unknown;
  }
}

/** A number of 16 digits or more, or one with an exponent; most requests have none. */
const suspicious = /\d[\d.]{15}|\d[eE]/;

/** The same behind what a number stands behind, and one that ends with a zero of its fraction. */
const rewritten = /(?:^|[:,[\s])-?(?:\d[\d.]{15}|\d[\d.]*[eE]|\d+\.\d*0(?!\d))/;

/** The strings and the numbers of a text of JSON. */
const scalars = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g;

/**
 * Whether a text of JSON may hold a number that reading it would change. Quick, and wrong now and
 * then where it says so.
 */
export function mayRound(text: string): boolean {
  return suspicious.test(text);
}

/**
 * Reads JSON. A number that a double does not hold as it is written becomes infinite, which is
 * found later, where its field is known: 9007199254740993 would be read as another, 1e-1000 as zero.
 */
export function parseExactly(text: string): unknown {
  const marked = text.replace(scalars, (scalar) =>
    !scalar.startsWith('"') && isRounded(scalar, Number(scalar)) ? "1e1000" : scalar,
  );
  return JSON.parse(marked);
}

/**
 * Reads JSON, and keeps numbers that JavaScript would write in another way as they are written: as a
 * raw value of JSON (see https://github.com/tc39/proposal-json-parse-with-source), which
 * JSON.stringify writes digit for digit.
 */
export function parseAsWritten(text: string): unknown {
  return parseKeeping(text, (source, number) => source !== String(number));
}

/** The same for a program that calculates: those numbers alone are kept that would be rounded. */
export function parseUnrounded(text: string): unknown {
  return parseKeeping(text, isRounded);
}

function parseKeeping(text: string, isKept: (source: string, number: number) => boolean): unknown {
  if (!rewritten.test(text)) return JSON.parse(text);
  return JSON.parse(text, (_key, value: unknown, { source }) =>
    typeof value === "number" && source !== undefined && isKept(source, value)
      ? JSON.rawJSON(source)
      : value,
  );
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
