import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type pg from "pg";

import { withConnection } from "../../../../server/postgres/connect.ts";
import { createTestDatabase, type TestDatabase } from "../../../helpers/database.ts";
import { startTestServer, type TestServer } from "../../../helpers/server.ts";

/**
 * Everything that the schema can order, found by introspection: the lists that a query begins with,
 * and those of a row. A page is asked for in all orders at once, each under an alias of its own.
 */
let database: TestDatabase;
let crm: TestServer;
const most = 1_000_000;

beforeAll(async () => {
  database = await createTestDatabase();
  await withConnection(database.ownerUrl, fill);
  crm = await startTestServer(database.serverUrl, {
    limits: {
      ...{ characters: most, tokens: most, fields: most, aliases: most, rootFields: most },
      ...{ rows: most, scans: most, bodyBytes: 10 * most },
    },
  });
}, 120_000);

afterAll(async () => {
  await crm.close();
  await database.drop();
});

interface Connection {
  /** `Query.companies`, `Company.deals` */
  readonly name: string;
  readonly field: string;
  /** The type of the row whose list it is; absent for the lists that a query begins with. */
  readonly parent?: string;
  readonly orders: readonly string[];
  readonly orderBy: string;
  readonly key: readonly string[];
  /** The other arguments, with a comma before them. */
  readonly needed: string;
}

/** How a list is reached: what stands before and after it in a query. */
interface Way {
  readonly before: string;
  readonly after: string;
  readonly filter: string;
}

test("each order of each list has each row once, page by page, forwards and backwards", async () => {
  const connections = await listConnections();
  expect(connections.map(({ name }) => name)).toEqual(
    expect.arrayContaining([
      "Query.auditLogs",
      "Query.companies",
      "Company.deals",
      "Deal.stageHistory",
    ]),
  );
  const faults: string[] = [];
  for (const connection of connections) faults.push(...(await faultsOf(connection, connections)));
  expect(faults).toEqual([]);
}, 600_000);

describe("a cursor is refused, as a fault of its argument,", () => {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64");
  const refusal = {
    code: "VALIDATION_ERROR",
    fields: { after: ["must be a cursor of this list, in the same order"] },
  };

  async function cursorOf(orderBy: string): Promise<string> {
    const { companies } = await ask<{ companies: { pageInfo: { endCursor: string } } }>(
      `{ companies(first: 2, orderBy: [${orderBy}]) { pageInfo { endCursor } } }`,
    );
    return companies.pageInfo.endCursor;
  }

  const answer = (after: string, list = "companies(orderBy: [NAME_ASC], ", of = "") =>
    crm.graphql(
      `query ($after: Cursor) { ${of} ${list} after: $after) { totalCount nodes { __typename } } }`,
      {
        after,
      },
    );

  test.each([
    ["that is none", "x"],
    ["that is no list", encode({})],
    ["that is empty", encode([])],
    ["that is short", encode(["a", ["b", "c"]])],
    ["without a digest", encode(["natural", 1])],
  ])("%s", async (_, cursor) => {
    const { errors } = await answer(cursor);
    expect(errors?.map(({ extensions }) => extensions)).toEqual([refusal]);
  });

  test.each(["NAME_DESC", "CREATED_AT_ASC", "NAME_ASC, ID_DESC"])(
    "of the order %s",
    async (order) => {
      const { errors } = await answer(await cursorOf(order));
      expect(errors?.map(({ extensions }) => extensions)).toEqual([refusal]);
    },
  );

  test("of another list", async () => {
    const { errors } = await answer(await cursorOf("ID_ASC"), "contacts(orderBy: [ID_ASC], ");
    expect(errors?.map(({ extensions }) => extensions)).toEqual([refusal]);
  });

  test("that holds what the list cannot be ordered by", async () => {
    const [library, [digest], id] = JSON.parse(
      Buffer.from(await cursorOf("CREATED_AT_ASC"), "base64").toString(),
    ) as [string, [string, string], string];
    for (const value of ["soon", "\0", 7, {}, [], true]) {
      const cursor = encode([library, [digest, value], id]);
      const { errors } = await answer(cursor, "companies(orderBy: [CREATED_AT_ASC], ");
      expect(errors?.map(({ extensions }) => extensions.code)).toEqual(["VALIDATION_ERROR"]);
    }
  });

  test("that is none, of a list without orders", async () => {
    const others = [["natural", "x"], ["natural", -1], ["natural", 1, 1], ["natural"], [], {}];
    for (const cursor of ["x", ...others.map(encode), await cursorOf("NAME_ASC")]) {
      const { errors } = await answer(cursor, 'pipelineAsOf(at: "2026-01-01T00:00:00Z", ');
      expect(errors?.map(({ extensions }) => extensions)).toEqual([refusal]);
    }
  });
});

