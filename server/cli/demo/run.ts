import type pg from "pg";

import { Problem } from "../../errors/problem.ts";
import { withConnection } from "../../postgres/connect.ts";
import { inTransaction } from "../../postgres/lend.ts";
import { setSession } from "../../postgres/session.ts";
import { type Arrangement, arrange, demoTables, type Step } from "./arrange.ts";
import { day, type DemoRequest, type Entity, merges, type Plan, planYear } from "./plan.ts";

/** The number of rows of each kind in the demonstration data. */
export interface DemoCounts {
  readonly companies: number;
  readonly contacts: number;
  readonly deals: number;
  readonly tasks: number;
  readonly notes: number;
  /** The deleted rows that can be restored. */
  readonly trash: number;
}

export type DemoOptions = Pick<DemoRequest, "size" | "seed">;

/** How many rows one statement writes. */
const batch = 5000;

/**
 * Fills an empty CRM with an invented year of a sales team.
 *
 * The owner writes the rows in one transaction, as an import. Every rule and trigger applies to them. In the
 * same transaction, and so before they can be sealed, the audit log entries get the times, users and
 * transaction ids of the invented events, and the rows get the same times and users. Only the owner of the
 * database can do this. The entries of new rows keep the member `@imported`.
 *
 * Merges and an undo follow as usual transactions of today.
 *
 * @param ownerUrl the URL of the owner of the database.
 * @param serverUrl the URL of the role `crm_server`.
 * @returns how many rows there are.
 * @throws {Problem} if the database is not empty, or its pipeline has no open, won or lost stage.
 */
export async function runDemo(
  ownerUrl: string,
  serverUrl: string,
  { size, seed }: DemoOptions,
): Promise<DemoCounts> {
  const plan = await withConnection(ownerUrl, async (client) => {
    await refuseData(client);
    const until = Math.floor(Date.now() / day) * day;
    const planned = planYear({ size, seed, until, ...(await readSettings(client)) });
    const arranged = arrange(planned);
    await reserveTransactions(client, arranged.transactions);
    await inTransaction(client, async () => {
      // Two that run at the same time run one after the other, and the second is refused.
      await client.query("lock table crm.companies in share row exclusive mode");
      await refuseData(client);
      await write(client, arranged);
    });
    return planned;
  });
  await withConnection(serverUrl, (client) => correct(client, plan));
  return withConnection(ownerUrl, async (client) => {
    await client.query(`vacuum (analyze) ${demoTables.map((table) => `crm.${table}`).join(", ")}`);
    await client.query("vacuum (analyze) crm.audit_logs");
    await client.query("select crm_private.seal_audit_log()");
    return count(client);
  });
}

/** @throws {Problem} if a table that the demonstration data go into has rows. */
async function refuseData(client: pg.ClientBase): Promise<void> {
  for (const table of demoTables) {
    const { rowCount } = await client.query(`select from crm.${table} limit 1`);
    if (rowCount !== 0) {
      const what = table.replaceAll("_", " ");
      throw new Problem(
        `The demonstration data need an empty database, and this one has ${what}; nothing was added.`,
      );
    }
  }
}

async function readSettings(
  client: pg.ClientBase,
): Promise<Pick<DemoRequest, "stages" | "currency">> {
  const { rows: stages } = await client.query<{ name: string; kind: string }>(
    "select name, kind from crm.pipeline_stages order by position, name",
  );
  const namesOf = (kind: string) =>
    stages.filter((one) => one.kind === kind).map(({ name }) => name);
  const [open, [won], [lost]] = [namesOf("open"), namesOf("won"), namesOf("lost")];
  if (open.length === 0 || won === undefined || lost === undefined) {
    throw new Problem("The demonstration data need an open, a won and a lost pipeline stage.");
  }
  const { rows: settings } = await client.query<{ currency: string }>(
    "select crm.base_currency() as currency",
  );
  return { stages: { open, won, lost }, currency: settings[0]?.currency ?? "USD" };
}

/**
 * Reserves a transaction id for each event: subtransactions get ids from the same counter as transactions,
 * and no other transaction will have them. They are stored as the ids that wrote the rows of a temporary table.
 */
