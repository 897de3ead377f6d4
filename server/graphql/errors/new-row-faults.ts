import {
  coerceInputValue,
  getNamedType,
  getOperationAST,
  isInputObjectType,
  OperationTypeNode,
  type ExecutionArgs,
  type GraphQLInputFieldMap,
  type GraphQLInputObjectType,
  type GraphQLInputType,
} from "graphql";

import type { Fields } from "../../errors/classes.ts";
import { tables } from "../../model/generated/tables.ts";
import type { Table } from "../../model/tables.ts";
import { fieldsAsSent } from "../custom-fields/inputs.ts";
import { isStorable, literal } from "./input-faults.ts";
import { rowOf } from "../bulk/input-rows.ts";
import { isIncluded, variablesOf } from "../limits/variables.ts";
import { rootFields } from "../limits/root-fields.ts";

const statement = `
  select crm_private.faults_of_new_row(given.table_name::regclass, given.item::jsonb) as faults
  from unnest($1::text[], $2::text[]) as given (table_name, item)`;

/** The valid part of a row that a mutation was to create. */
interface NewRow {
  readonly table: Table;
  readonly type: GraphQLInputObjectType;
  readonly sent: Readonly<Record<string, unknown>>;
  readonly columns: Readonly<Record<string, unknown>>;
}

/**
 * Returns the faults that the database finds in the rows that a request was to create, in addition to fields
 * of the wrong type.
 *
 * @param known faults that are already known, by field; these fields are not returned.
 * @throws any error of the database that is not a fault of a row.
 */
export async function faultsOfNewRows(
  args: ExecutionArgs,
  known: Fields,
  withPgClient: Grafast.Context["withPgClient"],
): Promise<Fields> {
  const rows = newRowsOf(args, known);
  if (rows.length === 0) return {};
  const { pgSettings } = args.contextValue as Grafast.Context;
  const found = await withPgClient(pgSettings ?? null, async (client) => {
    const { rows: answers } = await client.query<{ faults: Fields | null }>({
      text: statement,
      values: [
        rows.map(({ table }) => table.name),
        rows.map(({ columns }) => JSON.stringify(columns)),
      ],
    });
    return answers.map(({ faults }) => faults ?? {});
  });
  // Columns with a known fault are not sent, so the database may report them as missing.
  const head = (field: string) => field.split(".")[0];
  const unread = new Set(Object.keys(known).map(head));
  const isKnown = (field: string) => unread.has(head(field));
  return Object.fromEntries(
    rows.flatMap(({ sent, type }, i) =>
      Object.entries(fieldsAsSent(found[i] ?? {}, sent, type)).filter(([field]) => !isKnown(field)),
    ),
  );
}

function newRowsOf(args: ExecutionArgs, known: Fields): NewRow[] {
  const { schema, document, operationName } = args;
  const operation = getOperationAST(document, operationName);
  if (operation?.operation !== OperationTypeNode.MUTATION) return [];
  const mutations = schema.getMutationType()?.getFields() ?? {};
  const variables = variablesOf(operation, args.variableValues ?? {});
  const fields = rootFields(operation.selectionSet, document, (node) =>
    isIncluded(node, variables),
  );
  return [...fields].flatMap((node): NewRow[] => {
    const mutation = mutations[node.name.value];
    const given = node.arguments?.find(({ name }) => name.value === "input");
    const argument = mutation?.args.find(({ name }) => name === "input");
    const entity = Object.entries<Table>(tables).find(
      ([name]) => `create${name.charAt(0).toUpperCase()}${name.slice(1)}` === node.name.value,
    );
    if (given === undefined || argument === undefined || entity === undefined) return [];
    const [name, table] = entity;
    const type = membersOf(argument.type)[name]?.type;
    const sent = (literal(given.value, variables) as Record<string, unknown> | null)?.[name];
    if (type === undefined || typeof sent !== "object" || sent === null) return [];
    const rowType = getNamedType(type) as GraphQLInputObjectType;
    const columns = columnsOf(args, rowType, sent, known);
    return [{ table, type: rowType, sent: sent as NewRow["sent"], columns }];
  });
}

function membersOf(type: GraphQLInputType): GraphQLInputFieldMap {
  const named = getNamedType(type);
  return isInputObjectType(named) ? named.getFields() : {};
}

/** Returns the columns of a row for the valid fields. */
function columnsOf(
  { schema }: ExecutionArgs,
  type: GraphQLInputObjectType,
  sent: object,
  known: Fields,
): Readonly<Record<string, unknown>> {
  const readable: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(sent)) {
    const field = Object.hasOwn(type.getFields(), name) ? type.getFields()[name] : undefined;
    const isFaulty = Object.keys(known).some(
      (path) => path === name || path.startsWith(`${name}.`),
    );
    if (field === undefined || isFaulty || !isStorable(value)) continue;
    const errors: unknown[] = [];
    const read: unknown = coerceInputValue(value, field.type, (_, __, error) => errors.push(error));
    if (errors.length === 0) readable[name] = read;
  }
  return rowOf(schema, type, readable);
}
