import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type pg from "pg";

import { createPool, createRepositories } from "../../server/client.ts";
import { withConnection } from "../../server/postgres/connect.ts";
import { commitCurrent, migrateDatabase, revertLast } from "../../server/migrations/migrate.ts";
import { type Catalog, readCatalog } from "../helpers/catalog.ts";
import {
  asRole,
  createTestDatabase,
  type TestDatabase,
  withRollback,
} from "../helpers/database.ts";
import {
  blockWith,
  createScratchProject,
  readRecipe,
  type ScratchProject,
} from "../helpers/recipes.ts";
import { refusal } from "../helpers/refusal.ts";
import { startTestServer, type TestServer } from "../helpers/server.ts";

/*
 * docs/contributing/add-an-entity.md, followed in a copy of the project: afterwards a product can do what a
 * contact can, but for what the recipe leaves out.
 */

const blocks = await readRecipe("docs/contributing/add-an-entity.md");
const up = blockWith(blocks, "create table if not exists crm.products");
const down = blockWith(blocks, "drop table crm.products");

let project: ScratchProject;
let database: TestDatabase;
let migrations: string;
let before: Catalog;

const target = () => ({ ownerUrl: database.ownerUrl, folder: migrations });

beforeAll(async () => {
  project = createScratchProject();
  migrations = join(project.folder, "db", "migrations");
  database = await createTestDatabase("template0");
  await migrateDatabase(target());
  before = await withConnection(database.ownerUrl, readCatalog);
  expect(readdirSync(join(migrations, "committed"))).toHaveLength(1);
  writeFileSync(join(migrations, "current/1-current.sql"), up);
  writeFileSync(join(migrations, "revert/000002.sql"), down);
  await commitCurrent(target(), "products");
}, 60_000);
afterAll(async () => {
  await database.drop();
  project.remove();
});

test("it comes, goes and comes back, and leaves nothing behind", () =>
  withConnection(database.ownerUrl, async (session) => {
    const search = async () => (await session.query("select * from crm.search('none')")).fields;
    const attributes = async () => (await search()).map(({ name }) => name);
    expect(await attributes()).toContain("product_id");

    const after = await withConnection(database.ownerUrl, readCatalog);
    await revertLast(target());
    expect(await withConnection(database.ownerUrl, readCatalog)).toEqual(before);
    expect(await attributes()).not.toContain("product_id");
    await migrateDatabase(target());
    expect(await withConnection(database.ownerUrl, readCatalog)).toEqual(after);
    expect(await attributes()).toContain("product_id");
  }));

test("search no longer knows it once it is gone", () =>
  withRollback(async (client) => {
    const search = "select entity_type from crm.search('engine')";
    await client.query("insert into crm.companies (name) values ('Engine')");
    await client.query(
      "insert into crm.products (name, company_id) select 'Engine', id from crm.companies",
    );
    expect((await client.query(search)).rows).toHaveLength(2);
    await client.query(down);
    expect((await client.query(search)).rows).toEqual([{ entity_type: "company" }]);
    expect(await refusal(client, "select crm.search('engine', '{product}')")).toMatchObject({
      constraint: "search_entity_types_known",
      fields: { entityTypes: ["must be some of company, contact, deal, task, note"] },
    });
    await client.query(up);
    expect((await client.query(search)).rows).toEqual([{ entity_type: "company" }]);
  }, database.ownerUrl));

test("it is searched as a text, if its document is that of a text", () =>
  withRollback(async (client) => {
    await client.query(down);
    await client.query(
      up.replace("named_document(name, custom_fields)", "text_document(name, 'D')"),
    );
    await client.query(
      `with company as (insert into crm.companies (name) values ('Sender') returning id)
       insert into crm.products (name, company_id) select 'Sent invoices', id from company`,
    );
    const { rows } = await client.query("select entity_type, extract from crm.search('invoice')");
    expect(rows).toEqual([{ entity_type: "product", extract: "Sent <mark>invoices</mark>" }]);
  }, database.ownerUrl));

test("it is not searched, if readers cannot read its document", () =>
  withRollback(async (client) => {
    await client.query(down);
    await client.query(
      up.replace("grant select on", "grant select (id, name, company_id, external_ids) on"),
    );
    await client.query("insert into crm.companies (name) values ('Engine')");
    await client.query(
      "insert into crm.products (name, company_id) select 'Engine', id from crm.companies",
    );
    await asRole(client, "crm_reader", "bob");
    const { rows } = await client.query("select entity_type from crm.search('engine')");
    expect(rows).toEqual([{ entity_type: "company" }]);
  }, database.ownerUrl));

