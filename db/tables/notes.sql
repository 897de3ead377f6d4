/* A note about a contact, company or deal. Deleting that entity deletes the note. */

create table if not exists crm.notes (
  id              uuid        not null default gen_random_uuid(),
  content         text        not null,
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

  constraint notes_pkey primary key (id),
  constraint notes_contact_id_exists foreign key (contact_id)
    references crm.contacts on delete cascade,
  constraint notes_company_id_exists foreign key (company_id)
    references crm.companies on delete cascade,
  constraint notes_deal_id_exists foreign key (deal_id)
    references crm.deals on delete cascade,
  constraint notes_content_blank check (not crm_private.is_blank(content)),
  constraint notes_content_legible check (crm_private.is_printable(content)),
  constraint notes_content_length check (char_length(content) <= 100000),
  constraint notes_entity_type_known check (
    entity_type = any (array['contact', 'company', 'deal'])
  ),
  constraint notes_external_ids_list check (crm_private.is_external_id_list(external_ids, 20)),
  constraint notes_external_ids_blank check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_blank_external_id(external_ids)
    end
  ),
  constraint notes_external_ids_legible check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_illegible_external_id(external_ids)
    end
  ),
  constraint notes_external_ids_length check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_long_external_id(external_ids, 100, 255)
    end
  ),
  constraint notes_external_ids_distinct check (
    case
      when cardinality(external_ids) > 1
      then not crm_private.has_duplicate_external_id(external_ids)
    end
  )
);

comment on table crm.notes is
  'A note about a contact, company or deal. Deleting that entity deletes the note.';

comment on column crm.notes.id is
  'The identifier of the row, set by the database.';
comment on column crm.notes.content is
  'The text of the note, at most 100,000 characters.';
comment on column crm.notes.entity_type is
  'The type of the entity that the note is attached to: contact, company or deal.';
comment on column crm.notes.entity_id is
  'The id of the entity that the note is attached to.';
comment on column crm.notes.contact_id is
  'The id of the contact that the note is attached to. Null if it is attached to another type of '
  'entity.';
comment on column crm.notes.company_id is
  'The id of the company that the note is attached to. Null if it is attached to another type of '
  'entity.';
comment on column crm.notes.deal_id is
  'The id of the deal that the note is attached to. Null if it is attached to another type of '
  'entity.';
comment on column crm.notes.version is
  'Increases by one with every update. An update with a version other than the current one fails '
  'with the code CONFLICT.';
comment on column crm.notes.created_at is
  'When the row was created.';
comment on column crm.notes.updated_at is
  'When the row was last changed. Every change sets a later time.';
comment on column crm.notes.created_by is
  'The user who created the row.';
comment on column crm.notes.updated_by is
  'The user who last changed the row.';
comment on column crm.notes.search_document is
  E'@behavior -*\nThe words by which search finds the row.';
comment on column crm.notes.external_ids is
  'The ids of the note in other systems, at most 20. An external id belongs to one note only.';

comment on constraint notes_contact_id_exists on crm.notes is
  E'@column entity_id\n%s is not the id of a contact';
comment on constraint notes_company_id_exists on crm.notes is
  E'@column entity_id\n%s is not the id of a company';
comment on constraint notes_deal_id_exists on crm.notes is
  E'@column entity_id\n%s is not the id of a deal';
comment on constraint notes_content_blank on crm.notes is
  'must not be blank';
comment on constraint notes_content_legible on crm.notes is
  'must not contain control characters or characters that reorder text';
comment on constraint notes_content_length on crm.notes is
  'must have at most 100,000 characters';
comment on constraint notes_entity_type_known on crm.notes is
  '%s is not one of contact, company, deal';
comment on constraint notes_external_ids_list on crm.notes is
  'must be a list of at most 20 external ids, none of them null';
comment on constraint notes_external_ids_blank on crm.notes is
  'must have a source and an id';
comment on constraint notes_external_ids_legible on crm.notes is
  'must not contain control characters or invisible characters';
comment on constraint notes_external_ids_length on crm.notes is
  'must have a source of at most 100 characters and an id of at most 255';
comment on constraint notes_external_ids_distinct on crm.notes is
  'must not contain an external id twice';

create index if not exists notes_entity_id on crm.notes (entity_id);
-- Lists are newest first. created_at and id let an index return a page in that order.
create index if not exists notes_contact_id on crm.notes (contact_id, created_at, id)
  where contact_id is not null;
create index if not exists notes_company_id on crm.notes (company_id, created_at, id)
  where company_id is not null;
create index if not exists notes_deal_id on crm.notes (deal_id, created_at, id)
  where deal_id is not null;
create index if not exists notes_created_at on crm.notes (created_at, id);
create index if not exists notes_search_document on crm.notes
  using gin (search_document) with (gin_pending_list_limit = 512);

alter table crm.notes enable row level security;

grant select on crm.notes to crm_reader;
grant insert
  (content, entity_type, entity_id, external_ids)
  on crm.notes to crm_member;
grant update
  (content, entity_type, entity_id, version, external_ids)
  on crm.notes to crm_member;
grant delete on crm.notes to crm_member;

drop policy if exists notes_select on crm.notes;
create policy notes_select on crm.notes for select to crm_reader
  using (true);
drop policy if exists notes_insert on crm.notes;
create policy notes_insert on crm.notes for insert to crm_member
  with check ((select crm_private.caller_is_authenticated()));
drop policy if exists notes_update on crm.notes;
create policy notes_update on crm.notes for update to crm_member
  using ((select crm_private.caller_is_authenticated()));
drop policy if exists notes_delete on crm.notes;
create policy notes_delete on crm.notes for delete to crm_member
  using ((select crm_private.caller_is_authenticated()));
