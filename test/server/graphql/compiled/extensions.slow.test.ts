import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { PgSelectSingleStep } from "postgraphile/@dataplan/pg";
import { lambda, type Step } from "postgraphile/grafast";

import { examineOperations } from "../../../../server/graphql/compiled/examine.ts";
import { readConfig } from "../../../../server/settings.ts";
import { createTestDatabase, type TestDatabase } from "../../../helpers/database.ts";
import { startTestServer, type TestServer } from "../../../helpers/server.ts";

const documents = {
  names: "query Names { companies { nodes { name } } }",
  ids: "query Ids { companies { nodes { id } } }",
  patch: `mutation Patch($id: ID!, $patch: CompanyPatch!) {
    updateCompany(input: { id: $id, patch: $patch }) { company { id } }
  }`,
  pairs: `query Pairs { companies { nodes { id duplicates { nodes { score } } } } }`,
};

let folder: string;
let database: TestDatabase;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "pgcrm-extensions-"));
  for (const [id, text] of Object.entries(documents)) {
    writeFileSync(join(folder, `${id}.graphql`), text);
  }
  database = await createTestDatabase();
});
afterAll(async () => {
  await database.drop();
  rmSync(folder, { recursive: true });
});

/** A plugin of an application that changes what a field returns. */
const ShoutPlugin: GraphileConfig.Plugin = {
  name: "ShoutPlugin",
  version: "1.0.0",
  schema: {
    hooks: {
      GraphQLObjectType_fields_field(field, _build, { Self, scope }) {
        if (Self.name !== "Company" || scope.fieldName !== "name") return field;
        return {
          ...field,
          plan: ($company: PgSelectSingleStep) =>
            lambda($company.get("name") as Step<string>, (name) => name.toUpperCase()),
        };
      },
    },
  },
};

/** A plugin of an application that sees every operation. */
const WatchPlugin: GraphileConfig.Plugin = {
  name: "WatchPlugin",
  version: "1.0.0",
  grafast: { middleware: { execute: (next) => next() } },
};

async function withPlugin(
  plugin: GraphileConfig.Plugin,
  work: (server: TestServer) => Promise<void>,
): Promise<void> {
  const server = await startTestServer(database.serverUrl, {
    persisted: { folder, only: false },
    extension: { plugins: [plugin] },
  });
  try {
    await work(server);
  } finally {
    await server.close();
  }
}

const compiledRequests = ({ log }: TestServer) => log.filter(({ compiled }) => compiled === true);

test("a field that a plugin of the application changes is not compiled", () =>
  withPlugin(ShoutPlugin, async (server) => {
    await server.create("company", { name: "Acme" });
    const named = await server.send(JSON.stringify({ documentId: "names" }));
    expect(named.data).toEqual({ companies: { nodes: [{ name: "ACME" }] } });
    expect(compiledRequests(server)).toEqual([]);
    await server.send(JSON.stringify({ documentId: "ids" }));
    expect(compiledRequests(server)).toHaveLength(1);
  }));

test("nothing is compiled below middleware of the application", () =>
  withPlugin(WatchPlugin, async (server) => {
    const answer = await server.send(JSON.stringify({ documentId: "ids" }));
    expect(answer.errors).toBeUndefined();
    expect(compiledRequests(server)).toEqual([]);
  }));

test("doctor and the log tell which operations are not compiled, and why", async () => {
  const { limits } = readConfig({});
  const told = "The persisted operation Pairs is executed without compilation";
  const notes = await examineOperations(database.serverUrl, folder, limits);
  expect(notes).toEqual([`${told}: companies_duplicates has no key.`]);
  const server = await startTestServer(database.serverUrl, { persisted: { folder, only: false } });
  try {
    expect(
      server.log.find(({ msg }) => msg === "persisted operations are executed without compilation"),
    ).toMatchObject({
      operations: [{ operation: "Pairs", reason: "companies_duplicates has no key" }],
    });
  } finally {
    await server.close();
  }
});
