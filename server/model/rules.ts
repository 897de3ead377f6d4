import type { ExternalId } from "./generated/rows.ts";
import {
  hiddenCharacters,
  legiblePattern,
  unrulyCharacters,
  whiteCharacters,
} from "./generated/tables.ts";
import type { Check } from "./tables.ts";

/** The values of a row that are given, by field. */
export type Input = Readonly<Record<string, unknown>>;

/** What is wrong with a value, or with a part of it. */
export interface Fault {
  /** The keys and positions that lead to the part; none, if it is the value itself. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

const blank = new RegExp(`^[${whiteCharacters}${hiddenCharacters}]*$`, "u");
const blankBeginning = new RegExp(`^[${whiteCharacters}${hiddenCharacters}]+`, "u");
const hidden = new RegExp(`[${hiddenCharacters}]`, "u");
const unruly = new RegExp(`[${unrulyCharacters}]`, "u");
const legible = new RegExp(legiblePattern, "u");

/**
 * The faults of a value that breaks a check, as the database words them; none where it holds.
 *
 * @param check the rule.
 * @param value a value in the form of its column; as in the database, null keeps every rule.
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
  const members = (holds: (key: string, member: unknown) => boolean) =>
    Object.entries(isObject(value) ? value : {})
      .filter(([key, member]) => member !== undefined && !holds(key, member))
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
      return members((_key, member) => typeof member !== "string" || !unruly.test(member));
    case "maxLength":
      return whole(countCharacters(text) <= check.limit);
    case "pattern":
      return whole(new RegExp(check.pattern, "u").test(text));
    case "oneOf":
      return whole(check.values.includes(text));
    case "range":
      return whole(Number(value) >= check.least && Number(value) <= (check.most ?? Infinity));
    case "days":
      return []; // no other day has the form of one
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
      return []; // about two fields: see breaksTogether
    case "database":
      return [];
  }
}

/**
 * Whether a row breaks a rule about two fields; false for any other rule.
 *
 * @param row what is known of it; where that is only half of what the rule is about, the verdict is
 *   left to the database.
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

/** Whether a text shows nothing, as `crm_private.is_blank` has it. */
export function isBlank(text: string): boolean {
  return blank.test(text);
}

/** Whether a text of one line holds nothing that cannot be seen, as `crm_private.is_legible` has it. */
export function isLegible(text: string): boolean {
  return !hidden.test(text) || legible.test(text) || isBlank(text);
}

/** Whether a text of any lines holds no controls, as `crm_private.is_printable` has it. */
export function isPrintable(text: string): boolean {
  return !unruly.test(text) || isBlank(text);
}

/** Whether a text holds a character that shows nothing by itself. */
export function hasHidden(text: string): boolean {
  return hidden.test(text);
}

/** A text without the white and hidden characters before anything that is seen. */
export function withoutBlankBeginning(text: string): string {
  return text.replace(blankBeginning, "");
}

/** The number of characters as PostgreSQL counts them: code points. */
export function countCharacters(text: string): number {
  const pairs = text.match(/[\ud800-\udbff][\udc00-\udfff]/g)?.length ?? 0;
  return text.length - pairs;
}

/** Whether a value is an object and no list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A decimal number without an exponent, as PostgreSQL prints it: `1.50e1` is `15.0`. */
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

/** Which of two decimal numbers is greater, exactly: negative, if it is the second. */
export function compareDecimals(one: string | number, other: string | number): number {
  const parts = [one, other].map((number) => plainDecimal(number).split("."));
  const decimals = Math.max(...parts.map(([, fraction = ""]) => fraction.length));
  const [first = 0n, second = 0n] = parts.map(([integer = "", fraction = ""]) =>
    BigInt(integer + fraction.padEnd(decimals, "0")),
  );
  return first < second ? -1 : first > second ? 1 : 0;
}

/** What tells an external id from others. */
function keyOf({ source, id }: Record<string, unknown>): string | null {
  return source == null && id == null ? null : JSON.stringify([source ?? null, id ?? null]);
}

/** What a message quotes: the value as JSON. */
function quote(value: unknown): string {
  return JSON.stringify(value);
}

/** The message with the quoted value, as `crm_private.fault_message` fills it in. */
function fill(template: string, quoted: string | undefined): string {
  if (quoted === undefined) return template.replaceAll("%s", "").trimStart();
  const characters = Array.from(quoted);
  const shown = characters.length > 80 ? `${characters.slice(0, 77).join("")}...` : quoted;
  return template.replaceAll("%s", () => shown);
}
