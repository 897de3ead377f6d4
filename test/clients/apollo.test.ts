// Apollo Client without React, with the types of GraphQL Code Generator. Its cache identifies objects by
// __typename and id, so it needs no configuration.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ApolloClient, HttpLink, InMemoryCache } from "@apollo/client";

import { graphql } from "./codegen/gql.ts";
import { type Contact, createCompany, headers, remove, url } from "./crm.ts";

const contactsQuery = graphql(`
  query ApolloContacts($companyId: ID!) {
    contacts(filter: { companyId: { equalTo: $companyId } }, orderBy: [LAST_NAME_ASC]) {
      totalCount
      nodes {
        id
        lastName
      }
    }
  }
`);

const renameMutation = graphql(`
  mutation ApolloRename($id: ID!, $patch: ContactPatch!) {
    updateContact(input: { id: $id, patch: $patch }) {
      contact {
        id
        lastName
      }
    }
  }
`);

const pastQuery = graphql(`
  query ApolloPast($id: ID!, $at: Datetime!) {
    contactAsOf(id: $id, at: $at) {
      entityId
      asOf
      lastName
    }
  }
`);

const trashQuery = graphql(`
  query ApolloTrash($id: ID!) {
    trash(filter: { entityId: { equalTo: $id } }) {
      nodes {
        entityId
        entityType
        label
      }
    }
  }
`);

/** A client that has a list of two contacts in its cache. */
async function openList() {
  const { companyId, contacts } = await createCompany("Acme", "Adams", "Baker");
  const client = new ApolloClient({
    cache: new InMemoryCache(),
    link: new HttpLink({ uri: url, headers }),
  });
  const variables = { companyId };
  await client.query({ query: contactsQuery, variables });
  const names = () =>
    client.readQuery({ query: contactsQuery, variables })?.contacts.nodes.map((c) => c.lastName);
  assert.deepEqual(names(), ["Adams", "Baker"]);
  const [adams, baker] = contacts as [Contact, Contact];
  return { client, adams, baker, names };
}

test("the cache identifies a row by its type and id", async () => {
  const { client, adams } = await openList();
  assert.equal(client.cache.identify({ __typename: "Contact", ...adams }), `Contact:${adams.id}`);
  assert.ok(`Contact:${adams.id}` in (client.extract() as object));
});

test("a row of the past leaves the present one as it is", async () => {
  const { client, adams, names } = await openList();
  const variables = { id: adams.id, patch: { lastName: "Abbott" } };
  await client.mutate({ mutation: renameMutation, variables });
  assert.deepEqual(names(), ["Abbott", "Baker"]);

  const past = { id: adams.id, at: adams.createdAt };
  const { data } = await client.query({ query: pastQuery, variables: past });
  assert.equal(data?.contactAsOf?.lastName, "Adams");
  assert.deepEqual(names(), ["Abbott", "Baker"]);
});

test("an entry of the trash leaves the cached row as it is", async () => {
  const { client, baker, names } = await openList();
  await remove(baker.id);
  const { data } = await client.query({ query: trashQuery, variables: { id: baker.id } });
  assert.deepEqual(
    data?.trash.nodes.map(({ entityId, entityType }) => [entityId, entityType]),
    [[baker.id, "contact"]],
  );
  assert.deepEqual(names(), ["Adams", "Baker"]);
});

test("a mutation with faults is rejected with their code and fields", async () => {
  const { client, adams } = await openList();
  const variables = { id: adams.id, patch: { lastName: " " } };
  const { error } = await client.mutate({
    mutation: renameMutation,
    variables,
    errorPolicy: "all",
  });
  const [fault] = (error as unknown as { errors: { extensions: unknown }[] }).errors;
  assert.partialDeepStrictEqual(fault?.extensions, {
    code: "VALIDATION_ERROR",
    fields: { lastName: ["must not be blank"] },
  });
});
