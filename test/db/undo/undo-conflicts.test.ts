import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type pg from "pg";

import { connect } from "../../../server/postgres/connect.ts";
import { createTestDatabase, type TestDatabase } from "../../helpers/database.ts";
import { createActors, type Actors, refused } from "../../helpers/actors.ts";

const companyId = "11111111-1111-4111-8111-111111111111";

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
     insert into crm.companies (id, name) values ('${companyId}', 'Acme')`,
  ),
);

const skip = (id: string, user = "ann", role: "crm_member" | "crm_admin" = "crm_member") =>
  actors.call("undo_transaction($1, 'SKIP')", [id], user, role);

async function count(text: string): Promise<number> {
  const { rows } = await owner.query<{ count: number }>(`select count(*)::int from ${text}`);
  return rows[0]?.count ?? -1;
}

const addDeals = (many: number) =>
  owner.query(
    `insert into crm.deals (title, company_id, value, stage)
     select 'D' || i, '${companyId}', i, 'Proposal' from generate_series(1, ${many}) as i`,
  );

describe("SKIP", () => {
  test("undoes a bulk edit but for the row that was edited since, and says by whom", async () => {
    await addDeals(2000);
    const done = await actors.ann("update crm.deals set stage = 'Won', value = value + 1");
    await actors.bob("update crm.deals set stage = 'Lost' where title = 'D7'");
    expect(
      await refused(actors.call("undo_transaction($1)", [done], "ann", "crm_member")),
    ).toMatchObject({
      code: "CRM02",
    });
    const { kept, kept_count, changed } = await skip(done);
    expect({ kept_count, changed }).toEqual({ kept_count: "1", changed: "2000" });
    expect(kept).toMatchObject([
      { entityType: "deal", field: "stage", expected: "Won", found: "Lost", changedBy: "bob" },
    ]);
    expect(await count("crm.deals where stage = 'Proposal'")).toBe(1999);
    expect(await count("crm.deals where stage = 'Lost' and value = 7")).toBe(1);
    expect(await count("crm_private.reversals")).toBe(0);
  });

  test("says how much it left where that is more than it lists", async () => {
    await addDeals(1500);
    const done = await actors.ann("update crm.deals set stage = 'Won'");
    await actors.bob("update crm.deals set stage = 'Lost' where value > 100");
    const { kept, kept_count, changed } = await skip(done);
    expect(kept).toHaveLength(1000);
    expect(kept_count).toBe("1400");
    expect(changed).toBe("100");
    expect(new Set(kept.map(({ changedBy }) => changedBy))).toEqual(new Set(["bob"]));
  });

  test("leaves rows that are gone, and rows that are back", async () => {
    await addDeals(3);
    const done = await actors.ann(
      "update crm.deals set stage = 'Won' where value < 3; delete from crm.deals where value = 3",
    );
    await actors.bob("delete from crm.deals where value = 1");
    const entry = await owner.query<{ id: string }>(
      "select id from crm.audit_logs where transaction_id = $1 and action = 'delete'",
      [done],
    );
    await actors.call("undo_entry($1)", [entry.rows[0]?.id], "ann", "crm_member");
    const { kept, restored, changed } = await skip(done);
    expect({ restored, changed }).toEqual({ restored: "0", changed: "1" });
    expect(kept).toHaveLength(2);
    expect(kept).toMatchObject([{ field: "id" }, { field: "id" }]);
    expect(await count("crm.deals where stage = 'Proposal'")).toBe(2);
  });

  test("leaves what it created and others have changed or used since, whole, and what that hangs on", async () => {
    const done = await actors.ann(
      `insert into crm.companies (name) values ('Used'), ('Parent'), ('Unused');
       insert into crm.deals (title, company_id, value, stage)
       select 'Child', id, 1, 'Won' from crm.companies where name = 'Parent';
       insert into crm.contacts (first_name, last_name) values ('Changed', 'C'), ('Same', 'S')`,
    );
    await actors.bob(
      `insert into crm.notes (content, entity_type, entity_id)
       select 'Hm', 'company', id from crm.companies where name = 'Used';
       update crm.deals set title = 'Child 2';
       update crm.contacts set owner_id = 'bob' where first_name = 'Changed'`,
    );
    const { deleted, kept } = await skip(done);
    expect(deleted).toBe("2");
    expect(kept.map(({ entityType, field, changedBy }) => [entityType, field, changedBy])).toEqual(
      expect.arrayContaining([
        ["note", "entityId", "bob"],
        ["deal", "title", "bob"],
        ["contact", "ownerId", "bob"],
      ]),
    );
    const { rows } = await owner.query<{ name: string }>(
      "select name from crm.companies union all select title from crm.deals union all select first_name from crm.contacts order by 1",
    );
    expect(rows.map(({ name }) => name)).toEqual(["Acme", "Changed", "Child 2", "Parent", "Used"]);
  });

  test("leaves a definition and a stage that others use by now", async () => {
    await addDeals(2);
    const done = await actors.root(
      `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
       values ('a', 'A', 'deal', 'text'), ('b', 'B', 'deal', 'text');
       insert into crm.pipeline_stages (name) values ('Demo'), ('Idle');
       update crm.deals set custom_fields = '{"a": "x"}' where value = 1`,
    );
    await actors.bob(
      `update crm.deals set custom_fields = '{"a": "y"}', stage = 'Demo' where value = 2`,
    );
    expect(await refused(actors.call("undo_transaction($1)", [done]))).toMatchObject({
      code: "CRM02",
    });
    const { kept, deleted } = await skip(done, "root", "crm_admin");
    expect(deleted).toBe("2");
    expect(kept.map(({ field, found }) => [field, found]).sort()).toEqual([
      ["customFields.a", "y"],
      ["stage", "Demo"],
    ]);
    const { rows } = await owner.query("select custom_fields from crm.deals order by value");
    expect(rows).toEqual([{ custom_fields: {} }, { custom_fields: { a: "y" } }]);
  });

  test("of a field or an entry that was changed since does nothing but say so", async () => {
    await addDeals(1);
    const done = await actors.ann("update crm.deals set stage = 'Won'");
    await actors.bob("update crm.deals set stage = 'Lost'");
    const { rows } = await owner.query<{ id: string; entity_id: string }>(
      "select id, entity_id from crm.audit_logs where transaction_id = $1",
      [done],
    );
    const { id, entity_id } = rows[0] ?? { id: "", entity_id: "" };
    for (const undone of [
      await actors.call("undo_entry($1, 'SKIP')", [id], "ann", "crm_member"),
      await actors.call(
        "undo_field('deal', $1, 'stage', $2, 'SKIP')",
        [entity_id, id],
        "ann",
        "crm_member",
      ),
    ]) {
      expect(undone).toMatchObject({ changed: "0", kept_count: "1" });
    }
    expect(await actors.row("deals", entity_id)).toMatchObject({ stage: "Lost" });
  });

  test("can itself be undone", async () => {
    await addDeals(3);
    const done = await actors.ann("update crm.deals set stage = 'Won'");
    await actors.bob("update crm.deals set stage = 'Lost' where value = 1");
    const { transaction_id } = await skip(done);
    await actors.call("undo_transaction($1)", [transaction_id], "ann", "crm_member");
    expect(await count("crm.deals where stage = 'Won'")).toBe(2);
    expect(await count("crm.deals where stage = 'Lost'")).toBe(1);
  });
});

test("null is REFUSE, and what is none of the three is no value of the type", async () => {
  await addDeals(1);
  const done = await actors.ann("update crm.deals set stage = 'Won'");
  await actors.bob("update crm.deals set stage = 'Lost'");
  expect(await refused(actors.call("undo_transaction($1, null)", [done]))).toMatchObject({
    code: "CRM02",
  });
  expect(await refused(actors.call("undo_transaction($1, 'MERGE')", [done]))).toMatchObject({
    code: "22P02",
  });
});

describe("what is not reversed", () => {
  const entryOf = async (action: string, entityType: string) => {
    const { rows } = await owner.query<{ id: string; transaction_id: string }>(
      "select id, transaction_id from crm.audit_logs where action = $1 and entity_type = $2 order by id desc limit 1",
      [action, entityType],
    );
    return rows[0] ?? { id: "", transaction_id: "" };
  };

  test.each([
    ["a setting", "select crm.set_trash_retention(12)", "update", "setting"],
    ["a base currency", "select crm.set_base_currency('EUR')", "update", "setting"],
    [
      "a purge",
      "delete from crm.companies; select crm.purge_trash('0'::interval)",
      "purge",
      "audit_log",
    ],
    ["an API key", "select crm.create_api_key('one', 'reader')", "create", "api_key"],
    [
      "a revocation",
      "select crm.create_api_key('two', 'reader'); select crm.revoke_api_key(id) from crm.api_keys where name = 'two'",
      "update",
      "api_key",
    ],
  ])("%s says so, by entry and by transaction", async (_, statement, action, entityType) => {
    await actors.root(statement);
    const { id, transaction_id } = await entryOf(action, entityType);
    for (const mode of ["REFUSE", "SKIP", "FORCE"]) {
      expect(await refused(actors.call("undo_entry($1, $2)", [id, mode]))).toMatchObject({
        code: "23514",
        constraint: "audit_logs_action_reversible",
        fields: { entryId: [expect.any(String)] },
      });
      expect(
        await refused(actors.call("undo_transaction($1, $2)", [transaction_id, mode])),
      ).toMatchObject({
        code: "23514",
        fields: { transactionId: [expect.any(String)] },
      });
    }
  });

  test("an erasure says so", async () => {
    await owner.query("insert into crm.contacts (first_name, last_name) values ('A', 'B')");
    await actors.root("select crm.erase_contact(id) from crm.contacts");
    const { id, transaction_id } = await entryOf("erase", "contact");
    expect(await refused(actors.call("undo_entry($1)", [id]))).toMatchObject({
      code: "23514",
      constraint: "audit_logs_action_reversible",
      fields: { entryId: [expect.any(String)] },
    });
    expect(await refused(actors.call("undo_transaction($1)", [transaction_id]))).toMatchObject({
      code: "23514",
    });
  });

  test("an archive says so", async () => {
    await owner.query(
      `select crm_private.log_event('audit_log', 'archive', '{"before": "2020-01-01"}', clock_timestamp())`,
    );
    const { id } = await entryOf("archive", "audit_log");
    expect(await refused(actors.call("undo_entry($1)", [id]))).toMatchObject({
      code: "23514",
      fields: { entryId: [expect.any(String)] },
    });
    await owner.query("delete from crm.audit_logs where action = 'archive'");
  });

  test.each(["setting", "audit_log", "api_key", "deals", ""])(
    "fields and deletions of %s do not exist",
    async (entityType) => {
      const none = "00000000-0000-0000-0000-000000000000";
      expect(
        await refused(actors.call("undo_field($1, $2, 'name', 1)", [entityType, none])),
      ).toMatchObject({ code: "23514", fields: { entityType: [expect.any(String)] } });
      expect(
        await refused(actors.call("restore_deleted($1, $2)", [entityType, none])),
      ).toMatchObject({ code: "23514", fields: { entityType: [expect.any(String)] } });
    },
  );
});
