/*
 * Why: the entities, the pipeline's stages and the definitions of custom fields.
 *
 * A rule that one row can answer for is a check constraint. Its name, <table>_<column>_<rule>, is
 * API; its comment is the message that a client reads, in which %s stands for the faulty value.
 * A check of an array or an object is asked again for each element, so the message names the one
 * that is wrong.
 *
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

create table crm.pipeline_stages (
  id          uuid        not null default gen_random_uuid(),
  name        text        not null,
  position    integer     not null,
  probability integer     not null default 0,
  kind        text        not null default 'open',
  version     integer     not null default 1,
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now(),
  created_by  text        not null default crm.current_user_id(),
  updated_by  text        not null default crm.current_user_id(),

  constraint pipeline_stages_pkey primary key (id),
  constraint pipeline_stages_name_unique unique (name),
  constraint pipeline_stages_name_blank check (not crm_private.is_blank(name)),
  constraint pipeline_stages_name_length check (char_length(name) <= 100),
  constraint pipeline_stages_position_range check (position >= 0),
  constraint pipeline_stages_probability_range check (probability between 0 and 100),
  constraint pipeline_stages_kind_known check (kind = any (array['open', 'won', 'lost']))
);

create table crm.companies (
  id            uuid        not null default gen_random_uuid(),
  name          text        not null,
  address       jsonb,
  owner_id      text,
  custom_fields jsonb       not null default '{}',
  version       integer     not null default 1,
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now(),
  created_by    text        not null default crm.current_user_id(),
  updated_by    text        not null default crm.current_user_id(),

  constraint companies_pkey primary key (id),
  constraint companies_name_blank check (not crm_private.is_blank(name)),
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
      then not jsonb_path_exists(address, '$.* ? (@.type() != "string")')
    end
  ),
  constraint companies_address_length check (
    case
      when jsonb_typeof(address) = 'object' and char_length(address::text) > 255
      then not jsonb_path_exists(address, '$.* ? (@ like_regex "^.{255}." flag "s")')
    end
  ),
  constraint companies_owner_id_blank check (not crm_private.is_blank(owner_id)),
  constraint companies_owner_id_length check (char_length(owner_id) <= 255),
  constraint companies_custom_fields_object check (jsonb_typeof(custom_fields) = 'object')
);

create table crm.contacts (
  id            uuid        not null default gen_random_uuid(),
  first_name    text        not null,
  last_name     text        not null,
  emails        text[]      not null default '{}',
  phones        text[]      not null default '{}',
  company_id    uuid,
  owner_id      text,
  custom_fields jsonb       not null default '{}',
  version       integer     not null default 1,
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now(),
  created_by    text        not null default crm.current_user_id(),
  updated_by    text        not null default crm.current_user_id(),

  constraint contacts_pkey primary key (id),
  constraint contacts_company_id_exists foreign key (company_id)
    references crm.companies on delete set null,
  constraint contacts_first_name_blank check (not crm_private.is_blank(first_name)),
  constraint contacts_first_name_length check (char_length(first_name) <= 255),
  constraint contacts_last_name_blank check (not crm_private.is_blank(last_name)),
  constraint contacts_last_name_length check (char_length(last_name) <= 255),
  constraint contacts_emails_list check (crm_private.is_list(emails, 100)),
  -- RFC 5322 dot-atom @ RFC 1123 host name of two labels or more; RFC 5321 allows 254 characters.
  constraint contacts_emails_format check (
    not jsonb_path_exists(
      to_jsonb(emails),
      '$[*] ? (!(@ like_regex "^[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+(?:\\.[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+)*@(?:[A-Za-z0-9]+(?:-+[A-Za-z0-9]+)*\\.)+[A-Za-z0-9]+(?:-+[A-Za-z0-9]+)*$"))'
    )
  ),
  constraint contacts_emails_length check (
    case
      when char_length(array_to_string(emails, '')) > 254
      then crm_private.longest_element(emails) <= 254
    end
  ),
  constraint contacts_phones_list check (crm_private.is_list(phones, 100)),
  constraint contacts_phones_blank check (
    case
      -- Only an array that, written a line each, has a line without a visible ASCII character.
      when phones <> '{}' and array_to_string(phones, E'\n') ~ '(?:^|\n)[^!-~\n]*(?:\n|$)'
      then not crm_private.has_blank_element(phones)
    end
  ),
  constraint contacts_phones_length check (
    case
      when char_length(array_to_string(phones, '')) > 255
      then crm_private.longest_element(phones) <= 255
    end
  ),
  constraint contacts_owner_id_blank check (not crm_private.is_blank(owner_id)),
  constraint contacts_owner_id_length check (char_length(owner_id) <= 255),
  constraint contacts_custom_fields_object check (jsonb_typeof(custom_fields) = 'object')
);

create table crm.deals (
  id            uuid        not null default gen_random_uuid(),
  title         text        not null,
  company_id    uuid        not null,
  contact_id    uuid,
  value         numeric     not null,
  currency      text        not null default 'USD',
  stage         text        not null,
  probability   integer     not null,
  close_date    date,
  owner_id      text,
  custom_fields jsonb       not null default '{}',
  version       integer     not null default 1,
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now(),
  created_by    text        not null default crm.current_user_id(),
  updated_by    text        not null default crm.current_user_id(),

  constraint deals_pkey primary key (id),
  constraint deals_company_id_exists foreign key (company_id)
    references crm.companies on delete cascade,
  constraint deals_contact_id_exists foreign key (contact_id)
    references crm.contacts on delete set null,
  constraint deals_stage_exists foreign key (stage)
    references crm.pipeline_stages (name) on update cascade,
  constraint deals_title_blank check (not crm_private.is_blank(title)),
  constraint deals_title_length check (char_length(title) <= 255),
  -- numeric, not numeric(15, 2): that type would round a third decimal without a word.
  constraint deals_value_decimals check (scale(trim_scale(value)) <= 2),
  constraint deals_value_range check (abs(value) < 10000000000000),
  constraint deals_currency_known check (currency = any (crm.currencies())),
  constraint deals_probability_range check (probability between 0 and 100),
  constraint deals_close_date_range check (
    close_date between date '0001-01-01' and date '9999-12-31'
  ),
  constraint deals_owner_id_blank check (not crm_private.is_blank(owner_id)),
  constraint deals_owner_id_length check (char_length(owner_id) <= 255),
  constraint deals_custom_fields_object check (jsonb_typeof(custom_fields) = 'object')
);

/*
 * Tasks and notes are attached to one entity of any kind. The client says which by entity_type and
 * entity_id; from these, one generated column for each kind carries the foreign key, so that an
 * attachment without its entity cannot exist.
 */
