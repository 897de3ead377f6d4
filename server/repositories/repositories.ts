import type pg from "pg";

import type { Rows } from "../model/generated/rows.ts";
import type { Role } from "../postgres/pool.ts";
import {
  type AttachableName,
  createFindWithAttachments,
  type FindWithAttachments,
} from "./attachments.ts";
import { type AuditLogRepository, createAuditLogRepository } from "./audit-logs.ts";
import { createCustomFieldRules, type CustomFieldRules } from "./custom-field-rules.ts";
import { createCreateDealWithTasks, type CreateDealWithTasks } from "./deal-with-tasks.ts";
import {
  createDuplicateRepository,
  type DuplicateRepository,
  type MergeableName,
} from "./duplicates.ts";
import { createRepository, type RepositoryOf } from "./repository.ts";
import { createSearch, type Search } from "./search.ts";
import { createUndo, type Undo } from "./undo.ts";

/** A repository whose rows can be read together with their tasks and notes, in one statement. */
export type AttachableRepository<Entity extends AttachableName> = RepositoryOf<Entity> & {
  /** Returns the row with its tasks and notes, or null if there is none. */
  findWithAttachments: FindWithAttachments<Rows[Entity]>;
};

/** A repository whose duplicate rows can be found and merged. */
export type MergeableRepository<Entity extends MergeableName> = AttachableRepository<Entity> &
  DuplicateRepository<Entity>;

/** One repository for each table, the search over them, and undo. */
export interface Repositories {
  readonly contacts: MergeableRepository<"contact">;
  readonly companies: MergeableRepository<"company">;
  readonly deals: AttachableRepository<"deal"> & { createWithTasks: CreateDealWithTasks };
  readonly tasks: RepositoryOf<"task">;
  readonly notes: RepositoryOf<"note">;
  readonly customFieldDefinitions: RepositoryOf<"customFieldDefinition"> & CustomFieldRules;
  readonly pipelineStages: RepositoryOf<"pipelineStage">;
  readonly exchangeRates: RepositoryOf<"exchangeRate">;
  readonly auditLogs: AuditLogRepository;
  readonly search: Search;
  readonly undo: Undo;
}

export interface RepositoriesOptions {
  /**
   * The role of every call. By default, it is `crm_member` for entities, and `crm_admin` for definitions,
   * stages, exchange rates and the audit log. The application decides which users may use these.
   */
  readonly role?: Role;
}

/**
 * Creates all repositories over one pool.
 *
 * @param pool connections as `crm_server`; see `createPool`.
 */
export function createRepositories(
  pool: pg.Pool,
  { role }: RepositoriesOptions = {},
): Repositories {
  const member = role ?? "crm_member";
  const admin = role ?? "crm_admin";
  const attachable = <Entity extends AttachableName>(entity: Entity) => ({
    ...createRepository(pool, entity, { role: member }),
    findWithAttachments: createFindWithAttachments(pool, entity, member),
  });
  const mergeable = <Entity extends MergeableName>(entity: Entity) => ({
    ...attachable(entity),
    ...createDuplicateRepository(pool, entity, member),
  });
  return {
    contacts: mergeable("contact"),
    companies: mergeable("company"),
    deals: {
      ...attachable("deal"),
      createWithTasks: createCreateDealWithTasks(pool, member),
    },
    tasks: createRepository(pool, "task", { role: member }),
    notes: createRepository(pool, "note", { role: member }),
    customFieldDefinitions: {
      ...createRepository(pool, "customFieldDefinition", { role: admin }),
      ...createCustomFieldRules(pool, admin),
    },
    pipelineStages: createRepository(pool, "pipelineStage", { role: admin }),
    exchangeRates: createRepository(pool, "exchangeRate", { role: admin }),
    auditLogs: createAuditLogRepository(pool, admin),
    search: createSearch(pool, member),
    undo: createUndo(pool, member),
  };
}
