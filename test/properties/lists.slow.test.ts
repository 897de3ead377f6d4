import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import fc from "fast-check";
import type pg from "pg";

import { createPool } from "../../server/postgres/pool.ts";
import type { Filter } from "../../server/repositories/filters.ts";
import type { OrderBy } from "../../server/repositories/orders.ts";
import { createRepositories, type Repositories } from "../../server/repositories/repositories.ts";
import { createTestDatabase, type TestDatabase } from "../helpers/database.ts";
import { startTestServer, type TestServer } from "../helpers/server.ts";
import { holds } from "./apis.ts";

jest.setTimeout(360_000);
let database: TestDatabase;
let server: TestServer;
let pool: pg.Pool;
let repositories: Repositories;

const words = ["Ada", "ada", "Ärger", "ÄRGER", "50%", "a_b", "\\", "O'Neill"];
const owners = ["ada", "Bob", null];
const emails = ["ada@example.org", "Ada@Example.org", "b@köln.example", "b@xn--kln-sna.example"];
const stages = ["Prospecting", "Proposal", "Won", "Lost"];

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startTestServer(database.serverUrl, { customFieldsInterval: undefined });
  pool = createPool({ connectionString: database.serverUrl, max: 4 });
  repositories = createRepositories(pool);
  const pick = <Item>(list: readonly Item[], i: number) => list[i % list.length] as Item;
  const { rows: companies } = await repositories.companies.createMany(
    words.map((name, i) => ({ name, ownerId: pick(owners, i) })),
    "ada",
  );
  const { rows: contacts } = await repositories.contacts.createMany(
    Array.from({ length: 40 }, (_, i) => ({
      firstName: pick(words, i),
      lastName: pick(words, i * 3 + (i >> 3)),
      emails: emails.slice(i % 4, (i % 4) + (i % 3)),
      companyId: i % 5 === 0 ? null : (pick(companies, i * 7)?.id ?? null),
      ownerId: pick(owners, i >> 2),
    })),
    "ada",
  );
  await repositories.deals.createMany(
    Array.from({ length: 40 }, (_, i) => ({
      title: pick(words, i),
      companyId: pick(companies, i)?.id ?? "",
      contactId: i % 3 === 0 ? null : (pick(contacts, i * 5)?.id ?? null),
      value: pick(["-1", "0.50", "10", "9999999999999.99"], i >> 1),
      stage: pick(stages, i >> 2),
      closeDate: pick(["2026-01-31", "0001-01-01", null], i),
    })),
    "ada",
  );
});
afterAll(async () => {
  await pool.end();
  await server.close();
  await database.drop();
});

