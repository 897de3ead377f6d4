import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type pg from "pg";

import { connect, withConnection } from "../../../server/postgres/connect.ts";
import { createTestDatabase, type TestDatabase, withRollback } from "../../helpers/database.ts";
import { refusal } from "../../helpers/refusal.ts";

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  client = await connect(database.ownerUrl);
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

async function value<Value>(text: string, values: unknown[] = [], by = client): Promise<Value> {
  const { rows } = await by.query<{ value: Value }>(`select (${text}) as value`, values);
  return rows[0]?.value as Value;
}

async function verdict(digest?: string): Promise<Record<string, unknown>> {
  const { rows } = await client.query<Record<string, unknown>>(
    "select * from crm.verify_audit_log($1)",
    [digest],
  );
  return rows[0] ?? {};
}

/** A month as partitions are called by, so many months from now. */
const month = (offset: number, by = client) =>
  value<string>(
    "to_char(date_trunc('month', now() at time zone 'UTC') + make_interval(months => $1), 'YYYY_MM')",
    [offset],
    by,
  );

/** Creates a company as if it were so many months from now; gives its id. */
async function companyOf(offset: number, by = client): Promise<string> {
  const id = await value<string>("gen_random_uuid()", [], by);
  // Stamps and audit log cannot be told another time, so both are set behind their backs.
  await by.query("insert into crm.companies (id, name) values ($1, 'Acme')", [id]);
  await by.query("set session_replication_role = replica");
  await by.query(
    "update crm.companies set created_at = created_at + make_interval(months => $2) where id = $1",
    [id, offset],
  );
  await by.query(
    `update crm.audit_logs set "timestamp" = "timestamp" + make_interval(months => $2)
     where entity_id = $1`,
    [id, offset],
  );
  await by.query("reset session_replication_role");
  return id;
}

const partitionOf = (id: string, by = client) =>
  value<string>(
    "select tableoid::regclass::text from crm.audit_logs where entity_id = $1",
    [id],
    by,
  );

describe("a month without a partition", () => {
  test.each([
    ["that is over", -3],
    ["far ahead", 30],
  ])("%s has its entries in the default one, until maintenance makes its own", (_, offset) =>
    withRollback(async (by) => {
      const id = await companyOf(offset, by);
      expect(await partitionOf(id, by)).toBe("crm_private.audit_logs_other");
      await by.query("select crm_private.maintain_audit_log()");
      expect(await partitionOf(id, by)).toBe(`crm_private.audit_logs_${await month(offset, by)}`);
    }),
  );

  test("can be written to, and what moves out of the default partition stays sealed", async () => {
    const id = await companyOf(25);
    const digest = await value<string>("crm.audit_log_digest()");
    expect(await partitionOf(id)).toBe("crm_private.audit_logs_other");
    await client.query("select crm_private.ensure_audit_partitions()");
    expect(await partitionOf(id)).not.toBe("crm_private.audit_logs_other");
    expect(await verdict(digest)).toMatchObject({ intact: true });
  });
});

test("maintenance makes the partitions that a server needs which runs for long", () =>
  withRollback(async (by) => {
    const last = `crm_private.audit_logs_${await month(12, by)}`;
    await by.query(`drop table ${last}`);
    await by.query("set local role crm_server");
    await by.query("select crm_private.maintain_audit_log()");
    await by.query("reset role");
    expect(await value("to_regclass($1) is not null", [last], by)).toBe(true);
    expect(
      await value(
        "select relrowsecurity from pg_class where oid = to_regclass($1)::oid",
        [last],
        by,
      ),
    ).toBe(true);
  }));

test("no partition keeps statistics of values", () =>
  withRollback(async (by) => {
    await by.query(
      "insert into crm.companies (name) select 'C' || i from generate_series(1, 9) as i",
    );
    await companyOf(30, by);
    await by.query("select crm_private.ensure_audit_partitions()");
    await by.query("analyze crm.audit_logs");
    const { rows } = await by.query(
      "select distinct attname from pg_stats where tablename like 'audit_logs%' and attname in ('changes', 'action')",
    );
    expect(rows).toEqual([{ attname: "action" }]);
  }));

