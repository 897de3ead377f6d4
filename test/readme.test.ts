import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

import { expect, test } from "@jest/globals";

import { configDefaults, configVariables } from "../server/settings.ts";
import { withConnection } from "../server/postgres/connect.ts";
import { withRollback } from "./helpers/database.ts";
import { refusal } from "./helpers/refusal.ts";
import { useTestServer } from "./helpers/server.ts";

const root = resolve(import.meta.dirname, "..");
const readme = await readFile(join(root, "README.md"), "utf8");
const crm = useTestServer();

/** The code blocks of the README in a language, in order. */
function blocks(language: string): string[] {
  return [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, "gm"))].map(
    ([, code]) => code ?? "",
  );
}

test("the request of the example is refused with the answer that is printed below it", async () => {
  const body = /-d '(.*)'$/m.exec(readme)?.[1] ?? "";
  const { query } = JSON.parse(body) as { query: string };
  const { errors } = await crm.graphql(query);
  expect(errors?.map(({ extensions }) => extensions)).toEqual([
    JSON.parse(blocks("json")[0] ?? ""),
  ]);
});

test("the statement of the example is refused with the error that is printed below it", () =>
  withRollback(async (client) => {
    const [, statement = "", detail = ""] =
      /^crm=# (.*);\nERROR: {2}.*\nDETAIL: {2}(.*)$/m.exec(readme) ?? [];
    expect((await refusal(client, statement)).fields).toEqual(JSON.parse(detail));
  }));

test("the mutation and the query of the example work", async () => {
  const [mutation = "", query = ""] = (blocks("graphql")[0] ?? "").split(/\n\n(?=query)/);
  expect((await crm.graphql(mutation)).errors).toBeUndefined();
  expect(await crm.graphql(query)).toMatchObject({
    data: {
      contacts: {
        nodes: [{ firstName: "Ada", company: null, history: { nodes: [{ action: "create" }] } }],
      },
    },
  });
});

test("a custom field is defined, served, written and asked for as the README says", async () => {
  const all = blocks("graphql");
  const define = all.find((code) => code.includes("createCustomFieldDefinition")) ?? "";
  const use = all.find((code) => code.includes("SALES_AGENT")) ?? "";
  const [mutation = "", query = ""] = use.split(/\n\n(?=query)/);
  expect(await crm.graphql(define)).toMatchObject({
    data: { createCustomFieldDefinition: { customFieldDefinition: { fieldName: "salesAgent" } } },
  });
  const company = await crm.create("company", { name: "Acme" });
  const fields = { title: "Two seats", companyId: company, value: "5", stage: "Won" };
  const deal = await crm.create("deal", fields);
  const end = Date.now() + 60_000;
  while ((await crm.graphql(query)).errors !== undefined && Date.now() < end) await sleep(50);
  expect(await crm.graphql(mutation, { deal })).toMatchObject({
    data: { updateDeal: { deal: { customFields: { sales_agent: "Moses Frase" } } } },
  });
  expect(await crm.graphql(query)).toMatchObject({
    data: {
      deals: {
        nodes: [{ title: "Two seats", salesAgent: "Moses Frase" }],
        groupedAggregates: [{ keys: ["Moses Frase", "USD"], sum: { valueInBaseCurrency: "5.00" } }],
      },
    },
  });
  const [, statement = ""] = /^crm=# (select crm_custom.*);$/m.exec(readme) ?? [];
  await withConnection(crm.database.ownerUrl, async (client) => {
    const { rows } = await client.query({ text: statement, rowMode: "array" });
    expect(rows).toEqual([["Moses Frase", "USD", "5.00"]]);
  });
});

test("the rows of the bulk example are written, and their faults are those printed below", async () => {
  const [mutation = ""] = blocks("graphql").filter((code) => code.includes("upsertContacts"));
  const [variables = "", faults = ""] = blocks("json").filter(
    (code) => code.includes('"index"') || code.includes("VALID_ONLY"),
  );
  const { data } = await crm.graphql<{ upsertContacts: object }>(
    mutation,
    JSON.parse(variables) as Record<string, unknown>,
  );
  expect(data?.upsertContacts).toMatchObject({
    created: 1,
    faults: JSON.parse(faults) as unknown,
    contacts: [{ version: 1 }, null],
  });
});

test("a transaction is undone as the README says, and a conflict is told as it is printed there", async () => {
  const undo = blocks("graphql").find((code) => code.includes("undoTransaction")) ?? "";
  const conflict = blocks("json").find((code) => code.includes("CONFLICT")) ?? "";
  const id = await crm.create("company", { name: "Acme" });
  const rename = async (name: string) => {
    const { data } = await crm.graphql<{
      updateCompany: { company: { history: { nodes: { transactionId: string }[] } } };
    }>(
      `mutation ($id: UUID!, $name: String!) {
        updateCompany(input: { id: $id, patch: { name: $name } }) {
          company { history { nodes { transactionId } } }
        }
      }`,
      { id, name },
    );
    return data?.updateCompany.company.history.nodes.at(-1)?.transactionId;
  };
  const first = await rename("Bolt");
  const last = await rename("Cog");
  const { errors } = await crm.graphql(undo, { transaction: first });
  const told = JSON.parse(conflict) as { conflicts: object[] };
  expect(errors?.[0]?.extensions).toEqual({
    ...told,
    conflicts: told.conflicts.map((each) => ({
      ...each,
      entityId: id,
      changedBy: "tester",
      changedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    })),
  });
  for (const transaction of [last, first]) {
    expect(await crm.graphql(undo, { transaction })).toMatchObject({
      data: { undoTransaction: { reversal: { restored: "0", changed: "1", deleted: "0" } } },
    });
  }
});

test("the TypeScript of the example runs and prints what it says", async () => {
  const [code = ""] = blocks("ts");
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--input-type=module-typescript", "--eval", `${code}\nawait pool.end();`],
    { cwd: root, env: { PATH: process.env.PATH, SERVER_DATABASE_URL: crm.database.serverUrl } },
  );
  expect(stdout).not.toBe("");
  expect(code).toContain(`// ${stdout}`);
});

test("every setting is in the table, and no other", () => {
  const table = [...readme.matchAll(/^\| (`.*?) \|/gm)].map(([, cell]) => cell ?? "");
  const named = table.flatMap((cell) => [...cell.matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name));
  expect(named.sort()).toEqual([...configVariables].sort());
});

test("every number that is a default is in the table", () => {
  const rows = [...readme.matchAll(/^\| (`[A-Z_`, ]+`) \| ([\d, ]+)/gm)];
  const told = rows.flatMap(([, names = "", values = ""]) => {
    const numbers = values.trim().split(", ").map(Number);
    return [...names.matchAll(/`([A-Z_]+)`/g)].map(([, name], i) => [name, numbers[i]]);
  });
  const numbers = Object.entries(configDefaults).filter(([, value]) => typeof value === "number");
  expect(Object.fromEntries(told)).toMatchObject(Object.fromEntries(numbers));
});

test("every npm script and command that is named exists", async () => {
  const { scripts } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  const named = [...readme.matchAll(/npm (?:run )?((?:start|test|demo|bench|db)[\w:]*)/g)];
  for (const [, name = ""] of named) expect(Object.keys(scripts)).toContain(name);
  expect(named.length).toBeGreaterThan(5);
});
