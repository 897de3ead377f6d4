import {
  getNamedType,
  getNullableType,
  getOperationAST,
  isEnumType,
  isInputObjectType,
  isInputType,
  isListType,
  isNonNullType,
  isRequiredInputField,
  Kind,
  typeFromAST,
  TypeInfo,
  visit,
  visitWithTypeInfo,
  type DocumentNode,
  type GraphQLEnumType,
  type GraphQLInputObjectType,
  type GraphQLInputType,
  type GraphQLScalarType,
  type GraphQLSchema,
  type ValueNode,
} from "graphql";

import type { Fields } from "../../errors/classes.ts";
import { meantMember } from "../../errors/near-misses.ts";
import { numberOf } from "../../model/exact-json.ts";
import { scalars } from "../../model/scalars.ts";

type Path = readonly string[];
/** Records a fault at a path, with the faulty value unless it is missing. */
type Report = (path: Path, message: string, value?: unknown) => void;

/** The faults of a request. */
export interface InputFaults {
  /** The messages by field, as in a form. */
  readonly fields: Fields;
  /** The places of the fields in the request, each with its value: `$input.deal.value (given "x")`. */
  readonly places: ReadonlyMap<string, string>;
}

/** How names that are not in the schema are reported. */
export interface NamingRules {
  /** Whether a similar name is suggested. */
  readonly suggests: boolean;
}

/** Stands for a variable inside a literal; its value is checked with the variables. */
const variable = Symbol("variable");

const builtIn: Record<string, string> = {
  Boolean: "must be true or false",
  Float: "must be a number",
  Int: "must be a whole number below 2,147,483,648",
  String: "must be text",
};

/** Messages by field. Maps, since a client may send a field such as `constructor`. */
interface Faults extends NamingRules {
  readonly messages: Map<string, string[]>;
  readonly places: Map<string, string>;
}

/** The number of characters of a faulty value in a message, as in the database. */
const maxValue = 80;

/** The number of faulty fields that are returned. */
const maxFaults = 100;

/** Thrown to end the search when there are enough faults. */
class Enough extends Error {}

/**
 * Returns all faults of the variables of a request, by the name of the field that the client sent.
 */
export function variableFaults(
  schema: GraphQLSchema,
  document: DocumentNode,
  operationName: string | null | undefined,
  values: Readonly<Record<string, unknown>>,
  naming: NamingRules,
): InputFaults {
  const definitions = getOperationAST(document, operationName)?.variableDefinitions ?? [];
  return collect(naming, (faults) => {
    for (const { variable: node, type: typeNode, defaultValue } of definitions) {
      const name = node.name.value;
      const type = typeFromAST(schema, typeNode);
      if (!isInputType(type)) continue;
      const value = values[name];
      const report = reporter(faults, type, name, `$${name}`);
      const search = { report, isLiteral: false, ...naming };
      if (value !== undefined || defaultValue === undefined) findFaults(type, value, [], search);
      findUnstorable(value, [], report);
    }
  });
}

/** Returns all faults of the literal values in a document. */
export function literalFaults(
  schema: GraphQLSchema,
  document: DocumentNode,
  naming: NamingRules,
): InputFaults {
  const typeInfo = new TypeInfo(schema);
  return collect(naming, (faults) => {
    visit(
      document,
      visitWithTypeInfo(typeInfo, {
        Argument(node) {
          const type = typeInfo.getArgument()?.type;
          if (type === undefined) return;
          const value = literal(node.value);
          const report = reporter(faults, type, node.name.value, node.name.value);
          findFaults(type, value, [], { report, isLiteral: true, ...naming });
          findUnstorable(value, [], report);
        },
      }),
    );
  });
}

function collect(naming: NamingRules, find: (faults: Faults) => void): InputFaults {
  const faults: Faults = { messages: new Map(), places: new Map(), ...naming };
  try {
    find(faults);
  } catch (error) {
    if (!(error instanceof Enough)) throw error;
  }
  return { fields: Object.fromEntries(faults.messages), places: faults.places };
}

/**
 * Returns whether the database stores a value unchanged.
 */
export function isStorable(value: unknown): boolean {
  let storable = true;
  findUnstorable(value, [], () => (storable = false));
  return storable;
}

/**
 * Returns whether a value contains a number that JavaScript cannot represent exactly. In JSON literals of a
 * document, Grafast parses numbers as JavaScript does.
 */
export function holdsRaw(value: unknown): boolean {
  let holds = false;
  findRaw(value, [], () => (holds = true));
  return holds;
}

/** How a value is searched for faults. */
interface Search extends NamingRules {
  readonly report: Report;
  /** Whether the value is written in the document. */
  readonly isLiteral: boolean;
}

function findFaults(type: GraphQLInputType, value: unknown, path: Path, search: Search): void {
  const { report, isLiteral } = search;
  if (value === variable) return;
  if (isNonNullType(type)) {
    if (value == null) report(path, "is required");
    else findFaults(type.ofType, value, path, search);
  } else if (value == null) {
    return;
  } else if (isListType(type)) {
    if (!Array.isArray(value)) findFaults(type.ofType, value, path, search);
    else value.forEach((item, i) => findFaults(type.ofType, item, [...path, `${i}`], search));
  } else if (isInputObjectType(type)) {
    if (isRecord(value)) findFaultsOfObject(type, value, path, search);
    else report(path, "must be an object", value);
  } else if (isEnumType(type)) {
    if (!accepts(type, value)) report(path, `${shown(value)} ${expectationOfEnum(type)}`);
  } else if (!accepts(type, value)) {
    report(path, expectation(type), value);
  } else if (isLiteral && type.name === "JSON") {
    findRaw(value, path, report);
  }
}

