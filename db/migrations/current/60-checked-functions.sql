/*
 * Why: plpgsql_check reads every function, and has nothing to say of these any more: a trigger
 *      function names only columns that its tables have, a row is cast to what it becomes, and a
 *      function that compiles says so.
 * Locks: the tables of entities against writers, for a moment.
 * Undone by: revert/000003.sql.
 */

--!include functions/apply_definitions.sql
--!include functions/bind_journal.sql
--!include functions/bind_rules.sql
--!include functions/compile_custom_fields.sql
--!include functions/custom_field_faults.sql
--!include functions/refuse_row.sql
--!include functions/row_faults.sql
--!include triggers/500_definitions.sql
