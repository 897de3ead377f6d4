import type pg from "pg";

import { BulkError, type RowFault, ValidationError } from "../errors/classes.ts";
import type { Creates, ExternalId, Rows, Updates } from "../model/generated/rows.ts";
import { isObject } from "../model/rules.ts";
import { createTypeSchemas, type EntityName, parse, updateTypeSchemas } from "../model/schemas.ts";
import type { Table } from "../model/tables.ts";
import { inTransaction, parseUserId, type Role } from "../postgres/pool.ts";
import { type Execute, onlyRow, retried } from "./execute.ts";
import { tableOf } from "./listable.ts";
import { rowsStatement } from "./list.ts";
import { toColumns } from "./sql.ts";

/** An entity with external ids, whose rows can be written in bulk. */
export type RecordName = {
  [Entity in EntityName]: Rows[Entity] extends { externalIds: unknown } ? Entity : never;
}[EntityName];

/** The treatment of faulty rows: write nothing, or write the others. */
export const bulkModes = ["ALL_OR_NOTHING", "VALID_ONLY"] as const;

/** One of {@link bulkModes}. */
export type BulkMode = (typeof bulkModes)[number];

export interface BulkOptions {
  /** The treatment of faulty rows; by default `ALL_OR_NOTHING`. */
  readonly mode?: BulkMode | undefined;
  /** Whether to write nothing and only return what would happen. */
  readonly dryRun?: boolean | undefined;
}

/** The result of a bulk write. In a dry run, the counts are those of rows that would be written. */
export interface BulkCounts {
  readonly created: number;
  readonly updated: number;
  /** The number of rows that already had the values of the input. */
  readonly unchanged: number;
  /** The number of rows deleted, without those that a cascade deleted. */
  readonly deleted: number;
  /** The faulty rows, in the order of the input. */
  readonly faults: readonly RowFault[];
}

/** The result of a bulk write, with the rows as stored. */
export interface BulkResult<Row> extends BulkCounts {
  /** The rows in the order of the input; null for a row that was not written. */
  readonly rows: (Row | null)[];
}

/**
 * Writes many rows of one table in a few statements and one transaction.
 *
 * If a row is faulty, nothing is written, and a `BulkError` lists the faults of all rows in `faults`, each
 * with the `index` of its row. In mode `VALID_ONLY`, the other rows are written, and the result lists the
 * faults.
 */
export interface BulkWriter<Entity extends RecordName> {
  /** Creates rows. */
  createMany(
    rows: readonly Creates[Entity][],
    userId: string,
    options?: BulkOptions,
    client?: pg.ClientBase,
  ): Promise<BulkResult<Rows[Entity]>>;
  /** Updates rows. Omitted fields keep their values; a `version` must be that of the row. */
  updateMany(
    rows: readonly (Updates[Entity] & { readonly id: string })[],
    userId: string,
    options?: BulkOptions,
    client?: pg.ClientBase,
  ): Promise<BulkResult<Rows[Entity]>>;
  /** Updates the rows that have the external ids, and creates the others. Omitted fields keep their values. */
  upsertMany(
    rows: readonly (Partial<Creates[Entity]> & { readonly externalId: ExternalId })[],
    userId: string,
    options?: BulkOptions,
    client?: pg.ClientBase,
  ): Promise<BulkResult<Rows[Entity]>>;
  /** Deletes rows, each with the rows that belong to it. A `version` must be that of the row. */
  deleteMany(
    rows: readonly { readonly id: string; readonly version?: number | undefined }[],
    userId: string,
    options?: BulkOptions,
    client?: pg.ClientBase,
  ): Promise<BulkCounts>;
}

type Operation = "create" | "update" | "upsert" | "delete";

interface Written extends BulkCounts {
  readonly ids: readonly (string | null)[];
}

const text = `
  select json_build_object(
    'created', result.created, 'updated', result.updated, 'unchanged', result.unchanged,
    'deleted', result.deleted, 'faults', result.faults, 'ids', result.ids
  )::text as row
  from crm_private.write_rows($1, $2, $3::jsonb, $4, $5) as result`;

