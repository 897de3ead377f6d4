--! Previous: -
--! Hash: sha1:b4c7087cf403e5b2b8e683bf5439cb5cb42a81f0
--! Message: core

--! split: 010-roles.sql
/*
 * Why: pgcrm's roles and schemas. Roles belong to the whole cluster, so they may be there already
 *      from another database; nothing is changed about one that is.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql, which keeps roles that another database still uses.
 */

do $roles$
declare
  v_role   record;
  v_member record;
begin
  -- Two databases of one cluster may be migrated at once.
  perform pg_advisory_xact_lock(hashtext('pgcrm roles'));

  for v_role in
    select *
    from (
      values
        ('crm_reader', 'nologin',
          'Reads every entity, its history, the definitions and the stages.'),
        ('crm_member', 'nologin',
          'Reads, and writes contacts, companies, deals, tasks and notes.'),
        ('crm_admin', 'nologin',
          'Writes definitions and stages too, and reads the whole journal.'),
        ('crm_server', 'login noinherit',
          'Login role of the server: can do nothing but become reader, member or administrator.'),
        ('crm_reporter', 'login',
          'Login role of analysts: reads the schema reporting and nothing else.')
    ) as role (name, options, description)
    where to_regrole(name) is null
  loop
    execute format('create role %I %s', v_role.name, v_role.options);
    execute format('comment on role %I is %L', v_role.name, v_role.description);
    if v_role.name = 'crm_reporter' then
      alter role crm_reporter set default_transaction_read_only = on;
    end if;
  end loop;

  -- Whoever has them already keeps them: granting again takes rights that this owner may lack.
  for v_member in
    select *
    from (
      values
        ('crm_reader', 'crm_member'), ('crm_member', 'crm_admin'),
        ('crm_reader', 'crm_server'), ('crm_member', 'crm_server'), ('crm_admin', 'crm_server')
    ) as membership (role, member)
    where not exists (
      select from pg_auth_members
      where roleid = to_regrole(membership.role)
        and pg_auth_members.member = to_regrole(membership.member)
    )
  loop
    execute format('grant %I to %I', v_member.role, v_member.member);
  end loop;
end
$roles$;

create schema crm;
create schema crm_private;
create schema reporting;

comment on schema crm is 'What clients see: every table and function in it is API.';
comment on schema crm_private is 'Internals: what the rules of crm are made of.';
comment on schema reporting is 'Views for analysts, whose meaning does not change.';

revoke all on schema crm, crm_private, reporting from public;
grant usage on schema crm to crm_reader;
grant usage on schema reporting to crm_reporter;

-- Nothing is executable by everyone unless its own file says so.
alter default privileges revoke execute on functions from public;

--! split: 020-helpers.sql
/*
 * Why: small functions that the checks and defaults of the tables stand on.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

--! Included functions/current_user_id.sql
/*
 * Who is asking. The server says it in the setting crm.user_id, for one transaction at a time.
 * Only sessions that may act as the server are believed; anyone else who logs in by themselves
 * is db:<their login role>, whatever they set. So nobody can write in another's name, and no
 * journal row is without one.
 *
 * The stamp of every row asks it, so it must inline: it names no search_path, and its body is
 * bound to its functions when it is created.
 */
create or replace function crm.current_user_id()
returns text
language sql
stable
parallel safe
return coalesce(
  case
    when current_setting('crm.user_id', true) <> ''
      and pg_has_role(session_user, 'crm_server', 'member')
    then current_setting('crm.user_id', true)
  end,
  'db:' || session_user
);

comment on function crm.current_user_id() is
  E'@notNull\nWho is asking: the subject of the token, or db:<login role> for a database session.';

revoke all on function crm.current_user_id() from public;
grant execute on function crm.current_user_id() to crm_reader;
--! EndIncluded functions/current_user_id.sql
--! Included functions/current_source.sql
/*
 * What a change comes through: api, import or sql. Believed of the same sessions as crm.user_id.
 * Called by the journal.
 */
create or replace function crm_private.current_source()
returns text
language sql
stable
parallel safe
return case
  when current_setting('crm.source', true) = any (array['api', 'import'])
    and pg_has_role(session_user, 'crm_server', 'member')
  then current_setting('crm.source', true)
  else 'sql'
end;

comment on function crm_private.current_source() is
  'What a change comes through: api, import or sql.';

revoke all on function crm_private.current_source() from public;
--! EndIncluded functions/current_source.sql
--! Included functions/camel_case.sql
/*
 * first_name -> firstName: from a column's name to the name that clients of the API know.
 * Called where an error names its fields.
 */
create or replace function crm_private.camel_case(name text)
returns text
language sql
immutable
parallel safe
return left(name, 1) || right(replace(initcap(replace(name, '_', ' ')), ' ', ''), -1);

comment on function crm_private.camel_case(text) is
  'The name a client of the API knows a column by: first_name becomes firstName.';

revoke all on function crm_private.camel_case(text) from public;
--! EndIncluded functions/camel_case.sql
--! Included functions/is_blank.sql
/*
 * True if a text has nothing to see in it: white space of any script, and zero-width characters.
 * Used by every "must not be blank" check. Inlined, so it names no search_path of its own.
 */
create or replace function crm_private.is_blank(value text)
returns boolean
language sql
immutable
parallel safe
return not coalesce(pg_catalog.ascii(value) between 33 and 126, false) and pg_catalog.btrim(
  value,
  U&'\0009\000A\000B\000C\000D\0020\0085\00A0\1680\2000\2001\2002\2003\2004\2005\2006\2007'
  '\2008\2009\200A\200B\200C\200D\2028\2029\202F\205F\2060\3000\FEFF'
) = '';

comment on function crm_private.is_blank(text) is
  'True if the text is empty or holds only white space and zero-width characters.';

revoke all on function crm_private.is_blank(text) from public;
grant execute on function crm_private.is_blank(text) to crm_member;
--! EndIncluded functions/is_blank.sql
--! Included functions/has_blank_element.sql
/* True if an element of an array is blank, as crm_private.is_blank means it. */
create or replace function crm_private.has_blank_element(value text[])
returns boolean
language sql
immutable
parallel safe
return (
  select coalesce(bool_or(crm_private.is_blank(element)), false) from unnest(value) as element
);

comment on function crm_private.has_blank_element(text[]) is
  'True if an element of the array is blank.';

revoke all on function crm_private.has_blank_element(text[]) from public;
grant execute on function crm_private.has_blank_element(text[]) to crm_member;
--! EndIncluded functions/has_blank_element.sql
--! Included functions/is_list.sql
/*
 * True if an array is a plain list: one dimension at most, none of its elements null, and not
 * more of them than the limit. Inlined.
 */
create or replace function crm_private.is_list(value text[], max_elements integer)
returns boolean
language sql
immutable
parallel safe
return pg_catalog.cardinality(value) <= max_elements
  and coalesce(pg_catalog.array_ndims(value), 1) = 1
  and pg_catalog.array_position(value, null) is null;

comment on function crm_private.is_list(text[], integer) is
  'True if the array has one dimension, no null element and at most max_elements elements.';

revoke all on function crm_private.is_list(text[], integer) from public;
grant execute on function crm_private.is_list(text[], integer) to crm_member;
--! EndIncluded functions/is_list.sql
--! Included functions/longest_element.sql
/*
 * The number of characters of an array's longest element, 0 for an empty array.
 * Checks call it only for arrays whose elements are long together, so that the common row does
 * not pay for a subquery.
 */
create or replace function crm_private.longest_element(value text[])
returns integer
language sql
immutable
parallel safe
return (select coalesce(max(char_length(element)), 0) from unnest(value) as element);

comment on function crm_private.longest_element(text[]) is
  'The number of characters of the longest element, 0 for an empty array.';

revoke all on function crm_private.longest_element(text[]) from public;
grant execute on function crm_private.longest_element(text[]) to crm_member;
--! EndIncluded functions/longest_element.sql
--! Included functions/has_duplicates.sql
/* True if two elements of an array are equal. */
create or replace function crm_private.has_duplicates(value text[])
returns boolean
language sql
immutable
parallel safe
return (select count(*) <> count(distinct element) from unnest(value) as element);

comment on function crm_private.has_duplicates(text[]) is
  'True if two elements of the array are equal.';

revoke all on function crm_private.has_duplicates(text[]) from public;
grant execute on function crm_private.has_duplicates(text[]) to crm_member;
--! EndIncluded functions/has_duplicates.sql
--! Included functions/currencies.sql
/*
 * The currencies that a deal may be in: the active codes of ISO 4217 (its table A.1), without
 * precious metals, test codes and bond market units; ANG and BGN, withdrawn in 2025 and 2026, stay
 * because deals were closed in them. The check of crm.deals uses it.
 */
create or replace function crm.currencies()
returns text[]
language sql
immutable
parallel safe
return string_to_array(
  'AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV '
  'BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK '
  'DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL '
  'HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT '
  'LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR '
  'MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF '
  'SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP '
  'TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG '
  'XDR XOF XPF YER ZAR ZMW ZWG',
  ' '
);

comment on function crm.currencies() is
  E'@notNull\nThe ISO 4217 codes that a deal can be in, for example USD.';

revoke all on function crm.currencies() from public;
grant execute on function crm.currencies() to crm_reader;
--! EndIncluded functions/currencies.sql

