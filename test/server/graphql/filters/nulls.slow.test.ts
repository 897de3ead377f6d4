import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import {
  buildClientSchema,
  getIntrospectionQuery,
  getNamedType,
  type GraphQLInputObjectType,
  isEnumType,
  isInputObjectType,
  isObjectType,
} from "graphql";

import { withConnection } from "../../../../server/postgres/connect.ts";
import { createTestDatabase, type TestDatabase } from "../../../helpers/database.ts";
import { startTestServer, type TestServer } from "../../../helpers/server.ts";

/** A type of filters, and how a query reaches it. */
interface Reached {
  readonly type: GraphQLInputObjectType;
  /** The root field: `contacts`. */
  readonly list: string;
  readonly argument: "filter" | "having";
  /** The column by which the groups of `having` are made. */
  readonly groupBy?: string | undefined;
  readonly path: readonly string[];
}

const usual = new Set(["first", "last", "offset", "before", "after", "filter", "orderBy"]);

let database: TestDatabase;
let crm: TestServer;
let filters: Reached[];
let operators: Reached[];

beforeAll(async () => {
  database = await createTestDatabase();
  await withConnection(database.ownerUrl, (client) =>
    client.query(`
      insert into crm.custom_field_definitions (entity_type, name, label, field_type, enum_values)
      select 'deal', 'my_' || type, type, type, case when type like '%enum' then array['a', 'b'] end
      from unnest(array['text', 'number', 'date', 'boolean', 'enum', 'multi_enum']) as type
    `),
  );
  const many = 1_000_000;
  crm = await startTestServer(database.serverUrl, {
    // One request has an alias for each operator.
    timeouts: { planning: 60_000, execution: 60_000 },
    limits: {
      ...{ rootFields: many, aliases: many, fields: many, scans: many, tokens: many, rows: many },
      ...{ filterDepth: many, filterNodes: many, characters: many },
    },
  });
  const acme = await crm.create("company", { name: "Acme" });
  const bolt = await crm.create("company", { name: "Bolt", ownerId: "bea" });
  await crm.create("company", { name: "Cord" });
  const ada = await crm.create("contact", {
    ...{ firstName: "Ada", lastName: "Lovelace", emails: ["ada@acme.test"], companyId: acme },
  });
  await crm.create("contact", { firstName: "Bob", lastName: "Babbage" });
  const deal = { stage: "Won", companyId: acme, closeDate: "2017-03-31" };
  await crm.create("deal", { ...deal, title: "small", value: 10 });
  const large = await crm.create("deal", { ...deal, title: "large", value: 900, contactId: ada });
  await crm.create("deal", { ...deal, title: "lost", value: 500, companyId: bolt });
  await crm.create("task", { description: "call", entityType: "deal", entityId: large });
  await crm.create("note", { content: "ok", entityType: "contact", entityId: ada });
  [filters, operators] = await reachedTypes();
});
afterAll(async () => {
  await crm.close();
  await database.drop();
});

