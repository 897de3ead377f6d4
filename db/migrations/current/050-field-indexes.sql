/*
 * Why: filters and orders on a custom field read the whole table.
 * Locks: nothing but the catalog.
 * Undone by: revert/000006.sql.
 */

--!include functions/custom_field_index_name.sql
--!include functions/custom_field_index_statement.sql
--!include functions/custom_field_definitions_index.sql
--!include functions/claim_definitions.sql
--!include functions/custom_field.sql
--!include functions/index_custom_field.sql
--!include functions/unindex_custom_field.sql
--!include functions/apply_indexes.sql
--!include triggers/500_definitions.sql
