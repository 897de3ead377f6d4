import type { AuditLog, Contact, CreateContact, UpdateContact } from "../generated/rows.ts";
import type { WithAttachments } from "../repositories/attachments.ts";
import type { Filters } from "../repositories/filters.ts";
import type { Pagination } from "../repositories/pagination.ts";
import type { Repositories } from "../repositories/repositories.ts";
import { createEntityService, found } from "./entity.ts";

/** What an application does with contacts. Every method throws the errors of `server/errors.ts`. */
export interface ContactService {
  /** @throws {ValidationError} with every fault of the input, by field. */
  createContact(data: CreateContact, userId: string): Promise<Contact>;
  /** @throws {NotFoundError} if there is no such contact. */
  getContact(id: string): Promise<Contact>;
  /** @throws {ConflictError} if the data carry a version that is not the contact's. */
  updateContact(id: string, data: UpdateContact, userId: string): Promise<Contact>;
  /** @throws {NotFoundError} if there is no such contact. */
  deleteContact(id: string, userId: string): Promise<void>;
  /** The contacts that meet all filters, by `createdAt`; more than 1000 need a page. */
  getContacts(filters?: Filters<Contact>, pagination?: Pagination): Promise<Contact[]>;
  /** The contacts of a company, by `createdAt`; more than 1000 need a page. */
  getContactsByCompany(companyId: string, pagination?: Pagination): Promise<Contact[]>;
  /**
   * The contact with its tasks and notes, in one round trip.
   *
   * @throws {NotFoundError} if there is none.
   */
  getContactWithAttachments(id: string): Promise<WithAttachments<Contact>>;
  /** What was done to a contact, the oldest first. */
  getContactHistory(id: string): Promise<AuditLog[]>;
}

/** Makes the service of contacts. */
export function createContactService({
  contacts: repository,
}: Pick<Repositories, "contacts">): ContactService {
  const service = createEntityService("contact", repository);
  return {
    createContact: service.create,
    getContact: service.get,
    updateContact: service.update,
    deleteContact: service.remove,
    getContacts: service.list,
    getContactsByCompany: (companyId, pagination) => service.list({ companyId }, pagination),
    getContactWithAttachments: async (id) =>
      found("contact", id, await repository.findWithAttachments(id)),
    getContactHistory: service.history,
  };
}
