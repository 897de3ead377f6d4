/*
 * Phase 200: a row that breaks a rule is refused with all its faults at once, each with its field.
 * crm_private.compile_rules makes the trigger of each table from the table's constraints.
 */

select crm_private.compile_custom_fields(entity_type)
from crm_private.entity_types
where has_custom_fields
order by restore_order;

select crm_private.compile_rules(entity_table) from crm_private.entity_types;