/** A record with few of the members. */
function few(members: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<object> {
  return fc
    .subarray(Object.keys(members), { maxLength: 2 })
    .chain((names) =>
      fc.record(Object.fromEntries(names.map((name) => [name, members[name] ?? fc.constant({})]))),
    );
}

function comparisons(value: fc.Arbitrary<unknown>): Record<string, fc.Arbitrary<unknown>> {
  const names = ["equalTo", "notEqualTo", "distinctFrom", "notDistinctFrom"];
  const sorts = ["lessThan", "lessThanOrEqualTo", "greaterThan", "greaterThanOrEqualTo"];
  const list = fc.array(value, { maxLength: 3 });
  return {
    ...Object.fromEntries([...names, ...sorts].map((name) => [name, value])),
    isNull: fc.boolean(),
    in: list,
    notIn: list,
  };
}

function texts(...values: readonly string[]): fc.Arbitrary<object> {
  const value = fc.constantFrom(...values, "a", "%", "x");
  const list = fc.array(value, { maxLength: 3 });
  const parts = ["includes", "startsWith", "endsWith"].flatMap((name) => [
    name,
    `not${name.charAt(0).toUpperCase()}${name.slice(1)}`,
  ]);
  const insensitive = ["equalTo", "notEqualTo", "distinctFrom", "notDistinctFrom"];
  const pattern = fc.constantFrom("a%", "%A", "_da", "\\\\", "50\\%");
  return few({
    ...comparisons(value),
    ...Object.fromEntries(
      [...parts, ...[...parts, ...insensitive].map((name) => `${name}Insensitive`)].map((name) => [
        name,
        value,
      ]),
    ),
    ...{ like: pattern, notLike: pattern, likeInsensitive: pattern, notLikeInsensitive: pattern },
    ...{ inInsensitive: list, notInInsensitive: list },
  });
}

const address = fc.constantFrom(...emails, "x@example.org");
const lists = few({
  equalTo: fc.array(address, { maxLength: 2 }),
  contains: fc.array(address, { maxLength: 2 }),
  containedBy: fc.array(address, { maxLength: 4 }),
  overlaps: fc.array(address, { maxLength: 2 }),
  containsInsensitive: fc.array(address, { maxLength: 2 }),
  anyEqualTo: address,
  anyEqualToInsensitive: address,
});
const integer = few(comparisons(fc.integer({ min: -1, max: 101 })));
const money = few(comparisons(fc.constantFrom("-1", "0.5", "10.00", "9999999999999.99")));
const day = few(comparisons(fc.constantFrom("2026-01-31", "0001-01-01", "2030-12-31")));

type Name = "contact" | "company" | "deal";

/** A filter of an entity, with filters of related rows and others in it. */
function filter(name: Name, depth = 2): fc.Arbitrary<object> {
  const own: Record<Name, Record<string, fc.Arbitrary<unknown>>> = {
    contact: {
      ...{ firstName: texts(...words), ownerId: texts("ada", "Bob") },
      ...{ emails: lists, version: integer },
    },
    company: { name: texts(...words), ownerId: texts("ada", "Bob") },
    deal: {
      ...{ title: texts(...words), stage: texts(...stages) },
      ...{ value: money, closeDate: day, probability: integer },
    },
  };
  if (depth === 0) return few(own[name]);
  const one = (related: Name) => filter(related, depth - 1);
  const many = (related: Name) =>
    few({ some: one(related), every: one(related), none: one(related) });
  const related: Record<Name, Record<string, fc.Arbitrary<unknown>>> = {
    contact: { company: one("company"), deals: many("deal") },
    company: { contacts: many("contact"), deals: many("deal") },
    deal: { company: one("company"), contact: one("contact") },
  };
  const logic = {
    and: fc.array(one(name), { maxLength: 2 }),
    or: fc.array(one(name), { maxLength: 3 }),
    not: one(name),
  };
  return few({ ...own[name], ...related[name], ...logic });
}

/** An order of the API, and the same of the typed layer. */
type Order = readonly [string, object];
const direction = fc.constantFrom("asc", "desc");
const orders = (fields: Record<string, (direction: string) => object>) =>
  fc.array(
    fc
      .tuple(fc.constantFrom(...Object.entries(fields)), direction)
      .map(([[name, order], to]): Order => [`${name}_${to.toUpperCase()}`, order(to)]),
    { minLength: 1, maxLength: 3 },
  );
const contactOrders = orders({
  FIRST_NAME: (firstName) => ({ firstName }),
  LAST_NAME: (lastName) => ({ lastName }),
  OWNER_ID: (ownerId) => ({ ownerId }),
  CREATED_AT: (createdAt) => ({ createdAt }),
  ID: (id) => ({ id }),
  COMPANY_NAME: (name) => ({ company: { name } }),
  DEALS_COUNT: (count) => ({ deals: { count } }),
});
const dealOrders = orders({
  TITLE: (title) => ({ title }),
  VALUE: (value) => ({ value }),
  CLOSE_DATE: (closeDate) => ({ closeDate }),
  STAGE: (stage) => ({ stage }),
  COMPANY_NAME: (name) => ({ company: { name } }),
  CONTACT_LAST_NAME: (lastName) => ({ contact: { lastName } }),
});

const scene = fc.oneof(
  fc.record({
    entity: fc.constant("contact" as const),
    filter: filter("contact"),
    orderBy: contactOrders,
  }),
  fc.record({ entity: fc.constant("deal" as const), filter: filter("deal"), orderBy: dealOrders }),
);

/** Whatever is asked for, both answer with the same rows in the same order. */
test("lists of the typed layer are those of the API, for the same filters and orders", () =>
  holds(
    fc.record({ scene, size: fc.integer({ min: 1, max: 15 }) }),
    async ({ scene: { entity, filter, orderBy }, size }) => {
      const names = orderBy.map(([name]) => name);
      const { data, errors } = await server.graphql<{ list: { nodes: { id: string }[] } }>(
        entity === "contact"
          ? `query ($filter: ContactFilter!, $orderBy: [ContactOrderBy!]) {
               list: contacts(filter: $filter, orderBy: $orderBy, first: 100) { nodes { id } }
             }`
          : `query ($filter: DealFilter!, $orderBy: [DealOrderBy!]) {
               list: deals(filter: $filter, orderBy: $orderBy, first: 100) { nodes { id } }
             }`,
        { filter, orderBy: names },
      );
      expect(errors).toBeUndefined();
      const expected = data?.list.nodes.map(({ id }) => id);
      const options = { orderBy: orderBy.map(([, order]) => order) as never };
      const { contacts, deals } = repositories;
      const repository = (entity === "contact" ? contacts : deals) as typeof contacts;
      const typed = filter as Filter<"contact">;
      const rows = await repository.findAll(typed, options);
      expect(rows.map(({ id }) => id)).toEqual(expected);
      expect(await repository.count(typed)).toBe(expected?.length);

      const forward: string[] = [];
      const backward: string[] = [];
      let page = await repository.findPage(typed, { ...options, first: size });
      for (;;) {
        forward.push(...page.rows.map(({ id }) => id));
        if (!page.hasNextPage) break;
        const after = page.endCursor ?? "";
        page = await repository.findPage(typed, { ...options, first: size, after });
      }
      page = await repository.findPage(typed, { ...options, last: size });
      for (;;) {
        backward.unshift(...page.rows.map(({ id }) => id));
        if (!page.hasPreviousPage) break;
        const before = page.startCursor ?? "";
        page = await repository.findPage(typed, { ...options, last: size, before });
      }
      expect(forward).toEqual(expected);
      expect(backward).toEqual(expected);
    },
  ));

/** The related rows that are read together are those that are read one by one. */
test("related rows are those that a list of their own has", () =>
  holds(
    fc.record({
      filter: filter("deal", 1),
      orders: dealOrders,
      first: fc.integer({ min: 0, max: 4 }),
    }),
    async ({ filter: related, orders: [order], first }) => {
      const filter = related as Filter<"deal">;
      const orderBy = order?.[1] as OrderBy<"deal">;
      const rows = await repositories.companies.findAll(
        {},
        { with: { deals: { filter, orderBy, first, with: { contact: true } } } },
      );
      for (const { id, deals } of rows) {
        const expected = await repositories.deals.findAll(
          { and: [filter, { companyId: { equalTo: id } }] },
          { orderBy, first, with: { contact: true } },
        );
        expect(deals).toEqual(expected);
      }
    },
  ));
