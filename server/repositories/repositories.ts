import type pg from "pg";

import type { Role } from "../postgres/pool.ts";
import { createCustomFieldRules, type CustomFieldRules } from "./custom-field-rules.ts";
import { createCreateDealWithTasks, type CreateDealWithTasks } from "./deal-with-tasks.ts";
import {
  createDuplicateRepository,
  type DuplicateRepository,
  type MergeableName,
} from "./duplicates.ts";
import { createExecute } from "./execute.ts";
import { createReader, type Reader } from "./list.ts";
import { createRepository, type RepositoryOf } from "./repository.ts";
import { createSearch, type Search } from "./search.ts";
import { createUndo, type Undo } from "./undo.ts";

/** A repository whose duplicate rows can be found and merged. */
export type MergeableRepository<Entity extends MergeableName> = RepositoryOf<Entity> &
  DuplicateRepository<Entity>;

/** One repository for each table, the audit log and the trash, the search over them, and undo. */
export interface Repositories {
  readonly contacts: MergeableRepository<"contact">;
  readonly companies: MergeableRepository<"company">;
  readonly deals: RepositoryOf<"deal"> & { createWithTasks: CreateDealWithTasks };
  readonly tasks: RepositoryOf<"task">;
  readonly notes: RepositoryOf<"note">;
  readonly customFieldDefinitions: RepositoryOf<"customFieldDefinition"> & CustomFieldRules;
  readonly pipelineStages: RepositoryOf<"pipelineStage">;
  readonly exchangeRates: RepositoryOf<"exchangeRate">;
  /** All entries for `crm_admin`; for other roles those of rows that they can read. */
  readonly auditLogs: Reader<"auditLog">;
  /** The deleted rows that can be restored, for `crm_admin` those of all users. */
  readonly trash: Reader<"trashItem">;
  readonly search: Search;
  readonly undo: Undo;
}

export interface RepositoriesOptions {
  /**
   * The role of every call. By default, it is `crm_member` for entities, and `crm_admin` for definitions,
   * stages, exchange rates, the audit log and the trash. The application decides which users may use these.
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
  const mergeable = <Entity extends MergeableName>(entity: Entity) => ({
    ...createRepository(pool, entity, { role: member }),
    ...createDuplicateRepository(pool, entity, member),
  });
  return {
    contacts: mergeable("contact"),
    companies: mergeable("company"),
    deals: {
      ...createRepository(pool, "deal", { role: member }),
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
    auditLogs: createReader(createExecute(pool, admin), "auditLog"),
    trash: createReader(createExecute(pool, admin), "trashItem"),
    search: createSearch(pool, member),
    undo: createUndo(pool, member),
  };
}