/** Finds every type of filters, and of comparisons, that an argument of a root field takes. */
async function reachedTypes(): Promise<[filters: Reached[], operators: Reached[]]> {
  const { data } = await crm.graphql(getIntrospectionQuery());
  const schema = buildClientSchema(data as Parameters<typeof buildClientSchema>[0]);
  const query = schema.getQueryType();
  const queue: Reached[] = Object.values(query?.getFields() ?? {}).flatMap(
    ({ name: list, args, type: listType }): Reached[] => {
      const filter = args.find(({ name }) => name === "filter");
      // Functions have arguments of their own; their types of rows are those of other lists.
      if (!filter || args.some(({ name }) => !usual.has(name))) return [];
      const type = getNamedType(filter.type) as GraphQLInputObjectType;
      const connection = getNamedType(listType);
      const grouped = isObjectType(connection)
        ? connection.getFields().groupedAggregates
        : undefined;
      const argumentOf = (wanted: string) =>
        grouped?.args.find(({ name }) => name === wanted)?.type;
      const [having, groups] = [argumentOf("having"), argumentOf("groupBy")];
      const found: Reached[] = [{ type, list, argument: "filter", path: [] }];
      if (having && groups) {
        const havingType = getNamedType(having) as GraphQLInputObjectType;
        const [groupBy] = valuesOf(getNamedType(groups));
        found.push({ type: havingType, list, argument: "having", groupBy, path: [] });
      }
      return found;
    },
  );
  const seen = new Map<string, Reached>();
  for (let reached = queue.shift(); reached; reached = queue.shift()) {
    const { type, path } = reached;
    if (seen.has(type.name)) continue;
    seen.set(type.name, reached);
    // A greatest value is of the type of its column, so it can be compared.
    const fields = Object.values(type.getFields());
    const greatest = fields.filter(({ name }) => name === "max");
    for (const field of [...greatest, ...fields]) {
      const inner = getNamedType(field.type);
      // An external id is a value, whose members are required.
      if (isInputObjectType(inner) && inner.name !== "ExternalIdInput") {
        queue.push({ ...reached, type: inner, path: [...path, field.name] });
      }
    }
    // Of custom fields there is one path each.
    for (const { name, type: custom } of fields.filter((field) => /^my[A-Z]/.test(field.name))) {
      const inner = getNamedType(custom) as GraphQLInputObjectType;
      seen.set(`${type.name}.${name}`, { ...reached, type: inner, path: [...path, name] });
    }
  }
  const all = [...seen.values()];
  const compares = ({ type }: Reached) =>
    "equalTo" in type.getFields() || "anyEqualTo" in type.getFields();
  return [all.filter((reached) => !compares(reached)), all.filter(compares)];
}

function valuesOf(type: unknown): string[] {
  return isEnumType(type) ? type.getValues().map(({ name }) => name) : [];
}

/** Puts a filter at its place in the argument. */
function at({ path }: Reached, filter: string): string {
  return path.reduceRight((inner, name) => `{ ${name}: ${inner} }`, filter);
}

function select({ list, argument, groupBy }: Reached, value: string): string {
  if (argument === "filter") return `${list}(filter: ${value}) { totalCount }`;
  return `${list} { groupedAggregates(groupBy: [${groupBy}], having: ${value}) { keys } }`;
}

/** Returns the answers for several values of an argument. */
async function answers(reached: Reached, values: readonly string[]): Promise<unknown[]> {
  const fields = values.map((value, i) => `a${i}: ${select(reached, at(reached, value))}`);
  const { data, errors } = await crm.graphql<Record<string, unknown>>(`{ ${fields.join(" ")} }`);
  expect(errors).toBeUndefined();
  return values.map((_, i) => data?.[`a${i}`]);
}

/** Returns the faults of a request with one value of an argument, which is sent in a variable. */
async function faults(reached: Reached, comparison: Record<string, unknown>) {
  const { list, argument, path } = reached;
  const value = path.reduceRight<unknown>((inner, name) => ({ [name]: inner }), comparison);
  const [root] = filters.filter((other) => other.list === list && other.argument === argument);
  const { data, errors } = await crm.graphql(
    `query ($value: ${root?.type.name}) { ${select(reached, "$value")} }`,
    { value },
  );
  expect(data ?? null).toBeNull();
  expect(errors).toMatchObject([{ extensions: { code: "VALIDATION_ERROR" } }]);
  return errors?.[0];
}

/** Returns the fault of each path. */
const refusals = (paths: string[]) =>
  Object.fromEntries(paths.map((path) => [path, [expect.stringMatching(/^must not be null/)]]));

test("there are filters and comparisons of many types", () => {
  expect(filters.length).toBeGreaterThan(30);
  expect(operators.length).toBeGreaterThan(15);
  expect(operators.map(({ path }) => path.at(-1))).toEqual(
    expect.arrayContaining(["myText", "myNumber", "myDate", "myBoolean", "myEnum", "myMultiEnum"]),
  );
});

test("a filter that is null is none, in a variable too", async () => {
  for (const reached of filters.filter(({ path }) => path.length === 0)) {
    const [withNull, without] = await answers(reached, ["null", "{}"]);
    expect(withNull).toEqual(without);
    const { data, errors } = await crm.graphql<object>(
      `query ($f: ${reached.type.name}) { a0: ${select(reached, "$f")} }`,
      { f: null },
    );
    expect(errors).toBeUndefined();
    expect(data).toEqual({ a0: without });
  }
});

