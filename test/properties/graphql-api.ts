import type { AnswerError, TestServer } from "../helpers/server.ts";
import type { Carrier, Data, Entity } from "./arbitraries.ts";
import { type Api, type Entry, present, Refused, type Row, entityTypeOf } from "./api.ts";

const stamps = "version createdAt updatedAt createdBy updatedBy";

/** Every field of a row that is its own, links and lists left out. */
const selections: Record<Entity, string> = {
  company: `id name address { street city state postalCode country } ownerId customFields externalIds { source id: value } ${stamps}`,
  contact: `id firstName lastName emails phones companyId ownerId customFields externalIds { source id: value } ${stamps}`,
  deal: `id title companyId contactId value currency stage probability closeDate lostReason ownerId
    probabilityGiven closedAt customFields externalIds { source id: value } ${stamps}`,
  task: `id description dueDate assignedTo status entityType entityId contactId companyId dealId
    externalIds { source id: value } ${stamps}`,
  note: `id content entityType entityId contactId companyId dealId
    externalIds { source id: value } ${stamps}`,
  customFieldDefinition: `id name label entityType fieldType enumValues required description
    minimum maximum maxLength pattern defaultValue isUnique ${stamps}`,
};

const plurals: Record<Entity, string> = {
  company: "companies",
  contact: "contacts",
  deal: "deals",
  task: "tasks",
  note: "notes",
  customFieldDefinition: "customFieldDefinitions",
};

/** How many mutations a server takes at once, and how many bytes of them. */
const maxMutations = 10;
const maxBytes = 900_000;

