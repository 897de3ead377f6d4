/* A deal: a possible sale to a company. It moves through the stages of the pipeline. */

create table if not exists crm.deals (
  id              uuid        not null default gen_random_uuid(),
  title           text        not null,
  company_id      uuid        not null,
  contact_id      uuid,
  value           numeric     not null,
  currency        text        not null default 'USD',
  stage           text        not null,
  probability     integer     not null,
  close_date      date,
  lost_reason     text,
  owner_id        text,
  custom_fields   jsonb       not null default '{}',
  version         integer     not null default 1,
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  created_by      text        not null default crm.current_user_id(),
  updated_by      text        not null default crm.current_user_id(),
  search_document tsvector,
  external_ids    crm.external_id[] not null default '{}',
  -- Set by crm_private.follow_stage.
  probability_given boolean   not null default false,
  closed_at       timestamptz,

  constraint deals_pkey primary key (id),
  constraint deals_company_id_exists foreign key (company_id)
    references crm.companies on delete cascade,
  constraint deals_contact_id_exists foreign key (contact_id)
    references crm.contacts on delete set null,
  constraint deals_stage_exists foreign key (stage)
    references crm.pipeline_stages (name) on update cascade,
  constraint deals_title_blank check (not crm_private.is_blank(title)),
  constraint deals_title_legible check (crm_private.is_legible(title)),
  constraint deals_title_length check (char_length(title) <= 255),
  -- numeric, not numeric(15, 2), which would silently round a third decimal.
  constraint deals_value_decimals check (scale(trim_scale(value)) <= 2),
  constraint deals_value_range check (abs(value) < 10000000000000),
  constraint deals_currency_known check (currency = any (crm.currencies())),
  constraint deals_probability_range check (probability between 0 and 100),
  constraint deals_close_date_range check (
    close_date between date '0001-01-01' and date '9999-12-31'
  ),
  constraint deals_lost_reason_blank check (not crm_private.is_blank(lost_reason)),
  constraint deals_lost_reason_legible check (crm_private.is_printable(lost_reason)),
  constraint deals_lost_reason_length check (char_length(lost_reason) <= 255),
  constraint deals_owner_id_blank check (not crm_private.is_blank(owner_id)),
  constraint deals_owner_id_legible check (crm_private.is_legible(owner_id)),
  constraint deals_owner_id_length check (char_length(owner_id) <= 255),
  constraint deals_custom_fields_object check (jsonb_typeof(custom_fields) = 'object'),
  constraint deals_external_ids_list check (crm_private.is_external_id_list(external_ids, 20)),
  constraint deals_external_ids_blank check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_blank_external_id(external_ids)
    end
  ),
  constraint deals_external_ids_legible check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_illegible_external_id(external_ids)
    end
  ),
  constraint deals_external_ids_length check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_long_external_id(external_ids, 100, 255)
    end
  ),
  constraint deals_external_ids_distinct check (
    case
      when cardinality(external_ids) > 1
      then not crm_private.has_duplicate_external_id(external_ids)
    end
  ),
  constraint deals_closed_at_order check (closed_at >= created_at)
);

comment on table crm.deals is
  E'@label title\nA deal: a possible sale to a company. It moves through the stages of the '
  'pipeline.';

comment on column crm.deals.id is
  'The identifier of the row, set by the database.';
comment on column crm.deals.title is
  'The title of the deal, at most 255 characters.';
comment on column crm.deals.company_id is
  'The id of the company that the deal is made with. Deleting the company deletes the deal.';
comment on column crm.deals.contact_id is
  'The id of the contact at the company. Null if there is none. Deleting the contact sets it to '
  'null.';
comment on column crm.deals.value is
  E'@amount currency closed_at\nThe value of the deal in its currency, with at most two decimals.';
comment on column crm.deals.currency is
  'The currency of the value, as an ISO 4217 code such as USD, which is the default.';
comment on column crm.deals.stage is
  E'@rank pipeline_stages name position\nThe name of the pipeline stage that the deal is in.';
comment on column crm.deals.probability is
  E'@hasDefault\n@follows\n'
  'The probability of winning the deal, in percent. By default it follows the deal''s stage. A '
  'value that was set remains until the deal is won (100) or lost (0), or until the value is set '
  'to null; then it follows the stage again.';
comment on column crm.deals.close_date is
  'The day on which the deal is expected to close. closed_at records when it did.';
comment on column crm.deals.lost_reason is
  'Why the deal was lost, at most 255 characters. It is set to null when a lost deal moves to a '
  'stage that is not lost.';
comment on column crm.deals.owner_id is
  'The user who is responsible for the deal. Null if there is none.';
comment on column crm.deals.custom_fields is
  'The values of custom fields by name; crm.custom_field_definitions defines the fields. Assigning '
  'an object replaces all values. Assigning {"$merge": {...}} sets the members of the inner object '
  'only. A field that is set to null is removed.';
comment on column crm.deals.version is
  'Increases by one with every update. An update with a version other than the current one fails '
  'with the code CONFLICT.';
comment on column crm.deals.created_at is
  'When the row was created.';
comment on column crm.deals.updated_at is
  'When the row was last changed. Every change sets a later time.';
comment on column crm.deals.created_by is
  'The user who created the row.';
comment on column crm.deals.updated_by is
  'The user who last changed the row.';
