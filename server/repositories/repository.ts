import type pg from "pg";

import { NotFoundError } from "../errors/classes.ts";
import type { Creates, Rows, Updates } from "../model/generated/rows.ts";
import { tables } from "../model/generated/tables.ts";
import { createTypeSchemas, type EntityName, parse, updateTypeSchemas } from "../model/schemas.ts";
import type { Table } from "../model/tables.ts";
import { parseUserId, type Role } from "../postgres/pool.ts";
import { type BulkWriter, createBulkWriter, type RecordName } from "./bulk.ts";
import { createExecute, onlyRow } from "./execute.ts";
import { createExternalIdFinder, type ExternalIdFinder } from "./external-ids.ts";
import { parseId } from "./id.ts";
import { createReader, type LoadOptions, type Reader, rowStatement } from "./list.ts";
import { type Loaded, refuseTooManyRelated, type With } from "./loads.ts";
import { createPast, type Past } from "./past.ts";
import { identifier, rowJson, toColumns } from "./sql.ts";
import { createUndo, type Reversal } from "./undo.ts";

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
export interface Repository<Entity extends EntityName> extends Reader<Entity>, Past<Entity> {
  /** Creates a row and returns it as stored. */
  create(data: Creates[Entity], userId: string, client?: pg.ClientBase): Promise<Rows[Entity]>;
  /** Returns the row, or null if there is none. */
  findById<const Loads extends With<Entity> | undefined = undefined>(
    id: string,
    options?: LoadOptions<Entity, Loads>,
    client?: pg.ClientBase,
  ): Promise<Loaded<Entity, Loads> | null>;
  /**
   * Updates the given fields and returns the row as stored.
   *
   * @param data the fields; with a `version`, the update is refused if the row has another version.
   * @throws {NotFoundError} if there is no such row.
   * @throws {ConflictError} if the version differs; `current` contains the current one.
   */
  update(
    id: string,
    data: Updates[Entity],
    userId: string,
    client?: pg.ClientBase,
  ): Promise<Rows[Entity]>;
  /**
   * Deletes the row, and the rows that belong to it.
   *
   * @throws {NotFoundError} if there is no such row.
   */
  delete(id: string, userId: string, client?: pg.ClientBase): Promise<void>;
  /**
   * Restores the deleted row with the rows that were deleted with it. Only `crm_admin` may restore what
   * another user deleted.
   *
   * @throws {NotFoundError} if there was no such row, or another user deleted it.
   * @throws {ConstraintViolationError} if the row is not deleted.
   */
  restore(id: string, userId: string, client?: pg.ClientBase): Promise<Reversal>;
}

/** A repository of an entity with external ids, whose rows can be written in bulk. */
export interface RecordRepository<Entity extends RecordName>
  extends Repository<Entity>, BulkWriter<Entity>, ExternalIdFinder<Entity> {}

export interface RepositoryOptions {
  /**
   * The role of every call; by default `crm_member`. Only `crm_admin` may change definitions and stages.
   */
  readonly role?: Role;
}

/** The repository of an entity, such as `RepositoryOf<"contact">`. */
export type RepositoryOf<Entity extends EntityName> = Entity extends RecordName
  ? RecordRepository<Entity>
  : Repository<Entity>;

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
  const undo = createUndo(pool, role);

  const repository: Repository<Entity> = {
    ...createReader(execute, entity),
    ...createPast(execute, entity),

    async create(data, userId, client) {
      const user = parseUserId(userId);
      const row = { ...statements.defaults, ...toColumns(table, parse<object>(createForm, data)) };
      const values = [JSON.stringify(row)];
      return onlyRow(await execute<Row>({ text: statements.insert, values }, user, client));
    },

    async findById(id, options = {}, client) {
      const statement = rowStatement(entity, parseId(id), options.with);
      const rows = await execute<unknown>(statement, undefined, client);
      refuseTooManyRelated(entity, rows, options.with);
      // The type of the row follows from the options, which the compiler cannot see here.
      return (rows[0] ?? null) as never;
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

    restore: (id, userId, client) => undo.restoreDeleted(table.entityType, id, userId, client),
  };
  return (
    isRecord(entity)
      ? {
          ...repository,
          ...createBulkWriter(pool, execute, entity, role),
          ...createExternalIdFinder(execute, entity),
        }
      : repository
  ) as RepositoryOf<Entity>;
}

function isRecord(entity: EntityName): entity is RecordName {
  return "externalIds" in tables[entity].columns;
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
      from jsonb_populate_record(null::${table.name}, $1::jsonb) as given
      returning ${row}::text as row`,
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
  };
}
