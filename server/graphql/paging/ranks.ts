import { TYPES, type PgCodec, type PgResource } from "postgraphile/@dataplan/pg";
import { sql, type SQL } from "postgraphile/pg-sql2";

import { tables } from "../../model/generated/tables.ts";
import type { Table } from "../../model/tables.ts";
import type { OrderedRows } from "./moment.ts";
import { relationsOf } from "./relations.ts";

/** The position of the value of a column among its possible values. */
export interface Rank {
  readonly codec: PgCodec;
  /** Whether a row may have no position. */
  readonly nullable: boolean;
  /** Joins the table that it needs to a list of rows, and returns the expression. */
  inRows(rows: OrderedRows): SQL;
  /** Returns the expression for a single row, or for a group of rows that share the value. */
  inRow(row: SQL): SQL;
}

/**
 * Returns the order of a column of choices; undefined for other columns. It is the order of the values in
 * its check constraint, such as `status`: open, then closed. Or it is the order of another table, which the
 * column names by the smart tag `@rank pipeline_stages name position`.
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
      // Without a foreign key, the referenced row may be deleted.
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

/** Returns the values that the check constraint of a column lists. */
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
