import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type pg from "pg";

import { connect } from "../../../server/postgres/connect.ts";
import { createTestDatabase, type RequestRole, type TestDatabase } from "../../helpers/database.ts";
import { describe as describeError, type Refusal } from "../../helpers/refusal.ts";

const companyId = "11111111-1111-4111-8111-111111111111";
const dealId = "22222222-2222-4222-8222-222222222222";
const contactId = "33333333-3333-4333-8333-333333333333";

let database: TestDatabase;
let owner: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  owner = await connect(database.ownerUrl);
});

afterAll(async () => {
  await owner.end();
  await database.drop();
});

beforeEach(() =>
  owner.query(
    `delete from crm.companies;
     delete from crm.contacts;
     delete from crm.custom_field_definitions;
     -- Nothing that an earlier test deleted is listed.
     update crm.audit_logs set erased_at = now() where action = 'delete';
     insert into crm.companies (id, name) values ('${companyId}', 'Acme');
     insert into crm.contacts (id, first_name, last_name, company_id)
     values ('${contactId}', 'Ada', 'Lovelace', '${companyId}');
     insert into crm.deals (id, title, company_id, contact_id, value, stage)
     values ('${dealId}', 'Engine', '${companyId}', '${contactId}', 5, 'Proposal');
     insert into crm.tasks (description, entity_type, entity_id) values ('Call', 'deal', '${dealId}');
     insert into crm.notes (content, entity_type, entity_id) values ('Hm', 'company', '${companyId}')`,
  ),
);

/** Does something in a transaction of its own, in somebody's name. */
async function as<Row extends pg.QueryResultRow>(
  user: string,
  role: RequestRole,
  text: string,
  values?: unknown[],
): Promise<Row[]> {
  await owner.query("begin");
  try {
    await owner.query("select set_config('role', $1, true), set_config('crm.user_id', $2, true)", [
      role,
      user,
    ]);
    const { rows } = await owner.query<Row>(text, values);
    await owner.query("commit");
    return rows;
  } catch (error) {
    await owner.query("rollback");
    throw error;
  }
}

const ann = (text: string) => as("ann", "crm_member", text);
const bob = (text: string) => as("bob", "crm_member", text);
const trashOf = (user: string, role: RequestRole = "crm_member") =>
  as<{ entity_type: string; label: string; cascaded_rows: string }>(
    user,
    role,
    "select * from crm.trash order by entry_id",
  );

interface Reversal {
  restored: string;
  changed: string;
  kept: Record<string, unknown>[];
}

async function restore(
  entityType: string,
  id: string,
  user = "ann",
  role: RequestRole = "crm_member",
): Promise<Reversal> {
  const rows = await as<Reversal>(user, role, "select * from crm.restore_deleted($1, $2)", [
    entityType,
    id,
  ]);
  if (rows[0] === undefined) throw new Error("nothing was restored");
  return rows[0];
}

async function refused(work: Promise<unknown>): Promise<Refusal> {
  return work.then(
    () => {
      throw new Error("was not refused");
    },
    (error: unknown) => describeError(error),
  );
}

/** Every row of the five tables, without the marks of its last writing. */
async function everything(): Promise<unknown> {
  const { rows } = await owner.query<{ state: unknown }>(
    `select jsonb_object_agg(id, record - '{updated_at,version}'::text[]) as state
     from (
       select id, to_jsonb(companies) from crm.companies
       union all select id, to_jsonb(contacts) - 'updated_by' from crm.contacts
       union all select id, to_jsonb(deals) from crm.deals
       union all select id, to_jsonb(tasks) from crm.tasks
       union all select id, to_jsonb(notes) from crm.notes
     ) as listed (id, record)`,
  );
  return rows[0]?.state;
}

