import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type pg from "pg";

import { withConnection } from "../../../server/postgres/connect.ts";
import { asRole, createTestDatabase, untilBlocked, withRollback } from "../../helpers/database.ts";
import { outcome, refusal } from "../../helpers/refusal.ts";

const addRate = "insert into crm.exchange_rates (currency, valid_from, rate) values ($1, $2, $3)";

/** The rows of a question, as an analyst gets them. */
async function report(client: pg.Client, text: string): Promise<Record<string, string | null>[]> {
  await asRole(client, "crm_reporter", "rita");
  const { rows } = await client.query<Record<string, string | null>>(text);
  await client.query("reset role");
  return rows;
}

describe("a rate", () => {
  test.each([
    ["XXX", "2026-01-01", "1", "exchange_rates_currency_known", "currency"],
    ["eur", "2026-01-01", "1", "exchange_rates_currency_known", "currency"],
    ["USD", "2026-01-01", "1", "exchange_rates_currency_foreign", "currency"],
    ["EUR", "infinity", "1", "exchange_rates_valid_from_range", "validFrom"],
    ["EUR", "2026-01-01", "0", "exchange_rates_rate_positive", "rate"],
    ["EUR", "2026-01-01", "-1.1", "exchange_rates_rate_positive", "rate"],
    ["EUR", "2026-01-01", "NaN", "exchange_rates_rate_range", "rate"],
    ["EUR", "2026-01-01", "1e13", "exchange_rates_rate_range", "rate"],
    ["EUR", "2026-01-01", "0.0000000000001", "exchange_rates_rate_decimals", "rate"],
  ])("of %s from %s that is %s is refused", (currency, day, rate, constraint, field) =>
    withRollback(async (client) => {
      await asRole(client, "crm_admin", "ann");
      const refused = await refusal(client, addRate, [currency, day, rate]);
      expect(refused).toMatchObject({ code: "23514", constraint });
      expect(Object.keys(refused.fields ?? {})).toEqual([field]);
    }),
  );

  test("is one for each currency and day", () =>
    withRollback(async (client) => {
      await client.query(addRate, ["EUR", "2026-01-01", "1.1"]);
      await client.query(addRate, ["EUR", "2026-01-02", "1.1"]);
      await client.query(addRate, ["GBP", "2026-01-01", "1.1"]);
      expect(await refusal(client, addRate, ["EUR", "2026-01-01", "1.2"])).toMatchObject({
        code: "23505",
        constraint: "exchange_rates_valid_from_unique",
      });
    }));

  test("is stamped, logged, undone and restored like other data of administrators", () =>
    withRollback(async (client) => {
      await asRole(client, "crm_admin", "ann");
      await client.query(addRate, ["EUR", "2026-01-01", "1.1"]);
      await client.query("update crm.exchange_rates set rate = 1.2");
      const { rows } = await client.query<{ id: string; entry: string }>(
        `select record.id, max(history.id) as entry
         from crm.exchange_rates as record, crm.exchange_rates_history(record) as history
         group by record.id`,
      );
      const [{ id, entry } = { id: "", entry: "" }] = rows;
      await client.query("select crm.undo_field('exchange_rate', $1, 'rate', $2)", [id, entry]);
      const rate = async (): Promise<unknown[]> => {
        const text = "select rate, version, created_by, updated_by from crm.exchange_rates";
        return (await client.query<Record<string, unknown>>(text)).rows;
      };
      const stamps = { version: 3, created_by: "ann", updated_by: "ann" };
      expect(await rate()).toEqual([{ rate: "1.1", ...stamps }]);
      const values = await client.query<{ value: unknown }>(
        `select field.value from crm.exchange_rates as record,
           crm.exchange_rates_field_history(record, 'rate') as field`,
      );
      expect(values.rows.map(({ value }) => value)).toEqual([1.1, 1.2, 1.1]);

      await client.query("delete from crm.exchange_rates");
      const trash = await client.query("select entity_type, label from crm.trash");
      expect(trash.rows).toEqual([{ entity_type: "exchange_rate", label: "EUR 2026-01-01" }]);
      await client.query("select crm.restore_deleted('exchange_rate', $1)", [id]);
      expect(await rate()).toEqual([{ rate: "1.1", ...stamps, version: expect.any(Number) }]);
    }));
});

