import { afterAll, beforeAll, expect, test } from "@jest/globals";

import { createTestDatabase, type TestDatabase } from "../../../helpers/database.ts";
import { startTestServer, type TestServer } from "../../../helpers/server.ts";
import { tapWire, type Wire } from "../../../helpers/wire.ts";

let database: TestDatabase;
let wire: Wire;
let server: TestServer;
const ids = { company: "", contact: "", deal: "" };

beforeAll(async () => {
  database = await createTestDatabase();
  wire = await tapWire(database.serverUrl);
  server = await startTestServer(wire.url, { customFieldsInterval: undefined });
  ids.company = await server.create("company", { name: "Acme" });
  ids.contact = await server.create("contact", {
    firstName: "Ada",
    lastName: "Lovelace",
    companyId: ids.company,
  });
  ids.deal = await server.create("deal", {
    title: "Engine",
    companyId: ids.company,
    contactId: ids.contact,
    value: "12.50",
    stage: "Won",
  });
  for (const [entityType, entityId] of Object.entries(ids)) {
    await server.create("task", { description: `call the ${entityType}`, entityType, entityId });
    await server.create("note", { content: `about the ${entityType}`, entityType, entityId });
  }
});

afterAll(async () => {
  await server.close();
  wire.close();
  await database.drop();
});

/** Asks one question and says how many statements it took. */
async function ask(query: string) {
  wire.messages.length = 0;
  const { data, errors } = await server.graphql(query);
  expect(errors).toBeUndefined();
  return { data, statements: wire.messages.filter((type) => type === "S").length };
}

const attachments = `
  tasks { nodes { description } }
  notes { nodes { content } }
  history { nodes { action } }`;

test("a company comes with everything around it in one statement", async () => {
  expect(
    await ask(`{
      company(id: "${ids.company}") {
        name
        contacts(first: 20) { nodes { lastName ${attachments} } }
        deals(first: 20) {
          totalCount
          aggregates { sum { value } }
          nodes { title contact { lastName } pipelineStage { name kind } ${attachments} }
        }
        ${attachments}
      }
    }`),
  ).toEqual({
    statements: 1,
    data: {
      company: {
        name: "Acme",
        contacts: { nodes: [{ lastName: "Lovelace", ...attached("contact") }] },
        deals: {
          totalCount: 1,
          aggregates: { sum: { value: "12.50" } },
          nodes: [
            {
              title: "Engine",
              contact: { lastName: "Lovelace" },
              pipelineStage: { name: "Won", kind: "won" },
              ...attached("deal"),
            },
          ],
        },
        ...attached("company"),
      },
    },
  });
});

test("a contact comes with its company and deals in one statement", async () => {
  expect(
    await ask(`{
      contact(id: "${ids.contact}") { company { name } deals { nodes { title } } ${attachments} }
    }`),
  ).toEqual({
    statements: 1,
    data: {
      contact: {
        company: { name: "Acme" },
        deals: { nodes: [{ title: "Engine" }] },
        ...attached("contact"),
      },
    },
  });
});

test("a task and a note lead back to what they are attached to", async () => {
  const back = `company { name } contact { lastName } deal { title }`;
  expect(
    await ask(`{
      tasks(orderBy: CREATED_AT_ASC) { nodes { ${back} } }
    }`),
  ).toEqual({
    statements: 1,
    data: {
      tasks: {
        nodes: [
          { company: { name: "Acme" }, contact: null, deal: null },
          { company: null, contact: { lastName: "Lovelace" }, deal: null },
          { company: null, contact: null, deal: { title: "Engine" } },
        ],
      },
    },
  });
  const { data } = await ask(
    `{ notes(filter: { dealId: { isNull: false } }) { nodes { ${back} } } }`,
  );
  expect(data).toEqual({
    notes: { nodes: [{ company: null, contact: null, deal: { title: "Engine" } }] },
  });
});

test("the number and the groups of a list, but not its rows, are one statement each", async () => {
  for (const field of ["totalCount", "groupedAggregates(groupBy: NAME) { keys }"]) {
    expect(await ask(`{ companies { ${field} } }`)).toMatchObject({ statements: 1 });
  }
});

test("a stage leads to its deals", async () => {
  expect(await ask(`{ pipelineStageByName(name: "Won") { deals { nodes { title } } } }`)).toEqual({
    statements: 1,
    data: { pipelineStageByName: { deals: { nodes: [{ title: "Engine" }] } } },
  });
});

test("the lists of functions are newest first, ordered, and paged in both directions", async () => {
  for (const title of ["Engine 2", "Engine 3"]) {
    await server.graphql(
      `mutation ($input: UpdateDealInput!) {
      updateDeal(input: $input) { deal { id } }
    }`,
      { input: { id: ids.deal, patch: { title } } },
    );
  }
  interface Page {
    nodes: { changes?: Record<string, unknown>; value?: unknown }[];
    pageInfo: { startCursor: string; endCursor: string; hasNextPage: boolean };
  }
  const none: Page = {
    nodes: [],
    pageInfo: { startCursor: "", endCursor: "", hasNextPage: false },
  };
  const page = async (list: string, args: string, fields: string) => {
    const { data, errors } = await server.graphql<{ deal: Record<string, Page> }>(
      `{ deal(id: "${ids.deal}") { ${list}(${args}) {
        nodes { ${fields} } pageInfo { startCursor endCursor hasNextPage }
      } } }`,
    );
    expect(errors).toBeUndefined();
    return data?.deal[list] ?? none;
  };
  for (const [list, field, fields, [newest, middle, oldest], order] of [
    ["history", undefined, "changes", ["Engine 3", "Engine 2", "Engine"], "TIMESTAMP_ASC"],
    ["fieldHistory", "title", "value", ["Engine 3", "Engine 2", "Engine"], "VALID_FROM_ASC"],
  ] as const) {
    const of = field === undefined ? "" : `field: "${field}",`;
    const titles = async (args: string) =>
      (await page(list, `${of} ${args}`, fields)).nodes.map(titleOf);
    expect(await titles("first: 10")).toEqual([newest, middle, oldest]);
    expect(await titles("last: 1")).toEqual([oldest]);
    expect(await titles(`first: 1, offset: 1`)).toEqual([middle]);
    expect(await titles(`first: 2, orderBy: ${order}`)).toEqual([oldest, middle]);
    const { pageInfo } = await page(list, `${of} first: 2`, fields);
    expect(pageInfo.hasNextPage).toBe(true);
    expect(await titles(`after: "${pageInfo.endCursor}"`)).toEqual([oldest]);
    expect(await titles(`last: 5, before: "${pageInfo.endCursor}"`)).toEqual([newest]);
  }
});

/** The title that a deal received, from an entry of the audit log or from a value of the field. */
function titleOf({
  changes,
  value,
}: {
  changes?: Record<string, unknown>;
  value?: unknown;
}): unknown {
  const title = changes?.title;
  return value ?? (typeof title === "string" ? title : (title as { new: string }).new);
}

function attached(entityType: string) {
  return {
    tasks: { nodes: [{ description: `call the ${entityType}` }] },
    notes: { nodes: [{ content: `about the ${entityType}` }] },
    history: { nodes: [{ action: "create" }] },
  };
}
