import { readFile } from "node:fs/promises";
import { resolve } from "node:path";

import { beforeAll, expect, test } from "@jest/globals";
import { buildSchema, isObjectType } from "graphql";

import { withConnection } from "../../../../server/postgres/connect.ts";
import { useTestServer } from "../../../helpers/server.ts";

const crm = useTestServer();

beforeAll(async () => {
  await withConnection(crm.database.ownerUrl, async (client) => {
    await client.query(`
      insert into crm.companies (name, created_at)
      select 'Company ' || i, timestamptz '2026-01-01' + (i / 3) * interval '1 day'
      from generate_series(1, 9) as i;
      insert into crm.contacts (first_name, last_name, company_id, created_at)
      select 'Ada', 'Number ' || i, id, timestamptz '2026-01-01' + (i / 3) * interval '1 day'
      from generate_series(1, 9) as i, crm.companies where name = 'Company 1';`);
  });
});

interface Row {
  id: string;
  createdAt: string;
}

const newestFirst = (rows: readonly Row[]) =>
  rows.toSorted((a, b) => ([b.createdAt, b.id].join() < [a.createdAt, a.id].join() ? -1 : 1));

test.each(["", "orderBy: null", "orderBy: []"])("a list is newest first: %s", async (orderBy) => {
  const { data, errors } = await crm.graphql<{
    companies: { nodes: Row[] };
    contacts: { nodes: (Row & { company: { contacts: { nodes: Row[] } } })[] };
  }>(
    `{
      companies(first: 100 ${orderBy}) { nodes { id createdAt } }
      contacts(first: 100 ${orderBy}) {
        nodes { id createdAt company { contacts(first: 50 ${orderBy}) { nodes { id createdAt } } } }
      }
    }`,
  );
  expect(errors).toBeUndefined();
  const companies = data?.companies.nodes ?? [];
  expect(companies).toHaveLength(9);
  expect(companies).toEqual(newestFirst(companies));
  const contacts = data?.contacts.nodes ?? [];
  expect(contacts).toHaveLength(9);
  expect(contacts).toEqual(newestFirst(contacts));
  const inner = contacts[0]?.company.contacts.nodes ?? [];
  expect(inner).toHaveLength(9);
  expect(inner).toEqual(newestFirst(inner));
});

test("every list that can be ordered has a default order", async () => {
  const sdl = await readFile(resolve(import.meta.dirname, "../../../../schema.graphql"), "utf8");
  const orders = new Map<string, string>();
  for (const type of Object.values(buildSchema(sdl).getTypeMap())) {
    if (!isObjectType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      const orderBy = field.args.find(({ name }) => name === "orderBy");
      if (!orderBy || type.name.endsWith("Payload")) continue;
      const value = orderBy.defaultValue as string[] | undefined;
      const isSearched = field.args.some(({ name }) => name === "search");
      orders.set(
        `${type.name}.${field.name}`,
        value?.join() ??
          (isSearched ? /otherwise (.*)\./.exec(orderBy.description ?? "")?.[1] : undefined) ??
          "none",
      );
    }
  }
  const lists = (order: string) =>
    [...orders].filter(([, given]) => given === order).map(([name]) => name);
  expect([...new Set(orders.values())].sort()).toEqual([
    "CREATED_AT_ASC",
    "CREATED_AT_DESC",
    "ENTITY_TYPE_ASC,NAME_ASC",
    "NAME_ASC",
    "POSITION_ASC",
    "PRIMARY_KEY_DESC",
    "VALID_FROM_DESC",
    "VALID_FROM_DESC,CURRENCY_ASC",
  ]);
  expect(lists("NAME_ASC")).toEqual(["Query.apiKeys"]);
  expect(lists("POSITION_ASC")).toEqual(["Query.pipelineStages"]);
  expect(lists("CREATED_AT_ASC")).toEqual(["DuplicateGroup.companies", "DuplicateGroup.contacts"]);
});
