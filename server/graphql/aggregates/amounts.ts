import type { PgCodecAttribute } from "postgraphile/@dataplan/pg";
import { sql, type SQL } from "postgraphile/pg-sql2";

/** An aggregate that is made of amounts. */
export type Operation = "sum" | "average" | "min" | "max";

const operations = new Set<string>(["sum", "average", "min", "max"]);

export function isOperation(id: string): id is Operation {
  return operations.has(id);
}

/** Amounts of money in a column, whose currencies stand in another one. */
export interface Amounts {
  /** The aggregate of those of one currency; null where there are several. */
  ofOneCurrency(row: SQL, wrap: Wrap): SQL;
  /** The aggregate in each currency, as JSON. */
  byCurrency(row: SQL, operation: Operation): SQL;
  /** The aggregate in the base currency; null where a currency has no rate. */
  inBaseCurrency(row: SQL, operation: Operation, wrap: Wrap): SQL;
}

/** Makes an aggregate of a value. */
type Wrap = (value: SQL) => SQL;

/**
 * What a column says by the smart tag `@amount currency closed_at`: the column of its currency, and that
 * of the time on whose day it is converted, which is today where there is none. It is the day by which
 * reports convert, too (`crm_private.dated_deals`).
 */
export function amountsOf(name: string, attribute: PgCodecAttribute): Amounts | undefined {
  const tag = attribute.extensions?.tags?.amount;
  if (typeof tag !== "string") return undefined;
  const [currency = "", time = ""] = tag.split(" ");
  const amountIn = (row: SQL) => sql`${row}.${sql.identifier(name)}`;
  const currencyIn = (row: SQL) => sql`${row}.${sql.identifier(currency)}`;
  const timeIn = (row: SQL) => sql`${row}.${sql.identifier(time)}`;
  return {
    ofOneCurrency(row, wrap) {
      // In bytes: which is first does not matter, and languages take longer.
      const code = sql`${currencyIn(row)} collate "C"`;
      return sql`case when min(${code}) is not distinct from max(${code}) then ${wrap(amountIn(row))} end`;
    },
    byCurrency: (row, operation) => sql`crm_private.amounts_by_currency(
      ${sql.literal(operation)}, array_agg(${amountIn(row)}), array_agg(${currencyIn(row)})
    )`,
    inBaseCurrency(row, operation, wrap) {
      const rate = sql.identifier(Symbol("rate"));
      // Not by crm.in_base_currency, which would be called for each row. This looks a rate up for those
      // that are not in the base currency.
      const amount = sql`${amountIn(row)} * case
        when ${currencyIn(row)} = (select crm.base_currency()) then 1
        else (
          select ${rate}.rate
          from crm.exchange_rates as ${rate}
          where ${rate}.currency = ${currencyIn(row)}
            and ${rate}.valid_from <= coalesce(
              (${timeIn(row)} at time zone (select crm.time_zone()))::date,
              (select crm.today())
            )
          order by ${rate}.valid_from desc
          limit 1
        )
      end`;
      // What has no rate makes the whole unknown. To count it would be to look every rate up twice.
      const unknown = sql`${sql.literal(operation === "min" ? "-Infinity" : "NaN")}::numeric`;
      const whole = wrap(sql`coalesce(${amount}, ${unknown})`);
      return sql`nullif(round(${whole}, 2), ${unknown})`;
    },
  };
}
