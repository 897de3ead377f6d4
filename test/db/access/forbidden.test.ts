import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import pg from "pg";

import { withConnection } from "../../../server/postgres/connect.ts";
import { changeUrl } from "../../../server/postgres/database-url.ts";
import { createTestDatabase, type TestDatabase, withRollback } from "../../helpers/database.ts";
import { refusal } from "../../helpers/refusal.ts";

/** Who comes by SQL: the login, and the role that it becomes. */
const callers = {
  "the server as a reader": ["crm_server", "crm_reader"],
  "the server as a member": ["crm_server", "crm_member"],
  "the server as an administrator": ["crm_server", "crm_admin"],
  "the server by itself": ["crm_server", "none"],
  "a login that is a reader": ["test_reader", "none"],
  "a login that is a member": ["test_member", "none"],
  "a login that is an administrator": ["test_admin", "none"],
  "an analyst": ["crm_reporter", "none"],
  "a login without a role": ["test_nobody", "none"],
} as const;

type Caller = keyof typeof callers;
const names = Object.keys(callers) as Caller[];

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  await withConnection(database.ownerUrl, (client) =>
    client.query(`
      create role test_reader login password 'x' in role crm_reader;
      create role test_member login password 'x' in role crm_member;
      create role test_admin login password 'x' in role crm_admin;
      create role test_nobody login password 'x';
      alter role crm_reporter password 'x';

      insert into crm.companies (name) values ('Acme'), ('Bolt');
      select crm.create_api_key(name, 'reader') from unnest('{a,b}'::text[]) as name;
      create statistics crm.two on name, created_by from crm.companies;
      create statistics crm.one on (lower(name)) from crm.companies;
      analyze;
    `),
  );
});
afterAll(async () => {
  await withConnection(database.ownerUrl, (client) =>
    client.query(`
      drop role test_reader, test_member, test_admin, test_nobody;
      alter role crm_reporter password null;
    `),
  );
  await database.drop();
});

/** Logs in as a caller, for a transaction that takes writes and is rolled back. */
async function as(caller: Caller, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const [user, role] = callers[caller];
  const url =
    user === "crm_server"
      ? database.serverUrl
      : changeUrl(database.ownerUrl, { user, password: "x" });
  await withRollback(async (client) => {
    await client.query(`set transaction read write; set local role ${role}`);
    await work(client);
  }, url);
}

