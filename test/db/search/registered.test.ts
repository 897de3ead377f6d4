import { describe, expect, test } from "@jest/globals";
import type pg from "pg";

import { asRole, withRollback } from "../../helpers/database.ts";
import { refusal } from "../../helpers/refusal.ts";

/** A table of an application, and its registration as an entity. */
interface Item {
  readonly type: string;
  readonly table: string;
  /** The columns besides those that every entity has. */
  readonly columns: string;
  readonly labels: string;
  /** The expression that generates the document; none for a table that is not searched. */
  readonly document: string | undefined;
  /** The columns that readers may select. */
  readonly readable: string;
}

const simple: Item = {
  type: "item",
  table: "items",
  columns: "title text not null",
  labels: "{title}",
  document: "crm_private.named_document(title, '{}')",
  readable: "*",
};

const create = ({ table, columns, document, readable }: Item) => `
  create schema if not exists shop;
  grant usage on schema shop to crm_reader;
  create table shop.${table} (
    id         uuid        primary key default gen_random_uuid(),
    version    integer     not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    created_by text        not null default crm.current_user_id(),
    updated_by text        not null default crm.current_user_id(),
    ${columns}
    ${document === undefined ? "" : `, search_document tsvector generated always as (${document}) stored`}
  );
  grant select ${readable === "*" ? "" : `(${readable})`} on shop.${table} to crm_reader;`;

const register = ({ type, table, labels }: Item) =>
  `select crm_private.register_entity('${type}', 'shop.${table}', '${labels}')`;

/** Creates and registers a table that is like the simple one but for some parts. */
async function registered(client: pg.Client, parts: Partial<Item> = {}): Promise<void> {
  await client.query(create({ ...simple, ...parts }));
  await client.query(register({ ...simple, ...parts }));
}

/** How a registration is refused. */
async function refused(client: pg.Client, parts: Partial<Item>) {
  await client.query(create({ ...simple, ...parts }));
  return refusal(client, register({ ...simple, ...parts }));
}

async function search(client: pg.Client, query: string): Promise<Record<string, unknown>[]> {
  const { rows } = await client.query<Record<string, unknown>>(
    "select entity_type, rank, extract from crm.search($1) order by place",
    [query],
  );
  return rows;
}

const vector = (column: string) => `crm_private.search_vector(${column}, 'C')`;

const addCompany = "insert into crm.companies (name) values ('Engine')";
const company = { entity_type: "company", rank: 1, extract: "<mark>Engine</mark>" };

describe("a registration is refused", () => {
  test.each([
    ["that the table lacks", { labels: "{tittle}" }, "tittle"],
    ["that a table without a document lacks", { labels: "{tittle}", document: undefined }, "tittle"],
    ["of which one is missing", { labels: "{title,tittle}" }, "tittle"],
    ["that are system columns", { labels: "{tableoid}" }, "tableoid"],
  ])("for label columns %s", (_, parts, missing) =>
    withRollback(async (client) => {
      await client.query(addCompany);
      expect(await refused(client, parts)).toMatchObject({
        code: "23514",
        column: "label_columns",
        constraint: "entity_types_label_columns_known",
        fields: { labelColumns: [`must be columns of shop.items, which has no ${missing}`] },
      });
      expect(await search(client, "engine")).toEqual([company]);
    }),
  );

  test("without a label column", () =>
    withRollback(async (client) => {
      expect(await refused(client, { labels: "{}" })).toMatchObject({
        code: "23514",
        constraint: "entity_types_label_columns_required",
        fields: { labelColumns: ["must have at least one column"] },
      });
    }));

  test.each(["entity", "entity_type", "rank", "extract", "place"])(
    "for the name of an attribute of hits: %s",
    (type) =>
      withRollback(async (client) => {
        expect(await refused(client, { type })).toMatchObject({
          code: "23514",
          column: "entity_type",
          constraint: "entity_types_entity_type_reserved",
          fields: { entityType: ["must not be entity, entity_type, rank, extract or place"] },
        });
      }),
  );

  test.each(["a".repeat(41), "Item", "my item", "1st", "_item", "é", ""])(
    "for a name that is not one of the API: %s",
    (type) =>
      withRollback(async (client) => {
        expect(await refused(client, { type })).toMatchObject({
          code: "23514",
          constraint: "entity_types_entity_type_format",
          fields: { entityType: [expect.stringContaining("at most 40 characters")] },
        });
      }),
  );

  test("for a table whose name is too long for the names of its functions", () =>
    withRollback(async (client) => {
      expect(await refused(client, { table: "a".repeat(41) })).toMatchObject({
        code: "23514",
        column: "entity_table",
        constraint: "entity_types_entity_table_length",
        fields: { entityTable: ["must have a name of at most 40 bytes"] },
      });
    }));

  test.each(["id bigint", "created_at date", "created_at"])(
    "for a table with another column than search reads: %s",
    (column) =>
      withRollback(async (client) => {
        const [name] = column.split(" ");
        const statement = create(simple).replace(
          new RegExp(`${name} .*,`),
          column === name ? "" : `${column},`,
        );
        await client.query(statement);
        expect(await refusal(client, register(simple))).toMatchObject({
          code: "23514",
          constraint: "entity_types_entity_table_columns",
          fields: {
            entityTable: [
              `must have the columns ${name === "id" ? "id uuid" : "created_at timestamptz"}`,
            ],
          },
        });
      }),
  );

  test("with all faults at once", () =>
    withRollback(async (client) => {
      expect(await refused(client, { type: "company", labels: "{tittle}" })).toMatchObject({
        constraint: "entity_types_entity_table_alone",
        fields: {
          entityTable: ["is in use by entity company"],
          labelColumns: ["must be columns of shop.items, which has no tittle"],
        },
      });
    }));
});