describe("the base currency", () => {
  test("is USD, is set by administrators while there are no rates, and is logged", () =>
    withRollback(async (client) => {
      const set = (currency: unknown) =>
        client.query("select crm.set_base_currency($1) as base", [currency]);
      await asRole(client, "crm_reader", "rob");
      expect((await client.query("select crm.base_currency() as base")).rows).toEqual([
        { base: "USD" },
      ]);
      expect(await refusal(client, "select crm.set_base_currency('EUR')")).toMatchObject({
        code: "42501",
      });

      await asRole(client, "crm_admin", "ann");
      expect((await set("EUR")).rows).toEqual([{ base: "EUR" }]);
      await set("EUR");
      const { rows } = await client.query(
        `select changes, user_id from crm.audit_logs
         where entity_type = 'setting' and changes ? 'base_currency'`,
      );
      expect(rows).toEqual([
        { changes: { base_currency: { old: "USD", new: "EUR" } }, user_id: "ann" },
      ]);
      for (const [text, constraint] of [
        ["select crm.set_base_currency('euro')", "settings_base_currency_known"],
        ["select crm.set_base_currency(null)", "argument_not_null"],
      ] as const) {
        expect(await refusal(client, text)).toMatchObject({
          code: "23514",
          constraint,
          fields: { currency: [expect.any(String)] },
        });
      }

      await client.query(addRate, ["USD", "2026-01-01", "0.9"]);
      await set("EUR"); // changes nothing
      expect(await refusal(client, "select crm.set_base_currency('GBP')")).toMatchObject({
        constraint: "settings_base_currency_unused",
        fields: { currency: ["cannot be changed while there are exchange rates: 1"] },
      });
      await client.query("delete from crm.exchange_rates");
      await set("GBP");
    }));

  test("does not change beside a rate that is being written, nor the other way round", async () => {
    const database = await createTestDatabase();
    try {
      await withConnection(database.ownerUrl, (client) =>
        withConnection(database.ownerUrl, async (other) => {
          await other.query("begin");
          await other.query(addRate, ["EUR", "2026-01-01", "1.1"]);
          const change = outcome(client.query("select crm.set_base_currency('EUR')"));
          await untilBlocked(database.ownerUrl, client);
          await other.query("commit");
          expect(await change).toMatchObject({ constraint: "settings_base_currency_unused" });

          await other.query("delete from crm.exchange_rates");
          await other.query("begin");
          await other.query("select crm.set_base_currency('EUR')");
          const write = outcome(client.query(addRate, ["EUR", "2026-01-01", "1.1"]));
          await untilBlocked(database.ownerUrl, client);
          await other.query("commit");
          expect(await write).toMatchObject({ constraint: "exchange_rates_currency_foreign" });
        }),
      );
    } finally {
      await database.drop();
    }
  });
});

// Sums of money are refused for several currencies by comparing hashes.
test("no two currencies have the same hash", () =>
  withRollback(async (client) => {
    const { rows } = await client.query(
      `select count(*) > 100 as many,
         count(distinct hashtextextended(code, 0)) = count(*) as different
       from unnest(crm.currencies()) as code`,
    );
    expect(rows).toEqual([{ many: true, different: true }]);
  }));

test("an amount is converted at the rate of its day, and is null without one", () =>
  withRollback(async (client) => {
    await client.query(addRate, ["EUR", "2026-01-01", "1.123456789012"]);
    await client.query(addRate, ["EUR", "2026-02-01", "1.2"]);
    await asRole(client, "crm_reader", "rob");
    const converted = async (amount: string, currency: string, day: string | null) => {
      const { rows } = await client.query<{ amount: string | null }>(
        "select crm.in_base_currency($1, $2, coalesce($3, (now() at time zone 'UTC')::date)) as amount",
        [amount, currency, day],
      );
      return rows[0]?.amount;
    };
    expect(await converted("10.01", "USD", "0001-01-01")).toBe("10.01");
    expect(await converted("10.01", "EUR", "2025-12-31")).toBeNull();
    expect(await converted("10.01", "EUR", "2026-01-01")).toBe("11.24580245801012");
    expect(await converted("10", "EUR", "2026-01-31")).toBe("11.234567890120");
    expect(await converted("10", "EUR", "2026-02-01")).toBe("12.0");
    expect(await converted("10", "EUR", null)).toBe("12.0");
    expect(await converted("10", "GBP", null)).toBeNull();
    expect(await converted("10", "x".repeat(10_000), null)).toBeNull();
  }));

// Days around today, which is the day of open deals.
const day = (offset: number) =>
  new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);
const currencies = ["USD", "EUR", "JPY", "GBP"] as const;
const stages = ["Prospecting", "Proposal", "Won", "Lost"] as const;

const rates = fc.uniqueArray(
  fc.record({
    currency: fc.constantFrom("EUR", "JPY"),
    from: fc.integer({ min: -40, max: 5 }),
    // In units of the twelfth decimal.
    rate: fc.bigInt({ min: 1n, max: 2_000_000_000_000n }),
  }),
  { selector: ({ currency, from }) => `${currency} ${from}`, maxLength: 6 },
);
const deals = fc.array(
  fc.record({
    cents: fc.bigInt({ min: -10_000_000n, max: 999_999_999_999_999n }),
    currency: fc.constantFrom(...currencies),
    stage: fc.constantFrom(...stages),
    probability: fc.integer({ min: 0, max: 100 }),
    closes: fc.option(fc.integer({ min: -50, max: 50 })),
  }),
  { minLength: 1, maxLength: 12 },
);

