import type pg from "pg";

import type { Note, Rows, Task } from "../model/generated/rows.ts";
import { tables } from "../model/generated/tables.ts";
import type { Role } from "../postgres/pool.ts";
import { createExecute } from "./execute.ts";
import { parseId } from "./id.ts";
import { rowJson } from "./sql.ts";

/** An entity that tasks and notes are attached to. */
export type AttachableName = "contact" | "company" | "deal";

/** A row with its tasks and notes, the oldest first. */
export type WithAttachments<Row> = Row & { tasks: Task[]; notes: Note[] };

/** Returns a row with its tasks and notes; null if there is no such row. */
export type FindWithAttachments<Row> = (
  id: string,
  client?: pg.ClientBase,
) => Promise<WithAttachments<Row> | null>;

/** Creates the function that reads an entity with its tasks and notes, in one statement. */
export function createFindWithAttachments<Entity extends AttachableName>(
  pool: pg.Pool,
  entity: Entity,
  role: Role,
): FindWithAttachments<Rows[Entity]> {
  const execute = createExecute(pool, role);
  const table = tables[entity];
  const attached = (kind: "task" | "note") => `(
    select coalesce(
      json_agg(${rowJson(tables[kind], "attached")} order by attached.created_at, attached.id),
      '[]'
    )
    from ${tables[kind].name} as attached
    where attached.${entity}_id = t.id
  )`;
  const text = `
    select json_build_object(
      'entity', ${rowJson(table, "t")}, 'tasks', ${attached("task")}, 'notes', ${attached("note")}
    )::text as row
    from ${table.name} as t
    where t.id = $1::uuid`;

  return async (id, client) => {
    interface Found {
      entity: Rows[Entity];
      tasks: Task[];
      notes: Note[];
    }
    const [found] = await execute<Found>({ text, values: [parseId(id)] }, undefined, client);
    return found === undefined ? null : { ...found.entity, tasks: found.tasks, notes: found.notes };
  };
}
