import type { AuditLog, Contact, CreateContact, UpdateContact } from "../model/generated/rows.ts";
import type { Duplicate, Merge } from "../repositories/duplicates.ts";
import type { Filter } from "../repositories/filters.ts";
import type { ListPart } from "../repositories/list.ts";
import type { Repositories } from "../repositories/repositories.ts";
import { parse, updateSchemas } from "../model/schemas.ts";
import { createEntityService, found, withAttachments, type WithAttachments } from "./entity.ts";

/** The operations on contacts. Every method throws errors of `server/errors/classes.ts`. */
export interface ContactService {
  /** @throws {ValidationError} with every fault of the input, by field. */
  createContact(data: CreateContact, userId: string): Promise<Contact>;
  /** @throws {NotFoundError} if there is no such contact. */
  getContact(id: string): Promise<Contact>;
  /** @throws {ConflictError} if the data contain a version that is not the contact's. */
  updateContact(id: string, data: UpdateContact, userId: string): Promise<Contact>;
  /** @throws {NotFoundError} if there is no such contact. */
  deleteContact(id: string, userId: string): Promise<void>;
  /** Returns the contacts that match a filter, the newest first. More than 1000 require `first`. */
  getContacts(filter?: Filter<"contact">, part?: ListPart<"contact">): Promise<Contact[]>;
  /** Returns the contacts of a company, the newest first. More than 1000 require `first`. */
  getContactsByCompany(companyId: string, part?: ListPart<"contact">): Promise<Contact[]>;
  /**
   * Returns the contact with its tasks and notes, in one round trip.
   *
   * @throws {NotFoundError} if there is no such contact.
   */
  getContactWithAttachments(id: string): Promise<WithAttachments<"contact">>;
  /** Returns the audit log entries of a contact, the oldest first. More than 1000 require `first`. */
  getContactHistory(id: string, part?: ListPart<"auditLog">): Promise<AuditLog[]>;
  /**
   * Returns the possible duplicates of a contact, the likeliest first.
   *
   * @throws {NotFoundError} if there is no such contact.
   */
  findDuplicates(id: string): Promise<Duplicate[]>;
  /**
   * Returns the id of the contact that the given one was merged into, through any number of merges; null if
   * it was not merged, or was restored.
   */
  getMergedInto(id: string): Promise<string | null>;
  /**
   * Merges contacts: the winner receives the deals, tasks and notes of the losers, which are deleted.
   *
   * @param winner the id of the contact that remains.
   * @param losers the ids of the contacts to be merged into it.
   * @param fields values for the winner, which take precedence over those of the contacts.
   * @throws {NotFoundError} with the ids of missing contacts in `entityIds`.
   * @throws {ConflictError} if the fields contain a version that is not the winner's.
   */
  mergeContacts(
    winner: string,
    losers: readonly string[],
    fields: UpdateContact,
    userId: string,
  ): Promise<Merge>;
}

/** Creates the service of contacts. */
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
    getContactsByCompany: (companyId, part) =>
      service.list({ companyId: { equalTo: companyId } }, part),
    getContactWithAttachments: async (id) =>
      found("contact", id, await repository.findById(id, withAttachments)),
    getContactHistory: service.history,
    findDuplicates: (id) => repository.findDuplicates(id),
    getMergedInto: (id) => repository.mergedInto(id),
    async mergeContacts(winner, losers, fields, userId) {
      parse<object>(updateSchemas.contact, fields);
      return repository.merge(winner, losers, fields, userId);
    },
  };
}