test("the longest names are whole in a hit, and leave when they are unregistered", () =>
  withRollback(async (client) => {
    const [type, table] = ["t".repeat(40), "u".repeat(40)];
    await registered(client, { type, table });
    await client.query(`insert into shop.${table} (title) values ('Engine')`);
    const { rows } = await client.query(`select ${type}_id is not null as is_set from crm.search('engine')`);
    expect(rows).toEqual([{ is_set: true }]);
    const made = `select proname from pg_proc where proname ~ '^[tu]{20}'`;
    expect((await client.query(made)).rows).not.toEqual([]);
    await client.query(`select crm_private.unregister_entity('${type}')`);
    expect((await client.query(made)).rows).toEqual([]);
  }));

describe("what readers cannot select, search does not read:", () => {
  test.each([
    ["the id", "title, created_at, search_document"],
    ["the time of creation", "id, title, search_document"],
    ["the document", "id, title, created_at"],
    ["a label column", "id, created_at, search_document"],
  ])("without %s, the table is not searched", (_, readable) =>
    withRollback(async (client) => {
      await registered(client, { readable });
      await client.query(addCompany);
      await client.query("insert into shop.items (title) values ('Engine')");
      await asRole(client, "crm_reader", "bob");
      for (const query of ["engine", "eng", "enigne"]) {
        expect(await search(client, query)).toMatchObject([{ entity_type: "company" }]);
      }
    }),
  );

  test("a hidden column of the document is not in the extract", () =>
    withRollback(async (client) => {
      await registered(client, {
        columns: "title text not null, secret text, remark text",
        document: [simple.document, vector("secret"), vector("remark")].join(" || "),
        readable: "id, title, remark, created_at, search_document",
      });
      await client.query(
        "insert into shop.items (title, secret, remark) values ('Engine', 'hidden', 'shown')",
      );
      await asRole(client, "crm_reader", "bob");
      expect(await search(client, "engine")).toMatchObject([
        { entity_type: "item", extract: "<mark>Engine</mark> · shown" },
      ]);
    }));

  test("registering it again after a grant adds search, and after a revocation removes it", () =>
    withRollback(async (client) => {
      await registered(client, { readable: "id, title, search_document" });
      await client.query("insert into shop.items (title) values ('Engine')");
      expect(await search(client, "engine")).toEqual([]);
      await client.query("grant select on shop.items to crm_reader");
      await client.query(register(simple));
      expect(await search(client, "engine")).toMatchObject([{ entity_type: "item" }]);
      await client.query("revoke select on shop.items from crm_reader");
      await client.query(register(simple));
      expect(await search(client, "engine")).toEqual([]);
    }));
});

