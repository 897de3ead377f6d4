import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type pg from "pg";

import { connect } from "../../../server/postgres/connect.ts";
import { createTestDatabase, type TestDatabase } from "../../helpers/database.ts";
import { createActors, type Actors } from "../../helpers/actors.ts";

/*
 * What was null is null again, and what was empty is empty: a generated walk over every column that may
 * be null, of every entity, there and back, by each function that undoes.
 */

interface Entity {
  readonly type: string;
  readonly table: string;
  /** A row, by column; what is not here is null or has its default. */
  readonly row: Record<string, string>;
  /** A value of each column that may be null. */
  readonly values: Record<string, string>;
}

const companyId = "11111111-1111-4111-8111-111111111111";
const contactId = "33333333-3333-4333-8333-333333333333";

const definition = (fieldType: string, values: Record<string, string>, more = {}): Entity => ({
  type: "custom_field_definition",
  table: "custom_field_definitions",
  row: {
    name: `'f_${fieldType}'`,
    label: "'F'",
    entity_type: "'contact'",
    field_type: `'${fieldType}'`,
    ...more,
  },
  values: { description: "'D'", ...values },
});

const entities: Entity[] = [
  {
    type: "company",
    table: "companies",
    row: { name: "'C'" },
    values: { owner_id: "'ann'", address: `'{"city": "Paris"}'` },
  },
  {
    type: "contact",
    table: "contacts",
    row: { first_name: "'A'", last_name: "'B'" },
    values: { owner_id: "'ann'", company_id: `'${companyId}'` },
  },
  {
    type: "deal",
    table: "deals",
    row: { title: "'D'", company_id: `'${companyId}'`, value: "1", stage: "'Lost'" },
    values: {
      owner_id: "'ann'",
      contact_id: `'${contactId}'`,
      close_date: "'2030-01-01'",
      lost_reason: "'price'",
    },
  },
  {
    type: "task",
    table: "tasks",
    row: { description: "'T'", entity_type: "'company'", entity_id: `'${companyId}'` },
    values: { due_date: "'2030-01-01'", assigned_to: "'ann'" },
  },
  {
    type: "note",
    table: "notes",
    row: { content: "'N'", entity_type: "'company'", entity_id: `'${companyId}'` },
    values: {},
  },
  definition("text", { default_value: `'"x"'`, max_length: "10", pattern: "'^x'" }),
  definition("number", { default_value: "'1'", minimum: "'0'", maximum: "'9'" }),
  definition("date", {
    default_value: `'"2030-01-01"'`,
    minimum: "'2020-01-01'",
    maximum: "'2040-01-01'",
  }),
  definition("boolean", { default_value: "'true'" }),
  definition("enum", { default_value: `'"a"'` }, { enum_values: "'{a,b}'" }),
  definition("multi_enum", { default_value: `'["a"]'` }, { enum_values: "'{a,b}'" }),
  { type: "pipeline_stage", table: "pipeline_stages", row: { name: "'S'" }, values: {} },
  {
    type: "exchange_rate",
    table: "exchange_rates",
    row: { currency: "'EUR'", valid_from: "'2020-01-01'", rate: "2" },
    values: {},
  },
];

let database: TestDatabase;
let owner: pg.Client;
let actors: Actors;

beforeAll(async () => {
  database = await createTestDatabase();
  owner = await connect(database.ownerUrl);
  actors = createActors(owner);
  await owner.query(
    `insert into crm.companies (id, name) values ('${companyId}', 'Acme');
     insert into crm.contacts (id, first_name, last_name) values ('${contactId}', 'Ada', 'L')`,
  );
});
afterAll(async () => {
  await owner.end();
  await database.drop();
});

const names = entities.map(
  (entity) => [`${entity.type} ${entity.row.field_type ?? ""}`, entity] as const,
);

async function create({ table, row }: Entity, more: Record<string, string> = {}): Promise<string> {
  const all = { ...row, ...more };
  const { rows } = await owner.query<{ id: string }>(
    `insert into crm.${table} (${Object.keys(all).join(", ")})
     values (${Object.values(all).join(", ")}) returning id`,
  );
  return rows[0]?.id ?? "";
}

const stamps = ["version", "updated_at", "updated_by", "search_document"];

async function state({ table }: Entity, id: string): Promise<unknown> {
  const { rows } = await owner.query<{ record: unknown }>(
    `select to_jsonb(r) - $2::text[] as record from crm.${table} as r where id = $1`,
    [id, stamps],
  );
  return rows[0]?.record;
}

async function stateAt({ type, table }: Entity, id: string, at: string): Promise<unknown> {
  const { rows } = await owner.query<{ record: unknown }>(
    `select to_jsonb(r) - $3::text[] - 'match_keys' as record from crm.${type}_as_of($1, $2) as r`,
    [id, at, stamps],
  );
  expect(table).toBeTruthy();
  return rows[0]?.record;
}

