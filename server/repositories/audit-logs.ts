import type pg from "pg";

import type { AuditLog } from "../model/generated/rows.ts";
import { tables } from "../model/generated/tables.ts";
import type { Role } from "../postgres/pool.ts";
import { createExecute } from "./execute.ts";
import type { Filters } from "./filters.ts";
import { listStatement } from "./list.ts";
import { type Pagination, refuseTooMany } from "./pagination.ts";

/** The last entry of a page of the audit log. */
export type AuditCursor = Pick<AuditLog, "timestamp" | "id">;

/** The repository of the audit log, which can only be read. */
export interface AuditLogRepository {
  /**
   * Returns the entries that match all filters, in chronological order.
   *
   * @param pagination the page; without one, all entries.
   * @throws {ValidationError} if there are more than 1000 entries and no page.
   */
  findAll(
    filters?: Filters<AuditLog>,
    pagination?: Pagination<AuditCursor>,
    client?: pg.ClientBase,
  ): Promise<AuditLog[]>;
}

/**
 * Creates the repository of the audit log.
 *
 * @param pool connections as `crm_server`; see `createPool`.
 * @param role `crm_admin` reads all entries, other roles the history of rows that they can read.
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
