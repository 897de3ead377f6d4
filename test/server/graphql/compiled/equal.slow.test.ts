/**
 * A persisted operation is answered with the same bytes as the same document sent as text, whether it is
 * compiled or not. Documents, variables and values are drawn at random; two databases with equal rows are
 * asked, one by id and one by text, so that mutations can be compared, too.
 *
 * PGCRM_RUNS says how many requests are drawn, PGCRM_SEED from which seed.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import fc from "fast-check";
import {
  buildClientSchema,
  getIntrospectionQuery,
  getNamedType,
  type GraphQLSchema,
  type IntrospectionQuery,
  isLeafType,
  isObjectType,
  Kind,
  parse,
} from "graphql";

import { documents as benchDocuments } from "../../../../bench/operations.ts";
import { signToken, type TokenRole } from "../../../../server/auth/token.ts";
import { runDemo } from "../../../../server/cli/demo/run.ts";
import { withConnection } from "../../../../server/postgres/connect.ts";
import { changeUrl } from "../../../../server/postgres/database-url.ts";
import { createTestDatabase, type TestDatabase } from "../../../helpers/database.ts";
import { until } from "../../../helpers/process.ts";
import { jwtSecret, startTestServer, type TestServer } from "../../../helpers/server.ts";
import { toJson } from "../../../properties/mutation-inputs.ts";
import { type Case, mutationCase, queryCase, type Test } from "./documents.ts";
import { any, type Draw } from "./values.ts";

const requests = Number(process.env.PGCRM_RUNS ?? 600);
const seed = Number(process.env.PGCRM_SEED ?? Math.floor(Math.random() * 2 ** 31));
jest.setTimeout(Math.max(240_000, requests * 500));

const roles: readonly TokenRole[] = ["reader", "member", "admin"];
const zones = [undefined, undefined, "Asia/Tokyo", "America/St_Johns"];

let folder: string;
let databases: TestDatabase[];
/** The one is asked by text, the other by id. */
let usual: TestServer;
let persisted: TestServer;
let schema: GraphQLSchema;
const tokens = new Map<TokenRole, string>();
const known = new Map<string, unknown[]>();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "pgcrm-compiled-"));
  const filled = await createTestDatabase();
  await fill(filled);
  await numberIds(filled);
  const copy = await createTestDatabase(new URL(filled.ownerUrl).pathname.slice(1));
  databases = [filled, copy];
  const limits = { rows: 100_000, scans: 100, aliases: 100, lists: 5, filterNodes: 100 };
  const options = { limits, customFieldsInterval: undefined, poolSize: 6 };
  usual = await startTestServer(filled.serverUrl, options);
  persisted = await startTestServer(copy.serverUrl, {
    ...options,
    persisted: { folder, only: true },
  });
  for (const role of roles) {
    tokens.set(role, await signToken(jwtSecret, { role, user: "tester", expires: "1d" }));
  }
  const { data } = await usual.graphql<IntrospectionQuery>(getIntrospectionQuery());
  if (!data) throw new Error("there is no schema");
  schema = buildClientSchema(data);
  for (const { name } of Object.values(schema.getQueryType()?.getFields() ?? {}))
    await sample(name);
  const { data: defined } = await usual.graphql<{
    customFieldDefinitions: { nodes: { name: string }[] };
  }>("{ customFieldDefinitions { nodes { name } } }");
  for (const { name } of defined?.customFieldDefinitions.nodes ?? []) {
    custom.add(name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()));
  }
  known.set(
    "texts",
    [...known.values()].flat().filter((value) => typeof value === "string"),
  );
});

afterAll(async () => {
  for (const server of [usual, persisted]) await server.close();
  for (const database of databases) await database.drop();
  rmSync(folder, { recursive: true });
});

/** Creates rows with ids in a sequence without gaps, so that two databases create the same ones. */
async function numberIds({ ownerUrl }: TestDatabase): Promise<void> {
  await withConnection(ownerUrl, async (client) => {
    await client.query(`
      create schema ids;
      grant usage on schema ids to public;
      create table ids.last (number integer);
      insert into ids.last values (0);
      create function ids.next() returns uuid language sql security definer
      begin atomic
        update ids.last set number = number + 1 returning md5(number::text)::uuid;
      end;
      grant execute on function ids.next() to public;
      do $$
      declare
        v_column record;
      begin
        for v_column in
          select attrelid::regclass as table_name, attname as name
          from pg_attrdef
          join pg_attribute on attrelid = adrelid and attnum = adnum
          join pg_class as relation on relation.oid = adrelid
          where relnamespace = 'crm'::regnamespace
            and pg_get_expr(adbin, adrelid) = 'gen_random_uuid()'
        loop
          execute format(
            'alter table %s alter column %I set default ids.next()',
            v_column.table_name, v_column.name
          );
        end loop;
      end $$;
    `);
  });
}

