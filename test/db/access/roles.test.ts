import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type pg from "pg";

import { withConnection } from "../../../server/postgres/connect.ts";
import {
  asRole,
  createTestDatabase,
  type RequestRole,
  type TestDatabase,
  withRollback,
} from "../../helpers/database.ts";
import { refusal } from "../../helpers/refusal.ts";

const write: Record<string, string> = {
  companies: "insert into crm.companies (name) values ('Acme')",
  contacts: "insert into crm.contacts (first_name, last_name) values ('Ada', 'Lovelace')",
  pipeline_stages: "insert into crm.pipeline_stages (name) values ('Demo')",
  exchange_rates: `insert into crm.exchange_rates (currency, valid_from, rate)
    values ('EUR', '2026-01-01', 1.1)`,
  custom_field_definitions: `insert into crm.custom_field_definitions
    (name, label, entity_type, field_type) values ('f', 'F', 'contact', 'text')`,
};

async function as(role: RequestRole, client: pg.Client): Promise<void> {
  await asRole(client, role, "ada");
}

test("a reader reads everything and writes nothing", () =>
  withRollback(async (client) => {
    await as("crm_reader", client);
    for (const [table, statement] of Object.entries(write)) {
      await client.query(`select * from crm.${table}`);
      expect(await refusal(client, statement)).toMatchObject({ code: "42501" });
      expect(await refusal(client, `delete from crm.${table}`)).toMatchObject({ code: "42501" });
      expect(await refusal(client, `update crm.${table} set version = version`)).toMatchObject({
        code: "42501",
      });
    }
  }));

test("a member writes entities, but neither definitions, stages nor rates", () =>
  withRollback(async (client) => {
    await as("crm_member", client);
    await client.query(write.companies ?? "");
    await client.query(write.contacts ?? "");
    await client.query("update crm.contacts set last_name = 'King'");
    await client.query("delete from crm.contacts");
    for (const table of ["pipeline_stages", "exchange_rates", "custom_field_definitions"]) {
      expect(await refusal(client, write[table] ?? "")).toMatchObject({ code: "42501" });
      expect(await refusal(client, `delete from crm.${table}`)).toMatchObject({ code: "42501" });
    }
  }));

test("a member cannot ask the validation which ids exist", () =>
  withRollback(async (client) => {
    await as("crm_member", client);
    expect(
      await refusal(client, "select crm_private.refuse_row('crm.contacts', '{}')"),
    ).toMatchObject({ code: "42501" });
  }));

test("an administrator writes those too", () =>
  withRollback(async (client) => {
    await as("crm_admin", client);
    for (const statement of Object.values(write)) await client.query(statement);
  }));

test.each(["crm_member", "crm_admin"] as const)(
  "a %s cannot write what the database sets",
  (role) =>
    withRollback(async (client) => {
      await as(role, client);
      for (const column of ["id", "created_at", "created_by", "updated_at", "updated_by"]) {
        expect(
          await refusal(
            client,
            `insert into crm.companies (name, ${column}) values ('A', default)`,
          ),
        ).toMatchObject({ code: "42501" });
        expect(await refusal(client, `update crm.companies set ${column} = default`)).toMatchObject(
          { code: "42501" },
        );
      }
    }),
);

