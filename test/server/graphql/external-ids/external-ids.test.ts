import { beforeAll, describe, expect, test } from "@jest/globals";

import { useTestServer } from "../../../helpers/server.ts";

const server = useTestServer();

const erp = (id: string) => ({ externalId: { source: "erp", id } });
const unknown = (entity: string, id: string) => [
  `{"id": "${id}", "source": "erp"} is not the external id of a ${entity}`,
];

let acme: string;
let bolt: string;

beforeAll(async () => {
  acme = await server.create("company", { name: "Acme", externalIds: [erp("1").externalId] });
  bolt = await server.create("company", {
    name: "Bolt",
    externalIds: [erp("2").externalId, { source: "hub", id: "2" }],
  });
});

interface Contact {
  id: string;
  version: number;
  companyId: string | null;
}

async function createContact(fields: object) {
  return server.graphql<{ createContact: { contact: Contact } }>(
    `mutation ($input: CreateContactInput!) {
      createContact(input: $input) { contact { id version companyId } }
    }`,
    { input: { contact: { firstName: "Ada", lastName: "Lovelace", ...fields } } },
  );
}

async function updateContact(id: string, patch: object) {
  return server.graphql<{ updateContact: { contact: Contact } }>(
    `mutation ($input: UpdateContactInput!) {
      updateContact(input: $input) { contact { id version companyId } }
    }`,
    { input: { id, patch } },
  );
}

describe("a row references another by external id", () => {
  test("when it is created, and when it is updated", async () => {
    const created = await createContact({ company: erp("1") });
    expect(created).toMatchObject({ data: { createContact: { contact: { companyId: acme } } } });
    const { id = "" } = created.data?.createContact.contact ?? {};

    const updated = await updateContact(id, { version: 1, company: erp("2"), lastName: "King" });
    expect(updated).toMatchObject({
      data: { updateContact: { contact: { companyId: bolt, version: 2 } } },
    });
    const kept = await updateContact(id, { lastName: "Byron" });
    expect(kept).toMatchObject({ data: { updateContact: { contact: { companyId: bolt } } } });
    const cleared = await updateContact(id, { company: null });
    expect(cleared).toMatchObject({ data: { updateContact: { contact: { companyId: null } } } });
  });

  test("of the two forms, one that is null is like one that is not given", async () => {
    expect(await createContact({ companyId: null, company: erp("1") })).toMatchObject({
      data: { createContact: { contact: { companyId: acme } } },
    });
    expect(await createContact({ companyId: acme, company: null })).toMatchObject({
      data: { createContact: { contact: { companyId: acme } } },
    });
    expect(await createContact({ companyId: null, company: null })).toMatchObject({
      data: { createContact: { contact: { companyId: null } } },
    });
    expect(await createContact({ companyId: acme, company: erp("1") })).toMatchObject({
      errors: [
        {
          extensions: {
            code: "VALIDATION_ERROR",
            fields: { company: ["cannot be combined with companyId"] },
          },
        },
      ],
    });
  });

  test("an unknown one is a fault of the row, with its other faults", async () => {
    expect(await createContact({ company: erp("9") })).toMatchObject({
      errors: [
        {
          extensions: {
            code: "CONSTRAINT_VIOLATION",
            fields: { company: unknown("company", "9") },
          },
        },
      ],
    });
    expect(await createContact({ company: erp("9"), lastName: " " })).toMatchObject({
      errors: [
        {
          extensions: {
            code: "VALIDATION_ERROR",
            fields: { company: unknown("company", "9"), lastName: ["must not be blank"] },
          },
        },
      ],
    });
    // With a value of a wrong type, the database sees only a part of the input.
    expect(await createContact({ company: erp("9"), lastName: " ", ownerId: 7 })).toMatchObject({
      errors: [
        {
          extensions: {
            fields: { company: unknown("company", "9"), lastName: ["must not be blank"] },
          },
        },
      ],
    });
  });

  test("an update reports a row that does not exist, or has changed, as usual", async () => {
    const { data } = await createContact({});
    const { id = "" } = data?.createContact.contact ?? {};
    expect(await updateContact(acme, { company: erp("9") })).toMatchObject({
      errors: [{ extensions: { code: "NOT_FOUND", id: acme } }],
    });
    expect(await updateContact(id, { version: 9, company: erp("9") })).toMatchObject({
      errors: [{ extensions: { code: "CONFLICT", current: { version: 1 } } }],
    });
    expect(await updateContact(id, { company: erp("9"), lastName: "" })).toMatchObject({
      errors: [
        {
          extensions: {
            fields: { company: unknown("company", "9"), lastName: ["must not be blank"] },
          },
        },
      ],
    });
  });

  test("a note is attached to an entity by external id", async () => {
    const createNote = (note: object) =>
      server.graphql(
        `mutation ($input: CreateNoteInput!) {
          createNote(input: $input) { note { company { name } } }
        }`,
        { input: { note: { content: "Called", ...note } } },
      );
    expect(await createNote({ entityType: "company", entity: erp("1") })).toMatchObject({
      data: { createNote: { note: { company: { name: "Acme" } } } },
    });
    expect(await createNote({ entityType: "contact", entity: erp("1") })).toMatchObject({
      errors: [{ extensions: { fields: { entity: unknown("contact", "1") } } }],
    });
    expect(await createNote({ entityType: "contact" })).toMatchObject({
      errors: [{ extensions: { fields: { entityId: ["is required"] } } }],
    });
  });

  test("a deal with tasks, and rows in bulk", async () => {
    const deal = { title: "Deal", value: "1", stage: "Prospecting" };
    const create = (more: object) =>
      server.graphql(
        `mutation ($input: CreateDealWithTasksInput!) {
          createDealWithTasks(input: $input) { deal { company { name } } }
        }`,
        { input: { deal: { ...deal, ...more }, tasks: [{ description: "Call" }] } },
      );
    expect(await create({ company: erp("2") })).toMatchObject({
      data: { createDealWithTasks: { deal: { company: { name: "Bolt" } } } },
    });
    expect(await create({ company: erp("9") })).toMatchObject({
      errors: [{ extensions: { fields: { company: unknown("company", "9") } } }],
    });
    expect(
      await server.graphql(
        `mutation ($input: UpsertDealsInput!) {
          upsertDeals(input: $input) {
            faults { index code fields }
            deals { company { name } contact { id } }
          }
        }`,
        {
          input: {
            mode: "VALID_ONLY",
            deals: [
              { ...erp("d1"), ...deal, company: erp("1") },
              { ...erp("d2"), ...deal, company: erp("1"), contact: erp("9") },
            ],
          },
        },
      ),
    ).toMatchObject({
      data: {
        upsertDeals: {
          faults: [
            {
              index: 1,
              code: "CONSTRAINT_VIOLATION",
              fields: { contact: unknown("contact", "9") },
            },
          ],
          deals: [{ company: { name: "Acme" }, contact: null }, null],
        },
      },
    });
  });

  test("one of an idempotent mutation is resolved in its transaction", async () => {
    const answer = await server.graphql(
      `mutation ($input: CreateContactInput!) {
        createContact(input: $input) { contact { companyId } }
      }`,
      {
        input: {
          idempotencyKey: "a key of this test",
          contact: { firstName: "Ada", lastName: "Lovelace", company: erp("1") },
        },
      },
    );
    expect(answer).toMatchObject({ data: { createContact: { contact: { companyId: acme } } } });
  });
});

