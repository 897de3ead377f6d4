import { z } from "zod";

import type { AuditLog, CreateDeal, Deal, UpdateDeal } from "../model/generated/rows.ts";
import type { CreateDealTask } from "../repositories/deal-with-tasks.ts";
import type { Filter } from "../repositories/filters.ts";
import type { ListPart } from "../repositories/list.ts";
import type { Repositories } from "../repositories/repositories.ts";
import { createSchemas, parse } from "../model/schemas.ts";
import { createEntityService, found, withAttachments, type WithAttachments } from "./entity.ts";

/** The operations on deals. Every method throws errors of `server/errors/classes.ts`. */
export interface DealService {
  /** @throws {ValidationError} with every fault of the input, by field. */
  createDeal(data: CreateDeal, userId: string): Promise<Deal>;
  /** @throws {NotFoundError} if there is no such deal. */
  getDeal(id: string): Promise<Deal>;
  /** @throws {ConflictError} if the data contain a version that is not the deal's. */
  updateDeal(id: string, data: UpdateDeal, userId: string): Promise<Deal>;
  /** @throws {NotFoundError} if there is no such deal. */
  deleteDeal(id: string, userId: string): Promise<void>;
  /** Returns the deals that match a filter, the newest first. More than 1000 require `first`. */
  getDeals(filter?: Filter<"deal">, part?: ListPart<"deal">): Promise<Deal[]>;
  /** Returns the deals with a company, the newest first. More than 1000 require `first`. */
  getDealsByCompany(companyId: string, part?: ListPart<"deal">): Promise<Deal[]>;
  /** Returns the deals with a contact, the newest first. More than 1000 require `first`. */
  getDealsByContact(contactId: string, part?: ListPart<"deal">): Promise<Deal[]>;
  /**
   * Creates a deal and its tasks, all or none.
   *
   * @throws {ValidationError} with the fields of the deal, and those of the tasks as `tasks.0.description`.
   */
  createDealWithTasks(
    deal: CreateDeal,
    tasks: readonly CreateDealTask[],
    userId: string,
  ): Promise<Deal>;
  /**
   * Returns the deal with its tasks and notes, in one round trip.
   *
   * @throws {NotFoundError} if there is no such deal.
   */
  getDealWithAttachments(id: string): Promise<WithAttachments<"deal">>;
  /** Returns the audit log entries of a deal, the oldest first. More than 1000 require `first`. */
  getDealHistory(id: string, part?: ListPart<"auditLog">): Promise<AuditLog[]>;
}

const dealWithTasksSchema = createSchemas.deal.extend({
  tasks: z.array(createSchemas.task.omit({ entityType: true, entityId: true })),
});

/** Creates the service of deals. */
export function createDealService({ deals: repository }: Pick<Repositories, "deals">): DealService {
  const service = createEntityService("deal", repository);
  return {
    createDeal: service.create,
    getDeal: service.get,
    updateDeal: service.update,
    deleteDeal: service.remove,
    getDeals: service.list,
    getDealsByCompany: (companyId, part) =>
      service.list({ companyId: { equalTo: companyId } }, part),
    getDealsByContact: (contactId, part) =>
      service.list({ contactId: { equalTo: contactId } }, part),
    async createDealWithTasks(deal, tasks, userId) {
      parse(dealWithTasksSchema, { ...deal, tasks });
      return repository.createWithTasks(deal, tasks, userId);
    },
    getDealWithAttachments: async (id) =>
      found("deal", id, await repository.findById(id, withAttachments)),
    getDealHistory: service.history,
  };
}
