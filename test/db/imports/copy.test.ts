import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

import { describe, expect, test } from "@jest/globals";
import type pg from "pg";
import { from as copyFrom } from "pg-copy-streams";

import { asRole, withRollback } from "../../helpers/database.ts";
import { outcome } from "../../helpers/refusal.ts";

/** Copies lines of CSV in, as `\copy` does. */
async function copy(client: pg.Client, into: string, ...lines: string[]): Promise<void> {
  await pipeline(
    Readable.from(lines.map((line) => `${line}\n`)),
    client.query(copyFrom(`copy ${into} from stdin (format csv)`)),
  );
}

const contacts = "crm_private.contacts_copy (first_name, last_name, emails, custom_fields)";

describe("a member copies rows in through the view of their table", () => {
  test("which are validated, stamped, logged, and have the defaults of what is left out", () =>
    withRollback(async (client) => {
      await asRole(client, "crm_member", "ada");
      await copy(client, contacts, `Grace,Hopper,"{grace@example.com}",{}`, `Mary,Jackson,{},{}`);
      await copy(client, "crm_private.companies_copy (name)", "Acme");
      const { rows } = await client.query(
        `select last_name, emails, phones, version, created_by, external_ids
         from crm.contacts order by last_name`,
      );
      expect(rows).toMatchObject([
        { last_name: "Hopper", emails: ["grace@example.com"], phones: [], version: 1 },
        { last_name: "Jackson", emails: [], created_by: "ada" },
      ]);
      const auditLog = await client.query(
        `select entity_type, action, user_id from crm.audit_logs
         where action = 'create' order by id desc limit 3`,
      );
      expect(auditLog.rows).toEqual([
        { entity_type: "company", action: "create", user_id: "ada" },
        { entity_type: "contact", action: "create", user_id: "ada" },
        { entity_type: "contact", action: "create", user_id: "ada" },
      ]);
    }));

  test("all of them, or none: a faulty one is told with its fields", () =>
    withRollback(async (client) => {
      await asRole(client, "crm_member", "ada");
      await client.query("savepoint copying");
      expect(
        await outcome(copy(client, contacts, `Grace,Hopper,{},{}`, `Mary,,"{x}",{}`)),
      ).toMatchObject({
        code: "23514",
        fields: {
          lastName: ["is required"],
          "emails.0": ['"x" is not an email address'],
        },
      });
      await client.query("rollback to savepoint copying");
      const { rows } = await client.query("select from crm.contacts");
      expect(rows).toEqual([]);
    }));

  test("of each table that members insert into, with the columns that they may give", () =>
    withRollback(async (client) => {
      const { rows } = await client.query<{ view: string; columns: string[]; given: string[] }>(
        `select
           relname as view,
           (select array_agg(attname::text order by attnum) from pg_attribute
            where attrelid = view.oid and attnum > 0) as columns,
           array(
             select attname::text from pg_attribute
             where attrelid = ('crm.' || replace(relname, '_copy', ''))::regclass
               and attname = any (
                 crm_private.written_columns(attrelid, 'insert')
                 || crm_private.importable_columns(attrelid)
               )
             order by attnum
           ) as given
         from pg_class as view
         where relnamespace = 'crm_private'::regnamespace and relname like '%\\_copy'
         order by relname`,
      );
      expect(rows.map(({ view }) => view)).toEqual([
        ...["companies_copy", "contacts_copy", "deals_copy", "notes_copy", "tasks_copy"],
      ]);
      for (const { columns, given } of rows) expect(columns).toEqual(given);
    }));

  test("with who made them, and when, by an administrator who imports, and by nobody else", () =>
    withRollback(async (client) => {
      await asRole(client, "crm_admin", "ada");
      const into =
        "crm_private.deals_copy (title, company_id, value, stage, created_at, created_by, closed_at)";
      const company = "00000000-0000-4000-8000-000000000000";
      const line = (...given: string[]) => ["Engine", company, "1", "Won", ...given].join(",");
      const given = ["2020-01-02T03:04:05Z", "joe", "2020-03-01T00:00:00Z"];
      await client.query("reset role");
      await client.query("insert into crm.companies (id, name) values ($1, 'Acme')", [company]);
      await asRole(client, "crm_admin", "ada");
      await client.query("savepoint before");
      expect(await outcome(copy(client, into, line(...given)))).toMatchObject({
        code: "42501",
      });
      await client.query("rollback to savepoint before");

      await client.query("set local crm.source = 'import'");
      await copy(client, into, line(...given), line("", "", ""), line("", "jim", ""));
      await copy(
        client,
        "crm_private.notes_copy (content, entity_type, entity_id)",
        `Hm,company,${company}`,
      );
      const { rows } = await client.query(
        `select created_at < '2020-02-01' as created, created_by, closed_at < '2020-04-01' as closed
         from crm.deals order by created_at, created_by`,
      );
      expect(rows).toEqual([
        { created: true, created_by: "joe", closed: true },
        { created: false, created_by: "ada", closed: false },
        { created: false, created_by: "jim", closed: false },
      ]);
      expect((await client.query("select created_by from crm.notes")).rows).toEqual([
        { created_by: "ada" },
      ]);

      await client.query("savepoint imported");
      await asRole(client, "crm_member", "ada");
      expect(await outcome(copy(client, into, line(...given)))).toMatchObject({ code: "42501" });
      await client.query("rollback to savepoint imported");
    }));

  test("and follow a column that comes or goes", () =>
    withRollback(async (client) => {
      await client.query(
        `alter table crm.contacts add column job_title text not null default 'none';
         grant insert (job_title) on crm.contacts to crm_member;
         select crm_private.compile_rules('crm.contacts');
         select crm_private.compile_audit_log('crm.contacts', 'contact')`,
      );
      await client.query("savepoint added");
      await asRole(client, "crm_member", "ada");
      await copy(client, "crm_private.contacts_copy (first_name, last_name)", "Grace,Hopper");
      expect((await client.query("select job_title from crm.contacts")).rows).toEqual([
        { job_title: "none" },
      ]);
      await client.query("rollback to savepoint added");
      await client.query("reset role");
      await client.query(
        `alter table crm.contacts drop column job_title;
         select crm_private.compile_rules('crm.contacts');
         select crm_private.compile_audit_log('crm.contacts', 'contact')`,
      );
    }));

  test("which a reader may not, and which shows nobody anything", () =>
    withRollback(async (client) => {
      await client.query("insert into crm.companies (name) values ('Secret')");
      await client.query("savepoint before");
      await asRole(client, "crm_reader", "rob");
      expect(
        await outcome(copy(client, "crm_private.companies_copy (name)", "Acme")),
      ).toMatchObject({ code: "42501" });
      await client.query("rollback to savepoint before");
      expect((await client.query("table crm_private.companies_copy")).rows).toEqual([]);
    }));
});

test("into the tables themselves only their owner copies: policies bind everybody else", () =>
  withRollback(async (client) => {
    await copy(client, "crm.companies (name)", "Acme");
    await asRole(client, "crm_member", "ada");
    expect(await outcome(copy(client, "crm.companies (name)", "Bolt"))).toMatchObject({
      code: "0A000",
    });
  }));
