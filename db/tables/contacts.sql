/* A contact: a person. */

create table if not exists crm.contacts (
  id              uuid        not null default gen_random_uuid(),
  first_name      text        not null,
  last_name       text        not null,
  emails          text[]      not null default '{}',
  phones          text[]      not null default '{}',
  company_id      uuid,
  owner_id        text,
  custom_fields   jsonb       not null default '{}',
  version         integer     not null default 1,
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  created_by      text        not null default crm.current_user_id(),
  updated_by      text        not null default crm.current_user_id(),
  search_document tsvector,
  external_ids    crm.external_id[] not null default '{}',
  match_keys      text[],

  constraint contacts_pkey primary key (id),
  constraint contacts_company_id_exists foreign key (company_id)
    references crm.companies on delete set null,
  constraint contacts_first_name_blank check (not crm_private.is_blank(first_name)),
  constraint contacts_first_name_legible check (crm_private.is_legible(first_name)),
  constraint contacts_first_name_length check (char_length(first_name) <= 255),
  constraint contacts_last_name_blank check (not crm_private.is_blank(last_name)),
  constraint contacts_last_name_legible check (crm_private.is_legible(last_name)),
  constraint contacts_last_name_length check (char_length(last_name) <= 255),
  constraint contacts_emails_list check (crm_private.is_list(emails, 100)),
  constraint contacts_emails_format check (crm_private.are_emails(emails)),
  -- RFC 5321 allows 254 characters.
  constraint contacts_emails_length check (not crm_private.has_long_element(emails, 254)),
  constraint contacts_phones_list check (crm_private.is_list(phones, 100)),
  constraint contacts_phones_blank check (not crm_private.has_blank_element(phones)),
  constraint contacts_phones_legible check (not crm_private.has_illegible_element(phones)),
  constraint contacts_phones_length check (not crm_private.has_long_element(phones, 255)),
  constraint contacts_owner_id_blank check (not crm_private.is_blank(owner_id)),
  constraint contacts_owner_id_legible check (crm_private.is_legible(owner_id)),
  constraint contacts_owner_id_length check (char_length(owner_id) <= 255),
  constraint contacts_custom_fields_object check (jsonb_typeof(custom_fields) = 'object'),
  constraint contacts_external_ids_list check (crm_private.is_external_id_list(external_ids, 20)),
  constraint contacts_external_ids_blank check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_blank_external_id(external_ids)
    end
  ),
  constraint contacts_external_ids_legible check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_illegible_external_id(external_ids)
    end
  ),
  constraint contacts_external_ids_length check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_long_external_id(external_ids, 100, 255)
    end
  ),
  constraint contacts_external_ids_distinct check (
    case
      when cardinality(external_ids) > 1
      then not crm_private.has_duplicate_external_id(external_ids)
    end
  )
);

comment on table crm.contacts is
  E'@label last_name first_name\nA contact: a person, who may work for a company.';

comment on column crm.contacts.id is
  'The identifier of the row, set by the database.';
comment on column crm.contacts.first_name is
  'The given name, at most 255 characters.';
comment on column crm.contacts.last_name is
  'The family name, at most 255 characters.';
comment on column crm.contacts.emails is
  'Email addresses, the preferred one first. At most 100, each of at most 254 characters.';
comment on column crm.contacts.phones is
  'Phone numbers as entered, the preferred one first. At most 100, each of at most 255 characters.';
comment on column crm.contacts.company_id is
  'The id of the company that the contact works for. Null if there is none. Deleting the company '
  'sets it to null.';
comment on column crm.contacts.owner_id is
  'The user who is responsible for the contact. Null if there is none.';
comment on column crm.contacts.custom_fields is
  'The values of custom fields by name; crm.custom_field_definitions defines the fields. Assigning '
  'an object replaces all values. Assigning {"$merge": {...}} sets the members of the inner object '
  'only. A field that is set to null is removed.';
comment on column crm.contacts.version is
  'Increases by one with every update. An update with a version other than the current one fails '
  'with the code CONFLICT.';
comment on column crm.contacts.created_at is
  'When the row was created.';
comment on column crm.contacts.updated_at is
  'When the row was last changed. Every change sets a later time.';
comment on column crm.contacts.created_by is
  'The user who created the row.';
comment on column crm.contacts.updated_by is
  'The user who last changed the row.';
comment on column crm.contacts.search_document is
  E'@behavior -*\nThe words by which search finds the row.';
comment on column crm.contacts.external_ids is
  'The ids of the contact in other systems, at most 20. An external id belongs to one contact '
  'only.';
comment on column crm.contacts.match_keys is
  E'@behavior -*\nThe match keys: keys that the row shares with its possible duplicates.';

comment on constraint contacts_company_id_exists on crm.contacts is
  '%s is not the id of a company';
comment on constraint contacts_first_name_blank on crm.contacts is
  'must not be blank';
