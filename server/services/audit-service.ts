import type { AuditLog } from "../model/generated/rows.ts";
import type { AuditCursor } from "../repositories/audit-logs.ts";
import type { Pagination } from "../repositories/pagination.ts";
import type { Repositories } from "../repositories/repositories.ts";

/** Reads the audit log with the rights of an administrator, in chronological order. */
export interface AuditService {
  /**
   * Returns the audit log entries of a row, even of a deleted one.
   *
   * @param entityType the type in the audit log: `contact`, …, `custom_field_definition`.
   * @param pagination the page; required for more than 1000 entries.
   */
  getAuditLogsByEntity(
    entityType: string,
    entityId: string,
    pagination?: Pagination<AuditCursor>,
  ): Promise<AuditLog[]>;
  /**
   * Returns the audit log entries of a user's changes.
   *
   * @param pagination the page; required for more than 1000 entries.
   */
  getAuditLogsByUser(userId: string, pagination?: Pagination<AuditCursor>): Promise<AuditLog[]>;
}

/** Creates the service of the audit log. */
export function createAuditService({ auditLogs }: Pick<Repositories, "auditLogs">): AuditService {
  return {
    getAuditLogsByEntity: (entityType, entityId, pagination) =>
      auditLogs.findAll({ entityType, entityId }, pagination),
    getAuditLogsByUser: (userId, pagination) => auditLogs.findAll({ userId }, pagination),
  };
}
