/**
 * Measures a filter, a range and a sorted page by a custom field of 1,000,000 contacts, with its index and
 * without, with the rights of a member. Prints the nodes of each plan and the pages that it reads. A number
 * after the name on the command line sets another number of contacts.
 */
import type pg from "pg";

import { median, milliseconds, printRatio, withBenchDatabase } from "./harness.ts";

const contacts = Number(process.argv[3] ?? 1_000_000);
const rounds = 5;

const fields = { industry: "text", code: "text", size: "number", since: "date" };

const from = "select t.id, t.last_name from crm.contacts as t where crm_custom.contacts_";

/** The queries by name, each with its field. */
const queries = {
  "text = value, one row": ["code", `${from}code(t) = 'C-4711'`],
  "text in three values": ["code", `${from}code(t) in ('C-1', 'C-2', 'C-3')`],
  "text begins with, 11 rows": ["code", `${from}code(t) like 'C-4711%'`],
  "text = value, one row in 500": ["industry", `${from}industry(t) = 'Industry 77'`],
  "number = value, 100 rows": ["size", `${from}size(t) = 4711`],
  "number between, 1,000 rows": ["size", `${from}size(t) between 4711 and 4720`],
  "date from, 200 rows": ["since", `${from}since(t) >= date '2000-01-01' + 4998`],
  "page of 20 by number": [
    "size",
    `select t.id, t.last_name from crm.contacts as t
     order by crm_custom.contacts_size(t), t.id limit 20`,
  ],
  "page of 20 by date, amid": [
    "since",
    `select t.id, t.last_name from crm.contacts as t
     where (crm_custom.contacts_since(t), t.id) > ('2007-01-01', '80000000-0000-0000-0000-000000000000')
     order by crm_custom.contacts_since(t), t.id limit 20`,
  ],
} as const;

const fill = `
  insert into crm.contacts (first_name, last_name, custom_fields)
  select 'First ' || i, 'Last ' || i, jsonb_build_object(
    'industry', 'Industry ' || i % 500, 'code', 'C-' || i, 'size', i % 10000,
    'since', date '2000-01-01' + i % 5000)
  from generate_series(1, ${contacts}) as i`;

await withBenchDatabase(async (client) => {
  await client.query(
    `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
     select key, key, 'contact', value from jsonb_each_text($1)`,
    [JSON.stringify(fields)],
  );
  await fillBeforeIndexes(client);

  const before = await ask(client);
  const sizes: string[] = [];
  for (const name of Object.keys(fields)) {
    const built = await milliseconds(() =>
      client.query("select crm.index_custom_field('contact', $1)", [name]),
    );
    const { rows } = await client.query<{ line: string }>(
      `select format('%s: %s, %s', definition.name, (index).method, pg_size_pretty((index).size)) as line
       from crm.custom_field_definitions as definition
       cross join crm.custom_field_definitions_index(definition) as index
       where definition.name = $1`,
      [name],
    );
    sizes.push(`  ${rows[0]?.line ?? name}, built in ${(built / 1000).toFixed(1)} s\n`);
  }
  const after = await ask(client);

  process.stdout.write(`Indexes on fields of ${contacts} contacts\n${sizes.join("")}`);
  for (const name of Object.keys(queries) as (keyof typeof queries)[]) {
    printRatio(name, [
      { name: `with index:    ${after[name].plan}`, milliseconds: after[name].took },
      { name: `without index: ${before[name].plan}`, milliseconds: before[name].took },
    ]);
  }
});

interface Answer {
  readonly took: number;
  /** The nodes of the plan, and how many pages of 8 kB it reads. */
  readonly plan: string;
}

/** Runs all queries as a member. */
async function ask(client: pg.Client): Promise<Record<keyof typeof queries, Answer>> {
  await client.query("set role crm_member");
  const answers: Partial<Record<keyof typeof queries, Answer>> = {};
  for (const [name, [, text]] of Object.entries(queries)) {
    const times: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      times.push(await milliseconds(() => client.query(text)));
    }
    const { rows } = await client.query<{ "QUERY PLAN": [{ Plan: Node }] }>(
      `explain (analyze, buffers, timing off, format json) ${text}`,
    );
    const root = rows[0]?.["QUERY PLAN"][0].Plan;
    if (root === undefined) throw new Error("There is no plan.");
    const pages = root["Shared Hit Blocks"] + root["Shared Read Blocks"];
    answers[name as keyof typeof queries] = {
      took: median(times),
      plan: `${nodes(root).join(" < ")}, ${pages} pages`,
    };
  }
  await client.query("reset role");
  return answers as Record<keyof typeof queries, Answer>;
}

interface Node {
  readonly "Node Type": string;
  readonly "Shared Hit Blocks": number;
  readonly "Shared Read Blocks": number;
  readonly Plans?: readonly Node[];
}

function nodes(node: Node): string[] {
  return [node["Node Type"], ...(node.Plans ?? []).flatMap((child) => nodes(child))];
}

/** Fills the table before its own indexes are created, which is faster. */
async function fillBeforeIndexes(client: pg.Client): Promise<void> {
  const { rows: indexes } = await client.query<{ name: string; definition: string }>(
    `select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition
     from pg_index
     where indrelid = 'crm.contacts'::regclass and not indisprimary`,
  );
  await client.query("set maintenance_work_mem = '512MB'; set session_replication_role = replica");
  await client.query(`drop index ${indexes.map(({ name }) => name).join(", ")}`);
  await client.query(fill);
  await client.query("reset session_replication_role");
  for (const { definition } of indexes) await client.query(definition);
  await client.query("vacuum analyze crm.contacts");
}
