import { TYPES, type PgCodec, type PgResource } from "postgraphile/@dataplan/pg";
import { sql, type SQL } from "postgraphile/pg-sql2";

import { tables } from "../../model/generated/tables.ts";
import type { Table } from "../../model/tables.ts";
import type { OrderedRows } from "./moment.ts";
import { relationsOf } from "./relations.ts";

/** Where the value of a column stands among the values that it may have. */
export interface Rank {
  readonly codec: PgCodec;
  /** Whether a row may have none. */
  readonly nullable: boolean;
  /** Adds what finds it to a list of rows, and gives it. */
  inRows(rows: OrderedRows): SQL;
  /** The same as an expression of a single row, or of a group of rows that have it in common. */
  inRow(row: SQL): SQL;
}

/**
 * How rows are ordered by a column of choices: in the order of its check, as `status` is open, then
 * closed; or in that of another table, which the column names by the smart tag
 * `@rank pipeline_stages name position`.
 */
export function rankOf(resource: PgResource, attributeName: string): Rank | undefined {
  const attribute = resource.codec.attributes?.[attributeName];
  if (attribute === undefined) return undefined;
  const nullable = !attribute.notNull;
  const column = sql.identifier(attributeName);
  const { rank } = attribute.extensions?.tags ?? {};
  if (typeof rank === "string") {
    const [table = "", key = "", position = ""] = rank.split(" ");
    const from = sql.identifier(resource.extensions?.pg?.schemaName ?? "crm", table);
    const [of, by] = [sql.identifier(key), sql.identifier(position)];
    const isReference = relationsOf(resource).some(
      ([, { localAttributes, isReferencee }]) =>
        !isReferencee && localAttributes.join() === attributeName,
    );
    return {
      codec: TYPES.int,
      // What the column holds without a foreign key may be gone from the table.
      nullable: nullable || !isReference,
      inRows(rows) {
        const alias = rows.joined(`${table}.${attributeName}`, {
          type: isReference && !nullable ? "inner" : "left",
          from,
          condition: (other) => sql`${other}.${of} = ${rows.alias}.${column}`,
        });
        return sql`${alias}.${by}`;
      },
      inRow: (row) => {
        const other = sql.identifier(Symbol(table));
        return sql`(select ${other}.${by} from ${from} as ${other} where ${other}.${of} = ${row}.${column})`;
      },
    };
  }
  const values = choicesOf(resource, attributeName);
  if (values === undefined) return undefined;
  const choices = sql.join(
    values.map((value) => sql.literal(value)),
    ", ",
  );
  const inRow = (row: SQL) => sql`array_position(array[${choices}]::text[], ${row}.${column})`;
  return { codec: TYPES.int, nullable, inRow, inRows: ({ alias }) => inRow(alias) };
}

/** The values that the check of a column lists. */
function choicesOf({ extensions }: PgResource, attribute: string): readonly string[] | undefined {
  const name = `${extensions?.pg?.schemaName}.${extensions?.pg?.name}`;
  const table = Object.values<Table>(tables).find((known) => known.name === name);
  for (const check of table?.checks ?? []) {
    if (check.rule === "oneOf" && table?.columns[check.field]?.name === attribute) {
      return check.values;
    }
  }
  return undefined;
}
