import type pg from "pg";

import type { RequestRole } from "./database.ts";
import { describe, type Refusal } from "./refusal.ts";

/** What the functions answer that undo and restore. */
export interface Reversal {
  transaction_id: string;
  restored: string;
  changed: string;
  deleted: string;
  kept: Kept[];
  kept_count: string;
}

/** What is not as it was, or not as it was expected to be. */
export interface Kept {
  entityType: string;
  entityId: string;
  field: string;
  expected: unknown;
  found: unknown;
  changedBy: string;
}

/** What is done in the name of somebody, each time in a transaction of its own. */
export interface Actors {
  /** Gives the id of the transaction. */
  as(user: string, role: RequestRole, text: string, values?: unknown[]): Promise<string>;
  /** `ann` and `bob` are members, `root` is an administrator. */
  ann(text: string, values?: unknown[]): Promise<string>;
  bob(text: string, values?: unknown[]): Promise<string>;
  root(text: string, values?: unknown[]): Promise<string>;
  /** Calls a function of the API as root, unless told otherwise. */
  call(text: string, values: unknown[], user?: string, role?: RequestRole): Promise<Reversal>;
  row(table: string, id: string): Promise<Record<string, unknown> | undefined>;
}

/** @param owner a connection of the owner of the database, outside a transaction. */
export function createActors(owner: pg.Client): Actors {
  async function within<Result>(
    user: string,
    role: RequestRole,
    work: () => Promise<Result>,
  ): Promise<Result> {
    await owner.query("begin");
    try {
      await owner.query(
        "select set_config('role', $1, true), set_config('crm.user_id', $2, true)",
        [role, user],
      );
      const result = await work();
      await owner.query("commit");
      return result;
    } catch (error) {
      await owner.query("rollback");
      throw error;
    }
  }

  const as: Actors["as"] = (user, role, text, values) =>
    within(user, role, async () => {
      await (values === undefined ? owner.query(text) : owner.query(text, values));
      const { rows } = await owner.query<{ id: string }>("select pg_current_xact_id()::text as id");
      return rows[0]?.id ?? "";
    });
  return {
    as,
    ann: (text, values) => as("ann", "crm_member", text, values),
    bob: (text, values) => as("bob", "crm_member", text, values),
    root: (text, values) => as("root", "crm_admin", text, values),
    call: (text, values, user = "root", role = "crm_admin") =>
      within(user, role, async () => {
        const { rows } = await owner.query<Reversal>(`select * from crm.${text}`, values);
        if (rows[0] === undefined) throw new Error("nothing was answered");
        return rows[0];
      }),
    row: async (table, id) =>
      (await owner.query<Record<string, unknown>>(`select * from crm.${table} where id = $1`, [id]))
        .rows[0],
  };
}

/**
 * How something was refused.
 *
 * @throws Error when it was not.
 */
export async function refused(work: Promise<unknown>): Promise<Refusal> {
  try {
    await work;
  } catch (error) {
    return describe(error);
  }
  throw new Error("was not refused");
}