interface StageList {
  nodes: { stage: string }[];
  pageInfo: { hasNextPage: boolean; endCursor: string };
}

test("the result of a function has each row once, page by page", async () => {
  for (const size of [1, 2, 3, 100]) {
    const rows: string[] = [];
    for (let after: string | null = null, isMore = true; isMore;) {
      const { list }: { list: StageList } = await ask(
        `query ($size: Int, $after: Cursor, $at: Datetime!) {
          list: pipelineAsOf(at: $at, first: $size, after: $after) {
            nodes { stage }
            pageInfo { hasNextPage endCursor }
          }
        }`,
        { size, after, at: new Date().toISOString() },
      );
      rows.push(...list.nodes.map(({ stage }) => stage));
      ({ endCursor: after, hasNextPage: isMore } = list.pageInfo);
    }
    const stages = ["Prospecting", "Qualification", "Proposal", "Negotiation", "Won", "Lost"];
    expect(rows).toEqual(stages);
  }
});

test("the edge of a new row has a cursor from which its list goes on", async () => {
  const { createCompany } = await ask<{
    createCompany: { companyEdge: { cursor: string } };
  }>(`mutation {
    createCompany(input: { company: { name: "company 2" } }) {
      companyEdge(orderBy: [NAME_ASC, CREATED_AT_DESC]) { cursor }
    }
  }`);
  const { companies } = await ask<{ companies: { nodes: { name: string }[] } }>(
    `query ($after: Cursor) {
      companies(orderBy: [NAME_ASC, CREATED_AT_DESC], after: $after) { nodes { name } }
    }`,
    { after: createCompany.companyEdge.cursor },
  );
  expect(companies.nodes.map(({ name }) => name)).toEqual([
    "company 2",
    "company 2",
    "company 3",
    "company 3",
  ]);
});

async function faultsOf(connection: Connection, all: readonly Connection[]): Promise<string[]> {
  const way = await findWay(connection, all);
  const faults: string[] = [];
  for (const orders of chunks(connection.orders, 12)) {
    const whole = await pages(connection, way, orders, "first", 100);
    for (const { rows, totalCount } of whole) {
      expect([connection.name, rows.length > 1]).toEqual([connection.name, true]);
      expect(rows.length).toBe(totalCount);
    }
    // The lists of a row are paged by the same code as those of a query.
    for (const size of connection.parent === undefined && connection.needed === "" ? [1, 3] : [2]) {
      for (const side of ["first", "last"] as const) {
        const seen = await walk(connection, way, orders, side, size);
        orders.forEach((order, i) => {
          const found = (seen[i] ?? []).join(" ");
          if (found === whole[i]?.rows.join(" ")) return;
          faults.push(`${connection.name}, ${order}, ${side}: ${size} finds ${found}`);
        });
      }
    }
  }
  return faults;
}

function chunks<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}

/** The rows of a list in each order, put together from its pages. */
async function walk(
  connection: Connection,
  way: Way,
  orders: readonly string[],
  side: "first" | "last",
  size: number,
): Promise<string[][]> {
  const seen = orders.map((): string[] => []);
  const cursors: (string | null)[] = orders.map(() => null);
  const open = new Set(orders.keys());
  for (let round = 0; open.size > 0 && round < 100; round += 1) {
    const found = await pages(connection, way, orders, side, size, cursors);
    for (const i of open) {
      const page = found[i];
      if (side === "first") seen[i]?.push(...(page?.rows ?? []));
      else seen[i]?.unshift(...(page?.rows ?? []));
      const cursor = side === "first" ? page?.endCursor : page?.startCursor;
      const goesOn = side === "first" ? page?.hasNextPage : page?.hasPreviousPage;
      if (!goesOn || cursor == null) open.delete(i);
      else cursors[i] = cursor;
    }
  }
  return seen;
}