/** Defines a custom field of each type, and writes rows, some with odd texts and numbers. */
async function fill(database: TestDatabase): Promise<void> {
  await runDemo(database.ownerUrl, database.serverUrl, { size: 40, seed: 7 });
  await withConnection(database.ownerUrl, async (client) => {
    await client.query(
      `insert into crm.custom_field_definitions (entity_type, name, label, field_type)
       values ('deal', 'region', 'Region', 'text')`,
    );
    const types = ["text", "number", "date", "boolean", "enum", "multi_enum"];
    for (const entityType of ["contact", "company", "deal"]) {
      for (const type of types) {
        await client.query(
          `insert into crm.custom_field_definitions (entity_type, name, label, field_type, enum_values)
           values ($1, $2, $2, $3, $4)`,
          [
            entityType,
            `my_${type}`,
            type,
            type.endsWith("enum") ? ["red", "light blue", "'"] : null,
          ],
        );
      }
    }
    const values = [
      { my_text: "a'b\"c\\ 😀 \u2028", my_number: "#1", my_date: "2024-02-29", my_boolean: true },
      { my_enum: "light blue", my_multi_enum: ["red", "'"], my_number: "#2" },
      { my_text: "שלום %_\\", my_boolean: false, my_multi_enum: ["light blue"], my_number: "#3" },
    ];
    const digits = ["1.50", "12345678901234567890.5", "-0.10"];
    for (const table of ["contacts", "companies", "deals"]) {
      for (const [i, value] of values.entries()) {
        await client.query(
          `update crm.${table} set custom_fields = custom_fields || $1
           where abs(hashtext(id::text)) % 4 = $2`,
          [JSON.stringify(value).replace(/"#\d"/, digits[i] ?? "0"), i],
        );
      }
    }
    await client.query("vacuum (analyze)");
  });
}

/** Fields whose values differ between two databases, or between two requests. */
const different = new Set([
  ...["ApiKey.*", "*.duration", "*.transactionId", "Query.node", "Query.verifyAuditLog"],
  ...["Query.auditLogDigest", "Query.duplicateGroups"],
]);
const isSame: Test = (type, field) =>
  !different.has(`*.${field}`) &&
  !different.has(`${type}.${field}`) &&
  !different.has(`${type}.*`) &&
  !field.includes("DURATION");

/** What a mutation writes anew differs. */
const stamps = new Set([
  "id",
  "createdAt",
  "updatedAt",
  "entryId",
  "enteredAt",
  "leftAt",
  "timestamp",
  "closedAt",
]);
/** Created rows have other times in each database, which cursors contain. */
const isWrittenSame: Test = (type, field) =>
  isSame(type, field) &&
  !stamps.has(field) &&
  !/^(history|fieldHistory|stageHistory|externalIds)$/.test(field) &&
  !/^(dealId|taskId|noteId|cursor|startCursor|endCursor)$/.test(field) &&
  !/(CREATED|UPDATED)_AT|^ID_|PRIMARY_KEY|NATURAL/.test(field);

/** Fields that are seldom selected, because operations with them are not compiled. */
const isRare: Test = (_, field) =>
  /^(fieldHistory|historyIsComplete|duplicates|externalIds|address)$/.test(field);
const isRareOfWritten: Test = (type, field) =>
  isRare(type, field) ||
  /^(history|tasks|notes|deals|contacts|stageHistory)$/.test(field) ||
  custom.has(field);

/** The names of custom fields in the API. */
const custom = new Set<string>();

