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

test("history is told from the oldest entry on, page by page", async () => {
  for (const title of ["Engine 2", "Engine 3"]) {
    await server.graphql(
      `mutation ($input: UpdateDealInput!) {
      updateDeal(input: $input) { deal { id } }
    }`,
      { input: { id: ids.deal, patch: { title } } },
    );
  }
  const page = `nodes { action changes } pageInfo { hasNextPage endCursor }`;
  const first = await server.graphql<{
    deal: { history: { nodes: { action: string }[]; pageInfo: { endCursor: string } } };
  }>(`{ deal(id: "${ids.deal}") { history(first: 2) { ${page} } } }`);
  const { nodes, pageInfo } = first.data?.deal.history ?? { nodes: [] };
  expect(nodes.map(({ action }) => action)).toEqual(["create", "update"]);
  expect(
    await server.graphql(
      `query ($id: ID!, $after: Cursor) { deal(id: $id) { history(after: $after) { ${page} } } }`,
      { id: ids.deal, after: pageInfo?.endCursor },
    ),
  ).toMatchObject({
    data: {
      deal: { history: { nodes: [{ action: "update" }], pageInfo: { hasNextPage: false } } },
    },
  });
});

function attached(entityType: string) {
  return {
    tasks: { nodes: [{ description: `call the ${entityType}` }] },
    notes: { nodes: [{ content: `about the ${entityType}` }] },
    history: { nodes: [{ action: "create" }] },
  };
}
