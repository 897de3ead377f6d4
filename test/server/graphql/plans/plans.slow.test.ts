import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { GraphQLSchema } from "graphql";
import pg from "pg";
import { pino } from "pino";
import { makeSchema } from "postgraphile";
import type { PgClientQuery } from "postgraphile/@dataplan/pg";
import { grafast } from "postgraphile/grafast";

import { createPreset } from "../../../../server/graphql/preset.ts";
import { createPgService } from "../../../../server/postgres/adaptor.ts";
import { connect } from "../../../../server/postgres/connect.ts";
import { readConfig } from "../../../../server/settings.ts";
import { createTestDatabase, type TestDatabase } from "../../../helpers/database.ts";
import { fill, idOf, rows as size } from "./fill.ts";
import { prepareInputs } from "./inputs.ts";
import { type PlanNode, tablesRead } from "./plans.ts";
import { mutationsOf, type Probe, queriesOf } from "./probes.ts";
import { register } from "./register.ts";

/** What members may not do, so that there is no statement. */
const forbidden = /^permission denied for (table|function) /;

let database: TestDatabase;
let client: pg.Client;
let pool: pg.Pool;
let schema: GraphQLSchema;
let inputs: Record<string, unknown>;
/** The names of the tables that grow, and of their indexes. */
let growing: ReadonlySet<string>;

/** The plans of the statements that ran, also of those within functions and triggers. */
let ran: PlanNode[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  client = await connect(database.ownerUrl);
  await fill(client);
  inputs = await prepareInputs(client);
  const { rows } = await client.query<{ name: string }>(
    `select relname as name
     from pg_class
     where relkind in ('r', 'i')
       and reltuples >= $1
       and relnamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)`,
    [size / 2],
  );
  growing = new Set(rows.map(({ name }) => name));

  await client.query(
    `load 'auto_explain';
     set auto_explain.log_min_duration = 0;
     set auto_explain.log_nested_statements = on;
     set auto_explain.log_format = json;
     set auto_explain.log_level = notice;
     set auto_explain.log_parameter_max_length = 0`,
  );
  client.on("notice", ({ message = "" }) => {
    const json = /^duration: .* plan:\n([^]*)$/.exec(message)?.[1];
    if (json !== undefined) ran.push((JSON.parse(json) as { Plan: PlanNode }).Plan);
  });

  pool = new pg.Pool({ connectionString: database.serverUrl, max: 1 });
  const { limits, heavy, timeouts } = readConfig({});
  ({ schema } = await makeSchema(
    createPreset({
      pgService: createPgService({ pool, schemas: ["crm", "crm_custom"] }),
      constraints: {},
      logger: pino({ level: "silent" }),
      ...{ limits, heavy, timeouts, graphiql: false, introspection: false, queriesByGet: false },
      persisted: { only: false },
    }),
  ));
}, 400_000);

afterAll(async () => {
  await pool.end();
  await client.end();
  await database.drop();
});

interface Outcome {
  readonly plans: readonly PlanNode[];
  /** The tables that a statement reads as a whole. */
  readonly tables: readonly string[];
  readonly errors: readonly string[];
}

/** Sends an operation as a member, and leaves nothing behind. */
async function send(probe: Probe): Promise<Outcome> {
  const explained: PlanNode[] = [];
  ran = [];
  const lent = {
    async query({ text, values, arrayMode }: PgClientQuery) {
      if (probe.isRun) {
        return client.query({
          ...{ text, values: values as unknown[] },
          ...(arrayMode ? { rowMode: "array" } : {}),
        });
      }
      const { rows } = await client.query<{ "QUERY PLAN": { Plan: PlanNode }[] }>(
        `explain (format json) ${text}`,
        values as unknown[],
      );
      explained.push(...(rows[0]?.["QUERY PLAN"] ?? []).map(({ Plan }) => Plan));
      return { rows: [], rowCount: 0 };
    },
    withTransaction: (work: (client: unknown) => unknown) => work(lent),
  };
  const withPgClient = (_settings: unknown, work: (client: unknown) => unknown) => work(lent);
  await client.query("begin");
  await client.query(
    "select set_config('role', 'crm_member', true), set_config('crm.user_id', 'user 1', true)",
  );
  try {
    const result = await grafast({
      schema,
      source: probe.document,
      variableValues: { ...probe.variables },
      contextValue: { pgSettings: {}, withPgClient },
    });
    const messages = "errors" in result ? (result.errors ?? []).map(({ message }) => message) : [];
    const plans = probe.isRun ? ran : explained;
    const isForbidden = messages.some((message) => forbidden.test(message));
    return {
      plans,
      tables: [...new Set(plans.flatMap((plan) => tablesRead(plan, growing)))],
      errors: isForbidden
        ? []
        : [
            // A statement that is only explained returns no row.
            ...(probe.isRun ? messages : []),
            ...(plans.length === 0 ? ["no statement"] : []),
          ],
    };
  } finally {
    await client.query("rollback");
  }
}

