/*
 * Why: partitions are made while the server runs, old months can be archived without their entries
 *      looking removed, and a history says whether it reaches back to the beginning.
 * Locks: nothing that exists.
 * Undone by: revert/000003.sql.
 */

--!include functions/ensure_audit_partitions.sql
--!include functions/archive_journal.sql
--!include functions/maintain_journal.sql
--!include functions/contacts_history_is_complete.sql
--!include functions/companies_history_is_complete.sql
--!include functions/deals_history_is_complete.sql
--!include functions/tasks_history_is_complete.sql
--!include functions/notes_history_is_complete.sql
--!include functions/custom_field_definitions_history_is_complete.sql
--!include functions/pipeline_stages_history_is_complete.sql
