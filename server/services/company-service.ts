import type { AuditLog, Company, CreateCompany, UpdateCompany } from "../model/generated/rows.ts";
import type { WithAttachments } from "../repositories/attachments.ts";
import type { CompanyMerge, Duplicate } from "../repositories/duplicates.ts";
import type { Filters } from "../repositories/filters.ts";
import type { Pagination } from "../repositories/pagination.ts";
import type { Repositories } from "../repositories/repositories.ts";
import { parse, updateSchemas } from "../model/schemas.ts";
import { createEntityService, found } from "./entity.ts";

/**
 * What an application does with companies. Every method throws the errors of `server/errors/classes.ts`.
 */
export interface CompanyService {
  /** @throws {ValidationError} with every fault of the input, by field. */
  createCompany(data: CreateCompany, userId: string): Promise<Company>;
  /** @throws {NotFoundError} if there is no such company. */
  getCompany(id: string): Promise<Company>;
  /** @throws {ConflictError} if the data carry a version that is not the company's. */
  updateCompany(id: string, data: UpdateCompany, userId: string): Promise<Company>;
  /** @throws {NotFoundError} if there is no such company. */
  deleteCompany(id: string, userId: string): Promise<void>;
  /** The companies that meet all filters, by `createdAt`; more than 1000 need a page. */
  getCompanies(filters?: Filters<Company>, pagination?: Pagination): Promise<Company[]>;
  /**
   * The company with its tasks and notes, in one round trip.
   *
   * @throws {NotFoundError} if there is none.
   */
  getCompanyWithAttachments(id: string): Promise<WithAttachments<Company>>;
  /** What was done to a company, the oldest first. */
  getCompanyHistory(id: string): Promise<AuditLog[]>;
  /**
   * The companies that may be the same, the likeliest first.
   *
   * @throws {NotFoundError} if there is no such company.
   */
  findDuplicates(id: string): Promise<Duplicate[]>;
  /**
   * The id of the company that one was merged into, through however many merges; null if it was not merged,
   * or is back.
   */
  getMergedInto(id: string): Promise<string | null>;
  /**
   * Makes one company of several: the winner gets the contacts, deals, tasks and notes of the losers, which are deleted.
   *
   * @param fields the values that are to win over what the companies have.
   * @throws {NotFoundError} whose `entityIds` are those that are not there.
   * @throws {ConflictError} if the fields carry a version that is not the winner's.
   */
  mergeCompanies(
    winner: string,
    losers: readonly string[],
    fields: UpdateCompany,
    userId: string,
  ): Promise<CompanyMerge>;
}

/** Makes the service of companies. */
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
      found("company", id, await repository.findWithAttachments(id)),
    getCompanyHistory: service.history,
    findDuplicates: (id) => repository.findDuplicates(id),
    getMergedInto: (id) => repository.mergedInto(id),
    async mergeCompanies(winner, losers, fields, userId) {
      parse<object>(updateSchemas.company, fields);
      return repository.merge(winner, losers, fields, userId);
    },
  };
}
