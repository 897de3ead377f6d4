/*
 * Why: a row is validated by all definitions of its entity type at once, so their number is what
 *      every write pays for. An entity type has 200 at most, or what the owner of the database sets.
 * Locks: nothing.
 * Undone by: revert/000003.sql.
 */

--!include functions/max_custom_fields.sql
--!include functions/apply_definitions.sql
