import type { AuditLog } from "../model/generated/rows.ts";
import type { AuditCursor } from "../repositories/audit-logs.ts";
import type { Pagination } from "../repositories/pagination.ts";
import type { Repositories } from "../repositories/repositories.ts";

/** What an administrator reads in the audit log, always in chronological order. */
export interface AuditService {
  /**
   * Everything that was done to a row, also to one that is gone.
   *
   * @param entityType as the audit log calls it: `contact`, …, `custom_field_definition`.
   * @param pagination which part; more than 1000 entries need one.
   */
  getAuditLogsByEntity(
    entityType: string,
    entityId: string,
    pagination?: Pagination<AuditCursor>,
  ): Promise<AuditLog[]>;
  /**
   * Everything that a user did.
   *
   * @param pagination which part; more than 1000 entries need one.
   */
  getAuditLogsByUser(userId: string, pagination?: Pagination<AuditCursor>): Promise<AuditLog[]>;
}

/** Makes the service of the audit log. */
export function createAuditService({ auditLogs }: Pick<Repositories, "auditLogs">): AuditService {
  return {
    getAuditLogsByEntity: (entityType, entityId, pagination) =>
      auditLogs.findAll({ entityType, entityId }, pagination),
    getAuditLogsByUser: (userId, pagination) => auditLogs.findAll({ userId }, pagination),
  };
}
