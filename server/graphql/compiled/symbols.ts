import { randomBytes, randomInt, randomUUID } from "node:crypto";

import {
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isListType,
  type GraphQLInputType,
} from "graphql";

import { parseAsWritten } from "../../model/exact-json.ts";
import { decimalInJson } from "../custom-fields/inputs.ts";
import { escapeWildcards } from "../filters/like-patterns.ts";
import { decode, isText, type Position } from "../paging/cursor.ts";
import type { Values } from "../limits/variables.ts";
import { textList } from "../search/hits.ts";

/*
 * A statement is compiled for a shape of variables: which are given, which are null, which enums, booleans
 * and sizes of pages they contain. All other values may differ between requests, and are symbols while the
 * statement is compiled: random values of the same type, by which the compiled parameters are recognised.
 */

/** Reads a value of a parameter from the variables of a request. */
export type Reader = (variables: Values) => unknown;

/** Random values in place of those of a request. */
export interface Symbols {
  /** The variables, with symbols in place of their values. */
  readonly variables: Values;
  /**
   * Returns what a value of a compiled statement is: a part of the variables, or a constant.
   *
   * @throws {NotCompiledError} if it was made from a symbol in a way that is not known.
   */
  readonly readerOf: (value: unknown) => Reader | undefined;
  /** Adds a value that is made from symbols, and how it is made from the variables of a request. */
  readonly derive: (value: string, read: Reader) => void;
  /** Whether a text contains a symbol. */
  readonly isIn: (text: string) => boolean;
}

/** Why an operation, or a part of it, is not compiled. */
export class NotCompiledError extends Error {}

/** A place in the variables. */
type Path = readonly (string | number)[];

/** A symbol, and how it is read from a request. */
interface Known {
  readonly value: unknown;
  readonly read: Reader;
}

/** Returns the shape of variables: a text that is equal for requests with the same statement. */
export function shapeOf(
  types: Readonly<Record<string, GraphQLInputType>>,
  variables: Values,
  fixed: ReadonlySet<string>,
): string {
  const shapes = Object.entries(types).map(([name, type]) =>
    fixed.has(name) ? (variables[name] ?? null) : shapeOfValue(type, variables[name]),
  );
  return JSON.stringify(shapes);
}

/** Marks a scalar that may differ between requests. */
const open = "?";

/** Marks a list or JSON that may differ between requests, also in its size. */
export const openValue = "?*";

function shapeOfValue(type: GraphQLInputType, value: unknown): unknown {
  if (value === undefined) return 0;
  if (value === null) return null;
  const nullable = getNullableType(type);
  if (isListType(nullable)) {
    const items = value as readonly unknown[];
    return isOpenList(nullable.ofType, items)
      ? openValue
      : items.map((item) => shapeOfValue(nullable.ofType, item));
  }
  if (isInputObjectType(nullable)) {
    const fields = nullable.getFields();
    return Object.entries(value).map(([name, item]) => {
      const field = fields[name];
      return [name, field === undefined ? 0 : shapeOfValue(field.type, item)];
    });
  }
  if (isFixed(nullable, value)) return isLong(value) ? long : [value];
  if (nullable.name === "JSON") return [openValue, kindOfJson(value)];
  return nullable.name === "Cursor" ? cursorShape(value) : open;
}

/** Marks a text that would be a part of the statement, and is too long for it. */
const long = "long";

/** Whether a value is too long to be a part of a statement that is kept. */
function isLong(value: unknown): boolean {
  return typeof value === "string" && value.length > 100;
}

/** The kind of a value of JSON: code handles objects, lists and others differently. */
function kindOfJson(value: unknown): string {
  if (JSON.isRawJSON(value)) return "raw";
  return Array.isArray(value) ? "list" : typeof value;
}

/** Whether a list is one parameter: a list of scalars that has values and no null. */
function isOpenList(type: GraphQLInputType, items: readonly unknown[]): boolean {
  const item = getNullableType(type);
  return (
    !isListType(item) &&
    !isInputObjectType(item) &&
    item.name !== "JSON" &&
    items.length > 0 &&
    items.every((value) => value != null && !isFixed(item, value))
  );
}

/** Whether a value is part of the shape: it has few possible values, or code may handle it differently. */
function isFixed(type: GraphQLInputType, value: unknown): boolean {
  const named = getNamedType(type);
  if (isEnumType(named) || typeof value === "boolean") return true;
  return typeof value === "string" && (value.trim() === "" || value.endsWith("\\"));
}

