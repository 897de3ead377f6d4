/*
 * Why: who may do what. Grants say which columns a role may read and write, and with them what the
 *      API offers in its inputs; policies say which rows. Roles that other roles are members of
 *      hand on both: reader, member, admin.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

grant usage on schema crm_private to crm_server;

-- contacts

alter table crm.contacts enable row level security;

grant select on crm.contacts to crm_reader;
grant insert
  (first_name, last_name, emails, phones, company_id, owner_id, custom_fields)
  on crm.contacts to crm_member;
grant update
  (first_name, last_name, emails, phones, company_id, owner_id, custom_fields, version)
  on crm.contacts to crm_member;
grant delete on crm.contacts to crm_member;

create policy contacts_select on crm.contacts for select to crm_reader using (true);
create policy contacts_insert on crm.contacts for insert to crm_member with check (true);
create policy contacts_update on crm.contacts for update to crm_member using (true);
create policy contacts_delete on crm.contacts for delete to crm_member using (true);

-- companies

alter table crm.companies enable row level security;

grant select on crm.companies to crm_reader;
grant insert
  (name, address, owner_id, custom_fields)
  on crm.companies to crm_member;
grant update
  (name, address, owner_id, custom_fields, version)
  on crm.companies to crm_member;
grant delete on crm.companies to crm_member;

create policy companies_select on crm.companies for select to crm_reader using (true);
create policy companies_insert on crm.companies for insert to crm_member with check (true);
create policy companies_update on crm.companies for update to crm_member using (true);
create policy companies_delete on crm.companies for delete to crm_member using (true);

-- deals

alter table crm.deals enable row level security;

grant select on crm.deals to crm_reader;
grant insert
  (title, company_id, contact_id, value, currency, stage, probability, close_date, owner_id,
   custom_fields)
  on crm.deals to crm_member;
grant update
  (title, company_id, contact_id, value, currency, stage, probability, close_date, owner_id,
   custom_fields, version)
  on crm.deals to crm_member;
grant delete on crm.deals to crm_member;

create policy deals_select on crm.deals for select to crm_reader using (true);
create policy deals_insert on crm.deals for insert to crm_member with check (true);
create policy deals_update on crm.deals for update to crm_member using (true);
create policy deals_delete on crm.deals for delete to crm_member using (true);

-- tasks

alter table crm.tasks enable row level security;

grant select on crm.tasks to crm_reader;
grant insert
  (description, due_date, assigned_to, status, entity_type, entity_id)
  on crm.tasks to crm_member;
grant update
  (description, due_date, assigned_to, status, entity_type, entity_id, version)
  on crm.tasks to crm_member;
grant delete on crm.tasks to crm_member;

create policy tasks_select on crm.tasks for select to crm_reader using (true);
create policy tasks_insert on crm.tasks for insert to crm_member with check (true);
create policy tasks_update on crm.tasks for update to crm_member using (true);
create policy tasks_delete on crm.tasks for delete to crm_member using (true);

-- notes

alter table crm.notes enable row level security;

grant select on crm.notes to crm_reader;
grant insert
  (content, entity_type, entity_id)
  on crm.notes to crm_member;
grant update
  (content, entity_type, entity_id, version)
  on crm.notes to crm_member;
grant delete on crm.notes to crm_member;

create policy notes_select on crm.notes for select to crm_reader using (true);
create policy notes_insert on crm.notes for insert to crm_member with check (true);
create policy notes_update on crm.notes for update to crm_member using (true);
create policy notes_delete on crm.notes for delete to crm_member using (true);

-- custom_field_definitions

alter table crm.custom_field_definitions enable row level security;

grant select on crm.custom_field_definitions to crm_reader;
grant insert
  (name, label, entity_type, field_type, enum_values, required)
  on crm.custom_field_definitions to crm_admin;
grant update
  (label, field_type, enum_values, required, version)
  on crm.custom_field_definitions to crm_admin;
grant delete on crm.custom_field_definitions to crm_admin;

create policy custom_field_definitions_select on crm.custom_field_definitions for select to crm_reader using (true);
create policy custom_field_definitions_insert on crm.custom_field_definitions for insert to crm_admin with check (true);
create policy custom_field_definitions_update on crm.custom_field_definitions for update to crm_admin using (true);
create policy custom_field_definitions_delete on crm.custom_field_definitions for delete to crm_admin using (true);

-- pipeline_stages

alter table crm.pipeline_stages enable row level security;

grant select on crm.pipeline_stages to crm_reader;
grant insert
  (name, position, probability, kind)
  on crm.pipeline_stages to crm_admin;
grant update
  (name, position, probability, kind, version)
  on crm.pipeline_stages to crm_admin;
grant delete on crm.pipeline_stages to crm_admin;

create policy pipeline_stages_select on crm.pipeline_stages for select to crm_reader using (true);
create policy pipeline_stages_insert on crm.pipeline_stages for insert to crm_admin with check (true);
create policy pipeline_stages_update on crm.pipeline_stages for update to crm_admin using (true);
create policy pipeline_stages_delete on crm.pipeline_stages for delete to crm_admin using (true);

-- audit_logs: nobody but the journal's trigger writes it.

alter table crm.audit_logs enable row level security;
alter table crm_private.audit_logs_other enable row level security;
alter table crm_private.custom_field_revisions enable row level security;

grant select on crm.audit_logs to crm_reader;

create policy audit_logs_select_all on crm.audit_logs for select to crm_admin using (true);

-- Whoever can read an entity can read its history; that of deleted ones is for administrators.
create policy audit_logs_select on crm.audit_logs for select to crm_reader using (
  case entity_type
    when 'contact' then
      exists (select from crm.contacts as entity where entity.id = entity_id)
    when 'company' then
      exists (select from crm.companies as entity where entity.id = entity_id)
    when 'deal' then
      exists (select from crm.deals as entity where entity.id = entity_id)
    when 'task' then
      exists (select from crm.tasks as entity where entity.id = entity_id)
    when 'note' then
      exists (select from crm.notes as entity where entity.id = entity_id)
    when 'custom_field_definition' then
      exists (select from crm.custom_field_definitions as entity where entity.id = entity_id)
    when 'pipeline_stage' then
      exists (select from crm.pipeline_stages as entity where entity.id = entity_id)
  end
);

comment on table crm_private.audit_logs_other is
  'Entries of the journal of a month that has no partition of its own.';
