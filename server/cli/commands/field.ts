import { setTimeout as sleep } from "node:timers/promises";

import type pg from "pg";

import { withConnection } from "../../postgres/connect.ts";
import { withDatabase } from "../../embedded/open.ts";
import { hasCode, Problem } from "../../errors/problem.ts";
import { aligned } from "./aligned.ts";
import type { Context } from "./context.ts";

/** What there is of an index on a custom field. */
interface Index {
  name: string;
  /** `btree`, or `spgist` for a text. */
  method: string;
  /** False while it is being built, and after a build that failed. */
  isValid: boolean;
  /** In bytes. */
  size: number;
  /** How many times it has been read. */
  scans: number;
}

interface Field {
  entityType: string;
  name: string;
  fieldType: string;
  index: Index | null;
}

/** A field and the statement that makes its index while others write. */
interface Indexable {
  table: string;
  indexName: string;
  statement: string;
  /** Null where there is no index. */
  isValid: boolean | null;
}

/**
 * Makes the index of a custom field without keeping anybody waiting; nothing is done if it is there.
 * What a build that failed has left is replaced. Stopped by Ctrl-C it leaves nothing.
 *
 * @throws {Problem} when there is no such field, and when it was stopped.
 */
export async function indexFieldCommand(
  context: Context,
  entityType: string,
  name: string,
): Promise<void> {
  await withFields(context, async (client, ownerUrl) => {
    await claimDefinitions(context, client);
    const { table, indexName, statement, isValid } = await findField(client, entityType, name);
    if (isValid === true) {
      context.print(`The field ${name} of ${table} is indexed already.`);
      return;
    }
    if (isValid === false) {
      context.note("An earlier build has failed; what it left is dropped.");
      await client.query(`drop index concurrently crm.${indexName}`);
    }

    const begin = Date.now();
    try {
      await cancellable(client, ownerUrl, () =>
        withProgress(client, ownerUrl, () => client.query(statement)),
      );
    } catch (error) {
      const isGone = await client.query(`drop index concurrently if exists crm.${indexName}`).then(
        () => true,
        () => false,
      );
      if (!isGone) {
        throw new Problem(
          "The connection broke. What the build may have left is dropped by the next one.",
          undefined,
          error,
        );
      }
      if (hasCode(error, "57014")) throw new Problem("It was stopped; nothing was left behind.");
      throw error;
    }
    await client.query(`analyze ${table}`); // the planner has to know the values
    const seconds = ((Date.now() - begin) / 1000).toFixed(1);
    context.print(`Indexed the field ${name} of ${table} in ${seconds} s.`);
  });
}

/**
 * Drops the index of a custom field without keeping anybody waiting.
 *
 * @throws {Problem} when there is no such field.
 */
export async function unindexFieldCommand(
  context: Context,
  entityType: string,
  name: string,
): Promise<void> {
  await withFields(context, async (client) => {
    await claimDefinitions(context, client);
    const { table, indexName, isValid } = await findField(client, entityType, name);
    if (isValid === null) {
      context.print(`The field ${name} of ${table} is not indexed.`);
      return;
    }
    await client.query(`drop index concurrently crm.${indexName}`);
    context.print(`Dropped the index of the field ${name} of ${table}.`);
  });
}

/**
 * Makes anew what is compiled of the definitions: the check of custom fields, defaults, the functions of
 * fields, the columns of reports. Triggers do so when definitions change; rows that came without
 * triggers, as a logical copy's do, need it once.
 */
export async function compileFieldsCommand(context: Context): Promise<void> {
  await withFields(context, async (client) => {
    await claimDefinitions(context, client);
    for (const [entityType, table] of Object.entries(entityTables)) {
      await client.query("begin");
      await client.query(`lock table crm.${table} in share row exclusive mode`);
      await client.query("select crm_private.compile_custom_fields($1)", [entityType]);
      await client.query("commit");
    }
    context.print("Compiled the custom fields.");
  });
}

const entityTables = { contact: "contacts", company: "companies", deal: "deals" };

