/*
 * Why: what clients read. Comments of tables and columns are the documentation in GraphiQL, those
 *      of constraints are the messages of errors: %s stands for the faulty value. Lines that begin
 *      with @ are smart tags, which shape the API.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

-- pipeline_stages

comment on table crm.pipeline_stages is
  'A stage of the sales pipeline. Administrators edit the stages.';

comment on column crm.pipeline_stages.id is
  'The identifier of the row, set by the database.';
comment on column crm.pipeline_stages.name is
  'The name that deals refer to, unique. Renaming a stage renames it on its deals.';
comment on column crm.pipeline_stages.position is
  E'@hasDefault\nWhere the stage stands in the pipeline, counted from 0. The end, if not given.';
comment on column crm.pipeline_stages.probability is
  'The chance of winning, in percent, that a new deal at this stage starts with if it names '
  'none.';
comment on column crm.pipeline_stages.kind is
  'open, won or lost.';
comment on column crm.pipeline_stages.version is
  'Increases by one with every update. An update that carries another version than the '
  'current one is refused with the code CONFLICT.';
comment on column crm.pipeline_stages.created_at is
  'When the row was created.';
comment on column crm.pipeline_stages.updated_at is
  'When the row was last changed; later with every change.';
comment on column crm.pipeline_stages.created_by is
  'The user who created the row.';
comment on column crm.pipeline_stages.updated_by is
  'The user who last changed the row.';

comment on constraint pipeline_stages_name_unique on crm.pipeline_stages is
  '%s is already the name of a stage';
comment on constraint pipeline_stages_name_blank on crm.pipeline_stages is
  'must not be blank';
comment on constraint pipeline_stages_name_length on crm.pipeline_stages is
  'must have at most 100 characters';
comment on constraint pipeline_stages_position_range on crm.pipeline_stages is
  'must be 0 or more';
comment on constraint pipeline_stages_probability_range on crm.pipeline_stages is
  'must be from 0 to 100';
comment on constraint pipeline_stages_kind_known on crm.pipeline_stages is
  '%s is not one of open, won, lost';

-- companies

comment on table crm.companies is
  'A company: an organisation that contacts work for and deals are made with.';

comment on column crm.companies.id is
  'The identifier of the row, set by the database.';
comment on column crm.companies.name is
  'The name, at most 255 characters.';
comment on column crm.companies.address is
  'An object with any of the keys street, city, state, postalCode and country, each a string.';
comment on column crm.companies.owner_id is
  'The user who is responsible, or null if nobody is.';
comment on column crm.companies.custom_fields is
  'Values of custom fields by name, as crm.custom_field_definitions allow them. Assigning '
  'replaces the whole object; a field set to null is removed.';
comment on column crm.companies.version is
  'Increases by one with every update. An update that carries another version than the '
  'current one is refused with the code CONFLICT.';
comment on column crm.companies.created_at is
  'When the row was created.';
comment on column crm.companies.updated_at is
  'When the row was last changed; later with every change.';
comment on column crm.companies.created_by is
  'The user who created the row.';
comment on column crm.companies.updated_by is
  'The user who last changed the row.';

comment on constraint companies_name_blank on crm.companies is
  'must not be blank';
comment on constraint companies_name_length on crm.companies is
  'must have at most 255 characters';
comment on constraint companies_address_object on crm.companies is
  'must be an object';
comment on constraint companies_address_keys on crm.companies is
  '%s is not one of street, city, state, postalCode, country';
comment on constraint companies_address_values on crm.companies is
  '%s must be a string';
comment on constraint companies_address_length on crm.companies is
  '%s must have at most 255 characters';
comment on constraint companies_owner_id_blank on crm.companies is
  'must not be blank';
comment on constraint companies_owner_id_length on crm.companies is
  'must have at most 255 characters';
comment on constraint companies_custom_fields_object on crm.companies is
  'must be an object';

-- contacts

comment on table crm.contacts is
  'A contact: a person.';

comment on column crm.contacts.id is
  'The identifier of the row, set by the database.';
comment on column crm.contacts.first_name is
  'The given name, at most 255 characters.';
comment on column crm.contacts.last_name is
  'The family name, at most 255 characters.';
comment on column crm.contacts.emails is
  'Email addresses, the preferred one first.';
comment on column crm.contacts.phones is
  'Phone numbers as written, the preferred one first.';
comment on column crm.contacts.company_id is
  'The company that the contact works for, if any. Null once that company is deleted.';
comment on column crm.contacts.owner_id is
  'The user who is responsible, or null if nobody is.';
comment on column crm.contacts.custom_fields is
  'Values of custom fields by name, as crm.custom_field_definitions allow them. Assigning '
  'replaces the whole object; a field set to null is removed.';
comment on column crm.contacts.version is
  'Increases by one with every update. An update that carries another version than the '
  'current one is refused with the code CONFLICT.';
comment on column crm.contacts.created_at is
  'When the row was created.';
comment on column crm.contacts.updated_at is
  'When the row was last changed; later with every change.';
comment on column crm.contacts.created_by is
  'The user who created the row.';
comment on column crm.contacts.updated_by is
  'The user who last changed the row.';

comment on constraint contacts_company_id_exists on crm.contacts is
  '%s is not the id of a company';
comment on constraint contacts_first_name_blank on crm.contacts is
  'must not be blank';
comment on constraint contacts_first_name_length on crm.contacts is
  'must have at most 255 characters';
comment on constraint contacts_last_name_blank on crm.contacts is
  'must not be blank';
comment on constraint contacts_last_name_length on crm.contacts is
  'must have at most 255 characters';
comment on constraint contacts_emails_list on crm.contacts is
  'must be a list of at most 100 addresses, none of them null';
comment on constraint contacts_emails_format on crm.contacts is
  '%s is not an email address';
comment on constraint contacts_emails_length on crm.contacts is
  '%s has more than 254 characters';
comment on constraint contacts_phones_list on crm.contacts is
  'must be a list of at most 100 numbers, none of them null';
comment on constraint contacts_phones_blank on crm.contacts is
  'must not hold a blank number';
comment on constraint contacts_phones_length on crm.contacts is
  '%s has more than 255 characters';
comment on constraint contacts_owner_id_blank on crm.contacts is
  'must not be blank';
comment on constraint contacts_owner_id_length on crm.contacts is
  'must have at most 255 characters';
comment on constraint contacts_custom_fields_object on crm.contacts is
  'must be an object';

-- deals

comment on table crm.deals is
  'A deal: a sale to a company, on its way through the pipeline.';

comment on column crm.deals.id is
  'The identifier of the row, set by the database.';
comment on column crm.deals.title is
  'What the deal is about, at most 255 characters.';
comment on column crm.deals.company_id is
  'The company that the deal is made with. The deal is deleted with it.';
comment on column crm.deals.contact_id is
  'The person at the company, if any. Null once that contact is deleted.';
comment on column crm.deals.value is
  'What the deal is worth, in its currency: at most two decimals.';
comment on column crm.deals.currency is
  'An ISO 4217 code, for example USD.';
comment on column crm.deals.stage is
  'The name of the pipeline stage that the deal is in.';
comment on column crm.deals.probability is
  E'@hasDefault\n'
  'The chance of winning, in percent. That of the deal''s stage, if not given when it is '
  'created.';
comment on column crm.deals.close_date is
  'The day on which the deal closed or is expected to.';
comment on column crm.deals.owner_id is
  'The user who is responsible, or null if nobody is.';
comment on column crm.deals.custom_fields is
  'Values of custom fields by name, as crm.custom_field_definitions allow them. Assigning '
  'replaces the whole object; a field set to null is removed.';
comment on column crm.deals.version is
  'Increases by one with every update. An update that carries another version than the '
  'current one is refused with the code CONFLICT.';
comment on column crm.deals.created_at is
  'When the row was created.';
comment on column crm.deals.updated_at is
  'When the row was last changed; later with every change.';
comment on column crm.deals.created_by is
  'The user who created the row.';
comment on column crm.deals.updated_by is
  'The user who last changed the row.';

comment on constraint deals_company_id_exists on crm.deals is
  '%s is not the id of a company';
comment on constraint deals_contact_id_exists on crm.deals is
  '%s is not the id of a contact';
comment on constraint deals_stage_exists on crm.deals is
  E'@fieldName pipelineStage\n@foreignFieldName deals\n%s is not the name of a pipeline stage';
comment on constraint deals_title_blank on crm.deals is
  'must not be blank';
comment on constraint deals_title_length on crm.deals is
  'must have at most 255 characters';
comment on constraint deals_value_decimals on crm.deals is
  '%s has more than two decimals';
comment on constraint deals_value_range on crm.deals is
  'must be a number below 10,000,000,000,000';
comment on constraint deals_currency_known on crm.deals is
  '%s is not an ISO 4217 currency code';
comment on constraint deals_probability_range on crm.deals is
  'must be from 0 to 100';
comment on constraint deals_close_date_range on crm.deals is
  'must be a day of the years 1 to 9999';
comment on constraint deals_owner_id_blank on crm.deals is
  'must not be blank';
comment on constraint deals_owner_id_length on crm.deals is
  'must have at most 255 characters';
comment on constraint deals_custom_fields_object on crm.deals is
  'must be an object';

-- tasks

comment on table crm.tasks is
  'A task: something to do about a contact, company or deal. It is deleted with that entity.';

comment on column crm.tasks.id is
  'The identifier of the row, set by the database.';
comment on column crm.tasks.description is
  'What is to be done, at most 10,000 characters.';
comment on column crm.tasks.due_date is
  'The day by which it is to be done.';
comment on column crm.tasks.assigned_to is
  'The user who is to do it.';
comment on column crm.tasks.status is
  'open or closed.';
comment on column crm.tasks.entity_type is
  'What it is attached to: contact, company or deal.';
comment on column crm.tasks.entity_id is
  'The id of the entity that it is attached to.';
comment on column crm.tasks.contact_id is
  'The contact that it is attached to, if that is what it is attached to.';
comment on column crm.tasks.company_id is
  'The company that it is attached to, if that is what it is attached to.';
comment on column crm.tasks.deal_id is
  'The deal that it is attached to, if that is what it is attached to.';
comment on column crm.tasks.version is
  'Increases by one with every update. An update that carries another version than the '
  'current one is refused with the code CONFLICT.';
comment on column crm.tasks.created_at is
  'When the row was created.';
comment on column crm.tasks.updated_at is
  'When the row was last changed; later with every change.';
comment on column crm.tasks.created_by is
  'The user who created the row.';
comment on column crm.tasks.updated_by is
  'The user who last changed the row.';

comment on constraint tasks_description_blank on crm.tasks is
  'must not be blank';
comment on constraint tasks_description_length on crm.tasks is
  'must have at most 10,000 characters';
comment on constraint tasks_due_date_range on crm.tasks is
  'must be a day of the years 1 to 9999';
comment on constraint tasks_assigned_to_blank on crm.tasks is
  'must not be blank';
comment on constraint tasks_assigned_to_length on crm.tasks is
  'must have at most 255 characters';
comment on constraint tasks_status_known on crm.tasks is
  '%s is not one of open, closed';
comment on constraint tasks_contact_id_exists on crm.tasks is
  E'@column entity_id\n%s is not the id of a contact';
comment on constraint tasks_company_id_exists on crm.tasks is
  E'@column entity_id\n%s is not the id of a company';
comment on constraint tasks_deal_id_exists on crm.tasks is
  E'@column entity_id\n%s is not the id of a deal';
comment on constraint tasks_entity_type_known on crm.tasks is
  '%s is not one of contact, company, deal';

-- notes

comment on table crm.notes is
  'A note about a contact, company or deal. It is deleted with that entity.';

comment on column crm.notes.id is
  'The identifier of the row, set by the database.';
comment on column crm.notes.content is
  'Free text, at most 100,000 characters.';
comment on column crm.notes.entity_type is
  'What it is attached to: contact, company or deal.';
comment on column crm.notes.entity_id is
  'The id of the entity that it is attached to.';
comment on column crm.notes.contact_id is
  'The contact that it is attached to, if that is what it is attached to.';
comment on column crm.notes.company_id is
  'The company that it is attached to, if that is what it is attached to.';
comment on column crm.notes.deal_id is
  'The deal that it is attached to, if that is what it is attached to.';
comment on column crm.notes.version is
  'Increases by one with every update. An update that carries another version than the '
  'current one is refused with the code CONFLICT.';
comment on column crm.notes.created_at is
  'When the row was created.';
comment on column crm.notes.updated_at is
  'When the row was last changed; later with every change.';
comment on column crm.notes.created_by is
  'The user who created the row.';
comment on column crm.notes.updated_by is
  'The user who last changed the row.';

comment on constraint notes_content_blank on crm.notes is
  'must not be blank';
comment on constraint notes_content_length on crm.notes is
  'must have at most 100,000 characters';
comment on constraint notes_contact_id_exists on crm.notes is
  E'@column entity_id\n%s is not the id of a contact';
comment on constraint notes_company_id_exists on crm.notes is
  E'@column entity_id\n%s is not the id of a company';
comment on constraint notes_deal_id_exists on crm.notes is
  E'@column entity_id\n%s is not the id of a deal';
comment on constraint notes_entity_type_known on crm.notes is
  '%s is not one of contact, company, deal';

-- custom_field_definitions

comment on table crm.custom_field_definitions is
  'A custom field: a name that contacts, companies or deals may carry in customFields, and '
  'the rule that its values keep. Deleting a definition removes its values.';

comment on column crm.custom_field_definitions.id is
  'The identifier of the row, set by the database.';
comment on column crm.custom_field_definitions.name is
  'The key in customFields: letters, digits and underscores, a letter first. It cannot be '
  'changed.';
comment on column crm.custom_field_definitions.label is
  'What people call the field.';
comment on column crm.custom_field_definitions.entity_type is
  'What carries the field: contact, company or deal. It cannot be changed.';
comment on column crm.custom_field_definitions.field_type is
  'text, number, date, enum or boolean.';
comment on column crm.custom_field_definitions.enum_values is
  'The values that an enum allows; null for every other type.';
comment on column crm.custom_field_definitions.required is
  'True if every row must have a value.';
comment on column crm.custom_field_definitions.version is
  'Increases by one with every update. An update that carries another version than the '
  'current one is refused with the code CONFLICT.';
comment on column crm.custom_field_definitions.created_at is
  'When the row was created.';
comment on column crm.custom_field_definitions.updated_at is
  'When the row was last changed; later with every change.';
comment on column crm.custom_field_definitions.created_by is
  'The user who created the row.';
comment on column crm.custom_field_definitions.updated_by is
  'The user who last changed the row.';

comment on constraint custom_field_definitions_name_unique on crm.custom_field_definitions is
  '%s is already defined';
comment on constraint custom_field_definitions_name_format on crm.custom_field_definitions is
  'must consist of letters, digits and underscores and begin with a letter';
comment on constraint custom_field_definitions_name_length on crm.custom_field_definitions is
  'must have at most 100 characters';
comment on constraint custom_field_definitions_label_blank on crm.custom_field_definitions is
  'must not be blank';
comment on constraint custom_field_definitions_label_length on crm.custom_field_definitions is
  'must have at most 255 characters';
comment on constraint custom_field_definitions_entity_type_known on crm.custom_field_definitions is
  '%s is not one of contact, company, deal';
comment on constraint custom_field_definitions_field_type_known on crm.custom_field_definitions is
  '%s is not one of text, number, date, enum, boolean';
comment on constraint custom_field_definitions_enum_values_present on crm.custom_field_definitions is
  'must be given for an enum, and for no other type';
comment on constraint custom_field_definitions_enum_values_list on crm.custom_field_definitions is
  'must be a list of 1 to 1,000 values, none of them null';
comment on constraint custom_field_definitions_enum_values_blank on crm.custom_field_definitions is
  'must not hold a blank value';
comment on constraint custom_field_definitions_enum_values_length on crm.custom_field_definitions is
  '%s has more than 255 characters';
comment on constraint custom_field_definitions_enum_values_distinct on crm.custom_field_definitions is
  'must not hold a value twice';
