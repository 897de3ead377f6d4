import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type pg from "pg";

import { withConnection } from "../../../server/postgres/connect.ts";
import {
  asRole,
  createTestDatabase,
  type TestDatabase,
  untilBlocked,
  withRollback,
} from "../../helpers/database.ts";
import { outcome, refusal } from "../../helpers/refusal.ts";

interface Index {
  name: string;
  method: string;
  is_valid: boolean;
  prefix: string[];
}

const types = {
  ...{ industry: "text", size: "number", since: "date", tier: "enum", vip: "boolean" },
  ...{ code: "text", tags: "multi_enum" },
};

/** Defines a field of each type for contacts. */
const define = (client: pg.ClientBase) =>
  client.query(
    `insert into crm.custom_field_definitions (name, label, entity_type, field_type, max_length, enum_values)
     select key, key, 'contact', value, case key when 'code' then 500 end,
       case when value in ('enum', 'multi_enum') then array['a', 'b'] || array(select 'x' || i from generate_series(1, 98) as i) end
     from jsonb_each_text($1)`,
    [JSON.stringify(types)],
  );

/** Contacts with a value in each field; of the day, the size and the industry each has its own. */
const fill = (client: pg.ClientBase, rows = 3000) =>
  client.query(
    `insert into crm.contacts (first_name, last_name, custom_fields)
     select 'Ada', 'Lovelace', jsonb_build_object(
       'industry', 'Industry ' || i, 'size', i, 'since', date '2000-01-01' + i,
       'code', 'C' || i, 'tags', array['x' || i % 98 + 1, 'b'], 'tier', 'x' || i % 98 + 1, 'vip', i % 100 = 0)
     from generate_series(1, $1::integer) as i`,
    [rows],
  );

const index = (client: pg.ClientBase, name: string, prefix: string[] | null = []) =>
  client.query("select crm.index_custom_field('contact', $1, $2)", [name, prefix]);

async function indexOf(client: pg.ClientBase, name: string): Promise<Index | null> {
  const { rows } = await client.query<{ index: Index | null }>(
    `select case when (index).name is not null then to_jsonb(index) end as index
     from crm.custom_field_definitions as definition
     cross join crm.custom_field_definitions_index(definition) as index
     where definition.name = $1 and definition.entity_type = 'contact'`,
    [name],
  );
  return rows[0]?.index ?? null;
}

/** How many indexes on custom fields the database has, whatever they belong to. */
async function indexCount(client: pg.ClientBase): Promise<number> {
  const { rowCount } = await client.query(
    "select from pg_class where relname ~ '_custom_[0-9a-f]{32}$' and relkind = 'i'",
  );
  return rowCount ?? 0;
}

async function plan(client: pg.ClientBase, text: string): Promise<string> {
  const { rows } = await client.query<[string]>({
    text: `explain (costs off) ${text}`,
    rowMode: "array",
  });
  return rows.flat().join("\n");
}

const ids = async (client: pg.ClientBase, text: string): Promise<string[]> =>
  (await client.query<{ id: string }>(text)).rows.map(({ id }) => id);

/** Lends a database with fields, where a rollback is not enough. */
async function withDatabase(
  work: (database: TestDatabase, client: pg.Client) => Promise<void>,
): Promise<void> {
  const database = await createTestDatabase();
  try {
    await withConnection(database.ownerUrl, async (client) => {
      await define(client);
      await work(database, client);
    });
  } finally {
    await database.drop();
  }
}

const from = "select t.id from crm.contacts as t where crm_custom.contacts_";
const sorted = (name: string, direction = "") =>
  `select t.id from crm.contacts as t order by crm_custom.contacts_${name}(t) ${direction}, t.id limit 20`;

