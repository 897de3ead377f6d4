--! Previous: -
--! Hash: sha1:3383cb8c9f05a9de3fc88da3bd646698b5ec2f56
--! Message: first release

--! split: 010-roles-and-schemas.sql
/*
 * Why: the roles, schemas and extensions that everything else stands on. Roles belong to the whole
 *      cluster, so they may be there already from another database; nothing is changed about one
 *      that is.
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
          'Writes definitions and stages too, and reads the whole audit log.'),
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

/*
 * What the server asks of its connections is what the roles that log in have anyway, so that it holds
 * behind a pooler that drops it, and for whoever else logs in with them. One that is set already stays.
 * Compiling a report takes seconds where PostgreSQL has LLVM, and running it milliseconds.
 */
do $timeouts$
declare
  v_setting record;
begin
  for v_setting in
    select setting.*
    from (
      values
        ('crm_server', 'statement_timeout', '20s'),
        ('crm_server', 'lock_timeout', '5s'),
        ('crm_server', 'idle_in_transaction_session_timeout', '10s'),
        ('crm_server', 'jit', 'off'),
        ('crm_reporter', 'statement_timeout', '5min'),
        ('crm_reporter', 'lock_timeout', '5s'),
        ('crm_reporter', 'idle_in_transaction_session_timeout', '5min'),
        ('crm_reporter', 'jit', 'off')
    ) as setting (role, name, value)
    join pg_roles on rolname = setting.role
    where not exists (
      select from unnest(rolconfig) as entry where starts_with(entry, setting.name || '=')
    )
  loop
    begin
      execute format('alter role %I set %I = %L', v_setting.role, v_setting.name, v_setting.value);
    exception when insufficient_privilege then
      -- Roles belong to the cluster, and perhaps to the owner of another database in it.
      raise warning 'only a role that administers % can set its %', v_setting.role, v_setting.name;
    end;
  end loop;
end
$timeouts$;

create schema crm;
create schema crm_private;
create schema crm_custom;
create schema reporting;

comment on schema crm is 'What clients see: every table and function in it is API.';
comment on schema crm_private is 'Internals: what the rules of crm are made of.';
comment on schema crm_custom is
  'A function for each custom field: the value of the field in a row, of the field''s type. Made from '
  'the definitions.';
comment on schema reporting is 'Views for analysts, whose meaning does not change.';

revoke all on schema crm, crm_private, reporting from public;
grant usage on schema crm, crm_custom to crm_reader;
grant usage on schema reporting to crm_reporter;
-- Triggers that run as the writer call what they need in crm_private by name, and so do readers' functions.
grant usage on schema crm_private to crm_server, crm_member, crm_reader;

-- Nothing is executable by everyone unless its own file says so.
alter default privileges revoke execute on functions from public;

do $public$
begin
  -- Before release 15 everybody may make objects in the schema public.
  if current_setting('server_version_num')::integer < 150000 then
    revoke create on schema public from public;
  end if;
end
$public$;

/*
 * Search and the comparison of names need trigrams and letters without their accents. Both
 * extensions come with PostgreSQL and are trusted: the owner of a database may create them. They
 * stand in a schema of their own, because everything else names what it calls by schema.
 */
create schema if not exists extensions;
create extension if not exists pg_trgm with schema extensions;
create extension if not exists unaccent with schema extensions;

do $extensions$
declare
  v_name text;
begin
  select extname into v_name
  from pg_extension
  where extname = any (array['pg_trgm', 'unaccent'])
    and extnamespace <> 'extensions'::regnamespace
  limit 1;

  if v_name is not null then
    raise exception 'the extension % is installed in another schema than extensions', v_name
      using errcode = 'object_not_in_prerequisite_state',
            hint    = format('alter extension %I set schema extensions', v_name);
  end if;
end
$extensions$;

grant usage on schema extensions to crm_reader;
grant execute on all functions in schema extensions to crm_reader;

/*
 * The collation by which case is folded, whatever the locale of the database: with ICU, which every
 * usual PostgreSQL has; else with what release 17 and later carry themselves, or the C library's
 * Unicode.
 */
do $folding$
declare
  v_definition text;
begin
  if to_regcollation('crm_private.folding') is not null then
    return;
  end if;

  foreach v_definition in array array[
    'provider = icu, locale = ''und''',
    'provider = builtin, locale = ''C.UTF-8''',
    'provider = libc, locale = ''C.UTF-8''',
    'provider = libc, locale = ''en_US.UTF-8'''
  ]
  loop
    begin
      execute format('create collation crm_private.folding (%s)', v_definition);
      exit;
    exception
      when feature_not_supported or undefined_object or invalid_object_definition
        or invalid_parameter_value
      then
        null;
    end;
  end loop;

  if to_regcollation('crm_private.folding') is null then
    raise exception 'this PostgreSQL has no collation that knows the case of letters beyond ASCII'
      using errcode = 'feature_not_supported',
            hint    = 'It needs ICU, or the locale C.UTF-8 of the operating system.';
  end if;
end
$folding$;

comment on collation crm_private.folding is
  'By which case is folded, whatever the locale of the database.';

/*
 * What words of tasks and notes are reduced to: those of English until an administrator of the
 * database maps them to other dictionaries.
 */
do $stems$
begin
  if not exists (
    select from pg_ts_config
    where cfgname = 'stems' and cfgnamespace = 'crm_private'::regnamespace
  ) then
    create text search configuration crm_private.stems (copy = pg_catalog.english);
  end if;
end
$stems$;

comment on text search configuration crm_private.stems is
  'The dictionaries that reduce the words of tasks and notes to their stems.';

--! split: 020-what-tables-need.sql
/*
 * Why: types of columns, and functions that columns, checks, indexes and policies call.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

--! Included types/external_id.sql
do $type$
begin
  if to_regtype('crm.external_id') is null then
    create type crm.external_id as (
      source text,
      id     text
    );
  end if;
end
$type$;

comment on type crm.external_id is 'The id by which another system knows a row.';

comment on column crm.external_id.source is
  E'@notNull\nThe system, such as hubspot: at most 100 characters.';
comment on column crm.external_id.id is
  E'@notNull\nWhat the row is called there: at most 255 characters.';
--! EndIncluded types/external_id.sql
--! Included functions/audit_log/attached_to.sql
/*
 * What a task or note became attached to by an audit log entry, null if it says nothing of it.
 * An index of the audit log stands on it.
 */
create or replace function crm_private.attached_to(action text, changes jsonb)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return case action
    when 'update' then changes #>> '{entity_id,new}'
    else changes ->> 'entity_id'
  end;
end
$$;

comment on function crm_private.attached_to(text, jsonb) is
  'The id of what a task or note became attached to by an audit log entry.';

revoke all on function crm_private.attached_to(text, jsonb) from public;
--! EndIncluded functions/audit_log/attached_to.sql
--! Included functions/access/caller_is_authenticated.sql
/*
 * Whether whoever asks may still do so. Who logged in, or came with a token, may; an API key that was
 * revoked or has expired since its request was let in is refused. The policies of all tables that are
 * written by others than the owner ask it, once a statement, and so do the functions that write with
 * the rights of the owner: revocation holds for what waits for its turn, and in a transaction that is
 * under way.
 *
 * Security definer: nobody but administrators reads the keys.
 */
create or replace function crm_private.caller_is_authenticated()
returns boolean
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if starts_with(crm.current_user_id(), 'key:')
    and not exists (
      select
      from crm.api_keys as api_key
      where 'key:' || api_key.name = crm.current_user_id()
        and api_key.revoked_at is null
        and coalesce(api_key.expires_at > clock_timestamp(), true)
    )
  then
    raise exception 'the API key was revoked or has expired'
      using errcode = 'insufficient_privilege';
  end if;
  return true;
end
$$;

comment on function crm_private.caller_is_authenticated() is
  'True; refuses an API key that was revoked or has expired.';

revoke all on function crm_private.caller_is_authenticated() from public;
grant execute on function crm_private.caller_is_authenticated() to crm_member;
--! EndIncluded functions/access/caller_is_authenticated.sql
--! Included functions/search/company_document.sql
/*
 * What a company is found by: its name (A), its address and the texts of its custom fields (C).
 * crm.companies.search_document is generated by it.
 */
create or replace function crm_private.company_document(
  name          text,
  address       jsonb,
  custom_fields jsonb
)
returns tsvector
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return crm_private.search_name_vector(name)
    || crm_private.search_vector(crm_private.search_texts(address), 'C')
    || crm_private.search_vector(crm_private.search_texts(custom_fields), 'C');
end
$$;

comment on function crm_private.company_document(text, jsonb, jsonb) is
  'What a company is found by.';

revoke all on function crm_private.company_document(text, jsonb, jsonb) from public;
grant execute on function crm_private.company_document(text, jsonb, jsonb) to crm_member;
--! EndIncluded functions/search/company_document.sql
--! Included functions/normalization/ascii_digits.sql
/*
 * A text with the digits of ASCII: those of Arabic, Persian and Devanagari are others, and so are those
 * that are as wide as a Chinese character.
 */
create or replace function crm_private.ascii_digits(value text)
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  if octet_length(value) = char_length(value) then
    return value;
  end if;
  return translate(
    normalize(value, nfkc),
    '٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹०१२३४५६७८९', '012345678901234567890123456789'
  );
end
$$;

comment on function crm_private.ascii_digits(text) is
  'A text with the digits of ASCII.';

revoke all on function crm_private.ascii_digits(text) from public;
grant execute on function crm_private.ascii_digits(text) to crm_reader;
--! EndIncluded functions/normalization/ascii_digits.sql
--! Included functions/normalization/calling_code.sql
/*
 * The country code that a phone number begins with, as it is dialled from abroad; null if there is
 * none such. No code is the beginning of another.
 *
 * Written by npm run phones, of the metadata of libphonenumber.
 */
create or replace function crm_private.calling_code(digits text)
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return substring(
    digits from
      '^(?:1|7|20|27|30|31|32|33|34|36|39|40|41|43|44|45|46|47|48|49|51|52|53|54|55|56|57|58|60|6'
      '1|62|63|64|65|66|81|82|84|86|90|91|92|93|94|95|98|211|212|213|216|218|220|221|222|223|224|'
      '225|226|227|228|229|230|231|232|233|234|235|236|237|238|239|240|241|242|243|244|245|246|24'
      '7|248|249|250|251|252|253|254|255|256|257|258|260|261|262|263|264|265|266|267|268|269|290|'
      '291|297|298|299|350|351|352|353|354|355|356|357|358|359|370|371|372|373|374|375|376|377|37'
      '8|380|381|382|383|385|386|387|389|420|421|423|500|501|502|503|504|505|506|507|508|509|590|'
      '591|592|593|594|595|596|597|598|599|670|672|673|674|675|676|677|678|679|680|681|682|683|68'
      '5|686|687|688|689|690|691|692|800|808|850|852|853|855|856|870|878|880|881|882|883|886|888|'
      '960|961|962|963|964|965|966|967|968|970|971|972|973|974|975|976|977|979|992|993|994|995|99'
      '6|998)'
  );
end
$$;

comment on function crm_private.calling_code(text) is
  'The country code that a phone number begins with, as it is dialled from abroad.';

revoke all on function crm_private.calling_code(text) from public;
grant execute on function crm_private.calling_code(text) to crm_reader;
--! EndIncluded functions/normalization/calling_code.sql
--! Included functions/normalization/phone_parts.sql
/*
 * A phone number without its extension, and the extension: "555 0100 ext. 4048", "555 0100x4048" and
 * "555 0100 #4048" have 4048. The words are those of libphonenumber, and some of Europe.
 */
create or replace function crm_private.phone_parts(phone text)
returns text[]
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce(
    regexp_match(
      phone,
      '^(.*[0-9][^0-9#A-Za-zА-Яа-я;~]*)'
      '(?:;ext=|[ ,;]*(?:ext(?:ension|n)?|e?xtn?|x|доб(?:авочный)?|int(?:erno|erne)?|anexo|poste|'
      'durchwahl|dw|app(?:areil)?|toestel|tst|#|~)[ .:=]*#?)'
      '\s*([0-9]{1,8})#?\s*$',
      'i'
    ),
    array[phone, '']
  );
end
$$;

comment on function crm_private.phone_parts(text) is
  'A phone number without its extension, and the extension.';

revoke all on function crm_private.phone_parts(text) from public;
grant execute on function crm_private.phone_parts(text) to crm_reader;
--! EndIncluded functions/normalization/phone_parts.sql
--! Included functions/normalization/phone_plan.sql
/*
 * How numbers of a country are written: its code, what is dialled before a number within the country
 * and before one abroad (a pattern), and how many digits numbers have. Without a row for what is no
 * country.
 *
 * Written by npm run phones, of the metadata of libphonenumber.
 */
create or replace function crm_private.phone_plan(p_country text)
returns table (code text, trunk text, abroad text, lengths integer[])
language sql
immutable
parallel safe
rows 1
set search_path = pg_catalog, pg_temp
as $$
  select plan.code, plan.trunk, plan.abroad, plan.lengths
  from (
    values
      ('AC', '247', null, '00', '{5,6}'::integer[]),
      ('AD', '376', null, '00', '{6,8,9}'::integer[]),
      ('AE', '971', '0', '00', '{5,6,7,8,9,10,11,12}'::integer[]),
      ('AF', '93', '0', '00', '{9}'::integer[]),
      ('AG', '1', '1', '011', '{10}'::integer[]),
      ('AI', '1', '1', '011', '{10}'::integer[]),
      ('AL', '355', '0', '00', '{6,7,8,9}'::integer[]),
      ('AM', '374', '0', '00', '{8}'::integer[]),
      ('AO', '244', null, '00', '{9}'::integer[]),
      ('AR', '54', '0', '00', '{10,11}'::integer[]),
      ('AS', '1', '1', '011', '{10}'::integer[]),
      ('AT', '43', '0', '00', '{4,5,6,7,8,9,10,11,12,13}'::integer[]),
      ('AU', '61', '0', '001[14-689]|14(?:1[14]|34|4[17]|[56]6|7[47]|88)0011', '{5,6,7,8,9,10,12}'::integer[]),
      ('AW', '297', null, '00', '{7}'::integer[]),
      ('AX', '358', '0', '00|99(?:[01469]|5(?:[14]1|3[23]|5[59]|77|88|9[09]))', '{5,6,7,8,9,10,11,12}'::integer[]),
      ('AZ', '994', '0', '00', '{9}'::integer[]),
      ('BA', '387', '0', '00', '{8,9}'::integer[]),
      ('BB', '1', '1', '011', '{10}'::integer[]),
      ('BD', '880', '0', '00', '{6,7,8,9,10}'::integer[]),
      ('BE', '32', '0', '00', '{8,9}'::integer[]),
      ('BF', '226', null, '00', '{8}'::integer[]),
      ('BG', '359', '0', '00', '{6,7,8,9,12}'::integer[]),
      ('BH', '973', null, '00', '{8}'::integer[]),
      ('BI', '257', null, '00', '{8}'::integer[]),
      ('BJ', '229', null, '00', '{10}'::integer[]),
      ('BL', '590', '0', '00', '{9}'::integer[]),
      ('BM', '1', '1', '011', '{10}'::integer[]),
      ('BN', '673', null, '00', '{7}'::integer[]),
      ('BO', '591', '0', '00(?:1\d)?', '{8,9}'::integer[]),
      ('BQ', '599', null, '00', '{7}'::integer[]),
      ('BR', '55', '0', '00(?:1[245]|2[1-35]|31|4[13]|[56]5|99)', '{8,9,10,11}'::integer[]),
      ('BS', '1', '1', '011', '{10}'::integer[]),
      ('BT', '975', null, '00', '{7,8}'::integer[]),
      ('BW', '267', null, '00', '{7,8,10}'::integer[]),
      ('BY', '375', '8', '810', '{6,7,8,9,10,11}'::integer[]),
      ('BZ', '501', null, '00', '{7,11}'::integer[]),
      ('CA', '1', '1', '011', '{7,10}'::integer[]),
      ('CC', '61', '0', '001[14-689]|14(?:1[14]|34|4[17]|[56]6|7[47]|88)0011', '{6,7,8,9,10,12}'::integer[]),
      ('CD', '243', '0', '00', '{7,8,9,10}'::integer[]),
      ('CF', '236', null, '00', '{8}'::integer[]),
      ('CG', '242', null, '00', '{9}'::integer[]),
      ('CH', '41', '0', '00', '{9,12}'::integer[]),
      ('CI', '225', null, '00', '{10}'::integer[]),
      ('CK', '682', null, '00', '{5}'::integer[]),
      ('CL', '56', null, '(?:0|1(?:1[0-69]|2[02-5]|5[13-58]|69|7[0167]|8[018]))0', '{9,10,11}'::integer[]),
      ('CM', '237', null, '00', '{8,9}'::integer[]),
      ('CN', '86', '0', '00|1(?:[12]\d|79)\d\d00', '{7,8,9,10,11,12}'::integer[]),
      ('CO', '57', '0', '00(?:4(?:[14]4|56)|[579])', '{8,10,11}'::integer[]),
      ('CR', '506', null, '00', '{8,10}'::integer[]),
      ('CU', '53', '0', '119', '{6,7,8,10}'::integer[]),
      ('CV', '238', null, '0', '{7}'::integer[]),
      ('CW', '599', null, '00', '{7,8}'::integer[]),
      ('CX', '61', '0', '001[14-689]|14(?:1[14]|34|4[17]|[56]6|7[47]|88)0011', '{6,7,8,9,10,12}'::integer[]),
      ('CY', '357', null, '00', '{8}'::integer[]),
      ('CZ', '420', null, '00', '{9,10,11,12}'::integer[]),
      ('DE', '49', '0', '00', '{4,5,6,7,8,9,10,11,12,13,14,15}'::integer[]),
      ('DJ', '253', null, '00', '{8}'::integer[]),
      ('DK', '45', null, '00', '{8}'::integer[]),
      ('DM', '1', '1', '011', '{10}'::integer[]),
      ('DO', '1', '1', '011', '{10}'::integer[]),
      ('DZ', '213', '0', '00', '{8,9}'::integer[]),
      ('EC', '593', '0', '00', '{8,9,10,11}'::integer[]),
      ('EE', '372', null, '00', '{7,8,10}'::integer[]),
      ('EG', '20', '0', '00', '{8,9,10}'::integer[]),
      ('EH', '212', '0', '00', '{9}'::integer[]),
      ('ER', '291', '0', '00', '{7}'::integer[]),
      ('ES', '34', null, '00', '{9}'::integer[]),
      ('ET', '251', '0', '00', '{9}'::integer[]),
      ('FI', '358', '0', '00|99(?:[01469]|5(?:[14]1|3[23]|5[59]|77|88|9[09]))', '{5,6,7,8,9,10,11,12}'::integer[]),
      ('FJ', '679', null, '0(?:0|52)', '{7,11}'::integer[]),
      ('FK', '500', null, '00', '{5}'::integer[]),
      ('FM', '691', null, '00', '{7}'::integer[]),
      ('FO', '298', null, '00', '{6}'::integer[]),
      ('FR', '33', '0', '00', '{9}'::integer[]),
      ('GA', '241', null, '00', '{7,8}'::integer[]),
      ('GB', '44', '0', '00', '{7,9,10}'::integer[]),
      ('GD', '1', '1', '011', '{10}'::integer[]),
      ('GE', '995', '0', '00', '{9}'::integer[]),
      ('GF', '594', '0', '00', '{9}'::integer[]),
      ('GG', '44', '0', '00', '{7,9,10}'::integer[]),
      ('GH', '233', '0', '00', '{8,9}'::integer[]),
      ('GI', '350', null, '00', '{8}'::integer[]),
      ('GL', '299', null, '00', '{6}'::integer[]),
      ('GM', '220', null, '00', '{7,9}'::integer[]),
      ('GN', '224', null, '00', '{8,9}'::integer[]),
      ('GP', '590', '0', '00', '{9}'::integer[]),
      ('GQ', '240', null, '00', '{9}'::integer[]),
      ('GR', '30', null, '00', '{10,11,12}'::integer[]),
      ('GT', '502', null, '00', '{8,11}'::integer[]),
      ('GU', '1', '1', '011', '{10}'::integer[]),
      ('GW', '245', null, '00', '{7,9}'::integer[]),
      ('GY', '592', null, '001', '{7}'::integer[]),
      ('HK', '852', null, '00(?:30|5[09]|[126-9]?)', '{5,6,7,8,9,11}'::integer[]),
      ('HN', '504', null, '00', '{8,11}'::integer[]),
      ('HR', '385', '0', '00', '{7,8,9}'::integer[]),
      ('HT', '509', null, '00', '{8}'::integer[]),
      ('HU', '36', '06', '00', '{8,9}'::integer[]),
      ('ID', '62', '0', '00[89]', '{7,8,9,10,11,12,13,14,15,16,17}'::integer[]),
      ('IE', '353', '0', '00', '{7,8,9,10}'::integer[]),
      ('IL', '972', '0', '0(?:0|1(?:05|[2-9]))', '{7,8,9,10,11,12}'::integer[]),
      ('IM', '44', '0', '00', '{10}'::integer[]),
      ('IN', '91', '0', '00', '{8,9,10,11,12,13}'::integer[]),
      ('IO', '246', null, '00', '{7}'::integer[]),
      ('IQ', '964', '0', '00', '{8,9,10}'::integer[]),
      ('IR', '98', '0', '00', '{4,5,6,7,10}'::integer[]),
      ('IS', '354', null, '00|1(?:0(?:01|[12]0)|100)', '{7,9}'::integer[]),
      ('IT', '39', null, '00', '{6,7,8,9,10,11,12}'::integer[]),
      ('JE', '44', '0', '00', '{10}'::integer[]),
      ('JM', '1', '1', '011', '{10}'::integer[]),
      ('JO', '962', '0', '00', '{8,9}'::integer[]),
      ('JP', '81', '0', '010', '{8,9,10,11,12,13,14,15,16,17}'::integer[]),
      ('KE', '254', '0', '000', '{7,8,9,10}'::integer[]),
      ('KG', '996', '0', '00', '{9,10}'::integer[]),
      ('KH', '855', '0', '00[14-9]', '{8,9,10}'::integer[]),
      ('KI', '686', '0', '00', '{5,8}'::integer[]),
      ('KM', '269', null, '00', '{7}'::integer[]),
      ('KN', '1', '1', '011', '{10}'::integer[]),
      ('KP', '850', '0', '00|99', '{8,10}'::integer[]),
      ('KR', '82', '0', '00(?:[125689]|3(?:[46]5|91)|7(?:00|27|3|55|6[126]))', '{5,6,8,9,10,11,12,13,14}'::integer[]),
      ('KW', '965', null, '00', '{7,8}'::integer[]),
      ('KY', '1', '1', '011', '{10}'::integer[]),
      ('KZ', '7', '8', '810', '{10,14}'::integer[]),
      ('LA', '856', '0', '00', '{8,9,10}'::integer[]),
      ('LB', '961', '0', '00', '{7,8}'::integer[]),
      ('LC', '1', '1', '011', '{10}'::integer[]),
      ('LI', '423', '0', '00', '{7,9}'::integer[]),
      ('LK', '94', '0', '00', '{9}'::integer[]),
      ('LR', '231', '0', '00', '{7,8,9}'::integer[]),
      ('LS', '266', null, '00', '{8}'::integer[]),
      ('LT', '370', '0', '00', '{8}'::integer[]),
      ('LU', '352', null, '00', '{4,5,6,7,8,9,10,11}'::integer[]),
      ('LV', '371', null, '00', '{8}'::integer[]),
      ('LY', '218', '0', '00', '{9}'::integer[]),
      ('MA', '212', '0', '00', '{9}'::integer[]),
      ('MC', '377', '0', '00', '{8,9}'::integer[]),
      ('MD', '373', '0', '00', '{8}'::integer[]),
      ('ME', '382', '0', '00', '{8,9}'::integer[]),
      ('MF', '590', '0', '00', '{9}'::integer[]),
      ('MG', '261', '0', '00', '{9}'::integer[]),
      ('MH', '692', '1', '011', '{7}'::integer[]),
      ('MK', '389', '0', '00', '{8}'::integer[]),
      ('ML', '223', null, '00', '{8}'::integer[]),
      ('MM', '95', '0', '00', '{6,7,8,9,10}'::integer[]),
      ('MN', '976', '0', '001', '{8,9,10}'::integer[]),
      ('MO', '853', null, '00', '{7,8}'::integer[]),
      ('MP', '1', '1', '011', '{10}'::integer[]),
      ('MQ', '596', '0', '00', '{9}'::integer[]),
      ('MR', '222', null, '00', '{8}'::integer[]),
      ('MS', '1', '1', '011', '{10}'::integer[]),
      ('MT', '356', null, '00', '{8}'::integer[]),
      ('MU', '230', null, '0(?:0|[24-7]0|3[03])', '{7,8,10}'::integer[]),
      ('MV', '960', null, '0(?:0|19)', '{7,10}'::integer[]),
      ('MW', '265', '0', '00', '{7,9}'::integer[]),
      ('MX', '52', null, '0[09]', '{10}'::integer[]),
      ('MY', '60', '0', '00', '{8,9,10}'::integer[]),
      ('MZ', '258', null, '00', '{8,9}'::integer[]),
      ('NA', '264', '0', '00', '{8,9}'::integer[]),
      ('NC', '687', null, '00', '{6}'::integer[]),
      ('NE', '227', null, '00', '{8}'::integer[]),
      ('NF', '672', null, '00', '{6}'::integer[]),
      ('NG', '234', '0', '009', '{10,11,12,13,14}'::integer[]),
      ('NI', '505', null, '00', '{8}'::integer[]),
      ('NL', '31', '0', '00', '{5,6,7,8,9,10,11}'::integer[]),
      ('NO', '47', null, '00', '{5,8}'::integer[]),
      ('NP', '977', '0', '00', '{8,10,11}'::integer[]),
      ('NR', '674', null, '00', '{7}'::integer[]),
      ('NU', '683', null, '00', '{4,7}'::integer[]),
      ('NZ', '64', '0', '0(?:0|161)', '{5,6,7,8,9,10}'::integer[]),
      ('OM', '968', null, '00', '{7,8,9}'::integer[]),
      ('PA', '507', null, '00', '{7,8,10,11}'::integer[]),
      ('PE', '51', '0', '00|19(?:1[124]|77|90)00', '{8,9}'::integer[]),
      ('PF', '689', null, '00', '{6,8,9}'::integer[]),
      ('PG', '675', null, '00|140[1-3]', '{7,8}'::integer[]),
      ('PH', '63', '0', '00', '{6,8,9,10,11,12,13}'::integer[]),
      ('PK', '92', '0', '00', '{8,9,10,11,12}'::integer[]),
      ('PL', '48', null, '00', '{6,7,8,9,10}'::integer[]),
      ('PM', '508', '0', '00', '{6,9}'::integer[]),
      ('PR', '1', '1', '011', '{10}'::integer[]),
      ('PS', '970', '0', '00', '{8,9,10}'::integer[]),
      ('PT', '351', null, '00', '{9}'::integer[]),
      ('PW', '680', null, '01[12]', '{7}'::integer[]),
      ('PY', '595', '0', '00', '{6,7,8,9,10,11}'::integer[]),
      ('QA', '974', null, '00', '{7,8,9,11}'::integer[]),
      ('RE', '262', '0', '00', '{9}'::integer[]),
      ('RO', '40', '0', '00', '{6,9}'::integer[]),
      ('RS', '381', '0', '00', '{6,7,8,9,10,11,12}'::integer[]),
      ('RU', '7', '8', '810', '{10,14}'::integer[]),
      ('RW', '250', '0', '00', '{8,9}'::integer[]),
      ('SA', '966', '0', '00', '{9,10}'::integer[]),
      ('SB', '677', null, '0[01]', '{5,7}'::integer[]),
      ('SC', '248', null, '010|0[0-2]', '{7}'::integer[]),
      ('SD', '249', '0', '00', '{9}'::integer[]),
      ('SE', '46', '0', '00', '{6,7,8,9,10,12}'::integer[]),
      ('SG', '65', null, '0[0-3]\d', '{8,10,11}'::integer[]),
      ('SH', '290', null, '00', '{4,5}'::integer[]),
      ('SI', '386', '0', '00|10(?:22|66|88|99)', '{5,6,7,8}'::integer[]),
      ('SJ', '47', null, '00', '{5,8}'::integer[]),
      ('SK', '421', '0', '00', '{6,7,9}'::integer[]),
      ('SL', '232', '0', '00', '{8}'::integer[]),
      ('SM', '378', null, '00', '{8,10}'::integer[]),
      ('SN', '221', null, '00', '{9}'::integer[]),
      ('SO', '252', '0', '00', '{6,7,8,9}'::integer[]),
      ('SR', '597', null, '00', '{6,7}'::integer[]),
      ('SS', '211', '0', '00', '{9}'::integer[]),
      ('ST', '239', null, '00', '{7}'::integer[]),
      ('SV', '503', null, '00', '{7,8,11}'::integer[]),
      ('SX', '1', '1', '011', '{10}'::integer[]),
      ('SY', '963', '0', '00', '{8,9}'::integer[]),
      ('SZ', '268', null, '00', '{8,9}'::integer[]),
      ('TA', '290', null, '00', '{4}'::integer[]),
      ('TC', '1', '1', '011', '{10}'::integer[]),
      ('TD', '235', null, '00|16', '{8}'::integer[]),
      ('TG', '228', null, '00', '{8}'::integer[]),
      ('TH', '66', '0', '00[1-9]', '{8,9,10,13}'::integer[]),
      ('TJ', '992', null, '810', '{9}'::integer[]),
      ('TK', '690', null, '00', '{4,5,6,7}'::integer[]),
      ('TL', '670', null, '00', '{7,8}'::integer[]),
      ('TM', '993', '8', '810', '{8}'::integer[]),
      ('TN', '216', null, '00', '{8}'::integer[]),
      ('TO', '676', null, '00', '{5,7}'::integer[]),
      ('TR', '90', '0', '00', '{7,10,12,13}'::integer[]),
      ('TT', '1', '1', '011', '{10}'::integer[]),
      ('TV', '688', null, '00', '{5,6,7}'::integer[]),
      ('TW', '886', '0', '0(?:0[25-79]|19)', '{7,8,9,10,11}'::integer[]),
      ('TZ', '255', '0', '00[056]', '{9}'::integer[]),
      ('UA', '380', '0', '00', '{9,10}'::integer[]),
      ('UG', '256', '0', '00[057]', '{9}'::integer[]),
      ('US', '1', '1', '011', '{10}'::integer[]),
      ('UY', '598', '0', '0(?:0|1[3-9]\d)', '{4,5,6,7,8,9,10,11,12,13}'::integer[]),
      ('UZ', '998', null, '00', '{9}'::integer[]),
      ('VA', '39', null, '00', '{6,7,8,9,10,11,12}'::integer[]),
      ('VC', '1', '1', '011', '{10}'::integer[]),
      ('VE', '58', '0', '00', '{10}'::integer[]),
      ('VG', '1', '1', '011', '{10}'::integer[]),
      ('VI', '1', '1', '011', '{10}'::integer[]),
      ('VN', '84', '0', '00', '{7,8,9,10}'::integer[]),
      ('VU', '678', null, '00', '{5,7}'::integer[]),
      ('WF', '681', null, '00', '{6,9}'::integer[]),
      ('WS', '685', null, '0', '{5,6,7,10}'::integer[]),
      ('XK', '383', '0', '00', '{8,9,10,11,12}'::integer[]),
      ('YE', '967', '0', '00', '{7,8,9}'::integer[]),
      ('YT', '262', '0', '00', '{9}'::integer[]),
      ('ZA', '27', '0', '00', '{5,6,7,8,9,10}'::integer[]),
      ('ZM', '260', '0', '00', '{9}'::integer[]),
      ('ZW', '263', '0', '00', '{7,9,10}'::integer[])
  ) as plan (country, code, trunk, abroad, lengths)
  where plan.country = p_country;
$$;

comment on function crm_private.phone_plan(text) is
  'How phone numbers of a country are written.';

revoke all on function crm_private.phone_plan(text) from public;
grant execute on function crm_private.phone_plan(text) to crm_reader;
--! EndIncluded functions/normalization/phone_plan.sql
--! Included functions/normalization/phone_number.sql
/*
 * A phone number in one form, however it is written: "+33 6 47 18 67 44", "0033 6 47…", "+33 (0)6 47…"
 * and, of a number in France, "06 47 18 67 44" are all +33647186744. An extension follows after an x:
 * "+1 212 555 0100 ext. 4048" is +12125550100x4048. Of a number without a country code, where no country
 * is said, the digits are left, without the zeros before them. Empty if there is no digit.
 *
 * Zeros that begin a number within a country are dropped everywhere, those of Italy too.
 */
create or replace function crm_private.phone_number(phone text, country text default null)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_parts     text[];
  v_phone     text := crm_private.ascii_digits(phone);
  v_extension text := '';
  v_digits    text;
  v_national  text;
  v_code      text;
  v_plan_code text;
  v_trunk     text;
  v_abroad    text;
  v_lengths   integer[];
begin
  v_parts := crm_private.phone_parts(v_phone);
  if v_parts[2] <> '' then
    v_phone     := v_parts[1];
    v_extension := 'x' || coalesce(nullif(ltrim(v_parts[2], '0'), ''), '0');
  end if;

  v_digits := regexp_replace(replace(v_phone, '(0)', ''), '[^0-9]+', '', 'g');
  if v_digits = '' then
    return '';
  end if;

  if country is not null then
    select code, trunk, abroad, lengths
    into v_plan_code, v_trunk, v_abroad, v_lengths
    from crm_private.phone_plan(country);
  end if;

  if v_phone ~ '^[^0-9]*\+' then
    v_code := crm_private.calling_code(ltrim(v_digits, '0'));
    v_digits := ltrim(v_digits, '0');
  elsif v_digits ~ '^00[1-9]' then
    v_digits := substr(v_digits, 3);
    v_code   := crm_private.calling_code(v_digits);
  elsif v_plan_code is not null then
    v_national := ltrim(v_digits, '0');
    if v_trunk <> '0' and starts_with(v_digits, v_trunk)
      and length(v_digits) - length(v_trunk) = any (v_lengths)
    then
      v_national := substr(v_digits, length(v_trunk) + 1);
    end if;
    if length(v_national) = any (v_lengths)
      and v_digits !~ ('^(?:' || v_abroad || ')[1-9][0-9]{8}')
    then
      return '+' || v_plan_code || v_national || v_extension;
    end if;
    -- What is dialled for abroad, or the country's own code without a plus.
    v_parts := regexp_match(v_digits, '^(?:' || v_abroad || ')([1-9][0-9]{6,})$');
    if v_parts is not null then
      v_digits := v_parts[1];
      v_code   := crm_private.calling_code(v_digits);
    elsif starts_with(v_digits, v_plan_code)
      and length(ltrim(substr(v_digits, length(v_plan_code) + 1), '0')) = any (v_lengths)
    then
      v_code := v_plan_code;
    else
      return v_national || v_extension;
    end if;
  end if;

  if v_code is null then
    return ltrim(v_digits, '0') || v_extension;
  end if;
  return '+' || v_code || ltrim(substr(v_digits, length(v_code) + 1), '0') || v_extension;
end
$$;

comment on function crm_private.phone_number(text, text) is
  'A phone number in one form, with its country code where that is known, and its extension.';

revoke all on function crm_private.phone_number(text, text) from public;
grant execute on function crm_private.phone_number(text, text) to crm_reader;
--! EndIncluded functions/normalization/phone_number.sql
--! Included functions/search/contact_name_words.sql
/*
 * The words of a contact's name, each after a blank, and its phone numbers as digits alone: what
 * trigrams find parts of.
 * An index stands on it. Every name in it is qualified.
 */
create or replace function crm_private.contact_name_words(
  first_name text,
  last_name  text,
  phones     text[]
)
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return crm_private.name_words(first_name || ' ' || last_name) || ' ' || regexp_replace(
    crm_private.ascii_digits(array_to_string(phones, ' ~ ')), '[^0-9~]+', '', 'g'
  );
end
$$;

comment on function crm_private.contact_name_words(text, text, text[]) is
  'The words of a contact''s name, and the digits of its phone numbers.';

revoke all on function crm_private.contact_name_words(text, text, text[]) from public;
grant execute on function crm_private.contact_name_words(text, text, text[]) to crm_reader;
--! EndIncluded functions/search/contact_name_words.sql
--! Included functions/deals/currencies.sql
/*
 * The currencies that a deal may be in: the active codes of ISO 4217 (its table A.1), without
 * precious metals, test codes and bond market units; ANG and BGN, withdrawn in 2025 and 2026, stay
 * because deals were closed in them. The check of crm.deals uses it.
 */
create or replace function crm.currencies()
returns text[]
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
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
end
$$;

comment on function crm.currencies() is
  E'@notNull\nThe ISO 4217 codes that a deal can be in, for example USD.';

revoke all on function crm.currencies() from public;
grant execute on function crm.currencies() to crm_reader;
--! EndIncluded functions/deals/currencies.sql
--! Included functions/access/current_user_id.sql
/*
 * Who is asking. The server says it in the setting crm.user_id, for one transaction at a time.
 * Only sessions that may act as the server are believed; anyone else who logs in by themselves
 * is db:<their login role>, whatever they set. So nobody can write in another's name, and no
 * audit log row is without one.
 */
create or replace function crm.current_user_id()
returns text
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce(
    case
      when current_setting('crm.user_id', true) <> ''
        and pg_has_role(session_user, 'crm_server', 'member')
      then current_setting('crm.user_id', true)
    end,
    'db:' || session_user
  );
end
$$;

comment on function crm.current_user_id() is
  E'@notNull\nWho is asking: the subject of the token, key:<name> for an API key, or db:<login role> '
  'for a database session.';

revoke all on function crm.current_user_id() from public;
grant execute on function crm.current_user_id() to crm_reader;
--! EndIncluded functions/access/current_user_id.sql
--! Included functions/search/deal_document.sql
/*
 * What a deal is found by: its title (A) and the texts of its custom fields (C).
 * crm.deals.search_document is generated by it.
 */
create or replace function crm_private.deal_document(title text, custom_fields jsonb)
returns tsvector
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return crm_private.search_name_vector(title)
    || crm_private.search_vector(crm_private.search_texts(custom_fields), 'C');
end
$$;

comment on function crm_private.deal_document(text, jsonb) is
  'What a deal is found by.';

revoke all on function crm_private.deal_document(text, jsonb) from public;
grant execute on function crm_private.deal_document(text, jsonb) to crm_member;
--! EndIncluded functions/search/deal_document.sql
--! Included functions/normalization/fold.sql
/*
 * What a text is compared by where neither case nor accents count: "Zoë ÅNGSTRÖM" becomes
 * "zoe angstrom". Indexes stand on it.
 *
 * Immutable by what it names: the dictionary is fixed, and its rules change with a release of
 * PostgreSQL only; reindex then. The collation is a fixed one, so that РОМАШКА becomes ромашка in a
 * database of the locale C, too. It tells where a sigma ends a word, which a word that is only begun
 * does not. Every write of a name pays for it, and most names are ASCII, which has only its case to
 * lose.
 */
create or replace function crm_private.fold(value text)
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  if octet_length(value) = char_length(value) then
    return lower(value collate "C");
  end if;
  return replace(
    lower(
      extensions.unaccent('extensions.unaccent'::regdictionary, normalize(value, nfkc))
        collate crm_private.folding
    ),
    'ς', 'σ'
  );
end
$$;

comment on function crm_private.fold(text) is
  'The text in lower case and without accents.';

revoke all on function crm_private.fold(text) from public;
grant execute on function crm_private.fold(text) to crm_reader;
--! EndIncluded functions/normalization/fold.sql
--! Included functions/external_ids/has_duplicate_external_id.sql
/* True if a list has an external id twice. Checks call it only where there are several. */
create or replace function crm_private.has_duplicate_external_id(value crm.external_id[])
returns boolean
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select count(*) <> count(distinct (element.source, element.id))
    filter (where element.source is not null or element.id is not null)
  from unnest(value) as element;
$$;

comment on function crm_private.has_duplicate_external_id(crm.external_id[]) is
  'True if the list has an external id twice.';

revoke all on function crm_private.has_duplicate_external_id(crm.external_id[]) from public;
grant execute on function crm_private.has_duplicate_external_id(crm.external_id[]) to crm_member;
--! EndIncluded functions/external_ids/has_duplicate_external_id.sql
--! Included functions/validation/has_duplicates.sql
/* True if two elements of an array are equal. */
create or replace function crm_private.has_duplicates(value text[])
returns boolean
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select count(*) <> count(distinct element) from unnest(value) as element;
$$;

comment on function crm_private.has_duplicates(text[]) is
  'True if two elements of the array are equal.';

revoke all on function crm_private.has_duplicates(text[]) from public;
grant execute on function crm_private.has_duplicates(text[]) to crm_member;
--! EndIncluded functions/validation/has_duplicates.sql
--! Included functions/external_ids/has_long_external_id.sql
/*
 * True if an external id of a list has a source or an id with more characters than it may have.
 * Checks call it only where there are any.
 */
create or replace function crm_private.has_long_external_id(
  value      crm.external_id[],
  max_source integer,
  max_id     integer
)
returns boolean
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    bool_or(char_length(element.source) > max_source or char_length(element.id) > max_id), false
  )
  from unnest(value) as element;
$$;

comment on function crm_private.has_long_external_id(crm.external_id[], integer, integer) is
  'True if an external id of the list has a longer source or a longer id.';

revoke all on function crm_private.has_long_external_id(crm.external_id[], integer, integer)
  from public;
grant execute on function crm_private.has_long_external_id(crm.external_id[], integer, integer)
  to crm_member;
--! EndIncluded functions/external_ids/has_long_external_id.sql
--! Included functions/validation/white_characters.sql
/*
 * The characters that are white: spaces of any script, and what looks like one. As the inside of a
 * bracket expression. A text has something to see in it if it has a character that is neither white nor
 * hidden (crm_private.hidden_characters): that is what "blank" means, everywhere.
 */
create or replace function crm_private.white_characters()
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return U&'\0020\00A0\1680\2000-\200A\202F\205F\2800\3000';
end
$$;

comment on function crm_private.white_characters() is
  'The characters that are white, as a bracket expression has them.';

revoke all on function crm_private.white_characters() from public;
grant execute on function crm_private.white_characters() to crm_member;
--! EndIncluded functions/validation/white_characters.sql
--! Included functions/validation/hidden_characters.sql
/*
 * The characters that show nothing by themselves: controls, ends of lines and tabs among them, what Unicode
 * calls Default_Ignorable_Code_Point, which has the controls of writing direction, and the code points that
 * are no characters. As the inside of a bracket expression. A test compares it with Unicode's properties.
 */
create or replace function crm_private.hidden_characters()
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return U&'\0001-\001F\007F-\009F\00AD\034F\061C\115F\1160\17B4\17B5\180B-\180F\200B-\200F'
    '\2028-\202E\2060-\206F\3164\FDD0-\FDEF\FE00-\FE0F\FEFF\FFA0\FFF0-\FFFB\FFFE\FFFF'
    '\+01BCA0-\+01BCA3\+01D159\+01D173-\+01D17A\+0E0000-\+0E0FFF'
    '\+01FFFE-\+01FFFF\+02FFFE-\+02FFFF\+03FFFE-\+03FFFF\+04FFFE-\+04FFFF'
    '\+05FFFE-\+05FFFF\+06FFFE-\+06FFFF\+07FFFE-\+07FFFF\+08FFFE-\+08FFFF'
    '\+09FFFE-\+09FFFF\+0AFFFE-\+0AFFFF\+0BFFFE-\+0BFFFF\+0CFFFE-\+0CFFFF'
    '\+0DFFFE-\+0DFFFF\+0EFFFE-\+0EFFFF\+0FFFFE-\+0FFFFF\+10FFFE-\+10FFFF';
end
$$;

comment on function crm_private.hidden_characters() is
  'The characters that show nothing by themselves, as a bracket expression has them.';

revoke all on function crm_private.hidden_characters() from public;
grant execute on function crm_private.hidden_characters() to crm_member;
--! EndIncluded functions/validation/hidden_characters.sql
--! Included functions/validation/unprintable_characters.sql
/*
 * The characters that no text holds, however many lines it has: controls but for tabs and ends of lines, and
 * those that reorder what comes after them. As the inside of a bracket expression. Others that show
 * nothing come with what people paste, and do no harm in a note.
 */
create or replace function crm_private.unprintable_characters()
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return U&'\0001-\0008\000B\000C\000E-\001F\007F-\009F\202A-\202E\2066-\2069';
end
$$;

comment on function crm_private.unprintable_characters() is
  'The characters that no text holds, as a bracket expression has them.';

revoke all on function crm_private.unprintable_characters() from public;
grant execute on function crm_private.unprintable_characters() to crm_member;
--! EndIncluded functions/validation/unprintable_characters.sql
--! Included functions/validation/legible_pattern.sql
/*
 * What a name may be made of, as a regular expression that PostgreSQL and JavaScript read alike. Hidden
 * characters stand where writing needs them, and nowhere else:
 *
 * - one selector of a variant behind a character that is seen: emoji, ideographs, Mongolian letters;
 * - one joiner, non-joiner or Mongolian separator between two that are seen: Persian, Indic scripts, families
 *   of emoji; at the end of a word only behind the sign that takes a vowel away, as in Malayalam;
 * - the tags of a flag behind the black flag.
 */
create or replace function crm_private.legible_pattern()
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_white text := '[' || crm_private.white_characters() || ']';
  v_seen  text := '[^' || crm_private.white_characters() || crm_private.hidden_characters() || ']';
begin
  return '^(?:' || v_white
    || U&'|\+01F3F4[\+0E0020-\+0E007E]+\+0E007F'
    || U&'|[\094D\09CD\0A4D\0ACD\0B4D\0BCD\0C4D\0CCD\0D4D\0DCA][\200C\200D](?!' || v_seen || ')'
    || '|' || v_seen || U&'[\180B-\180D\180F\FE00-\FE0F\+0E0100-\+0E01EF]?'
    || U&'(?:[\180E\200C\200D](?=' || v_seen || '))?'
    || ')*$';
end
$$;

comment on function crm_private.legible_pattern() is
  'What a name may be made of, as a regular expression.';

revoke all on function crm_private.legible_pattern() from public;
grant execute on function crm_private.legible_pattern() to crm_member;
--! EndIncluded functions/validation/legible_pattern.sql
--! Included functions/validation/is_blank.sql
/*
 * True if a text has nothing to see in it: no character that is neither white nor hidden. Used by every
 * "must not be blank" check.
 */
create or replace function crm_private.is_blank(value text)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return not coalesce(ascii(value) between 33 and 126, false)
    and value !~ (
      '[^' || crm_private.white_characters() || crm_private.hidden_characters() || ']'
    );
end
$$;

comment on function crm_private.is_blank(text) is
  'True if the text has nothing to see in it: it is empty, white, or hidden.';

revoke all on function crm_private.is_blank(text) from public;
grant execute on function crm_private.is_blank(text) to crm_member;
--! EndIncluded functions/validation/is_blank.sql
--! Included functions/validation/is_legible.sql
/*
 * True if a text of one line, such as a name, holds nothing that cannot be seen but where writing needs it:
 * crm_private.legible_pattern. One that is blank has that fault alone, which another rule tells. Nearly every text has no hidden character at all, which is asked first.
 */
create or replace function crm_private.is_legible(value text)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return value !~ ('[' || crm_private.hidden_characters() || ']')
    or value ~ crm_private.legible_pattern()
    or crm_private.is_blank(value);
end
$$;

comment on function crm_private.is_legible(text) is
  'True if a text of one line holds nothing that cannot be seen but where writing needs it.';

revoke all on function crm_private.is_legible(text) from public;
grant execute on function crm_private.is_legible(text) to crm_member;
--! EndIncluded functions/validation/is_legible.sql
--! Included functions/validation/is_printable.sql
/*
 * True if a text of any number of lines holds neither controls but tabs and ends of lines, nor what
 * reorders the text: crm_private.unprintable_characters. One that is blank has that fault alone.
 */
create or replace function crm_private.is_printable(value text)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return value !~ ('[' || crm_private.unprintable_characters() || ']') or crm_private.is_blank(value);
end
$$;

comment on function crm_private.is_printable(text) is
  'True if a text of any number of lines holds no controls but tabs and ends of lines.';

revoke all on function crm_private.is_printable(text) from public;
grant execute on function crm_private.is_printable(text) to crm_member;
--! EndIncluded functions/validation/is_printable.sql
--! Included functions/validation/has_illegible_element.sql
/* True if an element of an array is not legible, as crm_private.is_legible means it. */
create or replace function crm_private.has_illegible_element(value text[])
returns boolean
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(bool_or(not crm_private.is_legible(element)), false)
  from unnest(value) as element;
$$;

comment on function crm_private.has_illegible_element(text[]) is
  'True if an element of the array holds what cannot be seen.';

revoke all on function crm_private.has_illegible_element(text[]) from public;
grant execute on function crm_private.has_illegible_element(text[]) to crm_member;
--! EndIncluded functions/validation/has_illegible_element.sql
--! Included functions/validation/has_unprintable_member.sql
/* True if a text among the members of an object holds one of crm_private.unprintable_characters. */
create or replace function crm_private.has_unprintable_member(value jsonb)
returns boolean
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(bool_or(member.value ~ ('[' || crm_private.unprintable_characters() || ']')), false)
  from jsonb_each_text(case jsonb_typeof(value) when 'object' then value end) as member;
$$;

comment on function crm_private.has_unprintable_member(jsonb) is
  'True if a text among the members of the object holds controls or reorders the text.';

revoke all on function crm_private.has_unprintable_member(jsonb) from public;
grant execute on function crm_private.has_unprintable_member(jsonb) to crm_member;
--! EndIncluded functions/validation/has_unprintable_member.sql
--! Included functions/external_ids/has_illegible_external_id.sql
/*
 * True if the source or the id of an external id of a list is not legible, as crm_private.is_legible
 * means it. Checks call it only where there are any.
 */
create or replace function crm_private.has_illegible_external_id(value crm.external_id[])
returns boolean
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    bool_or(not (crm_private.is_legible(element.source) and crm_private.is_legible(element.id))),
    false
  )
  from unnest(value) as element;
$$;

comment on function crm_private.has_illegible_external_id(crm.external_id[]) is
  'True if an external id of the list holds what cannot be seen.';

revoke all on function crm_private.has_illegible_external_id(crm.external_id[]) from public;
grant execute on function crm_private.has_illegible_external_id(crm.external_id[]) to crm_member;
--! EndIncluded functions/external_ids/has_illegible_external_id.sql
--! Included functions/validation/has_blank_element.sql
/* True if an element of an array is blank, as crm_private.is_blank means it. */
create or replace function crm_private.has_blank_element(value text[])
returns boolean
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(bool_or(crm_private.is_blank(element)), false) from unnest(value) as element;
$$;

comment on function crm_private.has_blank_element(text[]) is
  'True if an element of the array is blank.';

revoke all on function crm_private.has_blank_element(text[]) from public;
grant execute on function crm_private.has_blank_element(text[]) to crm_member;
--! EndIncluded functions/validation/has_blank_element.sql
--! Included functions/external_ids/has_blank_external_id.sql
/*
 * True if an external id of a list lacks its source or its id, as crm_private.is_blank means it.
 * Checks call it only where there are any.
 */
create or replace function crm_private.has_blank_external_id(value crm.external_id[])
returns boolean
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    bool_or(
      crm_private.is_blank(coalesce(element.source, ''))
        or crm_private.is_blank(coalesce(element.id, ''))
    ),
    false
  )
  from unnest(value) as element;
$$;

comment on function crm_private.has_blank_external_id(crm.external_id[]) is
  'True if an external id of the list lacks its source or its id.';

revoke all on function crm_private.has_blank_external_id(crm.external_id[]) from public;
grant execute on function crm_private.has_blank_external_id(crm.external_id[]) to crm_member;
--! EndIncluded functions/external_ids/has_blank_external_id.sql
--! Included functions/validation/is_list.sql
/*
 * True if an array is a plain list: one dimension at most, none of its elements null, and not
 * more of them than the limit.
 */
create or replace function crm_private.is_list(value text[], max_elements integer)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return cardinality(value) <= max_elements
    and coalesce(array_ndims(value), 1) = 1
    and array_position(value, null) is null;
end
$$;

comment on function crm_private.is_list(text[], integer) is
  'True if the array has one dimension, no null element and at most max_elements elements.';

revoke all on function crm_private.is_list(text[], integer) from public;
grant execute on function crm_private.is_list(text[], integer) to crm_member;
--! EndIncluded functions/validation/is_list.sql
--! Included functions/custom_fields/pattern_extent.sql
/*
 * How large a regular expression is once its repetitions are written out: in atoms, and in atoms that may
 * be empty and stand one after the other. PostgreSQL writes them out when it reads an expression; atoms
 * make its automaton large, and of those that may be empty each is linked with each.
 *
 * Reads the syntax of PostgreSQL's advanced expressions, without comments and directors; what it does not
 * know better it counts as an atom. Called by crm_private.is_pattern.
 */
create or replace function crm_private.pattern_extent(
  value         text,
  out atoms     numeric,
  out skippable numeric
)
language plpgsql
immutable
strict
set search_path = pg_catalog, pg_temp
as $$
declare
  v_rest     text      := value;
  v_token    text;
  v_bounds   text[];
  v_copies   numeric;
  -- What stands in each open group: all of it, the present branch, and the last atom.
  v_depth    integer   := 1;
  v_atoms    numeric[] := array[0::numeric];
  v_skips    numeric[] := array[0::numeric];
  v_is_empty boolean[] := array[false];
  v_branch   boolean[] := array[true];
  v_last     numeric   := 0::numeric;
  v_skip     numeric   := 0::numeric;
  v_empty    boolean   := true;
begin
  while v_rest <> ''
  loop
    v_token := coalesce(
      -- An escape; a bracket, with classes in it; the beginning of a group; a quantifier.
      substring(v_rest from '^\\.'),
      substring(v_rest from '^\[\^?\]?(?:\[:[^]]*:\]|\[\.[^]]*\.\]|\[=[^]]*=\]|\\.|[^]\\])*\]'),
      substring(v_rest from '^\(\?:'),
      substring(v_rest from '^\{[0-9]+(?:,[0-9]*)?\}\??'),
      substring(v_rest from '^[*+?]\??'),
      left(v_rest, 1)
    );
    v_rest := substr(v_rest, char_length(v_token) + 1);

    if v_token ~ '^([*+?]\??|\{[0-9].*)$' and v_token <> '{' then
      v_bounds := regexp_match(v_token, '^\{([0-9]+)(,?)([0-9]*)');
      v_copies := case
        when v_token like '+%' then 2::numeric
        when v_bounds is null then 1::numeric
        when v_bounds[2] = ',' and v_bounds[3] = '' then v_bounds[1]::numeric + 1
        else greatest(v_bounds[1]::numeric, nullif(v_bounds[3], '')::numeric, 1)
      end;
      -- The last atom is counted already, once.
      v_atoms[v_depth] := v_atoms[v_depth] + v_last * (v_copies - 1);
      v_last           := v_last * v_copies;
      if v_empty then
        v_skips[v_depth] := v_skips[v_depth] + v_skip * (v_copies - 1);
        v_skip           := v_skip * v_copies;
      elsif v_token ~ '^([*?]|\{0+[,}])' then
        v_skips[v_depth] := v_skips[v_depth] + 1;
        v_skip           := v_skip + 1;
        v_empty          := true;
      end if;
      continue;
    end if;

    -- The last atom is done with: its branch may be empty if it may be.
    if v_token in ('(', '(?:') then
      v_branch[v_depth] := v_branch[v_depth] and v_empty;
      v_depth := v_depth + 1;
      v_atoms[v_depth] := 0;
      v_skips[v_depth] := 0;
      v_is_empty[v_depth] := false;
      v_branch[v_depth] := true;
      v_last  := 0;
      v_skip  := 0;
      v_empty := true;
    elsif v_token = '|' then
      v_is_empty[v_depth] := v_is_empty[v_depth] or v_branch[v_depth] and v_empty;
      v_branch[v_depth] := true;
      v_last  := 0;
      v_skip  := 0;
      v_empty := true;
    elsif v_token = ')' and v_depth > 1 then
      v_empty := v_is_empty[v_depth] or v_branch[v_depth] and v_empty;
      v_last  := greatest(v_atoms[v_depth], 1);
      v_skip  := greatest(v_skips[v_depth], case when v_empty then 1::numeric else 0::numeric end);
      v_depth := v_depth - 1;
      v_atoms[v_depth] := v_atoms[v_depth] + v_last;
      v_skips[v_depth] := v_skips[v_depth] + v_skip;
    else
      v_branch[v_depth] := v_branch[v_depth] and v_empty;
      v_last  := 1;
      v_empty := v_token ~ '^(\^|\$|\\[AmMyYZ])$';
      v_skip  := case when v_empty then 1::numeric else 0::numeric end;
      v_atoms[v_depth] := v_atoms[v_depth] + 1;
      v_skips[v_depth] := v_skips[v_depth] + v_skip;
    end if;
  end loop;

  atoms     := v_atoms[1];
  skippable := v_skips[1];
end
$$;

comment on function crm_private.pattern_extent(text) is
  'How large a regular expression is once its repetitions are written out.';

revoke all on function crm_private.pattern_extent(text) from public;
grant execute on function crm_private.pattern_extent(text) to crm_member;
--! EndIncluded functions/custom_fields/pattern_extent.sql
--! Included functions/custom_fields/is_pattern.sql
/*
 * True if a text is a regular expression of PostgreSQL that every value can be asked of. Refused is
 * what lets time grow out of hand: back references and looking ahead or behind, when a text is
 * matched; repetitions that make an expression large when it is read, of single atoms as of groups;
 * comments, which would hide what is repeated. All others are read in a fraction of a second, once a
 * session, and match a text in one pass.
 *
 * Asked where a definition is written, never for the rows.
 */
create or replace function crm_private.is_pattern(value text)
returns boolean
language plpgsql
immutable
strict
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Without what is escaped: a backslash, and parentheses.
  v_bare text    := regexp_replace(replace(value, '\\', ''), '\\[()]', '', 'g');
  v_extent record;
begin
  -- Another syntax than the usual one would hide it.
  if v_bare ~ '^\*\*\*' or v_bare ~ '^\(\?[a-z]*[beqx]' then
    return false;
  end if;

  if v_bare ~ '\\[1-9]' or v_bare ~ '\(\?(<?[=!]|#)' then
    return false;
  end if;

  v_extent := crm_private.pattern_extent(value);

  -- What links atoms is made for each character that the expression tells from others.
  if v_extent.atoms > 1000
    or v_extent.skippable > 50
    or v_extent.atoms * v_extent.skippable * (
      select count(distinct part) from regexp_split_to_table(value, '') as part
    ) > 300000
  then
    return false;
  end if;

  perform '' ~ value;
  return true;
exception
  when invalid_regular_expression then
    return false;
end
$$;

comment on function crm_private.is_pattern(text) is
  'True if the text is a regular expression that can be asked of every value.';

revoke all on function crm_private.is_pattern(text) from public;
grant execute on function crm_private.is_pattern(text) to crm_member;
--! EndIncluded functions/custom_fields/is_pattern.sql
--! Included functions/merge/merged_into.sql
/*
 * Where the id of a contact or a company leads that was merged into another: the one that is left in
 * the end, however many merges lie between. Null for a row that is there, and for one that was never
 * merged.
 *
 * Security definer: nobody reads the table. An id leads to an id, and no further than its rights do.
 */
create or replace function crm_private.merged_into(p_entity_type text, p_id uuid)
returns uuid
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_id   uuid := p_id;
  v_next uuid;
begin
  loop
    select merge.winner_id into v_next
    from crm_private.merges as merge
    where merge.loser_id = v_id
      and merge.entity_type = p_entity_type
      and merge.ended_at is null;

    exit when v_next is null or v_next = p_id or crm_private.is_there(p_entity_type, v_id);
    v_id := v_next;
  end loop;

  return nullif(v_id, p_id);
end
$$;

comment on function crm_private.merged_into(text, uuid) is
  'The contact or company that one became part of by a merge; null if it was not merged.';

revoke all on function crm_private.merged_into(text, uuid) from public;
grant execute on function crm_private.merged_into(text, uuid) to crm_reader;

create or replace function crm.merged_into(entity_type text, id uuid)
returns uuid
language plpgsql
stable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  if not crm_private.is_mergeable(entity_type) then
    perform crm_private.refuse_argument(
      'entityType',
      crm_private.fault_message(
        (
          select '%s is not one of ' || string_agg(type.entity_type, ', ' order by type.restore_order)
          from crm_private.entity_types as type
          where type.is_mergeable
        ),
        to_jsonb(entity_type)
      ),
      'merges_entity_type_known'
    );
  end if;

  return crm_private.merged_into(entity_type, id);
end
$$;

comment on function crm.merged_into(text, uuid) is
  'Where the id of a contact or a company leads that was merged: to the one that is left, through '
  'however many merges. Null if it was not merged, or is back. entityType is contact or company.';

revoke all on function crm.merged_into(text, uuid) from public;
grant execute on function crm.merged_into(text, uuid) to crm_reader;
--! EndIncluded functions/merge/merged_into.sql
--! Included functions/audit_log/is_readable.sql
/*
 * Whether the caller can read an entity: the policy of the audit log, whose entries everyone may read
 * of what they can see now. What was merged into a contact or a company is part of that one, so
 * its entries are read by whoever can read the one that is left.
 *
 * Runs with the caller's rights, so that the policies of the entities decide.
 */
create or replace function crm_private.is_readable(p_entity_type text, p_entity_id uuid)
returns boolean
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return crm_private.is_there(p_entity_type, p_entity_id)
    or (
      crm_private.is_mergeable(p_entity_type)
      and crm_private.is_there(
        p_entity_type, crm_private.merged_into(p_entity_type, p_entity_id)
      )
    );
end
$$;

comment on function crm_private.is_readable(text, uuid) is
  'True if the caller can read the entity, or the one that it was merged into.';

revoke all on function crm_private.is_readable(text, uuid) from public;
grant execute on function crm_private.is_readable(text, uuid) to crm_reader;
--! EndIncluded functions/audit_log/is_readable.sql
--! Included functions/custom_fields/satisfies_rules.sql
/*
 * True if a value keeps the rules that a definition would give a custom field; null without a value,
 * and where the rules themselves are faulty, which other checks tell. Its arguments are columns of
 * crm.custom_field_definitions, one of whose checks calls it for the default.
 */
create or replace function crm_private.satisfies_rules(
  value       jsonb,
  field_type  text,
  enum_values text[],
  minimum     text,
  maximum     text,
  max_length  integer,
  pattern     text
)
returns boolean
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
-- Its statement is made of an expression, which cannot be quoted as names and values can. What it reads
-- is in the arguments, so it is immutable though what it calls is not marked so.
-- @plpgsql_check_options: security_warnings = off, extra_warnings = off
declare
  v_condition text;
  v_holds     boolean;
begin
  if value is null then
    return null;
  end if;

  -- Declared nowhere, because the table needs this function before it is there.
  v_condition := crm_private.custom_field_condition(
    jsonb_populate_record(
      null::crm.custom_field_definitions,
      jsonb_build_object(
        'name', 'value',
        'field_type', field_type,
        'enum_values', enum_values,
        'minimum', minimum,
        'maximum', maximum,
        'max_length', max_length,
        'pattern', pattern
      )
    )
  );

  if v_condition is null then
    return null;
  end if;

  execute format(
    'select %s from (select jsonb_build_object(''value'', $1) as custom_fields) as row', v_condition
  ) into v_holds using value;

  return v_holds;
exception
  when data_exception then
    return null;
end
$$;

comment on function crm_private.satisfies_rules(jsonb, text, text[], text, text, integer, text) is
  'True if a value keeps the rules that a definition would give a custom field.';

revoke all on function
  crm_private.satisfies_rules(jsonb, text, text[], text, text, integer, text) from public;
grant execute on function
  crm_private.satisfies_rules(jsonb, text, text[], text, text, integer, text) to crm_admin;
--! EndIncluded functions/custom_fields/satisfies_rules.sql
--! Included functions/validation/longest_element.sql
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
set search_path = pg_catalog, pg_temp
as $$
  select (select coalesce(max(char_length(element)), 0) from unnest(value) as element);
$$;

comment on function crm_private.longest_element(text[]) is
  'The number of characters of the longest element, 0 for an empty array.';

revoke all on function crm_private.longest_element(text[]) from public;
grant execute on function crm_private.longest_element(text[]) to crm_member;
--! EndIncluded functions/validation/longest_element.sql
--! Included functions/duplicates/name_skeleton.sql
/*
 * What is left of a name when everything goes that is easily heard or typed otherwise: accents,
 * vowels, h, w and y, spaces and punctuation. "Jon Smith" and "John Smyth" are both "jnsmt", "&" is
 * "and". A name of which nothing is left stays, folded.
 *
 * Every write of a name pays for it, so it is one pass, without folding what is ASCII.
 */
create or replace function crm_private.name_skeleton(name text)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return case
    when octet_length(name) = char_length(name)
    then coalesce(
      nullif(
        translate(replace(lower(name collate "C"), '&', 'nd'), 'aeiouhwy .,-''/()', ''), ''
      ),
      lower(name collate "C")
    )
    else coalesce(
      nullif(
        translate(replace(crm_private.fold(name), '&', 'nd'), 'aeiouhwy .,-''’/()', ''), ''
      ),
      crm_private.fold(name)
    )
  end;
end
$$;

comment on function crm_private.name_skeleton(text) is
  'A name without what is easily heard or typed otherwise.';

revoke all on function crm_private.name_skeleton(text) from public;
grant execute on function crm_private.name_skeleton(text) to crm_reader;
--! EndIncluded functions/duplicates/name_skeleton.sql
--! Included functions/duplicates/contact_keys.sql
/*
 * The keys that a contact may share with its duplicates. Whoever shares one is compared, and nobody
 * else: crm.contacts.match_keys is generated by it.
 *
 * - name: the skeletons of both names, in either order; head and tail: how the two together begin
 *   and end, so that one error elsewhere does no harm.
 * - email: each address in lower case, its domain as it is read. Dots and plus signs stay: what they mean
 *   is the provider's affair.
 * - domain: of each address.
 * - phone: the last seven digits of each number, which are the same with and without area code. An
 *   extension does not count.
 *
 * One expression over whole arrays, because every write of a contact pays for it: a subquery over
 * the elements costs four times as much.
 */
create or replace function crm_private.contact_keys(
  first_name text,
  last_name  text,
  emails     text[],
  phones     text[]
)
returns text[]
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_first  text := crm_private.name_skeleton(first_name);
  v_last   text := crm_private.name_skeleton(last_name);
  v_emails text := lower(array_to_string(emails, ' ') collate "C");
  v_phones text := array_to_string(phones, '|');
begin
  if octet_length(v_emails) <> char_length(v_emails) or strpos(v_emails, 'xn--') > 0 then
    v_emails := (
      select string_agg(crm_private.plain_email(email), ' ') from unnest(emails) as email
    );
  end if;
  -- Few have anything but digits and what groups them.
  if v_phones ~ '[^0-9 ()+/.|-]' then
    v_phones := (
      select string_agg(split_part(crm_private.phone_number(phone), 'x', 1), '|')
      from unnest(phones) as phone
    );
  end if;
  return case
      when v_first || v_last <> '' then array[
        'name:' || left(least(v_first, v_last) || greatest(v_first, v_last), 100),
        'head:' || left(v_first || v_last, 4),
        'tail:' || right(v_first || v_last, 5)
      ]
      else '{}'
    end
    || case
      when v_emails <> '' then
        string_to_array('email:' || replace(v_emails, ' ', ' email:'), ' ')
        || string_to_array(regexp_replace(v_emails, '[^ ]*@', 'domain:', 'g'), ' ')
    end
    || case
      when phones <> '{}' then string_to_array(
        regexp_replace(
          regexp_replace(v_phones, '[^0-9|]+', '', 'g'),
          '[0-9]*([0-9]{7})(?![0-9])', 'phone:\1', 'g'
        ),
        '|'
      )
    end;
end
$$;

comment on function crm_private.contact_keys(text, text, text[], text[]) is
  'The keys that a contact may share with its duplicates.';

revoke all on function crm_private.contact_keys(text, text, text[], text[]) from public;
grant execute on function crm_private.contact_keys(text, text, text[], text[]) to crm_reader;
--! EndIncluded functions/duplicates/contact_keys.sql
--! Included functions/search/name_words.sql
/*
 * The words of a name, each after a blank: what trigrams find parts of. Indexes stand on it.
 */
create or replace function crm_private.name_words(name text)
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return ' ' || crm_private.search_words(name);
end
$$;

comment on function crm_private.name_words(text) is
  'The words of a name, each after a blank.';

revoke all on function crm_private.name_words(text) from public;
grant execute on function crm_private.name_words(text) to crm_reader;
--! EndIncluded functions/search/name_words.sql
--! Included functions/normalization/plain_company_name.sql
/*
 * A company's name as it is compared: plain, and without what says its legal form. "Acme Robotics
 * GmbH & Co. KG" becomes "acme robotics". A name that is nothing else stays.
 */
create or replace function crm_private.plain_company_name(name text)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return regexp_replace(
    crm_private.plain_name(name),
    '(?: (?:and )?(?:ab|ag|aktiengesellschaft|ao|aps|as|asa|bhd|bv|bvba|co|company|corp|corporation|cv|doo|eg|'
    'eood|ev|gbr|gesmbh|gmbh|inc|incorporated|kabushiki kaisha|kft|kg|kgaa|kk|lda|limited|llc|llp|'
    'lp|ltd|ltda|mbh|nv|ohg|ood|ooo|oy|oyj|partg|plc|pte|pty|pvt|sa|sab|sae|sarl|sas|sasu|sdn|se|sl|'
    'slu|snc|spa|sp zoo|sp z oo|spol|spzoo|sro|srl|ug|vof|zrt))+$',
    ''
  );
end
$$;

comment on function crm_private.plain_company_name(text) is
  'A company''s name as it is compared: plain, without its legal form.';

revoke all on function crm_private.plain_company_name(text) from public;
grant execute on function crm_private.plain_company_name(text) to crm_reader;
--! EndIncluded functions/normalization/plain_company_name.sql
--! Included functions/duplicates/company_keys.sql
/*
 * The keys that a company may share with its duplicates, as crm_private.contact_keys makes them of a
 * contact. crm.companies.match_keys is generated by it.
 *
 * - name, head, tail: of the skeleton of its name without its legal form. Names end in words such as
 *   Solutions, so the tail is long enough to hold more than that.
 * - domain: of each custom field that holds nothing but a link, a host or an address. A company has
 *   further domains, those of its contacts' addresses, which are among the keys of the contacts.
 */
create or replace function crm_private.company_keys(name text, custom_fields jsonb)
returns text[]
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_name text := crm_private.name_skeleton(crm_private.plain_company_name(name));
begin
  return case
      when v_name <> '' then array[
        'name:' || left(v_name, 100), 'head:' || left(v_name, 5), 'tail:' || right(v_name, 8)
      ]
      else '{}'
    end
    || case
      when custom_fields::text like '%.%' then array(
        select 'domain:' || domain
        from jsonb_each_text(custom_fields) as field
        cross join lateral crm_private.domain_of(field.value) as domain
        where domain is not null
      )
    end;
end
$$;

comment on function crm_private.company_keys(text, jsonb) is
  'The keys that a company may share with its duplicates.';

revoke all on function crm_private.company_keys(text, jsonb) from public;
grant execute on function crm_private.company_keys(text, jsonb) to crm_reader;
--! EndIncluded functions/duplicates/company_keys.sql
--! Included functions/normalization/unicode_labels.sql
/*
 * A text in which labels of domain names that are written in ASCII are what they stand for: "xn--kln-sna.de"
 * is köln.de. What is no such label stays. The algorithm is that of RFC 3492.
 */
create or replace function crm_private.unicode_labels(value text)
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_text   text := value;
  v_label  text;
  v_coded  text;
  v_plain  text[];
  v_code   bigint;
  v_index  bigint;
  v_before bigint;
  v_weight bigint;
  v_bias   integer;
  v_step   integer;
  v_least  integer;
  v_digit  integer;
  v_delta  bigint;
  v_is_bad boolean;
begin
  for v_label in
    select distinct lower(matched.parts[1])
    from regexp_matches(left(value, 100000), 'xn--([a-z0-9-]{1,59})(?![a-z0-9-])', 'gi')
      as matched (parts)
    limit 200
  loop
    -- The letters of ASCII stand before the last hyphen, then the places of the others.
    v_coded  := substring(v_label from '[^-]*$');
    v_plain  := regexp_split_to_array(
      left(v_label, greatest(length(v_label) - length(v_coded) - 1, 0)), ''
    );
    v_plain  := array_remove(v_plain, '');
    v_code   := 128;
    v_bias   := 72;
    v_index  := 0;
    v_is_bad := v_coded = '';

    while v_coded <> '' and not v_is_bad loop
      v_before := v_index;
      v_weight := 1;
      v_step   := 36;
      loop
        v_digit := case
          when v_coded ~ '^[a-z]' then ascii(v_coded) - 97
          when v_coded ~ '^[0-9]' then ascii(v_coded) - 22
        end;
        v_coded  := substr(v_coded, 2);
        v_is_bad := v_digit is null or v_weight > 100000000;
        exit when v_is_bad;
        v_index := v_index + v_digit * v_weight;
        v_least := case
          when v_step <= v_bias then 1
          when v_step >= v_bias + 26 then 26
          else v_step - v_bias
        end;
        exit when v_digit < v_least;
        v_weight := v_weight * (36 - v_least);
        v_step   := v_step + 36;
      end loop;
      exit when v_is_bad;

      v_delta := (v_index - v_before) / case when v_before = 0 then 700 else 2 end;
      v_delta := v_delta + v_delta / (cardinality(v_plain) + 1);
      v_step  := 0;
      while v_delta > 455 loop
        v_delta := v_delta / 35;
        v_step  := v_step + 36;
      end loop;
      v_bias := v_step + (36 * v_delta / (v_delta + 38))::integer;

      v_code   := v_code + v_index / (cardinality(v_plain) + 1);
      v_index  := v_index % (cardinality(v_plain) + 1);
      v_is_bad := v_code > 1114111 or v_code between 55296 and 57343;
      exit when v_is_bad;
      v_plain := v_plain[:v_index] || chr(v_code::integer) || v_plain[v_index + 1:];
      v_index := v_index + 1;
    end loop;

    if not v_is_bad then
      v_text := regexp_replace(
        v_text, 'xn--' || v_label || '(?![a-z0-9-])', array_to_string(v_plain, ''), 'gi'
      );
    end if;
  end loop;
  return v_text;
end
$$;

comment on function crm_private.unicode_labels(text) is
  'A text in which labels of domain names that are written in ASCII are what they stand for.';

revoke all on function crm_private.unicode_labels(text) from public;
grant execute on function crm_private.unicode_labels(text) to crm_reader;
--! EndIncluded functions/normalization/unicode_labels.sql
--! Included functions/normalization/plain_email.sql
/*
 * An email address as it is compared: in lower case, and its domain as it is read. "Mail@XN--KLN-SNA.de"
 * and "mail@köln.de" are one. Dots and plus signs stay: what they mean is the provider's affair. Works
 * for a bare domain, too.
 */
create or replace function crm_private.plain_email(address text)
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_address text := address;
begin
  if octet_length(v_address) = char_length(v_address) then
    v_address := lower(v_address collate "C");
    if strpos(v_address, 'xn--') = 0 then
      return v_address;
    end if;
  end if;
  return lower(
    normalize(crm_private.unicode_labels(v_address), nfc) collate crm_private.folding
  );
end
$$;

comment on function crm_private.plain_email(text) is
  'An email address as it is compared: in lower case, its domain as it is read.';

revoke all on function crm_private.plain_email(text) from public;
grant execute on function crm_private.plain_email(text) to crm_reader;
--! EndIncluded functions/normalization/plain_email.sql
--! Included functions/search/unspaced_scripts.sql
/*
 * The letters of scripts that put no blanks between words, as the inside of a bracket expression:
 * Thai, Lao, Tibetan, Burmese, Khmer, the scripts of the Tai, Javanese, Chinese, Japanese, Yi; and
 * Korean, whose compounds and particles are written together.
 */
create or replace function crm_private.unspaced_scripts()
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return
    '\u0E01-\u0E3A\u0E40-\u0E4E\u0E81-\u0ECF\u0EDC-\u0EDF\u0F40-\u0FBC\u1000-\u103F\u1050-\u109F'
    '\u1100-\u11FF\u1780-\u17D3\u1950-\u19CF\u1A20-\u1A7F\u3005-\u3007\u3041-\u309F\u30A1-\u30FA'
    '\u30FC-\u31BF\u31F0-\u31FF\u3400-\u4DBF\u4E00-\uA48C\uA980-\uA9C0\uA9E0-\uA9FF\uAA60-\uAADF'
    '\uAC00-\uD7A3\uF900-\uFAFF\U0001B000-\U0001B16F\U00020000-\U0003FFFF';
end
$$;

comment on function crm_private.unspaced_scripts() is
  'The letters of scripts that put no blanks between words, as a bracket expression has them.';

revoke all on function crm_private.unspaced_scripts() from public;
grant execute on function crm_private.unspaced_scripts() to crm_reader;
--! EndIncluded functions/search/unspaced_scripts.sql
--! Included functions/search/search_words.sql
/*
 * The words of a text as search knows them: without case and accents, and with a blank for what is
 * neither a letter nor a digit. What is indexed and what is looked for both pass through it, so that
 * an address is the sequence of its parts on either side. An apostrophe is dropped: O'Brien is one
 * word. "&" is the word "and". Labels of domains that are written in ASCII are what they stand for.
 *
 * In scripts that put no blanks between words, two letters side by side are a word, and so is the
 * last letter: 東京会議 becomes 東京 京会 会議 議. So a text is found by any part of it.
 *
 * Bounded, because PostgreSQL is: 100,000 characters are far from the megabyte that a tsvector holds,
 * and a word is cut long before the 2 kB of a lexeme. So nothing that a column can hold fails here,
 * whatever its checks will say.
 *
 * Which characters separate words is said here and not asked of the database's locale: in that of C
 * nothing beyond ASCII does. Indexes stand on it.
 */
create or replace function crm_private.search_words(value text)
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_words text := left(
    replace(replace(crm_private.fold(left(value, 100000)), '''', ''), '&', ' and '), 100000
  );
begin
  if strpos(v_words, 'xn--') > 0 then
    v_words := left(crm_private.fold(crm_private.unicode_labels(v_words)), 100000);
  end if;
  if octet_length(v_words) = char_length(v_words) then
    v_words := regexp_replace(v_words, '[^a-z0-9]+', ' ', 'g');
  else
    -- What nobody sees, and marks that go with letters.
    v_words := regexp_replace(
      v_words,
      '[\u00AD\u0300-\u036F\u0591-\u05BD\u05BF\u05C1\u05C2\u05C4\u05C5\u05C7\u0610-\u061A\u061C'
      '\u0640\u064B-\u065F\u0670\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u202A-\u202E'
      '\u2060-\u206F\u3099\u309A\u3164\uFE00-\uFE0F\uFEFF\uFFA0\U000E0000-\U000E0FFF]+',
      '', 'g'
    );
    -- Punctuation and symbols.
    v_words := btrim(regexp_replace(
      v_words,
      '[\x01-\x2F\x3A-\x60\x7B-\x7F'
      '\u0080-\u00A9\u00AB-\u00B4\u00B6-\u00B8\u00BB-\u00BF\u00D7\u00F7\u02C2-\u02C5\u02D2-\u02DF'
      '\u037E\u0387\u055A-\u055F\u0589\u058A\u05BE\u05C0\u05C3\u05C6\u05F3\u05F4\u0606-\u060F\u061B'
      '\u061D-\u061F\u066A-\u066D\u06D4\u0700-\u070D\u0964\u0965\u0970\u0E3F\u0E4F\u0E5A\u0E5B'
      '\u0F01-\u0F17\u0F3A-\u0F3D\u0F85\u104A-\u104F\u10FB\u1360-\u1368\u1400\u166E\u1680\u169B\u169C'
      '\u16EB-\u16ED\u17D4-\u17DB\u1800-\u180A\u2000-\u200A\u2010-\u2029\u202F-\u205F\u20A0-\u20CF'
      '\u2190-\u2BFF\u2E00-\u2E7F\u3000-\u3004\u3008-\u3020\u3030\u3036\u303D-\u303F\u30A0\u30FB'
      '\uA4FE\uA4FF\uFE10-\uFE19\uFE30-\uFE6F\uFF00-\uFF0F\uFF5F-\uFF65\uFFE0-\uFFFF'
      '\U0001F000-\U0001FAFF]+',
      ' ', 'g'
    ));

    if v_words ~ ('[' || crm_private.unspaced_scripts() || ']') then
      v_words := regexp_replace(
        v_words,
        replace('([S]+)', 'S', crm_private.unspaced_scripts()), ' \1 ', 'g'
      );
      v_words := btrim(left(
        regexp_replace(
          regexp_replace(
            v_words,
            replace('(?<=[S])([S])', 'S', crm_private.unspaced_scripts()), '\1 \1', 'g'
          ),
          ' +', ' ', 'g'
        ),
        100000
      ));
    end if;
  end if;
  if octet_length(v_words) > 2000 then
    v_words := regexp_replace(
      regexp_replace(v_words, '([^ ]{255})[^ ]+', '\1', 'g'), ' {2,}', ' ', 'g'
    );
  end if;
  return v_words;
end
$$;

comment on function crm_private.search_words(text) is
  'The words of a text, folded, with blanks between them.';

revoke all on function crm_private.search_words(text) from public;
grant execute on function crm_private.search_words(text) to crm_reader;
--! EndIncluded functions/search/search_words.sql
--! Included functions/search/search_lexemes.sql
/*
 * Words as search indexes them, all with one weight; without words if the text is null.
 *
 * PostgreSQL's parser is asked for words of ASCII alone: it would part others by the locale of the
 * database, where they are parted already.
 */
create or replace function crm_private.search_lexemes(words text, weight "char")
returns tsvector
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  if words is null then
    return ''::tsvector;
  end if;
  if octet_length(words) = char_length(words) then
    return setweight(to_tsvector('pg_catalog.simple', words), weight);
  end if;
  return setweight(
    (
      select string_agg(format('''%s'':%s', word, least(ordinal, 16383)), ' ')
      from unnest(string_to_array(words, ' ')) with ordinality as listed (word, ordinal)
      where word <> ''
    )::tsvector,
    weight
  );
end
$$;

comment on function crm_private.search_lexemes(text, "char") is
  'Words that stand apart by blanks, as search indexes them, all with the same weight.';

revoke all on function crm_private.search_lexemes(text, "char") from public;
grant execute on function crm_private.search_lexemes(text, "char") to crm_reader;
--! EndIncluded functions/search/search_lexemes.sql
--! Included functions/search/search_vector.sql
/* A text as search indexes it: its words, all with one weight. Without words if it is null. */
create or replace function crm_private.search_vector(value text, weight "char")
returns tsvector
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return crm_private.search_lexemes(crm_private.search_words(value), weight);
end
$$;

comment on function crm_private.search_vector(text, "char") is
  'The words of a text, all with the same weight.';

revoke all on function crm_private.search_vector(text, "char") from public;
grant execute on function crm_private.search_vector(text, "char") to crm_member;
--! EndIncluded functions/search/search_vector.sql
--! Included functions/search/search_neighbours.sql
/*
 * What the words of a name have in common with words that differ from them by one typing error: each
 * word, and each word with one of its letters left out, after a tilde, which no word has. If one of
 * two words has a letter too many, too few or another one, or if two letters changed places, there
 * is something among these that both have. Two words side by side are there as one, too: Coca-Cola is
 * found by "cocacola", and AT&T by "att". In scripts that put no blanks between words they are not
 * joined again.
 *
 * Compared with trigrams, which short words that differ have hardly any of in common: of 1,000,000
 * contacts 91,000 are similar enough to "jonh smiht" if "john smith" is to be.
 *
 * Letters are left out of words of four and more of them; words of more than 20 are passed over, and
 * those after the tenth.
 */
create or replace function crm_private.search_neighbours(words text)
returns text[]
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_unspaced   constant text := '[' || crm_private.unspaced_scripts() || ']';
  v_neighbours text[] := '{}'::text[];
  v_word       text;
  v_previous   text    := '';
  v_length     integer;
  v_count      integer := 0;
begin
  foreach v_word in array string_to_array(words, ' ') loop
    v_length := length(v_word);
    continue when v_length not between 1 and 20;
    v_neighbours := v_neighbours || ('~' || v_word);
    if v_length > 3 and v_word !~ '[0-9]' then
      for v_left in 1 .. v_length loop
        v_neighbours := v_neighbours
          || ('~' || left(v_word, v_left - 1) || substr(v_word, v_left + 1));
      end loop;
    end if;
    if v_previous <> '' and v_word <> 'and' and length(v_previous) + v_length <= 20 then
      v_neighbours := v_neighbours || ('~' || v_previous || v_word);
    end if;
    if v_word <> 'and' then
      v_previous := case when v_length > 2 or v_word !~ v_unspaced then v_word else '' end;
    end if;
    v_count := v_count + 1;
    exit when v_count = 10;
  end loop;
  return v_neighbours;
end
$$;

comment on function crm_private.search_neighbours(text) is
  'What words have in common with those that differ by one typing error.';

revoke all on function crm_private.search_neighbours(text) from public;
grant execute on function crm_private.search_neighbours(text) to crm_reader;
--! EndIncluded functions/search/search_neighbours.sql
--! Included functions/search/search_stems.sql
/*
 * What the words of a text are reduced to by the installation's dictionaries: "Invoices were sent"
 * to invoic and sent. Words that say nothing, such as "the", have no stem. Immutable as long as the
 * configuration crm_private.stems is what it is.
 */
create or replace function crm_private.search_stems(words text)
returns tsvector
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  if octet_length(words) = char_length(words) then
    return to_tsvector('crm_private.stems', words);
  end if;
  return to_tsvector(
    'crm_private.stems',
    regexp_replace(words, replace('[ S]*[S][ S]*', 'S', crm_private.unspaced_scripts()), ' ', 'g')
  );
end
$$;

comment on function crm_private.search_stems(text) is
  'What the words of a text are reduced to by the installation''s dictionaries.';

revoke all on function crm_private.search_stems(text) from public;
grant execute on function crm_private.search_stems(text) to crm_reader;
--! EndIncluded functions/search/search_stems.sql
--! Included functions/search/search_texts.sql
/*
 * The texts among the members of an object, such as custom fields or an address, one after the
 * other. Anything but an object has none: a generated column is computed before a check can refuse.
 */
create or replace function crm_private.search_texts(members jsonb)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select left(string_agg(member #>> '{}', ' '), 100000)
    from jsonb_path_query(members, 'strict $.* ? (@.type() == "string")', silent => true) as member
  );
end
$$;

comment on function crm_private.search_texts(jsonb) is
  'The texts among the members of an object.';

revoke all on function crm_private.search_texts(jsonb) from public;
grant execute on function crm_private.search_texts(jsonb) to crm_reader;
--! EndIncluded functions/search/search_texts.sql
--! Included functions/search/search_whole.sql
/*
 * What a name is known by as a whole: its words with a blank between them, after an equals sign. It
 * finds a name that is nothing but what is looked for, among however many that have its words.
 */
create or replace function crm_private.search_whole(words text)
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  if strpos(words, '  ') > 0 then
    return '=' || left(btrim(regexp_replace(words, ' +', ' ', 'g')), 255);
  end if;
  return '=' || left(btrim(words), 255);
end
$$;

comment on function crm_private.search_whole(text) is
  'What a name is known by as a whole, as search indexes it.';

revoke all on function crm_private.search_whole(text) from public;
grant execute on function crm_private.search_whole(text) to crm_reader;
--! EndIncluded functions/search/search_whole.sql
--! Included functions/search/text_document.sql
/*
 * What a task or a note is found by: its words, all with one weight, and the stems that are no words
 * of it, after a circumflex, which no word has. crm.tasks.search_document and
 * crm.notes.search_document are generated by it.
 */
create or replace function crm_private.text_document(value text, weight "char")
returns tsvector
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_words    text     := crm_private.search_words(value);
  v_document tsvector := crm_private.search_lexemes(v_words, weight);
  v_stems    tsvector := ts_delete(
    crm_private.search_stems(v_words), tsvector_to_array(v_document)
  );
begin
  if length(v_stems) > 0 then
    return v_document || array_to_tsvector(
      string_to_array('^' || array_to_string(tsvector_to_array(v_stems), ' ^'), ' ')
    );
  end if;
  return v_document;
end
$$;

comment on function crm_private.text_document(text, "char") is
  'What a task or a note is found by.';

revoke all on function crm_private.text_document(text, "char") from public;
grant execute on function crm_private.text_document(text, "char") to crm_member;
--! EndIncluded functions/search/text_document.sql
--! Included functions/search/search_name_vector.sql
/*
 * A name as search indexes it: its words with weight A, what misspelt ones have in common with them,
 * and the name as a whole, after an equals sign, which no word has.
 */
create or replace function crm_private.search_name_vector(name text)
returns tsvector
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_words text := coalesce(crm_private.search_words(name), '');
begin
  return crm_private.search_lexemes(v_words, 'A')
    || array_to_tsvector(
      crm_private.search_neighbours(v_words) || crm_private.search_whole(v_words)
    );
end
$$;

comment on function crm_private.search_name_vector(text) is
  'The words of a name, what misspelt ones have in common with them, and all of it as one.';

revoke all on function crm_private.search_name_vector(text) from public;
grant execute on function crm_private.search_name_vector(text) to crm_member;
--! EndIncluded functions/search/search_name_vector.sql
--! Included functions/search/contact_document.sql
/*
 * What a contact is found by: its name (A), the parts of its addresses and phone numbers (B) and the
 * texts of its custom fields (C). crm.contacts.search_document is generated by it.
 */
create or replace function crm_private.contact_document(
  first_name    text,
  last_name     text,
  emails        text[],
  phones        text[],
  custom_fields jsonb
)
returns tsvector
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_document tsvector := crm_private.search_name_vector(first_name || ' ' || last_name)
    || crm_private.search_vector(
      array_to_string(emails, ' ') || ' ' || array_to_string(phones, ' '), 'B'
    );
begin
  if custom_fields <> '{}' then
    return v_document || crm_private.search_vector(crm_private.search_texts(custom_fields), 'C');
  end if;
  return v_document;
end
$$;

comment on function crm_private.contact_document(text, text, text[], text[], jsonb) is
  'What a contact is found by.';

revoke all on function crm_private.contact_document(text, text, text[], text[], jsonb) from public;
grant execute on function crm_private.contact_document(text, text, text[], text[], jsonb)
  to crm_member;
--! EndIncluded functions/search/contact_document.sql

--! split: 030-tables.sql
/*
 * Why: the tables, each with its constraints, comments, indexes, grants and policies.
 *
 * A rule that one row can answer for is a check constraint. Its name, <table>_<column>_<rule>, is
 * API; its comment is the message that a client reads, in which %s stands for the faulty value.
 * A check of an array or an object is asked again for each element, so the message names the one
 * that is wrong.
 *
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

--! Included tables/pipeline_stages.sql
/* A stage of the sales pipeline. Administrators edit the stages. */

create table if not exists crm.pipeline_stages (
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
  constraint pipeline_stages_name_legible check (crm_private.is_legible(name)),
  constraint pipeline_stages_name_length check (char_length(name) <= 100),
  constraint pipeline_stages_position_range check (position >= 0),
  constraint pipeline_stages_probability_range check (probability between 0 and 100),
  constraint pipeline_stages_kind_known check (kind = any (array['open', 'won', 'lost']))
);

comment on table crm.pipeline_stages is
  E'@defaultOrder POSITION_ASC\nA stage of the sales pipeline. Administrators edit the stages.';

comment on column crm.pipeline_stages.id is
  'The identifier of the row, set by the database.';
comment on column crm.pipeline_stages.name is
  'The name that deals refer to, unique. Renaming a stage renames it on its deals.';
comment on column crm.pipeline_stages.position is
  E'@hasDefault\nWhere the stage stands in the pipeline, counted from 0. The end, if not input.';
comment on column crm.pipeline_stages.probability is
  'The chance of winning, in percent, of the deals at this stage that are given none. A change '
  'changes them. Of a stage that is won it is 100, of one that is lost 0, whatever is set here.';
comment on column crm.pipeline_stages.kind is
  'open, won or lost. A change closes or reopens the deals at this stage.';
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
comment on constraint pipeline_stages_name_legible on crm.pipeline_stages is
  'must not hold control characters, or characters that cannot be seen';
comment on constraint pipeline_stages_name_length on crm.pipeline_stages is
  'must have at most 100 characters';
comment on constraint pipeline_stages_position_range on crm.pipeline_stages is
  'must be 0 or more';
comment on constraint pipeline_stages_probability_range on crm.pipeline_stages is
  'must be from 0 to 100';
comment on constraint pipeline_stages_kind_known on crm.pipeline_stages is
  '%s is not one of open, won, lost';

alter table crm.pipeline_stages enable row level security;

grant select on crm.pipeline_stages to crm_reader;
grant insert
  (name, position, probability, kind)
  on crm.pipeline_stages to crm_admin;
grant update
  (name, position, probability, kind, version)
  on crm.pipeline_stages to crm_admin;
grant delete on crm.pipeline_stages to crm_admin;

drop policy if exists pipeline_stages_select on crm.pipeline_stages;
create policy pipeline_stages_select on crm.pipeline_stages for select to crm_reader
  using (true);
drop policy if exists pipeline_stages_insert on crm.pipeline_stages;
create policy pipeline_stages_insert on crm.pipeline_stages for insert to crm_admin
  with check ((select crm_private.caller_is_authenticated()));
drop policy if exists pipeline_stages_update on crm.pipeline_stages;
create policy pipeline_stages_update on crm.pipeline_stages for update to crm_admin
  using ((select crm_private.caller_is_authenticated()));
drop policy if exists pipeline_stages_delete on crm.pipeline_stages;
create policy pipeline_stages_delete on crm.pipeline_stages for delete to crm_admin
  using ((select crm_private.caller_is_authenticated()));
--! EndIncluded tables/pipeline_stages.sql
--! Included tables/companies.sql
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
  search_document tsvector
    generated always as (crm_private.company_document(name, address, custom_fields)) stored,
  external_ids    crm.external_id[] not null default '{}',
  match_keys      text[]
    generated always as (crm_private.company_keys(name, custom_fields)) stored,

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
  constraint companies_external_ids_list check (
    cardinality(external_ids) <= 20
      and coalesce(array_ndims(external_ids), 1) = 1
      and array_position(external_ids, null) is null
  ),
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
  'The name, at most 255 characters.';
comment on column crm.companies.address is
  'An object with any of the keys street, city, state, postalCode and country, each a string.';
comment on column crm.companies.owner_id is
  'The user who is responsible, or null if nobody is.';
comment on column crm.companies.custom_fields is
  'Values of custom fields by name, as crm.custom_field_definitions allow them. Assigning '
  'replaces the whole object; assigning {"$merge": {...}} sets the members of the inner one and '
  'leaves the others. A field set to null is removed.';
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
comment on column crm.companies.search_document is
  E'@behavior -*\nThe words that search finds the row by.';
comment on column crm.companies.external_ids is
  'The ids by which other systems know the company, at most 20. Each belongs to one company.';
comment on column crm.companies.match_keys is
  E'@behavior -*\nThe keys that the row shares with its duplicates.';

comment on constraint companies_name_blank on crm.companies is
  'must not be blank';
comment on constraint companies_name_legible on crm.companies is
  'must not hold control characters, or characters that cannot be seen';
comment on constraint companies_name_length on crm.companies is
  'must have at most 255 characters';
comment on constraint companies_address_object on crm.companies is
  E'@whole\nmust be an object';
comment on constraint companies_address_keys on crm.companies is
  'is not one of street, city, state, postalCode, country';
comment on constraint companies_address_values on crm.companies is
  'must be a string';
comment on constraint companies_address_legible on crm.companies is
  'must not hold control characters, or characters that reorder the text';
comment on constraint companies_address_length on crm.companies is
  'must have at most 255 characters';
comment on constraint companies_owner_id_blank on crm.companies is
  'must not be blank';
comment on constraint companies_owner_id_legible on crm.companies is
  'must not hold control characters, or characters that cannot be seen';
comment on constraint companies_owner_id_length on crm.companies is
  'must have at most 255 characters';
comment on constraint companies_custom_fields_object on crm.companies is
  E'@whole\nmust be an object';
comment on constraint companies_external_ids_list on crm.companies is
  'must be a plain list of at most 20 external ids';
comment on constraint companies_external_ids_blank on crm.companies is
  'must have a source and an id';
comment on constraint companies_external_ids_legible on crm.companies is
  'must not hold control characters, or characters that cannot be seen';
comment on constraint companies_external_ids_length on crm.companies is
  'must have at most 100 characters as its source and 255 as its id';
comment on constraint companies_external_ids_distinct on crm.companies is
  'must not hold an external id twice';

create index if not exists companies_name on crm.companies (name);
create index if not exists companies_owner_id on crm.companies (owner_id);
create index if not exists companies_created_at on crm.companies (created_at);
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
--! EndIncluded tables/companies.sql
--! Included tables/contacts.sql
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
  search_document tsvector
    generated always as (
      crm_private.contact_document(first_name, last_name, emails, phones, custom_fields)
    ) stored,
  external_ids    crm.external_id[] not null default '{}',
  match_keys      text[]
    generated always as (
      crm_private.contact_keys(first_name, last_name, emails, phones)
    ) stored,

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
  -- RFC 5322 dot-atom @ RFC 1123 host name of two labels or more, both with letters beyond ASCII as
  -- RFC 6531 has them, but for what nobody sees; RFC 5321 allows 254 characters.
  constraint contacts_emails_format check (
    not jsonb_path_exists(
      to_jsonb(emails),
      '$[*] ? (!(@ like_regex "^[A-Za-z0-9!#$%&''*+/=?^_`{|}~\u00A1-\u00AC\u00AE-\u034E\u0350-\u061B\u061D-\u115E\u1161-\u167F\u1681-\u17B3\u17B6-\u180A\u1810-\u1FFF\u2010-\u2027\u2030-\u205E\u2070-\u27FF\u2801-\u2FFF\u3001-\u3163\u3165-\uD7FF\uF900-\uFDFF\uFE10-\uFEFE\uFF66-\uFF9F\uFFA1-\uFFEF\u{10000}-\u{DFFFF}-]+(?:\\.[A-Za-z0-9!#$%&''*+/=?^_`{|}~\u00A1-\u00AC\u00AE-\u034E\u0350-\u061B\u061D-\u115E\u1161-\u167F\u1681-\u17B3\u17B6-\u180A\u1810-\u1FFF\u2010-\u2027\u2030-\u205E\u2070-\u27FF\u2801-\u2FFF\u3001-\u3163\u3165-\uD7FF\uF900-\uFDFF\uFE10-\uFEFE\uFF66-\uFF9F\uFFA1-\uFFEF\u{10000}-\u{DFFFF}-]+)*@(?:[A-Za-z0-9\u00B7\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u034E\u0350-\u061A\u0620-\u115E\u1161-\u167F\u1681-\u17B3\u17B6-\u180A\u1810-\u1FFF\u2C00-\u2DFF\u3005-\u3007\u3021-\u302F\u3031-\u3035\u3038-\u303C\u3041-\u3163\u3165-\uD7FF\uF900-\uFDFF\uFE70-\uFEFE\uFF66-\uFF9F\u{10000}-\u{1EFFF}\u{20000}-\u{3FFFF}]+(?:-+[A-Za-z0-9\u00B7\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u034E\u0350-\u061A\u0620-\u115E\u1161-\u167F\u1681-\u17B3\u17B6-\u180A\u1810-\u1FFF\u2C00-\u2DFF\u3005-\u3007\u3021-\u302F\u3031-\u3035\u3038-\u303C\u3041-\u3163\u3165-\uD7FF\uF900-\uFDFF\uFE70-\uFEFE\uFF66-\uFF9F\u{10000}-\u{1EFFF}\u{20000}-\u{3FFFF}]+)*\\.)+[A-Za-z0-9\u00B7\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u034E\u0350-\u061A\u0620-\u115E\u1161-\u167F\u1681-\u17B3\u17B6-\u180A\u1810-\u1FFF\u2C00-\u2DFF\u3005-\u3007\u3021-\u302F\u3031-\u3035\u3038-\u303C\u3041-\u3163\u3165-\uD7FF\uF900-\uFDFF\uFE70-\uFEFE\uFF66-\uFF9F\u{10000}-\u{1EFFF}\u{20000}-\u{3FFFF}]+(?:-+[A-Za-z0-9\u00B7\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u034E\u0350-\u061A\u0620-\u115E\u1161-\u167F\u1681-\u17B3\u17B6-\u180A\u1810-\u1FFF\u2C00-\u2DFF\u3005-\u3007\u3021-\u302F\u3031-\u3035\u3038-\u303C\u3041-\u3163\u3165-\uD7FF\uF900-\uFDFF\uFE70-\uFEFE\uFF66-\uFF9F\u{10000}-\u{1EFFF}\u{20000}-\u{3FFFF}]+)*$"))'
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
  constraint contacts_phones_legible check (
    case
      when phones <> '{}' and array_to_string(phones, ' ') ~ '[^ -~]'
      then not crm_private.has_illegible_element(phones)
    end
  ),
  constraint contacts_phones_length check (
    case
      when char_length(array_to_string(phones, '')) > 255
      then crm_private.longest_element(phones) <= 255
    end
  ),
  constraint contacts_owner_id_blank check (not crm_private.is_blank(owner_id)),
  constraint contacts_owner_id_legible check (crm_private.is_legible(owner_id)),
  constraint contacts_owner_id_length check (char_length(owner_id) <= 255),
  constraint contacts_custom_fields_object check (jsonb_typeof(custom_fields) = 'object'),
  constraint contacts_external_ids_list check (
    cardinality(external_ids) <= 20
      and coalesce(array_ndims(external_ids), 1) = 1
      and array_position(external_ids, null) is null
  ),
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
  E'@label last_name first_name\nA contact: a person.';

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
  'replaces the whole object; assigning {"$merge": {...}} sets the members of the inner one and '
  'leaves the others. A field set to null is removed.';
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
comment on column crm.contacts.search_document is
  E'@behavior -*\nThe words that search finds the row by.';
comment on column crm.contacts.external_ids is
  'The ids by which other systems know the contact, at most 20. Each belongs to one contact.';
comment on column crm.contacts.match_keys is
  E'@behavior -*\nThe keys that the row shares with its duplicates.';

comment on constraint contacts_company_id_exists on crm.contacts is
  '%s is not the id of a company';
comment on constraint contacts_first_name_blank on crm.contacts is
  'must not be blank';
comment on constraint contacts_first_name_legible on crm.contacts is
  'must not hold control characters, or characters that cannot be seen';
comment on constraint contacts_first_name_length on crm.contacts is
  'must have at most 255 characters';
comment on constraint contacts_last_name_blank on crm.contacts is
  'must not be blank';
comment on constraint contacts_last_name_legible on crm.contacts is
  'must not hold control characters, or characters that cannot be seen';
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
  'must not hold control characters, or characters that cannot be seen';
comment on constraint contacts_phones_length on crm.contacts is
  'must have at most 255 characters';
comment on constraint contacts_owner_id_blank on crm.contacts is
  'must not be blank';
comment on constraint contacts_owner_id_legible on crm.contacts is
  'must not hold control characters, or characters that cannot be seen';
comment on constraint contacts_owner_id_length on crm.contacts is
  'must have at most 255 characters';
comment on constraint contacts_custom_fields_object on crm.contacts is
  E'@whole\nmust be an object';
comment on constraint contacts_external_ids_list on crm.contacts is
  'must be a plain list of at most 20 external ids';
comment on constraint contacts_external_ids_blank on crm.contacts is
  'must have a source and an id';
comment on constraint contacts_external_ids_legible on crm.contacts is
  'must not hold control characters, or characters that cannot be seen';
comment on constraint contacts_external_ids_length on crm.contacts is
  'must have at most 100 characters as its source and 255 as its id';
comment on constraint contacts_external_ids_distinct on crm.contacts is
  'must not hold an external id twice';

create index if not exists contacts_last_name_first_name on crm.contacts (last_name, first_name);
create index if not exists contacts_company_id on crm.contacts (company_id);
create index if not exists contacts_owner_id on crm.contacts (owner_id);
create index if not exists contacts_created_at on crm.contacts (created_at);
create index if not exists contacts_emails on crm.contacts using gin (emails);
create index if not exists contacts_custom_fields on crm.contacts using gin (custom_fields jsonb_path_ops);
-- What is written waits in a list, in which a search looks one by one; so the lists are short.
create index if not exists contacts_search_document on crm.contacts
  using gin (search_document) with (gin_pending_list_limit = 512);
create index if not exists contacts_name_words on crm.contacts
  using gin (
    crm_private.contact_name_words(first_name, last_name, phones) extensions.gin_trgm_ops
  ) with (gin_pending_list_limit = 512);
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
--! EndIncluded tables/contacts.sql
--! Included tables/deals.sql
/* A deal: a sale to a company, on its way through the pipeline. */

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
  search_document tsvector
    generated always as (crm_private.deal_document(title, custom_fields)) stored,
  external_ids    crm.external_id[] not null default '{}',
  -- What crm_private.follow_stage sets.
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
  -- numeric, not numeric(15, 2): that type would round a third decimal without a word.
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
  constraint deals_external_ids_list check (
    cardinality(external_ids) <= 20
      and coalesce(array_ndims(external_ids), 1) = 1
      and array_position(external_ids, null) is null
  ),
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
  E'@label title\nA deal: a sale to a company, on its way through the pipeline.';

comment on column crm.deals.id is
  'The identifier of the row, set by the database.';
comment on column crm.deals.title is
  'What the deal is about, at most 255 characters.';
comment on column crm.deals.company_id is
  'The company that the deal is made with. The deal is deleted with it.';
comment on column crm.deals.contact_id is
  'The person at the company, if any. Null once that contact is deleted.';
comment on column crm.deals.value is
  E'@amount currency closed_at\nWhat the deal is worth, in its currency: at most two decimals.';
comment on column crm.deals.currency is
  'An ISO 4217 code, for example USD.';
comment on column crm.deals.stage is
  E'@rank pipeline_stages name position\nThe name of the pipeline stage that the deal is in.';
comment on column crm.deals.probability is
  E'@hasDefault\n@follows\n'
  'The chance of winning, in percent. Unless it is given it is that of the deal''s stage, and follows '
  'it. What is given stays until the deal is won, which makes it 100, or lost, which makes it 0, or '
  'until it is set to null: then it follows the stage again.';
comment on column crm.deals.close_date is
  'The day on which the deal is expected to close. closed_at tells when it did.';
comment on column crm.deals.lost_reason is
  'Why the deal was lost, at most 255 characters. Removed when a lost deal moves to a stage of another '
  'kind.';
comment on column crm.deals.owner_id is
  'The user who is responsible, or null if nobody is.';
comment on column crm.deals.custom_fields is
  'Values of custom fields by name, as crm.custom_field_definitions allow them. Assigning '
  'replaces the whole object; assigning {"$merge": {...}} sets the members of the inner one and '
  'leaves the others. A field set to null is removed.';
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
comment on column crm.deals.search_document is
  E'@behavior -*\nThe words that search finds the row by.';
comment on column crm.deals.external_ids is
  'The ids by which other systems know the deal, at most 20. Each belongs to one deal.';

comment on column crm.deals.probability_given is
  'True if the probability was given by somebody, false if it follows the stage.';
comment on column crm.deals.closed_at is
  'When the deal came into a stage that is won or lost, set by the database. Null while it is open.';

comment on constraint deals_company_id_exists on crm.deals is
  '%s is not the id of a company';
comment on constraint deals_contact_id_exists on crm.deals is
  '%s is not the id of a contact';
comment on constraint deals_stage_exists on crm.deals is
  E'@fieldName pipelineStage\n@foreignFieldName deals\n%s is not the name of a pipeline stage';
comment on constraint deals_title_blank on crm.deals is
  'must not be blank';
comment on constraint deals_title_legible on crm.deals is
  'must not hold control characters, or characters that cannot be seen';
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
comment on constraint deals_lost_reason_blank on crm.deals is
  'must not be blank';
comment on constraint deals_lost_reason_legible on crm.deals is
  'must not hold control characters, or characters that reorder the text';
comment on constraint deals_lost_reason_length on crm.deals is
  'must have at most 255 characters';
comment on constraint deals_owner_id_blank on crm.deals is
  'must not be blank';
comment on constraint deals_owner_id_legible on crm.deals is
  'must not hold control characters, or characters that cannot be seen';
comment on constraint deals_owner_id_length on crm.deals is
  'must have at most 255 characters';
comment on constraint deals_custom_fields_object on crm.deals is
  E'@whole\nmust be an object';
comment on constraint deals_external_ids_list on crm.deals is
  'must be a plain list of at most 20 external ids';
comment on constraint deals_external_ids_blank on crm.deals is
  'must have a source and an id';
comment on constraint deals_external_ids_legible on crm.deals is
  'must not hold control characters, or characters that cannot be seen';
comment on constraint deals_external_ids_length on crm.deals is
  'must have at most 100 characters as its source and 255 as its id';
comment on constraint deals_external_ids_distinct on crm.deals is
  'must not hold an external id twice';
comment on constraint deals_closed_at_order on crm.deals is
  'must not be before the deal was created';

create index if not exists deals_company_id on crm.deals (company_id);
create index if not exists deals_contact_id on crm.deals (contact_id);
create index if not exists deals_stage on crm.deals (stage);
create index if not exists deals_owner_id on crm.deals (owner_id);
create index if not exists deals_close_date on crm.deals (close_date);
create index if not exists deals_closed_at on crm.deals (closed_at) where closed_at is not null;
create index if not exists deals_created_at on crm.deals (created_at);
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
--! EndIncluded tables/deals.sql
--! Included tables/tasks.sql
/*
 * Tasks and notes are attached to one entity of any kind. The client says which by entity_type and
 * entity_id; from these, one generated column for each kind carries the foreign key, so that an
 * attachment without its entity cannot exist.
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
  search_document tsvector
    generated always as (crm_private.text_document(description, 'B')) stored,
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
  constraint tasks_external_ids_list check (
    cardinality(external_ids) <= 20
      and coalesce(array_ndims(external_ids), 1) = 1
      and array_position(external_ids, null) is null
  ),
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
comment on column crm.tasks.search_document is
  E'@behavior -*\nThe words that search finds the row by.';
comment on column crm.tasks.external_ids is
  'The ids by which other systems know the task, at most 20. Each belongs to one task.';

comment on constraint tasks_contact_id_exists on crm.tasks is
  E'@column entity_id\n%s is not the id of a contact';
comment on constraint tasks_company_id_exists on crm.tasks is
  E'@column entity_id\n%s is not the id of a company';
comment on constraint tasks_deal_id_exists on crm.tasks is
  E'@column entity_id\n%s is not the id of a deal';
comment on constraint tasks_description_blank on crm.tasks is
  'must not be blank';
comment on constraint tasks_description_legible on crm.tasks is
  'must not hold control characters, or characters that reorder the text';
comment on constraint tasks_description_length on crm.tasks is
  'must have at most 10,000 characters';
comment on constraint tasks_due_date_range on crm.tasks is
  'must be a day of the years 1 to 9999';
comment on constraint tasks_assigned_to_blank on crm.tasks is
  'must not be blank';
comment on constraint tasks_assigned_to_legible on crm.tasks is
  'must not hold control characters, or characters that cannot be seen';
comment on constraint tasks_assigned_to_length on crm.tasks is
  'must have at most 255 characters';
comment on constraint tasks_status_known on crm.tasks is
  '%s is not one of open, closed';
comment on constraint tasks_entity_type_known on crm.tasks is
  '%s is not one of contact, company, deal';
comment on constraint tasks_external_ids_list on crm.tasks is
  'must be a plain list of at most 20 external ids';
comment on constraint tasks_external_ids_blank on crm.tasks is
  'must have a source and an id';
comment on constraint tasks_external_ids_legible on crm.tasks is
  'must not hold control characters, or characters that cannot be seen';
comment on constraint tasks_external_ids_length on crm.tasks is
  'must have at most 100 characters as its source and 255 as its id';
comment on constraint tasks_external_ids_distinct on crm.tasks is
  'must not hold an external id twice';

create index if not exists tasks_entity_id on crm.tasks (entity_id);
create index if not exists tasks_contact_id on crm.tasks (contact_id) where contact_id is not null;
create index if not exists tasks_company_id on crm.tasks (company_id) where company_id is not null;
create index if not exists tasks_deal_id on crm.tasks (deal_id) where deal_id is not null;
create index if not exists tasks_assigned_to on crm.tasks (assigned_to);
create index if not exists tasks_due_date on crm.tasks (due_date);
create index if not exists tasks_status on crm.tasks (status);
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
--! EndIncluded tables/tasks.sql
--! Included tables/notes.sql
/* A note about a contact, company or deal. It is deleted with that entity. */

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
  search_document tsvector
    generated always as (crm_private.text_document(content, 'D')) stored,
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
  constraint notes_external_ids_list check (
    cardinality(external_ids) <= 20
      and coalesce(array_ndims(external_ids), 1) = 1
      and array_position(external_ids, null) is null
  ),
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
comment on column crm.notes.search_document is
  E'@behavior -*\nThe words that search finds the row by.';
comment on column crm.notes.external_ids is
  'The ids by which other systems know the note, at most 20. Each belongs to one note.';

comment on constraint notes_contact_id_exists on crm.notes is
  E'@column entity_id\n%s is not the id of a contact';
comment on constraint notes_company_id_exists on crm.notes is
  E'@column entity_id\n%s is not the id of a company';
comment on constraint notes_deal_id_exists on crm.notes is
  E'@column entity_id\n%s is not the id of a deal';
comment on constraint notes_content_blank on crm.notes is
  'must not be blank';
comment on constraint notes_content_legible on crm.notes is
  'must not hold control characters, or characters that reorder the text';
comment on constraint notes_content_length on crm.notes is
  'must have at most 100,000 characters';
comment on constraint notes_entity_type_known on crm.notes is
  '%s is not one of contact, company, deal';
comment on constraint notes_external_ids_list on crm.notes is
  'must be a plain list of at most 20 external ids';
comment on constraint notes_external_ids_blank on crm.notes is
  'must have a source and an id';
comment on constraint notes_external_ids_legible on crm.notes is
  'must not hold control characters, or characters that cannot be seen';
comment on constraint notes_external_ids_length on crm.notes is
  'must have at most 100 characters as its source and 255 as its id';
comment on constraint notes_external_ids_distinct on crm.notes is
  'must not hold an external id twice';

create index if not exists notes_entity_id on crm.notes (entity_id);
create index if not exists notes_contact_id on crm.notes (contact_id) where contact_id is not null;
create index if not exists notes_company_id on crm.notes (company_id) where company_id is not null;
create index if not exists notes_deal_id on crm.notes (deal_id) where deal_id is not null;
create index if not exists notes_created_at on crm.notes (created_at);
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
--! EndIncluded tables/notes.sql
--! Included tables/custom_field_definitions.sql
/*
 * A custom field: a name that contacts, companies or deals may carry in customFields, and the
 * rule that its values keep. Deleting a definition removes its values.
 */

create table if not exists crm.custom_field_definitions (
  id            uuid        not null default gen_random_uuid(),
  name          text        not null,
  label         text        not null,
  entity_type   text        not null,
  field_type    text        not null,
  enum_values   text[],
  required      boolean     not null default false,
  version       integer     not null default 1,
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now(),
  created_by    text        not null default crm.current_user_id(),
  updated_by    text        not null default crm.current_user_id(),
  description   text,
  minimum       text,
  maximum       text,
  max_length    integer,
  pattern       text,
  default_value jsonb,
  is_unique     boolean     not null default false,

  constraint custom_field_definitions_pkey primary key (id),
  constraint custom_field_definitions_name_unique unique (entity_type, name),
  constraint custom_field_definitions_name_format check (name ~ '^[A-Za-z][A-Za-z0-9_]*$'),
  constraint custom_field_definitions_name_length check (char_length(name) <= 100),
  constraint custom_field_definitions_label_blank check (not crm_private.is_blank(label)),
  constraint custom_field_definitions_label_legible check (crm_private.is_legible(label)),
  constraint custom_field_definitions_label_length check (char_length(label) <= 255),
  constraint custom_field_definitions_entity_type_known check (
    entity_type = any (array['company', 'contact', 'deal'])
  ),
  constraint custom_field_definitions_enum_values_list check (
    crm_private.is_list(enum_values, 1000) and cardinality(enum_values) > 0
  ),
  constraint custom_field_definitions_enum_values_blank check (
    not crm_private.has_blank_element(enum_values)
  ),
  constraint custom_field_definitions_enum_values_legible check (not crm_private.has_illegible_element(enum_values)),
  constraint custom_field_definitions_enum_values_length check (
    crm_private.longest_element(enum_values) <= 255
  ),
  constraint custom_field_definitions_enum_values_distinct check (
    not crm_private.has_duplicates(enum_values)
  ),
  constraint custom_field_definitions_field_type_known check (
    field_type = any (array['text', 'number', 'date', 'enum', 'multi_enum', 'boolean'])
  ),
  constraint custom_field_definitions_enum_values_present check (
    (field_type = any (array['enum', 'multi_enum'])) = (enum_values is not null)
  ),
  constraint custom_field_definitions_description_blank check (
    not crm_private.is_blank(description)
  ),
  constraint custom_field_definitions_description_legible check (crm_private.is_printable(description)),
  constraint custom_field_definitions_description_length check (
    char_length(description) <= 1000
  ),
  constraint custom_field_definitions_minimum_suited check (
    minimum is null or field_type = any (array['number', 'date'])
  ),
  constraint custom_field_definitions_minimum_format check (
    case field_type
      when 'number' then minimum ~ '^-?[0-9]{1,150}(?:\.[0-9]{1,150})?$'
      when 'date' then crm_private.satisfies_rules(
        to_jsonb(minimum), 'date', null, null, null, null, null
      )
    end
  ),
  constraint custom_field_definitions_maximum_suited check (
    maximum is null or field_type = any (array['number', 'date'])
  ),
  constraint custom_field_definitions_maximum_format check (
    case field_type
      when 'number' then maximum ~ '^-?[0-9]{1,150}(?:\.[0-9]{1,150})?$'
      when 'date' then crm_private.satisfies_rules(
        to_jsonb(maximum), 'date', null, null, null, null, null
      )
    end
  ),
  constraint custom_field_definitions_maximum_order check (
    case
      when field_type = 'date'
        and crm_private.satisfies_rules(to_jsonb(minimum), 'date', null, null, null, null, null)
        and crm_private.satisfies_rules(to_jsonb(maximum), 'date', null, null, null, null, null)
      then maximum collate "C" >= minimum
      when minimum ~ '^-?[0-9]{1,150}(?:\.[0-9]{1,150})?$'
        and maximum ~ '^-?[0-9]{1,150}(?:\.[0-9]{1,150})?$'
      then maximum::numeric >= minimum::numeric
    end
  ),
  constraint custom_field_definitions_max_length_suited check (
    max_length is null or field_type = any (array['text'])
  ),
  constraint custom_field_definitions_max_length_range check (
    max_length >= 1 and max_length <= 10000
  ),
  constraint custom_field_definitions_pattern_suited check (
    pattern is null or field_type = any (array['text'])
  ),
  constraint custom_field_definitions_pattern_length check (char_length(pattern) <= 255),
  constraint custom_field_definitions_pattern_valid check (
    case when char_length(pattern) <= 255 then crm_private.is_pattern(pattern) end
  ),
  constraint custom_field_definitions_default_value_holds check (
    crm_private.satisfies_rules(
      default_value, field_type, enum_values, minimum, maximum, max_length,
      case when char_length(pattern) <= 255 and crm_private.is_pattern(pattern) then pattern end
    )
  ),
  constraint custom_field_definitions_default_value_unique check (
    default_value is null or not is_unique
  ),
  constraint custom_field_definitions_is_unique_suited check (
    not is_unique or field_type = any (array['text', 'number', 'date', 'enum'])
  ),
  constraint custom_field_definitions_is_unique_name check (
    not is_unique or char_length(name) <= 39
  )
);

comment on table crm.custom_field_definitions is
  'A custom field: a name that contacts, companies or deals may carry in customFields, and '
  'the rule that its values keep. Deleting a definition removes its values.';

comment on column crm.custom_field_definitions.id is
  'The identifier of the row, set by the database.';
comment on column crm.custom_field_definitions.name is
  'The key in customFields: letters, digits and underscores, a letter first. Changing it moves the '
  'values of every row.';
comment on column crm.custom_field_definitions.label is
  'What people call the field.';
comment on column crm.custom_field_definitions.entity_type is
  'What carries the field: contact, company or deal. It cannot be changed.';
comment on column crm.custom_field_definitions.field_type is
  'text, number, date, enum, multi_enum or boolean.';
comment on column crm.custom_field_definitions.enum_values is
  'The values that an enum or a multi_enum allows; null for every other type. '
  'renameCustomFieldValue gives one another name.';
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
comment on column crm.custom_field_definitions.description is
  'What the field is for, at most 1,000 characters.';
comment on column crm.custom_field_definitions.minimum is
  'The least value that a number may have, such as -1.5, or the first day that a date may be, such '
  'as 2026-01-31. For these types only.';
comment on column crm.custom_field_definitions.maximum is
  'The greatest value that a number may have, or the last day that a date may be, written like '
  'minimum. For these types only.';
comment on column crm.custom_field_definitions.max_length is
  E'@behavior -aggregate -aggregate:filterBy -groupBy -havingBy\n'
  'How many characters a text may have, from 1 to 10,000; 10,000 if null. For this type only.';
comment on column crm.custom_field_definitions.pattern is
  'A regular expression of PostgreSQL that a text must match, at most 255 characters. It matches '
  'anywhere in the text unless it says ^ and $. Back references, lookaround and long repetitions of '
  'groups are refused. For this type only.';
comment on column crm.custom_field_definitions.default_value is
  'The value of a new row that does not have the field; a row that has null for it gets none. Rows '
  'that are there stay as they are.';
comment on column crm.custom_field_definitions.is_unique is
  'True if no two rows of the entity type may have the same value. For a text, a number, a date or '
  'an enum.';

comment on constraint custom_field_definitions_name_unique on crm.custom_field_definitions is
  '%s is already defined';
comment on constraint custom_field_definitions_name_format on crm.custom_field_definitions is
  'must consist of letters, digits and underscores and begin with a letter';
comment on constraint custom_field_definitions_name_length on crm.custom_field_definitions is
  'must have at most 100 characters';
comment on constraint custom_field_definitions_label_blank on crm.custom_field_definitions is
  'must not be blank';
comment on constraint custom_field_definitions_label_legible on crm.custom_field_definitions is
  'must not hold control characters, or characters that cannot be seen';
comment on constraint custom_field_definitions_label_length on crm.custom_field_definitions is
  'must have at most 255 characters';
comment on constraint custom_field_definitions_entity_type_known on crm.custom_field_definitions is
  '%s is not one of company, contact, deal';
comment on constraint custom_field_definitions_enum_values_list on crm.custom_field_definitions is
  E'@whole\nmust be a list of 1 to 1,000 values, none of them null';
comment on constraint custom_field_definitions_enum_values_blank on crm.custom_field_definitions is
  'must not be blank';
comment on constraint custom_field_definitions_enum_values_legible on crm.custom_field_definitions is
  'must not hold control characters, or characters that cannot be seen';
comment on constraint custom_field_definitions_enum_values_length on crm.custom_field_definitions is
  'must have at most 255 characters';
comment on constraint custom_field_definitions_enum_values_distinct on crm.custom_field_definitions is
  E'@whole\nmust not hold a value twice';
comment on constraint custom_field_definitions_field_type_known on crm.custom_field_definitions is
  '%s is not one of text, number, date, enum, multi_enum, boolean';
comment on constraint custom_field_definitions_enum_values_present on crm.custom_field_definitions is
  'must be given for an enum or a multi_enum, and for no other type';
comment on constraint custom_field_definitions_description_blank on crm.custom_field_definitions is
  'must not be blank';
comment on constraint custom_field_definitions_description_legible on crm.custom_field_definitions is
  'must not hold control characters, or characters that reorder the text';
comment on constraint custom_field_definitions_description_length on crm.custom_field_definitions is
  'must have at most 1,000 characters';
comment on constraint custom_field_definitions_minimum_suited on crm.custom_field_definitions is
  'can be given for a number or a date only';
comment on constraint custom_field_definitions_minimum_format on crm.custom_field_definitions is
  '%s is not a decimal number or, for a date, not a day such as 2026-02-28';
comment on constraint custom_field_definitions_maximum_suited on crm.custom_field_definitions is
  'can be given for a number or a date only';
comment on constraint custom_field_definitions_maximum_format on crm.custom_field_definitions is
  '%s is not a decimal number or, for a date, not a day such as 2026-02-28';
comment on constraint custom_field_definitions_maximum_order on crm.custom_field_definitions is
  'must not be less than the minimum';
comment on constraint custom_field_definitions_max_length_suited on crm.custom_field_definitions is
  'can be given for a text only';
comment on constraint custom_field_definitions_max_length_range on crm.custom_field_definitions is
  'must be from 1 to 10,000';
comment on constraint custom_field_definitions_pattern_suited on crm.custom_field_definitions is
  'can be given for a text only';
comment on constraint custom_field_definitions_pattern_length on crm.custom_field_definitions is
  'must have at most 255 characters';
comment on constraint custom_field_definitions_pattern_valid on crm.custom_field_definitions is
  '%s is no regular expression, or one with back references, lookaround or long repetitions of groups';
comment on constraint custom_field_definitions_default_value_holds on crm.custom_field_definitions is
  '%s breaks a rule of the field itself';
comment on constraint custom_field_definitions_default_value_unique on crm.custom_field_definitions is
  'cannot be given for a unique field';
comment on constraint custom_field_definitions_is_unique_suited on crm.custom_field_definitions is
  'can be true for a text, a number, a date or an enum only';
comment on constraint custom_field_definitions_is_unique_name on crm.custom_field_definitions is
  'needs a name of at most 39 characters';

alter table crm.custom_field_definitions enable row level security;

grant select on crm.custom_field_definitions to crm_reader;
grant insert
  (name, label, entity_type, field_type, enum_values, required, description, minimum,
   maximum, max_length, pattern, default_value, is_unique)
  on crm.custom_field_definitions to crm_admin;
grant update
  (name, label, field_type, enum_values, required, version, description, minimum, maximum,
   max_length, pattern, default_value, is_unique)
  on crm.custom_field_definitions to crm_admin;
grant delete on crm.custom_field_definitions to crm_admin;

drop policy if exists custom_field_definitions_select on crm.custom_field_definitions;
create policy custom_field_definitions_select on crm.custom_field_definitions for select to crm_reader
  using (true);
drop policy if exists custom_field_definitions_insert on crm.custom_field_definitions;
create policy custom_field_definitions_insert on crm.custom_field_definitions for insert to crm_admin
  with check ((select crm_private.caller_is_authenticated()));
drop policy if exists custom_field_definitions_update on crm.custom_field_definitions;
create policy custom_field_definitions_update on crm.custom_field_definitions for update to crm_admin
  using ((select crm_private.caller_is_authenticated()));
drop policy if exists custom_field_definitions_delete on crm.custom_field_definitions;
create policy custom_field_definitions_delete on crm.custom_field_definitions for delete to crm_admin
  using ((select crm_private.caller_is_authenticated()));
--! EndIncluded tables/custom_field_definitions.sql
--! Included tables/exchange_rates.sql
/*
 * What one unit of a currency is worth in the base currency, from a day on until the next rate.
 * Administrators edit the rates.
 */

create table if not exists crm.exchange_rates (
  id         uuid        not null default gen_random_uuid(),
  currency   text        not null,
  valid_from date        not null,
  rate       numeric     not null,
  version    integer     not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  created_by text        not null default crm.current_user_id(),
  updated_by text        not null default crm.current_user_id(),

  constraint exchange_rates_pkey primary key (id),
  constraint exchange_rates_valid_from_unique unique (currency, valid_from),
  constraint exchange_rates_currency_known check (currency = any (crm.currencies())),
  constraint exchange_rates_valid_from_range check (
    valid_from between date '0001-01-01' and date '9999-12-31'
  ),
  constraint exchange_rates_rate_positive check (rate > 0),
  constraint exchange_rates_rate_range check (abs(rate) < 10000000000000),
  constraint exchange_rates_rate_decimals check (scale(trim_scale(rate)) <= 12)
);

comment on table crm.exchange_rates is
  'What one unit of a currency is worth in the base currency, from a day on until the next rate. '
  'Administrators edit the rates.';

comment on column crm.exchange_rates.id is
  'The identifier of the row, set by the database.';
comment on column crm.exchange_rates.currency is
  'An ISO 4217 code, for example EUR. The base currency needs no rate.';
comment on column crm.exchange_rates.valid_from is
  'The first day that the rate is good for; the last is the day before the next rate.';
comment on column crm.exchange_rates.rate is
  'Units of the base currency for one unit of the currency, with at most 12 decimals.';
comment on column crm.exchange_rates.version is
  'Increases by one with every update. An update that carries another version than the '
  'current one is refused with the code CONFLICT.';
comment on column crm.exchange_rates.created_at is
  'When the row was created.';
comment on column crm.exchange_rates.updated_at is
  'When the row was last changed; later with every change.';
comment on column crm.exchange_rates.created_by is
  'The user who created the row.';
comment on column crm.exchange_rates.updated_by is
  'The user who last changed the row.';

comment on constraint exchange_rates_valid_from_unique on crm.exchange_rates is
  'is the first day of a rate of the currency already';
comment on constraint exchange_rates_currency_known on crm.exchange_rates is
  '%s is not an ISO 4217 currency code';
comment on constraint exchange_rates_valid_from_range on crm.exchange_rates is
  'must be a day of the years 1 to 9999';
comment on constraint exchange_rates_rate_positive on crm.exchange_rates is
  'must be above 0';
comment on constraint exchange_rates_rate_range on crm.exchange_rates is
  'must be a number below 10,000,000,000,000';
comment on constraint exchange_rates_rate_decimals on crm.exchange_rates is
  '%s has more than 12 decimals';

alter table crm.exchange_rates enable row level security;

grant select on crm.exchange_rates to crm_reader;
grant insert
  (currency, valid_from, rate)
  on crm.exchange_rates to crm_admin;
grant update
  (currency, valid_from, rate, version)
  on crm.exchange_rates to crm_admin;
grant delete on crm.exchange_rates to crm_admin;

drop policy if exists exchange_rates_select on crm.exchange_rates;
create policy exchange_rates_select on crm.exchange_rates for select to crm_reader
  using (true);
drop policy if exists exchange_rates_insert on crm.exchange_rates;
create policy exchange_rates_insert on crm.exchange_rates for insert to crm_admin
  with check ((select crm_private.caller_is_authenticated()));
drop policy if exists exchange_rates_update on crm.exchange_rates;
create policy exchange_rates_update on crm.exchange_rates for update to crm_admin
  using ((select crm_private.caller_is_authenticated()));
drop policy if exists exchange_rates_delete on crm.exchange_rates;
create policy exchange_rates_delete on crm.exchange_rates for delete to crm_admin
  using ((select crm_private.caller_is_authenticated()));
--! EndIncluded tables/exchange_rates.sql
--! Included tables/settings.sql
/* What administrators set: one row. */

create table if not exists crm_private.settings (
  id                   boolean     not null default true,
  trash_retention_days integer default 30,
  base_currency        text        not null default 'USD'::text,
  default_country      text,
  time_zone            text        not null default 'UTC'::text,

  constraint settings_pkey primary key (id),
  constraint settings_id_single check (id),
  constraint settings_trash_retention_days_range check (trash_retention_days between 0 and 36500),
  constraint settings_base_currency_known check (base_currency = any (crm.currencies())),
  constraint settings_default_country_known check (default_country ~ '^[A-Z]{2}$')
);

comment on table crm_private.settings is
  'What administrators set: one row.';

comment on column crm_private.settings.id is
  'Always true, so that there is one row.';
comment on column crm_private.settings.trash_retention_days is
  'For how many days what was deleted can be restored; null for good.';
comment on column crm_private.settings.base_currency is
  'The currency that exchange rates are in.';
comment on column crm_private.settings.time_zone is
  'The time zone whose days count, by its IANA name.';

comment on column crm_private.settings.default_country is
  'The country of phone numbers without a country code, as an ISO 3166 code; null if it is not known.';

comment on constraint settings_trash_retention_days_range on crm_private.settings is
  'must be from 0 to 36500';
comment on constraint settings_base_currency_known on crm_private.settings is
  '%s is not an ISO 4217 currency code';
comment on constraint settings_default_country_known on crm_private.settings is
  '%s is not an ISO 3166 country code';

alter table crm_private.settings enable row level security;
--! EndIncluded tables/settings.sql
--! Included tables/api_keys.sql
/*
 * A key that an integration asks with. Administrators create and revoke keys; a revoked one
 * stays, because the audit log names it.
 */

create table if not exists crm.api_keys (
  id           uuid        not null default gen_random_uuid(),
  name         text        not null,
  role         text        not null,
  prefix       text        not null,
  expires_at   timestamptz,
  last_used_at timestamptz,
  revoked_at   timestamptz,
  version      integer     not null default 1,
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now(),
  created_by   text        not null default crm.current_user_id(),
  updated_by   text        not null default crm.current_user_id(),

  constraint api_keys_pkey primary key (id),
  constraint api_keys_name_unique unique (name),
  constraint api_keys_name_length check (char_length(name) <= 100),
  -- One spelling for each name, so that no two keys look alike in the audit log.
  constraint api_keys_name_format check (name ~ '^[a-z0-9]+([._-][a-z0-9]+)*$'),
  constraint api_keys_role_known check (role = any (array['reader', 'member', 'admin'])),
  constraint api_keys_expires_at_range check (
    expires_at > created_at and expires_at <= created_at + interval '100 years'
  )
);

comment on table crm.api_keys is
  E'@defaultOrder NAME_ASC\nA key that an integration asks with. Administrators create and revoke '
  'keys; a revoked one stays, because the audit log names it.';

comment on column crm.api_keys.id is
  'The identifier of the row, set by the database.';
comment on column crm.api_keys.name is
  'What the integration is called, unique. The audit log has it as key:<name>.';
comment on column crm.api_keys.role is
  'What the key may do: reader, member or admin.';
comment on column crm.api_keys.prefix is
  'The first characters of the key, by which people recognise it.';
comment on column crm.api_keys.expires_at is
  'When the key ceases to be good; null if it is good until it is revoked.';
comment on column crm.api_keys.last_used_at is
  'When the key was last used, to the minute; null if it never was.';
comment on column crm.api_keys.revoked_at is
  'When the key was revoked; null if it was not.';
comment on column crm.api_keys.version is
  'Increases by one with every change of the row.';
comment on column crm.api_keys.created_at is
  'When the row was created.';
comment on column crm.api_keys.updated_at is
  'When the row was last changed; later with every change, but for its use.';
comment on column crm.api_keys.created_by is
  'The user who created the row.';
comment on column crm.api_keys.updated_by is
  'The user who last changed the row.';

comment on constraint api_keys_name_unique on crm.api_keys is
  '%s is already the name of a key, or was that of a revoked one';
comment on constraint api_keys_name_length on crm.api_keys is
  'must have at most 100 characters';
comment on constraint api_keys_name_format on crm.api_keys is
  'must consist of lower case letters and digits, with single dots, hyphens or underscores between '
  'them';
comment on constraint api_keys_role_known on crm.api_keys is
  '%s is not one of reader, member, admin';
comment on constraint api_keys_expires_at_range on crm.api_keys is
  'must be in the future, at most 100 years from now';

alter table crm.api_keys enable row level security;

grant select on crm.api_keys to crm_admin;

drop policy if exists api_keys_select on crm.api_keys;
create policy api_keys_select on crm.api_keys for select to crm_admin
  using (true);
--! EndIncluded tables/api_keys.sql
--! Included tables/api_key_hashes.sql
/*
 * The hash stands apart from what administrators read, so that whoever reads or audit logs a whole row
 * never meets it. SHA-256 is enough: a key is 256 random bits, which nobody can try through; slow
 * hashes are for passwords, which people choose.
 */

create table if not exists crm_private.api_key_hashes (
  api_key_id uuid        not null,
  key_hash   bytea       not null,

  constraint api_key_hashes_pkey primary key (api_key_id),
  constraint api_key_hashes_key_hash_unique unique (key_hash),
  constraint api_key_hashes_api_key_id_exists foreign key (api_key_id)
    references crm.api_keys on delete cascade
);

comment on table crm_private.api_key_hashes is
  'What is kept of each API key itself: its SHA-256. No role of the product reads it.';

alter table crm_private.api_key_hashes enable row level security;
--! EndIncluded tables/api_key_hashes.sql
--! Included tables/external_ids.sql
/*
 * Whose external ids are, for look-ups and to keep them apart. Deferrable, because an undo may move
 * an external id from one row to another in several statements.
 */

create table if not exists crm_private.external_ids (
  entity_type text        not null,
  source      text        not null,
  id          text        not null,
  entity_id   uuid        not null,

  constraint external_ids_pkey primary key (entity_type, source, id) deferrable initially immediate
);

comment on table crm_private.external_ids is
  'The external ids of all rows. Kept by triggers from the columns external_ids.';

alter table crm_private.external_ids enable row level security;

grant select on crm_private.external_ids to crm_reader;

drop policy if exists external_ids_select on crm_private.external_ids;
create policy external_ids_select on crm_private.external_ids for select to crm_reader
  using (crm_private.is_readable(entity_type, entity_id));
--! EndIncluded tables/external_ids.sql
--! Included tables/audit_logs.sql
/*
 * The audit log: one row for each row that was created, changed or deleted, written with the
 * change.
 */

create table if not exists crm.audit_logs (
  id             bigint      not null generated always as identity,
  entity_type    text        not null,
  entity_id      uuid        not null,
  action         text        not null,
  user_id        text        not null,
  changes        jsonb       not null,
  "timestamp"    timestamptz not null,
  transaction_id bigint      not null,
  source         text        not null,
  erased_at      timestamptz,

  constraint audit_logs_pkey primary key ("timestamp", id),
  constraint audit_logs_user_id_blank check (not crm_private.is_blank(user_id)),
  constraint audit_logs_user_id_legible check (crm_private.is_legible(user_id)),
  constraint audit_logs_user_id_length check (char_length(user_id) <= 255)
) partition by range ("timestamp");

alter table crm.audit_logs alter column changes set statistics 0;

comment on table crm.audit_logs is
  'The audit log: one row for each row that was created, changed or deleted, written with the change.';

comment on column crm.audit_logs.id is
  'Increases from one entry to the next.';
comment on column crm.audit_logs.entity_type is
  'What was changed: contact, company, deal, task, note, custom_field_definition, '
  'pipeline_stage, exchange_rate or api_key; setting, or audit_log for the log itself.';
comment on column crm.audit_logs.entity_id is
  'The id of the row that was changed. It may be gone.';
comment on column crm.audit_logs.action is
  'create, update or delete; erase where the values were taken out of the entries before; purge '
  'or archive of the audit log.';
comment on column crm.audit_logs.user_id is
  'Who did it: the subject of a token, key:<name> for an API key, or db:<login role> for a '
  'database session.';
comment on column crm.audit_logs.changes is
  'What changed. For an update a member for each column, or custom field (custom_fields.<name>), '
  'with its old and new value, as {"last_name": {"old": "Byron", "new": "Lovelace"}}. For a '
  'create the values of the new row, for a delete the whole old row. Empty if they were erased.';
comment on column crm.audit_logs."timestamp" is
  'When it was done: the created_at or updated_at that the row got by it.';
comment on column crm.audit_logs.transaction_id is
  'The database transaction; what was done together has it in common.';
comment on column crm.audit_logs.source is
  'What it was done through: api, import or sql.';
comment on column crm.audit_logs.erased_at is
  'When the values were taken out of changes for good; null if they are there.';

comment on constraint audit_logs_user_id_blank on crm.audit_logs is
  'must not be blank';
comment on constraint audit_logs_user_id_legible on crm.audit_logs is
  'must not hold control characters, or characters that cannot be seen';
comment on constraint audit_logs_user_id_length on crm.audit_logs is
  'must have at most 255 characters';

create index if not exists audit_logs_entity_id on crm.audit_logs (entity_id);
-- The last entries of all, and those that seals cover.
create index if not exists audit_logs_id on crm.audit_logs (id);
create index if not exists audit_logs_user_id on crm.audit_logs (user_id);
create index if not exists audit_logs_transaction_id on crm.audit_logs
  using brin (transaction_id, id) with (pages_per_range = 16, autosummarize = on);
-- The trash: what can be restored, or purged. Only deletions pay for it.
create index if not exists audit_logs_deleted on crm.audit_logs ("timestamp")
  where action = 'delete' and erased_at is null;
create index if not exists audit_logs_attached_to on crm.audit_logs
  (crm_private.attached_to(action, changes))
  where entity_type = any (array['task', 'note']) and changes ? 'entity_id';

-- What stages were called: a few entries among all.
create index if not exists audit_logs_stages on crm.audit_logs ("timestamp")
  where entity_type = 'pipeline_stage';
-- What reports tell of deals: those that came and went, and the columns that they add up or follow.
create index if not exists audit_logs_deals on crm.audit_logs ("timestamp")
  where entity_type = 'deal'
    and (
      action <> 'update'
      or changes ?| array[
        'stage', 'value', 'currency', 'probability', 'close_date', 'owner_id', 'company_id'
      ]
    );
create index if not exists audit_logs_owners on crm.audit_logs ("timestamp")
  where action = 'update' and changes ? 'owner_id';
create index if not exists audit_logs_erased on crm.audit_logs ("timestamp")
  where erased_at is not null;

alter table crm.audit_logs enable row level security;

grant select on crm.audit_logs to crm_reader;

drop policy if exists audit_logs_select_all on crm.audit_logs;
create policy audit_logs_select_all on crm.audit_logs for select to crm_admin
  using (true);
drop policy if exists audit_logs_select on crm.audit_logs;
create policy audit_logs_select on crm.audit_logs for select to crm_reader
  using (user_id = (select crm.current_user_id()) or crm_private.is_readable(entity_type, entity_id));
--! EndIncluded tables/audit_logs.sql
--! Included tables/audit_log_blocks.sql
/* Seals of the audit log: a block covers the entries after the block before it, up to last_id. */

create table if not exists crm_private.audit_log_blocks (
  number    bigint      not null,
  last_id   bigint      not null,
  sealed_at timestamptz not null,
  ids       bigint[]    not null,
  digests   bytea[]     not null,
  salts     bytea[]     not null,
  previous  bytea       not null,
  hash      bytea       not null,

  constraint audit_log_blocks_pkey primary key (number),
  constraint audit_log_blocks_last_id_unique unique (last_id)
);

alter table crm_private.audit_log_blocks alter column digests set storage external;

alter table crm_private.audit_log_blocks alter column salts set storage external;

comment on table crm_private.audit_log_blocks is
  'Seals of the audit log: a block covers the entries after the block before it, up to last_id.';

comment on column crm_private.audit_log_blocks.number is
  'Counted from 1, without a gap.';
comment on column crm_private.audit_log_blocks.last_id is
  'The last of the ids.';
comment on column crm_private.audit_log_blocks.sealed_at is
  'When the block was made.';
comment on column crm_private.audit_log_blocks.ids is
  'The entries that the block covers, in order.';
comment on column crm_private.audit_log_blocks.digests is
  'The digest of each entry; crm_private.entry_digest says of what.';
comment on column crm_private.audit_log_blocks.salts is
  'What each entry''s values were salted with, 16 random bytes. Of an erased entry the salted '
  'digest of the values, 32 bytes, so that its own digest can still be told.';
comment on column crm_private.audit_log_blocks.previous is
  'The hash of the block before, zeros for the first.';
comment on column crm_private.audit_log_blocks.hash is
  'The hash of the block; crm_private.block_hash says of what.';

comment on constraint audit_log_blocks_last_id_unique on crm_private.audit_log_blocks is
  '%s is already the end of a block';

alter table crm_private.audit_log_blocks enable row level security;
--! EndIncluded tables/audit_log_blocks.sql
--! Included tables/audit_log_progress.sql
/* How far the audit log is sealed: one row. */

create table if not exists crm_private.audit_log_progress (
  id          boolean     not null default true,
  sealed_to   bigint      not null default 0,
  pending_to  bigint,
  pending_for text[],

  constraint audit_log_progress_pkey primary key (id),
  constraint audit_log_progress_id_single check (id),
  constraint audit_log_progress_pending_complete CHECK (((pending_to IS NULL) = (pending_for IS NULL)))
);

comment on table crm_private.audit_log_progress is
  'How far the audit log is sealed: one row.';

comment on column crm_private.audit_log_progress.id is
  'Always true, so that there is one row.';
comment on column crm_private.audit_log_progress.sealed_to is
  'Every id up to this one is sealed, or was given out in vain.';
comment on column crm_private.audit_log_progress.pending_to is
  'The ids up to this one can be sealed when the transactions of pending_for have ended.';
comment on column crm_private.audit_log_progress.pending_for is
  'The virtual transactions that were writing the audit log when pending_to was read.';

comment on constraint audit_log_progress_pending_complete on crm_private.audit_log_progress is
  'must be given together';

alter table crm_private.audit_log_progress enable row level security;
--! EndIncluded tables/audit_log_progress.sql
--! Included tables/reversals.sql
/*
 * Undoing. What is to be undone is planned row by row in a table, so that a few statements carry it
 * out, and the audit log's triggers find there what each row undoes. It is empty between transactions, and
 * nobody but the owner's functions can write it, so nobody can pretend to undo.
 */

create unlogged table if not exists crm_private.reversals (
  transaction_id bigint      not null,
  entity_type    text        not null,
  entity_id      uuid        not null,
  before         jsonb,
  after          jsonb,
  undoes         jsonb       not null,

  constraint reversals_pkey primary key (transaction_id, entity_id, entity_type)
);

comment on table crm_private.reversals is
  'What the running transactions undo, row by row. Empty otherwise.';

comment on column crm_private.reversals.transaction_id is 'The transaction that undoes.';
comment on column crm_private.reversals.entity_type is 'What the row is, as the audit log calls it.';
comment on column crm_private.reversals.entity_id is 'The id of the row.';
comment on column crm_private.reversals.before is
  'The fields to put back, of a row to be brought back all of them; null if it is to be deleted.';
comment on column crm_private.reversals.after is
  'The values that these fields are expected to have; null if the row is expected to be gone.';
comment on column crm_private.reversals.undoes is 'What the audit log entries say of it.';

alter table crm_private.reversals enable row level security;
--! EndIncluded tables/reversals.sql
--! Included tables/merges.sql
/*
 * Who became part of whom. The audit log tells it too, but not for ever: entries are purged, erased and
 * archived, and erasing a person has to find everybody who was merged into them even then.
 */

create table if not exists crm_private.merges (
  id             bigint      not null generated always as identity,
  entity_type    text        not null,
  loser_id       uuid        not null,
  winner_id      uuid        not null,
  merged_at      timestamptz not null,
  ended_at       timestamptz,
  ended_in       bigint,

  constraint merges_pkey primary key (id),
  constraint merges_entity_type_known check (entity_type = any (array['contact', 'company'])),
  constraint merges_winner_id_other check (winner_id <> loser_id),
  constraint merges_ended_in_dated check ((ended_in is not null) = (ended_at is not null))
);

comment on table crm_private.merges is
  'Which contacts and companies were merged into which. One whose loser came back has ended.';

comment on column crm_private.merges.id is 'Increases from one merge to the next.';
comment on column crm_private.merges.entity_type is 'contact or company.';
comment on column crm_private.merges.loser_id is 'The row that went.';
comment on column crm_private.merges.winner_id is 'The row that it became part of.';
comment on column crm_private.merges.merged_at is 'When the transaction of the merge began.';
comment on column crm_private.merges.ended_at is
  'When the loser was a row of its own again; null as long as it is none.';
comment on column crm_private.merges.ended_in is 'The transaction that brought the loser back.';

-- A row is part of one other at a time.
create unique index if not exists merges_loser_id on crm_private.merges (loser_id)
  where ended_at is null;
create index if not exists merges_winner_id on crm_private.merges (winner_id);
create index if not exists merges_ended on crm_private.merges (loser_id)
  where ended_at is not null;

alter table crm_private.merges enable row level security;
--! EndIncluded tables/merges.sql
--! Included tables/dropped_indexes.sql
/*
 * Indexes of custom fields that went with their definitions. A definition that comes back has its index
 * again, though nothing of an index is in the audit log.
 */

create table if not exists crm_private.dropped_indexes (
  definition_id uuid not null,

  constraint dropped_indexes_pkey primary key (definition_id)
);

comment on table crm_private.dropped_indexes is
  'The definitions of custom fields that had an index when they were deleted.';

comment on column crm_private.dropped_indexes.definition_id is 'The id of the deleted definition.';

alter table crm_private.dropped_indexes enable row level security;
--! EndIncluded tables/dropped_indexes.sql
--! Included tables/erasure_lock.sql
/*
 * Has no rows: the lock on it keeps erasing a person apart from undoing and from keeping answers, which
 * may hold the person's values. Nobody but the owner can take it.
 */

create table if not exists crm_private.erasure_lock (
  id boolean not null,

  constraint erasure_lock_pkey primary key (id)
);

comment on table crm_private.erasure_lock is
  'Has no rows: the lock on it keeps erasing a person apart from undoing and from keeping answers.';

comment on column crm_private.erasure_lock.id is
  'Never input.';

alter table crm_private.erasure_lock enable row level security;
--! EndIncluded tables/erasure_lock.sql
--! Included tables/faulty_rows.sql
/* The rows that a running bulk write found faulty. Empty outside of it. */

create table if not exists crm_private.faulty_rows (
  transaction_id bigint      not null,
  number         bigint      not null generated always as identity,
  place          integer,
  item           jsonb       not null,

  constraint faulty_rows_pkey primary key (transaction_id, number)
);

comment on table crm_private.faulty_rows is
  'The rows that a running bulk write found faulty. Empty outside of it.';

alter table crm_private.faulty_rows enable row level security;
--! EndIncluded tables/faulty_rows.sql
--! Included tables/idempotency_keys.sql
/*
 * What mutations with an idempotency key were answered, written in their own transactions. No
 * role of the product reads or writes it.
 */

create table if not exists crm_private.idempotency_keys (
  key_hash     bytea       not null,
  request_hash bytea       not null,
  answer       bytea,
  entity_ids   uuid[],
  expires_at   timestamptz not null default now() + interval '24 hours',

  constraint idempotency_keys_pkey primary key (key_hash),
  constraint idempotency_keys_key_hash_length check (octet_length(key_hash) = 32),
  constraint idempotency_keys_request_hash_length check (octet_length(request_hash) = 32)
);

alter table crm_private.idempotency_keys alter column answer set storage external;

comment on table crm_private.idempotency_keys is
  'What mutations with an idempotency key were answered, written in their own transactions. No role '
  'of the product reads or writes it.';

comment on column crm_private.idempotency_keys.key_hash is
  'The SHA-256 of who asked and the key. The key itself is nowhere.';
comment on column crm_private.idempotency_keys.request_hash is
  'The SHA-256 of what was asked, and in which role.';
comment on column crm_private.idempotency_keys.answer is
  'The answer, encrypted with what only the key gives: whoever reads the table learns nothing of it. '
  'Null where it may have told of a person who was erased since: the mutation was done, that is all.';
comment on column crm_private.idempotency_keys.entity_ids is
  'The entities that the answer may tell of; null if it may tell of any.';
comment on column crm_private.idempotency_keys.expires_at is
  'When the key is forgotten.';

create index if not exists idempotency_keys_expires_at_idx
  on crm_private.idempotency_keys (expires_at);

alter table crm_private.idempotency_keys enable row level security;
--! EndIncluded tables/idempotency_keys.sql
--! Included tables/entity_types.sql
/*
 * The catalogue of entities: what an entity type is, in one place. Everything that is alike for all of them
 * is compiled from it or reads it: stamps, validation, the audit log, history, undo, the trash, bulk writes,
 * external ids. How they refer to each other is not repeated here: crm_private.entity_links reads the foreign
 * keys.
 *
 * crm_private.register_entity adds one.
 */

create table if not exists crm_private.entity_types (
  entity_type       text     not null,
  entity_table      regclass not null,
  label_columns     name[]   not null,
  is_record         boolean  not null,
  has_custom_fields boolean  not null,
  is_mergeable      boolean  not null,
  restore_order     integer,

  constraint entity_types_pkey primary key (entity_type),
  constraint entity_types_entity_table_key unique (entity_table)
);

comment on table crm_private.entity_types is
  'The catalogue of entities. Functions and triggers of each are compiled from it.';

comment on column crm_private.entity_types.entity_type is
  'Its name in the audit log and in the API.';
comment on column crm_private.entity_types.entity_table is
  'The table of its rows.';
comment on column crm_private.entity_types.label_columns is
  'The columns by which people recognise a row.';
comment on column crm_private.entity_types.is_record is
  'Whether members write it, also in bulk and by external ids. Others are what administrators set up.';
comment on column crm_private.entity_types.has_custom_fields is
  'Whether its rows have custom fields.';
comment on column crm_private.entity_types.is_mergeable is
  'Whether its rows can be merged.';
comment on column crm_private.entity_types.restore_order is
  'Its place when rows of several types are locked or restored: after what it refers to. Null if its '
  'changes cannot be undone.';

alter table crm_private.entity_types enable row level security;

grant select on crm_private.entity_types to crm_reader;

drop policy if exists entity_types_select on crm_private.entity_types;
create policy entity_types_select on crm_private.entity_types for select to crm_reader
  using (true);

insert into crm_private.entity_types (
  entity_type, entity_table, label_columns, is_record, has_custom_fields, is_mergeable, restore_order
)
values
  ('pipeline_stage', 'crm.pipeline_stages', '{name}',                  false, false, false, 10),
  ('exchange_rate',  'crm.exchange_rates',  '{currency,valid_from}',   false, false, false, 20),
  ('custom_field_definition', 'crm.custom_field_definitions', '{name}', false, false, false, 30),
  ('company',        'crm.companies',       '{name}',                  true,  true,  true,  40),
  ('contact',        'crm.contacts',        '{first_name,last_name}',  true,  true,  true,  50),
  ('deal',           'crm.deals',           '{title}',                 true,  true,  false, 60),
  ('task',           'crm.tasks',           '{description}',           true,  false, false, 70),
  ('note',           'crm.notes',           '{content}',               true,  false, false, 80),
  ('api_key',        'crm.api_keys',        '{name}',                  false, false, false, null)
on conflict do nothing;
--! EndIncluded tables/entity_types.sql

-- What no partition is made for is never lost.
create table crm_private.audit_logs_other partition of crm.audit_logs default;
alter table crm_private.audit_logs_other alter column changes set statistics 0;
alter table crm_private.audit_logs_other enable row level security;
comment on table crm_private.audit_logs_other is
  'Audit log entries of a month that has no partition of its own.';

insert into crm_private.settings default values;
insert into crm_private.audit_log_progress default values;

--! split: 040-types.sql
/*
 * Why: what functions take and return.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

--! Included types/bulk_result.sql
do $type$
begin
  if to_regtype('crm_private.bulk_result') is null then
    create type crm_private.bulk_result as (
      created   integer,
      updated   integer,
      deleted   integer,
      unchanged integer,
      faults    jsonb,
      ids       uuid[]
    );
  end if;
end
$type$;

comment on type crm_private.bulk_result is
  'What a bulk write did: how many rows were created, updated, deleted, and left as they were; the '
  'faults, [{"index", "code", "fields"}]; and the ids of the rows in the order of the input, null '
  'where nothing was written.';
--! EndIncluded types/bulk_result.sql
--! Included types/bulk_row.sql
do $type$
begin
  if to_regtype('crm_private.bulk_row') is null then
    create type crm_private.bulk_row as (
      place     integer,
      id        uuid,
      operation text,
      item      jsonb
    );
  end if;
end
$type$;

comment on type crm_private.bulk_row is
  'A row of a bulk write: its place in the input, the row that is meant, what is to be done, and its '
  'columns.';
--! EndIncluded types/bulk_row.sql
--! Included types/company_merge.sql
do $type$
begin
  if to_regtype('crm.company_merge') is null then
    create type crm.company_merge as (
      company_id     uuid,
      transaction_id bigint,
      contacts_moved integer,
      deals_moved    integer,
      tasks_moved    integer,
      notes_moved    integer
    );
  end if;
end
$type$;

comment on type crm.company_merge is
  E'@foreignKey (company_id) references crm.companies (id)|@forwardDescription The company that is left.|@behavior -manyRelation\n'
  'What a merge of companies did.';

comment on column crm.company_merge.company_id is
  E'@notNull\nThe company that is left.';
comment on column crm.company_merge.transaction_id is
  E'@notNull\nThe transaction, by which the audit log has it and it can be undone.';
comment on column crm.company_merge.contacts_moved is
  E'@notNull\nHow many contacts became its own.';
comment on column crm.company_merge.deals_moved is
  E'@notNull\nHow many deals became its own.';
comment on column crm.company_merge.tasks_moved is
  E'@notNull\nHow many tasks became its own.';
comment on column crm.company_merge.notes_moved is
  E'@notNull\nHow many notes became its own.';
--! EndIncluded types/company_merge.sql
--! Included types/contact_merge.sql
do $type$
begin
  if to_regtype('crm.contact_merge') is null then
    create type crm.contact_merge as (
      contact_id     uuid,
      transaction_id bigint,
      deals_moved    integer,
      tasks_moved    integer,
      notes_moved    integer
    );
  end if;
end
$type$;

comment on type crm.contact_merge is
  E'@foreignKey (contact_id) references crm.contacts (id)|@forwardDescription The contact that is left.|@behavior -manyRelation\n'
  'What a merge of contacts did.';

comment on column crm.contact_merge.contact_id is
  E'@notNull\nThe contact that is left.';
comment on column crm.contact_merge.transaction_id is
  E'@notNull\nThe transaction, by which the audit log has it and it can be undone.';
comment on column crm.contact_merge.deals_moved is
  E'@notNull\nHow many deals became its own.';
comment on column crm.contact_merge.tasks_moved is
  E'@notNull\nHow many tasks became its own.';
comment on column crm.contact_merge.notes_moved is
  E'@notNull\nHow many notes became its own.';
--! EndIncluded types/contact_merge.sql
--! Included types/current_row.sql
do $type$
begin
  if to_regtype('crm_private.current_row') is null then
    create type crm_private.current_row as (
      id           uuid,
      version      integer,
      external_ids crm.external_id[]
    );
  end if;
end
$type$;

comment on type crm_private.current_row is 'A row that a bulk write has locked.';
--! EndIncluded types/current_row.sql
--! Included types/custom_field_fault.sql
do $type$
begin
  if to_regtype('crm.custom_field_fault') is null then
    create type crm.custom_field_fault as (
      entity_id uuid,
      value     jsonb,
      message   text
    );
  end if;
end
$type$;

comment on type crm.custom_field_fault is
  'A row that would break a rule of a custom field.';

comment on column crm.custom_field_fault.entity_id is
  E'@notNull\nThe id of the contact, company or deal.';
comment on column crm.custom_field_fault.value is
  'The value of the field; null if the row has none.';
comment on column crm.custom_field_fault.message is
  E'@notNull\nWhat a client would read.';
--! EndIncluded types/custom_field_fault.sql
--! Included types/custom_field_index.sql
do $type$
begin
  if to_regtype('crm.custom_field_index') is null then
    create type crm.custom_field_index as (
      name     text,
      method   text,
      is_valid boolean,
      size     bigint,
      scans    bigint
    );
  end if;
end
$type$;

comment on type crm.custom_field_index is
  'An index on a custom field.';

comment on column crm.custom_field_index.name is
  E'@notNull\nWhat it is called in the schema crm.';
comment on column crm.custom_field_index.method is
  E'@notNull\nbtree, which answers filters by equality and ranges, and sorts; spgist, for long '
  'texts, which answers filters by the whole value or its beginning; or gin, for several '
  'values, which answers filters by what is among them.';
comment on column crm.custom_field_index.is_valid is
  E'@notNull\nFalse while it is being built, and after a build that failed; queries do not use '
  'it then.';
comment on column crm.custom_field_index.size is
  E'@notNull\nIts size in bytes.';
comment on column crm.custom_field_index.scans is
  E'@notNull\nHow many times it has been read since statistics are kept.';
--! EndIncluded types/custom_field_index.sql
--! Included types/duplicate.sql
do $type$
begin
  if to_regtype('crm.duplicate') is null then
    create type crm.duplicate as (
      entity_type     text,
      entity_id       uuid,
      contact_id      uuid,
      company_id      uuid,
      score           double precision,
      reasons         text[],
      email           text,
      phone           text,
      domain          text,
      name_similarity double precision
    );
  end if;
end
$type$;

comment on type crm.duplicate is
  E'@foreignKey (contact_id) references crm.contacts (id)|@forwardDescription The contact that may be the same.|@behavior -manyRelation\n'
  '@foreignKey (company_id) references crm.companies (id)|@forwardDescription The company that may be the same.|@behavior -manyRelation\n'
  'A row that may be the same as another, and why.';

comment on column crm.duplicate.entity_type is
  E'@notNull\ncontact or company.';
comment on column crm.duplicate.entity_id is
  E'@notNull\nThe id of the row that may be the same.';
comment on column crm.duplicate.contact_id is
  'The contact that may be the same, null if it is a company.';
comment on column crm.duplicate.company_id is
  'The company that may be the same, null if it is a contact.';
comment on column crm.duplicate.score is
  E'@notNull\nHow likely it is, from 0 to 1.';
comment on column crm.duplicate.reasons is
  E'@notNull\nWhat both have in common, the strongest first: email, phone, domain, name.';
comment on column crm.duplicate.email is
  'An email address of both, in lower case.';
comment on column crm.duplicate.phone is
  'A phone number of the row that was asked about, which the other one has too, maybe without '
  'country or area code.';
comment on column crm.duplicate.domain is
  'A domain of both: that of their email addresses or, of a company, of its web address.';
comment on column crm.duplicate.name_similarity is
  E'@notNull\nHow alike the names are, from 0 to 1; from 0.5 on it is a reason.';
--! EndIncluded types/duplicate.sql
--! Included types/duplicate_group.sql
do $type$
begin
  if to_regtype('crm.duplicate_group') is null then
    create type crm.duplicate_group as (
      entity_type text,
      size        integer,
      score       double precision,
      reasons     text[],
      ids         uuid[]
    );
  end if;
end
$type$;

comment on type crm.duplicate_group is
  'Rows that may all be the same.';

comment on column crm.duplicate_group.entity_type is
  E'@notNull\ncontact or company.';
comment on column crm.duplicate_group.size is
  E'@notNull\nHow many rows the group has.';
comment on column crm.duplicate_group.score is
  E'@notNull\nHow likely they are the same, from 0 to 1: the mean of the pairs that make the group.';
comment on column crm.duplicate_group.reasons is
  E'@notNull\nWhat holds the group together, the strongest first: email, phone, domain, name.';
comment on column crm.duplicate_group.ids is
  E'@notNull\nThe ids of its rows, of a larger group the first 1,000.';
--! EndIncluded types/duplicate_group.sql
--! Included types/field_value.sql
do $type$
begin
  if to_regtype('crm.field_value') is null then
    create type crm.field_value as (
      value       jsonb,
      valid_from  timestamptz,
      valid_until timestamptz,
      set_by      text,
      source      text,
      entry_id    bigint,
      erased      boolean
    );
  end if;
end
$type$;

comment on type crm.field_value is 'A value that a field had for some time.';

comment on column crm.field_value.value is 'The value, as JSON; null if the field had none.';
comment on column crm.field_value.valid_from is E'@notNull\nWhen it was set.';
comment on column crm.field_value.valid_until is
  'When another one was set, or the row deleted; null if it still holds.';
comment on column crm.field_value.set_by is E'@notNull\nThe user who set it.';
comment on column crm.field_value.source is
  E'@notNull\nWhat it was set through: api, import or sql.';
comment on column crm.field_value.entry_id is
  E'@notNull\nThe id of the audit log entry that tells it.';
comment on column crm.field_value.erased is
  E'@notNull\nTrue if the entry has been erased, so that nobody knows the value any more.';
--! EndIncluded types/field_value.sql
--! Included types/issued_api_key.sql
do $type$
begin
  if to_regtype('crm.issued_api_key') is null then
    create type crm.issued_api_key as (
      key     text,
      api_key crm.api_keys
    );
  end if;
end
$type$;

comment on type crm.issued_api_key is
  'A new API key.';

comment on column crm.issued_api_key.key is
  E'@notNull\nThe key itself, for the header Authorization: Bearer <key>. It is shown here and never again.';
comment on column crm.issued_api_key.api_key is
  E'@notNull\nWhat is kept of it.';
--! EndIncluded types/issued_api_key.sql
--! Included types/audit_log_verdict.sql
do $type$
begin
  if to_regtype('crm.audit_log_verdict') is null then
    create type crm.audit_log_verdict as (
      intact      boolean,
      fault       text,
      entry_id    bigint,
      "timestamp" timestamptz,
      message     text,
      entries     bigint,
      archived    bigint,
      unsealed    bigint,
      kept_since  timestamptz,
      digest      text
    );
  end if;
end
$type$;

comment on type crm.audit_log_verdict is
  'What comparing the audit log with its seals gave.';

comment on column crm.audit_log_verdict.intact is
  E'@notNull\nWhether everything is as it was sealed.';
comment on column crm.audit_log_verdict.fault is
  'What is wrong with the first faulty entry: altered, removed or inserted; or rewritten, if the '
  'seals themselves were changed, or are not those that the digest was taken of.';
comment on column crm.audit_log_verdict.entry_id is
  'The first faulty entry. If the seals were rewritten, the first whose seal is not to be believed.';
comment on column crm.audit_log_verdict."timestamp" is
  'The time of the faulty entry, if it is there.';
comment on column crm.audit_log_verdict.message is
  E'@notNull\nThe verdict in one sentence.';
comment on column crm.audit_log_verdict.entries is
  E'@notNull\nHow many entries were compared, up to the first fault.';
comment on column crm.audit_log_verdict.archived is
  E'@notNull\nHow many sealed entries have been archived, so that they could not be compared.';
comment on column crm.audit_log_verdict.unsealed is
  E'@notNull\nHow many entries have come too lately to be sealed.';
comment on column crm.audit_log_verdict.kept_since is
  'From when on the audit log is kept here; null if nothing was archived.';
comment on column crm.audit_log_verdict.digest is
  E'@notNull\nWhat auditLogDigest gives now.';
--! EndIncluded types/audit_log_verdict.sql
--! Included types/new_deal.sql
do $type$
begin
  if to_regtype('crm.new_deal') is null then
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
      custom_fields jsonb,
      external_ids  crm.external_id[],
      lost_reason   text
    );
  end if;
end
$type$;

comment on type crm.new_deal is
  E'@customFieldsOf deals\nA deal to create: what a client may say of it.';

comment on column crm.new_deal.title is 'Required.';
comment on column crm.new_deal.company_id is 'Required.';
comment on column crm.new_deal.contact_id is 'The person at the company, if any.';
comment on column crm.new_deal.value is 'Required: at most two decimals.';
comment on column crm.new_deal.currency is 'USD, if not given.';
comment on column crm.new_deal.stage is 'Required: the name of a pipeline stage.';
comment on column crm.new_deal.probability is 'That of the stage, if not given.';
comment on column crm.new_deal.close_date is 'The day on which it is expected to close.';
comment on column crm.new_deal.owner_id is 'The user who is responsible, if anybody is.';
comment on column crm.new_deal.custom_fields is 'None, if not given.';
comment on column crm.new_deal.external_ids is 'None, if not given.';
comment on column crm.new_deal.lost_reason is 'Why it was lost, if it was.';
--! EndIncluded types/new_deal.sql
--! Included types/new_task.sql
do $type$
begin
  if to_regtype('crm.new_task') is null then
    create type crm.new_task as (
      description  text,
      due_date     date,
      assigned_to  text,
      status       text,
      external_ids crm.external_id[]
    );
  end if;
end
$type$;

comment on type crm.new_task is 'A task to create with the entity that it is attached to.';

comment on column crm.new_task.description is 'Required.';
comment on column crm.new_task.due_date is 'The day by which it is to be done.';
comment on column crm.new_task.assigned_to is 'The user who is to do it.';
comment on column crm.new_task.status is 'open, if not given.';
comment on column crm.new_task.external_ids is 'None, if not given.';
--! EndIncluded types/new_task.sql
--! Included types/pipeline_stage_total.sql
do $type$
begin
  if to_regtype('crm.pipeline_stage_total') is null then
    create type crm.pipeline_stage_total as (
      stage                  text,
      "position"             integer,
      count                  bigint,
      value                  numeric,
      value_by_currency      jsonb,
      value_in_base_currency numeric,
      stage_id               uuid,
      stage_then             text
    );
  end if;
end
$type$;

comment on type crm.pipeline_stage_total is 'What a stage of the pipeline held at an instant.';

comment on column crm.pipeline_stage_total.stage is
  E'@notNull\nThe name that the stage has now, whatever it was called then; of one that is gone, the last.';
comment on column crm.pipeline_stage_total."position" is
  'The place that the stage had then, the first being the lowest.';
comment on column crm.pipeline_stage_total.count is E'@notNull\nHow many deals were in it.';
comment on column crm.pipeline_stage_total.value is
  'The sum of their values. Null where they are in more than one currency.';
comment on column crm.pipeline_stage_total.value_by_currency is
  E'@notNull\nThe sum of their values in each currency, as {"EUR": 10.00}.';
comment on column crm.pipeline_stage_total.value_in_base_currency is
  'The sum of their values in the base currency, at the rates of the day. Null where a currency has none.';
comment on column crm.pipeline_stage_total.stage_id is
  'The id of the stage. Null if the audit log does not tell it any more.';
comment on column crm.pipeline_stage_total.stage_then is
  E'@notNull\nThe name that the stage had then.';
--! EndIncluded types/pipeline_stage_total.sql
--! Included types/reversal.sql
do $type$
begin
  if to_regtype('crm.reversal') is null then
    create type crm.reversal as (
      transaction_id bigint,
      restored       bigint,
      changed        bigint,
      deleted        bigint,
      kept           jsonb,
      kept_count     bigint
    );
  end if;
end
$type$;

comment on type crm.reversal is 'What was done to undo something, or to restore it.';

comment on column crm.reversal.transaction_id is
  E'@notNull\nThe transaction that did it, and by which it can be undone.';
comment on column crm.reversal.restored is E'@notNull\nHow many rows were brought back.';
comment on column crm.reversal.changed is E'@notNull\nHow many rows had fields put back.';
comment on column crm.reversal.deleted is E'@notNull\nHow many rows were deleted.';
comment on column crm.reversal.kept is
  E'@notNull\nWhat is not as it was before: what was changed since and left as it is, what has no place '
  'any more, and what leads elsewhere now. entityType, entityId, field, expected, found, changedBy and '
  'changedAt of each. At most 1,000; keptCount has the number of all.';
comment on column crm.reversal.kept_count is
  E'@notNull\nHow much is not as it was before, also where kept has not all of it.';
--! EndIncluded types/reversal.sql
--! Included types/conflict_resolution.sql
do $type$
begin
  if to_regtype('crm.conflict_resolution') is null then
    create type crm.conflict_resolution as enum ('REFUSE', 'SKIP', 'FORCE');
  end if;
end
$type$;

comment on type crm.conflict_resolution is
  'What an undo does where something was changed since. REFUSE: nothing at all, and the answer says what '
  'was changed, and by whom. SKIP: it leaves that as it is, and undoes the rest. FORCE: it overwrites, '
  'for administrators.';
--! EndIncluded types/conflict_resolution.sql
--! Included types/row_fault.sql
do $type$
begin
  if to_regtype('crm_private.row_fault') is null then
    create type crm_private.row_fault as (
      place    integer,
      code     text,
      fields   jsonb,
      readable boolean
    );
  end if;
end
$type$;

comment on type crm_private.row_fault is
  'What is wrong with a row of a bulk write; not readable, if the row cannot be asked its other '
  'faults.';
--! EndIncluded types/row_fault.sql
--! Included types/search_hit.sql
do $type$
begin
  if to_regtype('crm.search_hit') is null then
    create type crm.search_hit as (
      entity_type text,
      entity_id   uuid,
      rank        double precision,
      extract     text,
      contact_id  uuid,
      company_id  uuid,
      deal_id     uuid,
      task_id     uuid,
      note_id     uuid,
      place       integer
    );
  end if;
end
$type$;

comment on type crm.search_hit is
  E'@foreignKey (contact_id) references crm.contacts (id)\n'
  '@foreignKey (company_id) references crm.companies (id)\n'
  '@foreignKey (deal_id) references crm.deals (id)\n'
  '@foreignKey (task_id) references crm.tasks (id)\n'
  '@foreignKey (note_id) references crm.notes (id)\n'
  'Something that search found: one of contact, company, deal, task and note has it.';

comment on column crm.search_hit.entity_type is
  E'@notNull\nWhat was found: contact, company, deal, task or note.';
comment on column crm.search_hit.entity_id is
  E'@notNull\nThe id of what was found.';
comment on column crm.search_hit.rank is
  E'@notNull\nHow well it matches, between 0 and 1: the best hit has the highest.';
comment on column crm.search_hit.extract is
  E'@notNull\nA passage with what was looked for, as HTML: <mark> around the words that were found, '
  'and no other markup, since what the data holds is escaped.';
comment on column crm.search_hit.contact_id is
  'The id of the contact, if it is one.';
comment on column crm.search_hit.company_id is
  'The id of the company, if it is one.';
comment on column crm.search_hit.deal_id is
  'The id of the deal, if it is one.';
comment on column crm.search_hit.task_id is
  'The id of the task, if it is one.';
comment on column crm.search_hit.note_id is
  'The id of the note, if it is one.';
comment on column crm.search_hit.place is
  E'@notNull\nIts place among the hits: 1 for the best.';
--! EndIncluded types/search_hit.sql
--! Included types/written_row.sql
do $type$
begin
  if to_regtype('crm_private.written_row') is null then
    create type crm_private.written_row as (
      place     integer,
      id        uuid,
      operation text,
      changed   boolean
    );
  end if;
end
$type$;

comment on type crm_private.written_row is
  'A row that a bulk write wrote: its place in the input, its id, what was done, and whether that '
  'changed anything.';
--! EndIncluded types/written_row.sql
--! Included types/bulk_outcome.sql
do $type$
begin
  if to_regtype('crm_private.bulk_outcome') is null then
    create type crm_private.bulk_outcome as (
      rows      crm_private.bulk_row[],
      written   crm_private.written_row[],
      faults    crm_private.row_fault[],
      is_undone boolean
    );
  end if;
end
$type$;

comment on type crm_private.bulk_outcome is
  'What an attempt of a bulk write did: the rows that were meant, those written, and the faults.';
--! EndIncluded types/bulk_outcome.sql

--! split: 050-functions.sql
/*
 * Why: everything that is done by SQL. A function in the language sql comes after what it calls.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

--! Included views/crm_private/entity_links.sql
/*
 * How entities refer to each other: the foreign keys by which a row is deleted with another, or loses its
 * link. Of tasks and notes a client writes entity_id; the columns that carry the keys are generated from it.
 */
create or replace view crm_private.entity_links as
  select
    child.entity_type,
    case attribute.attgenerated when '' then attribute.attname else 'entity_id' end as field,
    attribute.attname      as key,
    parent.entity_type     as target_type,
    con.confdeltype = 'n'  as is_severed,
    child.entity_table,
    parent.entity_table    as target_table
  from pg_constraint as con
  join pg_attribute as attribute
    on attribute.attrelid = con.conrelid and con.conkey = array[attribute.attnum]
  join crm_private.entity_types as child on child.entity_table = con.conrelid
  join crm_private.entity_types as parent on parent.entity_table = con.confrelid
  where con.contype = 'f'
    and con.confdeltype in ('c', 'n');

comment on view crm_private.entity_links is
  'The links between entities, by the foreign keys that cascade or are severed.';

grant select on crm_private.entity_links to crm_member;
--! EndIncluded views/crm_private/entity_links.sql
--! Included functions/common/compile_entity_lookups.sql
/*
 * Compiles what is asked of rows and entries of any entity type, from the catalogue and the foreign keys:
 * crm_private.is_there, crm_private.is_mergeable, crm_private.is_reversible, crm_private.takes_others,
 * crm_private.deleted_label, crm_private.cascade_parent and crm_private.cleared_reference. They are asked for each
 * row of the trash, each entry that is undone, and by the policy of the audit log, so none of them reads the
 * catalogue.
 *
 * Call it in the migration that adds a foreign key between entities; a test finds where that was forgotten.
 * Called by crm_private.register_entity.
 */
create or replace function crm_private.compile_entity_lookups()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_lookup record;
begin
  for v_lookup in
    -- A function, because PostgreSQL would hash whole tables to answer a policy's subqueries, and plan
    -- each of them for every partition; this asks a primary key at a time.
    select
      'is_there' as name, 'p_entity_type text, p_entity_id uuid' as arguments, 'boolean' as result,
      'stable' as volatility, 'crm_reader' as role,
      'True if the entity is there and the caller can read it. Compiled.' as description,
      E'  case p_entity_type\n' || string_agg(
        format(
          E'    when %L then\n      return exists (select from %s where id = p_entity_id);\n',
          entity_type, entity_table
        ),
        '' order by restore_order
      ) || E'    else\n      return false;\n  end case;' as body
    from crm_private.entity_types
    where restore_order is not null

    union all

    select
      listed.name, 'p_entity_type text', 'boolean', 'immutable', listed.role, listed.description,
      format('  return coalesce(p_entity_type = any (%L::text[]), false);', listed.types)
    from (
      values
        (
          'is_mergeable', 'crm_reader', 'Whether rows of an entity type can be merged. Compiled.',
          array(
            select entity_type from crm_private.entity_types
            where is_mergeable
            order by restore_order
          )
        ),
        (
          'is_reversible', 'crm_member',
          'Whether what was done to an entity of a type can be undone. Compiled.',
          array(
            select entity_type from crm_private.entity_types
            where restore_order is not null
            order by restore_order
          )
        ),
        (
          'takes_others', 'crm_member',
          'Whether the deletion of such an entity can delete or change others. Compiled.',
          array(select distinct target_type from crm_private.entity_links order by target_type)
        )
    ) as listed (name, role, description, types)

    union all

    select
      'deleted_label', 'p_entity_type text, p_changes jsonb', 'text', 'immutable', 'crm_member',
      'What people recognise a deleted row by. Compiled.',
      E'  return left(case p_entity_type\n' || string_agg(
        format(E'    when %L then %s\n', entity_type, label), '' order by restore_order
      ) || E'  end, 100);'
    from (
      select
        entity_type, restore_order,
        (
          select string_agg(format('(p_changes ->> %L)', name), E' || \' \' || ' order by place)
          from unnest(label_columns) with ordinality as label (name, place)
        ) as label
      from crm_private.entity_types
    ) as labelled

    union all

    select
      'cascade_parent', 'p_entity_type text, p_changes jsonb', 'uuid', 'immutable', 'crm_member',
      'The row with which a row is deleted, by an entry of its deletion; null if there is none. Compiled.',
      E'  return case p_entity_type\n' || string_agg(
        format(E'    when %L then coalesce(%s)\n', entity_type, parents), '' order by entity_type
      ) || E'  end::uuid;'
    from (
      select entity_type, string_agg(distinct format('p_changes ->> %L', field), ', ') as parents
      from crm_private.entity_links
      where not is_severed
      group by entity_type
    ) as child

    union all

    select
      'cleared_reference', 'p_entity_type text, p_changes jsonb', 'uuid', 'immutable', 'crm_member',
      'The row whose deletion made an update that set a link to null; null if it was none. Compiled.',
      E'  return case\n' || string_agg(
        format(
          E'    when p_entity_type = %L and p_changes #> %L = ''null''\n    then p_changes #>> %L\n',
          entity_type, array[field, 'new'], array[field, 'old']
        ),
        '' order by entity_type, field
      ) || E'  end::uuid;'
    from crm_private.entity_links
    where is_severed
  loop
    execute format(
      'create or replace function crm_private.%I(%s) returns %s language plpgsql %s parallel safe '
      'set search_path = pg_catalog, pg_temp as %L',
      v_lookup.name, v_lookup.arguments, v_lookup.result, v_lookup.volatility,
      E'begin\n' || v_lookup.body || E'\nend'
    );
    execute format(
      'comment on function crm_private.%I is %L', v_lookup.name, v_lookup.description
    );
    execute format('revoke all on function crm_private.%I from public', v_lookup.name);
    execute format('grant execute on function crm_private.%I to %I', v_lookup.name, v_lookup.role);
  end loop;
end
$$;

comment on function crm_private.compile_entity_lookups() is
  'Makes the functions that are asked of rows of any entity type, compiled from the catalogue.';

revoke all on function crm_private.compile_entity_lookups() from public;

select crm_private.compile_entity_lookups();
--! EndIncluded functions/common/compile_entity_lookups.sql
--! Included functions/common/entity_table.sql
/* The table of an entity type: contact is crm.contacts. Null if nothing is called so. */
create or replace function crm_private.entity_table(p_entity_type text)
returns regclass
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select entity_table from crm_private.entity_types where entity_type = p_entity_type;
$$;

comment on function crm_private.entity_table(text) is
  'The table of an entity type, null if there is no such type.';

revoke all on function crm_private.entity_table(text) from public;
grant execute on function crm_private.entity_table(text) to crm_reader;
--! EndIncluded functions/common/entity_table.sql
--! Included functions/audit_log/lock_seals.sql
/*
 * Keeps others from sealing the audit log, and from changing what is sealed, until the transaction ends:
 * one at a time seals, erases, purges, archives or makes partitions. Gives whether it was had; with
 * p_waits false it does not wait for another one. On a standby, and in a transaction that is read only or
 * has a snapshot of its own, it is not had, and nothing of this can be done.
 *
 * It is the lock on a row that nobody but the owner can lock. Anybody could hold an advisory lock.
 */
create or replace function crm_private.lock_seals(p_waits boolean default true)
returns boolean
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if pg_is_in_recovery()
    or current_setting('transaction_read_only')::boolean
    or current_setting('transaction_isolation') <> 'read committed'
  then
    return false;
  end if;

  if p_waits then
    perform from crm_private.audit_log_progress for update;
  else
    perform from crm_private.audit_log_progress for update skip locked;
  end if;
  return found;
end
$$;

comment on function crm_private.lock_seals(boolean) is
  'Keeps others from sealing the audit log, and from changing what is sealed.';

revoke all on function crm_private.lock_seals(boolean) from public;
--! EndIncluded functions/audit_log/lock_seals.sql
--! Included functions/common/applied_migrations.sql
/*
 * The hashes of the migrations that this database has run, in order. The server compares them with
 * its own to say whether it is ready. Security definer: crm_migrations belongs to the owner. Its body is not
 * looked into when it is made: a shadow database has no such schema.
 */
create or replace function crm_private.applied_migrations()
returns setof text
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query select hash from crm_migrations.migrations order by filename;
end
$$;

comment on function crm_private.applied_migrations() is
  'The hashes of the migrations that this database has run, in order.';

revoke all on function crm_private.applied_migrations() from public;
grant execute on function crm_private.applied_migrations() to crm_server;
--! EndIncluded functions/common/applied_migrations.sql
--! Included functions/custom_fields/apply_indexes.sql
/*
 * Makes the indexes of one entity type follow its definitions: that of a deleted one goes, and comes
 * back with it; that of one whose value is another expression now, because of its type or its name, is
 * made anew. p_old and
 * p_new hold the definitions before and after the statement. Called by
 * crm_private.definitions_changed when the rows hold what the definitions say.
 *
 * To drop an index keeps readers waiting, too, so it comes last; and whoever has been reading for
 * three seconds is not waited for.
 */
create or replace function crm_private.apply_indexes(
  p_entity_type text,
  p_old         crm.custom_field_definitions[],
  p_new         crm.custom_field_definitions[]
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '3s'
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_changes text;
begin
  insert into crm_private.dropped_indexes (definition_id)
  select old_row.id
  from unnest(p_old) as old_row
  cross join crm.custom_field_definitions_index(old_row) as index
  where old_row.entity_type = p_entity_type
    and index.name is not null
    and not exists (select from unnest(p_new) as new_row where new_row.id = old_row.id)
  on conflict do nothing;

  with back as (
    delete from crm_private.dropped_indexes as dropped
    using unnest(p_new) as new_row
    where dropped.definition_id = new_row.id
      and new_row.entity_type = p_entity_type
    returning crm_private.custom_field_index_statement(new_row) as statement
  )
  select string_agg(back.statement, '; ')
    || format('; analyze %s', crm_private.entity_table(p_entity_type))
  into v_changes
  from back;

  if v_changes is not null then
    execute v_changes;
  end if;

  select string_agg(
    format('drop index crm.%I; ', (index).name)
      || case when new_row.id is null then ''
        else crm_private.custom_field_index_statement(new_row)
      end,
    '; ' order by old_row.id
  ) || case when bool_or(new_row.id is not null)
    then format('; analyze %s', crm_private.entity_table(p_entity_type)) else ''
  end
  into v_changes
  from unnest(p_old) as old_row
  left join unnest(p_new) as new_row using (id)
  cross join crm.custom_field_definitions_index(old_row) as index
  where old_row.entity_type = p_entity_type
    and (index).name is not null
    and case when new_row.id is null then true
      else crm_private.custom_field_index_statement(new_row)
        <> crm_private.custom_field_index_statement(old_row)
    end;

  if v_changes is not null then
    execute v_changes;
  end if;
end
$$;

comment on function crm_private.apply_indexes(
  text, crm.custom_field_definitions[], crm.custom_field_definitions[]
) is
  'Makes the indexes of the custom fields of an entity type follow their definitions.';

revoke all on function crm_private.apply_indexes(
  text, crm.custom_field_definitions[], crm.custom_field_definitions[]
) from public;
--! EndIncluded functions/custom_fields/apply_indexes.sql
--! Included functions/audit_log/archive_audit_log.sql
/*
 * Detaches the months of the audit log that ended before a time and gives their tables, for the owner to
 * dump and drop. An audit log entry says which entries they held, so that crm.verify_audit_log
 * tells them from entries that somebody removed, and from when on the audit log is kept.
 *
 * Refuses a time later than this month's beginning, and months that are not all sealed.
 */
create or replace function crm_private.archive_audit_log(p_before timestamptz)
returns setof regclass
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_month    record;
  v_ids      int8multirange := '{}'::int8multirange;
  v_sealed   bigint;
  v_unsealed bigint;
  v_tables   text[] := '{}'::text[];
  v_until    timestamptz;
begin
  perform crm_private.refuse_old_snapshot('archive_audit_log');
  perform crm_private.lock_seals();
  perform crm_private.seal_audit_log();

  if p_before > date_trunc('month', now() at time zone 'UTC') at time zone 'UTC' then
    raise exception 'archive_audit_log: % is after the beginning of this month', p_before
      using errcode = 'invalid_parameter_value',
            schema  = 'crm', table = 'audit_logs',
            hint    = 'A month can be archived when it is over.';
  end if;

  perform crm_private.ensure_audit_partitions();
  v_sealed := (select sealed_to from crm_private.audit_log_progress);

  for v_month in
    select child.oid::regclass as partition, child.ends
    from (
      select
        class.oid,
        (to_date(right(class.relname, 7), 'YYYY_MM') + interval '1 month') at time zone 'UTC' as ends
      from pg_inherits
      join pg_class as class on class.oid = inhrelid
      where inhparent = 'crm.audit_logs'::regclass and class.relname ~ '^audit_logs_\d{4}_\d{2}$'
    ) as child
    where child.ends <= p_before
    order by child.ends
  loop
    execute format('select count(*) from %s where id > $1', v_month.partition)
    into v_unsealed using v_sealed;
    if v_unsealed > 0 then
      raise exception 'archive_audit_log: % has % entries that are not sealed yet',
          v_month.partition, v_unsealed
        using errcode = 'object_in_use',
              schema  = 'crm', table = 'audit_logs',
              hint    = 'Try again when the transactions that run now have ended.';
    end if;

    -- The ids in as few ranges as they fall into among those that were sealed.
    execute format(
      $ids$
        select $1 + coalesce(range_agg(int8range(first, last, '[]')), '{}')
        from (
          select min(id) as first, max(id) as last
          from (
            select
              seal.id,
              entry.id is not null as goes,
              row_number() over (order by seal.id)
                - row_number() over (partition by entry.id is not null order by seal.id) as island
            from crm_private.audit_log_blocks as block
            cross join lateral unnest(block.ids) as seal (id)
            left join %1$s as entry on entry.id = seal.id
            where block.last_id >= (select min(id) from %1$s)
              and block.ids[1] <= (select max(id) from %1$s)
          ) as sealed
          where goes
          group by island
        ) as island
      $ids$,
      v_month.partition
    ) into v_ids using v_ids;

    execute format('alter table crm.audit_logs detach partition %s', v_month.partition);
    v_tables := v_tables || v_month.partition::text;
    v_until  := v_month.ends;
  end loop;

  if v_until is not null then
    perform crm_private.log_event(
      'audit_log', 'archive',
      jsonb_build_object(
        'before', v_until,
        'tables', v_tables,
        'ids', (crm_private.archived_entries() + v_ids)::text
      ),
      clock_timestamp()
    );
  end if;

  return query select name::regclass from unnest(v_tables) as name;
end
$$;

comment on function crm_private.archive_audit_log(timestamptz) is
  'Detaches the months of the audit log that ended before a time; gives their tables.';

revoke all on function crm_private.archive_audit_log(timestamptz) from public;
--! EndIncluded functions/audit_log/archive_audit_log.sql
--! Included functions/audit_log/archived_entries.sql
/*
 * The ids of the entries that are no longer in the audit log because their months were archived. The
 * last entry of crm_private.archive_audit_log has them all.
 */
create or replace function crm_private.archived_entries()
returns int8multirange
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    (
      select (audit_log.changes ->> 'ids')::int8multirange
      from crm.audit_logs as audit_log
      where audit_log.entity_id = '00000000-0000-0000-0000-000000000000'
        and audit_log.action = 'archive'
      order by audit_log.id desc
      limit 1
    ),
    '{}'
  );
$$;

comment on function crm_private.archived_entries() is
  'The ids of the entries that were archived.';

revoke all on function crm_private.archived_entries() from public;
--! EndIncluded functions/audit_log/archived_entries.sql
--! Included functions/custom_fields/are_choices.sql
/*
 * True if a JSON value is a list of one or more different texts, each of them one of the choices; null
 * for no value. The rule of a multi_enum field.
 */
create or replace function crm_private.are_choices(value jsonb, choices jsonb)
returns boolean
language sql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select case
    when jsonb_typeof(value) <> 'array' then false
    -- Compared with each choice, so a list that is too long is not looked into.
    when jsonb_array_length(value) not between 1 and jsonb_array_length(choices) then false
    else value <@ choices and (
      select count(*) = count(distinct element) from jsonb_array_elements(value) as element
    )
  end;
$$;

comment on function crm_private.are_choices(jsonb, jsonb) is
  'True if the JSON value is a list of one or more different choices.';

revoke all on function crm_private.are_choices(jsonb, jsonb) from public;
grant execute on function crm_private.are_choices(jsonb, jsonb) to crm_member;
--! EndIncluded functions/custom_fields/are_choices.sql
--! Included functions/access/authenticate_api_key.sql
/*
 * Who a request with an API key speaks for, asked by the server at each request, so that revocation
 * and expiry hold at once. No row if no key has this hash; no role, but the reason for the log, if
 * the key is not good any more. It takes the hash, so that no key comes near the database's logs,
 * and answers about a key only whoever holds it.
 *
 * A use is noted at most once a minute, and never waited for: not where another request is just
 * noting it, nor for the disk, nor where the database takes no writes. It is no change of the row:
 * neither version nor audit log tell of it.
 *
 * Security definer: the server's login role reads no table.
 */
create or replace function crm_private.authenticate_api_key(p_key_hash bytea)
returns table (user_id text, role text, fault text)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_api_key crm.api_keys;
begin
  select api_key.* into v_api_key
  from crm_private.api_key_hashes as hash
  join crm.api_keys as api_key on api_key.id = hash.api_key_id
  where hash.key_hash = p_key_hash;

  if not found then
    return;
  end if;

  user_id := 'key:' || v_api_key.name;
  if v_api_key.revoked_at is not null then
    fault := 'was revoked';
  elsif v_api_key.expires_at <= now() then
    fault := 'has expired';
  else
    role := v_api_key.role;
    if coalesce(v_api_key.last_used_at < now() - interval '1 minute', true)
      and current_setting('transaction_read_only') = 'off'
    then
      perform set_config('synchronous_commit', 'off', true);
      update crm.api_keys as api_key
      set last_used_at = now()
      from (
        select free.id
        from crm.api_keys as free
        where free.id = v_api_key.id
        for no key update skip locked
      ) as free
      where api_key.id = free.id;
    end if;
  end if;
  return next;
end
$$;

comment on function crm_private.authenticate_api_key(bytea) is
  'Who a request with an API key of this SHA-256 speaks for, and whether the key is good.';

revoke all on function crm_private.authenticate_api_key(bytea) from public;
grant execute on function crm_private.authenticate_api_key(bytea) to crm_server;
--! EndIncluded functions/access/authenticate_api_key.sql
--! Included functions/deals/base_currency.sql
/* The setting. Security definer: the table of settings is the owner's. */
create or replace function crm_private.base_currency()
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select base_currency from crm_private.settings;
$$;

comment on function crm_private.base_currency() is
  'What crm.base_currency calls, with the rights of the owner.';

revoke all on function crm_private.base_currency() from public;
grant execute on function crm_private.base_currency() to crm_reader;

create or replace function crm.base_currency()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.base_currency();
$$;

comment on function crm.base_currency() is
  E'@notNull\nThe currency that exchange rates are in, as an ISO 4217 code.';

revoke all on function crm.base_currency() from public;
grant execute on function crm.base_currency() to crm_reader;
--! EndIncluded functions/deals/base_currency.sql
--! Included functions/audit_log/block_hash.sql
/*
 * The hash of a block of sealed entries. It holds the hash of the block before, so whoever changes
 * one has to change all that follow. Salts are left out: erasure takes them away.
 */
create or replace function crm_private.block_hash(
  previous  bytea,
  number    bigint,
  sealed_at timestamptz,
  ids       bigint[],
  digests   bytea[]
)
returns bytea
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return sha256(
    previous || int8send(number) || timestamptz_send(sealed_at) || array_send(ids)
    || array_send(digests)
  );
end
$$;

comment on function crm_private.block_hash(bytea, bigint, timestamptz, bigint[], bytea[]) is
  'SHA-256 of a block of sealed entries and of the hash of the block before it.';

revoke all on function crm_private.block_hash(bytea, bigint, timestamptz, bigint[], bytea[])
  from public;
--! EndIncluded functions/audit_log/block_hash.sql
--! Included functions/audit_log/broken_block.sql
/*
 * The number of the first block that is not as it was made: it is missing, it does not fit the block
 * before it, its hash is not that of its content, or the auditor's digest was taken of another. Null
 * if the chain holds. A digest of a block that does not exist yet gives the number after the last.
 */
create or replace function crm_private.broken_block(p_digest text)
returns bigint
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with block as (
    select
      number, last_id, sealed_at, ids, digests, previous, hash,
      lag(number, 1, 0::bigint) over in_order as number_before,
      lag(hash, 1, decode(repeat('00', 32), 'hex')) over in_order as hash_before
    from crm_private.audit_log_blocks
    window in_order as (order by number)
  )
  select least(
    (
      select number_before + 1
      from block
      where (number, previous, last_id, hash) is distinct from (
        number_before + 1,
        hash_before,
        ids[cardinality(ids)],
        crm_private.block_hash(previous, number, sealed_at, ids, digests)
      )
      order by number
      limit 1
    ),
    (
      select least(kept.number, (select count(*) + 1 from block))
      from (
        select
          split_part(p_digest, '-', 1)::bigint as number,
          decode(split_part(p_digest, '-', 2), 'hex') as hash
        where p_digest is not null
      ) as kept
      where kept.number > 0
        and not exists (
          select from block where block.number = kept.number and block.hash = kept.hash
        )
    )
  );
$$;

comment on function crm_private.broken_block(text) is
  'The number of the first block that is not as it was made, or not as the digest says.';

revoke all on function crm_private.broken_block(text) from public;
--! EndIncluded functions/audit_log/broken_block.sql
--! Included functions/deals/amounts_by_currency.sql
/*
 * The sum, average, min or max of amounts, for each of their currencies: a list of objects with currency
 * and amount, which is a text, so that no digit is lost in JSON. Called by the API beside an aggregate
 * of all amounts, which is null where they are in several currencies.
 */
create or replace function crm_private.amounts_by_currency(
  p_operation  text,
  p_amounts    numeric[],
  p_currencies text[]
)
returns jsonb
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce(
    (
      select jsonb_agg(
        jsonb_build_object('currency', totals.currency, 'amount', totals.amount::text)
        order by totals.currency collate "C"
      )
      from (
        select
          input.currency,
          case p_operation
            when 'sum'     then sum(input.amount)
            when 'average' then avg(input.amount)
            when 'min'     then min(input.amount)
            when 'max'     then max(input.amount)
          end as amount
        from unnest(p_amounts, p_currencies) as input (amount, currency)
        group by input.currency
      ) as totals
    ),
    '[]'
  );
end
$$;

comment on function crm_private.amounts_by_currency(text, numeric[], text[]) is
  'The sum, average, min or max of amounts for each of their currencies.';

revoke all on function crm_private.amounts_by_currency(text, numeric[], text[]) from public;
grant execute on function crm_private.amounts_by_currency(text, numeric[], text[]) to crm_reader;
--! EndIncluded functions/deals/amounts_by_currency.sql
--! Included functions/access/calling_role.sql
/*
 * The role that a statement runs as, also within a security definer function, where current_user is
 * its owner. Whoever sets the role must be a member of it, so it can be believed.
 */
create or replace function crm_private.calling_role()
returns name
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce(nullif(current_setting('role'), 'none')::name, session_user);
end
$$;

comment on function crm_private.calling_role() is
  'The role that the statement runs as, also within a security definer function.';

revoke all on function crm_private.calling_role() from public;
grant execute on function crm_private.calling_role() to crm_reader;
--! EndIncluded functions/access/calling_role.sql
--! Included functions/common/camel_case.sql
/*
 * first_name -> firstName: from a column's name to the name that clients of the API know.
 * Called where an error names its fields.
 */
create or replace function crm_private.camel_case(name text)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return left(name, 1) || right(replace(initcap(replace(name, '_', ' ')), ' ', ''), -1);
end
$$;

comment on function crm_private.camel_case(text) is
  'The name a client of the API knows a column by: first_name becomes firstName.';

revoke all on function crm_private.camel_case(text) from public;
grant execute on function crm_private.camel_case(text) to crm_reader;
--! EndIncluded functions/common/camel_case.sql
--! Included functions/undo/conflict.sql
/* What an undo answers of a field that is not what it was expected to be, or is not put back. */
create or replace function crm_private.conflict(
  p_entity_type text,
  p_entity_id   uuid,
  p_field       text,
  p_expected    jsonb,
  p_found       jsonb,
  p_changed_by  text,
  p_changed_at  timestamptz
)
returns jsonb
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'entityType', p_entity_type,
    'entityId', p_entity_id,
    'field', case
      when p_field like 'custom\_fields.%' then 'customFields.' || substr(p_field, 15)
      else crm_private.camel_case(p_field)
    end,
    'expected', p_expected,
    'found', p_found,
    'changedBy', p_changed_by,
    'changedAt', to_char(p_changed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')
  );
$$;

comment on function crm_private.conflict(text, uuid, text, jsonb, jsonb, text, timestamptz) is
  'What an undo answers of a field that is not as expected, or is not put back.';

revoke all on function crm_private.conflict(text, uuid, text, jsonb, jsonb, text, timestamptz)
  from public;
--! EndIncluded functions/undo/conflict.sql
--! Included functions/history/name_as_of.sql
/*
 * How the definition of a custom field or a pipeline stage was called when an audit log entry was
 * written; null if it came later. The first time it was renamed since tells.
 */
create or replace function crm_private.name_as_of(
  p_entity_type text,
  p_id          uuid,
  p_name        text,
  p_entry_id    bigint
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when (array_agg(log.action order by log.id))[1] = 'create' and min(log.id) > p_entry_id then null
    else coalesce(
      (
        array_agg(log.changes #>> '{name,old}' order by log.id) filter (
          where log.action = 'update' and log.changes ? 'name' and log.id > p_entry_id
        )
      )[1],
      p_name
    )
  end
  from crm.audit_logs as log
  where log.entity_id = p_id
    and log.entity_type = p_entity_type;
$$;

comment on function crm_private.name_as_of(text, uuid, text, bigint) is
  'How a definition or a stage was called when an audit log entry was written.';

revoke all on function crm_private.name_as_of(text, uuid, text, bigint) from public;
--! EndIncluded functions/history/name_as_of.sql
--! Included functions/history/renamed_values.sql
/*
 * What the values of an enum were called since an audit log entry was written, in order: those that
 * crm.rename_custom_field_value renamed, or an undo of it. Such a transaction lets both names in first
 * and then takes the old one out, and leaves the new one in its place.
 */
create or replace function crm_private.renamed_values(p_definition_id uuid, p_entry_id bigint)
returns table (old_value text, new_value text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select old_list.value, new_list.value
  from (
    select
      min(log.id) as first_id,
      (array_agg(log.changes #> '{enum_values,old}' order by log.id))[1]      as before,
      (array_agg(log.changes #> '{enum_values,new}' order by log.id desc))[1] as after
    from crm.audit_logs as log
    where log.entity_id = p_definition_id
      and log.entity_type = 'custom_field_definition'
      and log.action = 'update'
      and log.id > p_entry_id
      and jsonb_typeof(log.changes #> '{enum_values,old}') = 'array'
      and jsonb_typeof(log.changes #> '{enum_values,new}') = 'array'
    group by log.transaction_id
    having count(*) > 1
  ) as change
  cross join lateral jsonb_array_elements_text(change.before)
    with ordinality as old_list (value, place)
  join lateral jsonb_array_elements_text(change.after)
    with ordinality as new_list (value, place) on new_list.place = old_list.place
  where jsonb_array_length(change.before) = jsonb_array_length(change.after)
    and old_list.value <> new_list.value
    and not change.after ? old_list.value
    and not change.before ? new_list.value
  order by change.first_id;
$$;

comment on function crm_private.renamed_values(uuid, bigint) is
  'Which values of an enum were renamed since an audit log entry, in order.';

revoke all on function crm_private.renamed_values(uuid, bigint) from public;
--! EndIncluded functions/history/renamed_values.sql
--! Included functions/undo/with_value.sql
/* An object in which a value of a member has another name, or of a list one of its elements. */
create or replace function crm_private.with_value(
  p_object jsonb,
  p_key    text,
  p_old    text,
  p_new    text
)
returns jsonb
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_object -> p_key = to_jsonb(p_old) then p_object || jsonb_build_object(p_key, p_new)
    when jsonb_typeof(p_object -> p_key) = 'array' then p_object || jsonb_build_object(
      p_key,
      (
        select coalesce(
          jsonb_agg(
            case when element = to_jsonb(p_old) then to_jsonb(p_new) else element end order by place
          ),
          '[]'
        )
        from jsonb_array_elements(p_object -> p_key) with ordinality as listed (element, place)
      )
    )
    else p_object
  end;
$$;

comment on function crm_private.with_value(jsonb, text, text, text) is
  'An object in which a value of a member has another name.';

revoke all on function crm_private.with_value(jsonb, text, text, text) from public;
--! EndIncluded functions/undo/with_value.sql
--! Included functions/undo/follow_definitions.sql
/*
 * Makes the custom fields of a planned reversal follow what became of their definitions since: fields and
 * values of enums that were renamed have their new names. What has no place any more is left out: the
 * values of a definition that is gone, values that a definition does not allow any more, and those of a
 * unique field that another row has. Gives what was left out, as crm_private.conflict has it.
 *
 * Definitions that are reversed themselves are left alone: rows and definitions go back together.
 */
create or replace function crm_private.follow_definitions()
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off, performance_warnings = off
declare
  v_xid    bigint := pg_current_xact_id()::text::bigint;
  v_told   jsonb  := '[]'::jsonb;
  v_more   jsonb;
  v_field  record;
  v_d      crm.custom_field_definitions;
  v_old    text;
  v_new    text;
  v_value  record;
  v_cause  record;
begin
  for v_field in
    select
      planned.entity_type,
      substr(key.name, 15) as name,
      min((planned.undoes -> 'entries' ->> 0)::bigint) as entry_id
    from crm_private.reversals as planned
    cross join lateral (
      select jsonb_object_keys(coalesce(planned.before, '{}') || coalesce(planned.after, '{}'))
    ) as key (name)
    where planned.transaction_id = v_xid
      and key.name like 'custom\_fields.%'
    group by planned.entity_type, key.name
    order by planned.entity_type, key.name
  loop
    -- The definition that had the name then; if that is gone, one that has it now.
    select definition.* into v_d
    from crm.custom_field_definitions as definition
    cross join lateral crm_private.name_as_of(
      'custom_field_definition', definition.id, definition.name, v_field.entry_id
    ) as was (name)
    where definition.entity_type = v_field.entity_type
      and v_field.name in (was.name, definition.name)
    order by (was.name is not distinct from v_field.name) desc
    limit 1;

    continue when exists (
      select
      from crm_private.reversals as planned
      where planned.transaction_id = v_xid
        and planned.entity_type = 'custom_field_definition'
        and (
          planned.entity_id = v_d.id
          or (
            v_field.entity_type in (planned.before ->> 'entity_type', planned.after ->> 'entity_type')
            and v_field.name in (planned.before ->> 'name', planned.after ->> 'name')
          )
        )
    );

    v_old := 'custom_fields.' || v_field.name;
    v_new := 'custom_fields.' || coalesce(v_d.name, v_field.name);

    if v_new <> v_old then
      update crm_private.reversals as planned
      set
        before = case
          when planned.before ? v_old
          then planned.before - v_old || jsonb_build_object(v_new, planned.before -> v_old)
          else planned.before
        end,
        after = case
          when planned.after ? v_old
          then planned.after - v_old || jsonb_build_object(v_new, planned.after -> v_old)
          else planned.after
        end
      where planned.transaction_id = v_xid
        and planned.entity_type = v_field.entity_type
        and (planned.before ? v_old or planned.after ? v_old);
    end if;

    for v_value in
      select * from crm_private.renamed_values(v_d.id, v_field.entry_id)
    loop
      update crm_private.reversals as planned
      set
        before = crm_private.with_value(planned.before, v_new, v_value.old_value, v_value.new_value),
        after  = crm_private.with_value(planned.after, v_new, v_value.old_value, v_value.new_value)
      where planned.transaction_id = v_xid
        and planned.entity_type = v_field.entity_type
        and (
          planned.before -> v_new ? v_value.old_value
          or planned.after -> v_new ? v_value.old_value
        );
    end loop;

    -- Who made it so is who changed the definition last, or deleted it.
    select log.user_id, log."timestamp" into v_cause
    from crm.audit_logs as log
    where log.entity_type = 'custom_field_definition'
      and log.entity_id = coalesce(v_d.id, (
        select gone.entity_id
        from crm.audit_logs as gone
        where gone.entity_type = 'custom_field_definition'
          and gone.action = 'delete'
          and gone.changes ->> 'name' = v_field.name
          and gone.changes ->> 'entity_type' = v_field.entity_type
        order by gone.id desc
        limit 1
      ))
    order by log.id desc
    limit 1;

    execute format(
      $query$
      with planned as (
        select
          planned.entity_type, planned.entity_id, planned.before, planned.after,
          planned.before -> $2 as value,
          jsonb_build_object($3, planned.before -> $2) as custom_fields
        from crm_private.reversals as planned
        where planned.transaction_id = $1
          and planned.entity_type = $4
          and planned.before -> $2 <> 'null'
      ),
      fitted as (
        select planned.*, %1$s as fit
        from planned
      ),
      misfit as (
        select fitted.*
        from fitted
        where fitted.fit is distinct from fitted.value
      ),
      changed as (
        update crm_private.reversals as target
        set
          before = case
            when misfit.fit is not null
            then misfit.before || jsonb_build_object($2, misfit.fit)
            when misfit.after is null and $7 is not null
            then misfit.before || jsonb_build_object($2, $7)
            else misfit.before - $2
          end,
          after = case when misfit.fit is null then misfit.after - $2 else misfit.after end
        from misfit
        where target.transaction_id = $1
          and target.entity_type = misfit.entity_type
          and target.entity_id = misfit.entity_id
      )
      select coalesce(jsonb_agg(
        crm_private.conflict(
          misfit.entity_type, misfit.entity_id, $2, misfit.value,
          coalesce(
            misfit.fit,
            case when misfit.after is null then $7 else record.custom_fields -> $3 end,
            'null'
          ),
          $5, $6
        )
        order by misfit.entity_id
      ), '[]')
      from misfit
      left join %2$s as record on record.id = misfit.entity_id
      $query$,
      case
        when v_d.id is null then 'null::jsonb'
        when v_d.field_type = 'multi_enum' then format(
          $fit$(
            select case jsonb_typeof(planned.value) when 'array' then jsonb_agg(listed.element order by listed.place) end
            from jsonb_array_elements(
              case jsonb_typeof(planned.value) when 'array' then planned.value else '[]' end
            ) with ordinality as listed (element, place)
            where %L::jsonb ? (listed.element #>> '{}')
          )$fit$,
          to_jsonb(v_d.enum_values)
        )
        else format(
          'case when (%s)%s then planned.value end',
          crm_private.custom_field_condition(v_d),
          case when v_d.is_unique then format(
            ' and not exists (
              select from %s as taken
              where taken.custom_fields -> %L = planned.value
                and taken.id <> planned.entity_id
                and not exists (
                  select from crm_private.reversals as also
                  where also.transaction_id = $1
                    and also.entity_type = planned.entity_type
                    and also.entity_id = taken.id
                )
            )',
            crm_private.entity_table(v_field.entity_type), v_d.name
          ) else '' end
        )
      end,
      crm_private.entity_table(v_field.entity_type)
    ) into v_more using
      v_xid, v_new, coalesce(v_d.name, v_field.name), v_field.entity_type,
      v_cause.user_id, v_cause."timestamp",
      case when v_d.required then v_d.default_value end;

    v_told := v_told || v_more;

    -- Of a definition that is gone nothing is expected either.
    if v_d.id is null then
      update crm_private.reversals as planned
      set before = planned.before - v_new, after = planned.after - v_new
      where planned.transaction_id = v_xid
        and planned.entity_type = v_field.entity_type
        and planned.before ? v_new
        and planned.after is not null;
    end if;
  end loop;

  return v_told;
end
$$;

comment on function crm_private.follow_definitions() is
  'Makes a planned reversal follow what became of custom fields; gives what was left out.';

revoke all on function crm_private.follow_definitions() from public;
--! EndIncluded functions/undo/follow_definitions.sql
--! Included functions/undo/follow_external_ids.sql
/*
 * Takes the external ids out of a planned reversal that belong to another row by now. A row that is part
 * of the reversal may give its own up. Gives what was left out, as crm_private.conflict has it.
 */
create or replace function crm_private.follow_external_ids(p_entity_type text)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_xid  bigint := pg_current_xact_id()::text::bigint;
  v_told jsonb;
begin
  with taken as materialized (
    select planned.entity_id, own.external_id, held.entity_id as holder_id
    from crm_private.reversals as planned
    cross join lateral jsonb_array_elements(
      case jsonb_typeof(planned.before -> 'external_ids')
        when 'array' then planned.before -> 'external_ids' else '[]'
      end
    ) as own (external_id)
    join crm_private.external_ids as held
      on held.entity_type = p_entity_type
      and held.source = own.external_id ->> 'source'
      and held.id = own.external_id ->> 'id'
    where planned.transaction_id = v_xid
      and planned.entity_type = p_entity_type
      and held.entity_id <> planned.entity_id
      and not exists (
        select
        from crm_private.reversals as also
        where also.transaction_id = v_xid
          and also.entity_type = p_entity_type
          and also.entity_id = held.entity_id
      )
  ),
  lists as (
    select
      planned.entity_id,
      planned.before -> 'external_ids' as expected,
      coalesce(
        (
          select jsonb_agg(own.external_id order by own.place)
          from jsonb_array_elements(planned.before -> 'external_ids')
            with ordinality as own (external_id, place)
          where own.external_id not in (
            select taken.external_id from taken where taken.entity_id = planned.entity_id
          )
        ),
        '[]'
      ) as left_over,
      (select min(taken.holder_id::text)::uuid from taken where taken.entity_id = planned.entity_id)
        as holder_id
    from crm_private.reversals as planned
    where planned.transaction_id = v_xid
      and planned.entity_type = p_entity_type
      and planned.entity_id in (select taken.entity_id from taken)
  ),
  changed as (
    update crm_private.reversals as planned
    set before = planned.before || jsonb_build_object('external_ids', lists.left_over)
    from lists
    where planned.transaction_id = v_xid
      and planned.entity_type = p_entity_type
      and planned.entity_id = lists.entity_id
  )
  select coalesce(jsonb_agg(
    crm_private.conflict(
      p_entity_type, lists.entity_id, 'external_ids', lists.expected, lists.left_over,
      cause.user_id, cause."timestamp"
    )
    order by lists.entity_id
  ), '[]')
  into v_told
  from lists
  left join lateral (
    select log.user_id, log."timestamp"
    from crm.audit_logs as log
    where log.entity_id = lists.holder_id
      and log.entity_type = p_entity_type
      and (log.action <> 'update' or log.changes ? 'external_ids')
    order by log.id desc
    limit 1
  ) as cause on true;

  return v_told;
end
$$;

comment on function crm_private.follow_external_ids(text) is
  'Takes external ids out of a planned reversal that belong to another row by now.';

revoke all on function crm_private.follow_external_ids(text) from public;
--! EndIncluded functions/undo/follow_external_ids.sql
--! Included functions/undo/follow_links.sql
/*
 * Makes the links of an entity type in a planned reversal follow what became of the rows that they lead
 * to. One that was merged stands for the one that is left. One that is gone does what it would have done
 * had the row been there: a link on delete set null is null; a row on delete cascade does not come back,
 * and one that is there keeps the link that it has. Gives what is not as it was, as
 * crm_private.conflict has it. What is left is kept from being deleted until the transaction ends.
 *
 * A reversal of which nothing would be left is not made empty: its foreign key refuses it.
 */
create or replace function crm_private.follow_links(p_entity_type text)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of others, in which names are quoted already; that they write cannot be told.
-- @plpgsql_check_options: security_warnings = off, performance_warnings = off
declare
  v_xid    bigint   := pg_current_xact_id()::text::bigint;
  v_table  regclass := crm_private.entity_table(p_entity_type);
  v_told   jsonb    := '[]'::jsonb;
  v_more   jsonb;
  v_link   record;
begin
  for v_link in
    select link.field, link.target_type, link.is_severed, link.target_table as target
    from crm_private.entity_links as link
    join crm_private.entity_types as target on target.entity_type = link.target_type
    where link.entity_type = p_entity_type
    order by target.restore_order, link.field
  loop
    -- What they lead to stays, in the order in which all lock it.
    execute format(
      $query$
      select from %s as target
      where target.id in (
        select coalesce(crm_private.merged_into($3, (planned.before ->> $4)::uuid), (planned.before ->> $4)::uuid)
        from crm_private.reversals as planned
        where planned.transaction_id = $1
          and planned.entity_type = $2
          and planned.before ->> $4 is not null
      )
      order by target.id
      for key share
      $query$,
      v_link.target
    ) using v_xid, p_entity_type, v_link.target_type, v_link.field;

    execute format(
      $query$
      with link as (
        select
          planned.entity_id, planned.after is null as comes_back,
          (planned.before ->> $4)::uuid as target_id, to_jsonb(record) -> $4 as present
        from crm_private.reversals as planned
        left join %1$s as record on record.id = planned.entity_id
        where planned.transaction_id = $1
          and planned.entity_type = $2
          and planned.before ->> $4 is not null
          and (
            $4 <> 'entity_id'
            or coalesce(planned.before ->> 'entity_type', to_jsonb(record) ->> 'entity_type') = $3
          )
      ),
      loose as (
        select
          link.*,
          (
            select target.id from %2$s as target
            where target.id = crm_private.merged_into($3, link.target_id)
          ) as winner_id
        from link
        where not exists (select from %2$s as target where target.id = link.target_id)
          and not exists (
            select from crm_private.reversals as also
            where also.transaction_id = $1
              and also.entity_type = $3
              and also.entity_id = link.target_id
              and also.after is null
              and also.before ? 'id'
          )
      ),
      dropped as (
        delete from crm_private.reversals as planned
        using loose
        where planned.transaction_id = $1
          and planned.entity_type = $2
          and planned.entity_id = loose.entity_id
          and loose.comes_back
          and loose.winner_id is null
          and not $5
          and exists (
            select from crm_private.reversals as also
            where also.transaction_id = $1
              and not (
                also.entity_type = $2
                and also.entity_id in (
                  select other.entity_id from loose as other
                  where other.comes_back and other.winner_id is null
                )
              )
              and (
                crm_private.cascade_parent(also.entity_type, also.before) in (
                  select other.entity_id from loose as other
                  where other.comes_back and other.winner_id is null
                )
              ) is not true
          )
        returning planned.entity_id
      ),
      led as (
        update crm_private.reversals as planned
        set
          before = case
            when loose.winner_id is not null or $5
            then planned.before || jsonb_build_object($4, loose.winner_id)
            else planned.before - array[$4, 'entity_type']
          end,
          after = case
            when loose.winner_id is not null or $5 then planned.after
            else planned.after - array[$4, 'entity_type']
          end
        from loose
        where planned.transaction_id = $1
          and planned.entity_type = $2
          and planned.entity_id = loose.entity_id
          and (loose.winner_id is not null or $5 or not loose.comes_back)
        returning planned.entity_id
      )
      select coalesce(jsonb_agg(
        crm_private.conflict(
          $2, loose.entity_id, $4, to_jsonb(loose.target_id),
          coalesce(
            to_jsonb(loose.winner_id),
            case when not loose.comes_back and not $5 then loose.present end,
            'null'
          ),
          cause.user_id, cause."timestamp"
        )
        order by loose.entity_id
      ), '[]')
      from loose
      left join lateral (
        select log.user_id, log."timestamp"
        from crm.audit_logs as log
        where log.entity_id = loose.target_id
          and log.entity_type = $3
          and log.action <> 'erase'
        order by log.id desc
        limit 1
      ) as cause on true
      where loose.entity_id in (select entity_id from dropped union all select entity_id from led)
      $query$,
      v_table, v_link.target
    ) into v_more using v_xid, p_entity_type, v_link.target_type, v_link.field, v_link.is_severed;

    v_told := v_told || v_more;
  end loop;

  return v_told;
end
$$;

comment on function crm_private.follow_links(text) is
  'Makes the links of a planned reversal follow what became of their rows; gives what is not as it was.';

revoke all on function crm_private.follow_links(text) from public;
--! EndIncluded functions/undo/follow_links.sql
--! Included functions/undo/follow_stages.sql
/*
 * Makes the stages of deals in a planned reversal follow their pipeline: one that was renamed since has
 * its new name. A deal that comes back and whose stage is gone begins again at the first open one; one
 * that is there stays where it is. Gives what is not as it was, as crm_private.conflict has it.
 *
 * Stages that are reversed themselves are left alone: deals and stages go back together.
 */
create or replace function crm_private.follow_stages()
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_xid    bigint := pg_current_xact_id()::text::bigint;
  v_told   jsonb  := '[]'::jsonb;
  v_more   jsonb;
  v_stage  record;
  v_name   text;
  v_first  text;
  v_cause  record;
begin
  for v_stage in
    select
      told.name,
      min((planned.undoes -> 'entries' ->> 0)::bigint) as entry_id
    from crm_private.reversals as planned
    cross join lateral (
      values (planned.before ->> 'stage'), (planned.after ->> 'stage')
    ) as told (name)
    where planned.transaction_id = v_xid
      and planned.entity_type = 'deal'
      and told.name is not null
      and not exists (
        select
        from crm_private.reversals as also
        where also.transaction_id = v_xid
          and also.entity_type = 'pipeline_stage'
          and told.name in (also.before ->> 'name', also.after ->> 'name')
      )
    group by told.name
  loop
    select stage.name into v_name
    from crm.pipeline_stages as stage
    cross join lateral crm_private.name_as_of(
      'pipeline_stage', stage.id, stage.name, v_stage.entry_id
    ) as was (name)
    where v_stage.name in (was.name, stage.name)
    order by (was.name is not distinct from v_stage.name) desc
    limit 1;

    if v_name is not null then
      update crm_private.reversals as planned
      set
        before = case planned.before ->> 'stage'
          when v_stage.name then planned.before || jsonb_build_object('stage', v_name)
          else planned.before
        end,
        after = case planned.after ->> 'stage'
          when v_stage.name then planned.after || jsonb_build_object('stage', v_name)
          else planned.after
        end
      where planned.transaction_id = v_xid
        and planned.entity_type = 'deal'
        and v_name <> v_stage.name
        and v_stage.name in (planned.before ->> 'stage', planned.after ->> 'stage');
      continue;
    end if;

    select log.user_id, log."timestamp" into v_cause
    from crm.audit_logs as log
    where log.entity_type = 'pipeline_stage'
      and log.action = 'delete'
      and log.changes ->> 'name' = v_stage.name
    order by log.id desc
    limit 1;

    v_first := (
      select stage.name
      from crm.pipeline_stages as stage
      order by stage.kind <> 'open', stage.position, stage.name
      limit 1
    );

    with gone as (
      select planned.entity_id, planned.after is null as comes_back, record.stage as present
      from crm_private.reversals as planned
      left join crm.deals as record on record.id = planned.entity_id
      where planned.transaction_id = v_xid
        and planned.entity_type = 'deal'
        and planned.before ->> 'stage' = v_stage.name
    ),
    changed as (
      update crm_private.reversals as planned
      set
        before = case
          when gone.comes_back then planned.before || jsonb_build_object('stage', v_first)
          else planned.before - 'stage'
        end,
        after = planned.after - 'stage'
      from gone
      where planned.transaction_id = v_xid
        and planned.entity_type = 'deal'
        and planned.entity_id = gone.entity_id
    )
    select coalesce(jsonb_agg(
      crm_private.conflict(
        'deal', gone.entity_id, 'stage', to_jsonb(v_stage.name),
        to_jsonb(case when gone.comes_back then v_first else gone.present end),
        v_cause.user_id, v_cause."timestamp"
      )
      order by gone.entity_id
    ), '[]')
    into v_more
    from gone;

    v_told := v_told || v_more;
  end loop;

  return v_told;
end
$$;

comment on function crm_private.follow_stages() is
  'Makes a planned reversal follow what became of stages; gives what is not as it was.';

revoke all on function crm_private.follow_stages() from public;
--! EndIncluded functions/undo/follow_stages.sql
--! Included functions/undo/carry_out_reversal.sql
/*
 * Carries out what is planned in crm_private.reversals, all of it or nothing, in a few statements for
 * each entity type however many rows there are. Called by the functions of the API that undo and restore,
 * which run as the owner of the audit log: so it checks what the caller may do by hand.
 *
 * 1. Locks the rows, in one order always.
 * 2. Makes the plan follow what became meanwhile of what it refers to: crm_private.follow_links,
 *    follow_stages, follow_definitions, follow_external_ids. What is not as it was by that is reported.
 * 3. Compares the rows with what is expected. Where they differ, by what p_on_conflict says: it is
 *    refused with CRM02 and a list of the conflicts; what differs stays as it is and is reported; or it
 *    is overwritten.
 * 4. Brings back rows, those first that others refer to; puts fields back; takes rows away. Every rule
 *    and trigger holds as for any write. The audit log's triggers find in the plan what each row undoes.
 *
 * Definitions of custom fields come first where rows need them, last where rows must lose their values
 * first: the reverse of how it was done.
 */
create or replace function crm_private.carry_out_reversal(p_on_conflict crm.conflict_resolution)
returns crm.reversal
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_xid        bigint  := pg_current_xact_id()::text::bigint;
  v_force      boolean := p_on_conflict = 'FORCE';
  v_skip       boolean := p_on_conflict = 'SKIP';
  v_most       integer := 1000; -- of what is reported
  v_told       jsonb   := '[]'::jsonb;
  v_types      text[];
  v_records    text[];
  v_table      regclass;
  v_type       text;
  v_missing    text;
  v_conflicts  jsonb  := '[]'::jsonb;
  v_count      bigint := 0::bigint;
  v_inserted   bigint := 0::bigint;
  v_step       record;
  v_constraint text;
  v_result     crm.reversal;
begin
  -- Nobody can undo what they could not do.
  select format('%s on crm.%I', needed.operation, class.relname)
  into v_missing
  from (
    select distinct
      planned.entity_type,
      case
        when planned.before is null then 'delete' when planned.after is null then 'insert' else 'update'
      end as operation,
      case
        when planned.before is not null and planned.after is not null
        then split_part(field.name, '.', 1)
      end as column_name
    from crm_private.reversals as planned
    left join lateral jsonb_object_keys(planned.before) as field (name)
      on planned.after is not null
    where planned.transaction_id = v_xid
  ) as needed
  join pg_class as class on class.oid = crm_private.entity_table(needed.entity_type)
  where case
    when needed.operation = 'delete'
    then not has_table_privilege(crm_private.calling_role(), class.oid, 'delete')
    when needed.operation = 'insert'
    then not has_any_column_privilege(crm_private.calling_role(), class.oid, 'insert')
    -- What nobody may write, the database sets: it follows from the rest.
    when needed.column_name = any (crm_private.logged_columns(class.oid))
      and has_column_privilege('crm_admin', class.oid, needed.column_name, 'update')
    then not has_column_privilege(
      crm_private.calling_role(), class.oid, needed.column_name, 'update'
    )
    else false
  end
  limit 1;

  if v_missing is not null or (v_force and not crm_private.is_administrator()) then
    raise exception 'this needs the right to %', coalesce(v_missing, 'overwrite later changes')
      using errcode = 'insufficient_privilege',
            schema  = 'crm', table = 'audit_logs';
  end if;

  if v_force then
    update crm_private.reversals
    set undoes = undoes || '{"forced": true}'
    where transaction_id = v_xid;
  end if;

  -- What others refer to comes first.
  select
    array_agg(type.entity_type order by type.restore_order),
    array_agg(type.entity_type order by type.restore_order) filter (where type.is_record)
  into v_types, v_records
  from crm_private.entity_types as type
  where type.entity_type in (
    select entity_type from crm_private.reversals where transaction_id = v_xid
  );

  -- A change of definitions stops the writers of a table. It must not begin with locked rows.
  for v_table in
    select type.entity_table
    from crm_private.entity_types as type
    where exists (
      select
      from crm_private.reversals
      where transaction_id = v_xid
        and entity_type = 'custom_field_definition'
        and type.entity_type in (before ->> 'entity_type', after ->> 'entity_type', (
          select definition.entity_type
          from crm.custom_field_definitions as definition
          where definition.id = reversals.entity_id
        ))
    )
    order by type.restore_order
  loop
    execute format('lock table %s in share row exclusive mode', v_table);
  end loop;

  v_told := crm_private.follow_definitions() || crm_private.follow_stages();

  foreach v_type in array coalesce(v_types, '{}')
  loop
    execute format(
      'select from %s
       where id in (
         select entity_id from crm_private.reversals
         where transaction_id = $1 and entity_type = $2
       )
       order by id
       for update',
      crm_private.entity_table(v_type)
    ) using v_xid, v_type;

    if v_type = any (v_records) then
      v_told := v_told
        || crm_private.follow_links(v_type)
        || crm_private.follow_external_ids(v_type);
    end if;
  end loop;

  if not v_force then
    select settled.count, settled.conflicts
    into v_count, v_conflicts
    from crm_private.settle_conflicts(v_types, v_skip, case when v_skip then v_most else 100 end)
      as settled;
  end if;

  if v_count > 0 and not v_skip then
    perform crm_private.refuse_conflicts(v_count, v_conflicts);
  end if;

  select
    v_xid,
    count(*) filter (where after is null),
    count(*) filter (where before is not null and after is not null and before <> '{}'),
    count(*) filter (where before is null),
    jsonb_path_query_array(v_told || v_conflicts, format('$[0 to %s]', v_most - 1)::jsonpath),
    jsonb_array_length(v_told) + v_count
  into v_result
  from crm_private.reversals
  where transaction_id = v_xid;

  -- A link to a row that goes is severed by that, so that restoring the row brings the link back too.
  -- The rows that go are hashed once, however many there were when this was planned.
  update crm_private.reversals as planned
  set before = planned.before - link.field
  from crm_private.entity_links as link
  where planned.transaction_id = v_xid
    and link.is_severed
    and planned.entity_type = link.entity_type
    and planned.before -> link.field = 'null'
    and (
      planned.after ->> link.field in (
        select going.entity_id::text
        from crm_private.reversals as going
        where going.transaction_id = v_xid
          and going.before is null
      )
    ) is true;

  -- The audit log and the stamps look into the plan for as long as this says so.
  perform set_config('crm.reversing', v_xid::text, true);

  begin
    -- An external id may go from one row to another, step by step.
    set constraints crm_private.external_ids_pkey deferred;

    for v_step in
      select step.place, step.operation, type.entity_type
      from (
        values
          (1, 'insert',  '{setting,definition}'),
          (2, 'prepare', '{definition}'),
          (3, 'update',  '{setting}'),
          (4, 'delete',  '{definition}'),
          (5, 'insert',  '{record}'),
          (6, 'update',  '{record}'),
          (7, 'delete',  '{record}'),
          (8, 'update',  '{definition}'),
          (9, 'delete',  '{setting}')
      ) as step (place, operation, kinds)
      join crm_private.entity_types as type
        on case
          when type.is_record then 'record'
          when type.entity_type = 'custom_field_definition' then 'definition'
          else 'setting'
        end = any (step.kinds::text[])
      where type.entity_type = any (v_types)
      order by step.place, type.restore_order
    loop
      -- While rows change, two may have the same value of a unique field.
      perform crm_private.defer_unique(v_step.place between 5 and 7);
      v_count := crm_private.reverse_rows(v_step.entity_type, v_step.operation);
      v_inserted := v_inserted + case v_step.operation when 'insert' then v_count else 0 end;
    end loop;

    foreach v_type in array coalesce(v_records, '{}')
    loop
      perform crm_private.settle_external_ids(v_type, array(
        select entity_id from crm_private.reversals
        where transaction_id = v_xid and entity_type = v_type
      ));
    end loop;

    perform crm_private.defer_unique(false);
  exception
    when foreign_key_violation then
      get stacked diagnostics v_constraint = constraint_name;
      perform crm_private.refuse_broken_link(v_constraint);
      raise;
  end;

  -- Somebody brought one back between the comparison and the insert.
  if v_inserted < v_result.restored and not v_force then
    perform crm_private.refuse_conflicts(v_result.restored - v_inserted, '[]');
  end if;

  -- A merge has ended when the winner has given back what it had of the loser.
  update crm_private.merges
  set ended_at = clock_timestamp()
  where ended_in = v_xid
    and loser_id in (
      select planned.entity_id
      from crm_private.reversals as planned
      where planned.transaction_id = v_xid
    );

  -- Losers that had come back and go again are part of the winner again.
  insert into crm_private.merges (entity_type, loser_id, winner_id, merged_at)
  select merge.entity_type, merge.loser_id, merge.winner_id, now()
  from crm_private.reversals as planned
  join crm_private.merges as merge
    on merge.loser_id = planned.entity_id
    and merge.entity_type = planned.entity_type
    and merge.ended_at is not null
  where planned.transaction_id = v_xid
    and planned.before is null
    and exists (
      select
      from crm.audit_logs as undone
      where undone.entity_id = planned.entity_id
        and undone.id = (planned.undoes -> 'entries' ->> 0)::bigint
        and undone.transaction_id = merge.ended_in
    )
  on conflict do nothing;

  perform set_config('crm.reversing', '', true);
  delete from crm_private.reversals where transaction_id = v_xid;

  return v_result;
end
$$;

comment on function crm_private.carry_out_reversal(crm.conflict_resolution) is
  'Carries out a planned reversal: all of it, or nothing.';

revoke all on function crm_private.carry_out_reversal(crm.conflict_resolution) from public;
--! EndIncluded functions/undo/carry_out_reversal.sql
--! Included functions/custom_fields/check_custom_field_rule.sql
/*
 * The rows that a rule would break, before it is made: the definition as it is, changed by what is
 * given. A row comes once for each fault. Where the type changes, only what is given holds beside it.
 * What is given is checked as a definition is.
 *
 * Security definer: it reads rows whatever policies hide of them, as a change of the definition does.
 */
create or replace function crm_private.check_custom_field_rule(
  entity_type text,
  name        text,
  field_type  text    default null,
  enum_values text[]  default null,
  required    boolean default null,
  minimum     text    default null,
  maximum     text    default null,
  max_length  integer default null,
  pattern     text    default null,
  is_unique   boolean default null
)
returns setof crm.custom_field_fault
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Its statement is made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off, extra_warnings = off
declare
  v_table      regclass;
  v_present    crm.custom_field_definitions;
  v_definition crm.custom_field_definitions;
begin
  select * into v_present
  from crm.custom_field_definitions as definition
  where definition.entity_type = check_custom_field_rule.entity_type
    and definition.name = check_custom_field_rule.name;

  v_definition := case
    when v_present.id is null then jsonb_populate_record(
      null::crm.custom_field_definitions,
      jsonb_build_object(
        'id', gen_random_uuid(), 'entity_type', entity_type, 'name', name, 'label', '-',
        'required', false, 'is_unique', false, 'version', 1, 'created_at', now(),
        'updated_at', now(), 'created_by', '-', 'updated_by', '-'
      )
    )
    when field_type <> v_present.field_type then jsonb_populate_record(
      v_present,
      '{"minimum": null, "maximum": null, "max_length": null, "pattern": null, "is_unique": false}'
        || case
          when field_type in ('enum', 'multi_enum') then '{}' else '{"enum_values": null}'::jsonb
        end
    )
    else v_present
  end;

  -- A default is for new rows.
  v_definition := jsonb_populate_record(
    v_definition,
    jsonb_strip_nulls(jsonb_build_object(
      'field_type', field_type, 'enum_values', enum_values, 'required', required,
      'minimum', minimum, 'maximum', maximum, 'max_length', max_length, 'pattern', pattern,
      'is_unique', is_unique
    )) || '{"default_value": null}'
  );

  perform crm_private.refuse_faults('crm.custom_field_definitions', to_jsonb(v_definition));
  v_table := crm_private.entity_table(entity_type);

  return query execute (
    select format(
      $query$
        select fault.id, fault.custom_fields -> $1, fault.message
        from (
          select record.id, record.custom_fields, asked.ordinal, asked.message
          from %1$s as record
          cross join lateral (values %2$s) as asked (ordinal, message, holds)
          where not asked.holds

          union all

          select held.id, held.custom_fields, 9, 'is not unique'
          from (
            select record.*, count(*) over (partition by record.custom_fields -> $1) as times
            from %1$s as record
            where record.custom_fields ? $1
          ) as held
          where $2 and held.times > 1
        ) as fault
        order by fault.id, fault.ordinal
      $query$,
      v_table,
      string_agg(format('(%s, %L, %s)', asked.ordinal, asked.message, asked.condition), ', ')
    )
    from crm_private.custom_field_checks(v_definition) as asked
  ) using name, v_definition.is_unique;
end
$$;

comment on function crm_private.check_custom_field_rule(
  text, text, text, text[], boolean, text, text, integer, text, boolean
) is
  'What crm.check_custom_field_rule calls, with the rights of the owner.';

revoke all on function crm_private.check_custom_field_rule(
  text, text, text, text[], boolean, text, text, integer, text, boolean
) from public;
grant execute on function crm_private.check_custom_field_rule(
  text, text, text, text[], boolean, text, text, integer, text, boolean
) to crm_admin;

create or replace function crm.check_custom_field_rule(
  entity_type text,
  name        text,
  field_type  text    default null,
  enum_values text[]  default null,
  required    boolean default null,
  minimum     text    default null,
  maximum     text    default null,
  max_length  integer default null,
  pattern     text    default null,
  is_unique   boolean default null
)
returns setof crm.custom_field_fault
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select * from crm_private.check_custom_field_rule(
  entity_type, name, field_type, enum_values, required, minimum, maximum, max_length, pattern, is_unique
);
$$;

comment on function crm.check_custom_field_rule(
  text, text, text, text[], boolean, text, text, integer, text, boolean
) is
  'The rows that would break a rule of a custom field, before it is changed so: once for each fault. '
  'What is not given stays as the definition has it; with another fieldType only what is given holds. '
  'For a field that is not defined yet fieldType must be input. For administrators.';

revoke all on function crm.check_custom_field_rule(
  text, text, text, text[], boolean, text, text, integer, text, boolean
) from public;
grant execute on function crm.check_custom_field_rule(
  text, text, text, text[], boolean, text, text, integer, text, boolean
) to crm_admin;
--! EndIncluded functions/custom_fields/check_custom_field_rule.sql
--! Included functions/audit_log/check_audit_log.sql
/*
 * Compares the audit log with its seals and, if it is given, with a digest that was kept elsewhere; names
 * the first entry that is not as it was sealed. crm.verify_audit_log and the command line call it, after
 * sealing. Refuses a digest that cannot be one.
 *
 * First the blocks by themselves. What stands before the first that is broken can be relied on: its
 * entries are compared, a hundred blocks at a time, so that memory does not grow with the audit log.
 */
create or replace function crm_private.check_audit_log(p_digest text default null)
returns crm.audit_log_verdict
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  c_blocks  constant bigint := 100::bigint; -- at a time
  v_verdict crm.audit_log_verdict;
  v_broken  bigint;
  v_blocks  bigint;
  v_first   bigint := 1::bigint;
  v_part    record;
begin
  if p_digest !~ '^\d{1,18}-[0-9a-f]{64}$' then
    raise exception 'verify_audit_log: % is not a digest that audit_log_digest gives',
        left(to_json(p_digest)::text, 80)
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'digest',
            constraint = 'verify_audit_log_digest_format',
            detail     = '{"digest": ["is not one that auditLogDigest gives"]}';
  end if;

  v_verdict.digest     := crm_private.last_digest();
  v_verdict.entries    := 0;
  v_verdict.archived   := 0;
  v_verdict.kept_since := crm.audit_log_kept_since();
  v_verdict.unsealed   := (
    select count(*)
    from crm.audit_logs as audit_log
    where audit_log.id > coalesce(
      (select max(last_id) from crm_private.audit_log_blocks), -9223372036854775808
    )
  );

  v_broken := crm_private.broken_block(p_digest);
  v_blocks := coalesce(
    v_broken - 1, (select max(number) from crm_private.audit_log_blocks), 0
  );

  while v_first <= v_blocks loop
    select * into v_part
    from crm_private.compare_entries(v_first, least(v_first + c_blocks - 1, v_blocks));

    v_verdict.entries  := v_verdict.entries + v_part.entries;
    v_verdict.archived := v_verdict.archived + v_part.archived;

    if v_part.fault is not null then
      v_verdict.fault       := v_part.fault;
      v_verdict.entry_id    := v_part.entry_id;
      v_verdict."timestamp" := (
        select min(audit_log."timestamp")
        from crm.audit_logs as audit_log
        where audit_log.id = v_part.entry_id
      );
      v_verdict.message := format(
        case v_part.fault
          when 'altered'  then 'Entry %s is not as it was sealed.'
          when 'removed'  then 'Entry %s was sealed and is gone.'
          when 'inserted' then 'Entry %s was put in where nothing was sealed.'
        end,
        v_part.entry_id
      );
      exit;
    end if;
    v_first := v_first + c_blocks;
  end loop;

  if v_verdict.fault is null and v_broken is not null then
    v_verdict.fault    := 'rewritten';
    v_verdict.entry_id := (
      select last_id + 1 from crm_private.audit_log_blocks where number = v_broken - 1
    );
    v_verdict.entry_id := coalesce(v_verdict.entry_id, 1);
    v_verdict.message  := format(
      'The seals from block %s on, of the entries from %s on, are not those that were made.',
      v_broken, v_verdict.entry_id
    );
  end if;

  v_verdict.intact  := v_verdict.fault is null;
  v_verdict.message := coalesce(
    v_verdict.message, format('All %s sealed entries are as they were.', v_verdict.entries)
  );
  return v_verdict;
end
$$;

comment on function crm_private.check_audit_log(text) is
  'Compares the audit log with its seals; names the first entry that is not as it was.';

revoke all on function crm_private.check_audit_log(text) from public;
--! EndIncluded functions/audit_log/check_audit_log.sql
--! Included functions/merge/check_merge.sql
/*
 * Refuses what cannot be merged, with all faults at once, and gives the chosen fields by column.
 * Called by crm_private.merge_rows.
 *
 * A field may be called as the API calls it or as its column is called, and is one that a member may
 * set in an update. A value of another type than the column's is refused here, in the words of the
 * typed layer; what jsonb_populate_record would make of it, nobody meant.
 */
create or replace function crm_private.check_merge(
  p_table  regclass,
  p_winner uuid,
  p_losers uuid[],
  p_fields jsonb
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table  text := (select relname::text from pg_class where oid = p_table);
  v_chosen jsonb;
  v_faults jsonb;
begin
  with input as (
    select member.key, member.value, settable.attname, settable.atttypid
    from jsonb_each(case jsonb_typeof(p_fields) when 'object' then p_fields end) as member
    left join pg_attribute as settable
      on settable.attrelid = p_table
      and settable.attnum > 0
      and not settable.attisdropped
      and member.key in (settable.attname, crm_private.camel_case(settable.attname))
      and has_column_privilege('crm_member', p_table, settable.attnum, 'update')
  ),
  faults as (
    select 'winner' as field, 'is required' as message, v_table || '_winner_present' as rule
    where p_winner is null

    union all

    select 'losers', 'must name at least one', v_table || '_losers_present'
    where coalesce(cardinality(p_losers), 0) = 0

    union all

    select 'losers', 'must not hold null', v_table || '_losers_present'
    where array_position(p_losers, null) is not null

    union all

    select 'losers', format('must not name the winner, %s', p_winner), v_table || '_losers_others'
    where p_winner = any (p_losers)

    union all

    select 'losers', format('must not name %s twice', loser), v_table || '_losers_distinct'
    from unnest(p_losers) as loser
    where loser is not null
    group by loser
    having count(*) > 1

    union all

    select 'fields', 'must be an object', v_table || '_fields_object'
    where jsonb_typeof(p_fields) <> 'object'

    union all

    select key, 'is not a field that can be given here', v_table || '_fields_known'
    from input
    where attname is null

    union all

    select crm_private.camel_case(attname), 'is given twice', v_table || '_fields_known'
    from input
    where attname is not null
    group by attname
    having count(*) > 1

    union all

    select
      key,
      case
        when atttypid = 'text[]'::regtype then 'must be a list of texts'
        when atttypid = 'crm.external_id[]'::regtype then 'must be a list of external ids'
        when typcategory = 'A' then 'must be a list'
        when atttypid = 'uuid'::regtype then 'must be a UUID'
        when atttypid = 'integer'::regtype
        then 'must be a whole number below 2,147,483,648'
        when typcategory = 'N' then 'must be a number'
        when typcategory = 'B' then 'must be true or false'
        when jsonb_typeof(value) <> 'string' then 'must be text'
        else crm_private.fault_message('%s has the wrong form', value)
      end,
      v_table || '_fields_type'
    from input
    join pg_type as type on type.oid = atttypid
    where jsonb_typeof(value) <> 'null'
      and not case
        when atttypid = 'text[]'::regtype then
          jsonb_typeof(value) = 'array'
          and not jsonb_path_exists(
            value, 'strict $[*] ? (@.type() != "string" && @.type() != "null")'
          )
        when atttypid = 'crm.external_id[]'::regtype then
          jsonb_typeof(value) = 'array'
          and not jsonb_path_exists(
            value,
            'strict $[*] ? (@.type() != "object" || @.source.type() != "string" || @.id.type() != "string")',
            silent => true
          )
        when typcategory = 'A' then
          jsonb_typeof(value) = 'array' and crm_private.is_value_of(atttypid, value)
        when atttypid = 'uuid'::regtype then
          jsonb_typeof(value) = 'string'
          and value #>> '{}' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
        when atttypid = 'integer'::regtype then
          jsonb_typeof(value) = 'number'
          and jsonb_path_exists(value, '$ ? (@ > -2147483648 && @ < 2147483648 && @ == @.floor())')
        -- The API writes as text what a number of JSON would lose digits of.
        when typcategory = 'N' then
          jsonb_typeof(value) in ('number', 'string') and crm_private.is_value_of(atttypid, value)
        when typcategory = 'B' then jsonb_typeof(value) = 'boolean'
        -- Whether JSON is an object is for the column's own check to say.
        when atttypid = any ('{json,jsonb}'::regtype[]) then true
        else jsonb_typeof(value) = 'string' and crm_private.is_value_of(atttypid, value)
      end
  )
  select
    (select jsonb_object_agg(attname, value) from input where attname is not null),
    (
      select jsonb_build_object(
        'fields', jsonb_object_agg(field, messages),
        'rule', (array_agg(rule order by rank))[1],
        'summary', string_agg(field || ' ' || (messages ->> 0), '; ' order by rank)
      )
      from (
        select
          left(field, 80) as field,
          jsonb_agg(message order by message) as messages,
          min(rule) as rule,
          row_number() over (order by left(field, 80)) as rank
        from faults
        group by left(field, 80)
      ) as listed
    )
  into v_chosen, v_faults;

  if v_faults ->> 'rule' is not null then
    raise exception '%: %', v_table, v_faults ->> 'summary'
      using errcode    = 'check_violation',
            schema     = 'crm', table = v_table,
            constraint = v_faults ->> 'rule',
            detail     = v_faults -> 'fields';
  end if;

  return coalesce(v_chosen, '{}');
end
$$;

comment on function crm_private.check_merge(regclass, uuid, uuid[], jsonb) is
  'Refuses what cannot be merged; gives the chosen fields by column.';

revoke all on function crm_private.check_merge(regclass, uuid, uuid[], jsonb) from public;
grant execute on function crm_private.check_merge(regclass, uuid, uuid[], jsonb) to crm_member;
--! EndIncluded functions/merge/check_merge.sql
--! Included functions/custom_fields/claim_definitions.sql
/*
 * Keeps builds of indexes on custom fields and changes of definitions apart, until the transaction
 * ends. A build that does not block writers waits for every transaction that is older, so one that
 * waited for the build would be a deadlock, with all writers of the table behind it: refused
 * instead, at once. Changes of definitions do not refuse each other.
 *
 * The command line takes the same lock for its session before it builds.
 */
create or replace function crm_private.claim_definitions(p_alone boolean)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_lock constant integer := hashtext('crm_private.claim_definitions');
begin
  if p_alone and pg_try_advisory_xact_lock(v_lock)
    or not p_alone and pg_try_advisory_xact_lock_shared(v_lock)
  then
    return;
  end if;

  raise exception '%', case when p_alone
      then 'custom fields are being changed, or one is being indexed'
      else 'a custom field is being indexed'
    end
    using errcode = 'lock_not_available',
          schema  = 'crm', table = 'custom_field_definitions',
          hint    = 'Try again when that is done.';
end
$$;

comment on function crm_private.claim_definitions(boolean) is
  'Keeps builds of indexes on custom fields and changes of definitions apart.';

revoke all on function crm_private.claim_definitions(boolean) from public;
--! EndIncluded functions/custom_fields/claim_definitions.sql
--! Included functions/idempotency/claim_idempotency_key.sql
/*
 * Takes an idempotency key for the rest of the transaction, and waits for whoever has it. Gives what
 * was kept under the key, if something was and has not expired: then the mutation has been done. The
 * server calls it at the beginning of the transaction in which the mutation is to be done.
 *
 * The lock ends with the transaction, whatever ends that, so nobody holds a key who is gone. What is
 * read is read by a statement of its own, which sees what the one before committed.
 *
 * It takes the hash, so that no key comes near the database's logs. Security definer: the server's
 * login role reads no table.
 */
create or replace function crm_private.claim_idempotency_key(p_key_hash bytea)
returns table (request_hash bytea, answer bytea)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_advisory_xact_lock(
    ('x' || encode(substr(p_key_hash, 1, 8), 'hex'))::bit(64)::bigint
  );

  delete from crm_private.idempotency_keys as expired
  where expired.key_hash = p_key_hash
    and expired.expires_at <= now();

  return query
  select kept.request_hash, kept.answer
  from crm_private.idempotency_keys as kept
  where kept.key_hash = p_key_hash;
end
$$;

comment on function crm_private.claim_idempotency_key(bytea) is
  'Takes an idempotency key of this SHA-256 for the transaction; gives what is kept under it.';

revoke all on function crm_private.claim_idempotency_key(bytea) from public;
grant execute on function crm_private.claim_idempotency_key(bytea) to crm_server;
--! EndIncluded functions/idempotency/claim_idempotency_key.sql
--! Included functions/common/column_defaults.sql
/* What a new row holds where it is given nothing, by column, of those that members may insert. */
create or replace function crm_private.column_defaults(p_table regclass)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
-- Its statement is made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_defaults jsonb;
begin
  execute (
    select format(
      'select jsonb_build_object(%s)',
      string_agg(
        format('%L, %s', attname, pg_get_expr(adbin, adrelid)), ', ' order by attnum
      )
    )
    from pg_attribute
    join pg_attrdef on adrelid = attrelid and adnum = attnum
    where attrelid = p_table
      and attgenerated = ''
      and attname = any (crm_private.written_columns(p_table, 'insert'))
  ) into v_defaults;
  return v_defaults;
end
$$;

comment on function crm_private.column_defaults(regclass) is
  'What a new row holds where it is given nothing, by column.';

revoke all on function crm_private.column_defaults(regclass) from public;
grant execute on function crm_private.column_defaults(regclass) to crm_member;
--! EndIncluded functions/common/column_defaults.sql
--! Included functions/merge/merged_ids.sql
/*
 * The ids that are one contact or one company by now: its own, and those of everything that was merged
 * into it, and into that.
 *
 * Security definer: nobody reads the table.
 */
create or replace function crm_private.merged_ids(p_entity_type text, p_id uuid)
returns uuid[]
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return array(
    with recursive part (id) as (
      select p_id
      union
      select merge.loser_id
      from part
      join crm_private.merges as merge on merge.winner_id = part.id
      where merge.entity_type = p_entity_type
        and merge.ended_at is null
    )
    select part.id from part
  );
end
$$;

comment on function crm_private.merged_ids(text, uuid) is
  'The id of a contact or a company, and those of everything that was merged into it.';

revoke all on function crm_private.merged_ids(text, uuid) from public;
grant execute on function crm_private.merged_ids(text, uuid) to crm_reader;
--! EndIncluded functions/merge/merged_ids.sql
--! Included functions/merge/record_merge.sql
/*
 * Records that rows became part of another. Called by crm_private.merge_rows when it has deleted the
 * losers. Believes nobody: of the losers those count that this transaction has deleted, and the winner has
 * to be there.
 *
 * Security definer: nobody but the owner writes the table.
 */
create or replace function crm_private.record_merge(
  p_entity_type text,
  p_winner      uuid,
  p_losers      uuid[]
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into crm_private.merges as merge (entity_type, loser_id, winner_id, merged_at)
  select p_entity_type, loser, p_winner, now()
  from unnest(p_losers) as loser
  where crm_private.is_mergeable(p_entity_type)
    and crm_private.is_there(p_entity_type, p_winner)
    and exists (
      select
      from crm.audit_logs as log
      where log.entity_id = loser
        and log.entity_type = p_entity_type
        and log.action = 'delete'
        and log.transaction_id = pg_current_xact_id()::text::bigint
        and log."timestamp" >= now()
    )
  order by loser
  on conflict (loser_id) where ended_at is null
  do update set winner_id = excluded.winner_id, merged_at = excluded.merged_at;
end
$$;

comment on function crm_private.record_merge(text, uuid, uuid[]) is
  'Records that rows became part of another.';

revoke all on function crm_private.record_merge(text, uuid, uuid[]) from public;
grant execute on function crm_private.record_merge(text, uuid, uuid[]) to crm_member;
--! EndIncluded functions/merge/record_merge.sql
--! Included functions/history/completed_row.sql
/*
 * A row of the past with every column that the table has now. A column that is not in the row was added
 * since, and has its default. What is generated follows from the rest; but for what search and the look for
 * duplicates read, which is null: nobody searches the past. Called by crm_private.row_as_of.
 */
create or replace function crm_private.completed_row(p_table regclass, p_row jsonb)
returns jsonb
language plpgsql
stable
strict
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_row jsonb := p_row;
begin
  execute (
    select format(
      'select to_jsonb(added) || $1 from (select %s) as added',
      coalesce(string_agg(format('%s as %I', pg_get_expr(adbin, adrelid), attname), ', '), '')
    )
    from pg_attribute
    join pg_attrdef on adrelid = attrelid and adnum = attnum
    where attrelid = p_table
      and attgenerated = ''
      and not p_row ? attname
  ) into v_row using v_row;

  execute (
    select format(
      'select $1 || to_jsonb(generated)
       from (select %s from jsonb_populate_record(null::%s, $1)) as generated',
      coalesce(
        string_agg(
          case
            when attname = any ('{search_document,match_keys}') then format('null as %I', attname)
            else format('%s as %I', pg_get_expr(adbin, adrelid), attname)
          end,
          ', '
        ),
        ''
      ),
      p_table
    )
    from pg_attribute
    join pg_attrdef on adrelid = attrelid and adnum = attnum
    where attrelid = p_table
      and attgenerated <> ''
  ) into v_row using v_row;
  return v_row;
end
$$;

comment on function crm_private.completed_row(regclass, jsonb) is
  'A row of the past with every column that the table has now.';

revoke all on function crm_private.completed_row(regclass, jsonb) from public;
grant execute on function crm_private.completed_row(regclass, jsonb) to crm_reader;
--! EndIncluded functions/history/completed_row.sql
--! Included functions/custom_fields/compile_defaults.sql
/*
 * Compiles the defaults of an entity type's custom fields into the trigger that gives them to new rows:
 * no definition is read for a row, and a row that has all of them costs no call. Without defaults the
 * trigger never fires; it is not dropped, because that would keep readers waiting.
 */
create or replace function crm_private.compile_defaults(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statement is made of quoted names and values; that it is cannot be told.
-- @plpgsql_check_options: security_warnings = off
begin
  execute (
    select format(
      'create or replace trigger _100_default_custom_fields before insert on %s '
      'for each row when (%s) execute function crm_private.default_custom_fields(%L)',
      crm_private.entity_table(p_entity_type),
      coalesce(
        format(
          'jsonb_typeof(new.custom_fields) = ''object'' and not new.custom_fields ?& %L::text[]',
          array_agg(d.name order by d.name)
        ),
        'false'
      ),
      coalesce(jsonb_object_agg(d.name, d.default_value), '{}')
    )
    from crm.custom_field_definitions as d
    where d.entity_type = p_entity_type
      and d.default_value is not null
  );
end
$$;

comment on function crm_private.compile_defaults(text) is
  'Compiles the defaults of an entity type''s custom fields into the trigger that gives them.';

revoke all on function crm_private.compile_defaults(text) from public;
--! EndIncluded functions/custom_fields/compile_defaults.sql
--! Included functions/duplicates/components.sql
/*
 * What hangs together in a graph of p_count nodes, 1 to p_count: for each node the least node
 * that paths lead to. The edge number i joins p_one[i] and p_other[i].
 *
 * A forest, in which each node has a label that is not greater than itself, and a root itself.
 * Each edge hangs the greater of two roots below the other; on the way to a root, labels move
 * up. So the work hardly grows faster than the number of edges, and at the end one pass leads
 * every node to its root.
 */
create or replace function crm_private.components(
  p_count integer,
  p_one   integer[],
  p_other integer[]
)
returns integer[]
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_labels integer[] := array(select generate_series(1, p_count));
  v_one    integer;
  v_other  integer;
begin
  for v_edge in 1 .. coalesce(cardinality(p_one), 0) loop
    v_one := p_one[v_edge];
    v_other := p_other[v_edge];
    while v_labels[v_one] < v_one loop
      v_labels[v_one] := v_labels[v_labels[v_one]];
      v_one := v_labels[v_one];
    end loop;
    while v_labels[v_other] < v_other loop
      v_labels[v_other] := v_labels[v_labels[v_other]];
      v_other := v_labels[v_other];
    end loop;
    v_labels[greatest(v_one, v_other)] := least(v_one, v_other);
  end loop;

  for v_node in 1 .. p_count loop
    v_labels[v_node] := v_labels[v_labels[v_node]];
  end loop;

  return v_labels;
end
$$;

comment on function crm_private.components(integer, integer[], integer[]) is
  'What hangs together in a graph: for each node the least one that it hangs together with.';

revoke all on function crm_private.components(integer, integer[], integer[]) from public;
grant execute on function crm_private.components(integer, integer[], integer[]) to crm_reader;
--! EndIncluded functions/duplicates/components.sql
--! Included functions/access/create_api_key.sql
/*
 * Creates an API key and gives it, this once: what is kept is its hash. The key is 256 random bits,
 * in base64 as URLs take it, behind a beginning by which scanners find keys that were leaked.
 *
 * An API key cannot create another one: a stolen one must not outlive its revocation.
 *
 * Security definer: nobody but the owner reaches the hashes, and no client says what a row holds
 * beside what it gives here.
 */
create or replace function crm_private.create_api_key(
  name       text,
  role       text,
  expires_at timestamptz default null
)
returns crm.issued_api_key
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  -- A random UUID has 122 random bits; three of them have more than the digest keeps.
  v_key     text := 'pgcrm_' || translate(
    encode(
      sha256(
        uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
      ),
      'base64'
    ),
    '+/=', '-_'
  );
  v_api_key crm.api_keys;
begin
  if starts_with(crm.current_user_id(), 'key:') then
    raise exception 'an API key cannot create API keys'
      using errcode = 'insufficient_privilege';
  end if;

  insert into crm.api_keys (name, role, expires_at, prefix)
  values (
    create_api_key.name, create_api_key.role, create_api_key.expires_at, left(v_key, 12)
  )
  returning * into v_api_key;

  insert into crm_private.api_key_hashes (api_key_id, key_hash)
  values (v_api_key.id, sha256(convert_to(v_key, 'UTF8')));

  return (v_key, v_api_key);
end
$$;

comment on function crm_private.create_api_key(text, text, timestamptz) is
  'What crm.create_api_key calls, with the rights of the owner.';

revoke all on function crm_private.create_api_key(text, text, timestamptz) from public;
grant execute on function crm_private.create_api_key(text, text, timestamptz) to crm_admin;

create or replace function crm.create_api_key(
  name       text,
  role       text,
  expires_at timestamptz default null
)
returns crm.issued_api_key
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.create_api_key(name, role, expires_at);
$$;

comment on function crm.create_api_key(text, text, timestamptz) is
  'Creates an API key: its name (lower case letters and digits, with single dots, hyphens or '
  'underscores between them), its role (reader, member or admin), and when it ceases to be good, if '
  'it does. The key itself is shown in the answer and never again.';

revoke all on function crm.create_api_key(text, text, timestamptz) from public;
grant execute on function crm.create_api_key(text, text, timestamptz) to crm_admin;
--! EndIncluded functions/access/create_api_key.sql
--! Included functions/deals/create_deal_with_tasks.sql
/*
 * A deal and its first tasks, all or nothing. A fault of a task refuses the deal too, and is named
 * by which task it is: tasks.1.description. The deal's fields have their names alone.
 * The columns are read from the catalog: one that is added to the table and to the type is written.
 * Runs with the caller's rights: whoever may create deals and tasks may call it.
 */
create or replace function crm.create_deal_with_tasks(deal crm.new_deal, tasks crm.new_task[])
returns crm.deals
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of the names of columns; what they return cannot be told.
-- @plpgsql_check_options: security_warnings = off, other_warnings = off
declare
  v_deal crm.deals;
begin
  execute (
    select format(
      'insert into crm.deals (%s)
       select %s from jsonb_populate_record(null::crm.deals, $1) as input
       returning *',
      string_agg(quote_ident(name), ', '),
      string_agg('input.' || quote_ident(name), ', ')
    )
    from unnest(crm_private.written_columns('crm.deals', 'insert')) as name
  )
  into v_deal
  using crm_private.column_defaults('crm.deals') || crm_private.non_null_members(to_jsonb(deal));

  -- Rows are made and validated one after the other: crm.path says which one the next is.
  execute (
    select format(
      'insert into crm.tasks (%s)
       select %s
       from unnest($1) with ordinality as task (item, ordinal)
       cross join lateral jsonb_populate_record(null::crm.tasks, $2 || task.item) as input
       where set_config(''crm.path'', ''tasks.'' || (task.ordinal - 1), true) is not null',
      string_agg(quote_ident(name), ', '),
      string_agg('input.' || quote_ident(name), ', ')
    )
    from unnest(crm_private.written_columns('crm.tasks', 'insert')) as name
  )
  using
    array(
      select crm_private.non_null_members(to_jsonb(tasks[place]))
      from generate_subscripts(tasks, 1) as place
      order by place
    ),
    crm_private.column_defaults('crm.tasks')
      || jsonb_build_object('entity_type', 'deal', 'entity_id', v_deal.id);

  perform set_config('crm.path', '', true);

  return v_deal;
end
$$;

comment on function crm.create_deal_with_tasks(crm.new_deal, crm.new_task[]) is
  'Creates a deal together with its tasks: all of them, or nothing.';

revoke all on function crm.create_deal_with_tasks(crm.new_deal, crm.new_task[]) from public;
grant execute on function crm.create_deal_with_tasks(crm.new_deal, crm.new_task[]) to crm_member;
--! EndIncluded functions/deals/create_deal_with_tasks.sql
--! Included functions/access/current_source.sql
/*
 * What a change comes through: api, import or sql. Believed of the same sessions as crm.user_id.
 * Called by the audit log.
 */
create or replace function crm_private.current_source()
returns text
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return case
    when current_setting('crm.source', true) = any (array['api', 'import'])
      and pg_has_role(session_user, 'crm_server', 'member')
    then current_setting('crm.source', true)
    else 'sql'
  end;
end
$$;

comment on function crm_private.current_source() is
  'What a change comes through: api, import or sql.';

revoke all on function crm_private.current_source() from public;
--! EndIncluded functions/access/current_source.sql
--! Included functions/custom_fields/custom_field.sql
/* The definition of a custom field by its name; refuses one that is not there. */
create or replace function crm_private.custom_field(p_entity_type text, p_name text)
returns crm.custom_field_definitions
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_definition crm.custom_field_definitions;
begin
  perform crm_private.refuse_null('entityType', p_entity_type);
  perform crm_private.refuse_null('name', p_name);

  select definition.* into v_definition
  from crm.custom_field_definitions as definition
  where definition.entity_type = p_entity_type and definition.name = p_name;

  if not found then
    perform crm_private.refuse_missing('customFieldDefinition', left(p_name, 100));
  end if;

  return v_definition;
end
$$;

comment on function crm_private.custom_field(text, text) is
  'The definition of a custom field by its name; refuses one that is not there.';

revoke all on function crm_private.custom_field(text, text) from public;
--! EndIncluded functions/custom_fields/custom_field.sql
--! Included functions/audit_log/custom_field_changes.sql
/*
 * What differs between two objects of custom fields, as the audit log writes it: a member called
 * custom_fields.<name> for each field, with its old and its new value; empty if nothing does.
 * Called by the audit log's trigger for each row whose custom fields an update changed.
 */
create or replace function crm_private.custom_field_changes(p_old jsonb, p_new jsonb)
returns jsonb
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    jsonb_object_agg(
      'custom_fields.' || name,
      jsonb_build_object('old', old_field.value, 'new', new_field.value)
    ),
    '{}'
  )
  from jsonb_each(p_old) as old_field (name, value)
  full join jsonb_each(p_new) as new_field (name, value) using (name)
  where old_field.value is distinct from new_field.value;
$$;

comment on function crm_private.custom_field_changes(jsonb, jsonb) is
  'What differs between two objects of custom fields: the old and the new value of each.';

revoke all on function crm_private.custom_field_changes(jsonb, jsonb) from public;
--! EndIncluded functions/audit_log/custom_field_changes.sql
--! Included functions/custom_fields/custom_field_faults.sql
/*
 * Every fault of the custom fields of each of some rows of a table, given as jsonb, with the place of the
 * row from 1: keys that are not defined, values that break their definition, required fields without
 * one. None for tables that carry no custom fields. The definitions are read once, however many rows
 * there are. Called by crm_private.row_faults.
 */
create or replace function crm_private.custom_field_faults(p_table regclass, p_rows jsonb[])
returns table (place bigint, field text, message text, constraint_name text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can; what they
-- return cannot be told.
-- @plpgsql_check_options: security_warnings = off, extra_warnings = off
declare
  v_table text := (select relname::text from pg_class where oid = p_table);
  v_known text[];
  v_asked text;
begin
  select
    coalesce(array_agg(distinct d.name), '{}'),
    string_agg(
      format('(%L, %L, %L, %s)', d.name, asked.rule, asked.message, asked.condition), E',\n'
    )
  into v_known, v_asked
  from crm.custom_field_definitions as d
  left join lateral crm_private.custom_field_checks(d) as asked on true
  where crm_private.entity_table(d.entity_type) = p_table;

  return query execute format(
    $query$
      with input as (
        select listed.place, listed.item -> 'custom_fields' as custom_fields
        from unnest($1) with ordinality as listed (item, place)
        where jsonb_typeof(listed.item -> 'custom_fields') = 'object'
      )
      select input.place, 'customFields.' || asked.name, asked.message, %L || asked.rule
      from input
      cross join lateral (values %s) as asked (name, rule, message, holds)
      where not asked.holds

      union all

      select
        input.place, 'customFields.' || key, 'is not a custom field of this entity type',
        %L || 'known'
      from input
      cross join lateral jsonb_object_keys(input.custom_fields - $2) as key

      order by 1, 2, 3
    $query$,
    v_table || '_custom_fields_',
    coalesce(v_asked, '(null, null, null, true)'),
    v_table || '_custom_fields_'
  ) using p_rows, v_known;
end
$$;

comment on function crm_private.custom_field_faults(regclass, jsonb[]) is
  'Every fault of the custom fields of each of some rows: the place of the row, the field, the message '
  'and the rule.';

revoke all on function crm_private.custom_field_faults(regclass, jsonb[]) from public;
--! EndIncluded functions/custom_fields/custom_field_faults.sql
--! Included functions/custom_fields/custom_field_rules.sql
/*
 * The rules of one custom field, one a row: each as an SQL expression over the name custom_fields, null
 * where the field has no value, and what a client reads where it is broken. The first is that of the
 * type; the others are asked of values of that type. The compiled check of an entity type, the
 * explanation of a fault, and the look for rows that a change would break are all made of it, so a
 * rule stands here and nowhere else.
 *
 * No expression raises, whatever JSON the value is.
 */
create or replace function crm_private.custom_field_rules(
  p_definition crm.custom_field_definitions
)
returns table (ordinal integer, rule text, condition text, message text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select
    1,
    'type',
    format(
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
        when 'multi_enum' then
          'crm_private.are_choices(custom_fields -> %1$L, %3$L::jsonb)'
        when 'boolean' then
          'jsonb_typeof(custom_fields -> %1$L) = ''boolean'''
      end,
      p_definition.name,
      array(select to_jsonb(value) from unnest(p_definition.enum_values) as value),
      to_jsonb(p_definition.enum_values)
    ),
    case p_definition.field_type
      when 'text'    then 'must be a text of at most 10,000 characters'
      when 'number'  then 'must be a number of at most 400 digits'
      when 'date'    then 'must be a date such as "2026-02-28"'
      when 'boolean' then 'must be true or false'
      else
        case p_definition.field_type
          when 'enum' then 'must be one of '
          else 'must be a list of one or more, none twice, of '
        end
        || (
          select string_agg(value, ', ' order by ordinal)
            || case when cardinality(p_definition.enum_values) > 20 then ' and others' else '' end
          from unnest(p_definition.enum_values[:20]) with ordinality as listed (value, ordinal)
        )
    end

  union all

  select
    listed.ordinal,
    listed.rule,
    case p_definition.field_type
      -- JSON of any type can be compared with a number, and is never equal.
      when 'number' then
        format(
          'custom_fields -> %L %s %L::jsonb',
          p_definition.name, listed.operator, listed.bound::numeric::text
        )
      -- Days are in the order of their texts.
      else
        format(
          '(custom_fields ->> %L) collate "C" %s %L',
          p_definition.name, listed.operator, listed.bound
        )
    end,
    format(
      case p_definition.field_type when 'number' then listed.number_message else listed.day_message end,
      listed.bound
    )
  from (
    values
      (2, 'minimum', '>=', p_definition.minimum, 'must be at least %s', 'must not be before %s'),
      (3, 'maximum', '<=', p_definition.maximum, 'must be at most %s', 'must not be after %s')
  ) as listed (ordinal, rule, operator, bound, number_message, day_message)
  where listed.bound is not null

  union all

  -- An empty text is a value like others where none is required; one that shows nothing is not.
  select
    6,
    'blank',
    format(
      case
        when p_definition.required then 'not crm_private.is_blank(custom_fields ->> %1$L)'
        else '(custom_fields ->> %1$L = '''' or not crm_private.is_blank(custom_fields ->> %1$L))'
      end,
      p_definition.name
    ),
    'must not be blank'
  where p_definition.field_type = 'text'

  union all

  select
    7,
    'legible',
    format('crm_private.is_printable(custom_fields ->> %L)', p_definition.name),
    'must not hold control characters, or characters that reorder the text'
  where p_definition.field_type = 'text'

  union all

  select
    4,
    'max_length',
    format('char_length(custom_fields ->> %L) <= %s', p_definition.name, p_definition.max_length),
    format('must have at most %s characters', p_definition.max_length)
  where p_definition.max_length is not null

  union all

  select
    5,
    'pattern',
    format('custom_fields ->> %L ~ %L', p_definition.name, p_definition.pattern),
    'must match ' || p_definition.pattern
  where p_definition.pattern is not null;
$$;

comment on function crm_private.custom_field_rules(crm.custom_field_definitions) is
  'The rules of a custom field: each as an SQL expression over custom_fields, and its message.';

revoke all on function crm_private.custom_field_rules(crm.custom_field_definitions) from public;
grant execute on function crm_private.custom_field_rules(crm.custom_field_definitions) to crm_admin;
--! EndIncluded functions/custom_fields/custom_field_rules.sql
--! Included functions/custom_fields/custom_field_checks.sql
/*
 * All that a definition asks of an object of custom fields, each by itself as an SQL expression over the
 * name custom_fields: whether the field must be there, and its rules. Those that are not of the type
 * are asked of values of the type only, so that a value of another type has one fault. Called where
 * faults are told apart; crm_private.custom_field_condition has them as one.
 */
create or replace function crm_private.custom_field_checks(p_definition crm.custom_field_definitions)
returns table (ordinal integer, rule text, condition text, message text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select 0, 'required', format('custom_fields ? %L', p_definition.name), 'is required'
  where p_definition.required

  union all

  select
    rule.ordinal,
    rule.rule,
    case rule.rule
      when 'type' then rule.condition
      else format('case when %s then %s end', type.condition, rule.condition)
    end,
    rule.message
  from crm_private.custom_field_rules(p_definition) as type
  cross join crm_private.custom_field_rules(p_definition) as rule
  where type.rule = 'type';
$$;

comment on function crm_private.custom_field_checks(crm.custom_field_definitions) is
  'All that a definition asks of an object of custom fields, each by itself.';

revoke all on function crm_private.custom_field_checks(crm.custom_field_definitions) from public;
--! EndIncluded functions/custom_fields/custom_field_checks.sql
--! Included functions/custom_fields/custom_field_condition.sql
/*
 * The rules of one custom field as one SQL expression over the name custom_fields: null where the field
 * has no value. The compiled check of an entity type is made of it.
 */
create or replace function crm_private.custom_field_condition(
  p_definition crm.custom_field_definitions
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg('(' || condition || ')', ' and ' order by ordinal)
  from crm_private.custom_field_rules(p_definition);
$$;

comment on function crm_private.custom_field_condition(crm.custom_field_definitions) is
  'The rules of a custom field as an SQL expression over custom_fields, null without a value.';

revoke all on function crm_private.custom_field_condition(crm.custom_field_definitions) from public;
grant execute on function crm_private.custom_field_condition(crm.custom_field_definitions)
  to crm_admin;
--! EndIncluded functions/custom_fields/custom_field_condition.sql
--! Included functions/undo/custom_members.sql
/* The custom fields among the fields of a planned reversal: {"custom_fields.size": 3} has {"size": 3}. */
create or replace function crm_private.custom_members(p_fields jsonb)
returns jsonb
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_object_agg(substr(key, 15), value), '{}')
  from jsonb_each(p_fields)
  where key like 'custom\_fields.%';
$$;

comment on function crm_private.custom_members(jsonb) is
  'The custom fields among the fields of a planned reversal.';

revoke all on function crm_private.custom_members(jsonb) from public;
--! EndIncluded functions/undo/custom_members.sql
--! Included functions/settings/default_country.sql
/* The setting. Security definer: the table of settings is the owner's. */
create or replace function crm_private.default_country()
returns text
language sql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
  select default_country from crm_private.settings;
$$;

comment on function crm_private.default_country() is
  'What crm.default_country calls, with the rights of the owner.';

revoke all on function crm_private.default_country() from public;
grant execute on function crm_private.default_country() to crm_reader;

create or replace function crm.default_country()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.default_country();
$$;

comment on function crm.default_country() is
  'The country of phone numbers that have no country code, as an ISO 3166 code; null if it is not known.';

revoke all on function crm.default_country() from public;
grant execute on function crm.default_country() to crm_reader;
--! EndIncluded functions/settings/default_country.sql
--! Included functions/custom_fields/default_custom_fields.sql
/*
 * Gives a new row the custom fields that it does not have: its argument is an object of defaults. A
 * field that is null is there, and will be removed. A row that an undo brings back stays as it was.
 * crm_private.compile_defaults binds it, with a condition that only lets rows through that lack one.
 */
create or replace function crm_private.default_custom_fields()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Only the owner may ask for the plan; who else sets the setting is refused.
  if current_setting('crm.reversing', true) = pg_current_xact_id()::text then
    if (crm_private.planned_reversal(new.id)).before ? 'id' then
      return new;
    end if;
  end if;

  -- Of a new row {"$merge": {…}} is the same as what it has; what comes next would not know both.
  if jsonb_typeof(new.custom_fields -> '$merge') = 'object'
    and new.custom_fields - '$merge' = '{}'
  then
    new.custom_fields := new.custom_fields -> '$merge';
  end if;

  new.custom_fields := tg_argv[0]::jsonb || new.custom_fields;
  return new;
end
$$;

comment on function crm_private.default_custom_fields() is
  'Gives a new row the defaults of the custom fields that it does not have.';

revoke all on function crm_private.default_custom_fields() from public;
--! EndIncluded functions/custom_fields/default_custom_fields.sql
--! Included functions/merge/defer_unique.sql
/*
 * Lets rows have the same value of a unique custom field until it is called with false, or the
 * transaction ends. Called where values move from row to row: by merges, and where something is undone.
 */
create or replace function crm_private.defer_unique(p_deferred boolean)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statement is made of quoted names; that it is cannot be told.
-- @plpgsql_check_options: security_warnings = off
declare
  v_names text;
begin
  select string_agg(format('crm.%I', conname), ', ')
  into v_names
  from pg_constraint
  where contype = 'x'
    and condeferrable
    and conrelid in (
      select entity_table from crm_private.entity_types where has_custom_fields
    );

  if v_names is not null then
    execute format(
      'set constraints %s %s', v_names, case when p_deferred then 'deferred' else 'immediate' end
    );
  end if;
end
$$;

comment on function crm_private.defer_unique(boolean) is
  'Lets rows have the same value of a unique custom field for a while, or no longer.';

revoke all on function crm_private.defer_unique(boolean) from public;
grant execute on function crm_private.defer_unique(boolean) to crm_member;
--! EndIncluded functions/merge/defer_unique.sql
--! Included functions/normalization/domain_of.sql
/*
 * The domain of a text that is a link, a host or an email address and nothing else, without www:
 * "https://www.acme.com/about" and "info@acme.com" are of acme.com, and xn--kln-sna.de is köln.de. Null for
 * any other text.
 */
create or replace function crm_private.domain_of(value text)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return case
    when char_length(value) <= 1000 then (
      regexp_match(
        crm_private.plain_email(value),
        replace(replace(
          '^\s*(?:https?://)?(?:[^\s@/]+@)?(?:www\.)?((?:[A](?:[L]*[A])?\.)+[^\x01-\x60\x7b-\x7f\s]{2,})'
          '(?::[0-9]+)?(?:[/?#]\S*)?\s*$',
          'A', '^\x01-\x2f\x3a-\x60\x7b-\x7f\s'),
          'L', '^\x01-\x2c\x2e\x2f\x3a-\x60\x7b-\x7f\s'
        )
      )
    )[1]
  end;
end
$$;

comment on function crm_private.domain_of(text) is
  'The domain of a text that is a link, a host or an email address; null for any other text.';

revoke all on function crm_private.domain_of(text) from public;
grant execute on function crm_private.domain_of(text) to crm_reader;
--! EndIncluded functions/normalization/domain_of.sql
--! Included functions/duplicates/duplicate_doubt.sql
/*
 * How likely two rows are not one, from 0 to 1, by what they have in common. Each reason leaves a doubt,
 * and the doubts multiply: (1 - email) * (1 - phone) * (1 - domain) * (1 - name * similarity).
 *
 * An address is nearly a proof; a number may be that of an office or a family; colleagues share a
 * domain, and so may two companies of a group. Names count from a similarity of 0.5 on.
 */
create or replace function crm_private.duplicate_doubt(
  entity_type     text,
  same_email      boolean,
  same_phone      boolean,
  same_domain     boolean,
  name_similarity real
)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return case when same_email then 0.1::double precision else 1 end
    * case when same_phone then 0.5::double precision else 1 end
    * case
      when not same_domain then 1::double precision
      when entity_type = 'company' then 0.4
      else 0.8
    end
    * case
      when name_similarity >= 0.5::real
      then 1 - case entity_type when 'company' then 0.75::double precision else 0.6 end
        * name_similarity
      else 1
    end;
end
$$;

comment on function crm_private.duplicate_doubt(text, boolean, boolean, boolean, real) is
  'How likely two rows are not one, from 0 to 1, by what they have in common.';

revoke all on function crm_private.duplicate_doubt(text, boolean, boolean, boolean, real) from public;
grant execute on function crm_private.duplicate_doubt(text, boolean, boolean, boolean, real) to crm_reader;
--! EndIncluded functions/duplicates/duplicate_doubt.sql
--! Included functions/duplicates/duplicate_group_companies.sql
/* The companies of a group: GraphQL's field companies. */
create or replace function crm.duplicate_group_companies(record crm.duplicate_group)
returns setof crm.companies
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select company.*
  from crm.companies as company
  where record.entity_type = 'company'
    and company.id = any (record.ids)
  order by company.created_at, company.id;
$$;

comment on function crm.duplicate_group_companies(crm.duplicate_group) is
  E'@behavior -queryField\nThe companies of the group, the oldest first; none if it is one of contacts.';

revoke all on function crm.duplicate_group_companies(crm.duplicate_group) from public;
grant execute on function crm.duplicate_group_companies(crm.duplicate_group) to crm_reader;
--! EndIncluded functions/duplicates/duplicate_group_companies.sql
--! Included functions/duplicates/duplicate_group_contacts.sql
/* The contacts of a group: GraphQL's field contacts. */
create or replace function crm.duplicate_group_contacts(record crm.duplicate_group)
returns setof crm.contacts
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select contact.*
  from crm.contacts as contact
  where record.entity_type = 'contact'
    and contact.id = any (record.ids)
  order by contact.created_at, contact.id;
$$;

comment on function crm.duplicate_group_contacts(crm.duplicate_group) is
  E'@behavior -queryField\nThe contacts of the group, the oldest first; none if it is one of companies.';

revoke all on function crm.duplicate_group_contacts(crm.duplicate_group) from public;
grant execute on function crm.duplicate_group_contacts(crm.duplicate_group) to crm_reader;
--! EndIncluded functions/duplicates/duplicate_group_contacts.sql
--! Included functions/duplicates/duplicate_groups.sql
/*
 * Groups of contacts or companies that may be one, over the whole table. Two rows are of one group
 * if a chain of pairs leads from one to the other in which each pair reaches the least score.
 */
create or replace function crm.duplicate_groups(
  entity_type text,
  min_score   double precision default 0.5
)
returns setof crm.duplicate_group
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_min_score double precision := greatest(coalesce(min_score, 0.5), 0.3);
  v_ids       uuid[];
  v_one       integer[];
  v_other     integer[];
  v_scores    double precision[];
  v_reasons   text[];
  v_labels    integer[];
begin
  if entity_type is null or entity_type not in ('contact', 'company') then
    perform crm_private.refuse_entity_type(entity_type);
  end if;

  with links as materialized (
    select * from crm_private.contact_links(v_min_score) where entity_type = 'contact'
    union all
    select * from crm_private.company_links(v_min_score) where entity_type = 'company'
  ),
  nodes as materialized (
    select id, row_number() over (order by id)::integer as node
    from (select id from links union select other_id from links) as linked (id)
  )
  select
    (select array_agg(nodes.id order by nodes.node) from nodes),
    array_agg(node_one.node),
    array_agg(node_other.node),
    array_agg(links.score),
    array_agg(array_to_string(links.reasons, ' '))
  into v_ids, v_one, v_other, v_scores, v_reasons
  from links
  join nodes as node_one on node_one.id = links.id
  join nodes as node_other on node_other.id = links.other_id;

  v_labels := crm_private.components(coalesce(cardinality(v_ids), 0), v_one, v_other);

  return query
    with members as (
      select
        label,
        count(*)::integer as size,
        array_agg(v_ids[node] order by node) as ids
      from unnest(v_labels) with ordinality as member (label, node)
      group by label
    ),
    evidence as (
      select
        v_labels[link.one] as label,
        round(avg(link.score)::numeric, 3)::double precision as score,
        string_agg(distinct link.reasons, ' ') as reasons
      from unnest(v_one, v_scores, v_reasons) as link (one, score, reasons)
      group by 1
    )
    select
      entity_type,
      members.size,
      evidence.score,
      array(
        select reason
        from unnest(array['email', 'phone', 'domain', 'name']) as reason
        where reason = any (string_to_array(evidence.reasons, ' '))
      ),
      members.ids[:1000]
    from members
    join evidence using (label)
    order by evidence.score desc, members.size desc, members.ids[1];
end
$$;

comment on function crm.duplicate_groups(text, double precision) is
  'Groups of contacts or companies that may be one, the likeliest first. The entity type is contact '
  'or company.';

revoke all on function crm.duplicate_groups(text, double precision) from public;
grant execute on function crm.duplicate_groups(text, double precision) to crm_reader;
--! EndIncluded functions/duplicates/duplicate_groups.sql
--! Included functions/duplicates/duplicate_reasons.sql
/* What two rows have in common, the strongest first. Names do from a similarity of 0.5 on. */
create or replace function crm_private.duplicate_reasons(
  same_email      boolean,
  same_phone      boolean,
  same_domain     boolean,
  name_similarity real
)
returns text[]
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return array_remove(
    array[
      case when same_email then 'email' end,
      case when same_phone then 'phone' end,
      case when same_domain then 'domain' end,
      case when name_similarity >= 0.5 then 'name' end
    ],
    null
  );
end
$$;

comment on function crm_private.duplicate_reasons(boolean, boolean, boolean, real) is
  'What two rows have in common, the strongest first.';

revoke all on function crm_private.duplicate_reasons(boolean, boolean, boolean, real) from public;
grant execute on function crm_private.duplicate_reasons(boolean, boolean, boolean, real)
  to crm_reader;
--! EndIncluded functions/duplicates/duplicate_reasons.sql
--! Included functions/duplicates/duplicate_score.sql
/* How likely two rows are one, from 0 to 1, to three digits: what crm_private.duplicate_doubt leaves. */
create or replace function crm_private.duplicate_score(
  entity_type     text,
  same_email      boolean,
  same_phone      boolean,
  same_domain     boolean,
  name_similarity real
)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return round(
    (1 - crm_private.duplicate_doubt(entity_type, same_email, same_phone, same_domain, name_similarity))
      ::numeric,
    3
  )::double precision;
end
$$;

comment on function crm_private.duplicate_score(text, boolean, boolean, boolean, real) is
  'How likely two rows are one, from 0 to 1, by what they have in common.';

revoke all on function crm_private.duplicate_score(text, boolean, boolean, boolean, real) from public;
grant execute on function crm_private.duplicate_score(text, boolean, boolean, boolean, real) to crm_reader;
--! EndIncluded functions/duplicates/duplicate_score.sql
--! Included functions/duplicates/duplicate.sql
/*
 * A candidate, made of what it has in common with the row that it is compared with. One of the two
 * ids is the candidate's.
 */
create or replace function crm_private.duplicate(
  entity_type     text,
  entity_id       uuid,
  email           text,
  phone           text,
  domain          text,
  name_similarity real
)
returns setof crm.duplicate
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select
    entity_type,
    entity_id,
    case entity_type when 'contact' then entity_id end,
    case entity_type when 'company' then entity_id end,
    crm_private.duplicate_score(
      entity_type, email is not null, phone is not null, domain is not null, name_similarity
    ),
    crm_private.duplicate_reasons(
      email is not null, phone is not null, domain is not null, name_similarity
    ),
    email,
    phone,
    domain,
    round(name_similarity::numeric, 3)::double precision;
$$;

comment on function crm_private.duplicate(text, uuid, text, text, text, real) is
  'A candidate, made of what it has in common with the row that it is compared with.';

revoke all on function crm_private.duplicate(text, uuid, text, text, text, real) from public;
grant execute on function crm_private.duplicate(text, uuid, text, text, text, real) to crm_reader;
--! EndIncluded functions/duplicates/duplicate.sql
--! Included functions/common/elements.sql
/*
 * The elements of a JSON array or the members of a JSON object, in order: the position, from 0, or
 * the key that a client finds it by, what a message quotes (the element, or the member's key) and
 * the array or object that holds it alone. Anything else has no elements.
 * Called by crm_private.row_faults.
 */
create or replace function crm_private.elements(p_value jsonb)
returns table (ordinal bigint, key text, value jsonb, alone jsonb)
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select
    element.ordinal, (element.ordinal - 1)::text, element.value, jsonb_build_array(element.value)
  from jsonb_array_elements(case jsonb_typeof(p_value) when 'array' then p_value end)
    with ordinality as element (value, ordinal)

  union all

  select
    member.ordinal, member.key, to_jsonb(member.key), jsonb_build_object(member.key, member.value)
  from jsonb_each(case jsonb_typeof(p_value) when 'object' then p_value end)
    with ordinality as member (key, value, ordinal);
$$;

comment on function crm_private.elements(jsonb) is
  'The elements of a JSON array or the members of an object, each with its key and the value '
  'holding it alone.';

revoke all on function crm_private.elements(jsonb) from public;
--! EndIncluded functions/common/elements.sql
--! Included functions/duplicates/email_keys.sql
/*
 * What contacts with these addresses have among their match keys; an index finds them by it. Called
 * by filters that ignore case.
 */
create or replace function crm_private.email_keys(addresses text[])
returns text[]
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return array(
    select 'email:' || crm_private.plain_email(address) from unnest(addresses) as address
  );
end
$$;

comment on function crm_private.email_keys(text[]) is
  'What contacts with these addresses have among their match keys.';

revoke all on function crm_private.email_keys(text[]) from public;
grant execute on function crm_private.email_keys(text[]) to crm_reader;
--! EndIncluded functions/duplicates/email_keys.sql
--! Included functions/audit_log/ensure_audit_partitions.sql
/*
 * Makes the audit log's partitions for this month and the months after it. Called by the migration,
 * whenever the server or a migration starts, and every hour by the server, so that a partition
 * stands long before its month. Entries of a month that had none are in the default partition; they
 * move to the new one, whichever month it is.
 */
create or replace function crm_private.ensure_audit_partitions(p_months integer default 12)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_from timestamptz;
  v_to   timestamptz;
  v_name text;
begin
  -- Servers that start together do this one after the other.
  perform crm_private.lock_seals();

  for v_from in
    select month at time zone 'UTC'
    from (
      select generate_series(
        date_trunc('month', now() at time zone 'UTC'),
        date_trunc('month', now() at time zone 'UTC') + make_interval(months => p_months),
        interval '1 month'
      )
      union
      select date_trunc('month', "timestamp" at time zone 'UTC') from crm_private.audit_logs_other
    ) as needed (month)
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
    execute format('alter table crm_private.%I alter column changes set statistics 0', v_name);
    execute format(
      'create trigger _900_refuse_truncate before truncate on crm_private.%I '
      'for each statement execute function crm_private.refuse_truncate()',
      v_name
    );
    execute format(
      'comment on table crm_private.%I is %L',
      v_name, 'Audit log entries of one month.'
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
  'Makes the partitions of the audit log for this month and the given number of months after it.';

revoke all on function crm_private.ensure_audit_partitions(integer) from public;
--! EndIncluded functions/audit_log/ensure_audit_partitions.sql
--! Included functions/bulk/attempt_rows.sql
/*
 * One attempt of a bulk write: finds and locks the rows that are meant, writes those that can be, and
 * gives every fault of the others.
 *
 * p_known are the faults that an earlier attempt met. Their rows are not written; those that could be
 * read are validated all the same, so that all their faults are told.
 *
 * Raises what a statement raises that meets a collision; crm_private.write_rows finds out of which
 * rows, and tries again.
 */
create or replace function crm_private.attempt_rows(
  p_entity_type text,
  p_operation   text,
  p_rows        crm_private.bulk_row[],
  p_known       crm_private.row_fault[]
)
returns crm_private.bulk_outcome
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table   regclass := crm_private.entity_table(p_entity_type);
  v_name    text     := (select relname::text from pg_class where oid = v_table);
  v_current crm_private.current_row[];
  v_absent  crm_private.row_fault[];
  v_moved   bigint;
  v_noted   crm_private.row_fault[];
  v_outcome crm_private.bulk_outcome;
begin
  v_outcome.rows := p_rows;

  -- An upsert means the row that has the external id once it is locked.
  for v_round in 1 .. 10
  loop
    exit when p_operation = 'create';
    if p_operation = 'upsert' then
      v_outcome.rows := crm_private.match_rows(p_entity_type, p_rows);
    end if;
    execute format(
      'select array_agg(row(id, version, external_ids)::crm_private.current_row)
       from (
         select id, version, external_ids from %s
         where id in (select input.id from unnest($1) as input)
         order by id
         for %s
       ) as locked',
      v_table, case p_operation when 'delete' then 'update' else 'no key update' end
    ) into v_current using v_outcome.rows;
    exit when p_operation <> 'upsert';

    -- Counted, because the way to a first row would be one row by one.
    select count(*)
    into v_moved
    from unnest(p_rows) as input
    join unnest(v_outcome.rows) as meant using (place)
    left join unnest(v_current) as found on found.id = meant.id
    where meant.id is not null
      and not coalesce(
        jsonb_populate_record(null::crm.external_id, input.item -> 'external_id')
          = any (found.external_ids),
        false
      );
    exit when v_moved = 0;
  end loop;

  if p_operation <> 'create' then
    select array_agg(row(fault.place, fault.code, fault.fields, false)::crm_private.row_fault)
    into v_absent
    from (
      select
        input.place,
        case
          when input.number > 1 then 'VALIDATION_ERROR'
          when found.id is null then 'NOT_FOUND'
          else 'CONFLICT'
        end as code,
        case
          when input.number > 1 then jsonb_build_object(
            case p_operation when 'upsert' then 'externalId' else 'id' end,
            jsonb_build_array('is given to row ' || input.first || ' too')
          )
          when found.id is null then jsonb_build_object(
            'id', jsonb_build_array(format('"%s" is not the id of a %s', input.id, p_entity_type))
          )
          else jsonb_build_object(
            'version', jsonb_build_array('is not current, which is ' || found.version)
          )
        end as fields
      from (
        select
          place, id, operation, item,
          row_number() over (partition by id order by place) as number,
          first_value(place) over (partition by id order by place) as first
        from unnest(v_outcome.rows)
        where id is not null
      ) as input
      left join unnest(v_current) as found using (id)
      where input.number > 1
        or found.id is null
        or input.item ? 'version'
          and input.item -> 'version' is distinct from to_jsonb(found.version)
    ) as fault;

    if p_operation = 'upsert' then
      v_absent := v_absent || array(
        select row(
          input.place,
          'VALIDATION_ERROR',
          jsonb_build_object(
            'externalId', jsonb_build_array('is given to row ' || input.first || ' too')
          ),
          false
        )::crm_private.row_fault
        from (
          select
            place, id,
            first_value(place) over (partition by item -> 'external_id' order by place) as first
          from unnest(p_rows)
        ) as input
        where input.first <> input.place
          and not exists (
            select from unnest(v_outcome.rows) as meant
            where meant.place = input.place and meant.id is not null
          )
      );
    end if;

    v_outcome.rows := array(
      select input from unnest(v_outcome.rows) as input
      where input.place not in (select absent.place from unnest(v_absent) as absent)
      order by input.place
    );
  end if;

  perform set_config('crm.bulk', v_name || ' ' || pg_trigger_depth() + 1, true);

  v_outcome.written := array(
    select written
    from crm_private.apply_rows(v_table, array(
      select input from unnest(v_outcome.rows) as input
      where input.place not in (select known.place from unnest(p_known) as known)
      order by input.place
    )) as written
  );

  -- These are not written, whatever they hold: the validation only says what is wrong with them.
  if cardinality(p_known) > 0 then
    perform set_config('crm.refusing', 'on', true);
    perform crm_private.apply_rows(v_table, array(
      select input from unnest(v_outcome.rows) as input
      where input.operation <> 'delete'
        and input.place in (select known.place from unnest(p_known) as known where known.readable)
      order by input.place
    ));
    perform set_config('crm.refusing', '', true);
  end if;

  perform set_config('crm.bulk', '', true);

  select array_agg(row(coalesce(noted.place, input.place), noted.code, noted.fields, true)
    ::crm_private.row_fault)
  into v_noted
  from crm_private.collect_faults(v_table) as noted
  left join unnest(v_outcome.rows) as input on noted.place is null and input.id = noted.id;

  v_outcome.faults := array(
    select row(
      fault.place,
      case
        when count(distinct fault.code) = 1 then min(fault.code)
        else 'VALIDATION_ERROR'
      end,
      coalesce(
        crm_private.merged_objects(array_agg(fault.fields)),
        '{"row": ["met another change; please try again"]}'
      ),
      bool_and(fault.readable)
    )::crm_private.row_fault
    from (
      select * from unnest(v_absent)
      union all
      select * from unnest(v_noted)
      union all
      select * from unnest(p_known)
    ) as fault
    group by fault.place
    order by fault.place
  );
  return v_outcome;
end
$$;

comment on function crm_private.attempt_rows(
  text, text, crm_private.bulk_row[], crm_private.row_fault[]
) is
  'One attempt of a bulk write.';

revoke all on function crm_private.attempt_rows(
  text, text, crm_private.bulk_row[], crm_private.row_fault[]
) from public;
grant execute on function crm_private.attempt_rows(
  text, text, crm_private.bulk_row[], crm_private.row_fault[]
) to crm_member;
--! EndIncluded functions/bulk/attempt_rows.sql
--! Included functions/bulk/colliding_rows.sql
/*
 * The rows of a bulk write that collide with other rows, in the database or in the list: those with a
 * reference that leads nowhere, and those with an external id that belongs to another row. What is
 * wrong is told of external ids only; references are found with the other rules of the row.
 *
 * Called once a statement has met such a row, which PostgreSQL reports alone.
 */
create or replace function crm_private.colliding_rows(
  p_entity_type text,
  p_rows        crm_private.bulk_row[]
)
returns setof crm_private.row_fault
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_table regclass := crm_private.entity_table(p_entity_type);
  v_filled text := format(
    'select input.place as "#place", input.item as "#item", filled.*
     from unnest($1) as input
     left join %s as found on found.id = input.id
     cross join lateral jsonb_populate_record(found, input.item) as filled
     where input.operation <> ''delete''',
    v_table
  );
  v_broken text;
begin
  v_broken := crm_private.broken_reference(v_table);

  if v_broken is not null then
    return query execute format(
      'select "#place", ''CONSTRAINT_VIOLATION'', ''{}''::jsonb, true from (%s) as filled where %s',
      v_filled, v_broken
    ) using p_rows;
  end if;

  return query execute format(
    $find$
      with carried as materialized (
        select
          filled."#place" as place, filled.id as entity_id, own.source, own.id,
          own.position - 1 as position
        from (%s) as filled
        cross join unnest(filled.external_ids) with ordinality as own (source, id, position)
        where filled."#item" ? 'external_ids'
      ),
      freed as materialized (
        select id from unnest($1) as input where input.item ? 'external_ids' and id is not null
      ),
      collisions as (
        select carried.*, 'belongs to another ' || $2 as message
        from carried
        -- By the key, row by row: a plan that reads the whole table asks its policy of each row.
        cross join lateral (
          select key.entity_id
          from crm_private.external_ids as key
          where key.entity_type = $2 and key.source = carried.source and key.id = carried.id
          limit 1
        ) as held
        where held.entity_id is distinct from carried.entity_id
          and held.entity_id not in (select id from freed)

        union

        select place, entity_id, source, id, position, 'is given to row ' || first || ' too'
        from (
          select
            carried.*,
            first_value(place) over (partition by source, id order by place, position) as first
          from carried
        ) as twice (place, entity_id, source, id, position, first)
        where twice.first <> twice.place
      )
      select
        place, 'CONSTRAINT_VIOLATION',
        jsonb_object_agg('externalIds.' || position, jsonb_build_array(
          crm_private.fault_message(
            '%%s ' || message, jsonb_build_object('source', source, 'id', id)
          )
        )),
        true
      from collisions
      group by place
    $find$,
    v_filled
  ) using p_rows, p_entity_type;
end
$$;

comment on function crm_private.colliding_rows(text, crm_private.bulk_row[]) is
  'The rows of a bulk write that collide with other rows.';

revoke all on function crm_private.colliding_rows(text, crm_private.bulk_row[]) from public;
grant execute on function crm_private.colliding_rows(text, crm_private.bulk_row[]) to crm_member;
--! EndIncluded functions/bulk/colliding_rows.sql
--! Included functions/custom_fields/compile_report.sql
/*
 * Makes the report of an entity type, such as reporting.deals, anew: the columns that
 * crm_private.report_columns has, and one for each custom field, of the field's type. Called when
 * the definitions of the type change.
 *
 * A custom field's column is called custom_<name>, so that no column of ours will ever take its
 * name; a name that is too long for PostgreSQL is cut and told apart by a hash. New columns come
 * last. Where one has to go, or gets another type, the view is dropped and made again: refused if
 * somebody's view depends on it, rather than dropping that, too.
 *
 * The caller keeps writers waiting, so whoever reads the view for long is not waited for.
 */
create or replace function crm_private.compile_report(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '3s'
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_view    text := format(
    'reporting.%I',
    (select relname from pg_class where oid = crm_private.entity_table(p_entity_type))
  );
  v_columns jsonb;
  v_query   text;
  v_lost    text;
  v_field   text;
  v_users   text;
begin
  -- What is to be: our columns, then those of the fields that the view has, then new ones.
  select jsonb_agg(
    jsonb_build_array(listed.name, listed.expression, listed.comment, listed.type)
    order by listed.rank, present.attnum, listed.ordinal, listed.name
  )
  into v_columns
  from (
    select 1 as rank, ordinal, name, expression, comment, null as type
    from crm_private.report_columns(p_entity_type)

    union all

    select
      2,
      0,
      case
        when length(definition.name) <= 56 then 'custom_' || definition.name
        else 'custom_' || left(definition.name, 47) || '_' || left(md5(definition.name), 8)
      end,
      case definition.field_type
        when 'text' then format('custom_fields ->> %L', definition.name)
        when 'enum' then format('custom_fields ->> %L', definition.name)
        -- A function of ours would have to be executable by whoever reads the view.
        when 'multi_enum' then format(
          'case when jsonb_typeof(custom_fields -> %1$L) = ''array'' '
          'then array(select jsonb_array_elements_text(custom_fields -> %1$L)) end',
          definition.name
        )
        else format(
          'case when %s then (custom_fields ->> %L)::%s end',
          (
            select rule.condition from crm_private.custom_field_rules(definition) as rule
            where rule.rule = 'type'
          ),
          definition.name,
          typed.name
        )
      end,
      definition.label,
      typed.name
    from crm.custom_field_definitions as definition
    cross join lateral (
      select case definition.field_type
        when 'number' then 'numeric' when 'date' then 'date' when 'boolean' then 'boolean'
        when 'multi_enum' then 'text[]' else 'text'
      end
    ) as typed (name)
    where definition.entity_type = p_entity_type
  ) as listed
  left join pg_attribute as present
    on present.attrelid = to_regclass(v_view) and present.attname = listed.name and listed.rank = 2;

  select
    'create or replace view ' || v_view || ' as select '
      || string_agg(format('%s as %I', wanted.item ->> 1, wanted.item ->> 0), ', ' order by ordinal)
      || case p_entity_type
        when 'company' then ' from crm.companies as company'
        when 'contact' then
          ' from crm.contacts as contact
            left join (select id, name from crm.companies) as company
              on company.id = contact.company_id'
        when 'deal' then
          ' from crm.deals as deal
            join (select id, name from crm.companies) as company on company.id = deal.company_id
            join (select name, kind from crm.pipeline_stages) as stage on stage.name = deal.stage
            left join (select id, first_name, last_name from crm.contacts) as contact
              on contact.id = deal.contact_id'
        else format(' from %s as %I', crm_private.entity_table(p_entity_type), p_entity_type)
      end
  into v_query
  from jsonb_array_elements(v_columns) with ordinality as wanted (item, ordinal);

  -- What the view has and is not to have any more, or not of that type.
  select present.attname::text, case when wanted.item is null then 'name' else 'fieldType' end
  into v_lost, v_field
  from pg_attribute as present
  left join jsonb_array_elements(v_columns) as wanted (item)
    on wanted.item ->> 0 = present.attname
  where present.attrelid = to_regclass(v_view)
    and present.attnum > 0
    and (
      wanted.item is null
      or wanted.item ->> 3 <> format_type(present.atttypid, present.atttypmod)
    )
  order by present.attnum
  limit 1;

  if v_lost is not null then
    begin
      execute 'drop view ' || v_view;
    exception when dependent_objects_still_exist then
      select string_agg(distinct rewrite.ev_class::regclass::text, ', ')
      into v_users
      from pg_depend as dependency
      join pg_rewrite as rewrite on rewrite.oid = dependency.objid
      where dependency.refobjid = v_view::regclass
        and dependency.classid = 'pg_rewrite'::regclass
        and rewrite.ev_class <> v_view::regclass;

      raise exception 'column % of % cannot go: % reads the view', v_lost, v_view, v_users
        using errcode    = 'check_violation',
              schema     = 'crm', table = 'custom_field_definitions',
              column     = case v_field when 'name' then 'name' else 'field_type' end,
              constraint = 'custom_field_definitions_report_used',
              detail     = jsonb_build_object(
                             v_field,
                             jsonb_build_array(format(
                               'is column %s of %s, which is read by %s', v_lost, v_view, v_users
                             ))
                           )::text,
              hint       = 'Drop what reads the view first, and make it again afterwards.';
    end;
  end if;

  execute v_query;
  execute format(
    'comment on view %s is %L',
    v_view,
    'One row for each ' || replace(p_entity_type, '_', ' ')
      || ', with its custom fields as columns: custom_<name>.'
  );
  execute (
    select string_agg(
      format('comment on column %s.%I is %L', v_view, item ->> 0, item ->> 2), '; '
    )
    from jsonb_array_elements(v_columns) as wanted (item)
  );
  execute format('grant select on %s to crm_reporter', v_view);
end
$$;

comment on function crm_private.compile_report(text) is
  'Makes the report of an entity type anew, with its custom fields as columns.';

revoke all on function crm_private.compile_report(text) from public;
--! EndIncluded functions/custom_fields/compile_report.sql
--! Included functions/custom_fields/compile_unique.sql
/*
 * Makes the constraints of an entity type what the definitions say is unique: one for each such field,
 * <table>_custom_<name>_unique, and none for others. Called when the definitions of the type change.
 *
 * They are exclusion constraints, because those can be of an expression and yet be deferred: a merge
 * and an undo move values from row to row, and two rows may have one for a moment. They stand on hash
 * indexes, which take a text of any length. They compare JSON, which is equal where the values are, and
 * can be asked of whatever an old version of a row had. A field without a value collides with none.
 *
 * Adding or dropping one locks the table exclusively while its index is built.
 */
create or replace function crm_private.compile_unique(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table  regclass := crm_private.entity_table(p_entity_type);
  v_prefix text     := (select relname || '_custom_' from pg_class where oid = v_table);
  v_change record;
begin
  for v_change in
    select
      wanted.field,
      coalesce(wanted.name, present.name) as name
    from (
      select d.name as field, v_prefix || d.name || '_unique' as name
      from crm.custom_field_definitions as d
      where d.entity_type = p_entity_type
        and d.is_unique
    ) as wanted
    full join (
      select conname::text as name
      from pg_constraint
      where conrelid = v_table
        and contype = 'x'
        and starts_with(conname, v_prefix)
    ) as present using (name)
    where wanted.name is null
      or present.name is null
  loop
    if v_change.field is null then
      execute format('alter table %s drop constraint %I', v_table, v_change.name);
    else
      execute format(
        'alter table %s add constraint %I '
        'exclude using hash ((custom_fields -> %L) with =) deferrable',
        v_table, v_change.name, v_change.field
      );
      execute format(
        'comment on constraint %I on %s is %L',
        v_change.name, v_table, format('customFields.%s is taken', v_change.field)
      );
    end if;
  end loop;
end
$$;

comment on function crm_private.compile_unique(text) is
  'Makes the constraints of an entity type what its definitions say is unique.';

revoke all on function crm_private.compile_unique(text) from public;
--! EndIncluded functions/custom_fields/compile_unique.sql
--! Included functions/custom_fields/custom_field_index_name.sql
/*
 * What the index of a custom field is called, whether there is one or not: by the id of the
 * definition, which stays when the field gets another name.
 */
create or replace function crm_private.custom_field_index_name(
  p_definition crm.custom_field_definitions
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select relname || '_custom_' || replace(p_definition.id::text, '-', '')
  from pg_class
  where oid = crm_private.entity_table(p_definition.entity_type);
$$;

comment on function crm_private.custom_field_index_name(crm.custom_field_definitions) is
  'What the index of a custom field is called, whether there is one or not.';

revoke all on function crm_private.custom_field_index_name(crm.custom_field_definitions)
  from public;
grant execute on function crm_private.custom_field_index_name(crm.custom_field_definitions)
  to crm_reader;
--! EndIncluded functions/custom_fields/custom_field_index_name.sql
--! Included functions/custom_fields/custom_field_definitions_index.sql
/*
 * The index of a custom field, null where there is none. What is read is the catalog, so it is what
 * the database has, whoever made or dropped it.
 */
create or replace function crm.custom_field_definitions_index(
  definition crm.custom_field_definitions
)
returns crm.custom_field_index
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select (
    class.relname, method.amname, index.indisvalid,
    pg_relation_size(class.oid), pg_stat_get_numscans(class.oid)
  )::crm.custom_field_index
  from pg_class as class
  join pg_index as index on index.indexrelid = class.oid
  join pg_am as method on method.oid = class.relam
  where class.oid = to_regclass(
    format('crm.%I', crm_private.custom_field_index_name(definition))
  );
$$;

comment on function crm.custom_field_definitions_index(crm.custom_field_definitions) is
  'The index by which filters and orders on the field are answered; null if there is none.';

revoke all on function crm.custom_field_definitions_index(crm.custom_field_definitions)
  from public;
grant execute on function crm.custom_field_definitions_index(crm.custom_field_definitions)
  to crm_reader;
--! EndIncluded functions/custom_fields/custom_field_definitions_index.sql
--! Included functions/audit_log/entry_digest.sql
/*
 * The digest of an audit log entry: of every column, and of the values by their own digest. The
 * columns are in binary form, which does not depend on time zone or format of dates; the texts are
 * a JSON array, in which none can run into the next. erased_at is left out, because erasing must not
 * break the digest; crm_private.check_audit_log holds it against the entry that records the erasure.
 */
create or replace function crm_private.entry_digest(
  id             bigint,
  entity_type    text,
  entity_id      uuid,
  action         text,
  user_id        text,
  "timestamp"    timestamptz,
  transaction_id bigint,
  source         text,
  payload        bytea
)
returns bytea
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return sha256(
    int8send(id) || timestamptz_send("timestamp") || uuid_send(entity_id) || int8send(transaction_id)
    || payload
    || convert_to(jsonb_build_array(entity_type, action, user_id, source)::text, 'UTF8')
  );
end
$$;

comment on function crm_private.entry_digest(
  bigint, text, uuid, text, text, timestamptz, bigint, text, bytea
) is
  'SHA-256 of an audit log entry, its values given by their own digest.';

revoke all on function crm_private.entry_digest(
  bigint, text, uuid, text, text, timestamptz, bigint, text, bytea
) from public;
--! EndIncluded functions/audit_log/entry_digest.sql
--! Included functions/idempotency/drop_responses.sql
/*
 * Drops the answers that were kept for repeated mutations and may hold something of entities. The keys
 * stay: a repeat still does nothing, and is told that its answer is gone.
 */
create or replace function crm_private.drop_responses(p_ids uuid[])
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  update crm_private.idempotency_keys
  set answer = null
  where answer is not null
    and (entity_ids is null or entity_ids && p_ids);
$$;

comment on function crm_private.drop_responses(uuid[]) is
  'Drops the answers kept for repeated mutations that may hold something of entities.';

revoke all on function crm_private.drop_responses(uuid[]) from public;
--! EndIncluded functions/idempotency/drop_responses.sql
--! Included functions/erasure/lock_person.sql
/*
 * Locks everything of a person that an erasure touches, and gives their ids: the contact's, and those of
 * everybody who was merged into it. The id of somebody who was merged into another stands for that one.
 *
 * It has all of it or nothing. While it waits for somebody it holds nothing that they may wait for, so an
 * erasure is never part of a deadlock, whatever order others lock in: rows are tried, not waited for, and
 * what an attempt has locked is given back before the next one. What it waits for in line, and holds
 * meanwhile, only maintenance takes. lock_timeout bounds all attempts together.
 *
 * When it has returned nobody else has written anything of the person that is not committed, restores
 * or undoes anything, keeps an answer, or seals.
 */
create or replace function crm_private.lock_person(p_contact_id uuid)
returns uuid[]
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_timeout interval    := current_setting('lock_timeout')::interval;
  v_started timestamptz := clock_timestamp();
  v_ids     uuid[];
begin
  loop
    begin
      -- The statistics are made anew at the end, which takes this lock. A vacuum gives way to it.
      lock table crm.contacts, crm.tasks, crm.notes, crm_private.external_ids
        in share update exclusive mode;
      lock table crm.contacts, crm.deals, crm.tasks, crm.notes in row exclusive mode nowait;
      lock table crm_private.erasure_lock in access exclusive mode nowait;

      if not crm_private.lock_seals(p_waits => false) then
        raise lock_not_available;
      end if;

      v_ids := crm_private.merged_ids(
        'contact', coalesce(crm_private.merged_into('contact', p_contact_id), p_contact_id)
      );
      perform from crm.contacts where id = any (v_ids) for update nowait;

      -- Who was merged before the lock was had is found now.
      if v_ids <> crm_private.merged_ids(
        'contact', coalesce(crm_private.merged_into('contact', p_contact_id), p_contact_id)
      ) then
        raise lock_not_available;
      end if;

      perform from crm.deals where contact_id = any (v_ids) for update nowait;
      perform from crm.tasks where contact_id = any (v_ids) for update nowait;
      perform from crm.notes where contact_id = any (v_ids) for update nowait;
      exit;
    exception
      when lock_not_available then
        if v_timeout > interval '0' and clock_timestamp() > v_started + v_timeout then
          raise;
        end if;
    end;

    perform pg_sleep(0.02);
  end loop;

  return v_ids;
end
$$;

comment on function crm_private.lock_person(uuid) is
  'Locks everything of a person that an erasure touches, and gives the ids of their contacts.';

revoke all on function crm_private.lock_person(uuid) from public;
--! EndIncluded functions/erasure/lock_person.sql
--! Included functions/erasure/merged_person_entries.sql
/*
 * The entries of others that may hold values of a person: of contacts that the person was merged into,
 * from the merge until it was undone, and of those that these were merged into meanwhile. p_table is
 * crm.audit_logs or a month that was detached from it.
 */
create or replace function crm_private.merged_person_entries(p_table regclass, p_ids uuid[])
returns setof crm.audit_logs
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- What its statement returns cannot be told, nor that it locks.
-- @plpgsql_check_options: extra_warnings = off, performance_warnings = off
begin
  return query execute format(
    $query$
    with recursive mixed (id, since, until) as (
      select merge.winner_id, merge.merged_at, merge.ended_at
      from crm_private.merges as merge
      where merge.entity_type = 'contact'
        and merge.loser_id = any ($1)
        and merge.ended_at is not null
        and merge.winner_id <> all ($1)

      union

      select merge.winner_id, merge.merged_at, coalesce(merge.ended_at, 'infinity')
      from mixed
      join crm_private.merges as merge
        on merge.loser_id = mixed.id
        and merge.entity_type = 'contact'
        and merge.merged_at between mixed.since and mixed.until
      where merge.winner_id <> all ($1)
    )
    select
      entry.id, entry.entity_type, entry.entity_id, entry.action, entry.user_id, entry.changes,
      entry."timestamp", entry.transaction_id, entry.source, entry.erased_at
    from %s as entry
    where entry.erased_at is null
      and entry.action <> 'erase'
      and entry.entity_type = 'contact'
      and exists (
        select
        from mixed
        where mixed.id = entry.entity_id
          and entry."timestamp" between mixed.since and mixed.until
      )
    for update of entry
    $query$,
    p_table
  ) using p_ids;
end
$$;

comment on function crm_private.merged_person_entries(regclass, uuid[]) is
  'The entries of others that may hold values of a person who was merged into them for a time.';

revoke all on function crm_private.merged_person_entries(regclass, uuid[]) from public;
--! EndIncluded functions/erasure/merged_person_entries.sql
--! Included functions/erasure/erase_contact.sql
/*
 * Forgets a person: deletes the contact, if it is still there, with its tasks and notes, and takes the
 * values out of every entry of theirs, and of everybody who was merged into it, months included that were
 * detached from the audit log and are still in the database. Answers that were kept for repeated mutations
 * and may hold something of them go, too. Gives the entry that records it. Refuses an id that no
 * contact ever had.
 *
 * The id of a contact that was merged stands for the one that is left: they are one person. A merge that
 * was undone left two; of the other one those entries lose their values that were made in between.
 *
 * Tasks and notes of the contact are those that hang on it, or did when they were deleted. Those
 * that were moved to another entity belong to that one.
 *
 * Security definer: nobody but the owner of the audit log may change it.
 */
create or replace function crm_private.erase_contact(id uuid)
returns crm.audit_logs
language plpgsql
volatile
strict
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_id      uuid := erase_contact.id;
  v_persons uuid[];
  v_ids     uuid[];
  v_more    uuid[];
  v_table   regclass;
  v_entries crm.audit_logs[];
  v_erased  crm.audit_logs[] := '{}'::crm.audit_logs[];
  v_erasure crm.audit_logs;
  v_existed boolean;
  v_at      timestamptz;
begin
  perform crm_private.caller_is_authenticated();

  perform crm_private.refuse_old_snapshot('erase_contact');
  v_persons := crm_private.lock_person(v_id);
  -- Those that are committed were left by a session that called itself a bulk write.
  delete from crm_private.faulty_rows;

  v_ids := v_persons
    || array(select id from crm.tasks where contact_id = any (v_persons))
    || array(select id from crm.notes where contact_id = any (v_persons));

  for v_table in select * from crm_private.audit_log_tables()
  loop
    execute format(
      $find$
        select array_agg(entity_id)
        from (
          select distinct on (entity_id)
            entity_id, crm_private.attached_to(action, changes) as attached_to
          from %1$s
          where entity_type = any (array['task', 'note'])
            and changes ? 'entity_id'
            and crm_private.attached_to(action, changes) is not null
            and entity_id in (
              select entity_id
              from %1$s
              where entity_type = any (array['task', 'note'])
                and changes ? 'entity_id'
                and crm_private.attached_to(action, changes) = any ($1)
            )
          order by entity_id, id desc
        ) as last
        where attached_to = any ($1)
      $find$,
      v_table
    ) into v_more using v_persons::text[];
    v_ids := v_ids || v_more;
  end loop;

  delete from crm.contacts where id = any (v_persons);
  v_existed := found;
  v_at      := clock_timestamp();

  for v_table in select * from crm_private.audit_log_tables()
  loop
    execute format(
      $find$
        select array_agg(row(
          id, entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id,
          source, erased_at
        )::crm.audit_logs)
        from (
          select *
          from %s
          where entity_id = any ($1) and erased_at is null and action <> 'erase'
          for update
        ) as entry
      $find$,
      v_table
    ) into v_entries using v_ids;
    v_entries := coalesce(v_entries, '{}')
      || array(select mixed::crm.audit_logs from crm_private.merged_person_entries(v_table, v_persons) as mixed);
    perform crm_private.scrub_entries(v_table, v_entries, v_at);
    v_erased := v_erased || v_entries;
  end loop;

  if not v_existed and cardinality(v_erased) = 0 then
    select * into v_erasure
    from crm.audit_logs
    where entity_id = v_id and entity_type = 'contact' and action = 'erase'
    order by id desc
    limit 1;
    if found then
      return v_erasure; -- asked twice
    end if;

    perform crm_private.refuse_missing('contact', v_id::text);
  end if;

  perform crm_private.log_event(entity_type, 'erase', '{}', v_at, entity_id)
  from (
    select distinct entity_type, entity_id
    from unnest(v_erased)
    where entity_id <> v_id
  ) as attached;
  v_erasure := crm_private.log_event('contact', 'erase', '{}', v_at, v_id);

  perform crm_private.drop_responses(v_ids || array(select entity_id from unnest(v_erased)));

  perform crm_private.refresh_statistics(table_oid)
  from unnest('{crm.contacts,crm.tasks,crm.notes,crm_private.external_ids}'::regclass[]) as table_oid;

  return v_erasure;
end
$$;

comment on function crm_private.erase_contact(uuid) is
  'What crm.erase_contact calls, with the rights of the owner.';

revoke all on function crm_private.erase_contact(uuid) from public;
grant execute on function crm_private.erase_contact(uuid) to crm_admin;

create or replace function crm.erase_contact(id uuid)
returns crm.audit_logs
language sql
volatile
strict
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.erase_contact(id);
$$;

comment on function crm.erase_contact(uuid) is
  'Forgets a person, for good: deletes the contact with its tasks and notes, if it is still there, '
  'and takes their values out of the audit log, the trash and what is kept for repeated mutations. '
  'Whoever was merged into it is the same person, and so is the one that it was merged into. Who did '
  'what to them, and when, stays. Gives the entry that records the erasure. For administrators.';

revoke all on function crm.erase_contact(uuid) from public;
grant execute on function crm.erase_contact(uuid) to crm_admin;
--! EndIncluded functions/erasure/erase_contact.sql
--! Included functions/idempotency/expire_idempotency_keys.sql
/*
 * Forgets idempotency keys that have expired, with their answers; at most p_limit, lest it takes
 * long. Gives their number, so that the caller can go on. The server calls it every hour; several
 * may call it at once, and none waits for a key that is just being used again.
 *
 * Security definer: crm_server has no rights of its own on the table.
 */
create or replace function crm_private.expire_idempotency_keys(p_limit integer default 10000)
returns integer
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  with expired as (
    select key_hash
    from crm_private.idempotency_keys
    where expires_at <= now()
    order by expires_at
    limit p_limit
    for update skip locked
  ),
  forgotten as (
    delete from crm_private.idempotency_keys
    where key_hash in (select key_hash from expired)
    returning 1
  )
  select count(*)::integer from forgotten;
$$;

comment on function crm_private.expire_idempotency_keys(integer) is
  'Forgets idempotency keys that have expired; gives how many.';

revoke all on function crm_private.expire_idempotency_keys(integer) from public;
grant execute on function crm_private.expire_idempotency_keys(integer) to crm_server;
--! EndIncluded functions/idempotency/expire_idempotency_keys.sql
--! Included functions/common/fault_message.sql
/*
 * A message with its faulty value filled in for %s, as JSON writes it and cut to a length that a
 * form can show. Called by crm_private.row_faults.
 */
create or replace function crm_private.fault_message(p_template text, p_value jsonb)
returns text
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
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
grant execute on function crm_private.fault_message(text, jsonb) to crm_reader;
--! EndIncluded functions/common/fault_message.sql
--! Included functions/validation/faults_of_new_row.sql
/*
 * The faults that a new row of a table would be refused for, by field: it is inserted and taken back. Null
 * if it would be taken. Called by the API where the input of a mutation cannot be read as a whole, so
 * that the faults of what can be read are told together with the others.
 *
 * Runs with the caller's rights. p_row has columns as keys; what is absent has its default.
 */
create or replace function crm_private.faults_of_new_row(p_table regclass, p_row jsonb)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statement is made of names that the catalog quotes; that it writes cannot be told.
-- @plpgsql_check_options: security_warnings = off, performance_warnings = off
declare
  v_columns text;
  v_detail  text;
begin
  select string_agg(quote_ident(attribute.attname), ', ')
  into v_columns
  from pg_attribute as attribute
  where attribute.attrelid = p_table
    and attribute.attnum > 0
    and not attribute.attisdropped
    and p_row ? attribute.attname::text;

  begin
    if v_columns is null then
      execute format('insert into %s default values', p_table);
    else
      execute format(
        'insert into %s (%s) select %2$s from jsonb_populate_record(null::%1$s, $1)',
        p_table, v_columns
      ) using p_row;
    end if;
    raise triggered_action_exception using message = 'takes the row back';
  exception
    when triggered_action_exception then
      return null;
    when check_violation then
      get stacked diagnostics v_detail = pg_exception_detail;
      -- What PostgreSQL itself says in a detail is no JSON, and quotes values.
      if v_detail not like '{%' then
        raise;
      end if;
      return v_detail::jsonb;
    -- A link that leads nowhere and a value that is taken are met once the rest is right.
    when integrity_constraint_violation then
      return null;
  end;
end
$$;

comment on function crm_private.faults_of_new_row(regclass, jsonb) is
  'The faults that a new row would be refused for, by field; null if it would be taken.';

revoke all on function crm_private.faults_of_new_row(regclass, jsonb) from public;
grant execute on function crm_private.faults_of_new_row(regclass, jsonb) to crm_member;
--! EndIncluded functions/validation/faults_of_new_row.sql
--! Included functions/validation/fields_of_violation.sql
/*
 * The fields that a broken constraint is about, each with its message: what the product's own error
 * says in its detail, or the rule's message, or, of an index that is nobody's rule, its columns.
 *
 * Security definer, because rules are not read by roles; it reads no rows.
 */
create or replace function crm_private.fields_of_violation(
  p_table      regclass,
  p_schema     text,
  p_constraint text,
  p_detail     text
)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_fields jsonb;
begin
  if p_schema = 'crm' and p_detail like '{%' then
    return p_detail::jsonb;
  end if;

  select jsonb_object_agg(
    rule.field, jsonb_build_array(crm_private.fault_message(rule.message, null))
  )
  into v_fields
  from crm_private.rules as rule
  where rule.table_oid = p_table and rule.constraint_name = p_constraint;

  -- The rule of a custom field that is unique says in its name which one it is.
  if v_fields is null then
    select jsonb_build_object(
      'customFields.' || substring(conname from '_custom_(\w+)_unique$'), '["is taken"]'::jsonb
    )
    into v_fields
    from pg_constraint
    where conrelid = p_table
      and contype = 'x'
      and conname = p_constraint
      and conname ~ '_custom_\w+_unique$';
  end if;

  if v_fields is null then
    select jsonb_object_agg(
      crm_private.camel_case(attribute.attname), '["has a value that is taken"]'::jsonb
    )
    into v_fields
    from pg_index as index
    join pg_attribute as attribute
      on attribute.attrelid = index.indrelid
      and (
        attribute.attnum = any (index.indkey)
        or strpos(pg_get_expr(index.indexprs, index.indrelid), attribute.attname) > 0
      )
    where index.indrelid = p_table
      and index.indexrelid = (
        select class.oid
        from pg_class as class
        where class.relname = p_constraint
          and class.relnamespace = (select relnamespace from pg_class where oid = p_table)
      )
      and attribute.attnum > 0;
  end if;

  return coalesce(
    v_fields, jsonb_build_object('row', jsonb_build_array('breaks the rule ' || p_constraint))
  );
end
$$;

comment on function crm_private.fields_of_violation(regclass, text, text, text) is
  'The fields that a broken constraint is about, each with its message.';

revoke all on function crm_private.fields_of_violation(regclass, text, text, text) from public;
grant execute on function crm_private.fields_of_violation(regclass, text, text, text)
  to crm_member;
--! EndIncluded functions/validation/fields_of_violation.sql
--! Included functions/duplicates/find_duplicates.sql
/*
 * The rows that may be the same as a contact or a company. Refuses an entity type that has no
 * duplicates, and the id of a row that is not there or that the caller may not see: an empty list
 * would say that it has none.
 */
create or replace function crm.find_duplicates(
  entity_type text,
  id          uuid,
  min_score   double precision default 0.3
)
returns setof crm.duplicate
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_contact crm.contacts;
  v_company crm.companies;
begin
  case entity_type
    when 'contact' then
      select * into v_contact from crm.contacts where contacts.id = find_duplicates.id;
      if found then
        return query select * from crm.contacts_duplicates(v_contact, min_score);
        return;
      end if;
    when 'company' then
      select * into v_company from crm.companies where companies.id = find_duplicates.id;
      if found then
        return query select * from crm.companies_duplicates(v_company, min_score);
        return;
      end if;
    else
      perform crm_private.refuse_entity_type(entity_type);
  end case;

  perform crm_private.refuse_missing(entity_type, find_duplicates.id::text);
end
$$;

comment on function crm.find_duplicates(text, uuid, double precision) is
  'The contacts or companies that may be the same as one, the likeliest first, each with a score '
  'from 0 to 1 and the reasons. The entity type is contact or company.';

revoke all on function crm.find_duplicates(text, uuid, double precision) from public;
grant execute on function crm.find_duplicates(text, uuid, double precision) to crm_reader;
--! EndIncluded functions/duplicates/find_duplicates.sql
--! Included functions/common/non_null_members.sql
/* The members of an object that are not null: of an input, what was given. */
create or replace function crm_private.non_null_members(p_object jsonb)
returns jsonb
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_object_agg(key, value) filter (where value <> 'null'), '{}')
  from jsonb_each(p_object);
$$;

comment on function crm_private.non_null_members(jsonb) is
  'The members of an object that are not null.';

revoke all on function crm_private.non_null_members(jsonb) from public;
grant execute on function crm_private.non_null_members(jsonb) to crm_member;
--! EndIncluded functions/common/non_null_members.sql
--! Included functions/validation/is_value_of.sql
/* Whether JSON can be read as a value of a type, as jsonb_populate_record reads it. */
create or replace function crm_private.is_value_of(p_type oid, p_value jsonb)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('select from jsonb_to_record($1) as read (value %s)', format_type(p_type, null))
  using jsonb_build_object('value', p_value);
  return true;
exception
  when data_exception or program_limit_exceeded then
    return false;
end
$$;

comment on function crm_private.is_value_of(oid, jsonb) is
  'Whether JSON can be read as a value of a type.';

revoke all on function crm_private.is_value_of(oid, jsonb) from public;
grant execute on function crm_private.is_value_of(oid, jsonb) to crm_member;
--! EndIncluded functions/validation/is_value_of.sql
--! Included functions/custom_fields/index_custom_field.sql
/*
 * Makes the index of a custom field, unless it is there. Writers of the entity wait until the
 * transaction ends; npx pgcrm field index does it without that. What a build that failed left is
 * replaced.
 *
 * Security definer: only the owner of a table makes indexes of it.
 */
create or replace function crm_private.index_custom_field(entity_type text, name text)
returns crm.custom_field_definitions
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_definition crm.custom_field_definitions;
  v_index      crm.custom_field_index;
begin
  perform crm_private.caller_is_authenticated();

  perform crm_private.claim_definitions(p_alone => true);
  v_definition := crm_private.custom_field(entity_type, name);
  v_index := crm.custom_field_definitions_index(v_definition);

  if not coalesce(v_index.is_valid, false) then
    if v_index.name is not null then
      execute format('drop index crm.%I', v_index.name);
    end if;
    execute crm_private.custom_field_index_statement(v_definition);

    -- Until the planner knows the values it expects too many rows to be found.
    execute format('analyze %s', crm_private.entity_table(entity_type));
  end if;

  return v_definition;
end
$$;

comment on function crm_private.index_custom_field(text, text) is
  'What crm.index_custom_field calls, with the rights of the owner.';

revoke all on function crm_private.index_custom_field(text, text) from public;
grant execute on function crm_private.index_custom_field(text, text) to crm_admin;

create or replace function crm.index_custom_field(entity_type text, name text)
returns crm.custom_field_definitions
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.index_custom_field(entity_type, name);
$$;

comment on function crm.index_custom_field(text, text) is
  'Makes an index on a custom field, by which filters and orders on it are answered; of a text that '
  'may have more than 500 characters filters by the whole value or its beginning. Nothing is done if it is there. Writers of the entity wait '
  'meanwhile: on large tables use npx pgcrm field index. For administrators.';

revoke all on function crm.index_custom_field(text, text) from public;
grant execute on function crm.index_custom_field(text, text) to crm_admin;
--! EndIncluded functions/custom_fields/index_custom_field.sql
--! Included functions/access/is_administrator.sql
/* Whether the caller may do what is for administrators, also within a security definer function. */
create or replace function crm_private.is_administrator()
returns boolean
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select pg_has_role(crm_private.calling_role(), 'crm_admin', 'usage')
  or pg_has_role(
    crm_private.calling_role(),
    (select nspowner from pg_catalog.pg_namespace where nspname = 'crm'),
    'usage'
  );
$$;

comment on function crm_private.is_administrator() is
  'True if the caller has the rights of an administrator.';

revoke all on function crm_private.is_administrator() from public;
grant execute on function crm_private.is_administrator() to crm_reader;
--! EndIncluded functions/access/is_administrator.sql
--! Included functions/access/is_importing.sql
/*
 * Whether the session imports: says so, by crm.source, and may, being an administrator's. Then new rows
 * keep who created them and when in the system that they come from.
 */
create or replace function crm_private.is_importing()
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce(current_setting('crm.source', true) = 'import', false)
    and crm_private.is_administrator();
end
$$;

comment on function crm_private.is_importing() is
  'True if an administrator''s session says that it imports.';

revoke all on function crm_private.is_importing() from public;
grant execute on function crm_private.is_importing() to crm_reader;
--! EndIncluded functions/access/is_importing.sql
--! Included functions/imports/importable_columns.sql
/* What a session that imports may give a new row of a table beside what members may. */
create or replace function crm_private.importable_columns(p_table regclass)
returns name[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(attname order by attnum), '{}')
  from pg_attribute
  where attrelid = p_table
    and attname = any ('{created_at,created_by,closed_at}'::name[]);
$$;

comment on function crm_private.importable_columns(regclass) is
  'The columns that a session that imports may give new rows of a table.';

revoke all on function crm_private.importable_columns(regclass) from public;
grant execute on function crm_private.importable_columns(regclass) to crm_reader;
--! EndIncluded functions/imports/importable_columns.sql
--! Included functions/imports/imported_columns.sql
/* Those of crm_private.importable_columns if the session imports, else none. */
create or replace function crm_private.imported_columns(p_table regclass)
returns name[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when crm_private.is_importing() then crm_private.importable_columns(p_table)
    else '{}'
  end;
$$;

comment on function crm_private.imported_columns(regclass) is
  'The columns that this session may give new rows of a table, because it imports.';

revoke all on function crm_private.imported_columns(regclass) from public;
grant execute on function crm_private.imported_columns(regclass) to crm_reader;
--! EndIncluded functions/imports/imported_columns.sql
--! Included functions/imports/require_import.sql
/* Refuses to go on, unless the session imports. */
create or replace function crm_private.require_import(p_columns text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not crm_private.is_importing() then
    raise exception '% can be given only by an administrator who imports', p_columns
      using errcode = 'insufficient_privilege',
            schema  = 'crm',
            hint    = 'Say so before: set crm.source = ''import''.';
  end if;
end
$$;

comment on function crm_private.require_import(text) is
  'Refuses columns that only a session that imports may give.';

revoke all on function crm_private.require_import(text) from public;
grant execute on function crm_private.require_import(text) to crm_member;
--! EndIncluded functions/imports/require_import.sql
--! Included functions/imports/imported_stamp.sql
/*
 * The value of created_at, created_by or closed_at that a session that imports gives the row that is
 * being made, null if it gives none or does not import. A statement of the owner, or COPY, has it in
 * the column. Others may not write the column: a bulk write says it in the setting crm.bulk_stamps,
 * for each row before it is made.
 */
create or replace function crm_private.imported_stamp(p_column text, p_written text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_said text := nullif(current_setting('crm.bulk_stamps', true), '');
begin
  if p_written is null and v_said is null or not crm_private.is_importing() then
    return null;
  elsif v_said is null then
    return p_written;
  end if;

  return v_said::jsonb ->> p_column;
end
$$;

comment on function crm_private.imported_stamp(text, text) is
  'The value of a column that a session that imports gives a new row; null if it gives none.';

revoke all on function crm_private.imported_stamp(text, text) from public;
grant execute on function crm_private.imported_stamp(text, text) to crm_member;
--! EndIncluded functions/imports/imported_stamp.sql
--! Included functions/deals/imported_close.sql
/*
 * When a deal was closed that is imported as closed without a time: the day on which it was to close, if
 * that lies between its making and now; else when it was made, since when it has been in its stage as far
 * as is known. Null where it was not made in another system before.
 */
create or replace function crm_private.imported_close(p_deal crm.deals)
returns timestamptz
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_created timestamptz :=
    crm_private.imported_stamp('created_at', p_deal.created_at::text)::timestamptz;
  v_day     timestamptz;
begin
  if v_created is null then
    return null;
  end if;

  v_day := p_deal.close_date::timestamp at time zone crm.time_zone();
  return case when v_day between v_created and now() then v_day else v_created end;
end
$$;

comment on function crm_private.imported_close(crm.deals) is
  'When a deal was closed that is imported as closed without saying when; null if it is not imported.';

revoke all on function crm_private.imported_close(crm.deals) from public;
grant execute on function crm_private.imported_close(crm.deals) to crm_member;
--! EndIncluded functions/deals/imported_close.sql
--! Included functions/custom_fields/is_reserved_field.sql
/*
 * Whether a built-in field of a contact, a company or a deal has a name already, in the row itself, in
 * what filters, orders and groups it, or in what is written. A custom field of that name is served
 * under another, so that no name ever means two things. Columns are read from the catalog; any other field
 * that is added to the product joins the list, and a test compares it with the API. On it, too, are the
 * names of what every object of JavaScript has, which would be found in an input that does not have them.
 */
create or replace function crm_private.is_reserved_field(p_field text)
returns boolean
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return lower(p_field) = any (array[
      'address', 'and', 'closedate', 'closedat', 'company', 'companyexists', 'companyid',
      'companyname', 'contact', 'contactexists', 'contactfirstname', 'contactid', 'contactlastname',
      'contactname', 'contacts', 'contactsexist', 'count', 'createdat', 'createdby',
      'currency', 'customfields', 'deals', 'dealsexist', 'duplicates', 'emails', 'externalid',
      'externalids', 'fieldhistory', 'firstname', 'history', 'historyiscomplete', 'id', 'keys',
      'lastname', 'lostreason', 'name', 'natural', 'nodeid', 'not', 'notes', 'notesexist', 'or',
      'ownerid', 'phones', 'pipelinestage', 'primarykey', 'probability', 'probabilitygiven', 'stage',
      'stagehistory', 'stagehistoryexist', 'tasks', 'tasksexist', 'title', 'updatedat', 'updatedby',
      'value', 'version',
      'constructor', 'hasownproperty', 'isprototypeof', 'propertyisenumerable', 'tolocalestring',
      'tostring', 'valueof'
    ])
    -- Orders by what belongs to a row, as DEALS_SUM_VALUE_DESC, and groups, as CLOSE_DATE_TRUNCATED_TO_DAY.
    or lower(p_field) ~
      '^(contacts|deals|notes|stagehistory|tasks)(average|count|distinctcount|max|min|sum)'
    or lower(p_field) ~ 'truncatedto(day|hour|month|quarter|week|year)$'
    or exists (
      select
      from pg_attribute
      join crm_private.entity_types on entity_table = attrelid and has_custom_fields
      where attnum > 0
        and not attisdropped
        and replace(attname, '_', '') = lower(p_field)
    );
end
$$;

comment on function crm_private.is_reserved_field(text) is
  'Whether a built-in field has a name already, so that no custom field is served under it.';

revoke all on function crm_private.is_reserved_field(text) from public;
grant execute on function crm_private.is_reserved_field(text) to crm_reader;
--! EndIncluded functions/custom_fields/is_reserved_field.sql
--! Included functions/custom_fields/custom_field_names.sql
/*
 * Under which name the API serves each custom field, given all definitions of an entity type:
 * close_reason is closeReason. Where a built-in field has that name it is customTitle; where an older
 * definition has it, as close_reason and closeReason would both be, the younger's name ends with a
 * hash. Upper and lower case make no difference between two names, since orders and groups are
 * written in capitals.
 */
create or replace function crm_private.custom_field_names(
  p_definitions crm.custom_field_definitions[]
)
returns table (definition_id uuid, field_name text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select
    numbered.id,
    case when numbered.ordinal = 1 then numbered.free
      else numbered.free || '_' || left(md5(numbered.name), 8)
    end
  from (
    select
      definition.id,
      definition.name,
      named.free,
      row_number() over (
        partition by lower(named.free)
        order by definition.created_at, definition.name collate "C"
      ) as ordinal
    from unnest(p_definitions) as definition
    cross join lateral (
      select string_agg(
        case
          when ordinal > 1 then upper(left(part, 1)) || substr(part, 2)
          when part ~ '^[A-Z][a-z]' then lower(left(part, 1)) || substr(part, 2)
          else part
        end,
        '' order by ordinal
      )
      from string_to_table(definition.name, '_') with ordinality as parts (part, ordinal)
    ) as camel (name)
    cross join lateral (
      select case
        when crm_private.is_reserved_field(camel.name)
          then 'custom' || upper(left(camel.name, 1)) || substr(camel.name, 2)
        else camel.name
      end
    ) as named (free)
  ) as numbered;
$$;

comment on function crm_private.custom_field_names(crm.custom_field_definitions[]) is
  'Under which name the API serves each custom field, given all definitions of an entity type.';

revoke all on function crm_private.custom_field_names(crm.custom_field_definitions[]) from public;
grant execute on function crm_private.custom_field_names(crm.custom_field_definitions[]) to crm_reader;
--! EndIncluded functions/custom_fields/custom_field_names.sql
--! Included functions/custom_fields/custom_field_definitions_field_name.sql
/*
 * The name of the typed field that a definition makes; see crm_private.custom_field_names. It counts the
 * definition itself among those that are there, because the statement that creates it does not.
 */
create or replace function crm.custom_field_definitions_field_name(
  definition crm.custom_field_definitions
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select named.field_name
  from crm_private.custom_field_names(
    array(
      select other
      from crm.custom_field_definitions as other
      where other.entity_type = definition.entity_type and other.id <> definition.id
    ) || definition
  ) as named
  where named.definition_id = definition.id;
$$;

comment on function crm.custom_field_definitions_field_name(crm.custom_field_definitions) is
  'The name of the typed field that the definition makes on its entity type: close_reason is '
  'closeReason. Where a built-in field has that name already it begins with custom: customTitle.';

revoke all on function crm.custom_field_definitions_field_name(crm.custom_field_definitions)
  from public;
grant execute on function crm.custom_field_definitions_field_name(crm.custom_field_definitions)
  to crm_reader;
--! EndIncluded functions/custom_fields/custom_field_definitions_field_name.sql
--! Included functions/audit_log/logged_columns.sql
/* The columns of a table that the audit log follows: those that crm_private.compile_audit_log compiles. */
create or replace function crm_private.logged_columns(p_table regclass)
returns name[]
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select array_agg(attname order by attnum)
  from pg_catalog.pg_attribute
  where attrelid = p_table
    and attnum > 0
    and not attisdropped
    and attgenerated = ''
    and attname <> all (
      '{id,version,created_at,updated_at,created_by,updated_by}'::name[]
    );
$$;

comment on function crm_private.logged_columns(regclass) is
  'The columns of a table whose changes the audit log has.';

revoke all on function crm_private.logged_columns(regclass) from public;
grant execute on function crm_private.logged_columns(regclass) to crm_reader;
--! EndIncluded functions/audit_log/logged_columns.sql
--! Included functions/audit_log/audit_log_digest.sql
/*
 * What an auditor keeps outside: the number of the last block and its hash, on which all that was
 * sealed before bears. Seals first, waiting for whoever seals at this moment.
 *
 * Security definer: the blocks are the owner's.
 */
create or replace function crm_private.audit_log_digest()
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform crm_private.lock_seals();
  perform crm_private.seal_audit_log();
  return crm_private.last_digest();
end
$$;

comment on function crm_private.audit_log_digest() is
  'What crm.audit_log_digest calls, with the rights of the owner.';

revoke all on function crm_private.audit_log_digest() from public;
grant execute on function crm_private.audit_log_digest() to crm_admin;

create or replace function crm.audit_log_digest()
returns text
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.audit_log_digest();
$$;

comment on function crm.audit_log_digest() is
  E'@behavior queryField -mutationField\n'
  'What the audit log is at this moment, in one line for an auditor to keep elsewhere: given to '
  'verifyAuditLog later, it proves that nothing which was in the audit log now was changed since. '
  'For administrators.';

revoke all on function crm.audit_log_digest() from public;
grant execute on function crm.audit_log_digest() to crm_admin;
--! EndIncluded functions/audit_log/audit_log_digest.sql
--! Included functions/audit_log/log_event.sql
/*
 * Writes an entry for what is done to no row of a table: an erasure, a setting, the audit log itself.
 * What has no id of its own has the one that is all zeros.
 */
create or replace function crm_private.log_event(
  p_entity_type text,
  p_action      text,
  p_changes     jsonb,
  p_at          timestamptz,
  p_entity_id   uuid default '00000000-0000-0000-0000-000000000000'
)
returns crm.audit_logs
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  insert into crm.audit_logs
    (entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
  values (
    p_entity_type, p_entity_id, p_action, crm.current_user_id(), p_changes, p_at,
    pg_current_xact_id()::text::bigint, crm_private.current_source()
  )
  returning *;
$$;

comment on function crm_private.log_event(text, text, jsonb, timestamptz, uuid) is
  'Writes an audit log entry for what is done to no row of a table.';

revoke all on function crm_private.log_event(text, text, jsonb, timestamptz, uuid) from public;
--! EndIncluded functions/audit_log/log_event.sql
--! Included functions/audit_log/logged_fields.sql
/*
 * What an audit log entry tells, field by field: a row for each column and each custom field
 * (custom_fields.<name>), with the value before it and after it. A created row had none before, a
 * deleted one has none after. What an entry says of itself (@undoes,
 * @imported) is no field.
 */
create or replace function crm_private.logged_fields(p_action text, p_changes jsonb)
returns table (field text, old jsonb, new jsonb)
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select
    told.key,
    case p_action when 'update' then told.value -> 'old' when 'delete' then told.value end,
    case p_action when 'update' then told.value -> 'new' when 'create' then told.value end
  from jsonb_each(
    p_changes - '{@undoes,@imported}'::text[]
      - case p_action when 'update' then '' else 'custom_fields' end
  ) as told

  union all

  select
    'custom_fields.' || custom.key,
    case p_action when 'delete' then custom.value end,
    case p_action when 'create' then custom.value end
  from jsonb_each(
    case when p_action <> 'update' then p_changes -> 'custom_fields' end
  ) as custom;
$$;

comment on function crm_private.logged_fields(text, jsonb) is
  'The fields that an audit log entry tells, with the value before and after it.';

revoke all on function crm_private.logged_fields(text, jsonb) from public;
--! EndIncluded functions/audit_log/logged_fields.sql
--! Included functions/audit_log/audit_log_kept_since.sql
/*
 * From when on the audit log is here; null if nothing of it was ever archived. Security definer:
 * everybody has to know it, while the entry that says it is for administrators.
 */
create or replace function crm_private.audit_log_kept_since()
returns timestamptz
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select (audit_log.changes ->> 'before')::timestamptz
  from crm.audit_logs as audit_log
  where audit_log.entity_id = '00000000-0000-0000-0000-000000000000'
    and audit_log.action = 'archive'
  order by audit_log.id desc
  limit 1;
$$;

comment on function crm_private.audit_log_kept_since() is
  'What crm.audit_log_kept_since calls, with the rights of the owner.';

revoke all on function crm_private.audit_log_kept_since() from public;
grant execute on function crm_private.audit_log_kept_since() to crm_reader;

create or replace function crm.audit_log_kept_since()
returns timestamptz
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.audit_log_kept_since();
$$;

comment on function crm.audit_log_kept_since() is
  'From when on the audit log is kept here: what was done before has been archived. '
  'Null if nothing was.';

revoke all on function crm.audit_log_kept_since() from public;
grant execute on function crm.audit_log_kept_since() to crm_reader;
--! EndIncluded functions/audit_log/audit_log_kept_since.sql
--! Included functions/audit_log/audit_log_tables.sql
/* The audit log, and the months that were detached from it and are still in the database. */
create or replace function crm_private.audit_log_tables()
returns setof regclass
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select 'crm.audit_logs'::regclass
  union all
  select class.oid::regclass
  from pg_class as class
  where class.relnamespace = 'crm_private'::regnamespace
    and class.relkind = 'r'
    and class.relname ~ '^audit_logs_\d{4}_\d{2}$'
    and not class.relispartition;
$$;

comment on function crm_private.audit_log_tables() is
  'The audit log and its detached months.';

revoke all on function crm_private.audit_log_tables() from public;
--! EndIncluded functions/audit_log/audit_log_tables.sql
--! Included functions/idempotency/save_response.sql
/*
 * Keeps what a mutation was answered under the idempotency key that its transaction has claimed: it
 * is there when the mutation is, and only then. A second answer under one key would break the
 * primary key, and undo what it is the answer of.
 *
 * With it goes which entities it may tell of: those that the transaction changed, if it tells of no others
 * (p_is_narrow), otherwise any. When a person is erased, the answers that may tell of them are dropped
 * (crm_private.drop_responses). An erasure waits for what is about to be kept; one that was done while this
 * transaction ran may have come after something was read, so nothing is kept.
 *
 * Security definer: the server's login role writes no table.
 */
create or replace function crm_private.save_response(
  p_key_hash     bytea,
  p_request_hash bytea,
  p_answer       bytea,
  p_is_narrow    boolean
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_xid    bigint := pg_current_xact_id()::text::bigint;
  v_ids    uuid[];
  v_erased boolean;
begin
  lock table crm_private.erasure_lock in access share mode;

  select
    array_agg(distinct log.entity_id) filter (where log.transaction_id = v_xid),
    coalesce(bool_or(log.action = 'erase' and log.transaction_id <> v_xid), false)
  into v_ids, v_erased
  from crm.audit_logs as log
  where log."timestamp" >= now()
    and (log.transaction_id = v_xid or log.action = 'erase');

  insert into crm_private.idempotency_keys (key_hash, request_hash, answer, entity_ids)
  values (
    p_key_hash,
    p_request_hash,
    case when not v_erased then p_answer end,
    case when p_is_narrow then v_ids end
  );
end
$$;

comment on function crm_private.save_response(bytea, bytea, bytea, boolean) is
  'Keeps the answer of a mutation under its idempotency key.';

revoke all on function crm_private.save_response(bytea, bytea, bytea, boolean) from public;
grant execute on function crm_private.save_response(bytea, bytea, bytea, boolean) to crm_server;
--! EndIncluded functions/idempotency/save_response.sql
--! Included functions/audit_log/last_digest.sql
/* The number of the last block and its hash: what crm.audit_log_digest gives, after sealing. */
create or replace function crm_private.last_digest()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format('%s-%s', coalesce(block.number, 0), encode(coalesce(block.hash, none.hash), 'hex'))
  from (select decode(repeat('00', 32), 'hex') as hash) as none
  left join (
    select number, hash from crm_private.audit_log_blocks order by number desc limit 1
  ) as block on true;
$$;

comment on function crm_private.last_digest() is
  'The number of the last block of sealed entries, and its hash.';

revoke all on function crm_private.last_digest() from public;
--! EndIncluded functions/audit_log/last_digest.sql
--! Included functions/erasure/maintain_audit_log.sql
/*
 * What has to be done for the audit log from time to time, beside sealing: makes partitions before they
 * are needed, and purges what was deleted longer ago than the setting says. At most 10,000 deletions
 * at a time, lest writers of the audit log's blocks wait for long; gives their number, so that the
 * caller can go on. The server calls it every hour. Several may call it at once.
 *
 * Security definer: crm_server has no rights of its own on the audit log.
 */
create or replace function crm_private.maintain_audit_log()
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform crm_private.ensure_audit_partitions();
  -- What a bulk write found faulty it takes away itself; this was left by somebody who is none.
  delete from crm_private.faulty_rows;
  return crm_private.purge_deletions(
    clock_timestamp() - make_interval(days => crm.trash_retention_days()), 10000
  );
end
$$;

comment on function crm_private.maintain_audit_log() is
  'Makes the partitions that will be needed, and purges the trash; gives how many deletions.';

revoke all on function crm_private.maintain_audit_log() from public;
grant execute on function crm_private.maintain_audit_log() to crm_server;
--! EndIncluded functions/erasure/maintain_audit_log.sql
--! Included functions/custom_fields/max_custom_fields.sql
/*
 * How many custom fields an entity type may have: 200, or what the owner set for the database:
 *
 *   alter database crm set crm.max_custom_fields = 500;
 *
 * Read from where only the owner of the database can write it. The setting itself could be changed
 * by every session. Anything but a whole number counts as not set. Called by
 * crm_private.apply_definitions.
 */
create or replace function crm_private.max_custom_fields()
returns integer
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    (
      select substring(setting from '^crm\.max_custom_fields=([0-9]{1,6})$')::integer
      from pg_db_role_setting as input
      cross join unnest(input.setconfig) as setting
      where input.setdatabase = (select oid from pg_database where datname = current_database())
        and input.setrole = 0
        and starts_with(setting, 'crm.max_custom_fields=')
    ),
    200
  );
$$;

comment on function crm_private.max_custom_fields() is
  'How many custom fields an entity type may have.';

revoke all on function crm_private.max_custom_fields() from public;
--! EndIncluded functions/custom_fields/max_custom_fields.sql
--! Included functions/custom_fields/apply_definitions.sql
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
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_table   regclass := crm_private.entity_table(p_entity_type);
  v_plural  text     := (select relname::text from pg_class where oid = v_table);
  v_most    integer  := crm_private.max_custom_fields();
  v_unique  boolean;
  v_timeout text     := current_setting('lock_timeout');
  v_deleted text[];
  v_renamed jsonb;
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

  -- The constraint of a unique field comes, goes, or becomes another.
  select exists (
    select
    from unnest(p_old) as old_row
    full join unnest(p_new) as new_row using (id)
    where p_entity_type in (old_row.entity_type, new_row.entity_type)
      and case when old_row.is_unique then old_row.name end
        is distinct from case when new_row.is_unique then new_row.name end
  ) into v_unique;

  -- Where readers have to wait, too, they do not wait for one that reads for long.
  if v_unique then
    perform set_config('lock_timeout', '3s', true);
    execute format('lock table %s in access exclusive mode', v_table);
    perform set_config('lock_timeout', v_timeout, true);
  else
    execute format('lock table %s in share row exclusive mode', v_table);
  end if;

  -- Each field costs every write of the entity something. Who defines another waits for the lock.
  if exists (
      select
      from unnest(p_new) as new_row
      where new_row.entity_type = p_entity_type
        and not exists (select from unnest(p_old) as old_row where old_row.id = new_row.id)
    )
    and (
      select count(*) > v_most
      from crm.custom_field_definitions as definition
      where definition.entity_type = p_entity_type
    )
  then
    raise exception 'custom_field_definitions: entityType may have at most % custom fields', v_most
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'custom_field_definitions', column = 'entity_type',
            constraint = 'custom_field_definitions_entity_type_full',
            detail     = jsonb_build_object(
              'entityType', jsonb_build_array(format('may have at most %s custom fields', v_most))
            ),
            hint       = 'Delete a definition that nobody needs, or set crm.max_custom_fields.';
  end if;

  -- The rows are counted only where a definition became stricter or other than it was. They have the
  -- names of before.
  select string_agg(
    format('select %L, %L, count(*) from %s', breach.field, breach.message, breach.rows),
    E'\nunion all\n'
  )
  into v_counts
  from unnest(p_new) as new_row
  left join unnest(p_old) as old_row using (id)
  cross join lateral jsonb_populate_record(
    new_row, jsonb_build_object('name', coalesce(old_row.name, new_row.name))
  ) as definition
  cross join lateral (
    select
      'required' as field,
      format('existing %s without a value: %%s', v_plural) as message,
      format('%s where not custom_fields ? %L', v_table, definition.name) as rows
    where new_row.required and not coalesce(old_row.required, false)

    union all

    select
      case
        when rule.rule = 'blank' then 'required'
        when rule.rule <> 'type' then crm_private.camel_case(rule.rule)
        when new_row.field_type = old_row.field_type then 'enumValues'
        else 'fieldType'
      end,
      format(
        'existing %s with another value: %%s (%s)', v_plural, replace(rule.message, '%', '%%')
      ),
      format('%s where not coalesce(%s, true)', v_table, rule.condition)
    from crm_private.custom_field_rules(definition) as rule
    where old_row.id is not null
      and rule.condition not in (
        select was.condition from crm_private.custom_field_rules(old_row) as was
      )

    union all

    select
      'isUnique',
      format('existing %s with a value that another one has: %%s', v_plural),
      format(
        '(select count(*) over (partition by custom_fields -> %1$L) as times
          from %2$s where custom_fields ? %1$L) as held
         where times > 1',
        definition.name, v_table
      )
    where new_row.is_unique and not coalesce(old_row.is_unique, false) and old_row.id is not null
  ) as breach
  where new_row.entity_type = p_entity_type;

  if v_counts is not null then
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
  end if;

  if v_fields is not null then
    raise exception 'custom_field_definitions: %',
        (select string_agg(key || ' ' || (value ->> 0), '; ') from jsonb_each(v_fields))
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'custom_field_definitions',
            column     = (
              select lower(regexp_replace(key, '([A-Z])', '_\1', 'g'))
              from jsonb_object_keys(v_fields) as key limit 1
            ),
            constraint = 'custom_field_definitions_values_hold',
            detail     = v_fields::text,
            hint       = 'Change the rows first; crm.check_custom_field_rule lists them.';
  end if;

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

  select jsonb_object_agg(old_row.name, new_row.name)
  into v_renamed
  from unnest(p_old) as old_row
  join unnest(p_new) as new_row using (id)
  where new_row.entity_type = p_entity_type
    and new_row.name <> old_row.name;

  if v_renamed is not null then
    execute format(
      'update %s as record
       set custom_fields = custom_fields - $2 || (
         select jsonb_object_agg(renamed.value, record.custom_fields -> renamed.key)
         from jsonb_each_text($1) as renamed
         where record.custom_fields ? renamed.key
       )
       where custom_fields ?| $2',
      v_table
    ) using v_renamed, array(select jsonb_object_keys(v_renamed));
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
--! EndIncluded functions/custom_fields/apply_definitions.sql
--! Included functions/bulk/match_rows.sql
/*
 * Which rows an upsert means: an update of the row that has the external id, or a new row that gets
 * it. external_ids that are given have it too, or it would be lost.
 *
 * Each external id is looked up by the key, one by one, whatever the planner thinks of the list: the
 * policy of the table is asked of what a plan reads, and a plan may read all of it. For that the parts
 * of an external id are columns before they are compared; what takes them out of JSON could leak, and
 * would be asked after the policy.
 */
create or replace function crm_private.match_rows(
  p_entity_type text,
  p_rows        crm_private.bulk_row[]
)
returns crm_private.bulk_row[]
language sql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
  with input as materialized (
    select
      place, item, item -> 'external_id' as external_id,
      item #>> '{external_id,source}' as source, item #>> '{external_id,id}' as id
    from unnest(p_rows)
  )
  select array_agg(
    row(
      input.place,
      held.entity_id,
      case when held.entity_id is null then 'create' else 'update' end,
      case
        when held.entity_id is not null and not input.item ? 'external_ids'
          or jsonb_typeof(input.item -> 'external_ids') not in ('array', 'null')
          or input.item -> 'external_ids' @> jsonb_build_array(input.external_id)
        then input.item - 'external_id'
        else input.item - 'external_id' || jsonb_build_object(
          'external_ids',
          jsonb_build_array(input.external_id)
            || coalesce(nullif(input.item -> 'external_ids', 'null'), '[]')
        )
      end
    )::crm_private.bulk_row
    order by input.place
  )
  from input
  left join lateral (
    select key.entity_id
    from crm_private.external_ids as key
    where key.entity_type = p_entity_type and key.source = input.source and key.id = input.id
    limit 1
  ) as held on true;
$$;

comment on function crm_private.match_rows(text, crm_private.bulk_row[]) is
  'Which rows an upsert means, by their external ids.';

revoke all on function crm_private.match_rows(text, crm_private.bulk_row[]) from public;
grant execute on function crm_private.match_rows(text, crm_private.bulk_row[]) to crm_member;
--! EndIncluded functions/bulk/match_rows.sql
--! Included functions/common/merged_objects.sql
/* Objects put together into one; of members that several have, those of the later one count. */
create or replace function crm_private.merged_objects(p_objects jsonb[])
returns jsonb
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_object_agg(member.key, member.value order by listed.ordinal)
  from unnest(p_objects) with ordinality as listed (object, ordinal)
  cross join lateral jsonb_each(listed.object) as member;
$$;

comment on function crm_private.merged_objects(jsonb[]) is
  'Objects put together into one; of members that several have, those of the later one count.';

revoke all on function crm_private.merged_objects(jsonb[]) from public;
grant execute on function crm_private.merged_objects(jsonb[]) to crm_member;
--! EndIncluded functions/common/merged_objects.sql
--! Included functions/bulk/find_faults.sql
/*
 * What made an attempt of a bulk write fail, of which PostgreSQL tells one row at most: the rows that
 * collide, or cannot be read, or else those that are found by trying. Rows that are known already are
 * not told again. Trying is put off where an upsert may only have to be attempted again.
 */
create or replace function crm_private.find_faults(
  p_entity_type text,
  p_operation   text,
  p_rows        crm_private.bulk_row[],
  p_known       crm_private.row_fault[],
  p_state       text,
  p_is_last     boolean
)
returns crm_private.row_fault[]
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table regclass := crm_private.entity_table(p_entity_type);
  v_rows  crm_private.bulk_row[];
  v_met   crm_private.row_fault[];
begin
  -- A trigger refuses a row before the ones behind it have been read.
  if p_state not like '23%' or p_state = '23514' then
    v_met := array(select unread from crm_private.unreadable_rows(v_table, p_rows) as unread);
    if cardinality(v_met) > 0 then
      return v_met;
    end if;
  end if;

  v_rows := case p_operation
    when 'upsert' then crm_private.match_rows(p_entity_type, p_rows) else p_rows
  end;
  v_met := array(
    select row(
      colliding.place, min(colliding.code),
      coalesce(crm_private.merged_objects(array_agg(colliding.fields)), '{}'), true
    )::crm_private.row_fault
    from crm_private.colliding_rows(p_entity_type, v_rows) as colliding
    where colliding.place not in (select known.place from unnest(p_known) as known)
    group by colliding.place
  );
  if cardinality(v_met) > 0 then
    return v_met;
  end if;

  if p_operation = 'upsert' and not p_is_last then
    return array[]::crm_private.row_fault[];
  end if;

  return array(
    select offending
    from crm_private.violating_rows(v_table, array(
      select input from unnest(v_rows) as input
      where input.place not in (select known.place from unnest(p_known) as known)
      order by input.place
    )) as offending
  );
end
$$;

comment on function crm_private.find_faults(
  text, text, crm_private.bulk_row[], crm_private.row_fault[], text, boolean
) is
  'What made an attempt of a bulk write fail: the rows that collide, cannot be read, or break a '
  'constraint.';

revoke all on function crm_private.find_faults(
  text, text, crm_private.bulk_row[], crm_private.row_fault[], text, boolean
) from public;
grant execute on function crm_private.find_faults(
  text, text, crm_private.bulk_row[], crm_private.row_fault[], text, boolean
) to crm_member;
--! EndIncluded functions/bulk/find_faults.sql
--! Included functions/merge/compile_merges.sql
/*
 * Binds merges to a table: makes the trigger that ends the merge of a row that is back, and crm.<entity
 * type>_merged_into, which follows the id of a merged row to the one that is left.
 */
create or replace function crm_private.compile_merges(p_table regclass, p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_function text := format('crm.%I', p_entity_type || '_merged_into');
begin
  execute format(
    'create or replace trigger _300_merges_insert after insert on %s '
    'referencing new table as new_rows for each statement execute function crm_private.end_merges()',
    p_table
  );

  execute format(
    $function$
create or replace function %1$s(id uuid)
returns %2$s
language sql
stable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $follow$
  select record.* from %2$s as record where record.id = crm_private.merged_into(%3$L, $1);
$follow$
    $function$,
    v_function, p_table, p_entity_type
  );
  execute format(
    'comment on function %s is %L',
    v_function,
    format(
      'The %s that one was merged into, through however many merges; null if it was not merged, is '
      'back, or the one that was left is gone.',
      replace(p_entity_type, '_', ' ')
    )
  );
  execute format('revoke all on function %s from public', v_function);
  execute format('grant execute on function %s to crm_reader', v_function);
end
$$;

comment on function crm_private.compile_merges(regclass, text) is
  'Makes the trigger that ends the merges of rows of a table that are back, and the function that '
  'follows the id of a merged one.';

revoke all on function crm_private.compile_merges(regclass, text) from public;
--! EndIncluded functions/merge/compile_merges.sql
--! Included functions/merge/move_links.sql
/*
 * Moves what refers to rows to another: of each foreign key to the table, the rows whose key is one of
 * p_from get p_to. Gives how many rows of each table moved. Called by
 * crm_private.merge_rows.
 *
 * The foreign keys are read from the catalog. Of tasks and notes entity_id is what is written, and the key
 * is generated from it. Tables come in the order in which all writers lock them, their rows by id. A table of
 * an application may have no id.
 */
create or replace function crm_private.move_links(p_table regclass, p_from uuid[], p_to uuid)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- That its statements write cannot be told.
-- @plpgsql_check_options: performance_warnings = off
declare
  v_link  record;
  v_count bigint;
  v_moved jsonb := jsonb_build_object();
begin
  for v_link in
    select
      con.conrelid::regclass as child,
      class.relname,
      attribute.attname as key,
      case attribute.attgenerated when '' then attribute.attname else 'entity_id' end as written,
      exists (
        select from pg_attribute as column_of_child
        where column_of_child.attrelid = con.conrelid and column_of_child.attname = 'id'
      ) as has_id
    from pg_constraint as con
    join pg_class as class on class.oid = con.conrelid
    join pg_attribute as attribute
      on attribute.attrelid = con.conrelid and con.conkey = array[attribute.attnum]
    left join crm_private.entity_types as type on type.entity_table = con.conrelid
    where con.confrelid = p_table
      and con.contype = 'f'
    order by type.restore_order, class.relname, attribute.attnum
  loop
    if v_link.has_id then
      execute format(
        $move$
        with locked as (
          select id from %1$s where %2$I = any ($1) order by id for no key update
        )
        update %1$s as child
        set %3$I = $2
        from locked
        where child.id = locked.id
        $move$,
        v_link.child, v_link.key, v_link.written
      ) using p_from, p_to;
    else
      execute format(
        'update %1$s set %3$I = $2 where %2$I = any ($1)', v_link.child, v_link.key, v_link.written
      ) using p_from, p_to;
    end if;
    get diagnostics v_count = row_count;
    v_moved := v_moved || jsonb_build_object(
      v_link.relname, coalesce((v_moved ->> v_link.relname)::bigint, 0) + v_count
    );
  end loop;
  return v_moved;
end
$$;

comment on function crm_private.move_links(regclass, uuid[], uuid) is
  'Moves what refers to rows of a table to another row of it; gives how many rows of each table moved.';

revoke all on function crm_private.move_links(regclass, uuid[], uuid) from public;
grant execute on function crm_private.move_links(regclass, uuid[], uuid) to crm_member;
--! EndIncluded functions/merge/move_links.sql
--! Included functions/external_ids/compile_external_ids.sql
/*
 * Binds external ids to a table: makes the triggers that keep crm_private.external_ids, and crm.<entity
 * type>_by_external_id, which finds a row by its key.
 */
create or replace function crm_private.compile_external_ids(p_table regclass, p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_function text := format('crm.%I', p_entity_type || '_by_external_id');
  v_step     record;
begin
  for v_step in
    select name, operation, tables
    from (
      values
        ('_300_external_ids_insert', 'insert', 'new table as new_rows'),
        ('_300_external_ids_update', 'update', 'old table as old_rows new table as new_rows'),
        ('_300_external_ids_delete', 'delete', 'old table as old_rows')
    ) as step (name, operation, tables)
  loop
    execute format(
      'create or replace trigger %I after %s on %s referencing %s '
      'for each statement execute function crm_private.keep_external_ids(%L)',
      v_step.name, v_step.operation, p_table, v_step.tables, p_entity_type
    );
  end loop;

  execute format(
    $function$
create or replace function %1$s(source text, id text)
returns %2$s
language sql
stable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $find$
  select record.*
  from crm_private.external_ids as held
  join %2$s as record on record.id = held.entity_id
  where held.entity_type = %3$L
    and held.source = $1
    and held.id = $2;
$find$
    $function$,
    v_function, p_table, p_entity_type
  );
  execute format(
    'comment on function %s is %L',
    v_function,
    format(
      'The %s that carries an external id; null if none does.', replace(p_entity_type, '_', ' ')
    )
  );
  execute format('revoke all on function %s from public', v_function);
  execute format('grant execute on function %s to crm_reader', v_function);
end
$$;

comment on function crm_private.compile_external_ids(regclass, text) is
  'Makes the triggers that keep the external ids of a table, and the function that finds a row by one.';

revoke all on function crm_private.compile_external_ids(regclass, text) from public;
--! EndIncluded functions/external_ids/compile_external_ids.sql
--! Included functions/external_ids/move_external_ids.sql
/*
 * Frees external ids and takes others, all of one entity type. A taken one is refused: of writers
 * that want the same one at once exactly one wins, and the others wait for it to end. They take them
 * in one order, lest they wait for each other. Called by crm_private.keep_external_ids.
 *
 * Its plans are kept for the session and must not depend on how many there were when they were made:
 * each external id is looked up by the key.
 */
create or replace function crm_private.move_external_ids(
  p_gone  crm_private.external_ids[],
  p_taken crm_private.external_ids[]
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  delete from crm_private.external_ids as held
  using unnest(p_gone) as gone
  where held.entity_type = gone.entity_type
    and held.source = gone.source
    and held.id = gone.id
    and held.entity_id = gone.entity_id;

  if p_taken is null then
    return;
  end if;

  begin
    insert into crm_private.external_ids (entity_type, source, id, entity_id)
    select entity_type, source, id, entity_id
    from unnest(p_taken)
    order by source, id;
  exception
    when unique_violation then
      perform crm_private.refuse_taken_external_ids(
        p_taken[1].entity_type, array(select entity_id from unnest(p_taken))
      );
      -- The row that has it is younger than the snapshot of this transaction.
      raise exception 'an external id was taken since this transaction began'
        using errcode = 'serialization_failure';
  end;
end
$$;

comment on function crm_private.move_external_ids(
  crm_private.external_ids[], crm_private.external_ids[]
) is
  'Frees external ids and takes others.';

revoke all on function crm_private.move_external_ids(
  crm_private.external_ids[], crm_private.external_ids[]
) from public;
--! EndIncluded functions/external_ids/move_external_ids.sql
--! Included functions/duplicates/name_likeness.sql
/*
 * How alike two plain names are, from 0 to 1: the share of trigrams that they have in common, and
 * 0.8 at least if they sound alike, that is, have one skeleton of four letters or more. Whoever compares
 * many takes the skeletons once.
 */
create or replace function crm_private.name_likeness(
  plain_name     text,
  other_name     text,
  skeleton       text,
  other_skeleton text
)
returns real
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return case
    when plain_name = other_name then 1
    when skeleton = other_skeleton and length(skeleton) >= 4
    then greatest(extensions.similarity(plain_name, other_name), 0.8::real)
    else extensions.similarity(plain_name, other_name)
  end;
end
$$;

comment on function crm_private.name_likeness(text, text, text, text) is
  'How alike two plain names are, from 0 to 1.';

revoke all on function crm_private.name_likeness(text, text, text, text) from public;
grant execute on function crm_private.name_likeness(text, text, text, text) to crm_reader;
--! EndIncluded functions/duplicates/name_likeness.sql
--! Included functions/duplicates/name_similarity.sql
/* How alike two plain names are, from 0 to 1: crm_private.name_likeness of both. */
create or replace function crm_private.name_similarity(plain_name text, other_name text)
returns real
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return crm_private.name_likeness(
    plain_name, other_name,
    crm_private.name_skeleton(plain_name), crm_private.name_skeleton(other_name)
  );
end
$$;

comment on function crm_private.name_similarity(text, text) is
  'How alike two plain names are, from 0 to 1.';

revoke all on function crm_private.name_similarity(text, text) from public;
grant execute on function crm_private.name_similarity(text, text) to crm_reader;
--! EndIncluded functions/duplicates/name_similarity.sql
--! Included functions/bulk/violating_rows.sql
/*
 * The rows of a bulk write that break a constraint which only the table as a whole can be asked, a
 * unique index that somebody made for example. Writes the list in halves, and those that fail in
 * halves again, until what fails is a row; then takes everything back. Called where nothing else
 * explains why a statement failed.
 */
create or replace function crm_private.violating_rows(
  p_table regclass,
  p_rows  crm_private.bulk_row[]
)
returns setof crm_private.row_fault
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_pending    int4range[] := array[int4range(1, cardinality(p_rows) + 1)];
  v_part       int4range;
  v_middle     integer;
  v_faults     crm_private.row_fault[] := array[]::crm_private.row_fault[];
  v_state      text;
  v_schema     text;
  v_constraint text;
  v_detail     text;
begin
  begin
    -- Rows that break a rule are left out, and found otherwise.
    perform set_config(
      'crm.bulk',
      (select relname from pg_class where oid = p_table) || ' ' || pg_trigger_depth() + 1,
      true
    );
    while cardinality(v_pending) > 0
    loop
      v_part    := v_pending[1];
      v_pending := v_pending[2:];
      begin
        perform crm_private.apply_rows(p_table, p_rows[lower(v_part) : upper(v_part) - 1]);
      exception
        when integrity_constraint_violation or data_exception or program_limit_exceeded
          or sqlstate 'CRM01'
        then
          v_middle := (lower(v_part) + upper(v_part)) / 2;
          if v_middle > lower(v_part) then
            v_pending := int4range(lower(v_part), v_middle)
              || (int4range(v_middle, upper(v_part)) || v_pending);
          -- A version that is not current is found otherwise, too.
          elsif sqlstate <> 'CRM01' then
            get stacked diagnostics
              v_state      = returned_sqlstate,
              v_schema     = schema_name,
              v_constraint = constraint_name,
              v_detail     = pg_exception_detail;
            v_faults := v_faults || row(
              p_rows[lower(v_part)].place,
              case
                when v_state like '23%' and v_state not in ('23514', '23502')
                then 'CONSTRAINT_VIOLATION'
                else 'VALIDATION_ERROR'
              end,
              crm_private.fields_of_violation(p_table, v_schema, v_constraint, v_detail),
              false
            )::crm_private.row_fault;
          end if;
      end;
    end loop;

    raise triggered_action_exception using message = 'takes everything back';
  exception
    when triggered_action_exception then
      null;
  end;

  return query select * from unnest(v_faults);
end
$$;

comment on function crm_private.violating_rows(regclass, crm_private.bulk_row[]) is
  'The rows of a bulk write that break a constraint, found by trying.';

revoke all on function crm_private.violating_rows(regclass, crm_private.bulk_row[]) from public;
grant execute on function crm_private.violating_rows(regclass, crm_private.bulk_row[])
  to crm_member;
--! EndIncluded functions/bulk/violating_rows.sql
--! Included functions/common/oldest_server.sql
/*
 * The number of the migration that a server must know, at least, to serve this schema. A server that
 * knows it, and not all that came after it, stays ready. Called by the server's check of readiness.
 *
 * A migration that takes something away which servers of before need (a contraction) sets its own
 * number here, and includes this file.
 */
create or replace function crm_private.oldest_server()
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select '000001'::text;
$$;

comment on function crm_private.oldest_server() is
  'The number of the migration that a server must know, at least, to serve this schema.';

revoke all on function crm_private.oldest_server() from public;
grant execute on function crm_private.oldest_server() to crm_server;
--! EndIncluded functions/common/oldest_server.sql
--! Included functions/audit_log/payload_digest.sql
/*
 * The digest of an entry's values, salted: without the salt nobody can tell from it whether guessed
 * values are right, so it may stay when the values are erased. Called to seal, verify and erase.
 */
create or replace function crm_private.payload_digest(salt bytea, changes jsonb)
returns bytea
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return sha256(salt || convert_to(changes::text, 'UTF8'));
end
$$;

comment on function crm_private.payload_digest(bytea, jsonb) is
  'SHA-256 of a salt and of what changed.';

revoke all on function crm_private.payload_digest(bytea, jsonb) from public;
--! EndIncluded functions/audit_log/payload_digest.sql
--! Included functions/audit_log/compare_entries.sql
/*
 * Compares the audit log with a range of blocks: gives the first entry that is not as it was sealed,
 * with its fault (altered, removed or inserted), and how many entries are there and how many
 * archived.
 *
 * The blocks cover all ids after the block before them, so an entry there that no block lists was
 * put in later. An erased entry has no values to compare: the block holds their digest in place of
 * the salt, and the audit log must hold the entry that records the erasure.
 */
create or replace function crm_private.compare_entries(
  p_first      bigint,
  p_last       bigint,
  out entry_id bigint,
  out fault    text,
  out entries  bigint,
  out archived bigint
)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with block as (
    select * from crm_private.audit_log_blocks where number between p_first and p_last
  ),
  sealed as (
    select seal.*
    from block
    cross join lateral unnest(block.ids, block.digests, block.salts) as seal (id, digest, salt)
  ),
  entry as (
    select audit_log.*
    from crm.audit_logs as audit_log
    where audit_log.id > coalesce(
        (select last_id from crm_private.audit_log_blocks where number = p_first - 1),
        -9223372036854775808
      )
      and audit_log.id <= (select max(last_id) from block)
  ),
  compared as materialized (
    select
      id,
      entry.entity_id is not null as is_there,
      case
        when entry.entity_id is null then
          case when id <@ (select crm_private.archived_entries()) then null else 'removed' end
        when sealed.digest is null then 'inserted'
        when sealed.digest <> crm_private.entry_digest(
          id, entry.entity_type, entry.entity_id, entry.action, entry.user_id,
          entry."timestamp", entry.transaction_id, entry.source,
          case
            when octet_length(sealed.salt) = 32 then sealed.salt
            else crm_private.payload_digest(coalesce(sealed.salt, ''), entry.changes)
          end
        ) then 'altered'
        when entry.erased_at is null then
          case when octet_length(sealed.salt) = 32 then 'altered' end
        when entry.changes <> '{}' or not exists (
          select
          from crm.audit_logs as erasure
          where erasure."timestamp" = entry.erased_at
            and (
              erasure.action = 'erase' and erasure.entity_id = entry.entity_id
              or erasure.action = 'purge' and entry.action = 'delete'
                and (erasure.changes ->> 'before')::timestamptz > entry."timestamp"
            )
        ) then 'altered'
      end as fault
    from sealed
    full join entry using (id)
  ),
  -- An entry and its exact copy match both; a key forbids them, and a superuser can drop the key.
  faulty as (
    select id, compared.fault from compared where compared.fault is not null
    union all
    select id, 'inserted'
    from compared
    where (select count(*) from compared) > (select sum(cardinality(ids)) from block)
    group by id
    having count(*) > 1 and count(compared.fault) = 0
  )
  select
    first.id,
    first.fault,
    (select count(*) from compared where is_there),
    (select count(*) from compared where not is_there)
  from (select) as always
  left join (select id, faulty.fault from faulty order by id limit 1) as first on true;
$$;

comment on function crm_private.compare_entries(bigint, bigint) is
  'The first entry of a range of blocks that is not as it was sealed, and how many were compared.';

revoke all on function crm_private.compare_entries(bigint, bigint) from public;
--! EndIncluded functions/audit_log/compare_entries.sql
--! Included functions/normalization/plain_name.sql
/*
 * A name as it is compared: folded, words apart by one space, without punctuation, "&" as "and".
 * "O'Neill, Zoë" becomes "oneill zoe".
 */
create or replace function crm_private.plain_name(name text)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_folded text := crm_private.fold(name);
begin
  -- As most names are.
  if v_folded ~ '^[a-z0-9]+(?: [a-z0-9]+)*$' then
    return v_folded;
  end if;
  return btrim(regexp_replace(
    regexp_replace(replace(v_folded, '&', ' and '), '[''.`´’]+', '', 'g'),
    '[[:space:]!-/:-@[-`{-~]+', ' ', 'g'
  ));
end
$$;

comment on function crm_private.plain_name(text) is
  'A name as it is compared: folded and without punctuation.';

revoke all on function crm_private.plain_name(text) from public;
grant execute on function crm_private.plain_name(text) to crm_reader;
--! EndIncluded functions/normalization/plain_name.sql
--! Included functions/duplicates/phone_keys.sql
/*
 * What contacts with one of these numbers, in whatever form, have among their match keys; an index
 * finds them by it. Which of them have the number crm_private.has_phone knows.
 */
create or replace function crm_private.phone_keys(phones text[])
returns text[]
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return array(
    select regexp_replace(digits, '^[0-9]*([0-9]{7})$', 'phone:\1')
    from unnest(phones) as phone
    cross join lateral (
      values
        (regexp_replace(
          (crm_private.phone_parts(crm_private.ascii_digits(phone)))[1], '[^0-9]+', '', 'g'
        )),
        (ltrim(split_part(crm_private.phone_number(phone), 'x', 1), '+'))
    ) as form (digits)
    where digits <> ''
  );
end
$$;

comment on function crm_private.phone_keys(text[]) is
  'What contacts with one of these numbers have among their match keys.';

revoke all on function crm_private.phone_keys(text[]) from public;
grant execute on function crm_private.phone_keys(text[]) to crm_reader;
--! EndIncluded functions/duplicates/phone_keys.sql
--! Included functions/undo/plan_reversal.sql
/*
 * Plans to undo entries of one transaction, all of them or those given: a row in
 * crm_private.reversals for each row that they changed, with what it was before the first of them and
 * what it was after the last. What was created and deleted again needs nothing.
 *
 * Refused where an entry has been erased, or is about something that is not reversed: a setting, an API
 * key, the audit log itself; and to members where one deleted a row in another's name: these they cannot
 * see. p_argument is what the client called it by.
 *
 * Whoever erases a contact meanwhile is waited for, or waits: what is read here must not be brought back
 * after it was erased. So a snapshot that is older will not do.
 *
 * Nested loops are off, because its plan is kept, and may have been made for a row or two.
 */
create or replace function crm_private.plan_reversal(
  p_transaction_id bigint,
  p_entries        bigint[],
  p_undoes         jsonb,
  p_argument       text
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
as $$
declare
  v_erased  bigint;
  v_foreign bigint;
  v_fixed   crm.audit_logs;
begin
  perform crm_private.refuse_old_snapshot('an undo');
  lock table crm_private.erasure_lock in access share mode;

  -- Two that undo the same come one after the other, so that the second sees what the first did.
  perform pg_advisory_xact_lock(
    hashtext('crm_private.reversals'), hashint8(p_transaction_id)
  );

  select
    min(id) filter (where erased_at is not null),
    min(id) filter (where action = 'delete' and user_id <> crm.current_user_id())
  into v_erased, v_foreign
  from crm.audit_logs
  where transaction_id = p_transaction_id
    and (p_entries is null or id = any (p_entries));

  if v_foreign is not null and not crm_private.is_administrator() then
    raise exception 'entry % deleted something in the name of somebody else', v_foreign
      using errcode = 'insufficient_privilege',
            schema  = 'crm', table = 'audit_logs';
  end if;

  if v_erased is not null then
    raise exception 'entry % of the audit log has been erased, so it cannot be undone', v_erased
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'changes',
            constraint = 'audit_logs_changes_erased',
            detail     = jsonb_build_object(
                           p_argument,
                           jsonb_build_array('leads to values that have been erased for good')
                         )::text;
  end if;

  select log.* into v_fixed
  from crm.audit_logs as log
  where log.transaction_id = p_transaction_id
    and (p_entries is null or log.id = any (p_entries))
    and (
      log.action <> all (array['create', 'update', 'delete'])
      or not crm_private.is_reversible(log.entity_type)
    )
  order by log.id
  limit 1;

  if v_fixed.id is not null then
    perform crm_private.refuse_argument(
      p_argument,
      case
        when v_fixed.entity_type = 'setting' then 'changed a setting; give it its old value again'
        when v_fixed.entity_type = 'api_key' then 'is about an API key; create or revoke one'
        when v_fixed.action = 'erase' then 'erased values for good'
        when v_fixed.action = 'purge' then 'emptied the trash for good'
        when v_fixed.action = 'archive' then 'archived months of the audit log'
        else format('is about a %s, which is not undone', v_fixed.entity_type)
      end,
      'audit_logs_action_reversible'
    );
  end if;

  insert into crm_private.reversals
    (transaction_id, entity_type, entity_id, before, after, undoes)
  with entries as (
    select log.id, log.entity_type, log.entity_id, log.action, image.old, image.new
    from crm.audit_logs as log
    cross join lateral (
      select
        coalesce(jsonb_object_agg(told.field, told.old), '{}') as old,
        coalesce(jsonb_object_agg(told.field, told.new), '{}') as new
      from crm_private.logged_fields(log.action, log.changes) as told
    ) as image
    where log.transaction_id = p_transaction_id
      and (p_entries is null or log.id = any (p_entries))
  ),
  touched as (
    select
      entity_type,
      entity_id,
      jsonb_agg(id order by id)                as ids,
      (array_agg(action order by id))[1]       as first_action,
      (array_agg(action order by id desc))[1]  as last_action,
      -- Of each field, what the first entry found and what the last one left. Most rows have one.
      case count(*)
        when 1 then (array_agg(old))[1]
        else crm_private.merged_objects(array_agg(old order by id desc))
      end as old,
      case count(*)
        when 1 then (array_agg(new))[1]
        else crm_private.merged_objects(array_agg(new order by id))
      end as new
    from entries
    group by entity_type, entity_id
  )
  select
    pg_current_xact_id()::text::bigint,
    entity_type,
    entity_id,
    case when first_action <> 'create' then old end,
    case when last_action <> 'delete' then new end,
    p_undoes || jsonb_build_object('entries', ids)
  from touched
  where first_action <> 'create'
    or last_action <> 'delete';
end
$$;

comment on function crm_private.plan_reversal(bigint, bigint[], jsonb, text) is
  'Plans to undo entries of a transaction.';

revoke all on function crm_private.plan_reversal(bigint, bigint[], jsonb, text) from public;
--! EndIncluded functions/undo/plan_reversal.sql
--! Included functions/custom_fields/positions.sql
/*
 * Where each of some texts stands among choices, from 1: what rows are ordered by whose values are lists
 * of choices. A choice that is not there has null.
 */
create or replace function crm_private.positions(p_values text[], p_choices text[])
returns integer[]
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return array(
    select array_position(p_choices, input.value)
    from unnest(p_values) with ordinality as input (value, ordinal)
    order by input.ordinal
  );
end
$$;

comment on function crm_private.positions(text[], text[]) is
  'Where each of some texts stands among choices, from 1.';

revoke all on function crm_private.positions(text[], text[]) from public;
grant execute on function crm_private.positions(text[], text[]) to crm_reader;
--! EndIncluded functions/custom_fields/positions.sql
--! Included functions/audit_log/planned_reversal.sql
/*
 * What the running transaction is about to undo of a row. Asked by the audit log and the stamps, for each
 * row of an undo, so its plan must not depend on how few rows the table had when it was made: without the
 * setting one that was cached for an empty table would read the whole of it for every row.
 */
create or replace function crm_private.planned_reversal(p_entity_id uuid)
returns crm_private.reversals
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  v_planned crm_private.reversals;
begin
  select planned.* into v_planned
  from crm_private.reversals as planned
  where planned.transaction_id = pg_current_xact_id()::text::bigint
    and planned.entity_id = p_entity_id;

  return v_planned;
end
$$;

comment on function crm_private.planned_reversal(uuid) is
  'What the running transaction is about to undo of a row.';

revoke all on function crm_private.planned_reversal(uuid) from public;
--! EndIncluded functions/audit_log/planned_reversal.sql
--! Included functions/audit_log/compile_audit_log.sql
/*
 * Binds the audit log to a table: makes crm_private.<table>_audit_log, compiled from the table's
 * columns, and the triggers that call it once for each statement. TRUNCATE is refused.
 *
 * The changes of a created row are its values, those of a deleted row the whole old row. Those of
 * an updated row have a member for each column, and for each custom field, that changed. What an
 * entry says itself (which row, who and when) and what follows from it (the version, generated
 * columns) is left out, but for a deletion: it keeps all, so that the row can come back. What a change
 * undoes is its member @undoes, which no column is called like; what a session that imports gave of
 * what the database sets is told by name in @imported.
 *
 * Compiled, because the audit log is paid for by every write: a generic comparison of whole rows costs
 * twice as much for inserts, three times for updates. Call it in the migration that adds or removes a column; a
 * test finds where that was forgotten.
 *
 * Its plans are kept for the session. One that was made for a row or two would join the old rows of a
 * bulk update to the new ones pair by pair, so nested loops are off.
 *
 * The trigger is security definer: nobody but the owner of the audit log may write it.
 */
create or replace function crm_private.compile_audit_log(p_table regclass, p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_function text := format(
    'crm_private.%I', (select relname from pg_class where oid = p_table) || '_audit_log'
  );
  v_values  text;
  v_changes text;
  v_old     text;
  v_given   text;
  -- What the change of a row undoes: crm_private.carry_out_reversal has planned it.
  v_undoes  text := 'case when v_undoes then jsonb_strip_nulls(jsonb_build_object(''@undoes'', '
    '(crm_private.planned_reversal(%I.id)).undoes)) else ''{}'' end';
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

  select string_agg(format('old_row.%I', attname), ', ' order by attnum)
  into v_old
  from pg_attribute
  where attrelid = p_table
    and attnum > 0
    and not attisdropped
    -- What search and the look for duplicates read follows from the rest.
    and attname <> all ('{search_document,match_keys}'::name[]);

  select string_agg(
    format(
      '(%1$L, to_jsonb(new_row.%1$I), %2$s)',
      attname,
      case attname when 'created_by' then 'to_jsonb(v_user_id)' else 'to_jsonb(now())' end
    ),
    ', ' order by attnum
  )
  into v_given
  from pg_attribute
  where attrelid = p_table and attname = any ('{created_at,created_by,closed_at}'::name[]);

  execute format(
    $function$
create or replace function %1$s()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
as $audit_log$
declare
  v_user_id text   := crm.current_user_id();
  v_source  text   := crm_private.current_source();
  v_xid     bigint := pg_current_xact_id()::text::bigint;
  v_undoes  boolean := current_setting('crm.reversing', true) = v_xid::text;
  v_imports boolean := crm_private.is_importing();
begin
  if tg_op = 'INSERT' then
    insert into crm.audit_logs
      (entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
    select
      %2$L, new_row.id, 'create', v_user_id,
      to_jsonb(new_values)
        -- What came back under its own id goes on where it was; that is not its time.
        || case when new_row.version = 1 then '{}' else jsonb_build_object(
          'version', new_row.version, 'created_at', new_row.created_at,
          'created_by', new_row.created_by, 'updated_by', new_row.updated_by
        ) end
        || case when v_imports and new_row.version = 1 then (
          -- What was given is told apart from what the database would have set.
          select coalesce(
            jsonb_object_agg(input.name, input.value)
              || jsonb_build_object('@imported', jsonb_agg(input.name order by input.name)),
            '{}'
          )
          from (values %8$s) as input (name, value, otherwise)
          where input.value <> input.otherwise
        ) else '{}' end
        || %5$s,
      new_row.updated_at, v_xid, v_source
    from new_rows as new_row
    cross join lateral (select %3$s) as new_values;

  elsif tg_op = 'UPDATE' then
    insert into crm.audit_logs
      (entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
    select
      %2$L, new_row.id, 'update', v_user_id,
      %4$s
        || %5$s,
      new_row.updated_at, v_xid, v_source
    from new_rows as new_row
    join old_rows as old_row using (id)
    where new_row.version <> old_row.version;

  else
    insert into crm.audit_logs
      (entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
    select
      %2$L, old_row.id, 'delete', v_user_id, to_jsonb(old_values) || %6$s,
      clock_timestamp(), v_xid, v_source
    from old_rows as old_row
    cross join lateral (select %7$s) as old_values;
  end if;

  return null;
end
$audit_log$
    $function$,
    v_function, p_entity_type, v_values, v_changes,
    format(v_undoes, 'new_row'), format(v_undoes, 'old_row'), v_old, v_given
  );
  execute format(
    'comment on function %s() is %L',
    v_function, 'Writes an audit log entry for each row that a statement changed. Compiled.'
  );
  execute format('revoke all on function %s() from public', v_function);

  execute format(
    'create or replace trigger _900_audit_log_insert after insert on %s '
    'referencing new table as new_rows '
    'for each statement execute function %s()',
    p_table, v_function
  );
  execute format(
    'create or replace trigger _900_audit_log_update after update on %s '
    'referencing old table as old_rows new table as new_rows '
    'for each statement execute function %s()',
    p_table, v_function
  );
  execute format(
    'create or replace trigger _900_audit_log_delete after delete on %s '
    'referencing old table as old_rows '
    'for each statement execute function %s()',
    p_table, v_function
  );
  execute format(
    'create or replace trigger _900_refuse_truncate before truncate on %s '
    'for each statement execute function crm_private.refuse_truncate()',
    p_table
  );
end
$$;

comment on function crm_private.compile_audit_log(regclass, text) is
  'Makes the triggers that write the audit log of a table, compiled from its columns.';

revoke all on function crm_private.compile_audit_log(regclass, text) from public;
--! EndIncluded functions/audit_log/compile_audit_log.sql
--! Included functions/erasure/purge_deletions.sql
/*
 * Ends the restorability of what was deleted before a time, the oldest first and at most p_limit; gives
 * how many. The entries stay, without values. Called by crm.purge_trash and
 * crm_private.maintain_audit_log.
 */
create or replace function crm_private.purge_deletions(
  p_before timestamptz,
  p_limit  bigint default null
)
returns integer
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_entries crm.audit_logs[];
  v_count   integer;
  v_at      timestamptz;
begin
  perform crm_private.refuse_old_snapshot('purge_trash');
  perform crm_private.lock_seals();

  select array_agg(entry::crm.audit_logs order by entry."timestamp"), count(*)::integer
  into v_entries, v_count
  from (
    select *
    from crm.audit_logs as audit_log
    where audit_log.action = 'delete'
      and audit_log.erased_at is null
      and audit_log."timestamp" < p_before
    order by audit_log."timestamp"
    limit p_limit
    for update
  ) as entry;

  if v_count = 0 then
    return 0;
  end if;

  v_at := clock_timestamp();
  perform crm_private.scrub_entries('crm.audit_logs', v_entries, v_at);
  perform crm_private.log_event(
    'audit_log', 'purge',
    jsonb_build_object(
      'before', v_entries[v_count]."timestamp" + interval '1 microsecond', 'entries', v_count
    ),
    v_at
  );
  return v_count;
end
$$;

comment on function crm_private.purge_deletions(timestamptz, bigint) is
  'Takes the values out of the entries of deletions before a time; gives their number.';

revoke all on function crm_private.purge_deletions(timestamptz, bigint) from public;
--! EndIncluded functions/erasure/purge_deletions.sql
--! Included functions/bulk/apply_rows.sql
/*
 * Writes rows whose ids are known: creates, updates and deletes, each with one statement. Gives those
 * that were written, with their ids, in any order, and whether anything changed.
 *
 * A session that imports may give new rows what else crm_private.imported_columns lists. No role may
 * write these columns, so triggers are told in crm.bulk_stamps.
 *
 * Where a trigger fires for a column that a statement names, the statement names it for those rows only
 * that give it: a probability that is given is told from one that stays.
 *
 * A row that the validation refuses is noted and left out (crm_private.refuse_row). Rows are made one
 * after the other, and until the next one crm.bulk_row tells the place of each: to the validation,
 * and to what is returned of it. Triggers that fire meanwhile plan as they always do.
 */
create or replace function crm_private.apply_rows(p_table regclass, p_rows crm_private.bulk_row[])
returns setof crm_private.written_row
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = auto
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can; that they
-- write cannot be told.
-- @plpgsql_check_options: security_warnings = off, performance_warnings = off
declare
  v_imported text[] := crm_private.imported_columns(p_table);
  v_named    text[];
  v_absent   text[];
begin
  if exists (select from unnest(p_rows) as input where input.operation = 'create') then
    return query execute (
      select format(
        'insert into %s as record (%s)
         select %s
         from unnest($1) as input
         cross join lateral jsonb_populate_record(null::%1$s, $2 || input.item) as filled
         where input.operation = ''create''
           and set_config(''crm.bulk_row'', input.place::text, true) is not null
           and set_config(
             ''crm.bulk_stamps'', case when input.item ?| $3 then input.item::text else '''' end, true
           ) is not null
         returning current_setting(''crm.bulk_row'')::integer, record.id, ''create'', true',
        p_table,
        string_agg(quote_ident(name), ', '),
        string_agg('filled.' || quote_ident(name), ', ')
      )
      from unnest(crm_private.written_columns(p_table, 'insert')) as name
    ) using p_rows, crm_private.column_defaults(p_table), v_imported;
    perform set_config('crm.bulk_row', '', true), set_config('crm.bulk_stamps', '', true);
  end if;

  v_named := array(
    select distinct attribute.attname::text
    from pg_trigger
    cross join lateral unnest(tgattr) as named (number)
    join pg_attribute as attribute
      on attribute.attrelid = tgrelid and attribute.attnum = named.number
    where tgrelid = p_table
      and not tgisinternal
      and attribute.attname = any (crm_private.written_columns(p_table, 'update'))
  );

  for v_absent in
    select distinct array(
      select name from unnest(v_named) as name where not input.item ? name order by name
    )
    from unnest(p_rows) as input
    where input.operation = 'update'
  loop
    return query execute (
      select format(
        'update %s as record
         set %s
         from (
           select input.place, found.version as old_version, %s
           from unnest($1) as input
           join %1$s as found on found.id = input.id
           cross join lateral jsonb_populate_record(found, input.item) as filled
           where input.operation = ''update''
             and not input.item ?| $2
             and input.item ?& $3
         ) as patched
         where record.id = patched."#id"
         returning patched.place, record.id, ''update'', record.version <> patched.old_version',
        p_table,
        string_agg(format('%1$I = patched.%1$I', name), ', '),
        string_agg(format('filled.%I', name), ', ') || ', found.id as "#id"'
      )
      from unnest(crm_private.written_columns(p_table, 'update')) as name
      where name::text <> all (v_absent)
    ) using p_rows, v_absent, array(
      select name from unnest(v_named) as name where name <> all (v_absent)
    );
  end loop;

  if exists (select from unnest(p_rows) as input where input.operation = 'delete') then
    return query execute format(
      'delete from %s as record
       using unnest($1) as input
       where input.operation = ''delete'' and record.id = input.id
       returning input.place, record.id, ''delete'', true',
      p_table
    ) using p_rows;
  end if;
end
$$;

comment on function crm_private.apply_rows(regclass, crm_private.bulk_row[]) is
  'Writes the rows of a bulk write whose ids are known.';

revoke all on function crm_private.apply_rows(regclass, crm_private.bulk_row[]) from public;
grant execute on function crm_private.apply_rows(regclass, crm_private.bulk_row[]) to crm_member;
--! EndIncluded functions/bulk/apply_rows.sql
--! Included functions/common/refresh_statistics.sql
/*
 * Makes the planner's statistics of a table anew: they hold the most common values, and those at
 * regular distances, some of which may have been erased. A table that is empty now keeps its old
 * statistics otherwise; from PostgreSQL 18 on they can be cleared.
 */
create or replace function crm_private.refresh_statistics(p_table regclass)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_clear regproc := to_regproc('pg_catalog.pg_clear_attribute_stats');
begin
  if v_clear is not null then
    execute format(
      $clear$
      select %s(class.relnamespace::regnamespace::text, class.relname, attname, false)
      from pg_catalog.pg_attribute
      join pg_catalog.pg_class as class on class.oid = attrelid
      where attnum > 0
        and not attisdropped
        and attrelid in (
          select $1
          union all
          select indexrelid from pg_catalog.pg_index where indrelid = $1
        )
      $clear$,
      v_clear
    ) using p_table;
  end if;

  execute format('analyze %s', p_table);
end
$$;

comment on function crm_private.refresh_statistics(regclass) is
  'Makes the statistics of a table anew, without values that it no longer holds.';

revoke all on function crm_private.refresh_statistics(regclass) from public;
--! EndIncluded functions/common/refresh_statistics.sql
--! Included functions/common/refuse_argument.sql
/*
 * Refuses an argument of a function of the API like a faulty column. Returns nothing, ever; it is a
 * function of text so that it can stand at the end of a coalesce.
 */
create or replace function crm_private.refuse_argument(
  p_argument   text,
  p_message    text,
  p_constraint text
)
returns text
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception '% %', p_argument, p_message
    using errcode    = 'check_violation',
          schema     = 'crm', table = 'audit_logs',
          constraint = p_constraint,
          detail     = jsonb_build_object(p_argument, jsonb_build_array(p_message))::text;
end
$$;

comment on function crm_private.refuse_argument(text, text, text) is
  'Refuses an argument of a function, with a message by its name.';

revoke all on function crm_private.refuse_argument(text, text, text) from public;
grant execute on function crm_private.refuse_argument(text, text, text) to crm_reader;
--! EndIncluded functions/common/refuse_argument.sql
--! Included functions/history/logged_field.sql
/*
 * What the audit log calls a field of an entity type: company_id for companyId and company_id,
 * custom_fields.size for customFields.size and custom_fields.size. A custom field need not be
 * defined: it may have been. Refuses other names. Called by what takes a field as an argument.
 */
create or replace function crm_private.logged_field(p_entity_type text, p_field text)
returns text
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
  case
    when crm_private.entity_table(p_entity_type) is null
    then crm_private.refuse_argument(
      'entityType',
      crm_private.fault_message(
        (
          select '%s is not one of ' || string_agg(entity_type, ', ' order by restore_order)
          from crm_private.entity_types
          where restore_order is not null
        ),
        to_jsonb(p_entity_type)
      ),
      'audit_logs_entity_type_known'
    )
    when p_field ~ '^custom(?:_f|F)ields\.'
      and exists (
        select from crm_private.entity_types
        where entity_type = p_entity_type and has_custom_fields
      )
    then regexp_replace(p_field, '^custom(?:_f|F)ields', 'custom_fields')
  end,
  (
    select name
    from unnest(crm_private.logged_columns(crm_private.entity_table(p_entity_type))) as name
    where name <> 'custom_fields'
      and p_field in (name, crm_private.camel_case(name))
  ),
  crm_private.refuse_argument(
    'field',
    crm_private.fault_message(
      '%s is not a field of ' || p_entity_type || ' whose values the audit log has',
      to_jsonb(p_field)
    ),
    'audit_logs_field_known'
  )
);
$$;

comment on function crm_private.logged_field(text, text) is
  'What the audit log calls a field of an entity type; refuses what is none.';

revoke all on function crm_private.logged_field(text, text) from public;
grant execute on function crm_private.logged_field(text, text) to crm_reader;
--! EndIncluded functions/history/logged_field.sql
--! Included functions/history/field_history.sql
/*
 * The values that a field had, from the audit log. Runs with the caller's rights: the policy of the
 * audit log decides which entries count.
 */
create or replace function crm.field_history(entity_type text, entity_id uuid, field text)
returns setof crm.field_value
language sql
stable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select
    nullif(period.value, 'null'),
    period."timestamp",
    period.until,
    period.user_id,
    period.source,
    period.id,
    period.erased
  from (
    select
      log.id,
      log.action,
      log."timestamp",
      log.user_id,
      log.source,
      log.erased_at is not null as erased,
      case
        when log.action = 'update' then log.changes #> array[name.name, 'new']
        when name.name like 'custom\_fields.%'
        then log.changes #> array['custom_fields', substr(name.name, 15)]
        else log.changes -> name.name
      end as value,
      lead(log."timestamp") over (order by log.id) as until
    from crm_private.logged_field(field_history.entity_type, field_history.field) as name (name)
    cross join crm.audit_logs as log
    where log.entity_id = field_history.entity_id
      and log.entity_type = field_history.entity_type
      and (log.action <> 'update' or log.changes ? name.name or log.erased_at is not null)
  ) as period
  where period.action <> 'delete'
  order by period.id;
$$;

comment on function crm.field_history(text, uuid, text) is
  'Every value that a field of a row had, the oldest first: from when to when, who set it, and through '
  'what. entityType is contact, company, deal, task, note, custom_field_definition, pipeline_stage or '
  'exchange_rate; a custom field is customFields.<name>.';

revoke all on function crm.field_history(text, uuid, text) from public;
grant execute on function crm.field_history(text, uuid, text) to crm_reader;
--! EndIncluded functions/history/field_history.sql
--! Included functions/undo/refuse_broken_link.sql
/*
 * Refuses a reversal that broke a foreign key, with the field and the value that leads nowhere:
 * PostgreSQL's own error says it only in words that no client is shown. Returns if nothing planned is
 * at fault, as where a row is still linked to.
 */
create or replace function crm_private.refuse_broken_link(p_constraint text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
as $$
declare
  v_link  record;
  v_value jsonb;
begin
  select
    con.conrelid::regclass  as table_name,
    con.confrelid::regclass as referenced_table,
    class.relname,
    type.entity_type,
    attribute.attname,
    referenced.attname      as referenced_column,
    rule.column_name,
    rule.field,
    rule.message
  into v_link
  from crm_private.rules as rule
  join pg_constraint as con
    on con.conname = rule.constraint_name and con.conrelid = rule.table_oid
  join pg_class as class on class.oid = con.conrelid
  join pg_attribute as attribute
    on attribute.attrelid = con.conrelid and attribute.attnum = con.conkey[1]
  join pg_attribute as referenced
    on referenced.attrelid = con.confrelid and referenced.attnum = con.confkey[1]
  join crm_private.entity_types as type on type.entity_table = con.conrelid and type.is_record
  where rule.constraint_name = p_constraint
    and rule.kind = 'reference';

  if not found then
    return;
  end if;

  execute format(
    $query$
    select planned.before -> %2$L
    from crm_private.reversals as planned
    where planned.transaction_id = $1
      and planned.entity_type = $2
      and planned.before ->> %2$L is not null
      and %3$L in (%2$L, (planned.before ->> 'entity_type') || '_id')
      and not exists (
        select from %1$s as referenced where referenced.%4$I::text = planned.before ->> %2$L
      )
      and not exists (
        select from crm_private.reversals as also
        where also.transaction_id = $1
          and also.after is null
          and also.before ->> %4$L = planned.before ->> %2$L
      )
    limit 1
    $query$,
    v_link.referenced_table, v_link.column_name, v_link.attname, v_link.referenced_column
  )
  into v_value
  using pg_current_xact_id()::text::bigint, v_link.entity_type;

  if v_value is null then
    return;
  end if;

  raise exception '%: % %',
      v_link.relname, v_link.field, crm_private.fault_message(v_link.message, v_value)
    using errcode    = 'foreign_key_violation',
          schema     = 'crm', table = v_link.relname, column = v_link.column_name,
          constraint = p_constraint,
          detail     = jsonb_build_object(
                         v_link.field,
                         jsonb_build_array(crm_private.fault_message(v_link.message, v_value))
                       )::text,
          hint       = 'Restore what it refers to first.';
end
$$;

comment on function crm_private.refuse_broken_link(text) is
  'Refuses a reversal that broke a foreign key, with the field and the value that leads nowhere.';

revoke all on function crm_private.refuse_broken_link(text) from public;
--! EndIncluded functions/undo/refuse_broken_link.sql
--! Included functions/undo/refuse_conflicts.sql
/* Refuses to undo what was changed since, with the list of where. */
create or replace function crm_private.refuse_conflicts(p_count bigint, p_conflicts jsonb)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception '%', coalesce(
      (
        select format(
          '%s %s was changed since: %s is %s, not %s%s',
          conflict ->> 'entityType', conflict ->> 'entityId', conflict ->> 'field',
          left((conflict -> 'found')::text, 80), left((conflict -> 'expected')::text, 80),
          case when p_count > 1 then format(' (and %s more)', p_count - 1) end
        )
        from jsonb_array_elements(p_conflicts) with ordinality as listed (conflict, ordinal)
        order by ordinal
        limit 1
      ),
      'it was changed meanwhile'
    )
    using errcode    = 'CRM02',
          schema     = 'crm', table = 'audit_logs', column = 'changes',
          constraint = 'audit_logs_changes_current',
          detail     = jsonb_build_object('count', p_count, 'conflicts', p_conflicts)::text,
          hint       = 'Undo the later changes first, leave them with SKIP, or overwrite them with FORCE.';
end
$$;

comment on function crm_private.refuse_conflicts(bigint, jsonb) is
  'Refuses to undo what was changed since, with the list of where.';

revoke all on function crm_private.refuse_conflicts(bigint, jsonb) from public;
--! EndIncluded functions/undo/refuse_conflicts.sql
--! Included functions/custom_fields/refuse_definition.sql
/* Refuses an argument of a function about a definition, with a message by its name. */
create or replace function crm_private.refuse_definition(
  p_argument   text,
  p_message    text,
  p_constraint text
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'custom_field_definitions: % %', p_argument, p_message
    using errcode    = 'check_violation',
          schema     = 'crm', table = 'custom_field_definitions',
          constraint = p_constraint,
          detail     = jsonb_build_object(p_argument, jsonb_build_array(p_message))::text;
end
$$;

comment on function crm_private.refuse_definition(text, text, text) is
  'Refuses an argument of a function about a definition.';

revoke all on function crm_private.refuse_definition(text, text, text) from public;
--! EndIncluded functions/custom_fields/refuse_definition.sql
--! Included functions/duplicates/refuse_entity_type.sql
/* Refuses an entity type of which no duplicates are looked for. */
create or replace function crm_private.refuse_entity_type(p_entity_type text)
returns void
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'only contacts and companies have duplicates, not %',
      coalesce(to_jsonb(p_entity_type)::text, 'null')
    using errcode    = 'check_violation',
          schema     = 'crm', table = 'duplicate', column = 'entity_type',
          constraint = 'duplicate_entity_type_known',
          detail     = '{"entityType": ["must be contact or company"]}';
end
$$;

comment on function crm_private.refuse_entity_type(text) is
  'Refuses an entity type of which no duplicates are looked for.';

revoke all on function crm_private.refuse_entity_type(text) from public;
grant execute on function crm_private.refuse_entity_type(text) to crm_reader;
--! EndIncluded functions/duplicates/refuse_entity_type.sql
--! Included functions/validation/refuse_faults.sql
/*
 * Refuses a row, given as jsonb, with all its faults at once: the detail is an object of messages by
 * field, in the client's words. Does nothing if it has none. Called by crm_private.refuse_row, and for
 * rows that were only thought of.
 *
 * A function that writes several rows of one input says in crm.path where in it a row stands:
 * tasks.1 makes tasks.1.description of description.
 */
create or replace function crm_private.refuse_faults(p_table regclass, p_row jsonb)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table      text := (select relname::text from pg_class where oid = p_table);
  v_path       text := coalesce(nullif(current_setting('crm.path', true), '') || '.', '');
  v_fields     jsonb;
  v_summary    text;
  v_constraint text;
  v_column     text;
begin
  select
    jsonb_object_agg(v_path || fault.field, fault.messages),
    string_agg(
      v_path || fault.field || ' ' || (fault.messages ->> 0), '; ' order by fault.ordinal
    ),
    (array_agg(fault.constraint_name order by fault.ordinal))[1],
    (array_agg(fault.column_name order by fault.ordinal))[1]
  into v_fields, v_summary, v_constraint, v_column
  from (
    select
      field,
      jsonb_agg(message order by ordinal)               as messages,
      min(ordinal)                                      as ordinal,
      (array_agg(constraint_name order by ordinal))[1]  as constraint_name,
      (array_agg(column_name order by ordinal))[1]      as column_name
    from crm_private.row_faults(p_table, array[p_row]) with ordinality as listed (
      place, field, message, constraint_name, column_name, kind, ordinal
    )
    group by field
  ) as fault;

  if v_fields is not null then
    raise exception '%: %', v_table, v_summary
      using errcode    = 'check_violation',
            schema     = 'crm', table = v_table, column = v_column,
            constraint = v_constraint,
            detail     = v_fields::text;
  end if;
end
$$;

comment on function crm_private.refuse_faults(regclass, jsonb) is
  'Refuses a row that breaks a rule, with all its faults; does nothing if it breaks none.';

revoke all on function crm_private.refuse_faults(regclass, jsonb) from public;
--! EndIncluded functions/validation/refuse_faults.sql
--! Included functions/common/refuse_missing.sql
/*
 * Refuses ids that lead to nothing, or to nothing that the caller may see: the two are told alike. The
 * detail names all of them. Called by functions that are given ids.
 */
create or replace function crm_private.refuse_missing(p_entity_type text, variadic p_ids text[])
returns void
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception '% % not found', p_entity_type, array_to_string(p_ids, ', ', 'null')
    using errcode = 'no_data_found',
          schema  = 'crm',
          detail  = jsonb_build_object(
                    'entityType', p_entity_type, 'ids', array_replace(p_ids, null, 'null')
                  )::text;
end
$$;

comment on function crm_private.refuse_missing(text, text[]) is
  'Refuses ids that lead to nothing, or to nothing that the caller may see.';

revoke all on function crm_private.refuse_missing(text, text[]) from public;
grant execute on function crm_private.refuse_missing(text, text[]) to crm_reader;
--! EndIncluded functions/common/refuse_missing.sql
--! Included functions/common/refuse_null.sql
/* Refuses a function of the API an argument that is missing. */
create or replace function crm_private.refuse_null(p_argument text, p_value text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_value is null then
    perform crm_private.refuse_argument(p_argument, 'is required', 'argument_not_null');
  end if;
end
$$;

comment on function crm_private.refuse_null(text, text) is
  'Refuses an argument of a function that is null.';

revoke all on function crm_private.refuse_null(text, text) from public;
--! EndIncluded functions/common/refuse_null.sql
--! Included functions/common/refuse_old_snapshot.sql
/*
 * Refuses to go on in a transaction that may not see what others have committed meanwhile. Called by
 * what must find every value there is.
 */
create or replace function crm_private.refuse_old_snapshot(p_what text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception '% cannot run in a % transaction',
        p_what, current_setting('transaction_isolation')
      using errcode = 'feature_not_supported',
            schema  = 'crm', table = 'audit_logs',
            hint    = 'Use a read committed transaction.';
  end if;
end
$$;

comment on function crm_private.refuse_old_snapshot(text) is
  'Refuses a transaction that is not read committed.';

revoke all on function crm_private.refuse_old_snapshot(text) from public;
--! EndIncluded functions/common/refuse_old_snapshot.sql
--! Included functions/validation/refuse_row.sql
/*
 * Refuses a row, given as jsonb, as crm_private.refuse_faults does. Called by the trigger that
 * validates, for faulty rows only.
 *
 * Where many rows are written at once, crm_private.write_rows says so in crm.bulk, and the row is
 * noted, with its place in crm.bulk_row, and left out by the trigger. That holds for rows of its own
 * statements only: what these cascade to is refused. In no case is a faulty row written.
 *
 * Security definer, because it reads the catalog's rules, definitions and referenced rows whatever
 * policies hide of them, and notes rows where nobody else writes.
 */
create or replace function crm_private.refuse_row(p_table regclass, p_row jsonb)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table text := (select relname::text from pg_class where oid = p_table);
begin
  -- Asked by itself, it would tell which ids exist, whatever policies hide.
  if pg_trigger_depth() = 0 then
    raise exception 'crm_private.refuse_row is for triggers'
      using errcode = 'insufficient_privilege';
  end if;

  if current_setting('crm.bulk', true) = v_table || ' ' || pg_trigger_depth() then
    insert into crm_private.faulty_rows (transaction_id, place, item)
    values (
      pg_current_xact_id()::text::bigint,
      nullif(current_setting('crm.bulk_row', true), '')::integer,
      p_row
    );
    return;
  end if;

  perform crm_private.refuse_faults(p_table, p_row);

  -- What is compiled is right. It may be younger than the snapshot of this transaction, which then
  -- has to begin again; or compile_rules was forgotten.
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'the rules of % changed since this transaction began', p_table
      using errcode = 'serialization_failure';
  else
    raise exception 'crm_private.compile_rules was not called after a rule of % changed', p_table
      using errcode = 'internal_error';
  end if;
end
$$;

comment on function crm_private.refuse_row(regclass, jsonb) is
  'Refuses a row that breaks a rule, with all its faults; of many rows, notes the faulty ones.';

revoke all on function crm_private.refuse_row(regclass, jsonb) from public;
grant execute on function crm_private.refuse_row(regclass, jsonb) to crm_member;
--! EndIncluded functions/validation/refuse_row.sql
--! Included functions/imports/compile_copy_view.sql
/*
 * Makes the view through which a table's rows can be copied in: crm_private.<table>_copy, which holds
 * nothing, and whose trigger inserts into the table what is inserted into it. PostgreSQL lets no role
 * copy into a table whose policies bind it. Here the statement is one that they bind, with the rights of
 * whoever copies: validation, stamps, the audit log and the policies are those of every insert.
 *
 * It has the columns that members may give a new row, with their defaults, and those that administrators
 * may who import. It refers to none of the table's, so that they can be dropped. Called by crm_private.compile_rules, and so by every migration that
 * changes a column; a table that members cannot insert into gets no view.
 */
create or replace function crm_private.compile_copy_view(p_table regclass)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Defaults are expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_table    text   := (select relname::text from pg_class where oid = p_table);
  v_view     text   := format('crm_private.%I', v_table || '_copy');
  v_function text   := format('crm_private.%I', v_table || '_copied');
  v_columns  name[] := crm_private.written_columns(p_table, 'insert');
  v_imported name[] := crm_private.importable_columns(p_table);
  v_default  record;
begin
  execute format('drop view if exists %s', v_view);

  if v_columns is null then
    return;
  end if;

  execute format(
    'create view %s as select %s where false',
    v_view,
    (
      select string_agg(
        format('null::%s as %I', format_type(atttypid, atttypmod), attname), ', ' order by attnum
      )
      from pg_attribute
      where attrelid = p_table and attname = any (v_columns || v_imported)
    )
  );
  execute format(
    'comment on view %s is %L',
    v_view, 'Takes rows of crm.' || v_table || ' that are copied in; holds none. Compiled.'
  );

  for v_default in
    select attname as name, pg_get_expr(adbin, adrelid) as expression
    from pg_attrdef
    join pg_attribute on attrelid = adrelid and attnum = adnum
    where adrelid = p_table and attname = any (v_columns) and attgenerated = ''
  loop
    execute format(
      'alter view %s alter column %I set default %s', v_view, v_default.name, v_default.expression
    );
  end loop;

  -- What is imported is said to the triggers as a bulk write says it: no role may write these columns.
  execute format(
    'create or replace function %s() returns trigger language plpgsql '
    'set search_path = pg_catalog, pg_temp as %L',
    v_function, format(
      E'begin\n'
      '  if num_nonnulls(%3$s) > 0 then\n'
      '    perform crm_private.require_import(%4$L);\n'
      '    perform set_config(%6$L, to_jsonb(new)::text, true);\n'
      '  end if;\n'
      '  insert into %1$s (%2$s)\n'
      '  values (%5$s);\n'
      '  perform set_config(%6$L, %7$L, true);\n'
      '  return new;\n'
      'end',
      p_table,
      (select string_agg(format('%I', name), ', ') from unnest(v_columns) as name),
      (select string_agg(format('new.%I', name), ', ') from unnest(v_imported) as name),
      array_to_string(v_imported, ', '),
      (select string_agg(format('new.%I', name), ', ') from unnest(v_columns) as name),
      'crm.bulk_stamps', ''
    )
  );
  execute format(
    'comment on function %s() is %L',
    v_function, 'Inserts a row that is copied into the view of its table. Compiled.'
  );
  execute format('revoke all on function %s() from public', v_function);
  execute format(
    'create trigger _100_copy instead of insert on %s for each row execute function %s()',
    v_view, v_function
  );
  execute format(
    'grant insert (%s) on %s to crm_member',
    (select string_agg(format('%I', name), ', ') from unnest(v_columns) as name), v_view
  );
  execute format('grant insert on %s to crm_admin', v_view);
end
$$;

comment on function crm_private.compile_copy_view(regclass) is
  'Makes the view through which rows can be copied into a table.';

revoke all on function crm_private.compile_copy_view(regclass) from public;
--! EndIncluded functions/imports/compile_copy_view.sql
--! Included functions/validation/compile_rules.sql
/*
 * Binds the validation of a table. All the rules that a row can answer by itself become one
 * function, crm_private.<table>_hold, and a trigger function that asks it of every new row:
 * PostgreSQL plans it once a session as one expression, so a row that keeps the rules costs neither
 * a query nor a look at the catalog. A row that breaks one meets
 * crm_private.refuse_row, which finds every fault, or notes the row where many are written at once;
 * either way it is not written.
 *
 * The view through which rows are copied in has the table's columns, too, and is made anew.
 *
 * Call it in the migration that changes a column or a constraint; a test finds where that was
 * forgotten. The constraints themselves hold in any case, one at a time.
 *
 * Security definer: what it makes belongs to the owner, whoever calls it, such as a superuser who migrates.
 */
create or replace function crm_private.compile_rules(p_table regclass)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_table    text := (select relname::text from pg_class where oid = p_table);
  v_hold     text := format('crm_private.%I', v_table || '_hold');
  v_validate text := format('crm_private.%I', v_table || '_validate');
  v_columns  text;
  v_values   text;
  v_rules    text;
begin
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

  select
    string_agg(format('%I %s', attname, format_type(atttypid, null)), ', ' order by attnum),
    string_agg(format('new.%I', attname), ', ' order by attnum)
  into v_columns, v_values
  from pg_attribute
  where attrelid = p_table and attnum > 0 and not attisdropped and attgenerated = ''
    and v_rules ~ ('\m' || attname || '\M');

  -- The arguments are columns of the table, so the function is made anew.
  execute coalesce(
    (
      select format('drop function %s', proc.oid::regprocedure)
      from pg_proc as proc
      where proc.pronamespace = 'crm_private'::regnamespace and proc.proname = v_table || '_hold'
    ),
    'select'
  );
  execute format(
    'create function %s(%s) returns boolean language plpgsql stable parallel safe '
    'set search_path = pg_catalog, pg_temp as %L',
    v_hold, v_columns, format(
      E'-- Whether it could be immutable is the affair of the rules that it is made of.\n'
      '-- @plpgsql_check_options: performance_warnings = off\n'
      'begin\n  return %s;\nend',
      v_rules
    )
  );
  execute format(
    'comment on function %s is %L',
    v_hold, 'True if a row keeps every rule that it can answer by itself. Made of the constraints.'
  );
  execute format('revoke all on function %s from public', v_hold);
  execute format('grant execute on function %s to crm_member', v_hold);

  execute format(
    $function$
create or replace function %s()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $validate$
begin
  -- crm.refusing is on where rows that cannot be written are asked for all their faults.
  if not %s(%s) or current_setting('crm.refusing', true) = 'on' then
    perform crm_private.refuse_row(tg_relid, to_jsonb(new));
    return null;
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
  perform crm_private.compile_copy_view(p_table);
end
$$;

comment on function crm_private.compile_rules(regclass) is
  'Makes the trigger that validates the rows of a table from its constraints.';

revoke all on function crm_private.compile_rules(regclass) from public;
--! EndIncluded functions/validation/compile_rules.sql
--! Included functions/bulk/refuse_rows.sql
/*
 * Refuses a bulk write with the faults of all its rows: the detail lists them. The condition is that
 * of the faults, if they have one in common.
 */
create or replace function crm_private.refuse_rows(p_table regclass, p_count bigint, p_faults jsonb)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table text  := (select relname::text from pg_class where oid = p_table);
  v_first jsonb := p_faults -> 0;
  v_codes text[] := array(
    select distinct fault ->> 'code' from jsonb_array_elements(p_faults) as fault
  );
begin
  raise exception '%: % of % rows are faulty; the first is % with %',
      v_table, jsonb_array_length(p_faults), p_count, v_first ->> 'index', v_first ->> 'fields'
    using errcode = case
                      when v_codes = '{NOT_FOUND}'            then 'P0002'
                      when v_codes = '{CONFLICT}'             then 'CRM01'
                      when v_codes = '{CONSTRAINT_VIOLATION}' then '23000'
                      else '23514'
                    end,
          schema  = 'crm', table = v_table,
          detail  = jsonb_build_object('faults', p_faults)::text;
end
$$;

comment on function crm_private.refuse_rows(regclass, bigint, jsonb) is
  'Refuses a bulk write with the faults of all its rows.';

revoke all on function crm_private.refuse_rows(regclass, bigint, jsonb) from public;
grant execute on function crm_private.refuse_rows(regclass, bigint, jsonb) to crm_member;
--! EndIncluded functions/bulk/refuse_rows.sql
--! Included functions/external_ids/refuse_taken_external_ids.sql
/*
 * Refuses rows of an entity type that carry an external id of another row, with the place of each in
 * externalIds. Whose it is, is not told. Returns if none does. Called once it is known that a key is
 * held twice: cost does not matter.
 */
create or replace function crm_private.refuse_taken_external_ids(p_entity_type text, p_ids uuid[])
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_relation regclass := crm_private.entity_table(p_entity_type);
  v_table    text     := (select relname::text from pg_class where oid = v_relation);
  v_fields   jsonb;
begin
  execute format(
    $find$
      with carried as (
        select record.id as entity_id, own.source, own.id, own.place - 1 as place
        from %s as record
        cross join unnest(record.external_ids) with ordinality as own (source, id, place)
        where record.id = any ($2)
      )
      select jsonb_object_agg(
        'externalIds.' || carried.place,
        jsonb_build_array(crm_private.fault_message(
          '%%s belongs to another ' || $1,
          jsonb_build_object('source', carried.source, 'id', carried.id)
        ))
      )
      from carried
      where exists (
          select from crm_private.external_ids as held
          where held.entity_type = $1
            and held.source = carried.source
            and held.id = carried.id
            and held.entity_id <> carried.entity_id
        )
        or exists (
          select from carried as other
          where other.source = carried.source
            and other.id = carried.id
            and other.entity_id <> carried.entity_id
        )
    $find$,
    v_relation
  ) into v_fields using p_entity_type, p_ids;

  if v_fields is null then
    return;
  end if;

  raise exception '%: an external id belongs to another %', v_table, p_entity_type
    using errcode    = 'unique_violation',
          schema     = 'crm', table = v_table, column = 'external_ids',
          constraint = v_table || '_external_ids_taken',
          detail     = v_fields::text;
end
$$;

comment on function crm_private.refuse_taken_external_ids(text, uuid[]) is
  'Refuses rows that carry an external id of another row.';

revoke all on function crm_private.refuse_taken_external_ids(text, uuid[]) from public;
--! EndIncluded functions/external_ids/refuse_taken_external_ids.sql
--! Included functions/validation/refuse_update.sql
/*
 * Refuses an update of a row, given as jsonb before and after: with SQLSTATE CRM01 and what is
 * current as its detail, where it carries another version than the row has; as breaking a rule, where
 * it changes the id. Called by the triggers that stamp, for such updates only.
 */
create or replace function crm_private.refuse_update(
  p_table       text,
  p_entity_type text,
  p_old         jsonb,
  p_new         jsonb
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_updated_at timestamptz := (p_old ->> 'updated_at')::timestamptz;
begin
  if p_new -> 'id' <> p_old -> 'id' then
    raise exception 'the id of a row in crm.% cannot be changed', p_table
      using errcode    = 'check_violation',
            schema     = 'crm', table = p_table, column = 'id',
            constraint = p_table || '_id_immutable',
            detail     = '{"id": ["cannot be changed"]}';
  end if;

  raise exception '% % was changed meanwhile: it has version %, not %',
      p_entity_type, p_old ->> 'id', p_old -> 'version', p_new -> 'version'
    using errcode    = 'CRM01',
          schema     = 'crm', table = p_table, column = 'version',
          constraint = p_table || '_version_current',
          detail     = jsonb_build_object(
                         'version', p_old -> 'version',
                         'updatedAt', to_char(
                           v_updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'
                         ),
                         'updatedBy', p_old -> 'updated_by'
                       ),
          hint       = 'Read the row again and repeat the change.';
end
$$;

comment on function crm_private.refuse_update(text, text, jsonb, jsonb) is
  'Refuses an update with another id or an outdated version, given the row before and after.';

revoke all on function crm_private.refuse_update(text, text, jsonb, jsonb) from public;
grant execute on function crm_private.refuse_update(text, text, jsonb, jsonb) to crm_member;
--! EndIncluded functions/validation/refuse_update.sql
--! Included functions/custom_fields/rename_custom_field_value.sql
/*
 * Gives a value of an enum or a multi_enum another name: in its definition, the default included, and
 * in every row that has it, in one statement. These are updates: they raise the version, and the
 * audit log has them under the name of who called this.
 *
 * The definition allows both names while the rows change, so the audit log has two entries of it. Undoing
 * the transaction goes the same way back.
 *
 * Security definer: it reaches rows whatever policies hide of them.
 */
create or replace function crm_private.rename_custom_field_value(
  entity_type text,
  name        text,
  old_value   text,
  new_value   text
)
returns crm.custom_field_definitions
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_definition crm.custom_field_definitions;
  v_renamed    crm.custom_field_definitions;
  v_fault      record;
begin
  perform crm_private.caller_is_authenticated();

  perform
    crm_private.refuse_null('entityType', entity_type),
    crm_private.refuse_null('name', name),
    crm_private.refuse_null('oldValue', old_value),
    crm_private.refuse_null('newValue', new_value);

  select * into v_definition
  from crm.custom_field_definitions as definition
  where definition.entity_type = rename_custom_field_value.entity_type
    and definition.name = rename_custom_field_value.name
  for update;

  if not found then
    perform crm_private.refuse_definition(
      'name', 'is not a custom field of this entity type', 'custom_field_definitions_name_known'
    );
  elsif (old_value = any (v_definition.enum_values)) is not true then
    perform crm_private.refuse_definition(
      'oldValue',
      crm_private.fault_message('%s is not a value of this field', to_jsonb(old_value)),
      'custom_field_definitions_enum_values_known'
    );
  elsif new_value = any (v_definition.enum_values) then
    perform crm_private.refuse_definition(
      'newValue',
      crm_private.fault_message('%s is a value of this field already', to_jsonb(new_value)),
      'custom_field_definitions_enum_values_distinct'
    );
  end if;

  -- What a value has to be like, its definition says.
  select fault.* into v_fault
  from crm_private.row_faults(
    'crm.custom_field_definitions',
    array[
      to_jsonb(v_definition) || jsonb_build_object('enum_values', jsonb_build_array(new_value))
    ]
  ) as fault
  where starts_with(fault.field, 'enumValues');

  if found then
    perform crm_private.refuse_definition('newValue', v_fault.message, v_fault.constraint_name);
  end if;

  update crm.custom_field_definitions as definition
  set enum_values = enum_values || new_value
  where definition.id = v_definition.id;

  -- Of one value and of a list of them alike: its elements, and the value again.
  execute format(
    'update %s as record
     set custom_fields = jsonb_set(record.custom_fields, array[$1], case
       when jsonb_typeof(record.custom_fields -> $1) = ''array'' then (
         select jsonb_agg(case when value = $2 then $3 else value end order by ordinal)
         from jsonb_array_elements_text(record.custom_fields -> $1) with ordinality
           as element (value, ordinal)
       )
       else to_jsonb($3)
     end)
     where record.custom_fields -> $1 ? $2',
    crm_private.entity_table(entity_type)
  ) using name, old_value, new_value;

  update crm.custom_field_definitions as definition
  set
    enum_values   = array_replace(v_definition.enum_values, old_value, new_value),
    default_value = case
      when jsonb_typeof(default_value) = 'array' then (
        select jsonb_agg(case when value = old_value then new_value else value end order by ordinal)
        from jsonb_array_elements_text(default_value) with ordinality as element (value, ordinal)
      )
      when default_value = to_jsonb(old_value) then to_jsonb(new_value)
      else default_value
    end
  where definition.id = v_definition.id
  returning definition.* into v_renamed;

  return v_renamed;
end
$$;

comment on function crm_private.rename_custom_field_value(text, text, text, text) is
  'What crm.rename_custom_field_value calls, with the rights of the owner.';

revoke all on function crm_private.rename_custom_field_value(text, text, text, text) from public;
grant execute on function crm_private.rename_custom_field_value(text, text, text, text) to crm_admin;

create or replace function crm.rename_custom_field_value(
  entity_type text,
  name        text,
  old_value   text,
  new_value   text
)
returns crm.custom_field_definitions
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.rename_custom_field_value(entity_type, name, old_value, new_value);
$$;

comment on function crm.rename_custom_field_value(text, text, text, text) is
  'Gives a value of a custom field of type enum or multi_enum another name, in the definition and in '
  'every row that has it. For administrators.';

revoke all on function crm.rename_custom_field_value(text, text, text, text) from public;
grant execute on function crm.rename_custom_field_value(text, text, text, text) to crm_admin;
--! EndIncluded functions/custom_fields/rename_custom_field_value.sql
--! Included functions/custom_fields/report_columns.sql
/*
 * The columns that the report of an entity type has, custom fields aside: reporting.contacts,
 * reporting.companies and reporting.deals are compiled from them by crm_private.compile_report. The
 * names in the expressions are those of its from clause. The report of another entity has the columns of
 * its table that readers may read, but for those that are about the row rather than what it stands for.
 */
create or replace function crm_private.report_columns(p_entity_type text)
returns table (ordinal integer, name text, expression text, comment text)
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  with listed (entity_type, ordinal, name, expression, comment) as (
    values
      ('contact', 1, 'id', 'contact.id', 'The id of the contact.'),
      ('contact', 2, 'name', 'contact.first_name || '' '' || contact.last_name',
        'First and last name.'),
      ('contact', 3, 'first_name', 'contact.first_name', 'The first name.'),
      ('contact', 4, 'last_name', 'contact.last_name', 'The last name.'),
      ('contact', 5, 'email', 'contact.emails[1]', 'The first email address, if any.'),
      ('contact', 6, 'emails', 'contact.emails', 'All email addresses.'),
      ('contact', 7, 'phone', 'contact.phones[1]', 'The first phone number, if any.'),
      ('contact', 8, 'phones', 'contact.phones', 'All phone numbers.'),
      ('contact', 9, 'company_id', 'contact.company_id', 'The id of the company.'),
      ('contact', 10, 'company', 'company.name', 'The name of the company.'),
      ('contact', 11, 'owner_id', 'contact.owner_id', 'The user who owns the contact.'),
      ('contact', 12, 'created_at', 'contact.created_at', 'When the contact was created.'),
      ('contact', 13, 'created_by', 'contact.created_by', 'Who created it.'),
      ('contact', 14, 'updated_at', 'contact.updated_at', 'When it was changed last.'),
      ('contact', 15, 'updated_by', 'contact.updated_by', 'Who changed it last.'),

      ('company', 1, 'id', 'company.id', 'The id of the company.'),
      ('company', 2, 'name', 'company.name', 'The name.'),
      ('company', 3, 'street', 'company.address ->> ''street''', 'The street.'),
      ('company', 4, 'city', 'company.address ->> ''city''', 'The city.'),
      ('company', 5, 'state', 'company.address ->> ''state''', 'The state.'),
      ('company', 6, 'postal_code', 'company.address ->> ''postalCode''', 'The postal code.'),
      ('company', 7, 'country', 'company.address ->> ''country''', 'The country.'),
      ('company', 8, 'owner_id', 'company.owner_id', 'The user who owns the company.'),
      ('company', 9, 'created_at', 'company.created_at', 'When the company was created.'),
      ('company', 10, 'created_by', 'company.created_by', 'Who created it.'),
      ('company', 11, 'updated_at', 'company.updated_at', 'When it was changed last.'),
      ('company', 12, 'updated_by', 'company.updated_by', 'Who changed it last.'),

      ('deal', 1, 'id', 'deal.id', 'The id of the deal.'),
      ('deal', 2, 'title', 'deal.title', 'The title.'),
      ('deal', 3, 'company_id', 'deal.company_id', 'The id of the company.'),
      ('deal', 4, 'company', 'company.name', 'The name of the company.'),
      ('deal', 5, 'contact_id', 'deal.contact_id', 'The id of the contact.'),
      ('deal', 6, 'contact', 'contact.first_name || '' '' || contact.last_name',
        'The name of the contact.'),
      ('deal', 7, 'value', 'deal.value', 'The value.'),
      ('deal', 8, 'currency', 'deal.currency', 'The currency of the value.'),
      ('deal', 9, 'stage', 'deal.stage', 'The name of the stage.'),
      ('deal', 10, 'stage_kind', 'stage.kind', 'The kind of the stage: open, won or lost.'),
      ('deal', 11, 'probability', 'deal.probability', 'How likely it is won, from 0 to 100.'),
      ('deal', 12, 'close_date', 'deal.close_date', 'When it is to close.'),
      ('deal', 13, 'owner_id', 'deal.owner_id', 'The user who owns the deal.'),
      ('deal', 14, 'created_at', 'deal.created_at', 'When the deal was created.'),
      ('deal', 15, 'created_by', 'deal.created_by', 'Who created it.'),
      ('deal', 16, 'updated_at', 'deal.updated_at', 'When it was changed last.'),
      ('deal', 17, 'updated_by', 'deal.updated_by', 'Who changed it last.'),
      ('deal', 18, 'closed_at', 'deal.closed_at', 'When it was won or lost.'),
      ('deal', 19, 'lost_reason', 'deal.lost_reason', 'Why it was lost, if somebody said so.'),
      ('deal', 20, 'probability_given', 'deal.probability_given',
        'True if somebody gave the probability, false if it is the stage''s.')
  )
  select listed.ordinal, listed.name, listed.expression, listed.comment
  from listed
  where listed.entity_type = p_entity_type

  union all

  select
    attnum::integer, attname::text, format('%I.%I', p_entity_type, attname),
    col_description(attrelid, attnum)
  from pg_attribute
  where attrelid = crm_private.entity_table(p_entity_type)
    and attnum > 0
    and not attisdropped
    and attname <> all ('{version,custom_fields,external_ids,search_document}')
    and has_column_privilege('crm_reader', attrelid, attnum, 'select')
    and p_entity_type not in (select listed.entity_type from listed);
$$;

comment on function crm_private.report_columns(text) is
  'The columns that the report of an entity type has, custom fields aside.';

revoke all on function crm_private.report_columns(text) from public;
--! EndIncluded functions/custom_fields/report_columns.sql
--! Included functions/undo/restore_deleted.sql
/*
 * Brings back a deleted row, and what its deletion took: the rows that were deleted with it and the links
 * that were set to null. A link that leads elsewhere by now stays as it is, and is reported, as is what
 * cannot be as it was because something that it refers to is gone or other than it was.
 *
 * Security definer: it reads the whole of the audit log, and brings back rows under their own ids, which no
 * role may write. crm_private.carry_out_reversal checks that the caller could do by hand what it does.
 */
create or replace function crm_private.restore_deleted(entity_type text, id uuid)
returns crm.reversal
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_deletion crm.audit_logs;
  v_table    regclass := crm_private.entity_table(entity_type);
  v_exists   boolean;
begin
  perform crm_private.caller_is_authenticated();

  perform crm_private.refuse_null('id', id::text);

  if not crm_private.is_reversible(entity_type) then
    perform crm_private.refuse_argument(
      'entityType',
      crm_private.fault_message(
        '%s is not one of contact, company, deal, task, note, custom_field_definition, '
        'pipeline_stage, exchange_rate',
        to_jsonb(entity_type)
      ),
      'audit_logs_entity_type_known'
    );
  end if;

  select log.* into v_deletion
  from crm.audit_logs as log
  where log.entity_id = restore_deleted.id
    and log.entity_type = restore_deleted.entity_type
    and log.action = 'delete'
  order by log.id desc
  limit 1;

  -- Two that restore the same come one after the other, so that the second sees it back.
  perform pg_advisory_xact_lock(
    hashtext('crm_private.reversals'), hashint8(v_deletion.transaction_id)
  );
  execute format('select exists (select from %s where id = $1)', v_table)
  into v_exists
  using restore_deleted.id;

  if v_exists then
    raise exception '% % is not deleted', entity_type, id
      using errcode    = 'unique_violation',
            schema     = 'crm', table = (select relname from pg_class where oid = v_table),
            column     = 'id',
            constraint = 'trash_id_deleted',
            detail     = '{"id": ["is not deleted, or was restored already"]}';
  elsif v_deletion.id is null
    or (v_deletion.user_id <> crm.current_user_id() and not crm_private.is_administrator())
  then
    perform crm_private.refuse_missing(entity_type, id::text);
  end if;

  perform crm_private.plan_reversal(
    v_deletion.transaction_id,
    array(
      select taken.id
      from crm_private.cascaded_deletions(
        v_deletion.transaction_id, v_deletion.id, v_deletion.entity_type, v_deletion.entity_id,
        v_deletion.changes
      ) as taken
    ),
    '{}',
    'id'
  );
  return crm_private.carry_out_reversal('SKIP');
end
$$;

comment on function crm_private.restore_deleted(text, uuid) is
  'What crm.restore_deleted calls, with the rights of the owner.';

revoke all on function crm_private.restore_deleted(text, uuid) from public;
grant execute on function crm_private.restore_deleted(text, uuid) to crm_member;

create or replace function crm.restore_deleted(entity_type text, id uuid)
returns crm.reversal
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.restore_deleted(entity_type, id);
$$;

comment on function crm.restore_deleted(text, uuid) is
  'Brings back a deleted row under its own id, with everything that its deletion took: the rows that '
  'went with it, and the links to it that were set to null, unless they lead elsewhere by now. Where '
  'something that it refers to was renamed or merged it follows; what is gone is left out. What is not as '
  'it was is in kept. entityType is contact, company, deal, task, note, custom_field_definition, pipeline_stage or '
  'exchange_rate.';

revoke all on function crm.restore_deleted(text, uuid) from public;
grant execute on function crm.restore_deleted(text, uuid) to crm_member;
--! EndIncluded functions/undo/restore_deleted.sql
--! Included functions/undo/reversal_conflicts.sql
/*
 * Where the rows of an entity type are no longer what a planned reversal expects: a field has another
 * value, a row is gone or is there again (field id), or something has been attached since to a row
 * that is to go. The rows are locked by now.
 */
create or replace function crm_private.reversal_conflicts(p_entity_type text)
returns table (
  entity_type text,
  entity_id   uuid,
  field       text,
  expected    jsonb,
  found       jsonb,
  planned_id  uuid
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of others, in which names and values are quoted already; what they return
-- cannot be told.
-- @plpgsql_check_options: security_warnings = off, extra_warnings = off
declare
  v_table  regclass := crm_private.entity_table(p_entity_type);
  v_xid    bigint   := pg_current_xact_id()::text::bigint;
  v_attach text;
begin
  return query execute format(
    $query$
    select
      planned.entity_type, planned.entity_id, differing.field, differing.expected, differing.found,
      planned.entity_id
    from crm_private.reversals as planned
    left join %s as record on record.id = planned.entity_id
    cross join lateral to_jsonb(record) as now
    cross join lateral (
      select
        'id' as field,
        case when planned.after is not null then to_jsonb(planned.entity_id) else 'null' end as expected,
        case when record.id is not null then to_jsonb(planned.entity_id) else 'null' end     as found
      where (planned.after is null) <> (record.id is null)

      union all

      select told.key, told.value, held.value
      from jsonb_each(planned.after) as told
      cross join lateral (
        select coalesce(
          case
            when told.key like 'custom\_fields.%%' then now -> 'custom_fields' -> substr(told.key, 15)
            else now -> told.key
          end,
          'null'
        ) as value
      ) as held
      where record.id is not null
        and held.value <> told.value
        and split_part(told.key, '.', 1) = any ($3)
        -- What follows from the stage is nobody's later change.
        and not (
          told.key = any (array['closed_at', 'probability_given'])
          or told.key = 'probability' and (now ->> 'probability_given') is not distinct from 'false'
        )
    ) as differing
    where planned.transaction_id = $1
      and planned.entity_type = $2
    $query$,
    v_table
  ) using v_xid, p_entity_type, crm_private.logged_columns(v_table);

  -- What refers to a row that is to go, and would go or lose its link with it.
  select string_agg(
    format(
      $query$
      select %1$L, child.id, %2$L, 'null'::jsonb, to_jsonb(child.%3$I), planned.entity_id
      from crm_private.reversals as planned
      join %4$s as child on child.%3$I = planned.entity_id
      where planned.transaction_id = $1
        and planned.entity_type = $2
        and planned.before is null
        and not exists (
          select from crm_private.reversals as also
          where also.transaction_id = $1
            and also.entity_type = %1$L
            and also.entity_id = child.id
            and (also.before is null or also.before ? %2$L)
        )
      $query$,
      link.entity_type, link.field, link.key, link.entity_table
    ),
    E'\nunion all\n'
  )
  into v_attach
  from crm_private.entity_links as link
  where link.target_type = p_entity_type;

  if v_attach is not null then
    return query execute v_attach using v_xid, p_entity_type;
  end if;

  -- A stage that deals are in does not go.
  if p_entity_type = 'pipeline_stage' then
    return query
    select 'deal', child.id, 'stage', 'null'::jsonb, to_jsonb(child.stage), planned.entity_id
    from crm_private.reversals as planned
    join crm.pipeline_stages as stage on stage.id = planned.entity_id
    join crm.deals as child on child.stage = stage.name
    where planned.transaction_id = v_xid
      and planned.entity_type = p_entity_type
      and planned.before is null
      and not exists (
        select from crm_private.reversals as also
        where also.transaction_id = v_xid
          and also.entity_type = 'deal'
          and also.entity_id = child.id
          and (also.before is null or also.before ? 'stage')
      );
  end if;

  if p_entity_type <> 'custom_field_definition' then
    return;
  end if;

  -- A definition takes its values with it.
  select string_agg(
    format(
      $query$
      select
        %1$L, record.id, 'custom_fields.' || %2$L, 'null'::jsonb, record.custom_fields -> %2$L,
        %4$L::uuid
      from %3$s as record
      where record.custom_fields ? %2$L
        and not exists (
          select from crm_private.reversals as also
          where also.transaction_id = $1
            and also.entity_type = %1$L
            and also.entity_id = record.id
            and (also.before is null or also.before ? ('custom_fields.' || %2$L))
        )
      $query$,
      definition.entity_type, definition.name, crm_private.entity_table(definition.entity_type),
      definition.id
    ),
    E'\nunion all\n'
  )
  into v_attach
  from crm_private.reversals as planned
  join crm.custom_field_definitions as definition on definition.id = planned.entity_id
  where planned.transaction_id = v_xid
    and planned.entity_type = p_entity_type
    and planned.before is null;

  if v_attach is not null then
    return query execute v_attach using v_xid;
  end if;
end
$$;

comment on function crm_private.reversal_conflicts(text) is
  'Where the rows of an entity type are no longer what a planned reversal expects.';

revoke all on function crm_private.reversal_conflicts(text) from public;
--! EndIncluded functions/undo/reversal_conflicts.sql
--! Included functions/undo/reverse_rows.sql
/*
 * Carries out what is planned for the rows of an entity type, in one statement: brings back rows
 * (insert), puts fields back (update), or takes rows away (delete). Returns how many rows it was.
 * prepare is an update of those definitions that were changed after the values of their field; they
 * still allow the values of a list that the rows have until the update.
 *
 * A row that comes back has every column that it had; a column that has been added since has its
 * default. Rows that are there already are left to the update.
 */
create or replace function crm_private.reverse_rows(p_entity_type text, p_operation text)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can; that they
-- write cannot be told.
-- @plpgsql_check_options: security_warnings = off, performance_warnings = off
declare
  v_table   regclass := crm_private.entity_table(p_entity_type);
  v_columns name[]   := crm_private.logged_columns(v_table);
  v_xid     bigint   := pg_current_xact_id()::text::bigint;
  v_written bigint;
begin
  if p_operation = 'insert' then
    execute (
      select format(
        'insert into %s (%s)
         select %s
         from crm_private.reversals as planned
         cross join lateral jsonb_populate_record(null::%s, planned.before) as restored
         where planned.transaction_id = $1
           and planned.entity_type = $2
           and planned.after is null
           and planned.before ? ''id''
         on conflict (id) do nothing',
        v_table,
        string_agg(format('%I', attname), ', ' order by attnum),
        string_agg(
          case
            when attname = 'custom_fields'
            then 'jsonb_strip_nulls(crm_private.custom_members(planned.before))'
            -- Rows get their values after the definition; what must have one has to wait for it.
            when p_entity_type = 'custom_field_definition' and attname = 'required' then 'false'
            else format(
              'case when planned.before ? %1$L then restored.%1$I else %2$s end',
              attname, coalesce(pg_get_expr(adbin, adrelid), 'null')
            )
          end,
          ', ' order by attnum
        ),
        v_table
      )
      from pg_attribute
      left join pg_attrdef on adrelid = attrelid and adnum = attnum
      where attrelid = v_table
        and attnum > 0
        and not attisdropped
        and attgenerated = ''
    ) using v_xid, p_entity_type;

  elsif p_operation in ('update', 'prepare') then
    execute format(
      'update %s as record
       set %s
       from crm_private.reversals as planned
       join %s as found on found.id = planned.entity_id
       cross join lateral jsonb_populate_record(found, planned.before) as restored
       where planned.transaction_id = $1
         and planned.entity_type = $2
         and planned.before is not null
         and (planned.after is not null or planned.undoes ? ''forced'' or $3)
         %s
         and record.id = planned.entity_id',
      v_table,
      (
        select string_agg(
          case name
            when 'custom_fields'
            then
              'custom_fields = jsonb_strip_nulls('
              'found.custom_fields || crm_private.custom_members(planned.before))'
            else format(
              case
                when p_operation = 'prepare' and name = 'enum_values' then
                  -- What has no list neither had one nor gets one by this.
                  '%1$I = restored.%1$I || (
                     select array_agg(value) from unnest(found.%1$I) as value
                     where value <> all (restored.%1$I)
                   )'
                else '%1$I = restored.%1$I'
              end,
              name
            )
          end,
          ', '
        )
        from unnest(v_columns) as name
      ),
      v_table,
      case
        when p_operation = 'prepare' then
          'and not exists (
             select from crm_private.reversals as later
             where later.transaction_id = $1
               and later.entity_type = found.entity_type
               and later.before ? (''custom_fields.'' || found.name)
               and (later.undoes -> ''entries'' ->> -1)::bigint
                 > (planned.undoes -> ''entries'' ->> -1)::bigint
           )'
        else ''
      end
    ) using
      v_xid, p_entity_type, p_entity_type = 'custom_field_definition' and p_operation = 'update';

  else
    execute format(
      'delete from %s as record
       using crm_private.reversals as planned
       where planned.transaction_id = $1
         and planned.entity_type = $2
         and planned.before is null
         and record.id = planned.entity_id',
      v_table
    ) using v_xid, p_entity_type;
  end if;

  get diagnostics v_written = row_count;
  return v_written;
end
$$;

comment on function crm_private.reverse_rows(text, text) is
  'Inserts, updates or deletes the rows of an entity type as a reversal plans it.';

revoke all on function crm_private.reverse_rows(text, text) from public;
--! EndIncluded functions/undo/reverse_rows.sql
--! Included functions/access/revoke_api_key.sql
/*
 * Revokes an API key: the next request that presents it is refused. One that was revoked before
 * stays as it is.
 *
 * Security definer: no client writes the table.
 */
create or replace function crm_private.revoke_api_key(id uuid)
returns crm.api_keys
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_api_key crm.api_keys;
begin
  if id is null then
    raise exception 'api_keys: id is required'
      using errcode = 'not_null_violation',
            schema  = 'crm', table = 'api_keys', column = 'id',
            detail  = '{"id": ["is required"]}';
  end if;

  update crm.api_keys as api_key
  set revoked_at = now()
  where api_key.id = revoke_api_key.id and api_key.revoked_at is null;

  select api_key.* into v_api_key
  from crm.api_keys as api_key
  where api_key.id = revoke_api_key.id;

  if not found then
    perform crm_private.refuse_missing('apiKey', id::text);
  end if;

  return v_api_key;
end
$$;

comment on function crm_private.revoke_api_key(uuid) is
  'What crm.revoke_api_key calls, with the rights of the owner.';

revoke all on function crm_private.revoke_api_key(uuid) from public;
grant execute on function crm_private.revoke_api_key(uuid) to crm_admin;

create or replace function crm.revoke_api_key(id uuid)
returns crm.api_keys
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.revoke_api_key(id);
$$;

comment on function crm.revoke_api_key(uuid) is
  'Revokes an API key: the next request with it is refused. It cannot be undone.';

revoke all on function crm.revoke_api_key(uuid) from public;
grant execute on function crm.revoke_api_key(uuid) to crm_admin;
--! EndIncluded functions/access/revoke_api_key.sql
--! Included functions/history/row_as_of.sql
/*
 * A row as it was at an instant, as jsonb; null if there was none. p_current is the row as it is
 * now, null if it is gone. Called by the functions crm.<entity>_as_of. Its search_document and
 * match_keys are null: nobody searches the past, or looks for duplicates there.
 *
 * It goes backwards: from the row as it is, or as the first deletion after the instant found it, it
 * takes back every update since. So it needs the audit log from that instant on and no further, and
 * old months can be retired. Refused where an entry that it needs has been erased, but for a deletion.
 *
 * Runs with the caller's rights: whoever can read a row's history can read what follows from it.
 */
create or replace function crm_private.row_as_of(
  p_entity_type text,
  p_entity_id   uuid,
  p_at          timestamptz,
  p_current     jsonb
)
returns jsonb
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_row     jsonb := p_current;
  v_first   text;
  v_deleted bigint;
  v_changed jsonb;
  v_custom  jsonb;
  v_updates integer;
  v_erased  bigint;
  v_stamp   record;
begin
  if p_at < crm.audit_log_kept_since() then
    raise exception 'what % % was at % cannot be told: the audit log is kept since %',
        p_entity_type, p_entity_id, p_at, crm.audit_log_kept_since()
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'timestamp',
            constraint = 'audit_logs_timestamp_retired',
            detail     = '{"at": ["is before what the audit log still has"]}';
  end if;

  select
    (array_agg(action order by id))[1],
    min(id) filter (where action = 'delete'),
    coalesce((array_agg(changes order by id) filter (where action = 'delete'))[1], p_current)
  into v_first, v_deleted, v_row
  from crm.audit_logs
  where entity_id = p_entity_id
    and entity_type = p_entity_type
    and "timestamp" > p_at;

  if v_first = 'create' or v_row is null then
    return null;
  end if;

  -- A deletion that has been purged tells nothing any more, but what was before it is still there.
  if v_row = '{}' then
    return crm_private.completed_row(
      crm_private.entity_table(p_entity_type),
      crm_private.row_from_creation(p_entity_type, p_entity_id, p_at)
    );
  end if;

  -- Of each field the first change since tells what it was; later ones do not matter.
  with since as (
    select id, action, changes, erased_at
    from crm.audit_logs
    where entity_id = p_entity_id
      and entity_type = p_entity_type
      and "timestamp" > p_at
      and action <> 'create'
      and (v_deleted is null or id <= v_deleted)
  ),
  was as (
    select distinct on (told.key) told.key, told.value -> 'old' as value
    from since
    cross join lateral jsonb_each(since.changes - '@undoes') as told
    where since.action = 'update'
    order by told.key, since.id
  )
  select
    (select min(id) from since where erased_at is not null),
    (select count(*)::integer from since where action = 'update'),
    coalesce(jsonb_object_agg(key, value) filter (where key not like 'custom\_fields.%'), '{}'),
    jsonb_object_agg(substr(key, 15), value) filter (where key like 'custom\_fields.%')
  into v_erased, v_updates, v_changed, v_custom
  from was;

  if v_erased is not null then
    raise exception 'what % % was at % cannot be told: entry % of the audit log has been erased',
        p_entity_type, p_entity_id, p_at, v_erased
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'changes',
            constraint = 'audit_logs_changes_erased',
            detail     = '{"at": ["is before values that have been erased for good"]}';
  end if;

  if (v_row ->> 'created_at')::timestamptz > p_at then
    return null;
  end if;

  v_row := v_row || v_changed;

  if v_custom is not null then
    v_row := v_row || jsonb_build_object(
      'custom_fields', jsonb_strip_nulls((v_row -> 'custom_fields') || v_custom)
    );
  end if;

  v_row := crm_private.completed_row(crm_private.entity_table(p_entity_type), v_row);

  if v_updates = 0 then
    return v_row;
  end if;

  select
    log."timestamp" as updated_at,
    coalesce(case log.action when 'create' then log.changes ->> 'updated_by' end, log.user_id)
      as updated_by
  into v_stamp
  from crm.audit_logs as log
  where log.entity_id = p_entity_id
    and log.entity_type = p_entity_type
    and log."timestamp" <= p_at
    and log.action <> 'erase'
  order by log.id desc
  limit 1;

  if not found then
    raise exception 'what % % was at % cannot be told: the audit log does not go back so far',
        p_entity_type, p_entity_id, p_at
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'timestamp',
            constraint = 'audit_logs_timestamp_retired',
            detail     = '{"at": ["is before what the audit log still has"]}';
  end if;

  return v_row || jsonb_build_object(
    'version', (v_row ->> 'version')::integer - v_updates,
    'updated_at', v_stamp.updated_at,
    'updated_by', v_stamp.updated_by
  );
end
$$;

comment on function crm_private.row_as_of(text, uuid, timestamptz, jsonb) is
  'A row as it was at an instant, null if there was none.';

revoke all on function crm_private.row_as_of(text, uuid, timestamptz, jsonb) from public;
grant execute on function crm_private.row_as_of(text, uuid, timestamptz, jsonb) to crm_reader;
--! EndIncluded functions/history/row_as_of.sql
--! Included views/crm_private/stage_names.sql
/*
 * What stages were called: for each name, from which audit log entry on it was that of which stage.
 * Deals refer to a stage by its name, and so do entries of deals; this tells which stage they mean.
 * A cascade to the deals of a stage that is renamed comes after the entry of the stage, so an entry's
 * new name is looked up as of the entry, and an old one too: until another stage takes a name, it means
 * the one that had it last.
 *
 * Readers see it, because the names of stages are in the entries of deals that they may read.
 */
create or replace view crm_private.stage_names as
  with told as (
    select
      log.id,
      log.entity_id,
      log."timestamp",
      case log.action
        when 'create' then log.changes ->> 'name'
        when 'update' then log.changes #>> '{name,new}'
      end as name,
      case log.action
        when 'update' then log.changes #>> '{name,old}'
        when 'delete' then log.changes ->> 'name'
      end as former,
      row_number() over (partition by log.entity_id order by log.id) = 1 as is_first
    from crm.audit_logs as log
    where log.entity_type = 'pipeline_stage'
      and (log.action <> 'update' or log.changes ? 'name')
  ),
  named as (
    select entity_id as stage_id, name, id as since, "timestamp" as since_at
    from told
    where name is not null

    union all

    -- What was before the audit log begins.
    select entity_id, former, 0, '-infinity'
    from told
    where is_first and former is not null

    union all

    select stage.id, stage.name, 0, '-infinity'
    from crm.pipeline_stages as stage
    where not exists (select from told where told.entity_id = stage.id)
  )

  select
    named.name,
    named.stage_id,
    coalesce(
      stage.name,
      last_value(named.name) over (
        partition by named.stage_id order by named.since
        rows between unbounded preceding and unbounded following
      )
    )                                                                         as stage,
    named.since,
    lead(named.since) over (partition by named.name order by named.since)     as until,
    named.since_at,
    lead(named.since_at) over (partition by named.name order by named.since)  as until_at
  from named
  left join crm.pipeline_stages as stage on stage.id = named.stage_id;

comment on view crm_private.stage_names is
  'Which stage a name meant, from one audit log entry to another, and what that stage is called '
  'now; of one that is gone, what it was called last.';

grant select on crm_private.stage_names to crm_reader;
--! EndIncluded views/crm_private/stage_names.sql
--! Included functions/history/stage_now.sql
/*
 * What a stage is called now that had a name at an instant; the name itself where the audit log does not
 * tell. Called for the past: a stage is itself under any name, and leads to itself.
 */
create or replace function crm_private.stage_now(p_name text, p_at timestamptz)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    (
      select named.stage
      from crm_private.stage_names as named
      where named.name = p_name
        and named.since_at <= p_at
        and (named.until_at is null or p_at < named.until_at)
    ),
    p_name
  );
$$;

comment on function crm_private.stage_now(text, timestamptz) is
  'What a stage is called now that had a name at an instant.';

revoke all on function crm_private.stage_now(text, timestamptz) from public;
grant execute on function crm_private.stage_now(text, timestamptz) to crm_reader;
--! EndIncluded functions/history/stage_now.sql
--! Included functions/history/compile_history.sql
/*
 * Compiles what the API tells of the past of an entity: of a row crm.<table>_history, field_history and
 * history_is_complete, and crm.<entity type>_as_of. Where changes cannot be undone there is the history alone.
 *
 * All of them run with the caller's rights, and are granted to who reads the table.
 */
create or replace function crm_private.compile_history(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_type   crm_private.entity_types;
  v_name   text;
  v_reader text;
  v_made   record;
begin
  select * into strict v_type from crm_private.entity_types where entity_type = p_entity_type;
  v_name   := (select relname::text from pg_class where oid = v_type.entity_table);
  v_reader := case
    when has_any_column_privilege('crm_reader', v_type.entity_table, 'select') then 'crm_reader'
    else 'crm_admin'
  end;

  for v_made in
    select
      format('crm.%I', made.name) as name, made.arguments, made.result, made.attributes, made.body,
      made.description
    from (
      values
        (
          true, v_name || '_history', format('record %s', v_type.entity_table), 'setof crm.audit_logs',
          'language sql',
          format(
            $body$
  select audit_log.*
  from crm.audit_logs as audit_log
  where audit_log.entity_id = %s
  order by audit_log.id;
$body$,
            case
              when v_type.is_mergeable
              then format('any (crm_private.merged_ids(%L, record.id))', p_entity_type)
              else 'record.id'
            end
          ),
          case
            when v_type.is_mergeable
            then 'Everything that was done to it, and to what was merged into it, the oldest first. '
              'entityId tells which of them an entry is about.'
            else 'Everything that was done to it, the oldest first.'
          end
        ),
        (
          v_type.restore_order is not null,
          v_name || '_field_history', format('record %s, field text', v_type.entity_table),
          'setof crm.field_value', 'language sql strict',
          format(
            $body$
  select history.* from crm.field_history(%L, record.id, field) as history;
$body$,
            p_entity_type
          ),
          'Every value that a field had, the oldest first: from when to when, who set it, and through '
          'what.' || case
            when v_type.has_custom_fields then ' A custom field is customFields.<name>.' else ''
          end
        ),
        (
          v_type.restore_order is not null,
          v_name || '_history_is_complete', format('record %s', v_type.entity_table), 'boolean',
          'language plpgsql',
          $body$
begin
  return record.created_at >= coalesce(crm.audit_log_kept_since(), '-infinity');
end
$body$,
          E'@notNull\n@behavior -filterBy -orderBy -aggregate -aggregate:filterBy -groupBy -havingBy\n'
          'Whether its history has everything that was done to it. If not, what was done before '
          'auditLogKeptSince has been archived.'
        ),
        (
          v_type.restore_order is not null,
          p_entity_type || '_as_of', 'id uuid, at timestamptz', v_type.entity_table::text,
          'language sql strict',
          format(
            $body$
  select jsonb_populate_record(null::%1$s, %3$s)
  from crm_private.row_as_of(
    %2$L, $1, $2, (select to_jsonb(record) from %1$s as record where record.id = $1)
  ) as was (row);
$body$,
            v_type.entity_table, p_entity_type,
            -- By the name of its stage a deal leads to the stage, so it has the name of now.
            case p_entity_type
              when 'deal'
              then 'was.row || jsonb_build_object(''stage'', crm_private.stage_now(was.row ->> ''stage'', $2))'
              else 'was.row'
            end
          ),
          format(
            'The %s as it was at an instant, with every column%s; null if there was none then.',
            replace(p_entity_type, '_', ' '),
            case when v_type.has_custom_fields then ' and custom field' else '' end
          )
          || case
            when exists (
              select from pg_constraint
              where contype = 'f' and v_type.entity_table in (conrelid, confrelid)
            )
            then ' Relations lead to what they lead to now.'
            else ''
          end
          || case p_entity_type when 'deal' then ' The stage has the name that it has now.' else '' end
        )
    ) as made (is_made, name, arguments, result, attributes, body, description)
    where made.is_made
  loop
    execute format(
      'create or replace function %s(%s) returns %s %s stable parallel safe '
      'set search_path = pg_catalog, pg_temp as %L',
      v_made.name, v_made.arguments, v_made.result, v_made.attributes, v_made.body
    );
    execute format('comment on function %s is %L', v_made.name, v_made.description);
    execute format('revoke all on function %s from public', v_made.name);
    execute format('grant execute on function %s to %I', v_made.name, v_reader);
  end loop;
end
$$;

comment on function crm_private.compile_history(text) is
  'Makes the functions of the API that tell the past of an entity.';

revoke all on function crm_private.compile_history(text) from public;

select crm_private.compile_history(entity_type) from crm_private.entity_types;
--! EndIncluded functions/history/compile_history.sql
--! Included views/crm_private/clock.sql
/*
 * By whose days reports group and compare: the time zone that the session asks for, else that of the
 * installation, and today's day there. One row. Functions that views call are called with the rights of
 * whoever reads them, so this is not one.
 */
create or replace view crm_private.clock as
  select
    effective.zone,
    (now() at time zone effective.zone)::date as today
  from crm_private.settings as setting
  cross join lateral (
    select coalesce(nullif(current_setting('crm.time_zone', true), ''), setting.time_zone)
  ) as effective (zone);

comment on view crm_private.clock is
  'The time zone whose days count, and today there.';
--! EndIncluded views/crm_private/clock.sql
--! Included functions/settings/time_zone.sql
/*
 * The time zone whose days count: that of the request or session (crm.time_zone), else that of the
 * installation. Views read crm_private.clock instead.
 *
 * Security definer: the table of settings is the owner's.
 */
create or replace function crm_private.time_zone()
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select zone from crm_private.clock;
$$;

comment on function crm_private.time_zone() is
  'What crm.time_zone calls, with the rights of the owner.';

revoke all on function crm_private.time_zone() from public;
grant execute on function crm_private.time_zone() to crm_reader;

create or replace function crm.time_zone()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.time_zone();
$$;

comment on function crm.time_zone() is
  E'@notNull\nThe time zone whose days count, by its IANA name: that of the request, which the header '
  'Time-Zone names, else that of the installation.';

revoke all on function crm.time_zone() from public;
grant execute on function crm.time_zone() to crm_reader;
--! EndIncluded functions/settings/time_zone.sql
--! Included functions/settings/today.sql
/* Today, where the days of the request or of the installation count. */
create or replace function crm.today()
returns date
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select (now() at time zone crm.time_zone())::date;
$$;

comment on function crm.today() is
  E'@notNull\nToday, in the time zone of the request, else of the installation.';

revoke all on function crm.today() from public;
grant execute on function crm.today() to crm_reader;
--! EndIncluded functions/settings/today.sql
--! Included functions/deals/in_base_currency.sql
/*
 * An amount in the base currency at the rate of a day, exact: whoever adds amounts up rounds their sum.
 * For an amount here and there; reports convert by crm_private.conversions.
 */
create or replace function crm.in_base_currency(
  amount   numeric,
  currency text,
  day      date default crm.today()
)
returns numeric
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select amount * case
    when currency = crm.base_currency() then 1
    else (
      select exchange_rate.rate
      from crm.exchange_rates as exchange_rate
      where exchange_rate.currency = in_base_currency.currency
        and exchange_rate.valid_from <= day
      order by exchange_rate.valid_from desc
      limit 1
    )
  end;
$$;

comment on function crm.in_base_currency(numeric, text, date) is
  'An amount in the base currency, at the rate of a day, which is today if none is given; not '
  'rounded. Null where the currency has no rate for the day.';

revoke all on function crm.in_base_currency(numeric, text, date) from public;
grant execute on function crm.in_base_currency(numeric, text, date) to crm_reader;
--! EndIncluded functions/deals/in_base_currency.sql
--! Included functions/deals/deals_as_of.sql
/*
 * The deals that there were at an instant, each with what reports add up or follow. Backwards like
 * crm_private.row_as_of, but all deals at once: what the first entry since tells of a deal, else what it
 * is now. A deal whose deletion has been purged is told from its creation on, like
 * crm_private.row_from_creation does. Its stage is told by id and by the name that it has now.
 *
 * Security definer: sums must not depend on who may read the history of a deal that is gone by now.
 * Called by crm_private.pipeline_as_of, and by views that analysts read.
 */
create or replace function crm_private.deals_as_of(at timestamptz)
returns table (
  deal_id     uuid,
  stage_id    uuid,
  stage       text,
  value       numeric,
  currency    text,
  probability integer,
  close_date  date,
  owner_id    text,
  company_id  uuid
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
rows 100000
as $$
#variable_conflict use_column
begin
  if at < crm.audit_log_kept_since() then
    raise exception 'the pipeline at % cannot be told: the audit log is kept since %',
        at, crm.audit_log_kept_since()
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'timestamp',
            constraint = 'audit_logs_timestamp_retired',
            detail     = '{"at": ["is before what the audit log still has"]}';
  end if;

  if exists (
    select
    from crm.audit_logs
    where entity_type = 'deal'
      and "timestamp" > at
      and erased_at is not null
      and action = 'update'
  ) then
    raise exception 'the pipeline at % cannot be told: audit log entries have been erased', at
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'changes',
            constraint = 'audit_logs_changes_erased',
            detail     = '{"at": ["is before values that have been erased for good"]}';
  end if;

  return query
    with since as materialized (
      select
        entity_id,
        (array_agg(action order by id))[1]                                          as first_action,
        bool_or(action = 'delete' and erased_at is not null)                        as is_purged,
        min(id) filter (where action <> 'create' and changes ? 'stage')             as told_by,
      (array_agg(
        case action when 'update' then changes #> '{stage,old}' else changes -> 'stage' end
        order by id
      ) filter (where action <> 'create' and changes ? 'stage'))[1] as stage,
      (array_agg(
        case action when 'update' then changes #> '{value,old}' else changes -> 'value' end
        order by id
      ) filter (where action <> 'create' and changes ? 'value'))[1] as value,
      (array_agg(
        case action when 'update' then changes #> '{currency,old}' else changes -> 'currency' end
        order by id
      ) filter (where action <> 'create' and changes ? 'currency'))[1] as currency,
      (array_agg(
        case action when 'update' then changes #> '{probability,old}' else changes -> 'probability' end
        order by id
      ) filter (where action <> 'create' and changes ? 'probability'))[1] as probability,
      (array_agg(
        case action when 'update' then changes #> '{close_date,old}' else changes -> 'close_date' end
        order by id
      ) filter (where action <> 'create' and changes ? 'close_date'))[1] as close_date,
      (array_agg(
        case action when 'update' then changes #> '{owner_id,old}' else changes -> 'owner_id' end
        order by id
      ) filter (where action <> 'create' and changes ? 'owner_id'))[1] as owner_id,
      (array_agg(
        case action when 'update' then changes #> '{company_id,old}' else changes -> 'company_id' end
        order by id
      ) filter (where action <> 'create' and changes ? 'company_id'))[1] as company_id
      from crm.audit_logs
      where entity_type = 'deal'
        and "timestamp" > at
        and (
          action <> 'update'
          or changes ?| array[
            'stage', 'value', 'currency', 'probability', 'close_date', 'owner_id', 'company_id'
          ]
        )
        -- What came later tells nothing of that time. In a year that is most of it.
        and not exists (
          select from crm.deals as young where young.id = entity_id and young.created_at > at
        )
      group by entity_id
    ),
    -- What is not among these deals has no other history to look through.
    created as materialized (
      select distinct on (log.entity_id) log.entity_id, log.id, log.changes
      from since
      join crm.audit_logs as log on log.entity_id = since.entity_id
      where since.is_purged
        and since.first_action <> 'create'
        and log.entity_type = 'deal'
        and log.action = 'create'
        and log."timestamp" <= at
      order by log.entity_id, log.id desc
    ),
    purged as (
      select
        created.entity_id,
        coalesce(max(log.id) filter (where log.changes ? 'stage'), created.id) as told_by,
        created.changes || coalesce(
          crm_private.merged_objects(array_agg(became.fields order by log.id)), '{}'
        ) as was
      from created
      left join crm.audit_logs as log
        on log.entity_id = created.entity_id
        and log.entity_type = 'deal'
        and log.action = 'update'
        and log.id > created.id
        and log."timestamp" <= at
      left join lateral (
        select jsonb_object_agg(told.key, told.value -> 'new') as fields
        from jsonb_each(log.changes - '@undoes') as told
      ) as became on true
      group by created.entity_id, created.id, created.changes
    ),
    told as (
      select
        deal.id, 9223372036854775807 as told_by, deal.stage, deal.value, deal.currency,
        deal.probability, deal.close_date, deal.owner_id, deal.company_id
      from crm.deals as deal
      where deal.created_at <= at
        and not exists (select from since where since.entity_id = deal.id)

      union all

      select
        since.entity_id,
        coalesce(since.told_by, purged.told_by, 9223372036854775807),
        (
          coalesce(since.stage, to_jsonb(deal.stage), purged.was -> 'stage') #>> '{}'
        ),
        (
          coalesce(since.value, to_jsonb(deal.value), purged.was -> 'value') #>> '{}'
        )::numeric,
        (
          coalesce(since.currency, to_jsonb(deal.currency), purged.was -> 'currency') #>> '{}'
        ),
        (
          coalesce(since.probability, to_jsonb(deal.probability), purged.was -> 'probability') #>> '{}'
        )::integer,
        (
          coalesce(since.close_date, to_jsonb(deal.close_date), purged.was -> 'close_date') #>> '{}'
        )::date,
        (
          coalesce(since.owner_id, to_jsonb(deal.owner_id), purged.was -> 'owner_id') #>> '{}'
        ),
        (
          coalesce(since.company_id, to_jsonb(deal.company_id), purged.was -> 'company_id') #>> '{}'
        )::uuid
      from since
      left join crm.deals as deal on deal.id = since.entity_id
      left join purged on purged.entity_id = since.entity_id
      where since.first_action <> 'create'
    )
    select
      told.id,
      named.stage_id,
      coalesce(named.stage, told.stage),
      told.value,
      told.currency,
      told.probability,
      told.close_date,
      told.owner_id,
      told.company_id
    from told
    left join crm_private.stage_names as named
      on named.name = told.stage
      and named.since <= told.told_by
      and (named.until is null or told.told_by < named.until);
end
$$;

comment on function crm_private.deals_as_of(timestamptz) is
  'The deals that there were at an instant, with their stages, values, dates and owners of then.';

revoke all on function crm_private.deals_as_of(timestamptz) from public;
grant execute on function crm_private.deals_as_of(timestamptz) to crm_reporter;
--! EndIncluded functions/deals/deals_as_of.sql
--! Included functions/deals/pipeline_as_of.sql
/*
 * The pipeline as it was: the deals of each stage at an instant. crm_private.deals_as_of tells which these
 * were. Money of several currencies is not added up; it is told by currency, and in the base currency at
 * the rates of the day.
 *
 * Security definer: sums must not depend on who may read the history of a deal that is gone by now.
 * They name no deal.
 */
create or replace function crm_private.pipeline_as_of(at timestamptz)
returns setof crm.pipeline_stage_total
language sql
stable
strict
security definer
set search_path = pg_catalog, pg_temp
rows 10
as $$
  with by_currency as (
    select
      deal.stage_id,
      deal.stage,
      deal.currency,
      count(*)        as count,
      sum(deal.value) as value
    from crm_private.deals_as_of(at) as deal
    group by deal.stage_id, deal.stage, deal.currency
  ),
  totals as (
    select
      by_currency.stage_id,
      by_currency.stage,
      sum(by_currency.count)::bigint                              as count,
      case when count(*) = 1 then sum(by_currency.value) end      as value,
      jsonb_object_agg(by_currency.currency, by_currency.value)   as value_by_currency,
      case when bool_and(converted.value is not null) then round(sum(converted.value), 2) end
        as value_in_base_currency
    from by_currency
    cross join lateral (
      select crm.in_base_currency(
        by_currency.value, by_currency.currency, (at at time zone crm.time_zone())::date
      )
    ) as converted (value)
    group by by_currency.stage_id, by_currency.stage
  ),
  stages as (
    select known.id, named.stage, stage_was.name, stage_was.position
    from (
      select id from crm.pipeline_stages
      union
      select entity_id from crm.audit_logs
      where entity_type = 'pipeline_stage' and action = 'delete' and "timestamp" > at
    ) as known (id)
    cross join lateral crm.pipeline_stage_as_of(known.id, at) as stage_was
    cross join lateral (
      select stage from crm_private.stage_names as named where named.stage_id = known.id limit 1
    ) as named
    where stage_was.id is not null
  )
  select
    coalesce(stages.stage, totals.stage),
    stages.position,
    coalesce(totals.count, 0),
    case when totals.count is null then 0.00 else totals.value end,
    coalesce(totals.value_by_currency, '{}'),
    case when totals.count is null then 0.00 else totals.value_in_base_currency end,
    coalesce(stages.id, totals.stage_id),
    coalesce(stages.name, totals.stage)
  from stages
  full join totals on totals.stage_id = stages.id
  order by stages.position nulls last, 1;
$$;

comment on function crm_private.pipeline_as_of(timestamptz) is
  'What crm.pipeline_as_of calls, with the rights of the owner.';

revoke all on function crm_private.pipeline_as_of(timestamptz) from public;
grant execute on function crm_private.pipeline_as_of(timestamptz) to crm_reader;

create or replace function crm.pipeline_as_of(at timestamptz)
returns setof crm.pipeline_stage_total
language sql
stable
strict
rows 10
set search_path = pg_catalog, pg_temp
as $$
  select * from crm_private.pipeline_as_of(at);
$$;

comment on function crm.pipeline_as_of(timestamptz) is
  'The pipeline as it was at an instant: how many deals each stage had then, and their value.';

revoke all on function crm.pipeline_as_of(timestamptz) from public;
grant execute on function crm.pipeline_as_of(timestamptz) to crm_reader;
--! EndIncluded functions/deals/pipeline_as_of.sql
--! Included functions/validation/row_faults.sql
/*
 * Every fault of each of some rows of a table, given as jsonb, with the place of the row from 1: what
 * crm_private.rules says of the table and, where it has custom fields, what their definitions say.
 *
 * A rule about an array or an object is asked again with each of its elements alone, so that the
 * fault is of the one at fault, emails.1 or address.country; if each of them is fine by itself, or
 * the rule is marked @whole, the fault is of the whole.
 *
 * Called for rows that are known to be faulty, one or thousands of them in one statement.
 */
create or replace function crm_private.row_faults(p_table regclass, p_rows jsonb[])
returns table (
  place           bigint,
  field           text,
  message         text,
  constraint_name text,
  column_name     text,
  kind            text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_faults text;
begin
  select
    string_agg(
      format(
        case
          when rule.per_element then
            'select faulty.place, %1$L || coalesce(''.'' || element.key, ''''), %2$L, %3$L, %4$L,
               %8$L, %5$s, element.value, element.ordinal
             from (select input.place, input.item from input where not (%7$s)) as faulty
             left join lateral (
               select element.*
               from crm_private.elements(faulty.item -> %4$L) as element
               cross join lateral jsonb_populate_record(
                 null::%6$s, faulty.item || jsonb_build_object(%4$L, element.alone)
               )
               where not (%7$s)
             ) as element on true'
          else
            'select input.place, %1$L, %2$L, %3$L, %4$L, %8$L, %5$s, input.item -> %4$L, null::bigint
             from input
             where not (%7$s)'
        end,
        rule.field, rule.message, rule.constraint_name, rule.column_name, rule.ordinal, p_table,
        rule.condition, rule.kind
      ),
      E'\nunion all\n'
    )
  into v_faults
  from crm_private.rules as rule
  where rule.table_oid = p_table
    and rule.kind in ('required', 'check', 'reference');

  return query execute format(
    'with input as materialized ('
    '  select listed.place, listed.item, filled.* '
    '  from unnest($1) with ordinality as listed (item, place) '
    '  cross join lateral jsonb_populate_record(null::%s, listed.item) as filled'
    ') '
    'select fault.place, fault.field, crm_private.fault_message(fault.message, fault.value), '
    '  fault.constraint_name, fault.column_name, fault.kind '
    'from (%s) as fault '
    '  (place, field, message, constraint_name, column_name, kind, ordinal, value, element_ordinal) '
    'order by fault.place, fault.ordinal, fault.constraint_name, fault.element_ordinal',
    p_table, v_faults
  ) using p_rows;

  return query
    select
      fault.place, fault.field, fault.message, fault.constraint_name, 'custom_fields', 'check'
    from crm_private.custom_field_faults(p_table, p_rows) as fault;
end
$$;

comment on function crm_private.row_faults(regclass, jsonb[]) is
  'Every fault of each of some rows: the place of the row, the field, the message, the rule, the '
  'column and the kind of rule.';

revoke all on function crm_private.row_faults(regclass, jsonb[]) from public;
--! EndIncluded functions/validation/row_faults.sql
--! Included functions/history/row_from_creation.sql
/*
 * A row as it was at an instant, told forwards: what it was created or brought back with, and every
 * update until then. For rows whose deletion has been purged, which crm_private.row_as_of cannot
 * begin with; null if there was none then. Columns that it
 * did not have then, and generated ones, are not in it. Refused where an entry that it needs has been erased.
 */
create or replace function crm_private.row_from_creation(
  p_entity_type text,
  p_entity_id   uuid,
  p_at          timestamptz
)
returns jsonb
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_created crm.audit_logs;
  v_updates record;
  v_row     jsonb;
begin
  select log.* into v_created
  from crm.audit_logs as log
  where log.entity_id = p_entity_id
    and log.entity_type = p_entity_type
    and log.action = 'create'
    and log."timestamp" <= p_at
  order by log.id desc
  limit 1;

  if not found then
    return null;
  end if;

  with updates as (
    select log.id, log."timestamp", log.user_id, log.changes, log.erased_at
    from crm.audit_logs as log
    where log.entity_id = p_entity_id
      and log.entity_type = p_entity_type
      and log.action = 'update'
      and log.id > v_created.id
      and log."timestamp" <= p_at
  ),
  became as (
    select distinct on (told.key) told.key, told.value -> 'new' as value
    from updates
    cross join lateral jsonb_each(updates.changes - '@undoes') as told
    order by told.key, updates.id desc
  )
  select
    (select count(*) from updates) as count,
    (select min(id) from updates where erased_at is not null) as erased,
    (select "timestamp" from updates order by id desc limit 1) as updated_at,
    (select user_id from updates order by id desc limit 1) as updated_by,
    coalesce(jsonb_object_agg(key, value) filter (where key not like 'custom\_fields.%'), '{}')
      as changed,
    coalesce(
      jsonb_object_agg(substr(key, 15), value) filter (where key like 'custom\_fields.%'), '{}'
    ) as custom
  into v_updates
  from became;

  if v_created.erased_at is not null or v_updates.erased is not null then
    raise exception 'what % % was at % cannot be told: entry % of the audit log has been erased',
        p_entity_type, p_entity_id, p_at, coalesce(v_updates.erased, v_created.id)
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'changes',
            constraint = 'audit_logs_changes_erased',
            detail     = '{"at": ["is before values that have been erased for good"]}';
  end if;

  v_row := jsonb_build_object(
      'id', p_entity_id, 'version', 1,
      'created_at', v_created."timestamp", 'created_by', v_created.user_id,
      'updated_at', v_created."timestamp", 'updated_by', v_created.user_id
    )
    || (v_created.changes - '{@undoes,@imported}'::text[])
    || v_updates.changed;

  if v_row ? 'custom_fields' then
    v_row := v_row || jsonb_build_object(
      'custom_fields', jsonb_strip_nulls((v_row -> 'custom_fields') || v_updates.custom)
    );
  end if;

  if v_updates.count = 0 then
    return v_row;
  end if;

  return v_row || jsonb_build_object(
    'version', (v_row ->> 'version')::integer + v_updates.count,
    'updated_at', v_updates.updated_at,
    'updated_by', v_updates.updated_by
  );
end
$$;

comment on function crm_private.row_from_creation(text, uuid, timestamptz) is
  'A row as it was at an instant, told from its creation on; null if there was none.';

revoke all on function crm_private.row_from_creation(text, uuid, timestamptz) from public;
grant execute on function crm_private.row_from_creation(text, uuid, timestamptz) to crm_reader;
--! EndIncluded functions/history/row_from_creation.sql
--! Included functions/normalization/same_phone.sql
/*
 * True if two phone numbers, as crm_private.phone_number gives them, can be one, written with and
 * without country or area code: one ends with the other, which has seven digits at least. Of longer
 * numbers the last ten decide, because trunk prefixes differ from country to country. Numbers of two
 * countries, or with two extensions, are two; one with an extension and one without may be one.
 */
create or replace function crm_private.same_phone(number text, other_number text)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_one             text := split_part(number, 'x', 1);
  v_other           text := split_part(other_number, 'x', 1);
  v_extension       text := split_part(number, 'x', 2);
  v_other_extension text := split_part(other_number, 'x', 2);
  v_code            text;
  v_other_code      text;
  v_digits          integer;
begin
  if v_extension <> '' and v_other_extension <> '' and v_extension <> v_other_extension then
    return false;
  end if;
  if starts_with(v_one, '+') then
    v_code := crm_private.calling_code(substr(v_one, 2));
    v_one  := substr(v_one, length(v_code) + 2);
  end if;
  if starts_with(v_other, '+') then
    v_other_code := crm_private.calling_code(substr(v_other, 2));
    v_other      := substr(v_other, length(v_other_code) + 2);
  end if;
  v_digits := least(length(v_one), length(v_other), 10);
  return coalesce(v_code = v_other_code, true)
    and least(length(v_one), length(v_other)) >= 7
    and right(v_one, v_digits) = right(v_other, v_digits);
end
$$;

comment on function crm_private.same_phone(text, text) is
  'True if two phone numbers, each in one form, can be one.';

revoke all on function crm_private.same_phone(text, text) from public;
grant execute on function crm_private.same_phone(text, text) to crm_reader;
--! EndIncluded functions/normalization/same_phone.sql
--! Included functions/duplicates/has_phone.sql
/*
 * True if one of some numbers can be the one that is asked for, in whatever form both are written. Short
 * ones, such as 110, are compared as they are.
 */
create or replace function crm_private.has_phone(phones text[], number text, country text)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_number constant text := crm_private.phone_number(number, country);
begin
  return v_number <> '' and exists (
    select
    from unnest(phones) as phone
    cross join lateral crm_private.phone_number(phone, country) as known
    where known = v_number or crm_private.same_phone(known, v_number)
  );
end
$$;

comment on function crm_private.has_phone(text[], text, text) is
  'True if one of some phone numbers can be the one that is asked for.';

revoke all on function crm_private.has_phone(text[], text, text) from public;
grant execute on function crm_private.has_phone(text[], text, text) to crm_reader;
--! EndIncluded functions/duplicates/has_phone.sql
--! Included functions/erasure/scrub_entries.sql
/*
 * Takes the values out of entries for good. In the blocks that seal them the digests of the values
 * take the place of the salts, so the entries can still be verified, and nobody can try guesses.
 *
 * Whoever calls it holds the lock of crm_private.seal_audit_log, so that no block is being made of the
 * old values, and audit logs the erasure with the same time; crm_private.compare_entries asks for it.
 */
create or replace function crm_private.scrub_entries(
  p_table   regclass,
  p_entries crm.audit_logs[],
  p_at      timestamptz
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  with doomed as (
    select entry.id, entry.changes, block.number
    from unnest(p_entries) as entry
    cross join lateral (
      select number
      from crm_private.audit_log_blocks
      where last_id >= entry.id
      order by last_id
      limit 1
    ) as block
  ),
  scrubbed as (
    select
      block.number,
      array_agg(
        case
          when doomed.id is null then seal.salt
          else crm_private.payload_digest(seal.salt, doomed.changes)
        end
        order by seal.place
      ) as salts
    from crm_private.audit_log_blocks as block
    cross join lateral unnest(block.ids, block.salts)
      with ordinality as seal (id, salt, place)
    left join doomed on doomed.number = block.number and doomed.id = seal.id
    where block.number in (select number from doomed)
    group by block.number
  )
  update crm_private.audit_log_blocks as block
  set salts = scrubbed.salts
  from scrubbed
  where scrubbed.number = block.number;

  -- Only keys: a log may hold what a statement is given.
  execute format(
    'update %s as entry set changes = ''{}'', erased_at = $3
     from unnest($1, $2) as doomed (id, "timestamp")
     where entry."timestamp" = doomed."timestamp" and entry.id = doomed.id',
    p_table
  ) using
    array(select id from unnest(p_entries) with ordinality order by ordinality),
    array(select "timestamp" from unnest(p_entries) with ordinality order by ordinality),
    p_at;
end
$$;

comment on function crm_private.scrub_entries(regclass, crm.audit_logs[], timestamptz) is
  'Takes the values out of audit log entries and leaves what verifies them.';

revoke all on function crm_private.scrub_entries(regclass, crm.audit_logs[], timestamptz) from public;
--! EndIncluded functions/erasure/scrub_entries.sql
--! Included functions/audit_log/seal_audit_log.sql
/*
 * Seals the audit log entries that have come since the last time: puts their digests into
 * blocks, each with the hash of the block before. Gives the number of entries sealed; about p_limit of
 * them are enough. The server calls it every few seconds, crm.verify_audit_log and crm.audit_log_digest
 * before they look.
 *
 * Writers neither wait nor do anything for it. What can be sealed is decided without waiting for
 * them: ids are given out before their transactions commit, so the sequence is read first, then who
 * else is writing the audit log at this moment, which their locks tell. Once these have ended, each id
 * up to the one that was read is in the audit log or never will be. If there are some, both are kept,
 * and a later call goes on from there. What the own transaction wrote is sealed with it, or not at all.
 *
 * Seals nothing where it could not see or write: on a standby, and in a transaction that is read
 * only or has a snapshot of its own.
 *
 * Security definer: the blocks belong to the owner, and nobody else may write them.
 */
create or replace function crm_private.seal_audit_log(p_limit bigint default null)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  c_span    constant bigint := 10000::bigint; -- ids that a block covers, at most
  v_state   crm_private.audit_log_progress;
  v_last    bigint;
  v_writers text[];
  v_to      bigint;
  v_from    bigint;
  v_number  bigint := 0::bigint;
  v_hash    bytea  := decode(repeat('00', 32), 'hex');
  v_block   crm_private.audit_log_blocks;
  v_sealed  bigint := 0::bigint;
begin
  if not crm_private.lock_seals(p_waits => false) then
    return 0::bigint;
  end if;

  select case when is_called then last_value else last_value - 1 end into v_last
  from crm.audit_logs_id_seq;

  select * into strict v_state from crm_private.audit_log_progress;

  if v_last <= v_state.sealed_to then
    return 0::bigint;
  end if;

  v_writers := array(
    select virtualtransaction
    from pg_locks
    where locktype = 'relation'
      and database = (select oid from pg_database where datname = current_database())
      and relation = 'crm.audit_logs'::regclass
      and mode = 'RowExclusiveLock'
      and pid is distinct from pg_backend_pid()
  );

  v_to := case
    when v_writers = '{}' then v_last
    when not v_state.pending_for && v_writers then v_state.pending_to
  end;

  if v_to = v_last then
    v_state.pending_to  := null;
    v_state.pending_for := null;
  elsif v_state.pending_to is null or v_to is not null then
    v_state.pending_to  := v_last;
    v_state.pending_for := v_writers;
  end if;

  if v_to is not null then
    select number, hash into v_block.number, v_block.hash
    from crm_private.audit_log_blocks order by number desc limit 1;
    if found then
      v_number := v_block.number;
      v_hash   := v_block.hash;
    end if;

    v_from := v_state.sealed_to;
    while v_from < v_to and not coalesce(v_sealed >= p_limit, false) loop
      insert into crm_private.audit_log_blocks
        (number, last_id, sealed_at, ids, digests, salts, previous, hash)
      select
        v_number + 1, max(id), now(), array_agg(id), array_agg(digest), array_agg(salt), v_hash,
        crm_private.block_hash(v_hash, v_number + 1, now(), array_agg(id), array_agg(digest))
      from (
        select
          id, salt,
          crm_private.entry_digest(
            id, entity_type, entity_id, action, user_id, "timestamp", transaction_id, source,
            crm_private.payload_digest(salt, changes)
          ) as digest
        from (
          select audit_log.*, uuid_send(gen_random_uuid()) as salt
          from crm.audit_logs as audit_log
          where audit_log.id > v_from and audit_log.id <= least(v_from + c_span, v_to)
        ) as entry
        order by id
      ) as entry
      having count(*) > 0
      returning * into v_block;

      if found then
        v_number := v_block.number;
        v_hash   := v_block.hash;
        v_sealed := v_sealed + cardinality(v_block.ids);
        v_from   := least(v_from + c_span, v_to);
      else
        -- Of ids that were given out in vain there may be many.
        select coalesce(min(audit_log.id) - 1, v_to) into v_from
        from crm.audit_logs as audit_log
        where audit_log.id > v_from + c_span and audit_log.id <= v_to;
      end if;
    end loop;
    v_state.sealed_to := v_from;

    if v_from < v_to then -- the rest is for the next call
      v_state.pending_to  := v_to;
      v_state.pending_for := '{}';
    end if;
  end if;

  update crm_private.audit_log_progress
  set sealed_to   = v_state.sealed_to,
      pending_to  = v_state.pending_to,
      pending_for = v_state.pending_for;

  return v_sealed;
end
$$;

comment on function crm_private.seal_audit_log(bigint) is
  'Seals the audit log entries that came since the last time; gives their number.';

revoke all on function crm_private.seal_audit_log(bigint) from public;
grant execute on function crm_private.seal_audit_log(bigint) to crm_server;
--! EndIncluded functions/audit_log/seal_audit_log.sql
--! Included functions/search/search.sql
/*
 * Search over everything that people look for. It goes on only while it has found too little: first
 * the words as they were typed, then words with a typing error each, then parts of names.
 * crm_private.search_query says how a query is read, crm_private.search_candidates how hits are
 * ranked.
 *
 * Refuses a query of more than 1,000 characters, an unknown entity type, and a first below 0 or
 * above 1,000. Runs with the caller's rights: nobody finds what they cannot read.
 */
create or replace function crm.search(
  query        text,
  entity_types text[]  default null,
  first        integer default 100
)
returns setof crm.search_hit
language plpgsql
stable
parallel safe
rows 20
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  known    constant text[] := '{contact,company,deal,task,note}'::text[];
  enough   constant integer := 5; -- fewer hits are too little
  v_types  text[]  := coalesce(entity_types, known);
  v_first  integer := coalesce(first, 100);
  v_limit  integer := greatest(v_first, 200); -- hits that are ranked, of each type
  v_fault  record;
  v_query  record;
begin
  select
    jsonb_object_agg(field, jsonb_build_array(message))       as fields,
    string_agg(field || ' ' || message, '; ' order by ordinal) as summary,
    (array_agg(rule order by ordinal))[1]                      as rule
  into v_fault
  from (
    values
      (1, 'search_query_length', 'query', 'must have at most 1,000 characters',
        length(query) > 1000),
      (2, 'search_entity_types_known', 'entityTypes',
        'must be some of ' || array_to_string(known, ', '), not (v_types <@ known)),
      (3, 'search_first_range', 'first', 'must be between 0 and 1,000',
        v_first not between 0 and 1000)
  ) as rules (ordinal, rule, field, message, is_broken)
  where is_broken;

  if v_fault.fields is not null then
    raise exception 'search: %', v_fault.summary
      using errcode    = 'check_violation',
            schema     = 'crm',
            constraint = v_fault.rule,
            detail     = v_fault.fields::text;
  end if;

  select * into v_query from crm_private.search_query(query, crm_private.default_country());

  return query
  with
    found as materialized (
      select *
      from crm_private.search_candidates(
        v_types, v_query.exact, v_query.indexed, v_query.typed, v_query.whole,
        v_query.whole_names, v_query.typed_names, v_query.named, v_limit
      )
      union all
      select *
      from crm_private.search_parts(
        v_types, v_query.begun, v_query.numbers, v_query.phone, v_query.beside, null, v_limit
      )
    ),
    misspelt_names as materialized (
      select entity_type, entity_id, rank / 4 as rank, name_length, created_at
      from crm_private.search_candidates(
        array_remove(array_remove(v_types, 'task'), 'note'), null, v_query.loose,
        replace(v_query.loose::text, '&', '|')::tsquery, null, null, null, null, v_limit
      )
      where (select count(*) from found) < enough
    ),
    -- Of tasks and notes: the query, and what to mark.
    forgiven as materialized (
      select
        query,
        v_query.stems || array(
          select stem[1] from regexp_matches(query::text, '''\^([^'']+)''', 'g') as stem
        ) as stems
      from crm_private.search_misspelt(v_query.loose_texts) as query
      where (select count(*) from found) + (select count(*) from misspelt_names) < enough
        and v_types && '{task,note}'
    ),
    misspelt as materialized (
      table misspelt_names
      union all
      select candidate.entity_type, entity_id, rank / 4, name_length, created_at
      from forgiven
      cross join lateral crm_private.search_candidates(
        array(select unnest(v_types) intersect values ('task'), ('note')), null, query,
        replace(query::text, '&', '|')::tsquery, null, null, null, null, v_limit
      ) as candidate
    ),
    alike as materialized (
      select *
      from crm_private.search_parts(v_types, null, null, null, null, v_query.words, v_limit)
      where not exists (select from found) and not exists (select from misspelt)
    ),
    -- The better, the shorter, people and companies, the newer.
    ranked as materialized (
      select
        entity_type,
        entity_id,
        rank,
        row_number() over (
          order by
            rank desc,
            name_length nulls last,
            case entity_type when 'contact' then 1 when 'company' then 1 when 'deal' then 2 else 3 end,
            created_at desc,
            entity_id
        ) as place
      from (
        select distinct on (entity_type, entity_id) *
        from (table found union all table misspelt union all table alike) as hits
        order by entity_type, entity_id, rank desc
      ) as hit
      order by place
      limit v_first
    )
  select
    entity_type,
    entity_id,
    rank,
    crm_private.search_extract(
      body,
      v_query.marks,
      case
        when entity_type in ('task', 'note')
        then coalesce((select stems from forgiven), v_query.stems)
      end,
      case when rank < 1 / 8.0 then v_query.near end,
      v_query.number
    ),
    case when entity_type = 'contact' then entity_id end,
    case when entity_type = 'company' then entity_id end,
    case when entity_type = 'deal' then entity_id end,
    case when entity_type = 'task' then entity_id end,
    case when entity_type = 'note' then entity_id end,
    place::integer
  from ranked
  cross join lateral (
    select concat_ws(
      ' · ',
      first_name || ' ' || last_name,
      nullif(array_to_string(emails, ', '), ''),
      nullif(array_to_string(phones, ', '), ''),
      crm_private.search_texts(custom_fields)
    )
    from crm.contacts
    where ranked.entity_type = 'contact' and id = ranked.entity_id
    union all
    select concat_ws(
      ' · ', name, crm_private.search_texts(address), crm_private.search_texts(custom_fields)
    )
    from crm.companies
    where ranked.entity_type = 'company' and id = ranked.entity_id
    union all
    select concat_ws(' · ', title, crm_private.search_texts(custom_fields))
    from crm.deals
    where ranked.entity_type = 'deal' and id = ranked.entity_id
    union all
    select description
    from crm.tasks
    where ranked.entity_type = 'task' and id = ranked.entity_id
    union all
    select content
    from crm.notes
    where ranked.entity_type = 'note' and id = ranked.entity_id
  ) as bodies (body)
  order by place;
end
$$;

comment on function crm.search(text, text[], integer) is
  'Contacts, companies, deals, tasks and notes that have the words of a query, the best first: a name '
  'that is the query as a whole, then shorter names; of equals people and companies before deals '
  'before tasks and notes, then the newer. The last word may be only begun; case and accents do not '
  'count; "words in quotes" stand in sequence; -word leaves out what has it; or parts alternatives; '
  'and and & are one. Tasks and notes are found by other forms of a word, too. Where that finds fewer '
  'than five, a typing error in each word is forgiven. A phone number is found in whatever form, and by '
  'four or more of its digits, an address by its parts. entityTypes are some of contact, company, '
  'deal, task and note, all if it is left out; first is how many hits there are at most, 100 if it is '
  'left out.';

revoke all on function crm.search(text, text[], integer) from public;
grant execute on function crm.search(text, text[], integer) to crm_reader;
--! EndIncluded functions/search/search.sql
--! Included functions/search/search_candidates.sql
/*
 * The rows whose documents match a tsquery, of each entity type asked for at most p_limit, ranked.
 * Where there are more, any p_limit of them, and as many of those that match by their names: to rank
 * everything that has a common word would mean to read it all, for hits that nobody looks at. Names
 * that are nothing but what is looked for are among them.
 *
 * The rank is between 0 and 1. It is 1 if a name is the query as a whole. Else what its digits say
 * first is whether a name has every word whole (1/2), or has them with the last one begun (1/4), and
 * whether the row has every word whole (1/8); the rest is the greater the shorter the name, or ts_rank
 * where the name is not what matches. So a name beats a note's body, however often that has the words.
 *
 * Without p_whole the query is about misspelt words, and counts what they have in common.
 *
 * Runs with the caller's rights, so that policies decide. It forbids scans of tables, because the
 * plan of a statement for any tsquery cannot know how few rows match.
 */
create or replace function crm_private.search_candidates(
  entity_types  text[],
  p_exact       tsquery,
  p_indexed     tsquery,
  p_typed       tsquery,
  p_whole       tsquery,
  p_whole_names tsquery,
  p_typed_names tsquery,
  p_named       tsquery,
  p_limit       integer
)
returns table (
  entity_type text,
  entity_id   uuid,
  rank        double precision,
  name_length integer,
  created_at  timestamptz
)
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
  v_weights constant real[] :=
    case when p_whole is null then '{1,1,1,1}'::real[] else '{.1,.2,.4,1}'::real[] end;
begin
  return query
  with
    contacts as materialized (
      select id, search_document, first_name, last_name, created_at from crm.contacts
      where 'contact' = any (entity_types) and search_document @@ p_indexed
        and not (search_document @@ !!p_typed)
      limit p_limit
    ),
    companies as materialized (
      select id, search_document, name, created_at from crm.companies
      where 'company' = any (entity_types) and search_document @@ p_indexed
        and not (search_document @@ !!p_typed)
      limit p_limit
    ),
    deals as materialized (
      select id, search_document, title, created_at from crm.deals
      where 'deal' = any (entity_types) and search_document @@ p_indexed
        and not (search_document @@ !!p_typed)
      limit p_limit
    ),
    named as (
      select
        'contact' as entity_type, id, search_document,
        char_length(first_name) + 1 + char_length(last_name) as name_length, created_at
      from (
        table contacts
        union all
        (
          select id, search_document, first_name, last_name, created_at from crm.contacts
          where (select count(*) from contacts) = p_limit
            and search_document @@ p_named and not (search_document @@ !!p_whole_names)
          limit p_limit
        )
        union all
        (
          select id, search_document, first_name, last_name, created_at from crm.contacts
          where (select count(*) from contacts) = p_limit and search_document @@ p_exact
          limit p_limit
        )
      ) as contact
      union all
      select 'company', id, search_document, char_length(name), created_at
      from (
        table companies
        union all
        (
          select id, search_document, name, created_at from crm.companies
          where (select count(*) from companies) = p_limit
            and search_document @@ p_named and not (search_document @@ !!p_whole_names)
          limit p_limit
        )
        union all
        (
          select id, search_document, name, created_at from crm.companies
          where (select count(*) from companies) = p_limit and search_document @@ p_exact
          limit p_limit
        )
      ) as company
      union all
      select 'deal', id, search_document, char_length(title), created_at
      from (
        table deals
        union all
        (
          select id, search_document, title, created_at from crm.deals
          where (select count(*) from deals) = p_limit
            and search_document @@ p_named and not (search_document @@ !!p_whole_names)
          limit p_limit
        )
        union all
        (
          select id, search_document, title, created_at from crm.deals
          where (select count(*) from deals) = p_limit and search_document @@ p_exact
          limit p_limit
        )
      ) as deal
    ),
    unnamed as (
      (
        select 'task' as entity_type, id, search_document, created_at from crm.tasks
        where 'task' = any (entity_types) and search_document @@ p_indexed
          and not (search_document @@ !!p_typed)
        limit p_limit
      )
      union all
      (
        select 'note', id, search_document, created_at from crm.notes
        where 'note' = any (entity_types) and search_document @@ p_indexed
          and not (search_document @@ !!p_typed)
        limit p_limit
      )
    )
  select
    entity_type,
    id,
    case
      when search_document @@ p_exact then 1::double precision
      else coalesce((search_document @@ p_whole_names)::integer, 0) / 2.0::double precision
        + coalesce((search_document @@ p_typed_names)::integer, 0) / 4.0
        + coalesce((search_document @@ p_whole)::integer, 0) / 8.0
        + case
          when search_document @@ p_typed_names then 1.0 / (1 + name_length)
          else ts_rank(v_weights, search_document, p_typed)
        end / 8.0
    end,
    name_length,
    created_at
  from named
  union all
  select
    entity_type,
    id,
    coalesce((search_document @@ p_whole)::integer, 0) / 8.0::double precision
      + ts_rank(v_weights, search_document, p_typed) / 8.0,
    null,
    created_at
  from unnamed;
end
$$;

comment on function crm_private.search_candidates(
  text[], tsquery, tsquery, tsquery, tsquery, tsquery, tsquery, tsquery, integer
) is
  'The rows whose documents match a tsquery, ranked; of many, some.';

revoke all on function crm_private.search_candidates(
  text[], tsquery, tsquery, tsquery, tsquery, tsquery, tsquery, tsquery, integer
) from public;
grant execute on function crm_private.search_candidates(
  text[], tsquery, tsquery, tsquery, tsquery, tsquery, tsquery, tsquery, integer
) to crm_reader;
--! EndIncluded functions/search/search_candidates.sql
--! Included functions/search/search_extract.sql
/*
 * A passage of a text around the first word that was found, as HTML: what was found stands in <mark>,
 * and there is no other markup, since whatever the text holds is escaped.
 *
 * Words are told apart as crm_private.search_words does, so that what an address was found by is
 * marked as a part of it, and Zoë if zoe was looked for; PostgreSQL's own ts_headline does neither.
 * In scripts that put no blanks between words the letters are marked that were looked for.
 */
create or replace function crm_private.search_extract(
  value  text,
  marks  text[],
  stems  text[],
  near   text[],
  number text
)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_length   constant integer := 240;
  v_unspaced constant text    := '[' || crm_private.unspaced_scripts() || ']';
  v_text     text             := left(value, 100000);
  v_letters  text             := (
    select string_agg(
      case length(word)
        when 1 then word
        else format('%1$s(?=%2$s)|(?<=%1$s)%2$s', left(word, 1), right(word, 1))
      end,
      '|'
    )
    from unnest(marks) as mark
    cross join lateral trim(mark, '% ') as word
    where word ~ v_unspaced
  );
  v_folded   text;
  v_before   integer;
begin
  if length(v_text) > v_length then
    v_folded := crm_private.fold(v_text);
    v_before := length(substring(v_folded collate crm_private.folding from (
      select format(
        '^(.*?)(?:%s)',
        string_agg(case when word ~ v_unspaced then word else '\m' || word end, '|')
      )
      from (
        select trim(mark, '% ') from unnest(marks) as mark
        union all
        select unnest(stems)
      ) as wanted (word)
    )));
    -- Folding may make a text longer.
    v_before := (coalesce(v_before, 0)::bigint * length(v_text) / length(v_folded))::integer;
    if v_before > v_length / 3 then
      v_text := regexp_replace(substr(v_text, v_before - v_length / 4), '^\S{0,40}\s+', '');
    end if;
    v_text := regexp_replace(left(v_text, v_length), '\s+\S{0,40}$', '');
  end if;

  return (
    select string_agg(
      case
        when not is_found then safe
        when safe ~ v_letters then replace(
          regexp_replace(safe, '(' || v_letters || ')', '<mark>\1</mark>', 'g'), '</mark><mark>', ''
        )
        else '<mark>' || safe || '</mark>'
      end,
      '' order by ordinal
    )
    from regexp_matches(
      v_text,
      -- What may be a word, and what may not: blanks, and ASCII but for letters, digits, apostrophes.
      '([^\x01-\x26\x28-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+)'
      '|([\x01-\x26\x28-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+)',
      'g'
    ) with ordinality as matched (parts, ordinal)
    cross join lateral replace(replace(replace(replace(replace(
      coalesce(parts[1], parts[2]),
      '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;'
    ) as safe
    cross join lateral crm_private.search_words(coalesce(parts[1], '')) as words
    cross join lateral coalesce(
      parts[1] is not null and (
        ' ' || words || ' ' like any (marks)
        or stems is not null and tsvector_to_array(crm_private.search_stems(words)) && stems
        or crm_private.search_neighbours(words) && near
        or near is not null and stems is not null
          and crm_private.search_neighbours(
            array_to_string(tsvector_to_array(crm_private.search_stems(words)), ' ')
          ) && near
        or words ~ '^[0-9]{2,}$' and number like '%' || nullif(ltrim(words, '0'), '') || '%'
      ),
      false
    ) as is_found
  );
end
$$;

comment on function crm_private.search_extract(text, text[], text[], text[], text) is
  'A passage of a text as HTML, with <mark> around what was found.';

revoke all on function crm_private.search_extract(text, text[], text[], text[], text) from public;
grant execute on function crm_private.search_extract(text, text[], text[], text[], text)
  to crm_reader;
--! EndIncluded functions/search/search_extract.sql
--! Included functions/search/search_misspelt.sql
/*
 * What finds tasks and notes with a typing error in each word: the text of a tsquery in which, of the
 * three longest words that stand after a question mark, each has become the stems of all words that
 * differ from it by one error. Null if there is no such word.
 */
create or replace function crm_private.search_misspelt(loose_texts text)
returns tsquery
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_query text := loose_texts;
  v_word  text;
begin
  if strpos(loose_texts, '''?') = 0 then
    return null;
  end if;

  for v_word in
    select matched.parts[1]
    from regexp_matches(loose_texts, '''\?([^'']+)''', 'g') as matched (parts)
    group by 1
    order by length(matched.parts[1]) desc, 1
    limit 3
  loop
    v_query := replace(
      v_query,
      format('''?%s''', v_word),
      (
        select string_agg(format('''%1$s'' | ''^%1$s''', stem), ' | ')
        from unnest(tsvector_to_array(crm_private.search_stems(
          array_to_string(crm_private.search_variants(v_word), ' ')
        ))) as stem
      )
    );
  end loop;

  return v_query::tsquery;
end
$$;

comment on function crm_private.search_misspelt(text) is
  'What finds tasks and notes with a typing error in each word.';

revoke all on function crm_private.search_misspelt(text) from public;
grant execute on function crm_private.search_misspelt(text) to crm_reader;
--! EndIncluded functions/search/search_misspelt.sql
--! Included functions/search/search_parts.sql
/*
 * The rows that are found by a part of a name or of a phone number, through trigrams: names with a
 * word that begins so, contacts with a phone number that has these digits, or names that have
 * something similar to the words in them. What is null is not looked for. Of each entity type at
 * most p_limit, ranked as crm_private.search_candidates ranks.
 *
 * Runs with the caller's rights, and without scans of tables.
 */
create or replace function crm_private.search_parts(
  entity_types text[],
  p_begun      text,
  p_numbers    text[],
  p_phone      text,
  p_beside     tsquery,
  p_words      text[],
  p_limit      integer
)
returns table (
  entity_type text,
  entity_id   uuid,
  rank        double precision,
  name_length integer,
  created_at  timestamptz
)
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
  v_begun   constant text := '% ' || p_begun || '%';
  v_country constant text := case when p_phone is not null then crm_private.default_country() end;
begin
  if p_begun is not null then
    return query
    with named as (
      (
        select 'contact' as entity_type, id,
          crm_private.contact_name_words(first_name, last_name, phones) as words,
          char_length(first_name) + 1 + char_length(last_name) as name_length, created_at
        from crm.contacts
        where 'contact' = any (entity_types)
          and crm_private.contact_name_words(first_name, last_name, phones) like v_begun
        limit p_limit
      )
      union all
      (
        select 'company', id, crm_private.name_words(name), char_length(name), created_at
        from crm.companies
        where 'company' = any (entity_types)
          and crm_private.name_words(name) like v_begun
        limit p_limit
      )
      union all
      (
        select 'deal', id, crm_private.name_words(title), char_length(title), created_at
        from crm.deals
        where 'deal' = any (entity_types)
          and crm_private.name_words(title) like v_begun
        limit p_limit
      )
    )
    select
      entity_type,
      id,
      (
        case when words || ' ' like '% ' || p_begun || ' %' then 7 else 2 end
          + 1.0::double precision / (1 + name_length)
      ) / 8,
      name_length,
      created_at
    from named;
  end if;

  if p_numbers is not null and 'contact' = any (entity_types) then
    return query
    select
      'contact', id, 3 / 8.0::double precision,
      char_length(first_name) + 1 + char_length(last_name), created_at
    from crm.contacts
    where crm_private.contact_name_words(first_name, last_name, phones)
        like any (array(select '%' || digits || '%' from unnest(p_numbers) as digits))
      -- Where both have a country code, they have the same.
      and (
        p_phone is null or exists (
          select
          from unnest(phones) as phone
          cross join lateral crm_private.phone_number(phone, v_country) as known
          where starts_with(known, p_phone)
            or not starts_with(known, '+') and strpos(known, p_numbers[1]) > 0
        )
      )
      and (p_beside is null or search_document @@ p_beside)
    limit p_limit;
  end if;

  if p_words is not null then
    return query
    with named as (
      (
        select 'contact' as entity_type, id,
          crm_private.contact_name_words(first_name, last_name, phones) as words,
          char_length(first_name) + 1 + char_length(last_name) as name_length, created_at
        from crm.contacts
        where 'contact' = any (entity_types)
          and p_words[1] operator(extensions.<%)
            crm_private.contact_name_words(first_name, last_name, phones)
      )
      union all
      (
        select 'company', id, crm_private.name_words(name), char_length(name), created_at
        from crm.companies
        where 'company' = any (entity_types)
          and p_words[1] operator(extensions.<%) crm_private.name_words(name)
      )
      union all
      (
        select 'deal', id, crm_private.name_words(title), char_length(title), created_at
        from crm.deals
        where 'deal' = any (entity_types)
          and p_words[1] operator(extensions.<%) crm_private.name_words(title)
      )
    )
    select
      entity_type,
      id,
      extensions.word_similarity(array_to_string(p_words, ' '), words) / 16.0::double precision,
      name_length,
      created_at
    from named
    where not exists (
      select from unnest(p_words) as word where not word operator(extensions.<%) words
    )
    limit p_limit;
  end if;
end
$$;

comment on function crm_private.search_parts(
  text[], text, text[], text, tsquery, text[], integer
) is
  'The rows that are found by a part of a name or of a phone number, ranked; of many, some.';

revoke all on function crm_private.search_parts(
  text[], text, text[], text, tsquery, text[], integer
) from public;
grant execute on function crm_private.search_parts(
  text[], text, text[], text, tsquery, text[], integer
)
  to crm_reader;
--! EndIncluded functions/search/search_parts.sql
--! Included functions/search/search_query.sql
/*
 * What somebody typed into a search box, as tsqueries and patterns. All are null if there is nothing
 * to look for.
 *
 * The syntax is that of web search: "words in sequence", -without, or. What has punctuation within,
 * such as an address, is a sequence of its parts. The last word may be only begun. "and" or "&" among
 * other words is not asked for.
 *
 * An alternative that only says what is not wanted is left out: no index can answer it. Words beyond
 * the 32nd are left out, too.
 *
 * Nothing that was typed gets into the syntax of a tsquery: PostgreSQL writes its text, of words that
 * have neither quotes nor backslashes left.
 */
create or replace function crm_private.search_query(
  query           text,
  country         text default null, -- of numbers without a country code
  out exact       tsquery, -- a name that is nothing else
  out whole       tsquery, -- every word as it stands
  out typed       tsquery, -- the last word as begun, or a stem in place of a word
  out indexed     tsquery, -- typed, but for a beginning so short that an index would find too much
  out loose       tsquery, -- indexed, or a name with a typing error in each word
  out loose_texts text,    -- indexed, with the words that may have one: crm_private.search_misspelt
  out whole_names tsquery, -- whole, of names alone
  out typed_names tsquery, -- the last word as begun, of names alone
  out named       tsquery, -- whole_names as an index knows it: what only names have
  out begun       text,    -- such a short beginning, if there is nothing else
  out number      text,    -- the digits of the longest number, to mark them
  out numbers     text[],  -- runs of digits, one of which a phone number has that is this
  out phone       text,    -- it in one form, if it has a country code
  out beside      tsquery, -- what is asked for beside the number
  out words       text[],  -- the words, the longest first, if there is nothing but words
  out marks       text[],  -- patterns of the words that are found, among blanks
  out stems       text[],  -- what the words are reduced to
  out near        text[]   -- what misspelt words have in common with them
)
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
set client_min_messages = warning
as $$
#variable_conflict use_column
declare
  v_unspaced constant text := crm_private.unspaced_scripts();
begin
  with items as (
    select
      ordinal,
      parts[1] = '-'                                      as is_without,
      coalesce(parts[2], (crm_private.phone_parts(parts[3]))[1], parts[4]) as item,
      parts[1] = '' and lower(parts[4]) = 'or'            as is_or,
      parts[2] is not null                                as is_quoted,
      parts[3] is not null                                as is_number,
      parts[2] is null and ordinal = max(ordinal) over () as is_last
    from regexp_matches(
      crm_private.ascii_digits(query),
      '(-?)(?:"([^"]*)(?:"|$)|([+(]*[0-9](?:[ ()/.+-]*[0-9]){6,}'
        '(?:[ ,;]*(?:ext(?:ension|n)?|xtn?|x|poste|durchwahl|#)[ .:=]*[0-9]{1,8})?)(?![^\s"])|([^\s"]+))',
      'gi'
    ) with ordinality as matched (parts, ordinal)
    order by ordinal
    limit 32
  ),
  worded as (
    select
      items.*,
      item_words,
      count(*) filter (where is_or) over (order by ordinal) as alternative,
      case when is_or then '' else parts.term end           as term,
      parts.term ~ ('[' || v_unspaced || ']')               as is_unspaced
    from items
    cross join lateral trim(crm_private.search_words(item)) as item_words
    -- The last letter of a script without blanks is there for whoever looks for nothing else.
    cross join lateral regexp_replace(
      item_words, replace('(?<=[S][S] )[S](?= |$)', 'S', v_unspaced), '', 'g'
    ) as asked
    cross join lateral (
      select coalesce(
        string_agg(
          format(
            '''%s''%s', word, case when word ~ ('^[' || v_unspaced || ']$') then ':*' end
          ),
          case when is_number then ' & ' else format(' <%s> ', distance) end order by place
        ),
        ''
      )
      from (
        select word, place, place - lag(place) over (order by place) as distance
        from unnest(string_to_array(asked, ' ')) with ordinality as listed (word, place)
        where word <> ''
      ) as placed
    ) as parts (term)
  ),
  terms as (
    select
      ordinal,
      alternative,
      is_without,
      is_quoted,
      item_words,
      case when is_without then '!(%s)' else '(%s)' end as sign,
      term,
      term || case when is_last and term !~ '\*$' then ':*' else '' end as typed_term,
      -- Two letters and the quotes, of which trigrams know something.
      is_last and not is_without and not is_unspaced and length(term) <= 4
        and extensions.show_trgm(item_words) <> '{}'    as is_short,
      case
        when is_number and not is_without then crm_private.phone_number(item, country)
        when not is_without
        then ltrim(
          regexp_replace(substring(item from '^[0-9 ()/.+-]*$'), '[^0-9]', '', 'g'), '0'
        )
      end                                               as digits,
      is_plain,
      case
        when is_plain then crm_private.search_neighbours(item_words)
        else '{}'
      end                                               as neighbours,
      case when is_plain then (tsvector_to_array(crm_private.search_stems(item_words)))[1] end as stem
    from worded
    cross join lateral (
      select not (is_quoted or is_without or item_words ~ ' ')
    ) as kind (is_plain)
    where term <> ''
      and item ~ '[[:alnum:]]|[^\x01-\x7f]'
      and (item_words <> 'and' or is_last or is_quoted or is_without
        or (select count(*) from items) = 1)
  ),
  alternatives as (
    select
      string_agg(format(sign, term), ' & ' order by ordinal)       as whole_text,
      string_agg(format(sign, typed_term), ' & ' order by ordinal) as typed_text,
      string_agg(format(sign, stemmed_term), ' & ' order by ordinal) as stemmed_text,
      string_agg(format(sign, stemmed_term), ' & ' order by ordinal)
        filter (where not is_short)                                as indexed_text,
      string_agg(
        format(
          sign,
          stemmed_term || case
            when is_plain and item_words ~ '^[^0-9 ]{4,20}$' and not is_short
            then format(' | ''?%s''', item_words)
            else ''
          end
        ),
        ' & ' order by ordinal
      ) filter (where not is_short)                                as loose_texts,
      string_agg(
        format(
          sign,
          typed_term
            || coalesce(' | ''' || array_to_string(nullif(neighbours, '{}'), ''' | ''') || '''', '')
        ),
        ' & ' order by ordinal
      ) filter (where not is_short)                                as loose_text,
      bool_or(not is_without and not is_short)                     as is_indexable
    from terms
    cross join lateral (
      select typed_term
        || case when stem is not null then format(' | ''%1$s'' | ''^%1$s''', stem) else '' end
    ) as reduced (stemmed_term)
    group by alternative
    having bool_or(not is_without)
  ),
  queries as (
    select
      string_agg(whole_text, ' | ')                               as whole_text,
      string_agg(typed_text, ' | ')                               as typed_text,
      string_agg(stemmed_text, ' | ')                             as stemmed_text,
      string_agg(loose_texts, ' | ') filter (where is_indexable)  as loose_texts,
      string_agg(indexed_text, ' | ') filter (where is_indexable) as indexed_text,
      string_agg(loose_text, ' | ') filter (where is_indexable)   as loose_text
    from alternatives
  ),
  number as (
    select ordinal, digits
    from terms
    where length(digits) >= 4 and (select count(*) from alternatives) = 1
    order by length(digits) desc, ordinal
    limit 1
  )
  select
    (
      select format('''%s''', whole_name)::tsquery
      from crm_private.search_whole(crm_private.search_words(translate(query, '"', ' ')))
        as whole_name
      where whole_name <> '='
        and not exists (select from terms where is_without)
    ),
    whole_text::tsquery,
    stemmed_text::tsquery,
    coalesce(indexed_text, whole_text)::tsquery,
    loose_text::tsquery,
    loose_texts,
    regexp_replace(whole_text, '''([^'']+)''(?::(\*))?', '''\1'':\2A', 'g')::tsquery,
    regexp_replace(typed_text, '''([^'']+)''(?::(\*))?', '''\1'':\2A', 'g')::tsquery,
    regexp_replace(
      regexp_replace(whole_text, '''([^'' ]+)''', '''~\1''', 'g'), '<[-0-9]+>', '&', 'g'
    )::tsquery,
    (select item_words from terms where indexed_text is null and is_short limit 1),
    (select ltrim(digits, '+') from number),
    (
      select case
        when starts_with(digits, '+')
        then array[substr(digits, 2 + length(crm_private.calling_code(substr(digits, 2))))]
        when length(digits) > 10
        then array_remove(
          array[
            right(digits, 10),
            nullif(substr(digits, 1 + length(crm_private.calling_code(digits))), '')
          ],
          null
        )
        else array[digits]
      end
      from number
    ),
    (select digits from number where starts_with(digits, '+')),
    (
      select string_agg(format(sign, typed_term), ' & ')::tsquery
      from terms
      where ordinal <> (select ordinal from number)
    ),
    (
      select array_agg(item_words order by length(item_words) desc, ordinal)
      from terms
      having bool_and(not is_without and not is_quoted) and max(alternative) = 0
        and extensions.show_trgm(max(item_words)) <> '{}'
    ),
    (
      select array_agg('% ' || lexeme[1] || case when lexeme[2] = '*' then '%' else ' %' end)
      from terms
      cross join lateral regexp_matches(typed_term, '''([^'']+)''(?::(\*))?', 'g') as lexeme
      where not is_without
    ),
    (select array_agg(stem) filter (where stem is not null) from terms),
    (
      select array_agg(neighbour)
      from terms
      cross join lateral unnest(
        case
          when stem is null or stem = item_words then neighbours
          else neighbours || crm_private.search_neighbours(stem)
        end
      ) as neighbour
    )
  into
    exact, whole, typed, indexed, loose, loose_texts, whole_names, typed_names, named, begun,
    number, numbers, phone, beside, words, marks, stems, near
  from queries
  where whole_text is not null;
end
$$;

comment on function crm_private.search_query(text, text) is
  'What somebody typed into a search box, as tsqueries and patterns.';

revoke all on function crm_private.search_query(text, text) from public;
grant execute on function crm_private.search_query(text, text) to crm_reader;
--! EndIncluded functions/search/search_query.sql
--! Included functions/search/search_variants.sql
/*
 * The words that differ from one by a typing error: a letter too many, too few or another one, or two
 * that changed places; and the word itself. Letters are those of its script, as far as that is an
 * alphabet.
 *
 * Called for what was typed. The other way, letters left out of what is written, is that of names:
 * crm_private.search_neighbours. A note has too many words for it.
 */
create or replace function crm_private.search_variants(word text)
returns text[]
language sql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  with letters as (
    select chr(code) as letter
    from (
      values
        (97, 122), (945, 969), (1072, 1119), (1377, 1414), (1488, 1514), (1569, 1610), (4304, 4336)
    ) as alphabet (first, last)
    cross join lateral generate_series(first, last) as code
    where ascii(word) between first and last
  ),
  places as (
    select left(word, place) as before, substr(word, place + 1) as after
    from generate_series(0, length(word)) as place
  )
  select array_agg(distinct variant)
  from (
    select word
    union all
    select before || substr(after, 2) from places where after <> ''
    union all
    select before || substr(after, 2, 1) || left(after, 1) || substr(after, 3)
    from places
    where length(after) > 1
    union all
    select before || letter || substr(after, 2) from places cross join letters where after <> ''
    union all
    select before || letter || after from places cross join letters
  ) as variants (variant);
$$;

comment on function crm_private.search_variants(text) is
  'The words that differ from one by a typing error.';

revoke all on function crm_private.search_variants(text) from public;
grant execute on function crm_private.search_variants(text) to crm_reader;
--! EndIncluded functions/search/search_variants.sql
--! Included functions/deals/set_base_currency.sql
/*
 * Sets the currency that exchange rates are in. Refused while there are rates: they would mean something
 * else. Logged, if it changes anything. The setting's row is locked, as who writes a rate locks
 * it, so no rate comes in beside the change.
 *
 * Security definer: the table of settings is the owner's.
 */
create or replace function crm_private.set_base_currency(currency text)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_old     text;
  v_message text;
begin
  perform crm_private.caller_is_authenticated();

  perform crm_private.refuse_null('currency', currency);
  select base_currency into v_old from crm_private.settings for update;

  if currency = v_old then
    return currency;
  end if;

  v_message := case
    when currency <> all (crm.currencies()) then crm_private.fault_message(
      '%s is not an ISO 4217 currency code', to_jsonb(currency)
    )
    when exists (select from crm.exchange_rates) then format(
      'cannot be changed while there are exchange rates: %s',
      (select count(*) from crm.exchange_rates)
    )
  end;

  if v_message is not null then
    raise exception 'set_base_currency: currency %', v_message
      using errcode    = 'check_violation',
            schema     = 'crm', column = 'currency',
            constraint = case when currency = any (crm.currencies())
              then 'settings_base_currency_unused' else 'settings_base_currency_known'
            end,
            detail     = jsonb_build_object('currency', jsonb_build_array(v_message))::text,
            hint       = 'Delete the exchange rates first, and enter those to the new one.';
  end if;

  update crm_private.settings set base_currency = currency;
  perform crm_private.log_event(
    'setting', 'update',
    jsonb_build_object('base_currency', jsonb_build_object('old', v_old, 'new', currency)),
    clock_timestamp()
  );

  return currency;
end
$$;

comment on function crm_private.set_base_currency(text) is
  'What crm.set_base_currency calls, with the rights of the owner.';

revoke all on function crm_private.set_base_currency(text) from public;
grant execute on function crm_private.set_base_currency(text) to crm_admin;

create or replace function crm.set_base_currency(currency text)
returns text
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.set_base_currency(currency);
$$;

comment on function crm.set_base_currency(text) is
  'Sets the currency that exchange rates are in; refused while there are any. For administrators.';

revoke all on function crm.set_base_currency(text) from public;
grant execute on function crm.set_base_currency(text) to crm_admin;
--! EndIncluded functions/deals/set_base_currency.sql
--! Included functions/settings/set_default_country.sql
/*
 * Sets the country of phone numbers that have no country code, or none by null. Refuses what is no
 * country. Logged, if it changes anything. Nothing is computed anew: rows hold digits, and what
 * they mean is asked when they are compared.
 *
 * Security definer: the table of settings is the owner's.
 */
create or replace function crm_private.set_default_country(country text)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_old     text;
  v_message text;
begin
  perform crm_private.caller_is_authenticated();

  select default_country into v_old from crm_private.settings for update;

  if country is distinct from v_old then
    if country is not null and not exists (select from crm_private.phone_plan(country)) then
      v_message := crm_private.fault_message(
        '%s is not an ISO 3166 country code', to_jsonb(country)
      );
      raise exception 'set_default_country: country %', v_message
        using errcode    = 'check_violation',
              schema     = 'crm', column = 'country',
              constraint = 'settings_default_country_known',
              detail     = jsonb_build_object('country', jsonb_build_array(v_message))::text,
              hint       = 'Two capital letters, such as DE.';
    end if;

    update crm_private.settings set default_country = country;
    perform crm_private.log_event(
      'setting', 'update',
      jsonb_build_object('default_country', jsonb_build_object('old', v_old, 'new', country)),
      clock_timestamp()
    );
  end if;

  return country;
end
$$;

comment on function crm_private.set_default_country(text) is
  'What crm.set_default_country calls, with the rights of the owner.';

revoke all on function crm_private.set_default_country(text) from public;
grant execute on function crm_private.set_default_country(text) to crm_admin;

create or replace function crm.set_default_country(country text)
returns text
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.set_default_country(country);
$$;

comment on function crm.set_default_country(text) is
  'Sets the country of phone numbers that have no country code, as an ISO 3166 code such as DE; null if '
  'it is not known. For administrators.';

revoke all on function crm.set_default_country(text) from public;
grant execute on function crm.set_default_country(text) to crm_admin;
--! EndIncluded functions/settings/set_default_country.sql
--! Included functions/settings/set_time_zone.sql
/*
 * Sets the time zone of the installation, by its IANA name. PostgreSQL would take more: abbreviations,
 * which know no summer, and POSIX rules, in which every word is a zone. Logged, if it changes
 * anything.
 *
 * Security definer: the table of settings is the owner's.
 */
create or replace function crm_private.set_time_zone(time_zone text)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_old text;
begin
  perform crm_private.caller_is_authenticated();

  perform crm_private.refuse_null('timeZone', time_zone);
  select setting.time_zone into v_old from crm_private.settings as setting for update;

  if set_time_zone.time_zone = v_old then
    return v_old;
  end if;

  if not exists (
    select from pg_timezone_names as zone
    where zone.name = set_time_zone.time_zone
      and zone.name !~ '^(posix/|posixrules$|localtime$|Factory$)'
  ) then
    perform crm_private.refuse_argument(
      'timeZone',
      crm_private.fault_message('%s is not the IANA name of a time zone', to_jsonb(time_zone)),
      'settings_time_zone_known'
    );
  end if;

  update crm_private.settings as setting set time_zone = set_time_zone.time_zone;
  perform crm_private.log_event(
    'setting', 'update',
    jsonb_build_object('time_zone', jsonb_build_object('old', v_old, 'new', time_zone)),
    clock_timestamp()
  );

  return time_zone;
end
$$;

comment on function crm_private.set_time_zone(text) is
  'What crm.set_time_zone calls, with the rights of the owner.';

revoke all on function crm_private.set_time_zone(text) from public;
grant execute on function crm_private.set_time_zone(text) to crm_admin;

create or replace function crm.set_time_zone(time_zone text)
returns text
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.set_time_zone(time_zone);
$$;

comment on function crm.set_time_zone(text) is
  'Sets the time zone whose days count where a request names none, by its IANA name, such as '
  'Europe/Berlin. For administrators.';

revoke all on function crm.set_time_zone(text) from public;
grant execute on function crm.set_time_zone(text) to crm_admin;
--! EndIncluded functions/settings/set_time_zone.sql
--! Included functions/settings/set_trash_retention.sql
/*
 * Sets for how long what was deleted can be restored. Refuses a number out of range. Logged, if it
 * changes anything. Security definer: the table of settings is the owner's.
 */
create or replace function crm_private.set_trash_retention(days integer)
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_old integer;
begin
  perform crm_private.caller_is_authenticated();

  if days not between 0 and 36500 then
    raise exception 'set_trash_retention: days must be from 0 to 36500'
      using errcode    = 'check_violation',
            schema     = 'crm', column = 'days',
            constraint = 'settings_trash_retention_days_range',
            detail     = '{"days": ["must be from 0 to 36500"]}';
  end if;

  select trash_retention_days into v_old from crm_private.settings for update;

  if days is distinct from v_old then
    update crm_private.settings set trash_retention_days = days;
    perform crm_private.log_event(
      'setting', 'update',
      jsonb_build_object(
        'trash_retention_days', jsonb_build_object('old', v_old, 'new', days)
      ),
      clock_timestamp()
    );
  end if;

  return days;
end
$$;

comment on function crm_private.set_trash_retention(integer) is
  'What crm.set_trash_retention calls, with the rights of the owner.';

revoke all on function crm_private.set_trash_retention(integer) from public;
grant execute on function crm_private.set_trash_retention(integer) to crm_admin;

create or replace function crm.set_trash_retention(days integer)
returns integer
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.set_trash_retention(days);
$$;

comment on function crm.set_trash_retention(integer) is
  'Sets for how many days what was deleted can be restored, from 0 to 36500; null keeps it until '
  'somebody purges it. For administrators.';

revoke all on function crm.set_trash_retention(integer) from public;
grant execute on function crm.set_trash_retention(integer) to crm_admin;
--! EndIncluded functions/settings/set_trash_retention.sql
--! Included functions/undo/stage_followers.sql
/*
 * The fields of a deal in a planned reversal that follow from its stage, and stay with it where it is left:
 * when it was closed, and a probability that nobody gave.
 */
create or replace function crm_private.stage_followers(p_before jsonb)
returns text[]
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_before ? 'probability_given' then array['closed_at']
    else array['closed_at', 'probability']
  end;
$$;

comment on function crm_private.stage_followers(jsonb) is
  'The fields of a deal in a planned reversal that stay with its stage.';

revoke all on function crm_private.stage_followers(jsonb) from public;
--! EndIncluded functions/undo/stage_followers.sql
--! Included functions/undo/settle_conflicts.sql
/*
 * Compares the rows of a planned reversal with what it expects. Gives every conflict, each with who set
 * what was found, up to p_limit of them, and how many there are.
 *
 * With p_skip it takes what differs out of the plan, so that it stays as it is: a field; a row that is
 * gone, or is back; a row that would go and was changed since, or has something attached to it. What
 * stays may hold something else where it is, so the rest is compared again until nothing differs.
 */
create or replace function crm_private.settle_conflicts(
  p_types text[],
  p_skip  boolean,
  p_limit integer
)
returns table (count bigint, conflicts jsonb)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_xid   bigint := pg_current_xact_id()::text::bigint;
  v_round record;
begin
  count     := 0;
  conflicts := '[]';

  loop
    with found as materialized (
      select type.name as planned_type, conflict.*
      from unnest(p_types) as type (name)
      cross join lateral crm_private.reversal_conflicts(type.name) as conflict
    ),
    listed as (
      select found.*, setter.user_id, setter."timestamp"
      from (
        select distinct on (entity_type, entity_id, field) *
        from found
        order by entity_type, entity_id, field
        limit greatest(p_limit - jsonb_array_length(conflicts), 0)
      ) as found
      left join lateral (
        select log.user_id, log."timestamp"
        from crm.audit_logs as log
        where log.entity_id = found.entity_id
          and log.entity_type = found.entity_type
          and (log.action <> 'update' or log.changes ? found.field)
        order by log.id desc
        limit 1
      ) as setter on true
    ),
    left_out as (
      select
        found.planned_type, found.planned_id,
        array_agg(found.field)         as fields,
        bool_or(found.field = 'id')    as is_moot,
        bool_or(found.planned_type = 'deal' and found.field = 'stage') as is_stage
      from found
      where p_skip
      group by found.planned_type, found.planned_id
    ),
    dropped as (
      delete from crm_private.reversals as planned
      using left_out
      where planned.transaction_id = v_xid
        and planned.entity_type = left_out.planned_type
        and planned.entity_id = left_out.planned_id
        and (left_out.is_moot or planned.before is null)
    ),
    narrowed as (
      update crm_private.reversals as planned
      set
        before = planned.before - left_out.fields - case
          when left_out.is_stage then crm_private.stage_followers(planned.before) else '{}'
        end,
        after = planned.after - left_out.fields - case
          when left_out.is_stage then crm_private.stage_followers(planned.before) else '{}'
        end
      from left_out
      where planned.transaction_id = v_xid
        and planned.entity_type = left_out.planned_type
        and planned.entity_id = left_out.planned_id
        and not (left_out.is_moot or planned.before is null)
    )
    select
      (
        select count(*)
        from (select distinct found.entity_type, found.entity_id, found.field from found) as each
      ) as count,
      coalesce(
        jsonb_agg(
          crm_private.conflict(
            listed.entity_type, listed.entity_id, listed.field, listed.expected, listed.found,
            listed.user_id, listed."timestamp"
          )
          order by listed.entity_type, listed.entity_id, listed.field
        ),
        '[]'
      ) as conflicts
    into v_round
    from listed;

    count     := count + v_round.count;
    conflicts := conflicts || v_round.conflicts;
    exit when v_round.count = 0 or not p_skip;
  end loop;

  return next;
end
$$;

comment on function crm_private.settle_conflicts(text[], boolean, integer) is
  'Where rows differ from what a planned reversal expects; with p_skip that stays as it is.';

revoke all on function crm_private.settle_conflicts(text[], boolean, integer) from public;
--! EndIncluded functions/undo/settle_conflicts.sql
--! Included functions/external_ids/settle_external_ids.sql
/*
 * Ends the time in which an external id may be held twice, which begins with
 * set constraints crm_private.external_ids_pkey deferred: while an undo moves it from one row to
 * another in several statements. Refuses the given rows if one of theirs belongs to another.
 */
create or replace function crm_private.settle_external_ids(p_entity_type text, p_ids uuid[])
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  set constraints crm_private.external_ids_pkey immediate;
exception
  when unique_violation then
    perform crm_private.refuse_taken_external_ids(p_entity_type, p_ids);
    raise;
end
$$;

comment on function crm_private.settle_external_ids(text, uuid[]) is
  'Ends the time in which an external id may be held twice; refuses rows that share one.';

revoke all on function crm_private.settle_external_ids(text, uuid[]) from public;
--! EndIncluded functions/external_ids/settle_external_ids.sql
--! Included functions/duplicates/shared_domains.sql
/*
 * Domains that say nothing about whom somebody works for: mail for everyone, and networks where
 * companies have pages. An address or a link there makes no two contacts or companies alike.
 * Called where rows are compared; no index stands on it.
 */
create or replace function crm_private.shared_domains()
returns text[]
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return string_to_array(
    '126.com 139.com 163.com aim.com alice.it aol.com aol.de arcor.de att.net bellsouth.net '
    'bigpond.com bluewin.ch btinternet.com chello.at comcast.net cox.net daum.net duck.com '
    'earthlink.net email.com email.cz fastmail.com fastmail.fm free.fr freemail.hu freenet.de '
    'gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net googlemail.com hanmail.net hey.com '
    'home.nl hotmail.co.uk hotmail.com hotmail.de hotmail.es hotmail.fr hotmail.it icloud.com '
    'inbox.lv inbox.ru interia.pl juno.com kpnmail.nl laposte.net libero.it list.ru live.co.uk '
    'live.com live.de live.fr live.nl mac.com mail.com mail.de mail.ru me.com msn.com naver.com '
    'o2.pl online.de onet.pl optonline.net orange.fr outlook.com outlook.de outlook.es outlook.fr '
    'posteo.de proton.me protonmail.com protonmail.ch qq.com rediffmail.com rocketmail.com '
    'rogers.com sbcglobal.net seznam.cz sfr.fr shaw.ca sina.com sky.com t-online.de telenet.be '
    'terra.com.br tiscali.it tuta.com tutanota.com ukr.net uol.com.br verizon.net virgilio.it '
    'virginmedia.com vodafone.de wanadoo.fr web.de wp.pl xtra.co.nz yahoo.ca yahoo.co.in '
    'yahoo.co.jp yahoo.co.uk yahoo.com yahoo.com.au yahoo.com.br yahoo.de yahoo.es yahoo.fr '
    'yahoo.in yahoo.it yandex.com yandex.ru yeah.net ymail.com zoho.com '
    'crunchbase.com facebook.com github.com gitlab.com google.com instagram.com linkedin.com '
    'medium.com pinterest.com t.me tiktok.com twitter.com vimeo.com wa.me wikipedia.org x.com '
    'xing.com youtu.be youtube.com',
    ' '
  );
end
$$;

comment on function crm_private.shared_domains() is
  'Domains of mail for everyone and of networks, which make no two contacts or companies alike.';

revoke all on function crm_private.shared_domains() from public;
grant execute on function crm_private.shared_domains() to crm_reader;
--! EndIncluded functions/duplicates/shared_domains.sql
--! Included functions/duplicates/company_domains.sql
/*
 * The domains of a company: those that its custom fields name, and those of its contacts' email
 * addresses. Domains that belong to nobody in particular are none.
 */
create or replace function crm_private.company_domains(company crm.companies)
returns setof text
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select found.domain
  from jsonb_each_text(company.custom_fields) as field
  cross join lateral crm_private.domain_of(field.value) as found (domain)
  where company.custom_fields::text like '%.%'
    and found.domain <> all (crm_private.shared_domains())

  union

  select found.domain
  from crm.contacts as contact
  cross join lateral unnest(contact.emails) as email
  cross join lateral split_part(crm_private.plain_email(email), '@', 2) as found (domain)
  where contact.company_id = company.id
    and found.domain <> all (crm_private.shared_domains());
$$;

comment on function crm_private.company_domains(crm.companies) is
  'The domains that a company''s custom fields and its contacts'' addresses name.';

revoke all on function crm_private.company_domains(crm.companies) from public;
grant execute on function crm_private.company_domains(crm.companies) to crm_reader;
--! EndIncluded functions/duplicates/company_domains.sql
--! Included functions/duplicates/companies_duplicates.sql
/*
 * The companies that may be the same as one: GraphQL's field duplicates. Candidates share a key of
 * their name, or a domain, which is found where it stands: among the keys of companies or of their
 * contacts. Both indexes of match keys are used, and of each key 1,000 rows are looked at, as by
 * crm.contacts_duplicates.
 */
create or replace function crm.companies_duplicates(
  record    crm.companies,
  min_score double precision default 0.3
)
returns setof crm.duplicate
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  with keys as materialized (
    select key, null as domain
    from unnest(crm_private.company_keys(record.name, record.custom_fields)) as key
    where not starts_with(key, 'domain:')

    union all

    select 'domain:' || domain, domain
    from crm_private.company_domains(record) as domain
  ),
  candidates as (
    select other.id, keys.domain
    from keys
    cross join lateral (
      select company.id
      from crm.companies as company
      where company.match_keys && array[keys.key]
        and company.id <> record.id
      limit 1000
    ) as other

    union all

    select other.company_id, keys.domain
    from keys
    cross join lateral (
      select contact.company_id
      from crm.contacts as contact
      where contact.match_keys && array[keys.key]
        and contact.company_id <> record.id
      limit 1000
    ) as other
    where keys.domain is not null
  )

  select duplicate.*
  from (select id, min(domain) as domain from candidates group by id) as candidate
  join crm.companies as other using (id)
  cross join lateral crm_private.duplicate(
    'company', other.id, null, null, candidate.domain,
    crm_private.name_similarity(
      crm_private.plain_company_name(record.name), crm_private.plain_company_name(other.name)
    )
  ) as duplicate
  where duplicate.score >= coalesce(min_score, 0.3)
  order by duplicate.score desc, duplicate.entity_id;
$$;

comment on function crm.companies_duplicates(crm.companies, double precision) is
  'The companies that may be the same, the likeliest first.';

revoke all on function crm.companies_duplicates(crm.companies, double precision) from public;
grant execute on function crm.companies_duplicates(crm.companies, double precision) to crm_reader;
--! EndIncluded functions/duplicates/companies_duplicates.sql
--! Included functions/duplicates/company_links.sql
/*
 * The pairs of companies that may be one, out of all companies, as crm_private.contact_links finds
 * those of contacts. Here domains are keys: of custom fields, and of the contacts' addresses.
 */
create or replace function crm_private.company_links(p_min_score double precision)
returns table (id uuid, other_id uuid, score double precision, reasons text[])
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
set join_collapse_limit = 1
set work_mem = '32MB'
as $$
  with addresses as (
    select distinct
      contact.company_id,
      'domain:' || split_part(crm_private.plain_email(email), '@', 2) as key
    from crm.contacts as contact
    cross join lateral unnest(contact.emails) as email
    where contact.company_id is not null
  ),
  companies as materialized (
    select
      row_number() over () as number,
      company.id,
      plain.name,
      crm_private.name_skeleton(plain.name) as skeleton,
      array(
        select key
        from unnest(company.match_keys || of_contacts.keys) as key
        where not starts_with(key, 'domain:')
          or substr(key, 8) <> all (crm_private.shared_domains())
      ) as keys
    from crm.companies as company
    cross join lateral (
      select crm_private.plain_company_name(company.name) collate "C"
      offset 0
    ) as plain (name)
    left join (
      select company_id, array_agg(key) as keys from addresses group by company_id
    ) as of_contacts on of_contacts.company_id = company.id
  ),
  lines as (
    select
      number,
      array_agg(number) over (
        partition by hashtextextended(key, 0)
        order by case when starts_with(key, 'tail:') then reverse(name) else name end, number
        rows between 1 following and 4 following
      ) as neighbours
    from companies
    cross join lateral unnest(keys) as key
  ),
  pairs as (
    select distinct
      least(lines.number, neighbour.number) as one,
      greatest(lines.number, neighbour.number) as other
    from lines
    cross join lateral unnest(neighbours) as neighbour (number)
    where lines.number <> neighbour.number
  ),
  compared as materialized (
    select
      one.id,
      other.id as other_id,
      crm_private.name_likeness(
        one.name, other.name, one.skeleton, other.skeleton
      ) as name_similarity,
      exists (
        select
        from unnest(one.keys) as key
        where starts_with(key, 'domain:') and key = any (other.keys)
      ) as same_domain
    from pairs
    join companies as one on one.number = pairs.one
    join companies as other on other.number = pairs.other
  )

  select
    id,
    other_id,
    crm_private.duplicate_score('company', false, false, same_domain, name_similarity),
    crm_private.duplicate_reasons(false, false, same_domain, name_similarity)
  from compared
  where crm_private.duplicate_score('company', false, false, same_domain, name_similarity)
    >= p_min_score;
$$;

comment on function crm_private.company_links(double precision) is
  'The pairs of companies that may be one.';

revoke all on function crm_private.company_links(double precision) from public;
grant execute on function crm_private.company_links(double precision) to crm_reader;
--! EndIncluded functions/duplicates/company_links.sql
--! Included functions/duplicates/compare_contacts.sql
/*
 * What two contacts have in common, as a candidate for the first one. Addresses are compared without
 * regard to case, domains only if they belong to somebody.
 */
create or replace function crm_private.compare_contacts(contact crm.contacts, other crm.contacts)
returns setof crm.duplicate
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select candidate.*
  from (
    select
      (
        select min(crm_private.plain_email(mine))
        from unnest(contact.emails) as mine
        join unnest(other.emails) as theirs
          on crm_private.plain_email(theirs) = crm_private.plain_email(mine)
      ) as email,
      (
        select min(mine)
        from unnest(contact.phones) as mine
        join unnest(other.phones) as theirs
          on crm_private.same_phone(
            crm_private.phone_number(mine, (select crm_private.default_country())),
            crm_private.phone_number(theirs, (select crm_private.default_country()))
          )
      ) as phone,
      (
        select min(split_part(crm_private.plain_email(mine), '@', 2))
        from unnest(contact.emails) as mine
        join unnest(other.emails) as theirs
          on split_part(crm_private.plain_email(theirs), '@', 2)
            = split_part(crm_private.plain_email(mine), '@', 2)
        where split_part(crm_private.plain_email(mine), '@', 2)
          <> all (crm_private.shared_domains())
      ) as domain,
      crm_private.name_similarity(
        crm_private.plain_name(contact.first_name || ' ' || contact.last_name),
        crm_private.plain_name(other.first_name || ' ' || other.last_name)
      ) as name_similarity
  ) as common
  cross join lateral crm_private.duplicate(
    'contact', other.id, common.email, common.phone, common.domain, common.name_similarity
  ) as candidate;
$$;

comment on function crm_private.compare_contacts(crm.contacts, crm.contacts) is
  'What two contacts have in common.';

revoke all on function crm_private.compare_contacts(crm.contacts, crm.contacts) from public;
grant execute on function crm_private.compare_contacts(crm.contacts, crm.contacts) to crm_reader;
--! EndIncluded functions/duplicates/compare_contacts.sql
--! Included functions/duplicates/contact_links.sql
/*
 * The pairs of contacts that may be one person, out of all contacts, with a score that reaches the
 * least one. Called by crm.duplicate_groups.
 *
 * Contacts are put in line, by name, for each key that they share: their name, an address, a number, or
 * the beginning or end of their name together with a domain that at most a thousand contacts have. Of
 * up to five who share one each is compared with each; of more, each with the next. So the work grows
 * with the number of contacts, however many share a key, and a hundred copies of one contact still
 * hang together, neighbour by neighbour.
 *
 * Contacts are numbered and keys hashed, because most of the work is sorting.
 */
create or replace function crm_private.contact_links(p_min_score double precision)
returns table (id uuid, other_id uuid, score double precision, reasons text[])
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
-- Joined as written: how many pairs there will be is beyond the planner. Sorted in memory, mostly.
set join_collapse_limit = 1
set work_mem = '16MB'
as $$
  with contacts as materialized (
    select
      row_number() over (
        order by contact.last_name collate "C", contact.first_name collate "C"
      )::integer as number,
      contact.id,
      contact.match_keys
    from crm.contacts as contact
  ),
  keys as materialized (
    select number, left(key, 1)::"char" as kind, hashtextextended(key, 0) as key
    from contacts
    cross join lateral unnest(match_keys) as key
    where not starts_with(key, 'domain:')
      or substr(key, 8) <> all (crm_private.shared_domains())
  ),
  domains as (
    select number, key
    from (
      select number, key, count(*) over (partition by key) as contacts
      from keys
      where kind = 'd'
    ) as domain
    where contacts between 2 and 1000
  ),
  lines as (
    select
      number,
      kind,
      array[
        lead(number, 1) over line,
        case when contacts <= 5 then lead(number, 2) over line end,
        case when contacts <= 5 then lead(number, 3) over line end,
        case when contacts <= 5 then lead(number, 4) over line end
      ] as neighbours
    from (
      select
        *,
        count(*) over (
          partition by key order by number
          rows between unbounded preceding and unbounded following
        ) as contacts
      from (
        select number, kind, key from keys where kind in ('n', 'e', 'p')
        union all
        select number, 'd', domains.key # ending.key
        from domains
        join keys as ending using (number)
        where ending.kind in ('h', 't')
      ) as keyed
    ) as counted
    where contacts > 1
    window line as (partition by key order by number)
  ),
  pairs as materialized (
    select number as one, neighbour as other, bool_or(kind = 'p') as maybe_same_phone
    from lines
    cross join lateral unnest(neighbours) as neighbour
    where neighbour > number
    group by 1, 2
  ),
  members as materialized (
    select
      contacts.number,
      contact.id,
      contact.phones,
      plain.name,
      crm_private.name_skeleton(plain.name) as skeleton,
      addresses.emails,
      string_to_array(
        regexp_replace(array_to_string(addresses.emails, ' '), '[^ ]*@', '', 'g'), ' '
      ) as domains
    from (select one as number from pairs union select other from pairs) as paired
    join contacts using (number)
    join crm.contacts as contact on contact.id = contacts.id
    cross join lateral (
      select
        crm_private.plain_name(contact.first_name || ' ' || contact.last_name) collate "C"
      offset 0
    ) as plain (name)
    cross join lateral (
      select array(select crm_private.plain_email(email) from unnest(contact.emails) as email)
      offset 0
    ) as addresses (emails)
  ),
  compared as materialized (
    select *
    from (
      select
        pairs.*,
        one.emails && other.emails as same_email,
        one.domains && other.domains as maybe_same_domain,
        crm_private.name_likeness(
          one.name, other.name, one.skeleton, other.skeleton
        ) as name_similarity
      from pairs
      join members as one on one.number = pairs.one
      join members as other on other.number = pairs.other
      offset 0
    ) as pair
    -- Rounding may lift a score by half a thousandth.
    where crm_private.duplicate_doubt(
      'contact', same_email, maybe_same_phone, maybe_same_domain, name_similarity
    ) < 1.001 - p_min_score
  ),
  -- A number that needs more than its end compared, and whose domain it is, are looked at only where
  -- they can tip the balance.
  judged as materialized (
    select
      one.id,
      other.id as other_id,
      same_email,
      maybe_same_phone and exists (
        select
        from unnest(one.phones) as phone
        join unnest(other.phones) as other_phone on crm_private.same_phone(
          crm_private.phone_number(phone, (select crm_private.default_country())),
          crm_private.phone_number(other_phone, (select crm_private.default_country()))
        )
      ) as same_phone,
      maybe_same_domain and exists (
        select
        from unnest(one.domains) as domain
        where domain = any (other.domains)
          and domain <> all (crm_private.shared_domains())
      ) as same_domain,
      name_similarity
    from compared
    join members as one on one.number = compared.one
    join members as other on other.number = compared.other
  )

  select id, other_id, scored.score, scored.reasons
  from judged
  cross join lateral (
    select
      crm_private.duplicate_score(
        'contact', same_email, same_phone, same_domain, name_similarity
      ),
      crm_private.duplicate_reasons(same_email, same_phone, same_domain, name_similarity)
    offset 0
  ) as scored (score, reasons)
  where scored.score >= p_min_score;
$$;

comment on function crm_private.contact_links(double precision) is
  'The pairs of contacts that may be one person.';

revoke all on function crm_private.contact_links(double precision) from public;
grant execute on function crm_private.contact_links(double precision) to crm_reader;
--! EndIncluded functions/duplicates/contact_links.sql
--! Included functions/duplicates/contacts_duplicates.sql
/*
 * The contacts that may be the same person as one: GraphQL's field duplicates. The index
 * contacts_match_keys finds those that share a key, and these are compared. A domain alone is no
 * key, because it leads to all colleagues.
 *
 * Of each key 1,000 contacts are looked at, so that it takes no longer where more share one; keys that say
 * much, such as an address, are shared by few. Only those that can reach the score are compared in full:
 * if nothing but a domain is added to their key and their name.
 */
create or replace function crm.contacts_duplicates(
  record    crm.contacts,
  min_score double precision default 0.3
)
returns setof crm.duplicate
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  with mine as materialized (
    select crm_private.plain_name(record.first_name || ' ' || record.last_name) as name
  ),
  candidates as materialized (
    select distinct candidate.id
    from unnest(
      crm_private.contact_keys(record.first_name, record.last_name, record.emails, record.phones)
    ) as key
    cross join lateral (
      select
        other.id,
        crm_private.plain_name(other.first_name || ' ' || other.last_name) as name
      from crm.contacts as other
      where other.match_keys && array[key]
        and other.id <> record.id
      limit 1000
    ) as candidate
    where not starts_with(key, 'domain:')
      and (
        starts_with(key, 'email:')
        or starts_with(key, 'phone:')
        or starts_with(key, 'name:')
        or crm_private.duplicate_doubt(
          'contact', false, false, true,
          extensions.similarity(candidate.name, (select name from mine))
        ) < 1.001 - coalesce(min_score, 0.3)
      )
  )

  select duplicate.*
  from candidates
  join crm.contacts as other using (id)
  cross join lateral crm_private.compare_contacts(record, other) as duplicate
  where duplicate.score >= coalesce(min_score, 0.3)
  order by duplicate.score desc, duplicate.entity_id;
$$;

comment on function crm.contacts_duplicates(crm.contacts, double precision) is
  'The contacts that may be the same person, the likeliest first.';

revoke all on function crm.contacts_duplicates(crm.contacts, double precision) from public;
grant execute on function crm.contacts_duplicates(crm.contacts, double precision) to crm_reader;
--! EndIncluded functions/duplicates/contacts_duplicates.sql
--! Included functions/bulk/collect_faults.sql
/*
 * The faults of the rows that this transaction's bulk write found faulty, with the place of each in
 * the input, or the id where it was an update; forgets the rows. Called by crm_private.attempt_rows.
 *
 * Security definer, because rules are asked of the catalog and of referenced rows, and because nobody
 * may read or write what is noted. It tells of rows only that the caller has tried to write.
 */
create or replace function crm_private.collect_faults(p_table regclass)
returns table (place integer, id uuid, code text, fields jsonb)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_places integer[];
  v_items  jsonb[];
begin
  with taken as (
    delete from crm_private.faulty_rows
    where transaction_id = pg_current_xact_id()::text::bigint
    returning number, place, item
  )
  select array_agg(taken.place order by taken.number), array_agg(taken.item order by taken.number)
  into v_places, v_items
  from taken;

  if v_items is null then
    return;
  end if;

  return query
    select
      v_places[listed.place],
      (v_items[listed.place] ->> 'id')::uuid,
      case
        when bool_and(listed.kinds <@ '{reference}') then 'CONSTRAINT_VIOLATION'
        else 'VALIDATION_ERROR'
      end,
      jsonb_object_agg(listed.field, listed.messages)
    from (
      select
        fault.place,
        fault.field,
        jsonb_agg(fault.message order by fault.ordinal) as messages,
        array_agg(fault.kind) as kinds
      from crm_private.row_faults(p_table, v_items) with ordinality as fault (
        place, field, message, constraint_name, column_name, kind, ordinal
      )
      group by fault.place, fault.field
    ) as listed
    group by listed.place;
end
$$;

comment on function crm_private.collect_faults(regclass) is
  'The faults of the rows that a bulk write of this transaction found faulty.';

revoke all on function crm_private.collect_faults(regclass) from public;
grant execute on function crm_private.collect_faults(regclass) to crm_member;
--! EndIncluded functions/bulk/collect_faults.sql
--! Included functions/undo/cascaded_deletions.sql
/*
 * The audit log entries that a deletion made, its own among them: the rows that were deleted with
 * the row and with these, the links to them that were set to null, and for the definition of a custom
 * field the values that were removed. What the transaction had done before, and what it did to
 * other rows, is not among them.
 *
 * Runs with the caller's rights: of a deletion by somebody else only administrators see the entries.
 */
create or replace function crm_private.cascaded_deletions(
  p_transaction_id bigint,
  p_entry_id       bigint,
  p_entity_type    text,
  p_entity_id      uuid,
  p_changes        jsonb
)
returns table (id bigint, action text)
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  with recursive entries as materialized (
    select log.id, log.entity_type, log.entity_id, log.action, log.changes
    from crm.audit_logs as log
    where log.transaction_id = p_transaction_id
      and log.action <> 'create'
      -- A deletion is logged before what it takes, a definition's after the values.
      and (log.id > p_entry_id or p_entity_type = 'custom_field_definition')
      and (
        crm_private.takes_others(p_entity_type) or p_entity_type = 'custom_field_definition'
      )
  ),
  gone (id, entity_id) as (
    select p_entry_id, p_entity_id
    union
    select entries.id, entries.entity_id
    from gone
    join entries
      on entries.action = 'delete'
      and crm_private.cascade_parent(entries.entity_type, entries.changes) = gone.entity_id
      and entries.id > gone.id
  )
  select gone.id, 'delete'
  from gone

  union all

  select entries.id, 'update'
  from gone
  join entries
    on entries.action = 'update'
    and crm_private.cleared_reference(entries.entity_type, entries.changes) = gone.entity_id
    and entries.id > gone.id

  union all

  select entries.id, 'update'
  from entries
  where p_entity_type = 'custom_field_definition'
    and entries.action = 'update'
    and entries.id < p_entry_id
    and entries.entity_type = p_changes ->> 'entity_type'
    and entries.changes #> array['custom_fields.' || (p_changes ->> 'name'), 'new'] = 'null';
$$;

comment on function crm_private.cascaded_deletions(bigint, bigint, text, uuid, jsonb) is
  'The entries that a deletion made: its own, and those of what went with it.';

revoke all on function crm_private.cascaded_deletions(bigint, bigint, text, uuid, jsonb) from public;
grant execute on function crm_private.cascaded_deletions(bigint, bigint, text, uuid, jsonb) to crm_member;
--! EndIncluded functions/undo/cascaded_deletions.sql
--! Included functions/custom_fields/texts.sql
/* The texts of a JSON list, in order; null for what is no list. The value of a multi_enum field. */
create or replace function crm_private.texts(value jsonb)
returns text[]
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select case
    when jsonb_typeof(value) = 'array' then array(select jsonb_array_elements_text(value))
  end;
$$;

comment on function crm_private.texts(jsonb) is
  'The texts of a JSON list; null for what is no list.';

revoke all on function crm_private.texts(jsonb) from public;
grant execute on function crm_private.texts(jsonb) to crm_reader;
--! EndIncluded functions/custom_fields/texts.sql
--! Included functions/custom_fields/custom_field_value.sql
/*
 * The value of one custom field as an SQL expression of the field's type over p_source, which names
 * the custom fields of a row: null where the field has no value. Immutable, so that an index can have
 * it; what the field's typed function and its index share, so that a query by one is answered by the
 * other.
 *
 * Rows keep their definitions, but the build of an index also reads versions of rows that are dead by
 * now, of a time when the field had another type: what is not of the type has no value.
 */
create or replace function crm_private.custom_field_value(
  p_definition crm.custom_field_definitions,
  p_source     text default 'custom_fields'
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format(
    case p_definition.field_type
      when 'number' then
        'case when jsonb_typeof(%2$s -> %1$L) = ''number'' then (%2$s -> %1$L)::numeric end'
      when 'boolean' then
        'case when jsonb_typeof(%2$s -> %1$L) = ''boolean'' then (%2$s -> %1$L)::boolean end'
      -- The cast of a text to a date depends on the session; this does not.
      when 'date' then
        'case when %2$s ->> %1$L ~ ''^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$'' '
        'then make_date('
        'left(%2$s ->> %1$L, 4)::integer, '
        'substr(%2$s ->> %1$L, 6, 2)::integer, '
        'right(%2$s ->> %1$L, 2)::integer) end'
      when 'multi_enum' then 'crm_private.texts(%2$s -> %1$L)'
      else '%2$s ->> %1$L'
    end,
    p_definition.name,
    p_source
  );
$$;

comment on function crm_private.custom_field_value(crm.custom_field_definitions, text) is
  'The value of a custom field as an SQL expression over custom_fields, of the type of the field.';

revoke all on function crm_private.custom_field_value(crm.custom_field_definitions, text)
  from public;
--! EndIncluded functions/custom_fields/custom_field_value.sql
--! Included functions/custom_fields/compile_custom_field_functions.sql
/*
 * Makes a function of each custom field of an entity type: crm_custom.deals_product(deal) is the value
 * of product, of the field's type. The API serves it as a field of deals, and SQL may call it; the
 * planner puts its expression in place of the call, so it costs nothing and an index on the
 * expression serves it. Called when the definitions of the type change.
 *
 * The functions stand in a schema of their own, so that none can take the name of one of ours. One that
 * is used by somebody's view cannot go: refused, rather than dropping the view, too.
 */
create or replace function crm_private.compile_custom_field_functions(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '3s'
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_table       regclass := crm_private.entity_table(p_entity_type);
  v_definitions crm.custom_field_definitions[] := array(
    select definition
    from crm.custom_field_definitions as definition
    where definition.entity_type = p_entity_type
  );
  v_wanted      jsonb;
  v_gone        text;
begin
  select coalesce(
    jsonb_object_agg(
      format('crm_custom.%I(%s)', listed.function_name, v_table),
      jsonb_build_array(
        listed.type,
        format(
          'create or replace function crm_custom.%I(%I %s) returns %s '
          'language sql immutable parallel safe as %L',
          listed.function_name, p_entity_type, v_table, listed.type,
          'select ' || crm_private.custom_field_value(
            listed.definition, format('(%I).custom_fields', p_entity_type)
          )
        ),
        listed.comment
      )
    ),
    '{}'
  )
  into v_wanted
  from (
    select
      definition,
      case
        when length(prefix || definition.name) <= 63 then prefix || definition.name
        else left(prefix || definition.name, 54) || '_' || left(md5(definition.name), 8)
      end as function_name,
      case definition.field_type
        when 'number' then 'numeric' when 'date' then 'date' when 'boolean' then 'boolean'
        when 'multi_enum' then 'text[]' else 'text'
      end as type,
      format(
        E'@name custom_%s%s\n@fieldName %s\n@customField %s\n%sThe custom field "%s". %sA value %s.%s',
        prefix,
        named.field_name,
        named.field_name,
        definition.name,
        case
          when definition.enum_values is not null then format(E'@choicesOf %s\n', p_entity_type)
        end,
        definition.label,
        definition.description || E'\n\n',
        (
          select string_agg(rule.message, ', ' order by rule.ordinal)
          from crm_private.custom_field_rules(definition) as rule
        ),
        case when definition.required then format(' Every %s has one.', p_entity_type) else '' end
      ) as comment
    from unnest(v_definitions) as definition
    join crm_private.custom_field_names(v_definitions) as named
      on named.definition_id = definition.id
    cross join (
      select relname || '_' from pg_class where oid = v_table
    ) as tables (prefix)
  ) as listed;

  -- What is there and is not wanted any more, or returns another type now.
  select string_agg(present.signature, ', ' order by present.signature)
  into v_gone
  from (
    select
      format('crm_custom.%I(%s)', proc.proname, v_table) as signature,
      format_type(proc.prorettype, null) as type
    from pg_proc as proc
    where proc.pronamespace = 'crm_custom'::regnamespace
      and proc.proargtypes[0] = (select reltype from pg_class where oid = v_table)
  ) as present
  where v_wanted -> present.signature ->> 0 is distinct from present.type;

  if v_gone is not null then
    begin
      execute 'drop function ' || v_gone;
    exception when dependent_objects_still_exist then
      raise exception 'functions that something depends on cannot go: %', v_gone
        using errcode    = 'check_violation',
              schema     = 'crm', table = 'custom_field_definitions',
              column     = 'name',
              constraint = 'custom_field_definitions_function_used',
              detail     = jsonb_build_object(
                             'name',
                             jsonb_build_array(format('makes %s, which something uses', v_gone))
                           )::text,
              hint       = 'Drop what uses it first, and make it again afterwards.';
    end;
  end if;

  if v_wanted = '{}' then
    return;
  end if;

  execute (
    select string_agg(
      format(
        '%1$s; comment on function %2$s is %3$L; '
        'revoke all on function %2$s from public; '
        'grant execute on function %2$s to crm_reader',
        wanted.item ->> 1, wanted.signature, wanted.item ->> 2
      ),
      '; '
    )
    from jsonb_each(v_wanted) as wanted (signature, item)
  );
end
$$;

comment on function crm_private.compile_custom_field_functions(text) is
  'Makes a typed function of each custom field of an entity type.';

revoke all on function crm_private.compile_custom_field_functions(text) from public;
--! EndIncluded functions/custom_fields/compile_custom_field_functions.sql
--! Included functions/custom_fields/allow_definitions.sql
/*
 * Lets the entity types that have custom fields have definitions, and no others: makes the constraint
 * custom_field_definitions_entity_type_known of the catalogue, with its message.
 */
create or replace function crm_private.allow_definitions()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statement is made of quoted values; that it is cannot be told.
-- @plpgsql_check_options: security_warnings = off
declare
  v_types text[] := (
    select array_agg(entity_type order by restore_order) from crm_private.entity_types
    where has_custom_fields
  );
begin
  execute format(
    'alter table crm.custom_field_definitions
       drop constraint custom_field_definitions_entity_type_known,
       add constraint custom_field_definitions_entity_type_known check (
         entity_type = any (array[%s])
       )',
    (
      select string_agg(quote_literal(name), ', ' order by place)
      from unnest(v_types) with ordinality as type (name, place)
    )
  );
  execute format(
    'comment on constraint custom_field_definitions_entity_type_known on crm.custom_field_definitions is %L',
    '%s is not one of ' || array_to_string(v_types, ', ')
  );
  perform crm_private.compile_rules('crm.custom_field_definitions');
end
$$;

comment on function crm_private.allow_definitions() is
  'Lets the entity types that have custom fields have definitions.';

revoke all on function crm_private.allow_definitions() from public;
--! EndIncluded functions/custom_fields/allow_definitions.sql
--! Included functions/custom_fields/compile_custom_field_trigger.sql
/*
 * Binds custom fields to a table: makes the trigger that removes those that are set to null and merges
 * those that are to be merged.
 */
create or replace function crm_private.compile_custom_field_trigger(p_table regclass)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format(
    $trigger$
create or replace trigger _100_normalise_custom_fields
  before insert or update on %s
  for each row when (
    new.custom_fields ? '$merge'
    or jsonb_path_exists(new.custom_fields, 'strict $.* ? (@ == null)', silent => true)
  )
  execute function crm_private.normalise_custom_fields()
    $trigger$,
    p_table
  );
end
$$;

comment on function crm_private.compile_custom_field_trigger(regclass) is
  'Makes the trigger that normalises the custom fields of a table''s rows.';

revoke all on function crm_private.compile_custom_field_trigger(regclass) from public;
--! EndIncluded functions/custom_fields/compile_custom_field_trigger.sql
--! Included functions/custom_fields/compile_custom_fields.sql
/*
 * Compiles the definitions of an entity type into crm_private.<table>_custom_fields_hold, which
 * the validation of a row asks: it is checked without reading a definition; into the trigger
 * that gives new rows their defaults, the constraints of unique fields, a function of each field, and
 * the columns of its report. Called when the definitions of the type change; the caller has stopped
 * writers of the table.
 *
 * Members that are null never reach it: _100_normalise removes them before.
 *
 * Security definer: what it makes belongs to the owner, whoever calls it, such as a superuser who has
 * loaded data.
 */
create or replace function crm_private.compile_custom_fields(p_entity_type text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_function text := format(
    'crm_private.%I',
    (select relname from pg_class where oid = crm_private.entity_table(p_entity_type))
      || '_custom_fields_hold'
  );
begin
  execute (
    select format(
      'create or replace function %s(custom_fields jsonb) returns boolean language plpgsql '
      'immutable parallel safe set search_path = pg_catalog, pg_temp as %L',
      v_function,
      format(
        'begin
           return case
             when custom_fields = ''{}'' then %s
             when jsonb_typeof(custom_fields) = ''object''
             then custom_fields - %L::text[] = ''{}'' %s
           end;
         end',
        (not coalesce(bool_or(d.required), false))::text,
        coalesce(array_agg(d.name order by d.name), '{}'),
        string_agg(
          format(
            'and coalesce(%s, %s)', crm_private.custom_field_condition(d), (not d.required)::text
          ),
          E'\n' order by d.name
        )
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

  perform crm_private.compile_defaults(p_entity_type);
  perform crm_private.compile_unique(p_entity_type);
  perform crm_private.compile_custom_field_functions(p_entity_type);
  perform crm_private.compile_report(p_entity_type);
end
$$;

comment on function crm_private.compile_custom_fields(text) is
  'Compiles the definitions of an entity type into the check, the defaults and the unique keys of '
  'its rows, into its functions and into its report.';

revoke all on function crm_private.compile_custom_fields(text) from public;
--! EndIncluded functions/custom_fields/compile_custom_fields.sql
--! Included functions/custom_fields/custom_field_index_statement.sql
/*
 * The statement that makes the index of a custom field, over the very expression that the field's
 * function returns; p_option is nothing or concurrently.
 *
 * A B-tree with the id behind the value, so that a page sorted by the field is read from it. Its
 * entries are limited to 2,704 bytes, which a text may exceed, and then it would make a write fail:
 * a text has one where its definition has a max_length that cannot exceed it, 500 characters of four
 * bytes. SP-GiST takes texts of any length, and finds by the whole value or its beginning, but in no
 * order. Of several values GIN has each.
 */
create or replace function crm_private.custom_field_index_statement(
  p_definition crm.custom_field_definitions,
  p_option     text default ''
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format(
    case
      when p_definition.field_type = 'multi_enum' then 'create index %s %I on %s using gin ((%s))'
      when p_definition.field_type = 'text' and coalesce(p_definition.max_length > 500, true)
        then 'create index %s %I on %s using spgist ((%s))'
      else 'create index %s %I on %s using btree ((%s), id)'
    end,
    p_option,
    crm_private.custom_field_index_name(p_definition),
    crm_private.entity_table(p_definition.entity_type),
    crm_private.custom_field_value(p_definition)
  );
$$;

comment on function crm_private.custom_field_index_statement(crm.custom_field_definitions, text) is
  'The statement that makes the index of a custom field.';

revoke all on function crm_private.custom_field_index_statement(crm.custom_field_definitions, text)
  from public;
--! EndIncluded functions/custom_fields/custom_field_index_statement.sql
--! Included functions/settings/trash_retention_days.sql
/* The setting. Security definer: the table of settings is the owner's. */
create or replace function crm_private.trash_retention_days()
returns integer
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select trash_retention_days from crm_private.settings;
$$;

comment on function crm_private.trash_retention_days() is
  'What crm.trash_retention_days calls, with the rights of the owner.';

revoke all on function crm_private.trash_retention_days() from public;
grant execute on function crm_private.trash_retention_days() to crm_reader;

create or replace function crm.trash_retention_days()
returns integer
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.trash_retention_days();
$$;

comment on function crm.trash_retention_days() is
  'For how many days what was deleted can be restored; then the server purges it. Null if it is '
  'kept until somebody purges it.';

revoke all on function crm.trash_retention_days() from public;
grant execute on function crm.trash_retention_days() to crm_reader;
--! EndIncluded functions/settings/trash_retention_days.sql
--! Included functions/erasure/purge_trash.sql
/*
 * Ends the restorability of what was deleted long enough ago; the setting says how long, if nothing is
 * given. Gives the number of deletions. Refuses a negative time.
 *
 * Security definer: nobody but the owner of the audit log may change it.
 */
create or replace function crm_private.purge_trash(older_than interval default null)
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_older_than interval := coalesce(
    older_than, make_interval(days => crm.trash_retention_days())
  );
begin
  perform crm_private.caller_is_authenticated();

  if v_older_than < interval '0' then
    raise exception 'purge_trash: older_than must not be negative'
      using errcode    = 'check_violation',
            schema     = 'crm', column = 'older_than',
            constraint = 'purge_trash_older_than_range',
            detail     = '{"olderThan": ["must not be negative"]}';
  end if;

  return crm_private.purge_deletions(clock_timestamp() - v_older_than);
end
$$;

comment on function crm_private.purge_trash(interval) is
  'What crm.purge_trash calls, with the rights of the owner.';

revoke all on function crm_private.purge_trash(interval) from public;
grant execute on function crm_private.purge_trash(interval) to crm_admin;

create or replace function crm.purge_trash(older_than interval default null)
returns integer
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.purge_trash(older_than);
$$;

comment on function crm.purge_trash(interval) is
  'Ends the restorability of what was deleted longer ago than this, or than trashRetentionDays if '
  'nothing is given: takes the values out of the entries for good, and leaves who deleted what, and '
  'when. Gives the number of deletions. For administrators.';

revoke all on function crm.purge_trash(interval) from public;
grant execute on function crm.purge_trash(interval) to crm_admin;
--! EndIncluded functions/erasure/purge_trash.sql
--! Included functions/undo/undo_entry.sql
/*
 * Undoes what one audit log entry did to its row.
 *
 * Security definer: it reads the whole of the audit log, and brings back rows under their own ids, which no
 * role may write. crm_private.carry_out_reversal checks that the caller could do by hand what it does.
 */
create or replace function crm_private.undo_entry(entry_id bigint, on_conflict crm.conflict_resolution default 'REFUSE')
returns crm.reversal
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_transaction_id bigint := (
    select log.transaction_id from crm.audit_logs as log where log.id = entry_id
  );
begin
  perform crm_private.caller_is_authenticated();

  perform crm_private.refuse_null('entryId', entry_id::text);

  if v_transaction_id is null then
    perform crm_private.refuse_missing('audit_log', entry_id::text);
  end if;

  perform crm_private.plan_reversal(v_transaction_id, array[entry_id], '{}', 'entryId');
  return crm_private.carry_out_reversal(coalesce(on_conflict, 'REFUSE'));
end
$$;

comment on function crm_private.undo_entry(bigint, crm.conflict_resolution) is
  'What crm.undo_entry calls, with the rights of the owner.';

revoke all on function crm_private.undo_entry(bigint, crm.conflict_resolution) from public;
grant execute on function crm_private.undo_entry(bigint, crm.conflict_resolution) to crm_member;

create or replace function crm.undo_entry(entry_id bigint, on_conflict crm.conflict_resolution default 'REFUSE')
returns crm.reversal
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.undo_entry(entry_id, on_conflict);
$$;

comment on function crm.undo_entry(bigint, crm.conflict_resolution) is
  'Undoes one audit log entry: what it changed is put back, a row that it deleted is brought back, '
  'one that it created is deleted. Undoing is a change like others and can be undone. Where something was '
  'changed since, onConflict decides: nothing is done and the code is CONFLICT; or that is '
  'left as it is and reported in kept; or administrators overwrite it.';

revoke all on function crm.undo_entry(bigint, crm.conflict_resolution) from public;
grant execute on function crm.undo_entry(bigint, crm.conflict_resolution) to crm_member;
--! EndIncluded functions/undo/undo_entry.sql
--! Included functions/undo/undo_field.sql
/*
 * Puts a field back to the value that it had before an audit log entry. It is expected to have
 * still the value that it had after that entry. Nothing is done if it has the right value already. A
 * custom field that was renamed since is the same under either name.
 *
 * Security definer: it reads the whole of the audit log. crm_private.carry_out_reversal checks that the caller
 * could do by hand what it does.
 */
create or replace function crm_private.undo_field(
  entity_type text,
  entity_id   uuid,
  field       text,
  entry_id    bigint,
  on_conflict crm.conflict_resolution default 'REFUSE'
)
returns crm.reversal
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_xid    bigint := pg_current_xact_id()::text::bigint;
  v_field  text   := crm_private.logged_field(entity_type, field);
  v_names  text[];
  v_action text;
  v_told   record;
begin
  perform crm_private.caller_is_authenticated();

  if not crm_private.is_reversible(entity_type) then
    perform crm_private.refuse_argument(
      'entityType',
      crm_private.fault_message(
        '%s is not one of contact, company, deal, task, note, custom_field_definition, '
        'pipeline_stage, exchange_rate',
        to_jsonb(entity_type)
      ),
      'audit_logs_entity_type_known'
    );
  end if;

  -- What is read here must not be brought back after it was erased.
  perform crm_private.refuse_old_snapshot('an undo');
  lock table crm_private.erasure_lock in access share mode;

  perform
    crm_private.refuse_null('entityId', entity_id::text),
    crm_private.refuse_null('entryId', entry_id::text);

  select log.action into v_action
  from crm.audit_logs as log
  where log.entity_id = undo_field.entity_id
    and log.entity_type = undo_field.entity_type
    and log.id = undo_field.entry_id;

  if v_action is null then
    perform crm_private.refuse_missing('audit_log', entry_id::text);
  elsif v_action <> 'update' then
    perform crm_private.refuse_argument(
      'entryId',
      case v_action
        when 'create' then 'created the row, which had no value before'
        else 'deleted the row, which has to be restored first'
      end,
      'audit_logs_action_update'
    );
  end if;

  if not has_column_privilege(
      'crm_admin', crm_private.entity_table(entity_type), split_part(v_field, '.', 1), 'update'
    )
  then
    perform crm_private.refuse_argument(
      'field', 'follows from other fields and cannot be undone by itself', 'undo_field_field_written'
    );
  end if;

  if exists (
    select from crm.audit_logs as log
    where log.entity_id = undo_field.entity_id
      and log.entity_type = undo_field.entity_type
      and log.id >= undo_field.entry_id
      and log.erased_at is not null
  ) then
    perform crm_private.refuse_argument(
      'entryId', 'has values that have been erased for good', 'audit_logs_changes_erased'
    );
  end if;

  v_names := array[v_field];
  if v_field like 'custom\_fields.%' then
    v_names := v_names || array(
      select 'custom_fields.' || called.name
      from (
        select definition.id, definition.name
        from crm.custom_field_definitions as definition
        where definition.entity_type = undo_field.entity_type
          and substr(v_field, 15) in (
            definition.name,
            crm_private.name_as_of(
              'custom_field_definition', definition.id, definition.name, undo_field.entry_id
            )
          )
      ) as definition
      cross join lateral (
        select definition.name
        union
        select log.changes #>> '{name,old}'
        from crm.audit_logs as log
        where log.entity_id = definition.id
          and log.entity_type = 'custom_field_definition'
          and log.action = 'update'
          and log.changes ? 'name'
      ) as called
    );
  end if;

  -- The first change from that entry on tells what the field was before it. A mere change of its name is
  -- none.
  select
    (array_agg(coalesce(told.old, 'null') order by told.id))[1] as before,
    (array_agg(
      coalesce(case told.id when undo_field.entry_id then told.new else told.old end, 'null')
      order by told.id
    ))[1] as after,
    jsonb_agg(told.id order by told.id) as ids
  into v_told
  from (
    select
      log.id,
      (array_agg(nullif(log.changes #> array[name, 'old'], 'null'))
        filter (where log.changes #> array[name, 'old'] <> 'null'))[1] as old,
      (array_agg(nullif(log.changes #> array[name, 'new'], 'null'))
        filter (where log.changes #> array[name, 'new'] <> 'null'))[1] as new
    from crm.audit_logs as log
    cross join unnest(v_names) as name
    where log.entity_id = undo_field.entity_id
      and log.entity_type = undo_field.entity_type
      and log.id >= undo_field.entry_id
      and log.action = 'update'
      and log.changes ? name
    group by log.id
  ) as told
  where told.old is distinct from told.new;

  if v_told.ids is not null then
    insert into crm_private.reversals
      (transaction_id, entity_type, entity_id, before, after, undoes)
    values (
      v_xid,
      undo_field.entity_type,
      undo_field.entity_id,
      jsonb_build_object(v_field, v_told.before),
      jsonb_build_object(v_field, v_told.after),
      jsonb_build_object('field', v_field, 'entries', v_told.ids)
    );
  end if;

  return crm_private.carry_out_reversal(coalesce(on_conflict, 'REFUSE'));
end
$$;

comment on function crm_private.undo_field(text, uuid, text, bigint, crm.conflict_resolution) is
  'What crm.undo_field calls, with the rights of the owner.';

revoke all on function crm_private.undo_field(text, uuid, text, bigint, crm.conflict_resolution) from public;
grant execute on function crm_private.undo_field(text, uuid, text, bigint, crm.conflict_resolution) to crm_member;

create or replace function crm.undo_field(
  entity_type text,
  entity_id   uuid,
  field       text,
  entry_id    bigint,
  on_conflict crm.conflict_resolution default 'REFUSE'
)
returns crm.reversal
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.undo_field(entity_type, entity_id, field, entry_id, on_conflict);
$$;

comment on function crm.undo_field(text, uuid, text, bigint, crm.conflict_resolution) is
  'Puts a field of a row back to the value that it had before an audit log entry. A custom field is '
  'customFields.<name>. Undoing is a change like others and can be undone. Where the field was changed '
  'since, onConflict decides: nothing is done and the code is CONFLICT; or that is '
  'left as it is and reported in kept; or administrators overwrite it.';

revoke all on function crm.undo_field(text, uuid, text, bigint, crm.conflict_resolution) from public;
grant execute on function crm.undo_field(text, uuid, text, bigint, crm.conflict_resolution) to crm_member;
--! EndIncluded functions/undo/undo_field.sql
--! Included functions/undo/undo_transaction.sql
/*
 * Undoes everything that a transaction did, across entity types, all or nothing.
 *
 * Security definer: it reads the whole of the audit log, and brings back rows under their own ids, which no
 * role may write. crm_private.carry_out_reversal checks that the caller could do by hand what it does.
 */
create or replace function crm_private.undo_transaction(transaction_id bigint, on_conflict crm.conflict_resolution default 'REFUSE')
returns crm.reversal
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform crm_private.caller_is_authenticated();

  perform crm_private.refuse_null('transactionId', transaction_id::text);

  if not exists (
    select from crm.audit_logs as log
    where log.transaction_id = undo_transaction.transaction_id
  ) then
    perform crm_private.refuse_missing('transaction', transaction_id::text);
  end if;

  perform crm_private.plan_reversal(
    transaction_id, null, jsonb_build_object('transactionId', transaction_id), 'transactionId'
  );
  return crm_private.carry_out_reversal(coalesce(on_conflict, 'REFUSE'));
end
$$;

comment on function crm_private.undo_transaction(bigint, crm.conflict_resolution) is
  'What crm.undo_transaction calls, with the rights of the owner.';

revoke all on function crm_private.undo_transaction(bigint, crm.conflict_resolution) from public;
grant execute on function crm_private.undo_transaction(bigint, crm.conflict_resolution) to crm_member;

create or replace function crm.undo_transaction(transaction_id bigint, on_conflict crm.conflict_resolution default 'REFUSE')
returns crm.reversal
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.undo_transaction(transaction_id, on_conflict);
$$;

comment on function crm.undo_transaction(bigint, crm.conflict_resolution) is
  'Undoes everything that one transaction did, such as a bulk edit or an import: what it changed is put '
  'back, what it deleted is brought back, what it created is deleted. Undoing is a change like others '
  'and can be undone. Where something was changed since, onConflict decides: nothing is done and the '
  'code is CONFLICT; or that is left as it is and reported in kept, and the rest is undone; or '
  'administrators overwrite it.';

revoke all on function crm.undo_transaction(bigint, crm.conflict_resolution) from public;
grant execute on function crm.undo_transaction(bigint, crm.conflict_resolution) to crm_member;
--! EndIncluded functions/undo/undo_transaction.sql
--! Included functions/audit_log/unsealed_seconds.sql
/*
 * For how many seconds the oldest audit log entry has been waiting to be sealed; 0 if none is. It
 * grows where nobody seals, where somebody keeps others from it, and while a transaction that has
 * written goes on. Called by the metrics of the server, and by doctor.
 *
 * Security definer: crm_server has no rights of its own on the audit log.
 */
create or replace function crm_private.unsealed_seconds()
returns double precision
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    (
      select extract(epoch from clock_timestamp() - audit_log."timestamp")::double precision
      from crm.audit_logs as audit_log
      where audit_log.id > (select sealed_to from crm_private.audit_log_progress)
      order by audit_log.id
      limit 1
    ),
    0
  );
$$;

comment on function crm_private.unsealed_seconds() is
  'For how many seconds the oldest audit log entry has been waiting to be sealed.';

revoke all on function crm_private.unsealed_seconds() from public;
grant execute on function crm_private.unsealed_seconds() to crm_server;
--! EndIncluded functions/audit_log/unsealed_seconds.sql
--! Included functions/custom_fields/unindex_custom_field.sql
/*
 * Drops the index of a custom field, if there is one. Readers and writers of the entity wait until
 * the transaction ends; npx pgcrm field unindex does it without that.
 *
 * Security definer: only the owner of a table drops indexes of it.
 */
create or replace function crm_private.unindex_custom_field(entity_type text, name text)
returns crm.custom_field_definitions
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_definition crm.custom_field_definitions;
begin
  perform crm_private.caller_is_authenticated();

  perform crm_private.claim_definitions(p_alone => true);
  v_definition := crm_private.custom_field(entity_type, name);
  execute format(
    'drop index if exists crm.%I', crm_private.custom_field_index_name(v_definition)
  );

  return v_definition;
end
$$;

comment on function crm_private.unindex_custom_field(text, text) is
  'What crm.unindex_custom_field calls, with the rights of the owner.';

revoke all on function crm_private.unindex_custom_field(text, text) from public;
grant execute on function crm_private.unindex_custom_field(text, text) to crm_admin;

create or replace function crm.unindex_custom_field(entity_type text, name text)
returns crm.custom_field_definitions
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.unindex_custom_field(entity_type, name);
$$;

comment on function crm.unindex_custom_field(text, text) is
  'Drops the index on a custom field. Nothing is done if there is none. For administrators.';

revoke all on function crm.unindex_custom_field(text, text) from public;
grant execute on function crm.unindex_custom_field(text, text) to crm_admin;
--! EndIncluded functions/custom_fields/unindex_custom_field.sql
--! Included functions/merge/merged_values.sql
/*
 * The email addresses, or phone numbers, of several rows in one list: those of the first row as they
 * are, then what the others add, in order. Addresses are compared without regard to case, numbers by
 * what is dialled: a number with and without its country code or an extension stays twice, for whoever
 * knows which is right. p_lists is an array of arrays. Called where contacts are merged.
 */
create or replace function crm_private.merged_values(p_lists jsonb)
returns text[]
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(value order by row, position), '{}')
  from (
    select
      list.row,
      element.position,
      element.value,
      row_number() over (
        partition by case
          when strpos(element.value, '@') > 0 then crm_private.plain_email(element.value)
          else coalesce(
            nullif(crm_private.phone_number(element.value), ''), crm_private.fold(element.value)
          )
        end
        order by list.row, element.position
      ) as occurrence
    from jsonb_array_elements(p_lists) with ordinality as list (value, row)
    cross join lateral jsonb_array_elements_text(list.value) with ordinality
      as element (value, position)
  ) as listed
  where row = 1 or occurrence = 1;
$$;

comment on function crm_private.merged_values(jsonb) is
  'Lists of email addresses or phone numbers in one, without what is there already.';

revoke all on function crm_private.merged_values(jsonb) from public;
grant execute on function crm_private.merged_values(jsonb) to crm_member;
--! EndIncluded functions/merge/merged_values.sql
--! Included functions/merge/merged_custom_fields.sql
/* The custom fields of several rows in one object: of each, the value of the first row that has it. */
create or replace function crm_private.merged_custom_fields(p_objects jsonb[])
returns jsonb
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_object_agg(key, value), '{}')
  from (
    select distinct on (member.key) member.key, member.value
    from unnest(p_objects) with ordinality as object (value, rank)
    cross join lateral jsonb_each(object.value) as member
    order by member.key, object.rank
  ) as first;
$$;

comment on function crm_private.merged_custom_fields(jsonb[]) is
  'The custom fields of several rows in one object: of each, the first value.';

revoke all on function crm_private.merged_custom_fields(jsonb[]) from public;
grant execute on function crm_private.merged_custom_fields(jsonb[]) to crm_member;
--! EndIncluded functions/merge/merged_custom_fields.sql
--! Included functions/merge/merged_external_ids.sql
/*
 * The external ids of several rows in one list, in order. None is there twice, because no two rows
 * share one. p_lists is an array of arrays. Called where rows are merged.
 */
create or replace function crm_private.merged_external_ids(p_lists jsonb)
returns jsonb
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_agg(element.value order by list.row, element.position), '[]')
  from jsonb_array_elements(p_lists) with ordinality as list (value, row)
  cross join lateral jsonb_array_elements(list.value) with ordinality as element (value, position);
$$;

comment on function crm_private.merged_external_ids(jsonb) is
  'The external ids of several rows in one list.';

revoke all on function crm_private.merged_external_ids(jsonb) from public;
grant execute on function crm_private.merged_external_ids(jsonb) to crm_member;
--! EndIncluded functions/merge/merged_external_ids.sql
--! Included functions/merge/merged_lists.sql
/*
 * Several lists in one, as JSON: the elements of the first as they are, then what the others add, in
 * order. p_lists is an array of arrays; null, if it is null, says that no row has a list.
 */
create or replace function crm_private.merged_lists(p_lists jsonb)
returns jsonb
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_lists is not null then coalesce(jsonb_agg(value order by row, position), '[]')
  end
  from (
    select
      list.row,
      element.position,
      element.value,
      row_number() over (
        partition by element.value order by list.row, element.position
      ) as occurrence
    from jsonb_array_elements(p_lists) with ordinality as list (value, row)
    cross join lateral jsonb_array_elements(list.value) with ordinality
      as element (value, position)
  ) as listed
  where row = 1 or occurrence = 1;
$$;

comment on function crm_private.merged_lists(jsonb) is
  'Several lists in one, without what is there already.';

revoke all on function crm_private.merged_lists(jsonb) from public;
grant execute on function crm_private.merged_lists(jsonb) to crm_member;
--! EndIncluded functions/merge/merged_lists.sql
--! Included functions/merge/merged_row.sql
/*
 * What a merge makes of several rows, by column: what the first of them has or, where it has nothing, what
 * the first other has. Custom fields are looked at one by one; lists hold the elements of all.
 * Null is nothing, and so are an empty object and what a new row has by default. Called by
 * crm_private.merge_rows, which has locked the rows.
 *
 * The columns are those that members may change, read from the catalog: one that is added to the table
 * is merged as the others are. A link to a row that is merged itself would lead nowhere.
 */
create or replace function crm_private.merged_row(p_table regclass, p_ids uuid[])
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
-- Its statement is made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_united jsonb;
begin
  execute (
    select format(
      'select to_jsonb(united)
       from (
         select %s
         from unnest($1) with ordinality as merged (id, rank)
         join %s as record using (id)
       ) as united',
      string_agg(
        format(
          case
            when settable.attname = 'custom_fields'
            then 'crm_private.merged_custom_fields(array_agg(record.%1$I order by rank)) as %1$I'
            when settable.attname = 'external_ids'
            then 'crm_private.merged_external_ids(jsonb_agg(record.%1$I order by rank)) as %1$I'
            -- Addresses and numbers are the same where they are written otherwise.
            when settable.attname in ('emails', 'phones')
            then 'crm_private.merged_values(jsonb_agg(record.%1$I order by rank)) as %1$I'
            when settable.is_list then
              'crm_private.merged_lists('
                'jsonb_agg(record.%1$I order by rank) filter (where record.%1$I is not null)) as %1$I'
            when settable.is_own_link then
              '(array_agg(record.%1$I order by rank)
                 filter (where record.%1$I <> all ($1)))[1] as %1$I'
            else
              'coalesce(
                 (array_agg(record.%1$I order by rank)
                    filter (where not to_jsonb(record.%1$I) in (''{}'', ''null'', %2$s)))[1],
                 (array_agg(record.%1$I order by rank))[1]
               ) as %1$I'
          end,
          settable.attname,
          settable.default_value
        ),
        ', ' order by settable.attnum
      ),
      p_table
    )
    from (
      select
        attribute.attname,
        attribute.attnum,
        type.typcategory = 'A' as is_list,
        exists (
          select
          from pg_constraint
          where conrelid = p_table
            and confrelid = p_table
            and contype = 'f'
            and conkey = array[attribute.attnum]
        ) as is_own_link,
        -- A number that a sequence gives is not to be asked for.
        coalesce(
          case
            when pg_get_expr(adbin, adrelid) !~ 'nextval\('
            then format('to_jsonb((%s)::%s)', pg_get_expr(adbin, adrelid), attribute.atttypid::regtype)
          end,
          '''null'''
        ) as default_value
      from pg_attribute as attribute
      join pg_type as type on type.oid = attribute.atttypid
      left join pg_attrdef on adrelid = attribute.attrelid and adnum = attribute.attnum
      where attribute.attrelid = p_table
        and attribute.attname <> 'version'
        and attribute.attname = any (crm_private.written_columns(p_table, 'update'))
    ) as settable
  ) into v_united using p_ids;
  return v_united;
end
$$;

comment on function crm_private.merged_row(regclass, uuid[]) is
  'What a merge makes of several rows, by column.';

revoke all on function crm_private.merged_row(regclass, uuid[]) from public;
grant execute on function crm_private.merged_row(regclass, uuid[]) to crm_member;
--! EndIncluded functions/merge/merged_row.sql
--! Included functions/bulk/unreadable_rows.sql
/*
 * The rows of a bulk write with values that cannot be read as those of their columns, a day that does
 * not exist for example, with each such field. Called once a statement has met one.
 */
create or replace function crm_private.unreadable_rows(
  p_table regclass,
  p_rows  crm_private.bulk_row[]
)
returns setof crm_private.row_fault
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_row    crm_private.bulk_row;
  v_member record;
  v_fields jsonb;
begin
  foreach v_row in array p_rows
  loop
    begin
      execute format('select from jsonb_populate_record(null::%s, $1)', p_table) using v_row.item;
    exception
      when data_exception or program_limit_exceeded then
        v_fields := '{}';
        for v_member in select key, value from jsonb_each(v_row.item)
        loop
          begin
            execute format('select from jsonb_populate_record(null::%s, $1)', p_table)
            using jsonb_build_object(v_member.key, v_member.value);
          exception
            when data_exception or program_limit_exceeded then
              v_fields := v_fields || jsonb_build_object(
                crm_private.camel_case(v_member.key),
                jsonb_build_array(crm_private.fault_message(
                  '%s has the wrong form', v_member.value
                ))
              );
          end;
        end loop;
        return next row(v_row.place, 'VALIDATION_ERROR', v_fields, false)::crm_private.row_fault;
    end;
  end loop;
end
$$;

comment on function crm_private.unreadable_rows(regclass, crm_private.bulk_row[]) is
  'The rows of a bulk write with values that cannot be read.';

revoke all on function crm_private.unreadable_rows(regclass, crm_private.bulk_row[]) from public;
grant execute on function crm_private.unreadable_rows(regclass, crm_private.bulk_row[])
  to crm_member;
--! EndIncluded functions/bulk/unreadable_rows.sql
--! Included functions/audit_log/verify_audit_log.sql
/*
 * Whether the audit log is as it was written, to the eyes of whoever has the digest: seals what has
 * come, then compares. A large audit log takes longer than a request may; the command line verifies it
 * without that limit.
 *
 * Security definer: the blocks are the owner's.
 */
create or replace function crm_private.verify_audit_log(digest text default null)
returns crm.audit_log_verdict
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform crm_private.seal_audit_log();
  return crm_private.check_audit_log(digest);
end
$$;

comment on function crm_private.verify_audit_log(text) is
  'What crm.verify_audit_log calls, with the rights of the owner.';

revoke all on function crm_private.verify_audit_log(text) from public;
grant execute on function crm_private.verify_audit_log(text) to crm_admin;

create or replace function crm.verify_audit_log(digest text default null)
returns crm.audit_log_verdict
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.verify_audit_log(digest);
$$;

comment on function crm.verify_audit_log(text) is
  E'@behavior queryField -mutationField\n'
  'Compares the audit log with its seals and names the first entry that was altered, removed or '
  'inserted behind the product''s back. Whoever could do that could change the seals too; give a '
  'digest that was kept elsewhere to find that as well. For administrators.';

revoke all on function crm.verify_audit_log(text) from public;
grant execute on function crm.verify_audit_log(text) to crm_admin;
--! EndIncluded functions/audit_log/verify_audit_log.sql
--! Included functions/merge/write_merged.sql
/*
 * Writes the row that a merge leaves: what was chosen, custom fields one by one, or what all of them
 * have. The losers give up first what only one row may have: their external ids, and the values of
 * unique columns. A column that is not among the values stays as it is.
 */
create or replace function crm_private.write_merged(
  p_table  regclass,
  p_winner uuid,
  p_losers uuid[],
  p_united jsonb,
  p_chosen jsonb
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
begin
  execute (
    select format(
      'update %s set %s where id = any ($1) and (%s)',
      p_table,
      string_agg(alone.emptied, ', '),
      string_agg(alone.holds, ' or ')
    )
    from (
      select 'external_ids = ''{}''' as emptied, 'cardinality(external_ids) > 0' as holds

      union all

      select format('%I = null', attname), format('%I is not null', attname)
      from pg_index
      join pg_attribute on attrelid = indrelid and attnum = indkey[0]
      where indrelid = p_table
        and indisunique
        and indnkeyatts = 1
        and not attnotnull
        and attname = any (crm_private.written_columns(p_table, 'update'))
    ) as alone
  ) using p_losers;

  execute (
    select format(
      $update$
      update %s as record
      set (%s) = (select %s from jsonb_populate_record(record, $1) as chosen)
      where record.id = $2
      $update$,
      p_table,
      string_agg(quote_ident(name), ', '),
      string_agg('chosen.' || quote_ident(name), ', ')
    )
    from unnest(crm_private.written_columns(p_table, 'update')) as name
  ) using
    p_united || p_chosen || case
      when jsonb_typeof(p_chosen -> 'custom_fields') = 'object' then jsonb_build_object(
        'custom_fields', (p_united -> 'custom_fields') || (p_chosen -> 'custom_fields')
      )
      else '{}'
    end,
    p_winner;
end
$$;

comment on function crm_private.write_merged(regclass, uuid, uuid[], jsonb, jsonb) is
  'Writes the row that a merge leaves.';

revoke all on function crm_private.write_merged(regclass, uuid, uuid[], jsonb, jsonb) from public;
grant execute on function crm_private.write_merged(regclass, uuid, uuid[], jsonb, jsonb)
  to crm_member;
--! EndIncluded functions/merge/write_merged.sql
--! Included functions/merge/merge_rows.sql
/*
 * Merges rows of an entity type: the winner stays, the losers go. Called by crm.merge_contacts and
 * crm.merge_companies. Runs with the caller's rights, who could do all of it by hand.
 *
 * 1. Locks the rows by id, so that merges that overlap come one after the other and whoever links
 *    something to a loser meanwhile waits, and is refused when the loser is gone. What the rows refer to
 *    is locked before, in the order in which all lock it, so that two merges do not wait for each other.
 * 2. Writes the winner: the chosen fields, or what it has, or what the first loser has where it has
 *    nothing; custom fields one by one; lists, such as those of email addresses, of all.
 * 3. Moves to the winner whatever refers to a loser.
 * 4. Deletes the losers. Nothing is attached to them any more, so nothing goes with them. That they
 *    became part of the winner is recorded.
 *
 * Every step is a statement that the audit log has, in one transaction: reversed from the last entry to
 * the first, they give back exactly what was.
 *
 * Returns <entity type>_id, transaction_id, and <table>_moved: how many rows of each table moved.
 */
create or replace function crm_private.merge_rows(
  p_entity_type text,
  p_winner      uuid,
  p_losers      uuid[],
  p_fields      jsonb
)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- That its statements write cannot be told.
-- @plpgsql_check_options: performance_warnings = off
declare
  v_table  regclass := crm_private.entity_table(p_entity_type);
  v_chosen jsonb    := crm_private.check_merge(v_table, p_winner, p_losers, p_fields);
  v_ids    uuid[]   := p_winner || p_losers;
  v_found  uuid[];
  v_moved  jsonb;
  v_link   record;
begin
  for v_link in
    select link.key, link.target_table
    from crm_private.entity_links as link
    join crm_private.entity_types as target on target.entity_type = link.target_type
    where link.entity_type = p_entity_type
    order by target.restore_order, link.key
  loop
    execute format(
      'select from %s where id in (select %I from %s where id = any ($1)) order by id for key share',
      v_link.target_table, v_link.key, v_table
    ) using v_ids;
  end loop;

  execute format(
    'select array(select id from %s where id = any ($1) order by id for update)', v_table
  ) into v_found using v_ids;
  if cardinality(v_found) < cardinality(v_ids) then
    perform crm_private.refuse_missing(
      p_entity_type,
      variadic array(select id::text from unnest(v_ids) as id where id <> all (v_found))
    );
  end if;

  -- Until the losers are gone, the winner may have the same value of a unique field.
  perform crm_private.defer_unique(true);

  perform crm_private.write_merged(
    v_table, p_winner, p_losers, crm_private.merged_row(v_table, v_ids), v_chosen
  );
  v_moved := crm_private.move_links(v_table, p_losers, p_winner);

  execute format('delete from %s where id = any ($1)', v_table) using p_losers;
  perform crm_private.record_merge(p_entity_type, p_winner, p_losers);
  perform crm_private.defer_unique(false);

  return jsonb_build_object(
    p_entity_type || '_id', p_winner,
    'transaction_id', pg_current_xact_id()::text::bigint
  ) || (
    select coalesce(jsonb_object_agg(key || '_moved', value), '{}') from jsonb_each(v_moved)
  );
end
$$;

comment on function crm_private.merge_rows(text, uuid, uuid[], jsonb) is
  'Merges rows of an entity type.';

revoke all on function crm_private.merge_rows(text, uuid, uuid[], jsonb) from public;
grant execute on function crm_private.merge_rows(text, uuid, uuid[], jsonb) to crm_member;
--! EndIncluded functions/merge/merge_rows.sql
--! Included functions/merge/merge_companies.sql
/* Makes one company of several; crm_private.merge_rows says how. */
create or replace function crm.merge_companies(
  winner uuid,
  losers uuid[],
  fields jsonb default '{}'
)
returns crm.company_merge
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_populate_record(
    null::crm.company_merge, crm_private.merge_rows('company', winner, losers, fields)
  );
$$;

comment on function crm.merge_companies(uuid, uuid[], jsonb) is
  'Makes one company of several. The winner gets every contact, deal, task and note of the losers, '
  'their external ids, and what it has no value for; then the losers are deleted. fields holds the values that are to '
  'win, as a patch has them; customFields one by one, null removes one. With a version it is refused '
  'if the winner has another by now.';

revoke all on function crm.merge_companies(uuid, uuid[], jsonb) from public;
grant execute on function crm.merge_companies(uuid, uuid[], jsonb) to crm_member;
--! EndIncluded functions/merge/merge_companies.sql
--! Included functions/merge/merge_contacts.sql
/* Makes one contact of several; crm_private.merge_rows says how. */
create or replace function crm.merge_contacts(
  winner uuid,
  losers uuid[],
  fields jsonb default '{}'
)
returns crm.contact_merge
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_populate_record(
    null::crm.contact_merge, crm_private.merge_rows('contact', winner, losers, fields)
  );
$$;

comment on function crm.merge_contacts(uuid, uuid[], jsonb) is
  'Makes one contact of several. The winner gets every deal, task and note of the losers, all email '
  'addresses, phone numbers and external ids, and what it has no value for; then the losers are deleted. fields '
  'holds the values that are to win, as a patch has them; customFields one by one, null removes '
  'one. With a version it is refused if the winner has another by now.';

revoke all on function crm.merge_contacts(uuid, uuid[], jsonb) from public;
grant execute on function crm.merge_contacts(uuid, uuid[], jsonb) to crm_member;
--! EndIncluded functions/merge/merge_contacts.sql
--! Included functions/bulk/write_rows.sql
/*
 * Creates, updates, upserts or deletes many rows of an entity type in a few statements, all of it in
 * one transaction, and tells the faults of all rows at once. rows is an array of objects:
 *
 * - create: columns as keys. What is absent has its default.
 * - update: the same with the id. What is absent stays, what is null becomes null. With a version the
 *   row is refused if it has another by now.
 * - upsert: the same with external_id, {"source": …, "id": …}. The row that has it is updated; if
 *   there is none, one is created that has it.
 * - delete: id, and version.
 *
 * mode ALL_OR_NOTHING refuses everything if a row is faulty, with one error whose detail lists the
 * faults. VALID_ONLY writes the others, and gives the faults with the result. dry_run writes nothing
 * and tells what would happen. Positions begin with 0.
 *
 * Runs with the caller's rights. Called by the bulk mutations of the API and by SQL. Its statements
 * are planned anew for each list: a plan for any would be one for a hundred rows, and join ten thousand
 * pair by pair.
 */
create or replace function crm_private.write_rows(
  entity_type text,
  operation   text,
  rows        jsonb,
  mode        text    default 'ALL_OR_NOTHING',
  dry_run     boolean default false
)
returns crm_private.bulk_result
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_variable
declare
  v_table    regclass := crm_private.entity_table(entity_type);
  v_rows     crm_private.bulk_row[];
  v_misread  crm_private.row_fault[];
  v_known    crm_private.row_fault[] := array[]::crm_private.row_fault[];
  v_met      crm_private.row_fault[];
  v_attempts integer := 0;
  v_outcome  crm_private.bulk_outcome;
  v_faults   jsonb;
  v_result   crm_private.bulk_result;
begin
  if not exists (
    select from crm_private.entity_types as type
    where type.is_record and type.entity_type = write_rows.entity_type
  ) then
    perform crm_private.refuse_argument(
      'entityType',
      (
        select 'must be one of ' || string_agg(type.entity_type, ', ' order by type.restore_order)
        from crm_private.entity_types as type
        where type.is_record
      ),
      'write_rows_entity_type_known'
    );
  elsif not coalesce(operation = any ('{create,update,upsert,delete}'), false) then
    perform crm_private.refuse_argument(
      'operation', 'must be create, update, upsert or delete', 'write_rows_operation_known'
    );
  elsif not coalesce(mode = any ('{ALL_OR_NOTHING,VALID_ONLY}'), false) then
    perform crm_private.refuse_argument(
      'mode', 'must be ALL_OR_NOTHING or VALID_ONLY', 'write_rows_mode_known'
    );
  elsif not coalesce(jsonb_typeof(rows) = 'array', false) then
    perform crm_private.refuse_argument('rows', 'must be an array', 'write_rows_rows_list');
  end if;

  select
    coalesce(
      array_agg(
        row(input.place, input.id, operation, input.item)::crm_private.bulk_row
        order by input.place
      ) filter (where input.fields is null),
      '{}'
    ),
    coalesce(
      array_agg(
        row(input.place, 'VALIDATION_ERROR', input.fields, false)::crm_private.row_fault
        order by input.place
      ) filter (where input.fields is not null),
      '{}'
    )
  into v_rows, v_misread
  from crm_private.read_rows(v_table, operation, rows) as input;

  -- The first attempt is for lists without a fault that only a statement meets. Each further one
  -- knows of more rows that cannot be written.
  loop
    v_attempts := v_attempts + 1;
    begin
      v_outcome := crm_private.attempt_rows(entity_type, operation, v_rows, v_known);
      exit when not coalesce(dry_run, false) and (
        mode = 'VALID_ONLY' or cardinality(v_outcome.faults || v_misread) = 0
      );
      raise triggered_action_exception using message = 'takes everything back';
    exception
      when triggered_action_exception then
        v_outcome.is_undone := true;
        exit;
      when integrity_constraint_violation or data_exception or program_limit_exceeded then
        v_met := crm_private.find_faults(entity_type, operation, v_rows, v_known, sqlstate, v_attempts > 3);
        -- What an upsert was to create may have been created meanwhile, and is there to be updated.
        if cardinality(v_met) = 0 and (operation <> 'upsert' or v_attempts > 3) then
          raise;
        end if;
        v_known := v_known || v_met;
        -- What cannot be read can be asked nothing further.
        v_rows := array(
          select input from unnest(v_rows) as input
          where input.place not in (
            select unread.place from unnest(v_met) as unread where not unread.readable
          )
          order by input.place
        );
    end;
  end loop;

  select coalesce(
    jsonb_agg(
      jsonb_build_object('index', fault.place, 'code', fault.code, 'fields', fault.fields)
      order by fault.place
    ),
    '[]'
  )
  into v_faults
  from unnest(v_outcome.faults || v_misread) as fault;

  if v_faults <> '[]' and mode = 'ALL_OR_NOTHING' and not coalesce(dry_run, false) then
    perform crm_private.refuse_rows(v_table, jsonb_array_length(rows), v_faults);
  end if;

  if v_faults <> '[]' and mode = 'ALL_OR_NOTHING' then
    v_outcome.written := array[]::crm_private.written_row[];
  end if;

  select
    (count(*) filter (where written.operation = 'create'))::integer,
    (count(*) filter (where written.operation = 'update' and written.changed))::integer,
    (count(*) filter (where written.operation = 'delete'))::integer,
    (count(*) filter (where written.operation = 'update' and not written.changed))::integer
  into v_result.created, v_result.updated, v_result.deleted, v_result.unchanged
  from unnest(v_outcome.written) as written;

  v_result.faults := v_faults;
  v_result.ids    := array(
    select written.id
    from generate_series(0, jsonb_array_length(rows) - 1) as place
    left join unnest(v_outcome.written) as written
      on written.place = place.place and v_outcome.is_undone is not true
    order by place.place
  );
  return v_result;
end
$$;

comment on function crm_private.write_rows(text, text, jsonb, text, boolean) is
  'Creates, updates, upserts or deletes many rows of an entity type, and tells the faults of all of '
  'them at once.';

revoke all on function crm_private.write_rows(text, text, jsonb, text, boolean) from public;
grant execute on function crm_private.write_rows(text, text, jsonb, text, boolean) to crm_member;
--! EndIncluded functions/bulk/write_rows.sql
--! Included functions/common/written_columns.sql
/*
 * The columns of a table that members may give a new row (insert) or change (update): what a row of
 * a bulk write may hold. That members may is read, and not what the caller may, so that whoever may
 * not is refused by the statement itself.
 */
create or replace function crm_private.written_columns(p_table regclass, p_privilege text)
returns name[]
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select array_agg(attname order by attnum)
  from pg_attribute
  where attrelid = p_table
    and attnum > 0
    and not attisdropped
    and has_column_privilege('crm_member', attrelid, attnum, p_privilege);
$$;

comment on function crm_private.written_columns(regclass, text) is
  'The columns of a table that members may insert or update.';

revoke all on function crm_private.written_columns(regclass, text) from public;
grant execute on function crm_private.written_columns(regclass, text) to crm_reader;
--! EndIncluded functions/common/written_columns.sql
--! Included functions/bulk/read_rows.sql
/*
 * Reads the rows that a bulk write is given: each with its place in the input, from 0, and what is
 * wrong with its form, null if nothing is. Whether values can be read as those of their columns is
 * found when they are written.
 */
create or replace function crm_private.read_rows(p_table regclass, p_operation text, p_rows jsonb)
returns table (place integer, id uuid, item jsonb, fields jsonb)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_known text[] := case p_operation
    when 'create' then
      crm_private.written_columns(p_table, 'insert') || crm_private.imported_columns(p_table)
    when 'update' then 'id'::name || crm_private.written_columns(p_table, 'update')
    when 'upsert' then
      'external_id'::name || crm_private.written_columns(p_table, 'insert')
        || crm_private.imported_columns(p_table)
    else '{id,version}'
  end::text[];
begin
  return query
    select
      (listed.ordinal - 1)::integer,
      case
        when p_operation in ('update', 'delete') and faults.found is null
        then (listed.item ->> 'id')::uuid
      end,
      listed.item,
      faults.found
    from jsonb_array_elements(p_rows) with ordinality as listed (item, ordinal)
    cross join lateral (
      select case
        when jsonb_typeof(listed.item) <> 'object' then '{"row": ["must be an object"]}'
        else nullif(
          coalesce(
            case
              when listed.item - v_known <> '{}' then (
                select jsonb_object_agg(
                  left(key, 80), '["is not a field that can be given here"]'::jsonb
                )
                from jsonb_object_keys(listed.item - v_known) as key
              )
            end,
            '{}'
          )
          || case
            when p_operation not in ('update', 'delete') then '{}'
            when listed.item ->> 'id' is null then '{"id": ["is required"]}'
            when listed.item ->> 'id' !~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
            then '{"id": ["must be a UUID"]}'
            else '{}'
          end::jsonb
          || case
            when p_operation not in ('update', 'delete') or not listed.item ? 'version' then '{}'
            when jsonb_path_exists(
              listed.item,
              '$.version ? (@ == null || @ > -2147483648 && @ < 2147483648 && @ == @.floor())',
              silent => true
            )
            then '{}'
            else '{"version": ["must be a whole number below 2,147,483,648"]}'
          end::jsonb
          || case
            when p_operation <> 'upsert' then '{}'
            when coalesce(listed.item -> 'external_id', 'null') = 'null'
            then '{"externalId": ["is required"]}'
            when jsonb_typeof(listed.item #> '{external_id,source}') = 'string'
              and jsonb_typeof(listed.item #> '{external_id,id}') = 'string'
              and (listed.item -> 'external_id') - '{source,id}'::text[] = '{}'
              and not crm_private.is_blank(listed.item #>> '{external_id,source}')
              and not crm_private.is_blank(listed.item #>> '{external_id,id}')
            then '{}'
            else '{"externalId": ["must have a source and an id"]}'
          end::jsonb,
          '{}'
        )
      end as found
    ) as faults;
end
$$;

comment on function crm_private.read_rows(regclass, text, jsonb) is
  'The rows that a bulk write is given, with what is wrong with the form of each.';

revoke all on function crm_private.read_rows(regclass, text, jsonb) from public;
grant execute on function crm_private.read_rows(regclass, text, jsonb) to crm_member;
--! EndIncluded functions/bulk/read_rows.sql
--! Included views/crm_private/rules.sql
/*
 * Every rule that a row of a table must keep, read from the catalog: columns that must be set,
 * checks, references, and unique keys. The constraints are the only place where the rules stand;
 * a constraint's comment is the message that a client reads, with %s for the faulty value.
 *
 * Read by crm_private.compile_rules, crm_private.row_faults and the generator of the typed layer.
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
      substring(description from '(?:^|\n)@column (\w+)\n') as client_column,
      coalesce(description ~ '(?:^|\n)@whole\n', false)      as is_whole
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
    and class.relkind in ('r', 'p')
    and (
      class.relnamespace = 'crm'::regnamespace
      or class.oid in (select entity_table from crm_private.entity_types)
    )

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
    con.contype = 'c' and cardinality(con.conkey) = 1 and not texts.is_whole
      and attribute.atttypid in ('text[]'::regtype, 'jsonb'::regtype, 'crm.external_id[]'::regtype),
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
  where con.contype in ('c', 'f', 'u')
    and (
      con.connamespace = 'crm'::regnamespace
      or con.conrelid in (select entity_table from crm_private.entity_types)
    );

comment on view crm_private.rules is
  'Every rule that a row of a table in crm, or of an entity, must keep, read from the catalog.';
--! EndIncluded views/crm_private/rules.sql
--! Included functions/validation/broken_reference.sql
/*
 * The condition that a row of a table has a reference that leads nowhere, null if it has none at all.
 *
 * Security definer, because rules are not read by roles; it reads no rows.
 */
create or replace function crm_private.broken_reference(p_table regclass)
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(format('not (%s)', condition), ' or ' order by constraint_name)
  from crm_private.rules
  where table_oid = p_table and kind = 'reference';
$$;

comment on function crm_private.broken_reference(regclass) is
  'The condition that a row of a table has a reference that leads nowhere.';

revoke all on function crm_private.broken_reference(regclass) from public;
grant execute on function crm_private.broken_reference(regclass) to crm_member;
--! EndIncluded functions/validation/broken_reference.sql
--! Included functions/validation/compile_stamps.sql
/*
 * Binds the stamps to a table: makes crm_private.<table>_stamp, compiled from the table's columns, and
 * the triggers that stamp its rows. Generated columns have no value yet when it runs, and would make
 * every update look like a change; they follow from the others, so it gives them their old ones.
 *
 * Call it in the migration that adds or removes a generated column; a test finds where that was
 * forgotten.
 */
create or replace function crm_private.compile_stamps(p_table regclass, p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_function text := format(
    'crm_private.%I', (select relname from pg_class where oid = p_table) || '_stamp'
  );
  v_generated text;
begin
  select string_agg(format(E'\n  new.%1$I := old.%1$I;', attname), '' order by attnum)
  into v_generated
  from pg_attribute
  where attrelid = p_table and attnum > 0 and not attisdropped and attgenerated <> '';

  execute format(
    $function$
create or replace function %1$s()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $stamp$
begin
  if new.id <> old.id or new.version is distinct from old.version then
    perform crm_private.refuse_update(tg_table_name, tg_argv[0], to_jsonb(old), to_jsonb(new));
  end if;

  new.created_at := old.created_at;
  new.created_by := old.created_by;
  new.updated_at := old.updated_at;
  new.updated_by := old.updated_by;%2$s

  if new is distinct from old then
    new.version    := old.version + 1;
    new.updated_at := greatest(clock_timestamp(), old.updated_at + interval '1 microsecond');
    new.updated_by := crm.current_user_id();
  end if;

  return new;
end
$stamp$
    $function$,
    v_function, coalesce(v_generated, '')
  );
  execute format(
    'comment on function %s() is %L',
    v_function, 'Sets version, updated_at and updated_by; refuses an outdated version. Compiled.'
  );
  execute format('revoke all on function %s() from public', v_function);

  execute format(
    'create or replace trigger _110_stamp_insert before insert on %s '
    'for each row when ('
    '(new.version, new.created_at, new.updated_at, new.created_by, new.updated_by) '
    'is distinct from (1, now(), now(), crm.current_user_id(), new.created_by) '
    'or current_setting(''crm.bulk_stamps'', true) <> '''') '
    'execute function crm_private.stamp_insert()',
    p_table
  );
  execute format(
    'create or replace trigger _110_stamp_update before update on %s '
    'for each row execute function %s(%L)',
    p_table, v_function, p_entity_type
  );
end
$$;

comment on function crm_private.compile_stamps(regclass, text) is
  'Makes the triggers that stamp the rows of a table, compiled from its columns.';

revoke all on function crm_private.compile_stamps(regclass, text) from public;
--! EndIncluded functions/validation/compile_stamps.sql
--! Included functions/entities/register_entity.sql
/*
 * Makes a table an entity: one row in the catalogue, and everything that is compiled from it. The table is
 * there, with the columns that every entity has (id, version, created_at, updated_at, created_by,
 * updated_by), its constraints, grants and policies. What it can do follows from its columns:
 *
 * - stamps, validation, the audit log, history, undo and the trash always;
 * - with external_ids bulk writes, look-ups by external id, and a report;
 * - with custom_fields definitions of custom fields;
 * - cascades and links from its foreign keys to other entities.
 *
 * The table may be of any schema. What is compiled is called like it, so no two entities' tables have the same
 * name; that is refused.
 *
 * Call it again when its columns or constraints have changed. Locks the table, and
 * crm.custom_field_definitions if it has custom fields. crm_private.unregister_entity undoes it.
 */
create or replace function crm_private.register_entity(
  p_entity_type   text,
  p_table         regclass,
  p_label_columns name[]
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_type  crm_private.entity_types;
  v_other text;
begin
  select type.entity_type into v_other
  from crm_private.entity_types as type
  join pg_class as class on class.oid = type.entity_table
  join pg_class as input on input.oid = p_table
  where (type.entity_type = p_entity_type) <> (type.entity_table = p_table)
    or type.entity_type <> p_entity_type and class.relname = input.relname
  limit 1;

  if v_other is not null then
    raise exception 'entity %: its name, or that of its table %, belongs to %',
        p_entity_type, p_table, v_other
      using errcode    = 'check_violation',
            schema     = 'crm_private', table = 'entity_types', column = 'entity_table',
            constraint = 'entity_types_entity_table_alone',
            hint       = 'Call the table otherwise.';
  end if;

  insert into crm_private.entity_types as type (
    entity_type, entity_table, label_columns, is_record, has_custom_fields, is_mergeable, restore_order
  )
  select
    p_entity_type, p_table, p_label_columns,
    coalesce(bool_or(attname = 'external_ids'), false),
    coalesce(bool_or(attname = 'custom_fields'), false),
    false,
    (select max(restore_order) + 10 from crm_private.entity_types)
  from pg_attribute
  where attrelid = p_table and attnum > 0 and not attisdropped
  on conflict (entity_type) do update set
    label_columns     = excluded.label_columns,
    is_record         = excluded.is_record,
    has_custom_fields = excluded.has_custom_fields
  returning * into v_type;

  perform crm_private.compile_entity_lookups();

  if v_type.has_custom_fields then
    perform crm_private.allow_definitions();
    perform crm_private.compile_custom_field_trigger(p_table);
    perform crm_private.compile_custom_fields(p_entity_type);
  elsif v_type.is_record then
    perform crm_private.compile_report(p_entity_type);
  end if;

  perform crm_private.compile_stamps(p_table, p_entity_type);
  perform crm_private.compile_rules(p_table);
  if v_type.is_record then
    perform crm_private.compile_external_ids(p_table, p_entity_type);
  end if;
  perform crm_private.compile_audit_log(p_table, p_entity_type);
  perform crm_private.compile_history(p_entity_type);
end
$$;

comment on function crm_private.register_entity(text, regclass, name[]) is
  'Makes a table an entity, with everything that entities have.';

revoke all on function crm_private.register_entity(text, regclass, name[]) from public;
--! EndIncluded functions/entities/register_entity.sql
--! Included functions/entities/unregister_entity.sql
/*
 * Undoes crm_private.register_entity: removes what was compiled for an entity, its custom fields and its
 * row of the catalogue, so that the table can be dropped. Its rows stay until then; so do the entries of the
 * audit log, which only administrators can read afterwards.
 */
create or replace function crm_private.unregister_entity(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of quoted names; that they are cannot be told.
-- @plpgsql_check_options: security_warnings = off
declare
  v_table regclass := crm_private.entity_table(p_entity_type);
  v_name  text     := (select relname::text from pg_class where oid = v_table);
  v_drop  text;
begin
  delete from crm.custom_field_definitions where entity_type = p_entity_type;
  delete from crm_private.external_ids where entity_type = p_entity_type;
  delete from crm_private.entity_types where entity_type = p_entity_type;
  perform crm_private.compile_entity_lookups();
  perform crm_private.allow_definitions();

  execute format('drop view if exists reporting.%I', v_name);
  execute format('drop view if exists crm_private.%I', v_name || '_copy');

  for v_drop in
    select format('drop trigger %I on %s', tgname, tgrelid::regclass)
    from pg_trigger
    where tgrelid = v_table and not tgisinternal
  loop
    execute v_drop;
  end loop;

  for v_drop in
    select format('drop function %s', oid::regprocedure)
    from pg_proc
    where pronamespace = 'crm'::regnamespace
      and proname in (
        v_name || '_history', v_name || '_field_history', v_name || '_history_is_complete',
        p_entity_type || '_as_of', p_entity_type || '_by_external_id'
      )
      or pronamespace = 'crm_private'::regnamespace
      and proname in (
        v_name || '_hold', v_name || '_validate', v_name || '_stamp', v_name || '_audit_log',
        v_name || '_copied', v_name || '_custom_fields_hold'
      )
  loop
    execute v_drop;
  end loop;
end
$$;

comment on function crm_private.unregister_entity(text) is
  'Removes what was compiled for an entity, so that its table can be dropped.';

revoke all on function crm_private.unregister_entity(text) from public;
--! EndIncluded functions/entities/unregister_entity.sql

--! split: 060-views.sql
/*
 * Why: what analysts read, and the trash and the stages' history.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

--! Included views/reporting/activity.sql
/*
 * Who does how much. Analysts read the audit log here with the rights of the view's owner. The days come
 * first, and the entries of each are found by their time: so a week of it reads a week of the audit log.
 */
create or replace view reporting.activity as
  select
    listed.day,
    log.user_id,
    log.source,
    log.entity_type,
    log.created,
    log.updated,
    log.deleted
  from (
    select clock.zone, day::date as day
    from crm_private.clock as clock
    cross join lateral (select min("timestamp") from crm.audit_logs) as first ("timestamp")
    cross join lateral generate_series(
      (first."timestamp" at time zone clock.zone)::date::timestamp, clock.today::timestamp,
      interval '1 day'
    ) as day
  ) as listed
  cross join lateral (
    select
      entry.user_id,
      entry.source,
      entry.entity_type,
      count(*) filter (where entry.action = 'create') as created,
      count(*) filter (where entry.action = 'update') as updated,
      count(*) filter (where entry.action = 'delete') as deleted
    from crm.audit_logs as entry
    where entry."timestamp" >= listed.day::timestamp at time zone listed.zone
      and entry."timestamp" < (listed.day + 1)::timestamp at time zone listed.zone
      and entry.entity_type in (select entity_type from crm_private.entity_types where is_record)
      and entry.action = any (array['create', 'update', 'delete'])
    group by entry.user_id, entry.source, entry.entity_type
  ) as log;

comment on view reporting.activity is
  'What each user created, changed and deleted on each day, as far back as the audit log is kept.';
comment on column reporting.activity.day is 'The day.';
comment on column reporting.activity.user_id is
  'Who did it: a user, key:<name> for an API key, db:<login> for a login of the database.';
comment on column reporting.activity.source is 'What it was done through: api, import or sql.';
comment on column reporting.activity.entity_type is 'contact, company, deal, task or note.';
comment on column reporting.activity.created is 'How many rows were created.';
comment on column reporting.activity.updated is 'How many times a row was changed.';
comment on column reporting.activity.deleted is 'How many rows were deleted.';

grant select on reporting.activity to crm_reporter;
--! EndIncluded views/reporting/activity.sql
--! Included views/reporting/data_quality.sql
/* What is missing or was forgotten. Analysts read it with the rights of its owner. */
create or replace view reporting.data_quality as
  select
    'contact without an email address'               as problem,
    'contact'                                        as entity_type,
    contact.id                                       as entity_id,
    contact.first_name || ' ' || contact.last_name   as label,
    contact.owner_id
  from crm.contacts as contact
  where contact.emails = '{}'

  union all

  select
    'contact without activity in 90 days',
    'contact',
    contact.id,
    contact.first_name || ' ' || contact.last_name,
    contact.owner_id
  from crm.contacts as contact
  where contact.updated_at < now() - interval '90 days'
    and not exists (
      select from crm.tasks as task
      where task.contact_id = contact.id and task.updated_at >= now() - interval '90 days'
    )
    and not exists (
      select from crm.notes as note
      where note.contact_id = contact.id and note.updated_at >= now() - interval '90 days'
    )
    and not exists (
      select from crm.deals as deal
      where deal.contact_id = contact.id and deal.updated_at >= now() - interval '90 days'
    )

  union all

  select
    case
      when deal.close_date is null then 'open deal without a close date'
      else 'open deal past its close date'
    end,
    'deal',
    deal.id,
    deal.title,
    deal.owner_id
  from crm.deals as deal
  join crm.pipeline_stages as stage on stage.name = deal.stage
  cross join crm_private.clock as clock
  where stage.kind = 'open'
    and (deal.close_date is null or deal.close_date < clock.today)

  union all

  select
    'open task past its due date',
    'task',
    task.id,
    task.description,
    task.assigned_to
  from crm.tasks as task
  cross join crm_private.clock as clock
  where task.status = 'open'
    and task.due_date < clock.today;

comment on view reporting.data_quality is
  'What is missing or was forgotten, one row for each problem of a row. More problems may come.';
comment on column reporting.data_quality.problem is
  'contact without an email address; contact without activity in 90 days, neither of its own nor '
  'of its tasks, notes and deals; open deal without a close date; open deal past its close date; '
  'open task past its due date.';
comment on column reporting.data_quality.entity_type is 'contact, deal or task.';
comment on column reporting.data_quality.entity_id is 'The id of the row.';
comment on column reporting.data_quality.label is 'What it is called.';
comment on column reporting.data_quality.owner_id is
  'The user who owns it, or is to do it; null if nobody does.';

grant select on reporting.data_quality to crm_reporter;
--! EndIncluded views/reporting/data_quality.sql
--! Included views/crm_private/dated_deals.sql
/*
 * The deals, each with the day at whose rate reports convert it: the one on which a closed one closed,
 * today for an open one.
 */
create or replace view crm_private.dated_deals as
  select
    deal.id,
    deal.company_id,
    deal.owner_id,
    deal.stage,
    stage.kind,
    deal.probability,
    deal.value,
    deal.currency,
    deal.close_date,
    deal.created_at,
    coalesce((deal.closed_at at time zone clock.zone)::date, clock.today) as day,
    deal.closed_at,
    clock.zone
  from crm.deals as deal
  join crm.pipeline_stages as stage on stage.name = deal.stage
  cross join crm_private.clock as clock;

comment on view crm_private.dated_deals is
  'The deals, each with the day at whose rate reports convert it.';
--! EndIncluded views/crm_private/dated_deals.sql
--! Included views/crm_private/conversions.sql
/*
 * By what deals are multiplied in reports in the base currency, for each currency and day that a deal has,
 * and which currency that gives. Where there is no rate it is the currency itself, by one, so that
 * nothing is lost.
 *
 * It is distinct twice: once to look a rate up for a currency and day rather than for each deal, and
 * once so that the planner leaves it at that.
 */
create or replace view crm_private.conversions as
  select distinct on (needed.currency, needed.day)
    needed.currency,
    needed.day,
    case when dated.rate is null then needed.currency else setting.base_currency end
      as converted_currency,
    coalesce(dated.rate, 1) as factor
  from (select distinct currency, day from crm_private.dated_deals) as needed
  cross join crm_private.settings as setting
  left join lateral (
    select exchange_rate.rate
    from crm.exchange_rates as exchange_rate
    where exchange_rate.currency = needed.currency
      and exchange_rate.valid_from <= needed.day
    order by exchange_rate.valid_from desc
    limit 1
  ) as dated on true;

comment on view crm_private.conversions is
  'By what deals of a currency and day are multiplied in reports in the base currency.';
--! EndIncluded views/crm_private/conversions.sql
--! Included views/reporting/forecast.sql
/* What open deals may bring. Analysts read it with the rights of its owner. */
create or replace view reporting.forecast as
  select
    date_trunc('month', deal.close_date::timestamp)::date as month,
    deal.currency,
    count(*)                                              as deals,
    sum(deal.value)                                       as value,
    round(sum(deal.value * deal.probability / 100), 2)    as weighted_value
  from crm.deals as deal
  join crm.pipeline_stages as stage on stage.name = deal.stage
  where stage.kind = 'open'
  group by 1, 2;

comment on view reporting.forecast is
  'What open deals may bring, by the month in which they are to close and by currency. Months that '
  'are over hold what is late.';
comment on column reporting.forecast.month is
  'The first day of the month; null for deals without a close date.';
comment on column reporting.forecast.currency is 'The currency of both values.';
comment on column reporting.forecast.deals is 'How many open deals are to close in the month.';
comment on column reporting.forecast.value is 'Their value.';
comment on column reporting.forecast.weighted_value is
  'Their value, each multiplied by the probability of its deal: what is to be expected.';

grant select on reporting.forecast to crm_reporter;
--! EndIncluded views/reporting/forecast.sql
--! Included views/reporting/forecast_in_base.sql
/* What open deals may bring, in the base currency. Analysts read it with the rights of its owner. */
create or replace view reporting.forecast_in_base as
  select
    summed.month,
    conversion.converted_currency                             as currency,
    sum(summed.deals)::bigint                                 as deals,
    round(sum(summed.value * conversion.factor), 2)           as value,
    round(sum(summed.percents * conversion.factor) * 0.01, 2) as weighted_value
  from (
    -- The sums of a month are converted: fewer than deals, and the same.
    select
      date_trunc('month', close_date::timestamp)::date as month,
      currency,
      day,
      count(*)                                         as deals,
      sum(value)                                       as value,
      sum(value * probability)                         as percents
    from crm_private.dated_deals
    where kind = 'open'
    group by 1, 2, 3
  ) as summed
  join crm_private.conversions as conversion
    on conversion.currency = summed.currency and conversion.day = summed.day
  group by 1, 2;

comment on view reporting.forecast_in_base is
  'What open deals may bring in the base currency, at today''s rates, by the month in which they are to '
  'close. Deals of a currency that has no rate today have a row of their own, in that currency. Months '
  'that are over hold what is late.';
comment on column reporting.forecast_in_base.month is
  'The first day of the month; null for deals without a close date.';
comment on column reporting.forecast_in_base.currency is
  'The currency of both values: the base currency, or that of deals without a rate.';
comment on column reporting.forecast_in_base.deals is 'How many open deals are to close in the month.';
comment on column reporting.forecast_in_base.value is 'Their value.';
comment on column reporting.forecast_in_base.weighted_value is
  'Their value, each multiplied by the probability of its deal: what is to be expected.';

grant select on reporting.forecast_in_base to crm_reporter;
--! EndIncluded views/reporting/forecast_in_base.sql
--! Included views/reporting/new_contacts.sql
/* How many contacts come. Analysts read it with the rights of its owner. */
create or replace view reporting.new_contacts as
  select
    date_trunc('week', contact.created_at at time zone clock.zone)::date as week,
    contact.owner_id,
    count(*)                                                             as contacts,
    count(contact.company_id)                                            as with_company
  from crm.contacts as contact
  cross join crm_private.clock as clock
  group by 1, 2;

comment on view reporting.new_contacts is
  'The contacts that were created in each week and are still there, by owner.';
comment on column reporting.new_contacts.week is 'The Monday of the week.';
comment on column reporting.new_contacts.owner_id is 'The user who owns them; null if nobody does.';
comment on column reporting.new_contacts.contacts is 'How many there are.';
comment on column reporting.new_contacts.with_company is 'How many of them belong to a company.';

grant select on reporting.new_contacts to crm_reporter;
--! EndIncluded views/reporting/new_contacts.sql
--! Included views/reporting/notes.sql
/* Every note. Analysts read it with the rights of its owner. */
create or replace view reporting.notes as
  select
    note.id,
    note.content,
    note.entity_type,
    note.entity_id,
    coalesce(contact.first_name || ' ' || contact.last_name, company.name, deal.title) as entity,
    note.created_at,
    note.created_by,
    note.updated_at,
    note.updated_by
  from crm.notes as note
  left join crm.contacts as contact on contact.id = note.contact_id
  left join crm.companies as company on company.id = note.company_id
  left join crm.deals as deal on deal.id = note.deal_id;

comment on view reporting.notes is 'One row for each note.';
comment on column reporting.notes.id is 'The id of the note.';
comment on column reporting.notes.content is 'What was noted.';
comment on column reporting.notes.entity_type is 'What it is about: contact, company or deal.';
comment on column reporting.notes.entity_id is 'The id of what it is about.';
comment on column reporting.notes.entity is
  'The name of the contact or company, the title of the deal.';
comment on column reporting.notes.created_at is 'When the note was created.';
comment on column reporting.notes.created_by is 'Who created it.';
comment on column reporting.notes.updated_at is 'When it was changed last.';
comment on column reporting.notes.updated_by is 'Who changed it last.';

grant select on reporting.notes to crm_reporter;
--! EndIncluded views/reporting/notes.sql
--! Included views/reporting/open_tasks.sql
/* What is to be done, by whom. Analysts read it with the rights of its owner. */
create or replace view reporting.open_tasks as
  select
    task.assigned_to,
    case
      when task.created_at > now() - interval '7 days' then 'up to 7 days'
      when task.created_at > now() - interval '30 days' then 'up to 30 days'
      when task.created_at > now() - interval '90 days' then 'up to 90 days'
      else 'over 90 days'
    end                                                     as age,
    count(*)                                                as tasks,
    count(*) filter (where task.due_date < clock.today)     as overdue,
    min(task.due_date)                                      as first_due,
    min(task.created_at)                                    as first_created_at
  from crm.tasks as task
  cross join crm_private.clock as clock
  where task.status = 'open'
  group by 1, 2;

comment on view reporting.open_tasks is 'Open tasks by who is to do them and by their age.';
comment on column reporting.open_tasks.assigned_to is
  'The user who is to do them; null for those that nobody is assigned to.';
comment on column reporting.open_tasks.age is
  'The time since they were created: up to 7 days, up to 30 days, up to 90 days, or over 90 days.';
comment on column reporting.open_tasks.tasks is 'How many there are.';
comment on column reporting.open_tasks.overdue is 'How many of them were due before today.';
comment on column reporting.open_tasks.first_due is
  'The earliest day that one is due; null if none has one.';
comment on column reporting.open_tasks.first_created_at is 'When the oldest of them was created.';

grant select on reporting.open_tasks to crm_reporter;
--! EndIncluded views/reporting/open_tasks.sql
--! Included views/reporting/pipeline.sql
/* What is in each stage. Analysts read it with the rights of its owner. */
create or replace view reporting.pipeline as
  select
    stage.name                                                      as stage,
    stage.position,
    stage.kind,
    deal.currency,
    count(deal.id)                                                  as deals,
    coalesce(sum(deal.value), 0)                                    as value,
    coalesce(round(sum(deal.value * deal.probability / 100), 2), 0) as weighted_value
  from crm.pipeline_stages as stage
  left join crm.deals as deal on deal.stage = stage.name
  group by stage.id, deal.currency;

comment on view reporting.pipeline is
  'The deals of each stage, one row for each currency. A stage without deals has one row without a '
  'currency.';
comment on column reporting.pipeline.stage is 'The name of the stage.';
comment on column reporting.pipeline.position is 'Where the stage stands in the pipeline.';
comment on column reporting.pipeline.kind is 'open, won or lost.';
comment on column reporting.pipeline.currency is 'The currency of both values.';
comment on column reporting.pipeline.deals is 'How many deals are in the stage.';
comment on column reporting.pipeline.value is 'Their value.';
comment on column reporting.pipeline.weighted_value is
  'Their value, each multiplied by the probability of its deal.';

grant select on reporting.pipeline to crm_reporter;
--! EndIncluded views/reporting/pipeline.sql
--! Included views/reporting/pipeline_in_base.sql
/* What is in each stage, in the base currency. Analysts read it with the rights of its owner. */
create or replace view reporting.pipeline_in_base as
  select
    stage.name                                                             as stage,
    stage.position,
    stage.kind,
    conversion.converted_currency                                          as currency,
    coalesce(sum(summed.deals), 0)::bigint                                 as deals,
    coalesce(round(sum(summed.value * conversion.factor), 2), 0)           as value,
    coalesce(round(sum(summed.percents * conversion.factor) * 0.01, 2), 0) as weighted_value
  from crm.pipeline_stages as stage
  left join (
    -- The sums of a day are converted: fewer than deals, and the same.
    select
      stage,
      currency,
      day,
      count(*)                 as deals,
      sum(value)               as value,
      sum(value * probability) as percents
    from crm_private.dated_deals
    group by stage, currency, day
  ) as summed on summed.stage = stage.name
  left join crm_private.conversions as conversion
    on conversion.currency = summed.currency and conversion.day = summed.day
  group by stage.id, conversion.converted_currency;

comment on view reporting.pipeline_in_base is
  'The deals of each stage in the base currency: open ones at today''s rate, closed ones at that of '
  'the day on which they closed. Deals of a currency that has no rate for the day '
  'have a row of their own, in that currency. Sums are rounded, not what is added up. A stage '
  'without deals has one row without a currency.';
comment on column reporting.pipeline_in_base.stage is 'The name of the stage.';
comment on column reporting.pipeline_in_base.position is 'Where the stage stands in the pipeline.';
comment on column reporting.pipeline_in_base.kind is 'open, won or lost.';
comment on column reporting.pipeline_in_base.currency is
  'The currency of both values: the base currency, or that of deals without a rate.';
comment on column reporting.pipeline_in_base.deals is 'How many deals are in the stage.';
comment on column reporting.pipeline_in_base.value is 'Their value.';
comment on column reporting.pipeline_in_base.weighted_value is
  'Their value, each multiplied by the probability of its deal.';

grant select on reporting.pipeline_in_base to crm_reporter;
--! EndIncluded views/reporting/pipeline_in_base.sql
--! Included views/crm/stage_history.sql
/*
 * The stages that deals were in, and for how long, as the audit log has it.
 *
 * It is read with the rights of the caller, whose policy of the audit log decides what there is. Release 14
 * knows the rights of the view's owner only; so the view asks the policy's question itself, of its
 * owner's entries.
 */
create or replace view crm.stage_history as
  select
    period.entry_id,
    period.deal_id,
    period.stage,
    period.entered_at,
    period.left_at,
    coalesce(period.left_at, now()) - period.entered_at as duration,
    period.entered_by,
    period.source,
    period.stage_id
  from (
    select
      moved.*,
      lead(moved.entered_at) over (partition by moved.deal_id order by moved.entry_id) as left_at
    from (
      select
        log.id          as entry_id,
        log.entity_id   as deal_id,
        case
          when not log.changes ? '@imported' then log."timestamp"
          -- An imported deal has been in its stage since it was closed, or at the most since it began.
          else coalesce(
            (log.changes ->> 'closed_at')::timestamptz, (log.changes ->> 'created_at')::timestamptz,
            log."timestamp"
          )
        end             as entered_at,
        log.user_id     as entered_by,
        log.source,
        log.action,
        named.stage_id,
        coalesce(named.stage, told.stage) as stage,
        lag(coalesce(named.stage_id::text, told.stage))
          over (partition by log.entity_id order by log.id) as former
      from crm.audit_logs as log
      cross join lateral (
        select case log.action
          when 'create' then log.changes ->> 'stage'
          when 'update' then log.changes #>> '{stage,new}'
        end
      ) as told (stage)
      left join crm_private.stage_names as named
        on named.name = told.stage
        and named.since <= log.id
        and (named.until is null or log.id < named.until)
      where log.entity_type = 'deal'
        and (log.action <> 'update' or log.changes ? 'stage')
        and (
          (select crm_private.is_administrator())
          or log.user_id = (select crm.current_user_id())
          or crm_private.is_readable('deal', log.entity_id)
        )
    ) as moved
    -- A stage that is renamed is the same stage.
    where moved.action <> 'update'
      or coalesce(moved.stage_id::text, moved.stage) is distinct from moved.former
  ) as period
  where period.stage is not null;

do $invoker$
begin
  if current_setting('server_version_num')::integer >= 150000 then
    alter view crm.stage_history set (security_invoker = true);
  else
    alter view crm.stage_history set (security_barrier = true);
  end if;
end
$invoker$;

comment on view crm.stage_history is
  E'@primaryKey entry_id\n@name stage_period\n@behavior -single\n'
  '@foreignKey (deal_id) references crm.deals (id)|@fieldName deal|@foreignFieldName stageHistory\n'
  'The stages that deals were in: from when to when and for how long. The last of a deal lasts until now.';
comment on column crm.stage_history.entry_id is
  E'@notNull\nThe audit log entry that tells when it began; it increases.';
comment on column crm.stage_history.deal_id is E'@notNull\nThe id of the deal.';
comment on column crm.stage_history.stage is
  E'@notNull\n@rank pipeline_stages name position\nThe name that the stage has now, whatever it was '
  'called then; of one that is gone, the last.';
comment on column crm.stage_history.entered_at is E'@notNull\nWhen the deal came into the stage.';
comment on column crm.stage_history.left_at is
  'When it left, or was deleted; null if it is still there.';
comment on column crm.stage_history.duration is
  E'@notNull\n@untilNow entered_at left_at\nHow long it was there, or has been there until now.';
comment on column crm.stage_history.entered_by is E'@notNull\nThe user who moved it there.';
comment on column crm.stage_history.source is
  E'@notNull\nWhat it was moved through: api, import or sql.';
comment on column crm.stage_history.stage_id is
  'The id of the stage. Null if the audit log does not tell it any more.';

grant select on crm.stage_history to crm_reader;
--! EndIncluded views/crm/stage_history.sql
--! Included views/reporting/stage_periods.sql
/*
 * The stages that deals were in, for analysts, who read the audit log here with the rights of the
 * view's owner; crm.stage_history, which this resembles, asks for the rights of the caller.
 */
create or replace view reporting.stage_periods as
  select
    period.deal_id,
    deal.title                                             as deal,
    deal.owner_id,
    company.name                                           as company,
    period.stage,
    period.entered_at,
    period.left_at,
    round(
      extract(epoch from coalesce(period.left_at, now()) - period.entered_at)::numeric / 86400, 2
    )                                                      as days,
    period.entered_by,
    period.stage_id
  from (
    select
      moved.*,
      lead(moved.entered_at) over (partition by moved.deal_id order by moved.entry_id) as left_at
    from (
      select
        log.id          as entry_id,
        log.entity_id   as deal_id,
        case
          when not log.changes ? '@imported' then log."timestamp"
          -- An imported deal has been in its stage since it was closed, or at the most since it began.
          else coalesce(
            (log.changes ->> 'closed_at')::timestamptz, (log.changes ->> 'created_at')::timestamptz,
            log."timestamp"
          )
        end             as entered_at,
        log.user_id     as entered_by,
        log.source,
        log.action,
        named.stage_id,
        coalesce(named.stage, told.stage) as stage,
        lag(coalesce(named.stage_id::text, told.stage))
          over (partition by log.entity_id order by log.id) as former
      from crm.audit_logs as log
      cross join lateral (
        select case log.action
          when 'create' then log.changes ->> 'stage'
          when 'update' then log.changes #>> '{stage,new}'
        end
      ) as told (stage)
      left join crm_private.stage_names as named
        on named.name = told.stage
        and named.since <= log.id
        and (named.until is null or log.id < named.until)
      where log.entity_type = 'deal'
        and (log.action <> 'update' or log.changes ? 'stage')
    ) as moved
    -- A stage that is renamed is the same stage.
    where moved.action <> 'update'
      or coalesce(moved.stage_id::text, moved.stage) is distinct from moved.former
  ) as period
  join crm.deals as deal on deal.id = period.deal_id
  join crm.companies as company on company.id = deal.company_id
  where period.stage is not null;

comment on view reporting.stage_periods is
  'The stages that deals were in, from when to when, as the audit log has it. Deals that were '
  'deleted are left out.';
comment on column reporting.stage_periods.deal_id is 'The id of the deal.';
comment on column reporting.stage_periods.deal is 'Its title.';
comment on column reporting.stage_periods.owner_id is 'The user who owns it now.';
comment on column reporting.stage_periods.company is 'The name of its company.';
comment on column reporting.stage_periods.stage is
  'The name that the stage has now, whatever it was called then; of one that is gone, the last.';
comment on column reporting.stage_periods.entered_at is 'When the deal came into the stage.';
comment on column reporting.stage_periods.left_at is 'When it left; null if it is still there.';
comment on column reporting.stage_periods.days is
  'How many days it was there, or has been there until now.';
comment on column reporting.stage_periods.entered_by is 'The user who moved it there.';
comment on column reporting.stage_periods.stage_id is
  'The id of the stage. Null if the audit log does not tell it any more.';

grant select on reporting.stage_periods to crm_reporter;
--! EndIncluded views/reporting/stage_periods.sql
--! Included views/reporting/stage_conversion.sql
/* How far deals come. Analysts read it with the rights of its owner. */
create or replace view reporting.stage_conversion as
  with periods as materialized (
    select deal_id, stage_id, entered_at, left_at from reporting.stage_periods
  ),
  visits as (
    -- One row for each deal and stage, however often the deal was there.
    select
      period.deal_id,
      stage.id                             as stage_id,
      bool_or(period.left_at is null)      as is_present,
      max(stage.position)                  as position,
      max(max(stage.position)) filter (where stage.kind <> 'lost')
        over (partition by period.deal_id) as furthest
    from periods as period
    join crm.pipeline_stages as stage on stage.id = period.stage_id
    group by period.deal_id, stage.id
  ),
  deals as (
    select
      stage_id,
      count(*)                                    as entered,
      count(*) filter (where is_present)          as present,
      count(*) filter (where furthest > position) as advanced
    from visits
    group by stage_id
  ),
  stays as (
    select
      stage_id,
      avg(left_at - entered_at)                                         as average,
      percentile_cont(0.5) within group (order by left_at - entered_at) as median
    from periods
    where left_at is not null
    group by stage_id
  )

  select
    stage.name                                                   as stage,
    stage.position,
    stage.kind,
    coalesce(deals.entered, 0)                                   as entered,
    coalesce(deals.present, 0)                                   as present,
    coalesce(deals.advanced, 0)                                  as advanced,
    case stage.kind
      when 'open' then round(deals.advanced::numeric / deals.entered, 4)
    end                                                          as conversion_rate,
    round(extract(epoch from stays.average)::numeric / 86400, 2) as average_days,
    round(extract(epoch from stays.median)::numeric / 86400, 2)  as median_days
  from crm.pipeline_stages as stage
  left join deals on deals.stage_id = stage.id
  left join stays on stays.stage_id = stage.id;

comment on view reporting.stage_conversion is
  'How many deals come into each stage, how many of them get further, and how long they stay. '
  'Deals that were deleted are left out.';
comment on column reporting.stage_conversion.stage is 'The name of the stage.';
comment on column reporting.stage_conversion.position is 'Where the stage stands in the pipeline.';
comment on column reporting.stage_conversion.kind is 'open, won or lost.';
comment on column reporting.stage_conversion.entered is
  'How many deals were ever in the stage, under any name.';
comment on column reporting.stage_conversion.present is 'How many are there now.';
comment on column reporting.stage_conversion.advanced is
  'How many of those that entered came into a stage further on that is not lost.';
comment on column reporting.stage_conversion.conversion_rate is
  'advanced divided by entered, from 0 to 1; null if none entered, and where deals are won or '
  'lost.';
comment on column reporting.stage_conversion.average_days is
  'How many days deals stay in the stage, on average over the times that one left it.';
comment on column reporting.stage_conversion.median_days is
  'How many days deals stay in the stage: half of the times that one left it were shorter.';

grant select on reporting.stage_conversion to crm_reporter;
--! EndIncluded views/reporting/stage_conversion.sql
--! Included views/reporting/stage_moves.sql
/* How deals move. Analysts read it with the rights of its owner. */
create or replace view reporting.stage_moves as
  select
    moved.deal_id,
    moved.deal,
    moved.company,
    moved.owner_id,
    moved.moved_at,
    moved.moved_by,
    former.name                                           as from_stage,
    moved.stage                                           as to_stage,
    case
      when stage.kind = 'won' then 'won'
      when stage.kind = 'lost' then 'lost'
      when former.kind <> 'open' then 'reopened'
      when stage.position < former.position then 'back'
      else 'forward'
    end                                                   as direction
  from (
    select
      period.deal_id,
      period.deal,
      period.company,
      period.owner_id,
      period.entered_at                                   as moved_at,
      period.entered_by                                   as moved_by,
      period.stage,
      period.stage_id,
      lag(period.stage_id) over (partition by period.deal_id order by period.entered_at) as former_id
    from reporting.stage_periods as period
  ) as moved
  join crm.pipeline_stages as former on former.id = moved.former_id
  join crm.pipeline_stages as stage on stage.id = moved.stage_id;

comment on view reporting.stage_moves is
  'Every move of a deal from one stage to another, of stages that are still there.';
comment on column reporting.stage_moves.deal_id is 'The id of the deal.';
comment on column reporting.stage_moves.deal is 'Its title.';
comment on column reporting.stage_moves.company is 'The name of its company.';
comment on column reporting.stage_moves.owner_id is 'The user who owns it now.';
comment on column reporting.stage_moves.moved_at is 'When it was moved.';
comment on column reporting.stage_moves.moved_by is 'The user who moved it.';
comment on column reporting.stage_moves.from_stage is
  'The name that the stage that it left has now.';
comment on column reporting.stage_moves.to_stage is
  'The name that the stage that it came into has now.';
comment on column reporting.stage_moves.direction is 'forward, back, won, lost, or reopened.';

grant select on reporting.stage_moves to crm_reporter;
--! EndIncluded views/reporting/stage_moves.sql
--! Included views/reporting/close_date_changes.sql
/* Which deals slip. Analysts read it with the rights of its owner. */
create or replace view reporting.close_date_changes as
  select
    deal.id            as deal_id,
    deal.title         as deal,
    company.name       as company,
    deal.owner_id,
    log."timestamp"    as changed_at,
    log.user_id        as changed_by,
    told.old_date,
    told.new_date,
    told.new_date - told.old_date as days
  from crm.audit_logs as log
  join crm.deals as deal on deal.id = log.entity_id
  join crm.companies as company on company.id = deal.company_id
  cross join lateral (
    select
      (log.changes #>> '{close_date,old}')::date as old_date,
      (log.changes #>> '{close_date,new}')::date as new_date
  ) as told
  where log.entity_type = 'deal'
    and log.action = 'update'
    -- What the index of deals' entries asks.
    and (
      log.action <> 'update'
      or log.changes ?| array[
        'stage', 'value', 'currency', 'probability', 'close_date', 'owner_id', 'company_id'
      ]
    )
    and log.changes ? 'close_date';

comment on view reporting.close_date_changes is
  'Every time that the expected close date of a deal was moved. Deals that were deleted are left out.';
comment on column reporting.close_date_changes.deal_id is 'The id of the deal.';
comment on column reporting.close_date_changes.deal is 'Its title.';
comment on column reporting.close_date_changes.company is 'The name of its company.';
comment on column reporting.close_date_changes.owner_id is 'The user who owns it now.';
comment on column reporting.close_date_changes.changed_at is 'When it was changed.';
comment on column reporting.close_date_changes.changed_by is 'The user who changed it.';
comment on column reporting.close_date_changes.old_date is
  'The day before the change; null if there was none.';
comment on column reporting.close_date_changes.new_date is
  'The day after it; null if it was taken away.';
comment on column reporting.close_date_changes.days is
  'By how many days it was put off; below zero if it was brought forward.';

grant select on reporting.close_date_changes to crm_reporter;
--! EndIncluded views/reporting/close_date_changes.sql
--! Included views/reporting/value_changes.sql
/* What deals gain and lose. Analysts read it with the rights of its owner. */
create or replace view reporting.value_changes as
  select
    deal.id            as deal_id,
    deal.title         as deal,
    company.name       as company,
    deal.owner_id,
    log."timestamp"    as changed_at,
    log.user_id        as changed_by,
    was.value          as old_value,
    was.currency       as old_currency,
    became.value       as new_value,
    became.currency    as new_currency,
    case when was.currency = became.currency then became.value - was.value end as change,
    round(
      became.value * became_rate.factor - was.value * was_rate.factor, 2
    )                  as change_in_base
  from crm.audit_logs as log
  join crm.deals as deal on deal.id = log.entity_id
  join crm.companies as company on company.id = deal.company_id
  cross join crm_private.clock as clock
  cross join crm_private.settings as setting
  -- What a change leaves as it is, the next change of it tells, or the deal.
  cross join lateral (
    select
      coalesce(
        log.changes #>> '{value,new}',
        (
          select later.changes #>> '{value,old}'
          from crm.audit_logs as later
          where later.entity_id = log.entity_id
            and later.entity_type = 'deal'
            and later.action = 'update'
            and later.id > log.id
            and later.changes ? 'value'
          order by later.id
          limit 1
        ),
        deal.value::text
      )::numeric as value,
      coalesce(
        log.changes #>> '{currency,new}',
        (
          select later.changes #>> '{currency,old}'
          from crm.audit_logs as later
          where later.entity_id = log.entity_id
            and later.entity_type = 'deal'
            and later.action = 'update'
            and later.id > log.id
            and later.changes ? 'currency'
          order by later.id
          limit 1
        ),
        deal.currency
      ) as currency
  ) as became
  cross join lateral (
    select
      coalesce((log.changes #>> '{value,old}')::numeric, became.value) as value,
      coalesce(log.changes #>> '{currency,old}', became.currency)      as currency,
      (log."timestamp" at time zone clock.zone)::date                  as day
  ) as was
  cross join lateral (
    select case
      when was.currency = setting.base_currency then 1
      else (
        select exchange_rate.rate
        from crm.exchange_rates as exchange_rate
        where exchange_rate.currency = was.currency and exchange_rate.valid_from <= was.day
        order by exchange_rate.valid_from desc
        limit 1
      )
    end
  ) as was_rate (factor)
  cross join lateral (
    select case
      when became.currency = setting.base_currency then 1
      else (
        select exchange_rate.rate
        from crm.exchange_rates as exchange_rate
        where exchange_rate.currency = became.currency and exchange_rate.valid_from <= was.day
        order by exchange_rate.valid_from desc
        limit 1
      )
    end
  ) as became_rate (factor)
  where log.entity_type = 'deal'
    and log.action = 'update'
    -- What the index of deals' entries asks.
    and (
      log.action <> 'update'
      or log.changes ?| array[
        'stage', 'value', 'currency', 'probability', 'close_date', 'owner_id', 'company_id'
      ]
    )
    and log.changes ?| array['value', 'currency'];

comment on view reporting.value_changes is
  'Every time that the value of a deal, or its currency, was changed. Deals that were deleted are left '
  'out.';
comment on column reporting.value_changes.deal_id is 'The id of the deal.';
comment on column reporting.value_changes.deal is 'Its title.';
comment on column reporting.value_changes.company is 'The name of its company.';
comment on column reporting.value_changes.owner_id is 'The user who owns it now.';
comment on column reporting.value_changes.changed_at is 'When it was changed.';
comment on column reporting.value_changes.changed_by is 'The user who changed it.';
comment on column reporting.value_changes.old_value is 'The value before the change.';
comment on column reporting.value_changes.old_currency is 'The currency before it.';
comment on column reporting.value_changes.new_value is 'The value after it.';
comment on column reporting.value_changes.new_currency is 'The currency after it.';
comment on column reporting.value_changes.change is
  'What the deal gained by it, below zero what it lost; null where the currency is another.';
comment on column reporting.value_changes.change_in_base is
  'The same in the base currency, at the rates of the day; null where there was none.';

grant select on reporting.value_changes to crm_reporter;
--! EndIncluded views/reporting/value_changes.sql
--! Included views/reporting/owner_changes.sql
/* What was handed over. Analysts read it with the rights of its owner. */
create or replace view reporting.owner_changes as
  select
    log.entity_type,
    log.entity_id,
    coalesce(deal.title, company.name, contact.first_name || ' ' || contact.last_name) as label,
    log."timestamp"                     as changed_at,
    log.user_id                         as changed_by,
    log.changes #>> '{owner_id,old}'    as old_owner,
    log.changes #>> '{owner_id,new}'    as new_owner
  from crm.audit_logs as log
  left join crm.deals as deal on log.entity_type = 'deal' and deal.id = log.entity_id
  left join crm.companies as company on log.entity_type = 'company' and company.id = log.entity_id
  left join crm.contacts as contact on log.entity_type = 'contact' and contact.id = log.entity_id
  where log.action = 'update'
    and log.changes ? 'owner_id'
    and coalesce(deal.id, company.id, contact.id) is not null;

comment on view reporting.owner_changes is
  'Every time that a deal, a company or a contact got another owner. What was deleted is left out.';
comment on column reporting.owner_changes.entity_type is 'deal, company or contact.';
comment on column reporting.owner_changes.entity_id is 'The id of what changed hands.';
comment on column reporting.owner_changes.label is 'Its title or name.';
comment on column reporting.owner_changes.changed_at is 'When it was changed.';
comment on column reporting.owner_changes.changed_by is 'The user who changed it.';
comment on column reporting.owner_changes.old_owner is
  'The user who owned it before; null if nobody did.';
comment on column reporting.owner_changes.new_owner is
  'The user who owned it then; null if nobody did.';

grant select on reporting.owner_changes to crm_reporter;
--! EndIncluded views/reporting/owner_changes.sql
--! Included views/reporting/exchange_rates.sql
/* The rates that reports convert by. Analysts read it with the rights of its owner. */
create or replace view reporting.exchange_rates as
  select
    exchange_rate.currency,
    setting.base_currency,
    exchange_rate.valid_from,
    lead(exchange_rate.valid_from)
      over (partition by exchange_rate.currency order by exchange_rate.valid_from) - 1 as valid_to,
    exchange_rate.rate
  from crm.exchange_rates as exchange_rate
  cross join crm_private.settings as setting;

comment on view reporting.exchange_rates is
  'What one unit of a currency is worth in the base currency, and from when to when.';
comment on column reporting.exchange_rates.currency is 'The currency, as an ISO 4217 code.';
comment on column reporting.exchange_rates.base_currency is 'The currency that the rate is in.';
comment on column reporting.exchange_rates.valid_from is 'The first day of the rate.';
comment on column reporting.exchange_rates.valid_to is 'The last day; null for the rate of now.';
comment on column reporting.exchange_rates.rate is
  'Units of the base currency for one unit of the currency.';

grant select on reporting.exchange_rates to crm_reporter;
--! EndIncluded views/reporting/exchange_rates.sql
--! Included views/reporting/closed_deals.sql
/* What was won and lost, deal by deal. Analysts read it with the rights of its owner. */
create or replace view reporting.closed_deals as
  select
    deal.id                                                      as deal_id,
    record.title                                                 as deal,
    deal.company_id,
    company.name                                                 as company,
    deal.owner_id,
    deal.stage,
    deal.kind                                                    as outcome,
    deal.day                                                     as closed_on,
    deal.closed_at,
    deal.value,
    deal.currency,
    case
      when conversion.converted_currency = setting.base_currency
      then round(deal.value * conversion.factor, 2)
    end                                                          as value_in_base,
    record.lost_reason,
    deal.day - (deal.created_at at time zone deal.zone)::date    as cycle_days,
    deal.close_date                                              as expected_on,
    deal.day - deal.close_date                                   as days_late
  from crm_private.dated_deals as deal
  join crm_private.conversions as conversion
    on conversion.currency = deal.currency and conversion.day = deal.day
  cross join crm_private.settings as setting
  join crm.deals as record on record.id = deal.id
  join crm.companies as company on company.id = deal.company_id
  where deal.kind <> 'open';

comment on view reporting.closed_deals is
  'One row for each deal that is won or lost.';
comment on column reporting.closed_deals.deal_id is 'The id of the deal.';
comment on column reporting.closed_deals.deal is 'Its title.';
comment on column reporting.closed_deals.company_id is 'The id of its company.';
comment on column reporting.closed_deals.company is 'The name of its company.';
comment on column reporting.closed_deals.owner_id is 'The user who owns it; null if nobody does.';
comment on column reporting.closed_deals.stage is 'The name of its stage.';
comment on column reporting.closed_deals.outcome is 'won or lost.';
comment on column reporting.closed_deals.closed_on is 'The day on which it was won or lost.';
comment on column reporting.closed_deals.closed_at is 'The same to the microsecond.';
comment on column reporting.closed_deals.value is 'Its value.';
comment on column reporting.closed_deals.currency is 'The currency of the value.';
comment on column reporting.closed_deals.value_in_base is
  'The value in the base currency, at the rate of the day; null if there was none.';
comment on column reporting.closed_deals.lost_reason is 'Why it was lost, if somebody said so.';
comment on column reporting.closed_deals.cycle_days is
  'The days from its creation until it was closed.';
comment on column reporting.closed_deals.expected_on is
  'The day on which it was expected to close last, if any.';
comment on column reporting.closed_deals.days_late is
  'How many days after that it was closed; below zero if before.';

grant select on reporting.closed_deals to crm_reporter;
--! EndIncluded views/reporting/closed_deals.sql
--! Included views/reporting/lost_reasons.sql
/* Why deals are lost. Analysts read it with the rights of its owner. */
create or replace view reporting.lost_reasons as
  select
    date_trunc('month', deal.closed_on::timestamp)::date    as month,
    deal.lost_reason,
    deal.owner_id,
    deal.currency,
    count(*)                                                as deals,
    sum(deal.value)                                         as value,
    case when bool_and(deal.value_in_base is not null) then sum(deal.value_in_base) end
      as value_in_base
  from reporting.closed_deals as deal
  where deal.outcome = 'lost'
  group by 1, 2, 3, 4;

comment on view reporting.lost_reasons is
  'Deals lost, by month, reason, owner and currency.';
comment on column reporting.lost_reasons.month is
  'The first day of the month in which the deals were lost.';
comment on column reporting.lost_reasons.lost_reason is
  'The reason that was given; null if none was.';
comment on column reporting.lost_reasons.owner_id is
  'The user who owns the deals; null if nobody does.';
comment on column reporting.lost_reasons.currency is 'The currency of the value.';
comment on column reporting.lost_reasons.deals is 'How many deals were lost.';
comment on column reporting.lost_reasons.value is 'Their value.';
comment on column reporting.lost_reasons.value_in_base is
  'Their value in the base currency, at the rates of the days; null if there was none.';

grant select on reporting.lost_reasons to crm_reporter;
--! EndIncluded views/reporting/lost_reasons.sql
--! Included views/reporting/open_deals.sql
/* What is open, deal by deal. Analysts read it with the rights of its owner. */
create or replace view reporting.open_deals as
  select
    deal.id                                                          as deal_id,
    record.title                                                     as deal,
    deal.company_id,
    company.name                                                     as company,
    deal.owner_id,
    deal.stage,
    deal.probability,
    deal.value,
    deal.currency,
    case
      when conversion.converted_currency = setting.base_currency
      then round(deal.value * conversion.factor, 2)
    end                                                              as value_in_base,
    round(deal.value * deal.probability * 0.01, 2)                   as weighted_value,
    deal.close_date,
    case when deal.close_date < deal.day then deal.day - deal.close_date end as days_overdue,
    deal.day - (deal.created_at at time zone deal.zone)::date        as age_days,
    entered.at                                                       as stage_since,
    deal.day - (entered.at at time zone deal.zone)::date             as days_in_stage,
    touched.at                                                       as last_activity_at,
    deal.day - (touched.at at time zone deal.zone)::date             as idle_days,
    todo.due                                                         as next_task_due
  from crm_private.dated_deals as deal
  join crm_private.conversions as conversion
    on conversion.currency = deal.currency and conversion.day = deal.day
  cross join crm_private.settings as setting
  join crm.deals as record on record.id = deal.id
  join crm.companies as company on company.id = deal.company_id
  left join (
    select period.deal_id, max(period.entered_at) as at
    from reporting.stage_periods as period
    where period.left_at is null
    group by period.deal_id
  ) as entered on entered.deal_id = deal.id
  cross join lateral (
    select greatest(
      record.updated_at,
      (select max(task.updated_at) from crm.tasks as task where task.deal_id = deal.id),
      (select max(note.updated_at) from crm.notes as note where note.deal_id = deal.id)
    )
  ) as touched (at)
  left join lateral (
    select min(task.due_date)
    from crm.tasks as task
    where task.deal_id = deal.id and task.status = 'open'
  ) as todo (due) on true
  where deal.kind = 'open';

comment on view reporting.open_deals is
  'One row for each deal that is open: how old it is, for how long it has been in its stage, and for how '
  'long nobody has done anything.';
comment on column reporting.open_deals.deal_id is 'The id of the deal.';
comment on column reporting.open_deals.deal is 'Its title.';
comment on column reporting.open_deals.company_id is 'The id of its company.';
comment on column reporting.open_deals.company is 'The name of its company.';
comment on column reporting.open_deals.owner_id is 'The user who owns it; null if nobody does.';
comment on column reporting.open_deals.stage is 'The name of its stage.';
comment on column reporting.open_deals.probability is 'How likely it is won, from 0 to 100.';
comment on column reporting.open_deals.value is 'Its value.';
comment on column reporting.open_deals.currency is 'The currency of both values.';
comment on column reporting.open_deals.value_in_base is
  'The value in the base currency, at the rate of today; null if there is none.';
comment on column reporting.open_deals.weighted_value is 'Its value multiplied by its probability.';
comment on column reporting.open_deals.close_date is
  'The day on which it is expected to close, if any.';
comment on column reporting.open_deals.days_overdue is
  'For how many days that has been over; null if it is not.';
comment on column reporting.open_deals.age_days is 'The days since it was created.';
comment on column reporting.open_deals.stage_since is
  'When it came into its stage; null if the audit log does not tell it any more.';
comment on column reporting.open_deals.days_in_stage is 'The days since then.';
comment on column reporting.open_deals.last_activity_at is
  'When the deal, or one of its tasks or notes, was changed last.';
comment on column reporting.open_deals.idle_days is 'The days since then.';
comment on column reporting.open_deals.next_task_due is
  'The earliest day on which one of its open tasks is due; null if there is none.';

grant select on reporting.open_deals to crm_reporter;
--! EndIncluded views/reporting/open_deals.sql
--! Included views/reporting/new_deals.sql
/* How many deals come. Analysts read it with the rights of its owner. */
create or replace view reporting.new_deals as
  select
    date_trunc('month', deal.created_at at time zone clock.zone)::date as month,
    deal.owner_id,
    deal.currency,
    count(*)                                                           as deals,
    sum(deal.value)                                                    as value,
    count(*) filter (where stage.kind = 'won')                         as won,
    count(*) filter (where stage.kind = 'lost')                        as lost
  from crm.deals as deal
  join crm.pipeline_stages as stage on stage.name = deal.stage
  cross join crm_private.clock as clock
  group by 1, 2, 3;

comment on view reporting.new_deals is
  'The deals that were created in each month and are still there, by owner and currency, and what has '
  'become of them.';
comment on column reporting.new_deals.month is 'The first day of the month.';
comment on column reporting.new_deals.owner_id is 'The user who owns them; null if nobody does.';
comment on column reporting.new_deals.currency is 'The currency of the value.';
comment on column reporting.new_deals.deals is 'How many there are.';
comment on column reporting.new_deals.value is 'Their value.';
comment on column reporting.new_deals.won is 'How many of them are won by now.';
comment on column reporting.new_deals.lost is 'How many of them are lost by now.';

grant select on reporting.new_deals to crm_reporter;
--! EndIncluded views/reporting/new_deals.sql
--! Included views/reporting/customers.sql
/* Who buys. Analysts read it with the rights of its owner. */
create or replace view reporting.customers as
  select
    deal.company_id,
    company.name                                                    as company,
    company.owner_id,
    conversion.converted_currency                                   as currency,
    count(*) filter (where deal.kind = 'won')                       as won,
    coalesce(
      round(sum(deal.value * conversion.factor) filter (where deal.kind = 'won'), 2), 0
    )                                                               as won_value,
    min(deal.day) filter (where deal.kind = 'won')                  as first_won_on,
    max(deal.day) filter (where deal.kind = 'won')                  as last_won_on,
    count(*) filter (where deal.kind = 'lost')                      as lost,
    count(*) filter (where deal.kind = 'open')                      as open_deals,
    coalesce(
      round(sum(deal.value * conversion.factor) filter (where deal.kind = 'open'), 2), 0
    )                                                               as open_value
  from crm_private.dated_deals as deal
  join crm_private.conversions as conversion
    on conversion.currency = deal.currency and conversion.day = deal.day
  join crm.companies as company on company.id = deal.company_id
  group by deal.company_id, company.name, company.owner_id, conversion.converted_currency;

comment on view reporting.customers is
  'Companies that have deals, with what they bought and may buy, in the base currency. Deals of a '
  'currency that has no rate for the day have a row of their own, in that currency.';
comment on column reporting.customers.company_id is 'The id of the company.';
comment on column reporting.customers.company is 'Its name.';
comment on column reporting.customers.owner_id is
  'The user who owns the company; null if nobody does.';
comment on column reporting.customers.currency is
  'The currency of both values: the base currency, or that of deals without a rate.';
comment on column reporting.customers.won is 'How many deals with it were won.';
comment on column reporting.customers.won_value is
  'Their value, at the rates of the days on which they were won.';
comment on column reporting.customers.first_won_on is 'The day on which the first of them was won.';
comment on column reporting.customers.last_won_on is 'The day on which the last of them was won.';
comment on column reporting.customers.lost is 'How many deals with it were lost.';
comment on column reporting.customers.open_deals is 'How many deals with it are open.';
comment on column reporting.customers.open_value is 'Their value, at the rates of today.';

grant select on reporting.customers to crm_reporter;
--! EndIncluded views/reporting/customers.sql
--! Included views/reporting/pipeline_by_day.sql
/*
 * The pipeline on any day. The days come first, so that a question about one looks back once. Analysts read
 * it with the rights of its owner.
 */
create or replace view reporting.pipeline_by_day as
  select
    listed.day,
    held.stage,
    held.position,
    held.kind,
    held.currency,
    held.deals,
    held.value,
    held.weighted_value,
    held.stage_id
  from (
    select clock.zone, clock.today, day::date as day
    from crm_private.clock as clock
    cross join lateral (select min("timestamp") from crm.audit_logs) as first ("timestamp")
    cross join lateral generate_series(
      (first."timestamp" at time zone clock.zone)::date::timestamp, clock.today::timestamp,
      interval '1 day'
    ) as day
  ) as listed
  cross join lateral (
    select
      deal.stage_id,
      deal.stage,
      stage.position,
      stage.kind,
      deal.currency,
      count(*)                                             as deals,
      sum(deal.value)                                      as value,
      round(sum(deal.value * deal.probability) * 0.01, 2)  as weighted_value
    from crm_private.deals_as_of(
      (listed.day + 1)::timestamp at time zone listed.zone - interval '1 microsecond'
    ) as deal
    left join crm.pipeline_stages as stage on stage.id = deal.stage_id
    group by deal.stage_id, deal.stage, stage.position, stage.kind, deal.currency
  ) as held;

comment on view reporting.pipeline_by_day is
  'The pipeline at the end of each day since the audit log begins, and today as it is: what each stage '
  'held, one row for each currency. Ask for few days: each is looked back to by itself.';
comment on column reporting.pipeline_by_day.day is 'The day.';
comment on column reporting.pipeline_by_day.stage is
  'The name that the stage has now; of one that is gone, the last.';
comment on column reporting.pipeline_by_day.position is
  'Where the stage stands in the pipeline now; null if it is gone.';
comment on column reporting.pipeline_by_day.kind is
  'open, won or lost: what the stage is now; null if it is gone.';
comment on column reporting.pipeline_by_day.currency is 'The currency of both values.';
comment on column reporting.pipeline_by_day.deals is 'How many deals were in the stage.';
comment on column reporting.pipeline_by_day.value is 'Their value then.';
comment on column reporting.pipeline_by_day.weighted_value is
  'Their value, each multiplied by the probability that its deal had.';
comment on column reporting.pipeline_by_day.stage_id is 'The id of the stage.';

grant select on reporting.pipeline_by_day to crm_reporter;
--! EndIncluded views/reporting/pipeline_by_day.sql
--! Included views/reporting/pipeline_by_day_in_base.sql
/* The pipeline on any day, in the base currency. Analysts read it with the rights of its owner. */
create or replace view reporting.pipeline_by_day_in_base as
  select
    summed.day,
    summed.stage,
    summed.position,
    summed.kind,
    conversion.currency,
    sum(summed.deals)::bigint                                     as deals,
    round(sum(summed.value * conversion.factor), 2)               as value,
    round(sum(summed.weighted_value * conversion.factor), 2)      as weighted_value,
    summed.stage_id
  from reporting.pipeline_by_day as summed
  cross join crm_private.settings as setting
  left join lateral (
    select exchange_rate.rate
    from crm.exchange_rates as exchange_rate
    where exchange_rate.currency = summed.currency
      and exchange_rate.valid_from <= summed.day
    order by exchange_rate.valid_from desc
    limit 1
  ) as dated on true
  cross join lateral (
    select
      case when dated.rate is null then summed.currency else setting.base_currency end as currency,
      coalesce(dated.rate, 1)                                              as factor
  ) as conversion
  group by
    summed.day, summed.stage_id, summed.stage, summed.position, summed.kind, conversion.currency;

comment on view reporting.pipeline_by_day_in_base is
  'The pipeline at the end of each day in the base currency, at the rates of the day. Deals of a '
  'currency that had no rate then have a row of their own, in that currency. Ask for few days.';
comment on column reporting.pipeline_by_day_in_base.day is 'The day.';
comment on column reporting.pipeline_by_day_in_base.stage is
  'The name that the stage has now; of one that is gone, the last.';
comment on column reporting.pipeline_by_day_in_base.position is
  'Where the stage stands in the pipeline now; null if it is gone.';
comment on column reporting.pipeline_by_day_in_base.kind is
  'open, won or lost: what the stage is now; null if it is gone.';
comment on column reporting.pipeline_by_day_in_base.currency is
  'The currency of both values: the base currency, or that of deals without a rate.';
comment on column reporting.pipeline_by_day_in_base.deals is 'How many deals were in the stage.';
comment on column reporting.pipeline_by_day_in_base.value is 'Their value then.';
comment on column reporting.pipeline_by_day_in_base.weighted_value is
  'Their value, each multiplied by the probability that its deal had.';
comment on column reporting.pipeline_by_day_in_base.stage_id is 'The id of the stage.';

grant select on reporting.pipeline_by_day_in_base to crm_reporter;
--! EndIncluded views/reporting/pipeline_by_day_in_base.sql
--! Included views/reporting/forecast_accuracy.sql
/*
 * What was forecast at the beginning of a month, and what came of it. The months come first, so that a
 * question about one looks back once. Analysts read it with the rights of its owner.
 */
create or replace view reporting.forecast_accuracy as
  select
    listed.month,
    told.currency,
    told.forecast_deals,
    told.forecast_value,
    told.forecast_weighted_value,
    told.won,
    told.won_value,
    told.forecast_won,
    told.forecast_won_value,
    told.forecast_lost,
    told.forecast_deals - told.forecast_won - told.forecast_lost as slipped
  from (
    select clock.zone, month::date as month
    from crm_private.clock as clock
    cross join lateral (select min("timestamp") from crm.audit_logs) as first ("timestamp")
    cross join lateral generate_series(
      date_trunc('month', first."timestamp" at time zone clock.zone),
      date_trunc('month', clock.today::timestamp),
      interval '1 month'
    ) as month
    where month::timestamp at time zone clock.zone >= first."timestamp"
  ) as listed
  cross join lateral (
    select
      coalesce(deal.currency, closed.currency)                                   as currency,
      count(deal.deal_id)                                                        as forecast_deals,
      coalesce(sum(deal.value), 0)                                               as forecast_value,
      coalesce(round(sum(deal.value * deal.probability) * 0.01, 2), 0)
        as forecast_weighted_value,
      count(*) filter (where closed.kind = 'won')                                as won,
      coalesce(sum(closed.value) filter (where closed.kind = 'won'), 0)          as won_value,
      count(deal.deal_id) filter (where closed.kind = 'won')                     as forecast_won,
      coalesce(
        sum(closed.value) filter (where closed.kind = 'won' and deal.deal_id is not null), 0
      )                                                                          as forecast_won_value,
      count(deal.deal_id) filter (where closed.kind = 'lost')                    as forecast_lost
    from (
      select was.*
      from crm_private.deals_as_of(
        listed.month::timestamp at time zone listed.zone
      ) as was
      join crm.pipeline_stages as stage on stage.id = was.stage_id
      where stage.kind = 'open'
        and was.close_date >= listed.month
        and was.close_date < listed.month + interval '1 month'
    ) as deal
    full join (
      select record.id, record.currency, record.value, stage.kind
      from crm.deals as record
      join crm.pipeline_stages as stage on stage.name = record.stage
      where record.closed_at >= listed.month::timestamp at time zone listed.zone
        and record.closed_at < (listed.month + interval '1 month') at time zone listed.zone
    ) as closed on closed.id = deal.deal_id
    where deal.deal_id is not null
      or closed.kind = 'won'
    group by coalesce(deal.currency, closed.currency)
  ) as told;

comment on view reporting.forecast_accuracy is
  'How good the forecast of a month was: what was open at its beginning and expected to close in it, and '
  'what was won and lost in it. One row for each currency; months that began before the audit log are '
  'left out. Ask for few months: each is looked back to by itself.';
comment on column reporting.forecast_accuracy.month is 'The first day of the month.';
comment on column reporting.forecast_accuracy.currency is 'The currency of all values.';
comment on column reporting.forecast_accuracy.forecast_deals is
  'How many deals were open at the beginning of the month and expected to close in it.';
comment on column reporting.forecast_accuracy.forecast_value is 'Their value then.';
comment on column reporting.forecast_accuracy.forecast_weighted_value is
  'Their value then, each multiplied by the probability of its deal: what was to be expected.';
comment on column reporting.forecast_accuracy.won is
  'How many deals were won in the month, whether expected or not.';
comment on column reporting.forecast_accuracy.won_value is 'Their value.';
comment on column reporting.forecast_accuracy.forecast_won is
  'How many of the deals that were expected were won in the month.';
comment on column reporting.forecast_accuracy.forecast_won_value is 'Their value.';
comment on column reporting.forecast_accuracy.forecast_lost is
  'How many of the deals that were expected were lost in the month.';
comment on column reporting.forecast_accuracy.slipped is
  'How many of the deals that were expected were neither won nor lost in the month.';

grant select on reporting.forecast_accuracy to crm_reporter;
--! EndIncluded views/reporting/forecast_accuracy.sql
--! Included views/reporting/forecast_accuracy_in_base.sql
/* How good the forecast was, in the base currency. Analysts read it with the rights of its owner. */
create or replace view reporting.forecast_accuracy_in_base as
  select
    summed.month,
    conversion.currency,
    sum(summed.forecast_deals)::bigint                                  as forecast_deals,
    round(sum(summed.forecast_value * conversion.factor), 2)            as forecast_value,
    round(sum(summed.forecast_weighted_value * conversion.factor), 2)   as forecast_weighted_value,
    sum(summed.won)::bigint                                             as won,
    round(sum(summed.won_value * conversion.factor), 2)                 as won_value,
    sum(summed.forecast_won)::bigint                                    as forecast_won,
    round(sum(summed.forecast_won_value * conversion.factor), 2)        as forecast_won_value,
    sum(summed.forecast_lost)::bigint                                   as forecast_lost,
    sum(summed.slipped)::bigint                                         as slipped
  from reporting.forecast_accuracy as summed
  cross join crm_private.settings as setting
  left join lateral (
    select exchange_rate.rate
    from crm.exchange_rates as exchange_rate
    where exchange_rate.currency = summed.currency
      and exchange_rate.valid_from <= summed.month
    order by exchange_rate.valid_from desc
    limit 1
  ) as dated on true
  cross join lateral (
    select
      case when dated.rate is null then summed.currency else setting.base_currency end as currency,
      coalesce(dated.rate, 1)                                              as factor
  ) as conversion
  group by summed.month, conversion.currency;

comment on view reporting.forecast_accuracy_in_base is
  'How good the forecast of a month was, in the base currency, all at the rates of its first day. Deals of '
  'a currency that had no rate then have a row of their own, in that currency. Ask for few months.';
comment on column reporting.forecast_accuracy_in_base.month is 'The first day of the month.';
comment on column reporting.forecast_accuracy_in_base.currency is
  'The currency of all values: the base currency, or that of deals without a rate.';
comment on column reporting.forecast_accuracy_in_base.forecast_deals is
  'How many deals were open at the beginning of the month and expected to close in it.';
comment on column reporting.forecast_accuracy_in_base.forecast_value is 'Their value then.';
comment on column reporting.forecast_accuracy_in_base.forecast_weighted_value is
  'Their value then, each multiplied by the probability of its deal: what was to be expected.';
comment on column reporting.forecast_accuracy_in_base.won is
  'How many deals were won in the month, whether expected or not.';
comment on column reporting.forecast_accuracy_in_base.won_value is 'Their value.';
comment on column reporting.forecast_accuracy_in_base.forecast_won is
  'How many of the deals that were expected were won in the month.';
comment on column reporting.forecast_accuracy_in_base.forecast_won_value is 'Their value.';
comment on column reporting.forecast_accuracy_in_base.forecast_lost is
  'How many of the deals that were expected were lost in the month.';
comment on column reporting.forecast_accuracy_in_base.slipped is
  'How many of the deals that were expected were neither won nor lost in the month.';

grant select on reporting.forecast_accuracy_in_base to crm_reporter;
--! EndIncluded views/reporting/forecast_accuracy_in_base.sql
--! Included views/reporting/tasks.sql
/* Every task. Analysts read it with the rights of its owner. */
create or replace view reporting.tasks as
  select
    task.id,
    task.description,
    task.status,
    task.due_date,
    task.assigned_to,
    task.entity_type,
    task.entity_id,
    coalesce(contact.first_name || ' ' || contact.last_name, company.name, deal.title) as entity,
    task.created_at,
    task.created_by,
    task.updated_at,
    task.updated_by
  from crm.tasks as task
  left join crm.contacts as contact on contact.id = task.contact_id
  left join crm.companies as company on company.id = task.company_id
  left join crm.deals as deal on deal.id = task.deal_id;

comment on view reporting.tasks is 'One row for each task.';
comment on column reporting.tasks.id is 'The id of the task.';
comment on column reporting.tasks.description is 'What is to be done.';
comment on column reporting.tasks.status is 'open or closed.';
comment on column reporting.tasks.due_date is 'The day by which it is to be done.';
comment on column reporting.tasks.assigned_to is 'The user who is to do it.';
comment on column reporting.tasks.entity_type is 'What it is about: contact, company or deal.';
comment on column reporting.tasks.entity_id is 'The id of what it is about.';
comment on column reporting.tasks.entity is
  'The name of the contact or company, the title of the deal.';
comment on column reporting.tasks.created_at is 'When the task was created.';
comment on column reporting.tasks.created_by is 'Who created it.';
comment on column reporting.tasks.updated_at is 'When it was changed last.';
comment on column reporting.tasks.updated_by is 'Who changed it last.';

grant select on reporting.tasks to crm_reporter;
--! EndIncluded views/reporting/tasks.sql
--! Included views/crm/trash.sql
/*
 * What has been deleted and can be restored. The last deletion of a row counts, if the row is not back.
 * What went with another row that is still gone comes back with that one; what has been erased does not
 * come back.
 *
 * It is read with the rights of the caller, whose policy of the audit log decides what there is. Release 14
 * knows the rights of the view's owner only; so the view asks the policy's question itself, of its
 * owner's entries.
 */
create or replace view crm.trash as
  select
    deletion.entity_type,
    deletion.entity_id                                                as id,
    crm_private.deleted_label(deletion.entity_type, deletion.changes) as label,
    deletion."timestamp"                                              as deleted_at,
    deletion.user_id                                                  as deleted_by,
    (
      select count(*) - 1
      from crm_private.cascaded_deletions(
        deletion.transaction_id, deletion.id, deletion.entity_type, deletion.entity_id,
        deletion.changes
      ) as taken
      where taken.action = 'delete'
    )                                                                 as cascaded_rows,
    deletion.transaction_id,
    deletion.id                                                       as entry_id
  from crm.audit_logs as deletion
  where deletion.action = 'delete'
    and deletion.erased_at is null
    and (
      (select crm_private.is_administrator())
      or deletion.user_id = (select crm.current_user_id())
    )
    and not crm_private.is_there(deletion.entity_type, deletion.entity_id)
    and not exists (
      select
      from crm.audit_logs as later
      where later.entity_id = deletion.entity_id
        and later.action = 'delete'
        and later.id > deletion.id
    )
    and not exists (
      select
      from crm.audit_logs as parent
      where parent.entity_id = crm_private.cascade_parent(deletion.entity_type, deletion.changes)
        and parent.transaction_id = deletion.transaction_id
        and parent.action = 'delete'
        and parent.id < deletion.id
        and not crm_private.is_there(parent.entity_type, parent.entity_id)
    );

do $invoker$
begin
  if current_setting('server_version_num')::integer >= 150000 then
    alter view crm.trash set (security_invoker = true);
  else
    alter view crm.trash set (security_barrier = true);
  end if;
end
$invoker$;

comment on view crm.trash is
  E'@primaryKey entry_id\n@name trash_item\n@behavior -single\n'
  'What has been deleted and can be restored: members see what they deleted, administrators all. What '
  'went with another row comes back with it and is not listed by itself.';
comment on column crm.trash.entity_type is
  E'@notNull\nWhat it was: contact, company, deal, task, note, custom_field_definition, '
  'pipeline_stage or exchange_rate.';
comment on column crm.trash.id is E'@notNull\nThe id that it had and will have again.';
comment on column crm.trash.label is 'What to recognise it by: a name, a title, or the beginning of a text.';
comment on column crm.trash.deleted_at is E'@notNull\nWhen it was deleted.';
comment on column crm.trash.deleted_by is E'@notNull\nThe user who deleted it.';
comment on column crm.trash.cascaded_rows is
  E'@notNull\nHow many rows went with it, and come back with it.';
comment on column crm.trash.transaction_id is
  E'@notNull\nThe transaction that deleted it; undoing that brings back everything that it deleted.';
comment on column crm.trash.entry_id is E'@notNull\nThe audit log entry that has it.';

grant select on crm.trash to crm_member;
--! EndIncluded views/crm/trash.sql
--! Included views/reporting/win_rates.sql
/* How many deals are won. Analysts read it with the rights of its owner. */
create or replace view reporting.win_rates as
  select
    date_trunc('month', deal.closed_at at time zone clock.zone)::date as month,
    deal.owner_id,
    deal.company_id,
    company.name                                                     as company,
    deal.currency,
    count(*) filter (where stage.kind = 'won')                       as won,
    count(*) filter (where stage.kind = 'lost')                      as lost,
    round(avg((stage.kind = 'won')::integer), 4)                     as win_rate,
    coalesce(sum(deal.value) filter (where stage.kind = 'won'), 0)   as won_value,
    coalesce(sum(deal.value) filter (where stage.kind = 'lost'), 0)  as lost_value,
    sum(cycle.days) filter (where stage.kind = 'won')                as won_days,
    round(avg(cycle.days) filter (where stage.kind = 'won'), 2)      as average_cycle
  from crm.deals as deal
  join crm.pipeline_stages as stage on stage.name = deal.stage
  join crm.companies as company on company.id = deal.company_id
  cross join crm_private.clock as clock
  cross join lateral (
    select (deal.closed_at at time zone clock.zone)::date - (deal.created_at at time zone clock.zone)::date
  ) as cycle (days)
  where stage.kind in ('won', 'lost')
  group by 1, 2, 3, 4, 5;

comment on view reporting.win_rates is
  'Deals won and lost, by month, owner, company and currency. For a total add up won and lost, and '
  'divide; rates of rows cannot be averaged.';
comment on column reporting.win_rates.month is
  'The first day of the month in which the deals were won or lost.';
comment on column reporting.win_rates.owner_id is
  'The user who owns the deals; null if nobody does.';
comment on column reporting.win_rates.company_id is 'The id of the company.';
comment on column reporting.win_rates.company is 'The name of the company.';
comment on column reporting.win_rates.currency is 'The currency of both values.';
comment on column reporting.win_rates.won is 'How many deals were won.';
comment on column reporting.win_rates.lost is 'How many deals were lost.';
comment on column reporting.win_rates.win_rate is
  'The share of deals won among those won or lost, from 0 to 1.';
comment on column reporting.win_rates.won_value is 'The value of the deals won.';
comment on column reporting.win_rates.lost_value is 'The value of the deals lost.';
comment on column reporting.win_rates.won_days is
  'The days from creation until the deals were won, added up: divided by won it is their average.';
comment on column reporting.win_rates.average_cycle is
  'The days from the creation of a deal until it was won, on average over the deals won.';

grant select on reporting.win_rates to crm_reporter;
--! EndIncluded views/reporting/win_rates.sql
--! Included views/reporting/win_rates_in_base.sql
/* How many deals are won, in the base currency. Analysts read it with the rights of its owner. */
create or replace view reporting.win_rates_in_base as
  select
    date_trunc('month', deal.closed_at at time zone deal.zone)::date              as month,
    deal.owner_id,
    deal.company_id,
    company.name                                                                  as company,
    conversion.converted_currency                                                 as currency,
    count(*) filter (where deal.kind = 'won')                                     as won,
    count(*) filter (where deal.kind = 'lost')                                    as lost,
    round(avg((deal.kind = 'won')::integer), 4)                                   as win_rate,
    coalesce(round(sum(converted.value) filter (where deal.kind = 'won'), 2), 0)  as won_value,
    coalesce(round(sum(converted.value) filter (where deal.kind = 'lost'), 2), 0) as lost_value,
    sum(cycle.days) filter (where deal.kind = 'won')                              as won_days,
    round(avg(cycle.days) filter (where deal.kind = 'won'), 2)                    as average_cycle
  from crm_private.dated_deals as deal
  join crm_private.conversions as conversion
    on conversion.currency = deal.currency and conversion.day = deal.day
  join crm.companies as company on company.id = deal.company_id
  cross join lateral (
    select (deal.closed_at at time zone deal.zone)::date - (deal.created_at at time zone deal.zone)::date
  ) as cycle (days)
  cross join lateral (select deal.value * conversion.factor) as converted (value)
  where deal.kind in ('won', 'lost')
  group by 1, 2, 3, 4, 5;

comment on view reporting.win_rates_in_base is
  'Deals won and lost in the base currency, by month, owner and company, at the rates of the days '
  'on which they closed. Deals of a currency that has no rate for the day have a row of their own, in that currency. For a total add up won and lost, and divide; rates of rows '
  'cannot be averaged.';
comment on column reporting.win_rates_in_base.month is
  'The first day of the month in which the deals were won or lost.';
comment on column reporting.win_rates_in_base.owner_id is
  'The user who owns the deals; null if nobody does.';
comment on column reporting.win_rates_in_base.company_id is 'The id of the company.';
comment on column reporting.win_rates_in_base.company is 'The name of the company.';
comment on column reporting.win_rates_in_base.currency is
  'The currency of both values: the base currency, or that of deals without a rate.';
comment on column reporting.win_rates_in_base.won is 'How many deals were won.';
comment on column reporting.win_rates_in_base.lost is 'How many deals were lost.';
comment on column reporting.win_rates_in_base.win_rate is
  'The share of deals won among those won or lost, from 0 to 1.';
comment on column reporting.win_rates_in_base.won_value is 'The value of the deals won.';
comment on column reporting.win_rates_in_base.lost_value is 'The value of the deals lost.';
comment on column reporting.win_rates_in_base.won_days is
  'The days from creation until the deals were won, added up: divided by won it is their average.';
comment on column reporting.win_rates_in_base.average_cycle is
  'The days from the creation of a deal until it was won, on average over the deals won.';

grant select on reporting.win_rates_in_base to crm_reporter;
--! EndIncluded views/reporting/win_rates_in_base.sql

--! split: 070-triggers.sql
/*
 * Why: what fires on what, a phase a file.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

--! Included triggers/100_normalise.sql
/*
 * Phase 100: one way to write what can be written in several. Conditions keep the common row from
 * paying for a call.
 *
 * - A custom field set to null is removed.
 * - Custom fields set to {"$merge": {…}} are what they were, with these members set. No custom field can
 *   be called $merge.
 * - A deal's value has two decimals; one with more keeps them, for the check to refuse.
 * - A deal has from its stage a probability that is not given, and when it was closed.
 * - A new pipeline stage without a position goes to the end.
 */

create or replace function crm_private.normalise_custom_fields()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if jsonb_typeof(new.custom_fields -> '$merge') = 'object'
    and new.custom_fields - '$merge' = '{}'
  then
    new.custom_fields := new.custom_fields -> '$merge';
    if tg_op = 'UPDATE' then
      new.custom_fields := old.custom_fields || new.custom_fields;
    end if;
  end if;

  new.custom_fields := jsonb_strip_nulls(new.custom_fields);
  return new;
end
$$;

comment on function crm_private.normalise_custom_fields() is
  'Removes custom fields that are set to null; merges those that are to be merged.';

revoke all on function crm_private.normalise_custom_fields() from public;

select crm_private.compile_custom_field_trigger(entity_table)
from crm_private.entity_types
where has_custom_fields;

create or replace function crm_private.normalise_deal_value()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
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

-- Between two triggers null says that this very write gives the probability. A form that sends back
-- what it has read gives none: the value is the same, and so is the stage.
create or replace function crm_private.mark_given_probability()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.probability_given := null;
  return new;
end
$$;

comment on function crm_private.mark_given_probability() is
  'Notes that an update gives a deal''s probability.';

revoke all on function crm_private.mark_given_probability() from public;

-- It fires for the columns that a statement names, whether their values change or not: a deal at 20
-- that is moved, and told to be at 20, stays there.
create or replace trigger _100_mark_given_probability
  before update of probability on crm.deals
  for each row when (
    new.probability is not null
    and (new.probability is distinct from old.probability or new.stage is distinct from old.stage)
  )
  execute function crm_private.mark_given_probability();

/*
 * What a deal has from its stage.
 *
 * - A probability that is not given is the stage's: 100 where it is won, 0 where it is lost. One that
 *   is given stays until the deal comes into a won or lost stage; the same write may give another.
 * - An undo gives a probability back that was given; one that followed follows the stage of now.
 * - closed_at is when the deal came into a won or lost stage. A session that imports may give a new
 *   deal another (crm_private.imported_stamp); where it does not, crm_private.imported_close knows best.
 *   Whoever may write the column, which is the owner, is believed.
 * - lost_reason goes with the loss.
 *
 * A stage that was renamed is not there under its old name any more: then the deal did not move.
 */
create or replace function crm_private.follow_stage()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_kind        text;
  v_was         text;
  v_probability integer;
  v_plan        jsonb;
  v_enters      boolean;
begin
  select
    stage.kind,
    case stage.kind when 'won' then 100 when 'lost' then 0 else stage.probability end
  into v_kind, v_probability
  from crm.pipeline_stages as stage
  where stage.name = new.stage;

  -- Where there is no such stage, the stage is at fault and nothing else.
  if not found then
    new.probability       := coalesce(new.probability, 0);
    new.probability_given := coalesce(new.probability_given, false);
    return new;
  end if;

  -- An undo runs as the owner. Who else sets the setting has no plan.
  if current_setting('crm.reversing', true) = pg_current_xact_id()::text
    and has_function_privilege('crm_private.planned_reversal(uuid)', 'execute')
  then
    v_plan := (crm_private.planned_reversal(new.id)).before;
  end if;

  if tg_op = 'INSERT' then
    if v_plan ? 'id' then
      if not new.probability_given then
        new.probability := v_probability;
      end if;
    else
      new.probability_given := new.probability is not null;
      new.probability       := coalesce(new.probability, v_probability);
      new.closed_at := crm_private.imported_stamp('closed_at', new.closed_at::text)::timestamptz;
      if v_kind = 'open' and new.closed_at is not null then
        raise exception 'a deal in the open stage % cannot have closed_at', new.stage
          using errcode    = 'check_violation',
                schema     = 'crm', table = 'deals', column = 'closed_at',
                constraint = 'deals_closed_at_closed',
                detail     = '{"closedAt": ["is for deals in a stage that is won or lost"]}';
      elsif new.closed_at > now() then
        raise exception 'deals: closed_at % is not a time of the past', new.closed_at
          using errcode    = 'check_violation',
                schema     = 'crm', table = 'deals', column = 'closed_at',
                constraint = 'deals_closed_at_past',
                detail     = '{"closedAt": ["must be a time of the past"]}';
      end if;
    end if;
    new.closed_at := case
      when v_kind <> 'open' then coalesce(new.closed_at, crm_private.imported_close(new), now())
    end;
    return new;
  end if;

  v_was := (select stage.kind from crm.pipeline_stages as stage where stage.name = old.stage);
  v_enters := v_kind <> 'open' and (old.closed_at is null or coalesce(v_kind <> v_was, false));

  new.probability_given := case
    when v_plan ? 'probability_given' then (v_plan ->> 'probability_given')::boolean
    when v_plan is not null and old.probability_given and not v_enters then true
    when v_plan is not null then v_plan ? 'probability' and old.probability_given
    when new.probability_given is null then true
    else new.probability_given and new.probability is not null and not v_enters
  end;
  if not new.probability_given then
    new.probability := v_probability;
  end if;

  new.closed_at := case
    when v_kind = 'open' then null
    when new.closed_at is distinct from old.closed_at and new.closed_at is not null
    then new.closed_at
    when v_enters then greatest(clock_timestamp(), old.created_at)
    else old.closed_at
  end;

  if v_was = 'lost' and v_kind <> 'lost' and new.lost_reason is not distinct from old.lost_reason then
    new.lost_reason := null;
  end if;

  return new;
end
$$;

comment on function crm_private.follow_stage() is
  'Gives a deal what follows from its stage: a probability that is not given, and when it was closed.';

revoke all on function crm_private.follow_stage() from public;

create or replace trigger _100_normalise_stage
  before insert or update of stage, probability on crm.deals
  for each row execute function crm_private.follow_stage();

create or replace function crm_private.normalise_stage_position()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
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
 * - A session of an administrator that imports (crm.source) may say who created a new row, and when,
 *   in the system that it comes from. The audit log tells who inserted it, and that this was given.
 * - A row that an undo brings back keeps who created it, when, and who changed it last; its version
 *   goes on, and it is updated now.
 * - An update that carries another version than the row has meets SQLSTATE CRM01, with what is
 *   current as its detail. One that carries none has the row's own version, and passes.
 * - An update that changes nothing changes nothing: neither version nor updated_at move, and the
 *   audit log has no entry. Any other increases the version by one, and updated_at even within a
 *   transaction.
 * - The id of a row never changes.
 *
 * crm_private.compile_stamps compiles what updates need from the columns of each table.
 */

create or replace function crm_private.stamp_insert()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_created_at timestamptz;
  v_created_by text;
begin
  -- A row that comes back goes on where it was. Nobody but the owner can ask for the plan, so whoever
  -- else sets the setting is refused.
  if current_setting('crm.reversing', true) = pg_current_xact_id()::text then
    if (crm_private.planned_reversal(new.id)).before ? 'id' then
      new.version    := new.version + 1;
      new.updated_at := greatest(clock_timestamp(), new.updated_at + interval '1 microsecond');
      return new;
    end if;
  end if;

  v_created_at := crm_private.imported_stamp('created_at', new.created_at::text)::timestamptz;
  v_created_by := crm_private.imported_stamp('created_by', new.created_by);

  if not v_created_at between timestamptz '0001-01-01 UTC' and now() then
    raise exception '%: created_at % is not a time of the past', tg_table_name, v_created_at
      using errcode    = 'check_violation',
            schema     = tg_table_schema, table = tg_table_name, column = 'created_at',
            constraint = tg_table_name || '_created_at_past',
            detail     = '{"createdAt": ["must be a time of the past"]}';
  elsif crm_private.is_blank(v_created_by) or char_length(v_created_by) > 255 then
    raise exception '%: created_by must be from 1 to 255 characters', tg_table_name
      using errcode    = 'check_violation',
            schema     = tg_table_schema, table = tg_table_name, column = 'created_by',
            constraint = tg_table_name || '_created_by_length',
            detail     = '{"createdBy": ["must be from 1 to 255 characters"]}';
  elsif v_created_by ~ ('[' || crm_private.hidden_characters() || ']') then
    raise exception '%: created_by must not hold characters that cannot be seen', tg_table_name
      using errcode    = 'check_violation',
            schema     = tg_table_schema, table = tg_table_name, column = 'created_by',
            constraint = tg_table_name || '_created_by_legible',
            detail     = '{"createdBy": ["must not hold characters that cannot be seen"]}';
  end if;

  new.version    := 1;
  new.created_at := coalesce(v_created_at, now());
  new.updated_at := now();
  new.created_by := coalesce(v_created_by, crm.current_user_id());
  new.updated_by := crm.current_user_id();
  return new;
end
$$;

comment on function crm_private.stamp_insert() is
  'Replaces forged values of version, created_at, created_by, updated_at and updated_by; keeps those '
  'that are imported.';

revoke all on function crm_private.stamp_insert() from public;

select crm_private.compile_stamps(entity_table, entity_type) from crm_private.entity_types;

-- That a key is used is no change of it, and nothing for the audit log.
create or replace trigger _110_stamp_update before update on crm.api_keys
  for each row when (new.last_used_at is not distinct from old.last_used_at)
  execute function crm_private.api_keys_stamp('api_key');
--! EndIncluded triggers/110_stamp.sql
--! Included triggers/200_validate.sql
/*
 * Phase 200: a row that breaks a rule is refused with all its faults at once, each with its field.
 * crm_private.compile_rules makes the trigger of each table from the table's constraints.
 */

select crm_private.compile_custom_fields(entity_type)
from crm_private.entity_types
where has_custom_fields
order by restore_order;

select crm_private.compile_rules(entity_table) from crm_private.entity_types;
--! EndIncluded triggers/200_validate.sql
--! Included triggers/210_exchange_rates.sql
/*
 * Phase 210: the base currency has no rate but one. The setting's row is locked until the transaction
 * ends, so that it does not change meanwhile.
 *
 * Security definer: the table of settings is the owner's.
 */

create or replace function crm_private.refuse_base_rate()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_base text;
begin
  select base_currency into v_base from crm_private.settings for share;

  if new.currency = v_base then
    raise exception 'exchange_rates: currency is the base currency'
      using errcode    = 'check_violation',
            schema     = tg_table_schema, table = tg_table_name, column = 'currency',
            constraint = 'exchange_rates_currency_foreign',
            detail     = '{"currency": ["is the base currency"]}';
  end if;

  return new;
end
$$;

comment on function crm_private.refuse_base_rate() is
  'Refuses a rate of the base currency.';

revoke all on function crm_private.refuse_base_rate() from public;

create or replace trigger _210_refuse_base before insert or update on crm.exchange_rates
  for each row execute function crm_private.refuse_base_rate();
--! EndIncluded triggers/210_exchange_rates.sql
--! Included triggers/300_external_ids.sql
/*
 * Phase 300: an external id belongs to one row of its entity type. crm_private.external_ids has a row
 * for each; it follows from the columns external_ids, once for each statement. A row without external
 * ids costs no look at it.
 */

/* Security definer: the table is nobody's to write. */
create or replace function crm_private.keep_external_ids()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_gone  crm_private.external_ids[];
  v_taken crm_private.external_ids[];
begin
  if tg_op = 'INSERT' then
    select array_agg(row(tg_argv[0], own.source, own.id, new_row.id)::crm_private.external_ids)
    into v_taken
    from new_rows as new_row
    cross join unnest(new_row.external_ids) as own
    where cardinality(new_row.external_ids) > 0;

  elsif tg_op = 'DELETE' then
    select array_agg(row(tg_argv[0], own.source, own.id, old_row.id)::crm_private.external_ids)
    into v_gone
    from old_rows as old_row
    cross join unnest(old_row.external_ids) as own
    where cardinality(old_row.external_ids) > 0;

  else
    -- Both are of the rows before and after: what is only in one of them was freed, or taken.
    with before as (
      select own.source, own.id, old_row.id as entity_id
      from old_rows as old_row
      cross join unnest(old_row.external_ids) as own
      where cardinality(old_row.external_ids) > 0
    ),
    after as (
      select own.source, own.id, new_row.id as entity_id
      from new_rows as new_row
      cross join unnest(new_row.external_ids) as own
      where cardinality(new_row.external_ids) > 0
    )
    select
      (
        select array_agg(row(tg_argv[0], source, id, entity_id)::crm_private.external_ids)
        from (table before except table after) as gone
      ),
      (
        select array_agg(row(tg_argv[0], source, id, entity_id)::crm_private.external_ids)
        from (table after except table before) as taken
      )
    into v_gone, v_taken;
  end if;

  if v_gone is not null or v_taken is not null then
    perform crm_private.move_external_ids(v_gone, v_taken);
  end if;
  return null;
end
$$;

comment on function crm_private.keep_external_ids() is
  'Frees the external ids that rows lose, and takes those that they get.';

revoke all on function crm_private.keep_external_ids() from public;

select crm_private.compile_external_ids(entity_table, entity_type)
from crm_private.entity_types
where is_record;
--! EndIncluded triggers/300_external_ids.sql
--! Included triggers/300_merges.sql
/*
 * Phase 300: a contact or a company that is there is part of no other. One that comes back, by an undo,
 * from the trash, or by the hand of the owner, ends the merge in which it went.
 */

/* Security definer: the table is nobody's to write. */
create or replace function crm_private.end_merges()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update crm_private.merges as merge
  set ended_at = clock_timestamp(), ended_in = pg_current_xact_id()::text::bigint
  from new_rows as new_row
  where merge.loser_id = new_row.id
    and merge.ended_at is null;
  return null;
end
$$;

comment on function crm_private.end_merges() is
  'Ends the merges in which rows went that are back.';

revoke all on function crm_private.end_merges() from public;

select crm_private.compile_merges(entity_table, entity_type)
from crm_private.entity_types
where is_mergeable;
--! EndIncluded triggers/300_merges.sql
--! Included triggers/500_definitions.sql
/*
 * Phase 500: a change of custom field definitions is a migration of data, done and checked in the
 * same statement; crm_private.apply_definitions says how. What carries a field never changes.
 *
 * Security definer: it makes functions, and reaches rows whatever policies hide of them.
 */

create or replace function crm_private.definitions_changed()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_old crm.custom_field_definitions[];
  v_new crm.custom_field_definitions[];
begin
  if tg_op <> 'INSERT' then
    select array_agg(old_row::crm.custom_field_definitions) into v_old
    from old_rows as old_row;
  end if;

  if tg_op <> 'DELETE' then
    select array_agg(new_row::crm.custom_field_definitions) into v_new
    from new_rows as new_row;
  end if;

  perform crm_private.claim_definitions(p_alone => false);

  -- In one order always, lest two changes wait for each other.
  perform
    crm_private.apply_definitions(entity_type, v_old, v_new),
    crm_private.apply_indexes(entity_type, v_old, v_new)
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

create or replace function crm_private.refuse_moved_definition()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'custom_field_definitions: entityType of % cannot be changed', old.name
    using errcode    = 'check_violation',
          schema     = tg_table_schema, table = tg_table_name, column = 'entity_type',
          constraint = 'custom_field_definitions_entity_type_immutable',
          detail     = '{"entityType": ["cannot be changed"]}',
          hint       = 'Define the field for the other entity type, too.';
end
$$;

comment on function crm_private.refuse_moved_definition() is
  'Refuses another entity type for a definition.';

revoke all on function crm_private.refuse_moved_definition() from public;

create or replace trigger _210_refuse_moved before update on crm.custom_field_definitions
  for each row when (new.entity_type <> old.entity_type)
  execute function crm_private.refuse_moved_definition();
--! EndIncluded triggers/500_definitions.sql
--! Included triggers/500_stages.sql
/*
 * Phase 500, stages: a stage whose kind or probability changes takes its deals along, in one statement.
 * They are updates like others, with versions and entries in the audit log.
 *
 * Whoever writes deals meanwhile has read the stage as it was. So a change waits for them to end, and
 * they wait for it: the table is locked before a row of it is read, and before the stage is.
 */

create or replace function crm_private.lock_deals()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  lock table crm.deals in share row exclusive mode;
  return null;
end
$$;

comment on function crm_private.lock_deals() is
  'Keeps those who write deals waiting while stages change.';

revoke all on function crm_private.lock_deals() from public;

create or replace trigger _500_lock_deals
  before update of kind, probability on crm.pipeline_stages
  for each statement execute function crm_private.lock_deals();

create or replace function crm_private.stages_changed()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- crm_private.follow_stage has the rules: a probability that is null follows the stage.
  update crm.deals as deal
  set
    probability = case when deal.probability_given and stage.kind = 'open' then deal.probability end,
    lost_reason = case when stage.kind = 'lost' or not stage.was_lost then deal.lost_reason end
  from (
    select
      new_row.name,
      new_row.kind,
      case new_row.kind when 'won' then 100 when 'lost' then 0 else new_row.probability end
        as probability,
      old_row.kind = 'lost'         as was_lost,
      old_row.kind <> new_row.kind  as is_other
    from new_rows as new_row
    join old_rows as old_row using (id)
    where new_row.kind <> old_row.kind or new_row.probability <> old_row.probability
  ) as stage
  where deal.stage = stage.name
    and (
      stage.is_other
      or not deal.probability_given and deal.probability <> stage.probability
    );
  return null;
end
$$;

comment on function crm_private.stages_changed() is
  'Gives the deals of changed stages what follows from these.';

revoke all on function crm_private.stages_changed() from public;

create or replace trigger _500_stages_update
  after update on crm.pipeline_stages
  referencing old table as old_rows new table as new_rows
  for each statement execute function crm_private.stages_changed();
--! EndIncluded triggers/500_stages.sql
--! Included triggers/900_audit_log.sql
/*
 * Phase 900: the audit log. Once for each statement, whoever sends it and however many rows it
 * changes, cascades and COPY included. An update that changed nothing has no entry.
 * crm_private.compile_audit_log says what an entry holds.
 */

/*
 * TRUNCATE has no rows to audit log, so it is refused. Nor can the audit log itself
 * be emptied by it; crm_private.ensure_audit_partitions binds it to the other partitions.
 */
create or replace function crm_private.refuse_truncate()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'crm.% cannot be truncated, because the audit log would miss it', tg_table_name
    using errcode = 'feature_not_supported',
          schema  = tg_table_schema, table = tg_table_name,
          hint    = 'Delete the rows instead.';
end
$$;

comment on function crm_private.refuse_truncate() is
  'Refuses TRUNCATE, which the audit log could not tell.';

revoke all on function crm_private.refuse_truncate() from public;

create or replace trigger _900_refuse_truncate before truncate on crm.audit_logs
  for each statement execute function crm_private.refuse_truncate();
create or replace trigger _900_refuse_truncate before truncate on crm_private.audit_logs_other
  for each statement execute function crm_private.refuse_truncate();

select crm_private.compile_audit_log(entity_table, entity_type) from crm_private.entity_types;
--! EndIncluded triggers/900_audit_log.sql

select crm_private.ensure_audit_partitions();

--! split: 080-pipeline.sql
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