/** What each caller is refused for want of rights, and nothing else. */
const forbidden: Record<string, string[]> = {
  "create anything, in any schema": [
    ...["crm", "crm_private", "reporting", "extensions", "public", "crm_migrations"].flatMap(
      (schema) => [
        `create table ${schema}.mine (id integer)`,
        `create view ${schema}.mine as select 1`,
        `create type ${schema}.mine as (id integer)`,
        `create function ${schema}.mine() returns integer language sql return 1`,
      ],
    ),
    "create temporary table mine (id integer)",
    "create temporary view mine as select 1",
    "create function pg_temp.mine() returns integer language sql return 1",
    "create domain pg_temp.text as pg_catalog.text",
    "create schema mine",
    "create extension hstore",
    "create extension dblink",
    "create foreign data wrapper mine",
    "create event trigger mine on ddl_command_start execute function crm_private.refuse_truncate()",
    "create publication mine for all tables",
    "create language mine handler plpgsql_call_handler",
    "create index on crm.companies (created_by)",
    "create trigger mine after insert on crm.companies execute function crm_private.refuse_truncate()",
    "create policy mine on crm.companies using (true)",
    "create statistics crm.mine on name, owner_id from crm.companies",
  ],

  "get around the triggers": [
    "set session_replication_role = replica",
    "set local session_replication_role = local",
    "alter table crm.companies disable trigger all",
    "alter table crm.companies disable trigger user",
    "alter table crm.companies disable trigger _900_audit_log_insert",
    "drop trigger _900_audit_log_insert on crm.companies",
    "alter trigger _900_audit_log_insert on crm.companies rename to z",
    "truncate crm.companies",
    "truncate crm.audit_logs",
    "truncate crm_private.audit_logs_other",
    "alter table crm.audit_logs detach partition crm_private.audit_logs_other",
    "select nextval('crm.audit_logs_id_seq')",
    "select setval('crm.audit_logs_id_seq', 1)",
  ],

  "get around row-level security": [
    "alter table crm.companies disable row level security",
    "alter table crm.companies no force row level security",
    "drop policy companies_select on crm.companies",
    "alter policy companies_select on crm.companies using (true)",
    "alter role current_user bypassrls",
    "set local row_security = off; select from crm.audit_logs",
  ],

  "become somebody else": [
    "set role postgres",
    "set role pg_read_all_data",
    "set role pg_execute_server_program",
    "set session authorization postgres",
    "alter role current_user superuser",
    "alter role current_user createrole",
    "alter role crm_reader login",
    "alter role postgres rename to mine",
    "alter role postgres password 'x'",
    "create role mine",
    "drop role crm_reporter",
    "grant pg_read_all_data to current_user",
    "alter default privileges for role postgres grant select on tables to public",
    "alter schema crm owner to current_user",
    "alter table crm.companies owner to current_user",
    "reassign owned by postgres to current_user",
  ],

  "change what there is": [
    "alter table crm.companies add column mine integer",
    "alter table crm.companies drop constraint companies_name_blank",
    "alter table crm.companies alter column name drop not null",
    "drop table crm.companies",
    "drop view crm_private.rules",
    "drop schema crm cascade",
    "drop function crm.current_user_id()",
    "alter function crm.current_user_id() security definer",
    "alter function crm.create_deal_with_tasks reset search_path",
    "create or replace function crm.current_user_id() returns text language sql return 'ann'",
    "comment on table crm.companies is 'mine'",
    "drop extension pg_trgm",
  ],

  "read what PostgreSQL knows of the rows and the roles": [
    "select from pg_statistic",
    "select from pg_statistic_ext_data",
    "select from pg_authid",
    "select from pg_shadow",
    "select from pg_user_mapping",
    "select from pg_largeobject",
    "select subconninfo from pg_subscription",
    "select from pg_hba_file_rules",
    "select from pg_file_settings",
    "show hba_file",
  ],

  "reach the files, the programs and the other sessions of the machine": [
    "copy crm.companies to program 'true'",
    "copy crm.companies from program 'true'",
    "copy (select 1) to program 'true'",
    "copy (select 1) to '/tmp/crm'",
    "copy crm.companies from '/etc/passwd'",
    "select pg_read_file('/etc/passwd')",
    "select pg_read_binary_file('/etc/passwd')",
    "select pg_ls_dir('/')",
    "select pg_stat_file('/etc/passwd')",
    "select lo_import('/etc/passwd')",
    "select lo_export(1, '/tmp/crm')",
    "load '/tmp/crm.so'",
    "set local log_statement = 'all'",
    "select pg_reload_conf()",
    "select pg_rotate_logfile()",
    "select pg_switch_wal()",
    "select pg_create_restore_point('x')",
    "select pg_stat_reset()",
    "select pg_log_backend_memory_contexts(pg_backend_pid())",
    "checkpoint",
  ],

  "call what is internal": [
    "select crm_private.compile_rules('crm.companies')",
    "select crm_private.compile_audit_log('crm.companies', 'company')",
    "select crm_private.compile_custom_fields('company')",
    "select crm_private.ensure_audit_partitions(1200)",
    "select crm_private.row_faults('crm.companies', '{}')",
    "select crm_private.current_source()",
    "select from crm_private.rules",
    "select from crm_private.api_key_hashes",
    "select from crm_migrations.migrations",
  ],
};

