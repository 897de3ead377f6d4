import { afterAll, beforeAll, expect, test } from "@jest/globals";
import fc from "fast-check";
import pg from "pg";

import { createTestDatabase, type TestDatabase } from "../helpers/database.ts";

/*
 * The laws of the audit log put to work: the past can be rebuilt from it, and what was done can be
 * undone. Every row of five tables is looked at whole, so nothing is overlooked.
 */

type Rows = Record<string, Record<string, unknown>>;

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  client = new pg.Client(database.ownerUrl);
  await client.connect();
  await client.query(
    `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
     select name, name, entity_type, 'text'
     from unnest('{contact,company,deal}'::text[]) as entity_type, unnest('{motto,size}'::text[]) as name`,
  );
});

afterAll(async () => {
  await client.end();
  await database.drop();
});

const word = fc.constantFrom("a", "b", "ö", "x".repeat(90), 'quote"\\', "@undoes");
const customFields = fc.record(
  { motto: fc.option(word), size: fc.option(word) },
  { requiredKeys: [] },
);
const deed = fc.record({
  kind: fc.constantFrom(
    "createCompany",
    "createContact",
    "createDeal",
    "createTask",
    "createNote",
    "changeCompany",
    "changeContact",
    "changeDeal",
    "changeTask",
    "removeCompany",
    "removeContact",
    "removeDeal",
    "removeTask",
  ),
  word,
  other: fc.option(word),
  custom: customFields,
  money: fc.integer({ min: -1e9, max: 1e9 }).map((cents) => (cents / 100).toFixed(2)),
  stage: fc.constantFrom("Prospecting", "Proposal", "Won"),
  status: fc.constantFrom("open", "closed"),
  at: fc.nat(),
});
type Deed = typeof deed extends fc.Arbitrary<infer Value> ? Value : never;

/** One statement. What there is to change or to refer to is found by its place; none is fine. */
function statement({ kind, word, other, custom, money, stage, status, at }: Deed): pg.QueryConfig {
  const pick = (table: string) =>
    `(select id from crm.${table} order by id offset ${at} % greatest((select count(*) from crm.${table}), 1) limit 1)`;
  const json = JSON.stringify(custom);
  switch (kind) {
    case "createCompany":
      return {
        text: "insert into crm.companies (name, address, custom_fields) values ($1, $2, $3)",
        values: [word, other === null ? null : JSON.stringify({ city: other }), json],
      };
    case "createContact":
      return {
        text: `insert into crm.contacts (first_name, last_name, phones, company_id, custom_fields)
               values ($1, $1, $2, ${pick("companies")}, $3)`,
        values: [word, [word], json],
      };
    case "createDeal":
      return {
        text: `insert into crm.deals (title, company_id, contact_id, value, stage, custom_fields)
               select $1, company_id, ${pick("contacts")}, $2, $3, $4
               from (select ${pick("companies")} as company_id) as company
               where company_id is not null`,
        values: [word, money, stage, json],
      };
    case "createTask":
    case "createNote": {
      const table = kind === "createTask" ? "tasks (description" : "notes (content";
      return {
        text: `insert into crm.${table}, entity_type, entity_id)
               select $1, kind, id
               from (values ('deal', ${pick("deals")}), ('contact', ${pick("contacts")})) as listed (kind, id)
               where id is not null
               limit 1`,
        values: [word],
      };
    }
    case "changeCompany":
      return {
        text: `update crm.companies set name = $1, owner_id = $2, custom_fields = $3
               where id = ${pick("companies")}`,
        values: [word, other, json],
      };
    case "changeContact":
      return {
        text: `update crm.contacts set last_name = $1, phones = $2, custom_fields = $3,
                 company_id = ${pick("companies")}
               where id = ${pick("contacts")}`,
        values: [word, other === null ? [] : [other], json],
      };
    case "changeDeal":
      return {
        text: `update crm.deals set stage = $1, value = $2, owner_id = $3, custom_fields = $4,
                 contact_id = ${pick("contacts")}
               where id = ${pick("deals")}`,
        values: [stage, money, other, json],
      };
    case "changeTask":
      return {
        text: `update crm.tasks set status = $1, assigned_to = $2 where id = ${pick("tasks")}`,
        values: [status, other],
      };
    case "removeCompany":
      return { text: `delete from crm.companies where id = ${pick("companies")}` };
    case "removeContact":
      return { text: `delete from crm.contacts where id = ${pick("contacts")}` };
    case "removeDeal":
      return { text: `delete from crm.deals where id = ${pick("deals")}` };
    case "removeTask":
      return { text: `delete from crm.tasks where id = ${pick("tasks")}` };
  }
}

interface State {
  at: string;
  rows: Rows;
  pipeline: Record<string, unknown>;
}

/** Begins anew, with a company that has a contact, a deal and a task of it, and another without. */
async function begin(): Promise<void> {
  await client.query(
    `delete from crm.companies;
     delete from crm.contacts;
     insert into crm.companies (name) values ('Acme'), ('Bolt');
     insert into crm.contacts (first_name, last_name, company_id)
     select 'Ada', 'Lovelace', id from crm.companies where name = 'Acme';
     insert into crm.deals (title, company_id, contact_id, value, stage)
     select 'Engine', company_id, id, 5, 'Proposal' from crm.contacts;
     insert into crm.tasks (description, entity_type, entity_id)
     select 'Call', 'deal', id from crm.deals`,
  );
}