test("registering it again changes nothing", () =>
  withRollback(async (client) => {
    const first = await readCatalog(client);
    await client.query(up);
    expect(await readCatalog(client)).toEqual(first);
  }, database.ownerUrl));

describe("in SQL", () => {
  const inside = (work: (client: pg.Client) => Promise<void>) =>
    withRollback(async (client) => {
      await client.query(
        `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
         values ('weight', 'Weight', 'product', 'number')`,
      );
      await client.query("insert into crm.companies (name) values ('Acme')");
      await asRole(client, "crm_member", "ada");
      await work(client);
    }, database.ownerUrl);

  const insert = `insert into crm.products (name, company_id, custom_fields, external_ids)
    select $1, id, $2, array[('erp', 'p1')::crm.external_id] from crm.companies returning id`;
  const addProduct = async (client: pg.ClientBase, name = "Engine") => {
    const { rows } = await client.query<{ id: string }>(insert, [name, { weight: 2 }]);
    return rows[0]?.id;
  };
  const one = async (client: pg.ClientBase, query: string, values: unknown[] = []) =>
    (await client.query<Record<string, unknown>>(query, values)).rows[0];

  test("all faults of a row are reported at once", () =>
    inside(async (client) => {
      expect(await refusal(client, insert, [" ", { weight: "heavy", size: 1 }])).toMatchObject({
        code: "23514",
        fields: {
          name: ["must not be blank"],
          "customFields.size": ["is not a custom field of this entity type"],
          "customFields.weight": [expect.stringContaining("must be a number")],
        },
      });
    }));

  test("it is stamped, and an outdated version is refused", () =>
    inside(async (client) => {
      const id = await addProduct(client);
      await client.query("update crm.products set price = 3");
      expect(await one(client, "select version, created_by, updated_by from crm.products")).toEqual(
        { version: 2, created_by: "ada", updated_by: "ada" },
      );
      expect(
        await refusal(client, "update crm.products set name = 'x', version = 1 where id = $1", [
          id,
        ]),
      ).toMatchObject({ code: "CRM01" });
    }));

  test("its history is told, and it as it was", () =>
    inside(async (client) => {
      const id = await addProduct(client);
      await client.query("update crm.products set name = 'Motor'");
      const { rows } = await client.query(
        `select entry.action, entry.changes -> 'name' as name
         from crm.products as product, crm.products_history(product) as entry`,
      );
      expect(rows).toEqual([
        { action: "update", name: { old: "Engine", new: "Motor" } },
        { action: "create", name: "Engine" },
      ]);
      expect(
        await one(
          client,
          `select was.name, crm.products_history_is_complete(was) as complete
           from crm.product_as_of($1, clock_timestamp()) as was`,
          [id],
        ),
      ).toEqual({ name: "Motor", complete: true });
    }));

  test("changes are undone", () =>
    inside(async (client) => {
      const id = await addProduct(client);
      await client.query("update crm.products set name = 'Motor', price = 3");
      await client.query(
        "select crm.undo_entry(max(id)) from crm.audit_logs where entity_id = $1",
        [id],
      );
      expect(await one(client, "select name, price from crm.products")).toEqual({
        name: "Engine",
        price: null,
      });
    }));

  test("it is deleted and restored with its company", () =>
    inside(async (client) => {
      const id = await addProduct(client);
      await client.query("delete from crm.companies");
      expect(await one(client, "select entity_type, label, cascaded_rows from crm.trash")).toEqual({
        entity_type: "company",
        label: "Acme",
        cascaded_rows: "1",
      });
      await client.query("select crm.restore_deleted('company', entity_id) from crm.trash");
      expect(await one(client, "select id, custom_fields from crm.products")).toEqual({
        id,
        custom_fields: { weight: 2 },
      });
      await client.query("delete from crm.products");
      expect(await one(client, "select entity_type, label from crm.trash")).toEqual({
        entity_type: "product",
        label: "Engine",
      });
      await client.query("select crm.restore_deleted('product', entity_id) from crm.trash");
      expect(await one(client, "select external_ids::text from crm.products")).toEqual({
        external_ids: '{"(erp,p1)"}',
      });
    }));

  test("it does not come back without its company, and follows one that was merged", () =>
    inside(async (client) => {
      const id = await addProduct(client);
      await client.query("insert into crm.companies (name) values ('Bolt')");
      await client.query(
        `select crm.merge_companies(bolt.id, array[acme.id])
         from crm.companies as bolt, crm.companies as acme
         where bolt.name = 'Bolt' and acme.name = 'Acme'`,
      );
      const company = `select company.name
        from crm.products as product join crm.companies as company on company.id = company_id`;
      expect(await one(client, company)).toEqual({ name: "Bolt" });
      await client.query("delete from crm.products");
      await client.query("delete from crm.companies");
      expect(
        await refusal(client, "select crm.restore_deleted('product', $1)", [id]),
      ).toMatchObject({
        constraint: "products_company_id_exists",
        fields: { companyId: [expect.stringContaining("is not the id of a company")] },
      });
    }));

  test("it is written in bulk, found by its external id, and copied in", () =>
    inside(async (client) => {
      const company = await one(client, "select id from crm.companies");
      const rows = ["Engine", " "].map((name, place) => ({
        ...{ name, company_id: company?.id, custom_fields: { weight: 2 } },
        external_id: { source: "erp", id: `p${place}` },
      }));
      const bulk = `select created, updated, faults
        from crm_private.write_rows('product', 'upsert', $1, 'VALID_ONLY')`;
      expect(await one(client, bulk, [JSON.stringify(rows)])).toEqual({
        created: 1,
        updated: 0,
        faults: [{ index: 1, code: "VALIDATION_ERROR", fields: { name: ["must not be blank"] } }],
      });
      expect(await one(client, "select name from crm.product_by_external_id('erp', 'p0')")).toEqual(
        {
          name: "Engine",
        },
      );
      await client.query(
        "insert into crm_private.products_copy (name, company_id) values ('Bolt', $1)",
        [company?.id],
      );
      expect(await one(client, "select count(*) from crm.products")).toEqual({ count: "2" });
    }));

  test("its custom fields are fields of the API and columns of its report", () =>
    inside(async (client) => {
      await addProduct(client);
      expect(
        await one(client, "select crm_custom.products_weight(p) as weight from crm.products as p"),
      ).toEqual({ weight: "2" });
      await client.query("set local role crm_reporter");
      expect(await one(client, "select name, custom_weight from reporting.products")).toEqual({
        name: "Engine",
        custom_weight: "2",
      });
    }));

  test("it is searched by its name and custom fields, in parts and misspelt", () =>
    inside(async (client) => {
      const search = async (query: string) => {
        const { rows } = await client.query<Record<string, unknown>>(
          "select entity_type, product_id, rank, extract from crm.search($1, '{product}')",
          [query],
        );
        return rows;
      };
      const id = await addProduct(client, "Steam Engine");
      const hit = { entity_type: "product", product_id: id };
      expect(await search("steam engine")).toEqual([
        { ...hit, rank: 1, extract: "<mark>Steam</mark> <mark>Engine</mark>" },
      ]);
      for (const query of ["steam eng", "e", "staem enigne", "enginess"]) {
        expect([query, await search(query)]).toMatchObject([query, [hit]]);
      }
      await client.query("update crm.products set name = 'Motor'");
      expect(await search("engine")).toEqual([]);
      expect(await search("motor")).toMatchObject([hit]);
      await client.query("delete from crm.products");
      expect(await search("motor")).toEqual([]);
    }));

  test("of equal hits it follows companies, and precedes tasks", () =>
    inside(async (client) => {
      await addProduct(client, "Acme");
      await client.query(
        `insert into crm.tasks (description, entity_type, entity_id)
         select 'Acme', 'company', id from crm.companies`,
      );
      const { rows } = await client.query<{ entity_type: string }>(
        "select entity_type from crm.search('acme') order by place",
      );
      expect(rows.map(({ entity_type }) => entity_type)).toEqual(["company", "product", "task"]);
    }));

  test("readers see what is theirs to see of it", () =>
    inside(async (client) => {
      const id = await addProduct(client);
      await asRole(client, "crm_reader", "bob");
      const entries = "select count(*)::integer from crm.audit_logs where entity_id = $1";
      expect(await one(client, entries, [id])).toEqual({ count: 1 });
      await asRole(client, "crm_member", "ada");
      await client.query("delete from crm.products");
      await asRole(client, "crm_reader", "bob");
      expect(await one(client, entries, [id])).toEqual({ count: 0 });
    }));
});