describe("the audit log", () => {
  test("is read whole by administrators, by others as the history of what is there", () =>
    withRollback(async (client) => {
      await client.query("insert into crm.companies (name) values ('Gone'), ('Here')");
      await client.query("delete from crm.companies where name = 'Gone'");
      const seen = async (): Promise<unknown[]> =>
        (
          await client.query<{ action: string; name: string }>(
            `select action, coalesce(changes ->> 'name', '') as name from crm.audit_logs
             where transaction_id = pg_current_xact_id()::text::bigint order by id`,
          )
        ).rows;
      await as("crm_admin", client);
      expect(await seen()).toEqual([
        { action: "create", name: "Gone" },
        { action: "create", name: "Here" },
        { action: "delete", name: "Gone" },
      ]);
      await as("crm_reader", client);
      expect(await seen()).toEqual([{ action: "create", name: "Here" }]);
    }));

  test("gives everyone the history of every row that they can read, the newest first", () =>
    withRollback(async (client) => {
      await client.query("insert into crm.companies (name) values ('Acme')");
      await client.query("update crm.companies set name = 'Bolt'");
      await client.query("insert into crm.contacts (first_name, last_name) values ('Ada', 'King')");
      await client.query(
        `insert into crm.deals (title, company_id, value, stage)
         select 'Engine', id, 1, 'Won' from crm.companies`,
      );
      await client.query(
        `insert into crm.tasks (description, entity_type, entity_id)
         select 'Call', 'company', id from crm.companies`,
      );
      await client.query(
        `insert into crm.notes (content, entity_type, entity_id)
         select 'Hm', 'company', id from crm.companies`,
      );
      await client.query(write.custom_field_definitions ?? "");
      for (const role of ["crm_reader", "crm_member", "crm_admin"] as const) {
        await as(role, client);
        const seen: Record<string, unknown> = {};
        for (const table of [
          "companies",
          "contacts",
          "deals",
          "tasks",
          "notes",
          "custom_field_definitions",
          "pipeline_stages",
        ]) {
          const { rows } = await client.query<{ action: string }>(
            `select history.action
             from crm.${table} as record, crm.${table}_history(record) as history`,
          );
          seen[table] = rows.map(({ action }) => action);
        }
        expect(seen).toEqual({
          companies: ["update", "create"],
          contacts: ["create"],
          deals: ["create"],
          tasks: ["create"],
          notes: ["create"],
          custom_field_definitions: ["create"],
          pipeline_stages: Array<string>(6).fill("create"),
        });
      }
    }));

  test("finds the history of a row through an index", () =>
    withRollback(async (client) => {
      await client.query(
        `insert into crm.audit_logs
           (entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
         select 'company', gen_random_uuid(), 'create', 'ada', '{}', now(), 1, 'sql'
         from generate_series(1, 20000)`,
      );
      await client.query("insert into crm.companies (name) values ('Acme')");
      await client.query("analyze crm.audit_logs");
      // What a function does has no plan of its own to look at: its query, then.
      const { rows: functions } = await client.query<{ query: string }>(
        "select prosrc as query from pg_proc where oid = 'crm.companies_history'::regproc",
      );
      const query = functions[0]?.query.replace("record.id", "(select id from crm.companies)");
      const { rows } = await client.query<{ "QUERY PLAN": string }>(`explain ${query}`);
      const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
      expect(plan).toMatch(/entity_id_idx|audit_logs_\d+_\d+_entity_id/);
    }));
});

describe("the login roles", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  test("crm_server can do nothing by itself and become only reader, member and admin", () =>
    withConnection(database.serverUrl, async (client) => {
      await expect(client.query("select * from crm.contacts")).rejects.toMatchObject({
        code: "42501",
      });
      for (const role of ["postgres", "crm_reporter", "pg_read_all_data"]) {
        await expect(client.query(`set role ${role}`)).rejects.toMatchObject({ code: "42501" });
      }
      for (const role of ["crm_reader", "crm_member", "crm_admin"]) {
        await client.query(`set role ${role}`);
        await client.query("select * from crm.contacts");
      }
    }));

  test("crm_reporter reads no table and writes nothing", () =>
    withRollback(async (client) => {
      await as("crm_reporter", client);
      for (const table of Object.keys(write)) {
        expect(await refusal(client, `select * from crm.${table}`)).toMatchObject({
          code: "42501",
        });
      }
      expect(await refusal(client, "create table reporting.mine (id int)")).toMatchObject({
        code: "42501",
      });
      const { rows } = await client.query(
        "select 'default_transaction_read_only=on' = any (rolconfig) as read_only from pg_roles where rolname = 'crm_reporter'",
      );
      expect(rows).toEqual([{ read_only: true }]);
    }));

  test("whoever logs in with them has timeouts, and no compiling, with and without the server", () =>
    withRollback(async (client) => {
      const { rows } = await client.query(
        `select rolname::text as role, setting
         from pg_roles cross join unnest(rolconfig) as setting
         where rolname in ('crm_server', 'crm_reporter')
           and setting ~ '^(jit|.*timeout)='
         order by rolname desc, setting desc`,
      );
      expect(rows.map(({ role, setting }) => `${role} ${setting}`)).toEqual([
        "crm_server statement_timeout=20s",
        "crm_server lock_timeout=5s",
        "crm_server jit=off",
        "crm_server idle_in_transaction_session_timeout=10s",
        "crm_reporter statement_timeout=5min",
        "crm_reporter lock_timeout=5s",
        "crm_reporter jit=off",
        "crm_reporter idle_in_transaction_session_timeout=5min",
      ]);
    }));
});
