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
--!include triggers/100_normalise.sql

comment on column crm.companies.custom_fields is
  'Values of custom fields by name, as crm.custom_field_definitions allow them. Assigning '
  'replaces the whole object; assigning {"$merge": {...}} sets the members of the inner one and '
  'leaves the others. A field set to null is removed.';
comment on column crm.contacts.custom_fields is
  'Values of custom fields by name, as crm.custom_field_definitions allow them. Assigning '
  'replaces the whole object; assigning {"$merge": {...}} sets the members of the inner one and '
  'leaves the others. A field set to null is removed.';
comment on column crm.deals.custom_fields is
  'Values of custom fields by name, as crm.custom_field_definitions allow them. Assigning '
  'replaces the whole object; assigning {"$merge": {...}} sets the members of the inner one and '
  'leaves the others. A field set to null is removed.';

comment on type crm.new_deal is
  E'@customFieldsOf deals\nA deal to create: what a client may say of it.';
