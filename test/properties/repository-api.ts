import type pg from "pg";

import { createRepositories } from "../../server/repositories/repositories.ts";
import type { Repository } from "../../server/repositories/repository.ts";
import { createServices } from "../../server/services/services.ts";
import type { Carrier, Data, Entity } from "./arbitraries.ts";
import { type Api, entryOf, present, type Row, entityTypeOf } from "./api.ts";

type AnyRepository = Repository<Row, Data, Data>;
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

  async function withAttachments(entity: Carrier, id: string): Promise<WithAttachments> {
    const { companies, contacts, deals } = createRepositories(pool());
    const attachable = { company: companies, contact: contacts, deal: deals }[entity];
    const row = (await attachable.findWithAttachments(id)) as unknown as WithAttachments | null;
    return present(row) as WithAttachments;
  }

  return {
    name: "repository",
    checksTypes: true,
    create: (entity, data, user = "tester") => repository(entity).create(data, user),
    createAll: (entity, list, user = "tester") => repository(entity).createMany(list, user),
    find: (entity, id) => repository(entity).findById(id),
    findAll: (entity, where) => repository(entity).findAll(where),
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