async function reserveTransactions(client: pg.ClientBase, count: number): Promise<void> {
  await client.query("create temporary table demo_transactions (number integer not null)");
  await client.query(
    `create function pg_temp.reserve_transactions(p_count integer)
     returns void
     language plpgsql
     as $$
     begin
       for v_number in 1..p_count loop
         begin
           insert into pg_temp.demo_transactions values (v_number);
         exception when others then -- makes the block a subtransaction
           raise;
         end;
       end loop;
     end
     $$`,
  );
  await client.query("select pg_temp.reserve_transactions($1)", [count]);
}

/**
 * Writes the rows. They bring their stamps with them: the triggers that set these are disabled meanwhile, and
 * all others apply. The deletions stamp the rows that they change, which are few, so these are dated later.
 */
async function write(client: pg.ClientBase, arranged: Arrangement): Promise<void> {
  await client.query("set local crm.source = 'import'");
  await client.query("set local jit = off"); // compiling takes longer than these statements
  await storeEvents(client, arranged);

  await switchTriggers(client, "disable", ["_110_stamp_insert", "_110_stamp_update"]);
  for (const step of arranged.inserts) {
    await insert(client, step);
    // Each month of the year has a rate, and gets its partition of the audit log here.
    if (step.table === "exchange_rates") await createPartitions(client);
  }
  for (const step of arranged.updates) await update(client, step);
  await switchTriggers(client, "enable", ["_110_stamp_insert", "_110_stamp_update"]);

  for (const { table, rows } of arranged.deletions) {
    await client.query(`delete from crm.${table} where id = any ($1)`, [rows.map(({ id }) => id)]);
  }
  await dateRows(client);
  await dateEntries(client, arranged.events.length);
  await createPartitions(client);
}

async function storeEvents(client: pg.ClientBase, { events }: Arrangement): Promise<void> {
  await client.query(
    `create temporary table demo_events (
       entity_id uuid not null, ordinal bigint not null, at timestamptz not null, user_id text not null,
       number integer not null, is_deletion boolean not null
     ) on commit drop`,
  );
  for (const part of batches(events)) {
    await client.query(
      `insert into pg_temp.demo_events
       select event.* from jsonb_populate_recordset(null::pg_temp.demo_events, $1) as event`,
      [JSON.stringify(part)],
    );
  }
  await client.query("analyze pg_temp.demo_events, pg_temp.demo_transactions");
}

async function switchTriggers(
  client: pg.ClientBase,
  action: "disable" | "enable",
  triggers: readonly string[],
): Promise<void> {
  const actions = triggers.map((name) => `${action} trigger ${name}`).join(", ");
  for (const table of demoTables) await client.query(`alter table crm.${table} ${actions}`);
}

/** Creates the partitions of the audit log for the months of its entries. */
async function createPartitions(client: pg.ClientBase): Promise<void> {
  await client.query("select crm_private.ensure_audit_partitions()");
}

async function insert(client: pg.ClientBase, { table, columns, rows }: Step): Promise<void> {
  for (const part of batches(rows)) {
    await client.query(
      `insert into crm.${table} (${columns.join(", ")})
       select ${columns.join(", ")} from jsonb_populate_recordset(null::crm.${table}, $1)`,
      [JSON.stringify(part)],
    );
  }
}

async function update(client: pg.ClientBase, { table, columns, rows }: Step): Promise<void> {
  for (const part of batches(rows)) {
    await client.query(
      `update crm.${table} as row
       set ${columns.map((name) => `${name} = change.${name}`).join(", ")}, version = row.version + 1
       from jsonb_populate_recordset(null::crm.${table}, $1) as change
       where change.id = row.id`,
      [JSON.stringify(part)],
    );
  }
}

/** Sets when and by whom the rows that deletions have changed were last changed. */
async function dateRows(client: pg.ClientBase): Promise<void> {
  await switchTriggers(client, "disable", ["_110_stamp_update", "_900_audit_log_update"]);
  for (const table of demoTables) {
    await client.query(
      `update crm.${table} as row
       set updated_at = last.at, updated_by = last.user_id
       from (
         select distinct on (entity_id) entity_id, at, user_id
         from pg_temp.demo_events
         where not is_deletion
         order by entity_id, ordinal desc
       ) as last
       where last.entity_id = row.id and row.updated_at >= now()`,
    );
  }
  await switchTriggers(client, "enable", ["_110_stamp_update", "_900_audit_log_update"]);
}

