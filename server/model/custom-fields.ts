import { z } from "zod";

import { typeFaults } from "./column-types.ts";
import type { CustomFieldDefinition, JsonValue } from "./generated/rows.ts";
import { compareDecimals, countCharacters, isBlank, isObject, isPrintable } from "./rules.ts";
import { addFaults, addMessages } from "./schemas.ts";

/** The parts of a definition that determine the valid values of a custom field. */
export type CustomFieldRule = Pick<
  CustomFieldDefinition,
  "name" | "fieldType" | "enumValues" | "required"
> &
  Partial<Pick<CustomFieldDefinition, "minimum" | "maximum" | "maxLength" | "defaultValue">>;

/**
 * Creates the schema of an object of custom fields. It replaces the general one:
 * `createSchemas.contact.extend({ customFields: customFieldsSchema(definitions) })`. For updates, in which
 * the object is optional, use `customFieldsSchema(definitions, "update").optional()`.
 *
 * Patterns and uniqueness are checked by the database only: its regular expressions differ from those of
 * JavaScript, and it knows the other rows.
 *
 * @param definitions the definitions of one entity type.
 * @param operation `create` or `update`. A default replaces a missing field in a new row only.
 */
export function customFieldsSchema(
  definitions: readonly CustomFieldRule[],
  operation: "create" | "update" = "create",
): z.ZodType<Record<string, JsonValue>> {
  const schema = z.unknown().superRefine((value, context) => {
    const input = value === undefined ? {} : value;
    if (!isObject(input)) {
      addMessages(context, [input === null ? "is required" : "must be an object"]);
      return;
    }
    const faults = typeFaults("jsonb", input);
    addFaults(context, faults);
    /** Fields that cannot be stored are not checked further. */
    const unread = new Set(faults.map(({ path: [name] }) => name));
    if (unread.has(undefined)) return;
    // A field that is null is removed before its rules are checked.
    const values = new Map(Object.entries(input).filter(([, member]) => member != null));
    for (const definition of definitions) {
      if (unread.has(definition.name)) continue;
      const isSupplied =
        Object.hasOwn(input, definition.name) && input[definition.name] !== undefined;
      const isFilled = operation === "create" && !isSupplied && definition.defaultValue != null;
      addMessages(context, isFilled ? [] : valueFaults(definition, values.get(definition.name)), [
        definition.name,
      ]);
      values.delete(definition.name);
    }
    for (const name of values.keys()) {
      if (unread.has(name)) continue;
      addMessages(context, ["is not a custom field of this entity type"], [name]);
    }
  });
  return schema as z.ZodType<Record<string, JsonValue>>;
}

function valueFaults(definition: CustomFieldRule, value: unknown): string[] {
  if (value === undefined) return definition.required ? ["is required"] : [];
  const { fieldType, enumValues, minimum, maximum, maxLength } = definition;
  switch (fieldType) {
    case "text":
      if (typeof value !== "string" || countCharacters(value) > 10_000) {
        return ["must be a text of at most 10,000 characters"];
      }
      return [
        ...(maxLength != null && countCharacters(value) > maxLength
          ? [`must have at most ${maxLength} characters`]
          : []),
        ...(isBlank(value) && (definition.required || value !== "") ? ["must not be blank"] : []),
        ...(isPrintable(value)
          ? []
          : ["must not contain control characters or characters that reorder text"]),
      ];
    case "number": {
      // A number of JavaScript, or one that the database returned, has fewer than the allowed 400 digits.
      const decimal = JSON.stringify(value);
      if (typeof value !== "number" && !(JSON.isRawJSON(value) && /^-?\d/.test(decimal))) {
        return ["must be a number of at most 400 digits"];
      }
      return [
        ...(minimum != null && compareDecimals(decimal, minimum) < 0
          ? [`must be at least ${minimum}`]
          : []),
        ...(maximum != null && compareDecimals(decimal, maximum) > 0
          ? [`must be at most ${maximum}`]
          : []),
      ];
    }
    case "date":
      if (typeof value !== "string" || typeFaults("date", value).length > 0) {
        return ['must be a date such as "2026-02-28"'];
      }
      return [
        ...(minimum != null && value < minimum ? [`must not be before ${minimum}`] : []),
        ...(maximum != null && value > maximum ? [`must not be after ${maximum}`] : []),
      ];
    case "multi_enum":
      return areChoices(value, enumValues ?? [])
        ? []
        : [`must be a list of one or more, none twice, of ${listed(enumValues ?? [])}`];
    case "boolean":
      return typeof value === "boolean" ? [] : ["must be true or false"];
    case "enum":
      return (enumValues as readonly unknown[] | null)?.includes(value) === true
        ? []
        : [`must be one of ${listed(enumValues ?? [])}`];
  }
}

function areChoices(value: unknown, choices: readonly string[]): boolean {
  if (!Array.isArray(value) || value.length === 0) return false;
  const isEachOne = value.every((element) => (choices as readonly unknown[]).includes(element));
  return isEachOne && new Set(value).size === value.length;
}

function listed(values: readonly string[]): string {
  return values.slice(0, 20).join(", ") + (values.length > 20 ? " and others" : "");
}