describe("what asks for an indexed field reads through its index", () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createTestDatabase();
    await withConnection(database.ownerUrl, async (client) => {
      await define(client);
      await fill(client);
      for (const name of Object.keys(types)) await index(client, name);
    });
  });

  afterAll(() => database.drop());

  describe.each(["crm_reader", "crm_member", "crm_admin"] as const)("as %s", (role) => {
    test.each([
      ["industry", `${from}industry(t) = 'Industry 7'`],
      ["industry", `${from}industry(t) = any ('{Industry 7,Industry 8}')`],
      ["industry", `${from}industry(t) in ('Industry 7', 'Industry 8')`],
      ["industry", `${from}industry(t) like 'Industry 77%'`],
      ["industry", `${from}industry(t) ^@ 'Industry 77'`],
      ["code", `${from}code(t) = 'C7'`],
      ["code", `${from}code(t) = any ('{C7,C8}')`],
      ["code", sorted("code")],
      ["tags", `${from}tags(t) @> '{x7}'`],
      ["tags", `${from}tags(t) && '{x7,x8}'`],
      ["tier", `${from}tier(t) = 'x7'`],
      ["tier", `${from}tier(t) = any ('{x7,x8}')`],
      ["tier", sorted("tier")],
      ["size", `${from}size(t) = 7`],
      ["size", `${from}size(t) in (7, 8)`],
      ["size", `${from}size(t) between 7 and 30`],
      ["size", `${from}size(t) > 2990 order by crm_custom.contacts_size(t), t.id limit 20`],
      ["size", sorted("size")],
      ["size", sorted("size", "desc")],
      [
        "size",
        `select t.id from crm.contacts as t
         where (crm_custom.contacts_size(t), t.id) > (7, '5d3c3a3e-4f1c-4c7e-9a43-2f4a3d0c5f10')
         order by crm_custom.contacts_size(t), t.id limit 20`,
      ],
      ["since", `${from}since(t) = '2001-02-03'`],
      ["since", `${from}since(t) < '2000-01-20'`],
      ["since", sorted("since")],
      ["vip", `${from}vip(t)`],
    ])("%s: %s", (name, text) =>
      withRollback(async (client) => {
        const indexName = (await indexOf(client, name))?.name;
        await asRole(client, role, "ann");
        expect(await plan(client, text)).toContain(indexName);
        const through = await ids(client, text);
        expect(through.length).toBeGreaterThan(0);

        for (const way of ["indexscan", "indexonlyscan", "bitmapscan"]) {
          await client.query(`set local enable_${way} = off`);
        }
        expect(await plan(client, text)).not.toContain(indexName);
        const past = await ids(client, text);
        const ordered = text.includes("order by");
        expect(ordered ? past : past.toSorted()).toEqual(ordered ? through : through.toSorted());
      }, database.ownerUrl),
    );
  });
});

const long = `select string_agg(chr((random() * 15000)::integer + 40000), '')
  from generate_series(1, 10000) where outer_row is not null`;

test("a text of any length is written and found, however alike texts begin", () =>
  withRollback(async (client) => {
    await define(client);
    await index(client, "industry");
    await client.query(
      `insert into crm.contacts (first_name, last_name, custom_fields)
       select 'Ada', 'Lovelace', jsonb_build_object('industry',
         case
           when outer_row < 10 then (${long})
           when outer_row < 30 then repeat('x', 9990) || outer_row
           else repeat('y', outer_row)
         end)
       from generate_series(1, 400) as outer_row`,
    );
    await client.query("update crm.contacts set custom_fields = custom_fields");
    await client.query("set local enable_seqscan = off");
    const text = `select count(*) = 400 as found from crm.contacts as a
      where exists (select from crm.contacts as t where t.id = a.id
        and crm_custom.contacts_industry(t) = crm_custom.contacts_industry(a))
      and (select count(*) from crm.contacts as t
        where crm_custom.contacts_industry(t) = crm_custom.contacts_industry(a)) = 1`;
    expect(await plan(client, text)).toContain((await indexOf(client, "industry"))?.name);
    expect((await client.query(text)).rows).toEqual([{ found: true }]);
  }));

