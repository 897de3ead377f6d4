import { randomBytes } from "node:crypto";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";

import { withConnection } from "../../../server/postgres/connect.ts";
import { changeUrl } from "../../../server/postgres/database-url.ts";
import { examine } from "../../../server/doctor/doctor.ts";
import { applyCurrent } from "../../../server/migrations/migrate.ts";
import { deriveServerUrl } from "../../../server/postgres/server-login.ts";
import { clusterUrl } from "../../helpers/cluster.ts";
import { startTestServer, type TestServer } from "../../helpers/server.ts";

const name = `crm_test_${randomBytes(6).toString("hex")}`;
const ownerUrl = changeUrl(clusterUrl(), { database: name });
let server: TestServer;

/** A database as `initdb --no-locale` makes it. */
beforeAll(async () => {
  await withConnection(clusterUrl(), async (client) => {
    const { rows } = await client.query<{ version: number }>(
      "select current_setting('server_version_num')::int as version",
    );
    const provider = (rows[0]?.version ?? 0) >= 150_000 ? "locale_provider libc" : "";
    await client.query(`create database ${name} template template0 ${provider} locale 'C'`);
  });
  await applyCurrent({ ownerUrl, serverUrl: deriveServerUrl(ownerUrl) });
  server = await startTestServer(deriveServerUrl(ownerUrl), { customFieldsInterval: undefined });
  const companyId = await server.create("company", { name: "ООО «РОМАШКА»" });
  await server.create("company", { name: "ΑΘΗΝΑ" });
  await server.create("note", {
    content: "Договорились — ПОЗВОНИТЬ в ÅRHUS",
    entityType: "company",
    entityId: companyId,
  });
});

afterAll(async () => {
  await server.close();
  await withConnection(clusterUrl(), (client) =>
    client.query(`drop database ${name} with (force)`),
  );
});

async function found(query: string): Promise<string[]> {
  const { data } = await server.graphql<{ search: { nodes: { extract: string }[] } }>(
    "query ($query: String!) { search(query: $query) { nodes { extract } } }",
    { query },
  );
  return data?.search.nodes.map(({ extract }) => extract) ?? [];
}

async function filtered(filter: object): Promise<string[]> {
  const { data, errors } = await server.graphql<{ companies: { nodes: { name: string }[] } }>(
    "query ($filter: CompanyFilter) { companies(filter: $filter) { nodes { name } } }",
    { filter },
  );
  expect(errors).toBeUndefined();
  return data?.companies.nodes.map((node) => node.name) ?? [];
}

describe("in a database of the locale C", () => {
  test.each([
    ["ромашка", "ООО <mark>«РОМАШКА»</mark>"],
    ["Ромаш", "ООО <mark>«РОМАШКА»</mark>"],
    ["ромашкка", "ООО <mark>«РОМАШКА»</mark>"],
    ["ооо ромашка", "<mark>ООО</mark> <mark>«РОМАШКА»</mark>"],
    ["αθηνα", "<mark>ΑΘΗΝΑ</mark>"],
    ["позвонить", "Договорились — <mark>ПОЗВОНИТЬ</mark> в ÅRHUS"],
    ["позвонитт", "Договорились — <mark>ПОЗВОНИТЬ</mark> в ÅRHUS"],
    ["århus", "Договорились — ПОЗВОНИТЬ в <mark>ÅRHUS</mark>"],
  ])("search finds %s", async (query, extract) => {
    expect(await found(query)).toEqual([extract]);
  });

  const one = ["ООО «РОМАШКА»"];
  const other = ["ΑΘΗΝΑ"];
  test.each([
    [{ equalToInsensitive: "ооо «ромашка»" }, one],
    [{ notEqualToInsensitive: "ооо «ромашка»" }, other],
    [{ distinctFromInsensitive: "ооо «ромашка»" }, other],
    [{ notDistinctFromInsensitive: "ооо «ромашка»" }, one],
    [{ inInsensitive: ["x", "ооо «ромашка»"] }, one],
    [{ notInInsensitive: ["x", "ооо «ромашка»"] }, other],
    [{ includesInsensitive: "ромашка" }, one],
    [{ notIncludesInsensitive: "ромашка" }, other],
    [{ startsWithInsensitive: "ооо" }, one],
    [{ notStartsWithInsensitive: "ооо" }, other],
    [{ endsWithInsensitive: "ромашка»" }, one],
    [{ notEndsWithInsensitive: "ромашка»" }, other],
    [{ likeInsensitive: "%ром_шка%" }, one],
    [{ notLikeInsensitive: "%ром_шка%" }, other],
    [{ greaterThanInsensitive: "ооо" }, one],
    [{ lessThanOrEqualToInsensitive: "ооо" }, other],
  ])("a filter that ignores case knows every script: %j", async (operators, expected) => {
    expect(await filtered({ name: operators })).toEqual(expected);
  });

  test("doctor says what the locale is wanting in", () =>
    withConnection(ownerUrl, async (client) => {
      await client.query("begin");
      const findings = await examine(client);
      expect(findings.filter((finding) => finding.includes("locale"))).toEqual([
        expect.stringContaining("the locale of the database, C, supports ASCII letters only"),
      ]);
      await client.query("rollback");
    }));
});
