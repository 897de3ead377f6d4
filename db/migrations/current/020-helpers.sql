/*
 * Why: small functions that the checks and defaults of the tables stand on.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

--!include functions/current_user_id.sql
--!include functions/current_source.sql
--!include functions/camel_case.sql
--!include functions/is_blank.sql
--!include functions/has_blank_element.sql
--!include functions/is_list.sql
--!include functions/longest_element.sql
--!include functions/has_duplicates.sql
--!include functions/currencies.sql
