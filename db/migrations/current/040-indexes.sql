/*
 * Why: every foreign key, every order that lists are shown in, and containment in lists and
 *      custom fields.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

create index companies_name on crm.companies (name);
create index companies_owner_id on crm.companies (owner_id);
create index companies_created_at on crm.companies (created_at);
create index companies_custom_fields on crm.companies using gin (custom_fields jsonb_path_ops);

create index contacts_last_name_first_name on crm.contacts (last_name, first_name);
create index contacts_company_id on crm.contacts (company_id);
create index contacts_owner_id on crm.contacts (owner_id);
create index contacts_created_at on crm.contacts (created_at);
create index contacts_emails on crm.contacts using gin (emails);
create index contacts_custom_fields on crm.contacts using gin (custom_fields jsonb_path_ops);

create index deals_company_id on crm.deals (company_id);
create index deals_contact_id on crm.deals (contact_id);
create index deals_stage on crm.deals (stage);
create index deals_owner_id on crm.deals (owner_id);
create index deals_close_date on crm.deals (close_date);
create index deals_created_at on crm.deals (created_at);
create index deals_custom_fields on crm.deals using gin (custom_fields jsonb_path_ops);

create index tasks_entity_id on crm.tasks (entity_id);
create index tasks_contact_id on crm.tasks (contact_id) where contact_id is not null;
create index tasks_company_id on crm.tasks (company_id) where company_id is not null;
create index tasks_deal_id on crm.tasks (deal_id) where deal_id is not null;
create index tasks_assigned_to on crm.tasks (assigned_to);
create index tasks_due_date on crm.tasks (due_date);
create index tasks_status on crm.tasks (status);

create index notes_entity_id on crm.notes (entity_id);
create index notes_contact_id on crm.notes (contact_id) where contact_id is not null;
create index notes_company_id on crm.notes (company_id) where company_id is not null;
create index notes_deal_id on crm.notes (deal_id) where deal_id is not null;
create index notes_created_at on crm.notes (created_at);
