import { setTimeout as sleep } from "node:timers/promises";

import type pg from "pg";

import { withConnection } from "../../postgres/connect.ts";
import { withDatabase } from "../../embedded/open.ts";
import { hasCode, Problem } from "../../errors/problem.ts";
import { aligned } from "./aligned.ts";
import type { Context } from "./context.ts";

/** The index of a custom field. */
interface Index {
  name: string;
  /** `btree`, or `spgist` for a text field. */
  method: string;
  /** False while it is being built, and after a build that failed. */
  isValid: boolean;
  /** In bytes. */
  size: number;
  /** How many times it has been read. */
  scans: number;
  /** The fields before the value. */
  prefix: string[];
}

interface Field {
  entityType: string;
  name: string;
  fieldType: string;
  index: Index | null;
}

/** A field and the statement that creates its index without blocking writes. */
interface Indexable {
  table: string;
  indexName: string;
  statement: string;
  /** Null if there is no index. */
  isValid: boolean | null;
  /** Whether the index has the prefix of the statement. */
  isSame: boolean | null;
}

/**
 * Creates the index of a custom field without blocking writes, unless it exists. An index with another prefix,
 * and an invalid one of a failed build, is replaced. Ctrl-C stops the build and drops the index.
 *
 * @throws {Problem} if there is no such field, the index cannot have the prefix, or the build was stopped.
 */
export async function indexFieldCommand(
  context: Context,
  entityType: string,
  name: string,
  prefix: readonly string[] = [],
): Promise<void> {
  await withFields(context, async (client, ownerUrl) => {
    await claimDefinitions(context, client);
    const { table, indexName, statement, isValid, isSame } = await findField(
      client,
      entityType,
      name,
      prefix,
    );
    if (isValid === true && isSame === true) {
      context.print(`The field ${name} of ${table} is already indexed.`);
      return;
    }
    if (isValid !== null) {
      context.note(
        isValid
          ? "The index with another prefix is dropped first."
          : "An earlier build failed; its invalid index is dropped first.",
      );
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
          "The connection was lost. The next build drops an invalid index, if one was left.",
          undefined,
          error,
        );
      }
      if (hasCode(error, "57014"))
        throw new Problem("The build was stopped; no index was left behind.");
      throw error;
    }
    await client.query(`analyze ${table}`); // the planner needs statistics of the values
    const seconds = ((Date.now() - begin) / 1000).toFixed(1);
    context.print(`Indexed the field ${name} of ${table} in ${seconds} s.`);
  });
}

/**
 * Drops the index of a custom field without blocking reads or writes.
 *
 * @throws {Problem} if there is no such field.
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
 * Compiles all definitions again into the check of custom fields, the defaults, the functions of fields
 * and the columns of reports. Triggers do so when definitions change. Definitions that were written
 * without triggers, as by logical replication, need this command once.
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

/** Prints every custom field and its index. */
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
             'size', (index).size, 'scans', (index).scans,
             'prefix', (index).prefix
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
      index === null ? "" : [...index.prefix, name].join(", "),
      ...[size, index === null ? "" : String(index.scans)],
    ]);
    for (const line of aligned([header, ...lines])) context.print(line);
  });
}

const header = ["ENTITY", "FIELD", "TYPE", "INDEX", "FIELDS", "SIZE", "SCANS"];

/** Runs work on the custom fields, as the owner of the database. */
async function withFields(
  context: Context,
  work: (client: pg.Client, ownerUrl: string) => Promise<void>,
): Promise<void> {
  await withDatabase(context.config, async ({ ownerUrl }) => {
    try {
      await withConnection(ownerUrl, (client) => work(client, ownerUrl));
    } catch (error) {
      if (!hasCode(error, "3F000", "42P01", "42883")) throw error;
      throw new Problem("The database is not migrated; run npx pgcrm migrate first.");
    }
  });
}

/**
 * Excludes changes of definitions and other builds until the connection ends. It polls for the lock: a
 * statement that waited for it would be one that the other concurrent build waits for.
 */
async function claimDefinitions({ note }: Context, client: pg.Client): Promise<void> {
  await client.query("set statement_timeout = 0; set lock_timeout = 0");
  for (let isWaiting = false; !(await claim()); isWaiting = true) {
    if (!isWaiting)
      note("Waiting until another index build, or a change of custom fields, has finished.");
    await sleep(200);
  }

  async function claim(): Promise<boolean | undefined> {
    const { rows } = await client.query<{ isOurs: boolean }>(
      `select pg_try_advisory_lock(hashtext('crm_private.claim_definitions')) as "isOurs"`,
    );
    return rows[0]?.isOurs;
  }
}

async function findField(
  client: pg.Client,
  entityType: string,
  name: string,
  prefix: readonly string[] = [],
): Promise<Indexable> {
  const { rows } = await client
    .query<Indexable>(
      `select crm_private.entity_table(definition.entity_type)::text as table,
         crm_private.custom_field_index_name(definition) as "indexName",
         wanted.statement,
         (index).is_valid as "isValid",
         wanted.statement = crm_private.custom_field_index_statement(
           definition, 'concurrently', (index).prefix
         ) as "isSame",
         crm_private.refuse_prefix(definition, $3)
       from crm.custom_field_definitions as definition
       cross join crm.custom_field_definitions_index(definition) as index
       cross join crm_private.custom_field_index_statement(definition, 'concurrently', $3)
         as wanted (statement)
       where definition.entity_type = $1 and definition.name = $2`,
      [entityType, name, prefix],
    )
    .catch((error: unknown) => {
      if (hasCode(error, "23514")) throw new Problem(`${(error as Error).message}.`);
      throw error;
    });
  const [field] = rows;
  if (field === undefined) throw new Problem(`There is no custom field ${name} of ${entityType}.`);
  return field;
}

/** Lets Ctrl-C cancel the statement instead of the process. The signal may arrive twice. */
async function cancellable(
  client: pg.Client,
  ownerUrl: string,
  work: () => Promise<unknown>,
): Promise<void> {
  const pid = await processId(client);
  const cancel = () =>
    void withConnection(ownerUrl, (other) =>
      other.query("select pg_cancel_backend($1)", [pid]),
    ).catch(() => undefined); // the statement then fails with its connection, or completes
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) process.on(signal, cancel);
  try {
    await work();
  } finally {
    for (const signal of signals) process.off(signal, cancel);
  }
}

/** Shows the progress of a build on a terminal. */
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