/** Creates the calls of `crm_private.write_rows`. */
export function createBulkWriter<Entity extends RecordName>(
  pool: pg.Pool,
  execute: Execute,
  entity: Entity,
  role: Role,
): BulkWriter<Entity> {
  const table = tableOf(entity);

  async function write(
    operation: Operation,
    rows: readonly unknown[],
    user: string,
    { mode = "ALL_OR_NOTHING", dryRun = false }: BulkOptions,
    client: pg.ClientBase,
  ) {
    if (!Array.isArray(rows)) {
      throw new ValidationError("rows must be a list", { rows: ["must be a list"] });
    }
    const { readable, places, misread } = readRows(entity, table, operation, rows);
    const isRefused = mode === "ALL_OR_NOTHING" && misread.length > 0;
    // A dry run finds the faults of the other rows, too.
    const values = [
      ...[table.entityType, operation, JSON.stringify(readable)],
      ...[mode, dryRun || isRefused],
    ];
    const written = onlyRow(await execute<Written>({ text, values }, user, client));
    const { ids, ...counts } = written;
    const faults = [...misread, ...atPlaces(written.faults, places)].sort(
      (one, other) => one.index - other.index,
    );
    if (isRefused && !dryRun) throw new BulkError(listOf(table), faults);
    const nothing = isRefused ? { created: 0, updated: 0, unchanged: 0, deleted: 0 } : {};
    const idOf = new Map(ids.map((id, i) => [places[i], id]));
    return {
      counts: { ...counts, ...nothing, faults },
      ids: rows.map((_, place) => idOf.get(place) ?? null),
    };
  }

  /** Runs a bulk write in the transaction of the caller, or in its own. */
  async function inOne<Result>(
    userId: string,
    client: pg.ClientBase | undefined,
    work: (user: string, client: pg.ClientBase) => Promise<Result>,
  ): Promise<Result> {
    const user = parseUserId(userId);
    if (client !== undefined) return work(user, client);
    const session = { role, userId: user };
    return retried(() => inTransaction(pool, session, (own) => work(user, own)));
  }

  const writer =
    (operation: Operation) =>
    (
      rows: readonly unknown[],
      userId: string,
      options: BulkOptions = {},
      client?: pg.ClientBase,
    ): Promise<BulkResult<Rows[Entity]>> =>
      inOne(userId, client, async (user, own) => {
        const { counts, ids } = await write(operation, rows, user, options, own);
        const stored = await execute<Rows[Entity] | null>(rowsStatement(entity, ids), user, own);
        return { ...counts, rows: stored };
      });

  return {
    createMany: writer("create"),
    updateMany: writer("update"),
    upsertMany: writer("upsert"),
    deleteMany: (rows, userId, options = {}, client) =>
      inOne(
        userId,
        client,
        async (user, own) => (await write("delete", rows, user, options, own)).counts,
      ),
  };
}

interface ReadRows {
  /** The rows as `crm_private.write_rows` reads them: columns, and keys such as `external_id`. */
  readonly readable: readonly object[];
  /** Their places in the input. */
  readonly places: readonly number[];
  /** The faults of the other rows. */
  readonly misread: readonly RowFault[];
}

/** Reads rows in the formats of the API, because PostgreSQL accepts more formats. */
function readRows(
  entity: EntityName,
  table: Table,
  operation: Operation,
  rows: readonly unknown[],
): ReadRows {
  const readable: object[] = [];
  const places: number[] = [];
  const misread: RowFault[] = [];
  rows.forEach((row, index) => {
    try {
      readable.push(readRow(entity, table, operation, row));
      places.push(index);
    } catch (error) {
      if (!(error instanceof ValidationError)) throw error;
      misread.push({ index, code: error.code, fields: error.fields });
    }
  });
  return { readable, places, misread };
}

function readRow(entity: EntityName, table: Table, operation: Operation, row: unknown): object {
  if (!isObject(row))
    throw new ValidationError("row must be an object", { row: ["must be an object"] });
  switch (operation) {
    case "create":
      return toColumns(table, parse<object>(createTypeSchemas[entity], row));
    case "update": {
      const { id, ...changes } = row;
      return { id, ...toColumns(table, parse<object>(updateTypeSchemas[entity], changes)) };
    }
    case "upsert": {
      const { externalId, ...values } = row;
      const columns = toColumns(table, parse<object>(createTypeSchemas[entity], values));
      return { external_id: externalId, ...columns };
    }
    case "delete":
      return row;
  }
}

/** Converts the places of faults among the readable rows to those in the input. */
function atPlaces(faults: readonly RowFault[], places: readonly number[]): RowFault[] {
  return faults.map((fault) => ({ ...fault, index: places[fault.index] ?? fault.index }));
}

/** Returns the name of a list of rows: `contacts`. */
function listOf({ name }: Table): string {
  return name.replace("crm.", "");
}