test("the longest values of the other types are written", () =>
  withRollback(async (client) => {
    await define(client);
    await client.query(
      `with value as materialized (
         select string_agg(chr((random() * 15000)::integer + 40000), '') as v
         from generate_series(1, 255)
       )
       update crm.custom_field_definitions set enum_values = array[v] from value
       where name in ('tier', 'tags')`,
    );
    for (const name of Object.keys(types)) await index(client, name);
    for (const size of [`0.${"1234567890".repeat(39)}`, "9876543210".repeat(30), "1e300"]) {
      await client.query(
        `insert into crm.contacts (first_name, last_name, custom_fields)
         select 'Ada', 'Lovelace', jsonb_build_object(
           'size', $1::numeric, 'tier', enum_values[1], 'tags', enum_values,
           'code', repeat(left(enum_values[1], 250), 2))
         from crm.custom_field_definitions where name = 'tier'`,
        [size],
      );
    }
    await client.query("update crm.contacts set custom_fields = custom_fields");
  }));

test("an index is made once, told of, and dropped", () =>
  withRollback(async (client) => {
    await define(client);
    await fill(client, 100);
    expect(await indexOf(client, "size")).toBeNull();
    await asRole(client, "crm_admin", "ann");
    await index(client, "size");
    const made = await indexOf(client, "size");
    expect(made).toMatchObject({ method: "btree", is_valid: true, size: expect.any(Number) });
    await index(client, "size");
    await asRole(client, "crm_reader", "ann");
    expect(await indexOf(client, "size")).toEqual(made);
    await asRole(client, "crm_admin", "ann");
    for (let time = 0; time < 2; time += 1) {
      await client.query("select crm.unindex_custom_field('contact', 'size')");
      expect(await indexOf(client, "size")).toBeNull();
    }
  }));

test.each(["crm_reader", "crm_member", "crm_server", "crm_reporter"] as const)(
  "%s makes and drops no index",
  (role) =>
    withRollback(async (client) => {
      await define(client);
      await asRole(client, role, "ann");
      for (const name of ["index", "unindex"]) {
        const text = `select crm.${name}_custom_field('contact', 'size')`;
        expect(await refusal(client, text)).toMatchObject({ code: "42501" });
      }
    }),
);

test.each([
  ["contact", "nothing", "P0002", undefined],
  ["contact", "x".repeat(10_000), "P0002", undefined],
  ["contact", "size'); drop table crm.notes; --", "P0002", undefined],
  ["note", "size", "P0002", undefined],
  ["company", "size", "P0002", undefined],
  [null, "size", "23514", { entityType: ["is required"] }],
  ["contact", null, "23514", { name: ["is required"] }],
])("a field that is not there is not indexed: %j, %j", (entityType, name, code, fields) =>
  withRollback(async (client) => {
    await define(client);
    await asRole(client, "crm_admin", "ann");
    for (const verb of ["index", "unindex"]) {
      const refused = await refusal(client, `select crm.${verb}_custom_field($1, $2)`, [
        entityType,
        name,
      ]);
      expect(refused.code).toBe(code);
      if (fields !== undefined) expect(refused.fields).toEqual(fields);
    }
  }),
);