describe("the trash", () => {
  test("lists what was deleted, to recognise it by, with the number of rows that went with it", async () => {
    await ann(`delete from crm.companies where id = '${companyId}'`);
    expect(await trashOf("ann")).toEqual([
      {
        entity_type: "company",
        entity_id: companyId,
        label: "Acme",
        deleted_at: expect.any(Date),
        deleted_by: "ann",
        cascaded_rows: "3",
        transaction_id: expect.any(String),
        entry_id: expect.any(String),
      },
    ]);
  });

  test("shows members what they deleted, administrators all, readers nothing", async () => {
    await ann(`delete from crm.deals where id = '${dealId}'`);
    await bob(`delete from crm.contacts where id = '${contactId}'`);
    expect((await trashOf("ann")).map(({ label }) => label)).toEqual(["Engine"]);
    expect((await trashOf("bob")).map(({ label }) => label)).toEqual(["Ada Lovelace"]);
    expect((await trashOf("root", "crm_admin")).map(({ label }) => label)).toEqual([
      "Engine",
      "Ada Lovelace",
    ]);
    expect(await refused(trashOf("rita", "crm_reader"))).toMatchObject({ code: "42501" });
  });

  test("has a label for everything that can be in it", async () => {
    await as(
      "root",
      "crm_admin",
      `insert into crm.pipeline_stages (name) values ('Demo');
       insert into crm.custom_field_definitions (name, label, entity_type, field_type)
       values ('size', 'Size', 'deal', 'text');
       update crm.notes set content = repeat('x', 1000);
       delete from crm.notes; delete from crm.tasks; delete from crm.deals; delete from crm.contacts;
       delete from crm.companies; delete from crm.custom_field_definitions;
       delete from crm.pipeline_stages where name = 'Demo'`,
    );
    expect(
      (await trashOf("root", "crm_admin")).map(({ entity_type, label }) => [entity_type, label]),
    ).toEqual([
      ["note", "x".repeat(100)],
      ["task", "Call"],
      ["deal", "Engine"],
      ["contact", "Ada Lovelace"],
      ["company", "Acme"],
      ["custom_field_definition", "size"],
      ["pipeline_stage", "Demo"],
    ]);
  });

  test("holds a row once, and not while it is there or when its entry has been erased", async () => {
    await ann(`delete from crm.deals where id = '${dealId}'`);
    await restore("deal", dealId);
    expect(await trashOf("ann")).toEqual([]);
    await ann(`delete from crm.deals where id = '${dealId}'`);
    expect(await trashOf("ann")).toHaveLength(1);
    await owner.query(
      "update crm.audit_logs set changes = '{}', erased_at = now() where action = 'delete'",
    );
    expect(await trashOf("ann")).toEqual([]);
    expect(await refused(restore("deal", dealId))).toMatchObject({
      code: "23514",
      constraint: "audit_logs_changes_erased",
      fields: { id: [expect.any(String)] },
    });
  });

  test("lists by itself what went with a row that alone was brought back", async () => {
    await ann(`delete from crm.companies where id = '${companyId}'`);
    const { rows } = await owner.query<{ id: string }>(
      "select id from crm.audit_logs where entity_id = $1 order by id desc limit 1",
      [companyId],
    );
    await as("ann", "crm_member", "select crm.undo_entry($1)", [rows[0]?.id]);
    expect((await trashOf("ann")).map(({ entity_type }) => entity_type).sort()).toEqual([
      "deal",
      "note",
    ]);
    expect(await restore("deal", dealId)).toMatchObject({ restored: "2" });
  });

  test("is read through indexes, however long the audit log is", async () => {
    await owner.query(
      `insert into crm.audit_logs
         (entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
       select 'note', gen_random_uuid(), 'create', 'ada', '{}', now(), -i, 'sql'
       from generate_series(1, 50000) as i;
       analyze crm.audit_logs`,
    );
    await ann(`delete from crm.companies where id = '${companyId}'`);
    const plan = await as<{ "QUERY PLAN": string }>(
      "root",
      "crm_admin",
      "explain select entity_type, entity_id, label from crm.trash order by deleted_at desc limit 20",
    );
    const text = plan.map((line) => line["QUERY PLAN"]).join("\n");
    const { rows: months } = await owner.query<{ name: string }>(
      "select to_char(now() at time zone 'UTC', '\"audit_logs_\"YYYY_MM') as name",
    );
    expect(text).toContain(`${months[0]?.name}_timestamp_idx`);
    expect(text).not.toContain(`Seq Scan on ${months[0]?.name}`);
    expect(text).not.toContain("Function Scan");
  });
});