/** A cursor of a list with orders. */
interface CursorParts {
  readonly library: unknown;
  readonly digest: unknown;
  /** The values of the row in the orders. */
  readonly position: Position;
}

/** Returns the parts of a cursor; undefined if it is none, which Grafast reports. */
function cursorParts(cursor: unknown): CursorParts | undefined {
  const [library, first, ...rest] = decode(cursor as string) ?? [];
  if (!Array.isArray(first) || first.length !== 2) return undefined;
  const [digest, value] = first as unknown[];
  const position = [value, ...rest];
  return position.every(isText) ? { library, digest, position } : undefined;
}

/** The shape of a cursor: which of its values are null. */
function cursorShape(cursor: unknown): unknown {
  return cursorParts(cursor)?.position.map((value) => value === null) ?? open;
}

/**
 * Creates symbols for variables.
 *
 * @param fixed variables that keep their values.
 */
export function createSymbols(
  types: Readonly<Record<string, GraphQLInputType>>,
  variables: Values,
  fixed: ReadonlySet<string>,
): Symbols {
  const known: Known[] = [];
  const texts: string[] = [];
  const symbolic: Record<string, unknown> = {};
  let forms: ReadonlyMap<unknown, Reader> | undefined;
  for (const [name, value] of Object.entries(variables)) {
    const type = types[name];
    if (type === undefined || value === undefined) continue;
    symbolic[name] = fixed.has(name) ? value : symbolFor(type, value, [name], known, texts);
  }
  return {
    variables: symbolic,
    derive(value, read) {
      known.push({ value, read });
      forms = undefined;
    },
    isIn: (text) => texts.some((symbol) => text.includes(symbol)),
    readerOf(value) {
      forms ??= formsOf(known);
      return recognise(value, forms, known, texts);
    },
  };
}

function symbolFor(
  type: GraphQLInputType,
  value: unknown,
  path: Path,
  known: Known[],
  texts: string[],
): unknown {
  if (value == null) return value;
  const nullable = getNullableType(type);
  if (isListType(nullable)) {
    const items = value as readonly unknown[];
    if (!isOpenList(nullable.ofType, items)) {
      return items.map((item, i) => symbolFor(nullable.ofType, item, [...path, i], known, texts));
    }
    const list = [
      symbol(nullable.ofType, items[0], texts),
      symbol(nullable.ofType, items[0], texts),
    ];
    known.push({ value: list, read: (variables) => at(variables, path) });
    return list;
  }
  if (isInputObjectType(nullable)) {
    const fields = nullable.getFields();
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => {
        const field = fields[name];
        if (field === undefined) return [name, item];
        return [name, symbolFor(field.type, item, [...path, name], known, texts)];
      }),
    );
  }
  if (isFixed(nullable, value)) {
    if (isLong(value)) throw new NotCompiledError("a long text is a part of the statement");
    return value;
  }
  if (nullable.name === "Cursor") return cursorSymbol(value as string, path, known, texts);
  const made = symbol(nullable, value, texts);
  known.push({ value: made, read: (variables) => at(variables, path) });
  return made;
}

/** Characters that code may treat in a special way, such as those of LIKE. */
const special = "%_\\ Xy'";

/**
 * Creates a symbol for a value.
 *
 * @param texts receives the part of the symbol by which it is recognised even if code has changed it.
 */
function symbol(type: GraphQLInputType, value: unknown, texts: string[]): unknown {
  const { name } = getNamedType(type);
  if (name === "JSON" && kindOfJson(value) !== "object") {
    throw new NotCompiledError("JSON that is no object is not compiled as a variable");
  }
  if (name === "ID") {
    const id = randomUUID();
    texts.push(id.slice(-12));
    return id;
  }
  if (typeof value === "number") {
    const number = 1_000_000_000 + randomInt(1_000_000_000);
    texts.push(String(number));
    return number;
  }
  const digits = randomDigits();
  texts.push(digits);
  if (name === "JSON") return { [`symbol${digits}`]: digits };
  if (name === "String") return `${special}${digits}`;
  if (typeof value === "string") return digits;
  throw new NotCompiledError(`${name} is not compiled as a variable`);
}

