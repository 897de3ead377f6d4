import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";

import { withConnection } from "../../../../server/postgres/connect.ts";
import { createTestDatabase, type TestDatabase } from "../../../helpers/database.ts";
import { startTestServer, type TestServer } from "../../../helpers/server.ts";

let database: TestDatabase;
let server: TestServer;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startTestServer(database.serverUrl);
});
afterAll(async () => {
  await server.close();
  await database.drop();
});
beforeEach(() =>
  withConnection(database.ownerUrl, async (client) => {
    await client.query("delete from crm.contacts; delete from crm.companies");
  }),
);

interface Payload {
  created: number;
  updated: number;
  deleted: number;
  unchanged: number;
  clientMutationId: string | null;
  faults: { index: number; code: string; fields: Record<string, string[]> }[];
  contacts: ({ id: string; lastName: string; version: number } | null)[];
}

const selections: Record<string, string> = {
  create: "created",
  update: "updated unchanged",
  upsert: "created updated unchanged",
  delete: "deleted",
};

/** A bulk mutation of contacts. */
async function contacts(operation: string, rows: object[], options: object = {}, more = "") {
  const name = `${operation}Contacts`;
  const type = `${operation.charAt(0).toUpperCase()}${operation.slice(1)}ContactsInput`;
  const answer = await server.graphql<Record<string, Payload>>(
    `mutation ($input: ${type}!) {
       ${name}(input: $input) {
         clientMutationId
         ${selections[operation] ?? ""}
         faults { index code fields }
         ${more}
       }
     }`,
    { input: { contacts: rows, ...options } },
  );
  return { ...answer, payload: answer.data?.[name] };
}

const people = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    firstName: `First ${i}`,
    lastName: `Last ${i}`,
    emails: [`user${i}@example.com`],
  }));

async function count(): Promise<number> {
  const { data } = await server.graphql<{ contacts: { totalCount: number } }>(
    "{ contacts { totalCount } }",
  );
  return data?.contacts.totalCount ?? NaN;
}

const rows = "contacts { id lastName version }";
const nowhere = "5d3c3a3e-4f1c-4c7e-9a43-2f4a3d0c5f10";

test("10,000 contacts are created in one mutation, and come back in the order of the input", async () => {
  const { payload, errors } = await contacts("create", people(10_000), {}, rows);
  expect(errors).toBeUndefined();
  expect(payload).toMatchObject({ created: 10_000, faults: [] });
  expect(payload?.contacts.map((contact) => contact?.lastName)).toEqual(
    people(10_000).map(({ lastName }) => lastName),
  );
  expect(await count()).toBe(10_000);
}, 60_000);

describe("of 10,000 contacts with 37 faulty ones", () => {
  const places = Array.from({ length: 37 }, (_, i) => i * 270 + 5);
  const given = people(10_000).map((row, i) =>
    places.includes(i) ? { ...row, lastName: " ", emails: ["a@b.de", "nobody"] } : row,
  );

  test("nothing is written, and the error lists each with its index and fields", async () => {
    const { errors = [] } = await contacts("create", given);
    expect(errors).toHaveLength(1);
    const { code, faults, fields } = errors[0]?.extensions ?? { code: "none" };
    expect(code).toBe("VALIDATION_ERROR");
    expect(faults).toEqual(
      places.map((index) => ({
        index,
        code: "VALIDATION_ERROR",
        fields: {
          lastName: ["must not be blank"],
          "emails.1": ['"nobody" is not an email address'],
        },
      })),
    );
    expect(Object.keys(fields as object)).toHaveLength(74);
    expect(fields).toMatchObject({ "contacts.275.lastName": ["must not be blank"] });
    expect(await count()).toBe(0);
  }, 60_000);

  test("the others are written where only valid ones are to be", async () => {
    const { payload } = await contacts("create", given, { mode: "VALID_ONLY" });
    expect(payload?.created).toBe(9963);
    expect(payload?.faults.map(({ index }) => index)).toEqual(places);
    expect(await count()).toBe(9963);
  }, 60_000);
});

test("what a row lacks is a fault of that row alone", async () => {
  const { payload } = await contacts("create", [{ firstName: "Ada" }, ...people(1)], {
    mode: "VALID_ONLY",
  });
  expect(payload).toMatchObject({
    created: 1,
    faults: [{ index: 0, fields: { lastName: ["is required"] } }],
  });
});

test("a dry run tells what would happen and does nothing", async () => {
  const given = [...people(2), { firstName: "", lastName: "x" }];
  const whole = await contacts("create", given, { dryRun: true }, rows);
  expect(whole.payload).toMatchObject({ created: 0, contacts: [null, null, null] });
  const valid = await contacts("create", given, { dryRun: true, mode: "VALID_ONLY" }, rows);
  expect(valid.payload).toMatchObject({
    created: 2,
    contacts: [null, null, null],
    faults: [{ index: 2, fields: { firstName: ["must not be blank"] } }],
  });
  expect(await count()).toBe(0);
});

