import type { GraphQLInputObjectType, GraphQLSchema } from "graphql";

import { customValues } from "../custom-fields/inputs.ts";

/** A row as the database's bulk write reads it: columns, and what it knows beside them. */
export type InputRow = Record<string, unknown>;

/**
 * Makes the row of an input object of an entity. Each field says itself which column it stands for,
 * as it does where a single row is written, so it does not matter which plugin added the field: a
 * field sets attributes of what its `apply` is given.
 *
 * @param type such as `ContactInput` or `ContactPatch`.
 * @param value an object of that type, as GraphQL has read it.
 */
export function rowOf(
  schema: GraphQLSchema,
  type: GraphQLInputObjectType,
  value: object,
): InputRow {
  const row: InputRow = {};
  const target = {
    set(column: string, columnValue: unknown) {
      row[column] = columnValue;
    },
  };
  const given = value as InputRow;
  for (const field of Object.values(type.getFields())) {
    const { name: fieldName } = field;
    if (given[fieldName] === undefined) continue;
    field.extensions.grafast?.apply?.(target, given[fieldName], {
      ...{ schema, field, fieldName, scope: undefined },
    });
  }
  const customFields = customValues(value, type);
  return customFields === undefined ? row : { ...row, custom_fields: customFields };
}
