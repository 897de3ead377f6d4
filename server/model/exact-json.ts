/** A value that JSON.stringify writes as its original text. */
export interface RawJson {
  readonly rawJSON: string;
}

declare global {
  interface JSON {
    /** Creates a value that is written as the given JSON text. */
    rawJSON(text: string): RawJson;
    isRawJSON(value: unknown): value is RawJson;
  }
}

/**
 * A number of 16 digits or more, or with an exponent, after a character that can precede a number. Most
 * texts contain none.
 */
const long = /(?:^|[:,[\s])-?(?:\d[\d.]{15}|\d[\d.]*[eE])/;

/** A number whose fraction ends with a zero, which JavaScript would drop. */
const zeroAtEnd = /(?:^|[:,[\s])-?\d+\.\d*0(?!\d)/;

/** A decimal that PostgreSQL accepts unchanged. */
const plain = /^-?\d{1,200}(?:\.\d{1,200})?$/;

/**
 * Returns whether a JSON text may contain a number that JSON.parse would change. The check is fast, and may
 * return true although there is none.
 */
export function mayRound(text: string): boolean {
  return long.test(text);
}

/**
 * Converts a number that a client wrote: to a JavaScript number if that is exact, else to a raw value. A
 * number that is neither exact nor a plain decimal, such as 1e-1000, becomes infinity. It is refused later,
 * when its field is known.
 */
export function numberOf(source: string): number | RawJson {
  const number = Number(source);
  const isSame = !isRounded(source, number);
  // Beyond safe integers, different whole numbers may be equal as JavaScript numbers.
  if (isSame && (Number.isSafeInteger(number) || !Number.isInteger(number))) return number;
  if (plain.test(source)) return JSON.rawJSON(source);
  return isSame ? number : Infinity;
}

/** The reviver of `JSON.parse` for JSON that a client wrote; see {@link numberOf}. */
export const reviveSent = reviver(numberOf);

/** Parses JSON that a client wrote. */
export function parseSent(text: string): unknown {
  return mayRound(text) ? JSON.parse(text, reviveSent) : JSON.parse(text);
}

/**
 * Parses JSON. Numbers that JavaScript would write differently become raw values of JSON (see
 * https://github.com/tc39/proposal-json-parse-with-source), which JSON.stringify writes digit for digit.
 */
export function parseAsWritten(text: string): unknown {
  return mayRound(text) || zeroAtEnd.test(text) ? JSON.parse(text, keepWritten) : JSON.parse(text);
}

/** Parses JSON for calculations: only numbers that would be rounded become raw values. */
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

/** Creates a reviver for `JSON.parse` that reads numbers from their text. */
function reviver(read: (source: string) => number | RawJson) {
  return (_key: string, value: unknown, ...[context]: unknown[]): unknown => {
    const { source } = context as { source?: string };
    return typeof value === "number" && source !== undefined ? read(source) : value;
  };
}

/** Returns whether a number differs from the decimal that it was read from. */
export function isRounded(source: string, number: number): boolean {
  // A double represents every decimal of 15 digits, except the smallest and the largest.
  if (source.length < 16 && Math.abs(number) > 1e-300 && Number.isFinite(number)) return false;
  return !Number.isFinite(number) || significant(source) !== significant(String(number));
}

/** Returns a canonical form of a decimal without its sign: `1.50` becomes `15e-1`. */
function significant(decimal: string): string {
  const [, integer = "", fraction = "", exponent = "0"] =
    /^-?(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(decimal) ?? [];
  const digits = (integer + fraction).replace(/^0+/, "");
  const trimmed = withoutZeros(digits);
  const power = Number(exponent) - fraction.length + digits.length - trimmed.length;
  return trimmed === "" ? "0" : `${trimmed}e${power}`;
}

/** Removes trailing zeros. A regular expression would be quadratic: it would be tried from each zero. */
function withoutZeros(digits: string): string {
  let end = digits.length;
  while (digits[end - 1] === "0") end -= 1;
  return digits.slice(0, end);
}
