import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";

import { customFieldsSchema } from "../../server/model/custom-fields.ts";
import { createTypeSchemas } from "../../server/model/schemas.ts";
import {
  type Carrier,
  carriers,
  customFieldDefinition,
  type Data,
  type Field,
  field,
  fields,
  inputs,
  strictDefinition,
  user,
} from "./arbitraries.ts";
import { type Api, present, refusal, type Row } from "./api.ts";
import { holds, openApis } from "./apis.ts";
import { expectUpdated, stored, unstamped } from "./expected.ts";
import { findEach, isTold, links } from "./drafts.ts";

const { apis } = openApis();
const carrierType = fc.constantFrom(...carriers);

/** An entity's input beside its custom fields, and fields that it may have. */
const scene = carrierType.chain((entity) =>
  fc.record({ entity: fc.constant(entity), data: inputs[entity], fields }),
);

/** The fields' values by their names. */
function values(list: Field[], value: (field: Field) => unknown): Data {
  return Object.fromEntries(list.map((item) => [item.definition.name, value(item)]));
}

/** Defines fields on an entity type for the time of a law; whatever carries them is deleted too. */
async function withFields(
  api: Api,
  entity: Carrier,
  list: Field[],
  law: (create: (data: Data) => Promise<Row>, definitions: Row[]) => Promise<void>,
): Promise<void> {
  const definitions = await api.createAll(
    "customFieldDefinition",
    list.map(({ definition }) => ({ ...definition, entityType: entity })),
  );
  const rows: Row[] = [];
  const linked = await links(api, entity);
  try {
    await law(async (data) => {
      const row = await api.create(entity, { ...data, ...linked });
      rows.push(row);
      return row;
    }, definitions);
  } finally {
    for (const { id } of rows) await api.remove(entity, id);
    if ("companyId" in linked) await api.remove("company", String(linked.companyId));
    for (const { id } of await api.findAll("customFieldDefinition", { entityType: entity })) {
      await api.remove("customFieldDefinition", id);
    }
  }
}

/** A field that may have to be given, and some value or none: of its type, or any JSON. */
const attempt = field.chain((item) =>
  fc.record({
    field: fc.boolean().map((required) => ({
      ...item,
      definition: { ...item.definition, required },
    })),
    value: fc.oneof(fc.constantFrom(item.good, item.bad, null, undefined), fc.jsonValue()),
  }),
);
const attempts = carrierType.chain((entity) =>
  fc.record({
    entity: fc.constant(entity),
    data: inputs[entity],
    attempts: fc.uniqueArray(attempt, {
      minLength: 1,
      maxLength: 4,
      selector: (each) => each.field.definition.name,
    }),
  }),
);

