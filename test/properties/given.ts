import fc from "fast-check";
import type { z } from "zod";

import { carriers, entities, type Carrier, type Data, type Entity, inputs } from "./arbitraries.ts";
import type { Door, Row } from "./door.ts";

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
export async function links(door: Door, entity: Entity): Promise<Data> {
  if (entity === "contact" || entity === "company") return {};
  // A definition must be named like no other, and not be required where rows lack it.
  if (entity === "customFieldDefinition") return { name: uniqueName("field"), required: false };
  const { id } = await door.create("company", { name: "Acme" });
  return entity === "deal" ? { companyId: id } : { entityType: "company", entityId: id };
}

/** The whole input of a draft. */
export async function complete(door: Door, { entity, data }: Draft): Promise<Data> {
  return { ...data, ...(await links(door, entity)) };
}

/** Creates an entity together with what it cannot be without. */
export async function createDraft(door: Door, draft: Draft, user?: string): Promise<Row> {
  return door.create(draft.entity, await complete(door, draft), user);
}

/** The fields by which tasks and notes are attached to a row. */
export function attachedTo(entity: Carrier, { id }: Row): Data {
  return { entityType: entity, entityId: id };
}

/** Finds many rows of a kind, in order. */
export function findEach(door: Door, entity: Entity, rows: Row[]): Promise<(Row | null)[]> {
  return Promise.all(rows.map(({ id }) => door.find(entity, id)));
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
 * Whether a door can tell by its field what is wrong with an input: it may break rules, but what has
 * not the form of its field is for the doors that read forms. A law passes over other inputs with
 * `fc.pre`.
 *
 * @param form the form of the entity's inputs, or of its patches.
 */
export function isTold(door: Door, form: z.ZodType, input: Data): boolean {
  return door.readsForms || form.safeParse(input).success;
}
