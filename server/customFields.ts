import { z } from "zod";

import { formFaults } from "./forms.ts";
import type { CustomFieldDefinition, JsonValue } from "./generated/rows.ts";
import { countCharacters, isObject } from "./rules.ts";
import { addFaults, addMessages } from "./schemas.ts";

/** What decides which values a custom field may hold. */
export type CustomFieldRule = Pick<
  CustomFieldDefinition,
  "name" | "fieldType" | "enumValues" | "required"
>;

/**
 * The schema of an object of custom fields. Takes the place of the general one:
 * `createSchemas.contact.extend({ customFields: customFieldsSchema(definitions) })`; for updates,
 * which may leave the whole object out, `customFieldsSchema(definitions).optional()`.
 *
 * @param definitions those of one entity type.
 */
export function customFieldsSchema(
  definitions: readonly CustomFieldRule[],
): z.ZodType<Record<string, JsonValue>> {
  const schema = z.unknown().superRefine((value, context) => {
    const given = value === undefined ? {} : value;
    if (!isObject(given)) {
      addMessages(context, [given === null ? "is required" : "must be an object"]);
      return;
    }
    if (addFaults(context, formFaults("jsonb", given))) return;
    // A field that is set to null is removed before anything is asked of it.
    const values = new Map(Object.entries(given).filter(([, member]) => member != null));
    for (const definition of definitions) {
      addMessages(context, valueFaults(definition, values.get(definition.name)), [definition.name]);
      values.delete(definition.name);
    }
    for (const name of values.keys()) {
      addMessages(context, ["is not a custom field of this entity type"], [name]);
    }
  });
  return schema as z.ZodType<Record<string, JsonValue>>;
}

function valueFaults(definition: CustomFieldRule, value: unknown): string[] {
  if (value === undefined) return definition.required ? ["is required"] : [];
  const { fieldType, enumValues } = definition;
  switch (fieldType) {
    case "text":
      return typeof value === "string" && countCharacters(value) <= 10_000
        ? []
        : ["must be a text of at most 10,000 characters"];
    case "number":
      // Every finite number of JavaScript has fewer digits than the 400 that are allowed.
      return typeof value === "number" ? [] : ["must be a number of at most 400 digits"];
    case "date":
      return formFaults("date", value).length === 0 ? [] : ['must be a date such as "2026-02-28"'];
    case "boolean":
      return typeof value === "boolean" ? [] : ["must be true or false"];
    case "enum":
      return (enumValues as readonly unknown[] | null)?.includes(value) === true
        ? []
        : [`must be one of ${listed(enumValues ?? [])}`];
  }
}

function listed(values: readonly string[]): string {
  return values.slice(0, 20).join(", ") + (values.length > 20 ? " and others" : "");
}
