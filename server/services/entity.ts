import { NotFoundError } from "../errors/classes.ts";
import type { AuditLog, Creates, Rows, Updates } from "../model/generated/rows.ts";
import type { Filter } from "../repositories/filters.ts";
import type { ListPart } from "../repositories/list.ts";
import type { Loaded } from "../repositories/loads.ts";
import type { Repository } from "../repositories/repository.ts";
import { createSchemas, type EntityName, parse, updateSchemas } from "../model/schemas.ts";

/** The operations that all services have in common. */
export interface EntityService<Entity extends EntityName> {
  readonly create: (data: Creates[Entity], userId: string) => Promise<Rows[Entity]>;
  readonly get: (id: string) => Promise<Rows[Entity]>;
  readonly update: (id: string, data: Updates[Entity], userId: string) => Promise<Rows[Entity]>;
  readonly remove: (id: string, userId: string) => Promise<void>;
  readonly list: (filter?: Filter<Entity>, part?: ListPart<Entity>) => Promise<Rows[Entity][]>;
  readonly history: (id: string, part?: ListPart<"auditLog">) => Promise<AuditLog[]>;
}

/** An entity that tasks and notes are attached to. */
type AttachableName = "contact" | "company" | "deal";

/** A row with its tasks and notes, the oldest first. */
export type WithAttachments<Entity extends AttachableName> = Loaded<
  Entity,
  typeof withAttachments.with
>;

/** Reads the tasks and notes of a row. */
export const withAttachments = {
  with: {
    tasks: { orderBy: { createdAt: "asc" } },
    notes: { orderBy: { createdAt: "asc" } },
  },
} as const;

/**
 * Creates the common operations of a service. They check input with its schema before it is sent to the
 * database, and throw an error for a row that does not exist.
 */
export function createEntityService<Entity extends EntityName>(
  entity: Entity,
  repository: Repository<Entity>,
): EntityService<Entity> {
  const createSchema = createSchemas[entity];
  const updateSchema = updateSchemas[entity];
  return {
    async create(data, userId) {
      parse<object>(createSchema, data);
      return repository.create(data, userId);
    },
    get: async (id) => found(entity, id, await repository.findById(id)),
    async update(id, data, userId) {
      parse<object>(updateSchema, data);
      return repository.update(id, data, userId);
    },
    remove: (id, userId) => repository.delete(id, userId),
    list: (filter, part) => repository.findAll(filter, part),
    history: (id, part) => repository.history(id, part),
  };
}

/**
 * Returns the row.
 *
 * @throws {NotFoundError} if it is null.
 */
export function found<Row>(entity: EntityName, id: string, row: Row | null): Row {
  if (row === null) throw new NotFoundError(entity, id);
  return row;
}
