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
import { numberOf } from "../../model/exact-json.ts";
import { scalars } from "../../model/scalars.ts";

type Path = readonly string[];
type Report = (path: Path, message: string) => void;

/** Stands for a variable inside a literal; its value is checked with the variables. */
const variable = Symbol("variable");

const builtIn: Record<string, string> = {
  Boolean: "must be true or false",
  Float: "must be a number",
  Int: "must be a whole number below 2,147,483,648",
  String: "must be text",
};

/** Messages by field. A map, since a client may send a field such as `constructor`. */
type Faults = Map<string, string[]>;

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
): Fields {
  const definitions = getOperationAST(document, operationName)?.variableDefinitions ?? [];
  return collect((faults) => {
    for (const { variable: node, type: typeNode, defaultValue } of definitions) {
      const name = node.name.value;
      const type = typeFromAST(schema, typeNode);
      if (!isInputType(type)) continue;
      const value = values[name];
      const report = reporter(faults, type, name);
      if (value !== undefined || defaultValue === undefined) findFaults(type, value, [], report);
      findUnstorable(value, [], report);
    }
  });
}

/** Returns all faults of the literal values in a document. */
export function literalFaults(schema: GraphQLSchema, document: DocumentNode): Fields {
  const typeInfo = new TypeInfo(schema);
  return collect((faults) => {
    visit(
      document,
      visitWithTypeInfo(typeInfo, {
        Argument(node) {
          const type = typeInfo.getArgument()?.type;
          if (type === undefined) return;
          const value = literal(node.value);
          const report = reporter(faults, type, node.name.value);
          findFaults(type, value, [], report, true);
          findUnstorable(value, [], report);
        },
      }),
    );
  });
}

function collect(find: (faults: Faults) => void): Fields {
  const faults: Faults = new Map();
  try {
    find(faults);
  } catch (error) {
    if (!(error instanceof Enough)) throw error;
  }
  return Object.fromEntries(faults);
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

function findFaults(
  type: GraphQLInputType,
  value: unknown,
  path: Path,
  report: Report,
  isLiteral = false,
): void {
  const findIn = (of: GraphQLInputType, part: unknown, partPath: Path) =>
    findFaults(of, part, partPath, report, isLiteral);
  if (value === variable) return;
  if (isNonNullType(type)) {
    if (value == null) report(path, "is required");
    else findIn(type.ofType, value, path);
  } else if (value == null) {
    return;
  } else if (isListType(type)) {
    if (!Array.isArray(value)) findIn(type.ofType, value, path);
    else value.forEach((item, i) => findIn(type.ofType, item, [...path, `${i}`]));
  } else if (isInputObjectType(type)) {
    if (isRecord(value)) findFaultsOfObject(type, value, path, report, isLiteral);
    else report(path, "must be an object");
  } else if (!accepts(type, value)) {
    report(path, expectation(type, value));
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
  report: Report,
  isLiteral: boolean,
): void {
  const known = type.getFields();
  for (const field of Object.values(known)) {
    const given = value[field.name];
    const fieldPath = [...path, field.name];
    if (given !== undefined) findFaults(field.type, given, fieldPath, report, isLiteral);
    else if (isRequiredInputField(field)) report(fieldPath, "is required");
  }
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(known, name)) continue;
    report([...path, name], "is not a field that can be given here");
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

function expectation(type: GraphQLScalarType | GraphQLEnumType, value: unknown): string {
  if (isEnumType(type)) {
    return `${JSON.stringify(value).slice(0, maxValue)} is not a value of ${type.name}`;
  }
  return scalars[type.name]?.expectation ?? builtIn[type.name] ?? `must be a valid ${type.name}`;
}

/**
 * Names a fault as in a form: `companyId`, not `input.deal.companyId`. The name of the variable or argument
 * is omitted if its value is an object, and so is the entity inside the input of a mutation.
 */
function reporter(faults: Faults, type: GraphQLInputType, name: string): Report {
  const root = getNamedType(type);
  const isList = isListType(getNullableType(type));
  const members = isInputObjectType(root) ? root.getFields() : {};
  const wraps = (head: string | undefined) =>
    head !== undefined &&
    "clientMutationId" in members &&
    isInputObjectType(
      isNonNullType(members[head]?.type) ? members[head].type.ofType : members[head]?.type,
    );

  return (path, message) => {
    const inner = path.length > 1 && wraps(path[0]) ? path.slice(1) : path;
    const field = inner.length === 0 || isList ? [name, ...inner].join(".") : inner.join(".");
    if (faults.size >= maxFaults && !faults.has(field)) throw new Enough();
    const messages = faults.get(field) ?? [];
    // Several inputs of a request may have the same fault.
    if (!messages.includes(message)) faults.set(field, [...messages, message]);
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
