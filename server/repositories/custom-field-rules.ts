import type pg from "pg";

import type {
  CreateCustomFieldDefinition,
  CustomFieldDefinition,
  JsonValue,
} from "../model/generated/rows.ts";
import { tables } from "../model/generated/tables.ts";
import { parseUserId, type Role } from "../postgres/pool.ts";
import { createTypeSchemas, parse } from "../model/schemas.ts";
import type { Table } from "../model/tables.ts";
import { createExecute, onlyRow } from "./execute.ts";
import { maxRows } from "./pages.ts";
import { rowJson, toColumns } from "./sql.ts";

/** A row that would violate a rule of a custom field. */
export interface CustomFieldFault {
  readonly entityId: string;
  /** Null if the row has no value. */
  readonly value: JsonValue;
  readonly message: string;
}

/** The changes to the rules of a custom field. */
export type CustomFieldRuleChange = Partial<
  Pick<
    CreateCustomFieldDefinition,
    | "fieldType"
    | "enumValues"
    | "required"
    | "minimum"
    | "maximum"
    | "maxLength"
    | "pattern"
    | "isUnique"
  >
>;

type EntityType = CustomFieldDefinition["entityType"];

/** The operations on definitions, in addition to those of a repository. */
export interface CustomFieldRules {
  /**
   * Returns the rows that would violate a changed rule: at most 1,000, by id, once for each fault. Omitted
   * properties stay as in the definition.
   *
   * @throws {ValidationError} if no definition may have this rule.
   */
  checkRule(
    entityType: EntityType,
    name: string,
    rule: CustomFieldRuleChange,
    client?: pg.ClientBase,
  ): Promise<CustomFieldFault[]>;
  /**
   * Renames a value of an enum or a multi_enum, in the definition and in every row.
   *
   * @throws {ValidationError} if there is no such field or value, or the new name exists.
   */
  renameValue(
    entityType: EntityType,
    name: string,
    oldValue: string,
    newValue: string,
    userId: string,
    client?: pg.ClientBase,
  ): Promise<CustomFieldDefinition>;
}

const table: Table = tables.customFieldDefinition;
const form = createTypeSchemas.customFieldDefinition.partial();

const checkText = `
  select json_build_object(
    'entityId', fault.entity_id, 'value', fault.value, 'message', fault.message
  )::text as row
  from jsonb_populate_record(null::crm.custom_field_definitions, $1::jsonb) as given
  cross join lateral crm.check_custom_field_rule(
    given.entity_type, given.name, given.field_type, given.enum_values, given.required,
    given.minimum, given.maximum, given.max_length, given.pattern, given.is_unique
  ) as fault
  limit ${maxRows}`;

const renameText = `
  select ${rowJson(table, "t")}::text as row
  from crm.rename_custom_field_value($1, $2, $3, $4) as t`;

/** Creates the calls of `crm.check_custom_field_rule` and `crm.rename_custom_field_value`. */
export function createCustomFieldRules(pool: pg.Pool, role: Role): CustomFieldRules {
  const execute = createExecute(pool, role);
  return {
    async checkRule(entityType, name, rule, client) {
      const given = toColumns(table, parse<object>(form, { ...rule, entityType, name }));
      const statement = { text: checkText, values: [JSON.stringify(given)] };
      return execute<CustomFieldFault>(statement, undefined, client);
    },

    async renameValue(entityType, name, oldValue, newValue, userId, client) {
      const user = parseUserId(userId);
      const values = [entityType, name, oldValue, newValue];
      return onlyRow(
        await execute<CustomFieldDefinition>({ text: renameText, values }, user, client),
      );
    },
  };
}
