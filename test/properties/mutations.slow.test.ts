/**
 * Any input of any mutation is done as it was sent, or refused with a code and its fields; nothing
 * breaks, and nothing of the inside is told. The mutations are those of schema.graphql, so that a
 * new one is put to the test by being there.
 *
 * PGCRM_RUNS says how many inputs each mutation is given.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  buildSchema,
  getNamedType,
  type GraphQLInputObjectType,
  type GraphQLObjectType,
  isInputObjectType,
  isLeafType,
  isObjectType,
} from "graphql";

import { runDemo } from "../../server/cli/demo/run.ts";
import { plainDecimal } from "../../server/model/rules.ts";
import { signToken } from "../../server/auth/token.ts";
import { createTestDatabase, type TestDatabase } from "../helpers/database.ts";
import { type Answer, jwtSecret, startTestServer, type TestServer } from "../helpers/server.ts";
import type { Data } from "./arbitraries.ts";
import { malformed, toJson, wellFormed } from "./mutation-inputs.ts";

const schema = buildSchema(readFileSync(join(import.meta.dirname, "../../schema.graphql"), "utf8"));
const queries = schema.getQueryType()?.getFields() ?? {};
/** Those that take rows away come last, the rows that others belong to last of all. */
const mutations = Object.values(schema.getMutationType()?.getFields() ?? {}).sort((a, b) => {
  const [isLast, isOtherLast] = [a, b].map(({ name }) => name.startsWith("delete"));
  if (isLast !== isOtherLast) return isLast ? 1 : -1;
  return isLast ? b.name.localeCompare(a.name) : a.name.localeCompare(b.name);
});

const inputs = Number(process.env.PGCRM_RUNS ?? 60);
/** As many mutations as a request may hold, and some that are refused as a whole. */
const batch = { wellFormed: 10, malformed: 2 };
const runs = Math.ceil(inputs / (batch.wellFormed + batch.malformed));

let database: TestDatabase;
let server: TestServer;
let token: string;
let accepted = 0;
/** What rows hold, by field; ids by the entity. */
const known = new Map<string, unknown[]>();

beforeAll(async () => {
  database = await createTestDatabase();
  await runDemo(database.ownerUrl, database.serverUrl, { size: 50, seed: 1 });
  server = await startTestServer(database.serverUrl);
  token = await signToken(jwtSecret, { role: "admin", user: "tester", expires: "1d" });
  for (const field of Object.values(queries)) await sample(field.name);
}, 60_000);

afterAll(async () => {
  await server.close();
  await database.drop();
});

test.each(mutations.map((mutation) => [mutation.name, mutation] as const))(
  "%s does what it is told, or says what is wrong with it",
  async (name, { args, type }) => {
    const inputType = args.find((arg) => arg.name === "input")?.type;
    const input = inputType && getNamedType(inputType);
    const payload = getNamedType(type);
    if (!isInputObjectType(input) || !isObjectType(payload)) throw new Error(`what is ${name}?`);
    const echoes = echoesOf(input, payload);
    const samples = (field: string) =>
      known.get(field === "id" ? `${entityOf(name)}.id` : field) ?? [];

    const law = async (good: Data[], bad: Data[]): Promise<void> => {
      for (const given of bad) {
        const answer = await mutate(name, input, echoes, [given]);
        expectRefused(answer, given);
      }
      // With a key a mutation comes alone. Its key may be no good, or another's.
      const [keyed = {}, ...others] = good;
      const list = others.map((given) => ({ ...given, idempotencyKey: undefined }));
      accepted += await expectDone(await mutate(name, input, echoes, list), list, echoes);
      const answer = await mutate(name, input, echoes, [keyed]);
      if (answer.data == null) expectRefused(answer, keyed);
      else accepted += await expectDone(answer, [keyed], echoes);
      if (answer.errors !== undefined || keyed.idempotencyKey == null) return;
      expect(await mutate(name, input, echoes, [keyed])).toEqual(answer);
    };
    await fc.assert(
      fc.asyncProperty(
        fc.array(wellFormed(input, samples), {
          minLength: batch.wellFormed,
          maxLength: batch.wellFormed,
        }),
        fc.array(malformed(input, samples), {
          minLength: batch.malformed,
          maxLength: batch.malformed,
        }),
        law,
      ),
      { numRuns: runs, endOnFailure: true, asyncReporter: report },
    );
  },
  Math.max(60_000, inputs * 60),
);