describe("a table of another schema", () => {
  const elsewhere = (table: string, entity: string) =>
    "create schema shop; grant usage on schema shop to crm_reader;" +
    up
      .replaceAll("crm.products", `shop.${table}`)
      .replaceAll("products_", `${table}_`)
      .replaceAll("'product'", `'${entity}'`);

  test("can be an entity, too", () =>
    withRollback(async (client) => {
      await client.query(elsewhere("parts", "part"));
      await client.query("insert into crm.companies (name) values ('Acme')");
      await asRole(client, "crm_member", "ada");
      const insert = "insert into shop.parts (name, company_id) select $1, id from crm.companies";
      expect(await refusal(client, insert, [" "])).toMatchObject({
        constraint: "parts_name_blank",
        fields: { name: ["must not be blank"] },
      });
      await client.query(insert, ["Bolt"]);
      await client.query("delete from crm.companies");
      await client.query("select crm.restore_deleted('company', entity_id) from crm.trash");
      const { rows } = await client.query(
        `select part.name, entry.action
         from shop.parts as part, crm.parts_history(part) as entry
         order by entry.id`,
      );
      expect(rows).toEqual(
        ["create", "delete", "create"].map((action) => ({ name: "Bolt", action })),
      );
      const { rows: hits } = await client.query(
        "select entity_type, part_id from crm.search('bolt')",
      );
      expect(hits).toEqual([{ entity_type: "part", part_id: expect.any(String) }]);
    }, database.ownerUrl));

  test("is refused, if an entity's table has its name", () =>
    withRollback(async (client) => {
      expect(await refusal(client, elsewhere("products", "part"))).toMatchObject({
        constraint: "entity_types_entity_table_alone",
      });
    }, database.ownerUrl));
});