--! split: 030-tables.sql
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
      then not jsonb_path_exists(address, 'strict $.* ? (@.type() != "string")')
    end
  ),
  constraint companies_address_length check (
    case
      when jsonb_typeof(address) = 'object' and char_length(address::text) > 255
      then not jsonb_path_exists(address, 'strict $.* ? (@ like_regex "^.{255}." flag "s")')
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

--! split: 035-audit-logs.sql
/*
 * Why: the journal. Triggers write it in the transaction of the change itself; nobody else can.
 *      A lean table, because each write pays for its width and its indexes: a key that begins with
 *      the time, one index for the history of an entity, one for what a user did.
 *      Partitioned by month; the partitions are internals, so they stand in crm_private.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

create table crm.audit_logs (
  id             bigint      not null generated always as identity,
  entity_type    text        not null,
  entity_id      uuid        not null,
  action         text        not null,
  user_id        text        not null,
  changes        jsonb       not null,
  "timestamp"    timestamptz not null,
  transaction_id bigint      not null,
  source         text        not null,

  constraint audit_logs_pkey primary key ("timestamp", id),
  constraint audit_logs_user_id_length check (char_length(user_id) <= 255)
) partition by range ("timestamp");

comment on table crm.audit_logs is
  'The journal: one row for each row that was created, changed or deleted, written with the change.';
comment on column crm.audit_logs.id is
  'Increases from one entry to the next.';
comment on column crm.audit_logs.entity_type is
  'What was changed: contact, company, deal, task, note, custom_field_definition or '
  'pipeline_stage.';
comment on column crm.audit_logs.entity_id is
  'The id of the row that was changed. It may be gone.';
comment on column crm.audit_logs.action is
  'create, update or delete.';
comment on column crm.audit_logs.user_id is
  'Who did it: the subject of a token, or db:<login role> for a database session.';
comment on column crm.audit_logs.changes is
  'What changed. For an update a member for each column, or custom field (custom_fields.<name>), '
  'with its old and new value, as {"last_name": {"old": "Byron", "new": "Lovelace"}}. For a '
  'create the values of the new row, for a delete the whole old row.';
comment on column crm.audit_logs."timestamp" is
  'When it was done: the created_at or updated_at that the row got by it.';
comment on column crm.audit_logs.transaction_id is
  'The database transaction; what was done together has it in common.';
comment on column crm.audit_logs.source is
  'What it was done through: api, import or sql.';
comment on constraint audit_logs_user_id_length on crm.audit_logs is
  'must have at most 255 characters';

create index audit_logs_entity_id on crm.audit_logs (entity_id);
create index audit_logs_user_id on crm.audit_logs (user_id);

-- What no partition is made for is never lost.
create table crm_private.audit_logs_other partition of crm.audit_logs default;

--! Included functions/ensure_audit_partitions.sql
/*
 * Makes the journal's partitions for this month and the months after it. Called by the migration
 * and whenever the server or a migration starts, so that a partition stands long before its month.
 * Entries of a month that had none are in the default partition; they move to the new one.
 */
create or replace function crm_private.ensure_audit_partitions(p_months integer default 12)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  v_from timestamptz;
  v_to   timestamptz;
  v_name text;
begin
  -- Servers that start together do this one after the other.
  perform pg_advisory_xact_lock(hashtext('crm_private.ensure_audit_partitions'));

  for v_from in
    select month at time zone 'UTC'
    from generate_series(
      date_trunc('month', now() at time zone 'UTC'),
      date_trunc('month', now() at time zone 'UTC') + make_interval(months => p_months),
      interval '1 month'
    ) as month
    where to_regclass('crm_private.audit_logs_' || to_char(month, 'YYYY_MM')) is null
    order by month
  loop
    v_to   := (v_from at time zone 'UTC' + interval '1 month') at time zone 'UTC';
    v_name := 'audit_logs_' || to_char(v_from at time zone 'UTC', 'YYYY_MM');

    execute format(
      'create table crm_private.%I (like crm.audit_logs including defaults including constraints)',
      v_name
    );
    execute format('alter table crm_private.%I enable row level security', v_name);
    execute format(
      'create trigger _900_refuse_truncate before truncate on crm_private.%I '
      'for each statement execute function crm_private.refuse_truncate()',
      v_name
    );
    execute format(
      'comment on table crm_private.%I is %L',
      v_name, 'Entries of the journal of one month.'
    );
    execute format(
      'with moved as (
         delete from crm_private.audit_logs_other
         where "timestamp" >= $1 and "timestamp" < $2
         returning *
       )
       insert into crm_private.%I select * from moved',
      v_name
    ) using v_from, v_to;
    execute format(
      'alter table crm.audit_logs attach partition crm_private.%I for values from (%L) to (%L)',
      v_name, v_from, v_to
    );
  end loop;
end
$$;

comment on function crm_private.ensure_audit_partitions(integer) is
  'Makes the partitions of the journal for this month and the given number of months after it.';

revoke all on function crm_private.ensure_audit_partitions(integer) from public;
--! EndIncluded functions/ensure_audit_partitions.sql

--! split: 040-indexes.sql
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

