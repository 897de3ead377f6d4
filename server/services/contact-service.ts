import type { AuditLog, Contact, CreateContact, UpdateContact } from "../model/generated/rows.ts";
import type { WithAttachments } from "../repositories/attachments.ts";
import type { Duplicate, Merge } from "../repositories/duplicates.ts";
import type { Filters } from "../repositories/filters.ts";
import type { Pagination } from "../repositories/pagination.ts";
import type { Repositories } from "../repositories/repositories.ts";
import { parse, updateSchemas } from "../model/schemas.ts";
import { createEntityService, found } from "./entity.ts";

/** What an application does with contacts. Every method throws the errors of `server/errors/classes.ts`. */
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
  /**
   * The contacts that may be the same, the likeliest first.
   *
   * @throws {NotFoundError} if there is no such contact.
   */
  findDuplicates(id: string): Promise<Duplicate[]>;
  /**
   * The id of the contact that one was merged into, through however many merges; null if it was not merged,
   * or is back.
   */
  getMergedInto(id: string): Promise<string | null>;
  /**
   * Makes one contact of several: the winner gets the deals, tasks and notes of the losers, which are deleted.
   *
   * @param fields the values that are to win over what the contacts have.
   * @throws {NotFoundError} whose `entityIds` are those that are not there.
   * @throws {ConflictError} if the fields carry a version that is not the winner's.
   */
  mergeContacts(
    winner: string,
    losers: readonly string[],
    fields: UpdateContact,
    userId: string,
  ): Promise<Merge>;
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
    findDuplicates: (id) => repository.findDuplicates(id),
    getMergedInto: (id) => repository.mergedInto(id),
    async mergeContacts(winner, losers, fields, userId) {
      parse<object>(updateSchemas.contact, fields);
      return repository.merge(winner, losers, fields, userId);
    },
  };
}