describe.each(apis)("custom fields through $name", (api) => {
  // Feature: core-data-models, Property 18: Custom field definition persistence
  test("a definition that is created is found by its entity type, as it was given", () =>
    holds(fc.oneof(customFieldDefinition, strictDefinition), async (input) => {
      const created = await api.create("customFieldDefinition", input);
      try {
        expect(unstamped(created)).toEqual(stored("customFieldDefinition", input));
        expect(await api.find("customFieldDefinition", created.id)).toEqual(created);
        for (const entityType of carriers) {
          const found = await api.findAll("customFieldDefinition", { entityType });
          expect(found).toEqual(entityType === input.entityType ? [created] : []);
        }
      } finally {
        await api.remove("customFieldDefinition", created.id);
      }
    }));

  // Feature: core-data-models, Property 19: Custom field type validation
  test("a field takes the values of its type, and refuses any other by its name and says why", () =>
    holds(
      fc.record({ entity: carrierType, field }).chain(({ entity, field }) =>
        fc.record({
          entity: fc.constant(entity),
          field: fc.constant(field),
          data: inputs[entity],
        }),
      ),
      ({ entity, field, data }) => {
        const { name } = field.definition;
        const customFields = (value: unknown) => ({ customFields: { [name]: value } });
        fc.pre(isTold(api, createTypeSchemas[entity], customFields(field.bad)));
        return withFields(api, entity, [field], async (create) => {
          const refused = {
            code: "VALIDATION_ERROR",
            fields: { [`customFields.${name}`]: [expect.stringMatching(/^(must|is) /)] },
            message: expect.stringContaining(`customFields.${name}`),
          };
          const row = await create({ ...data, ...customFields(field.good) });
          expect(row.customFields).toEqual({ [name]: field.good });

          const created = refusal(create({ ...data, ...customFields(field.bad) }));
          expect(await created).toMatchObject(refused);
          const updated = refusal(api.update(entity, row.id, customFields(field.bad)));
          expect(await updated).toMatchObject(refused);
          expect(await api.find(entity, row.id)).toEqual(row);
        });
      },
    ));

  test("the schema made of the definitions refuses what the API refuses, for the same fields", () =>
    holds(attempts, ({ entity, data, attempts }) => {
      const customFields = Object.fromEntries(
        attempts.map((each) => [each.field.definition.name, each.value]),
      );
      fc.pre(isTold(api, createTypeSchemas[entity], { customFields }));
      return withFields(
        api,
        entity,
        attempts.map((each) => each.field),
        async (create) => {
          const schema = customFieldsSchema(attempts.map((each) => each.field.definition));
          const parsed = schema.safeParse(customFields);
          const work = create({ ...data, customFields });
          if (parsed.success) {
            expect((await work).customFields).toEqual(
              stored(entity, { customFields }).customFields,
            );
            return;
          }
          const named = parsed.error.issues.map(({ path }) => ["customFields", ...path].join("."));
          const refused = await refusal(work);
          expect(refused.code).toBe("VALIDATION_ERROR");
          expect(named).toEqual(expect.arrayContaining(Object.keys(refused.fields ?? {})));
        },
      );
    }));

  // Feature: core-data-models, Property 20: Custom field value persistence
  // Departure: a field that is set to null is removed.
  test("values that are set on an entity are stored and read with it, and null removes them", () =>
    holds(scene, ({ entity, data, fields }) =>
      withFields(api, entity, fields, async (create) => {
        const before = await create({ ...data, customFields: {} });
        for (const value of [
          (item: Field) => item.good,
          (item: Field) => item.other,
          ({ definition, good }: Field) => (definition.fieldType === "text" ? null : good),
        ]) {
          const patch = { customFields: values(fields, value) };
          const row = await api.find(entity, before.id);
          const after = await api.update(entity, before.id, patch);
          expectUpdated(present(row), after, patch);
          expect(await api.find(entity, before.id)).toEqual(after);
        }
      }),
    ));

  // Feature: core-data-models, Property 21: Custom field retrieval completeness
  test("an entity that is read, alone or in a list, has every custom field that it was given", () =>
    holds(scene, ({ entity, data, fields }) =>
      withFields(api, entity, fields, async (create) => {
        const customFields = values(fields, ({ good }) => good);
        const owner = "the owner of what this law is about";
        const row = await create({ ...data, ownerId: owner, customFields });
        expect(row.customFields).toEqual(customFields);
        expect((await api.find(entity, row.id))?.customFields).toEqual(customFields);
        const listed = await api.findAll(entity, { ownerId: owner });
        expect(listed.map((each) => each.customFields)).toEqual([customFields]);
        const whole = await api.withAttachments(entity, row.id);
        expect(whole.customFields).toEqual(customFields);
      }),
    ));

  // Feature: core-data-models, Property 22: Custom field definition deletion cascade
  test("a definition that is deleted takes its values from every entity, and nothing else", () =>
    holds(
      fc.record({ scene, others: fc.nat({ max: 2 }), user }),
      ({ scene: { entity, data, fields }, others, user }) =>
        withFields(api, entity, fields, async (create, [definition]) => {
          const customFields = values(fields, ({ good }) => good);
          const { [String(definition?.name)]: removed, ...kept } = customFields;
          const carrying: Row[] = [];
          for (let count = 0; count <= others; count++) {
            carrying.push(await create({ ...data, customFields }));
          }
          const without = await create({ ...data, customFields: kept });

          await api.remove("customFieldDefinition", String(definition?.id), user);

          expect(await api.find(entity, without.id)).toEqual(without);
          for (const [index, after] of (await findEach(api, entity, carrying)).entries()) {
            const before = present(carrying[index]);
            expectUpdated(before, present(after), { customFields: kept }, user);
            const [, entry] = await api.entriesOf(entity, before.id);
            expect(entry).toMatchObject({ action: "update", userId: user });
            expect(entry?.changes).toEqual({
              [`custom_fields.${String(definition?.name)}`]: { old: removed, new: null },
            });
          }
        }),
    ));
});
