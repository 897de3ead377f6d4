import fc from "fast-check";
import type { z } from "zod";

import { carriers, entities, type Carrier, type Data, type Entity, inputs } from "./arbitraries.ts";
import type { Api, Row } from "./api.ts";

/** An entity to create, with its fields. */
export interface Draft<Kind extends Entity = Entity> {
  entity: Kind;
  data: Data;
}

/** Anything that carries tasks and notes. */
export const carrier = fc.oneof(...carriers.map(draft));

/** Anything at all. */
export const anything: fc.Arbitrary<Draft> = fc.oneof(...entities.map(draft));

function draft<Kind extends Entity>(entity: Kind): fc.Arbitrary<Draft<Kind>> {
  return inputs[entity].map((data) => ({ entity, data }));
}

/** What a draft of the kind needs beside its own fields: the company of a deal, what carries a note. */
export async function links(api: Api, entity: Entity): Promise<Data> {
  if (entity === "contact" || entity === "company") return {};
  // A definition must be named like no other, and not be required where rows lack it.
  if (entity === "customFieldDefinition") return { name: uniqueName("field"), required: false };
  const { id } = await api.create("company", { name: "Acme" });
  return entity === "deal" ? { companyId: id } : { entityType: "company", entityId: id };
}

/** The whole input of a draft. */
export async function complete(api: Api, { entity, data }: Draft): Promise<Data> {
  return { ...data, ...(await links(api, entity)) };
}

/** Creates an entity together with what it cannot be without. */
export async function createDraft(api: Api, draft: Draft, user?: string): Promise<Row> {
  return api.create(draft.entity, await complete(api, draft), user);
}

/** The fields by which tasks and notes are attached to a row. */
export function attachedTo(entity: Carrier, { id }: Row): Data {
  return { entityType: entity, entityId: id };
}

/** Finds many rows of a kind, in order. */
export function findEach(api: Api, entity: Entity, rows: Row[]): Promise<(Row | null)[]> {
  return Promise.all(rows.map(({ id }) => api.find(entity, id)));
}

/** A field of each entity that takes any text. */
export const telling: Record<Entity, string> = {
  company: "name",
  contact: "lastName",
  deal: "title",
  task: "description",
  note: "content",
  customFieldDefinition: "label",
};

let names = 0;

/** A name that nobody else has, in this file. */
export function uniqueName(prefix: string): string {
  names += 1;
  return `${prefix}_${names}`;
}

/**
 * Whether an API can tell by its field what is wrong with an input: it may break rules, but what has
 * not the form of its field is for the APIs that read forms. A law passes over other inputs with
 * `fc.pre`.
 *
 * @param form the form of the entity's inputs, or of its patches.
 */
export function isTold(api: Api, form: z.ZodType, input: Data): boolean {
  return api.checksTypes || form.safeParse(input).success;
}
