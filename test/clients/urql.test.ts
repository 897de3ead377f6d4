// urql with graphcache and the types of gql.tada, against a server in production.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Client, type ClientOptions, fetchExchange } from "@urql/core";
import type { CacheExchangeOpts } from "@urql/exchange-graphcache";
import { persistedExchange } from "@urql/exchange-persisted";
import { Kind } from "graphql";

import { type Contact, createCompany, headers, productionUrl, rename, strictUrl } from "./crm.ts";
import { createCache } from "./graphcache.ts";
import { graphql } from "./tada.ts";

const pageQuery = graphql(`
  query UrqlPage($companyId: ID!, $after: Cursor) {
    contacts(
      filter: { companyId: { equalTo: $companyId } }
      orderBy: [LAST_NAME_ASC]
      first: 2
      after: $after
    ) {
      totalCount
      nodes {
        id
        lastName
      }
      pageInfo {
        endCursor
        hasNextPage
      }
    }
  }
`);

const updateMutation = graphql(`
  mutation UrqlUpdate($id: ID!, $patch: ContactPatch!) {
    updateContact(input: { id: $id, patch: $patch }) {
      contact {
        id
        lastName
      }
    }
  }
`);

/** An operation that reads objects of every kind that has no id. */
const everythingQuery = graphql(`
  query UrqlEverything($id: ID!, $companyId: ID!, $at: Datetime!) {
    viewer {
      userId
      rights {
        entityType
        canCreate
      }
    }
    contactAsOf(id: $id, at: $at) {
      entityId
      lastName
      externalIds {
        source
        value
      }
    }
    company(id: $companyId) {
      id
      contacts {
        totalCount
        edges {
          cursor
          node {
            id
          }
        }
        aggregates {
          distinctCount {
            lastName
          }
        }
        groupedAggregates(groupBy: [LAST_NAME]) {
          keys
          distinctCount {
            firstName
          }
        }
      }
      history {
        nodes {
          entryId
          changes
        }
      }
      fieldHistory(field: "name") {
        nodes {
          value
        }
      }
    }
    search(query: "Byron") {
      nodes {
        contact {
          id
        }
      }
    }
    trash {
      nodes {
        entityId
      }
    }
    pipelineAsOf(at: $at) {
      nodes {
        stage
      }
    }
  }
`);

/** A client that notes the method of each request, and what its cache warns of. */
function createClient(options: Partial<ClientOptions> = {}) {
  const methods: string[] = [];
  const warnings: string[] = [];
  const logger: CacheExchangeOpts["logger"] = (severity, message) => {
    if (severity !== "debug") warnings.push(message);
  };
  const client = new Client({
    url: productionUrl,
    exchanges: [createCache({ logger }), fetchExchange],
    fetchOptions: { headers },
    fetch: (input, init) => {
      methods.push(init?.method ?? "GET");
      return fetch(input, init);
    },
    ...options,
  });
  return { client, methods, warnings };
}

test("pages of a list become one list, which a mutation keeps up to date", async () => {
  const { companyId, contacts } = await createCompany("Acme", "Adams", "Baker", "Clark");
  const { client, warnings } = createClient();
  const read = async (after: string | null) => {
    const { data, error } = await client.query(pageQuery, { companyId, after });
    assert.equal(error, undefined);
    const { nodes, pageInfo } = data?.contacts ?? {};
    return { names: nodes?.map(({ lastName }) => lastName), cursor: pageInfo?.endCursor ?? null };
  };
  const { names, cursor } = await read(null);
  assert.deepEqual(names, ["Adams", "Baker"]);
  assert.deepEqual((await read(cursor)).names, ["Adams", "Baker", "Clark"]);

  const [adams] = contacts as [Contact];
  await client.mutation(updateMutation, { id: adams.id, patch: { lastName: "Abbott" } });
  assert.deepEqual((await read(null)).names, ["Abbott", "Baker", "Clark"]);
  assert.deepEqual(warnings, []);
});

test("the cache knows the key of every object, and that rows of the past have none", async () => {
  const { companyId, contacts } = await createCompany("Acme", "Byron");
  const [{ id, createdAt: at }] = contacts as [Contact];
  await rename(id, "Lovelace");
  const { client, warnings } = createClient();
  const names = async () => {
    const { data } = await client.query(pageQuery, { companyId });
    return data?.contacts.nodes.map(({ lastName }) => lastName);
  };
  assert.deepEqual(await names(), ["Lovelace"]);
  const { data, error } = await client.query(everythingQuery, { id, companyId, at });
  assert.equal(error, undefined);
  assert.equal(data?.contactAsOf?.lastName, "Byron");
  assert.deepEqual(await names(), ["Lovelace"]);
  assert.deepEqual(warnings, []);
});

test("short queries use GET, which a server in production serves", async () => {
  const { companyId } = await createCompany("Acme", "Byron");
  const { client, methods } = createClient();
  const { data } = await client.query(pageQuery, { companyId });
  assert.equal(data?.contacts.totalCount, 1);
  assert.deepEqual(methods, ["GET"]);
});

/** The ids that `npx pgcrm persist` gave to the operations, by name. */
const manifest = JSON.parse(readFileSync("manifest.json", "utf8")) as {
  operations: { id: string; name: string }[];
};

/** Sends the ids of operations instead of their texts. */
function persisted(preferGetForPersistedQueries: boolean) {
  return persistedExchange({
    preferGetForPersistedQueries,
    enforcePersistedQueries: true,
    enableForMutation: true,
    generateHash: async (_, { definitions }) => {
      const names = definitions.map((each) =>
        each.kind === Kind.OPERATION_DEFINITION ? each.name?.value : undefined,
      );
      return manifest.operations.find(({ name }) => names.includes(name))?.id;
    },
  });
}

test("persisted operations are served by their ids", async () => {
  const { companyId, contacts } = await createCompany("Acme", "Byron");
  const [{ id }] = contacts as [Contact];
  const { client, methods } = createClient({
    url: strictUrl,
    exchanges: [createCache(), persisted(false), fetchExchange],
  });
  const patch = { lastName: "Lovelace" };
  const { error } = await client.mutation(updateMutation, { id, patch });
  assert.equal(error, undefined);
  const { data } = await client.query(pageQuery, { companyId });
  assert.deepEqual(data?.contacts.nodes, [{ id, lastName: "Lovelace" }]);
  assert.deepEqual(methods, ["POST", "POST"]);
});

test("a server that serves persisted operations only refuses others", async () => {
  const { client } = createClient({ url: strictUrl, preferGetMethod: false });
  const { error } = await client.query(graphql("query { currentUserId }"), {});
  assert.equal(error?.graphQLErrors[0]?.extensions["code"], "PERSISTED_QUERY_REQUIRED");
});

test("a server that refuses queries by GET names the setting", async () => {
  const { companyId } = await createCompany("Acme", "Byron");
  const { client } = createClient({
    url: strictUrl,
    exchanges: [persisted(true), fetchExchange],
  });
  const { error } = await client.query(pageQuery, { companyId });
  assert.match(String(error), /QUERIES_BY_GET/);
});
