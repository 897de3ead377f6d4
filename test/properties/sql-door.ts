import pg from "pg";

import { NotFoundError } from "../../server/errors.ts";
import { parseUnrounded } from "../../server/exactJson.ts";
import type { AuditLog } from "../../server/generated/rows.ts";
import { tables } from "../../server/generated/tables.ts";
import { columnOf, identifier, rowJson, type Statement } from "../../server/repositories/sql.ts";
import type { Table } from "../../server/tables.ts";
import { typedError } from "../../server/typedError.ts";
import { asRole, type RequestRole } from "../helpers/database.ts";
import type { Carrier, Data, Entity } from "./arbitraries.ts";
import {
  columnName,
  type Door,
  type Entry,
  entryOf,
  present,
  Refused,
  type Row,
  typeInJournal,
} from "./door.ts";

/**
 * The database as somebody with psql has it: plain statements of a session that says who it is.
 * Nothing stands before it. The columns are those that are given, whatever they are called, and a
 * value is what PostgreSQL reads as one of the column's type.
 */
export function createSqlDoor(pool: () => pg.Pool): Door {
  /** Sends statements in one transaction, and gives the rows of each. */
  async function send<Result>(
    statements: Statement[],
    role: RequestRole,
    user = "tester",
  ): Promise<Result[][]> {
    const client = await pool().connect();
    try {
      await client.query("begin");
      await asRole(client, role, user);
      const results: Result[][] = [];
      for (const { text, values } of statements) {
        const { rows } = await client.query<{ row: string }>(text, [...values]);
        results.push(rows.map(({ row }) => parseUnrounded(row) as Result));
      }
      await client.query("commit");
      return results;
    } catch (error) {
      await client.query("rollback");
      throw told(error);
    } finally {
      client.release();
    }
  }

  async function createAll(entity: Entity, list: Data[], user?: string): Promise<Row[]> {
    const inserts = list.map((data) => insertion(entity, data));
    return (await send<Row>(inserts, writerOf(entity), user)).flat();
  }

  async function create(entity: Entity, data: Data, user?: string): Promise<Row> {
    const [row] = await createAll(entity, [data], user);
    return present(row);
  }

  async function findAll(entity: Entity, where: Data): Promise<Row[]> {
    const [rows = []] = await send<Row>([selection(tables[entity], where)], writerOf(entity));
    return rows;
  }

  async function find(entity: Entity, id: string): Promise<Row | null> {
    const [row] = await findAll(entity, { id });
    return row ?? null;
  }

  async function update(entity: Entity, id: string, patch: Data, user?: string): Promise<Row> {
    const [[row] = []] = await send<Row>([change(entity, id, patch)], writerOf(entity), user);
    if (row === undefined) throw new NotFoundError(entity, id);
    return row;
  }

  async function remove(entity: Entity, id: string, user?: string): Promise<void> {
    const [rows = []] = await send<Row>([deletion(entity, id)], writerOf(entity), user);
    if (rows.length === 0) throw new NotFoundError(entity, id);
  }

  async function withAttachments(entity: Carrier, id: string) {
    const attached = { entityType: entity, entityId: id };
    const [[row] = [], tasks = [], notes = []] = await send<Row>(
      [
        selection(tables[entity], { id }),
        selection(tables.task, attached),
        selection(tables.note, attached),
      ],
      "crm_member",
    );
    return { ...present(row), tasks, notes };
  }

  async function journal(where: Data): Promise<Entry[]> {
    const { text, values } = selection(tables.auditLog, where, ["timestamp", "id"]);
    const [entries = []] = await send<AuditLog>([{ text, values }], "crm_admin");
    return entries.map(entryOf);
  }

  return {
    name: "SQL",
    readsForms: false,
    create,
    createAll,
    find,
    findAll,
    update,
    remove,
    ofCompany: (entity, companyId) => findAll(entity, { companyId }),
    withAttachments,
    journalOf: (entity, id) => journal({ entityType: typeInJournal(entity), entityId: id }),
    journalBy: (user) => journal({ userId: user }),
  };
}

function writerOf(entity: Entity): RequestRole {
  return entity === "customFieldDefinition" ? "crm_admin" : "crm_member";
}

function insertion(entity: Entity, data: Data): Statement {
  const table = tables[entity];
  const { columns, parameters, values } = assigned(table, data);
  const given =
    columns.length === 0
      ? "default values"
      : `(${columns.join(", ")}) values (${parameters.join(", ")})`;
  const text = `insert into ${table.name} as t ${given} returning ${rowJson(table, "t")}::text as row`;
  return { text, values };
}

function change(entity: Entity, id: string, patch: Data): Statement {
  const table = tables[entity];
  const { columns, parameters, values } = assigned(table, patch);
  const assignments = columns.map((column, index) => `${column} = ${parameters[index]}`);
  const text = `
    update ${table.name} as t
    set ${assignments.join(", ")}
    where t.id = $${values.length + 1}::uuid
    returning ${rowJson(table, "t")}::text as row`;
  return { text, values: [...values, id] };
}

function deletion(entity: Entity, id: string): Statement {
  const table = tables[entity];
  const text = `delete from ${table.name} as t where t.id = $1::uuid returning to_json(t.id)::text as row`;
  return { text, values: [id] };
}

function selection(table: Table, where: Data, order = ["created_at", "id"]): Statement {
  const { columns, parameters, values } = assigned(table, where);
  const conditions = columns.map((column, index) => `t.${column} = ${parameters[index]}`);
  const text = `
    select ${rowJson(table, "t")}::text as row
    from ${table.name} as t
    where ${conditions.join(" and ")}
    order by ${order.map((name) => `t.${identifier(name)}`).join(", ")}`;
  return { text, values };
}

/** The columns that are given, with a parameter for each, and its value. */
function assigned(table: Table, data: Data) {
  const given = Object.entries(data).filter(([, value]) => value !== undefined);
  return {
    columns: given.map(([field]) => identifier(columnName(field))),
    parameters: given.map(([field], index) => {
      const type = columnOf(table, field)?.type;
      return `$${index + 1}${type === undefined ? "" : `::${type}`}`;
    }),
    values: given.map(([field, value]) =>
      columnOf(table, field)?.type === "jsonb" && value !== null ? JSON.stringify(value) : value,
    ),
  };
}

/** The product's error; PostgreSQL's own where it could not read a value, or knows no such column. */
function told(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError)) return error;
  const { code = "" } = error;
  return code.startsWith("22") || code === "42703"
    ? new Refused(error.message, { code })
    : typedError(error);
}