/** Every row there is, by entity type and id, without what search needs; and the pipeline. */
async function look(): Promise<State> {
  const { rows } = await client.query<State>(
    `select
       clock_timestamp()::text as at,
       (
         select coalesce(jsonb_object_agg(kind || ' ' || id, record - '{search_document,match_keys}'::text[]), '{}')
         from (
           select 'company', id, to_jsonb(companies) from crm.companies
           union all select 'contact', id, to_jsonb(contacts) from crm.contacts
           union all select 'deal', id, to_jsonb(deals) from crm.deals
           union all select 'task', id, to_jsonb(tasks) from crm.tasks
           union all select 'note', id, to_jsonb(notes) from crm.notes
         ) as listed (kind, id, record)
       ) as rows,
       (
         select coalesce(jsonb_object_agg(stage, total), '{}')
         from (
           select stage, jsonb_build_array(count(*), sum(value)) from crm.deals group by stage
         ) as totals (stage, total)
       ) as pipeline`,
  );
  if (rows[0] === undefined) throw new Error("there is no state");
  return rows[0];
}

/** The rows with these names, and the pipeline, as the audit log has them at each of the instants. */
async function lookBack(names: string[], instants: string[]): Promise<State[]> {
  const { rows } = await client.query<State>(
    `select
       instant as at,
       (
         select coalesce(jsonb_object_agg(name, record - '{search_document,match_keys}'::text[]) filter (where record is not null), '{}')
         from unnest($1::text[]) as name
         cross join lateral (
           select split_part(name, ' ', 1) as kind, split_part(name, ' ', 2)::uuid as id
         ) as named
         cross join lateral (
           select case kind
             when 'company' then to_jsonb(crm.company_as_of(id, instant::timestamptz))
             when 'contact' then to_jsonb(crm.contact_as_of(id, instant::timestamptz))
             when 'deal' then to_jsonb(crm.deal_as_of(id, instant::timestamptz))
             when 'task' then to_jsonb(crm.task_as_of(id, instant::timestamptz))
             when 'note' then to_jsonb(crm.note_as_of(id, instant::timestamptz))
           end as record
         ) as was
       ) as rows,
       (
         select coalesce(jsonb_object_agg(stage, jsonb_build_array(count, value)), '{}')
         from crm.pipeline_as_of(instant::timestamptz)
         where count > 0
       ) as pipeline
     from unnest($2::text[]) with ordinality as listed (instant, ordinal)
     order by ordinal`,
    [names, instants],
  );
  return rows;
}

/** The last transaction that the audit log knows. */
async function lastTransaction(): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    "select transaction_id as id from crm.audit_logs order by id desc limit 1",
  );
  return rows[0]?.id ?? "";
}

/** What an undo must bring back: everything but the marks of its own writing. */
function unmarked({ rows }: { rows: Rows }): Rows {
  return Object.fromEntries(
    Object.entries(rows).map(([name, { version, updated_at, updated_by, ...row }]) => {
      expect([version, updated_at, updated_by]).not.toContain(null);
      return [name, row];
    }),
  );
}

// Feature: history and undo, as of
test(
  "a row, and the pipeline, rebuilt from the audit log are what was really there at every step",
  () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof({ weight: 5, arbitrary: deed }, fc.constant("undo" as const)), {
          minLength: 1,
          maxLength: 12,
        }),
        async (actors) => {
          await begin();
          const states = [await look()];
          for (const each of actors) {
            if (each === "undo") {
              await client.query("select crm.undo_transaction($1, 'FORCE')", [
                await lastTransaction(),
              ]);
            } else {
              await client.query(statement(each));
            }
            states.push(await look());
          }
          const names = [...new Set(states.flatMap(({ rows }) => Object.keys(rows)))];
          expect(
            await lookBack(
              names,
              states.map(({ at }) => at),
            ),
          ).toEqual(states);
        },
      ),
      { numRuns: 100 },
    ),
  300_000,
);

// Feature: history and undo, undo a transaction
test(
  "whatever a transaction did is undone by one call, and undoing that brings it back",
  () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(deed, { maxLength: 8 }),
        fc.array(deed, { minLength: 1, maxLength: 8 }),
        async (given, done) => {
          await begin();
          for (const each of given) await client.query(statement(each));
          const before = await look();
          await client.query("begin");
          for (const each of done) await client.query(statement(each));
          const { rows } = await client.query<{ id: string | null }>(
            `select max(transaction_id) as id from crm.audit_logs
           where transaction_id = pg_current_xact_id()::text::bigint`,
          );
          await client.query("commit");
          const id = rows[0]?.id;
          const after = await look();
          if (id == null) {
            expect(after.rows).toEqual(before.rows);
            return;
          }
          await client.query("select crm.undo_transaction($1)", [id]);
          expect(unmarked(await look())).toEqual(unmarked(before));
          if ((await lastTransaction()) !== id) {
            await client.query("select crm.undo_transaction($1)", [await lastTransaction()]);
            expect(unmarked(await look())).toEqual(unmarked(after));
          }
        },
      ),
      { numRuns: 100 },
    ),
  300_000,
);