comment on constraint contacts_first_name_legible on crm.contacts is
  'must not contain control characters or invisible characters';
comment on constraint contacts_first_name_length on crm.contacts is
  'must have at most 255 characters';
comment on constraint contacts_last_name_blank on crm.contacts is
  'must not be blank';
comment on constraint contacts_last_name_legible on crm.contacts is
  'must not contain control characters or invisible characters';
comment on constraint contacts_last_name_length on crm.contacts is
  'must have at most 255 characters';
comment on constraint contacts_emails_list on crm.contacts is
  E'@whole\nmust be a list of at most 100 addresses, none of them null';
comment on constraint contacts_emails_format on crm.contacts is
  '%s is not an email address';
comment on constraint contacts_emails_length on crm.contacts is
  'must have at most 254 characters';
comment on constraint contacts_phones_list on crm.contacts is
  E'@whole\nmust be a list of at most 100 numbers, none of them null';
comment on constraint contacts_phones_blank on crm.contacts is
  'must not be blank';
comment on constraint contacts_phones_legible on crm.contacts is
  'must not contain control characters or invisible characters';
comment on constraint contacts_phones_length on crm.contacts is
  'must have at most 255 characters';
comment on constraint contacts_owner_id_blank on crm.contacts is
  'must not be blank';
comment on constraint contacts_owner_id_legible on crm.contacts is
  'must not contain control characters or invisible characters';
comment on constraint contacts_owner_id_length on crm.contacts is
  'must have at most 255 characters';
comment on constraint contacts_custom_fields_object on crm.contacts is
  E'@whole\nmust be an object';
comment on constraint contacts_external_ids_list on crm.contacts is
  'must be a list of at most 20 external ids, none of them null';
comment on constraint contacts_external_ids_blank on crm.contacts is
  'must have a source and an id';
comment on constraint contacts_external_ids_legible on crm.contacts is
  'must not contain control characters or invisible characters';
comment on constraint contacts_external_ids_length on crm.contacts is
  'must have a source of at most 100 characters and an id of at most 255';
comment on constraint contacts_external_ids_distinct on crm.contacts is
  'must not contain an external id twice';

create index if not exists contacts_last_name_first_name on crm.contacts (last_name, first_name);
-- For the beginning of a label, regardless of case: the expression of the filters of the API.
create index if not exists contacts_last_name_folded on crm.contacts
  ((lower(last_name collate crm_private.folding) collate "default") text_pattern_ops);
create index if not exists contacts_first_name_folded on crm.contacts
  ((lower(first_name collate crm_private.folding) collate "default") text_pattern_ops);
-- Lists are newest first. created_at and id let an index return a page in that order.
create index if not exists contacts_company_id on crm.contacts (company_id, created_at, id);
create index if not exists contacts_owner_id on crm.contacts (owner_id, created_at, id);
create index if not exists contacts_created_at on crm.contacts (created_at, id);
create index if not exists contacts_emails on crm.contacts using gin (emails);
create index if not exists contacts_custom_fields on crm.contacts using gin (custom_fields jsonb_path_ops);
-- New entries of a GIN index wait in a pending list, which every search scans. Short lists keep
-- searches fast.
create index if not exists contacts_search_document on crm.contacts
  using gin (search_document) with (gin_pending_list_limit = 512);
create index if not exists contacts_name_words on crm.contacts
  using gin (
    crm_private.contact_name_words(first_name, last_name, phones) extensions.gin_trgm_ops
  ) with (gin_pending_list_limit = 512);
-- For filters by a part of an address.
create index if not exists contacts_email_words on crm.contacts
  using gin (crm_private.email_words(emails) extensions.gin_trgm_ops)
  with (gin_pending_list_limit = 512);
create index if not exists contacts_match_keys on crm.contacts using gin (match_keys);

alter table crm.contacts enable row level security;

grant select on crm.contacts to crm_reader;
grant insert
  (first_name, last_name, emails, phones, company_id, owner_id, custom_fields, external_ids)
  on crm.contacts to crm_member;
grant update
  (first_name, last_name, emails, phones, company_id, owner_id, custom_fields, version,
   external_ids)
  on crm.contacts to crm_member;
grant delete on crm.contacts to crm_member;

drop policy if exists contacts_select on crm.contacts;
create policy contacts_select on crm.contacts for select to crm_reader
  using (true);
drop policy if exists contacts_insert on crm.contacts;
create policy contacts_insert on crm.contacts for insert to crm_member
  with check ((select crm_private.caller_is_authenticated()));
drop policy if exists contacts_update on crm.contacts;
create policy contacts_update on crm.contacts for update to crm_member
  using ((select crm_private.caller_is_authenticated()));
drop policy if exists contacts_delete on crm.contacts;
create policy contacts_delete on crm.contacts for delete to crm_member
  using ((select crm_private.caller_is_authenticated()));
