// Generated from the catalog by npm run generate.

import type { Constraints } from "../../errors/messages.ts";

/** The messages of the database's constraints, by name. */
export const constraints: Constraints = {
  api_keys_name_format: {
    table: "api_keys",
    fields: ["name"],
    message:
      "must consist of lower case letters and digits, with single dots, hyphens or underscores between them",
  },
  api_keys_name_length: {
    table: "api_keys",
    fields: ["name"],
    message: "must have at most 100 characters",
  },
  api_keys_name_unique: {
    table: "api_keys",
    fields: ["name"],
    message: "is already the name of a key, active or revoked",
  },
  api_keys_role_known: {
    table: "api_keys",
    fields: ["role"],
    message: "is not one of reader, member, admin",
  },
  api_keys_expires_at_range: {
    table: "api_keys",
    fields: ["expiresAt"],
    message: "must be in the future, at most 100 years from now",
  },
  audit_logs_action_known: {
    table: "audit_logs",
    fields: ["action"],
    message: "is not one of create, update, delete, erase, purge, archive",
  },
  audit_logs_user_id_blank: {
    table: "audit_logs",
    fields: ["userId"],
    message: "must not be blank",
  },
  audit_logs_user_id_legible: {
    table: "audit_logs",
    fields: ["userId"],
    message: "must not contain control characters or invisible characters",
  },
  audit_logs_user_id_length: {
    table: "audit_logs",
    fields: ["userId"],
    message: "must have at most 255 characters",
  },
  audit_logs_source_known: {
    table: "audit_logs",
    fields: ["source"],
    message: "is not one of api, import, sql",
  },
  companies_name_blank: { table: "companies", fields: ["name"], message: "must not be blank" },
  companies_name_legible: {
    table: "companies",
    fields: ["name"],
    message: "must not contain control characters or invisible characters",
  },
  companies_name_length: {
    table: "companies",
    fields: ["name"],
    message: "must have at most 255 characters",
  },
  companies_address_keys: {
    table: "companies",
    fields: ["address"],
    message: "is not one of street, city, state, postalCode, country",
  },
  companies_address_legible: {
    table: "companies",
    fields: ["address"],
    message: "must not contain control characters or characters that reorder text",
  },
  companies_address_length: {
    table: "companies",
    fields: ["address"],
    message: "must have at most 255 characters",
  },
  companies_address_object: {
    table: "companies",
    fields: ["address"],
    message: "must be an object",
  },
  companies_address_values: {
    table: "companies",
    fields: ["address"],
    message: "must be a string",
  },
  companies_owner_id_blank: {
    table: "companies",
    fields: ["ownerId"],
    message: "must not be blank",
  },
  companies_owner_id_legible: {
    table: "companies",
    fields: ["ownerId"],
    message: "must not contain control characters or invisible characters",
  },
  companies_owner_id_length: {
    table: "companies",
    fields: ["ownerId"],
    message: "must have at most 255 characters",
  },
  companies_custom_fields_object: {
    table: "companies",
    fields: ["customFields"],
    message: "must be an object",
  },
  companies_external_ids_blank: {
    table: "companies",
    fields: ["externalIds"],
    message: "must have a source and an id",
  },
  companies_external_ids_distinct: {
    table: "companies",
    fields: ["externalIds"],
    message: "must not contain an external id twice",
  },
  companies_external_ids_legible: {
    table: "companies",
    fields: ["externalIds"],
    message: "must not contain control characters or invisible characters",
  },
  companies_external_ids_length: {
    table: "companies",
    fields: ["externalIds"],
    message: "must have a source of at most 100 characters and an id of at most 255",
  },
  companies_external_ids_list: {
    table: "companies",
    fields: ["externalIds"],
    message: "must be a list of at most 20 external ids, none of them null",
  },
  contacts_first_name_blank: {
    table: "contacts",
    fields: ["firstName"],
    message: "must not be blank",
  },
  contacts_first_name_legible: {
    table: "contacts",
    fields: ["firstName"],
    message: "must not contain control characters or invisible characters",
  },
  contacts_first_name_length: {
    table: "contacts",
    fields: ["firstName"],
    message: "must have at most 255 characters",
  },
  contacts_last_name_blank: {
    table: "contacts",
    fields: ["lastName"],
    message: "must not be blank",
  },
  contacts_last_name_legible: {
    table: "contacts",
    fields: ["lastName"],
    message: "must not contain control characters or invisible characters",
  },
  contacts_last_name_length: {
    table: "contacts",
    fields: ["lastName"],
    message: "must have at most 255 characters",
  },
  contacts_emails_format: {
    table: "contacts",
    fields: ["emails"],
    message: "is not an email address",
  },
  contacts_emails_length: {
    table: "contacts",
    fields: ["emails"],
    message: "must have at most 254 characters",
  },
  contacts_emails_list: {
    table: "contacts",
    fields: ["emails"],
    message: "must be a list of at most 100 addresses, none of them null",
  },
  contacts_phones_blank: { table: "contacts", fields: ["phones"], message: "must not be blank" },
  contacts_phones_legible: {
    table: "contacts",
    fields: ["phones"],
    message: "must not contain control characters or invisible characters",
  },
  contacts_phones_length: {
    table: "contacts",
    fields: ["phones"],
    message: "must have at most 255 characters",
  },
  contacts_phones_list: {
    table: "contacts",
    fields: ["phones"],
    message: "must be a list of at most 100 numbers, none of them null",
  },
  contacts_company_id_exists: {
    table: "contacts",
    fields: ["companyId"],
    message: "is not the id of a company",
  },
  contacts_owner_id_blank: { table: "contacts", fields: ["ownerId"], message: "must not be blank" },
  contacts_owner_id_legible: {
    table: "contacts",
    fields: ["ownerId"],
    message: "must not contain control characters or invisible characters",
  },
  contacts_owner_id_length: {
    table: "contacts",
    fields: ["ownerId"],
    message: "must have at most 255 characters",
  },
  contacts_custom_fields_object: {
    table: "contacts",
    fields: ["customFields"],
    message: "must be an object",
  },
  contacts_external_ids_blank: {
    table: "contacts",
    fields: ["externalIds"],
    message: "must have a source and an id",
  },
  contacts_external_ids_distinct: {
    table: "contacts",
    fields: ["externalIds"],
    message: "must not contain an external id twice",
  },
  contacts_external_ids_legible: {
    table: "contacts",
    fields: ["externalIds"],
    message: "must not contain control characters or invisible characters",
  },
  contacts_external_ids_length: {
    table: "contacts",
    fields: ["externalIds"],
    message: "must have a source of at most 100 characters and an id of at most 255",
  },
  contacts_external_ids_list: {
    table: "contacts",
    fields: ["externalIds"],
    message: "must be a list of at most 20 external ids, none of them null",
  },
  custom_field_definitions_name_format: {
    table: "custom_field_definitions",
    fields: ["name"],
    message: "must consist of letters, digits and underscores and begin with a letter",
  },
  custom_field_definitions_name_length: {
    table: "custom_field_definitions",
    fields: ["name"],
    message: "must have at most 100 characters",
  },
  custom_field_definitions_name_unique: {
    table: "custom_field_definitions",
    fields: ["name"],
    message: "is already defined",
  },
  custom_field_definitions_label_blank: {
    table: "custom_field_definitions",
    fields: ["label"],
    message: "must not be blank",
  },
  custom_field_definitions_label_legible: {
    table: "custom_field_definitions",
    fields: ["label"],
    message: "must not contain control characters or invisible characters",
  },
  custom_field_definitions_label_length: {
    table: "custom_field_definitions",
    fields: ["label"],
    message: "must have at most 255 characters",
  },
  custom_field_definitions_entity_type_known: {
    table: "custom_field_definitions",
    fields: ["entityType"],
    message: "is not one of company, contact, deal",
  },
  custom_field_definitions_field_type_known: {
    table: "custom_field_definitions",
    fields: ["fieldType"],
    message: "is not one of text, number, date, enum, multi_enum, boolean",
  },
  custom_field_definitions_enum_values_blank: {
    table: "custom_field_definitions",
    fields: ["enumValues"],
    message: "must not be blank",
  },
  custom_field_definitions_enum_values_distinct: {
    table: "custom_field_definitions",
    fields: ["enumValues"],
    message: "must not contain a value twice",
  },
  custom_field_definitions_enum_values_legible: {
    table: "custom_field_definitions",
    fields: ["enumValues"],
    message: "must not contain control characters or invisible characters",
  },
  custom_field_definitions_enum_values_length: {
    table: "custom_field_definitions",
    fields: ["enumValues"],
    message: "must have at most 255 characters",
  },
  custom_field_definitions_enum_values_list: {
    table: "custom_field_definitions",
    fields: ["enumValues"],
    message: "must be a list of 1 to 1,000 values, none of them null",
  },
  custom_field_definitions_enum_values_present: {
    table: "custom_field_definitions",
    fields: ["enumValues"],
    message: "must be given for an enum or a multi_enum, and for no other type",
  },
  custom_field_definitions_description_blank: {
    table: "custom_field_definitions",
    fields: ["description"],
    message: "must not be blank",
  },
  custom_field_definitions_description_legible: {
    table: "custom_field_definitions",
    fields: ["description"],
    message: "must not contain control characters or characters that reorder text",
  },
  custom_field_definitions_description_length: {
    table: "custom_field_definitions",
    fields: ["description"],
    message: "must have at most 1,000 characters",
  },
  custom_field_definitions_minimum_format: {
    table: "custom_field_definitions",
    fields: ["minimum"],
    message: "is not a decimal number or, for a date, a day such as 2026-02-28",
  },
  custom_field_definitions_minimum_suited: {
    table: "custom_field_definitions",
    fields: ["minimum"],
    message: "can be given for a number or a date only",
  },
  custom_field_definitions_maximum_format: {
    table: "custom_field_definitions",
    fields: ["maximum"],
    message: "is not a decimal number or, for a date, a day such as 2026-02-28",
  },
  custom_field_definitions_maximum_order: {
    table: "custom_field_definitions",
    fields: ["maximum"],
    message: "must not be less than the minimum",
  },
  custom_field_definitions_maximum_suited: {
    table: "custom_field_definitions",
    fields: ["maximum"],
    message: "can be given for a number or a date only",
  },
  custom_field_definitions_max_length_range: {
    table: "custom_field_definitions",
    fields: ["maxLength"],
    message: "must be from 1 to 10,000",
  },
  custom_field_definitions_max_length_suited: {
    table: "custom_field_definitions",
    fields: ["maxLength"],
    message: "can be given for a text only",
  },
  custom_field_definitions_pattern_length: {
    table: "custom_field_definitions",
    fields: ["pattern"],
    message: "must have at most 255 characters",
  },
  custom_field_definitions_pattern_suited: {
    table: "custom_field_definitions",
    fields: ["pattern"],
    message: "can be given for a text only",
  },
  custom_field_definitions_pattern_valid: {
    table: "custom_field_definitions",
    fields: ["pattern"],
    message:
      "is not a regular expression, or has back references, lookaround or long repetitions of groups",
  },
  custom_field_definitions_default_value_holds: {
    table: "custom_field_definitions",
    fields: ["defaultValue"],
    message: "breaks a rule of the field itself",
  },
  custom_field_definitions_default_value_unique: {
    table: "custom_field_definitions",
    fields: ["defaultValue"],
    message: "cannot be given for a unique field",
  },
  custom_field_definitions_is_unique_name: {
    table: "custom_field_definitions",
    fields: ["isUnique"],
    message: "needs a name of at most 39 characters",
  },
  custom_field_definitions_is_unique_suited: {
    table: "custom_field_definitions",
    fields: ["isUnique"],
    message: "can be true for a text, a number, a date or an enum only",
  },
  deals_title_blank: { table: "deals", fields: ["title"], message: "must not be blank" },
  deals_title_legible: {
    table: "deals",
    fields: ["title"],
    message: "must not contain control characters or invisible characters",
  },
  deals_title_length: {
    table: "deals",
    fields: ["title"],
    message: "must have at most 255 characters",
  },
  deals_company_id_exists: {
    table: "deals",
    fields: ["companyId"],
    message: "is not the id of a company",
  },
  deals_contact_id_exists: {
    table: "deals",
    fields: ["contactId"],
    message: "is not the id of a contact",
  },
  deals_value_decimals: {
    table: "deals",
    fields: ["value"],
    message: "has more than two decimals",
  },
  deals_value_range: {
    table: "deals",
    fields: ["value"],
    message: "must be a number below 10,000,000,000,000",
  },
  deals_currency_known: {
    table: "deals",
    fields: ["currency"],
    message: "is not an ISO 4217 currency code",
  },
  deals_stage_exists: {
    table: "deals",
    fields: ["stage"],
    message: "is not the name of a pipeline stage",
  },
  deals_probability_range: {
    table: "deals",
    fields: ["probability"],
    message: "must be from 0 to 100",
  },
  deals_close_date_range: {
    table: "deals",
    fields: ["closeDate"],
    message: "must be from 0001-01-01 to 9999-12-31",
  },
  deals_lost_reason_blank: { table: "deals", fields: ["lostReason"], message: "must not be blank" },
  deals_lost_reason_legible: {
    table: "deals",
    fields: ["lostReason"],
    message: "must not contain control characters or characters that reorder text",
  },
  deals_lost_reason_length: {
    table: "deals",
    fields: ["lostReason"],
    message: "must have at most 255 characters",
  },
  deals_owner_id_blank: { table: "deals", fields: ["ownerId"], message: "must not be blank" },
  deals_owner_id_legible: {
    table: "deals",
    fields: ["ownerId"],
    message: "must not contain control characters or invisible characters",
  },
  deals_owner_id_length: {
    table: "deals",
    fields: ["ownerId"],
    message: "must have at most 255 characters",
  },
  deals_custom_fields_object: {
    table: "deals",
    fields: ["customFields"],
    message: "must be an object",
  },
  deals_external_ids_blank: {
    table: "deals",
    fields: ["externalIds"],
    message: "must have a source and an id",
  },
  deals_external_ids_distinct: {
    table: "deals",
    fields: ["externalIds"],
    message: "must not contain an external id twice",
  },
  deals_external_ids_legible: {
    table: "deals",
    fields: ["externalIds"],
    message: "must not contain control characters or invisible characters",
  },
  deals_external_ids_length: {
    table: "deals",
    fields: ["externalIds"],
    message: "must have a source of at most 100 characters and an id of at most 255",
  },
  deals_external_ids_list: {
    table: "deals",
    fields: ["externalIds"],
    message: "must be a list of at most 20 external ids, none of them null",
  },
  deals_closed_at_order: {
    table: "deals",
    fields: ["closedAt"],
    message: "must not be before the deal was created",
  },
  exchange_rates_currency_known: {
    table: "exchange_rates",
    fields: ["currency"],
    message: "is not an ISO 4217 currency code",
  },
  exchange_rates_valid_from_range: {
    table: "exchange_rates",
    fields: ["validFrom"],
    message: "must be from 0001-01-01 to 9999-12-31",
  },
  exchange_rates_valid_from_unique: {
    table: "exchange_rates",
    fields: ["validFrom"],
    message: "is already the first day of a rate of the currency",
  },
  exchange_rates_rate_decimals: {
    table: "exchange_rates",
    fields: ["rate"],
    message: "has more than 12 decimals",
  },
  exchange_rates_rate_positive: {
    table: "exchange_rates",
    fields: ["rate"],
    message: "must be above 0",
  },
  exchange_rates_rate_range: {
    table: "exchange_rates",
    fields: ["rate"],
    message: "must be a number below 10,000,000,000,000",
  },
  notes_content_blank: { table: "notes", fields: ["content"], message: "must not be blank" },
  notes_content_legible: {
    table: "notes",
    fields: ["content"],
    message: "must not contain control characters or characters that reorder text",
  },
  notes_content_length: {
    table: "notes",
    fields: ["content"],
    message: "must have at most 100,000 characters",
  },
  notes_entity_type_known: {
    table: "notes",
    fields: ["entityType"],
    message: "is not one of contact, company, deal",
  },
  notes_contact_id_exists: {
    table: "notes",
    fields: ["entityId"],
    message: "is not the id of a contact",
  },
  notes_company_id_exists: {
    table: "notes",
    fields: ["entityId"],
    message: "is not the id of a company",
  },
  notes_deal_id_exists: {
    table: "notes",
    fields: ["entityId"],
    message: "is not the id of a deal",
  },
  notes_external_ids_blank: {
    table: "notes",
    fields: ["externalIds"],
    message: "must have a source and an id",
  },
  notes_external_ids_distinct: {
    table: "notes",
    fields: ["externalIds"],
    message: "must not contain an external id twice",
  },
  notes_external_ids_legible: {
    table: "notes",
    fields: ["externalIds"],
    message: "must not contain control characters or invisible characters",
  },
  notes_external_ids_length: {
    table: "notes",
    fields: ["externalIds"],
    message: "must have a source of at most 100 characters and an id of at most 255",
  },
  notes_external_ids_list: {
    table: "notes",
    fields: ["externalIds"],
    message: "must be a list of at most 20 external ids, none of them null",
  },
  pipeline_stages_name_blank: {
    table: "pipeline_stages",
    fields: ["name"],
    message: "must not be blank",
  },
  pipeline_stages_name_legible: {
    table: "pipeline_stages",
    fields: ["name"],
    message: "must not contain control characters or invisible characters",
  },
  pipeline_stages_name_length: {
    table: "pipeline_stages",
    fields: ["name"],
    message: "must have at most 100 characters",
  },
  pipeline_stages_name_unique: {
    table: "pipeline_stages",
    fields: ["name"],
    message: "is already the name of a stage",
  },
  pipeline_stages_position_range: {
    table: "pipeline_stages",
    fields: ["position"],
    message: "must be 0 or more",
  },
  pipeline_stages_probability_range: {
    table: "pipeline_stages",
    fields: ["probability"],
    message: "must be from 0 to 100",
  },
  pipeline_stages_kind_known: {
    table: "pipeline_stages",
    fields: ["kind"],
    message: "is not one of open, won, lost",
  },
  tasks_description_blank: {
    table: "tasks",
    fields: ["description"],
    message: "must not be blank",
  },
  tasks_description_legible: {
    table: "tasks",
    fields: ["description"],
    message: "must not contain control characters or characters that reorder text",
  },
  tasks_description_length: {
    table: "tasks",
    fields: ["description"],
    message: "must have at most 10,000 characters",
  },
  tasks_due_date_range: {
    table: "tasks",
    fields: ["dueDate"],
    message: "must be from 0001-01-01 to 9999-12-31",
  },
  tasks_assigned_to_blank: { table: "tasks", fields: ["assignedTo"], message: "must not be blank" },
  tasks_assigned_to_legible: {
    table: "tasks",
    fields: ["assignedTo"],
    message: "must not contain control characters or invisible characters",
  },
  tasks_assigned_to_length: {
    table: "tasks",
    fields: ["assignedTo"],
    message: "must have at most 255 characters",
  },
  tasks_status_known: { table: "tasks", fields: ["status"], message: "is not one of open, closed" },
  tasks_entity_type_known: {
    table: "tasks",
    fields: ["entityType"],
    message: "is not one of contact, company, deal",
  },
  tasks_contact_id_exists: {
    table: "tasks",
    fields: ["entityId"],
    message: "is not the id of a contact",
  },
  tasks_company_id_exists: {
    table: "tasks",
    fields: ["entityId"],
    message: "is not the id of a company",
  },
  tasks_deal_id_exists: {
    table: "tasks",
    fields: ["entityId"],
    message: "is not the id of a deal",
  },
  tasks_external_ids_blank: {
    table: "tasks",
    fields: ["externalIds"],
    message: "must have a source and an id",
  },
  tasks_external_ids_distinct: {
    table: "tasks",
    fields: ["externalIds"],
    message: "must not contain an external id twice",
  },
  tasks_external_ids_legible: {
    table: "tasks",
    fields: ["externalIds"],
    message: "must not contain control characters or invisible characters",
  },
  tasks_external_ids_length: {
    table: "tasks",
    fields: ["externalIds"],
    message: "must have a source of at most 100 characters and an id of at most 255",
  },
  tasks_external_ids_list: {
    table: "tasks",
    fields: ["externalIds"],
    message: "must be a list of at most 20 external ids, none of them null",
  },
};