comment on column crm.deals.search_document is
  E'@behavior -*\nThe words by which search finds the row.';
comment on column crm.deals.external_ids is
  'The ids of the deal in other systems, at most 20. An external id belongs to one deal only.';

comment on column crm.deals.probability_given is
  'True if the probability was set explicitly, false if it follows the stage.';
comment on column crm.deals.closed_at is
  'When the deal entered a won or lost stage, set by the database. Null while the deal is open.';

comment on constraint deals_company_id_exists on crm.deals is
  '%s is not the id of a company';
comment on constraint deals_contact_id_exists on crm.deals is
  '%s is not the id of a contact';
comment on constraint deals_stage_exists on crm.deals is
  E'@fieldName pipelineStage\n@foreignFieldName deals\n%s is not the name of a pipeline stage';
comment on constraint deals_title_blank on crm.deals is
  'must not be blank';
comment on constraint deals_title_legible on crm.deals is
  'must not contain control characters or invisible characters';
comment on constraint deals_title_length on crm.deals is
  'must have at most 255 characters';
comment on constraint deals_value_decimals on crm.deals is
  '%s has more than two decimals';
comment on constraint deals_value_range on crm.deals is
  'must be a number below 10,000,000,000,000';
comment on constraint deals_currency_known on crm.deals is
  '%s is not an ISO 4217 currency code';
comment on constraint deals_probability_range on crm.deals is
  'must be from 0 to 100';
comment on constraint deals_close_date_range on crm.deals is
  'must be from 0001-01-01 to 9999-12-31';
comment on constraint deals_lost_reason_blank on crm.deals is
  'must not be blank';
comment on constraint deals_lost_reason_legible on crm.deals is
  'must not contain control characters or characters that reorder text';
comment on constraint deals_lost_reason_length on crm.deals is
  'must have at most 255 characters';
comment on constraint deals_owner_id_blank on crm.deals is
  'must not be blank';
comment on constraint deals_owner_id_legible on crm.deals is
  'must not contain control characters or invisible characters';
comment on constraint deals_owner_id_length on crm.deals is
  'must have at most 255 characters';
comment on constraint deals_custom_fields_object on crm.deals is
  E'@whole\nmust be an object';
comment on constraint deals_external_ids_list on crm.deals is
  'must be a list of at most 20 external ids, none of them null';
comment on constraint deals_external_ids_blank on crm.deals is
  'must have a source and an id';
comment on constraint deals_external_ids_legible on crm.deals is
  'must not contain control characters or invisible characters';
comment on constraint deals_external_ids_length on crm.deals is
  'must have a source of at most 100 characters and an id of at most 255';
comment on constraint deals_external_ids_distinct on crm.deals is
  'must not contain an external id twice';
comment on constraint deals_closed_at_order on crm.deals is
  'must not be before the deal was created';

-- For the beginning of a label, regardless of case: the expression of the filters of the API.
create index if not exists deals_title_folded on crm.deals
  ((lower(title collate crm_private.folding) collate "default") text_pattern_ops);
-- Lists are newest first. created_at and id let an index return a page in that order.
create index if not exists deals_company_id on crm.deals (company_id, created_at, id);
create index if not exists deals_contact_id on crm.deals (contact_id, created_at, id);
create index if not exists deals_stage on crm.deals (stage, created_at, id);
create index if not exists deals_stage_value on crm.deals (stage, value, id) include (currency);
create index if not exists deals_value on crm.deals (value, id);
create index if not exists deals_owner_id on crm.deals (owner_id, created_at, id);
create index if not exists deals_close_date on crm.deals (close_date, id);
-- Open deals by the day on which they are expected to close.
create index if not exists deals_open on crm.deals (close_date, id) where closed_at is null;
create index if not exists deals_closed_at on crm.deals (closed_at) where closed_at is not null;
create index if not exists deals_created_at on crm.deals (created_at, id);
create index if not exists deals_custom_fields on crm.deals using gin (custom_fields jsonb_path_ops);
create index if not exists deals_search_document on crm.deals
  using gin (search_document) with (gin_pending_list_limit = 512);
create index if not exists deals_name_words on crm.deals
  using gin (crm_private.name_words(title) extensions.gin_trgm_ops)
  with (gin_pending_list_limit = 512);

alter table crm.deals enable row level security;

grant select on crm.deals to crm_reader;
grant insert
  (title, company_id, contact_id, value, currency, stage, probability, close_date,
   lost_reason, owner_id, custom_fields, external_ids)
  on crm.deals to crm_member;
grant update
  (title, company_id, contact_id, value, currency, stage, probability, close_date,
   lost_reason, owner_id, custom_fields, version, external_ids)
  on crm.deals to crm_member;
grant delete on crm.deals to crm_member;

drop policy if exists deals_select on crm.deals;
create policy deals_select on crm.deals for select to crm_reader
  using (true);
drop policy if exists deals_insert on crm.deals;
create policy deals_insert on crm.deals for insert to crm_member
  with check ((select crm_private.caller_is_authenticated()));
drop policy if exists deals_update on crm.deals;
create policy deals_update on crm.deals for update to crm_member
  using ((select crm_private.caller_is_authenticated()));
drop policy if exists deals_delete on crm.deals;
create policy deals_delete on crm.deals for delete to crm_member
  using ((select crm_private.caller_is_authenticated()));
