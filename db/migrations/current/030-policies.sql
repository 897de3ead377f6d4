/*
 * A policy of writing is a rule now: an API key that was revoked meanwhile writes nothing more.
 * Locks each table for a moment.
 */
alter policy contacts_insert on crm.contacts with check ((select crm_private.caller_holds()));
alter policy contacts_update on crm.contacts using ((select crm_private.caller_holds()));
alter policy contacts_delete on crm.contacts using ((select crm_private.caller_holds()));

alter policy companies_insert on crm.companies with check ((select crm_private.caller_holds()));
alter policy companies_update on crm.companies using ((select crm_private.caller_holds()));
alter policy companies_delete on crm.companies using ((select crm_private.caller_holds()));

alter policy deals_insert on crm.deals with check ((select crm_private.caller_holds()));
alter policy deals_update on crm.deals using ((select crm_private.caller_holds()));
alter policy deals_delete on crm.deals using ((select crm_private.caller_holds()));

alter policy tasks_insert on crm.tasks with check ((select crm_private.caller_holds()));
alter policy tasks_update on crm.tasks using ((select crm_private.caller_holds()));
alter policy tasks_delete on crm.tasks using ((select crm_private.caller_holds()));

alter policy notes_insert on crm.notes with check ((select crm_private.caller_holds()));
alter policy notes_update on crm.notes using ((select crm_private.caller_holds()));
alter policy notes_delete on crm.notes using ((select crm_private.caller_holds()));

alter policy custom_field_definitions_insert on crm.custom_field_definitions with check ((select crm_private.caller_holds()));
alter policy custom_field_definitions_update on crm.custom_field_definitions using ((select crm_private.caller_holds()));
alter policy custom_field_definitions_delete on crm.custom_field_definitions using ((select crm_private.caller_holds()));

alter policy pipeline_stages_insert on crm.pipeline_stages with check ((select crm_private.caller_holds()));
alter policy pipeline_stages_update on crm.pipeline_stages using ((select crm_private.caller_holds()));
alter policy pipeline_stages_delete on crm.pipeline_stages using ((select crm_private.caller_holds()));

alter policy exchange_rates_insert on crm.exchange_rates with check ((select crm_private.caller_holds()));
alter policy exchange_rates_update on crm.exchange_rates using ((select crm_private.caller_holds()));
alter policy exchange_rates_delete on crm.exchange_rates using ((select crm_private.caller_holds()));