/** Remembers what the rows of a list contain. */
async function sample(list: string): Promise<void> {
  const found = schema.getQueryType()?.getFields()[list];
  const connection = found && getNamedType(found.type);
  if (!isObjectType(connection) || !connection.name.endsWith("Connection")) return;
  const row = getNamedType(connection.getFields().nodes?.type ?? connection);
  if (!isObjectType(row)) return;
  const leaves = Object.values(row.getFields()).filter(
    ({ type, args }) => isLeafType(getNamedType(type)) && args.length === 0,
  );
  const { data } = await usual.graphql<Record<string, { nodes: Record<string, unknown>[] } | null>>(
    `{ ${list}(first: 60) { nodes { ${leaves.map(({ name }) => name).join(" ")} } } }`,
  );
  const remember = (field: string, value: unknown) => {
    known.set(field, [...(known.get(field) ?? []), value]);
  };
  for (const node of data?.[list]?.nodes ?? []) {
    for (const [field, value] of Object.entries(node)) {
      for (const item of Array.isArray(value) ? (value as unknown[]) : [value]) {
        if (item === null) continue;
        remember(field, item);
        if (field === "id") remember(`${row.name}.id`, item);
      }
    }
  }
}

interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly body: string;
}

interface Caller {
  readonly role: TokenRole;
  readonly zone: string | undefined;
}

async function ask(
  { url }: TestServer,
  body: object,
  { role, zone }: Caller,
  id = "unknown1",
): Promise<Answer> {
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-request-id": id,
      authorization: `Bearer ${tokens.get(role) ?? ""}`,
      ...(zone !== undefined && { "time-zone": zone }),
    },
    body: toJson(body),
  });
  const text = await response.text();
  return {
    status: response.status,
    type: response.headers.get("content-type"),
    body: text.replaceAll(/"(?:requestId|errorId)":"[^"]*"/g, '"id":""'),
  };
}

const hash = (text: string) => createHash("sha256").update(text).digest("hex");

/** Writes documents to the folder, and waits until the server knows them. */
async function persist(texts: readonly string[]): Promise<void> {
  const last = `query Last${Date.now()} { currentUserId }`;
  for (const text of [...texts, last]) writeFileSync(join(folder, `${hash(text)}.graphql`), text);
  await until(async () => {
    const { status } = await ask(
      persisted,
      { documentId: hash(last) },
      { role: "admin", zone: undefined },
    );
    return status === 200;
  });
}

/** A request with its answers. */
interface Compared extends Caller {
  readonly text: string;
  readonly variables: unknown;
  readonly byText: Answer;
  readonly byId: Answer;
}

/** Returns the ids of the requests that were answered by a compiled statement. */
function compiledIds(): Set<unknown> {
  const lines = persisted.log.filter(({ compiled }) => compiled === true);
  return new Set(lines.map(({ req }) => (req as { id: unknown }).id));
}

let count = 0;
/** The requests without an error. Execution reports all errors. */
const good = new Map<string, "query" | "mutation">();

async function compare(
  text: string,
  variables: unknown,
  caller: Caller,
  kind: "query" | "mutation",
): Promise<Compared> {
  count += 1;
  const id = `request-${count}`;
  const [byText, byId] = await Promise.all([
    ask(usual, { query: text, variables }, caller),
    ask(persisted, { documentId: hash(text), variables }, caller, id),
  ]);
  if (!byId.body.includes('"errors":[')) good.set(id, kind);
  return { text, variables, ...caller, byText, byId };
}

/** Asks for all sets of variables of a case. Returns the first answers that differ. */
async function run(
  { text, variables, pages }: Case,
  caller: Caller,
  kind: "query" | "mutation",
): Promise<Compared | undefined> {
  let cursor: string | undefined;
  for (const [i, set] of variables.entries()) {
    const page = i === 2 && cursor !== undefined ? spoilt(cursor, text.length) : cursor;
    const given = pages && cursor !== undefined ? { ...set, [pages.variable]: page } : set;
    const compared = await compare(text, given, caller, kind);
    const [one, other] = [compared.byText, compared.byId].map((answer) => {
      // An error of a version has the time of the last change.
      const body =
        kind === "query" ? answer.body : answer.body.replaceAll(/"updatedAt":"[^"]*"/g, "");
      return JSON.stringify({ ...answer, body });
    });
    if (one !== other) return compared;
    if (pages) cursor = cursorIn(compared.byId.body, pages.key) ?? cursor;
  }
  return undefined;
}

