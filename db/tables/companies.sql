/* A company: an organisation that contacts work for and deals are made with. */

create table if not exists crm.companies (
  id              uuid        not null default gen_random_uuid(),
  name            text        not null,
  address         jsonb,
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

  constraint companies_pkey primary key (id),
  constraint companies_name_blank check (not crm_private.is_blank(name)),
  constraint companies_name_legible check (crm_private.is_legible(name)),
  constraint companies_name_length check (char_length(name) <= 255),
  constraint companies_address_object check (jsonb_typeof(address) = 'object'),
  constraint companies_address_keys check (
    case
      when jsonb_typeof(address) = 'object'
      then address - array['street', 'city', 'state', 'postalCode', 'country'] = '{}'
    end
  ),
  constraint companies_address_values check (
    case
      when jsonb_typeof(address) = 'object'
      then not jsonb_path_exists(address, 'strict $.* ? (@.type() != "string")')
    end
  ),
  constraint companies_address_legible check (
    case
      when jsonb_typeof(address) = 'object' and address::text ~ '[^ -~]|\\u|\\[bf]'
      then not crm_private.has_unprintable_member(address)
    end
  ),
  constraint companies_address_length check (
    case
      when jsonb_typeof(address) = 'object' and char_length(address::text) > 255
      then not jsonb_path_exists(address, 'strict $.* ? (@ like_regex "^.{255}." flag "s")')
    end
  ),
  constraint companies_owner_id_blank check (not crm_private.is_blank(owner_id)),
  constraint companies_owner_id_legible check (crm_private.is_legible(owner_id)),
  constraint companies_owner_id_length check (char_length(owner_id) <= 255),
  constraint companies_custom_fields_object check (jsonb_typeof(custom_fields) = 'object'),
  constraint companies_external_ids_list check (crm_private.is_external_id_list(external_ids, 20)),
  constraint companies_external_ids_blank check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_blank_external_id(external_ids)
    end
  ),
  constraint companies_external_ids_legible check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_illegible_external_id(external_ids)
    end
  ),
  constraint companies_external_ids_length check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_long_external_id(external_ids, 100, 255)
    end
  ),
  constraint companies_external_ids_distinct check (
    case
      when cardinality(external_ids) > 1
      then not crm_private.has_duplicate_external_id(external_ids)
    end
  )
);

comment on table crm.companies is
  E'@label name\nA company: an organisation that contacts work for and deals are made with.';

comment on column crm.companies.id is
  'The identifier of the row, set by the database.';
comment on column crm.companies.name is
  'The name of the company, at most 255 characters.';
comment on column crm.companies.address is
  E'@postalAddress\nThe postal address: an object with any of the keys street, city, state, postalCode and country. '
  'Each value is a string of at most 255 characters.';
comment on column crm.companies.owner_id is
  'The user who is responsible for the company. Null if there is none.';
comment on column crm.companies.custom_fields is
  'The values of custom fields by name; crm.custom_field_definitions defines the fields. Assigning '
  'an object replaces all values. Assigning {"$merge": {...}} sets the members of the inner object '
  'only. A field that is set to null is removed.';
comment on column crm.companies.version is
  'Increases by one with every update. An update with a version other than the current one fails '
  'with the code CONFLICT.';
comment on column crm.companies.created_at is
  'When the row was created.';
comment on column crm.companies.updated_at is
  'When the row was last changed. Every change sets a later time.';
comment on column crm.companies.created_by is
  'The user who created the row.';
comment on column crm.companies.updated_by is
  'The user who last changed the row.';
comment on column crm.companies.search_document is
  E'@behavior -*\nThe words by which search finds the row.';
comment on column crm.companies.external_ids is
  'The ids of the company in other systems, at most 20. An external id belongs to one company '
  'only.';
comment on column crm.companies.match_keys is
  E'@behavior -*\nThe match keys: keys that the row shares with its possible duplicates.';

comment on constraint companies_name_blank on crm.companies is
  'must not be blank';
comment on constraint companies_name_legible on crm.companies is
  'must not contain control characters or invisible characters';
comment on constraint companies_name_length on crm.companies is
  'must have at most 255 characters';
comment on constraint companies_address_object on crm.companies is
  E'@whole\nmust be an object';
comment on constraint companies_address_keys on crm.companies is
  'is not one of street, city, state, postalCode, country';
comment on constraint companies_address_values on crm.companies is
  'must be a string';
comment on constraint companies_address_legible on crm.companies is
  'must not contain control characters or characters that reorder text';
comment on constraint companies_address_length on crm.companies is
  'must have at most 255 characters';
comment on constraint companies_owner_id_blank on crm.companies is
  'must not be blank';
comment on constraint companies_owner_id_legible on crm.companies is
  'must not contain control characters or invisible characters';
comment on constraint companies_owner_id_length on crm.companies is
  'must have at most 255 characters';
comment on constraint companies_custom_fields_object on crm.companies is
  E'@whole\nmust be an object';
comment on constraint companies_external_ids_list on crm.companies is
  'must be a list of at most 20 external ids, none of them null';
comment on constraint companies_external_ids_blank on crm.companies is
  'must have a source and an id';
comment on constraint companies_external_ids_legible on crm.companies is
  'must not contain control characters or invisible characters';
comment on constraint companies_external_ids_length on crm.companies is
  'must have a source of at most 100 characters and an id of at most 255';
comment on constraint companies_external_ids_distinct on crm.companies is
  'must not contain an external id twice';

create index if not exists companies_name on crm.companies (name);
-- For the beginning of a label, regardless of case: the expression of the filters of the API.
create index if not exists companies_name_folded on crm.companies
  ((lower(name collate crm_private.folding) collate "default") text_pattern_ops);
-- Lists are newest first. created_at and id let an index return a page in that order.
create index if not exists companies_owner_id on crm.companies (owner_id, created_at, id);
create index if not exists companies_created_at on crm.companies (created_at, id);
create index if not exists companies_city on crm.companies ((address ->> 'city'), created_at, id);
create index if not exists companies_country on crm.companies ((address ->> 'country'), created_at, id);
create index if not exists companies_custom_fields on crm.companies using gin (custom_fields jsonb_path_ops);
create index if not exists companies_search_document on crm.companies
  using gin (search_document) with (gin_pending_list_limit = 512);
create index if not exists companies_name_words on crm.companies
  using gin (crm_private.name_words(name) extensions.gin_trgm_ops)
  with (gin_pending_list_limit = 512);
create index if not exists companies_match_keys on crm.companies using gin (match_keys);

alter table crm.companies enable row level security;

grant select on crm.companies to crm_reader;
grant insert
  (name, address, owner_id, custom_fields, external_ids)
  on crm.companies to crm_member;
grant update
  (name, address, owner_id, custom_fields, version, external_ids)
  on crm.companies to crm_member;
grant delete on crm.companies to crm_member;

drop policy if exists companies_select on crm.companies;
create policy companies_select on crm.companies for select to crm_reader
  using (true);
drop policy if exists companies_insert on crm.companies;
create policy companies_insert on crm.companies for insert to crm_member
  with check ((select crm_private.caller_is_authenticated()));
drop policy if exists companies_update on crm.companies;
create policy companies_update on crm.companies for update to crm_member
  using ((select crm_private.caller_is_authenticated()));
drop policy if exists companies_delete on crm.companies;
create policy companies_delete on crm.companies for delete to crm_member
  using ((select crm_private.caller_is_authenticated()));
