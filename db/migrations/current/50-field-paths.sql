/*
 * Why: a fault is named by what the client sent. An element of a list by its position, emails.1; a
 *      member of an object by its key, address.country; a task that is created with its deal by
 *      which one it is, tasks.1.description. What is about a whole list or object stays with it.
 * Locks: for a moment each table whose messages change; nothing is read or written.
 * Undone by: revert/000003.sql.
 */

--!include views/rules.sql
-- Has a column more.
drop function if exists crm_private.elements(jsonb);

--!include functions/elements.sql
--!include functions/row_faults.sql
--!include functions/refuse_row.sql
--!include functions/create_deal_with_tasks.sql

comment on constraint companies_address_object on crm.companies is
  E'@whole\nmust be an object';
comment on constraint companies_address_keys on crm.companies is
  'is not one of street, city, state, postalCode, country';
comment on constraint companies_address_values on crm.companies is
  'must be a string';
comment on constraint companies_address_length on crm.companies is
  'must have at most 255 characters';
comment on constraint companies_custom_fields_object on crm.companies is
  E'@whole\nmust be an object';

comment on constraint contacts_emails_list on crm.contacts is
  E'@whole\nmust be a list of at most 100 addresses, none of them null';
comment on constraint contacts_emails_length on crm.contacts is
  'must have at most 254 characters';
comment on constraint contacts_phones_list on crm.contacts is
  E'@whole\nmust be a list of at most 100 numbers, none of them null';
comment on constraint contacts_phones_blank on crm.contacts is
  'must not be blank';
comment on constraint contacts_phones_length on crm.contacts is
  'must have at most 255 characters';
comment on constraint contacts_custom_fields_object on crm.contacts is
  E'@whole\nmust be an object';

comment on constraint deals_custom_fields_object on crm.deals is
  E'@whole\nmust be an object';

comment on constraint custom_field_definitions_enum_values_list on crm.custom_field_definitions is
  E'@whole\nmust be a list of 1 to 1,000 values, none of them null';
comment on constraint custom_field_definitions_enum_values_blank on crm.custom_field_definitions is
  'must not be blank';
comment on constraint custom_field_definitions_enum_values_length on crm.custom_field_definitions is
  'must have at most 255 characters';
comment on constraint custom_field_definitions_enum_values_distinct on crm.custom_field_definitions is
  E'@whole\nmust not hold a value twice';
