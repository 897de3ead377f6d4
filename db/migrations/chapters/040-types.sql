/*
 * Why: the types of arguments and results of functions.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

--!include types/bulk_result.sql
--!include types/bulk_row.sql
--!include types/company_merge.sql
--!include types/contact_merge.sql
--!include types/current_row.sql
--!include types/custom_field_fault.sql
--!include types/custom_field_index.sql
--!include types/duplicate.sql
--!include types/duplicate_group.sql
--!include types/field_value.sql
--!include types/issued_api_key.sql
--!include types/audit_log_verdict.sql
--!include types/reference.sql
--!include types/new_deal.sql
--!include types/new_task.sql
--!include types/parsed_search.sql
--!include types/pipeline_stage_total.sql
--!include types/reversal.sql
--!include types/conflict_resolution.sql
--!include types/row_fault.sql
--!include types/search_hit.sql
--!include types/entity_rights.sql
--!include types/viewer.sql
--!include types/written_row.sql
--!include types/bulk_outcome.sql
