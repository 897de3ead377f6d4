import { readFile } from "node:fs/promises";
import { resolve } from "node:path";

import { beforeAll, describe, expect, test } from "@jest/globals";
import {
  buildSchema,
  extendSchema,
  getNamedType,
  type GraphQLField,
  type GraphQLSchema,
  isInterfaceType,
  isObjectType,
  isRequiredArgument,
  parse,
} from "graphql";

import { readConfig } from "../../../../server/settings.ts";
import { QueryTooComplexError } from "../../../../server/errors/classes.ts";
import { type Cost, createCheckCost } from "../../../../server/graphql/limits/cost.ts";
import { createTestDatabase } from "../../../helpers/database.ts";
import { startTestServer, useTestServer } from "../../../helpers/server.ts";

const { limits } = readConfig({});

let schema: GraphQLSchema;
beforeAll(async () => {
  const sdl = await readFile(resolve(import.meta.dirname, "../../../../schema.graphql"), "utf8");
  // There are no subscriptions yet; what is said of their events is no different.
  schema = extendSchema(
    buildSchema(sdl),
    parse(`
      interface Event { id: ID! query: Query }
      type DealEvent implements Event {
        id: ID! query: Query deal: Deal deals(first: Int, filter: DealFilter): DealConnection
      }
      type Subscription {
        changed: Event dealChanged: DealEvent
        deals(first: Int, filter: DealFilter): DealConnection!
      }
      extend schema { subscription: Subscription }
    `),
    { assumeValidSDL: true },
  );
});

/** A way through the schema to a field whose type is that of the queries. */
interface Way {
  readonly operation: "mutation" | "subscription";
  readonly fields: readonly GraphQLField<unknown, unknown>[];
}

function waysToQuery(): Way[] {
  const ways: Way[] = [];
  const roots = [
    ["mutation", schema.getMutationType()],
    ["subscription", schema.getSubscriptionType()],
  ] as const;
  for (const [operation, root] of roots) {
    if (!root) continue;
    const seen = new Set<string>();
    const walk = (typeName: string, fields: Way["fields"]): void => {
      const type = schema.getType(typeName);
      if (!isObjectType(type) && !isInterfaceType(type)) return;
      for (const field of Object.values(type.getFields())) {
        const { name } = getNamedType(field.type);
        if (name === schema.getQueryType()?.name)
          ways.push({ operation, fields: [...fields, field] });
        else if (!seen.has(`${typeName}.${field.name}`)) {
          seen.add(`${typeName}.${field.name}`);
          walk(name, [...fields, field]);
        }
      }
    };
    walk(root.name, []);
  }
  return ways;
}

const write = ({ operation, fields }: Way, selection: string): string =>
  `${operation} ${fields.reduceRight(
    (inner, field) =>
      `{ ${field.name}${field.args.some(isRequiredArgument) ? "(input: {})" : ""} ${inner} }`,
    selection,
  )}`;

const checkCost = createCheckCost(limits);
const cost = (query: string): Cost =>
  checkCost({ schema, document: parse(query), operationName: undefined, variables: {} });

const scan = (i: number) =>
  `a${i}: deals(filter: { title: { equalTo: "${i}" } }) { totalCount aggregates { distinctCount { title } } }`;
const scans = (count: number) => Array.from({ length: count }, (_, i) => scan(i)).join(" ");

/** The ways to write a selection of the queries. */
const forms: Record<string, (selection: string) => string> = {
  "as it is": (selection) => `{ ${selection} }`,
  "in a fragment without a type": (selection) => `{ ... { ${selection} } }`,
  "in a fragment of the queries": (selection) => `{ ... on Query { ${selection} } }`,
  "in fragments within each other": (selection) =>
    `{ ... on Query { ... @include(if: true) { ${selection} } } }`,
};

describe("a selection of the queries", () => {
  test("costs the same wherever it can stand, and however it is written", () => {
    const ways = waysToQuery();
    expect(new Set(ways.map(({ operation }) => operation))).toEqual(
      new Set(["mutation", "subscription"]),
    );
    expect(ways.length).toBeGreaterThan(40);
    const usual = cost(`{ ${scans(2)} }`).scans;
    expect(usual).toBe(12);
    for (const way of ways) {
      for (const form of Object.values(forms)) {
        const query = write(way, form(scans(2)));
        expect([query, cost(query).scans]).toEqual([query, usual]);
        expect(() => cost(write(way, form(scans(3))))).toThrow(QueryTooComplexError);
        const named = `${write(way, "{ ...f ...f }")} fragment f on Query { ${scans(1)} }`;
        expect(cost(named).scans).toBe(usual);
      }
    }
  });

  test("has no more fields than a query may have, all its places together", () => {
    const [way] = waysToQuery();
    const fields = (count: number) =>
      `{ ${Array.from({ length: count }, (_, i) => `a${i}: currentUserId`).join(" ")} }`;
    if (way === undefined) throw new Error("There is no way.");
    expect(() => cost(write(way, fields(20)))).not.toThrow();
    expect(() => cost(write(way, fields(21)))).toThrow(/fields at the outermost level of a query/);
  });

  test("counts in every mutation of an operation", () => {
    const one = (i: number) =>
      `m${i}: updateContact(input: {}) { query { companies(filter: {}) { totalCount nodes { id } } } }`;
    const many = Array.from({ length: 10 }, (_, i) => one(i)).join(" ");
    expect(() => cost(`mutation { ${many} }`)).toThrow(/reads of a whole table/);
  });
});