describe("an index with a prefix", () => {
  const lists = {
    "filtered by both, ordered by a column": `where crm_custom.deals_region(t) = 'north' and t.stage = 'Proposal'
      order by t.value desc, t.id desc limit 20`,
    "filtered by the prefix, ordered by the field": `where t.stage = 'Proposal'
      order by crm_custom.deals_region(t) desc, t.id desc limit 20`,
  };

  test.each([
    ["crm_reader", "filtered by both, ordered by a column", ["stage", "value"]],
    ["crm_member", "filtered by both, ordered by a column", ["stage", "value"]],
    ["crm_admin", "filtered by both, ordered by a column", ["stage", "value"]],
    ["crm_member", "filtered by the prefix, ordered by the field", ["stage"]],
  ] as const)("serves a %s's list %s", (role, name, prefix) =>
    withRollback(async (client) => {
      await client.query(
        `insert into crm.custom_field_definitions (name, label, entity_type, field_type, enum_values)
         values ('region', 'Region', 'deal', 'enum', '{north,south}');
         insert into crm.companies (name) values ('Acme');
         insert into crm.deals (title, company_id, value, stage, custom_fields)
         select 'Deal ' || i, id, i * 7919 % 3001, case when i % 2 = 0 then 'Proposal' else 'Won' end,
           jsonb_build_object('region', case when i % 20 = 0 then 'north' else 'south' end)
         from crm.companies, generate_series(1, 3000) as i`,
      );
      await client.query("select crm.index_custom_field('deal', 'region', $1)", [prefix]);
      await asRole(client, role, "ann");
      const list = `select t.id from crm.deals as t ${lists[name]}`;
      // In a small table, a bitmap of the rows and a sort cost as little.
      await client.query("set local enable_bitmapscan = off");
      const text = await plan(client, list);
      expect(text).toMatch(/Index Scan Backward using deals_custom_\w{32} on deals t/);
      expect(text).not.toMatch(/-> {2}Sort|Filter/);
      expect(await ids(client, list)).toHaveLength(20);
    }),
  );

  test("is replaced by one with another prefix, and kept by the same call", () =>
    withRollback(async (client) => {
      await define(client);
      const made: string[] = [];
      for (const prefix of [
        ["ownerId", "createdAt"],
        ["owner_id", "created_at"],
        ["createdAt", "ownerId"],
        ["company_id"],
        [],
        null,
      ]) {
        await index(client, "size", prefix);
        const { rows } = await client.query<{ made: string }>(
          `select concat_ws(' ', array_to_string(index.prefix, ' '), class.oid) as made
           from crm.custom_field_definitions as definition
           cross join crm.custom_field_definitions_index(definition) as index
           join pg_class as class on class.relname = index.name
           where definition.name = 'size'`,
        );
        made.push(rows[0]?.made ?? "");
      }
      expect(made.map((text) => text.replace(/ ?\d+$/, ""))).toEqual([
        ...["ownerId createdAt", "ownerId createdAt", "createdAt ownerId", "companyId", "", ""],
      ]);
      expect(new Set(made).size).toBe(4);
      expect(await indexCount(client)).toBe(1);
    }));

  test.each([
    ["name = 'level'", "btree", ["ownerId", "createdAt"]],
    ["field_type = 'text', enum_values = null, max_length = 255", "btree", ["ownerId", "createdAt"]],
    ["field_type = 'text', enum_values = null, max_length = 256", "btree", []],
    ["field_type = 'text', enum_values = null", "spgist", []],
  ])("follows its definition: with %s it is %s with %j", (change, method, prefix) =>
    withRollback(async (client) => {
      await define(client);
      await fill(client, 100);
      await index(client, "tier", ["ownerId", "createdAt"]);
      await client.query(`update crm.custom_field_definitions set ${change} where name = 'tier'`);
      const called = change === "name = 'level'" ? "level" : "tier";
      expect(await indexOf(client, called)).toMatchObject({ method, prefix, is_valid: true });
      expect(await indexCount(client)).toBe(1);
      await client.query("delete from crm.custom_field_definitions where name = $1", [called]);
      expect(await indexCount(client)).toBe(0);
    }),
  );

  test.each([
    ["size", ["nothing"]],
    ["size", ["ownerId", "id"]],
    ["size", ["emails"]],
    ["size", ["customFields"]],
    ["size", ["createdBy"]], // has no limit
    ["size", ["search_document"]],
    ["size", ["x); drop table crm.notes; --"]],
    ["size", [null]],
    ["tags", ["ownerId"]],
    ["industry", ["createdAt"]],
    ["code", ["ownerId"]],
    ["tier", ["ownerId", "lastName"]],
  ])("is refused for %s with %j", (name, prefix) =>
    withRollback(async (client) => {
      await define(client);
      await asRole(client, "crm_admin", "ann");
      const text = "select crm.index_custom_field('contact', $1, $2)";
      const refused = await refusal(client, text, [name, prefix]);
      expect(refused).toMatchObject({ code: "23514", constraint: "index_custom_field_prefix" });
      expect(Object.keys(refused.fields ?? {})).toEqual(["prefix"]);
    }),
  );

  test("accepts the longest values of all its columns", () =>
    withRollback(async (client) => {
      await define(client);
      const letters = (count: number) =>
        `(select string_agg(chr((random() * 15000)::integer + 140000), '') from generate_series(1, ${count}))`;
      await client.query(
        `update crm.custom_field_definitions set enum_values = array[${letters(255)}] where name = 'tier'`,
      );
      await index(client, "tier", ["ownerId", "createdAt"]);
      await index(client, "size", ["firstName", "lastName"]);
      await client.query(
        `insert into crm.contacts (first_name, last_name, owner_id, custom_fields)
         select ${letters(255)}, ${letters(255)}, ${letters(255)},
           jsonb_build_object('size', $1::numeric, 'tier', enum_values[1])
         from crm.custom_field_definitions where name = 'tier'`,
        [`0.${"1234567890".repeat(39)}`],
      );
    }));
});

