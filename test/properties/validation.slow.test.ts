import { beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { z } from "zod";

import { customFieldsSchema } from "../../server/model/custom-fields.ts";
import {
  createTypeSchemas,
  createSchemas,
  toFields,
  updateTypeSchemas,
  updateSchemas,
} from "../../server/model/schemas.ts";
import {
  carriers,
  type Data,
  entities,
  type Entity,
  type Fault,
  fault,
  faults,
  inputs,
  required,
  some,
  spoil,
  spoilt,
  stages,
  text,
} from "./arbitraries.ts";
import { refusal, type Refusal, Refused } from "./api.ts";
import { holds, openApis } from "./apis.ts";
import { expectNamed } from "./expected.ts";
import { complete, isTold, uniqueName } from "./drafts.ts";

const { apis } = openApis();
const anyEntity = fc.constantFrom(...entities);

/** Nothing that a client reads comes from PostgreSQL's own words. */
function expectClean({ message }: Refusal): void {
  expect(message).not.toMatch(/violates|relation "|duplicate key|crm\.|_private|SQLSTATE|pg_/);
}

const mistake = anyEntity.chain((entity) =>
  fc.record({
    entity: fc.constant(entity),
    data: inputs[entity],
    fault: fault(entity),
    patch: fc.oneof(
      fc.constant({}),
      entity === "customFieldDefinition" ? fc.constant({}) : some(inputs[entity]),
    ),
  }),
);

const absent = fc.uuid({ version: 4 });

/** Links to nothing, a stage that is not there, and a name that is taken. */
const breach = fc.oneof(
  breaking("contact", "companyId", absent, "contacts_company_id_exists"),
  breaking("deal", "companyId", absent, "deals_company_id_exists"),
  breaking("deal", "contactId", absent, "deals_contact_id_exists"),
  breaking(
    "deal",
    "stage",
    text(100).filter((stage) => !stages.includes(stage)),
    "deals_stage_exists",
  ),
  ...carriers.flatMap((entityType) => [
    breaking("task", "entityId", absent, `tasks_${entityType}_id_exists`, { entityType }),
    breaking("note", "entityId", absent, `notes_${entityType}_id_exists`, { entityType }),
  ]),
  breaking(
    "customFieldDefinition",
    "name",
    fc.constant("taken"),
    "custom_field_definitions_name_unique",
    { entityType: "contact" },
  ).map((breach) => ({ ...breach, onUpdate: false })),
);

function breaking(
  entity: Entity,
  field: string,
  value: fc.Arbitrary<string>,
  constraint: string,
  also: Data = {},
) {
  return fc.record({
    entity: fc.constant(entity),
    field: fc.constant(field),
    constraint: fc.constant(constraint),
    also: fc.constant(also),
    data: inputs[entity],
    value,
    onUpdate: fc.boolean(),
  });
}

beforeAll(async () => {
  const taken = { name: "taken", entityType: "contact" };
  // So many fields that each has to be told from the others with care.
  const many = carriers.flatMap((entityType) =>
    Array.from({ length: 60 }, (_, index) => ({ name: `field_no_${index}`, entityType })),
  );
  await apis[1]?.createAll(
    "customFieldDefinition",
    [taken, ...many].map((definition) => ({ ...definition, label: "Any", fieldType: "boolean" })),
  );
});

/** Values that are nearly fine, or just so. */
const borderline: Record<string, fc.Arbitrary<unknown>> = {
  value: fc.oneof(
    fc.constantFrom("+5", ".5", "5.", "1e2", "1E-2", "-1.5e3", " 5", "5 ", "٣", "1e400", "-", "."),
    fc.constantFrom(5, -0.25, 1e12, 9999999999999.99, 1e-7),
  ),
  closeDate: fc.constantFrom("2024-2-29", "+02024-02-29", "2024-02-29T00:00", "epoch"),
  companyId: fc.constantFrom(
    "00000000000040008000000000000000",
    "{00000000-0000-4000-8000-000000000000}",
    "00000000-0000-0000-0000-000000000000",
    "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
  ),
  probability: fc.constantFrom<unknown>(-0, 1e2, 99.5, 2 ** 31),
};

const lists = new Set(["emails", "phones", "enumValues"]);

/** What a definition says of itself, which only the database is asked. */
const databaseOnly = new Set(["minimum", "maximum", "pattern", "defaultValue", "isUnique"]);

/** An input, or a patch, that is fine, or has a field that is wrong, or any value at all. */
const candidate = anyEntity.chain((entity) =>
  fc.record({
    entity: fc.constant(entity),
    data: inputs[entity],
    // What may change of a definition depends on what it is.
    update: entity === "customFieldDefinition" ? fc.constant(false) : fc.boolean(),
    wrong: fc.oneof(
      fc.constant([]),
      fault(entity).map((one) => [one]),
      some(inputs[entity]).chain((data) => {
        const field = Object.keys(data)[0] ?? "";
        return (
          fc
            .oneof(fc.jsonValue(), borderline[field] ?? text(300))
            .filter((value) => !lists.has(field) || typeof value !== "string")
            .filter((value) => !databaseOnly.has(field) || value === null)
            // A definition that is required depends on the rows there are.
            .filter((value) => field !== "required" || value !== true)
            .map((value): Fault[] => [{ field, value }])
        );
      }),
    ),
  }),
);

/** The schema's faults, by field; none if the input is valid. */
function faultsBySchema(entity: Entity, input: Data, update: boolean): string[] {
  const schema = (update ? updateSchemas : createSchemas)[entity] as z.ZodObject;
  const whole = carriers.some((carrier) => carrier === entity)
    ? schema.extend({ customFields: customFieldsSchema([]).optional() })
    : schema;
  const result = whole.safeParse(input);
  return result.success ? [] : names(toFields(result.error));
}

/** The faults that an API tells, by field. Where a link leads is not the schema's to know. */
async function faultsByApi(work: Promise<unknown>): Promise<string[]> {
  const refused = await refusal(work.then(() => Promise.reject(new Refused("none", accepted))));
  if (refused.code !== "VALIDATION_ERROR") {
    expect(["ACCEPTED", "CONSTRAINT_VIOLATION"]).toContain(refused.code);
    return [];
  }
  return names(refused.fields);
}

/** What fields are called; a list, or an address, for what is within it. */
function names(fields: Refusal["fields"] = {}): string[] {
  const fieldNames = Object.keys(fields).map((name) =>
    name.replace(/^(?!customFields\.)(\w+)\..*/, "$1"),
  );
  return [...new Set(fieldNames)].sort();
}

/** An API that meets what is malformed does not ask the rules too; the schema does. */
function expectSameVerdict(byApi: string[], bySchema: string[]): void {
  expect(byApi.length > 0).toBe(bySchema.length > 0);
  expect(bySchema).toEqual(expect.arrayContaining(byApi));
}

const accepted = { code: "ACCEPTED" };

describe.each(apis)("wrong input through $name", (api) => {
  // Feature: core-data-models, Property 23: Invalid data rejection
  test("a wrong value is refused by its field, on create and on update, and leaves no trace", () =>
    holds(mistake, async ({ entity, data, fault, patch }) => {
      fc.pre(isTold(api, createTypeSchemas[entity], spoil({}, fault)));
      fc.pre(isTold(api, updateTypeSchemas[entity], spoil({}, fault)));
      const input = await complete(api, { entity, data: spoilt(entity, data) });
      const before = await api.create(entity, input);
      const nobody = uniqueName("nobody");

      const another = await complete(api, { entity, data });
      const created = api.create(entity, spoilt(entity, another, fault), nobody);
      const whole = await refusal(created);
      expectNamed(whole, [fault.field]);
      expectClean(whole);

      const updated = api.update(entity, before.id, spoil(patch, fault), nobody);
      const partial = await refusal(updated);
      expectNamed(partial, [fault.field]);
      expectClean(partial);

      expect(await api.find(entity, before.id)).toEqual(before);
      expect(await api.entriesBy(nobody)).toEqual([]);
    }));

  // Feature: core-data-models, Property 24: Required field validation
  test("an entity without what it must have is refused, and the error names all that is missing", () =>
    holds(
      anyEntity.chain((entity) =>
        fc.record({
          entity: fc.constant(entity),
          data: inputs[entity],
          missing: fc.subarray([...required[entity]], { minLength: 1 }),
          how: fc.constantFrom(null, undefined),
        }),
      ),
      async ({ entity, data, missing, how }) => {
        const input = await complete(api, { entity, data });
        const lacking = spoil(input, ...missing.map((field) => ({ field, value: how })));
        const refused = await refusal(api.create(entity, lacking));
        expect(refused).toMatchObject({
          code: "VALIDATION_ERROR",
          fields: Object.fromEntries(missing.map((field) => [field, ["is required"]])),
        });
        expectNamed(refused, missing);
      },
    ));

  // Feature: core-data-models, Property 25: Constraint violation error handling
  test("a broken link, or a name that is taken, is refused by its constraint and its field", () =>
    holds(breach, async ({ entity, data, field, value, also, constraint, onUpdate }) => {
      const input = await complete(api, { entity, data });
      const wrong = { ...also, [field]: value };
      const work = onUpdate
        ? api.create(entity, input).then(({ id }) => api.update(entity, id, wrong))
        : api.create(entity, { ...input, ...wrong });
      const refused = await refusal(work);
      expect(refused).toMatchObject({ code: "CONSTRAINT_VIOLATION", constraint });
      expect(Object.keys(refused.fields ?? {})).toEqual([field]);
      expect(refused.message).toContain(field);
      expectClean(refused);
    }));

  // Property 25 again, for the values that a custom field takes once.
  test("the value of a unique field that another row has is refused by the field's name", async () => {
    const definitions = await api.createAll(
      "customFieldDefinition",
      ["company", "contact"].map((entityType) => ({
        ...{ name: "serial_no", label: "Serial", entityType, fieldType: "text", isUnique: true },
      })),
    );
    try {
      await holds(
        fc.record({
          entity: fc.constantFrom("company" as const, "contact" as const),
          value: fc
            .tuple(fc.uuid(), fc.stringMatching(/^[!-~]{1,40}$/))
            .map((parts) => parts.join()),
          onUpdate: fc.boolean(),
        }),
        async ({ entity, value, onUpdate }) => {
          const create = (customFields: Data) =>
            api.create(entity, {
              ...(entity === "company" ? { name: "Acme" } : { firstName: "A", lastName: "L" }),
              customFields,
            });
          const first = await create({ serial_no: value });
          const refused = await refusal(
            onUpdate
              ? create({}).then(({ id }) =>
                  api.update(entity, id, { customFields: { serial_no: value } }),
                )
              : create({ serial_no: value }),
          );
          expect(refused).toMatchObject({ code: "CONSTRAINT_VIOLATION" });
          expect(Object.keys(refused.fields ?? {})).toEqual(["customFields.serial_no"]);
          expectClean(refused);
          await api.remove(entity, first.id);
          await create({ serial_no: value });
        },
      );
    } finally {
      for (const { id } of definitions) await api.remove("customFieldDefinition", id);
    }
  });

  // Feature: core-data-models, Property 36: Input validation against schemas
  // Departure: the schemas hold what the row itself can answer; whether a link leads somewhere only
  // the database knows. GraphQL takes a single value for a list of one, and names what is malformed
  // within a field: emails.0 and address.street where the schema says emails and address.
  test("a schema refuses what the API refuses, for the same fields, and accepts what it accepts", () =>
    holds(candidate, async ({ entity, data, update, wrong }) => {
      fc.pre(
        isTold(api, (update ? updateTypeSchemas : createTypeSchemas)[entity], spoil({}, ...wrong)),
      );
      const input = await complete(api, { entity, data });
      if (update) {
        const { id } = await api.create(entity, input);
        const patch = wrong.length === 0 ? data : spoil({}, ...wrong);
        const found = await faultsByApi(api.update(entity, id, patch));
        expectSameVerdict(found, faultsBySchema(entity, patch, true));
      } else {
        const whole = spoil(input, ...wrong);
        const found = await faultsByApi(api.create(entity, whole));
        expectSameVerdict(found, faultsBySchema(entity, whole, false));
      }
    }));

  // Feature: core-data-models, Property 37: Validation error structure
  // Departure: values of wrong types and keys that are not known are told before any rule is asked,
  // so a client sees all faults of the one kind first, and then all of the other.
  test("however many fields are wrong, the error names each of them and says why", () =>
    holds(
      anyEntity.chain((entity) =>
        fc.record({ entity: fc.constant(entity), data: inputs[entity], found: faults(entity) }),
      ),
      async ({ entity, data, found }) => {
        fc.pre(isTold(api, createTypeSchemas[entity], spoil({}, ...found)));
        const input = await complete(api, { entity, data });
        const refused = await refusal(api.create(entity, spoilt(entity, input, ...found)));
        expectNamed(
          refused,
          found.map(({ field }) => field),
        );
        expectClean(refused);
      },
    ));
});
