import type { Entity, EntityType, Plan, Row } from "./plan.ts";

/** The table of each entity type, in the order in which rows are created, and the columns that change. */
const tables: readonly { type: EntityType; table: string; changing: readonly string[] }[] = [
  { type: "custom_field_definition", table: "custom_field_definitions", changing: [] },
  { type: "exchange_rate", table: "exchange_rates", changing: [] },
  { type: "company", table: "companies", changing: ["owner_id", "custom_fields"] },
  { type: "contact", table: "contacts", changing: ["phones", "custom_fields"] },
  {
    type: "deal",
    table: "deals",
    changing: ["value", "stage", "close_date", "lost_reason", "closed_at", "owner_id"],
  },
  { type: "task", table: "tasks", changing: ["status"] },
  { type: "note", table: "notes", changing: ["content"] },
];

export const demoTables: readonly string[] = tables.map(({ table }) => table);

/** Rows that one statement writes to a table. */
export interface Step {
  readonly table: string;
  /** The columns that it writes. */
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
}

/** What happened to one row at one time. Its audit log entry is dated by it. */
export interface Event {
  readonly entity_id: string;
  /** The number of the row's audit log entry, from 1. */
  readonly ordinal: number;
  readonly at: string;
  readonly user_id: string;
  /** The number of the transaction, in the order of time. Events that happened together share it. */
  readonly number: number;
  readonly is_deletion: boolean;
}

/** A plan as statements in their order. */
export interface Arrangement {
  readonly inserts: readonly Step[];
  readonly updates: readonly Step[];
  /** The rows to delete. The database also deletes what is attached to them. */
  readonly deletions: readonly Step[];
  readonly events: readonly Event[];
  /** The number of transactions. */
  readonly transactions: number;
}

/**
 * Arranges a plan as statements that each write many rows. Rows are created first; then every row gets its
 * first update, then its second, and so on. So the audit log entries of a row are in the order of its changes.
 */
export function arrange({ entities }: Plan): Arrangement {
  const inserts: Step[] = [];
  const deletions: Step[] = [];
  const rounds = new Map<string, { table: string; columns: readonly string[]; rows: Row[] }>();

  for (const { type, table, changing } of tables) {
    const created = [...entities[type]].sort((one, other) => createdAt(one) - createdAt(other));
    const rows = created.map(newRow);
    const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
    inserts.push({ table, columns, rows });
    for (const entity of created) {
      let row = entity.row;
      entity.changes.forEach((change, index) => {
        if (index === 0 || change.patch === null || change.partOf !== undefined) return;
        row = { ...row, ...change.patch };
        const key = `${String(index).padStart(4, "0")} ${table}`;
        const columns = [...changing, "updated_at", "updated_by"];
        const round = rounds.get(key) ?? { table, columns, rows: [] };
        rounds.set(key, round);
        round.rows.push({
          ...Object.fromEntries(changing.map((name) => [name, row[name] ?? null])),
          id: entity.id,
          updated_at: new Date(change.at).toISOString(),
          updated_by: change.user,
        });
      });
    }
    const deleted = created.filter((entity) => {
      const last = entity.changes.at(-1);
      return last?.patch === null && last.partOf === undefined;
    });
    deletions.push({ table, columns: [], rows: deleted.map(({ id }) => ({ id })) });
  }

  const updates = [...rounds.entries()].sort(([one], [other]) => (one < other ? -1 : 1));
  return { inserts, updates: updates.map(([, step]) => step), deletions, ...eventsOf(entities) };
}

/** Returns the events of all rows, and how many transactions they are. */
function eventsOf(entities: Plan["entities"]): Pick<Arrangement, "events" | "transactions"> {
  const all = Object.values(entities).flat();
  const separate = all
    .flatMap(({ changes }) => changes)
    .filter(({ partOf }) => partOf === undefined)
    .sort((one, other) => one.at - other.at);
  const numbers = new Map(separate.map((change, index) => [change, index + 1]));
  const events = all.flatMap(({ id, changes }) =>
    changes.map((change, index) => ({
      entity_id: id,
      ordinal: index + 1,
      at: new Date(change.at).toISOString(),
      user_id: change.user,
      number: numbers.get(change.partOf ?? change) ?? 0,
      is_deletion: change.patch === null,
    })),
  );
  return { events, transactions: separate.length };
}

function createdAt(entity: Entity): number {
  return entity.changes[0].at;
}

function newRow(entity: Entity): Row {
  const at = new Date(createdAt(entity)).toISOString();
  const user = entity.changes[0].user;
  return {
    ...{ ...entity.row, id: entity.id },
    ...{ created_at: at, created_by: user, updated_at: at, updated_by: user },
  };
}
