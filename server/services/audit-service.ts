import type { AuditLog } from "../model/generated/rows.ts";
import type { ListPart } from "../repositories/list.ts";
import type { Repositories } from "../repositories/repositories.ts";

/** Reads the audit log with the rights of an administrator, in chronological order. */
export interface AuditService {
  /**
   * Returns the audit log entries of a row, even of a deleted one.
   *
   * @param entityType the type in the audit log: `contact`, …, `custom_field_definition`.
   * @param part the part of the list; `first` or `last` is required for more than 1000 entries.
   */
  getAuditLogsByEntity(
    entityType: string,
    entityId: string,
    part?: ListPart<"auditLog">,
  ): Promise<AuditLog[]>;
  /**
   * Returns the audit log entries of a user's changes.
   *
   * @param part the part of the list; `first` or `last` is required for more than 1000 entries.
   */
  getAuditLogsByUser(userId: string, part?: ListPart<"auditLog">): Promise<AuditLog[]>;
}

/** Creates the service of the audit log. */
export function createAuditService({ auditLogs }: Pick<Repositories, "auditLogs">): AuditService {
  return {
    getAuditLogsByEntity: (entityType, entityId, part) =>
      auditLogs.findAll(
        { entityType: { equalTo: entityType }, entityId: { equalTo: entityId } },
        part,
      ),
    getAuditLogsByUser: (userId, part) => auditLogs.findAll({ userId: { equalTo: userId } }, part),
  };
}
