/*
 * Why: custom fields should be fields of their type, in GraphQL as in SQL.
 * Locks: nothing but the catalog.
 * Undone by: revert/000006.sql.
 */

create schema crm_custom;
comment on schema crm_custom is
  'A function for each custom field: the value of the field in a row, of the field''s type. Made from '
  'the definitions.';
grant usage on schema crm_custom to crm_reader;

--!include functions/custom_field_value.sql
--!include functions/is_reserved_field.sql
--!include functions/custom_field_names.sql
--!include functions/custom_field_definitions_field_name.sql
--!include functions/compile_custom_field_functions.sql
--!include functions/compile_custom_fields.sql