describe("label columns that may be null", () => {
  const name = "coalesce(first, '') || ' ' || coalesce(last, '')";
  const names: Partial<Item> = {
    columns: "first text, last text, remark text",
    labels: "{first,last}",
    document: `crm_private.named_document(${name}, '{}') || ${vector("remark")}`,
  };

  test("are read as empty: rows are ranked, and have an extract", () =>
    withRollback(async (client) => {
      await registered(client, names);
      await client.query(addCompany);
      await client.query(`insert into shop.items (first, last, remark) values
        ('Steam', 'engine', null), ('Engine', null, null), (null, 'Engine', null),
        (null, null, 'Engine')`);
      // Misspelt words are found in names only.
      for (const [query, count] of Object.entries({ engine: 5, engi: 5, enigne: 4, enginess: 4 })) {
        const hits = await search(client, query);
        expect([query, hits.length]).toEqual([query, count]);
        for (const hit of hits) {
          expect(hit).toEqual({
            entity_type: expect.any(String),
            rank: expect.any(Number),
            extract: expect.stringMatching(/^(Steam )?(<mark>)?engine(<\/mark>)?$/i),
          });
        }
      }
    }));

  test("leave an empty extract, if nothing else of the row can be shown", () =>
    withRollback(async (client) => {
      await registered(client, {
        ...names,
        readable: "id, first, last, created_at, search_document",
      });
      await client.query("insert into shop.items (remark) values ('Engine')");
      expect(await search(client, "engine")).toEqual([
        { entity_type: "item", rank: expect.any(Number), extract: "" },
      ]);
    }));

  test("are searched in parts by an index on the same expression", () =>
    withRollback(async (client) => {
      await registered(client, names);
      await client.query(`create index items_name_words on shop.items
        using gin (crm_private.name_words(${name}) extensions.gin_trgm_ops)`);
      const { rows } = await client.query<{ entities: string }>(
        "select entities from crm_private.searched_types where entity_type = 'item'",
      );
      await client.query("set local enable_seqscan = off");
      const plan = await client.query<{ "QUERY PLAN": string }>(
        `explain select id from ${rows[0]?.entities} where words like '% engi%'`,
      );
      expect(plan.rows.map((row) => row["QUERY PLAN"]).join("\n")).toContain("items_name_words");
    }));

  test("have a label in the trash, unless all are null", () =>
    withRollback(async (client) => {
      await registered(client, names);
      await client.query(
        `insert into shop.items (first, last)
         values ('Steam', 'engine'), ('Steam', null), (null, 'engine'), (null, null)`,
      );
      await client.query("delete from shop.items");
      const { rows } = await client.query<{ label: string | null }>(
        `select label from crm.trash order by label collate "C"`,
      );
      expect(rows.map(({ label }) => label)).toEqual(["Steam", "Steam engine", "engine", null]);
    }));
});

test.each([
  ["shop.context_document", "name"],
  ['"x crm_private".text_document', "name"],
  ["crm_private.text_document", "text"],
])("a document that %s computes is searched by %s", (document, way) =>
  withRollback(async (client) => {
    if (way === "name") {
      await client.query(
        `create schema shop;
         create schema "x crm_private";
         create function ${document}(value text, weight "char") returns tsvector immutable
           language sql as 'select crm_private.named_document($1, ''{}'')'`,
      );
    }
    await registered(client, { document: `${document}(title, 'D')` });
    const { rows } = await client.query(
      "select searched_by from crm_private.entity_types where entity_type = 'item'",
    );
    expect(rows).toEqual([{ searched_by: way }]);
  }),
);

test.each(["by name", "as a text"])(
  "columns named like a variable of search do not change it: %s",
  (way) =>
    withRollback(async (client) => {
      const variables = [
        ...["entity_types", "entity_id", "entity_type", "rank", "name_length", "words", "named"],
        ...["p_exact", "p_indexed", "p_typed", "p_whole", "p_whole_names", "p_typed_names"],
        ...["p_named", "p_limit", "p_begun", "p_numbers", "p_phone", "p_beside", "p_words"],
        ...["p_entity_type", "p_entity_id", "v_weights", "v_begun", "v_country", "hit", "query"],
      ];
      await registered(client, {
        table: "search_candidates",
        columns: ["title text not null", ...variables.map((name) => `${name} text`)].join(", "),
        document:
          way === "by name"
            ? `${simple.document} || ${vector("p_limit")}`
            : "crm_private.text_document(title || ' ' || coalesce(p_limit, ''), 'D')",
      });
      await client.query(addCompany);
      await client.query("insert into shop.search_candidates (title, p_limit) values ('Engine', 'x')");
      await asRole(client, "crm_reader", "bob");
      for (const query of ["engine", "eng", "enigne"]) {
        const types = (await search(client, query)).map((hit) => hit.entity_type);
        expect([query, types]).toEqual([query, ["company", "item"]]);
      }
      if (way === "by name") {
        expect(await search(client, "enginess")).toMatchObject([
          { entity_type: "company" },
          { entity_type: "item" },
        ]);
      }
      const { rows } = await client.query(
        `select crm_private.is_there('item', entity.id) from shop.search_candidates as entity`,
      );
      expect(rows).toEqual([{ is_there: true }]);
    }),
);