test("of these inputs a good part was accepted, or it would have been easy", () => {
  expect(accepted).toBeGreaterThan((mutations.length * runs * batch.wellFormed) / 20);
});

/** Says what broke the law, without the rest of the batch that it came in. */
function report<Input>(details: fc.RunDetails<Input>): Promise<void> {
  const { failed, seed, counterexamplePath, errorInstance } = details;
  if (!failed) return Promise.resolve();
  const told = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  return Promise.reject(new Error(`seed ${seed}, path ${counterexamplePath}: ${told}`));
}

/** A part of an input that can be read back: where it is in the input, and where in the payload. */
interface Echo {
  readonly member: string;
  readonly field: string;
  readonly entity: string;
  /** The fields in common, with their types. */
  readonly fields: ReadonlyMap<string, string>;
}

function echoesOf(input: GraphQLInputObjectType, payload: GraphQLObjectType): Echo[] {
  const entities = Object.values(payload.getFields()).flatMap((field) => {
    const type = getNamedType(field.type);
    return isObjectType(type) && "id" in type.getFields() ? [{ field: field.name, type }] : [];
  });
  return Object.values(input.getFields()).flatMap(({ name: member, type }) => {
    const given = getNamedType(type);
    const entity = entities.find(({ field }) => field === member) ?? entities[0];
    if (!isInputObjectType(given) || String(type).startsWith("[") || !entity) return [];
    const stored = entity.type.getFields();
    const fields = Object.keys(given.getFields()).flatMap((name): [string, string][] => {
      const leaf = stored[name] && getNamedType(stored[name].type);
      return leaf !== undefined && isLeafType(leaf) && name !== "version"
        ? [[name, leaf.name]]
        : [];
    });
    return [{ member, field: entity.field, entity: entity.type.name, fields: new Map(fields) }];
  });
}

async function mutate(
  name: string,
  input: GraphQLInputObjectType,
  echoes: Echo[],
  list: Data[],
): Promise<Answer<Record<string, Data | null>>> {
  const selection = echoes.map(({ field }) => `${field} { id }`).join(" ");
  const fits = Buffer.byteLength(toJson(list)) < 900_000 ? list : list.slice(0, 1);
  return ask(
    `mutation (${fits.map((_, i) => `$i${i}: ${input.name}!`).join(" ")}) {
      ${fits.map((_, i) => `m${i}: ${name}(input: $i${i}) { clientMutationId ${selection} }`).join("\n")}
    }`,
    Object.fromEntries(fits.map((given, i) => [`i${i}`, given])),
  );
}