create table crm.tasks (
  id          uuid        not null default gen_random_uuid(),
  description text        not null,
  due_date    date,
  assigned_to text,
  status      text        not null default 'open',
  entity_type text        not null,
  entity_id   uuid        not null,
  contact_id  uuid generated always as (case when entity_type = 'contact' then entity_id end) stored,
  company_id  uuid generated always as (case when entity_type = 'company' then entity_id end) stored,
  deal_id     uuid generated always as (case when entity_type = 'deal' then entity_id end) stored,
  version     integer     not null default 1,
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now(),
  created_by  text        not null default crm.current_user_id(),
  updated_by  text        not null default crm.current_user_id(),

  constraint tasks_pkey primary key (id),
  constraint tasks_contact_id_exists foreign key (contact_id)
    references crm.contacts on delete cascade,
  constraint tasks_company_id_exists foreign key (company_id)
    references crm.companies on delete cascade,
  constraint tasks_deal_id_exists foreign key (deal_id)
    references crm.deals on delete cascade,
  constraint tasks_description_blank check (not crm_private.is_blank(description)),
  constraint tasks_description_length check (char_length(description) <= 10000),
  constraint tasks_due_date_range check (
    due_date between date '0001-01-01' and date '9999-12-31'
  ),
  constraint tasks_assigned_to_blank check (not crm_private.is_blank(assigned_to)),
  constraint tasks_assigned_to_length check (char_length(assigned_to) <= 255),
  constraint tasks_status_known check (status = any (array['open', 'closed'])),
  constraint tasks_entity_type_known check (
    entity_type = any (array['contact', 'company', 'deal'])
  )
);

create table crm.notes (
  id          uuid        not null default gen_random_uuid(),
  content     text        not null,
  entity_type text        not null,
  entity_id   uuid        not null,
  contact_id  uuid generated always as (case when entity_type = 'contact' then entity_id end) stored,
  company_id  uuid generated always as (case when entity_type = 'company' then entity_id end) stored,
  deal_id     uuid generated always as (case when entity_type = 'deal' then entity_id end) stored,
  version     integer     not null default 1,
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now(),
  created_by  text        not null default crm.current_user_id(),
  updated_by  text        not null default crm.current_user_id(),

  constraint notes_pkey primary key (id),
  constraint notes_contact_id_exists foreign key (contact_id)
    references crm.contacts on delete cascade,
  constraint notes_company_id_exists foreign key (company_id)
    references crm.companies on delete cascade,
  constraint notes_deal_id_exists foreign key (deal_id)
    references crm.deals on delete cascade,
  constraint notes_content_blank check (not crm_private.is_blank(content)),
  constraint notes_content_length check (char_length(content) <= 100000),
  constraint notes_entity_type_known check (
    entity_type = any (array['contact', 'company', 'deal'])
  )
);

create table crm.custom_field_definitions (
  id          uuid        not null default gen_random_uuid(),
  name        text        not null,
  label       text        not null,
  entity_type text        not null,
  field_type  text        not null,
  enum_values text[],
  required    boolean     not null default false,
  version     integer     not null default 1,
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now(),
  created_by  text        not null default crm.current_user_id(),
  updated_by  text        not null default crm.current_user_id(),

  constraint custom_field_definitions_pkey primary key (id),
  constraint custom_field_definitions_name_unique unique (entity_type, name),
  constraint custom_field_definitions_name_format check (name ~ '^[A-Za-z][A-Za-z0-9_]*$'),
  constraint custom_field_definitions_name_length check (char_length(name) <= 100),
  constraint custom_field_definitions_label_blank check (not crm_private.is_blank(label)),
  constraint custom_field_definitions_label_length check (char_length(label) <= 255),
  constraint custom_field_definitions_entity_type_known check (
    entity_type = any (array['contact', 'company', 'deal'])
  ),
  constraint custom_field_definitions_field_type_known check (
    field_type = any (array['text', 'number', 'date', 'enum', 'boolean'])
  ),
  constraint custom_field_definitions_enum_values_present check (
    (field_type = 'enum') = (enum_values is not null)
  ),
  constraint custom_field_definitions_enum_values_list check (
    crm_private.is_list(enum_values, 1000) and cardinality(enum_values) > 0
  ),
  constraint custom_field_definitions_enum_values_blank check (
    not crm_private.has_blank_element(enum_values)
  ),
  constraint custom_field_definitions_enum_values_length check (
    crm_private.longest_element(enum_values) <= 255
  ),
  constraint custom_field_definitions_enum_values_distinct check (
    not crm_private.has_duplicates(enum_values)
  )
);