interface Page {
  rows: string[];
  totalCount: number;
  hasNextPage: boolean;
  hasPreviousPage: boolean;
  startCursor: string | null;
  endCursor: string | null;
}

/** One page of a list in each of some orders. */
async function pages(
  connection: Connection,
  { before, after, filter }: Way,
  orders: readonly string[],
  side: "first" | "last",
  size: number,
  cursors: readonly (string | null)[] = [],
): Promise<Page[]> {
  const beyond = side === "first" ? "after" : "before";
  const fields = orders.map(
    (order, i) => `p${i}: ${connection.field}(
      orderBy: [${order}], ${side}: $size, ${beyond}: $cursor${i}${filter}${connection.needed}
    ) {
      nodes { ${connection.key.join(" ")} }
      totalCount
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }`,
  );
  interface List {
    nodes: Record<string, unknown>[];
    totalCount: number;
    pageInfo: Omit<Page, "rows" | "totalCount">;
  }
  const declared = orders.map((_, i) => `$cursor${i}: Cursor`).join();
  const lists = await ask<Record<string, List>>(
    `query ($size: Int, ${declared}) {${before} ${fields.join("\n")} ${after}}`,
    { size, ...Object.fromEntries(cursors.map((cursor, i) => [`cursor${i}`, cursor])) },
  );
  return Object.values(lists).map(({ nodes, totalCount, pageInfo }) => ({
    ...{ rows: nodes.map((node) => Object.values(node).join("/")), totalCount, ...pageInfo },
  }));
}

/** Asks for something of the row that is called so, or of the whole database. */
async function ask<Data>(query: string, variables = {}): Promise<Data> {
  const { data, errors } = await crm.graphql<Data & { row?: Data }>(query, variables);
  if (!data || errors) throw new Error(JSON.stringify(errors));
  return data.row ?? data;
}

/** Finds a row that has as many rows in a list as any, or narrows a list that has too many. */
async function findWay(connection: Connection, all: readonly Connection[]): Promise<Way> {
  const { name, field, parent, key } = connection;
  if (parent === undefined) {
    const first = await ask<
      Record<string, { totalCount: number; nodes: Record<string, string>[] }>
    >(`{ ${field}(first: 8${connection.needed}) { totalCount nodes { ${key.join(" ")} } } }`);
    const { totalCount = 0, nodes = [] } = first[field] ?? {};
    const id = key.includes("entryId") ? "entryId" : "id";
    const ids = nodes.map((node) => `"${node[id]}"`).join();
    const filter = totalCount > 20 ? `, filter: { ${id}: { in: [${ids}] } }` : "";
    return { before: "", after: "", filter };
  }
  const root = all.find(
    (other) => other.name.startsWith("Query.") && other.orderBy === `${parent}OrderBy`,
  );
  if (root === undefined) throw new Error(`No list has the rows of ${name}`);
  const parents = await ask<
    Record<string, { nodes: { id: string; list: { totalCount: number } }[] }>
  >(
    `{ ${root.field}(first: 100) { nodes { id list: ${field}(first: 1${connection.needed}) { totalCount } } } }`,
  );
  const [fullest] = (parents[root.field]?.nodes ?? []).sort(
    (a, b) => b.list.totalCount - a.list.totalCount,
  );
  const one = `${parent.charAt(0).toLowerCase()}${parent.slice(1)}`;
  return { before: `row: ${one}(id: "${fullest?.id}") {`, after: "}", filter: "" };
}

/** The arguments that lists need, for lists of several rows. */
const needed = (parent: string): Record<string, string> => ({
  field: `, field: "${changed[parent]}"`,
  source: `, source: "erp"`,
  ids: `, ids: ["1", "2", "3", "4", "5"]`,
});