--! split: 050-documentation.sql
/*
 * Why: what clients read. Comments of tables and columns are the documentation in GraphiQL, those
 *      of constraints are the messages of errors: %s stands for the faulty value. Lines that begin
 *      with @ are smart tags, which shape the API.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

-- pipeline_stages

comment on table crm.pipeline_stages is
  E'@defaultOrder POSITION_ASC\nA stage of the sales pipeline. Administrators edit the stages.';

comment on column crm.pipeline_stages.id is
  'The identifier of the row, set by the database.';
comment on column crm.pipeline_stages.name is
  'The name that deals refer to, unique. Renaming a stage renames it on its deals.';
comment on column crm.pipeline_stages.position is
  E'@hasDefault\nWhere the stage stands in the pipeline, counted from 0. The end, if not given.';
comment on column crm.pipeline_stages.probability is
  'The chance of winning, in percent, that a new deal at this stage starts with if it names '
  'none.';
comment on column crm.pipeline_stages.kind is
  'open, won or lost.';
comment on column crm.pipeline_stages.version is
  'Increases by one with every update. An update that carries another version than the '
  'current one is refused with the code CONFLICT.';
comment on column crm.pipeline_stages.created_at is
  'When the row was created.';
comment on column crm.pipeline_stages.updated_at is
  'When the row was last changed; later with every change.';
comment on column crm.pipeline_stages.created_by is
  'The user who created the row.';
comment on column crm.pipeline_stages.updated_by is
  'The user who last changed the row.';

comment on constraint pipeline_stages_name_unique on crm.pipeline_stages is
  '%s is already the name of a stage';
comment on constraint pipeline_stages_name_blank on crm.pipeline_stages is
  'must not be blank';
comment on constraint pipeline_stages_name_length on crm.pipeline_stages is
  'must have at most 100 characters';
comment on constraint pipeline_stages_position_range on crm.pipeline_stages is
  'must be 0 or more';
comment on constraint pipeline_stages_probability_range on crm.pipeline_stages is
  'must be from 0 to 100';
comment on constraint pipeline_stages_kind_known on crm.pipeline_stages is
  '%s is not one of open, won, lost';

-- companies

comment on table crm.companies is
  'A company: an organisation that contacts work for and deals are made with.';

comment on column crm.companies.id is
  'The identifier of the row, set by the database.';
comment on column crm.companies.name is
  'The name, at most 255 characters.';
comment on column crm.companies.address is
  'An object with any of the keys street, city, state, postalCode and country, each a string.';
comment on column crm.companies.owner_id is
  'The user who is responsible, or null if nobody is.';
comment on column crm.companies.custom_fields is
  'Values of custom fields by name, as crm.custom_field_definitions allow them. Assigning '
  'replaces the whole object; a field set to null is removed.';
comment on column crm.companies.version is
  'Increases by one with every update. An update that carries another version than the '
  'current one is refused with the code CONFLICT.';
comment on column crm.companies.created_at is
  'When the row was created.';
comment on column crm.companies.updated_at is
  'When the row was last changed; later with every change.';
comment on column crm.companies.created_by is
  'The user who created the row.';
comment on column crm.companies.updated_by is
  'The user who last changed the row.';

comment on constraint companies_name_blank on crm.companies is
  'must not be blank';
comment on constraint companies_name_length on crm.companies is
  'must have at most 255 characters';
comment on constraint companies_address_object on crm.companies is
  'must be an object';
comment on constraint companies_address_keys on crm.companies is
  '%s is not one of street, city, state, postalCode, country';
comment on constraint companies_address_values on crm.companies is
  '%s must be a string';
comment on constraint companies_address_length on crm.companies is
  '%s must have at most 255 characters';
comment on constraint companies_owner_id_blank on crm.companies is
  'must not be blank';
comment on constraint companies_owner_id_length on crm.companies is
  'must have at most 255 characters';
comment on constraint companies_custom_fields_object on crm.companies is
  'must be an object';

-- contacts

comment on table crm.contacts is
  'A contact: a person.';

comment on column crm.contacts.id is
  'The identifier of the row, set by the database.';
comment on column crm.contacts.first_name is
  'The given name, at most 255 characters.';
comment on column crm.contacts.last_name is
  'The family name, at most 255 characters.';
comment on column crm.contacts.emails is
  'Email addresses, the preferred one first.';
comment on column crm.contacts.phones is
  'Phone numbers as written, the preferred one first.';
comment on column crm.contacts.company_id is
  'The company that the contact works for, if any. Null once that company is deleted.';
comment on column crm.contacts.owner_id is
  'The user who is responsible, or null if nobody is.';
comment on column crm.contacts.custom_fields is
  'Values of custom fields by name, as crm.custom_field_definitions allow them. Assigning '
  'replaces the whole object; a field set to null is removed.';
comment on column crm.contacts.version is
  'Increases by one with every update. An update that carries another version than the '
  'current one is refused with the code CONFLICT.';
comment on column crm.contacts.created_at is
  'When the row was created.';
comment on column crm.contacts.updated_at is
  'When the row was last changed; later with every change.';
comment on column crm.contacts.created_by is
  'The user who created the row.';
comment on column crm.contacts.updated_by is
  'The user who last changed the row.';

comment on constraint contacts_company_id_exists on crm.contacts is
  '%s is not the id of a company';
comment on constraint contacts_first_name_blank on crm.contacts is
  'must not be blank';
comment on constraint contacts_first_name_length on crm.contacts is
  'must have at most 255 characters';
comment on constraint contacts_last_name_blank on crm.contacts is
  'must not be blank';
comment on constraint contacts_last_name_length on crm.contacts is
  'must have at most 255 characters';
comment on constraint contacts_emails_list on crm.contacts is
  'must be a list of at most 100 addresses, none of them null';
comment on constraint contacts_emails_format on crm.contacts is
  '%s is not an email address';
comment on constraint contacts_emails_length on crm.contacts is
  '%s has more than 254 characters';
comment on constraint contacts_phones_list on crm.contacts is
  'must be a list of at most 100 numbers, none of them null';
comment on constraint contacts_phones_blank on crm.contacts is
  'must not hold a blank number';
comment on constraint contacts_phones_length on crm.contacts is
  '%s has more than 255 characters';
comment on constraint contacts_owner_id_blank on crm.contacts is
  'must not be blank';
comment on constraint contacts_owner_id_length on crm.contacts is
  'must have at most 255 characters';
comment on constraint contacts_custom_fields_object on crm.contacts is
  'must be an object';

-- deals

comment on table crm.deals is
  'A deal: a sale to a company, on its way through the pipeline.';

comment on column crm.deals.id is
  'The identifier of the row, set by the database.';
comment on column crm.deals.title is
  'What the deal is about, at most 255 characters.';
comment on column crm.deals.company_id is
  'The company that the deal is made with. The deal is deleted with it.';
comment on column crm.deals.contact_id is
  'The person at the company, if any. Null once that contact is deleted.';
comment on column crm.deals.value is
  'What the deal is worth, in its currency: at most two decimals.';
comment on column crm.deals.currency is
  'An ISO 4217 code, for example USD.';
comment on column crm.deals.stage is
  'The name of the pipeline stage that the deal is in.';
comment on column crm.deals.probability is
  E'@hasDefault\n'
  'The chance of winning, in percent. That of the deal''s stage, if not given when it is '
  'created.';
comment on column crm.deals.close_date is
  'The day on which the deal closed or is expected to.';
comment on column crm.deals.owner_id is
  'The user who is responsible, or null if nobody is.';
comment on column crm.deals.custom_fields is
  'Values of custom fields by name, as crm.custom_field_definitions allow them. Assigning '
  'replaces the whole object; a field set to null is removed.';
comment on column crm.deals.version is
  'Increases by one with every update. An update that carries another version than the '
  'current one is refused with the code CONFLICT.';
comment on column crm.deals.created_at is
  'When the row was created.';
comment on column crm.deals.updated_at is
  'When the row was last changed; later with every change.';
comment on column crm.deals.created_by is
  'The user who created the row.';
comment on column crm.deals.updated_by is
  'The user who last changed the row.';

comment on constraint deals_company_id_exists on crm.deals is
  '%s is not the id of a company';
comment on constraint deals_contact_id_exists on crm.deals is
  '%s is not the id of a contact';
comment on constraint deals_stage_exists on crm.deals is
  E'@fieldName pipelineStage\n@foreignFieldName deals\n%s is not the name of a pipeline stage';
comment on constraint deals_title_blank on crm.deals is
  'must not be blank';
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
  'must be a day of the years 1 to 9999';
comment on constraint deals_owner_id_blank on crm.deals is
  'must not be blank';
comment on constraint deals_owner_id_length on crm.deals is
  'must have at most 255 characters';
comment on constraint deals_custom_fields_object on crm.deals is
  'must be an object';

-- tasks

comment on table crm.tasks is
  'A task: something to do about a contact, company or deal. It is deleted with that entity.';

comment on column crm.tasks.id is
  'The identifier of the row, set by the database.';
comment on column crm.tasks.description is
  'What is to be done, at most 10,000 characters.';
comment on column crm.tasks.due_date is
  'The day by which it is to be done.';
comment on column crm.tasks.assigned_to is
  'The user who is to do it.';
comment on column crm.tasks.status is
  'open or closed.';
comment on column crm.tasks.entity_type is
  'What it is attached to: contact, company or deal.';
comment on column crm.tasks.entity_id is
  'The id of the entity that it is attached to.';
comment on column crm.tasks.contact_id is
  'The contact that it is attached to, if that is what it is attached to.';
comment on column crm.tasks.company_id is
  'The company that it is attached to, if that is what it is attached to.';
comment on column crm.tasks.deal_id is
  'The deal that it is attached to, if that is what it is attached to.';
comment on column crm.tasks.version is
  'Increases by one with every update. An update that carries another version than the '
  'current one is refused with the code CONFLICT.';
comment on column crm.tasks.created_at is
  'When the row was created.';
comment on column crm.tasks.updated_at is
  'When the row was last changed; later with every change.';
comment on column crm.tasks.created_by is
  'The user who created the row.';
comment on column crm.tasks.updated_by is
  'The user who last changed the row.';

comment on constraint tasks_description_blank on crm.tasks is
  'must not be blank';
comment on constraint tasks_description_length on crm.tasks is
  'must have at most 10,000 characters';
comment on constraint tasks_due_date_range on crm.tasks is
  'must be a day of the years 1 to 9999';
comment on constraint tasks_assigned_to_blank on crm.tasks is
  'must not be blank';
comment on constraint tasks_assigned_to_length on crm.tasks is
  'must have at most 255 characters';
comment on constraint tasks_status_known on crm.tasks is
  '%s is not one of open, closed';
comment on constraint tasks_contact_id_exists on crm.tasks is
  E'@column entity_id\n%s is not the id of a contact';
comment on constraint tasks_company_id_exists on crm.tasks is
  E'@column entity_id\n%s is not the id of a company';
comment on constraint tasks_deal_id_exists on crm.tasks is
  E'@column entity_id\n%s is not the id of a deal';
comment on constraint tasks_entity_type_known on crm.tasks is
  '%s is not one of contact, company, deal';

-- notes

comment on table crm.notes is
  'A note about a contact, company or deal. It is deleted with that entity.';

comment on column crm.notes.id is
  'The identifier of the row, set by the database.';
comment on column crm.notes.content is
  'Free text, at most 100,000 characters.';
comment on column crm.notes.entity_type is
  'What it is attached to: contact, company or deal.';
comment on column crm.notes.entity_id is
  'The id of the entity that it is attached to.';
comment on column crm.notes.contact_id is
  'The contact that it is attached to, if that is what it is attached to.';
comment on column crm.notes.company_id is
  'The company that it is attached to, if that is what it is attached to.';
comment on column crm.notes.deal_id is
  'The deal that it is attached to, if that is what it is attached to.';
comment on column crm.notes.version is
  'Increases by one with every update. An update that carries another version than the '
  'current one is refused with the code CONFLICT.';
comment on column crm.notes.created_at is
  'When the row was created.';
comment on column crm.notes.updated_at is
  'When the row was last changed; later with every change.';
comment on column crm.notes.created_by is
  'The user who created the row.';
comment on column crm.notes.updated_by is
  'The user who last changed the row.';

comment on constraint notes_content_blank on crm.notes is
  'must not be blank';
comment on constraint notes_content_length on crm.notes is
  'must have at most 100,000 characters';
comment on constraint notes_contact_id_exists on crm.notes is
  E'@column entity_id\n%s is not the id of a contact';
comment on constraint notes_company_id_exists on crm.notes is
  E'@column entity_id\n%s is not the id of a company';
comment on constraint notes_deal_id_exists on crm.notes is
  E'@column entity_id\n%s is not the id of a deal';
comment on constraint notes_entity_type_known on crm.notes is
  '%s is not one of contact, company, deal';

-- custom_field_definitions

comment on table crm.custom_field_definitions is
  'A custom field: a name that contacts, companies or deals may carry in customFields, and '
  'the rule that its values keep. Deleting a definition removes its values.';

comment on column crm.custom_field_definitions.id is
  'The identifier of the row, set by the database.';
comment on column crm.custom_field_definitions.name is
  'The key in customFields: letters, digits and underscores, a letter first. It cannot be '
  'changed.';
comment on column crm.custom_field_definitions.label is
  'What people call the field.';
comment on column crm.custom_field_definitions.entity_type is
  'What carries the field: contact, company or deal. It cannot be changed.';
comment on column crm.custom_field_definitions.field_type is
  'text, number, date, enum or boolean.';
comment on column crm.custom_field_definitions.enum_values is
  'The values that an enum allows; null for every other type.';
comment on column crm.custom_field_definitions.required is
  'True if every row must have a value.';
comment on column crm.custom_field_definitions.version is
  'Increases by one with every update. An update that carries another version than the '
  'current one is refused with the code CONFLICT.';
comment on column crm.custom_field_definitions.created_at is
  'When the row was created.';
comment on column crm.custom_field_definitions.updated_at is
  'When the row was last changed; later with every change.';
comment on column crm.custom_field_definitions.created_by is
  'The user who created the row.';
comment on column crm.custom_field_definitions.updated_by is
  'The user who last changed the row.';

comment on constraint custom_field_definitions_name_unique on crm.custom_field_definitions is
  '%s is already defined';
comment on constraint custom_field_definitions_name_format on crm.custom_field_definitions is
  'must consist of letters, digits and underscores and begin with a letter';
comment on constraint custom_field_definitions_name_length on crm.custom_field_definitions is
  'must have at most 100 characters';
comment on constraint custom_field_definitions_label_blank on crm.custom_field_definitions is
  'must not be blank';
comment on constraint custom_field_definitions_label_length on crm.custom_field_definitions is
  'must have at most 255 characters';
comment on constraint custom_field_definitions_entity_type_known on crm.custom_field_definitions is
  '%s is not one of contact, company, deal';
comment on constraint custom_field_definitions_field_type_known on crm.custom_field_definitions is
  '%s is not one of text, number, date, enum, boolean';
comment on constraint custom_field_definitions_enum_values_present on crm.custom_field_definitions is
  'must be given for an enum, and for no other type';
comment on constraint custom_field_definitions_enum_values_list on crm.custom_field_definitions is
  'must be a list of 1 to 1,000 values, none of them null';
comment on constraint custom_field_definitions_enum_values_blank on crm.custom_field_definitions is
  'must not hold a blank value';
comment on constraint custom_field_definitions_enum_values_length on crm.custom_field_definitions is
  '%s has more than 255 characters';
comment on constraint custom_field_definitions_enum_values_distinct on crm.custom_field_definitions is
  'must not hold a value twice';

--! split: 060-rules.sql
/*
 * Why: the rules that hold for every writer, in the order in which they fire; db/README.md has the
 *      table of what fires on what.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

--! Included views/rules.sql
/*
 * Every rule that a row of a table must keep, read from the catalog: columns that must be set,
 * checks, references, and unique keys. The constraints are the only place where the rules stand;
 * a constraint's comment is the message that a client reads, with %s for the faulty value.
 *
 * Read by crm_private.bind_rules, crm_private.row_faults and the generator of the typed layer.
 */
create or replace view crm_private.rules as
  with constraint_columns as (
    -- Of a rule over several columns, the one that the rule's name begins with is at fault.
    select distinct on (con.oid)
      con.oid as constraint_oid,
      attribute.attrelid,
      attribute.attname,
      attribute.atttypid,
      attribute.attnum,
      attribute.attgenerated
    from pg_constraint as con
    join pg_class as class on class.oid = con.conrelid
    join pg_attribute as attribute
      on attribute.attrelid = con.conrelid and attribute.attnum = any (con.conkey)
    order by
      con.oid,
      starts_with(con.conname, class.relname || '_' || attribute.attname || '_') desc,
      length(attribute.attname) desc
  ),
  constraint_texts as (
    select
      con.oid as constraint_oid,
      regexp_replace(description, '^(@[^\n]*\n)*', '')      as message,
      substring(description from '(?:^|\n)@column (\w+)\n') as client_column
    from pg_constraint as con
    cross join lateral obj_description(con.oid, 'pg_constraint') as description
  )

  select
    attribute.attrelid                                            as table_oid,
    'required'                                                    as kind,
    format('%s_%s_not_null', class.relname, attribute.attname)    as constraint_name,
    attribute.attname::text                                       as column_name,
    crm_private.camel_case(attribute.attname)                     as field,
    'is required'                                                 as message,
    format('%I is not null', attribute.attname)                   as condition,
    false                                                         as per_element,
    attribute.attnum                                              as ordinal
  from pg_attribute as attribute
  join pg_class as class on class.oid = attribute.attrelid
  where attribute.attnum > 0
    and attribute.attnotnull
    and not attribute.attisdropped
    and class.relnamespace = 'crm'::regnamespace
    and class.relkind in ('r', 'p')

  union all

  select
    con.conrelid,
    case con.contype when 'c' then 'check' when 'f' then 'reference' else 'unique' end,
    con.conname::text,
    coalesce(texts.client_column, attribute.attname::text),
    crm_private.camel_case(coalesce(texts.client_column, attribute.attname)),
    coalesce(texts.message, 'breaks the rule ' || con.conname),
    case con.contype
      when 'c' then pg_get_expr(con.conbin, con.conrelid)
      when 'f' then format(
        'exists (select from %s as referenced where referenced.%I = %s) or %3$s is null',
        con.confrelid::regclass,
        referenced.attname,
        -- A generated column has no value yet when rows are validated.
        coalesce(
          '(' || pg_get_expr(generated.adbin, generated.adrelid) || ')',
          quote_ident(attribute.attname)
        )
      )
    end,
    con.contype = 'c' and cardinality(con.conkey) = 1
      and attribute.atttypid in ('text[]'::regtype, 'jsonb'::regtype),
    attribute.attnum
  from pg_constraint as con
  join constraint_columns as attribute on attribute.constraint_oid = con.oid
  join constraint_texts as texts on texts.constraint_oid = con.oid
  left join pg_attrdef as generated
    on attribute.attgenerated = 's'
    and generated.adrelid = attribute.attrelid
    and generated.adnum = attribute.attnum
  left join pg_attribute as referenced
    on referenced.attrelid = con.confrelid
    and referenced.attnum = con.confkey[1]
  where con.connamespace = 'crm'::regnamespace
    and con.contype in ('c', 'f', 'u');

