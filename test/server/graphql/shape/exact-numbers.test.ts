import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { createClient } from "graphql-ws";
import type pg from "pg";
import { WebSocket } from "ws";

import { withConnection } from "../../../../server/postgres/connect.ts";
import { reviveSent } from "../../../../server/model/exact-json.ts";
import { createPool } from "../../../../server/postgres/pool.ts";
import { createRepositories } from "../../../../server/repositories/repositories.ts";
import type { Repository } from "../../../../server/repositories/repository.ts";
import { signToken } from "../../../../server/auth/token.ts";
import { createTestDatabase, type TestDatabase } from "../../../helpers/database.ts";
import { jwtSecret, startTestServer, type TestServer } from "../../../helpers/server.ts";

/** Numbers that JavaScript has no number for, or writes in another way. */
const numbers = [
  "750727362669608961",
  "-99999999999999.99",
  "0.10",
  "100000000000000000000000000000",
  "0.000000000000000000000000000000123",
];
const kinds = [
  ["contact", "contacts", "Contact", { firstName: "Ada", lastName: "Byron" }],
  ["company", "companies", "Company", { name: "Acme" }],
  ["deal", "deals", "Deal", { title: "Engine", value: 1, stage: "Won" }],
] as const;
const cases = kinds.flatMap(([entity, plural, type, data]) =>
  numbers.map((number) => ({ entity, plural, type, data, number })),
);
const companyId = "00000000-0000-4000-8000-000000000000";
const selection = "id version bRef customFields";

let database: TestDatabase;
let server: TestServer;
let pool: pg.Pool;

beforeAll(async () => {
  database = await createTestDatabase();
  await withConnection(database.ownerUrl, async (client) => {
    await client.query(`
      insert into crm.custom_field_definitions (entity_type, name, label, field_type)
      select unnest(array['contact', 'company', 'deal']), 'b_ref', 'Ref', 'number'`);
    await client.query("insert into crm.companies (id, name) values ($1, 'Bolt')", [companyId]);
  });
  server = await startTestServer(database.serverUrl);
  pool = createPool({ connectionString: database.serverUrl, max: 2 });
});
afterAll(async () => {
  await pool.end();
  await server.close();
  await database.drop();
});

/** The text of an answer without errors, as it was sent. */
async function ask(query: string, variables: object = {}): Promise<string> {
  return send(JSON.stringify({ query, variables }));
}

