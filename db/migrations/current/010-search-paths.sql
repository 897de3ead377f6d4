/*
 * Every function of crm and crm_private has a search_path of its own. The small ones that rows call are
 * plpgsql now: with a path, PostgreSQL would not inline them as SQL, and starts plpgsql much faster.
 *
 * The views of the trash and of the stages are what their functions were. Rules are compiled anew.
 * Replaces functions and triggers only: the tables are locked for a moment, and no row is written.
 */
--!include functions/api_keys_history.sql
--!include functions/attached_to.sql
--!include functions/block_hash.sql
--!include functions/calling_role.sql
--!include functions/camel_case.sql
--!include functions/cascade_parent.sql
--!include functions/companies_field_history.sql
--!include functions/companies_history.sql
--!include functions/companies_history_is_complete.sql
--!include functions/company_as_of.sql
--!include functions/company_by_external_id.sql
--!include functions/company_document.sql
--!include functions/company_domains.sql
--!include functions/compare_contacts.sql
--!include functions/contact_as_of.sql
--!include functions/contact_by_external_id.sql
--!include functions/contact_document.sql
--!include functions/contact_name_words.sql
--!include functions/contacts_field_history.sql
--!include functions/contacts_history.sql
--!include functions/contacts_history_is_complete.sql
--!include functions/currencies.sql
--!include functions/current_source.sql
--!include functions/current_user_id.sql
--!include functions/custom_field_changes.sql
--!include functions/custom_field_definition_as_of.sql
--!include functions/custom_field_definitions_field_history.sql
--!include functions/custom_field_definitions_history.sql
--!include functions/custom_field_definitions_history_is_complete.sql
--!include functions/custom_members.sql
--!include functions/deal_as_of.sql
--!include functions/deal_by_external_id.sql
--!include functions/deal_document.sql
--!include functions/deals_field_history.sql
--!include functions/deals_history.sql
--!include functions/deals_history_is_complete.sql
--!include functions/deleted_label.sql
--!include functions/domain_of.sql
--!include functions/duplicate.sql
--!include functions/duplicate_doubt.sql
--!include functions/duplicate_group_companies.sql
--!include functions/duplicate_group_contacts.sql
--!include functions/duplicate_reasons.sql
--!include functions/duplicate_score.sql
--!include functions/entry_digest.sql
--!include functions/exchange_rate_as_of.sql
--!include functions/exchange_rates_field_history.sql
--!include functions/exchange_rates_history.sql
--!include functions/exchange_rates_history_is_complete.sql
--!include functions/field_history.sql
--!include functions/fold.sql
--!include functions/has_blank_element.sql
--!include functions/has_blank_external_id.sql
--!include functions/has_duplicate_external_id.sql
--!include functions/has_duplicates.sql
--!include functions/has_long_external_id.sql
--!include functions/is_administrator.sql
--!include functions/is_blank.sql
--!include functions/is_list.sql
--!include functions/is_reserved_field.sql
--!include functions/journal_columns.sql
--!include functions/journal_field.sql
--!include functions/journal_fields.sql
--!include functions/longest_element.sql
--!include functions/merged.sql
--!include functions/name_likeness.sql
--!include functions/name_similarity.sql
--!include functions/name_skeleton.sql
--!include functions/name_words.sql
--!include functions/note_as_of.sql
--!include functions/note_by_external_id.sql
--!include functions/notes_field_history.sql
--!include functions/notes_history.sql
--!include functions/notes_history_is_complete.sql
--!include functions/payload_digest.sql
--!include functions/phone_digits.sql
--!include functions/pipeline_stage_as_of.sql
--!include functions/pipeline_stages_field_history.sql
--!include functions/pipeline_stages_history.sql
--!include functions/pipeline_stages_history_is_complete.sql
--!include functions/plain_company_name.sql
--!include functions/plain_name.sql
--!include functions/report_columns.sql
--!include functions/same_phone.sql
--!include functions/search_name_vector.sql
--!include functions/search_neighbours.sql
--!include functions/search_texts.sql
--!include functions/search_vector.sql
--!include functions/search_words.sql
--!include functions/severed_link.sql
--!include functions/shared_domains.sql
--!include functions/taken_with.sql
--!include functions/task_as_of.sql
--!include functions/task_by_external_id.sql
--!include functions/tasks_field_history.sql
--!include functions/tasks_history.sql
--!include functions/tasks_history_is_complete.sql
--!include functions/united_external_ids.sql

--!include views/trash.sql
--!include views/stage_history.sql

drop function if exists crm_private.trashed();
drop function if exists crm_private.staged();

--!include functions/bind_rules.sql
--!include functions/compile_custom_fields.sql
--!include triggers/200_validate.sql