test("an update changes what is given, sets to null what is null, and knows versions", async () => {
  const made = await contacts(
    "create",
    people(3).map((row) => ({ ...row, ownerId: "ada" })),
    {},
    rows,
  );
  const [a, b, c] = made.payload?.contacts.map((contact) => contact?.id) ?? [];
  const { payload } = await contacts(
    "update",
    [
      { id: a, lastName: "Changed", version: 1 },
      { id: b, ownerId: null },
      { id: c, lastName: "Last 2" },
      { id: nowhere, lastName: "x" },
      { id: a, lastName: "twice" },
    ],
    { mode: "VALID_ONLY" },
    "contacts { lastName ownerId version }",
  );
  expect(payload).toMatchObject({
    updated: 2,
    unchanged: 1,
    contacts: [
      { lastName: "Changed", ownerId: "ada", version: 2 },
      { lastName: "Last 1", ownerId: null, version: 2 },
      { lastName: "Last 2", ownerId: "ada", version: 1 },
      null,
      null,
    ],
    faults: [
      { index: 3, code: "NOT_FOUND" },
      { index: 4, code: "VALIDATION_ERROR", fields: { id: ["is given to row 0 too"] } },
    ],
  });
  const stale = await contacts("update", [{ id: a, lastName: "x", version: 1 }]);
  expect(stale.errors).toMatchObject([
    {
      extensions: {
        code: "CONFLICT",
        fields: { "contacts.0.version": ["is not current, which is 2"] },
      },
    },
  ]);
});

test("an upsert creates or changes what an external id is of", async () => {
  const row = (id: string, lastName: string) => ({
    externalId: { source: "hubspot", id },
    firstName: "Ada",
    lastName,
  });
  const first = await contacts("upsert", [row("1", "A"), row("2", "B")], {}, rows);
  expect(first.payload).toMatchObject({ created: 2, updated: 0, unchanged: 0 });
  const second = await contacts("upsert", [row("3", "C"), row("2", "B"), row("1", "Z")], {}, rows);
  expect(second.payload).toMatchObject({ created: 1, updated: 1, unchanged: 1 });
  expect(second.payload?.contacts[2]?.id).toBe(first.payload?.contacts[0]?.id);
  const { data } = await server.graphql(
    `{ contactByExternalId(source: "hubspot", id: "1") { lastName externalIds { source value } } }`,
  );
  expect(data).toEqual({
    contactByExternalId: { lastName: "Z", externalIds: [{ source: "hubspot", value: "1" }] },
  });
});

test("a delete takes all rows, or says which are not there", async () => {
  const made = await contacts("create", people(2), {}, rows);
  const ids = made.payload?.contacts.map((contact) => ({ id: contact?.id })) ?? [];
  const refused = await contacts("delete", [...ids, { id: nowhere }]);
  expect(refused.errors).toMatchObject([
    { extensions: { code: "NOT_FOUND", faults: [{ index: 2, code: "NOT_FOUND" }] } },
  ]);
  expect((await contacts("delete", ids)).payload).toMatchObject({ deleted: 2, faults: [] });
  expect(await count()).toBe(0);
});

test("the other entities are written in bulk, too", async () => {
  const { data, errors } = await server.graphql<Record<string, { companies: { id: string }[] }>>(
    `mutation {
       createCompanies(input: { companies: [{ name: "Acme", address: { city: "Berlin" } }] }) {
         created companies { id }
       }
     }`,
  );
  expect(errors).toBeUndefined();
  const companyId = data?.createCompanies?.companies[0]?.id;
  const answer = await server.graphql(
    `mutation ($companyId: ID!) {
       createDeals(input: { deals: [{ title: "Big", value: "1.5", stage: "Won", companyId: $companyId, closeDate: "2026-01-31" }] }) {
         created deals { value currency probability closeDate company { name } }
       }
       createTasks(input: { tasks: [{ description: "Call", entityType: company, entityId: $companyId }] }) {
         tasks { status company { name } }
       }
       createNotes(input: { notes: [{ content: "Note", entityType: deal, entityId: $companyId }], mode: VALID_ONLY }) {
         created faults { index code fields }
       }
     }`,
    { companyId },
  );
  expect(answer.errors).toBeUndefined();
  expect(answer.data).toMatchObject({
    createDeals: { created: 1, deals: [{ value: "1.50", currency: "USD", probability: 100 }] },
    createTasks: { tasks: [{ status: "open", company: { name: "Acme" } }] },
    createNotes: {
      created: 0,
      faults: [{ index: 0, code: "CONSTRAINT_VIOLATION" }],
    },
  });
});

test("a reader may not, and a member's rows are the member's", async () => {
  const mutation = `mutation ($input: CreateContactsInput!) {
    createContacts(input: $input) { created contacts { createdBy } clientMutationId }
  }`;
  const input = { contacts: people(1), clientMutationId: "7" };
  const refused = await server.graphql(mutation, { input }, { role: "reader" });
  expect(refused.errors).toMatchObject([{ extensions: { code: "FORBIDDEN" } }]);
  const done = await server.graphql(mutation, { input }, { role: "member", user: "ada" });
  expect(done.data).toEqual({
    createContacts: { created: 1, contacts: [{ createdBy: "ada" }], clientMutationId: "7" },
  });
});

test("external ids are a part of their row, and cost no rows of their own", async () => {
  const { errors } = await server.graphql(
    "{ contacts(first: 1000) { nodes { externalIds { source value } } } }",
  );
  expect(errors).toBeUndefined();
});