/** A field of each type that changes. */
const changed: Record<string, string> = {
  ApiKey: "revokedAt",
  Company: "address",
  Contact: "lastName",
  CustomFieldDefinition: "label",
  Deal: "stage",
  ExchangeRate: "rate",
  Note: "content",
  PipelineStage: "probability",
  Task: "description",
};

interface IntrospectedType {
  name: string | null;
  kind: string;
  ofType: IntrospectedType | null;
}

/** Every list of the schema that can be ordered. */
async function listConnections(): Promise<Connection[]> {
  const type = "kind name ofType { kind name ofType { kind name ofType { kind name } } }";
  const { data } = await crm.graphql<{
    schema: {
      types: {
        name: string;
        enumValues: { name: string }[] | null;
        fields:
          | {
              name: string;
              type: IntrospectedType;
              args: { name: string; type: IntrospectedType }[];
            }[]
          | null;
      }[];
    };
  }>(`{ schema: __schema { types {
    name
    enumValues { name }
    fields { name type { ${type} } args { name type { ${type} } } }
  } } }`);
  const types = new Map(data?.schema.types.map((known) => [known.name, known]));
  return [...types.values()].flatMap(({ name: parent, fields }) =>
    (fields ?? []).flatMap(({ name: field, type: fieldType, args }) => {
      const orderBy = args.find(({ name }) => name === "orderBy");
      if (orderBy === undefined || !args.some(({ name }) => name === "first")) return [];
      // Query.fieldHistory is that of each entity, and groups of duplicates are in no list with an order.
      if (args.some(({ name }) => name === "entityType") || parent === "DuplicateGroup") return [];
      const enumName = named(orderBy.type);
      // RELEVANCE needs a search.
      const orders = (types.get(enumName)?.enumValues ?? [])
        .map(({ name }) => name)
        .filter((name) => name !== "RELEVANCE");
      const node = types.get(named(fieldType).replace(/Connection$/, ""));
      const key = ["id", "timestamp", "entryId", "validFrom"].filter((name) =>
        node?.fields?.some((column) => column.name === name),
      );
      return {
        ...{ name: `${parent}.${field}`, field, orders, orderBy: enumName, key },
        needed: args.map(({ name }) => needed(parent)[name] ?? "").join(""),
        ...(parent === "Query" ? {} : { parent }),
      };
    }),
  );
}

function named({ name, ofType }: IntrospectedType): string {
  return ofType === null ? (name ?? "") : named(ofType);
}

