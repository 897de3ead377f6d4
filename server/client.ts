/**
 * pgcrm for TypeScript: typed repositories and services over PostgreSQL. All rules are in the database;
 * the repositories and services add none.
 *
 * ```ts
 * import { createPool, createServices, ValidationError } from "pgcrm/client";
 *
 * const pool = createPool({ connectionString: process.env.SERVER_DATABASE_URL });
 * const { companies, contacts } = createServices(pool);
 *
 * const acme = await companies.createCompany({ name: "Acme" }, "ada");
 * try {
 *   const ada = { firstName: " ", lastName: "Byron", emails: ["x"], companyId: acme.id };
 *   await contacts.createContact(ada, "ada");
 * } catch (error) {
 *   if (error instanceof ValidationError) console.log(error.fields);
 *   // { firstName: ["must not be blank"], "emails.0": ['"x" is not an email address'] }
 * }
 * await pool.end();
 * ```
 *
 * @module
 */

export {
  BulkError,
  CommittedError,
  ConflictError,
  ConstraintViolationError,
  CrmError,
  type Conflict,
  type Conflicts,
  type Current,
  DatabaseError,
  type ErrorCode,
  type Fields,
  ForbiddenError,
  InDoubtError,
  NotFoundError,
  OverloadedError,
  PayloadTooLargeError,
  ReadOnlyError,
  type RowFault,
  TimeoutError,
  UnavailableError,
  ValidationError,
} from "./errors/classes.ts";
export type * from "./model/generated/rows.ts";
export {
  createPool,
  type DatabaseConfig,
  inTransaction,
  type PoolConfig,
  type Role,
  type Session,
} from "./postgres/pool.ts";
export {
  type BulkCounts,
  type BulkMode,
  bulkModes,
  type BulkOptions,
  type BulkResult,
  type BulkWriter,
  type RecordName,
} from "./repositories/bulk.ts";
export type { CreateDealTask, CreateDealWithTasks } from "./repositories/deal-with-tasks.ts";
export type {
  CompanyMerge,
  Duplicate,
  DuplicateRepository,
  Merge,
  MergeableName,
} from "./repositories/duplicates.ts";
export type { ExternalIdFinder } from "./repositories/external-ids.ts";
export type { Filter, ManyFilter } from "./repositories/filters.ts";
export type { ListOptions, ListPart, LoadOptions, Reader } from "./repositories/list.ts";
export type { ListableName, ListableRows, TrashItem } from "./repositories/listable.ts";
export type { Loaded, RelatedList, With } from "./repositories/loads.ts";
export type { Direction, Order, OrderBy } from "./repositories/orders.ts";
export type { Page, PageOptions } from "./repositories/pages.ts";
export type { FieldValue, Past } from "./repositories/past.ts";
export {
  createRepositories,
  type MergeableRepository,
  type Repositories,
  type RepositoriesOptions,
} from "./repositories/repositories.ts";
export {
  createRepository,
  type RecordRepository,
  type Repository,
  type RepositoryOf,
  type RepositoryOptions,
} from "./repositories/repository.ts";
export {
  conflictResolutions,
  type ConflictResolution,
  type Reversal,
  type Undo,
  type UndoOptions,
} from "./repositories/undo.ts";
export { type OnceOptions, runOnce } from "./repositories/run-once.ts";
export type { Search, SearchableName, SearchHit, SearchOptions } from "./repositories/search.ts";
export type {
  CustomFieldFault,
  CustomFieldRuleChange,
  CustomFieldRules,
} from "./repositories/custom-field-rules.ts";
export { type CustomFieldRule, customFieldsSchema } from "./model/custom-fields.ts";
export {
  createSchemas,
  type EntityName,
  type InputSchema,
  parse,
  updateSchemas,
  userIdSchema,
} from "./model/schemas.ts";
export { type AuditService, createAuditService } from "./services/audit-service.ts";
export { type CompanyService, createCompanyService } from "./services/company-service.ts";
export { type ContactService, createContactService } from "./services/contact-service.ts";
export {
  createCustomFieldService,
  type CustomFieldService,
} from "./services/custom-field-service.ts";
export { createDealService, type DealService } from "./services/deal-service.ts";
export { createNoteService, type NoteService } from "./services/note-service.ts";
export { createSearchService, type SearchService } from "./services/search-service.ts";
export { createServices, type Services } from "./services/services.ts";
export type { WithAttachments } from "./services/entity.ts";
export { createTaskService, type TaskService } from "./services/task-service.ts";
