/*
 * Phase 200: refuses a row that breaks a rule, with all its faults at once, each with its field.
 * crm_private.compile_rules creates the trigger of each table from the constraints of the table.
 */

select crm_private.compile_custom_fields(entity_type)
from crm_private.entity_types
where has_custom_fields
order by restore_order;

select crm_private.compile_rules(entity_table) from crm_private.entity_types;
