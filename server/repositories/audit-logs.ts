import type pg from "pg";

import type { AuditLog } from "../model/generated/rows.ts";
import { tables } from "../model/generated/tables.ts";
import type { Role } from "../postgres/pool.ts";
import { createExecute } from "./execute.ts";
import type { Filters } from "./filters.ts";
import { listStatement } from "./list.ts";
import { type Pagination, refuseTooMany } from "./pagination.ts";

/** Where a page of the audit log ended. */
export type AuditCursor = Pick<AuditLog, "timestamp" | "id">;

/** The audit log, which can only be read. */
export interface AuditLogRepository {
  /**
   * The entries that meet all filters, in chronological order.
   *
   * @param pagination which part; without it all of them, and a `ValidationError` if they are more
   *   than 1000.
   */
  findAll(
    filters?: Filters<AuditLog>,
    pagination?: Pagination<AuditCursor>,
    client?: pg.ClientBase,
  ): Promise<AuditLog[]>;
}

/**
 * Makes the repository of the audit log.
 *
 * @param role `crm_admin` reads the whole of it, other roles the history of what they can read.
 */
export function createAuditLogRepository(pool: pg.Pool, role: Role): AuditLogRepository {
  const execute = createExecute(pool, role);
  return {
    async findAll(filters = {}, pagination, client) {
      const statement = listStatement(tables.auditLog, ["timestamp", "id"], filters, pagination);
      const rows = await execute<AuditLog>(statement, undefined, client);
      refuseTooMany(rows, pagination);
      return rows;
    },
  };
}
