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
 * Reads and writes the rows of one table.
 *
 * Each call is a separate transaction, unless a client inside a transaction is passed. Writing methods
 * require a `userId`, of 1 to 255 characters, that does not begin with `db:` or `key:`.
 *
 * Every method throws only errors of `server/errors/classes.ts`: `ValidationError` for input that violates a
 * rule, with all faults by field; `ConstraintViolationError` for a reference to a row that does not exist, a
 * row that is still referenced, or a name that is taken; `ForbiddenError` if the role lacks the right; and
 * `DatabaseError` for errors that no input caused.
 */
export interface Repository<Row, Create, Update> {
  /** Creates a row and returns it as stored. */
  create(data: Create, userId: string, client?: pg.ClientBase): Promise<Row>;
  /** Creates rows in one statement, all or none, and returns them in the order of the data. */
  createMany(data: readonly Create[], userId: string, client?: pg.ClientBase): Promise<Row[]>;
  /** Returns the row, or null if there is none. */
  findById(id: string, client?: pg.ClientBase): Promise<Row | null>;
  /**
   * Returns the rows that match all filters, ordered by `createdAt` and `id`.
   *
   * @param pagination the page; without one, all rows.
   * @throws {ValidationError} if there are more than 1000 rows and no page.
   */
  findAll(filters?: Filters<Row>, pagination?: Pagination, client?: pg.ClientBase): Promise<Row[]>;
  /**
   * Updates the given fields and returns the row as stored.
   *
   * @param data the fields; with a `version`, the update is refused if the row has another version.
   * @throws {NotFoundError} if there is no such row.
   * @throws {ConflictError} if the version differs; `current` contains the current one.
   */
  update(id: string, data: Update, userId: string, client?: pg.ClientBase): Promise<Row>;
  /**
   * Deletes the row, and the rows that belong to it.
   *
   * @throws {NotFoundError} if there is no such row.
   */
  delete(id: string, userId: string, client?: pg.ClientBase): Promise<void>;
  /**
   * Returns the audit log entries of the row, the oldest first. Only `crm_admin` may read those of a deleted
   * row.
   */
  history(id: string, client?: pg.ClientBase): Promise<AuditLog[]>;
}

export interface RepositoryOptions {
  /**
   * The role of every call; by default `crm_member`. Only `crm_admin` may change definitions and stages.
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
 * Creates the repository of an entity.
 *
 * It checks the format of input, because PostgreSQL accepts more formats. The database checks the rules.
 *
 * @param pool connections as `crm_server`; see `createPool`.
 * @param entity the entity, such as `contact`.
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
    /** The defaults of a new row, by column. */
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
     * Names exactly the given columns, because triggers depend on which columns an update names. An update
     * without fields names one column, which stays unchanged.
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