/** Returns a cursor with a part that no cursor of the server has. */
function spoilt(cursor: string, which: number): string {
  const [library, [digest, value] = [], ...rest] = JSON.parse(
    Buffer.from(cursor, "base64").toString(),
  ) as [string, [string, string]?, ...string[]];
  const ways: unknown[][] = [
    [library, [digest, value], ...rest.map(() => 5)],
    [library, [digest, value, "x"], ...rest],
    [library, [digest, 5], ...rest],
    [library, [digest, null], ...rest],
    [library, [digest, value], ...rest.map(() => null)],
    [library, [digest, value], ...rest, "x"],
    [library, [digest, value], ...rest.map((text) => `${text}\0`)],
    [library, [digest, `${value}'`], ...rest],
    [5, [digest, value], ...rest],
    [library, ["x", value], ...rest],
    [library, [digest, value], ...rest.map(() => ["x"])],
  ];
  return Buffer.from(JSON.stringify(ways[which % ways.length])).toString("base64");
}

interface Page {
  readonly edges?: readonly { readonly cursor?: string }[];
}

function cursorIn(body: string, key: string): string | undefined {
  const { data } = JSON.parse(body) as { data?: Record<string, Page | null> };
  return data?.[key]?.edges?.at(-1)?.cursor;
}

function casesOf(
  number: number,
  make: (draw: Draw) => Case,
  of: readonly TokenRole[] = roles,
): { item: Case; caller: Caller }[] {
  const drawn = fc.gen().map((generate) => {
    const draw = { below: (below: number) => generate(below_, below) };
    return { item: make(draw), caller: { role: any(draw, of), zone: any(draw, zones) } };
  });
  return fc.sample(drawn, { seed, numRuns: number });
}

const below_ = (below: number) => fc.noBias(fc.nat(Math.max(below - 1, 0)));

function told(different: readonly Compared[]): string {
  const list = different
    .slice(0, 40)
    .map(({ text, variables, role, zone, byText, byId }) =>
      [
        `${role} ${zone ?? ""}`,
        text,
        toJson(variables).slice(0, 2000),
        `text ${excerpt(byText, byId)}`,
        `id   ${excerpt(byId, byText)}`,
      ].join("\n"),
    );
  return `seed ${seed}: ${different.length} differ\n${list.join("\n\n")}`;
}

/** The part of an answer that differs from another. */
function excerpt(one: Answer, other: Answer): string {
  const [a, b] = [one, other].map(({ status, type, body }) => `${status} ${type ?? ""} ${body}`);
  let at = 0;
  while (at < (a?.length ?? 0) && a?.[at] === b?.[at]) at += 1;
  return `${at}: ${a?.slice(Math.max(0, at - 60), at + 400) ?? ""}`;
}

/** Returns the share of the requests without an error that were answered by a compiled statement. */
function shareCompiled(kind: "query" | "mutation"): number {
  const compiled = compiledIds();
  const ids = [...good].filter(([, of]) => of === kind).map(([id]) => id);
  return ids.filter((id) => compiled.has(id)).length / ids.length;
}

const sets = 3.5;

test("a query has the same response by id as by text", async () => {
  const cases = casesOf(Math.ceil((requests * 0.75) / sets), (draw) =>
    queryCase({ draw, schema, known, isSame, isRare }),
  );
  await persist(cases.map(({ item }) => item.text));
  const differ: Compared[] = [];
  const next = cases.values();
  const worker = async () => {
    for (const { item, caller } of next) {
      const found = await run(item, caller, "query");
      if (found) differ.push(found);
    }
  };
  await Promise.all([worker(), worker(), worker()]);
  if (differ.length > 0) throw new Error(told(differ));
  expect(shareCompiled("query")).toBeGreaterThan(0.6);
});

test("a mutation has the same response and the same effects by id as by text", async () => {
  const cases = casesOf(
    Math.ceil((requests * 0.25) / sets),
    (draw) => mutationCase({ draw, schema, known, isSame: isWrittenSame, isRare: isRareOfWritten }),
    ["member", "admin", "admin", "member", "reader"],
  );
  await persist(cases.map(({ item }) => item.text));
  const differ: Compared[] = [];
  for (const { item, caller } of cases) {
    const found = await run(item, caller, "mutation");
    if (found) differ.push(found);
  }
  if (differ.length > 0) throw new Error(told(differ));
  const [one, other] = await Promise.all(databases.map(rowsOf));
  expect(other).toEqual(one);
  expect(shareCompiled("mutation")).toBeGreaterThan(0.6);
});

