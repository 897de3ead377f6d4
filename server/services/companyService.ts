import type { AuditLog, Company, CreateCompany, UpdateCompany } from "../generated/rows.ts";
import type { WithAttachments } from "../repositories/attachments.ts";
import type { Filters } from "../repositories/filters.ts";
import type { Pagination } from "../repositories/pagination.ts";
import type { Repositories } from "../repositories/repositories.ts";
import { createEntityService, found } from "./entity.ts";

/**
 * What an application does with companies. Every method throws the errors of `server/errors.ts`.
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
  };
}
