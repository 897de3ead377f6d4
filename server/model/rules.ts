import type { ExternalId } from "./generated/rows.ts";
import {
  hiddenCharacters,
  legiblePattern,
  unprintableCharacters,
  whiteCharacters,
} from "./generated/tables.ts";
import type { Check } from "./tables.ts";

/** The values of an input, by field. */
export type Input = Readonly<Record<string, unknown>>;

/** A fault of a value, or of a part of it. */
export interface Fault {
  /** The keys and positions of the part; empty for the value itself. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

const blank = new RegExp(`^[${whiteCharacters}${hiddenCharacters}]*$`, "u");
const blankBeginning = new RegExp(`^[${whiteCharacters}${hiddenCharacters}]+`, "u");
const hidden = new RegExp(`[${hiddenCharacters}]`, "u");
const unprintable = new RegExp(`[${unprintableCharacters}]`, "u");
const legible = new RegExp(legiblePattern, "u");

/**
 * Returns the faults of a value that violates a check, in the words of the database; none if it is satisfied.
 *
 * @param check the rule.
 * @param value a value of the type of its column. As in the database, null satisfies every rule.
 */
export function checkFaults(check: Check, value: unknown): Fault[] {
  if (value === null) return [];
  const fault = (quoted: string | undefined, ...path: (string | number)[]): Fault => ({
    path,
    message: fill(check.message, quoted),
  });
  const whole = (holds: boolean) => (holds ? [] : [fault(quote(value))]);
  const text = value as string;
  const list = value as readonly (string | null)[];
  const each = (holds: (element: string) => boolean) =>
    list.flatMap((element, index) =>
      element === null || holds(element) ? [] : [fault(quote(element), index)],
    );
  // The database removes members that are null before it checks the others.
  const members = (holds: (key: string, member: unknown) => boolean) =>
    Object.entries(isObject(value) ? value : {})
      .filter(([key, member]) => member != null && !holds(key, member))
      .map(([key]) => fault(quote(key), key));

  switch (check.rule) {
    case "notBlank":
      return whole(!isBlank(text));
    case "legible":
      return whole(isLegible(text));
    case "ruly":
      return whole(isPrintable(text));
    case "elementsLegible":
      return each(isLegible);
    case "membersRuly":
      return members((_key, member) => typeof member !== "string" || !unprintable.test(member));
    case "maxLength":
      return whole(countCharacters(text) <= check.limit);
    case "pattern":
      return whole(new RegExp(check.pattern, "u").test(text));
    case "oneOf":
      return whole(check.values.includes(text));
    case "range":
      return whole(Number(value) >= check.least && Number(value) <= (check.most ?? Infinity));
    case "days":
      return []; // the format of a date admits no other days
    case "future": {
      const [now, time, latest] = [new Date(), new Date(text), new Date()];
      latest.setUTCFullYear(latest.getUTCFullYear() + check.years);
      return whole(time > now && time <= latest);
    }
    case "decimals": {
      const plain = plainDecimal(value as string | number);
      const fraction = plain.split(".")[1] ?? "";
      return fraction.replace(/0+$/, "").length <= check.limit ? [] : [fault(plain)];
    }
    case "positive":
      return whole(/^(?!-).*[1-9]/.test(plainDecimal(value as string | number)));
    case "below": {
      const [integer = ""] = plainDecimal(value as string | number)
        .replace("-", "")
        .split(".");
      return whole(BigInt(integer) < BigInt(check.limit));
    }
    case "list":
      return list.includes(null) || list.length < check.least || list.length > check.most
        ? [fault(undefined)]
        : [];
    case "elementsNotBlank":
      return each((element) => !isBlank(element));
    case "elementsMaxLength":
      return each((element) => countCharacters(element) <= check.limit);
    case "elementsPattern": {
      const pattern = new RegExp(check.pattern, "u");
      return each((element) => pattern.test(element));
    }
    case "elementsDistinct": {
      const keys = list.map((element) => (isObject(element) ? keyOf(element) : element));
      const distinct = new Set(keys.filter((element) => element !== null));
      return distinct.size === list.length ? [] : [fault(undefined)];
    }
    case "externalIdsNotBlank":
      return list.flatMap((element, index) => {
        const parts = isObject(element) ? [element.source, element.id] : [null];
        return parts.every((part) => typeof part === "string" && !isBlank(part))
          ? []
          : [fault(undefined, index)];
      });
    case "externalIdsLegible":
      return list.flatMap((element, index) => {
        const { source, id } = (element ?? {}) as Partial<ExternalId>;
        return isLegible(source ?? "") && isLegible(id ?? "") ? [] : [fault(undefined, index)];
      });
    case "externalIdsMaxLength":
      return list.flatMap((element, index) => {
        const { source, id } = (element ?? {}) as Partial<ExternalId>;
        return countCharacters(source ?? "") <= check.source &&
          countCharacters(id ?? "") <= check.id
          ? []
          : [fault(undefined, index)];
      });
    case "object":
      return whole(isObject(value));
    case "keys":
      return members((key) => check.keys.includes(key));
    case "membersText":
      return members((_key, member) => typeof member === "string");
    case "membersMaxLength":
      return members(
        (_key, member) => typeof member !== "string" || countCharacters(member) <= check.limit,
      );
    case "presentFor":
    case "onlyFor":
    case "notWith":
      return []; // these concern two fields: see breaksTogether
    case "database":
      return [];
  }
}

/**
 * Returns whether a row violates a rule about two fields; false for any other rule.
 *
 * @param row the known values. If one of the two fields is unknown, only the database can check the rule.
 */
export function breaksTogether(check: Check, row: Input): boolean {
  if (!("other" in check)) return false;
  const other = row[check.other];
  const value = row[check.field];
  if (value === undefined) return false;
  if (check.rule === "notWith") return value !== null && other === true;
  if (typeof other !== "string") return false;
  const isOne = check.values.includes(other);
  return check.rule === "presentFor"
    ? isOne !== (value !== null)
    : !isOne && value !== null && value !== false;
}

/** Returns whether a text is invisible, like `crm_private.is_blank`. */
export function isBlank(text: string): boolean {
  return blank.test(text);
}

/** Returns whether a single-line text has no invisible characters, like `crm_private.is_legible`. */
export function isLegible(text: string): boolean {
  return !hidden.test(text) || legible.test(text) || isBlank(text);
}

/** Returns whether a multi-line text has no control characters, like `crm_private.is_printable`. */
export function isPrintable(text: string): boolean {
  return !unprintable.test(text) || isBlank(text);
}

/** Returns whether a text contains a character that is invisible on its own. */
export function hasHidden(text: string): boolean {
  return hidden.test(text);
}

/** Removes white space and invisible characters from the beginning of a text. */
export function withoutBlankBeginning(text: string): string {
  return text.replace(blankBeginning, "");
}

/** Counts characters as PostgreSQL does: by code points. */
export function countCharacters(text: string): number {
  const pairs = text.match(/[\ud800-\udbff][\udc00-\udfff]/g)?.length ?? 0;
  return text.length - pairs;
}

/** Returns whether a value is an object, and not a list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Formats a decimal number without an exponent, as PostgreSQL does: `1.50e1` becomes `15.0`. */
export function plainDecimal(number: string | number): string {
  const [, sign = "", integer = "", fraction = "", exponent = "0"] =
    /^([+-]?)(\d*)\.?(\d*)(?:e([+-]?\d+))?$/i.exec(String(number)) ?? [];
  const digits = integer + fraction;
  const point = integer.length + Number(exponent);
  const padded = digits.padEnd(point, "0").padStart(digits.length - Math.min(point, 0), "0");
  const whole = padded.slice(0, Math.max(point, 0)).replace(/^0+/, "") || "0";
  const rest = padded.slice(Math.max(point, 0));
  const isNegative = sign === "-" && /[1-9]/.test(digits);
  return `${isNegative ? "-" : ""}${whole}${rest === "" ? "" : `.${rest}`}`;
}

/** Compares two decimal numbers exactly: negative if the first is less, 0 if they are equal. */
export function compareDecimals(one: string | number, other: string | number): number {
  const parts = [one, other].map((number) => plainDecimal(number).split("."));
  const decimals = Math.max(...parts.map(([, fraction = ""]) => fraction.length));
  const [first = 0n, second = 0n] = parts.map(([integer = "", fraction = ""]) =>
    BigInt(integer + fraction.padEnd(decimals, "0")),
  );
  return first < second ? -1 : first > second ? 1 : 0;
}

/** Returns the key by which external ids are compared; null for an empty one. */
function keyOf({ source, id }: Record<string, unknown>): string | null {
  return source == null && id == null ? null : JSON.stringify([source ?? null, id ?? null]);
}

/** Formats a value for a message: as JSON. */
function quote(value: unknown): string {
  return JSON.stringify(value);
}

/** Inserts the quoted value into a message, like `crm_private.fault_message`. */
function fill(template: string, quoted: string | undefined): string {
  if (quoted === undefined) return template.replaceAll("%s", "").trimStart();
  const characters = Array.from(quoted);
  const shown = characters.length > 80 ? `${characters.slice(0, 77).join("")}...` : quoted;
  return template.replaceAll("%s", () => shown);
}