describe("the planner knows the values of a field", () => {
  /** Returns how many contacts the planner expects, as a member. */
  async function expected(client: pg.Client, condition: string): Promise<number> {
    await client.query("savepoint before");
    await asRole(client, "crm_member", "ann");
    const { rows } = await client.query<{ "QUERY PLAN": [{ Plan: { "Plan Rows": number } }] }>(
      `explain (format json) select from crm.contacts as t where crm_custom.contacts_${condition}`,
    );
    await client.query("rollback to savepoint before");
    return rows[0]?.["QUERY PLAN"][0].Plan["Plan Rows"] ?? 0;
  }

  const statistics = async (client: pg.ClientBase) =>
    (
      await client.query<{ value: string }>(
        `select obj_description(oid, 'pg_statistic_ext') as value
         from pg_statistic_ext where stxname ~ '_custom_[0-9a-f]{32}$'`,
      )
    ).rows.map(({ value }) => /'(\w+)'/.exec(value)?.[1]).sort();

  test("without an index", () =>
    withRollback(async (client) => {
      await define(client);
      await client.query(
        `insert into crm.contacts (first_name, last_name, custom_fields)
         select 'Ada', 'Lovelace', jsonb_build_object('tier', case when i % 4 = 0 then 'a' else 'b' end)
         from generate_series(1, 1000) as i;
         analyze crm.contacts`,
      );
      expect(await expected(client, "tier(t) = 'a'")).toBe(250);
      expect(await expected(client, "tier(t) in ('a', 'b')")).toBe(1000);
      expect(await expected(client, "industry(t) = 'Mining'")).toBeLessThan(10);
    }));

  test("by statistics that follow its definition", () =>
    withRollback(async (client) => {
      await define(client);
      expect(await statistics(client)).toEqual(["code", "industry", "since", "size", "tier", "vip"]);
      await client.query(
        `update crm.custom_field_definitions set name = 'level' where name = 'tier';
         update crm.custom_field_definitions set field_type = 'text', enum_values = null where name = 'tags';
         delete from crm.custom_field_definitions where name in ('code', 'vip')`,
      );
      expect(await statistics(client)).toEqual(["industry", "level", "since", "size", "tags"]);
      await client.query("delete from crm.custom_field_definitions");
      expect(await statistics(client)).toEqual([]);
    }));
});