/** Seven rows of each kind, with ties, nulls, and custom fields of every type. */
async function fill(client: pg.Client): Promise<void> {
  await client.query(`
    select set_config('crm.user_id', 'ann', false);

    insert into crm.custom_field_definitions (entity_type, name, label, field_type, enum_values)
    select entity_type, name, name, field_type, enum_values::text[]
    from unnest('{company,contact,deal}'::text[]) as entity_type
    cross join (
      values
        ('a_text', 'text', null),
        ('a_number', 'number', null),
        ('a_date', 'date', null),
        ('a_choice', 'enum', '{Low,Medium,High,Critical}'),
        ('choices', 'multi_enum', '{Low,Medium,High,Critical}'),
        ('a_flag', 'boolean', null)
    ) as field (name, field_type, enum_values);

    create temporary table given as
    select
      n,
      case when n % 3 <> 0 then (array['ann', 'bob'])[n % 2 + 1] end as who,
      case
        when n % 4 <> 0 then jsonb_strip_nulls(jsonb_build_object(
          'a_text', (array['x', 'É', 'y'])[n % 3 + 1],
          'a_number', (array['12345678901234567890.5', '-1', '1e-7', null])[n % 4 + 1]::numeric,
          'a_date', (array['2024-02-29', '2026-12-31', null])[n % 3 + 1],
          'a_choice', (array['Low', 'High', null, 'Critical'])[n % 4 + 1],
          'choices', case when n % 2 = 0 then '["High", "Low"]'::jsonb
                          when n % 5 = 0 then '["Medium"]' end,
          'a_flag', (array[true, false, null])[n % 3 + 1]
        ))
        else '{}'
      end as fields
    from generate_series(1, 7) as n;

    insert into crm.companies (name, owner_id, custom_fields)
    select 'company ' || n / 2, who, fields from given;
    insert into crm.contacts (first_name, last_name, owner_id, company_id, custom_fields)
    select 'first ' || n % 2, 'last ' || n / 3, who,
      case when n > 2 then (select id from crm.companies order by id limit 1) end, fields
    from given;
    insert into crm.contacts (first_name, last_name, company_id)
    select 'other', 'contact', id from crm.companies order by id offset 1 limit 2;
    insert into crm.deals
      (title, company_id, contact_id, value, currency, stage, close_date, owner_id, custom_fields)
    select
      'deal ' || n / 2, (select id from crm.companies order by id limit 1),
      case when n > 1 then (select id from crm.contacts order by id limit 1) end,
      (array[0, 10.10, 9999999999999.99])[n % 3 + 1], (array['EUR', 'USD'])[n / 5 + 1],
      (array['Won', 'Proposal', 'Proposal'])[n % 3 + 1],
      case when n % 3 <> 0 then date '2026-02-01' + n / 2 end, who, fields
    from given;
    insert into crm.deals (title, company_id, value, stage)
    select 'another', id, 5, 'Prospecting' from crm.companies order by id offset 1 limit 2;

    insert into crm.exchange_rates (currency, valid_from, rate)
    select (array['EUR', 'CHF', 'GBP'])[n % 3 + 1], date '2026-01-01' + n, 1.5 + n / 2 from given;

    insert into crm.tasks (description, entity_type, entity_id, due_date, assigned_to)
    select 'task ' || n / 2, entity_type, id, case when n % 2 = 0 then date '2026-02-01' + n / 4 end, who
    from given
    cross join lateral (
      (select 'company' as entity_type, id from crm.companies order by id limit 1)
      union all (select 'contact', id from crm.contacts order by id limit 1)
      union all (select 'deal', id from crm.deals order by id limit 1)
    ) as entity;
    insert into crm.tasks (description, entity_type, entity_id)
    select 'another', 'contact', id from crm.contacts order by id offset 1 limit 3;
    insert into crm.notes (content, entity_type, entity_id)
    select description, entity_type, entity_id from crm.tasks;
    update crm.tasks set status = 'closed' where due_date > '2026-02-01';
    delete from crm.notes where content = 'task 3';
    delete from crm.tasks where description = 'task 2';

  `);
  await client.query("update crm.deals set stage = 'Negotiation' where title = 'deal 1'");
  await client.query("update crm.deals set stage = 'Lost' where title = 'deal 1'");
  await client.query(`
    update crm.deals set stage = 'Qualification' where title in ('deal 1', 'deal 2');
    update crm.deals set stage = 'Proposal' where title in ('deal 1', 'deal 2', 'another');

    select crm.create_api_key('key.' || n, 'reader', case when n % 2 = 0 then now() + '1 day' end)
    from given;
    select crm.revoke_api_key(id) from crm.api_keys order by id limit 2;
  `);
  for (const table of ["companies", "contacts", "deals", "tasks", "notes"]) {
    await client.query(`
      update crm.${table} as entity
      set external_ids = array[row('erp', numbered.place)::crm.external_id]
      from (select id, row_number() over (order by id) as place from crm.${table}) as numbered
      where numbered.id = entity.id`);
  }
  // The history of each row has several entries.
  for (const ending of ["'a'", "'b'"]) {
    await client.query(`
      update crm.companies set address = jsonb_build_object('city', ${ending}::text);
      update crm.contacts set last_name = last_name || ${ending};
      update crm.tasks set description = description || ${ending};
      update crm.notes set content = content || ${ending};
      update crm.custom_field_definitions set label = label || ${ending};
      update crm.pipeline_stages set probability = probability - 1 where kind = 'open';
      update crm.exchange_rates set rate = rate + 1`);
  }
}