describe.each(names)("%s", (caller) => {
  test.each(Object.entries(forbidden))("cannot %s", (_, statements) =>
    as(caller, async (client) => {
      const allowed: string[] = [];
      for (const statement of statements) {
        const code = await refusal(client, statement).then(
          (refused) => refused.code,
          () => "allowed",
        );
        if (code !== "42501") allowed.push(`${code}: ${statement}`);
      }
      expect(allowed).toEqual([]);
    }),
  );

  test("cannot change the cluster", async () => {
    const statements = [
      "create database mine",
      "drop database postgres",
      "create tablespace mine location '/tmp'",
      "alter system set log_statement = 'all'",
      "create subscription mine connection 'dbname=mine' publication mine",
    ];
    await as(caller, async (client) => {
      await client.query("rollback");
      await client.query("set default_transaction_read_only = off");
      for (const statement of statements) {
        await expect(client.query(statement)).rejects.toMatchObject({ code: "42501" });
      }
    });
  });

  test("sees no statistics of the values in protected tables", () =>
    as(caller, async (client) => {
      expect(await withConnection(database.ownerUrl, seenStatistics)).toHaveLength(3);
      expect(await seenStatistics(client)).toEqual([]);
    }));

  test("sees no query of another login's session, and cannot end it", () =>
    withRollback(async (other) => {
      const { rows } = await other.query<{ pid: number }>(
        "select pg_backend_pid() as pid /* a secret */",
      );
      const pid = rows[0]?.pid ?? 0;
      await as(caller, async (client) => {
        const seen = await client.query(
          "select query, client_addr from pg_catalog.pg_stat_activity where pid = $1",
          [pid],
        );
        expect(seen.rows).toEqual([{ query: "<insufficient privilege>", client_addr: null }]);
        for (const act of ["pg_terminate_backend", "pg_cancel_backend"]) {
          expect(await refusal(client, `select ${act}(${pid})`)).toMatchObject({ code: "42501" });
        }
      });
    }, database.ownerUrl));

  test("cannot read or write a large object of somebody else", async () => {
    const [object] = await withConnection(database.ownerUrl, async (client) => {
      const made = await client.query<{ id: number }>("select lo_from_bytea(0, 'secret') as id");
      return made.rows;
    });
    await as(caller, async (client) => {
      for (const text of ["select lo_get($1)", "select lo_put($1, 0, 'x')"]) {
        expect(await refusal(client, text, [object?.id])).toMatchObject({ code: "42501" });
      }
    });
  });

  test("grants nothing to anybody", () =>
    as(caller, async (client) => {
      for (const statement of [
        "grant all on crm.companies, crm.audit_logs to public",
        "grant all on schema crm to public",
        "grant execute on function crm.current_user_id() to public",
        "grant crm_admin to crm_reporter",
      ]) {
        // What one has without the right to hand it on is a warning only.
        await client.query("savepoint attempt");
        await client.query(statement).catch(() => client.query("rollback to savepoint attempt"));
      }
      const { rows } = await client.query(
        `select class.relname
         from pg_catalog.pg_class as class
         join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
         cross join lateral (
           select * from pg_catalog.aclexplode(class.relacl)
           union all select * from pg_catalog.aclexplode(namespace.nspacl)
         ) as acl
         where namespace.nspname = 'crm' and acl.grantee = 0
         union all
         select 'crm_admin' where pg_has_role('crm_reporter', 'crm_admin', 'member')`,
      );
      expect(rows).toEqual([]);
    }));
});

/** The views of statistics that have something about the product's tables. */
async function seenStatistics(client: pg.Client): Promise<string[]> {
  const seen: string[] = [];
  for (const view of ["pg_stats", "pg_stats_ext", "pg_stats_ext_exprs"]) {
    const { rowCount } = await client.query(
      `select from pg_catalog.${view} where schemaname in ('crm', 'crm_private', 'reporting')`,
    );
    if (rowCount !== 0) seen.push(view);
  }
  return seen;
}

