import type { AuditLog, Company, CreateCompany, UpdateCompany } from "../model/generated/rows.ts";
import type { CompanyMerge, Duplicate } from "../repositories/duplicates.ts";
import type { Filter } from "../repositories/filters.ts";
import type { ListPart } from "../repositories/list.ts";
import type { Repositories } from "../repositories/repositories.ts";
import { parse, updateSchemas } from "../model/schemas.ts";
import { createEntityService, found, withAttachments, type WithAttachments } from "./entity.ts";

/**
 * The operations on companies. Every method throws errors of `server/errors/classes.ts`.
 */
export interface CompanyService {
  /** @throws {ValidationError} with every fault of the input, by field. */
  createCompany(data: CreateCompany, userId: string): Promise<Company>;
  /** @throws {NotFoundError} if there is no such company. */
  getCompany(id: string): Promise<Company>;
  /** @throws {ConflictError} if the data contain a version that is not the company's. */
  updateCompany(id: string, data: UpdateCompany, userId: string): Promise<Company>;
  /** @throws {NotFoundError} if there is no such company. */
  deleteCompany(id: string, userId: string): Promise<void>;
  /** Returns the companies that match a filter, the newest first. More than 1000 require `first`. */
  getCompanies(filter?: Filter<"company">, part?: ListPart<"company">): Promise<Company[]>;
  /**
   * Returns the company with its tasks and notes, in one round trip.
   *
   * @throws {NotFoundError} if there is no such company.
   */
  getCompanyWithAttachments(id: string): Promise<WithAttachments<"company">>;
  /** Returns the audit log entries of a company, the oldest first. More than 1000 require `first`. */
  getCompanyHistory(id: string, part?: ListPart<"auditLog">): Promise<AuditLog[]>;
  /**
   * Returns the possible duplicates of a company, the likeliest first.
   *
   * @throws {NotFoundError} if there is no such company.
   */
  findDuplicates(id: string): Promise<Duplicate[]>;
  /**
   * Returns the id of the company that the given one was merged into, through any number of merges; null if
   * it was not merged, or was restored.
   */
  getMergedInto(id: string): Promise<string | null>;
  /**
   * Merges companies: the winner receives the contacts, deals, tasks and notes of the losers, which are
   * deleted.
   *
   * @param winner the id of the company that remains.
   * @param losers the ids of the companies to be merged into it.
   * @param fields values for the winner, which take precedence over those of the companies.
   * @throws {NotFoundError} with the ids of missing companies in `entityIds`.
   * @throws {ConflictError} if the fields contain a version that is not the winner's.
   */
  mergeCompanies(
    winner: string,
    losers: readonly string[],
    fields: UpdateCompany,
    userId: string,
  ): Promise<CompanyMerge>;
}

/** Creates the service of companies. */
export function createCompanyService({
  companies: repository,
}: Pick<Repositories, "companies">): CompanyService {
  const service = createEntityService("company", repository);
  return {
    createCompany: service.create,
    getCompany: service.get,
    updateCompany: service.update,
    deleteCompany: service.remove,
    getCompanies: service.list,
    getCompanyWithAttachments: async (id) =>
      found("company", id, await repository.findById(id, withAttachments)),
    getCompanyHistory: service.history,
    findDuplicates: (id) => repository.findDuplicates(id),
    getMergedInto: (id) => repository.mergedInto(id),
    async mergeCompanies(winner, losers, fields, userId) {
      parse<object>(updateSchemas.company, fields);
      return repository.merge(winner, losers, fields, userId);
    },
  };
}
