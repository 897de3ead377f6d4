// Relay without React: what its hooks do is done here with the environment.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  commitMutation,
  createOperationDescriptor,
  Environment,
  fetchQuery,
  getSingularSelector,
  type GraphQLResponse,
  type GraphQLTaggedNode,
  type MutationParameters,
  Network,
  type OperationType,
  type ReaderFragment,
  RecordSource,
  Store,
} from "relay-runtime";

import { type Contact, createCompany, headers, remove, rename, url } from "../crm.ts";
import deleteEdge, {
  type CompanyContactsDeleteMutation,
} from "./artifacts/CompanyContactsDeleteMutation.graphql.ts";
import nextPage, {
  type CompanyContactsPaginationQuery,
} from "./artifacts/CompanyContactsPaginationQuery.graphql.ts";
import companyContacts, {
  type CompanyContactsQuery,
} from "./artifacts/CompanyContactsQuery.graphql.ts";
import companyFragment, {
  type CompanyContacts_company$data,
} from "./artifacts/CompanyContacts_company.graphql.ts";
import createContact, {
  type ContactListCreateMutation,
} from "./artifacts/ContactListCreateMutation.graphql.ts";
import contactPage, { type ContactPageQuery } from "./artifacts/ContactPageQuery.graphql.ts";
import refetch, {
  type ContactPageRefetchQuery,
} from "./artifacts/ContactPageRefetchQuery.graphql.ts";
import contactPast, { type ContactPastQuery } from "./artifacts/ContactPastQuery.graphql.ts";
import deleteRecord, {
  type ContactPageDeleteMutation,
} from "./artifacts/ContactPageDeleteMutation.graphql.ts";
import updateContact, {
  type ContactPageUpdateMutation,
} from "./artifacts/ContactPageUpdateMutation.graphql.ts";
import contactFragment, {
  type ContactPage_contact$data,
} from "./artifacts/ContactPage_contact.graphql.ts";

const network = Network.create(async ({ text: query }, variables) => {
  const response = await fetch(url, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify({ query, variables }),
  });
  return (await response.json()) as GraphQLResponse;
});

/** An environment, and what Relay's hooks do with it. */
class Page {
  readonly environment = new Environment({ network, store: new Store(new RecordSource()) });

  /** Sends a query, and keeps what it returns in the store, as `useLazyLoadQuery` does. */
  async load<Query extends OperationType>(
    query: GraphQLTaggedNode,
    variables: Query["variables"],
  ): Promise<Query["response"]> {
    this.environment.retain(createOperationDescriptor(query as never, variables));
    const response = await fetchQuery<Query>(this.environment, query, variables).toPromise();
    assert(response);
    return response;
  }

  async commit<Mutation extends MutationParameters>(
    mutation: GraphQLTaggedNode,
    variables: Mutation["variables"],
  ): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      commitMutation<Mutation>(this.environment, {
        mutation,
        variables,
        onCompleted: (_, errors) => (errors ? reject(new Error(errors[0]?.message)) : resolve()),
        onError: reject,
      });
    });
  }

  /** Reads a fragment from the store, as `useFragment` does. */
  read<Data>(fragment: ReaderFragment, key: unknown): Data {
    const selector = getSingularSelector(fragment, key);
    assert(selector);
    return this.environment.lookup(selector).data as Data;
  }

  /** The type of the row that the store has under an id. */
  typeOf(id: string): unknown {
    return this.environment.getStore().getSource().get(id)?.["__typename"];
  }
}

/** The page of a contact of its own. */
async function openContact() {
  const [contact] = (await createCompany("Acme", "Byron")).contacts as [Contact];
  const page = new Page();
  const { contact: key } = await page.load<ContactPageQuery>(contactPage, { id: contact.id });
  return {
    ...contact,
    page,
    read: () => page.read<ContactPage_contact$data>(contactFragment, key),
  };
}

test("a fragment is refetched by the id of its row", async () => {
  const { id, page, read } = await openContact();
  await rename(id, "Lovelace");
  assert.equal(read().lastName, "Byron");
  await page.load<ContactPageRefetchQuery>(refetch, { id });
  assert.equal(read().lastName, "Lovelace");
});

test("a mutation changes the row wherever it is shown", async () => {
  const { id, page, read } = await openContact();
  const patch = { lastName: "King", version: read().version };
  await page.commit<ContactPageUpdateMutation>(updateContact, { id, patch });
  assert.equal(read().lastName, "King");
});

test("@deleteRecord removes the row", async () => {
  const { id, page, read } = await openContact();
  await page.commit<ContactPageDeleteMutation>(deleteRecord, { id });
  assert.equal(read(), null);
});

test("a row of the past and an entry of the trash leave the row as it is", async () => {
  const { id, createdAt: at, page, read } = await openContact();
  await rename(id, "Lovelace");
  await page.load<ContactPageRefetchQuery>(refetch, { id });
  await remove(id);
  const past = await page.load<ContactPastQuery>(contactPast, { id, at });
  assert.equal(past.contactAsOf?.lastName, "Byron");
  assert.equal(past.trash.nodes[0]?.entityId, id);
  assert.equal(read().lastName, "Lovelace");
  assert.equal(page.typeOf(id), "Contact");
});

/** The contacts of a company of its own, of which the first page is loaded. */
async function openCompany() {
  const { companyId: id, contacts } = await createCompany("Acme", "Adams", "Baker", "Clark");
  const page = new Page();
  const { company: key } = await page.load<CompanyContactsQuery>(companyContacts, { id });
  const read = () => page.read<CompanyContacts_company$data>(companyFragment, key).contacts;
  return { id, contacts, page, read, names: () => read().edges.map(({ node }) => node.lastName) };
}

test("a relation is read page by page", async () => {
  const { id, page, read, names } = await openCompany();
  assert.deepEqual(names(), ["Adams", "Baker"]);
  const cursor = read().pageInfo.endCursor;
  await page.load<CompanyContactsPaginationQuery>(nextPage, { id, count: 2, cursor });
  assert.deepEqual(names(), ["Adams", "Baker", "Clark"]);
});

test("@deleteEdge removes the row from the lists that show it", async () => {
  const { contacts, page, read, names } = await openCompany();
  const [{ id }] = contacts as [Contact];
  const connections = [read().__id];
  await page.commit<CompanyContactsDeleteMutation>(deleteEdge, { id, connections });
  assert.deepEqual(names(), ["Baker"]);
});

test("@appendEdge adds a new row to a list", async () => {
  const { id: companyId, page, read, names } = await openCompany();
  await page.commit<ContactListCreateMutation>(createContact, {
    input: { contact: { firstName: "Ada", lastName: "Davis", companyId } },
    connections: [read().__id],
  });
  assert.deepEqual(names(), ["Adams", "Baker", "Davis"]);
});