async function ask<Result>(query: string, variables: Data = {}): Promise<Answer<Result>> {
  const response = await fetch(`${server.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: toJson({ query, variables }),
  });
  return { status: response.status, ...((await response.json()) as object) };
}

function expectRefused(answer: Answer<unknown>, given: Data): void {
  expectProper(answer, given);
  const { data = null, errors = [] } = answer;
  const [error] = errors;
  if (data !== null || errors.length !== 1 || error?.extensions.code !== "VALIDATION_ERROR") {
    throw new Error(`was not refused: ${toJson(given)}\n${JSON.stringify(answer)}`);
  }
  expect(Object.keys(error.extensions.fields as object)).not.toEqual([]);
}

/** What was accepted is there as it was sent. The number of accepted inputs. */
async function expectDone(
  answer: Answer<Record<string, Data | null>>,
  list: Data[],
  echoes: Echo[],
): Promise<number> {
  expectProper(answer, list);
  if (answer.data == null) throw new Error(`nothing was done: ${toJson([list, answer])}`);
  const done = Object.entries(answer.data).flatMap(([alias, payload]) => {
    const given = list[Number(alias.slice(1))];
    return payload === null || given === undefined ? [] : [{ given, payload }];
  });
  const refused = (answer.errors ?? []).length;
  expect(done.length + refused).toBe(Object.keys(answer.data).length);
  for (const { given, payload } of done) {
    expect(payload.clientMutationId).toBe(given.clientMutationId ?? null);
  }
  for (const echo of echoes) await expectStored(done, echo);
  return done.length;
}

async function expectStored(
  done: readonly { given: Data; payload: Data }[],
  { member, field, entity, fields }: Echo,
): Promise<void> {
  // Of several changes of one row only the last can be read.
  const last = new Map(done.map(({ given, payload }) => [(payload[field] as Data).id, given]));
  const root = entity.charAt(0).toLowerCase() + entity.slice(1);
  if (last.size === 0 || fields.size === 0 || !(root in queries)) return;
  const rows = await ask<Record<string, Data | null>>(
    `{ ${[...last.keys()]
      .map(
        (id, i) => `r${i}: ${root}(id: ${JSON.stringify(id)}) { ${[...fields.keys()].join(" ")} }`,
      )
      .join("\n")} }`,
  );
  [...last.entries()].forEach(([id, given], i) => {
    const row = rows.data?.[`r${i}`];
    if (row == null) return; // a mutation may take away what it names
    remember(`${entity}.id`, id);
    for (const [name, sent] of Object.entries(given[member] as Data)) {
      const type = fields.get(name);
      if (type === undefined || sent === null) continue;
      expect([name, canonical(type, row[name])]).toEqual([name, canonical(type, sent)]);
    }
  });
}

/** No failure of the server's own, and nothing of its inside. */
function expectProper({ status, errors = [] }: Answer<unknown>, given: unknown): void {
  const told = { status, errors, given: toJson(given).slice(0, 5000) };
  if (status !== 200 && status !== 400)
    throw new Error(`was answered with ${JSON.stringify(told)}`);
  for (const { message, extensions } of errors) {
    const isProper = proper.has(extensions.code);
    // What a message quotes is the client's own.
    const said = JSON.stringify([message, extensions]).replaceAll(/\\"(?:[^"\\]|\\\\.)*\\"/g, "");
    if (!isProper || inside.test(said)) throw new Error(JSON.stringify(told));
  }
}

const proper = new Set(["VALIDATION_ERROR", "CONSTRAINT_VIOLATION", "CONFLICT", "NOT_FOUND"]);
const inside =
  /\bselect\b|insert into|violates|constraint \\"|relation|syntax error|\bpg_|crm_private|\bcrm\.|node_modules|\.[jt]s:\d|\bat .*:\d+:\d+|SQLSTATE|\[object/i;

/** A value in the one way that all its spellings have in common. */
function canonical(type: string, value: unknown): unknown {
  if (Array.isArray(value) && type !== "JSON") return value.map((item) => canonical(type, item));
  switch (type) {
    case "BigFloat":
      return plainDecimal(value as string | number)
        .replace(/(\.\d*?)0+$/, "$1")
        .replace(/\.$/, "");
    case "ID":
      return String(value).toLowerCase();
    case "Datetime":
      return new Date(String(value)).toISOString();
    case "JSON":
      return withoutNulls(value);
    default:
      return value;
  }
}

/** A custom field that is null is none. Minus zero is zero in JSON. */
function withoutNulls(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const members = Object.entries(JSON.parse(JSON.stringify(value)) as Data);
  return Object.fromEntries(members.filter(([, member]) => member !== null));
}

function remember(field: string, value: unknown): void {
  const values = known.get(field) ?? [];
  if (values.push(value) > 200) values.shift();
  known.set(field, values);
}

/** Takes down what the rows of a list hold. */
async function sample(list: string): Promise<void> {
  const connection = queries[list] && getNamedType(queries[list].type);
  if (!isObjectType(connection) || !connection.name.endsWith("Connection")) return;
  const row = getNamedType(connection.getFields().nodes?.type ?? connection);
  if (!isObjectType(row)) return;
  const leaves = Object.values(row.getFields()).filter(
    ({ type, args }) => isLeafType(getNamedType(type)) && args.length === 0,
  );
  const answer = await ask<{ rows: { nodes: Data[] } | null }>(
    `{ rows: ${list} { nodes { ${leaves.map(({ name }) => name).join(" ")} } } }`,
  );
  // A list that has to be told of what gives none.
  for (const node of answer.data?.rows?.nodes ?? []) {
    for (const [field, value] of Object.entries(node)) {
      for (const item of Array.isArray(value) ? (value as unknown[]) : [value]) {
        if (item !== null) remember(field === "id" ? `${row.name}.id` : field, item);
      }
    }
  }
}

/** What a mutation is about, going by its name: `Deal` of `updateDeal`. */
function entityOf(mutation: string): string {
  return mutation.replace(/^[a-z]+/, "");
}
