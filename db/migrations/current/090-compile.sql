/*
 * Why: what is made from definitions is made anew for those that are there.
 * Locks: nothing but the catalog.
 * Undone by: revert/000006.sql.
 */

select crm_private.compile_custom_fields(entity_type)
from unnest(array['company', 'contact', 'deal']) as entity_type;
