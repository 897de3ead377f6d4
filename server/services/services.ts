import type pg from "pg";

import { createRepositories, type RepositoriesOptions } from "../repositories/repositories.ts";
import type { Undo } from "../repositories/undo.ts";
import { type AuditService, createAuditService } from "./audit-service.ts";
import { type CompanyService, createCompanyService } from "./company-service.ts";
import { type ContactService, createContactService } from "./contact-service.ts";
import { createCustomFieldService, type CustomFieldService } from "./custom-field-service.ts";
import { createDealService, type DealService } from "./deal-service.ts";
import { createNoteService, type NoteService } from "./note-service.ts";
import { createSearchService, type SearchService } from "./search-service.ts";
import { createTaskService, type TaskService } from "./task-service.ts";

/** All services. */
export interface Services {
  readonly contacts: ContactService;
  readonly companies: CompanyService;
  readonly deals: DealService;
  readonly tasks: TaskService;
  readonly notes: NoteService;
  readonly customFields: CustomFieldService;
  readonly audit: AuditService;
  readonly search: SearchService;
  readonly undo: Undo;
}

/**
 * Creates all services over one pool.
 *
 * @param pool connections as `crm_server`; see `createPool`.
 * @param options the role of every call.
 */
export function createServices(pool: pg.Pool, options: RepositoriesOptions = {}): Services {
  const repositories = createRepositories(pool, options);
  return {
    contacts: createContactService(repositories),
    companies: createCompanyService(repositories),
    deals: createDealService(repositories),
    tasks: createTaskService(repositories),
    notes: createNoteService(repositories),
    customFields: createCustomFieldService(repositories),
    audit: createAuditService(repositories),
    search: createSearchService(repositories),
    undo: repositories.undo,
  };
}