/**
 * Returns all rows and audit log entries, without what differs between databases. A cascade writes the rows of
 * a transaction in any order.
 */
async function rowsOf({ ownerUrl }: TestDatabase): Promise<unknown> {
  return withConnection(changeUrl(ownerUrl, {}), async (client) => {
    const rows: Record<string, unknown> = {};
    for (const table of [
      "companies",
      "contacts",
      "deals",
      "tasks",
      "notes",
      "pipeline_stages",
      "exchange_rates",
      "custom_field_definitions",
    ]) {
      const { rows: found } = await client.query<{ row: unknown }>(
        `select to_jsonb(t) - array['id', 'created_at', 'updated_at', 'closed_at', 'search_document'] as row
         from crm.${table} as t order by created_at, 1`,
      );
      rows[table] = found.map(({ row }) => row);
    }
    const { rows: entries } = await client.query(
      `select action, entity_type, user_id, source, changed.changes
       from crm.audit_logs
       cross join lateral (
         select changes - array['id', 'created_at', 'updated_at', 'closed_at']
       ) as changed (changes)
       order by transaction_id, entity_type, action, changed.changes::text`,
    );
    return { ...rows, entries };
  });
}

test("the operations of the examples and of the benchmark are compiled", async () => {
  const examples = join(import.meta.dirname, "../../../../examples/web/src");
  const texts = readdirSync(examples)
    .filter((name) => name.endsWith(".graphql"))
    .map((name) => readFileSync(join(examples, name), "utf8"));
  const all = [...texts, ...Object.values(benchDocuments)];
  await persist(all);
  // Mutations may have deleted and renamed what was known before.
  const [contact, company, deal, stage] = await present();
  const variables: Record<string, object> = {
    ContactToEdit: { id: contact },
    CreateContact: { contact: { firstName: "A", lastName: "B" } },
    UpdateContact: { id: contact, patch: { firstName: "C" } },
    ContactPage: { id: contact },
    ContactTable: { first: 2, orderBy: ["LAST_NAME_ASC"] },
    R1: { id: contact },
    R3: { id: company },
    R4: { stage: "Won", region: "north" },
    R6: { query: "a" },
    W1: { input: { contact: { firstName: "A", lastName: "B" } } },
    W2: { id: deal, stage },
  };
  const answers: Record<string, boolean> = {};
  for (const text of all) {
    for (const definition of parse(text).definitions) {
      if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
      const operationName = definition.name?.value ?? "";
      if (operationName === "UndoEntry") {
        variables[operationName] = { entryId: await lastEntryOf(contact) };
      }
      const id = `operation-${operationName}`;
      const body = {
        documentId: hash(text),
        operationName,
        variables: variables[operationName] ?? {},
      };
      await ask(persisted, body, { role: "admin", zone: undefined }, id);
      answers[operationName] = compiledIds().has(id);
    }
  }
  expect(Object.keys(answers).filter((name) => answers[name])).toEqual([
    ...[
      "ContactToEdit",
      "CompanyChoices",
      "CreateContact",
      "UpdateContact",
      "ContactPage",
      "UndoEntry",
      "ContactTable",
    ],
    ...["R1", "R2", "R3", "R4", "R5", "R6", "R7", "W1", "W2"],
  ]);
});

/** Returns a contact, a company, a deal and a stage of the database that is asked by id. */
async function present(): Promise<string[]> {
  return withConnection(databases[1]?.ownerUrl ?? "", async (client) => {
    const { rows } = await client.query<{ values: string[] }>(
      `select array[
         (select id::text from crm.contacts limit 1), (select id::text from crm.companies limit 1),
         (select id::text from crm.deals limit 1), (select name from crm.pipeline_stages limit 1)
       ] as values`,
    );
    return rows[0]?.values ?? [];
  });
}

/** Returns the last entry in the audit log about a row of the database that is asked by id. */
async function lastEntryOf(entityId: unknown): Promise<string | undefined> {
  return withConnection(databases[1]?.ownerUrl ?? "", async (client) => {
    const { rows } = await client.query<{ id: string }>(
      "select max(id)::text as id from crm.audit_logs where entity_id = $1",
      [entityId],
    );
    return rows[0]?.id;
  });
}