/** An exact number of the 16th decimal, as text with two decimals, rounded half away from zero. */
function rounded(value: bigint): string {
  const unit = 10n ** 14n;
  const size = value < 0n ? -value : value;
  const cents = (size + unit / 2n) / unit;
  const text = cents.toString().padStart(3, "0");
  return `${value < 0n && cents > 0n ? "-" : ""}${text.slice(0, -2)}.${text.slice(-2)}`;
}

test("reports in the base currency hold every deal once, converted exactly or in its own currency", () =>
  withRollback(async (client) => {
    await client.query("insert into crm.companies (name) values ('Acme')");
    await client.query("set local crm.source = 'import'"); // keeps when deals were closed
    await fc.assert(
      fc.asyncProperty(rates, deals, async (listed, made) => {
        await client.query("savepoint one");
        for (const { currency, from, rate } of listed) {
          const text = rate.toString().padStart(13, "0");
          await client.query(addRate, [
            currency,
            day(from),
            `${text.slice(0, -12)}.${text.slice(-12)}`,
          ]);
        }
        await client.query(
          `insert into crm.deals
             (title, company_id, value, currency, stage, probability, close_date, created_at, closed_at)
           select 'Engine', company.id, cents / 100.0, currency, stage, probability, closes,
             now() - interval '1 year',
             case when stage in ('Won', 'Lost') then least(closes::timestamp at time zone 'UTC', now()) end
           from crm.companies as company, jsonb_to_recordset($1) as deal (
             cents numeric, currency text, stage text, probability integer, closes date
           )`,
          [
            JSON.stringify(
              made.map(({ cents, closes, ...deal }) => ({
                ...deal,
                cents: String(cents),
                closes: closes === null ? null : day(closes),
              })),
            ),
          ],
        );

        /** What a report has to say: by what it groups by and the currency, counts and exact sums. */
        const expected = (
          keys: (deal: (typeof made)[number]) => string | undefined,
        ): Map<string, [count: number, value: bigint, weighted: bigint]> => {
          const sums = new Map<string, [number, bigint, bigint]>();
          for (const deal of made) {
            const key = keys(deal);
            if (key === undefined) continue;
            const isOpen = !["Won", "Lost"].includes(deal.stage);
            const at = isOpen ? 0 : Math.min(deal.closes ?? 0, 0);
            const rate = listed
              .filter(({ currency, from }) => currency === deal.currency && from <= at)
              .sort((a, b) => b.from - a.from)[0]?.rate;
            const currency = rate === undefined ? deal.currency : "USD";
            const value = deal.cents * 100n * (rate ?? 10n ** 12n); // the 16th decimal
            const [count, sum, weighted] = sums.get(`${key} ${currency}`) ?? [0, 0n, 0n];
            sums.set(`${key} ${currency}`, [
              count + 1,
              sum + value,
              weighted + (value * BigInt(deal.probability)) / 100n,
            ]);
          }
          return sums;
        };
        const told = (sums: ReturnType<typeof expected>) =>
          [...sums]
            .map(([key, [count, value, weighted]]) =>
              [key, count, rounded(value), rounded(weighted)].join(" "),
            )
            .sort();
        const lines = async (text: string) =>
          (await report(client, text)).map((row) => Object.values(row).join(" ")).sort();

        expect(
          await lines(
            `select stage, currency, deals, value, weighted_value from reporting.pipeline_in_base
             where currency is not null`,
          ),
        ).toEqual(told(expected(({ stage }) => stage)));
        expect(
          await lines(
            `select coalesce(month::text, 'never'), currency, deals, value, weighted_value
             from reporting.forecast_in_base`,
          ),
        ).toEqual(
          told(
            expected(({ stage, closes }) =>
              ["Won", "Lost"].includes(stage)
                ? undefined
                : closes === null
                  ? "never"
                  : `${day(closes).slice(0, 7)}-01`,
            ),
          ),
        );
        expect(
          await lines(
            `select outcome.name, month::text, currency, outcome.deals, outcome.value
             from reporting.win_rates_in_base as rates
             cross join lateral (values ('Won', won, won_value), ('Lost', lost, lost_value))
               as outcome (name, deals, value)
             where outcome.deals > 0`,
          ),
        ).toEqual(
          told(
            expected(({ stage, closes }) =>
              ["Won", "Lost"].includes(stage)
                ? `${stage} ${day(Math.min(closes ?? 0, 0)).slice(0, 7)}-01`
                : undefined,
            ),
          )
            .map((line) => line.split(" ").slice(0, -1).join(" "))
            .sort(),
        );
        await client.query("rollback to savepoint one");
      }),
      { numRuns: 100 },
    );
  }));

test("an analyst reads the reports in the base currency, but no rate and no setting", () =>
  withRollback(async (client) => {
    await asRole(client, "crm_reporter", "rita");
    for (const text of [
      "select from crm.exchange_rates",
      "select from crm_private.conversions",
      "select from crm_private.settings",
      "select crm.base_currency()",
    ]) {
      expect(await refusal(client, text)).toMatchObject({ code: "42501" });
    }
  }));
