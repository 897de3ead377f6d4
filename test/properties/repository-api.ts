import type pg from "pg";

import { createRepositories } from "../../server/repositories/repositories.ts";
import { withAttachments as attachments } from "../../server/services/entity.ts";
import { createServices } from "../../server/services/services.ts";
import type { Carrier, Data, Entity } from "./arbitraries.ts";
import { type Api, entryOf, present, type Row, entityTypeOf } from "./api.ts";

/** What the repositories of all entities have in common, for inputs of any shape. */
interface AnyRepository {
  create(data: Data, userId: string): Promise<Row>;
  createMany(rows: Data[], userId: string): Promise<{ rows: Row[] }>;
  findById(id: string, options?: object): Promise<Row | null>;
  findAll(filter: object): Promise<Row[]>;
  update(id: string, data: Data, userId: string): Promise<Row>;
  delete(id: string, userId: string): Promise<void>;
}
type WithAttachments = Row & { tasks: Row[]; notes: Row[] };

/** The typed layer as a program in TypeScript has it, but that inputs may be of any shape. */
export function createRepositoryApi(pool: () => pg.Pool): Api {
  function repository(entity: Entity): AnyRepository {
    const repositories = createRepositories(pool());
    const byEntity = {
      company: repositories.companies,
      contact: repositories.contacts,
      deal: repositories.deals,
      task: repositories.tasks,
      note: repositories.notes,
      customFieldDefinition: repositories.customFieldDefinitions,
    };
    return byEntity[entity] as unknown as AnyRepository;
  }

  async function ofCompany(entity: "contact" | "deal", companyId: string): Promise<Row[]> {
    const { contacts, deals } = createServices(pool());
    const rows =
      entity === "contact"
        ? await contacts.getContactsByCompany(companyId)
        : await deals.getDealsByCompany(companyId);
    return rows as unknown as Row[];
  }

  async function createAll(entity: Entity, list: Data[], user = "tester"): Promise<Row[]> {
    if (entity !== "customFieldDefinition") {
      const { rows } = await repository(entity).createMany(list, user);
      return rows;
    }
    const rows: Row[] = [];
    for (const data of list) rows.push(await repository(entity).create(data, user));
    return rows;
  }

  async function withAttachments(entity: Carrier, id: string): Promise<WithAttachments> {
    const row = await repository(entity).findById(id, attachments);
    return present(row) as WithAttachments;
  }

  return {
    name: "repository",
    checksTypes: true,
    create: (entity, data, user = "tester") => repository(entity).create(data, user),
    createAll,
    find: (entity, id) => repository(entity).findById(id),
    findAll: (entity, where) => repository(entity).findAll(equalTo(where)),
    update: (entity, id, patch, user = "tester") => repository(entity).update(id, patch, user),
    remove: (entity, id, user = "tester") => repository(entity).delete(id, user),
    ofCompany,
    withAttachments,
    async entriesOf(entity, id) {
      const { audit } = createServices(pool());
      return (await audit.getAuditLogsByEntity(entityTypeOf(entity), id)).map(entryOf);
    },
    async entriesBy(user) {
      const { audit } = createServices(pool());
      return (await audit.getAuditLogsByUser(user)).map(entryOf);
    },
  };
}

/** The filter for the rows whose fields equal the given ones. */
function equalTo(where: Data): object {
  return Object.fromEntries(
    Object.entries(where).map(([field, value]) => [field, { equalTo: value }]),
  );
}
