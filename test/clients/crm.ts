// What every client of this folder needs: where the servers are, and a token. The script
// scripts/test-clients.js starts the servers.

import { env } from "node:process";

/** The URL of a server in development. */
export const url = address("PGCRM_URL");

/** The URL of a server in production that also serves persisted operations. */
export const productionUrl = address("PGCRM_PRODUCTION_URL");

/** The URL of a server in production that serves persisted operations only, and no queries by GET. */
export const strictUrl = address("PGCRM_STRICT_URL");

/** The token of an administrator, as a header. */
export const headers = { authorization: `Bearer ${env["PGCRM_TOKEN"]}` };

/**
 * Sends an operation as another user's client would, past the cache of the client under test.
 *
 * @throws if the response has errors.
 */
export async function ask<Data>(
  query: string,
  variables: Record<string, unknown> = {},
): Promise<Data> {
  const response = await fetch(url, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data: Data; errors?: unknown[] };
  if (errors !== undefined) throw new Error(JSON.stringify(errors));
  return data;
}

export interface Contact {
  id: string;
  lastName: string;
  createdAt: string;
}

/** Creates a company and its contacts. Each test has its own, because all share a database. */
export async function createCompany(
  name: string,
  ...lastNames: string[]
): Promise<{ companyId: string; contacts: Contact[] }> {
  const { createCompany } = await ask<{ createCompany: { company: { id: string } } }>(
    "mutation ($name: String!) { createCompany(input: {company: {name: $name}}) { company { id } } }",
    { name },
  );
  const companyId = createCompany.company.id;
  const { createContacts } = await ask<{ createContacts: { contacts: Contact[] } }>(
    `mutation ($contacts: [ContactCreate!]!) {
      createContacts(input: {contacts: $contacts}) { contacts { id lastName createdAt } }
    }`,
    { contacts: lastNames.map((lastName) => ({ firstName: "Ada", lastName, companyId })) },
  );
  return { companyId, contacts: createContacts.contacts };
}

/** Changes the name of a contact as another user would. */
export async function rename(id: string, lastName: string): Promise<void> {
  await ask(
    `mutation ($id: ID!, $lastName: String!) {
      updateContact(input: {id: $id, patch: {lastName: $lastName}}) { contact { id } }
    }`,
    { id, lastName },
  );
}

/** Deletes a contact as another user would. */
export async function remove(id: string): Promise<void> {
  await ask("mutation ($id: ID!) { deleteContact(input: {id: $id}) { contact { id } } }", { id });
}

function address(name: string): string {
  const value = env[name];
  if (value === undefined) throw new Error("The clients are run by npm run test:clients.");
  return value;
}