test("a login may become no other role of the product than its own", async () => {
  const may: Partial<Record<Caller, string[]>> = {};
  const roles = ["crm_reader", "crm_member", "crm_admin", "crm_server", "crm_reporter"];
  for (const caller of names) {
    await as(caller, async (client) => {
      for (const role of roles) {
        await client.query("savepoint attempt");
        await client.query(`set local role ${role}`).then(
          () => (may[caller] ??= []).push(role),
          () => undefined,
        );
        await client.query("rollback to savepoint attempt");
      }
    });
  }
  const three = ["crm_reader", "crm_member", "crm_admin"];
  expect(may).toEqual({
    "the server as a reader": [...three, "crm_server"],
    "the server as a member": [...three, "crm_server"],
    "the server as an administrator": [...three, "crm_server"],
    "the server by itself": [...three, "crm_server"],
    "a login that is a reader": ["crm_reader"],
    "a login that is a member": ["crm_reader", "crm_member"],
    "a login that is an administrator": three,
    "an analyst": ["crm_reporter"],
  });
});

describe("temporary objects, where the owner of the database allows them,", () => {
  beforeAll(() => setRight("grant"));
  afterAll(() => setRight("revoke"));

  async function setRight(verb: "grant" | "revoke"): Promise<void> {
    const name = new pg.Client(database.ownerUrl).database ?? "";
    await withConnection(database.ownerUrl, (client) =>
      client.query(
        `${verb} temporary on database ${name} ${verb === "grant" ? "to" : "from"} public`,
      ),
    );
  }

  test.each(names.filter((name) => /member|administrator/.test(name)))(
    "make nothing of %s run with the rights of the owner",
    (caller) =>
      as(caller, async (client) => {
        const { rows } = await client.query<{ me: string }>("select current_user as me");
        await client.query(
          `create function pg_temp.spy(anyelement) returns boolean language plpgsql as $$
           begin
             if current_user <> '${rows[0]?.me ?? ""}' then
               raise exception 'runs as %', current_user;
             end if;
             return true;
           end $$`,
        );
        const types = ["text", "jsonb", "name", "regclass", "timestamptz", "uuid"];
        const relations = ["pg_class", "pg_constraint", "pg_proc"];
        for (const relation of relations) {
          await client.query(
            `create view pg_temp.${relation} as
             select * from pg_catalog.${relation} where pg_temp.spy(true)`,
          );
          await client.query(`grant select on pg_temp.${relation} to public`);
        }
        for (const type of types) {
          await client.query(
            `create domain pg_temp.${type} as pg_catalog.${type} check (pg_temp.spy(value))`,
          );
        }
        await client.query("insert into crm.companies (name) values ('Acme')");
        await client.query("update crm.companies set name = 'Bolt', custom_fields = '{}'");
        expect(
          await refusal(client, "insert into crm.companies (name, custom_fields) values ('', '1')"),
        ).toMatchObject({ code: "23514", fields: { name: ["must not be blank"] } });
        await client.query("delete from crm.companies");
        if (!caller.endsWith("administrator")) return;
        await client.query(
          `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
           values ('size', 'Size', 'company', 'number')`,
        );
        await client.query("delete from crm.custom_field_definitions");
        await client.query(
          `select crm.revoke_api_key((issued.api_key).id)
           from crm.create_api_key('c', 'reader', now() + interval '1 day') as issued`,
        );
      }),
  );
});

test("nobody is a member of what the product's roles are, but the roles that are meant to be", () =>
  withRollback(async (client) => {
    const { rows } = await client.query<{ is: string }>(
      `select format('%s is a member of %s', member::regrole, roleid::regrole) as is
       from pg_auth_members
       where roleid::regrole::text like 'crm\\_%' and member::regrole::text like 'crm\\_%'
       order by 1`,
    );
    expect(rows.map((row) => row.is)).toEqual([
      "crm_admin is a member of crm_member",
      "crm_member is a member of crm_reader",
      "crm_server is a member of crm_admin",
      "crm_server is a member of crm_member",
      "crm_server is a member of crm_reader",
    ]);
  }));
