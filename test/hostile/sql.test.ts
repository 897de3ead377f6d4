import { randomBytes } from "node:crypto";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import pg from "pg";

import { withConnection } from "../../server/postgres/connect.ts";
import { databaseName } from "../../server/postgres/database-url.ts";
import { readCatalog } from "../helpers/catalog.ts";
import { createTestDatabase, type TestDatabase } from "../helpers/database.ts";
import { describe as describeRefusal } from "../helpers/refusal.ts";

/** Logins of the database itself, each a member of one role of the product; `server` is the server's. */
const logins = ["reader", "member", "admin", "reporter", "server"] as const;
type Login = (typeof logins)[number];
const readers: Login[] = ["reader", "member", "admin"];
const writers: Login[] = ["member", "admin"];
const bystanders: Login[] = ["reporter", "server"];
const all: Login[] = [...logins];

const suffix = randomBytes(4).toString("hex");
const nameOf = (login: Login) => (login === "server" ? "crm_server" : `mallory_${login}_${suffix}`);

let database: TestDatabase;
let before: unknown;
const clients = new Map<Login, pg.Client>();

/** Everything that an attack could have left behind. */
const state = () =>
  withConnection(database.ownerUrl, async (client) => {
    const { rows } = await client.query(
      `select
         (select jsonb_agg(entry order by id) from crm.audit_logs as entry) as audit_log,
         (select jsonb_agg(company) from crm.companies as company) as companies,
         (select jsonb_agg(setting order by setting::text) from pg_db_role_setting as setting) as settings,
         (select count(*) from pg_prepared_xacts) as prepared,
         (select count(*) from pg_largeobject_metadata) as large_objects,
         (select jsonb_agg(rolname order by rolname) from pg_roles) as roles`,
    );
    return { ...(rows[0] as object), catalog: await readCatalog(client) };
  });

beforeAll(async () => {
  database = await createTestDatabase();
  await withConnection(database.ownerUrl, async (client) => {
    for (const login of logins) {
      if (login === "server") continue;
      await client.query(
        `create role ${nameOf(login)} login password 'mallory' in role crm_${login}`,
      );
    }
    await client.query("insert into crm.companies (name) values ('Acme')");
  });
  for (const login of logins) {
    const url = new URL(login === "server" ? database.serverUrl : database.ownerUrl);
    if (login !== "server") [url.username, url.password] = [nameOf(login), "mallory"];
    const client = new pg.Client({ connectionString: url.href });
    await client.connect();
    clients.set(login, client);
  }
  before = await state();
});
afterAll(async () => {
  const after = await state();
  await Promise.all([...clients.values()].map((client) => client.end()));
  await withConnection(database.ownerUrl, async (client) => {
    for (const login of logins) {
      if (login === "server") continue;
      await client.query(`drop owned by ${nameOf(login)}; drop role ${nameOf(login)}`);
    }
  });
  await database.drop();
  expect(after).toEqual(before);
});

/** What PostgreSQL refuses within a transaction before it asks who does it. */
const alone = /^(alter system|create tablespace|drop database)/;

/** The SQLSTATE that statements meet; `done`, if they meet none. What they did is undone. */
async function outcome(login: Login, statements: string): Promise<string | undefined> {
  const client = clients.get(login);
  try {
    await client?.query(alone.test(statements) ? statements : `begin; ${statements}`);
    return "done";
  } catch (error) {
    return describeRefusal(error).code;
  } finally {
    await client?.query("rollback; reset all; discard temp");
  }
}

/** What is tried, by whom, and the SQLSTATE that everybody of them meets. */
type Attack = [name: string, by: Login[], code: string, statements: string];

const denied = "42501";
const month = `(select format('crm_private.%I', relname) from pg_class
  where relname like 'audit\\_logs\\_20%' order by relname limit 1)`;
const onMonth = (statement: string) =>
  `do $$ begin execute format(${statement.replaceAll("$", "$")}, ${month}); end $$`;