test("every statement that the API can send reads an index, or is registered", async () => {
  const outcomes: (Probe & Outcome)[] = [];
  for (const probe of [...queriesOf(schema), ...mutationsOf(schema, inputs)]) {
    outcomes.push({ ...probe, ...(await send(probe)) });
  }
  const slow = outcomes.filter(({ tables }) => tables.length > 0);
  const isAllowed = ({ name }: Probe) => register.some(({ probes }) => probes.test(name));

  expect({
    unregistered: slow
      .filter((outcome) => !isAllowed(outcome))
      .map(({ name, tables }) => `${name} reads ${tables.join(", ")}`),
    needless: register
      .filter(({ probes }) => !slow.some(({ name }) => probes.test(name)))
      .map(({ kind }) => kind),
    failed: outcomes
      .filter(({ errors }) => errors.length > 0)
      .map(({ name, errors }) => `${name}: ${errors.join("; ")}`),
  }).toEqual({ unregistered: [], needless: [], failed: [] });
}, 400_000);

/** The lists of a CRM, each as it is usually filtered and ordered. */
const usualLists = [
  'contacts(filter: { ownerId: { equalTo: "user 1" } }, first: 50)',
  `contacts(filter: { companyId: { equalTo: "${idOf(1)}" } }, first: 50)`,
  "contacts(orderBy: [LAST_NAME_ASC, FIRST_NAME_ASC], first: 50)",
  'companies(filter: { ownerId: { equalTo: "user 1" } }, first: 50)',
  "companies(orderBy: NAME_ASC, first: 50)",
  'deals(filter: { ownerId: { equalTo: "user 1" } }, first: 50)',
  'deals(filter: { stage: { equalTo: "Won" } }, first: 50)',
  'deals(filter: { stage: { equalTo: "Won" } }, orderBy: VALUE_DESC, first: 50)',
  "deals(orderBy: VALUE_DESC, first: 50)",
  "deals(filter: { closedAt: { isNull: true } }, orderBy: CLOSE_DATE_ASC, first: 50)",
  "deals(orderBy: CLOSE_DATE_DESC, first: 50)",
  'tasks(filter: { assignedTo: { equalTo: "user 1" }, status: { equalTo: open } }, orderBy: DUE_DATE_ASC, first: 50)',
  "tasks(filter: { status: { equalTo: open } }, orderBy: DUE_DATE_ASC, first: 50)",
  "tasks(orderBy: DUE_DATE_DESC, first: 50)",
  `tasks(filter: { contactId: { equalTo: "${idOf(3)}" } }, first: 50)`,
  `notes(filter: { contactId: { equalTo: "${idOf(3)}" } }, first: 50)`,
];

test.each(usualLists)("%s is read in its order from an index", async (list) => {
  const { plans, tables, errors } = await send({
    ...{ name: list, document: `{ ${list} { nodes { id } } }`, isRun: false },
  });
  const nodes = plans.flatMap(nodesOf).map((node) => node["Node Type"]);
  expect({ tables, errors }).toEqual({ tables: [], errors: [] });
  expect(nodes).not.toContain("Sort");
});

function nodesOf(plan: PlanNode): PlanNode[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
}