describe("an index follows its definition", () => {
  test("a deleted definition takes it along, in the same transaction", () =>
    withRollback(async (client) => {
      await define(client);
      await fill(client, 100);
      for (const name of ["size", "industry"]) await index(client, name);
      await client.query("savepoint before");
      await client.query("delete from crm.custom_field_definitions where name = 'size'");
      expect(await indexCount(client)).toBe(1);
      await client.query("rollback to savepoint before");
      expect(await indexCount(client)).toBe(2);
      await client.query("delete from crm.custom_field_definitions");
      expect(await indexCount(client)).toBe(0);
    }));

  test.each([
    ["code", "max_length = 501", "spgist", `${from}code(t) = 'C7'`],
    ["industry", "max_length = 500", "btree", `${from}industry(t) = 'Industry 7'`],
    ["code", "name = 'symbol'", "btree", `${from}symbol(t) = 'C7'`],
    ["tier", "field_type = 'text', enum_values = null", "spgist", `${from}tier(t) = 'x7'`],
    ["size", "field_type = 'number'", "btree", `${from}size(t) = 7`],
    ["digits", "field_type = 'date'", "btree", `${from}digits(t) = '2001-02-03'`],
    ["since", "field_type = 'text'", "spgist", `${from}since(t) = '2001-02-03'`],
    ["since", "label = 'Customer since'", "btree", `${from}since(t) = '2001-02-03'`],
  ])("%s with %s has one of %s", (name, change, method, text) =>
    withRollback(async (client) => {
      await define(client);
      await client.query(
        `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
         values ('digits', 'Digits', 'contact', 'text')`,
      );
      await fill(client);
      await client.query(
        `update crm.contacts
         set custom_fields = jsonb_set(custom_fields, '{digits}', custom_fields -> 'since')`,
      );
      await index(client, name);
      await client.query(
        `update crm.custom_field_definitions set ${change} where name = '${name}'`,
      );
      const called = change === "name = 'symbol'" ? "symbol" : name;
      expect(await indexOf(client, called)).toMatchObject({ method, is_valid: true });
      expect(await indexCount(client)).toBe(1);
      await client.query("set local enable_seqscan = off");
      await asRole(client, "crm_member", "ann");
      expect(await plan(client, text)).toContain((await indexOf(client, called))?.name);
      expect((await ids(client, text)).length).toBeGreaterThan(0);
    }),
  );

  test("a change of type that rows contradict leaves it as it is", () =>
    withRollback(async (client) => {
      await define(client);
      await fill(client, 100);
      await index(client, "industry");
      const before = await indexOf(client, "industry");
      const text =
        "update crm.custom_field_definitions set field_type = 'number' where name = 'industry'";
      expect(await refusal(client, text)).toMatchObject({
        constraint: "custom_field_definitions_values_hold",
      });
      expect(await indexOf(client, "industry")).toEqual(before);
    }));

  test("definitions change and are indexed in one transaction", () =>
    withRollback(async (client) => {
      await asRole(client, "crm_admin", "ann");
      await define(client);
      await index(client, "size");
      await client.query("delete from crm.custom_field_definitions where name = 'vip'");
      await index(client, "tier");
      expect(await indexCount(client)).toBe(2);
    }));
});

describe("while a field is being indexed", () => {
  test.each([
    "delete from crm.custom_field_definitions where name = 'size'",
    "update crm.custom_field_definitions set required = false",
    "select crm.index_custom_field('contact', 'vip')",
    "select crm.unindex_custom_field('contact', 'size')",
  ])("this is refused rather than kept waiting: %s", (text) =>
    withDatabase(async ({ ownerUrl }, client) => {
      await withConnection(ownerUrl, async (other) => {
        await other.query("begin");
        await index(other, "size");
        expect(await outcome(client.query(text))).toMatchObject({ code: "55P03" });
        await other.query("rollback");
        expect(await outcome(client.query(text))).toBe("done");
      });
    }),
  );

  test("a change of definitions keeps an index waiting no more than another change", () =>
    withDatabase(async ({ ownerUrl }, client) => {
      await withConnection(ownerUrl, async (other) => {
        await other.query("begin");
        await other.query("delete from crm.custom_field_definitions where name = 'size'");
        const text = "select crm.index_custom_field('contact', 'vip')";
        expect(await outcome(client.query(text))).toMatchObject({ code: "55P03" });
        const change = outcome(
          client.query("delete from crm.custom_field_definitions where name = 'vip'"),
        );
        await untilBlocked(ownerUrl, client);
        await other.query("commit");
        expect(await change).toBe("done");
      });
    }));
});

test("readers are waited for no longer than three seconds, and nothing is lost", () =>
  withDatabase(async ({ ownerUrl }, client) => {
    await index(client, "size");
    await withConnection(ownerUrl, async (reader) => {
      await reader.query("begin");
      await reader.query("select from crm.contacts");
      const text = "delete from crm.custom_field_definitions where name = 'size'";
      expect(await outcome(client.query(text))).toMatchObject({ code: "55P03" });
      await reader.query("commit");
      expect(await indexCount(client)).toBe(1);
      expect(await outcome(client.query(text))).toBe("done");
      expect(await indexCount(client)).toBe(0);
    });
  }));