comment on view crm_private.rules is
  'Every rule that a row of a table in crm must keep, read from the catalog.';
--! EndIncluded views/rules.sql

--! Included functions/entity_table.sql
/* The table of an entity type: contact is crm.contacts. Null if nothing is called so. */
create or replace function crm_private.entity_table(p_entity_type text)
returns regclass
language sql
stable
set search_path = ''
as $$
  select case p_entity_type
    when 'contact' then 'crm.contacts'::regclass
    when 'company' then 'crm.companies'::regclass
    when 'deal'    then 'crm.deals'::regclass
    when 'task'    then 'crm.tasks'::regclass
    when 'note'    then 'crm.notes'::regclass
    when 'custom_field_definition' then 'crm.custom_field_definitions'::regclass
    when 'pipeline_stage'          then 'crm.pipeline_stages'::regclass
  end;
$$;

comment on function crm_private.entity_table(text) is
  'The table of an entity type, null if there is no such type.';

revoke all on function crm_private.entity_table(text) from public;
--! EndIncluded functions/entity_table.sql
--! Included functions/elements.sql
/*
 * The elements of a JSON array or the members of a JSON object, in order: what a message quotes
 * (the element, or the member's key) and the array or object that holds it alone.
 * Anything else has no elements. Called by crm_private.row_faults.
 */
create or replace function crm_private.elements(p_value jsonb)
returns table (ordinal bigint, value jsonb, alone jsonb)
language sql
immutable
parallel safe
set search_path = ''
as $$
  select element.ordinal, element.value, jsonb_build_array(element.value)
  from jsonb_array_elements(case jsonb_typeof(p_value) when 'array' then p_value end)
    with ordinality as element (value, ordinal)

  union all

  select member.ordinal, to_jsonb(member.key), jsonb_build_object(member.key, member.value)
  from jsonb_each(case jsonb_typeof(p_value) when 'object' then p_value end)
    with ordinality as member (key, value, ordinal);
$$;

comment on function crm_private.elements(jsonb) is
  'The elements of a JSON array or the members of an object, each with the value holding it alone.';

revoke all on function crm_private.elements(jsonb) from public;
--! EndIncluded functions/elements.sql
--! Included functions/fault_message.sql
/*
 * A message with its faulty value filled in for %s, as JSON writes it and cut to a length that a
 * form can show. Called by crm_private.row_faults.
 */
create or replace function crm_private.fault_message(p_template text, p_value jsonb)
returns text
language sql
immutable
parallel safe
set search_path = ''
as $$
  select case
    when strpos(p_template, '%s') = 0 then p_template
    when p_value is null then ltrim(replace(p_template, '%s', ''))
    when char_length(p_value::text) > 80
    then replace(p_template, '%s', left(p_value::text, 77) || '...')
    else replace(p_template, '%s', p_value::text)
  end;
$$;

comment on function crm_private.fault_message(text, jsonb) is
  'The message with the faulty value, as JSON, for %s.';

revoke all on function crm_private.fault_message(text, jsonb) from public;
--! EndIncluded functions/fault_message.sql
--! Included functions/custom_field_condition.sql
/*
 * The rule of one custom field as an SQL expression over the name custom_fields: null where the
 * field has no value. Both the compiled check of an entity type and the explanation of a fault are
 * made of it, so a type's rule stands here and nowhere else.
 */
create or replace function crm_private.custom_field_condition(
  p_definition crm.custom_field_definitions
)
returns text
language sql
stable
set search_path = ''
as $$
  select format(
    case p_definition.field_type
      when 'text' then
        'jsonb_typeof(custom_fields -> %1$L) = ''string'' '
        'and char_length(custom_fields ->> %1$L) <= 10000'
      when 'number' then
        'jsonb_typeof(custom_fields -> %1$L) = ''number'' '
        'and char_length(custom_fields ->> %1$L) <= 400'
      -- A day of the Gregorian calendar, years 0001 to 9999. No JSON but a string looks like it.
      when 'date' then
        '(custom_fields ->> %1$L ~ ''^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])$'' '
        'or custom_fields ->> %1$L ~ ''^[0-9]{4}-(?:0[13-9]|1[0-2])-(?:29|30)$'' '
        'or custom_fields ->> %1$L ~ ''^[0-9]{4}-(?:0[13578]|1[02])-31$'' '
        'or custom_fields ->> %1$L ~ '
        '''^(?:[0-9][0-9](?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29$'') '
        'and not starts_with(custom_fields ->> %1$L, ''0000'')'
      when 'enum' then
        'custom_fields -> %1$L = any (%2$L::jsonb[])'
      when 'boolean' then
        'jsonb_typeof(custom_fields -> %1$L) = ''boolean'''
    end,
    p_definition.name,
    array(select to_jsonb(value) from unnest(p_definition.enum_values) as value)
  );
$$;

comment on function crm_private.custom_field_condition(crm.custom_field_definitions) is
  'The rule of a custom field as an SQL expression over custom_fields, null without a value.';

revoke all on function crm_private.custom_field_condition(crm.custom_field_definitions) from public;
--! EndIncluded functions/custom_field_condition.sql
--! Included functions/custom_field_message.sql
/* What a client reads when a value breaks the definition of its custom field. */
create or replace function crm_private.custom_field_message(
  p_definition crm.custom_field_definitions
)
returns text
language sql
stable
set search_path = ''
as $$
  select case p_definition.field_type
    when 'text'    then 'must be a text of at most 10,000 characters'
    when 'number'  then 'must be a number of at most 400 digits'
    when 'date'    then 'must be a date such as "2026-02-28"'
    when 'boolean' then 'must be true or false'
    when 'enum'    then 'must be one of ' || (
      select string_agg(value, ', ' order by ordinal)
        || case when cardinality(p_definition.enum_values) > 20 then ' and others' else '' end
      from unnest(p_definition.enum_values[:20]) with ordinality as listed (value, ordinal)
    )
  end;
$$;

comment on function crm_private.custom_field_message(crm.custom_field_definitions) is
  'What a client reads when a value breaks the definition.';

revoke all on function crm_private.custom_field_message(crm.custom_field_definitions) from public;
--! EndIncluded functions/custom_field_message.sql
--! Included functions/custom_field_faults.sql
/*
 * Every fault of an object of custom fields: keys that are not defined, values that break their
 * definition, required fields without one. None for tables that carry no custom fields.
 * Called by crm_private.row_faults.
 */
create or replace function crm_private.custom_field_faults(p_table regclass, p_custom_fields jsonb)
returns table (field text, message text, constraint_name text)
language plpgsql
stable
set search_path = ''
as $$
declare
  v_table text := (select relname from pg_class where oid = p_table);
  v_holds jsonb;
begin
  if jsonb_typeof(p_custom_fields) is distinct from 'object' then
    return;
  end if;

  -- One statement that asks every rule: {"industry": "true", "size": "false", "founded": null}
  execute (
    select format(
      'select jsonb_object(%L, array[%s]::text[]) from (select $1 as custom_fields) as row',
      coalesce(array_agg(d.name order by d.name), '{}'),
      string_agg(
        format('(%s)', crm_private.custom_field_condition(d)), ', ' order by d.name
      )
    )
    from crm.custom_field_definitions as d
    where crm_private.entity_table(d.entity_type) = p_table
  )
  into v_holds
  using p_custom_fields;

  return query
    select
      'customFields.' || d.name,
      case
        when v_holds ->> d.name is null then 'is required'
        else crm_private.custom_field_message(d)
      end,
      v_table || '_custom_fields_' || case
        when v_holds ->> d.name is null then 'required'
        else 'type'
      end
    from crm.custom_field_definitions as d
    where crm_private.entity_table(d.entity_type) = p_table
      and not coalesce((v_holds ->> d.name)::boolean, not d.required)

    union all

    select
      'customFields.' || key,
      'is not a custom field of this entity type',
      v_table || '_custom_fields_known'
    from jsonb_object_keys(p_custom_fields) as key
    where not coalesce(v_holds ? key, false)

    order by 1;
end
$$;

comment on function crm_private.custom_field_faults(regclass, jsonb) is
  'Every fault of an object of custom fields of the table: the field, the message and the rule.';

revoke all on function crm_private.custom_field_faults(regclass, jsonb) from public;
--! EndIncluded functions/custom_field_faults.sql
--! Included functions/compile_custom_fields.sql
/*
 * Compiles the definitions of an entity type into crm_private.<table>_custom_fields_hold, which
 * the trigger that validates inlines: a row is checked without reading a definition. Called when
 * the definitions of the type change; the caller has stopped writers of the table.
 *
 * Members that are null never reach it: _100_normalise removes them before.
 */
