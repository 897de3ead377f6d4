import type pg from "pg";

import { idOf } from "./fill.ts";

/** The number of rows of a bulk mutation. */
const rows = 100;

/** The number of a contact that is updated, and of a company that is deleted, before the mutations. */
const rowToUpdate = 50_000;
const rowToDelete = 50_001;

const numbers = Array.from({ length: rows }, (_, i) => i);
const erp = (id: unknown) => ({ externalId: { source: "erp", id: String(id) } });

const values = {
  company: { name: "New" },
  contact: { firstName: "New", lastName: "New", emails: ["new@example.com"], company: erp(5) },
  deal: { title: "New", value: "1", stage: "Proposal", company: erp(5), contact: erp(5) },
  task: { description: "New", entityType: "deal", entity: erp(5) },
  note: { content: "New", entityType: "contact", entity: erp(5) },
};
const lists = {
  company: "companies",
  contact: "contacts",
  deal: "deals",
  task: "tasks",
  note: "notes",
};

/** Returns the inputs of the mutations of one row and of many rows of an entity. */
function inputsOf(entity: keyof typeof values): Record<string, unknown> {
  const row = values[entity];
  const list = lists[entity];
  const Entity = entity.charAt(0).toUpperCase() + entity.slice(1);
  const List = list.charAt(0).toUpperCase() + list.slice(1);
  const many = (rowOf: (i: number) => object) => ({ [list]: numbers.map(rowOf) });
  return {
    [`create${Entity}`]: { [entity]: row },
    [`update${Entity}`]: { id: idOf(1), patch: row },
    [`delete${Entity}`]: { id: idOf(1) },
    [`create${List}`]: many(() => row),
    [`update${List}`]: many((i) => ({ ...row, id: idOf(i + 1) })),
    [`upsert${List}`]: many((i) => ({ ...row, ...erp(i % 2 === 0 ? i + 1 : `new ${i}`) })),
    [`delete${List}`]: many((i) => ({ id: idOf(i + 1) })),
  };
}

/**
 * Makes changes that can be undone, as the member `user 1`.
 *
 * @returns the inputs of the mutations that members may send.
 */
export async function prepareInputs(client: pg.Client): Promise<Record<string, unknown>> {
  await client.query("begin");
  await client.query(
    "select set_config('role', 'crm_member', true), set_config('crm.user_id', 'user 1', true)",
  );
  await client.query("update crm.contacts set owner_id = 'user 2' where id = $1", [
    idOf(rowToUpdate),
  ]);
  await client.query("delete from crm.companies where id = $1", [idOf(rowToDelete)]);
  const { rows: entries } = await client.query<{ id: string; transaction: string }>(
    `select id::text, transaction_id::text as transaction
     from crm.audit_logs
     where entity_id = $1 and action = 'update'
     order by audit_logs.id desc
     limit 1`,
    [idOf(rowToUpdate)],
  );
  await client.query("commit");
  const [entry] = entries;
  return {
    ...inputsOf("company"),
    ...inputsOf("contact"),
    ...inputsOf("deal"),
    ...inputsOf("task"),
    ...inputsOf("note"),
    createDealWithTasks: { deal: values.deal, tasks: [{ description: "New" }] },
    mergeContacts: { winner: idOf(1), losers: [idOf(2)] },
    mergeCompanies: { winner: idOf(1), losers: [idOf(2)] },
    undoEntry: { entryId: entry?.id },
    undoField: {
      entityType: "contact",
      entityId: idOf(rowToUpdate),
      field: "ownerId",
      entryId: entry?.id,
    },
    undoTransaction: { transactionId: entry?.transaction },
    restoreDeleted: { entityType: "company", id: idOf(rowToDelete) },
  };
}
