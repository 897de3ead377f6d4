/*
 * Phase 200: a row that breaks a rule is refused with all its faults at once, each with its field.
 * crm_private.bind_rules makes the trigger of each table from the table's constraints.
 */

select crm_private.compile_custom_fields('contact');
select crm_private.compile_custom_fields('company');
select crm_private.compile_custom_fields('deal');

select crm_private.bind_rules('crm.contacts');
select crm_private.bind_rules('crm.companies');
select crm_private.bind_rules('crm.deals');
select crm_private.bind_rules('crm.tasks');
select crm_private.bind_rules('crm.notes');
select crm_private.bind_rules('crm.custom_field_definitions');
select crm_private.bind_rules('crm.pipeline_stages');
select crm_private.bind_rules('crm.exchange_rates');
select crm_private.bind_rules('crm.api_keys');