describe("archiving", () => {
  let ids: string[];
  let digest: string;

  beforeAll(async () => {
    ids = [];
    for (const offset of [-5, -4, -5, -3, -4, 0]) ids.push(await companyOf(offset));
    await client.query("select crm_private.ensure_audit_partitions()");
    digest = await value<string>("crm.audit_log_digest()");
  });

  /** Of each company, whether its history is complete. */
  const complete = () =>
    value<boolean[]>(
      `select array_agg(crm.companies_history_is_complete(company) order by place)
       from unnest($1::uuid[]) with ordinality as given (id, place)
       join crm.companies as company using (id)`,
      [ids],
    );

  test("nothing leaves everything there, and every history complete", async () => {
    expect(await value("crm.audit_log_kept_since()")).toBeNull();
    expect(await complete()).toEqual(Array<boolean>(6).fill(true));
    const { rows } = await client.query(
      "select * from crm_private.archive_audit_log(now() - interval '3 years')",
    );
    expect(rows).toEqual([]);
    expect(await value("crm.audit_log_kept_since()")).toBeNull();
  });

  test("detaches the months that ended before, and says from when on the audit log is kept", async () => {
    const { rows } = await client.query<{ name: string }>(
      `select name from crm_private.archive_audit_log(
         date_trunc('month', now() at time zone 'UTC') at time zone 'UTC' - interval '3 months'
       ) as name`,
    );
    expect(rows.map(({ name }) => name)).toEqual([
      `crm_private.audit_logs_${await month(-5)}`,
      `crm_private.audit_logs_${await month(-4)}`,
    ]);
    expect(
      await value(
        `crm.audit_log_kept_since() =
         (date_trunc('month', now() at time zone 'UTC') - interval '3 months') at time zone 'UTC'`,
      ),
    ).toBe(true);
    expect(await complete()).toEqual([false, false, false, true, false, true]);
  });

  test("does not look like removal, and removal not like archiving", async () => {
    expect(await verdict(digest)).toMatchObject({ intact: true, archived: "4" });
    await client.query("begin");
    await client.query("delete from crm.audit_logs where entity_id = $1", [ids[3]]);
    expect(await verdict(digest)).toMatchObject({ fault: "removed" });
    await client.query("rollback");
  });

  test("goes on where it left off", async () => {
    await client.query(
      "select crm_private.archive_audit_log(date_trunc('month', now() at time zone 'UTC') at time zone 'UTC')",
    );
    expect(await complete()).toEqual([false, false, false, false, false, true]);
    expect(await verdict(digest)).toMatchObject({ intact: true, archived: "5" });
  });

  test("can be taken back by attaching the table again, which is then verified", async () => {
    const name = `crm_private.audit_logs_${await month(-3)}`;
    await client.query("begin");
    await client.query(
      `do $$ begin execute format(
         'alter table crm.audit_logs attach partition ${name} for values from (%L) to (%L)',
         (date_trunc('month', now() at time zone 'UTC') - interval '3 months') at time zone 'UTC',
         (date_trunc('month', now() at time zone 'UTC') - interval '2 months') at time zone 'UTC'
       ); end $$`,
    );
    expect(await verdict(digest)).toMatchObject({ intact: true, archived: "4" });
    await client.query("update crm.audit_logs set user_id = 'm' where entity_id = $1", [ids[3]]);
    expect(await verdict(digest)).toMatchObject({ fault: "altered" });
    await client.query("rollback");
  });

  test("does not keep an erasure from what is detached and still in the database", async () => {
    const name = await value<string>(`(select $1 || $2)`, [
      "crm_private.audit_logs_",
      await month(-3),
    ]);
    const contact = "11111111-1111-1111-1111-111111111111";
    await client.query(
      `insert into ${name} (id, entity_type, entity_id, action, user_id, changes, "timestamp",
         transaction_id, source)
       values (-1, 'contact', $1, 'create', 'ada', '{"last_name": "Quixby"}',
         now() - interval '3 months', 1, 'sql')`,
      [contact],
    );
    await client.query("select crm.erase_contact($1)", [contact]);
    expect(await value(`select count(*)::int from ${name} as r where r::text ~ 'Quixby'`)).toBe(0);
    expect(await verdict(digest)).toMatchObject({ intact: true });
  });

  test("refuses this month, and what is not sealed yet", async () => {
    await client.query("begin");
    expect(
      await refusal(client, "select crm_private.archive_audit_log(now() + interval '1 month')"),
    ).toMatchObject({ code: "22023" });
    await client.query("rollback");

    await withConnection(database.ownerUrl, async (writer) => {
      await writer.query("begin; insert into crm.companies (name) values ('not decided')");
      await client.query("begin");
      await companyOf(-2);
      expect(
        await refusal(
          client,
          "select crm_private.archive_audit_log(date_trunc('month', now() at time zone 'UTC') at time zone 'UTC')",
        ),
      ).toMatchObject({ code: "55006" });
      await client.query("rollback");
    });
  });

  test.each(["crm_admin", "crm_server"])("is not for %s", async (role) => {
    await client.query("begin");
    await client.query(`set local role ${role}`);
    expect(await refusal(client, "select crm_private.archive_audit_log('2020-01-01')")).toMatchObject(
      { code: "42501" },
    );
    await client.query("rollback");
  });
});
