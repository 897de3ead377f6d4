import type { GraphQLInputObjectType, GraphQLSchema } from "graphql";

import { customValues } from "../custom-fields/inputs.ts";
import { referenceOf } from "../external-ids/references.ts";

/** A row as `crm_private.write_rows` reads it: columns, and keys such as `external_id`. */
export type InputRow = Record<string, unknown>;

/**
 * Returns the row of an input object. The `apply` of each field sets the field's column, as in a
 * mutation of one row, so fields of other plugins work too. A reference by external id stays one.
 *
 * @param type such as `ContactCreate` or `ContactUpdate`.
 * @param value an object of that type, as GraphQL has parsed it.
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
    const { reference } = field.extensions;
    if (reference !== undefined) target.set(reference, referenceOf(given[fieldName]));
    field.extensions.grafast?.apply?.(target, given[fieldName], {
      ...{ schema, field, fieldName, scope: undefined },
    });
  }
  const customFields = customValues(value, type);
  return customFields === undefined ? row : { ...row, custom_fields: customFields };
}
