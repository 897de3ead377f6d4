import type { PgCodecAttribute } from "postgraphile/@dataplan/pg";
import { sql, type SQL } from "postgraphile/pg-sql2";

/** An aggregate of amounts. */
export type Operation = "sum" | "average" | "min" | "max";

const operations = new Set<string>(["sum", "average", "min", "max"]);

export function isOperation(id: string): id is Operation {
  return operations.has(id);
}

/** Aggregates of a column of amounts, whose currencies are in another column. */
export interface Amounts {
  /** The aggregate, if all amounts have one currency; null if there are several. */
  ofOneCurrency(row: SQL, wrap: Wrap): SQL;
  /** The aggregate of each currency, as JSON. */
  byCurrency(row: SQL, operation: Operation): SQL;
  /** The aggregate in the base currency; null if a currency has no rate. */
  inBaseCurrency(row: SQL, operation: Operation, wrap: Wrap): SQL;
}

/** Applies the aggregate function to a value. */
type Wrap = (value: SQL) => SQL;

/**
 * Returns the aggregates of a column with the smart tag `@amount currency closed_at`; undefined for other
 * columns. The tag names the column of the currency, and the column of the time on whose day amounts are
 * converted, which is today if it is null. Reports convert on the same day (`crm_private.dated_deals`).
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
      // The least and the greatest text would be copied for each row, unlike numbers. No two currencies have
      // the same hash, which a test checks.
      const code = sql`hashtextextended(${currencyIn(row)}, 0)`;
      return sql`case when min(${code}) is not distinct from max(${code}) then ${wrap(amountIn(row))} end`;
    },
    byCurrency: (row, operation) => sql`crm_private.amounts_by_currency(
      ${sql.literal(operation)}, array_agg(${amountIn(row)}), array_agg(${currencyIn(row)})
    )`,
    inBaseCurrency(row, operation, wrap) {
      const rate = sql.identifier(Symbol("rate"));
      // crm.in_base_currency would be called for each row. This only looks up a rate for amounts that are
      // not in the base currency.
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
      // An amount without a rate makes the result unknown. Counting these would look up each rate twice.
      const unknown = sql`${sql.literal(operation === "min" ? "-Infinity" : "NaN")}::numeric`;
      const whole = wrap(sql`coalesce(${amount}, ${unknown})`);
      return sql`nullif(round(${whole}, 2), ${unknown})`;
    },
  };
}