/** Prints every custom field with its index. */
export async function listFieldsCommand(
  context: Context,
  options: { json?: boolean },
): Promise<void> {
  await withFields(context, async (client) => {
    const { rows } = await client.query<{ field: Field; size: string }>(
      `select coalesce(pg_size_pretty((index).size), '') as size, jsonb_build_object(
         'entityType', definition.entity_type, 'name', definition.name,
         'fieldType', definition.field_type, 'index',
         case when (index).name is not null then
           jsonb_build_object(
             'name', (index).name, 'method', (index).method, 'isValid', (index).is_valid,
             'size', (index).size, 'scans', (index).scans
           )
         end
       ) as field
       from crm.custom_field_definitions as definition
       cross join crm.custom_field_definitions_index(definition) as index
       order by definition.entity_type, definition.name`,
    );
    if (options.json === true) {
      const fields = rows.map(({ field }) => field);
      context.print(JSON.stringify(fields, null, 2));
      return;
    }
    const lines = rows.map(({ field: { entityType, name, fieldType, index }, size }) => [
      ...[entityType, name, fieldType],
      index === null ? "no" : index.isValid ? index.method : "invalid",
      ...[size, index === null ? "" : String(index.scans)],
    ]);
    for (const line of aligned([header, ...lines])) context.print(line);
  });
}

const header = ["ENTITY", "FIELD", "TYPE", "INDEX", "SIZE", "SCANS"];

/** Does something with the fields of the database, as its owner. */
async function withFields(
  context: Context,
  work: (client: pg.Client, ownerUrl: string) => Promise<void>,
): Promise<void> {
  await withDatabase(context.config, async ({ ownerUrl }) => {
    try {
      await withConnection(ownerUrl, (client) => work(client, ownerUrl));
    } catch (error) {
      if (!hasCode(error, "3F000", "42P01", "42883")) throw error;
      throw new Problem("The database has no such indexes yet; run npx pgcrm migrate first.");
    }
  });
}

/**
 * Keeps changes of definitions and other builds away until the connection ends. It asks again and again,
 * because a statement that waits is one that the other build waits for.
 */
async function claimDefinitions({ note }: Context, client: pg.Client): Promise<void> {
  await client.query("set statement_timeout = 0; set lock_timeout = 0");
  for (let isWaiting = false; !(await claim()); isWaiting = true) {
    if (!isWaiting) note("Waiting for a change of custom fields, or another index, to be done.");
    await sleep(200);
  }

  async function claim(): Promise<boolean | undefined> {
    const { rows } = await client.query<{ isOurs: boolean }>(
      `select pg_try_advisory_lock(hashtext('crm_private.claim_definitions')) as "isOurs"`,
    );
    return rows[0]?.isOurs;
  }
}

async function findField(client: pg.Client, entityType: string, name: string): Promise<Indexable> {
  const { rows } = await client.query<Indexable>(
    `select crm_private.entity_table(definition.entity_type)::text as table,
       crm_private.custom_field_index_name(definition) as "indexName",
       crm_private.custom_field_index_statement(definition, 'concurrently') as statement,
       (index).is_valid as "isValid"
     from crm.custom_field_definitions as definition
     cross join crm.custom_field_definitions_index(definition) as index
     where definition.entity_type = $1 and definition.name = $2`,
    [entityType, name],
  );
  const [field] = rows;
  if (field === undefined) throw new Problem(`There is no custom field ${name} of ${entityType}.`);
  return field;
}

/** Stops a statement, rather than the process, when Ctrl-C is pressed, which may arrive twice. */
async function cancellable(
  client: pg.Client,
  ownerUrl: string,
  work: () => Promise<unknown>,
): Promise<void> {
  const pid = await processId(client);
  const cancel = () =>
    void withConnection(ownerUrl, (other) =>
      other.query("select pg_cancel_backend($1)", [pid]),
    ).catch(() => undefined); // the statement then fails with the connection, or ends by itself
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) process.on(signal, cancel);
  try {
    await work();
  } finally {
    for (const signal of signals) process.off(signal, cancel);
  }
}

/** Shows on a terminal how far a build is. */
async function withProgress(
  client: pg.Client,
  ownerUrl: string,
  work: () => Promise<unknown>,
): Promise<void> {
  if (!process.stderr.isTTY) {
    await work();
    return;
  }
  const pid = await processId(client);
  await withConnection(ownerUrl, async (observer) => {
    const timer = setInterval(() => void show().catch(() => undefined), 500);
    const show = async () => {
      const { rows } = await observer.query<{ line: string }>(
        `select concat_ws(' ', phase,
             round(100.0 * case when tuples_total > 0 then tuples_done else blocks_done end
               / nullif(case when tuples_total > 0 then tuples_total else blocks_total end, 0)) || ' %'
           ) as line
         from pg_stat_progress_create_index
         where pid = $1`,
        [pid],
      );
      const [row] = rows;
      if (row !== undefined) process.stderr.write(`\r\u001b[K${row.line}`);
    };
    try {
      await work();
    } finally {
      clearInterval(timer);
      process.stderr.write("\r\u001b[K");
    }
  });
}

async function processId(client: pg.Client): Promise<number | undefined> {
  const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
  return rows[0]?.pid;
}
