/*
 * A task or a note is attached to one entity: a contact, a company or a deal. The client identifies
 * it by entity_type and entity_id. One generated column for each entity type carries the foreign
 * key, so that no task or note exists without its entity.
 */

create table if not exists crm.tasks (
  id              uuid        not null default gen_random_uuid(),
  description     text        not null,
  due_date        date,
  assigned_to     text,
  status          text        not null default 'open',
  entity_type     text        not null,
  entity_id       uuid        not null,
  contact_id      uuid generated always as (case when entity_type = 'contact' then entity_id end) stored,
  company_id      uuid generated always as (case when entity_type = 'company' then entity_id end) stored,
  deal_id         uuid generated always as (case when entity_type = 'deal' then entity_id end) stored,
  version         integer     not null default 1,
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  created_by      text        not null default crm.current_user_id(),
  updated_by      text        not null default crm.current_user_id(),
  search_document tsvector,
  external_ids    crm.external_id[] not null default '{}',

  constraint tasks_pkey primary key (id),
  constraint tasks_contact_id_exists foreign key (contact_id)
    references crm.contacts on delete cascade,
  constraint tasks_company_id_exists foreign key (company_id)
    references crm.companies on delete cascade,
  constraint tasks_deal_id_exists foreign key (deal_id)
    references crm.deals on delete cascade,
  constraint tasks_description_blank check (not crm_private.is_blank(description)),
  constraint tasks_description_legible check (crm_private.is_printable(description)),
  constraint tasks_description_length check (char_length(description) <= 10000),
  constraint tasks_due_date_range check (
    due_date between date '0001-01-01' and date '9999-12-31'
  ),
  constraint tasks_assigned_to_blank check (not crm_private.is_blank(assigned_to)),
  constraint tasks_assigned_to_legible check (crm_private.is_legible(assigned_to)),
  constraint tasks_assigned_to_length check (char_length(assigned_to) <= 255),
  constraint tasks_status_known check (status = any (array['open', 'closed'])),
  constraint tasks_entity_type_known check (
    entity_type = any (array['contact', 'company', 'deal'])
  ),
  constraint tasks_external_ids_list check (crm_private.is_external_id_list(external_ids, 20)),
  constraint tasks_external_ids_blank check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_blank_external_id(external_ids)
    end
  ),
  constraint tasks_external_ids_legible check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_illegible_external_id(external_ids)
    end
  ),
  constraint tasks_external_ids_length check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_long_external_id(external_ids, 100, 255)
    end
  ),
  constraint tasks_external_ids_distinct check (
    case
      when cardinality(external_ids) > 1
      then not crm_private.has_duplicate_external_id(external_ids)
    end
  )
);

comment on table crm.tasks is
  'A task: something to do for a contact, company or deal. Deleting that entity deletes the task.';

comment on column crm.tasks.id is
  'The identifier of the row, set by the database.';
comment on column crm.tasks.description is
  'What to do, at most 10,000 characters.';
comment on column crm.tasks.due_date is
  'The day on which the task is due.';
comment on column crm.tasks.assigned_to is
  'The user to whom the task is assigned.';
comment on column crm.tasks.status is
  'The status of the task: open, which is the default, or closed.';
comment on column crm.tasks.entity_type is
  'The type of the entity that the task is attached to: contact, company or deal.';
comment on column crm.tasks.entity_id is
  'The id of the entity that the task is attached to.';
comment on column crm.tasks.contact_id is
  'The id of the contact that the task is attached to. Null if it is attached to another type of '
  'entity.';
comment on column crm.tasks.company_id is
  'The id of the company that the task is attached to. Null if it is attached to another type of '
  'entity.';
comment on column crm.tasks.deal_id is
  'The id of the deal that the task is attached to. Null if it is attached to another type of '
  'entity.';
comment on column crm.tasks.version is
  'Increases by one with every update. An update with a version other than the current one fails '
  'with the code CONFLICT.';
comment on column crm.tasks.created_at is
  'When the row was created.';
comment on column crm.tasks.updated_at is
  'When the row was last changed. Every change sets a later time.';
comment on column crm.tasks.created_by is
  'The user who created the row.';
