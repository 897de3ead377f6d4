import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type pg from "pg";

import { connect } from "../../../server/postgres/connect.ts";
import { createTestDatabase, type TestDatabase } from "../../helpers/database.ts";
import { createActors, type Actors, refused } from "../../helpers/actors.ts";

/* What is restored refers to something that was deleted, merged, erased, renamed or retyped meanwhile. */

const companyId = "11111111-1111-4111-8111-111111111111";
const otherCompanyId = "11111111-1111-4111-8111-111111111112";
const dealId = "22222222-2222-4222-8222-222222222222";
const contactId = "33333333-3333-4333-8333-333333333333";
const otherContactId = "33333333-3333-4333-8333-333333333334";

let database: TestDatabase;
let owner: pg.Client;
let actors: Actors;

beforeAll(async () => {
  database = await createTestDatabase();
  owner = await connect(database.ownerUrl);
  actors = createActors(owner);
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
     delete from crm.pipeline_stages where position > 5;
     insert into crm.custom_field_definitions (name, label, entity_type, field_type, enum_values)
     values
       ('size', 'Size', 'deal', 'enum', '{S,M,L}'),
       ('tags', 'Tags', 'deal', 'multi_enum', '{a,b,c}'),
       ('hint', 'Hint', 'deal', 'text', null);
     insert into crm.companies (id, name) values ('${companyId}', 'Acme'), ('${otherCompanyId}', 'Bolt');
     insert into crm.contacts (id, first_name, last_name, company_id)
     values
       ('${contactId}', 'Ada', 'Lovelace', '${companyId}'),
       ('${otherContactId}', 'Augusta', 'King', '${companyId}');
     insert into crm.deals (id, title, company_id, contact_id, value, stage, custom_fields)
     values (
       '${dealId}', 'Engine', '${companyId}', '${contactId}', 5, 'Proposal',
       '{"size": "M", "tags": ["a", "b"], "hint": "h"}'
     )`,
  ),
);

const restore = (entityType = "deal", id = dealId) =>
  actors.call("restore_deleted($1, $2)", [entityType, id]);
const deleteDeal = () => actors.ann(`delete from crm.deals where id = '${dealId}'`);
const deal = () => actors.row("deals", dealId);

/** What brings the deal back: from the trash, and by undoing its deletion in each way. */
const ways: [string, (done: string) => Promise<unknown>][] = [
  ["from the trash", () => restore()],
  ["by its transaction", (done) => actors.call("undo_transaction($1)", [done])],
  ["by its transaction, by force", (done) => actors.call("undo_transaction($1, 'FORCE')", [done])],
  ["by its transaction, skipping", (done) => actors.call("undo_transaction($1, 'SKIP')", [done])],
  [
    "by its entry",
    async (done) => {
      const { rows } = await owner.query<{ id: string }>(
        "select id from crm.audit_logs where transaction_id = $1 and entity_id = $2",
        [done, dealId],
      );
      return actors.call("undo_entry($1)", [rows[0]?.id]);
    },
  ],
];

describe.each(ways)("a deal that comes back %s", (_, bringBack) => {
  test.each([
    ["deleted", `delete from crm.contacts where id = '${contactId}'`, null],
    [
      "merged",
      `select crm.merge_contacts('${otherContactId}', array['${contactId}'::uuid])`,
      otherContactId,
    ],
    ["erased", `select crm.erase_contact('${contactId}')`, null],
  ])("whose contact was %s has what it would have had", async (_how, statement, found) => {
    const done = await deleteDeal();
    await actors.root(statement);
    expect(await bringBack(done)).toMatchObject({
      restored: "1",
      kept: [
        {
          entityType: "deal",
          entityId: dealId,
          field: "contactId",
          expected: contactId,
          found,
          changedBy: "root",
        },
      ],
      kept_count: "1",
    });
    expect(await deal()).toMatchObject({ contact_id: found, company_id: companyId });
  });

  test("whose company was merged belongs to the one that is left", async () => {
    const done = await deleteDeal();
    await actors.root(
      `select crm.merge_companies('${otherCompanyId}', array['${companyId}'::uuid])`,
    );
    expect(await bringBack(done)).toMatchObject({
      kept: [{ field: "companyId", expected: companyId, found: otherCompanyId }],
    });
    expect(await deal()).toMatchObject({ company_id: otherCompanyId });
  });

  test.each([
    [
      "a field was renamed",
      "update crm.custom_field_definitions set name = 'grade' where name = 'size'",
      { grade: "M", tags: ["a", "b"], hint: "h" },
      [],
    ],
    [
      "a field was renamed, and another has its name",
      `update crm.custom_field_definitions set name = 'grade' where name = 'size';
       insert into crm.custom_field_definitions (name, label, entity_type, field_type)
       values ('size', 'Size', 'deal', 'number')`,
      { grade: "M", tags: ["a", "b"], hint: "h" },
      [],
    ],
    [
      "a field was deleted",
      "delete from crm.custom_field_definitions where name = 'size'",
      { tags: ["a", "b"], hint: "h" },
      [{ field: "customFields.size", expected: "M", found: null, changedBy: "root" }],
    ],
    [
      "a field is of another type",
      "update crm.custom_field_definitions set field_type = 'number' where name = 'hint'",
      { size: "M", tags: ["a", "b"] },
      [{ field: "customFields.hint", expected: "h", found: null, changedBy: "root" }],
    ],
    [
      "a value was renamed",
      "select crm.rename_custom_field_value('deal', 'size', 'M', 'Medium')",
      { size: "Medium", tags: ["a", "b"], hint: "h" },
      [],
    ],
    [
      "a value was renamed twice, and its field too",
      `select crm.rename_custom_field_value('deal', 'size', 'M', 'Medium');
       update crm.custom_field_definitions set name = 'grade' where name = 'size'`,
      { grade: "Medium", tags: ["a", "b"], hint: "h" },
      [],
    ],
    [
      "a value of a list was renamed",
      "select crm.rename_custom_field_value('deal', 'tags', 'b', 'Bee')",
      { size: "M", tags: ["a", "Bee"], hint: "h" },
      [],
    ],
    [
      "a value is gone",
      "update crm.custom_field_definitions set enum_values = '{S,L}' where name = 'size'",
      { tags: ["a", "b"], hint: "h" },
      [{ field: "customFields.size", expected: "M", found: null }],
    ],
    [
      "a value of a list is gone",
      "update crm.custom_field_definitions set enum_values = '{b,c}' where name = 'tags'",
      { size: "M", tags: ["b"], hint: "h" },
      [{ field: "customFields.tags", expected: ["a", "b"], found: ["b"] }],
    ],
    [
      "all values of a list are gone",
      "update crm.custom_field_definitions set enum_values = '{c}' where name = 'tags'",
      { size: "M", hint: "h" },
      [{ field: "customFields.tags", expected: ["a", "b"], found: null }],
    ],
    [
      "a text is too long by now",
      "update crm.custom_field_definitions set pattern = '^x' where name = 'hint'",
      { size: "M", tags: ["a", "b"] },
      [{ field: "customFields.hint", expected: "h", found: null }],
    ],
    [
      "a required field is gone from it, and has a default",
      `update crm.custom_field_definitions set enum_values = '{S,L}', default_value = '"L"', required = true
       where name = 'size'`,
      { size: "L", tags: ["a", "b"], hint: "h" },
      [{ field: "customFields.size", expected: "M", found: "L" }],
    ],
  ])("when %s", async (_what, statement, fields, kept) => {
    const done = await deleteDeal();
    await actors.root(statement);
    if (_what.includes("twice")) {
      await actors.root("select crm.rename_custom_field_value('deal', 'grade', 'Medium', 'Mid')");
      fields = { ...fields, grade: "Mid" };
    }
    const result = (await bringBack(done)) as { kept: unknown[]; kept_count: string };
    expect(result.kept).toMatchObject(kept);
    expect(result.kept_count).toBe(String(kept.length));
    expect(await deal()).toMatchObject({ custom_fields: fields });
    expect(Object.keys((await deal())?.custom_fields as object).sort()).toEqual(
      Object.keys(fields).sort(),
    );
  });

  test("whose stage was renamed is in it", async () => {
    const done = await deleteDeal();
    await actors.root("update crm.pipeline_stages set name = 'Offer' where name = 'Proposal'");
    expect(await bringBack(done)).toMatchObject({ kept: [] });
    expect(await deal()).toMatchObject({ stage: "Offer" });
    await actors.root("update crm.pipeline_stages set name = 'Proposal' where name = 'Offer'");
  });

  test("whose stage is gone begins again", async () => {
    await owner.query("insert into crm.pipeline_stages (name) values ('Demo')");
    await owner.query("update crm.deals set stage = 'Demo'");
    const done = await deleteDeal();
    await actors.root("delete from crm.pipeline_stages where name = 'Demo'");
    const { rows } = await owner.query<{ name: string }>(
      "select name from crm.pipeline_stages where kind = 'open' order by position limit 1",
    );
    expect(await bringBack(done)).toMatchObject({
      kept: [{ field: "stage", expected: "Demo", found: rows[0]?.name, changedBy: "root" }],
    });
  });

  test("whose external id another has by now has its others", async () => {
    await owner.query(
      `update crm.deals set external_ids = '{"(erp,1)","(erp,2)"}' where id = '${dealId}'`,
    );
    const done = await deleteDeal();
    await actors.bob(
      `insert into crm.deals (title, company_id, value, stage, external_ids)
       values ('New', '${companyId}', 1, 'Won', '{"(erp,1)"}')`,
    );
    expect(await bringBack(done)).toMatchObject({
      restored: "1",
      kept: [
        {
          field: "externalIds",
          expected: [
            { source: "erp", id: "1" },
            { source: "erp", id: "2" },
          ],
          found: [{ source: "erp", id: "2" }],
          changedBy: "bob",
        },
      ],
    });
  });

  test("whose unique value another has by now has none", async () => {
    await owner.query(
      "update crm.custom_field_definitions set is_unique = true, max_length = 20 where name = 'hint'",
    );
    const done = await deleteDeal();
    await actors.bob(
      `insert into crm.deals (title, company_id, value, stage, custom_fields)
       values ('New', '${companyId}', 1, 'Won', '{"hint": "h"}')`,
    );
    expect(await bringBack(done)).toMatchObject({
      restored: "1",
      kept: [{ field: "customFields.hint", expected: "h", found: null }],
    });
  });
});

describe("an update that is undone", () => {
  test("puts a link back to the one that is left, or to nothing", async () => {
    const cleared = await actors.ann("update crm.deals set contact_id = null");
    await actors.root(`select crm.merge_contacts('${otherContactId}', array['${contactId}'::uuid])`);
    expect(await actors.call("undo_transaction($1)", [cleared])).toMatchObject({
      changed: "1",
      kept: [{ field: "contactId", expected: contactId, found: otherContactId }],
    });
    const again = await actors.ann("update crm.deals set contact_id = null, title = 'Engine 2'");
    await actors.root(`select crm.erase_contact('${otherContactId}')`);
    expect(await actors.call("undo_transaction($1)", [again])).toMatchObject({
      kept: [{ field: "contactId", expected: otherContactId, found: null }],
    });
    expect(await deal()).toMatchObject({ contact_id: null, title: "Engine" });
  });

  test("leaves a row where it is whose old parent is gone", async () => {
    await owner.query(
      `insert into crm.tasks (description, entity_type, entity_id) values ('Call', 'contact', '${contactId}')`,
    );
    const done = await actors.ann(
      `update crm.tasks set description = 'Ring', entity_type = 'deal', entity_id = '${dealId}'`,
    );
    await actors.bob(`delete from crm.contacts where id = '${contactId}'`);
    expect(await actors.call("undo_transaction($1)", [done])).toMatchObject({
      changed: "1",
      kept: [
        {
          entityType: "task",
          field: "entityId",
          expected: contactId,
          found: dealId,
          changedBy: "bob",
        },
      ],
    });
    const { rows } = await owner.query("select description, entity_type, entity_id from crm.tasks");
    expect(rows).toEqual([{ description: "Call", entity_type: "deal", entity_id: dealId }]);
  });

  test("follows renamed fields, values and stages in what it expects and in what it puts back", async () => {
    const done = await actors.ann(
      `update crm.deals set stage = 'Won', custom_fields = '{"$merge": {"size": "L", "tags": ["b", "c"]}}'`,
    );
    await actors.root(
      `update crm.pipeline_stages set name = 'Gained' where name = 'Won';
       update crm.pipeline_stages set name = 'Offer' where name = 'Proposal';
       select crm.rename_custom_field_value('deal', 'size', 'L', 'Large');
       select crm.rename_custom_field_value('deal', 'tags', 'a', 'Aye');
       update crm.custom_field_definitions set name = 'grade' where name = 'size'`,
    );
    await actors.root("select crm.rename_custom_field_value('deal', 'grade', 'M', 'Medium')");
    expect(await actors.call("undo_transaction($1)", [done])).toMatchObject({ kept: [] });
    expect(await deal()).toMatchObject({
      stage: "Offer",
      custom_fields: { grade: "Medium", tags: ["Aye", "b"], hint: "h" },
    });
    await actors.root(
      `update crm.pipeline_stages set name = 'Won' where name = 'Gained';
       update crm.pipeline_stages set name = 'Proposal' where name = 'Offer'`,
    );
  });

  test.each(["size", "grade"])("of a renamed field goes by either name: %s", async (name) => {
    const done = await actors.ann(
      `update crm.deals set custom_fields = '{"$merge": {"size": "L"}}'`,
    );
    await actors.root("update crm.custom_field_definitions set name = 'grade' where name = 'size'");
    const { rows } = await owner.query<{ id: string }>(
      "select id from crm.audit_logs where transaction_id = $1",
      [done],
    );
    const undone = await actors.call("undo_field('deal', $1, $2, $3)", [
      dealId,
      `customFields.${name}`,
      rows[0]?.id,
    ]);
    expect(undone).toMatchObject({ changed: "1", kept: [] });
    expect(await deal()).toMatchObject({ custom_fields: { grade: "M" } });
  });

  test("leaves a value as it is that has no place any more", async () => {
    const done = await actors.ann(
      `update crm.companies set name = 'Acme 2' where id = '${companyId}';
       update crm.deals set custom_fields = '{"$merge": {"size": "L"}}'`,
    );
    await actors.root(
      "update crm.custom_field_definitions set enum_values = '{S,L}' where name = 'size'",
    );
    expect(await actors.call("undo_transaction($1)", [done])).toMatchObject({
      kept: [{ field: "customFields.size", expected: "M", found: "L", changedBy: "root" }],
    });
    expect(await deal()).toMatchObject({ custom_fields: { size: "L" } });
    expect(await actors.row("companies", companyId)).toMatchObject({ name: "Acme" });
  });

  test("of a field whose definition is gone is told, and the rest is undone", async () => {
    const done = await actors.ann(
      `update crm.deals set title = 'Engine 2', custom_fields = '{"$merge": {"size": "L"}}'`,
    );
    await actors.root("delete from crm.custom_field_definitions where name = 'size'");
    expect(await actors.call("undo_transaction($1)", [done])).toMatchObject({
      changed: "1",
      kept: [{ field: "customFields.size", expected: "M", found: null, changedBy: "root" }],
    });
    expect(await deal()).toMatchObject({ title: "Engine" });
  });
});

describe("what comes back together", () => {
  test("leaves out the rows alone whose parent is gone for good, and what hangs on these", async () => {
    await owner.query(
      `insert into crm.deals (title, company_id, value, stage)
       values ('Kept', '${otherCompanyId}', 1, 'Won');
       insert into crm.tasks (description, entity_type, entity_id) select 'T ' || title, 'deal', id from crm.deals`,
    );
    const done = await actors.ann("delete from crm.deals");
    await actors.bob(`delete from crm.companies where id = '${companyId}'`);
    const { kept, restored } = await actors.call("undo_transaction($1)", [done]);
    expect(restored).toBe("2");
    expect(kept).toMatchObject([
      {
        entityType: "deal",
        field: "companyId",
        expected: companyId,
        found: null,
        changedBy: "bob",
      },
      { entityType: "task", field: "entityId", expected: dealId, found: null },
    ]);
  });

  test("is refused where nothing of it has a place", async () => {
    await owner.query(
      `insert into crm.tasks (description, entity_type, entity_id) values ('T', 'deal', '${dealId}')`,
    );
    await deleteDeal();
    await actors.bob("delete from crm.companies");
    expect(await refused(restore())).toMatchObject({
      code: "23503",
      constraint: "deals_company_id_exists",
      fields: { companyId: [expect.any(String)] },
    });
  });
});

test("an undone deletion of a definition brings its index back, and only a deletion's", async () => {
  const indexes = async () => {
    const { rows } = await owner.query<{ name: string }>(
      `select array_to_string((index).prefix || definition.name, ', ') as name
       from crm.custom_field_definitions as definition
       cross join crm.custom_field_definitions_index(definition) as index
       where (index).name is not null order by 1`,
    );
    return rows.map(({ name }) => name);
  };
  await actors.root(
    "select crm.index_custom_field('deal', 'size', '{stage,value}'), crm.index_custom_field('deal', 'tags')",
  );
  const done = await actors.root("delete from crm.custom_field_definitions");
  expect(await indexes()).toEqual([]);
  await actors.call("undo_transaction($1)", [done]);
  expect(await indexes()).toEqual(["stage, value, size", "tags"]);
  expect(await deal()).toMatchObject({ custom_fields: { size: "M", tags: ["a", "b"] } });
  const { rows } = await owner.query<{ id: string }>(
    "select id from crm.custom_field_definitions where name = 'size'",
  );
  await actors.root(
    "select crm.unindex_custom_field('deal', 'size'); delete from crm.custom_field_definitions where name = 'size'",
  );
  await restore("custom_field_definition", rows[0]?.id);
  expect(await indexes()).toEqual(["tags"]);
  await actors.root(
    `select crm.index_custom_field('deal', 'size');
     delete from crm.custom_field_definitions where name = 'size'`,
  );
  await restore("custom_field_definition", rows[0]?.id);
  expect(await indexes()).toEqual(["size", "tags"]);
  await owner.query("select from crm_private.dropped_indexes").then(({ rowCount }) => {
    expect(rowCount).toBe(0);
  });
});