describe("restoring", () => {
  test("brings back exactly what the deletion took, ids, links and all", async () => {
    const before = await everything();
    await ann(`delete from crm.companies where id = '${companyId}'`);
    expect(await restore("company", companyId)).toMatchObject({
      restored: "4",
      changed: "1",
      kept: [],
    });
    expect(await everything()).toEqual(before);
  });

  test("does not bring back what the same transaction had deleted by itself, before or elsewhere", async () => {
    await ann(
      `delete from crm.tasks;
       update crm.contacts set company_id = null;
       insert into crm.contacts (first_name, last_name) values ('Charles', 'Babbage');
       delete from crm.companies where id = '${companyId}';
       delete from crm.contacts where first_name = 'Charles'`,
    );
    expect(await restore("company", companyId)).toMatchObject({ restored: "3", changed: "0" });
    const { rows } = await owner.query(
      "select (select count(*) from crm.tasks)::int as tasks, (select count(*) from crm.contacts)::int as contacts",
    );
    expect(rows).toEqual([{ tasks: 0, contacts: 1 }]);
  });

  test("leaves a link that leads elsewhere by now, or whose row is gone, and reports it", async () => {
    await owner.query(
      `insert into crm.contacts (first_name, last_name, company_id)
       values ('Gone', 'Person', '${companyId}')`,
    );
    await ann(`delete from crm.companies where id = '${companyId}'`);
    await bob(
      `insert into crm.companies (name) values ('Bolt');
       update crm.contacts set company_id = (select id from crm.companies where name = 'Bolt')
       where id = '${contactId}';
       delete from crm.contacts where first_name = 'Gone'`,
    );
    const { rows } = await owner.query<{ id: string }>(
      "select id from crm.companies where name = 'Bolt'",
    );
    const { kept, restored } = await restore("company", companyId);
    expect(restored).toBe("4");
    expect(kept).toEqual(
      expect.arrayContaining([
        {
          entityType: "contact",
          entityId: contactId,
          field: "companyId",
          expected: null,
          found: rows[0]?.id,
          changedBy: "bob",
          changedAt: expect.any(String),
        },
        expect.objectContaining({ field: "id", found: null, changedBy: "bob" }),
      ]),
    );
    expect(kept).toHaveLength(2);
  });

  test("twice is refused, and so is what was never deleted or is nobody's", async () => {
    await ann(`delete from crm.deals where id = '${dealId}'`);
    await restore("deal", dealId);
    const there = {
      code: "23505",
      constraint: "trash_id_deleted",
      fields: { id: [expect.any(String)] },
    };
    expect(await refused(restore("deal", dealId))).toMatchObject(there);
    expect(await refused(restore("company", companyId))).toMatchObject(there);
    expect(await refused(restore("deal", contactId))).toMatchObject({
      code: "P0002",
      fields: { entityType: "deal", ids: [contactId] },
    });
    expect(await refused(restore("Deal", dealId))).toMatchObject({
      code: "23514",
      fields: { entityType: [expect.any(String)] },
    });
  });

  test("of what somebody else deleted is for administrators", async () => {
    await ann(`delete from crm.deals where id = '${dealId}'`);
    expect(await refused(restore("deal", dealId, "bob"))).toMatchObject({ code: "P0002" });
    expect(await restore("deal", dealId, "root", "crm_admin")).toMatchObject({ restored: "2" });
  });

  test("when the parent is gone is refused with the link that leads nowhere", async () => {
    await ann(`delete from crm.deals where id = '${dealId}'`);
    await ann(`delete from crm.companies where id = '${companyId}'`);
    expect(await refused(restore("deal", dealId))).toMatchObject({
      code: "23503",
      constraint: "deals_company_id_exists",
      fields: { companyId: [`"${companyId}" is not the id of a company`] },
    });
    await restore("company", companyId);
    await restore("deal", dealId);
  });

  test("when a rule now forbids it is refused like any write", async () => {
    await ann(`delete from crm.deals where id = '${dealId}'`);
    await owner.query(
      `insert into crm.custom_field_definitions (name, label, entity_type, field_type, required)
       values ('size', 'Size', 'deal', 'text', true)`,
    );
    expect(await refused(restore("deal", dealId))).toMatchObject({
      code: "23514",
      constraint: "deals_custom_fields_required",
      fields: { "customFields.size": ["is required"] },
    });
  });

  test("of a definition brings back its values, and can itself be undone and done again", async () => {
    await owner.query(
      `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
       values ('size', 'Size', 'deal', 'text');
       update crm.deals set custom_fields = '{"size": "L"}'`,
    );
    const { rows } = await owner.query<{ id: string }>(
      "select id from crm.custom_field_definitions",
    );
    const id = rows[0]?.id ?? "";
    await as("root", "crm_admin", "delete from crm.custom_field_definitions");
    await restore("custom_field_definition", id, "root", "crm_admin");
    const values = async () =>
      (await owner.query<{ custom_fields: unknown }>("select custom_fields from crm.deals")).rows;
    expect(await values()).toEqual([{ custom_fields: { size: "L" } }]);
  });

  test("that is undone is a deletion like the first, and can be restored again", async () => {
    const before = await everything();
    await ann(`delete from crm.companies where id = '${companyId}'`);
    await restore("company", companyId);
    const { rows } = await owner.query<{ id: string }>(
      "select transaction_id as id from crm.audit_logs order by id desc limit 1",
    );
    await as("ann", "crm_member", "select crm.undo_transaction($1)", [rows[0]?.id]);
    expect(await trashOf("ann")).toMatchObject([{ entity_type: "company", cascaded_rows: "3" }]);
    await restore("company", companyId);
    expect(await everything()).toEqual(before);
  });
});
