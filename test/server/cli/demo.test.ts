import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";

import { type DemoCounts, runDemo } from "../../../server/cli/demo/run.ts";
import { planYear } from "../../../server/cli/demo/plan.ts";
import { connect, withConnection } from "../../../server/postgres/connect.ts";
import { createTestDatabase, type TestDatabase } from "../../helpers/database.ts";

const options = { size: 250, seed: 1 };

let database: TestDatabase;
let counts: DemoCounts;

beforeAll(async () => {
  database = await createTestDatabase();
  counts = await runDemo(database.ownerUrl, database.serverUrl, options);
}, 120_000);
afterAll(() => database.drop());

async function read(text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  return withConnection(database.ownerUrl, async (client) => {
    const { rows } = await client.query<Record<string, unknown>>(text, values);
    return rows;
  });
}

describe("the plan", () => {
  const request = {
    ...{ size: 60, seed: 1, until: Date.UTC(2026, 5, 1), currency: "USD" },
    stages: { open: ["First", "Second"], won: "Won", lost: "Lost" },
  };

  test("is the same for the same request, and another for another seed", () => {
    const plan = JSON.stringify(planYear(request));
    expect(JSON.stringify(planYear(request))).toBe(plan);
    expect(JSON.stringify(planYear({ ...request, seed: 2 }))).not.toBe(plan);
  });

  test("has events of the last year only, in order", () => {
    for (const { changes } of Object.values(planYear(request).entities).flat()) {
      const times = changes.map(({ at }) => at);
      expect(times).toEqual([...times].sort((one, other) => one - other));
      expect(times[0]).toBeGreaterThanOrEqual(request.until - 365 * 86_400_000);
      expect(times.at(-1)).toBeLessThan(request.until);
    }
  });

  test.each([50, 51, 99, 400])(
    "has as many contacts as asked for, %s, after deletions and merges",
    (size) => {
      const { contact } = planYear({ ...request, size }).entities;
      const left = contact.filter(({ changes }) => changes.at(-1)?.patch !== null);
      expect(left).toHaveLength(size + 2);
    },
  );
});

test("the database has the rows that it says", async () => {
  expect(counts).toMatchObject({ contacts: options.size });
  expect(
    await read(
      `select (select count(*)::integer from crm.companies) as companies,
              (select count(*)::integer from crm.contacts) as contacts,
              (select count(*)::integer from crm.deals) as deals,
              (select count(*)::integer from crm.tasks) as tasks,
              (select count(*)::integer from crm.notes) as notes,
              (select count(*)::integer from crm.trash) as trash`,
    ),
  ).toEqual([counts]);
});

test("it is refused where there are rows", async () => {
  await expect(runDemo(database.ownerUrl, database.serverUrl, options)).rejects.toThrow(
    /need an empty database/,
  );
  expect(await read("select count(*)::integer as contacts from crm.contacts")).toEqual([
    { contacts: options.size },
  ]);
});

test("it is refused where the pipeline has no won stage", async () => {
  const other = await createTestDatabase();
  await withConnection(other.ownerUrl, (client) =>
    client.query("delete from crm.pipeline_stages where kind = 'won'"),
  );
  await expect(runDemo(other.ownerUrl, other.serverUrl, options)).rejects.toThrow(/won/);
  await other.drop();
});

