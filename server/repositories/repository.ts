import type pg from "pg";

import { NotFoundError } from "../errors/classes.ts";
import type { AuditLog, Creates, Rows, Updates } from "../model/generated/rows.ts";
import { tables } from "../model/generated/tables.ts";
import { parseUserId, type Role } from "../postgres/pool.ts";
import { createTypeSchemas, type EntityName, parse, updateTypeSchemas } from "../model/schemas.ts";
import type { Table } from "../model/tables.ts";
import { createExecute, onlyRow } from "./execute.ts";
import type { Filters } from "./filters.ts";
import { parseId } from "./id.ts";
import { listStatement } from "./list.ts";
import { type Pagination, refuseTooMany } from "./pagination.ts";
import { identifier, rowJson, toColumns } from "./sql.ts";

/**
 * The rows of one table.
 *
 * Each call is a transaction of its own, unless it is given a client that is inside one. Writers
 * say who they are: a `userId` of 1 to 255 characters that does not begin with `db:`.
 *
 * Every method throws the errors of `server/errors/classes.ts` and no others: `ValidationError` for input
 * that a rule refuses, with all faults by field; `ConstraintViolationError` for a link that leads
 * nowhere, a row that is still used, or a name that is taken; `ForbiddenError` where the role may
 * not; `DatabaseError` for what no input caused.
 */
export interface Repository<Row, Create, Update> {
  /** Adds a row and gives it as it is stored. */
  create(data: Create, userId: string, client?: pg.ClientBase): Promise<Row>;
  /** Adds rows in one statement, all or none, and gives them in the order of the data. */
  createMany(data: readonly Create[], userId: string, client?: pg.ClientBase): Promise<Row[]>;
  /** The row, or null if there is none. */
  findById(id: string, client?: pg.ClientBase): Promise<Row | null>;
  /**
   * The rows that meet all filters, by `createdAt` and `id`.
   *
   * @param pagination which part; without it all of them, and a `ValidationError` if they are more
   *   than 1000.
   */
  findAll(filters?: Filters<Row>, pagination?: Pagination, client?: pg.ClientBase): Promise<Row[]>;
  /**
   * Changes what is given and gives the row as it is stored.
   *
   * @param data with a `version`, the change is refused if the row has another by now.
   * @throws {NotFoundError} if there is no such row.
   * @throws {ConflictError} if the version is another; its `current` says which.
   */
  update(id: string, data: Update, userId: string, client?: pg.ClientBase): Promise<Row>;
  /**
   * Removes the row, and what belongs to it.
   *
   * @throws {NotFoundError} if there is no such row.
   */
  delete(id: string, userId: string, client?: pg.ClientBase): Promise<void>;
  /**
   * What was done to the row, the oldest first. That of a row which is gone is for `crm_admin` to
   * read.
   */
  history(id: string, client?: pg.ClientBase): Promise<AuditLog[]>;
}

export interface RepositoryOptions {
  /**
   * The role of every call: `crm_member` if not given. Definitions and stages are changed by
   * `crm_admin` only.
   */
  readonly role?: Role;
}

/** The repository of an entity, such as `RepositoryOf<"contact">`. */
export type RepositoryOf<Entity extends EntityName> = Repository<
  Rows[Entity],
  Creates[Entity],
  Updates[Entity]
>;

/**
 * Makes the repository of an entity.
 *
 * It checks the form of input, which PostgreSQL would read in ways of its own. The rules are the
 * database's.
 *
 * @param pool logs in as `crm_server`; see `createPool`.
 * @param entity such as `contact`.
 */