function randomDigits(): string {
  return `1${randomBytes(8).readBigUInt64BE().toString().padStart(20, "0")}`;
}

/** Puts symbols in place of the values in a cursor. */
function cursorSymbol(cursor: string, path: Path, known: Known[], texts: string[]): string {
  const parts = cursorParts(cursor);
  if (parts === undefined) throw new NotCompiledError("the cursor is not valid");
  const [first, ...rest] = parts.position.map((value, i) => {
    if (value === null) return null;
    const made = randomDigits();
    texts.push(made);
    known.push({ value: made, read: (given) => cursorParts(at(given, path))?.position[i] });
    return made;
  });
  const values = [parts.library, [parts.digest, first], ...rest];
  return Buffer.from(JSON.stringify(values)).toString("base64");
}

/** Returns the value at a place in the variables. */
function at(variables: Values, path: Path): unknown {
  let value: unknown = variables;
  for (const key of path) value = (value as Record<string | number, unknown> | undefined)?.[key];
  return value;
}

/** What code does with the text of a client before it becomes a parameter. */
const changes: readonly ((text: string) => string)[] = [
  (text) => text,
  (text) => `%${escapeWildcards(text)}%`,
  (text) => `${escapeWildcards(text)}%`,
  (text) => `%${escapeWildcards(text)}`,
];

/** Returns what reads each form in which a symbol may be a parameter. */
function formsOf(known: readonly Known[]): ReadonlyMap<unknown, Reader> {
  const forms = new Map<unknown, Reader>();
  const add = (form: unknown, read: Reader) => {
    if (!forms.has(form)) forms.set(form, read);
  };
  for (const { value, read } of known) {
    add(value, read);
    if (typeof value === "number") add(String(value), (variables) => String(read(variables)));
    if (typeof value === "string") {
      for (const change of changes) {
        add(change(value), (variables) => change(String(read(variables))));
      }
    }
    if (Array.isArray(value)) {
      add(textList.toPg(value as string[]), (variables) =>
        textList.toPg(read(variables) as string[]),
      );
    }
    if (typeof value === "object") {
      add(JSON.stringify(value), (variables) => JSON.stringify(read(variables)));
    }
  }
  return forms;
}

function recognise(
  value: unknown,
  forms: ReadonlyMap<unknown, Reader>,
  known: readonly Known[],
  texts: readonly string[],
): Reader | undefined {
  const read = forms.get(value);
  if (read !== undefined) return read;
  if (typeof value === "string" && texts.some((text) => value.includes(text))) {
    const template = jsonTemplate(value, known, texts);
    if (template !== undefined) return template;
    throw new NotCompiledError("a parameter is computed from a variable");
  }
  return undefined;
}

/** Reads JSON in which symbols are members, such as the custom fields of an input. */
function jsonTemplate(
  text: string,
  known: readonly Known[],
  texts: readonly string[],
): Reader | undefined {
  let template: unknown;
  try {
    template = parseAsWritten(text);
  } catch {
    return undefined;
  }
  const read = memberOf(template, known, texts);
  return (variables) => JSON.stringify(read(variables));
}

/** Returns what reads a member of JSON from the variables. */
function memberOf(member: unknown, known: readonly Known[], texts: readonly string[]): Reader {
  const source = JSON.stringify(member);
  if (!texts.some((text) => source.includes(text))) return () => member;
  const found = known.find(({ value }) => JSON.stringify(value) === source);
  if (found !== undefined) return found.read;
  if (JSON.isRawJSON(member)) {
    const decimal = known.find(({ value }) => value === member.rawJSON);
    if (decimal !== undefined) {
      return (variables) => decimalInJson(String(decimal.read(variables)));
    }
  }
  if (typeof member !== "object" || member === null || JSON.isRawJSON(member)) {
    throw new NotCompiledError("a parameter is computed from a variable");
  }
  if (Array.isArray(member)) {
    const items = member.map((item) => memberOf(item, known, texts));
    return (variables) => items.map((read) => read(variables));
  }
  const members = Object.entries(member).map(([name, value]) => {
    if (texts.some((text) => name.includes(text))) {
      throw new NotCompiledError("a name is computed from a variable");
    }
    return [name, memberOf(value, known, texts)] as const;
  });
  return (variables) => Object.fromEntries(members.map(([name, read]) => [name, read(variables)]));
}