/** The API as a client over HTTP has it. Several entities are as few requests as may be. */
export function createGraphqlApi(server: () => Pick<TestServer, "graphql">): Api {
  async function ask<Result>(query: string, variables: Data, user?: string): Promise<Result> {
    const answer = await server().graphql<Result>(query, variables, { user });
    if (answer.errors?.[0]) throw refused(answer.errors[0]);
    if (answer.data == null) throw new Error(`no data: ${JSON.stringify(answer)}`);
    return withoutAbsentParts(answer.data) as Result;
  }

  async function createAll(entity: Entity, list: Data[], user?: string): Promise<Row[]> {
    const rows: Row[] = [];
    for (const batch of inBatches(list)) rows.push(...(await createBatch(entity, batch, user)));
    return rows;
  }

  async function createBatch(entity: Entity, list: Data[], user?: string): Promise<Row[]> {
    const Type = typeName(entity);
    const indexes = list.map((_, index) => index);
    const answer = await ask<Record<string, { row: Row }>>(
      `mutation (${indexes.map((i) => `$i${i}: Create${Type}Input!`).join(" ")}) {
        ${indexes
          .map((i) => `m${i}: create${Type}(input: $i${i}) { row: ${entity} { ...row } }`)
          .join("\n")}
      }
      fragment row on ${Type} { ${selections[entity]} }`,
      Object.fromEntries(list.map((data, i) => [`i${i}`, { [entity]: data }])),
      user,
    );
    return Object.values(answer).map(({ row }) => row);
  }

  async function create(entity: Entity, data: Data, user?: string): Promise<Row> {
    const [row] = await createAll(entity, [data], user);
    return present(row);
  }

  async function find(entity: Entity, id: string): Promise<Row | null> {
    const { row } = await ask<{ row: Row | null }>(
      `query ($id: ID!) { row: ${entity}(id: $id) { ${selections[entity]} } }`,
      { id },
    );
    return row;
  }

  async function findAll(entity: Entity, where: Data): Promise<Row[]> {
    const filter = Object.fromEntries(
      Object.entries(where).map(([field, equalTo]) => [field, { equalTo }]),
    );
    const { rows } = await ask<{ rows: { nodes: Row[] } }>(
      `query ($filter: ${typeName(entity)}Filter!) {
        rows: ${plurals[entity]}(filter: $filter, first: 1000) { nodes { ${selections[entity]} } }
      }`,
      { filter },
    );
    return rows.nodes;
  }

  async function update(entity: Entity, id: string, patch: Data, user?: string): Promise<Row> {
    const Type = typeName(entity);
    const { payload } = await ask<{ payload: { row: Row } }>(
      `mutation ($input: Update${Type}Input!) {
        payload: update${Type}(input: $input) { row: ${entity} { ${selections[entity]} } }
      }`,
      { input: { id, patch } },
      user,
    );
    return payload.row;
  }

  async function remove(entity: Entity, id: string, user?: string): Promise<void> {
    const Type = typeName(entity);
    await ask(
      `mutation ($input: Delete${Type}Input!) {
        delete${Type}(input: $input) { ${entity} { id } }
      }`,
      { input: { id } },
      user,
    );
  }

  async function ofCompany(entity: "contact" | "deal", companyId: string): Promise<Row[]> {
    const { company } = await ask<{ company: { rows: { nodes: Row[] } } }>(
      `query ($companyId: ID!) {
        company(id: $companyId) {
          rows: ${plurals[entity]}(first: 1000) { nodes { ${selections[entity]} } }
        }
      }`,
      { companyId },
    );
    return company.rows.nodes;
  }

  async function withAttachments(entity: Carrier, id: string) {
    const { row } = await ask<{ row: Row & { tasks: { nodes: Row[] }; notes: { nodes: Row[] } } }>(
      `query ($id: ID!) {
        row: ${entity}(id: $id) {
          ${selections[entity]}
          tasks(first: 1000) { nodes { ${selections.task} } }
          notes(first: 1000) { nodes { ${selections.note} } }
        }
      }`,
      { id },
    );
    return { ...row, tasks: row.tasks.nodes, notes: row.notes.nodes };
  }

  async function auditLog(filter: Data): Promise<Entry[]> {
    const { auditLogs } = await ask<{ auditLogs: { nodes: Entry[] } }>(
      `query ($filter: AuditLogFilter!) {
        auditLogs(filter: $filter, orderBy: [TIMESTAMP_ASC, ENTRY_ID_ASC], first: 1000) {
          nodes { id: entryId entityType entityId action userId changes timestamp }
        }
      }`,
      { filter },
    );
    return auditLogs.nodes;
  }

  function entriesOf(entity: Entity, id: string): Promise<Entry[]> {
    return auditLog({ entityType: { equalTo: entityTypeOf(entity) }, entityId: { equalTo: id } });
  }

  return {
    name: "GraphQL",
    checksTypes: true,
    create,
    createAll,
    find,
    findAll,
    update,
    remove,
    ofCompany,
    withAttachments,
    entriesOf,
    entriesBy: (user) => auditLog({ userId: { equalTo: user } }),
  };
}

/** Removes the parts of addresses that are null: the database has none of them. */
function withoutAbsentParts(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutAbsentParts);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]: [string, unknown]) => [
      key,
      key === "address" && typeof member === "object" && member !== null
        ? Object.fromEntries(Object.entries(member).filter(([, part]) => part !== null))
        : key === "customFields" || key === "changes"
          ? member
          : withoutAbsentParts(member),
    ]),
  );
}

function typeName(entity: Entity): string {
  return entity.charAt(0).toUpperCase() + entity.slice(1);
}

function refused({ message, extensions }: AnswerError): Refused {
  return new Refused(message, extensions);
}

/** Cuts a list into parts that a server takes at once. */
function inBatches(list: Data[]): Data[][] {
  const batches: Data[][] = [];
  let bytes = 0;
  for (const data of list) {
    const size = Buffer.byteLength(JSON.stringify(data));
    const batch = batches.at(-1);
    if (batch === undefined || batch.length === maxMutations || bytes + size > maxBytes) {
      batches.push([data]);
      bytes = size;
    } else {
      batch.push(data);
      bytes += size;
    }
  }
  return batches;
}
