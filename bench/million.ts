/**
 * Measures the reads that the documents show, at 1,000,000 contacts and 500,000 deals: lists, filters,
 * orders, aggregates and searches of the API as a member, and the reports of docs/reference/reporting.md as
 * an analyst. Prints how long the statements of each take, and the kind of their plans. Fails if one takes
 * more than 200 ms and `million-queries.ts` has no reason for it.
 *
 * `npm run bench -- million trash 'deals by'` measures the reads whose names begin so. BENCH_DATABASE_URL sets
 * a database that is already filled; its user is a superuser, who may load auto_explain.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import pg from "pg";
import { pino } from "pino";
import { makeSchema } from "postgraphile";
import type { PgClientQuery } from "postgraphile/@dataplan/pg";
import { grafast } from "postgraphile/grafast";

import { createPreset } from "../server/graphql/preset.ts";
import { createPgService } from "../server/postgres/adaptor.ts";
import { connectionSettings } from "../server/postgres/statements.ts";
import { withConnection } from "../server/postgres/connect.ts";
import { readConfig } from "../server/settings.ts";
import { fill } from "./crm.ts";
import { median, withBenchDatabase } from "./harness.ts";
import { queriesOf, reasons } from "./million-queries.ts";

/** What is fast, in milliseconds. */
const fast = 200;

/** The longest time of a statement, in milliseconds. */
const timeout = Number(process.env.BENCH_TIMEOUT ?? 60_000);

/** Runs a read once, and returns the time of its statements in milliseconds. */
type Read = (client: pg.Client) => Promise<number>;

interface PlanNode {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Index Name"?: string;
  readonly Plans?: readonly PlanNode[];
}

/** The steps that show how a plan grows, besides its scans. */
const steps = ["Sort", "Incremental Sort", "Aggregate", "WindowAgg", "Hash Join", "Merge Join"];

/** Returns the kinds of a plan: how it reads each table that grows, and its steps. */
function kindsOf(plan: PlanNode, growing: ReadonlySet<string>): string[] {
  const type = plan["Node Type"];
  const name = plan["Index Name"] ?? plan["Relation Name"] ?? "";
  const isScan = type.endsWith("Scan") && type !== "Bitmap Heap Scan" && growing.has(name);
  const kind = isScan
    ? `${type.replace(" Scan", "").toLowerCase()} ${name.replace(/_\d+_\d+/, "")}`
    : type.toLowerCase();
  const below = (plan.Plans ?? []).flatMap((child) => kindsOf(child, growing));
  return isScan || steps.includes(type) ? [kind, ...below] : below;
}

async function measure(client: pg.Client, url: string): Promise<void> {
  const reads = new Map<string, Read>([...(await operations(client, url)), ...reports()]);
  const chosen = process.argv.slice(3);
  let plans: PlanNode[] = [];
  client.on("notice", ({ message = "" }) => {
    const json = /^duration: .* plan:\n([^]*)$/.exec(message)?.[1];
    if (json !== undefined) plans.push((JSON.parse(json) as { Plan: PlanNode }).Plan);
  });
  await client.query(
    `load 'auto_explain';
     set auto_explain.log_format = json;
     set auto_explain.log_level = notice;
     set auto_explain.log_parameter_max_length = 0;
     set statement_timeout = ${timeout};`,
  );
  for (const [name, value] of Object.entries(connectionSettings)) {
    await client.query("select set_config($1, $2, false)", [name, value]);
  }
  const { rows } = await client.query<{ name: string }>(
    "select relname as name from pg_class where relkind in ('r', 'i') and reltuples >= 10000",
  );
  const growing = new Set(rows.map(({ name }) => name));

  const explain = (least: number, nested: string) =>
    client.query(
      `set auto_explain.log_min_duration = ${least}; set auto_explain.log_nested_statements = ${nested}`,
    );

  const slow: string[] = [];
  for (const [name, read] of reads) {
    if (chosen.length > 0 && !chosen.some((beginning) => name.startsWith(beginning))) continue;
    plans = [];
    // As often as PostgreSQL needs to choose between a plan for the values and one for all values.
    const times: number[] = [];
    while (times.length < 9 && (times.at(-1) ?? 0) < 10 * fast) times.push(await read(client));
    const took = median(times.slice(-3));
    if (took < 10 * fast) {
      await explain(0, "off");
      await read(client);
    }
    // Also the statements within functions; those of less than a millisecond may be thousands.
    await explain(1, "on");
    await read(client);
    await explain(-1, "off");
    const kinds = [...new Set(plans.flatMap((plan) => kindsOf(plan, growing)))];
    process.stdout.write(
      `${took.toFixed(took < 10 ? 1 : 0).padStart(7)} ms  ${name}: ${kinds.join(", ")}\n`,
    );
    if (took <= fast) continue;
    const reason = reasons.find(({ reads }) => reads.test(name));
    slow.push(`${took.toFixed(0).padStart(7)} ms  ${name}: ${reason?.why ?? "NO REASON"}`);
    if (reason === undefined) process.exitCode = 1;
  }
  process.stdout.write(`\nMore than ${fast} ms:\n${slow.join("\n")}\n`);
}