/** Granting what one has, but may not pass on, is a warning and grants nothing. */
const granting = (right: string) => {
  const rights = `concat(
    (select relacl from pg_class where oid = 'crm.companies'::regclass),
    (select nspacl from pg_namespace where nspname = 'crm'))`;
  return `
    select set_config('mine.rights', ${rights}, true);
    grant ${right} to public;
    do $$ begin
      if current_setting('mine.rights') = ${rights} then raise insufficient_privilege; end if;
    end $$`;
};

const attacks: Record<string, Attack[]> = {
  "to become somebody else": [
    ["set role to the owner", all, denied, "set role postgres"],
    ["set session authorization", all, denied, "set session authorization postgres"],
    ["set the role by its setting", all, denied, "select set_config('role', 'postgres', false)"],
    ["set the role of the server", readers, denied, "set role crm_server"],
    [
      "set the role of an administrator",
      ["reader", "member", "reporter"],
      denied,
      "set role crm_admin",
    ],
    ["set the role of a member", ["reader", "reporter"], denied, "set role crm_member"],
    ["set a predefined role", all, denied, "set role pg_read_all_data"],
    ["grant a role to oneself", all, denied, "grant crm_admin to current_user"],
    ["grant the owner's role to oneself", all, denied, "grant postgres to current_user"],
    ["create a role", all, denied, "create role mallory_helper"],
    ["make oneself a superuser", all, denied, "alter role current_user superuser"],
    ["let oneself pass policies", all, denied, "alter role current_user bypassrls"],
    [
      "change the server's password",
      ["reader", "member", "admin", "reporter"],
      denied,
      "alter role crm_server password 'x'",
    ],
    ["change a role's settings", readers, denied, "alter role crm_admin set crm.user_id = 'ann'"],
    [
      "change the database's settings",
      all,
      denied,
      "do $$ begin execute format('alter database %I set crm.user_id = %L', current_database(), 'ann'); end $$",
    ],
    ["rename the owner's role", all, denied, "alter role postgres rename to nobody"],
    ["drop a role", all, denied, "drop role crm_reader"],
    ["take over what a role owns", all, denied, "reassign owned by postgres to current_user"],
  ],
  "to write in another's name": [
    [
      "give the creator of a row",
      writers,
      denied,
      "insert into crm.companies (name, created_by) values ('x', 'ann')",
    ],
    [
      "give the time of a row",
      writers,
      denied,
      "insert into crm.companies (name, created_at) values ('x', 'epoch')",
    ],
    [
      "give the id of a row",
      writers,
      denied,
      "insert into crm.companies (id, name) values (gen_random_uuid(), 'x')",
    ],
    [
      "give the version of a row",
      writers,
      denied,
      "insert into crm.companies (name, version) values ('x', 9)",
    ],
    ["change the creator of a row", writers, denied, "update crm.companies set created_by = 'ann'"],
    ["change who changed a row", writers, denied, "update crm.companies set updated_by = 'ann'"],
    ["change the id of a row", writers, denied, "update crm.companies set id = gen_random_uuid()"],
    ["change a version", writers, "CRM01", "update crm.companies set version = 99"],
    ["change a version to null", writers, "CRM01", "update crm.companies set version = null"],
    [
      "give a generated column",
      writers,
      "428C9",
      "insert into crm.notes (content, entity_type, entity_id, company_id) values ('x', 'company', gen_random_uuid(), gen_random_uuid())",
    ],
    ["copy the creator in", writers, denied, "copy crm.companies (name, created_by) from stdin"],
    [
      "insert on conflict with a creator",
      writers,
      denied,
      "insert into crm.companies (name) values ('x') on conflict (id) do update set created_by = 'ann'",
    ],
    ["write as a reader", ["reader"], denied, "insert into crm.companies (name) values ('x')"],
    ["change as a reader", ["reader"], denied, "update crm.companies set name = 'x'"],
    ["delete as a reader", ["reader"], denied, "delete from crm.companies"],
    [
      "write definitions as a member",
      ["member"],
      denied,
      "insert into crm.custom_field_definitions (name, label, entity_type, field_type) values ('x', 'x', 'deal', 'text')",
    ],
    [
      "write stages as a member",
      ["member"],
      denied,
      "update crm.pipeline_stages set probability = 100",
    ],
    ["write as a bystander", bystanders, denied, "insert into crm.companies (name) values ('x')"],
    ["read as a bystander", bystanders, denied, "select from crm.companies"],
  ],
  "to falsify the audit log": [
    [
      "add an entry",
      all,
      denied,
      "insert into crm.audit_logs (entity_type, entity_id, action, user_id, changes) values ('company', gen_random_uuid(), 'create', 'ann', '{}')",
    ],
    ["change an entry", all, denied, "update crm.audit_logs set user_id = 'ann'"],
    ["delete an entry", all, denied, "delete from crm.audit_logs"],
    ["empty it", all, denied, "truncate crm.audit_logs"],
    ["lock an entry", all, denied, "select from crm.audit_logs for update"],
    ["lock it whole", all, denied, "lock table crm.audit_logs in access exclusive mode"],
    ["read a partition", all, denied, onMonth("'select from %s'")],
    ["add to a partition", all, denied, onMonth("'insert into %s default values'")],
    ["change a partition", all, denied, onMonth("'update %s set user_id = ''ann'''")],
    ["delete from a partition", all, denied, onMonth("'delete from %s'")],
    ["empty a partition", all, denied, onMonth("'truncate %s'")],
    ["drop a partition", all, denied, onMonth("'drop table %s'")],
    [
      "detach a partition",
      all,
      denied,
      onMonth("'alter table crm.audit_logs detach partition %s'"),
    ],
    [
      "attach a partition",
      all,
      denied,
      "create table mine (like crm.audit_logs); alter table crm.audit_logs attach partition mine default",
    ],
    ["copy into it", all, denied, "copy crm.audit_logs from stdin"],
    [
      "merge into it",
      all,
      denied,
      "with x as (delete from crm.audit_logs returning 1) select from x",
    ],
    ["set back its sequence", all, denied, "select setval('crm.audit_logs_id_seq', 1)"],
    ["take from its sequence", all, denied, "select nextval('crm.audit_logs_id_seq')"],
    ["restart its sequence", all, denied, "alter table crm.audit_logs alter id restart"],
    ["drop it", all, denied, "drop table crm.audit_logs"],
    ["make partitions", all, denied, "select crm_private.ensure_audit_partitions()"],
    ["call its trigger", all, denied, "select crm_private.companies_audit_log()"],
    ["empty what it writes about", writers, denied, "truncate crm.companies cascade"],
  ],
  "to switch rules off": [
    ["disable triggers", all, denied, "alter table crm.companies disable trigger all"],
    [
      "disable the triggers of a user",
      all,
      denied,
      "alter table crm.companies disable trigger user",
    ],
    ["act as a replica", all, denied, "set session_replication_role = replica"],
    [
      "act as a replica by a function",
      all,
      denied,
      "select set_config('session_replication_role', 'replica', true)",
    ],
    [
      "turn policies off for the table",
      all,
      denied,
      "alter table crm.companies disable row level security",
    ],
    ["drop a policy", all, denied, "drop policy companies_select on crm.companies"],
    ["add a policy", all, denied, "create policy mine on crm.companies using (true)"],
    ["drop a trigger", all, denied, "drop trigger _900_audit_log_insert on crm.companies"],
    [
      "add a trigger",
      all,
      denied,
      "create trigger mine before insert on crm.companies for each row execute function suppress_redundant_updates_trigger()",
    ],
    [
      "replace a trigger's function",
      all,
      denied,
      "create or replace function crm_private.contacts_stamp() returns trigger language plpgsql as 'begin return new; end'",
    ],
    [
      "replace who is asking",
      all,
      denied,
      "create or replace function crm.current_user_id() returns text language sql return 'ann'",
    ],
    [
      "drop a constraint",
      all,
      denied,
      "alter table crm.companies drop constraint companies_name_blank",
    ],
    ["drop a column", all, denied, "alter table crm.companies drop column created_by"],
    [
      "add a rule",
      all,
      denied,
      "create rule mine as on insert to crm.companies do instead nothing",
    ],
    [
      "put a table below another",
      all,
      denied,
      "create temp table mine (); alter table mine inherit crm.companies",
    ],
    ["rename a table", all, denied, "alter table crm.companies rename to mine"],
    ["move a table", all, denied, "alter table crm.companies set schema public"],
    ["own a table", all, denied, "alter table crm.companies owner to current_user"],
    [
      "defer constraints that are not deferrable",
      readers,
      "42809",
      "set constraints crm.deals_company_id_exists deferred",
    ],
    [
      "an event trigger",
      all,
      denied,
      "create function pg_temp.f() returns event_trigger language plpgsql as 'begin end'; create event trigger mine on ddl_command_start execute function pg_temp.f()",
    ],
    ["a publication", all, denied, "create publication mine for table crm.companies"],
    [
      "a replication slot",
      all,
      denied,
      "select pg_create_logical_replication_slot('mine', 'pgoutput')",
    ],
    ["the migrations' memory", all, denied, "delete from crm_migrations.migrations"],
    [
      "default rights",
      all,
      denied,
      "alter default privileges for role postgres grant all on tables to current_user",
    ],
    ["rights of a table", bystanders, denied, "grant all on crm.companies to public"],
    ["rights of a table that one has", readers, denied, granting("select on crm.companies")],
    ["rights of a schema", bystanders, denied, "grant create on schema crm to current_user"],
    ["rights of a schema that one has", readers, denied, granting("usage on schema crm")],
    [
      "row security for oneself",
      readers,
      denied,
      "set row_security = off; select from crm.companies",
    ],
    ["a security label", all, "22023", "security label on table crm.companies is 'x'"],
    [
      "a comment, which is a message",
      all,
      denied,
      "comment on constraint companies_name_blank on crm.companies is 'x'",
    ],
    ["statistics", all, denied, "create statistics mine on name, owner_id from crm.companies"],
    ["an index", all, denied, "create index on crm.companies (name)"],
    ["the compiler of rules", all, denied, "select crm_private.compile_rules('crm.companies')"],
    [
      "the compiler of the audit log",
      all,
      denied,
      "select crm_private.compile_audit_log('crm.companies', 'company')",
    ],
    [
      "the compiler of custom fields",
      all,
      denied,
      "select crm_private.compile_custom_fields('company')",
    ],
  ],
  "to be called instead of something else": [
    ["a table in crm", all, denied, "create table crm.mine ()"],
    [
      "a function in crm",
      all,
      denied,
      "create function crm.mine() returns int language sql return 1",
    ],
    [
      "a function in crm_private",
      all,
      denied,
      "create function crm_private.mine() returns int language sql return 1",
    ],
    ["a view in reporting", all, denied, "create view reporting.mine as select 1"],
    [
      "a function in extensions",
      all,
      denied,
      "create function extensions.unaccent(text, text) returns text language sql return 'x'",
    ],
    [
      "a function in public",
      all,
      denied,
      "create function public.lower(text) returns text language sql return 'x'",
    ],
    [
      "a function in pg_catalog",
      all,
      denied,
      "create function pg_catalog.mine() returns int language sql return 1",
    ],
    [
      "an operator in public",
      all,
      denied,
      "create operator public.= (leftarg = text, rightarg = text, function = texteq)",
    ],
    ["a schema", all, denied, "create schema mine"],
    ["a schema of one's own name", all, denied, "create schema authorization current_user"],
    ["an extension", all, denied, "create extension dblink"],
    ["an extension that is trusted", all, denied, "create extension citext schema public"],
    ["a language", all, denied, "create language plpython3u"],
    [
      "a function in C",
      all,
      denied,
      "create function pg_temp.mine() returns int language c as '/tmp/mine.so', 'mine'",
    ],
    ["a cast", all, denied, "create cast (text as uuid) without function"],
  ],
  "to reach the machine": [
    ["a file, read", all, denied, "select pg_read_file('/etc/passwd')"],
    [
      "a file, copied from",
      readers,
      denied,
      "create temp table t (a text); copy t from '/etc/passwd'",
    ],
    ["a file, copied to", readers, denied, "copy (select 1) to '/tmp/mine'"],
    ["a program", readers, denied, "copy (select 1) to program 'id'"],
    [
      "a program's output",
      readers,
      denied,
      "create temp table t (a text); copy t from program 'id'",
    ],
    ["a folder", all, denied, "select pg_ls_dir('/')"],
    ["a file as a large object", all, denied, "select lo_import('/etc/passwd')"],
    ["a large object as a file", all, denied, "select lo_export(1, '/tmp/mine')"],
    ["a library", all, denied, "load '/tmp/mine.so'"],
    ["a foreign server", all, denied, "create foreign data wrapper mine"],
    ["the settings' file", all, denied, "alter system set fsync = off"],
    ["the settings, read anew", all, denied, "select pg_reload_conf()"],
    ["the log", all, denied, "select pg_rotate_logfile()"],
    ["a backup", all, denied, "select pg_switch_wal()"],
    ["a tablespace", all, denied, "create tablespace mine location '/tmp'"],
    ["a database", all, denied, "drop database postgres"],
    ["passwords", all, denied, "select rolpassword from pg_authid"],
    ["settings of the server's files", all, denied, "select from pg_file_settings"],
    ["who may log in from where", all, denied, "select from pg_hba_file_rules"],
    ["statistics of columns", all, denied, "select stavalues1 from pg_statistic"],
    [
      "connections of others, ended",
      all,
      denied,
      "select pg_terminate_backend(pid) from pg_stat_activity where usename is distinct from current_user",
    ],
    [
      "a transaction that outlives the session",
      writers,
      "55000",
      "insert into crm.companies (name) values ('x'); prepare transaction 'mine'",
    ],
    ["a checkpoint", all, denied, "checkpoint"],
  ],
  "to learn what one may not read": [
    ["the rules", readers, denied, "select from crm_private.rules"],
    [
      "a row's faults, asked by itself",
      writers,
      denied,
      "select crm_private.refuse_row('crm.companies', '{}')",
    ],
    [
      "a row's faults, found",
      readers,
      denied,
      "select crm_private.row_faults('crm.companies', '{}')",
    ],
    ["the migrations", all, denied, "select from crm_migrations.migrations"],
    [
      "the migrations, by the server's function",
      readers,
      denied,
      "select crm_private.applied_migrations()",
    ],
    [
      "how the audit log is read, by its plan",
      bystanders,
      denied,
      "explain select from crm.audit_logs",
    ],
    [
      "how a table is read, by its plan",
      bystanders,
      denied,
      "explain analyze select from crm.companies",
    ],
    [
      "a key that is taken, by a reference",
      all,
      denied,
      "create temp table t (a uuid references crm.companies)",
    ],
    [
      "a row, by its size",
      bystanders,
      denied,
      "select pg_column_size(company) from crm.companies as company",
    ],
    ["a table as XML", bystanders, denied, "select table_to_xml('crm.companies', true, true, '')"],
    [
      "a query as XML",
      bystanders,
      denied,
      "select query_to_xml('select * from crm.companies', true, true, '')",
    ],
    [
      "the whole database as XML",
      bystanders,
      denied,
      "select query_to_xml('select * from crm.audit_logs', true, true, '')",
    ],
    ["a cursor over it", bystanders, denied, "declare c cursor for select * from crm.companies"],
    [
      "a view of one's own",
      bystanders,
      denied,
      "create temp view v as select * from crm.companies; select from v",
    ],
    [
      "a function of one's own",
      bystanders,
      denied,
      "create function pg_temp.f() returns bigint language sql as 'select count(*) from crm.companies'; select pg_temp.f()",
    ],
    ["statements of others", all, "42P01", "select from pg_stat_statements"],
  ],
};