create or replace function crm_private.compile_custom_fields(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  v_function text := format(
    'crm_private.%I',
    (select relname from pg_class where oid = crm_private.entity_table(p_entity_type))
      || '_custom_fields_hold'
  );
begin
  execute (
    select format(
      'create or replace function %s(custom_fields jsonb)
       returns boolean
       language sql
       immutable
       parallel safe
       return case
         when custom_fields = ''{}'' then %s
         when jsonb_typeof(custom_fields) = ''object''
         then custom_fields - %L::text[] = ''{}'' %s
       end',
      v_function,
      (not coalesce(bool_or(d.required), false))::text,
      coalesce(array_agg(d.name order by d.name), '{}'),
      string_agg(
        format('and coalesce(%s, %s)', crm_private.custom_field_condition(d), (not d.required)::text),
        E'\n' order by d.name
      )
    )
    from crm.custom_field_definitions as d
    where d.entity_type = p_entity_type
  );

  execute format(
    'comment on function %s(jsonb) is %L',
    v_function, 'True if the custom fields keep their definitions. Compiled from them.'
  );
  execute format('revoke all on function %s(jsonb) from public', v_function);
  execute format('grant execute on function %s(jsonb) to crm_member', v_function);
end
$$;

comment on function crm_private.compile_custom_fields(text) is
  'Compiles the definitions of an entity type into the check that its rows are validated by.';

revoke all on function crm_private.compile_custom_fields(text) from public;
--! EndIncluded functions/compile_custom_fields.sql
--! Included functions/row_faults.sql
/*
 * Every fault of a row, given as jsonb: what crm_private.rules says of its table and, where it has
 * custom fields, what their definitions say.
 *
 * A rule about an array or an object is asked again with each of its elements alone, so that the
 * message can name the one at fault; if each of them is fine by itself, the fault is of the whole.
 *
 * Called by the trigger that validates, once a row is known to be faulty: cost does not matter.
 */
create or replace function crm_private.row_faults(p_table regclass, p_row jsonb)
returns table (field text, message text, constraint_name text, column_name text)
language plpgsql
stable
set search_path = ''
as $$
declare
  v_faults text;
begin
  select
    string_agg(
      format(
        case
          when rule.per_element then
            'select %1$L, %2$L, %3$L, %4$L, %5$s, element.value, element.ordinal
             from (values (true)) as once
             left join lateral (
               select element.*
               from crm_private.elements($1 -> %4$L) as element
               cross join lateral jsonb_populate_record(
                 null::%6$s, $1 || jsonb_build_object(%4$L, element.alone)
               )
               where not (%7$s)
             ) as element on true
             cross join lateral jsonb_populate_record(null::%6$s, $1)
             where not (%7$s)'
          else
            'select %1$L, %2$L, %3$L, %4$L, %5$s, $1 -> %4$L, null::bigint
             from jsonb_populate_record(null::%6$s, $1)
             where not (%7$s)'
        end,
        rule.field, rule.message, rule.constraint_name, rule.column_name, rule.ordinal, p_table,
        rule.condition
      ),
      E'\nunion all\n'
    )
  into v_faults
  from crm_private.rules as rule
  where rule.table_oid = p_table
    and rule.kind in ('required', 'check', 'reference');

  return query execute format(
    'select fault.field, crm_private.fault_message(fault.message, fault.value), '
    '  fault.constraint_name, fault.column_name '
    'from (%s) as fault '
    '  (field, message, constraint_name, column_name, ordinal, value, element_ordinal) '
    'order by fault.ordinal, fault.constraint_name, fault.element_ordinal',
    v_faults
  ) using p_row;

  return query
    select fault.field, fault.message, fault.constraint_name, 'custom_fields'
    from crm_private.custom_field_faults(p_table, p_row -> 'custom_fields') as fault;
end
$$;

comment on function crm_private.row_faults(regclass, jsonb) is
  'Every fault of a row of the table: the field, the message, the rule and the column.';

revoke all on function crm_private.row_faults(regclass, jsonb) from public;
--! EndIncluded functions/row_faults.sql
--! Included functions/refuse_row.sql
/*
 * Refuses a row, given as jsonb, with all its faults at once: the detail is an object of messages by
 * field, in the client's words. Called by the trigger that validates, for faulty rows only.
 *
 * Security definer, because it reads the catalog's rules, definitions and referenced rows whatever
 * policies hide of them; it changes nothing.
 */
create or replace function crm_private.refuse_row(p_table regclass, p_row jsonb)
returns void
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_table      text := (select relname from pg_class where oid = p_table);
  v_fields     jsonb;
  v_summary    text;
  v_constraint text;
  v_column     text;
begin
  -- Asked by itself, it would tell which ids exist, whatever policies hide.
  if pg_trigger_depth() = 0 then
    raise exception 'crm_private.refuse_row is for triggers'
      using errcode = 'insufficient_privilege';
  end if;

  select
    jsonb_object_agg(fault.field, fault.messages),
    string_agg(fault.field || ' ' || (fault.messages ->> 0), '; ' order by fault.ordinal),
    (array_agg(fault.constraint_name order by fault.ordinal))[1],
    (array_agg(fault.column_name order by fault.ordinal))[1]
  into v_fields, v_summary, v_constraint, v_column
  from (
    -- What is said of several elements in the same words is said once.
    select
      field,
      jsonb_agg(message order by ordinal)               as messages,
      min(ordinal)                                      as ordinal,
      (array_agg(constraint_name order by ordinal))[1]  as constraint_name,
      (array_agg(column_name order by ordinal))[1]      as column_name
    from (
      select distinct on (field, message) *
      from crm_private.row_faults(p_table, p_row) with ordinality as listed (
        field, message, constraint_name, column_name, ordinal
      )
      order by field, message, ordinal
    ) as distinct_faults
    group by field
  ) as fault;

  -- What is compiled is right. It may be younger than the snapshot of this transaction, which then
  -- has to begin again; or bind_rules was forgotten.
  if v_fields is null and current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'the rules of % changed since this transaction began', p_table
      using errcode = 'serialization_failure';
  elsif v_fields is null then
    raise exception 'crm_private.bind_rules was not called after a rule of % changed', p_table
      using errcode = 'internal_error';
  end if;

  raise exception '%: %', v_table, v_summary
    using errcode    = 'check_violation',
          schema     = 'crm', table = v_table, column = v_column,
          constraint = v_constraint,
          detail     = v_fields::text;
end
$$;

comment on function crm_private.refuse_row(regclass, jsonb) is
  'Refuses a row that breaks a rule, with all its faults.';

revoke all on function crm_private.refuse_row(regclass, jsonb) from public;
grant execute on function crm_private.refuse_row(regclass, jsonb) to crm_member;
--! EndIncluded functions/refuse_row.sql
--! Included functions/bind_rules.sql
/*
 * Binds the validation of a table. All the rules that a row can answer by itself become one
 * function, crm_private.<table>_hold, and a trigger function that asks it of every new row:
 * PostgreSQL plans the whole of it once a session as one expression, so a row that keeps the rules
 * costs neither a query nor a look at the catalog. A row that breaks one meets
 * crm_private.refuse_row, which finds every fault.
 *
 * Call it in the migration that changes a column or a constraint; a test finds where that was
 * forgotten. The constraints themselves hold in any case, one at a time.
 */
create or replace function crm_private.bind_rules(p_table regclass)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  v_table    text := (select relname from pg_class where oid = p_table);
  v_hold     text := format('crm_private.%I', v_table || '_hold');
  v_validate text := format('crm_private.%I', v_table || '_validate');
  v_columns  text;
  v_values   text;
  v_rules    text;
begin
  select
    string_agg(format('%I %s', attname, format_type(atttypid, null)), ', ' order by attnum),
    string_agg(format('new.%I', attname), ', ' order by attnum)
  into v_columns, v_values
  from pg_attribute
  where attrelid = p_table and attnum > 0 and not attisdropped and attgenerated = '';

  select string_agg(
    format(case kind when 'required' then '%s' else 'coalesce(%s, true)' end, condition),
    E'\nand ' order by kind desc, ordinal, constraint_name
  )
  into v_rules
  from crm_private.rules
  where table_oid = p_table and kind in ('required', 'check');

  if to_regprocedure(format('crm_private.%I(jsonb)', v_table || '_custom_fields_hold')) is not null
  then
    v_rules := v_rules
      || format(E'\nand crm_private.%I(custom_fields)', v_table || '_custom_fields_hold');
  end if;

  -- The arguments are the table's columns, so the function is made anew.
  execute coalesce(
    (
      select format('drop function %s', proc.oid::regprocedure)
      from pg_proc as proc
      where proc.pronamespace = 'crm_private'::regnamespace and proc.proname = v_table || '_hold'
    ),
    'select'
  );
  execute format(
    'create function %s(%s) returns boolean language sql stable parallel safe return %s',
    v_hold, v_columns, v_rules
  );
  execute format(
    'comment on function %s is %L',
    v_hold, 'True if a row keeps every rule that it can answer by itself. Made of the constraints.'
  );
  execute format('revoke all on function %s from public', v_hold);
  execute format('grant execute on function %s to crm_member', v_hold);

  -- No search_path of its own, which would cost as much again: every name is qualified.
  execute format(
    $function$
create or replace function %s()
returns trigger
language plpgsql
as $validate$
begin
  if not %s(%s) then
    perform crm_private.refuse_row(tg_relid, pg_catalog.to_jsonb(new));
  end if;
  return new;
end
$validate$
    $function$,
    v_validate, v_hold, v_values
  );
  execute format(
    'comment on function %s() is %L', v_validate, 'Refuses a row that breaks a rule. Compiled.'
  );
  execute format('revoke all on function %s() from public', v_validate);
  execute format(
    'create or replace trigger _200_validate before insert or update on %s '
    'for each row execute function %s()',
    p_table, v_validate
  );
end
$$;

comment on function crm_private.bind_rules(regclass) is
  'Makes the trigger that validates the rows of a table from its constraints.';

revoke all on function crm_private.bind_rules(regclass) from public;
--! EndIncluded functions/bind_rules.sql
--! Included functions/apply_definitions.sql
/*
 * Applies changed definitions of one entity type to its rows, and refuses what the rows contradict.
 * p_old and p_new hold the definitions before and after the statement. Called by
 * crm_private.definitions_changed.
 *
 * Writers of the table wait until the transaction ends, so no value can slip in beside the change;
 * readers go on. A transaction whose snapshot may be older than the lock cannot see what was
 * written before it, so only read committed will do.
 */
create or replace function crm_private.apply_definitions(
  p_entity_type text,
  p_old         crm.custom_field_definitions[],
  p_new         crm.custom_field_definitions[]
)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  v_table   regclass := crm_private.entity_table(p_entity_type);
  v_plural  text     := (select relname from pg_class where oid = v_table);
  v_deleted text[];
  v_counts  text;
  v_fields  jsonb;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'definitions cannot be changed in a % transaction',
        current_setting('transaction_isolation')
      using errcode = 'feature_not_supported',
            schema  = 'crm', table = 'custom_field_definitions',
            hint    = 'Use a read committed transaction.';
  end if;

  execute format('lock table %s in share row exclusive mode', v_table);

  perform crm_private.compile_custom_fields(p_entity_type);

  select array_agg(old_row.name)
  into v_deleted
  from unnest(p_old) as old_row
  where old_row.entity_type = p_entity_type
    and not exists (select from unnest(p_new) as new_row where new_row.id = old_row.id);

  if v_deleted is not null then
    execute format(
      'update %s set custom_fields = custom_fields - $1 where custom_fields ?| $1', v_table
    ) using v_deleted;
  end if;

  -- The rows are counted only where a definition became stricter or other than it was.
  select string_agg(
    format(
      'select %L, %L, count(*) from %s where %s',
      contradiction.field, contradiction.message, v_table, contradiction.condition
    ),
    E'\nunion all\n'
  )
  into v_counts
  from unnest(p_new) as new_row
  left join unnest(p_old) as old_row using (id)
  cross join lateral (
    select
      'required' as field,
      format('existing %s without a value: %%s', v_plural) as message,
      format('not custom_fields ? %L', new_row.name) as condition
    where new_row.required and not coalesce(old_row.required, false)

    union all

    select
      case when new_row.field_type = old_row.field_type then 'enumValues' else 'fieldType' end,
      format(
        'existing %s with another value: %%s (%s)',
        v_plural, replace(crm_private.custom_field_message(new_row), '%', '%%')
      ),
      format('not coalesce(%s, true)', crm_private.custom_field_condition(new_row))
    where (new_row.field_type, new_row.enum_values)
      is distinct from (old_row.field_type, old_row.enum_values)
      and old_row.id is not null
  ) as contradiction
  where new_row.entity_type = p_entity_type;

  if v_counts is null then
    return;
  end if;

  execute format(
    'select jsonb_object_agg(field, messages)
     from (
       select field, jsonb_agg(format(message, count) order by message) as messages
       from (%s) as counted (field, message, count)
       where count > 0
       group by field
     ) as faults',
    v_counts
  ) into v_fields;

  if v_fields is not null then
    raise exception 'custom_field_definitions: %',
        (select string_agg(key || ' ' || (value ->> 0), '; ') from jsonb_each(v_fields))
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'custom_field_definitions',
            column     = (
              select case key when 'enumValues' then 'enum_values' when 'fieldType'
                then 'field_type' else key end
              from jsonb_object_keys(v_fields) as key limit 1
            ),
            constraint = 'custom_field_definitions_values_hold',
            detail     = v_fields::text,
            hint       = 'Change the rows first.';
  end if;
end
$$;

comment on function crm_private.apply_definitions(
  text, crm.custom_field_definitions[], crm.custom_field_definitions[]
) is
  'Applies changed definitions of an entity type to its rows; refuses what the rows contradict.';

revoke all on function crm_private.apply_definitions(
  text, crm.custom_field_definitions[], crm.custom_field_definitions[]
) from public;
--! EndIncluded functions/apply_definitions.sql
--! Included functions/custom_field_changes.sql
/*
 * What differs between two objects of custom fields, as the journal writes it: a member called
 * custom_fields.<name> for each field, with its old and its new value; empty if nothing does.
 * Called by the journal's trigger for each row whose custom fields an update changed.
 */
create or replace function crm_private.custom_field_changes(p_old jsonb, p_new jsonb)
returns jsonb
language sql
immutable
parallel safe
return (
  select coalesce(
    jsonb_object_agg(
      'custom_fields.' || name,
      jsonb_build_object('old', old_field.value, 'new', new_field.value)
    ),
    '{}'
  )
  from jsonb_each(p_old) as old_field (name, value)
  full join jsonb_each(p_new) as new_field (name, value) using (name)
  where old_field.value is distinct from new_field.value
);

comment on function crm_private.custom_field_changes(jsonb, jsonb) is
  'What differs between two objects of custom fields: the old and the new value of each.';

revoke all on function crm_private.custom_field_changes(jsonb, jsonb) from public;
--! EndIncluded functions/custom_field_changes.sql
--! Included functions/bind_journal.sql
/*
 * Binds the journal to a table: makes crm_private.<table>_journal, compiled from the table's
 * columns, and the triggers that call it once for each statement.
 *
 * The changes of a created row are its values, those of a deleted row the whole old row. Those of
 * an updated row have a member for each column, and for each custom field, that changed. What an
 * entry says itself (which row, who and when) and what follows from it (the version, generated
 * columns) is left out, but for a deletion: it keeps all, so that the row can come back.
 *
 * Compiled, because the journal is paid for by every write: a generic comparison of whole rows costs
 * twice as much for inserts, three times for updates. Call it in the migration that adds or removes a column; a
 * test finds where that was forgotten.
 *
 * The trigger is security definer: nobody but the owner of the journal may write it.
 */
create or replace function crm_private.bind_journal(p_table regclass, p_entity_type text)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  v_function text := format(
    'crm_private.%I', (select relname from pg_class where oid = p_table) || '_journal'
  );
  v_values  text;
  v_changes text;
begin
  select
    string_agg(format('new_row.%I', attname), ', ' order by attnum),
    string_agg(
      format(
        case attname
          when 'custom_fields' then
            'case when old_row.%1$I is distinct from new_row.%1$I '
            'then crm_private.custom_field_changes(old_row.%1$I, new_row.%1$I) else ''{}'' end'
          else
            'case when old_row.%1$I is distinct from new_row.%1$I '
            'then jsonb_build_object(%1$L, '
            'jsonb_build_object(''old'', old_row.%1$I, ''new'', new_row.%1$I)) else ''{}'' end'
        end,
        attname
      ),
      E'\n        || ' order by attnum
    )
  into v_values, v_changes
  from pg_attribute
  where attrelid = p_table
    and attnum > 0
    and not attisdropped
    and attgenerated = ''
    and attname <> all (
      '{id,version,created_at,updated_at,created_by,updated_by}'::name[]
    );

  execute format(
    $function$
create or replace function %1$s()
returns trigger
language plpgsql
security definer
set search_path = ''
as $journal$
declare
  v_user_id text   := crm.current_user_id();
  v_source  text   := crm_private.current_source();
  v_xid     bigint := pg_current_xact_id()::text::bigint;
begin
  if tg_op = 'INSERT' then
    insert into crm.audit_logs
      (entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
    select
      %2$L, new_row.id, 'create', v_user_id, to_jsonb(new_values),
      new_row.created_at, v_xid, v_source
    from new_rows as new_row
    cross join lateral (select %3$s) as new_values;

  elsif tg_op = 'UPDATE' then
    insert into crm.audit_logs
      (entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
    select
      %2$L, new_row.id, 'update', v_user_id,
      %4$s,
      new_row.updated_at, v_xid, v_source
    from new_rows as new_row
    join old_rows as old_row using (id)
    where new_row.version <> old_row.version;

  else
    insert into crm.audit_logs
      (entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
    select
      %2$L, old_row.id, 'delete', v_user_id, to_jsonb(old_row),
      clock_timestamp(), v_xid, v_source
    from old_rows as old_row;
  end if;

  return null;
end
$journal$
    $function$,
    v_function, p_entity_type, v_values, v_changes
  );
  execute format(
    'comment on function %s() is %L',
    v_function, 'Writes an entry of the journal for each row that a statement changed. Compiled.'
  );
  execute format('revoke all on function %s() from public', v_function);

  execute format(
    'create or replace trigger _900_journal_insert after insert on %s '
    'referencing new table as new_rows '
    'for each statement execute function %s()',
    p_table, v_function
  );
  execute format(
    'create or replace trigger _900_journal_update after update on %s '
    'referencing old table as old_rows new table as new_rows '
    'for each statement execute function %s()',
    p_table, v_function
  );
  execute format(
    'create or replace trigger _900_journal_delete after delete on %s '
    'referencing old table as old_rows '
    'for each statement execute function %s()',
    p_table, v_function
  );
end
$$;

comment on function crm_private.bind_journal(regclass, text) is
  'Makes the triggers that write the journal of a table, compiled from its columns.';

revoke all on function crm_private.bind_journal(regclass, text) from public;
--! EndIncluded functions/bind_journal.sql

--! Included triggers/100_normalise.sql
/*
 * Phase 100: one way to write what can be written in several. Conditions keep the common row from
 * paying for a call.
 *
 * - A custom field set to null is removed.
 * - A deal's value has two decimals; one with more keeps them, for the check to refuse.
 * - A new deal without a probability gets its stage's.
 * - A new pipeline stage without a position goes to the end.
 */

create or replace function crm_private.normalise_custom_fields()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.custom_fields := jsonb_strip_nulls(new.custom_fields);
  return new;
end
$$;

comment on function crm_private.normalise_custom_fields() is
  'Removes custom fields that are set to null.';

revoke all on function crm_private.normalise_custom_fields() from public;

create or replace trigger _100_normalise_custom_fields
  before insert or update on crm.contacts
  for each row when (jsonb_path_exists(new.custom_fields, 'strict $.* ? (@ == null)', silent => true))
  execute function crm_private.normalise_custom_fields();

create or replace trigger _100_normalise_custom_fields
  before insert or update on crm.companies
  for each row when (jsonb_path_exists(new.custom_fields, 'strict $.* ? (@ == null)', silent => true))
  execute function crm_private.normalise_custom_fields();

create or replace trigger _100_normalise_custom_fields
  before insert or update on crm.deals
  for each row when (jsonb_path_exists(new.custom_fields, 'strict $.* ? (@ == null)', silent => true))
  execute function crm_private.normalise_custom_fields();

create or replace function crm_private.normalise_deal_value()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.value := round(new.value, 2);
  return new;
end
$$;

comment on function crm_private.normalise_deal_value() is
  'Writes a deal''s value with two decimals.';

revoke all on function crm_private.normalise_deal_value() from public;

create or replace trigger _100_normalise_value
  before insert or update on crm.deals
  for each row when (scale(new.value) <> 2 and scale(trim_scale(new.value)) <= 2)
  execute function crm_private.normalise_deal_value();

create or replace function crm_private.normalise_deal_probability()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  -- Where there is no such stage, the stage is at fault and not the probability.
  new.probability := coalesce(
    (select stage.probability from crm.pipeline_stages as stage where stage.name = new.stage), 0
  );
  return new;
end
$$;

comment on function crm_private.normalise_deal_probability() is
  'Gives a new deal the probability of its stage.';

revoke all on function crm_private.normalise_deal_probability() from public;

create or replace trigger _100_normalise_probability
  before insert on crm.deals
  for each row when (new.probability is null)
  execute function crm_private.normalise_deal_probability();

create or replace function crm_private.normalise_stage_position()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.position := (select coalesce(max(stage.position) + 1, 0) from crm.pipeline_stages as stage);
  return new;
end
$$;

comment on function crm_private.normalise_stage_position() is
  'Puts a new pipeline stage at the end.';

revoke all on function crm_private.normalise_stage_position() from public;

create or replace trigger _100_normalise_position
  before insert on crm.pipeline_stages
  for each row when (new.position is null)
  execute function crm_private.normalise_stage_position();
--! EndIncluded triggers/100_normalise.sql
--! Included triggers/110_stamp.sql
/*
 * Phase 110: who and when, and the optimistic lock. Whatever a writer puts into these columns is
 * replaced, so none can be forged.
 *
 * - A new row has the columns' defaults: version 1, this transaction, this user. The condition of
 *   the trigger lets a row through that has them, so the common insert costs no call.
 * - An update that carries another version than the row has meets SQLSTATE CRM01, with what is
 *   current as its detail. One that carries none has the row's own version, and passes.
 * - An update that changes nothing changes nothing: neither version nor updated_at move, and the
 *   journal has no entry. Any other increases the version by one, and updated_at even within a
 *   transaction.
 * - The id of a row never changes.
 */

create or replace function crm_private.stamp_insert()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.version    := 1;
  new.created_at := now();
  new.updated_at := now();
  new.created_by := crm.current_user_id();
  new.updated_by := crm.current_user_id();
  return new;
end
$$;

comment on function crm_private.stamp_insert() is
  'Replaces forged values of version, created_at, created_by, updated_at and updated_by.';

revoke all on function crm_private.stamp_insert() from public;

create or replace function crm_private.stamp_update()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if new.id <> old.id then
    raise exception 'the id of a row in crm.% cannot be changed', tg_table_name
      using errcode    = 'check_violation',
            schema     = tg_table_schema, table = tg_table_name, column = 'id',
            constraint = tg_table_name || '_id_immutable',
            detail     = '{"id": ["cannot be changed"]}';
  end if;

  if new.version is distinct from old.version then
    raise exception '% % was changed meanwhile: it has version %, not %',
        tg_argv[0], old.id, old.version, coalesce(new.version::text, 'null')
      using errcode    = 'CRM01',
            schema     = tg_table_schema, table = tg_table_name, column = 'version',
            constraint = tg_table_name || '_version_current',
            detail     = jsonb_build_object(
                           'version', old.version,
                           'updatedAt', to_char(
                             old.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'
                           ),
                           'updatedBy', old.updated_by
                         ),
            hint       = 'Read the row again and repeat the change.';
  end if;

  new.created_at := old.created_at;
  new.created_by := old.created_by;
  new.updated_at := old.updated_at;
  new.updated_by := old.updated_by;

  -- Generated columns have no value yet; they follow from the others.
  if tg_table_name in ('tasks', 'notes') then
    new.contact_id := old.contact_id;
    new.company_id := old.company_id;
    new.deal_id    := old.deal_id;
  end if;

  if new is distinct from old then
    new.version    := old.version + 1;
    new.updated_at := greatest(clock_timestamp(), old.updated_at + interval '1 microsecond');
    new.updated_by := crm.current_user_id();
  end if;

  return new;
end
$$;

comment on function crm_private.stamp_update() is
  'Sets version, updated_at and updated_by; refuses an outdated version.';

revoke all on function crm_private.stamp_update() from public;

create or replace trigger _110_stamp_insert before insert on crm.contacts
  for each row when (
    (new.version, new.created_at, new.updated_at, new.created_by, new.updated_by)
    is distinct from (1, now(), now(), crm.current_user_id(), new.created_by)
  )
  execute function crm_private.stamp_insert();
create or replace trigger _110_stamp_update before update on crm.contacts
  for each row execute function crm_private.stamp_update('contact');

create or replace trigger _110_stamp_insert before insert on crm.companies
  for each row when (
    (new.version, new.created_at, new.updated_at, new.created_by, new.updated_by)
    is distinct from (1, now(), now(), crm.current_user_id(), new.created_by)
  )
  execute function crm_private.stamp_insert();
create or replace trigger _110_stamp_update before update on crm.companies
  for each row execute function crm_private.stamp_update('company');

create or replace trigger _110_stamp_insert before insert on crm.deals
  for each row when (
    (new.version, new.created_at, new.updated_at, new.created_by, new.updated_by)
    is distinct from (1, now(), now(), crm.current_user_id(), new.created_by)
  )
  execute function crm_private.stamp_insert();
create or replace trigger _110_stamp_update before update on crm.deals
  for each row execute function crm_private.stamp_update('deal');

create or replace trigger _110_stamp_insert before insert on crm.tasks
  for each row when (
    (new.version, new.created_at, new.updated_at, new.created_by, new.updated_by)
    is distinct from (1, now(), now(), crm.current_user_id(), new.created_by)
  )
  execute function crm_private.stamp_insert();
create or replace trigger _110_stamp_update before update on crm.tasks
  for each row execute function crm_private.stamp_update('task');

create or replace trigger _110_stamp_insert before insert on crm.notes
  for each row when (
    (new.version, new.created_at, new.updated_at, new.created_by, new.updated_by)
    is distinct from (1, now(), now(), crm.current_user_id(), new.created_by)
  )
  execute function crm_private.stamp_insert();
create or replace trigger _110_stamp_update before update on crm.notes
  for each row execute function crm_private.stamp_update('note');

create or replace trigger _110_stamp_insert before insert on crm.custom_field_definitions
  for each row when (
    (new.version, new.created_at, new.updated_at, new.created_by, new.updated_by)
    is distinct from (1, now(), now(), crm.current_user_id(), new.created_by)
  )
  execute function crm_private.stamp_insert();
create or replace trigger _110_stamp_update before update on crm.custom_field_definitions
  for each row execute function crm_private.stamp_update('custom_field_definition');

create or replace trigger _110_stamp_insert before insert on crm.pipeline_stages
  for each row when (
    (new.version, new.created_at, new.updated_at, new.created_by, new.updated_by)
    is distinct from (1, now(), now(), crm.current_user_id(), new.created_by)
  )
  execute function crm_private.stamp_insert();
create or replace trigger _110_stamp_update before update on crm.pipeline_stages
  for each row execute function crm_private.stamp_update('pipeline_stage');
--! EndIncluded triggers/110_stamp.sql
--! Included triggers/200_validate.sql
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
--! EndIncluded triggers/200_validate.sql
--! Included triggers/500_definitions.sql
/*
 * Phase 500: a change of custom field definitions is a migration of data, done and checked in the
 * same statement; crm_private.apply_definitions says how. What a field is called and what carries
 * it never change.
 *
 * Security definer: it makes functions, and reaches rows whatever policies hide of them.
 */

create or replace function crm_private.definitions_changed()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_old crm.custom_field_definitions[] := '{}';
  v_new crm.custom_field_definitions[] := '{}';
begin
  if tg_op <> 'INSERT' then
    select coalesce(array_agg(old_row), '{}') into v_old
    from old_rows as old_row;
  end if;

  if tg_op <> 'DELETE' then
    select coalesce(array_agg(new_row), '{}') into v_new
    from new_rows as new_row;
  end if;

  -- In one order always, lest two changes wait for each other.
  perform crm_private.apply_definitions(entity_type, v_old, v_new)
  from (
    select entity_type
    from unnest(v_old || v_new)
    group by entity_type
    order by entity_type
  ) as changed;

  return null;
end
$$;

comment on function crm_private.definitions_changed() is
  'Applies changed definitions to the rows of their entity types.';

revoke all on function crm_private.definitions_changed() from public;

create or replace trigger _500_definitions_insert after insert on crm.custom_field_definitions
  referencing new table as new_rows
  for each statement execute function crm_private.definitions_changed();
create or replace trigger _500_definitions_update after update on crm.custom_field_definitions
  referencing old table as old_rows new table as new_rows
  for each statement execute function crm_private.definitions_changed();
create or replace trigger _500_definitions_delete after delete on crm.custom_field_definitions
  referencing old table as old_rows
  for each statement execute function crm_private.definitions_changed();

create or replace function crm_private.refuse_renamed_definition()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  raise exception 'custom_field_definitions: name and entityType of % cannot be changed', old.name
    using errcode    = 'check_violation',
          schema     = tg_table_schema, table = tg_table_name,
          column     = case when new.name <> old.name then 'name' else 'entity_type' end,
          constraint = 'custom_field_definitions_name_immutable',
          detail     = (
                         case when new.name <> old.name
                           then '{"name": ["cannot be changed"]}'::jsonb else '{}' end
                         || case when new.entity_type <> old.entity_type
                           then '{"entityType": ["cannot be changed"]}'::jsonb else '{}' end
                       )::text,
          hint       = 'Define another field and move the values.';
end
$$;

comment on function crm_private.refuse_renamed_definition() is
  'Refuses another name or entity type for a definition.';

revoke all on function crm_private.refuse_renamed_definition() from public;

create or replace trigger _210_refuse_renamed before update on crm.custom_field_definitions
  for each row when (new.name <> old.name or new.entity_type <> old.entity_type)
  execute function crm_private.refuse_renamed_definition();
--! EndIncluded triggers/500_definitions.sql
--! Included triggers/900_journal.sql
/*
 * Phase 900: the journal. Once for each statement, whoever sends it and however many rows it
 * changes, cascades and COPY included. An update that changed nothing has no entry.
 * crm_private.bind_journal says what an entry holds.
 */

select crm_private.bind_journal('crm.contacts', 'contact');
select crm_private.bind_journal('crm.companies', 'company');
select crm_private.bind_journal('crm.deals', 'deal');
select crm_private.bind_journal('crm.tasks', 'task');
select crm_private.bind_journal('crm.notes', 'note');
select crm_private.bind_journal('crm.custom_field_definitions', 'custom_field_definition');
select crm_private.bind_journal('crm.pipeline_stages', 'pipeline_stage');

/*
 * TRUNCATE has no rows to journal, so it is refused. Nor can the journal itself
 * be emptied by it; crm_private.ensure_audit_partitions binds it to the other partitions.
 */
create or replace function crm_private.refuse_truncate()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  raise exception 'crm.% cannot be truncated, because the journal would miss it', tg_table_name
    using errcode = 'feature_not_supported',
          schema  = tg_table_schema, table = tg_table_name,
          hint    = 'Delete the rows instead.';
end
$$;

comment on function crm_private.refuse_truncate() is
  'Refuses TRUNCATE, which the journal could not tell.';

revoke all on function crm_private.refuse_truncate() from public;

create or replace trigger _900_refuse_truncate before truncate on crm.contacts
  for each statement execute function crm_private.refuse_truncate();
create or replace trigger _900_refuse_truncate before truncate on crm.companies
  for each statement execute function crm_private.refuse_truncate();
create or replace trigger _900_refuse_truncate before truncate on crm.deals
  for each statement execute function crm_private.refuse_truncate();
create or replace trigger _900_refuse_truncate before truncate on crm.tasks
  for each statement execute function crm_private.refuse_truncate();
create or replace trigger _900_refuse_truncate before truncate on crm.notes
  for each statement execute function crm_private.refuse_truncate();
create or replace trigger _900_refuse_truncate before truncate on crm.custom_field_definitions
  for each statement execute function crm_private.refuse_truncate();
create or replace trigger _900_refuse_truncate before truncate on crm.pipeline_stages
  for each statement execute function crm_private.refuse_truncate();
create or replace trigger _900_refuse_truncate before truncate on crm.audit_logs
  for each statement execute function crm_private.refuse_truncate();
create or replace trigger _900_refuse_truncate before truncate on crm_private.audit_logs_other
  for each statement execute function crm_private.refuse_truncate();
--! EndIncluded triggers/900_journal.sql

select crm_private.ensure_audit_partitions();

--! split: 070-api.sql
/*
 * Why: functions that clients call, and what the server asks of its own database.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

--! Included functions/contacts_history.sql
/* The history of a row: GraphQL's field history. Inlined, so that it is part of the query. */
create or replace function crm.contacts_history(record crm.contacts)
returns setof crm.audit_logs
language sql
stable
parallel safe
as $$
  select audit_log.*
  from crm.audit_logs as audit_log
  where audit_log.entity_id = record.id
  order by audit_log.id;
$$;

comment on function crm.contacts_history(crm.contacts) is
  'Everything that was done to it, the oldest first.';

revoke all on function crm.contacts_history(crm.contacts) from public;
grant execute on function crm.contacts_history(crm.contacts) to crm_reader;
--! EndIncluded functions/contacts_history.sql
--! Included functions/companies_history.sql
/* The history of a row: GraphQL's field history. Inlined, so that it is part of the query. */
create or replace function crm.companies_history(record crm.companies)
returns setof crm.audit_logs
language sql
stable
parallel safe
as $$
  select audit_log.*
  from crm.audit_logs as audit_log
  where audit_log.entity_id = record.id
  order by audit_log.id;
$$;

comment on function crm.companies_history(crm.companies) is
  'Everything that was done to it, the oldest first.';

revoke all on function crm.companies_history(crm.companies) from public;
grant execute on function crm.companies_history(crm.companies) to crm_reader;
--! EndIncluded functions/companies_history.sql
--! Included functions/deals_history.sql
/* The history of a row: GraphQL's field history. Inlined, so that it is part of the query. */
create or replace function crm.deals_history(record crm.deals)
returns setof crm.audit_logs
language sql
stable
parallel safe
as $$
  select audit_log.*
  from crm.audit_logs as audit_log
  where audit_log.entity_id = record.id
  order by audit_log.id;
$$;

comment on function crm.deals_history(crm.deals) is
  'Everything that was done to it, the oldest first.';

revoke all on function crm.deals_history(crm.deals) from public;
grant execute on function crm.deals_history(crm.deals) to crm_reader;
--! EndIncluded functions/deals_history.sql
--! Included functions/tasks_history.sql
/* The history of a row: GraphQL's field history. Inlined, so that it is part of the query. */
create or replace function crm.tasks_history(record crm.tasks)
returns setof crm.audit_logs
language sql
stable
parallel safe
as $$
  select audit_log.*
  from crm.audit_logs as audit_log
  where audit_log.entity_id = record.id
  order by audit_log.id;
$$;

comment on function crm.tasks_history(crm.tasks) is
  'Everything that was done to it, the oldest first.';

revoke all on function crm.tasks_history(crm.tasks) from public;
grant execute on function crm.tasks_history(crm.tasks) to crm_reader;
--! EndIncluded functions/tasks_history.sql
--! Included functions/notes_history.sql
/* The history of a row: GraphQL's field history. Inlined, so that it is part of the query. */
create or replace function crm.notes_history(record crm.notes)
returns setof crm.audit_logs
language sql
stable
parallel safe
as $$
  select audit_log.*
  from crm.audit_logs as audit_log
  where audit_log.entity_id = record.id
  order by audit_log.id;
$$;

comment on function crm.notes_history(crm.notes) is
  'Everything that was done to it, the oldest first.';

revoke all on function crm.notes_history(crm.notes) from public;
grant execute on function crm.notes_history(crm.notes) to crm_reader;
--! EndIncluded functions/notes_history.sql
--! Included functions/custom_field_definitions_history.sql
/* The history of a row: GraphQL's field history. Inlined, so that it is part of the query. */
create or replace function crm.custom_field_definitions_history(record crm.custom_field_definitions)
returns setof crm.audit_logs
language sql
stable
parallel safe
as $$
  select audit_log.*
  from crm.audit_logs as audit_log
  where audit_log.entity_id = record.id
  order by audit_log.id;
$$;

comment on function crm.custom_field_definitions_history(crm.custom_field_definitions) is
  'Everything that was done to it, the oldest first.';

revoke all on function crm.custom_field_definitions_history(crm.custom_field_definitions) from public;
grant execute on function crm.custom_field_definitions_history(crm.custom_field_definitions) to crm_reader;
--! EndIncluded functions/custom_field_definitions_history.sql
--! Included functions/pipeline_stages_history.sql
/* The history of a row: GraphQL's field history. Inlined, so that it is part of the query. */
create or replace function crm.pipeline_stages_history(record crm.pipeline_stages)
returns setof crm.audit_logs
language sql
stable
parallel safe
as $$
  select audit_log.*
  from crm.audit_logs as audit_log
  where audit_log.entity_id = record.id
  order by audit_log.id;
$$;

comment on function crm.pipeline_stages_history(crm.pipeline_stages) is
  'Everything that was done to it, the oldest first.';

revoke all on function crm.pipeline_stages_history(crm.pipeline_stages) from public;
grant execute on function crm.pipeline_stages_history(crm.pipeline_stages) to crm_reader;
--! EndIncluded functions/pipeline_stages_history.sql

create type crm.new_deal as (
  title         text,
  company_id    uuid,
  contact_id    uuid,
  value         numeric,
  currency      text,
  stage         text,
  probability   integer,
  close_date    date,
  owner_id      text,
  custom_fields jsonb
);

comment on type crm.new_deal is 'A deal to create: what a client may say of it.';
comment on column crm.new_deal.title is 'Required.';
comment on column crm.new_deal.company_id is 'Required.';
comment on column crm.new_deal.contact_id is 'The person at the company, if any.';
comment on column crm.new_deal.value is 'Required: at most two decimals.';
comment on column crm.new_deal.currency is 'USD, if not given.';
comment on column crm.new_deal.stage is 'Required: the name of a pipeline stage.';
comment on column crm.new_deal.probability is 'That of the stage, if not given.';
comment on column crm.new_deal.close_date is 'The day on which it closed or is expected to.';
comment on column crm.new_deal.owner_id is 'The user who is responsible, if anybody is.';
comment on column crm.new_deal.custom_fields is 'None, if not given.';

create type crm.new_task as (
  description text,
  due_date    date,
  assigned_to text,
  status      text
);

comment on type crm.new_task is 'A task to create with the entity that it is attached to.';
comment on column crm.new_task.description is 'Required.';
comment on column crm.new_task.due_date is 'The day by which it is to be done.';
comment on column crm.new_task.assigned_to is 'The user who is to do it.';
comment on column crm.new_task.status is 'open, if not given.';

--! Included functions/create_deal_with_tasks.sql
/*
 * A deal and its first tasks, all or nothing. A fault of a task refuses the deal too.
 * Runs with the caller's rights: whoever may create deals and tasks may call it.
 */
create or replace function crm.create_deal_with_tasks(deal crm.new_deal, tasks crm.new_task[])
returns crm.deals
language plpgsql
volatile
set search_path = ''
as $$
declare
  v_deal crm.deals;
begin
  insert into crm.deals (
    title, company_id, contact_id, value, currency, stage, probability, close_date, owner_id,
    custom_fields
  )
  values (
    deal.title, deal.company_id, deal.contact_id, deal.value, coalesce(deal.currency, 'USD'),
    deal.stage, deal.probability, deal.close_date, deal.owner_id,
    coalesce(deal.custom_fields, '{}')
  )
  returning * into v_deal;

  insert into crm.tasks (description, due_date, assigned_to, status, entity_type, entity_id)
  select
    task.description, task.due_date, task.assigned_to, coalesce(task.status, 'open'),
    'deal', v_deal.id
  from unnest(tasks) as task;

  return v_deal;
end
$$;

comment on function crm.create_deal_with_tasks(crm.new_deal, crm.new_task[]) is
  'Creates a deal together with its tasks: all of them, or nothing.';

revoke all on function crm.create_deal_with_tasks(crm.new_deal, crm.new_task[]) from public;
grant execute on function crm.create_deal_with_tasks(crm.new_deal, crm.new_task[]) to crm_member;
--! EndIncluded functions/create_deal_with_tasks.sql
--! Included functions/applied_migrations.sql
/*
 * The hashes of the migrations that this database has run, in order. The server compares them with
 * its own to say whether it is ready. Security definer: graphile_migrate belongs to the owner.
 */
create or replace function crm_private.applied_migrations()
returns setof text
language sql
stable
security definer
set search_path = ''
as $$
  select hash from graphile_migrate.migrations order by filename;
$$;

comment on function crm_private.applied_migrations() is
  'The hashes of the migrations that this database has run, in order.';

revoke all on function crm_private.applied_migrations() from public;
grant execute on function crm_private.applied_migrations() to crm_server;
--! EndIncluded functions/applied_migrations.sql

--! split: 080-access.sql
/*
 * Why: who may do what. Grants say which columns a role may read and write, and with them what the
 *      API offers in its inputs; policies say which rows. Roles that other roles are members of
 *      hand on both: reader, member, admin.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

-- Triggers that run as the writer call what they need in crm_private by name.
grant usage on schema crm_private to crm_server, crm_member;

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

grant select on crm.audit_logs to crm_reader;

create policy audit_logs_select_all on crm.audit_logs for select to crm_admin using (true);

--! Included functions/is_readable.sql
/*
 * Whether the caller can read an entity: the policy of the journal, whose entries everyone may read
 * of what they can see now. A function, because PostgreSQL would hash whole tables to answer the
 * policy's subqueries, and plan each of them for every partition; this asks a primary key at a time.
 *
 * Runs with the caller's rights, so that the policies of the entities decide.
 */
create or replace function crm_private.is_readable(p_entity_type text, p_entity_id uuid)
returns boolean
language plpgsql
stable
parallel safe
set search_path = ''
as $$
begin
  case p_entity_type
    when 'contact' then
      return exists (select from crm.contacts where id = p_entity_id);
    when 'company' then
      return exists (select from crm.companies where id = p_entity_id);
    when 'deal' then
      return exists (select from crm.deals where id = p_entity_id);
    when 'task' then
      return exists (select from crm.tasks where id = p_entity_id);
    when 'note' then
      return exists (select from crm.notes where id = p_entity_id);
    when 'custom_field_definition' then
      return exists (select from crm.custom_field_definitions where id = p_entity_id);
    when 'pipeline_stage' then
      return exists (select from crm.pipeline_stages where id = p_entity_id);
    else
      return false;
  end case;
end
$$;

comment on function crm_private.is_readable(text, uuid) is
  'True if the caller can read the entity.';

revoke all on function crm_private.is_readable(text, uuid) from public;
grant execute on function crm_private.is_readable(text, uuid) to crm_reader;
--! EndIncluded functions/is_readable.sql

-- Whoever can read an entity can read its history; that of deleted ones is for administrators.
create policy audit_logs_select on crm.audit_logs for select to crm_reader
  using (crm_private.is_readable(entity_type, entity_id));

comment on table crm_private.audit_logs_other is
  'Entries of the journal of a month that has no partition of its own.';

--! split: 090-pipeline.sql
/*
 * Why: a usual pipeline to begin with. It is data: administrators change it as they like.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

insert into crm.pipeline_stages (name, position, probability, kind) values
  ('Prospecting',   0,  10, 'open'),
  ('Qualification', 1,  25, 'open'),
  ('Proposal',      2,  50, 'open'),
  ('Negotiation',   3,  75, 'open'),
  ('Won',           4, 100, 'won'),
  ('Lost',          5,   0, 'lost');