const now = async () =>
  (await owner.query<{ at: string }>("select clock_timestamp()::text as at")).rows[0]?.at ?? "";

const withoutKeys = (record: unknown) => {
  const copy = { ...(record as Record<string, unknown>) };
  delete copy.match_keys;
  return copy;
};

test("every column that may be null has a value here", async () => {
  for (const { table } of entities) {
    const { rows } = await owner.query<{ attname: string }>(
      `select attname::text from pg_attribute
       where attrelid = $1::regclass and attnum > 0 and not attisdropped
         and not attnotnull and attgenerated = ''
         and attname <> all (crm_private.derived_columns())
         and attname <> 'closed_at' -- follows the stage, whatever is written`,
      [`crm.${table}`],
    );
    const known = new Set(
      entities
        .filter((entity) => entity.table === table)
        .flatMap(({ row, values }) => [...Object.keys(values), ...Object.keys(row)]),
    );
    expect(rows.map(({ attname }) => attname).filter((name) => !known.has(name))).toEqual([]);
  }
});

describe.each(names)("%s", (_, entity) => {
  test("is as it was, nulls and all, when another field's change is undone", async () => {
    const id = await create(entity);
    const before = await state(entity, id);
    const column = Object.keys(entity.row).find((name) =>
      ["name", "first_name", "title", "description", "content", "label", "rate"].includes(name),
    );
    for (const changed of entity.type === "custom_field_definition"
      ? ["label", "name"]
      : [column]) {
      const value = changed === "rate" ? "3" : "'other'";
      const done = await actors.root(
        `update crm.${entity.table} set ${changed} = ${value} where id = '${id}'`,
      );
      await actors.call("undo_transaction($1)", [done]);
      expect(await state(entity, id)).toEqual(before);

      const entry = async () =>
        (
          await owner.query<{ id: string }>(
            "select id from crm.audit_logs where entity_id = $1 order by id desc limit 1",
            [id],
          )
        ).rows[0]?.id;
      await actors.root(`update crm.${entity.table} set ${changed} = ${value} where id = '${id}'`);
      await actors.call("undo_entry($1)", [await entry()]);
      expect(await state(entity, id)).toEqual(before);
      await actors.root(`update crm.${entity.table} set ${changed} = ${value} where id = '${id}'`);
      await actors.call("undo_field($1, $2, $3, $4)", [entity.type, id, changed, await entry()]);
      expect(await state(entity, id)).toEqual(before);
    }
    await owner.query(`delete from crm.${entity.table} where id = $1`, [id]);
  });

  test.each(["null", "set"])("gets back each column that was %s", async (from) => {
    for (const [column, value] of Object.entries(entity.values)) {
      const id = await create(entity, from === "set" ? { [column]: value } : {});
      const before = await state(entity, id);
      const at = await now();
      const done = await actors.root(
        `update crm.${entity.table} set ${column} = ${from === "set" ? "null" : value} where id = '${id}'`,
      );
      expect(await state(entity, id)).not.toEqual(before);
      expect(await stateAt(entity, id, at)).toEqual(withoutKeys(before));
      await actors.call("undo_transaction($1)", [done]);
      expect(await state(entity, id)).toEqual(before);
      await owner.query(`delete from crm.${entity.table} where id = $1`, [id]);
    }
  });

  test.each(["without", "with"])("comes back as it was %s values", async (how) => {
    const id = await create(entity, how === "with" ? entity.values : {});
    const before = await state(entity, id);
    const at = await now();
    const done = await actors.root(`delete from crm.${entity.table} where id = '${id}'`);
    expect(await stateAt(entity, id, at)).toEqual(withoutKeys(before));
    await actors.call("undo_transaction($1)", [done]);
    expect(await state(entity, id)).toEqual(before);
    await actors.root(`delete from crm.${entity.table} where id = '${id}'`);
    expect(await actors.call("restore_deleted($1, $2)", [entity.type, id])).toMatchObject({
      kept: [],
    });
    expect(await state(entity, id)).toEqual(before);
    await owner.query(`delete from crm.${entity.table} where id = $1`, [id]);
    await owner.query("select crm.purge_trash('0')");
    expect(await stateAt(entity, id, at)).toEqual(withoutKeys(before));
  });
});

test("a definition of another type goes back to its own, either way", async () => {
  const asEnum = definition("enum", {}, { enum_values: "'{a,b}'" });
  const id = await create(asEnum);
  const before = await state(asEnum, id);
  const done = await actors.root(
    `update crm.custom_field_definitions
     set field_type = 'text', enum_values = null, max_length = 5 where id = '${id}'`,
  );
  const after = await state(asEnum, id);
  const { transaction_id } = await actors.call("undo_transaction($1)", [done]);
  expect(await state(asEnum, id)).toEqual(before);
  await actors.call("undo_transaction($1)", [transaction_id]);
  expect(await state(asEnum, id)).toEqual(after);
});