describe.each(Object.entries(attacks))("attempts %s are refused:", (_, list) => {
  test.each(list)("%s", async (_name, by, code, statements) => {
    const outcomes = await Promise.all(
      by.map(async (login) => [login, await outcome(login, statements)]),
    );
    expect(Object.fromEntries(outcomes)).toEqual(
      Object.fromEntries(by.map((login) => [login, code])),
    );
  });
});

test("the functions that attacks replace exist", async () => {
  const texts = JSON.stringify(attacks);
  const replaced = [...texts.matchAll(/create or replace function (crm\w*\.\w+\()/g)].map(
    ([, name]) => name?.slice(0, -1),
  );
  expect(replaced).not.toEqual([]);
  const { rows } = await withConnection(database.ownerUrl, (client) =>
    client.query("select name from unnest($1::text[]) as name where to_regproc(name) is null", [
      replaced,
    ]),
  );
  expect(rows).toEqual([]);
});

describe("a writer can set what they like, and is still who they are:", () => {
  /** Nobody has it unless it is given, as it is here: functions do not rely on that. */
  const temporary = (verb: "grant" | "revoke", preposition: "to" | "from") =>
    withConnection(database.ownerUrl, (client) =>
      client.query(
        `${verb} temporary on database ${databaseName(database.ownerUrl)}
         ${preposition} ${writers.map(nameOf).join(", ")}`,
      ),
    );
  beforeAll(() => temporary("grant", "to"));
  afterAll(() => temporary("revoke", "from"));

  const name = (login: Login) => `db:${nameOf(login)}`;
  const settings: [what: string, statements: string][] = [
    ["a user id", "select set_config('crm.user_id', 'ann', true)"],
    ["a user id for the session", "set crm.user_id = 'ann'"],
    ["a source", "select set_config('crm.source', 'api', true)"],
    [
      "a search path to a table of the same name",
      "create temp table companies (name text, created_by text); set search_path = pg_temp, crm",
    ],
    [
      "a search path to another who is asking",
      "create function pg_temp.current_user_id() returns text language sql return 'ann'; set search_path = pg_temp, crm, pg_catalog",
    ],
    [
      "a search path to another concatenation",
      "create function pg_temp.mine(text, text) returns text language sql return 'ann'; create operator pg_temp.|| (leftarg = text, rightarg = text, function = pg_temp.mine); set search_path = pg_temp, pg_catalog",
    ],
    [
      "a search path to another equality",
      "create function pg_temp.mine(text, text) returns boolean language sql return true; create operator pg_temp.<> (leftarg = text, rightarg = text, function = pg_temp.mine); set search_path = pg_temp, pg_catalog",
    ],
    [
      "a search path to another clock",
      "create function pg_temp.now() returns timestamptz language sql return 'epoch'::timestamptz; set search_path = pg_temp, pg_catalog",
    ],
    ["a search path to nowhere", "set search_path = ''"],
    ["functions that are not checked", "set check_function_bodies = off"],
    ["constraints to wait", "set constraints all deferred"],
    ["another encoding", "set client_encoding = latin1"],
    [
      "another time zone and style",
      "set timezone = 'Asia/Tokyo'; set datestyle = 'German'; set intervalstyle = 'sql_standard'",
    ],
    [
      "strings that end otherwise",
      "set standard_conforming_strings = off; set backslash_quote = on",
    ],
    ["nulls that are equal", "set transform_null_equals = on"],
    ["a plan without indexes", "set enable_indexscan = off; set enable_seqscan = off"],
    ["locks", "select pg_advisory_xact_lock(1), pg_advisory_xact_lock_shared(2147483647, 1)"],
  ];
  test.each(settings)("%s", async (_, statements) => {
    for (const login of writers) {
      const client = clients.get(login);
      try {
        await client?.query(`begin; ${statements}`);
        await client?.query("insert into crm.companies (name) values ('Mine')");
        await client?.query("update crm.companies set name = 'Mine, too' where name = 'Mine'");
        const { rows } = (await client?.query(
          `select company.created_by, company.updated_by, company.version,
             pg_catalog.abs(extract(epoch from company.created_at - transaction_timestamp())) < 1
               as is_now
           from crm.companies as company
           where company.name OPERATOR(pg_catalog.=) 'Mine, too'`,
        )) ?? { rows: [] };
        expect(rows).toEqual([
          { created_by: name(login), updated_by: name(login), version: 2, is_now: true },
        ]);
        await client?.query("reset search_path; reset datestyle");
        const { rows: entries } = (await client?.query(
          `select action, user_id, source
           from crm.audit_logs
           where transaction_id = pg_current_xact_id()::text::bigint
           order by id`,
        )) ?? { rows: [] };
        expect(entries).toEqual(
          ["create", "update"].map((action) => ({ action, user_id: name(login), source: "sql" })),
        );
      } finally {
        await client?.query("rollback; reset all; discard temp");
      }
    }
  });

  test("what they call a type is no type of functions that run as the owner", async () => {
    const client = clients.get("member");
    try {
      await client?.query(`
        begin;
        create function pg_temp.spied(anyelement) returns boolean language plpgsql as $$
          begin
            if current_user <> session_user then raise exception 'runs as %', current_user; end if;
            return true;
          end
        $$;
        create domain pg_temp.text as pg_catalog.text check (pg_temp.spied(value::pg_catalog.text));
        create domain pg_temp.tsvector as pg_catalog.tsvector check (pg_temp.spied(1));
        create domain pg_temp.jsonb as pg_catalog.jsonb check (pg_temp.spied(1));
        set search_path = pg_temp, pg_catalog;
        insert into crm.contacts (first_name, last_name, emails)
          values ('Mallory', 'Mine', '{mallory@example.com}');
        delete from crm.contacts where last_name = 'Mine'`);
      const { rows } = (await client?.query(
        `select (restored).restored from (
           select crm.restore_deleted('contact', entity_id) as restored
           from crm.audit_logs
           where action = 'delete' and transaction_id = pg_current_xact_id()::pg_catalog.text::bigint
         ) as undone`,
      )) ?? { rows: [] };
      expect(rows).toEqual([{ restored: "1" }]);
    } finally {
      await client?.query("rollback; reset all; discard temp");
    }
  });

  test("nobody can set the rules to look elsewhere either", async () => {
    const client = clients.get("member");
    const statements = `
      create function pg_temp.is_blank(text) returns boolean language sql return false;
      create function pg_temp.btrim(text, text) returns text language sql return 'x';
      create function pg_temp.ascii(text) returns int language sql return 65;
      create function pg_temp.mine(boolean, boolean) returns boolean language sql return true;
      set search_path = pg_temp, crm_private, crm, pg_catalog;
      insert into crm.companies (name) values (' ')`;
    expect(client && (await outcome("member", statements))).toBe("23514");
  });
});

test("what an attacker reads of the errors of a refused row is of that row only", async () => {
  const client = clients.get("member");
  const attempts = [
    "insert into crm.companies (name) values (' ')",
    "insert into crm.deals (title, company_id, value, stage) values ('x', gen_random_uuid(), 1, 'Won')",
    "insert into crm.notes (content, entity_type, entity_id) values ('x', 'company', gen_random_uuid())",
    "update crm.companies set version = 5",
  ];
  for (const attempt of attempts) {
    try {
      await client?.query(`begin; ${attempt}`);
      throw new Error(`was not refused: ${attempt}`);
    } catch (error) {
      if (!(error instanceof pg.DatabaseError)) throw error;
      expect(JSON.stringify([error.message, error.detail, error.hint])).not.toMatch(
        /Acme|Failing row|crm_private/,
      );
    } finally {
      await client?.query("rollback");
    }
  }
});