/**
 * Writes the audit log entries of this transaction again, in the order of the events, with the events' times,
 * users and transaction ids.
 *
 * @throws {Error} if there is not one event for each entry.
 */
async function dateEntries(client: pg.ClientBase, expected: number): Promise<void> {
  const { rowCount } = await client.query(
    `with entries as (
       select id, entity_id, row_number() over (partition by entity_id order by id) as ordinal
       from crm.audit_logs
       where transaction_id = pg_current_xact_id()::text::bigint
     ),
     removed as (
       delete from crm.audit_logs as log
       using entries
       where log.id = entries.id
       returning log.*, entries.ordinal
     )
     insert into crm.audit_logs
       (id, entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
     overriding system value
     select
       nextval('crm.audit_logs_id_seq'), entity_type, entity_id, action, user_id, changes, at,
       transaction_id, source
     from (
       select
         removed.entity_type, removed.entity_id, removed.action, event.user_id, removed.changes, event.at,
         removed.source,
         -- A row has the lower 32 bits of the id of its transaction.
         current.id - ((current.id - reserved.xmin::text::bigint) & 4294967295) as transaction_id
       from removed
       left join pg_temp.demo_events as event using (entity_id, ordinal)
       left join pg_temp.demo_transactions as reserved on reserved.number = event.number
       cross join (select pg_current_xact_id()::text::bigint as id) as current
       order by event.at, event.number, removed.id
     ) as dated`,
  );
  if (rowCount !== expected) {
    throw new Error(`${expected} events have ${rowCount ?? 0} audit log entries`);
  }
}

/** Merges duplicates, and undoes a change, as users do. */
async function correct(client: pg.Client, plan: Plan): Promise<void> {
  const asUser = async <Result>(userId: string, work: () => Promise<Result>) =>
    inTransaction(client, async () => {
      await setSession(client, { role: "crm_member", userId, source: "api" });
      return work();
    });

  const [company] = plan.duplicateCompanies;
  for (const [winner, loser] of plan.duplicates.slice(0, merges)) {
    await asUser("ann", () => merge(client, "merge_contacts", winner, loser));
  }
  if (company !== undefined) {
    await asUser("ann", () => merge(client, "merge_companies", ...company));
  }
  const slip = await asUser("ben", async () => {
    const { rows } = await client.query<{ id: string }>(
      `update crm.deals set value = value * 10
       where id = (
         select deal.id
         from crm.deals as deal
         join crm.pipeline_stages as stage on stage.name = deal.stage
         where stage.kind = 'open'
         order by deal.created_at, deal.id
         limit 1
       )
       returning pg_current_xact_id()::text as id`,
    );
    return rows[0]?.id;
  });
  if (slip !== undefined) {
    await asUser("ben", () => client.query("select crm.undo_transaction($1::bigint)", [slip]));
  }
}

async function merge(
  client: pg.ClientBase,
  name: "merge_contacts" | "merge_companies",
  winner: Entity,
  loser: Entity,
): Promise<void> {
  await client.query(`select crm.${name}($1, array[$2]::uuid[])`, [winner.id, loser.id]);
}

async function count(client: pg.ClientBase): Promise<DemoCounts> {
  const rowsOf = async (table: string) => {
    const { rows } = await client.query<{ count: number }>(
      `select count(*)::integer as count from crm.${table}`,
    );
    return rows[0]?.count ?? 0;
  };
  return {
    companies: await rowsOf("companies"),
    contacts: await rowsOf("contacts"),
    deals: await rowsOf("deals"),
    tasks: await rowsOf("tasks"),
    notes: await rowsOf("notes"),
    trash: await rowsOf("trash"),
  };
}

function* batches<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let start = 0; start < items.length; start += batch) yield items.slice(start, start + batch);
}
