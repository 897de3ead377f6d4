import { beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";

import { carriers, type Data, fieldTypes, goodValue, isListed } from "./arbitraries.ts";
import { present, type Row } from "./api.ts";
import { holds, openApis } from "./apis.ts";
import { instant, stored, unstamped } from "./expected.ts";
import { anything, complete, uniqueName } from "./drafts.ts";

const { apis } = openApis();
const choices = ["a", "A", " b ", "O'Reilly", `"c"`, "back\\slash", "100 %", "\u{1f600}", "null"];

beforeAll(async () => {
  const definitions = carriers.flatMap((entityType) =>
    fieldTypes.map((fieldType) => ({
      name: `a_${fieldType}`,
      label: fieldType,
      entityType,
      fieldType,
      enumValues: isListed(fieldType) ? choices : null,
    })),
  );
  await apis[0]?.createAll("customFieldDefinition", definitions);
});

const customFields = fc.record(
  Object.fromEntries(fieldTypes.map((type) => [`a_${type}`, goodValue(type, choices)])),
  { requiredKeys: [] },
);

/** What a field is to a client of JavaScript; a text where nothing is said. */
const kinds: Record<string, string[]> = {
  version: ["number"],
  probability: ["number"],
  probabilityGiven: ["boolean"],
  lostReason: ["string", "null"],
  closedAt: ["string", "null"],
  required: ["boolean"],
  isUnique: ["boolean"],
  maxLength: ["number", "null"],
  description: ["string", "null"],
  minimum: ["string", "null"],
  maximum: ["string", "null"],
  pattern: ["string", "null"],
  defaultValue: ["string", "number", "boolean", "list", "null"],
  emails: ["list"],
  phones: ["list"],
  externalIds: ["list"],
  enumValues: ["list", "null"],
  customFields: ["object"],
  address: ["object", "null"],
  companyId: ["string", "null"],
  contactId: ["string", "null"],
  dealId: ["string", "null"],
  ownerId: ["string", "null"],
  assignedTo: ["string", "null"],
  closeDate: ["string", "null"],
  dueDate: ["string", "null"],
};

function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "list" : typeof value;
}

/** A row with its timestamps as numbers: APIs may write them with more digits, or fewer. */
function comparable({ createdAt, updatedAt, closedAt, ...row }: Row): Data {
  const closed = typeof closedAt === "string" ? instant(closedAt) : closedAt;
  return { ...row, createdAt: instant(createdAt), updatedAt: instant(updatedAt), closed };
}

/** What of a row may be given to create its like. */
function inputOf(row: Row): Data {
  const fields = unstamped(row);
  for (const follows of ["probabilityGiven", "closedAt"]) Reflect.deleteProperty(fields, follows);
  if (!("entityId" in fields)) return fields;
  const { contactId, companyId, dealId, ...input } = fields;
  expect([contactId, companyId, dealId]).toContain(input.entityId);
  return input;
}

describe.each(apis)("what is written through $name", (api) => {
  // Feature: core-data-models, Property 38: Serialization type consistency
  // Departure: timestamps are texts with microseconds, dates texts, and decimals exact texts, because
  // JavaScript's own types would lose some of each; nulls in custom fields are removed.
  test("is read through every API with the same values and types, and makes the same again", () =>
    holds(fc.record({ draft: anything, customFields }), async ({ draft, customFields }) => {
      const { entity } = draft;
      const custom = carriers.some((carrier) => carrier === entity) ? { customFields } : {};
      const input = { ...(await complete(api, draft)), ...custom };
      const row = await api.create(entity, input);

      expect(unstamped(row)).toEqual(stored(entity, input));
      expect(JSON.parse(JSON.stringify(row))).toEqual(row);
      for (const [field, value] of Object.entries(row)) {
        expect({ [field]: kinds[field] ?? ["string"] }).toEqual({
          [field]: expect.arrayContaining([kindOf(value)]),
        });
      }
      for (const reader of apis) {
        const read = present(await reader.find(entity, row.id));
        expect(comparable(read)).toEqual(comparable(row));
      }

      const name = entity === "customFieldDefinition" ? { name: uniqueName("again") } : {};
      const again = await api.create(entity, { ...inputOf(row), ...name });
      expect(unstamped(again)).toEqual({
        ...unstamped(row),
        ...name,
        ...(entity === "deal" ? { probabilityGiven: true, closedAt: again.closedAt } : {}),
      });
    }));
});
