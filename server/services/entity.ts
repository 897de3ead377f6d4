import { NotFoundError } from "../errors/classes.ts";
import type { AuditLog, Creates, Rows, Updates } from "../model/generated/rows.ts";
import type { Filters } from "../repositories/filters.ts";
import type { Pagination } from "../repositories/pagination.ts";
import type { RepositoryOf } from "../repositories/repository.ts";
import { createSchemas, type EntityName, parse, updateSchemas } from "../model/schemas.ts";

/** The operations that all services have in common. */
export interface EntityService<Entity extends EntityName> {
  readonly create: (data: Creates[Entity], userId: string) => Promise<Rows[Entity]>;
  readonly get: (id: string) => Promise<Rows[Entity]>;
  readonly update: (id: string, data: Updates[Entity], userId: string) => Promise<Rows[Entity]>;
  readonly remove: (id: string, userId: string) => Promise<void>;
  readonly list: (
    filters?: Filters<Rows[Entity]>,
    pagination?: Pagination,
  ) => Promise<Rows[Entity][]>;
  readonly history: (id: string) => Promise<AuditLog[]>;
}

/**
 * Creates the common operations of a service. They check input with its schema before it is sent to the
 * database, and throw an error for a row that does not exist.
 */
export function createEntityService<Entity extends EntityName>(
  entity: Entity,
  repository: RepositoryOf<Entity>,
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
    list: (filters, pagination) => repository.findAll(filters, pagination),
    history: (id) => repository.history(id),
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