describe("a list is filtered by external ids", () => {
  const names = async (externalIds: unknown) => {
    const { data, errors } = await server.graphql<{ companies: { nodes: { name: string }[] } }>(
      `query ($filter: CompanyFilter) {
        companies(filter: $filter, orderBy: NAME_ASC) { nodes { name } }
      }`,
      { filter: { externalIds } },
    );
    return data?.companies.nodes.map(({ name }) => name) ?? errors;
  };
  const id = (text: string) => erp(text).externalId;

  test.each([
    [{ anyEqualTo: id("1") }, ["Acme"]],
    [{ anyEqualTo: { source: "hub", id: "1" } }, []],
    [{ overlaps: [id("1"), id("2"), id("9"), id("1")] }, ["Acme", "Bolt"]],
    [{ overlaps: [] }, []],
    [{ anySourceEqualTo: "hub" }, ["Bolt"]],
    [{ anySourceEqualTo: "hub", anyEqualTo: id("1") }, []],
    [{}, ["Acme", "Bolt"]],
  ])("%j", async (filter, expected) => {
    expect(await names(filter)).toEqual(expected);
  });

  test("also below a relation, and negated", async () => {
    const { data } = await server.graphql(
      `query ($filter: ContactFilter) {
        contacts(filter: $filter) { nodes { companyId } }
        companies(filter: { not: { externalIds: { anySourceEqualTo: "hub" } } }) {
          nodes { name }
        }
      }`,
      { filter: { company: { externalIds: { anyEqualTo: id("9") } } } },
    );
    expect(data).toEqual({ contacts: { nodes: [] }, companies: { nodes: [{ name: "Acme" }] } });
  });
});

test("many rows are found by external ids, in their order, page by page", async () => {
  const ask = (first: number, after?: string) =>
    server.graphql<{
      companiesByExternalIds: { nodes: unknown[]; pageInfo: { endCursor: string } };
    }>(
      `query ($first: Int, $after: Cursor) {
        companiesByExternalIds(source: "erp", ids: ["2", "7", "1"], first: $first, after: $after) {
          nodes { name }
          pageInfo { endCursor }
        }
      }`,
      { first, after },
    );
  const page = await ask(1);
  expect(page).toMatchObject({ data: { companiesByExternalIds: { nodes: [{ name: "Bolt" }] } } });
  expect(await ask(2, page.data?.companiesByExternalIds.pageInfo.endCursor)).toMatchObject({
    data: { companiesByExternalIds: { nodes: [{ name: "Acme" }] } },
  });
});
