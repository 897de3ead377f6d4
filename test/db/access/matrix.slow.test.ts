import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { SignJWT } from "jose";
import type pg from "pg";

import { connect } from "../../../server/postgres/connect.ts";
import { camelCase } from "../../../server/errors/messages.ts";
import type { Creates } from "../../../server/model/generated/rows.ts";
import { tables } from "../../../server/model/generated/tables.ts";
import type { Table } from "../../../server/model/tables.ts";
import { describe } from "../../helpers/refusal.ts";
import { type Answer, jwtSecret, useTestServer } from "../../helpers/server.ts";

let owner: pg.Client;
afterAll(() => owner.end()); // before its database is dropped

const crm = useTestServer();
const path = join(import.meta.dirname, "../../../docs/reference/roles-and-rights.md");
const text = readFileSync(path, "utf8");

/** The rows of a generated table of the document, without quotes. */
function section(name: string): string[][] {
  const [, table = ""] =
    new RegExp(`<!-- ${name}:begin -->\\n([^]*?)<!-- ${name}:end -->`).exec(text) ?? [];
  const rows = table
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .slice(1, -1)
        .split("|")
        .map((cell) => cell.trim().replaceAll("`", "")),
    );
  return rows.filter((_, i) => i !== 1);
}

const operations = ["select", "insert", "update", "delete"] as const;
type Operation = (typeof operations)[number];

const [header = [], ...lines] = section("matrix");
const roles = header.slice(2);

/** Whether a cell of the matrix says yes. */
function says(table: string, by: "SQL" | "GraphQL", role: string, operation: Operation): boolean {
  const line = lines.find(([name, how]) => name === table && how === by) ?? [];
  return line[2 + roles.indexOf(role)]?.[operations.indexOf(operation)] !== "-";
}

/** Every table and view by every role, in the order of the matrix. */
const cells = [...new Set(lines.map(([table = ""]) => table))].flatMap((table) =>
  roles.map((role): [string, string] => [role, table]),
);

/** The columns that a role may write, as the table of columns has them. */
function columnsOf(table: string, operation: string, role: string): string[] {
  const line = section("column-rights").find(
    ([name, by, of = ""]) => name === table && by === operation && of.split(", ").includes(role),
  );
  return line?.[3]?.split(", ").sort() ?? [];
}

/** A row of every entity that anybody writes. */
const examples: Record<keyof Creates, (companyId: string) => Record<string, unknown>> = {
  company: () => ({ name: "Acme" }),
  contact: () => ({ firstName: "Ada", lastName: "King" }),
  customFieldDefinition: () => ({
    name: unique(),
    label: "Size",
    entityType: "contact",
    fieldType: "text",
  }),
  deal: (companyId) => ({ title: "Engine", companyId, value: "1", stage: "Won" }),
  exchangeRate: () => ({ currency: "EUR", validFrom: uniqueDay(), rate: "1.1" }),
  note: (companyId) => ({ content: "Hm", entityType: "company", entityId: companyId }),
  pipelineStage: () => ({ name: unique() }),
  task: (companyId) => ({ description: "Call", entityType: "company", entityId: companyId }),
};

function uniqueDay(): string {
  return new Date(randomBytes(6).readUIntBE(0, 6) % 253_000_000_000_000).toISOString().slice(0, 10);
}

function unique(): string {
  return `x_${randomBytes(6).toString("hex")}`;
}

const entities = Object.entries(tables) as [string, Table][];

/** What a table's rows are called in GraphQL; undefined outside of schema `crm`. */
function entityOf(table: string): string | undefined {
  return entities.find(([, { name }]) => name === table)?.[0];
}

/** A row that can be given to a new entity of a table; none if nobody writes the table. */
function exampleOf(table: string): Record<string, unknown> | undefined {
  const entity = entityOf(table) ?? "";
  return entity in examples ? examples[entity as keyof Creates](companyId) : undefined;
}

let companyId: string;
beforeAll(async () => {
  companyId = await crm.create("company", { name: "Acme" });
  const { errors } = await crm.graphql(
    `mutation { createApiKey(input: { name: "some", role: reader }) { clientMutationId } }`,
  );
  expect(errors).toBeUndefined();
  owner = await connect(crm.database.ownerUrl);
});

/** Inserts a row as the owner; gives its id, or undefined where nobody writes the table. */
async function givenRow(table: string): Promise<string | undefined> {
  const example = exampleOf(table);
  if (example === undefined) return undefined;
  const { rows } = await owner.query<{ id: string }>(
    `${insertStatement(table, example)} returning id`,
    Object.values(example),
  );
  return rows[0]?.id;
}

function insertStatement(table: string, example: Record<string, unknown>): string {
  const columns = Object.keys(example).map((field) => field.replace(/[A-Z]/g, "_$&").toLowerCase());
  return `insert into ${table} (${columns.join(", ")})
          values (${columns.map((_, i) => `$${i + 1}`).join(", ")})`;
}

/** Makes the rest of the transaction run as a role does that comes by SQL. */
async function become(role: string): Promise<void> {
  if (role === "nobody") {
    await owner.query("create role crm_test_nobody");
    await owner.query("set local session authorization crm_test_nobody");
  } else if (role === "crm_server" || role === "crm_reporter") {
    await owner.query(`set local session authorization ${role}`);
  } else {
    await owner.query("set local session authorization crm_server");
    await owner.query(`set local role ${role}`);
  }
}

/** Tries a statement and undoes it; gives the number of rows, or the code of the refusal. */
async function attempt(text: string, values?: unknown[]): Promise<number | string> {
  await owner.query("savepoint attempt");
  try {
    return (await owner.query(text, values)).rowCount ?? 0;
  } catch (error) {
    return describe(error).code ?? "";
  } finally {
    await owner.query("rollback to savepoint attempt");
  }
}

