import pg from "pg";

import { NotFoundError } from "../../server/errors/classes.ts";
import { parseUnrounded } from "../../server/model/exact-json.ts";
import type { AuditLog } from "../../server/model/generated/rows.ts";
import { tables } from "../../server/model/generated/tables.ts";
import type { Role } from "../../server/postgres/pool.ts";
import { columnOf, identifier, rowJson, type Statement } from "../../server/repositories/sql.ts";
import type { Table } from "../../server/model/tables.ts";
import { typedError } from "../../server/postgres/typed-error.ts";
import type { Carrier, Data, Entity } from "./arbitraries.ts";
import {
  columnName,
  type Api,
  type Entry,
  entryOf,
  present,
  Refused,
  type Row,
  entityTypeOf,
} from "./api.ts";

/**
 * The database as somebody with psql has it: plain statements of a session that says who it is.
 * Nothing stands before it. The columns are those that are given, whatever they are called, and a
 * value is what PostgreSQL reads as one of the column's type.
 */
export function createSqlApi(pool: () => pg.Pool): Api {
  /** Says who the session is, and then a statement. Gives the rows that it returns. */
  async function send<Result>(
    { text, values }: Statement,
    role: Role,
    user = "tester",
  ): Promise<Result[]> {
    const client = await pool().connect();
    try {
      await client.query(`set role ${role}; set crm.user_id = ${client.escapeLiteral(user)}`);
      const { rows } = await client.query<{ row: string }>(text, [...values]);
      return rows.map(({ row }) => parseUnrounded(row) as Result);
    } catch (error) {
      throw told(error);
    } finally {
      client.release();
    }
  }

  async function createAll(entity: Entity, list: Data[], user?: string): Promise<Row[]> {
    if (list.length === 0) return [];
    return send<Row>(insertion(tables[entity], list), roleFor(entity), user);
  }

  async function create(entity: Entity, data: Data, user?: string): Promise<Row> {
    const [row] = await createAll(entity, [data], user);
    return present(row);
  }

  function findAll(entity: Entity, where: Data): Promise<Row[]> {
    return send<Row>(selection(tables[entity], where, ["created_at", "id"]), roleFor(entity));
  }

  async function find(entity: Entity, id: string): Promise<Row | null> {
    const [row] = await findAll(entity, { id });
    return row ?? null;
  }

  async function update(entity: Entity, id: string, patch: Data, user?: string): Promise<Row> {
    const [row] = await send<Row>(change(tables[entity], id, patch), roleFor(entity), user);
    if (row === undefined) throw new NotFoundError(entity, id);
    return row;
  }

  async function remove(entity: Entity, id: string, user?: string): Promise<void> {
    const rows = await send(deletion(tables[entity], id), roleFor(entity), user);
    if (rows.length === 0) throw new NotFoundError(entity, id);
  }

  async function withAttachments(entity: Carrier, id: string) {
    const attached = { entityType: entity, entityId: id };
    const tasks = await findAll("task", attached);
    const notes = await findAll("note", attached);
    return { ...present(await find(entity, id)), tasks, notes };
  }

  async function auditLog(where: Data): Promise<Entry[]> {
    const statement = selection(tables.auditLog, where, ["timestamp", "id"]);
    return (await send<AuditLog>(statement, "crm_admin")).map(entryOf);
  }

  return {
    name: "SQL",
    checksTypes: false,
    create,
    createAll,
    find,
    findAll,
    update,
    remove,
    ofCompany: (entity, companyId) => findAll(entity, { companyId }),
    withAttachments,
    entriesOf: (entity, id) => auditLog({ entityType: entityTypeOf(entity), entityId: id }),
    entriesBy: (user) => auditLog({ userId: user }),
  };
}

function roleFor(entity: Entity): Role {
  return entity === "customFieldDefinition" ? "crm_admin" : "crm_member";
}

/** One row names the columns that it gives; of several, the others have their default. */
function insertion(table: Table, list: Data[]): Statement {
  const { parameter, values } = createParameters(table);
  const rows = list.map((data) => new Map(given(data)));
  const fields = [...new Set(rows.flatMap((row) => [...row.keys()]))];
  const lines = rows.map((row) => {
    const items = fields.map((field) =>
      row.has(field) ? parameter(field, row.get(field)) : "default",
    );
    return `(${items.join(", ")})`;
  });
  const source =
    fields.length === 0
      ? "default values"
      : `(${fields.map(column).join(", ")}) values ${lines.join(", ")}`;
  const text = `
    insert into ${table.name} as t ${source}
    returning ${rowJson(table, "t")}::text as row`;
  return { text, values };
}

function change(table: Table, id: string, patch: Data): Statement {
  const { parameter, values } = createParameters(table);
  const assignments = given(patch).map(
    ([field, value]) => `${column(field)} = ${parameter(field, value)}`,
  );
  const text = `
    update ${table.name} as t
    set ${assignments.join(", ")}
    where t.id = ${parameter("id", id)}
    returning ${rowJson(table, "t")}::text as row`;
  return { text, values };
}

function deletion(table: Table, id: string): Statement {
  const { parameter, values } = createParameters(table);
  const text = `
    delete from ${table.name} as t
    where t.id = ${parameter("id", id)}
    returning ${rowJson(table, "t")}::text as row`;
  return { text, values };
}

function selection(table: Table, where: Data, order: string[]): Statement {
  const { parameter, values } = createParameters(table);
  const conditions = given(where).map(
    ([field, value]) => `t.${column(field)} = ${parameter(field, value)}`,
  );
  const text = `
    select ${rowJson(table, "t")}::text as row
    from ${table.name} as t
    where ${conditions.join(" and ")}
    order by ${order.map((name) => `t.${identifier(name)}`).join(", ")}`;
  return { text, values };
}

function given(data: Data): [field: string, value: unknown][] {
  return Object.entries(data).filter(([, value]) => value !== undefined);
}

/** The column of a field, whether there is one or not. */
function column(field: string): string {
  return identifier(columnName(field));
}

/** Numbers the parameters of a statement, each of its column's type, and collects their values. */
function createParameters(table: Table) {
  const values: unknown[] = [];
  function parameter(field: string, value: unknown): string {
    const type = columnOf(table, field)?.type;
    const isJson = type === "jsonb" && value !== null;
    const number = values.push(isJson ? JSON.stringify(value) : value);
    return type === undefined ? `$${number}` : `$${number}::${type}`;
  }
  return { parameter, values };
}

/** The product's error; PostgreSQL's own where it could not read a value, or knows no such column. */
function told(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError)) return error;
  const { code = "" } = error;
  return code.startsWith("22") || code === "42703"
    ? new Refused(error.message, { code })
    : typedError(error);
}