export function createRepository<Entity extends EntityName>(
  pool: pg.Pool,
  entity: Entity,
  { role = "crm_member" }: RepositoryOptions = {},
): RepositoryOf<Entity> {
  type Row = Rows[Entity];
  const table: Table = tables[entity];
  const execute = createExecute(pool, role);
  const statements = makeStatements(table);
  const createForm = createTypeSchemas[entity];
  const updateForm = updateTypeSchemas[entity];

  async function createMany(
    data: readonly Creates[Entity][],
    userId: string,
    client?: pg.ClientBase,
  ): Promise<Row[]> {
    const user = parseUserId(userId);
    const rows = data.map((row) => ({
      ...statements.defaults,
      ...toColumns(table, parse<object>(createForm, row)),
    }));
    return execute<Row>({ text: statements.insert, values: [JSON.stringify(rows)] }, user, client);
  }

  return {
    createMany,

    async create(data, userId, client) {
      return onlyRow(await createMany([data], userId, client));
    },

    async findById(id, client) {
      const values = [parseId(id)];
      const [row] = await execute<Row>({ text: statements.select, values }, undefined, client);
      return row ?? null;
    },

    async findAll(filters = {}, pagination, client) {
      const statement = listStatement(table, ["createdAt", "id"], filters, pagination);
      const rows = await execute<Row>(statement, undefined, client);
      refuseTooMany(rows, pagination);
      return rows;
    },

    async update(id, data, userId, client) {
      const user = parseUserId(userId);
      const changes = toColumns(table, parse<object>(updateForm, data));
      const values = [parseId(id), JSON.stringify(changes)];
      const text = statements.update(Object.keys(changes));
      const [row] = await execute<Row>({ text, values }, user, client);
      if (row === undefined) throw new NotFoundError(entity, id);
      return row;
    },

    async delete(id, userId, client) {
      const user = parseUserId(userId);
      const rows = await execute({ text: statements.delete, values: [parseId(id)] }, user, client);
      if (rows.length === 0) throw new NotFoundError(entity, id);
    },

    async history(id, client) {
      const values = [parseId(id), table.entityType];
      return execute<AuditLog>({ text: statements.history, values }, undefined, client);
    },
  };
}

function makeStatements(table: Table) {
  const columns = Object.values(table.columns);
  const names = (chosen: readonly { readonly name: string }[], alias = "") =>
    chosen.map(({ name }) => alias + identifier(name)).join(", ");
  const inserted = columns.filter((column) => column.insertable);
  const updated = columns.filter((column) => column.updatable);
  const row = rowJson(table, "t");

  return {
    /** What a new row holds where nothing is given, by column. */
    defaults: Object.fromEntries(
      inserted.flatMap((column) =>
        column.default === undefined ? [] : [[column.name, column.default]],
      ),
    ),
    insert: `
      insert into ${table.name} as t (${names(inserted)})
      select ${names(inserted, "given.")}
      from jsonb_array_elements($1::jsonb) with ordinality as item (value, ordinal)
      cross join lateral jsonb_populate_record(null::${table.name}, item.value) as given
      order by item.ordinal
      returning ${row}::text as row`,
    select: `
      select ${row}::text as row
      from ${table.name} as t
      where t.id = $1::uuid`,
    /**
     * It names the columns that are given and no other: triggers tell by that what was given. An update
     * of nothing names one that stays as it is.
     */
    update(given: readonly string[]) {
      const changed = updated.filter(({ name }) => given.includes(name));
      const named = changed.length > 0 ? changed : updated.slice(0, 1);
      return `
      update ${table.name} as t
      set (${names(named)}) = (
        select ${names(named, "given.")} from jsonb_populate_record(t, $2::jsonb) as given
      )
      where t.id = $1::uuid
      returning ${row}::text as row`;
    },
    delete: `
      delete from ${table.name} as t
      where t.id = $1::uuid
      returning ${row}::text as row`,
    history: `
      select ${rowJson(tables.auditLog, "entry")}::text as row
      from crm.audit_logs as entry
      where entry.entity_id = any (crm_private.merged_ids($2, $1::uuid)) and entry.entity_type = $2
      order by entry."timestamp", entry.id`,
  };
}