test("of two that run at the same time, one is refused", async () => {
  const other = await createTestDatabase();
  const runs = await Promise.allSettled(
    [1, 2].map((seed) => runDemo(other.ownerUrl, other.serverUrl, { size: 50, seed })),
  );
  expect(runs.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  await other.drop();
}, 60_000);

describe("the audit log", () => {
  test("is sealed and verifies", async () => {
    expect(
      await read("select unsealed::integer, fault from crm_private.check_audit_log()"),
    ).toEqual([{ unsealed: 0, fault: null }]);
    expect(await read("select crm_private.unsealed_seconds() as seconds")).toEqual([
      { seconds: 0 },
    ]);
  });

  test("has the entries of the year in the order of time, in the partitions of their months", async () => {
    const [found] = await read(
      `select
         bool_and(later) as "isInOrder",
         count(distinct month)::integer as months,
         bool_or(partition = 'crm_private.audit_logs_other') as "isElsewhere"
       from (
         select
           log."timestamp" >= lag(log."timestamp", 1, '-infinity') over (order by log.id) as later,
           date_trunc('month', log."timestamp") as month,
           log.tableoid::regclass::text as partition
         from crm.audit_logs as log
         where log.source = 'import'
       ) as entry`,
    );
    expect(found).toMatchObject({ isInOrder: true, isElsewhere: false });
    expect(found?.months).toBeGreaterThanOrEqual(12);
  });

  test.each(["companies", "contacts", "deals", "tasks", "notes"])(
    "agrees with the stamps of %s",
    async (table) => {
      expect(
        await read(
          `select row.id
           from crm.${table} as row
           join lateral (
             select
               count(*) as entries, min("timestamp") as first, max("timestamp") as last,
               (array_agg(user_id order by id))[1] as creator,
               (array_agg(user_id order by id desc))[1] as writer
             from crm.audit_logs as log
             where log.entity_id = row.id
           ) as log on true
           where (row.version, row.created_at, row.updated_at, row.created_by, row.updated_by)
             is distinct from (log.entries, log.first, log.last, log.creator, log.writer)`,
        ),
      ).toEqual([]);
    },
  );

  test("has a transaction for each change, so that one can be undone", async () => {
    const [move] = await read(
      `select log.transaction_id as id, log.entity_id as deal, log.changes #>> '{stage,old}' as stage
       from crm.audit_logs as log
       join crm.deals as deal on deal.id = log.entity_id
       where log.changes #>> '{stage,new}' = deal.stage and log.source = 'import'
       order by log.id desc
       limit 1`,
    );
    const client = await connect(database.ownerUrl);
    await client.query("begin");
    await client.query("select crm.undo_transaction($1)", [move?.id]);
    const { rows } = await client.query(
      `select deal.stage, count(*)::integer as entries
       from crm.audit_logs as log
       join crm.deals as deal on deal.id = $1
       where log.transaction_id = pg_current_xact_id()::text::bigint
       group by deal.stage`,
      [move?.deal],
    );
    await client.query("rollback");
    await client.end();
    expect(rows).toEqual([{ stage: move?.stage, entries: 1 }]);
  });
});

test("all triggers are enabled again", async () => {
  expect(await read("select tgname from pg_trigger where tgenabled not in ('O', 'A')")).toEqual([]);
});

describe("what the documents show can be seen", () => {
  test("deals in several currencies, each with rates, in every stage", async () => {
    const [found] = await read(
      `select count(distinct currency)::integer as currencies, count(distinct stage)::integer as stages,
         bool_and(crm.in_base_currency(value, currency, created_at::date) is not null) as "areConverted"
       from crm.deals`,
    );
    expect(found).toEqual({ currencies: 6, stages: 6, areConverted: true });
  });

  test("custom fields of each type, with values", async () => {
    expect(
      await read(
        `select definition.field_type as type
         from crm.custom_field_definitions as definition
         where exists (
           select from crm.companies where custom_fields ? definition.name
           union all select from crm.contacts where custom_fields ? definition.name
           union all select from crm.deals where custom_fields ? definition.name
         )
         group by definition.field_type
         order by definition.field_type`,
      ),
    ).toEqual(
      ["boolean", "date", "enum", "multi_enum", "number", "text"].map((type) => ({ type })),
    );
  });

  test("duplicates, merges, undone changes, external ids, and open and closed tasks", async () => {
    const [found] = await read(
      `select
         (select count(*) > 0 from crm.duplicate_groups('contact')) as duplicates,
         (select count(*)::integer from crm_private.merges) as merges,
         (select count(*) > 0 from crm.audit_logs where changes ? '@undoes') as undone,
         (select count(*) > 0 from crm_private.external_ids) as "externalIds",
         (select count(distinct status)::integer from crm.tasks) as statuses`,
    );
    expect(found).toEqual({
      ...{ duplicates: true, merges: 3, undone: true, externalIds: true, statuses: 2 },
    });
  });

  test("a trash whose rows can be restored, with what was deleted with them", async () => {
    const client = await connect(database.ownerUrl);
    await client.query("begin");
    const { rows } = await client.query<{
      entity_id: string;
      entity_type: string;
      cascaded_rows: string;
    }>(
      "select entity_id, entity_type, cascaded_rows from crm.trash where entity_type <> 'pipeline_stage'",
    );
    expect(rows.some(({ cascaded_rows }) => Number(cascaded_rows) > 0)).toBe(true);
    for (const { entity_id, entity_type } of rows) {
      await client.query("select crm.restore_deleted($1, $2)", [entity_type, entity_id]);
    }
    const { rowCount } = await client.query("select from crm.trash");
    await client.query("rollback");
    await client.end();
    expect(rowCount).toBe(0);
  });

  test("a pipeline of the past, in the order of the stages", async () => {
    const past = await read(
      "select stage, count > 0 as is_used from crm.pipeline_as_of(now() - interval '60 days')",
    );
    const stages = ["Prospecting", "Qualification", "Proposal", "Negotiation", "Won", "Lost"];
    expect(past).toEqual(stages.map((stage) => ({ stage, is_used: true })));
  });

  test("every report has rows", async () => {
    const views = await read(
      `select relname as name from pg_class
       where relnamespace = 'reporting'::regnamespace and relkind = 'v'`,
    );
    const empty: unknown[] = [];
    for (const { name } of views) {
      // The pipeline of each day is computed; one day is enough.
      const where = String(name).startsWith("pipeline_by_day")
        ? "where day = current_date - 30"
        : "";
      const rows = await read(`select from reporting.${String(name)} ${where} limit 1`);
      if (rows.length === 0) empty.push(name);
    }
    expect(empty).toEqual([]);
  });

  test("search finds a contact by a misspelt name", async () => {
    const [contact] = await read(
      "select id, first_name || ' ' || last_name as name from crm.contacts order by id limit 1",
    );
    const name = String(contact?.name);
    const misspelt = name.slice(0, -2) + name.slice(-1);
    const hits = await read("select entity_id from crm.search($1)", [misspelt]);
    expect(hits.map(({ entity_id }) => entity_id)).toContain(contact?.id);
  });
});