async function send(body: string): Promise<string> {
  const token = await signToken(jwtSecret, { role: "admin", user: "tester", expires: "5m" });
  const response = await fetch(`${server.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body,
  });
  const text = await response.text();
  expect(text).not.toContain('"errors"');
  return text;
}

/** Every number in the text that is this one, or what became of it. */
function told(text: string, number: string): string[] {
  const first = /^-?[\d.]{3}/.exec(number)?.[0].replace(".", "\\.") ?? "";
  const rounded = String(Number(number)).replace(/[.+]/g, "\\$&");
  const found = text.matchAll(
    new RegExp(`(?<![\\w.-])(?:${rounded}(?![\\w.])|${first}\\d[\\d.]{2,})`, "g"),
  );
  return [...found].map(([match]) => match);
}

function expectExact(text: string, number: string, times: number): void {
  const exact = text.split(new RegExp(`(?<![\\w.-])${number.replace(".", "\\.")}(?![\\w.])`));
  expect([text, exact.length - 1]).toEqual([text, times]);
  const others = told(text, number).filter((match) => match !== number);
  expect([text, others]).toEqual([text, []]);
}

function idIn(text: string): string {
  return /"id":"([^"]+)"/.exec(text)?.[1] ?? "";
}

test.each(["-764836191318372400000", "0.1234567890123456789", "1e3"])(
  "a Float is the double nearest to %s, in a variable and in the document",
  async (number) => {
    const list = "companies(first: 1) { nodes { duplicates(minScore: #) { nodes { score } } } }";
    expect(await send(`{"query": "{ ${list.replace("#", number)} }"}`)).toContain("nodes");
    expect(
      await send(
        `{"query": "query ($n: Float) { ${list.replace("#", "$n")} }", "variables": {"n": ${number}}}`,
      ),
    ).toContain("nodes");
  },
);

describe.each(cases)("$entity: $number", ({ entity, plural, type, data, number }) => {
  const row = { ...data, ...(entity === "deal" ? { companyId } : {}), bRef: number };
  /** The number as a program writes it that sends numbers. */
  const stored = number === "0.10" ? "0.1" : number;
  const [title] = Object.keys(data);
  const change = { [String(title)]: "Babbage" };

  test("is told by every mutation and query as it is stored", async () => {
    const created = await ask(
      `mutation ($input: Create${type}Input!) {
        create${type}(input: $input) { ${entity} { ${selection} } }
      }`,
      { input: { [entity]: row } },
    );
    expectExact(created, number, 2);
    const id = idIn(created);

    const updated = await ask(
      `mutation ($input: Update${type}Input!) {
        update${type}(input: $input) { ${entity} { ${selection} } }
      }`,
      { input: { id, patch: change } },
    );
    expectExact(updated, number, 2);

    const queried = await ask(
      `query ($id: ID!, $at: Datetime!) {
        ${entity}(id: $id) {
          ${selection}
          fieldHistory(field: "customFields.b_ref") { nodes { value } }
          history { nodes { changes } }
        }
        ${entity}AsOf(id: $id, at: $at) { ${selection.replace("id ", "entityId ")} }
        ${plural}(filter: { bRef: { equalTo: ${number} } }) { nodes { ${selection} } }
      }`,
      { id, at: "9999-12-31T00:00:00Z" },
    );
    expectExact(queried, number, 8);

    const deleted = await ask(
      `mutation ($input: Delete${type}Input!) {
        delete${type}(input: $input) { ${entity} { ${selection} } }
      }`,
      { input: { id } },
    );
    expectExact(deleted, number, 2);
  });

  test("is told as it is stored where many rows are written, and where that is asked again", async () => {
    const request = [
      `mutation ($input: Create${type === "Company" ? "Companies" : `${type}s`}Input!) {
        create${type === "Company" ? "Companies" : `${type}s`}(input: $input) { ${plural} { ${selection} } }
      }`,
      { input: { [plural]: [row], idempotencyKey: `${entity} ${number}` } },
    ] as const;
    const answer = await ask(...request);
    expectExact(answer, number, 2);
    expect(await ask(...request)).toBe(answer);
  });

  test("is taken as a number, too, in variables and in the document", async () => {
    const operation = `create${type}(input: $input) { ${entity} { ${selection} } }`;
    const query = `mutation ($input: Create${type}Input!) { ${operation} }`;
    const inputs = [{ bRef: "?" }, { customFields: { b_ref: "?" } }].map((fields) => ({
      [entity]: { ...row, bRef: undefined, ...fields },
    }));
    for (const input of inputs) {
      const body = JSON.stringify({ query, variables: { input } }).replace('"?"', number);
      expectExact(await send(body), stored, 2);
    }
    const literal = JSON.stringify(inputs[0])
      .replace('"?"', number)
      .replace(/"(\w+)":/g, "$1: ");
    expectExact(await ask(`mutation { ${operation.replace("$input", literal)} }`), number, 2);
    // In JSON that is written in the document a variable stands for it.
    const within = JSON.stringify(inputs[1])
      .replace('"?"', "$n")
      .replace(/"(\w+)":/g, "$1: ");
    const body = JSON.stringify({
      query: `mutation ($n: JSON!) { ${operation.replace("$input", () => within)} }`,
      variables: { n: "?" },
    }).replace('"?"', number);
    expectExact(await send(body), stored, 2);
  });

  test("is read and written back unchanged by a repository", async () => {
    const repository = createRepositories(pool)[plural] as Repository<"company">;
    const created = await ask(
      `mutation ($input: Create${type}Input!) {
        create${type}(input: $input) { ${entity} { id } }
      }`,
      { input: { [entity]: row } },
    );
    const id = idIn(created);
    const found = await repository.findById(id);
    await repository.update(id, { ...change, customFields: found?.customFields }, "tester");
    const { rows } = await withConnection(database.ownerUrl, (client) =>
      client.query<{ ref: string }>(
        `select custom_fields ->> 'b_ref' as ref from crm.${plural} where id = $1`,
        [id],
      ),
    );
    expect(rows).toEqual([{ ref: stored }]);
  });
});

test.each(numbers.slice(0, 2))("%s comes and goes over a socket", async (number) => {
  const token = await signToken(jwtSecret, { role: "admin", user: "tester", expires: "5m" });
  const client = createClient({
    url: `${server.url.replace("http", "ws")}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${token}` },
    jsonMessageReviver: reviveSent,
  });
  const answers = client.iterate({
    query: `mutation ($input: CreateCompanyInput!) {
      createCompany(input: $input) { company { ${selection} } }
    }`,
    variables: {
      input: { company: { name: "Acme", customFields: { b_ref: JSON.rawJSON(number) } } },
    },
  });
  expectExact(JSON.stringify(await answers.next()), number, 2);
  await client.dispose();
});
