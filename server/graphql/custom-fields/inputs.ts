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
import { parseAsWritten } from "../../model/exact-json.ts";

declare module "graphql" {
  interface GraphQLInputFieldExtensions {
    /** The name of the custom field that an input field is the value of. */
    customField?: string;
  }
}

/**
 * What the column custom_fields is set to by an input that has custom fields as fields, and undefined
 * for one that has none.
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

/** A value as JSON has it: a decimal is a text in GraphQL and a number there, digit for digit. */
function inJson(value: unknown, type: GraphQLInputType): unknown {
  if (typeof value !== "string" || getNamedType(type).name !== "BigFloat") return value;
  const number = value
    .replace(/^\+/, "")
    .replace(/^(-?)0*(?=\d)/, "$1")
    .replace(/^(-?)\./, "$10.")
    .replace(/\.(?!\d)/, "");
  return JSON.rawJSON(number);
}

/**
 * Names the faults of custom fields by where the client sent them: `industry` where it is a field of the
 * input, `customFields.industry` where it is a member of the raw object, as the database names it.
 *
 * @param error what a mutation ended with.
 * @param args what was executed.
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

/** The faults by field that an error of the database tells of, if it does. */
function faultsOf(error: pg.DatabaseError): Record<string, unknown> | undefined {
  const taken = uniqueCustomField(error);
  if (taken) return fieldsOf(taken);
  // What PostgreSQL itself says in a detail is no JSON, and quotes values.
  if (error.schema !== "crm" || !error.detail?.startsWith("{")) return undefined;
  return parseAsWritten(error.detail) as Record<string, unknown>;
}

/**
 * The same for the faults of one row among many.
 *
 * @param fields the messages by field, as the database names it.
 * @param input the row as it was sent.
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

/** Collects the names of the custom fields that an input has as fields, by how the database names them. */
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
      names.set(`${prefix}customFields.${extensions.customField}`, prefix + name);
    } else if (Array.isArray(value)) {
      value.forEach((row, i) => collectNames(names, row, of, `${prefix}${name}.${i}.`));
    } else {
      collectNames(names, value, of, prefix);
    }
  }
}