comment on column crm.tasks.updated_by is
  'The user who last changed the row.';
comment on column crm.tasks.search_document is
  E'@behavior -*\nThe words by which search finds the row.';
comment on column crm.tasks.external_ids is
  'The ids of the task in other systems, at most 20. An external id belongs to one task only.';

comment on constraint tasks_contact_id_exists on crm.tasks is
  E'@column entity_id\n%s is not the id of a contact';
comment on constraint tasks_company_id_exists on crm.tasks is
  E'@column entity_id\n%s is not the id of a company';
comment on constraint tasks_deal_id_exists on crm.tasks is
  E'@column entity_id\n%s is not the id of a deal';
comment on constraint tasks_description_blank on crm.tasks is
  'must not be blank';
comment on constraint tasks_description_legible on crm.tasks is
  'must not contain control characters or characters that reorder text';
comment on constraint tasks_description_length on crm.tasks is
  'must have at most 10,000 characters';
comment on constraint tasks_due_date_range on crm.tasks is
  'must be from 0001-01-01 to 9999-12-31';
comment on constraint tasks_assigned_to_blank on crm.tasks is
  'must not be blank';
comment on constraint tasks_assigned_to_legible on crm.tasks is
  'must not contain control characters or invisible characters';
comment on constraint tasks_assigned_to_length on crm.tasks is
  'must have at most 255 characters';
comment on constraint tasks_status_known on crm.tasks is
  '%s is not one of open, closed';
comment on constraint tasks_entity_type_known on crm.tasks is
  '%s is not one of contact, company, deal';
comment on constraint tasks_external_ids_list on crm.tasks is
  'must be a list of at most 20 external ids, none of them null';
comment on constraint tasks_external_ids_blank on crm.tasks is
  'must have a source and an id';
comment on constraint tasks_external_ids_legible on crm.tasks is
  'must not contain control characters or invisible characters';
comment on constraint tasks_external_ids_length on crm.tasks is
  'must have a source of at most 100 characters and an id of at most 255';
comment on constraint tasks_external_ids_distinct on crm.tasks is
  'must not contain an external id twice';

create index if not exists tasks_entity_id on crm.tasks (entity_id);
-- Lists are newest first. created_at and id let an index return a page in that order.
create index if not exists tasks_contact_id on crm.tasks (contact_id, created_at, id)
  where contact_id is not null;
create index if not exists tasks_company_id on crm.tasks (company_id, created_at, id)
  where company_id is not null;
create index if not exists tasks_deal_id on crm.tasks (deal_id, created_at, id)
  where deal_id is not null;
-- Open tasks are listed by the day on which they are due.
create index if not exists tasks_assigned_to on crm.tasks (assigned_to, status, due_date, id);
create index if not exists tasks_status on crm.tasks (status, due_date, id);
create index if not exists tasks_due_date on crm.tasks (due_date, id);
create index if not exists tasks_created_at on crm.tasks (created_at, id);
create index if not exists tasks_search_document on crm.tasks
  using gin (search_document) with (gin_pending_list_limit = 512);

alter table crm.tasks enable row level security;

grant select on crm.tasks to crm_reader;
grant insert
  (description, due_date, assigned_to, status, entity_type, entity_id, external_ids)
  on crm.tasks to crm_member;
grant update
  (description, due_date, assigned_to, status, entity_type, entity_id, version,
   external_ids)
  on crm.tasks to crm_member;
grant delete on crm.tasks to crm_member;

drop policy if exists tasks_select on crm.tasks;
create policy tasks_select on crm.tasks for select to crm_reader
  using (true);
drop policy if exists tasks_insert on crm.tasks;
create policy tasks_insert on crm.tasks for insert to crm_member
  with check ((select crm_private.caller_is_authenticated()));
drop policy if exists tasks_update on crm.tasks;
create policy tasks_update on crm.tasks for update to crm_member
  using ((select crm_private.caller_is_authenticated()));
drop policy if exists tasks_delete on crm.tasks;
create policy tasks_delete on crm.tasks for delete to crm_member
  using ((select crm_private.caller_is_authenticated()));