describe("in the API", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer(database.serverUrl);
  });
  afterAll(() => server.close());

  test("it is written alone and in bulk, read with its past, and undone", async () => {
    const company = await server.create("company", { name: "Acme" });
    const product = await server.create("product", { name: "Engine", companyId: company });
    const changed = await server.graphql(
      `mutation { updateProducts(input: { products: [{ id: "${product}", price: "3" }] }) {
        updated products { name price company { name } } } }`,
    );
    expect(changed).toMatchObject({
      data: {
        updateProducts: {
          updated: 1,
          products: [{ name: "Engine", price: "3", company: { name: "Acme" } }],
        },
      },
    });
    const found = await server.graphql(
      `{ products(filter: { name: { startsWith: "Eng" } }, orderBy: NAME_ASC) {
        nodes { id historyIsComplete history { totalCount } fieldHistory(field: "price") { totalCount } } } }`,
    );
    expect(found).toMatchObject({
      data: {
        products: {
          nodes: [
            {
              id: product,
              historyIsComplete: true,
              history: { totalCount: 2 },
              fieldHistory: { totalCount: 2 },
            },
          ],
        },
      },
    });
  });

  test("search returns it as an object", async () => {
    const company = await server.create("company", { name: "Watt" });
    await server.create("product", { name: "Turbine", companyId: company });
    const query = `{ search(query: "turbnie") { nodes {
      entityType product { name company { name } } company { name } } } }`;
    expect(await server.graphql(query)).toMatchObject({
      data: {
        search: {
          nodes: [
            {
              entityType: "product",
              product: { name: "Turbine", company: { name: "Watt" } },
              company: null,
            },
          ],
        },
      },
    });
  });
});

test("a typed search of all entity types returns only those that its client knows", async () => {
  const pool = createPool({ connectionString: database.serverUrl });
  try {
    const { companies, search } = createRepositories(pool);
    const { id } = await companies.create({ name: "Flywheel" }, "ada");
    await withConnection(database.ownerUrl, (session) =>
      session.query("insert into crm.products (name, company_id) values ('Flywheel', $1)", [id]),
    );
    expect(await search("flywheel")).toMatchObject([{ entityType: "company", entity: { id } }]);
  } finally {
    await pool.end();
  }
});

test("its repository and the project's rules of the catalog take it as it is", async () => {
  await project.run("npm run generate && npm run schema:print");
  writeFileSync(
    join(project.folder, "recipe.ts"),
    `import { createPool, createRepositories, createRepository } from "./server/client.ts";
     const pool = createPool({ connectionString: process.env.SERVER_URL ?? "" });
     const companies = createRepository(pool, "company");
     const products = createRepository(pool, "product");
     const company = await companies.create({ name: "Acme" }, "ada");
     const made = await products.create({ name: "Engine", companyId: company.id }, "ada");
     const changed = await products.update(made.id, { name: "Motor" }, "ada");
     const found = await products.findAll({ name: { equalTo: "Motor" } });
     const { search } = createRepositories(pool);
     const hits = await search("motor", { entityTypes: ["product"] });
     const names = hits.map((hit) => (hit.entityType === "product" ? hit.entity.name : ""));
     console.log(JSON.stringify([made.name, changed.name, found.length, names]));
     await pool.end();\n`,
  );
  const printed = await project.run("node recipe.ts", { SERVER_URL: database.serverUrl });
  expect(JSON.parse(printed)).toEqual(["Engine", "Motor", 1, ["Motor"]]);
  await project.run(
    "npm run test:only -- --maxWorkers=1 test/db/schema/catalog test/db/schema/plpgsql-check",
    process.env.PGCRM_TEST_POSTGRES === undefined
      ? {}
      : { PGCRM_TEST_POSTGRES: process.env.PGCRM_TEST_POSTGRES },
  );
}, 300_000);