function findRaw(value: unknown, path: Path, report: Report): void {
  if (JSON.isRawJSON(value))
    report(path, "must be given in a variable, since it has so many digits");
  else if (typeof value === "object" && value !== null) {
    for (const [key, item] of Object.entries(value)) findRaw(item, [...path, key], report);
  }
}

function findFaultsOfObject(
  type: GraphQLInputObjectType,
  value: Record<string, unknown>,
  path: Path,
  search: Search,
): void {
  const known = type.getFields();
  for (const field of Object.values(known)) {
    const given = value[field.name];
    const fieldPath = [...path, field.name];
    if (given !== undefined) findFaults(field.type, given, fieldPath, search);
    else if (isRequiredInputField(field)) search.report(fieldPath, "is required");
  }
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(known, name)) continue;
    const meant = search.suggests ? meantMember(name, Object.keys(known)) : undefined;
    const suggestion = meant === undefined ? "" : `; did you mean \`${meant}\`?`;
    const message = `is not a field that can be given here${suggestion}`;
    search.report([...path, name], message, value[name]);
  }
}

/**
 * Text in PostgreSQL cannot contain NUL or lone surrogates. A number is infinite if it was sent in a form
 * that `exact-json.ts` does not read.
 */
function findUnstorable(value: unknown, path: Path, report: Report): void {
  if (typeof value === "string") {
    if (value.includes("\0")) report(path, "must not contain the character NUL");
    if (!value.isWellFormed()) report(path, "must be well-formed Unicode text");
  } else if (typeof value === "number") {
    if (!Number.isFinite(value))
      report(path, "must be a number of at most 400 digits, written out");
  } else if (Array.isArray(value)) {
    value.forEach((item, index) => findUnstorable(item, [...path, `${index}`], report));
  } else if (isRecord(value)) {
    for (const [key, item] of Object.entries(value)) {
      findUnstorable(key, path, report);
      findUnstorable(item, [...path, key], report);
    }
  }
}

function accepts(type: GraphQLScalarType | GraphQLEnumType, value: unknown): boolean {
  // The parser of an enum would search for similar names.
  if (isEnumType(type)) return typeof value === "string" && type.getValue(value) !== undefined;
  try {
    return type.parseValue(value) !== undefined;
  } catch {
    return false;
  }
}

function expectation(type: GraphQLScalarType): string {
  return scalars[type.name]?.expectation ?? builtIn[type.name] ?? `must be a valid ${type.name}`;
}

/** Returns what a value of an enum must be. The values of an order, of which there are many, are not listed. */
function expectationOfEnum(type: GraphQLEnumType): string {
  const names = type.getValues().map(({ name }) => name);
  return names.length > 12 ? `is not a value of ${type.name}` : `is not one of ${names.join(", ")}`;
}

/** Returns the beginning of a value as JSON; empty for what is no JSON, such as a variable. */
function shown(value: unknown): string {
  return (JSON.stringify(value) as string | undefined)?.slice(0, maxValue) ?? "";
}

/**
 * Names a fault as in a form: `companyId`, not `input.deal.companyId`. The name of the variable or argument
 * is omitted if its value is an object, and so is the entity inside the input of a mutation.
 *
 * @param place the name of the variable or argument in the message, which is for developers.
 */
function reporter(faults: Faults, type: GraphQLInputType, name: string, place: string): Report {
  const root = getNamedType(type);
  const isList = isListType(getNullableType(type));
  const members = isInputObjectType(root) ? root.getFields() : {};
  const wraps = (head: string | undefined) =>
    head !== undefined &&
    "clientMutationId" in members &&
    isInputObjectType(
      isNonNullType(members[head]?.type) ? members[head].type.ofType : members[head]?.type,
    );

  return (path, message, value) => {
    const inner = path.length > 1 && wraps(path[0]) ? path.slice(1) : path;
    const field = inner.length === 0 || isList ? [name, ...inner].join(".") : inner.join(".");
    const { messages, places } = faults;
    if (messages.size >= maxFaults && !messages.has(field)) throw new Enough();
    const known = messages.get(field) ?? [];
    // Several inputs of a request may have the same fault.
    if (!known.includes(message)) messages.set(field, [...known, message]);
    const given = shown(value);
    const written = [place, ...path].join(".");
    if (!places.has(field))
      places.set(field, given === "" ? written : `${written} (given ${given})`);
  };
}

/**
 * Converts a literal to JSON.
 *
 * @param variables their values; if left out, a symbol stands for each variable.
 */
export function literal(node: ValueNode, variables?: Readonly<Record<string, unknown>>): unknown {
  switch (node.kind) {
    case Kind.VARIABLE:
      return variables === undefined ? variable : variables[node.name.value];
    case Kind.NULL:
      return null;
    case Kind.INT:
    case Kind.FLOAT:
      return numberOf(node.value);
    case Kind.LIST:
      return node.values.map((item) => literal(item, variables));
    case Kind.OBJECT:
      return Object.fromEntries(
        node.fields.map(({ name, value }) => [name.value, literal(value, variables)]),
      );
    default:
      return node.value;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