test("each list is that of a row, or counts as a whole table", () => {
  const types = Object.values(schema.getTypeMap()).filter(
    (type) => isObjectType(type) || isInterfaceType(type),
  );
  const alone = types.filter((type) =>
    Object.values(type.getFields()).some(({ args }) => args.some(({ name }) => name === "first")),
  );
  const whole = new Set(["Query", "Subscription", "DealEvent"]);
  for (const { name } of alone) {
    if (whole.has(name)) continue;
    // A row has a key, by which its lists are found; a group has the ids of its members.
    const fields = (schema.getType(name) as (typeof alone)[number]).getFields();
    expect([name, "id" in fields || name === "DuplicateGroup"]).toEqual([name, true]);
  }
});

test("the deals of a stage may be all deals, and count so", () => {
  const query = (stages: string) =>
    `{ ${stages} { deals(filter: { title: { equalTo: "x" } }) { totalCount } } }`;
  expect(cost(query(`pipelineStage(id: "x")`)).scans).toBeGreaterThanOrEqual(1);
  expect(cost(query("pipelineStages { nodes") + " }").scans).toBeLessThan(2);
});

test("the plans of a limited number of documents are kept, since each takes memory", async () => {
  let kept: unknown;
  const plugin: GraphileConfig.Plugin = {
    name: "TestPlugin",
    version: "1.0.0",
    schema: {
      hooks: {
        finalize(built) {
          kept = built.extensions.grafast;
          return built;
        },
      },
    },
  };
  const database = await createTestDatabase();
  const server = await startTestServer(database.serverUrl, { extension: { plugins: [plugin] } });
  await server.close();
  await database.drop();
  expect(kept).toMatchObject({
    operationsCacheMaxLength: 200,
    operationOperationPlansCacheMaxLength: 10,
  });
});

describe("a running server", () => {
  const crm = useTestServer();

  test("refuses in a payload what it refuses in a query, and changes nothing", async () => {
    const id = await crm.create("company", { name: "Acme" });
    const { errors } = await crm.graphql(
      `mutation ($id: ID!) {
        updateCompany(input: { id: $id, patch: { name: "Bolt" } }) { query { ${scans(19)} } }
      }`,
      { id },
    );
    expect(errors?.map(({ extensions }) => extensions)).toEqual([
      { code: "QUERY_TOO_COMPLEX", limit: "scans", maximum: 15, actual: 114 },
    ]);
    expect(
      await crm.graphql(`query ($id: ID!) { company(id: $id) { name } }`, { id }),
    ).toMatchObject({ data: { company: { name: "Acme" } } });
  });
});

describe("the cost of a document is kept, but not for other values of a variable that bears on it", () => {
  const costs = (query: string, ...variables: Record<string, unknown>[]): Cost[] => {
    const document = parse(query);
    return variables.map((values) =>
      checkCost({ schema, document, operationName: undefined, variables: values }),
    );
  };

  test.each<[string, string, Record<string, unknown>]>([
    ["a page", "query ($v: Int) { contacts(first: $v) { nodes { id } } }", { v: 5 }],
    [
      "a filter",
      "query ($v: [ID!]) { contacts(first: 5, filter: { id: { in: $v } }) { totalCount } }",
      { v: Array.from({ length: 40 }, (_, i) => `${i}`) },
    ],
    ["a search", "query ($v: String) { contacts(search: $v) { totalCount } }", { v: "ann" }],
    [
      "a condition",
      "query ($v: Boolean!) { companies { nodes { id } } contacts @include(if: $v) { nodes { id } } }",
      { v: false },
    ],
    [
      "a condition inside",
      "query ($v: Boolean!) { companies { nodes { id contacts @skip(if: $v) { nodes { id } } } } }",
      { v: true },
    ],
    [
      "the rows of a mutation",
      "mutation ($v: [ContactBulkInput!]!) { createContacts(input: { contacts: $v }) { created } }",
      { v: Array.from({ length: 200 }, () => ({})) },
    ],
  ])("%s", (_, query, values) => {
    const [absent, given, ...again] = costs(query, {}, values, {}, values);
    expect(given).not.toEqual(absent);
    expect(again).toEqual([absent, given]);
  });

  test("nor for another operation of the document", () => {
    const document = parse("query A { contacts { nodes { id } } } query B { currentUserId }");
    const rows = ["A", "B", "A", "B"].map(
      (operationName) => checkCost({ schema, document, operationName, variables: {} }).rows,
    );
    expect(rows).toEqual([limits.defaultPageSize, 0, limits.defaultPageSize, 0]);
  });

  test("and deep values of variables are refused, before and after it is kept", () => {
    let deep: unknown = 1;
    for (let i = 0; i < 100; i += 1) deep = [deep];
    const query = "query ($id: ID!) { contact(id: $id) { id } }";
    for (const variables of [{ id: deep }, { id: "x", other: deep }]) {
      expect(() => costs(query, variables)).toThrow(QueryTooComplexError);
      expect(() => costs(query, { id: "x" }, variables)).toThrow(QueryTooComplexError);
    }
  });
});
