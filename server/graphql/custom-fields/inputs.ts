import {
  getArgumentValues,
  getNamedType,
  getOperationAST,
  getVariableValues,
  isInputObjectType,
  Kind,
  type ExecutionArgs,
  type GraphQLError,
  type GraphQLInputType,
} from "graphql";
import pg from "pg";

import { uniqueCustomField } from "../../errors/from-postgres.ts";
import { fieldsOf } from "../../errors/messages.ts";
import { parseAsWritten, type RawJson } from "../../model/exact-json.ts";

declare module "graphql" {
  interface GraphQLInputFieldExtensions {
    /** The name of the custom field that an input field sets. */
    customField?: string;
    /** The present name of that custom field, if it was renamed: faults have this name. */
    currentField?: string;
  }
}

/**
 * Returns the value of the column custom_fields for an input with typed custom fields; undefined if it sets
 * none.
 *
 * @param input the values of the input by field.
 * @param type of the input.
 */
export function customValues(input: unknown, type: GraphQLInputType): object | undefined {
  const inputType = getNamedType(type);
  if (!isInputObjectType(inputType) || typeof input !== "object" || input === null)
    return undefined;
  const sent = input as Readonly<Record<string, unknown>>;
  const values = Object.values(inputType.getFields()).flatMap(({ name, extensions, type: of }) =>
    extensions.customField === undefined || sent[name] === undefined
      ? []
      : [[extensions.customField, inJson(sent[name], of)] as const],
  );
  if (values.length === 0) return undefined;
  const typed = Object.fromEntries(values);
  const { customFields } = sent;
  return typeof customFields === "object" && customFields !== null
    ? { ...customFields, ...typed }
    : { $merge: typed };
}

/** Converts a value to JSON. A decimal, a string in GraphQL, becomes a number with the same digits. */
function inJson(value: unknown, type: GraphQLInputType): unknown {
  if (typeof value !== "string" || getNamedType(type).name !== "BigFloat") return value;
  return decimalInJson(value);
}

/** Converts a decimal to a number of JSON with the same digits. */
export function decimalInJson(decimal: string): RawJson {
  const number = decimal
    .replace(/^\+/, "")
    .replace(/^(-?)0*(?=\d)/, "$1")
    .replace(/^(-?)\./, "$10.")
    .replace(/\.(?!\d)/, "");
  return JSON.rawJSON(number);
}

/**
 * Renames the faults of custom fields as the client sent them: `industry` for a typed field of the input,
 * `customFields.industry`, the name in the database, for a member of the raw object.
 *
 * @param error of a mutation.
 * @param args of its execution.
 */
export function nameAsSent(error: GraphQLError, args: ExecutionArgs): void {
  const cause = error.originalError;
  const [node] = error.nodes ?? [];
  if (!(cause instanceof pg.DatabaseError) || node?.kind !== Kind.FIELD) return;
  const told = faultsOf(cause);
  if (told === undefined) return;
  const field = args.schema.getMutationType()?.getFields()[node.name.value];
  if (field === undefined) return;

  const variables = getVariableValues(
    args.schema,
    getOperationAST(args.document, args.operationName)?.variableDefinitions ?? [],
    args.variableValues ?? {},
  );
  const names = new Map<string, string>();
  const values = getArgumentValues(field, node, variables.coerced);
  for (const { name, type } of field.args) collectNames(names, values[name], type, "");
  cause.detail = JSON.stringify(renamed(told, names));
}

/** Returns the faults by field of an error of the database, if it has any. */
function faultsOf(error: pg.DatabaseError): Record<string, unknown> | undefined {
  const taken = uniqueCustomField(error);
  if (taken) return fieldsOf(taken);
  // Details of PostgreSQL itself are not JSON, and quote values.
  if (error.schema !== "crm" || !error.detail?.startsWith("{")) return undefined;
  return parseAsWritten(error.detail) as Record<string, unknown>;
}

/**
 * Renames the faults of one row of a bulk mutation in the same way.
 *
 * @param fields the messages by field, as named in the database.
 * @param input the row as sent.
 * @param type of the row.
 */
export function fieldsAsSent<Messages>(
  fields: Readonly<Record<string, Messages>>,
  input: unknown,
  type: GraphQLInputType,
): Record<string, Messages> {
  const names = new Map<string, string>();
  collectNames(names, input, type, "");
  return renamed(fields, names);
}

function renamed<Messages>(
  fields: Readonly<Record<string, Messages>>,
  names: ReadonlyMap<string, string>,
): Record<string, Messages> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, messages]) => [names.get(name) ?? name, messages]),
  );
}

/** Collects the names of the typed custom fields of an input, by their names in the database. */
function collectNames(
  names: Map<string, string>,
  input: unknown,
  type: GraphQLInputType,
  prefix: string,
): void {
  const inputType = getNamedType(type);
  if (!isInputObjectType(inputType) || typeof input !== "object" || input === null) return;
  for (const { name, type: of, extensions } of Object.values(inputType.getFields())) {
    const value = (input as Readonly<Record<string, unknown>>)[name];
    if (value === undefined) continue;
    if (extensions.customField !== undefined) {
      for (const known of [extensions.customField, extensions.currentField ?? []].flat()) {
        names.set(`${prefix}customFields.${known}`, prefix + name);
      }
    } else if (Array.isArray(value)) {
      value.forEach((row, i) => collectNames(names, row, of, `${prefix}${name}.${i}.`));
    } else {
      collectNames(names, value, of, prefix);
    }
  }
}