/** Runs work with the rights of a role, and leaves nothing behind. */
async function as(client: pg.Client, role: string, work: () => Promise<void>): Promise<void> {
  await client.query("begin");
  try {
    await client.query(
      "select set_config('role', $1, true), set_config('crm.user_id', 'user1', true)",
      [role],
    );
    await work();
  } finally {
    await client.query("rollback");
  }
}

/** The reads of the API. Only the time of their statements counts. */
async function operations(client: pg.Client, url: string): Promise<[string, Read][]> {
  const { limits, heavy, timeouts } = readConfig({});
  const pool = new pg.Pool({ connectionString: url, options: "-c role=crm_server", max: 1 });
  const { schema } = await makeSchema(
    createPreset({
      pgService: createPgService({ pool, schemas: ["crm", "crm_custom"] }),
      ...{ constraints: {}, logger: pino({ level: "silent" }), persisted: { only: false } },
      ...{ limits, heavy, timeouts, graphiql: false, introspection: false, queriesByGet: false },
    }),
  );
  await pool.end();
  const any = async (table: string) => {
    const { rows } = await client.query<{ id: string }>(
      `select id from crm.${table} order by id limit 1`,
    );
    return rows[0]?.id ?? "";
  };
  const ids = {
    contact: await any("contacts"),
    company: await any("companies"),
    deal: await any("deals"),
  };
  return Object.entries(queriesOf(ids)).map(([name, selection]) => [
    name,
    async () => {
      let took = 0;
      const lent = {
        async query({ text, values, arrayMode }: PgClientQuery) {
          const start = performance.now();
          try {
            return await client.query({
              ...{ name: nameOf(text), text, values: values as unknown[] },
              ...(arrayMode ? { rowMode: "array" } : {}),
            });
          } finally {
            took += performance.now() - start;
          }
        },
      };
      await as(client, "crm_member", async () => {
        const result = await grafast({
          schema,
          source: `{ ${selection} }`,
          contextValue: {
            pgSettings: {},
            withPgClient: (_: unknown, work: (client: unknown) => unknown) => work(lent),
          },
        });
        const errors = "errors" in result ? (result.errors ?? []) : [];
        const isLate = errors.some(({ message }) => message.includes("timeout"));
        if (errors.length > 0 && !isLate) throw new Error(`${name}: ${String(errors[0])}`);
      });
      return took;
    },
  ]);
}

/** Statements are prepared, as the server does. */
function nameOf(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}

/** Returns an example with custom fields that exist, and without the function that analysts may not call. */
function inThisDatabase(statement: string): string {
  return statement
    .replaceAll("crm.today()", "current_date")
    .replaceAll("custom_sector", "custom_industry")
    .replaceAll("custom_units", "custom_region");
}

/** The examples of the reference of reports. */
function reports(): [string, Read][] {
  const text = readFileSync(join(import.meta.dirname, "../docs/reference/reporting.md"), "utf8");
  return [...text.matchAll(/```sql\n([^]*?)```/g)].map(([, statement = ""]) => [
    `report ${/from reporting\.(\w+)/.exec(statement)?.[1] ?? ""}`,
    async (client) => {
      let took = 0;
      await as(client, "crm_reporter", async () => {
        const start = performance.now();
        await client.query(inThisDatabase(statement)).catch((error: unknown) => {
          if (!String(error).includes("timeout")) throw error;
        });
        took = performance.now() - start;
      });
      return took;
    },
  ]);
}

const filled = process.env.BENCH_DATABASE_URL;
if (filled !== undefined) {
  await withConnection(filled, (client) => measure(client, filled));
} else {
  await withBenchDatabase(async (client, url) => {
    await fill(client, 1_000_000);
    await measure(client, url);
  });
}
