/*
 * Why: custom fields should be fields of their type, in GraphQL as in SQL.
 * Locks: nothing but the catalog.
 * Undone by: revert/000006.sql.
 */

--!include functions/custom_field_value.sql
