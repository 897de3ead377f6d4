import type pg from "pg";
import { z } from "zod";

import type { CreateDeal, CreateTask, Deal } from "../model/generated/rows.ts";
import { tables } from "../model/generated/tables.ts";
import { parseUserId, type Role } from "../postgres/pool.ts";
import { createTypeSchemas, parse } from "../model/schemas.ts";
import { createExecute, onlyRow } from "./execute.ts";
import { rowJson, toColumns } from "./sql.ts";

/** A task that is created with its deal. */
export type CreateDealTask = Omit<CreateTask, "entityType" | "entityId">;

/**
 * Creates a deal and its tasks in one statement, all or none.
 *
 * @throws as `Repository.create`. The field of a fault in a task contains its position:
 *   `tasks.1.description`.
 */
export type CreateDealWithTasks = (
  deal: CreateDeal,
  tasks: readonly CreateDealTask[],
  userId: string,
  client?: pg.ClientBase,
) => Promise<Deal>;

const text = `
  select ${rowJson(tables.deal, "t")}::text as row
  from crm.create_deal_with_tasks(
    jsonb_populate_record(null::crm.new_deal, $1::jsonb),
    array(select given from jsonb_populate_recordset(null::crm.new_task, $2::jsonb) as given)
  ) as t`;

const taskForm = createTypeSchemas.task.omit({ entityType: true, entityId: true });
const form = createTypeSchemas.deal.extend({ tasks: z.array(taskForm) });

/** Creates the call of `crm.create_deal_with_tasks`. */
export function createCreateDealWithTasks(pool: pg.Pool, role: Role): CreateDealWithTasks {
  const execute = createExecute(pool, role);
  return async (deal, tasks, userId, client) => {
    const user = parseUserId(userId);
    const { tasks: given, ...rest } = parse(form, { ...deal, tasks });
    const dealRow = toColumns(tables.deal, rest);
    const taskRows = given.map((task) => toColumns(tables.task, task));
    const values = [JSON.stringify(dealRow), JSON.stringify(taskRows)];
    return onlyRow(await execute<Deal>({ text, values }, user, client));
  };
}