/**
 * Rights are missing; or it is a view, or its column, that cannot be written, or a number that nobody
 * chooses, which is told before.
 */
const refusals: unknown[] = ["42501", "55000", "0A000", "428C9"];

/** The columns that the role which the transaction has become may write. */
async function writableColumns(table: string): Promise<{ insert: string[]; update: string[] }> {
  const { rows } = await owner.query<{ name: string }>(
    `select attname as name from pg_catalog.pg_attribute
     where attrelid = (
       select class.oid
       from pg_catalog.pg_class as class
       join pg_catalog.pg_namespace as namespace on namespace.oid = relnamespace
       where format('%I.%I', nspname, relname) = $1
     ) and attnum > 0 and not attisdropped
     order by attname collate "C"`,
    [table],
  );
  expect(rows).not.toEqual([]);
  const writable = { insert: [] as string[], update: [] as string[] };
  for (const { name } of rows) {
    const inserted = await attempt(`insert into ${table} (${name}) values (default)`);
    const updated = await attempt(`update ${table} set ${name} = default`);
    if (!refusals.includes(inserted)) writable.insert.push(name);
    if (!refusals.includes(updated)) writable.update.push(name);
  }
  return writable;
}

afterEach(() => owner.query("rollback"));

test.each(cells)("by SQL, %s may do with %s what the matrix says", async (role, table) => {
  await owner.query("begin");
  const id = await givenRow(table);
  // A view that rows are copied through takes those of its table.
  const example = exampleOf(table.replace(/^crm_private\.(\w+)_copy$/, "crm.$1"));
  await become(role);

  const writable = await writableColumns(table);
  expect(writable).toEqual({
    insert: columnsOf(table, "insert", role),
    update: columnsOf(table, "update", role),
  });

  const which = id === undefined ? "" : `where id = '${id}'`;
  const [column] = writable.update;
  const results: Record<Operation, unknown> = {
    select: await attempt(`select from ${table} limit 1`),
    insert:
      example === undefined
        ? await attempt(`insert into ${table} default values`)
        : await attempt(insertStatement(table, example), Object.values(example)),
    update:
      column === undefined
        ? "42501" // of every column, as was seen
        : await attempt(`update ${table} set ${column} = ${column} ${which}`),
    delete: await attempt(`delete from ${table} ${which}`),
  };
  for (const operation of operations) {
    const result = refusals.includes(results[operation]) ? "refused" : results[operation];
    // What a view has depends on more than a row of its own.
    const one = id === undefined ? (expect.any(Number) as unknown) : 1;
    const expected = says(table, "SQL", role, operation) ? one : "refused";
    expect([operation, result]).toEqual([operation, expected]);
  }
});

/** Asks as the bearer of a token that names a role, or without one. */
async function ask(role: string, query: string, variables = {}): Promise<string> {
  const token = await new SignJWT({ sub: "ann", role: role.replace("crm_", "") })
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime("5m")
    .sign(new TextEncoder().encode(jwtSecret));
  const response = await fetch(`${crm.url}/graphql`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(role === "nobody" ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ query, variables }),
  });
  const { errors } = (await response.json()) as Answer<unknown>;
  return errors?.[0]?.extensions.code ?? "done";
}

/** What GraphQL calls a table otherwise. */
const fieldNames: Record<string, string> = { "crm.stage_history": "stagePeriods" };

test.each(cells)("by GraphQL, %s may do with %s what the matrix says", async (role, table) => {
  const id = (await givenRow(table)) ?? "00000000-0000-0000-0000-000000000000";
  const plural = fieldNames[table] ?? camelCase(table.replace(/^crm\./, "").replace(".", "_"));
  const entity = entityOf(table) ?? plural;
  const Entity = entity.charAt(0).toUpperCase() + entity.slice(1);
  const mutation = (verb: string) =>
    `mutation ($input: ${verb}${Entity}Input!) {
      ${verb.toLowerCase()}${Entity}(input: $input) { clientMutationId }
    }`;
  const [[field, value] = ["", ""]] = Object.entries(exampleOf(table) ?? {});

  const results: Record<Operation, string> = {
    select: await ask(role, `{ ${plural}(first: 1) { nodes { __typename } } }`),
    insert: await ask(role, mutation("Create"), { input: { [entity]: exampleOf(table) ?? {} } }),
    update: await ask(role, mutation("Update"), { input: { id, patch: { [field]: value } } }),
    delete: await ask(role, mutation("Delete"), { input: { id } }),
  };
  for (const operation of operations) {
    const isOffered = roles.some((other) => says(table, "GraphQL", other, operation));
    const hasToken = ["crm_reader", "crm_member", "crm_admin"].includes(role);
    const refused = isOffered ? "FORBIDDEN" : expect.stringMatching(/VALIDATION/);
    const expected = says(table, "GraphQL", role, operation)
      ? "done"
      : hasToken
        ? refused
        : "UNAUTHENTICATED";
    expect([operation, results[operation]]).toEqual([operation, expected]);
  }
});

test("by SQL, nobody but the owner reaches a partition of the audit log by itself", async () => {
  const { rows } = await owner.query<{ name: string }>(
    "select oid::regclass::text as name from pg_class where relispartition and relkind = 'r'",
  );
  expect(rows.length).toBeGreaterThan(10);
  for (const role of roles) {
    await owner.query("begin");
    await become(role);
    for (const { name } of rows) {
      for (const text of [
        `select from ${name}`,
        `insert into ${name} default values`,
        `update ${name} set user_id = user_id`,
        `delete from ${name}`,
      ]) {
        expect([role, text, await attempt(text)]).toEqual([role, text, "42501"]);
      }
    }
    await owner.query("rollback");
  }
});