test("a member of a filter that is null is not given, for every member of every filter", async () => {
  for (const reached of filters) {
    const members = Object.keys(reached.type.getFields());
    const given = members.map((name) => `{ ${name}: null }`);
    const [without, ...withNull] = await answers(reached, ["{}", ...given]);
    expect(withNull).toEqual(members.map(() => without));
  }
});

test("a filter whose members are all null finds what an empty one finds", async () => {
  for (const reached of filters) {
    const members = Object.keys(reached.type.getFields());
    const nulls = `{ ${members.map((name) => `${name}: null`).join(", ")} }`;
    const [without, withNulls] = await answers(reached, ["{}", nulls]);
    expect(withNulls).toEqual(without);
  }
});

test("an operator that is null alone is refused with its path, for every operator of every type", async () => {
  for (const reached of operators) {
    const names = Object.keys(reached.type.getFields());
    const pathOf = (name: string) => [...reached.path, name].join(".");
    for (const name of names) {
      const error = await faults(reached, { [name]: null });
      expect(error?.extensions.fields).toEqual(refusals([pathOf(name)]));
      expect(error?.message).toContain(`$value.${pathOf(name)} must not be null`);
    }
    const all = Object.fromEntries(names.map((name) => [name, null]));
    expect((await faults(reached, all))?.extensions.fields).toEqual(refusals(names.map(pathOf)));
  }
});

test("an operator that is null beside another is not given, for every operator of every type", async () => {
  const values: Record<string, string> = {
    ...{ Int: "3", BigInt: "3", BigFloat: "3", Datetime: '"2000-01-01T00:00:00Z"' },
  };
  for (const reached of operators) {
    const fields = reached.type.getFields();
    const compared = values[String(fields.equalTo?.type)] ?? "";
    const [other, one] =
      "isNull" in fields
        ? ["isNull", "isNull: false"]
        : "anySourceEqualTo" in fields
          ? ["anySourceEqualTo", 'anySourceEqualTo: "hub"']
          : ["equalTo", `equalTo: ${compared}`];
    const nulls = Object.keys(fields).filter((name) => name !== other);
    const given = nulls.map((name) => `{ ${one}, ${name}: null }`);
    const [without, ...withNull] = await answers(reached, [`{ ${one} }`, ...given]);
    expect(withNull).toEqual(nulls.map(() => without));
  }
});

describe("the path of null", () => {
  const asked = async (query: string, variables = {}) => {
    const { errors } = await crm.graphql(query, variables);
    expect(errors).toMatchObject([{ extensions: { code: "VALIDATION_ERROR" } }]);
    return [errors?.[0]?.message.split(" must")[0], errors?.[0]?.extensions.fields];
  };

  test("leads through lists and relations", async () => {
    const filter =
      "{ or: [{ title: { in: null } }, { company: { contacts: { some: { lastName: { equalTo: null } } } } }] }";
    const [, fields] = await asked(`{ deals(filter: ${filter}) { totalCount } }`);
    expect(fields).toEqual(
      refusals(["or.0.title.in", "or.1.company.contacts.some.lastName.equalTo"]),
    );
  });

  test("names the variable whose value is null", async () => {
    const query = `query ($id: ID, $title: StringFilter) {
      deals(filter: { companyId: { equalTo: $id }, title: $title }) { totalCount }
    }`;
    expect(await asked(query, { id: null })).toEqual(["$id", refusals(["companyId.equalTo"])]);
    expect(await asked(query, { title: { in: null } })).toEqual([
      "$title.in",
      refusals(["title.in"]),
    ]);
    expect(await crm.graphql(query, { title: null })).toMatchObject({
      data: { deals: { totalCount: 3 } },
    });
  });

  test("is refused before a mutation is executed", async () => {
    const mutation = `mutation ($name: String) {
      createCompany(input: { company: { name: "Never" } }) {
        company { contacts(filter: { lastName: { equalTo: $name } }) { totalCount } }
      }
    }`;
    await asked(mutation, { name: null });
    expect(
      await crm.graphql(`{ companies(filter: { name: { equalTo: "Never" } }) { totalCount } }`),
    ).toMatchObject({ data: { companies: { totalCount: 0 } } });
  });
});
