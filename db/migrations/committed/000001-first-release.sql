--! Previous: -
--! Hash: sha1:9248df30f0a99c61460e588b5b9a03d554fd5acd
--! Message: first release

--! split: 010-roles-and-schemas.sql
/*
 * Why: the roles, schemas and extensions on which everything else depends. Roles belong to the
 *      whole cluster, so another database may have created them already; existing roles are not
 *      changed.
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
          'Login role of the server: can only become reader, member or administrator.'),
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

  -- Skips existing memberships: granting one again requires rights that this owner may lack.
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
 * The login roles get the settings that the server also sends with its connections. So they apply
 * behind a pooler that drops them, and for any other client of these roles. Existing settings are
 * not changed. jit is off, because with LLVM a report compiles for seconds and runs for
 * milliseconds.
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
      -- A role of the cluster may belong to the owner of another database.
      raise warning 'only a role that administers % can set its %', v_setting.role, v_setting.name;
    end;
  end loop;
end
$timeouts$;

create schema crm;
create schema crm_private;
create schema crm_custom;
create schema reporting;

comment on schema crm is 'The API: every table and function that clients use.';
comment on schema crm_private is 'Internals: the functions and tables on which crm is built.';
comment on schema crm_custom is
  'A function for each custom field, which returns the value of the field in a row, in the type of '
  'the field. Compiled from the definitions.';
comment on schema reporting is 'Views for analysts. Their meaning is stable.';

revoke all on schema crm, crm_private, reporting from public;
grant usage on schema crm, crm_custom to crm_reader;
grant usage on schema reporting to crm_reporter;
-- Triggers run as the writer and call functions in crm_private by name. So do functions of readers.
grant usage on schema crm_private to crm_server, crm_member, crm_reader;

-- No function is executable by public unless its own file grants it.
alter default privileges revoke execute on functions from public;

do $public$
begin
  -- Before PostgreSQL 15, every role may create objects in the schema public.
  if current_setting('server_version_num')::integer < 150000 then
    revoke create on schema public from public;
  end if;
end
$public$;

/*
 * Search and the comparison of names need trigrams and the removal of accents. Both extensions come
 * with PostgreSQL and are trusted: the owner of a database may create them. They have a schema of
 * their own, because all other code qualifies what it calls by schema.
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
 * The collation for case folding, independent of the locale of the database. It uses ICU, with
 * which most PostgreSQL packages are built; otherwise the builtin provider of PostgreSQL 17, or a
 * Unicode locale of the C library.
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
  'The collation for case folding, independent of the locale of the database.';

/*
 * The text search configuration that reduces the words of tasks and notes to their stems. It is
 * English until an administrator of the database maps it to other dictionaries.
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
 * Why: the types of columns, and the functions that columns, checks, indexes and policies call.
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

comment on type crm.external_id is 'The id of a row in another system.';

comment on column crm.external_id.source is
  E'@notNull\nThe name of the other system, such as hubspot, at most 100 characters.';
comment on column crm.external_id.id is
  E'@notNull\nThe id of the row in that system, at most 255 characters.';
--! EndIncluded types/external_id.sql
--! Included functions/audit_log/attached_to.sql
/*
 * Returns the id of the entity that a task or note was attached to by an audit log entry; null if
 * the entry does not change it. An index of the audit log uses this function.
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
  'Returns the id of the entity that a task or note was attached to by an audit log entry.';

revoke all on function crm_private.attached_to(text, jsonb) from public;
--! EndIncluded functions/audit_log/attached_to.sql
--! Included functions/search/company_document.sql
/*
 * Returns the search document of a company: its name (weight A), its address and the texts of its
 * custom fields (C). The trigger crm_private.derive_company calls it.
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
  'Returns the search document of a company.';

revoke all on function crm_private.company_document(text, jsonb, jsonb) from public;
grant execute on function crm_private.company_document(text, jsonb, jsonb) to crm_member;
--! EndIncluded functions/search/company_document.sql
--! Included functions/normalization/ascii_digits.sql
/*
 * Returns a text with ASCII digits in place of Arabic, Persian, Devanagari and full-width digits.
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
  'Returns a text with ASCII digits in place of others.';

revoke all on function crm_private.ascii_digits(text) from public;
grant execute on function crm_private.ascii_digits(text) to crm_reader;
--! EndIncluded functions/normalization/ascii_digits.sql
--! Included functions/normalization/calling_code.sql
/*
 * Returns the country code that a phone number in international form begins with; null if there is
 * none. No code is the beginning of another one.
 *
 * Generated by npm run phones from the metadata of libphonenumber.
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
  'Returns the country code that a phone number in international form begins with.';

revoke all on function crm_private.calling_code(text) from public;
grant execute on function crm_private.calling_code(text) to crm_reader;
--! EndIncluded functions/normalization/calling_code.sql
--! Included functions/normalization/phone_parts.sql
/*
 * Returns a phone number without its extension, and the extension: 4048 for "555 0100 ext. 4048",
 * "555 0100x4048" and "555 0100 #4048". It knows the words for an extension of libphonenumber and
 * some more of European languages.
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
  'Returns a phone number without its extension, and the extension.';

revoke all on function crm_private.phone_parts(text) from public;
grant execute on function crm_private.phone_parts(text) to crm_reader;
--! EndIncluded functions/normalization/phone_parts.sql
--! Included functions/normalization/phone_plan.sql
/*
 * Returns how phone numbers of a country are written: its country code, the prefix that is dialled
 * before a number within the country and the one before a number abroad (a pattern), and the
 * possible numbers of digits. Returns no row if there is no such country.
 *
 * Generated by npm run phones from the metadata of libphonenumber.
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
  'Returns how phone numbers of a country are written.';

revoke all on function crm_private.phone_plan(text) from public;
grant execute on function crm_private.phone_plan(text) to crm_reader;
--! EndIncluded functions/normalization/phone_plan.sql
--! Included functions/normalization/phone_number.sql
/*
 * Returns a phone number in one form, however it is written: "+33 6 47 18 67 44", "0033 6 47…",
 * "+33 (0)6 47…" and, for a number in France, "06 47 18 67 44" all become +33647186744. An
 * extension follows after an x: "+1 212 555 0100 ext. 4048" becomes +12125550100x4048. A number
 * without a country code becomes its digits without leading zeros if the country is null. Empty if
 * there is no digit.
 *
 * Leading zeros of a national number are dropped for every country, also for Italy.
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
    -- The prefix for numbers abroad, or the country's own code without a plus.
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
  'Returns a phone number in one form, with its country code if that is known, and its extension.';

revoke all on function crm_private.phone_number(text, text) from public;
grant execute on function crm_private.phone_number(text, text) to crm_reader;
--! EndIncluded functions/normalization/phone_number.sql
--! Included functions/search/contact_name_words.sql
/*
 * Returns the words of a contact's name, each after a space, and the digits of its phone numbers,
 * in which trigrams find parts. An index depends on it, so every name in it is qualified.
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
  'Returns the words of a contact''s name and the digits of its phone numbers.';

revoke all on function crm_private.contact_name_words(text, text, text[]) from public;
grant execute on function crm_private.contact_name_words(text, text, text[]) to crm_reader;
--! EndIncluded functions/search/contact_name_words.sql
--! Included functions/deals/currencies.sql
/*
 * Returns the currencies that a deal may be in: the active codes of ISO 4217 (its table A.1),
 * without precious metals, test codes and bond market units. ANG and BGN, withdrawn in 2025 and
 * 2026, stay because deals were closed in them. Called by the checks of the tables with a currency.
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
  E'@notNull\nThe currencies that a deal can be in, as ISO 4217 codes such as USD.';

revoke all on function crm.currencies() from public;
grant execute on function crm.currencies() to crm_reader;
--! EndIncluded functions/deals/currencies.sql
--! Included functions/access/current_user_id.sql
/*
 * Returns the user who makes the request. The server passes it in the setting crm.user_id, for one
 * transaction at a time. The setting is trusted only in sessions that may act as the server; any
 * other login is db:<login role>, regardless of the setting. So no one can write under another
 * user's name, and every audit log entry has a user.
 *
 * Its body is bound: its names were resolved when it was created, so it needs no search_path, and
 * PostgreSQL inlines it into the statements that call it, several times for each row.
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
  E'@notNull\nThe user who makes the request: the subject of the token, key:<name> for an API key, '
  'or db:<login role> for a database session.';

revoke all on function crm.current_user_id() from public;
grant execute on function crm.current_user_id() to crm_reader;
--! EndIncluded functions/access/current_user_id.sql
--! Included functions/access/key_is_valid.sql
/*
 * Returns true if the API key that makes the request is valid; raises if it was revoked or has
 * expired. Called by crm_private.caller_is_authenticated.
 *
 * Security definer: only administrators can read the keys.
 */
create or replace function crm_private.key_is_valid()
returns boolean
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (
    select
    from crm.api_keys as api_key
    where 'key:' || api_key.name = crm.current_user_id()
      and api_key.revoked_at is null
      and coalesce(api_key.expires_at > clock_timestamp(), true)
  ) then
    raise exception 'the API key was revoked or has expired'
      using errcode    = 'insufficient_privilege',
            schema     = 'crm', table = 'api_keys',
            constraint = 'caller_is_authenticated_key_valid',
            hint       = 'Use a valid API key; an administrator can create one.';
  end if;
  return true;
end
$$;

comment on function crm_private.key_is_valid() is
  'Returns true if the API key of the request is valid; raises if it was revoked or has expired.';

revoke all on function crm_private.key_is_valid() from public;
grant execute on function crm_private.key_is_valid() to crm_member;
--! EndIncluded functions/access/key_is_valid.sql
--! Included functions/access/caller_is_authenticated.sql
/*
 * Returns true for every user except an API key that was revoked or has expired since its request
 * was admitted; raises for such a key. Called once per statement by the policies of all tables that
 * roles other than the owner write, and by the functions that write with the owner's rights.
 * Revocation therefore also applies to a request that waits for its turn, and inside an open
 * transaction.
 *
 * Its body is bound, like that of crm.current_user_id, so that only a key costs a call.
 */
create or replace function crm_private.caller_is_authenticated()
returns boolean
language sql
stable
parallel safe
return not starts_with(crm.current_user_id(), 'key:') or crm_private.key_is_valid();

comment on function crm_private.caller_is_authenticated() is
  'Returns true; raises for an API key that was revoked or has expired.';

revoke all on function crm_private.caller_is_authenticated() from public;
grant execute on function crm_private.caller_is_authenticated() to crm_member;
--! EndIncluded functions/access/caller_is_authenticated.sql
--! Included functions/search/named_document.sql
/*
 * Returns the search document of an entity with a name: its name (weight A) and the texts of its
 * custom fields (C). The trigger crm_private.derive_deal calls it.
 */
create or replace function crm_private.named_document(name text, custom_fields jsonb)
returns tsvector
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return crm_private.search_name_vector(name)
    || crm_private.search_vector(crm_private.search_texts(custom_fields), 'C');
end
$$;

comment on function crm_private.named_document(text, jsonb) is
  'Returns the search document of an entity with a name.';

revoke all on function crm_private.named_document(text, jsonb) from public;
grant execute on function crm_private.named_document(text, jsonb) to crm_member;
--! EndIncluded functions/search/named_document.sql
--! Included functions/normalization/fold.sql
/*
 * Returns a text for comparisons without regard to case and accents: "Zoë ÅNGSTRÖM" becomes
 * "zoe angstrom". Indexes depend on it.
 *
 * Immutable because of the names in it: the dictionary is fixed, and its rules change only with a
 * release of PostgreSQL; reindex then. The collation is fixed too, so that РОМАШКА becomes ромашка
 * also in a database with the locale C. It writes a sigma at the end of a word as ς, which the
 * beginning of a longer word does not have, so both become σ. Every write of a name calls this
 * function, and most names are ASCII, for which lower case is enough.
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
  'Returns the text in lower case and without accents.';

revoke all on function crm_private.fold(text) from public;
grant execute on function crm_private.fold(text) to crm_reader;
--! EndIncluded functions/normalization/fold.sql
--! Included functions/external_ids/has_duplicate_external_id.sql
/* Returns true if a list contains an external id twice. */
create or replace function crm_private.has_duplicate_external_id(value crm.external_id[])
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select count(*) <> count(distinct (element.source, element.id))
      filter (where element.source is not null or element.id is not null)
    from unnest(value) as element
  );
end
$$;

comment on function crm_private.has_duplicate_external_id(crm.external_id[]) is
  'Returns true if the list contains an external id twice.';

revoke all on function crm_private.has_duplicate_external_id(crm.external_id[]) from public;
grant execute on function crm_private.has_duplicate_external_id(crm.external_id[]) to crm_member;
--! EndIncluded functions/external_ids/has_duplicate_external_id.sql
--! Included functions/validation/has_duplicates.sql
/* Returns true if two elements of an array are equal. */
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
  'Returns true if two elements of the array are equal.';

revoke all on function crm_private.has_duplicates(text[]) from public;
grant execute on function crm_private.has_duplicates(text[]) to crm_member;
--! EndIncluded functions/validation/has_duplicates.sql
--! Included functions/external_ids/has_long_external_id.sql
/*
 * Returns true if an external id of a list has a source or an id with more characters than the
 * given maximum.
 */
create or replace function crm_private.has_long_external_id(
  value      crm.external_id[],
  max_source integer,
  max_id     integer
)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Most lists are short altogether.
  if char_length(value::text) <= least(max_source, max_id) then
    return false;
  end if;
  return (
    select coalesce(
      bool_or(char_length(element.source) > max_source or char_length(element.id) > max_id), false
    )
    from unnest(value) as element
  );
end
$$;

comment on function crm_private.has_long_external_id(crm.external_id[], integer, integer) is
  'Returns true if an external id of the list has a longer source or a longer id.';

revoke all on function crm_private.has_long_external_id(crm.external_id[], integer, integer)
  from public;
grant execute on function crm_private.has_long_external_id(crm.external_id[], integer, integer)
  to crm_member;
--! EndIncluded functions/external_ids/has_long_external_id.sql
--! Included functions/validation/white_characters.sql
/*
 * Returns the white characters: spaces of any script, and what looks like a space. As the inside of
 * a bracket expression. A text is blank if each of its characters is white or hidden
 * (crm_private.hidden_characters).
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
  'Returns the white characters, for a bracket expression.';

revoke all on function crm_private.white_characters() from public;
grant execute on function crm_private.white_characters() to crm_member;
--! EndIncluded functions/validation/white_characters.sql
--! Included functions/validation/hidden_characters.sql
/*
 * Returns the characters that cannot be seen: control characters with line ends and tabs, the
 * Default_Ignorable_Code_Point of Unicode, which includes the controls of writing direction, and
 * the code points that are no characters. As the inside of a bracket expression. A test compares
 * them with the properties in Unicode.
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
  'Returns the characters that cannot be seen, for a bracket expression.';

revoke all on function crm_private.hidden_characters() from public;
grant execute on function crm_private.hidden_characters() to crm_member;
--! EndIncluded functions/validation/hidden_characters.sql
--! Included functions/validation/unprintable_characters.sql
/*
 * Returns the characters that no text may contain, in any number of lines: control characters
 * except tabs and line ends, and those that reorder the following text. As the inside of a bracket
 * expression. Other hidden characters come with pasted text and do no harm in a note.
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
  'Returns the characters that no text may contain, for a bracket expression.';

revoke all on function crm_private.unprintable_characters() from public;
grant execute on function crm_private.unprintable_characters() to crm_member;
--! EndIncluded functions/validation/unprintable_characters.sql
--! Included functions/validation/legible_pattern.sql
/*
 * Returns the regular expression of a legible name, which PostgreSQL and JavaScript interpret
 * alike. Hidden characters are allowed only where writing needs them:
 *
 * - one variation selector after a visible character: emoji, ideographs, Mongolian letters;
 * - one joiner, non-joiner or Mongolian separator between two visible characters: Persian, Indic
 *   scripts, families of emoji; at the end of a word only after a virama, as in Malayalam;
 * - the tags of a flag after the black flag.
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
  'Returns the regular expression of a legible name.';

revoke all on function crm_private.legible_pattern() from public;
grant execute on function crm_private.legible_pattern() to crm_member;
--! EndIncluded functions/validation/legible_pattern.sql
--! Included functions/validation/is_blank.sql
/*
 * Returns true if nothing of a text can be seen: all its characters are white or hidden. Called by
 * every check with the message "must not be blank".
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
  'Returns true if nothing of the text can be seen: it is empty, white or hidden.';

revoke all on function crm_private.is_blank(text) from public;
grant execute on function crm_private.is_blank(text) to crm_member;
--! EndIncluded functions/validation/is_blank.sql
--! Included functions/validation/is_legible.sql
/*
 * Returns true if a text of one line, such as a name, contains no character that cannot be seen,
 * except where writing needs it (crm_private.legible_pattern). A blank text is legible, because
 * another rule refuses it. Most texts have no hidden character, so that is tested first.
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
  'Returns true if a text of one line has no characters that cannot be seen, except where writing '
  'needs them.';

revoke all on function crm_private.is_legible(text) from public;
grant execute on function crm_private.is_legible(text) to crm_member;
--! EndIncluded functions/validation/is_legible.sql
--! Included functions/validation/is_printable.sql
/*
 * Returns true if a text of any number of lines contains none of
 * crm_private.unprintable_characters: no control characters but tabs and line ends, and none that
 * reorder the text. A blank text is printable, because another rule refuses it.
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
  'Returns true if a text of any number of lines has no control characters but tabs and line '
  'ends.';

revoke all on function crm_private.is_printable(text) from public;
grant execute on function crm_private.is_printable(text) to crm_member;
--! EndIncluded functions/validation/is_printable.sql
--! Included functions/validation/has_illegible_element.sql
/* Returns true if an element of an array is not legible (crm_private.is_legible). */
create or replace function crm_private.has_illegible_element(value text[])
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Most arrays have printable ASCII characters only.
  if array_to_string(value, ' ') !~ '[^ -~]' then
    return false;
  end if;
  return (
    select coalesce(bool_or(not crm_private.is_legible(element)), false)
    from unnest(value) as element
  );
end
$$;

comment on function crm_private.has_illegible_element(text[]) is
  'Returns true if an element of the array contains characters that cannot be seen.';

revoke all on function crm_private.has_illegible_element(text[]) from public;
grant execute on function crm_private.has_illegible_element(text[]) to crm_member;
--! EndIncluded functions/validation/has_illegible_element.sql
--! Included functions/validation/has_unprintable_member.sql
/*
 * Returns true if a text among the members of an object has one of
 * crm_private.unprintable_characters.
 */
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
  'Returns true if a text among the members of the object has control characters, or reorders the '
  'text.';

revoke all on function crm_private.has_unprintable_member(jsonb) from public;
grant execute on function crm_private.has_unprintable_member(jsonb) to crm_member;
--! EndIncluded functions/validation/has_unprintable_member.sql
--! Included functions/external_ids/has_illegible_external_id.sql
/*
 * Returns true if the source or the id of an external id of a list is not legible
 * (crm_private.is_legible).
 */
create or replace function crm_private.has_illegible_external_id(value crm.external_id[])
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Most lists are empty, or have only these characters.
  if value::text ~ '^\{(?:"\([A-Za-z0-9._:/@+=~#-]+,[A-Za-z0-9._:/@+=~#-]+\)",?)*\}$' then
    return false;
  end if;
  return (
    select coalesce(
      bool_or(not (crm_private.is_legible(element.source) and crm_private.is_legible(element.id))),
      false
    )
    from unnest(value) as element
  );
end
$$;

comment on function crm_private.has_illegible_external_id(crm.external_id[]) is
  'Returns true if an external id of the list contains characters that cannot be seen.';

revoke all on function crm_private.has_illegible_external_id(crm.external_id[]) from public;
grant execute on function crm_private.has_illegible_external_id(crm.external_id[]) to crm_member;
--! EndIncluded functions/external_ids/has_illegible_external_id.sql
--! Included functions/validation/has_blank_element.sql
/* Returns true if an element of an array is blank (crm_private.is_blank). */
create or replace function crm_private.has_blank_element(value text[])
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Most arrays are empty, or have a visible ASCII character in each element.
  if value = '{}' or array_to_string(value, E'\n') !~ '(?:^|\n)[^!-~\n]*(?:\n|$)' then
    return false;
  end if;
  return (
    select coalesce(bool_or(crm_private.is_blank(element)), false) from unnest(value) as element
  );
end
$$;

comment on function crm_private.has_blank_element(text[]) is
  'Returns true if an element of the array is blank.';

revoke all on function crm_private.has_blank_element(text[]) from public;
grant execute on function crm_private.has_blank_element(text[]) to crm_member;
--! EndIncluded functions/validation/has_blank_element.sql
--! Included functions/external_ids/has_blank_external_id.sql
/*
 * Returns true if an external id of a list has a blank or null source or id (crm_private.is_blank).
 */
create or replace function crm_private.has_blank_external_id(value crm.external_id[])
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Most lists are empty, or have only these characters.
  if value::text ~ '^\{(?:"\([A-Za-z0-9._:/@+=~#-]+,[A-Za-z0-9._:/@+=~#-]+\)",?)*\}$' then
    return false;
  end if;
  return (
    select coalesce(
      bool_or(
        crm_private.is_blank(coalesce(element.source, ''))
          or crm_private.is_blank(coalesce(element.id, ''))
      ),
      false
    )
    from unnest(value) as element
  );
end
$$;

comment on function crm_private.has_blank_external_id(crm.external_id[]) is
  'Returns true if an external id of the list lacks its source or its id.';

revoke all on function crm_private.has_blank_external_id(crm.external_id[]) from public;
grant execute on function crm_private.has_blank_external_id(crm.external_id[]) to crm_member;
--! EndIncluded functions/external_ids/has_blank_external_id.sql
--! Included functions/validation/is_list.sql
/*
 * Returns true if an array is a plain list: it has at most one dimension, no null element, and at
 * most max_elements elements.
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
  'Returns true if the array has one dimension, no null element and at most max_elements '
  'elements.';

revoke all on function crm_private.is_list(text[], integer) from public;
grant execute on function crm_private.is_list(text[], integer) to crm_member;
--! EndIncluded functions/validation/is_list.sql
--! Included functions/custom_fields/pattern_extent.sql
/*
 * Returns the size of a regular expression after its repetitions are expanded: the number of atoms,
 * and the number of atoms that may be empty and follow each other. PostgreSQL expands repetitions
 * when it compiles an expression; atoms make its automaton large, and it links each of the atoms
 * that may be empty with each other.
 *
 * Parses the syntax of PostgreSQL's advanced expressions, without comments and directors; a token
 * that it does not recognise counts as an atom. Called by crm_private.is_pattern.
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
  -- The sizes for each open group: the whole group, its current branch, and the last atom.
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
      -- The last atom is already counted once.
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

    -- The last atom is complete; its branch may be empty only if the atom may be.
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
  'Returns the size of a regular expression after its repetitions are expanded.';

revoke all on function crm_private.pattern_extent(text) from public;
grant execute on function crm_private.pattern_extent(text) to crm_member;
--! EndIncluded functions/custom_fields/pattern_extent.sql
--! Included functions/custom_fields/is_pattern.sql
/*
 * Returns true if a text is a regular expression of PostgreSQL that is safe to apply to every
 * value. Rejects constructs that can take excessive time: back references and look-ahead or
 * look-behind, when a text is matched; repetitions that make an expression large when it is
 * compiled, of single atoms as well as of groups; and comments, which could hide what is repeated.
 * All other expressions compile in a fraction of a second, once per session, and match a text in
 * one pass.
 *
 * Called when a definition is written, never for the rows.
 */
create or replace function crm_private.is_pattern(value text)
returns boolean
language plpgsql
immutable
strict
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Without escaped backslashes and parentheses.
  v_bare text    := regexp_replace(replace(value, '\\', ''), '\\[()]', '', 'g');
  v_extent record;
begin
  -- A directive for another syntax would make the checks below unreliable.
  if v_bare ~ '^\*\*\*' or v_bare ~ '^\(\?[a-z]*[beqx]' then
    return false;
  end if;

  if v_bare ~ '\\[1-9]' or v_bare ~ '\(\?(<?[=!]|#)' then
    return false;
  end if;

  v_extent := crm_private.pattern_extent(value);

  -- The automaton has links between atoms for each character that the expression distinguishes.
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
  'Returns true if the text is a regular expression that is safe to apply to every value.';

revoke all on function crm_private.is_pattern(text) from public;
grant execute on function crm_private.is_pattern(text) to crm_member;
--! EndIncluded functions/custom_fields/is_pattern.sql
--! Included functions/merge/merged_into.sql
/*
 * Returns the merge winner for the id of a merged contact or company, through any number of merges.
 * Null for a row that exists, and for one that was never merged.
 *
 * Security definer: no other role can read crm_private.merges. It returns only an id; to read the
 * row, the caller needs the rights to do so.
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
  'Returns the contact or company that one became part of by a merge; null if it was not merged.';

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
  'Returns the id of the contact or company that a merged one became part of, through any number '
  'of merges, so that old links still work. Null if it was not merged, or was restored. '
  'entityType is contact or company.';

revoke all on function crm.merged_into(text, uuid) from public;
grant execute on function crm.merged_into(text, uuid) to crm_reader;
--! EndIncluded functions/merge/merged_into.sql
--! Included functions/audit_log/is_readable.sql
/*
 * Returns true if the caller can read an entity. Called by the policy of the audit log: a user can
 * read the entries of every entity that the user can see now. A merged record is part of the merge
 * winner, so its entries are readable by everyone who can read the winner.
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
  'Returns true if the caller can read the entity, or the one that it was merged into.';

revoke all on function crm_private.is_readable(text, uuid) from public;
grant execute on function crm_private.is_readable(text, uuid) to crm_reader;
--! EndIncluded functions/audit_log/is_readable.sql
--! Included functions/custom_fields/satisfies_rules.sql
/*
 * Returns true if a value satisfies the rules that a definition would set for a custom field; null
 * without a value, and if the rules themselves are faulty, which other checks report. Its arguments
 * are columns of crm.custom_field_definitions, whose check of the default calls it.
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
-- Its statement contains an expression, which cannot be quoted as names and values can. It reads
-- only its arguments, so it is immutable although the functions that it calls are not marked so.
-- @plpgsql_check_options: security_warnings = off, extra_warnings = off
declare
  v_condition text;
  v_holds     boolean;
begin
  if value is null then
    return null;
  end if;

  -- Not a declared variable, because the table needs this function before it exists.
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
  'Returns true if a value satisfies the rules that a definition would set for a custom field.';

revoke all on function
  crm_private.satisfies_rules(jsonb, text, text[], text, text, integer, text) from public;
grant execute on function
  crm_private.satisfies_rules(jsonb, text, text[], text, text, integer, text) to crm_admin;
--! EndIncluded functions/custom_fields/satisfies_rules.sql
--! Included functions/validation/has_long_element.sql
/* Returns true if an element of an array has more characters than the given maximum. */
create or replace function crm_private.has_long_element(value text[], max_length integer)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Most arrays are short altogether.
  if char_length(array_to_string(value, '')) <= max_length then
    return false;
  end if;
  return (
    select coalesce(bool_or(char_length(element) > max_length), false)
    from unnest(value) as element
  );
end
$$;

comment on function crm_private.has_long_element(text[], integer) is
  'Returns true if an element of the array has more characters than the given maximum.';

revoke all on function crm_private.has_long_element(text[], integer) from public;
grant execute on function crm_private.has_long_element(text[], integer) to crm_member;
--! EndIncluded functions/validation/has_long_element.sql
--! Included functions/validation/are_emails.sql
/*
 * Returns true if every element of an array is an email address: an RFC 5322 dot-atom, @, and an RFC
 * 1123 host name of at least two labels. Both may contain non-ASCII letters (RFC 6531), but no
 * invisible characters.
 *
 * A function, because every statement that writes contacts reads its checks from the catalog, and
 * the pattern is long.
 */
create or replace function crm_private.are_emails(value text[])
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_addresses text := array_to_string(value, ' ');
begin
  -- Most addresses have these characters only. As many @ as elements prove that none of the elements
  -- has a space.
  if v_addresses ~ (
      '^(?:[A-Za-z0-9_+-]+(?:[.][A-Za-z0-9_+-]+)*@(?:[A-Za-z0-9]+(?:-+[A-Za-z0-9]+)*[.])+[A-Za-z0-9]+'
      '(?: (?=.)|$))*$'
    )
    and char_length(v_addresses) - char_length(replace(v_addresses, '@', '')) = cardinality(value)
  then
    return true;
  end if;
  return not jsonb_path_exists(
    to_jsonb(value),
    '$[*] ? (!(@ like_regex "^[A-Za-z0-9!#$%&''*+/=?^_`{|}~\u00A1-\u00AC\u00AE-\u034E\u0350-\u061B\u061D-\u115E\u1161-\u167F\u1681-\u17B3\u17B6-\u180A\u1810-\u1FFF\u2010-\u2027\u2030-\u205E\u2070-\u27FF\u2801-\u2FFF\u3001-\u3163\u3165-\uD7FF\uF900-\uFDFF\uFE10-\uFEFE\uFF66-\uFF9F\uFFA1-\uFFEF\u{10000}-\u{DFFFF}-]+(?:\\.[A-Za-z0-9!#$%&''*+/=?^_`{|}~\u00A1-\u00AC\u00AE-\u034E\u0350-\u061B\u061D-\u115E\u1161-\u167F\u1681-\u17B3\u17B6-\u180A\u1810-\u1FFF\u2010-\u2027\u2030-\u205E\u2070-\u27FF\u2801-\u2FFF\u3001-\u3163\u3165-\uD7FF\uF900-\uFDFF\uFE10-\uFEFE\uFF66-\uFF9F\uFFA1-\uFFEF\u{10000}-\u{DFFFF}-]+)*@(?:[A-Za-z0-9\u00B7\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u034E\u0350-\u061A\u0620-\u115E\u1161-\u167F\u1681-\u17B3\u17B6-\u180A\u1810-\u1FFF\u2C00-\u2DFF\u3005-\u3007\u3021-\u302F\u3031-\u3035\u3038-\u303C\u3041-\u3163\u3165-\uD7FF\uF900-\uFDFF\uFE70-\uFEFE\uFF66-\uFF9F\u{10000}-\u{1EFFF}\u{20000}-\u{3FFFF}]+(?:-+[A-Za-z0-9\u00B7\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u034E\u0350-\u061A\u0620-\u115E\u1161-\u167F\u1681-\u17B3\u17B6-\u180A\u1810-\u1FFF\u2C00-\u2DFF\u3005-\u3007\u3021-\u302F\u3031-\u3035\u3038-\u303C\u3041-\u3163\u3165-\uD7FF\uF900-\uFDFF\uFE70-\uFEFE\uFF66-\uFF9F\u{10000}-\u{1EFFF}\u{20000}-\u{3FFFF}]+)*\\.)+[A-Za-z0-9\u00B7\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u034E\u0350-\u061A\u0620-\u115E\u1161-\u167F\u1681-\u17B3\u17B6-\u180A\u1810-\u1FFF\u2C00-\u2DFF\u3005-\u3007\u3021-\u302F\u3031-\u3035\u3038-\u303C\u3041-\u3163\u3165-\uD7FF\uF900-\uFDFF\uFE70-\uFEFE\uFF66-\uFF9F\u{10000}-\u{1EFFF}\u{20000}-\u{3FFFF}]+(?:-+[A-Za-z0-9\u00B7\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u034E\u0350-\u061A\u0620-\u115E\u1161-\u167F\u1681-\u17B3\u17B6-\u180A\u1810-\u1FFF\u2C00-\u2DFF\u3005-\u3007\u3021-\u302F\u3031-\u3035\u3038-\u303C\u3041-\u3163\u3165-\uD7FF\uF900-\uFDFF\uFE70-\uFEFE\uFF66-\uFF9F\u{10000}-\u{1EFFF}\u{20000}-\u{3FFFF}]+)*$"))'
  );
end
$$;

comment on function crm_private.are_emails(text[]) is
  'Returns true if every element of the array is an email address.';

revoke all on function crm_private.are_emails(text[]) from public;
grant execute on function crm_private.are_emails(text[]) to crm_member;
--! EndIncluded functions/validation/are_emails.sql
--! Included functions/external_ids/is_external_id_list.sql
/*
 * Returns true if an array of external ids is a plain list: it has at most one dimension, no null
 * element, and at most max_elements elements.
 */
create or replace function crm_private.is_external_id_list(
  value        crm.external_id[],
  max_elements integer
)
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

comment on function crm_private.is_external_id_list(crm.external_id[], integer) is
  'Returns true if the array has one dimension, no null element and at most max_elements '
  'external ids.';

revoke all on function crm_private.is_external_id_list(crm.external_id[], integer) from public;
grant execute on function crm_private.is_external_id_list(crm.external_id[], integer)
  to crm_member;
--! EndIncluded functions/external_ids/is_external_id_list.sql
--! Included functions/duplicates/name_skeleton.sql
/*
 * Returns a name without everything that is easily misheard or mistyped: accents, vowels, h, w and
 * y, spaces and punctuation. "Jon Smith" and "John Smyth" are both "jnsmt", "&" is "and". A name of
 * which nothing would remain is returned folded.
 *
 * Every write of a name pays for it, so it is one pass, without folding ASCII text.
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
  'Returns a name without what is easily misheard or mistyped.';

revoke all on function crm_private.name_skeleton(text) from public;
grant execute on function crm_private.name_skeleton(text) to crm_reader;
--! EndIncluded functions/duplicates/name_skeleton.sql
--! Included functions/duplicates/contact_keys.sql
/*
 * Returns the match keys of a contact, of which duplicates share at least one: only contacts with a
 * common key are compared. The trigger crm_private.derive_contact calls it. Those of the name come
 * first, in the order of this list: crm_private.contact_links reads them by their place.
 *
 * - name: the skeletons of both names, in either order; head and tail: the beginning and the end of
 *   the two together, so that an error elsewhere does no harm.
 * - email: each address in lower case, its domain in readable form. Dots and plus signs stay: their
 *   meaning depends on the provider.
 * - domain: of each address.
 * - phone: the last seven digits of each number, which are the same with and without area code. An
 *   extension does not count.
 *
 * Loops over the elements, because every write of a contact pays for it: a subquery costs four
 * times as much, and regular expressions over all elements half as much again.
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
  v_first  text   := crm_private.name_skeleton(first_name);
  v_last   text   := crm_private.name_skeleton(last_name);
  v_emails text   := lower(array_to_string(emails, ' ') collate "C");
  v_phones text   := array_to_string(phones, '|');
  v_keys   text[] := array[]::text[];
  v_item   text;
begin
  if octet_length(v_emails) <> char_length(v_emails) or strpos(v_emails, 'xn--') > 0 then
    v_emails := (
      select string_agg(crm_private.plain_email(email), ' ') from unnest(emails) as email
    );
  end if;
  -- Few numbers have characters other than digits and separators.
  if v_phones ~ '[^0-9 ()+/.|-]' then
    v_phones := (
      select string_agg(split_part(crm_private.phone_number(phone), 'x', 1), '|')
      from unnest(phones) as phone
    );
  end if;

  if v_first || v_last <> '' then
    v_keys := array[
      'name:' || left(least(v_first, v_last) || greatest(v_first, v_last), 100),
      'head:' || left(v_first || v_last, 4),
      'tail:' || right(v_first || v_last, 5)
    ];
  end if;
  foreach v_item in array string_to_array(coalesce(v_emails, ''), ' ') loop
    v_keys := v_keys || array['email:' || v_item, 'domain:' || split_part(v_item, '@', 2)];
  end loop;
  v_phones := translate(v_phones, ' ()+/.-', '');
  foreach v_item in array string_to_array(coalesce(v_phones, ''), '|') loop
    v_keys := v_keys
      || case when length(v_item) < 7 then v_item else 'phone:' || right(v_item, 7) end;
  end loop;
  return v_keys;
end
$$;

comment on function crm_private.contact_keys(text, text, text[], text[]) is
  'Returns the match keys of a contact.';

revoke all on function crm_private.contact_keys(text, text, text[], text[]) from public;
grant execute on function crm_private.contact_keys(text, text, text[], text[]) to crm_reader;
--! EndIncluded functions/duplicates/contact_keys.sql
--! Included functions/search/name_words.sql
/*
 * Returns the words of a name, each after a space, in which trigrams find parts. Indexes depend on
 * it.
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
  'Returns the words of a name, each after a space.';

revoke all on function crm_private.name_words(text) from public;
grant execute on function crm_private.name_words(text) to crm_reader;
--! EndIncluded functions/search/name_words.sql
--! Included functions/normalization/plain_company_name.sql
/*
 * Returns a company name for comparisons: plain, and without the legal form. "Acme Robotics GmbH &
 * Co. KG" becomes "acme robotics". A name that is only a legal form stays.
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
  'Returns a company name for comparisons: plain, without its legal form.';

revoke all on function crm_private.plain_company_name(text) from public;
grant execute on function crm_private.plain_company_name(text) to crm_reader;
--! EndIncluded functions/normalization/plain_company_name.sql
--! Included functions/duplicates/company_keys.sql
/*
 * Returns the match keys of a company, of which duplicates share at least one, as
 * crm_private.contact_keys does for a contact. The trigger crm_private.derive_company calls
 * it.
 *
 * - name, head, tail: the whole, the beginning and the end of the skeleton of its name without the
 *   legal form. Many names end in words such as Solutions, so the tail is long enough to contain
 *   more than that.
 * - domain: of each custom field that contains only a link, a host or an address. A company also
 *   has the domains of its contacts' addresses, which are among the keys of the contacts.
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
  'Returns the match keys of a company.';

revoke all on function crm_private.company_keys(text, jsonb) from public;
grant execute on function crm_private.company_keys(text, jsonb) to crm_reader;
--! EndIncluded functions/duplicates/company_keys.sql
--! Included functions/normalization/unicode_labels.sql
/*
 * Returns a text in which labels of domain names in ASCII form are decoded to Unicode:
 * "xn--kln-sna.de" becomes köln.de. Anything else stays unchanged. The algorithm is that of
 * RFC 3492.
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
    -- The ASCII letters stand before the last hyphen, the positions of the others after it.
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
  'Returns a text in which labels of domain names in ASCII form are decoded to Unicode.';

revoke all on function crm_private.unicode_labels(text) from public;
grant execute on function crm_private.unicode_labels(text) to crm_reader;
--! EndIncluded functions/normalization/unicode_labels.sql
--! Included functions/normalization/plain_email.sql
/*
 * Returns an email address for comparisons: in lower case, with a domain in Unicode.
 * "Mail@XN--KLN-SNA.de" and "mail@köln.de" are equal. Dots and plus signs stay, because their
 * meaning depends on the provider. Works for a domain alone, too.
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
  'Returns an email address for comparisons: in lower case, with its domain in Unicode.';

revoke all on function crm_private.plain_email(text) from public;
grant execute on function crm_private.plain_email(text) to crm_reader;
--! EndIncluded functions/normalization/plain_email.sql
--! Included functions/duplicates/email_words.sql
/*
 * Returns the addresses of a contact for comparisons, each after a space. An index of trigrams finds
 * contacts by a part of an address through it. Called by filters that ignore case.
 */
create or replace function crm_private.email_words(emails text[])
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_emails text := array_to_string(emails, ' ');
begin
  -- For these crm_private.plain_email would do the same, at the price of a subquery.
  if octet_length(v_emails) = char_length(v_emails) then
    v_emails := lower(v_emails collate "C");
    if strpos(v_emails, 'xn--') = 0 then
      return case when emails <> '{}' then ' ' || v_emails end;
    end if;
  end if;
  return (
    select string_agg(' ' || crm_private.plain_email(email), '' order by ordinal)
    from unnest(emails) with ordinality as listed (email, ordinal)
  );
end
$$;

comment on function crm_private.email_words(text[]) is
  'Returns the addresses of a contact for comparisons, each after a space.';

revoke all on function crm_private.email_words(text[]) from public;
grant execute on function crm_private.email_words(text[]) to crm_reader;
--! EndIncluded functions/duplicates/email_words.sql
--! Included functions/search/unspaced_scripts.sql
/*
 * Returns the letters of scripts without spaces between words, as the inside of a bracket
 * expression: Thai, Lao, Tibetan, Burmese, Khmer, the scripts of the Tai, Javanese, Chinese,
 * Japanese, Yi; and Korean, whose compounds and particles are written together.
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
  'Returns the letters of scripts without spaces between words, for a bracket expression.';

revoke all on function crm_private.unspaced_scripts() from public;
grant execute on function crm_private.unspaced_scripts() to crm_reader;
--! EndIncluded functions/search/unspaced_scripts.sql
--! Included functions/search/search_words.sql
/*
 * Returns the words of a text for search: without case and accents, and with a space for every
 * character that is neither a letter nor a digit. Indexed texts and queries both pass through it,
 * so that an address is the same sequence of parts in both. An apostrophe is dropped: O'Brien is
 * one word. "&" is the word "and". Labels of domain names in ASCII form are decoded to Unicode.
 *
 * In scripts without spaces between words, each two adjacent letters are a word, and so is the last
 * letter: 東京会議 becomes 東京 京会 会議 議. So a text is found by any part of it.
 *
 * The result is limited because PostgreSQL is: 100,000 characters are far below the megabyte of a
 * tsvector, and a word is cut long before the 2 kB of a lexeme. So no value of a column fails here
 * before its checks can refuse it.
 *
 * The characters that separate words are listed here rather than taken from the locale of the
 * database: in the locale C, no character beyond ASCII separates words. Indexes depend on it.
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
  v_words text;
begin
  -- Most texts are short and ASCII, and every write of a row pays for each function that it calls.
  if octet_length(value) = char_length(value) and octet_length(value) <= 400 then
    v_words := replace(replace(lower(value collate "C"), '''', ''), '&', ' and ');
    if v_words !~ 'xn--|[^a-z0-9 ]|  ' then
      return v_words;
    elsif strpos(v_words, 'xn--') = 0 then
      return regexp_replace(v_words, '[^a-z0-9]+', ' ', 'g');
    end if;
  end if;

  v_words := left(
    replace(replace(crm_private.fold(left(value, 100000)), '''', ''), '&', ' and '), 100000
  );
  if strpos(v_words, 'xn--') > 0 then
    v_words := left(crm_private.fold(crm_private.unicode_labels(v_words)), 100000);
  end if;
  if octet_length(v_words) = char_length(v_words) then
    v_words := regexp_replace(v_words, '[^a-z0-9]+', ' ', 'g');
  else
    -- Characters that cannot be seen, and combining marks.
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
  'Returns the words of a text, folded, with spaces between them.';

revoke all on function crm_private.search_words(text) from public;
grant execute on function crm_private.search_words(text) to crm_reader;
--! EndIncluded functions/search/search_words.sql
--! Included functions/search/search_lexemes.sql
/*
 * Returns words as lexemes, all with one weight; an empty tsvector if the text is null.
 *
 * The words are separated already, so that the parser of PostgreSQL has nothing to add: it would
 * split those with other characters than ASCII by the locale of the database, and it takes twice as
 * long for the others.
 */
create or replace function crm_private.search_lexemes(words text, weight "char")
returns tsvector
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_lexemes text    := '';
  v_ordinal integer := 0;
  v_word    text;
begin
  if words is null then
    return ''::tsvector;
  end if;
  foreach v_word in array string_to_array(words, ' ') loop
    if v_word <> '' then
      v_ordinal := v_ordinal + 1;
      v_lexemes := v_lexemes || '''' || v_word || ''':' || least(v_ordinal, 16383) || ' ';
    end if;
  end loop;
  return setweight(v_lexemes::tsvector, weight);
end
$$;

comment on function crm_private.search_lexemes(text, "char") is
  'Returns words that are separated by spaces as lexemes, all with the same weight.';

revoke all on function crm_private.search_lexemes(text, "char") from public;
grant execute on function crm_private.search_lexemes(text, "char") to crm_reader;
--! EndIncluded functions/search/search_lexemes.sql
--! Included functions/search/search_vector.sql
/* Returns a text as it is indexed: its words, all with one weight. Empty if the text is null. */
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
  'Returns the words of a text, all with the same weight.';

revoke all on function crm_private.search_vector(text, "char") from public;
grant execute on function crm_private.search_vector(text, "char") to crm_member;
--! EndIncluded functions/search/search_vector.sql
--! Included functions/search/search_neighbours.sql
/*
 * Returns the keys that the words of a name share with words that differ from them by one typing
 * error: each word, and each word without one of its letters, after a tilde, which no word
 * contains. If one of two words has an additional, a missing or a different letter, or if two
 * letters are swapped, they have a key in common. Two adjacent words are also joined: "cocacola"
 * finds Coca-Cola, and "att" finds AT&T. In scripts without spaces between words they are not
 * joined.
 *
 * Trigrams are no alternative, because short words that differ share hardly any: of 1,000,000
 * contacts, 91,000 are similar enough to "jonh smiht" if "john smith" is to be found.
 *
 * Letters are left out only of words of four letters or more. Words of more than 20 letters are
 * skipped, and so are words after the tenth.
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
  v_neighbours text    := '';
  v_word       text;
  v_previous   text    := '';
  v_length     integer;
  v_count      integer := 0;
begin
  foreach v_word in array string_to_array(words, ' ') loop
    v_length := length(v_word);
    continue when v_length not between 1 and 20;
    v_neighbours := v_neighbours || ' ~' || v_word;
    if v_length > 3 and v_word !~ '[0-9]' then
      for v_left in 1 .. v_length loop
        v_neighbours := v_neighbours || ' ~' || overlay(v_word placing '' from v_left for 1);
      end loop;
    end if;
    if v_previous <> '' and v_word <> 'and' and length(v_previous) + v_length <= 20 then
      v_neighbours := v_neighbours || ' ~' || v_previous || v_word;
    end if;
    if v_word <> 'and' then
      v_previous := case
        when v_length > 2
          or octet_length(v_word) = v_length
          or v_word !~ ('[' || crm_private.unspaced_scripts() || ']')
        then v_word
        else ''
      end;
    end if;
    v_count := v_count + 1;
    exit when v_count = 10;
  end loop;
  return string_to_array(substr(v_neighbours, 2), ' ');
end
$$;

comment on function crm_private.search_neighbours(text) is
  'Returns the keys that words share with words that differ by one typing error.';

revoke all on function crm_private.search_neighbours(text) from public;
grant execute on function crm_private.search_neighbours(text) to crm_reader;
--! EndIncluded functions/search/search_neighbours.sql
--! Included functions/search/search_stems.sql
/*
 * Returns the stems of the words of a text, by the dictionaries of the installation: invoic and
 * sent for "Invoices were sent". Stop words, such as "the", have no stem. Immutable only as long as
 * the configuration crm_private.stems does not change.
 *
 * The parser counts a long run of characters that it does not know as one word, which is "too long to
 * be indexed". Such a run has no stem, so no one has to be notified.
 */
create or replace function crm_private.search_stems(words text)
returns tsvector
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
set client_min_messages = warning
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
  'Returns the stems of the words of a text, by the dictionaries of the installation.';

revoke all on function crm_private.search_stems(text) from public;
grant execute on function crm_private.search_stems(text) to crm_reader;
--! EndIncluded functions/search/search_stems.sql
--! Included functions/search/search_texts.sql
/*
 * Returns the texts among the members of an object, such as custom fields or an address, one after
 * the other. A value that is no object has none: a generated column is computed before a check can
 * refuse the value.
 */
create or replace function crm_private.search_texts(members jsonb)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  if not jsonb_path_exists(members, 'strict $.* ? (@.type() == "string")', silent => true) then
    return null;
  end if;
  return (
    select left(string_agg(member #>> '{}', ' '), 100000)
    from jsonb_path_query(members, 'strict $.* ? (@.type() == "string")', silent => true) as member
  );
end
$$;

comment on function crm_private.search_texts(jsonb) is
  'Returns the texts among the members of an object.';

revoke all on function crm_private.search_texts(jsonb) from public;
grant execute on function crm_private.search_texts(jsonb) to crm_reader;
--! EndIncluded functions/search/search_texts.sql
--! Included functions/search/search_whole.sql
/*
 * Returns the key of a name as a whole: its words with a space between them, after an equals sign.
 * It finds a name that equals the query among any number of names that contain its words.
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
  'Returns the key of a name as a whole.';

revoke all on function crm_private.search_whole(text) from public;
grant execute on function crm_private.search_whole(text) to crm_reader;
--! EndIncluded functions/search/search_whole.sql
--! Included functions/search/text_document.sql
/*
 * Returns the search document of a task or a note: its words, all with one weight, and those stems
 * that are not among its words, after a circumflex, which no word contains.
 * The triggers crm_private.derive_task and crm_private.derive_note
 * call it.
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
  'Returns the search document of a task or a note.';

revoke all on function crm_private.text_document(text, "char") from public;
grant execute on function crm_private.text_document(text, "char") to crm_member;
--! EndIncluded functions/search/text_document.sql
--! Included functions/search/search_name_vector.sql
/*
 * Returns a name as it is indexed: its words with weight A, the keys by which misspelt words find
 * it, and the name as a whole after an equals sign, which no word contains.
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
  'Returns the words of a name, the keys that misspelt words share with it, and the name as a '
  'whole.';

revoke all on function crm_private.search_name_vector(text) from public;
grant execute on function crm_private.search_name_vector(text) to crm_member;
--! EndIncluded functions/search/search_name_vector.sql
--! Included functions/search/contact_document.sql
/*
 * Returns the search document of a contact: its name (weight A), the parts of its addresses and
 * phone numbers (B) and the texts of its custom fields (C). The trigger crm_private.derive_contact
 * calls it.
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
    || crm_private.search_lexemes(
      crm_private.search_words(array_to_string(emails, ' ') || ' ' || array_to_string(phones, ' ')),
      'B'
    );
  v_texts    text := crm_private.search_texts(custom_fields);
begin
  if v_texts is not null then
    return v_document || crm_private.search_vector(v_texts, 'C');
  end if;
  return v_document;
end
$$;

comment on function crm_private.contact_document(text, text, text[], text[], jsonb) is
  'Returns the search document of a contact.';

revoke all on function crm_private.contact_document(text, text, text[], text[], jsonb) from public;
grant execute on function crm_private.contact_document(text, text, text[], text[], jsonb)
  to crm_member;
--! EndIncluded functions/search/contact_document.sql

--! split: 030-tables.sql
/*
 * Why: the tables, each with its constraints, comments, indexes, grants and policies.
 *
 * A rule that concerns one row is a check constraint. Its name, <table>_<column>_<rule>, is API.
 * Its comment is the message that a client receives, in which %s stands for the faulty value. A
 * failed check of an array or an object is evaluated again for each element, so that the fault
 * names the element.
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
  'The unique name by which deals refer to the stage, at most 100 characters. Renaming a stage '
  'renames it on its deals.';
comment on column crm.pipeline_stages.position is
  E'@hasDefault\nThe position of the stage in the pipeline, from 0. By default a new stage is the '
  'last.';
comment on column crm.pipeline_stages.probability is
  'The probability of winning, in percent, of deals in this stage that have none of their own. A '
  'change applies to these deals. Deals in a won stage have 100 and deals in a lost stage 0, '
  'regardless of this value.';
comment on column crm.pipeline_stages.kind is
  'The kind of the stage: open, won or lost. A change closes or reopens the deals in this stage.';
comment on column crm.pipeline_stages.version is
  'Increases by one with every update. An update with a version other than the current one fails '
  'with the code CONFLICT.';
comment on column crm.pipeline_stages.created_at is
  'When the row was created.';
comment on column crm.pipeline_stages.updated_at is
  'When the row was last changed. Every change sets a later time.';
comment on column crm.pipeline_stages.created_by is
  'The user who created the row.';
comment on column crm.pipeline_stages.updated_by is
  'The user who last changed the row.';

comment on constraint pipeline_stages_name_unique on crm.pipeline_stages is
  '%s is already the name of a stage';
comment on constraint pipeline_stages_name_blank on crm.pipeline_stages is
  'must not be blank';
comment on constraint pipeline_stages_name_legible on crm.pipeline_stages is
  'must not contain control characters or invisible characters';
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
--! EndIncluded tables/contacts.sql
--! Included tables/deals.sql
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
--! EndIncluded tables/deals.sql
--! Included tables/tasks.sql
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
--! EndIncluded tables/tasks.sql
--! Included tables/notes.sql
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
--! EndIncluded tables/notes.sql
--! Included tables/custom_field_definitions.sql
/*
 * The definition of a custom field: its name in the customFields of contacts, companies or deals,
 * and the rules that its values satisfy. Deleting a definition deletes the values.
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
    not crm_private.has_long_element(enum_values, 255)
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
  E'@defaultOrder ENTITY_TYPE_ASC NAME_ASC\nThe definition of a custom field: its name in the customFields of contacts, companies or deals, '
  'and the rules that its values satisfy. Deleting a definition deletes the values.';

comment on column crm.custom_field_definitions.id is
  'The identifier of the row, set by the database.';
comment on column crm.custom_field_definitions.name is
  'The key in customFields: at most 100 letters, digits and underscores, beginning with a letter. '
  'Changing it renames the key in every row.';
comment on column crm.custom_field_definitions.label is
  'The name that users see, at most 255 characters.';
comment on column crm.custom_field_definitions.entity_type is
  'The type of the entities that have the field: contact, company or deal. It cannot be changed.';
comment on column crm.custom_field_definitions.field_type is
  'The type of the values: text, number, date, enum, multi_enum or boolean.';
comment on column crm.custom_field_definitions.enum_values is
  'The allowed values of an enum or a multi_enum, 1 to 1,000; null for every other type. '
  'renameCustomFieldValue renames a value.';
comment on column crm.custom_field_definitions.required is
  'True if every row must have a value.';
comment on column crm.custom_field_definitions.version is
  'Increases by one with every update. An update with a version other than the current one fails '
  'with the code CONFLICT.';
comment on column crm.custom_field_definitions.created_at is
  'When the row was created.';
comment on column crm.custom_field_definitions.updated_at is
  'When the row was last changed. Every change sets a later time.';
comment on column crm.custom_field_definitions.created_by is
  'The user who created the row.';
comment on column crm.custom_field_definitions.updated_by is
  'The user who last changed the row.';
comment on column crm.custom_field_definitions.description is
  'What the field is for, at most 1,000 characters.';
comment on column crm.custom_field_definitions.minimum is
  'The smallest value of a number, such as -1.5, or the first day of a date, such as 2026-01-31. '
  'For these types only. Null if there is no minimum.';
comment on column crm.custom_field_definitions.maximum is
  'The largest value of a number, or the last day of a date, in the format of minimum. For these '
  'types only. Null if there is no maximum.';
comment on column crm.custom_field_definitions.max_length is
  E'@behavior -aggregate -aggregate:filterBy -groupBy -havingBy\n'
  'The maximum number of characters of a text, from 1 to 10,000. For this type only. Null means '
  '10,000.';
comment on column crm.custom_field_definitions.pattern is
  'A PostgreSQL regular expression that a text must match, at most 255 characters. It matches '
  'anywhere in the text unless it is anchored by ^ and $. Back references, lookaround and long '
  'repetitions of groups are refused. For this type only.';
comment on column crm.custom_field_definitions.default_value is
  'The value of a new row that does not have the field. A new row that has null for it gets no '
  'value. Existing rows do not change.';
comment on column crm.custom_field_definitions.is_unique is
  'True if no two rows of the entity type may have the same value. For a text, a number, a date or '
  'an enum only.';

comment on constraint custom_field_definitions_name_unique on crm.custom_field_definitions is
  '%s is already defined';
comment on constraint custom_field_definitions_name_format on crm.custom_field_definitions is
  'must consist of letters, digits and underscores and begin with a letter';
comment on constraint custom_field_definitions_name_length on crm.custom_field_definitions is
  'must have at most 100 characters';
comment on constraint custom_field_definitions_label_blank on crm.custom_field_definitions is
  'must not be blank';
comment on constraint custom_field_definitions_label_legible on crm.custom_field_definitions is
  'must not contain control characters or invisible characters';
comment on constraint custom_field_definitions_label_length on crm.custom_field_definitions is
  'must have at most 255 characters';
comment on constraint custom_field_definitions_entity_type_known on crm.custom_field_definitions is
  '%s is not one of company, contact, deal';
comment on constraint custom_field_definitions_enum_values_list on crm.custom_field_definitions is
  E'@whole\nmust be a list of 1 to 1,000 values, none of them null';
comment on constraint custom_field_definitions_enum_values_blank on crm.custom_field_definitions is
  'must not be blank';
comment on constraint custom_field_definitions_enum_values_legible on crm.custom_field_definitions is
  'must not contain control characters or invisible characters';
comment on constraint custom_field_definitions_enum_values_length on crm.custom_field_definitions is
  'must have at most 255 characters';
comment on constraint custom_field_definitions_enum_values_distinct on crm.custom_field_definitions is
  E'@whole\nmust not contain a value twice';
comment on constraint custom_field_definitions_field_type_known on crm.custom_field_definitions is
  '%s is not one of text, number, date, enum, multi_enum, boolean';
comment on constraint custom_field_definitions_enum_values_present on crm.custom_field_definitions is
  'must be given for an enum or a multi_enum, and for no other type';
comment on constraint custom_field_definitions_description_blank on crm.custom_field_definitions is
  'must not be blank';
comment on constraint custom_field_definitions_description_legible on crm.custom_field_definitions is
  'must not contain control characters or characters that reorder text';
comment on constraint custom_field_definitions_description_length on crm.custom_field_definitions is
  'must have at most 1,000 characters';
comment on constraint custom_field_definitions_minimum_suited on crm.custom_field_definitions is
  'can be given for a number or a date only';
comment on constraint custom_field_definitions_minimum_format on crm.custom_field_definitions is
  '%s is not a decimal number or, for a date, a day such as 2026-02-28';
comment on constraint custom_field_definitions_maximum_suited on crm.custom_field_definitions is
  'can be given for a number or a date only';
comment on constraint custom_field_definitions_maximum_format on crm.custom_field_definitions is
  '%s is not a decimal number or, for a date, a day such as 2026-02-28';
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
  '%s is not a regular expression, or has back references, lookaround or long repetitions of '
  'groups';
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
 * The value of one unit of a currency in the base currency, from a day until the next rate.
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
  E'@defaultOrder VALID_FROM_DESC CURRENCY_ASC\nThe value of one unit of a currency in the base currency, from a day until the next rate. '
  'Administrators edit the rates.';

comment on column crm.exchange_rates.id is
  'The identifier of the row, set by the database.';
comment on column crm.exchange_rates.currency is
  'The currency, as an ISO 4217 code such as EUR. The base currency has no rate.';
comment on column crm.exchange_rates.valid_from is
  'The first day of the rate. It applies until the day before the next rate of the currency.';
comment on column crm.exchange_rates.rate is
  'The number of units of the base currency for one unit of the currency, with at most 12 '
  'decimals.';
comment on column crm.exchange_rates.version is
  'Increases by one with every update. An update with a version other than the current one fails '
  'with the code CONFLICT.';
comment on column crm.exchange_rates.created_at is
  'When the row was created.';
comment on column crm.exchange_rates.updated_at is
  'When the row was last changed. Every change sets a later time.';
comment on column crm.exchange_rates.created_by is
  'The user who created the row.';
comment on column crm.exchange_rates.updated_by is
  'The user who last changed the row.';

comment on constraint exchange_rates_valid_from_unique on crm.exchange_rates is
  'is already the first day of a rate of the currency';
comment on constraint exchange_rates_currency_known on crm.exchange_rates is
  '%s is not an ISO 4217 currency code';
comment on constraint exchange_rates_valid_from_range on crm.exchange_rates is
  'must be from 0001-01-01 to 9999-12-31';
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
/* The settings that administrators make for the installation. The table has one row. */

create table if not exists crm_private.settings (
  id                   boolean     not null default true,
  trash_retention_days integer default 30,
  base_currency        text        not null default 'USD'::text,
  default_country      text,
  time_zone            text        not null default 'UTC'::text,
  former_field_retention_days integer not null default 30,

  constraint settings_pkey primary key (id),
  constraint settings_id_single check (id),
  constraint settings_trash_retention_days_range check (trash_retention_days between 0 and 36500),
  constraint settings_base_currency_known check (base_currency = any (crm.currencies())),
  constraint settings_default_country_known check (default_country ~ '^[A-Z]{2}$'),
  constraint settings_former_field_retention_days_range check (
    former_field_retention_days between 0 and 36500
  )
);

comment on table crm_private.settings is
  'The settings that administrators make for the installation. The table has one row.';

comment on column crm_private.settings.id is
  'Always true, which limits the table to one row.';
comment on column crm_private.settings.trash_retention_days is
  'The number of days for which deleted rows can be restored. Null means without limit.';
comment on column crm_private.settings.base_currency is
  'The currency in which exchange rates are given, as an ISO 4217 code.';
comment on column crm_private.settings.time_zone is
  'The time zone in which days begin and end, as an IANA name.';
comment on column crm_private.settings.former_field_retention_days is
  'The number of days for which the name of a renamed or deleted custom field stays in the API.';

comment on column crm_private.settings.default_country is
  'The country of phone numbers without a country code, as an ISO 3166 code. Null if it is not '
  'set.';

comment on constraint settings_trash_retention_days_range on crm_private.settings is
  'must be from 0 to 36500';
comment on constraint settings_former_field_retention_days_range on crm_private.settings is
  'must be from 0 to 36500';
comment on constraint settings_base_currency_known on crm_private.settings is
  '%s is not an ISO 4217 currency code';
comment on constraint settings_default_country_known on crm_private.settings is
  '%s is not an ISO 3166 country code';

alter table crm_private.settings enable row level security;
--! EndIncluded tables/settings.sql
--! Included tables/api_keys.sql
/*
 * An API key, with which an integration authenticates. Administrators create and revoke keys. A
 * revoked key is not deleted, because the audit log refers to it by name.
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
  -- Each name has one spelling, so that no two keys look alike in the audit log.
  constraint api_keys_name_format check (name ~ '^[a-z0-9]+([._-][a-z0-9]+)*$'),
  constraint api_keys_role_known check (role = any (array['reader', 'member', 'admin'])),
  constraint api_keys_expires_at_range check (
    expires_at > created_at and expires_at <= created_at + interval '100 years'
  )
);

comment on table crm.api_keys is
  E'@defaultOrder NAME_ASC\nAn API key, with which an integration authenticates. Administrators '
  'create and revoke keys. A revoked key is not deleted, because the audit log refers to it by '
  'name.';

comment on column crm.api_keys.id is
  'The identifier of the row, set by the database.';
comment on column crm.api_keys.name is
  'The unique name of the integration, at most 100 characters. The audit log records its changes '
  'under the user key:<name>.';
comment on column crm.api_keys.role is
  'The role of requests with the key: reader, member or admin.';
comment on column crm.api_keys.prefix is
  'The first characters of the key, by which people recognise it.';
comment on column crm.api_keys.expires_at is
  'When the key expires. Null if it does not expire.';
comment on column crm.api_keys.last_used_at is
  'When the key was last used, accurate to the minute. Null if it has never been used.';
comment on column crm.api_keys.revoked_at is
  'When the key was revoked. Null if it has not been revoked.';
comment on column crm.api_keys.version is
  'Increases by one with every change of the row.';
comment on column crm.api_keys.created_at is
  'When the row was created.';
comment on column crm.api_keys.updated_at is
  'When the row was last changed. Using the key is not a change.';
comment on column crm.api_keys.created_by is
  'The user who created the row.';
comment on column crm.api_keys.updated_by is
  'The user who last changed the row.';

comment on constraint api_keys_name_unique on crm.api_keys is
  '%s is already the name of a key, active or revoked';
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
 * The hash is in a table of its own, apart from crm.api_keys, which administrators read: a query or
 * an audit log entry of a whole row never contains it. SHA-256 is enough, because a key is 256
 * random bits and cannot be guessed. Slow hashes are for passwords, which people choose.
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
  'The SHA-256 hash of each API key. The key itself is not stored. No role of the product can read '
  'this table.';

alter table crm_private.api_key_hashes enable row level security;
--! EndIncluded tables/api_key_hashes.sql
--! Included tables/external_ids.sql
/*
 * The external ids of all rows, for look-ups and for their uniqueness. The key is deferrable,
 * because an undo may move an external id from one row to another in several statements.
 */

create table if not exists crm_private.external_ids (
  entity_type text        not null,
  source      text        not null,
  id          text        not null,
  entity_id   uuid        not null,

  constraint external_ids_pkey primary key (entity_type, source, id) deferrable initially immediate
);

comment on table crm_private.external_ids is
  'The external ids of all rows. Triggers maintain it from the columns external_ids.';

alter table crm_private.external_ids enable row level security;

grant select on crm_private.external_ids to crm_reader;

drop policy if exists external_ids_select on crm_private.external_ids;
create policy external_ids_select on crm_private.external_ids for select to crm_reader
  using (crm_private.is_readable(entity_type, entity_id));
--! EndIncluded tables/external_ids.sql
--! Included tables/audit_logs.sql
/*
 * The audit log: one entry for each row that a statement creates, changes or deletes, written in
 * the same transaction.
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
  constraint audit_logs_user_id_length check (char_length(user_id) <= 255),
  constraint audit_logs_action_known check (
    action = any (array['create', 'update', 'delete', 'erase', 'purge', 'archive'])
  ),
  constraint audit_logs_source_known check (source = any (array['api', 'import', 'sql']))
) partition by range ("timestamp");

alter table crm.audit_logs alter column changes set statistics 0;

comment on table crm.audit_logs is
  'An audit log entry. Every creation, change and deletion of a row has one, written in the same '
  'transaction.';

comment on column crm.audit_logs.id is
  E'@name entry_id\nThe id of the entry. It increases from one entry to the next, with gaps.';
comment on column crm.audit_logs.entity_type is
  'The type of the entity that was changed: contact, company, deal, task, note, '
  'custom_field_definition, pipeline_stage, exchange_rate, api_key or setting; audit_log for the '
  'audit log itself.';
comment on column crm.audit_logs.entity_id is
  'The id of the row that was changed. The row may no longer exist. All zeros for a setting and '
  'for the audit log.';
comment on column crm.audit_logs.action is
  'What was done: create, update or delete; erase if a person was erased from earlier entries; '
  'purge if values of deleted rows were removed; archive if months of the audit log were archived.';
comment on column crm.audit_logs.user_id is
  'The user who made the change: the subject of a token, key:<name> for an API key, or db:<login '
  'role> for a database session.';
comment on column crm.audit_logs.changes is
  'What changed. For an update, a member for each changed column or custom field '
  '(custom_fields.<name>) with its old and new value, as {"last_name": {"old": "Byron", "new": '
  '"Lovelace"}}. For a create, the values of the new row; for a delete, the whole old row. Empty '
  'if the values were erased.';
comment on column crm.audit_logs."timestamp" is
  'When the change was made. It equals the created_at or updated_at that the row received.';
comment on column crm.audit_logs.transaction_id is
  'The id of the database transaction. All entries of one transaction share it.';
comment on column crm.audit_logs.source is
  'The channel through which the change was made: api, import or sql.';
comment on column crm.audit_logs.erased_at is
  'When the values were permanently removed from changes. Null if they were not.';

comment on constraint audit_logs_user_id_blank on crm.audit_logs is
  'must not be blank';
comment on constraint audit_logs_user_id_legible on crm.audit_logs is
  'must not contain control characters or invisible characters';
comment on constraint audit_logs_user_id_length on crm.audit_logs is
  'must have at most 255 characters';
comment on constraint audit_logs_action_known on crm.audit_logs is
  '%s is not one of create, update, delete, erase, purge, archive';
comment on constraint audit_logs_source_known on crm.audit_logs is
  '%s is not one of api, import, sql';

create index if not exists audit_logs_entity_id on crm.audit_logs (entity_id);
-- For the latest entries, and for the entries that a seal covers.
create index if not exists audit_logs_id on crm.audit_logs (id);
-- By user, the latest first.
create index if not exists audit_logs_user_id on crm.audit_logs (user_id, id);
create index if not exists audit_logs_transaction_id on crm.audit_logs
  using brin (transaction_id, id) with (pages_per_range = 16, autosummarize = on);
-- For the trash: deletions that can be restored or purged. No other entry is in this index.
create index if not exists audit_logs_deleted on crm.audit_logs ("timestamp")
  where action = 'delete' and erased_at is null;
create index if not exists audit_logs_attached_to on crm.audit_logs
  (crm_private.attached_to(action, changes))
  where entity_type = any (array['task', 'note']) and changes ? 'entity_id';

-- For former names of stages, which few of the entries contain.
create index if not exists audit_logs_stages on crm.audit_logs ("timestamp")
  where entity_type = 'pipeline_stage';
-- For reports on deals: creations, deletions, and changes of the columns that reports sum or track.
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
/*
 * The seals of the audit log. Each block covers the entries after those of the previous block, up
 * to last_id.
 */

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
  'The seals of the audit log. Each block covers the entries after those of the previous block, up '
  'to last_id.';

comment on column crm_private.audit_log_blocks.number is
  'The number of the block, from 1, without gaps.';
comment on column crm_private.audit_log_blocks.last_id is
  'The id of the last entry in the block.';
comment on column crm_private.audit_log_blocks.sealed_at is
  'When the block was created.';
comment on column crm_private.audit_log_blocks.ids is
  'The ids of the entries in the block, in order.';
comment on column crm_private.audit_log_blocks.digests is
  'The digest of each entry, as crm_private.entry_digest computes it.';
comment on column crm_private.audit_log_blocks.salts is
  'The salt of each entry''s values, 16 random bytes. For an erased entry, the salted digest of '
  'its values, 32 bytes, from which the digest of the entry can still be computed.';
comment on column crm_private.audit_log_blocks.previous is
  'The hash of the previous block; zeros for the first block.';
comment on column crm_private.audit_log_blocks.hash is
  'The hash of the block, as crm_private.block_hash computes it.';

comment on constraint audit_log_blocks_last_id_unique on crm_private.audit_log_blocks is
  '%s is already the last entry of a block';

alter table crm_private.audit_log_blocks enable row level security;
--! EndIncluded tables/audit_log_blocks.sql
--! Included tables/audit_log_progress.sql
/* How far the audit log is sealed. The table has one row. */

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
  'How far the audit log is sealed. The table has one row.';

comment on column crm_private.audit_log_progress.id is
  'Always true, which limits the table to one row.';
comment on column crm_private.audit_log_progress.sealed_to is
  'All entries up to this id are sealed. Aborted transactions may leave some of these ids unused.';
comment on column crm_private.audit_log_progress.pending_to is
  'Entries up to this id can be sealed once the transactions in pending_for have ended.';
comment on column crm_private.audit_log_progress.pending_for is
  'The virtual transactions that were writing the audit log when pending_to was read.';

comment on constraint audit_log_progress_pending_complete on crm_private.audit_log_progress is
  'must both be set or both be null';

alter table crm_private.audit_log_progress enable row level security;
--! EndIncluded tables/audit_log_progress.sql
--! Included tables/reversals.sql
/*
 * The plan of an undo, row by row. A few statements carry it out, and the triggers of the audit log
 * read from it what the change of each row undoes. The table is empty between transactions. Only
 * functions of the owner can write to it, so that no caller can forge an undo.
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
  'The rows that running transactions undo. Empty at any other time.';

comment on column crm_private.reversals.transaction_id is 'The id of the transaction that undoes.';
comment on column crm_private.reversals.entity_type is
  'The entity type of the row, as in the audit log.';
comment on column crm_private.reversals.entity_id is 'The id of the row.';
comment on column crm_private.reversals.before is
  'The values to set back; all fields of a row that is to be restored. Null if the row is to be '
  'deleted.';
comment on column crm_private.reversals.after is
  'The values that these fields are expected to have now. Null if the row is expected not to '
  'exist.';
comment on column crm_private.reversals.undoes is
  'The member @undoes of the audit log entry that the undo writes for the row.';

alter table crm_private.reversals enable row level security;
--! EndIncluded tables/reversals.sql
--! Included tables/merges.sql
/*
 * Which rows were merged into which. The audit log records this too, but its entries are purged,
 * erased and archived. Erasing a person must find everyone who was merged into that person even
 * then.
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
  'Which contacts and companies were merged into which. A merge ends when the merged record is '
  'restored.';

comment on column crm_private.merges.id is
  'The id of the merge. It increases from one merge to the next.';
comment on column crm_private.merges.entity_type is 'contact or company.';
comment on column crm_private.merges.loser_id is 'The id of the merged record, which was deleted.';
comment on column crm_private.merges.winner_id is 'The id of the merge winner, which remains.';
comment on column crm_private.merges.merged_at is 'When the transaction of the merge began.';
comment on column crm_private.merges.ended_at is
  'When the merged record was restored. Null if it was not.';
comment on column crm_private.merges.ended_in is
  'The id of the transaction that restored the merged record.';

-- A row is merged into one other row at a time.
create unique index if not exists merges_loser_id on crm_private.merges (loser_id)
  where ended_at is null;
create index if not exists merges_winner_id on crm_private.merges (winner_id);
create index if not exists merges_ended on crm_private.merges (loser_id)
  where ended_at is not null;

alter table crm_private.merges enable row level security;
--! EndIncluded tables/merges.sql
--! Included tables/dropped_indexes.sql
/*
 * Custom fields whose index was dropped with their definition. Restoring the definition creates the
 * index again, although the audit log does not record indexes.
 */

create table if not exists crm_private.dropped_indexes (
  definition_id uuid not null,
  prefix        text[] not null default '{}',

  constraint dropped_indexes_pkey primary key (definition_id)
);

comment on table crm_private.dropped_indexes is
  'The definitions of custom fields that had an index when they were deleted.';

comment on column crm_private.dropped_indexes.definition_id is 'The id of the deleted definition.';
comment on column crm_private.dropped_indexes.prefix is 'The fields before the value in the index.';

alter table crm_private.dropped_indexes enable row level security;
--! EndIncluded tables/dropped_indexes.sql
--! Included tables/former_custom_fields.sql
/*
 * The names that custom fields had before they were renamed or deleted. Clients may use such a name
 * until it expires: crm_private.live_former_fields. It follows from changes of definitions, which the
 * audit log records, so the audit log does not record this table.
 */

create table if not exists crm_private.former_custom_fields (
  entity_type   text        not null,
  name          text        not null,
  field_name    text        not null,
  definition_id uuid        not null,
  field_type    text        not null,
  ended_at      timestamptz not null default now(),

  constraint former_custom_fields_pkey primary key (entity_type, name)
);

comment on table crm_private.former_custom_fields is
  'The names that custom fields had before they were renamed or deleted.';

comment on column crm_private.former_custom_fields.entity_type is
  'The type of the entities that have, or had, the field.';
comment on column crm_private.former_custom_fields.name is
  'The former name, as a key of customFields.';
comment on column crm_private.former_custom_fields.field_name is
  'The former name of the typed field in the API.';
comment on column crm_private.former_custom_fields.definition_id is
  'The id of the definition, which exists no more if the field was deleted.';
comment on column crm_private.former_custom_fields.field_type is
  'The last type of the field, for a deleted one.';
comment on column crm_private.former_custom_fields.ended_at is
  'When the field was renamed or deleted.';

alter table crm_private.former_custom_fields enable row level security;
--! EndIncluded tables/former_custom_fields.sql
--! Included tables/erasure_lock.sql
/*
 * An empty table that serves as a lock. While a person is erased, no undo runs and no response is
 * stored, because either could bring the person's values back. Only the owner can take the lock.
 */

create table if not exists crm_private.erasure_lock (
  id boolean not null,

  constraint erasure_lock_pkey primary key (id)
);

comment on table crm_private.erasure_lock is
  'An empty table that serves as a lock: no undo runs and no response is stored while a person is '
  'erased.';

comment on column crm_private.erasure_lock.id is
  'Never set, because the table has no rows.';

alter table crm_private.erasure_lock enable row level security;
--! EndIncluded tables/erasure_lock.sql
--! Included tables/faulty_rows.sql
/* The rows in which a running bulk write has found faults. Empty at any other time. */

create table if not exists crm_private.faulty_rows (
  transaction_id bigint      not null,
  number         bigint      not null generated always as identity,
  place          integer,
  item           jsonb       not null,

  constraint faulty_rows_pkey primary key (transaction_id, number)
);

comment on table crm_private.faulty_rows is
  'The rows in which a running bulk write has found faults. Empty at any other time.';

alter table crm_private.faulty_rows enable row level security;
--! EndIncluded tables/faulty_rows.sql
--! Included tables/idempotency_keys.sql
/*
 * The responses to mutations with an idempotency key, each stored in the transaction of its
 * mutation. No role of the product can read or write this table.
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
  'The responses to mutations with an idempotency key, each stored in the transaction of its '
  'mutation. No role of the product can read or write this table.';

comment on column crm_private.idempotency_keys.key_hash is
  'The SHA-256 hash of the user and the key. The key itself is not stored.';
comment on column crm_private.idempotency_keys.request_hash is
  'The SHA-256 hash of the request and its role.';
comment on column crm_private.idempotency_keys.answer is
  'The response, encrypted with a key derived from the idempotency key, so that a reader of the '
  'table learns nothing from it. Null if it may have named a person who was erased since: all that '
  'remains is that the mutation was carried out.';
comment on column crm_private.idempotency_keys.entity_ids is
  'The ids of the entities that the response may name. Null if it may name any.';
comment on column crm_private.idempotency_keys.expires_at is
  'When the key expires and its response is deleted.';

create index if not exists idempotency_keys_expires_at_idx
  on crm_private.idempotency_keys (expires_at);

alter table crm_private.idempotency_keys enable row level security;
--! EndIncluded tables/idempotency_keys.sql
--! Included tables/entity_types.sql
/*
 * The catalogue of entity types. What all of them have in common is compiled from this table or
 * reads it: stamps, validation, the audit log, history, undo, the trash, bulk writes, external ids, search.
 * References between entity types are not repeated here: crm_private.entity_links reads the foreign
 * keys.
 *
 * crm_private.register_entity adds an entity type.
 */

create table if not exists crm_private.entity_types (
  entity_type       text     not null,
  entity_table      regclass not null,
  label_columns     name[]   not null,
  is_record         boolean  not null,
  has_custom_fields boolean  not null,
  is_mergeable      boolean  not null,
  restore_order     integer,
  searched_by       text,
  search_order      integer,

  constraint entity_types_pkey primary key (entity_type),
  constraint entity_types_entity_table_key unique (entity_table),
  constraint entity_types_searched_by_known check (searched_by = any ('{name,text}')),
  constraint entity_types_search_order_required check (
    (search_order is null) = (searched_by is null)
  )
);

comment on table crm_private.entity_types is
  'The catalogue of entity types. The functions and triggers of each are compiled from it.';

comment on column crm_private.entity_types.entity_type is
  'The name of the entity type in the audit log and in the API.';
comment on column crm_private.entity_types.entity_table is
  'The table that stores its rows.';
comment on column crm_private.entity_types.label_columns is
  'The columns by which people recognise a row.';
comment on column crm_private.entity_types.is_record is
  'True if members write its rows, also in bulk and by external id. False if administrators do.';
comment on column crm_private.entity_types.has_custom_fields is
  'True if its rows have custom fields.';
comment on column crm_private.entity_types.is_mergeable is
  'True if its rows can be merged.';
comment on column crm_private.entity_types.restore_order is
  'Its place in the order in which rows of several types are locked and restored: after the types '
  'that it references. Null if its changes cannot be undone.';
comment on column crm_private.entity_types.searched_by is
  'How search finds its rows: name, by the label columns, also misspelt or in part; or text, also '
  'by other forms of a word. Null if search does not find them.';
comment on column crm_private.entity_types.search_order is
  'Its place among hits that match equally well: lower numbers come first.';

alter table crm_private.entity_types enable row level security;

grant select on crm_private.entity_types to crm_reader;

drop policy if exists entity_types_select on crm_private.entity_types;
create policy entity_types_select on crm_private.entity_types for select to crm_reader
  using (true);

insert into crm_private.entity_types (
  entity_type, entity_table, label_columns, is_record, has_custom_fields, is_mergeable, restore_order,
  searched_by, search_order
)
values
  ('pipeline_stage', 'crm.pipeline_stages', '{name}', false, false, false, 10, null, null),
  ('exchange_rate', 'crm.exchange_rates', '{currency,valid_from}', false, false, false, 20, null, null),
  ('custom_field_definition', 'crm.custom_field_definitions', '{name}', false, false, false, 30,
    null, null),
  ('company', 'crm.companies', '{name}', true, true, true, 40, 'name', 1),
  ('contact', 'crm.contacts', '{first_name,last_name}', true, true, true, 50, 'name', 1),
  ('deal', 'crm.deals', '{title}', true, true, false, 60, 'name', 2),
  ('task', 'crm.tasks', '{description}', true, false, false, 70, 'text', 3),
  ('note', 'crm.notes', '{content}', true, false, false, 80, 'text', 3),
  ('api_key', 'crm.api_keys', '{name}', false, false, false, null, null, null)
on conflict do nothing;
--! EndIncluded tables/entity_types.sql

-- Stores the entries of a month without a partition, so that none is lost.
create table crm_private.audit_logs_other partition of crm.audit_logs default;
alter table crm_private.audit_logs_other alter column changes set statistics 0;
alter table crm_private.audit_logs_other enable row level security;
comment on table crm_private.audit_logs_other is
  'Audit log entries of a month that has no partition of its own.';

insert into crm_private.settings default values;
insert into crm_private.audit_log_progress default values;

--! split: 040-types.sql
/*
 * Why: the types of arguments and results of functions.
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
  'The result of a bulk write: the numbers of rows created, updated, deleted and unchanged; the '
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
  'A row of a bulk write: its place in the input, the id of the target row, the operation, and the '
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
  'The result of a merge of companies.';

comment on column crm.company_merge.company_id is
  E'@notNull\nThe id of the merge winner, the company that remains.';
comment on column crm.company_merge.transaction_id is
  E'@notNull\nThe id of the transaction, by which the audit log lists the merge and '
  'undoTransaction undoes it.';
comment on column crm.company_merge.contacts_moved is
  E'@notNull\nThe number of contacts that were moved to the winner.';
comment on column crm.company_merge.deals_moved is
  E'@notNull\nThe number of deals that were moved to the winner.';
comment on column crm.company_merge.tasks_moved is
  E'@notNull\nThe number of tasks that were moved to the winner.';
comment on column crm.company_merge.notes_moved is
  E'@notNull\nThe number of notes that were moved to the winner.';
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
  'The result of a merge of contacts.';

comment on column crm.contact_merge.contact_id is
  E'@notNull\nThe id of the merge winner, the contact that remains.';
comment on column crm.contact_merge.transaction_id is
  E'@notNull\nThe id of the transaction, by which the audit log lists the merge and '
  'undoTransaction undoes it.';
comment on column crm.contact_merge.deals_moved is
  E'@notNull\nThe number of deals that were moved to the winner.';
comment on column crm.contact_merge.tasks_moved is
  E'@notNull\nThe number of tasks that were moved to the winner.';
comment on column crm.contact_merge.notes_moved is
  E'@notNull\nThe number of notes that were moved to the winner.';
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
  E'@notNull\nThe message that a client would receive.';
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
      scans    bigint,
      prefix   text[]
    );
  end if;
end
$type$;

comment on type crm.custom_field_index is
  'An index on a custom field.';

comment on column crm.custom_field_index.name is
  E'@notNull\nThe name of the index in the schema crm.';
comment on column crm.custom_field_index.method is
  E'@notNull\nThe method of the index: btree for equality and range filters and for sorting; '
  'spgist for filters on the whole value or the beginning of long texts; gin for filters on '
  'elements of a list of values.';
comment on column crm.custom_field_index.is_valid is
  E'@notNull\nFalse while the index is being built and after a failed build. Queries do not use it '
  'then.';
comment on column crm.custom_field_index.size is
  E'@notNull\nThe size of the index in bytes.';
comment on column crm.custom_field_index.scans is
  E'@notNull\nThe number of times that the index has been read since statistics were last reset.';
comment on column crm.custom_field_index.prefix is
  E'@notNull\nThe fields before the value, by which lists are also filtered or ordered.';
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
  'A possible duplicate of a row, and the reasons.';

comment on column crm.duplicate.entity_type is
  E'@notNull\ncontact or company.';
comment on column crm.duplicate.entity_id is
  E'@notNull\nThe id of the possible duplicate.';
comment on column crm.duplicate.contact_id is
  'The id of the possible duplicate if it is a contact, otherwise null.';
comment on column crm.duplicate.company_id is
  'The id of the possible duplicate if it is a company, otherwise null.';
comment on column crm.duplicate.score is
  E'@notNull\nThe likelihood that both rows are the same person or company, from 0 to 1.';
comment on column crm.duplicate.reasons is
  E'@notNull\nWhat both rows have in common, the strongest reason first: email, phone, domain, '
  'name.';
comment on column crm.duplicate.email is
  'An email address that both rows have, in lower case. Null if there is none.';
comment on column crm.duplicate.phone is
  'A phone number of the given row that the possible duplicate also has, perhaps without country '
  'or area code. Null if there is none.';
comment on column crm.duplicate.domain is
  'A domain that both rows have, in their email addresses or, for a company, in its web address. '
  'Null if there is none.';
comment on column crm.duplicate.name_similarity is
  E'@notNull\nThe similarity of the names, from 0 to 1. It is a reason from 0.5.';
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
  'A group of rows that may all be the same person or company.';

comment on column crm.duplicate_group.entity_type is
  E'@notNull\ncontact or company.';
comment on column crm.duplicate_group.size is
  E'@notNull\nThe number of rows in the group.';
comment on column crm.duplicate_group.score is
  E'@notNull\nThe likelihood that the rows are the same person or company, from 0 to 1: the mean '
  'over the pairs that form the group.';
comment on column crm.duplicate_group.reasons is
  E'@notNull\nWhat the rows have in common, the strongest reason first: email, phone, domain, '
  'name.';
comment on column crm.duplicate_group.ids is
  E'@notNull\nThe ids of the rows; only the first 1,000 of a larger group.';
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

comment on type crm.field_value is
  E'@primaryKey entry_id\n@defaultOrder VALID_FROM_DESC\n'
  'A value of a field and the period in which the field had it.';

comment on column crm.field_value.value is 'The value, as JSON. Null if the field had none.';
comment on column crm.field_value.valid_from is E'@notNull\nWhen the value was set.';
comment on column crm.field_value.valid_until is
  'When another value was set or the row was deleted. Null if this is the current value.';
comment on column crm.field_value.set_by is E'@notNull\nThe user who set the value.';
comment on column crm.field_value.source is
  E'@notNull\nThe channel through which the value was set: api, import or sql.';
comment on column crm.field_value.entry_id is
  E'@notNull\nThe id of the audit log entry that records the value.';
comment on column crm.field_value.erased is
  E'@notNull\nTrue if the entry was erased, so that the value is no longer known.';
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
  E'@notNull\nThe key itself, for the header Authorization: Bearer <key>. It is returned only here '
  'and cannot be retrieved later.';
comment on column crm.issued_api_key.api_key is
  E'@notNull\nThe stored details of the key.';
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
  'The result of a comparison of the audit log with its seals.';

comment on column crm.audit_log_verdict.intact is
  E'@notNull\nTrue if every sealed entry is as it was sealed.';
comment on column crm.audit_log_verdict.fault is
  'The kind of the first fault: altered, removed or inserted for an entry; rewritten if the seals '
  'themselves were changed, or are not those of the digest. Null if there is no fault.';
comment on column crm.audit_log_verdict.entry_id is
  'The id of the first faulty entry. If the seals were rewritten, the first entry whose seal '
  'cannot be trusted.';
comment on column crm.audit_log_verdict."timestamp" is
  'The time of the faulty entry. Null if there is no such entry.';
comment on column crm.audit_log_verdict.message is
  E'@notNull\nThe result in one sentence.';
comment on column crm.audit_log_verdict.entries is
  E'@notNull\nThe number of entries that were compared, up to the first fault.';
comment on column crm.audit_log_verdict.archived is
  E'@notNull\nThe number of sealed entries that could not be compared, because they were archived.';
comment on column crm.audit_log_verdict.unsealed is
  E'@notNull\nThe number of entries that are too recent to be sealed.';
comment on column crm.audit_log_verdict.kept_since is
  'The time from which the audit log is complete here; earlier entries were archived. Null if none '
  'were.';
comment on column crm.audit_log_verdict.digest is
  E'@notNull\nThe digest that auditLogDigest returns now.';
--! EndIncluded types/audit_log_verdict.sql
--! Included types/reference.sql
do $type$
begin
  if to_regtype('crm.reference') is null then
    create type crm.reference as (
      external_id crm.external_id
    );
  end if;
end
$type$;

comment on type crm.reference is
  'A reference to a row by its external id, instead of by its id.';

comment on column crm.reference.external_id is
  E'@notNull\nThe external id of the row.';
--! EndIncluded types/reference.sql
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
      lost_reason   text,
      company       crm.reference,
      contact       crm.reference
    );
  end if;
end
$type$;

comment on type crm.new_deal is
  E'@customFieldsOf deals\nThe values of a deal to create.';

comment on column crm.new_deal.title is 'The title of the deal, at most 255 characters. Required.';
comment on column crm.new_deal.company_id is
  'The id of the company. Either this or company is required.';
comment on column crm.new_deal.contact_id is 'The id of the contact at the company, if any.';
comment on column crm.new_deal.value is
  'The value of the deal, with at most two decimals. Required.';
comment on column crm.new_deal.currency is
  'The currency of the value, as an ISO 4217 code. The default is USD.';
comment on column crm.new_deal.stage is 'The name of the pipeline stage. Required.';
comment on column crm.new_deal.probability is
  'The probability of winning the deal, in percent. The default is that of the stage.';
comment on column crm.new_deal.close_date is 'The day on which the deal is expected to close.';
comment on column crm.new_deal.owner_id is 'The user who is responsible for the deal, if any.';
comment on column crm.new_deal.custom_fields is
  'The values of custom fields by name. The default is none.';
comment on column crm.new_deal.external_ids is
  'The ids of the deal in other systems. The default is none.';
comment on column crm.new_deal.lost_reason is 'Why the deal was lost, if it was.';
comment on column crm.new_deal.company is 'The company by its external id, instead of companyId.';
comment on column crm.new_deal.contact is 'The contact by its external id, instead of contactId.';
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

comment on type crm.new_task is 'A task to create together with the entity that it is attached to.';

comment on column crm.new_task.description is 'What to do, at most 10,000 characters. Required.';
comment on column crm.new_task.due_date is 'The day on which the task is due.';
comment on column crm.new_task.assigned_to is 'The user to whom the task is assigned.';
comment on column crm.new_task.status is
  'The status of the task: open, which is the default, or closed.';
comment on column crm.new_task.external_ids is
  'The ids of the task in other systems. The default is none.';
--! EndIncluded types/new_task.sql
--! Included types/parsed_search.sql
do $type$
begin
  if to_regtype('crm_private.parsed_search') is null then
    create type crm_private.parsed_search as (
      exact       tsquery,
      whole       tsquery,
      typed       tsquery,
      indexed     tsquery,
      loose       tsquery,
      loose_texts text,
      whole_names tsquery,
      typed_names tsquery,
      named       tsquery,
      begun       text,
      number      text,
      numbers     text[],
      phone       text,
      beside      tsquery,
      words       text[],
      marks       text[],
      stems       text[],
      near        text[]
    );
  end if;
end
$type$;

comment on type crm_private.parsed_search is
  'The result of crm_private.search_query, which describes the attributes.';
--! EndIncluded types/parsed_search.sql
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

comment on type crm.pipeline_stage_total is 'The deals of a pipeline stage at a point in time.';

comment on column crm.pipeline_stage_total.stage is
  E'@notNull\nThe current name of the stage, or its last name if the stage was deleted.';
comment on column crm.pipeline_stage_total."position" is
  'The position of the stage in the pipeline at that time, or now if the stage was created later; '
  'the first stage has the lowest.';
comment on column crm.pipeline_stage_total.count is E'@notNull\nThe number of deals in the stage.';
comment on column crm.pipeline_stage_total.value is
  'The total value of these deals. Null if they are in more than one currency.';
comment on column crm.pipeline_stage_total.value_by_currency is
  E'@notNull\nThe total value of these deals in each currency, as {"EUR": 10.00}.';
comment on column crm.pipeline_stage_total.value_in_base_currency is
  'The total value of these deals in the base currency, at the rates of the day. Null if a '
  'currency has no rate.';
comment on column crm.pipeline_stage_total.stage_id is
  'The id of the stage. Null if the audit log no longer records it.';
comment on column crm.pipeline_stage_total.stage_then is
  E'@notNull\nThe name of the stage at that time.';
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

comment on type crm.reversal is 'The result of an undo or a restore.';

comment on column crm.reversal.transaction_id is
  E'@notNull\nThe id of the transaction of the undo, by which the undo itself can be undone.';
comment on column crm.reversal.restored is E'@notNull\nThe number of rows that were restored.';
comment on column crm.reversal.changed is
  E'@notNull\nThe number of rows in which fields were set back.';
comment on column crm.reversal.deleted is E'@notNull\nThe number of rows that were deleted.';
comment on column crm.reversal.kept is
  E'@notNull\nWhat was not restored to its former state: values that were changed since and left '
  'as they are, values that are no longer valid, and references to rows that were merged or '
  'deleted. Each item has entityType, entityId, field, expected, found, changedBy and changedAt. '
  'At most 1,000 items; keptCount counts all items.';
comment on column crm.reversal.kept_count is
  E'@notNull\nThe number of values that were not restored to their former state, including those '
  'not listed in kept.';
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
  'What an undo does with values that were changed since. REFUSE: nothing is undone, and the error '
  'lists each change and its user. SKIP: these values stay as they are, and the rest is undone. '
  'FORCE: these values are overwritten; for administrators only.';
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
  'The faults of a row of a bulk write. readable is false if the row cannot be checked for other '
  'faults.';
--! EndIncluded types/row_fault.sql
--! Included types/search_hit.sql
/*
 * A hit of crm.search. crm_private.compile_search adds an attribute for each entity type that search
 * finds, such as contact_id, and writes the comment of the type.
 */
do $type$
begin
  if to_regtype('crm.search_hit') is null then
    create type crm.search_hit as (
      entity_type text,
      entity_id   uuid,
      rank        double precision,
      extract     text,
      place       integer,
      "position"  text collate "C"
    );
  end if;
end
$type$;

comment on column crm.search_hit.entity_type is
  E'@notNull\nThe type of the entity, such as contact.';
comment on column crm.search_hit.entity_id is
  E'@notNull\nThe id of the entity.';
comment on column crm.search_hit.rank is
  E'@notNull\nHow well the entity matches, between 0 and 1. The best hit has the highest rank.';
comment on column crm.search_hit.extract is
  E'@notNull\nAn HTML extract with <mark> around the matching words. There is no other markup; the '
  'data is escaped.';
comment on column crm.search_hit.place is
  E'@notNull\nThe place of the hit, from 1 for the best.';
comment on column crm.search_hit."position" is
  E'@notNull\n@behavior -*\nThe position of the hit, with which a later search can go on.';
--! EndIncluded types/search_hit.sql
--! Included types/entity_rights.sql
do $type$
begin
  if to_regtype('crm.entity_rights') is null then
    create type crm.entity_rights as (
      entity_type text,
      can_create  boolean,
      can_update  boolean,
      can_delete  boolean
    );
  end if;
end
$type$;

comment on type crm.entity_rights is
  'What the user may do with the entities of a type. Everybody may read all of them.';

comment on column crm.entity_rights.entity_type is
  E'@notNull\nThe type of the entity.';
comment on column crm.entity_rights.can_create is
  E'@notNull\nTrue if the user may create entities of the type.';
comment on column crm.entity_rights.can_update is
  E'@notNull\nTrue if the user may change entities of the type.';
comment on column crm.entity_rights.can_delete is
  E'@notNull\nTrue if the user may delete entities of the type.';
--! EndIncluded types/entity_rights.sql
--! Included types/viewer.sql
do $type$
begin
  if to_regtype('crm.viewer') is null then
    create type crm.viewer as (
      user_id        text,
      role           text,
      api_key_name   text,
      can_administrate boolean,
      rights         crm.entity_rights[]
    );
  end if;
end
$type$;

comment on type crm.viewer is
  'The user who makes the request, and what the user may do.';

comment on column crm.viewer.user_id is
  E'@notNull\nThe user: the subject of the token, key:<name> for an API key, or db:<login role> for a '
  'database session.';
comment on column crm.viewer.role is
  E'@notNull\nThe role of the token or API key: reader, member or admin.';
comment on column crm.viewer.api_key_name is
  'The name of the API key. Null if the request has a token.';
comment on column crm.viewer.can_administrate is
  E'@notNull\nTrue if the user has the rights of an administrator, such as editing custom field '
  'definitions and stages.';
comment on column crm.viewer.rights is
  E'@notNull\nWhat the user may do with the entities of each type.';
--! EndIncluded types/viewer.sql
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
  'A row that a bulk write has written: its place in the input, its id, the operation, and whether '
  'it changed anything.';
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
  'The result of one attempt of a bulk write: the target rows, the rows written, and the faults.';
--! EndIncluded types/bulk_outcome.sql

--! split: 050-functions.sql
/*
 * Why: all functions. A function in the language sql is created after the functions that it calls.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

--! Included views/crm_private/entity_links.sql
/*
 * The references between entities: the foreign keys with on delete cascade or on delete set null. A
 * client writes entity_id of tasks and notes; the columns that have the keys are generated from it.
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
  'The references between entities: foreign keys with on delete cascade or on delete set null.';

grant select on crm_private.entity_links to crm_member;
--! EndIncluded views/crm_private/entity_links.sql
--! Included functions/common/compile_entity_lookups.sql
/*
 * Compiles the functions that look up rows and entries of any entity type, from the catalogue and
 * the foreign keys: crm_private.is_there, crm_private.table_of, crm_private.is_mergeable,
 * crm_private.is_reversible, crm_private.takes_others, crm_private.deleted_label,
 * crm_private.cascade_parent and crm_private.cleared_reference. They are called for each row of the
 * trash, for each entry that is undone, and by the policy of the audit log, so none of them reads
 * the catalogue.
 *
 * Call it in the migration that adds a foreign key between entities; a test fails if the call is
 * missing. Called by crm_private.register_entity and crm_private.unregister_entity.
 */
create or replace function crm_private.compile_entity_lookups()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_lookup record;
begin
  for v_lookup in
    -- A function, because for subqueries of a policy PostgreSQL would hash whole tables, and plan
    -- each subquery for every partition; this looks up one primary key at a time.
    select
      'is_there' as name, 'p_entity_type text, p_entity_id uuid' as arguments, 'boolean' as result,
      'stable' as volatility, 'crm_reader' as role,
      'Returns true if the entity exists and the caller can read it. Compiled.' as description,
      E'  case p_entity_type\n' || string_agg(
        format(
          E'    when %L then\n      return exists (\n        '
          'select from %s as entity where entity.id = is_there.p_entity_id\n      );\n',
          entity_type, entity_table
        ),
        '' order by restore_order
      ) || E'    else\n      return false;\n  end case;' as body
    from crm_private.entity_types
    where restore_order is not null

    union all

    -- One look-up after the other, those of records first. The caller may lack the right to read a
    -- table, which is checked for a statement as a whole.
    select
      'table_of', 'p_id uuid', 'regclass', 'stable', 'crm_reader',
      'Returns the table of the entity with an id; null if the caller can read none. Compiled.',
      string_agg(
        format(
          E'  if has_table_privilege(%L, \'select\') then\n    if exists (\n'
          '      select from %s as entity where entity.id = table_of.p_id\n    ) then\n'
          '      return %L::regclass;\n    end if;\n  end if;\n',
          entity_table::text, entity_table, entity_table::text
        ),
        '' order by not is_record, restore_order
      ) || '  return null;'
    from crm_private.entity_types

    union all

    select
      listed.name, 'p_entity_type text', 'boolean', 'immutable', listed.role, listed.description,
      format('  return coalesce(p_entity_type = any (%L::text[]), false);', listed.types)
    from (
      values
        (
          'is_mergeable', 'crm_reader', 'Returns true if rows of a type can be merged. Compiled.',
          array(
            select entity_type from crm_private.entity_types
            where is_mergeable
            order by restore_order
          )
        ),
        (
          'is_reversible', 'crm_member',
          'Returns true if changes of entities of a type can be undone. Compiled.',
          array(
            select entity_type from crm_private.entity_types
            where restore_order is not null
            order by restore_order
          )
        ),
        (
          'takes_others', 'crm_member',
          'Returns true if the deletion of such an entity can delete or change others. Compiled.',
          array(select distinct target_type from crm_private.entity_links order by target_type)
        )
    ) as listed (name, role, description, types)

    union all

    select
      'deleted_label', 'p_entity_type text, p_changes jsonb', 'text', 'immutable', 'crm_member',
      'Returns the label by which people recognise a deleted row. Compiled.',
      E'  return left(case p_entity_type\n' || string_agg(
        format(E'    when %L then %s\n', entity_type, label), '' order by restore_order
      ) || E'  end, 100);'
    from (
      select
        entity_type, restore_order,
        (
          select format(
            case when bool_or(not attnotnull) then 'nullif(btrim(%s), '''')' else '%s' end,
            string_agg(
              format(
                case
                  when attnotnull then '(p_changes ->> %L)'
                  else 'coalesce(p_changes ->> %L, '''')'
                end,
                attname
              ),
              E' || \' \' || ' order by place
            )
          )
          from unnest(label_columns) with ordinality as label (attname, place)
          join pg_attribute using (attname)
          where attrelid = entity_table
        ) as label
      from crm_private.entity_types
    ) as labelled

    union all

    select
      'cascade_parent', 'p_entity_type text, p_changes jsonb', 'uuid', 'immutable', 'crm_member',
      'Returns the parent whose deletion cascaded to a row; null if there is none. Compiled.',
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
      'Returns the row whose deletion set a reference of an updated row to null; null for other '
      'updates. Compiled.',
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
  'Creates the functions that look up rows of any entity type, compiled from the catalogue.';

revoke all on function crm_private.compile_entity_lookups() from public;

select crm_private.compile_entity_lookups();
--! EndIncluded functions/common/compile_entity_lookups.sql
--! Included functions/common/entity_table.sql
/*
 * Returns the table of an entity type, such as crm.contacts for contact; null if there is no such
 * type.
 */
create or replace function crm_private.entity_table(p_entity_type text)
returns regclass
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select entity_table from crm_private.entity_types where entity_type = p_entity_type;
$$;

comment on function crm_private.entity_table(text) is
  'Returns the table of an entity type; null if there is no such type.';

revoke all on function crm_private.entity_table(text) from public;
grant execute on function crm_private.entity_table(text) to crm_reader;
--! EndIncluded functions/common/entity_table.sql
--! Included functions/audit_log/lock_seals.sql
/*
 * Locks the seals of the audit log until the transaction ends, so that one session at a time seals,
 * erases, purges, archives or creates partitions. Returns whether the lock was acquired; with
 * p_waits false it does not wait for another session. On a standby, and in a transaction that is
 * read-only or has its own snapshot, it returns false, and none of these operations is possible.
 *
 * The lock is on a row that only the owner can lock. Any role could hold an advisory lock.
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
  'Keeps other sessions from sealing the audit log and from changing sealed entries.';

revoke all on function crm_private.lock_seals(boolean) from public;
--! EndIncluded functions/audit_log/lock_seals.sql
--! Included functions/common/applied_migrations.sql
/*
 * Returns the hashes of the migrations that this database has run, in order. The server compares
 * them with its own to decide whether it is ready. Security definer: crm_migrations belongs to the
 * owner. plpgsql, because its body is not checked at creation: a shadow database has no such
 * schema.
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
  'Returns the hashes of the migrations that this database has run, in order.';

revoke all on function crm_private.applied_migrations() from public;
grant execute on function crm_private.applied_migrations() to crm_server;
--! EndIncluded functions/common/applied_migrations.sql
--! Included functions/custom_fields/apply_indexes.sql
/*
 * Updates the indexes of one entity type after its definitions changed. Drops the index of a
 * deleted definition, and recreates it when the definition is restored. Rebuilds the index of a
 * field whose value is now another expression, because of its type or its name. p_old and p_new are
 * the definitions before and after the statement. Called by crm_private.definitions_changed after
 * the rows satisfy them.
 *
 * Dropping an index blocks readers too, so it comes last, and it waits at most three seconds for
 * queries that are running.
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
-- Its statements contain expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_changes text;
begin
  insert into crm_private.dropped_indexes (definition_id, prefix)
  select old_row.id, index.prefix
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
    returning crm_private.custom_field_index_statement(new_row, '', dropped.prefix) as statement
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
        else crm_private.custom_field_index_statement(new_row, '', (index).prefix)
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
      else crm_private.custom_field_index_statement(new_row, '', (index).prefix)
        <> crm_private.custom_field_index_statement(old_row, '', (index).prefix)
    end;

  if v_changes is not null then
    execute v_changes;
  end if;
end
$$;

comment on function crm_private.apply_indexes(
  text, crm.custom_field_definitions[], crm.custom_field_definitions[]
) is
  'Updates the indexes of the custom fields of an entity type to match their definitions.';

revoke all on function crm_private.apply_indexes(
  text, crm.custom_field_definitions[], crm.custom_field_definitions[]
) from public;
--! EndIncluded functions/custom_fields/apply_indexes.sql
--! Included functions/audit_log/archive_audit_log.sql
/*
 * Detaches the months of the audit log that ended before a time and returns their tables, for the
 * owner to dump and drop. An audit log entry records the ids of the entries in them, so that
 * crm.verify_audit_log distinguishes archived entries from removed ones, and the time since which
 * the audit log is complete.
 *
 * Raises if the time is later than the beginning of this month, or if a month is not sealed
 * completely.
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
      using errcode    = 'invalid_parameter_value',
            schema     = 'crm', table = 'audit_logs', column = 'timestamp',
            constraint = 'archive_audit_log_before_range',
            detail     = '{"before": ["must not be after the beginning of this month"]}',
            hint       = 'Pass the beginning of this month, in UTC, or an earlier time.';
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
      raise exception 'archive_audit_log: % has % unsealed entries',
          v_month.partition, v_unsealed
        using errcode    = 'object_in_use',
              schema     = 'crm', table = 'audit_logs',
              constraint = 'archive_audit_log_month_sealed',
              hint       = 'Try again when the transactions that are now running have ended.';
    end if;

    -- Merges the ids into ranges that are contiguous among the sealed ids.
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
  'Detaches the months of the audit log that ended before a time; returns their tables.';

revoke all on function crm_private.archive_audit_log(timestamptz) from public;
--! EndIncluded functions/audit_log/archive_audit_log.sql
--! Included functions/audit_log/archived_entries.sql
/*
 * Returns the ids of the entries that are no longer in the audit log because their months were
 * archived. The last entry of crm_private.archive_audit_log lists all of them.
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
  'Returns the ids of the archived audit log entries.';

revoke all on function crm_private.archived_entries() from public;
--! EndIncluded functions/audit_log/archived_entries.sql
--! Included functions/custom_fields/are_choices.sql
/*
 * Returns true if a JSON value is a list of one or more different texts, each of them one of the
 * choices; null if there is no value. The rule of a multi_enum field.
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
    -- Each element is compared with each choice, so a list that is too long is not examined.
    when jsonb_array_length(value) not between 1 and jsonb_array_length(choices) then false
    else value <@ choices and (
      select count(*) = count(distinct element) from jsonb_array_elements(value) as element
    )
  end;
$$;

comment on function crm_private.are_choices(jsonb, jsonb) is
  'Returns true if the JSON value is a list of one or more different choices.';

revoke all on function crm_private.are_choices(jsonb, jsonb) from public;
grant execute on function crm_private.are_choices(jsonb, jsonb) to crm_member;
--! EndIncluded functions/custom_fields/are_choices.sql
--! Included functions/access/authenticate_api_key.sql
/*
 * Returns the user and role of a request with an API key. Called by the server for each request, so
 * that revocation and expiry take effect at once. Returns no row if no key has this hash. For a key
 * that was revoked or has expired it returns no role, but the reason, for the log. It takes the
 * hash, so that no key reaches the logs of the database, and so that only the holder of a key can
 * query it.
 *
 * Records the use of the key at most once a minute, and never waits to do so: not for another
 * request that is recording a use, nor for the disk, nor where the database is read-only. This is
 * not a change of the row: neither the version nor the audit log records it.
 *
 * Security definer: the login role of the server cannot read tables.
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
  'Returns the user and role of the API key with this SHA-256, or the reason why it is not valid.';

revoke all on function crm_private.authenticate_api_key(bytea) from public;
grant execute on function crm_private.authenticate_api_key(bytea) to crm_server;
--! EndIncluded functions/access/authenticate_api_key.sql
--! Included functions/deals/base_currency.sql
/* Returns the setting. Security definer: only the owner can read the table of settings. */
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
  'Implements crm.base_currency with the rights of the owner.';

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
  E'@notNull\nThe currency to which exchange rates convert, as an ISO 4217 code.';

revoke all on function crm.base_currency() from public;
grant execute on function crm.base_currency() to crm_reader;
--! EndIncluded functions/deals/base_currency.sql
--! Included functions/audit_log/block_hash.sql
/*
 * Returns the hash of a block of sealed entries. It covers the hash of the block before, so
 * changing one block requires changing all later ones. Salts are excluded, because erasure removes
 * them.
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
  'Returns the SHA-256 of a block of sealed entries and of the hash of the block before it.';

revoke all on function crm_private.block_hash(bytea, bigint, timestamptz, bigint[], bytea[])
  from public;
--! EndIncluded functions/audit_log/block_hash.sql
--! Included functions/audit_log/broken_block.sql
/*
 * Returns the number of the first block that was changed: it is missing, it does not match the
 * block before it, its hash is not that of its content, or its hash differs from that in the
 * auditor's digest. Null if the chain is intact. For a digest of a block that does not exist it
 * returns the number after the last block.
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
  'Returns the number of the first block that was changed or does not match the digest.';

revoke all on function crm_private.broken_block(text) from public;
--! EndIncluded functions/audit_log/broken_block.sql
--! Included functions/deals/amounts_by_currency.sql
/*
 * Returns the sum, average, min or max of amounts for each of their currencies: a list of objects
 * with currency and amount. The amount is text, so that JSON loses no digit. Called by the API in
 * addition to an aggregate of all amounts, which is null if they are in several currencies.
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
  'Returns the sum, average, min or max of amounts for each of their currencies.';

revoke all on function crm_private.amounts_by_currency(text, numeric[], text[]) from public;
grant execute on function crm_private.amounts_by_currency(text, numeric[], text[]) to crm_reader;
--! EndIncluded functions/deals/amounts_by_currency.sql
--! Included functions/access/calling_role.sql
/*
 * Returns the role that a statement runs as, also within a security definer function, where
 * current_user is the owner of the function. The result can be trusted: only a member of a role can
 * set it.
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
  'Returns the role that the statement runs as, also within a security definer function.';

revoke all on function crm_private.calling_role() from public;
grant execute on function crm_private.calling_role() to crm_reader;
--! EndIncluded functions/access/calling_role.sql
--! Included functions/common/camel_case.sql
/*
 * Converts the name of a column to the name that clients of the API know: first_name becomes
 * firstName. Called where an error names its fields.
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
  'Returns the name of a column in the API: first_name becomes firstName.';

revoke all on function crm_private.camel_case(text) from public;
grant execute on function crm_private.camel_case(text) to crm_reader;
--! EndIncluded functions/common/camel_case.sql
--! Included functions/undo/conflict.sql
/*
 * Returns what an undo reports of a field that does not have the expected value, or is not put
 * back.
 */
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
  'Returns what an undo reports of a field that is not as expected, or is not put back.';

revoke all on function crm_private.conflict(text, uuid, text, jsonb, jsonb, text, timestamptz)
  from public;
--! EndIncluded functions/undo/conflict.sql
--! Included functions/history/name_as_of.sql
/*
 * Returns the name that a custom field definition or a pipeline stage had when an audit log entry
 * was written; null if it was created later. It is the old name in the first renaming since, or
 * else the present name.
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
  'Returns the name of a definition or a stage at the time of an audit log entry.';

revoke all on function crm_private.name_as_of(text, uuid, text, bigint) from public;
--! EndIncluded functions/history/name_as_of.sql
--! Included functions/history/renamed_values.sql
/*
 * Returns the values of an enum that were renamed since an audit log entry, in order, by
 * crm.rename_custom_field_value or by an undo of it. Such a transaction first allows both names,
 * then removes the old one and leaves the new one in its place.
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
  'Returns the values of an enum that were renamed since an audit log entry, in order.';

revoke all on function crm_private.renamed_values(uuid, bigint) from public;
--! EndIncluded functions/history/renamed_values.sql
--! Included functions/undo/with_value.sql
/*
 * Returns an object in which the value of a member, or an element of its list, is replaced by
 * another.
 */
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
  'Returns an object in which a value of a member is replaced by another.';

revoke all on function crm_private.with_value(jsonb, text, text, text) from public;
--! EndIncluded functions/undo/with_value.sql
--! Included functions/undo/follow_definitions.sql
/*
 * Adapts the custom fields of a planned reversal to later changes of their definitions: renamed
 * fields and renamed values of enums get their new names. It removes from the plan the values of a
 * definition that was deleted, values that a definition does not allow any more, and values of a
 * unique field that another row has. Returns what it removed, as crm_private.conflict writes it.
 *
 * Ignores definitions that are reversed themselves: rows and definitions go back together.
 */
create or replace function crm_private.follow_definitions()
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are built from expressions, which cannot be quoted like names and values.
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
    -- The definition that had the name then; if it was deleted, the one that has it now.
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

    -- The cause is the last change of the definition, or its deletion.
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

    -- For a deleted definition, no value is expected either.
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
  'Adapts a planned reversal to later changes of custom fields; returns what it left out.';

revoke all on function crm_private.follow_definitions() from public;
--! EndIncluded functions/undo/follow_definitions.sql
--! Included functions/undo/follow_external_ids.sql
/*
 * Removes external ids from a planned reversal that belong to another row by now. A row that is
 * itself part of the reversal may still give its id up. Returns what it removed, as
 * crm_private.conflict writes it.
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
  'Removes external ids from a planned reversal that belong to another row by now.';

revoke all on function crm_private.follow_external_ids(text) from public;
--! EndIncluded functions/undo/follow_external_ids.sql
--! Included functions/undo/follow_links.sql
/*
 * Adapts the links of an entity type in a planned reversal to what has happened since to the
 * referenced rows. A link to a merged record becomes a link to the merge winner. A link to a
 * deleted row has the effect of its foreign key: with on delete set null it becomes null; with on
 * delete cascade its row is not restored, and a row that exists keeps its present link. Returns
 * what differs from before, as crm_private.conflict writes it. Locks the rows that remain
 * referenced against deletion until the transaction ends.
 *
 * If nothing would remain of a reversal, the plan is not emptied: the foreign key then refuses it.
 */
create or replace function crm_private.follow_links(p_entity_type text)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are built from others, in which names are quoted already; plpgsql_check cannot see
-- that, nor that they write.
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
    -- Locks the referenced rows, in the order in which every writer locks them.
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
  'Adapts the links of a planned reversal to later changes of their rows; returns what differs '
  'from before.';

revoke all on function crm_private.follow_links(text) from public;
--! EndIncluded functions/undo/follow_links.sql
--! Included functions/undo/follow_stages.sql
/*
 * Adapts the stages of deals in a planned reversal to later changes of their pipeline: a renamed
 * stage gets its new name. If a stage was deleted, a restored deal gets the first open stage, and a
 * deal that exists keeps its present stage. Returns what differs from before, as
 * crm_private.conflict writes it.
 *
 * Ignores stages that are reversed themselves: deals and stages go back together.
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
  'Adapts a planned reversal to later changes of stages; returns what differs from before.';

revoke all on function crm_private.follow_stages() from public;
--! EndIncluded functions/undo/follow_stages.sql
--! Included functions/undo/carry_out_reversal.sql
/*
 * Carries out the reversal that is planned in crm_private.reversals, all of it or nothing, in a few
 * statements per entity type, however many rows there are. Called by the API functions that undo
 * and restore. They run as the owner of the audit log, so this checks that the caller could make
 * the same changes manually, and raises insufficient_privilege if not.
 *
 * 1. Locks the rows, always in one order.
 * 2. Adapts the plan to what has happened since to the rows that it references:
 *    crm_private.follow_links, follow_stages, follow_definitions, follow_external_ids. Reports what
 *    will differ from before because of that.
 * 3. Compares the rows with the expected values. If they differ, p_on_conflict decides: REFUSE
 *    raises CRM02 with a list of the conflicts, SKIP leaves what differs unchanged and reports it,
 *    FORCE overwrites it.
 * 4. Restores rows, referenced rows first; puts fields back; deletes rows. Every rule and trigger
 *    applies as to any write. The triggers of the audit log find in the plan what each row undoes.
 *
 * Definitions of custom fields come first where rows need them, and last where rows must lose their
 * values first: the reverse of the original order.
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
  v_most       integer := 1000; -- reported differences
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
  -- No one can undo a change that they could not make.
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
    -- A column that no one may write is set by the database, from other columns.
    when needed.column_name = any (crm_private.logged_columns(class.oid))
      and has_column_privilege('crm_admin', class.oid, needed.column_name, 'update')
    then not has_column_privilege(
      crm_private.calling_role(), class.oid, needed.column_name, 'update'
    )
    else false
  end
  limit 1;

  if v_missing is not null or (v_force and not crm_private.is_administrator()) then
    raise exception 'permission denied for %', coalesce(v_missing, 'overwriting later changes')
      using errcode    = 'insufficient_privilege',
            schema     = 'crm', table = 'audit_logs',
            constraint = 'audit_logs_changes_permitted',
            hint       = 'Ask an administrator to do this.';
  end if;

  if v_force then
    update crm_private.reversals
    set undoes = undoes || '{"forced": true}'
    where transaction_id = v_xid;
  end if;

  -- Referenced entity types come first.
  select
    array_agg(type.entity_type order by type.restore_order),
    array_agg(type.entity_type order by type.restore_order) filter (where type.is_record)
  into v_types, v_records
  from crm_private.entity_types as type
  where type.entity_type in (
    select entity_type from crm_private.reversals where transaction_id = v_xid
  );

  -- A change of definitions blocks the writers of a table, so the table is locked before its rows.
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

  -- Deleting a row sets links to it to null, so that restoring it restores the links too. The rows
  -- to delete are hashed once, however many there were when the statement was planned.
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

  -- The audit log and the stamps read the plan as long as this is set.
  perform set_config('crm.reversing', v_xid::text, true);

  begin
    -- An external id may move from one row to another in several statements.
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
      -- While rows change, two of them may have the same value of a unique field.
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

  -- Another transaction restored a row between the comparison and the insert.
  if v_inserted < v_result.restored and not v_force then
    perform crm_private.refuse_conflicts(v_result.restored - v_inserted, '[]');
  end if;

  -- A merge ends when the winner no longer has the values of the merged record.
  update crm_private.merges
  set ended_at = clock_timestamp()
  where ended_in = v_xid
    and loser_id in (
      select planned.entity_id
      from crm_private.reversals as planned
      where planned.transaction_id = v_xid
    );

  -- Losers that were restored and are deleted again become part of the winner again.
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
 * Returns the rows that a rule would break, before it exists: the present definition, changed by
 * the given arguments. A row is returned once for each fault. If the type changes, only the given
 * arguments apply besides it. Raises for arguments that a definition could not have.
 *
 * Security definer: it reads rows regardless of the policies that hide them, as a change of the
 * definition does.
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
-- Its statement contains expressions, which cannot be quoted as names and values can.
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

  -- A default applies only to new rows.
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
  'Implements crm.check_custom_field_rule with the rights of the owner.';

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
  'Previews a change of a custom field: returns the rows that would break the new rule, once for '
  'each fault. Omitted arguments keep the values of the definition. If fieldType changes, omitted '
  'arguments count as null, except for required, and for enumValues if the new type has them. For '
  'a field that is not defined yet, fieldType is required. For administrators.';

revoke all on function crm.check_custom_field_rule(
  text, text, text, text[], boolean, text, text, integer, text, boolean
) from public;
grant execute on function crm.check_custom_field_rule(
  text, text, text, text[], boolean, text, text, integer, text, boolean
) to crm_admin;
--! EndIncluded functions/custom_fields/check_custom_field_rule.sql
--! Included functions/audit_log/check_audit_log.sql
/*
 * Compares the audit log with its seals and, if one is passed, with a digest that was stored
 * elsewhere. Returns a verdict with the first entry that was changed since it was sealed. Called by
 * crm.verify_audit_log and the command line, after sealing. Raises for text that is not a digest.
 *
 * Checks the chain of blocks first. The blocks before the first broken one are reliable: their
 * entries are compared, a hundred blocks at a time, so that memory does not grow with the audit
 * log.
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
    raise exception 'verify_audit_log: % is not a digest of the audit log',
        left(to_json(p_digest)::text, 80)
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs',
            constraint = 'verify_audit_log_digest_format',
            detail     = '{"digest": ["is not a digest that auditLogDigest returns"]}',
            hint       = 'Pass a result of crm.audit_log_digest, or null to omit the digest.';
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
          when 'altered'  then 'Entry %s was altered after it was sealed.'
          when 'removed'  then 'Entry %s was removed after it was sealed.'
          when 'inserted' then 'Entry %s was inserted among sealed entries.'
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
      'The seals from block %s on, for the entries from %s on, were rewritten.',
      v_broken, v_verdict.entry_id
    );
  end if;

  v_verdict.intact  := v_verdict.fault is null;
  v_verdict.message := coalesce(
    v_verdict.message, format('All %s sealed entries are unchanged.', v_verdict.entries)
  );
  return v_verdict;
end
$$;

comment on function crm_private.check_audit_log(text) is
  'Compares the audit log with its seals; returns the first entry that was changed.';

revoke all on function crm_private.check_audit_log(text) from public;
--! EndIncluded functions/audit_log/check_audit_log.sql
--! Included functions/merge/check_merge.sql
/*
 * Checks the arguments of a merge: raises with all faults at once, or returns the chosen fields by
 * column. Called by crm_private.merge_rows.
 *
 * A field may have its name in the API or the name of its column, and must be one that a member may
 * set in an update. A value of another type than the column's is refused here, with the messages of
 * the typed layer, because jsonb_populate_record would convert it to something unintended.
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

    select 'losers', 'must not contain null', v_table || '_losers_present'
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
        -- The API writes a number as text where a number of JSON would lose digits.
        when typcategory = 'N' then
          jsonb_typeof(value) in ('number', 'string') and crm_private.is_value_of(atttypid, value)
        when typcategory = 'B' then jsonb_typeof(value) = 'boolean'
        -- The column's own check decides whether JSON must be an object.
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
            detail     = v_faults -> 'fields',
            hint       = 'Correct the arguments that the detail lists, then repeat the merge.';
  end if;

  return coalesce(v_chosen, '{}');
end
$$;

comment on function crm_private.check_merge(regclass, uuid, uuid[], jsonb) is
  'Raises if a merge is not possible; returns the chosen fields by column.';

revoke all on function crm_private.check_merge(regclass, uuid, uuid[], jsonb) from public;
grant execute on function crm_private.check_merge(regclass, uuid, uuid[], jsonb) to crm_member;
--! EndIncluded functions/merge/check_merge.sql
--! Included functions/custom_fields/claim_definitions.sql
/*
 * Keeps builds of indexes on custom fields and changes of definitions apart, until the transaction
 * ends. A build that does not block writers waits for every older transaction, so a transaction
 * that waited for the build would deadlock, with all writers of the table behind it. It is refused
 * at once instead. Changes of definitions do not refuse each other.
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
    using errcode    = 'lock_not_available',
          schema     = 'crm', table = 'custom_field_definitions',
          constraint = 'custom_field_definitions_lock_free',
          hint       = 'Try again when that operation has ended.';
end
$$;

comment on function crm_private.claim_definitions(boolean) is
  'Keeps builds of indexes on custom fields and changes of definitions apart.';

revoke all on function crm_private.claim_definitions(boolean) from public;
--! EndIncluded functions/custom_fields/claim_definitions.sql
--! Included functions/idempotency/claim_idempotency_key.sql
/*
 * Takes an idempotency key for the rest of the transaction, and waits for a transaction that has
 * it. Returns the response that is stored under the key, unless it has expired; if there is one,
 * the mutation was done before. Called by the server at the beginning of the transaction of a
 * mutation.
 *
 * The lock ends with the transaction, however that ends, so a disconnected client blocks no key. A
 * separate statement reads the stored response, so that it sees what the previous transaction
 * committed.
 *
 * It takes the hash, so that no key reaches the logs of the database. Security definer: the login
 * role of the server cannot read tables.
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
  'Takes the idempotency key with this SHA-256 for the transaction; returns the response stored '
  'under it.';

revoke all on function crm_private.claim_idempotency_key(bytea) from public;
grant execute on function crm_private.claim_idempotency_key(bytea) to crm_server;
--! EndIncluded functions/idempotency/claim_idempotency_key.sql
--! Included functions/common/column_defaults.sql
/*
 * Returns the default values of a new row, by column, for the columns that members may insert.
 * Called by crm.create_deal_with_tasks and crm_private.apply_rows.
 */
create or replace function crm_private.column_defaults(p_table regclass)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
-- Its statement contains expressions, which cannot be quoted as names and values can.
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
  'Returns the default values of a new row of a table, by column.';

revoke all on function crm_private.column_defaults(regclass) from public;
grant execute on function crm_private.column_defaults(regclass) to crm_member;
--! EndIncluded functions/common/column_defaults.sql
--! Included functions/merge/merged_ids.sql
/*
 * Returns the ids that are now one contact or company: its own, and those of every record that was
 * merged into it, directly or through another one.
 *
 * Security definer: no other role can read crm_private.merges.
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
  'Returns the id of a contact or company, and the ids of the records that were merged into it.';

revoke all on function crm_private.merged_ids(text, uuid) from public;
grant execute on function crm_private.merged_ids(text, uuid) to crm_reader;
--! EndIncluded functions/merge/merged_ids.sql
--! Included functions/merge/record_merge.sql
/*
 * Records that rows became part of another. Called by crm_private.merge_rows after it has deleted
 * the losers. Does not trust its caller: it records only losers that this transaction has deleted,
 * and only if the winner exists.
 *
 * Security definer: only the owner can write the table.
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
  'Records that rows became part of another one by a merge.';

revoke all on function crm_private.record_merge(text, uuid, uuid[]) from public;
grant execute on function crm_private.record_merge(text, uuid, uuid[]) to crm_member;
--! EndIncluded functions/merge/record_merge.sql
--! Included functions/history/completed_row.sql
/*
 * Returns a row of the past with every column that the table has now. A column that is missing in
 * the row was added later, and gets its default. Generated columns are computed from the others.
 * Those that search and the detection of duplicates read (crm_private.derived_columns) are null: the
 * past is not searched. Called by crm_private.row_as_of.
 */
create or replace function crm_private.completed_row(p_table regclass, p_row jsonb)
returns jsonb
language plpgsql
stable
strict
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are built from expressions, which cannot be quoted like names and values.
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
            when attname = any (crm_private.derived_columns()) then format('null as %I', attname)
            else format('%s as %I', pg_get_expr(adbin, adrelid), attname)
          end,
          ', '
        ),
        ''
      ),
      p_table
    )
    from pg_attribute
    left join pg_attrdef on adrelid = attrelid and adnum = attnum
    where attrelid = p_table
      and (attgenerated <> '' or attname = any (crm_private.derived_columns()))
  ) into v_row using v_row;
  return v_row;
end
$$;

comment on function crm_private.completed_row(regclass, jsonb) is
  'Returns a row of the past with every column that the table has now.';

revoke all on function crm_private.completed_row(regclass, jsonb) from public;
grant execute on function crm_private.completed_row(regclass, jsonb) to crm_reader;
--! EndIncluded functions/history/completed_row.sql
--! Included functions/custom_fields/compile_defaults.sql
/*
 * Compiles the defaults of an entity type's custom fields into the trigger that sets them in new
 * rows. No definition is read for a row, and a row that has all of them needs no call. Without
 * defaults the trigger never fires; it is not dropped, because that would block readers. Called by
 * crm_private.compile_custom_fields.
 */
create or replace function crm_private.compile_defaults(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statement contains only quoted names and values, which the checker cannot see.
-- @plpgsql_check_options: security_warnings = off
begin
  execute (
    select format(
      'create or replace trigger _100_default_custom_fields before insert on %s '
      'for each row when (%s) execute function crm_private.default_custom_fields(%L)',
      crm_private.entity_table(p_entity_type),
      case
        when count(*) > 0
        then format(
          'jsonb_typeof(new.custom_fields) = ''object'' and not new.custom_fields ?& %L::text[]',
          array_agg(d.name order by d.name)
        )
        else 'false'
      end,
      coalesce(jsonb_object_agg(d.name, d.default_value), '{}')
    )
    from crm.custom_field_definitions as d
    where d.entity_type = p_entity_type
      and d.default_value is not null
  );
end
$$;

comment on function crm_private.compile_defaults(text) is
  'Compiles the defaults of an entity type''s custom fields into the trigger that sets them.';

revoke all on function crm_private.compile_defaults(text) from public;
--! EndIncluded functions/custom_fields/compile_defaults.sql
--! Included functions/duplicates/components.sql
/*
 * Returns the connected components of a graph of p_count nodes, 1 to p_count: for each node the
 * smallest node that is connected to it. Edge i joins p_one[i] and p_other[i]. Called by
 * crm.duplicate_groups.
 *
 * A union-find: each node has a label that is not greater than itself, and a root has its own
 * number. Each edge attaches the greater of two roots to the smaller; on the way to a root, labels
 * move up. The work grows hardly faster than the number of edges, and a final pass leads every node
 * to its root.
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
  'Returns the connected components of a graph: for each node the smallest one connected to it.';

revoke all on function crm_private.components(integer, integer[], integer[]) from public;
grant execute on function crm_private.components(integer, integer[], integer[]) to crm_reader;
--! EndIncluded functions/duplicates/components.sql
--! Included functions/access/create_api_key.sql
/*
 * Creates an API key and returns it, once: only its hash is stored. The key is 256 random bits in
 * URL-safe base64, after a prefix by which secret scanners recognise leaked keys.
 *
 * Raises if the caller is itself an API key: a stolen key must not outlive its revocation.
 *
 * Security definer: only the owner can access the hashes, and clients set no columns of the row
 * except those passed here.
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
  -- A random UUID has 122 random bits; three of them have more than the 256 of the digest.
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
      using errcode    = 'insufficient_privilege',
            schema     = 'crm', table = 'api_keys',
            constraint = 'create_api_key_caller_not_key',
            hint       = 'Create the key as an administrator who does not use an API key.';
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
  'Implements crm.create_api_key with the rights of the owner.';

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
  'Creates an API key for an integration. The name consists of lower case letters and digits, with '
  'single dots, hyphens or underscores between them; the role is reader, member or admin; without '
  'an expiry time the key is valid until it is revoked. The response shows the key itself, once.';

revoke all on function crm.create_api_key(text, text, timestamptz) from public;
grant execute on function crm.create_api_key(text, text, timestamptz) to crm_admin;
--! EndIncluded functions/access/create_api_key.sql
--! Included functions/deals/create_deal_with_tasks.sql
/*
 * Creates a deal and its first tasks in one transaction. A fault of a task refuses the deal too,
 * and the error names the task by its position: tasks.1.description. Faults of the deal have the
 * plain names of its fields. The columns are read from the catalog, so a column that is added to
 * the table and to the type is written. Runs with the caller's rights, which must include creating
 * deals and tasks.
 */
create or replace function crm.create_deal_with_tasks(deal crm.new_deal, tasks crm.new_task[])
returns crm.deals
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements contain the names of columns. The checker cannot see what they return.
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
  using crm_private.column_defaults('crm.deals')
    || crm_private.resolve_row('deal', 'create', crm_private.non_null_members(to_jsonb(deal)));

  -- Rows are formed and validated one after the other: crm.path has the place of the next one.
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
  'Creates a deal together with its first tasks. If a task is faulty, nothing is created.';

revoke all on function crm.create_deal_with_tasks(crm.new_deal, crm.new_task[]) from public;
grant execute on function crm.create_deal_with_tasks(crm.new_deal, crm.new_task[]) to crm_member;
--! EndIncluded functions/deals/create_deal_with_tasks.sql
--! Included functions/access/current_source.sql
/*
 * Returns the source of a change: api, import or sql. The setting crm.source is trusted in the same
 * sessions as crm.user_id. Called by the audit log.
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
  'Returns the source of a change: api, import or sql.';

revoke all on function crm_private.current_source() from public;
--! EndIncluded functions/access/current_source.sql
--! Included functions/custom_fields/custom_field.sql
/*
 * Returns the definition of a custom field by its name; raises if there is none. Called to create
 * and drop the index of a field.
 */
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
  'Returns the definition of a custom field by its name; raises if there is none.';

revoke all on function crm_private.custom_field(text, text) from public;
--! EndIncluded functions/custom_fields/custom_field.sql
--! Included functions/audit_log/custom_field_changes.sql
/*
 * Returns the differences between two objects of custom fields in the form of the audit log: a
 * member custom_fields.<name> for each field that differs, with its old and its new value; an empty
 * object if none does. Called by the audit log's trigger for each row whose custom fields an update
 * changed.
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
  'Returns the custom fields that differ between two objects: the old and the new value of each.';

revoke all on function crm_private.custom_field_changes(jsonb, jsonb) from public;
--! EndIncluded functions/audit_log/custom_field_changes.sql
--! Included functions/custom_fields/custom_field_faults.sql
/*
 * Returns every fault of the custom fields of each row of a list, given as jsonb, with the place of
 * the row from 1: keys that are not defined, values that break their definition, required fields
 * without a value. Returns none for tables without custom fields. The definitions are read once,
 * for any number of rows. Called by crm_private.row_faults.
 */
create or replace function crm_private.custom_field_faults(p_table regclass, p_rows jsonb[])
returns table (place bigint, field text, message text, constraint_name text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can. The checker
-- cannot see what they return.
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
        input.place,
        'customFields.' || key,
        case
          when former.name is null then 'is not a custom field of this entity type'
          when former.current_name is null then 'was deleted on ' || former.ended_on
          else 'is the former name of ' || former.current_name || ', which is given as well'
        end,
        %L || 'known'
      from input
      cross join lateral jsonb_object_keys(input.custom_fields - $2) as key
      left join crm_private.live_former_fields as former
        on former.name = key and crm_private.entity_table(former.entity_type) = $3

      order by 1, 2, 3
    $query$,
    v_table || '_custom_fields_',
    coalesce(v_asked, '(null, null, null, true)'),
    v_table || '_custom_fields_'
  ) using p_rows, v_known, p_table;
end
$$;

comment on function crm_private.custom_field_faults(regclass, jsonb[]) is
  'Returns every fault of the custom fields of a list of rows: the place of the row, the field, '
  'the message and the rule.';

revoke all on function crm_private.custom_field_faults(regclass, jsonb[]) from public;
--! EndIncluded functions/custom_fields/custom_field_faults.sql
--! Included functions/custom_fields/custom_field_rules.sql
/*
 * Returns the rules of one custom field, one a row: an SQL expression over the name custom_fields,
 * null if the field has no value, and the message for a client if it is broken. The first is the
 * rule of the type; the others apply to values of that type. The compiled check of an entity type,
 * the report of faults, and the search for rows that a change would break are all built from these
 * rules, so a rule is defined only here.
 *
 * No expression raises an error, for any JSON value.
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
        -- A day of the Gregorian calendar, years 0001 to 9999. Only a JSON string can match.
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
      -- JSON of any type can be compared with a number, without an error.
      when 'number' then
        format(
          'custom_fields -> %L %s %L::jsonb',
          p_definition.name, listed.operator, listed.bound::numeric::text
        )
      -- Dates sort like their texts.
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

  -- An empty text is allowed if no value is required; other text must have visible characters.
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
    'must not contain control characters or characters that reorder text'
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
  'Returns the rules of a custom field: an SQL expression over custom_fields, and a message, each.';

revoke all on function crm_private.custom_field_rules(crm.custom_field_definitions) from public;
grant execute on function crm_private.custom_field_rules(crm.custom_field_definitions) to crm_admin;
--! EndIncluded functions/custom_fields/custom_field_rules.sql
--! Included functions/custom_fields/custom_field_checks.sql
/*
 * Returns all checks of a definition, each as a separate SQL expression over the name
 * custom_fields: whether the field is required, and its rules. Rules other than the type are
 * checked only for values of the type, so that a value of another type has one fault. Called where
 * faults are reported one by one; crm_private.custom_field_condition combines them into one
 * expression.
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
  'Returns all checks of a definition, each as a separate SQL expression over custom_fields.';

revoke all on function crm_private.custom_field_checks(crm.custom_field_definitions) from public;
--! EndIncluded functions/custom_fields/custom_field_checks.sql
--! Included functions/custom_fields/custom_field_condition.sql
/*
 * Returns the rules of one custom field as one SQL expression over the name custom_fields: null if
 * the field has no value. The compiled check of an entity type consists of these.
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
  'Returns the rules of a custom field as one SQL expression over custom_fields.';

revoke all on function crm_private.custom_field_condition(crm.custom_field_definitions) from public;
grant execute on function crm_private.custom_field_condition(crm.custom_field_definitions)
  to crm_admin;
--! EndIncluded functions/custom_fields/custom_field_condition.sql
--! Included functions/undo/custom_members.sql
/*
 * Returns the custom fields among the fields of a planned reversal: {"size": 3} for
 * {"custom_fields.size": 3}.
 */
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
  'Returns the custom fields among the fields of a planned reversal.';

revoke all on function crm_private.custom_members(jsonb) from public;
--! EndIncluded functions/undo/custom_members.sql
--! Included functions/settings/default_country.sql
/* Returns the setting. Security definer: only the owner can read the table of settings. */
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
  'Implements crm.default_country with the rights of the owner.';

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
  'Returns the country of phone numbers without a country code, as an ISO 3166 code; null if it '
  'is not set.';

revoke all on function crm.default_country() from public;
grant execute on function crm.default_country() to crm_reader;
--! EndIncluded functions/settings/default_country.sql
--! Included functions/custom_fields/default_custom_fields.sql
/*
 * Sets the defaults of the custom fields that a new row lacks: its argument is an object of
 * defaults. A field that is null counts as present, and is removed later. A row that an undo
 * restores stays as it was. crm_private.compile_defaults creates its trigger, which fires only for
 * rows that lack a field.
 */
create or replace function crm_private.default_custom_fields()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Only the owner may read the plan; another role that sets the setting gets an error.
  if current_setting('crm.reversing', true) = pg_current_xact_id()::text then
    if (crm_private.planned_reversal(new.id)).before ? 'id' then
      return new;
    end if;
  end if;

  -- In a new row {"$merge": {…}} is the same as its members; the next step cannot combine both.
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
  'Sets the defaults of the custom fields that a new row lacks.';

revoke all on function crm_private.default_custom_fields() from public;
--! EndIncluded functions/custom_fields/default_custom_fields.sql
--! Included functions/merge/defer_unique.sql
/*
 * Lets several rows have the same value of a unique custom field, until it is called with false or
 * the transaction ends. Called where values move between rows: by merges and by an undo.
 */
create or replace function crm_private.defer_unique(p_deferred boolean)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statement is built from quoted names, which plpgsql_check cannot see.
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
 * Returns the domain of a text that is only a link, a host or an email address, without www:
 * acme.com for "https://www.acme.com/about" and "info@acme.com", köln.de for xn--kln-sna.de. Null
 * for any other text.
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
  'Returns the domain of a text that is a link, a host or an email address; null for any other '
  'text.';

revoke all on function crm_private.domain_of(text) from public;
grant execute on function crm_private.domain_of(text) to crm_reader;
--! EndIncluded functions/normalization/domain_of.sql
--! Included functions/duplicates/duplicate_doubt.sql
/*
 * Returns how likely it is that two rows are different, from 0 to 1, by what they have in common.
 * Each reason leaves a doubt, and the doubts multiply: (1 - email) * (1 - phone) * (1 - domain) *
 * (1 - name * similarity).
 *
 * A common address is nearly a proof; a number may belong to an office or a family; colleagues
 * share a domain, and so may two companies of a group. Names count from a similarity of 0.5 on.
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
  'Returns how likely it is that two rows are different, from 0 to 1.';

revoke all on function crm_private.duplicate_doubt(text, boolean, boolean, boolean, real) from public;
grant execute on function crm_private.duplicate_doubt(text, boolean, boolean, boolean, real) to crm_reader;
--! EndIncluded functions/duplicates/duplicate_doubt.sql
--! Included functions/duplicates/duplicate_group_companies.sql
/* Returns the companies of a group: the field companies in GraphQL. */
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
  E'@behavior -queryField\n@defaultOrder CREATED_AT_ASC\n'
  'The companies of the group, the oldest first. Empty for a group of contacts.';

revoke all on function crm.duplicate_group_companies(crm.duplicate_group) from public;
grant execute on function crm.duplicate_group_companies(crm.duplicate_group) to crm_reader;
--! EndIncluded functions/duplicates/duplicate_group_companies.sql
--! Included functions/duplicates/duplicate_group_contacts.sql
/* Returns the contacts of a group: the field contacts in GraphQL. */
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
  E'@behavior -queryField\n@defaultOrder CREATED_AT_ASC\n'
  'The contacts of the group, the oldest first. Empty for a group of companies.';

revoke all on function crm.duplicate_group_contacts(crm.duplicate_group) from public;
grant execute on function crm.duplicate_group_contacts(crm.duplicate_group) to crm_reader;
--! EndIncluded functions/duplicates/duplicate_group_contacts.sql
--! Included functions/duplicates/duplicate_groups.sql
/*
 * Returns groups of contacts or companies that may be one, over the whole table. Two rows are in
 * one group if a chain of pairs connects them in which each pair has at least the minimum score.
 * Raises for any other entity type.
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
  'Groups of contacts or companies that may be duplicates of each other, the most likely first. '
  'The entity type is contact or company. Pairs with a score below minScore (default 0.5, at least '
  '0.3) do not count.';

revoke all on function crm.duplicate_groups(text, double precision) from public;
grant execute on function crm.duplicate_groups(text, double precision) to crm_reader;
--! EndIncluded functions/duplicates/duplicate_groups.sql
--! Included functions/duplicates/duplicate_reasons.sql
/*
 * Returns what two rows have in common, the strongest reason first. Names count from a similarity
 * of 0.5 on.
 */
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
  'Returns what two rows have in common, the strongest reason first.';

revoke all on function crm_private.duplicate_reasons(boolean, boolean, boolean, real) from public;
grant execute on function crm_private.duplicate_reasons(boolean, boolean, boolean, real)
  to crm_reader;
--! EndIncluded functions/duplicates/duplicate_reasons.sql
--! Included functions/duplicates/duplicate_score.sql
/*
 * Returns how likely it is that two rows are the same, from 0 to 1, to three digits: 1 minus
 * crm_private.duplicate_doubt.
 */
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
  'Returns how likely it is that two rows are the same, from 0 to 1.';

revoke all on function crm_private.duplicate_score(text, boolean, boolean, boolean, real) from public;
grant execute on function crm_private.duplicate_score(text, boolean, boolean, boolean, real) to crm_reader;
--! EndIncluded functions/duplicates/duplicate_score.sql
--! Included functions/duplicates/duplicate.sql
/*
 * Returns a candidate with its score and reasons, from what it has in common with the row that it
 * is compared with. Of contact_id and company_id, the one of its type has its id.
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
  'Returns a candidate with its score, from what it has in common with the compared row.';

revoke all on function crm_private.duplicate(text, uuid, text, text, text, real) from public;
grant execute on function crm_private.duplicate(text, uuid, text, text, text, real) to crm_reader;
--! EndIncluded functions/duplicates/duplicate.sql
--! Included functions/common/elements.sql
/*
 * Returns the elements of a JSON array or the members of a JSON object, in order: the position from
 * 0, or the key by which a client finds it; the value that a message quotes (the element, or the
 * member's key); and an array or object that contains only this element. Any other value has no
 * elements. Called by crm_private.row_faults.
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
  'Returns the elements of a JSON array or the members of an object, each with its key and a value '
  'that contains only it.';

revoke all on function crm_private.elements(jsonb) from public;
--! EndIncluded functions/common/elements.sql
--! Included functions/duplicates/email_keys.sql
/*
 * Returns the match keys of contacts with any of these addresses; an index finds the contacts by
 * them. Called by filters that ignore case.
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
  'Returns the match keys of contacts with any of these addresses.';

revoke all on function crm_private.email_keys(text[]) from public;
grant execute on function crm_private.email_keys(text[]) to crm_reader;
--! EndIncluded functions/duplicates/email_keys.sql
--! Included functions/audit_log/ensure_audit_partitions.sql
/*
 * Creates the audit log's partitions for this month and the months after it. Called by the
 * migration, at each start of the server or of a migration, and every hour by the server, so that a
 * partition exists long before its month. Entries of a month without a partition are in the default
 * partition; they move to the new partition of their month.
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
  -- Servers that start at the same time do this one after the other.
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
  'Creates the partitions of the audit log for this month and a number of months after it.';

revoke all on function crm_private.ensure_audit_partitions(integer) from public;
--! EndIncluded functions/audit_log/ensure_audit_partitions.sql
--! Included functions/bulk/attempt_rows.sql
/*
 * Makes one attempt at a bulk write: finds and locks the rows, writes the valid ones, and returns
 * every fault of the others. Called by crm_private.write_rows.
 *
 * p_known are the faults that earlier attempts found. Their rows are not written; those that could
 * be read are still validated, so that all their faults are reported.
 *
 * Raises the error of a statement that meets a collision; crm_private.write_rows finds the
 * colliding rows and tries again.
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
  v_named   text[];
  v_outcome crm_private.bulk_outcome;
begin
  v_outcome.rows := p_rows;

  -- An upsert applies to the row that has the external id once it is locked.
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

    -- Counted: a plan for the first row only would be a nested loop.
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

  -- These are never written: the validation only reports their faults.
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

  -- A faulty company has no companyId, whose fault is not reported as well.
  if cardinality(p_known) > 0 then
    v_named := array(
      select crm_private.camel_case(name) from crm_private.references_of(v_table)
    );
    select array_agg(row(noted.place, noted.code, shown.fields, true)::crm_private.row_fault)
    into v_noted
    from unnest(v_noted) as noted
    left join unnest(p_known) as known using (place)
    cross join lateral (
      select noted.fields - array(
        select field || 'Id' from jsonb_object_keys(known.fields) as field
        where field = any (v_named)
      ) as fields
    ) as shown
    where shown.fields <> '{}';
  end if;

  v_outcome.faults := array(
    select row(
      fault.place,
      case
        when count(distinct fault.code) = 1 then min(fault.code)
        else 'VALIDATION_ERROR'
      end,
      coalesce(
        crm_private.merged_objects(array_agg(fault.fields)),
        '{"row": ["collided with another change; please try again"]}'
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
  'Makes one attempt at a bulk write.';

revoke all on function crm_private.attempt_rows(
  text, text, crm_private.bulk_row[], crm_private.row_fault[]
) from public;
grant execute on function crm_private.attempt_rows(
  text, text, crm_private.bulk_row[], crm_private.row_fault[]
) to crm_member;
--! EndIncluded functions/bulk/attempt_rows.sql
--! Included functions/bulk/colliding_rows.sql
/*
 * Returns the rows of a bulk write that collide with other rows, in the database or in the list:
 * rows with a reference to a row that does not exist, or else rows with an external id that belongs
 * to another row. It reports the fault only for external ids; references are reported with the
 * other rules of the row.
 *
 * Called by crm_private.find_faults after a statement failed on such a row: PostgreSQL reports only
 * one.
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
-- Its statements contain expressions, which cannot be quoted as names and values can.
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
        -- By the key, row by row: a scan of the whole table evaluates its policy for each row.
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
  'Returns the rows of a bulk write that collide with other rows.';

revoke all on function crm_private.colliding_rows(text, crm_private.bulk_row[]) from public;
grant execute on function crm_private.colliding_rows(text, crm_private.bulk_row[]) to crm_member;
--! EndIncluded functions/bulk/colliding_rows.sql
--! Included functions/custom_fields/compile_report.sql
/*
 * Recreates the report of an entity type, such as reporting.deals, with the columns of
 * crm_private.report_columns and one column for each custom field, of the field's type. Called when
 * the definitions of the type change.
 *
 * The column of a custom field is named custom_<name>, so that no built-in column can ever conflict
 * with it; a name that is too long for PostgreSQL is cut and made unique by a hash. New columns
 * come last. If a column must be removed, or changes its type, the view is dropped and created
 * again. This is refused if another view depends on it, rather than dropping that view too.
 *
 * The caller blocks writers, so this waits at most three seconds for queries on the view.
 */
create or replace function crm_private.compile_report(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '3s'
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can.
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
  -- The new columns: built-in ones, then those of fields that the view has, then new ones.
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
        -- Every reader of the view would need the right to execute a function of crm_private.
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

  -- A column of the view that must be removed, or that has another type now.
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

      raise exception 'column % of % cannot be dropped: % reads the view', v_lost, v_view, v_users
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
              hint       = 'Drop the views that read it, and recreate them after the change.';
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
  'Recreates the report of an entity type, with its custom fields as columns.';

revoke all on function crm_private.compile_report(text) from public;
--! EndIncluded functions/custom_fields/compile_report.sql
--! Included functions/custom_fields/compile_unique.sql
/*
 * Creates a constraint <table>_custom_<name>_unique for each custom field of an entity type that is
 * defined as unique, and drops the others. Called by crm_private.compile_custom_fields when the
 * definitions of the type change.
 *
 * They are exclusion constraints, because these can be on an expression and still be deferred: a
 * merge and an undo move values from row to row, and two rows may have the same value for a moment.
 * They use hash indexes, which accept text of any length. They compare JSON, which is equal if the
 * values are, and which also works for any value that an old version of a row had. A field without
 * a value never conflicts.
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
  'Creates and drops the unique constraints of an entity type according to its definitions.';

revoke all on function crm_private.compile_unique(text) from public;
--! EndIncluded functions/custom_fields/compile_unique.sql
--! Included functions/custom_fields/compile_statistics.sql
/*
 * Lets PostgreSQL collect statistics of the values of each custom field of an entity type, so that
 * the planner estimates a filter on a field like one on a column. Without them, it expects that half
 * a percent of the rows match, and sorts them rather than read the first ones in the order of an
 * index. Autovacuum fills them in.
 *
 * Statistics are on the expression of a field, which is their comment, and their name consists of
 * the id of the definition, like that of the index. There are none for lists of values. Called by
 * crm_private.compile_custom_fields when the definitions of the type change.
 */
create or replace function crm_private.compile_statistics(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_table  regclass := crm_private.entity_table(p_entity_type);
  v_change text;
begin
  for v_change in
    with wanted as (
      select
        crm_private.custom_field_index_name(definition) as name,
        crm_private.custom_field_value(definition)      as value
      from crm.custom_field_definitions as definition
      where definition.entity_type = p_entity_type
        and definition.field_type <> 'multi_enum'
    ),
    present as (
      select stxname::text as name, obj_description(oid, 'pg_statistic_ext') as value
      from pg_statistic_ext
      where stxrelid = v_table
        and stxname ~ '_custom_[0-9a-f]{32}$'
    )
    (
      select format('drop statistics crm.%I', name)
      from (table present except table wanted) as gone
    )
    union all
    (
      select format(
        'create statistics crm.%1$I on (%2$s) from %3$s; comment on statistics crm.%1$I is %2$L',
        name, value, v_table
      )
      from (table wanted except table present) as missing
    )
  loop
    execute v_change;
  end loop;
end
$$;

comment on function crm_private.compile_statistics(text) is
  'Creates and drops the statistics of custom fields of an entity type according to its definitions.';

revoke all on function crm_private.compile_statistics(text) from public;
--! EndIncluded functions/custom_fields/compile_statistics.sql
--! Included functions/custom_fields/custom_field_index_name.sql
/*
 * Returns the name of the index of a custom field, whether or not the index exists. It consists of
 * the id of the definition, which stays the same when the field is renamed.
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
  'Returns the name of the index of a custom field, whether or not the index exists.';

revoke all on function crm_private.custom_field_index_name(crm.custom_field_definitions)
  from public;
grant execute on function crm_private.custom_field_index_name(crm.custom_field_definitions)
  to crm_reader;
--! EndIncluded functions/custom_fields/custom_field_index_name.sql
--! Included functions/custom_fields/custom_field_definitions_index.sql
/*
 * Returns the index of a custom field, null if there is none. Reads the catalog, so the result is
 * the actual index, regardless of which role created or dropped it.
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
    pg_relation_size(class.oid), pg_stat_get_numscans(class.oid),
    array(
      select crm_private.camel_case(attname)
      from unnest(index.indkey::smallint[]) with ordinality as key (attnum, place)
      join pg_attribute using (attnum)
      where attrelid = index.indrelid
        -- The value, an expression, has the number 0. Its place in indkey is counted from 0.
        and place <= array_position(index.indkey::smallint[], 0::smallint)
      order by place
    )
  )::crm.custom_field_index
  from pg_class as class
  join pg_index as index on index.indexrelid = class.oid
  join pg_am as method on method.oid = class.relam
  where class.oid = to_regclass(
    format('crm.%I', crm_private.custom_field_index_name(definition))
  );
$$;

comment on function crm.custom_field_definitions_index(crm.custom_field_definitions) is
  'The index that speeds up filters and orders on the field. Null if there is none.';

revoke all on function crm.custom_field_definitions_index(crm.custom_field_definitions)
  from public;
grant execute on function crm.custom_field_definitions_index(crm.custom_field_definitions)
  to crm_reader;
--! EndIncluded functions/custom_fields/custom_field_definitions_index.sql
--! Included functions/audit_log/entry_digest.sql
/*
 * Returns the digest of an audit log entry. It covers every column, and the values through their
 * own digest. The columns are in binary form, which does not depend on the time zone or the date
 * format; the texts form a JSON array, in which one cannot run into the next. erased_at is
 * excluded, because erasing must not break the digest; crm_private.check_audit_log compares it with
 * the entry of the erasure.
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
  'Returns the SHA-256 of an audit log entry, with its values represented by their own digest.';

revoke all on function crm_private.entry_digest(
  bigint, text, uuid, text, text, timestamptz, bigint, text, bytea
) from public;
--! EndIncluded functions/audit_log/entry_digest.sql
--! Included functions/idempotency/drop_responses.sql
/*
 * Deletes stored responses of repeated mutations that may contain values of the given entities. The
 * keys stay: a repeated mutation still does nothing, and its client gets an error that the response
 * is gone. Called by crm_private.erase_contact.
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
  'Deletes stored responses of repeated mutations that may contain values of the given entities.';

revoke all on function crm_private.drop_responses(uuid[]) from public;
--! EndIncluded functions/idempotency/drop_responses.sql
--! Included functions/erasure/lock_person.sql
/*
 * Locks everything of a person that an erasure changes, and returns the ids of their contacts: the
 * contact's own, and those of every contact that was merged into it. The id of a merged contact
 * stands for its merge winner. Called by crm_private.erase_contact.
 *
 * It takes all locks or none. While it waits for another transaction, it holds no lock that the
 * other may need, so an erasure is never part of a deadlock, regardless of the order in which
 * others lock: rows are locked with nowait, and a failed attempt releases its locks before the next
 * one. The only locks that it waits for in a queue, and holds while it tries the others, conflict
 * only with maintenance. lock_timeout limits all attempts together; raises lock_not_available when
 * it is over.
 *
 * After it returns, no other transaction has uncommitted changes of the person, restores or undoes
 * anything, stores a response, or seals.
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
      -- The refresh of the statistics at the end takes this lock. An autovacuum yields to it.
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

      -- A merge that committed before the lock was granted is visible now.
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
          raise exception 'erase_contact: other transactions hold locks that it needs'
            using errcode    = 'lock_not_available',
                  schema     = 'crm', table = 'contacts',
                  constraint = 'erase_contact_lock_available',
                  hint       = 'Repeat the erasure later, or with a longer lock_timeout.';
        end if;
    end;

    perform pg_sleep(0.02);
  end loop;

  return v_ids;
end
$$;

comment on function crm_private.lock_person(uuid) is
  'Locks everything of a person that an erasure changes; returns the ids of their contacts.';

revoke all on function crm_private.lock_person(uuid) from public;
--! EndIncluded functions/erasure/lock_person.sql
--! Included functions/erasure/merged_person_entries.sql
/*
 * Returns the audit log entries of other contacts that may contain values of a person: of contacts
 * that the person was merged into, from the merge until it was undone, and of contacts that these
 * were merged into during that time. p_table is crm.audit_logs or a month that was detached from
 * it. Called by crm_private.erase_contact.
 */
create or replace function crm_private.merged_person_entries(p_table regclass, p_ids uuid[])
returns setof crm.audit_logs
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- plpgsql_check cannot see what its statement returns, nor that it locks rows.
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
  'Returns the entries of contacts that a person was merged into for a time; they may contain '
  'values of the person.';

revoke all on function crm_private.merged_person_entries(regclass, uuid[]) from public;
--! EndIncluded functions/erasure/merged_person_entries.sql
--! Included functions/erasure/erase_contact.sql
/*
 * Erases a person. Deletes the contact, if it still exists, with its tasks and notes, and removes
 * the values from every audit log entry of theirs and of every contact that was merged into it.
 * This includes months that were detached from the audit log and are still in the database. Deletes
 * stored responses of repeated mutations that may contain values of the person. Returns the entry
 * that records the erasure. Raises if no contact ever had this id.
 *
 * The id of a merged contact stands for its merge winner: they are one person. After a merge that
 * was undone they are two: entries of the former winner lose their values if they were written
 * while the merge lasted.
 *
 * The tasks and notes of a contact are those that are attached to it, or were when they were
 * deleted. Those that were moved to another entity belong to that entity.
 *
 * Security definer: only the owner of the audit log may change it.
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
  -- Committed rows in this table were left by a session that claimed to be a bulk write.
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
      || array(
        select mixed::crm.audit_logs
        from crm_private.merged_person_entries(v_table, v_persons) as mixed
      );
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
      return v_erasure; -- a repeated call
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
  'Implements crm.erase_contact with the rights of the owner.';

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
  'Erases a person permanently, for example at their request. Deletes the contact, if it still '
  'exists, with its tasks and notes, and removes its values from the audit log, the trash and the '
  'stored responses of repeated mutations. A contact that was merged into it is the same person, '
  'and so is the one that it was merged into. The audit log still shows who changed the data of '
  'the person, and when. Returns the entry that records the erasure. For administrators.';

revoke all on function crm.erase_contact(uuid) from public;
grant execute on function crm.erase_contact(uuid) to crm_admin;
--! EndIncluded functions/erasure/erase_contact.sql
--! Included functions/idempotency/expire_idempotency_keys.sql
/*
 * Deletes expired idempotency keys with their responses, at most p_limit per call, so that no call
 * takes long. Returns their number, so that the caller can repeat the call. Called by the server
 * every hour. Concurrent calls are safe, and none waits for a key that is in use.
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
  'Deletes expired idempotency keys; returns their number.';

revoke all on function crm_private.expire_idempotency_keys(integer) from public;
grant execute on function crm_private.expire_idempotency_keys(integer) to crm_server;
--! EndIncluded functions/idempotency/expire_idempotency_keys.sql
--! Included functions/common/fault_message.sql
/*
 * Returns a message with the faulty value in place of %s, as JSON and cut to a length that a form
 * can show. Called by crm_private.row_faults, and by functions that refuse an argument.
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
  'Returns the message with the faulty value, as JSON, in place of %s.';

revoke all on function crm_private.fault_message(text, jsonb) from public;
grant execute on function crm_private.fault_message(text, jsonb) to crm_reader;
--! EndIncluded functions/common/fault_message.sql
--! Included functions/bulk/faults_of_new_row.sql
/*
 * Returns the faults for which a new row of a table would be refused, by field; null if it would be
 * accepted. Inserts the row and rolls it back. Called by the API if the input of a mutation cannot
 * be read as a whole, so that the faults of the readable part are reported together with the
 * others.
 *
 * Runs with the caller's rights. p_row has columns as keys; a missing column gets its
 * default. It may have references by external id, as rows of bulk writes may.
 */
create or replace function crm_private.faults_of_new_row(p_table regclass, p_row jsonb)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statement is built from quoted names; plpgsql_check cannot see that, nor that it writes.
-- @plpgsql_check_options: security_warnings = off, performance_warnings = off
declare
  v_found   record;
  v_columns text;
  v_detail  text;
begin
  select resolved.*
  into v_found
  from crm_private.resolve_references(
    p_table, array[row(0, null, 'create', p_row)::crm_private.bulk_row]
  ) as resolved;
  p_row := coalesce(v_found.item, p_row);

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
    raise triggered_action_exception using message = 'rolls the row back';
  exception
    when triggered_action_exception then
      return v_found.fields;
    when check_violation then
      get stacked diagnostics v_detail = pg_exception_detail;
      -- A detail of PostgreSQL's own is not JSON, and quotes values.
      if v_detail not like '{%' then
        raise;
      end if;
      -- A faulty company has no companyId, whose fault is not reported as well.
      return v_detail::jsonb
        - array(select field || 'Id' from jsonb_object_keys(v_found.fields) as field)
        || coalesce(v_found.fields, '{}');
    -- Broken references and taken values are found once the rest of the row is valid.
    when integrity_constraint_violation then
      return v_found.fields;
  end;
end
$$;

comment on function crm_private.faults_of_new_row(regclass, jsonb) is
  'Returns the faults for which a new row would be refused, by field; null if it would be '
  'accepted.';

revoke all on function crm_private.faults_of_new_row(regclass, jsonb) from public;
grant execute on function crm_private.faults_of_new_row(regclass, jsonb) to crm_member;
--! EndIncluded functions/bulk/faults_of_new_row.sql
--! Included functions/validation/fields_of_violation.sql
/*
 * Returns the fields that a violated constraint concerns, each with its message: the detail of an
 * error that pgcrm raised, or the message of the rule, or, for an index that is no rule, the columns
 * of the index. Called by crm_private.violating_rows.
 *
 * Security definer: roles cannot read crm_private.rules. It reads no rows of the table.
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

  -- The constraint of a unique custom field has the field in its name.
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

  -- pg_depend also lists the columns in the condition of a partial index, which are not concerned.
  -- The text of the expressions lacks these, but may contain a name in another: id in company_id.
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
        or (
          exists (
            select
            from pg_depend as dependency
            where dependency.classid = 'pg_class'::regclass
              and dependency.objid = index.indexrelid
              and dependency.refclassid = 'pg_class'::regclass
              and dependency.refobjid = index.indrelid
              and dependency.refobjsubid = attribute.attnum
          )
          and pg_get_expr(index.indexprs, index.indrelid) ~ format(
            '(?<!\w)%s(?!\w)', regexp_replace(attribute.attname, '\W', '\\\&', 'g')
          )
        )
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
  'Returns the fields that a violated constraint concerns, each with its message.';

revoke all on function crm_private.fields_of_violation(regclass, text, text, text) from public;
grant execute on function crm_private.fields_of_violation(regclass, text, text, text)
  to crm_member;
--! EndIncluded functions/validation/fields_of_violation.sql
--! Included functions/duplicates/find_duplicates.sql
/*
 * Returns the rows that may be the same as a contact or a company. Raises for any other entity
 * type, and for an id that no row has or that the caller cannot see: an empty list would mean that
 * the row has no duplicates.
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
  'The contacts or companies that may be duplicates of one, the most likely first, each with a '
  'score from 0 to 1 (at least minScore, default 0.3) and the reasons. The entity type is contact '
  'or company.';

revoke all on function crm.find_duplicates(text, uuid, double precision) from public;
grant execute on function crm.find_duplicates(text, uuid, double precision) to crm_reader;
--! EndIncluded functions/duplicates/find_duplicates.sql
--! Included functions/common/non_null_members.sql
/*
 * Returns the members of a JSON object that are not null: of an input, the fields that were given.
 * Called by crm.create_deal_with_tasks.
 */
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
  'Returns the members of a JSON object that are not null.';

revoke all on function crm_private.non_null_members(jsonb) from public;
grant execute on function crm_private.non_null_members(jsonb) to crm_member;
--! EndIncluded functions/common/non_null_members.sql
--! Included functions/validation/is_value_of.sql
/* Returns true if JSON can be read as a value of a type, in the way of jsonb_populate_record. */
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
  'Returns true if JSON can be read as a value of a type.';

revoke all on function crm_private.is_value_of(oid, jsonb) from public;
grant execute on function crm_private.is_value_of(oid, jsonb) to crm_member;
--! EndIncluded functions/validation/is_value_of.sql
--! Included functions/custom_fields/index_custom_field.sql
/*
 * Creates the index of a custom field, unless it exists. Writers of the entity wait until the
 * transaction ends; npx pgcrm field index does not block them. Replaces an index with another
 * prefix, and what a failed build left.
 *
 * Security definer: only the owner of a table can create indexes on it.
 */
create or replace function crm_private.index_custom_field(
  entity_type text,
  name        text,
  prefix      text[] default '{}'
)
returns crm.custom_field_definitions
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_prefix     constant text[] := coalesce(prefix, '{}');
  v_definition crm.custom_field_definitions;
  v_index      crm.custom_field_index;
  v_statement  text;
begin
  perform crm_private.caller_is_authenticated();

  perform crm_private.claim_definitions(p_alone => true);
  v_definition := crm_private.custom_field(entity_type, name);
  v_index := crm.custom_field_definitions_index(v_definition);
  perform crm_private.refuse_prefix(v_definition, v_prefix);
  v_statement := crm_private.custom_field_index_statement(v_definition, '', v_prefix);

  if not coalesce(v_index.is_valid, false)
    or v_statement <> crm_private.custom_field_index_statement(v_definition, '', v_index.prefix)
  then
    -- The old index is dropped last, because that makes readers wait, too.
    if v_index.name is not null then
      execute format('alter index crm.%I rename to %I', v_index.name, v_index.name || '_old');
    end if;
    execute v_statement;
    if v_index.name is not null then
      execute format('drop index crm.%I', v_index.name || '_old');
    end if;

    -- Until the planner has statistics of the values, it overestimates the number of rows.
    execute format('analyze %s', crm_private.entity_table(entity_type));
  end if;

  return v_definition;
end
$$;

comment on function crm_private.index_custom_field(text, text, text[]) is
  'Implements crm.index_custom_field with the rights of the owner.';

revoke all on function crm_private.index_custom_field(text, text, text[]) from public;
grant execute on function crm_private.index_custom_field(text, text, text[]) to crm_admin;

create or replace function crm.index_custom_field(
  entity_type text,
  name        text,
  prefix      text[] default '{}'
)
returns crm.custom_field_definitions
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.index_custom_field(entity_type, name, prefix);
$$;

comment on function crm.index_custom_field(text, text, text[]) is
  'Creates an index on a custom field, to speed up filters and orders on it. For text that may '
  'have more than 500 characters, it speeds up only filters by the whole value or its beginning. '
  'prefix has fields, such as stage or value, by which lists are filtered or ordered in addition: '
  'those that are filtered by one value come first. Does nothing if the index exists, and replaces '
  'one with another prefix. Blocks writers of the entity while it runs: for large tables use npx '
  'pgcrm field index. For administrators.';

revoke all on function crm.index_custom_field(text, text, text[]) from public;
grant execute on function crm.index_custom_field(text, text, text[]) to crm_admin;
--! EndIncluded functions/custom_fields/index_custom_field.sql
--! Included functions/access/is_administrator.sql
/*
 * Returns true if the caller has the rights of an administrator, also within a security definer
 * function.
 */
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
  'Returns true if the caller has the rights of an administrator.';

revoke all on function crm_private.is_administrator() from public;
grant execute on function crm_private.is_administrator() to crm_reader;
--! EndIncluded functions/access/is_administrator.sql
--! Included functions/access/is_importing.sql
/*
 * Returns true if the session imports: crm.source is import, and the caller is an administrator. In
 * such a session new rows keep the creator and creation time of the system that they come from.
 */
create or replace function crm_private.is_importing()
returns boolean
language sql
stable
return coalesce(current_setting('crm.source', true) = 'import', false)
  and crm_private.is_administrator();

comment on function crm_private.is_importing() is
  'Returns true if an administrator''s session has set crm.source to import.';

revoke all on function crm_private.is_importing() from public;
grant execute on function crm_private.is_importing() to crm_reader;
--! EndIncluded functions/access/is_importing.sql
--! Included functions/access/viewer.sql
/*
 * Returns the user who makes the request, and what the user may do: the privileges of the role on
 * the tables of the catalogue.
 */
create or replace function crm.viewer()
returns crm.viewer
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select
    me.user_id,
    case
      when me.is_administrator                                    then 'admin'
      when pg_has_role(me.calling_role, 'crm_member', 'usage')    then 'member'
      else 'reader'
    end,
    substring(me.user_id from '^key:(.*)$'),
    me.is_administrator,
    array(
      select
        row(
          entity_type,
          has_any_column_privilege(me.calling_role, entity_table, 'insert'),
          has_any_column_privilege(me.calling_role, entity_table, 'update'),
          has_table_privilege(me.calling_role, entity_table, 'delete')
        )::crm.entity_rights
      from crm_private.entity_types
      where restore_order is not null
      order by restore_order
    )
  from (
    select
      crm.current_user_id()          as user_id,
      crm_private.calling_role()     as calling_role,
      crm_private.is_administrator() as is_administrator
  ) as me;
$$;

comment on function crm.viewer() is
  E'@notNull\nThe user who makes the request, and what the user may do.';

revoke all on function crm.viewer() from public;
grant execute on function crm.viewer() to crm_reader;
--! EndIncluded functions/access/viewer.sql
--! Included functions/imports/importable_columns.sql
/* Returns the columns that only a session that imports may set in new rows of a table. */
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
  'Returns the columns that only a session that imports may set in new rows of a table.';

revoke all on function crm_private.importable_columns(regclass) from public;
grant execute on function crm_private.importable_columns(regclass) to crm_reader;
--! EndIncluded functions/imports/importable_columns.sql
--! Included functions/imports/imported_columns.sql
/* Returns crm_private.importable_columns if the session imports, otherwise an empty array. */
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
  'Returns the columns that this session may set in new rows of a table because it imports.';

revoke all on function crm_private.imported_columns(regclass) from public;
grant execute on function crm_private.imported_columns(regclass) to crm_reader;
--! EndIncluded functions/imports/imported_columns.sql
--! Included functions/imports/require_import.sql
/* Raises unless the session imports. p_columns is for the message. */
create or replace function crm_private.require_import(p_columns text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not crm_private.is_importing() then
    raise exception 'only an administrator who imports can set %', p_columns
      using errcode    = 'insufficient_privilege',
            schema     = 'crm',
            constraint = 'require_import_importing',
            hint       = 'As an administrator, run set crm.source = ''import'' first.';
  end if;
end
$$;

comment on function crm_private.require_import(text) is
  'Raises unless the session imports; for columns that only an import may set.';

revoke all on function crm_private.require_import(text) from public;
grant execute on function crm_private.require_import(text) to crm_member;
--! EndIncluded functions/imports/require_import.sql
--! Included functions/imports/imported_stamp.sql
/*
 * Returns the value of created_at, created_by or closed_at that a session that imports sets in the
 * row that is being inserted; null if it sets none, or does not import. A statement of the owner,
 * or COPY, has it in the column. Other roles may not write the column: a bulk write passes it in
 * the setting crm.bulk_stamps before it inserts each row.
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
  'Returns the value of a column that a session that imports sets in a new row; null if it sets '
  'none.';

revoke all on function crm_private.imported_stamp(text, text) from public;
grant execute on function crm_private.imported_stamp(text, text) to crm_member;
--! EndIncluded functions/imports/imported_stamp.sql
--! Included functions/imports/imported_values.sql
/*
 * Returns the values that an importing session has set in a new row, as opposed to those that the
 * database sets otherwise, and their names as @imported; an empty object if there are none. Called
 * by the audit log for each row of an import.
 */
create or replace function crm_private.imported_values(p_given jsonb, p_usual jsonb)
returns jsonb
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    jsonb_object_agg(name, value)
      || jsonb_build_object('@imported', jsonb_agg(name order by name)),
    '{}'
  )
  from jsonb_each(p_given) as given (name, value)
  where value <> 'null' and value <> p_usual -> name;
$$;

comment on function crm_private.imported_values(jsonb, jsonb) is
  'Returns the values that an importing session has set in a new row, and their names.';

revoke all on function crm_private.imported_values(jsonb, jsonb) from public;
--! EndIncluded functions/imports/imported_values.sql
--! Included functions/deals/imported_close.sql
/*
 * Returns the close time of a deal that is imported as closed without one: its close date, if that
 * is between its creation and now; otherwise its creation, from which on it has been in its stage
 * as far as is known. Null if the deal was not created in another system before.
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
  'Returns the close time of a deal that is imported without one; null if it is not imported.';

revoke all on function crm_private.imported_close(crm.deals) from public;
grant execute on function crm_private.imported_close(crm.deals) to crm_member;
--! EndIncluded functions/deals/imported_close.sql
--! Included functions/custom_fields/is_reserved_field.sql
/*
 * Returns true if a built-in field of an entity with custom fields has a name: in the row itself, in
 * its filters, orders and groups, or in its inputs. A custom field of that name is served under
 * another one, so that every name is unambiguous. Columns are read from the catalog; any other
 * field that is added to the product must be added to the list, and a test compares the list with
 * the API. The list also has the names of the members of every JavaScript object, which would seem
 * to be present in an input without them.
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
      'ownerid', 'phones', 'pipelinestage', 'primarykey', 'probability', 'probabilitygiven', 'relevance',
      'stage', 'stagehistory', 'stagehistoryexist', 'tasks', 'tasksexist', 'title', 'updatedat', 'updatedby',
      'value', 'version',
      'constructor', 'hasownproperty', 'isprototypeof', 'propertyisenumerable', 'tolocalestring',
      'tostring', 'valueof'
    ])
    -- Orders by related rows, such as DEALS_SUM_VALUE_DESC, and groups, such as
    -- CLOSE_DATE_TRUNCATED_TO_DAY.
    or lower(p_field) ~
      '^(contacts|deals|notes|stagehistory|tasks)(average|count|distinctcount|max|min|sum)'
    or lower(p_field) ~ 'truncatedto(day|hour|month|quarter|week|year)$'
    or exists (
      select
      from pg_attribute
      -- A list, so that the index on attrelid is used.
      where attrelid = any (
          array(select entity_table::oid from crm_private.entity_types where has_custom_fields)
        )
        and attnum > 0
        and not attisdropped
        and replace(attname, '_', '') = lower(p_field)
    );
end
$$;

comment on function crm_private.is_reserved_field(text) is
  'Returns true if a built-in field has the name, so that no custom field is served under it.';

revoke all on function crm_private.is_reserved_field(text) from public;
grant execute on function crm_private.is_reserved_field(text) to crm_reader;
--! EndIncluded functions/custom_fields/is_reserved_field.sql
--! Included functions/custom_fields/custom_field_names.sql
/*
 * Returns the name of each custom field in the API, for all definitions of an entity type:
 * close_reason is closeReason. If a built-in field has that name, it is customTitle. If an older
 * definition has it, as close_reason and closeReason would both be, the name of the newer one ends
 * with a hash. Names that differ only in case conflict, because orders and groups are written in
 * capitals.
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
  'Returns the name of each custom field in the API, for all definitions of an entity type.';

revoke all on function crm_private.custom_field_names(crm.custom_field_definitions[]) from public;
grant execute on function crm_private.custom_field_names(crm.custom_field_definitions[]) to crm_reader;
--! EndIncluded functions/custom_fields/custom_field_names.sql
--! Included functions/custom_fields/custom_field_definitions_field_name.sql
/*
 * Returns the name of the typed field of a definition; see crm_private.custom_field_names. Includes
 * the definition itself, because the statement that creates it does not see it in the table.
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
  'The name of the typed field of this definition on its entity type, such as closeReason for '
  'close_reason. If a built-in field has that name, this one gets the prefix custom, such as '
  'customTitle.';

revoke all on function crm.custom_field_definitions_field_name(crm.custom_field_definitions)
  from public;
grant execute on function crm.custom_field_definitions_field_name(crm.custom_field_definitions)
  to crm_reader;
--! EndIncluded functions/custom_fields/custom_field_definitions_field_name.sql
--! Included functions/common/derived_columns.sql
/*
 * Returns the columns that the database derives from the other columns of a row, for search and for
 * the detection of duplicates. No writer sets them, and the audit log does not record them.
 */
create or replace function crm_private.derived_columns()
returns name[]
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select '{search_document,match_keys}'::name[];
$$;

comment on function crm_private.derived_columns() is
  'Returns the columns that are derived from others, for search and the detection of duplicates.';

revoke all on function crm_private.derived_columns() from public;
grant execute on function crm_private.derived_columns() to crm_reader;
--! EndIncluded functions/common/derived_columns.sql
--! Included functions/audit_log/logged_columns.sql
/*
 * Returns the columns of a table whose changes the audit log records, which are those that
 * crm_private.compile_audit_log compiles.
 */
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
    and attname <> all (crm_private.derived_columns())
    and attname <> all (
      '{id,version,created_at,updated_at,created_by,updated_by}'::name[]
    );
$$;

comment on function crm_private.logged_columns(regclass) is
  'Returns the columns of a table whose changes the audit log records.';

revoke all on function crm_private.logged_columns(regclass) from public;
grant execute on function crm_private.logged_columns(regclass) to crm_reader;
--! EndIncluded functions/audit_log/logged_columns.sql
--! Included functions/audit_log/audit_log_digest.sql
/*
 * Returns what an auditor stores outside the database: the number of the last block and its hash,
 * which depends on all entries sealed so far. Seals first, and waits for a session that is sealing.
 *
 * Security definer: only the owner can read the blocks.
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
  'Implements crm.audit_log_digest with the rights of the owner.';

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
  'The digest of the audit log at this moment, for an auditor to store outside the system. Pass it '
  'to verifyAuditLog later, to prove that the entries sealed by now are unchanged. For '
  'administrators.';

revoke all on function crm.audit_log_digest() from public;
grant execute on function crm.audit_log_digest() to crm_admin;
--! EndIncluded functions/audit_log/audit_log_digest.sql
--! Included functions/audit_log/log_event.sql
/*
 * Writes an audit log entry for an operation that concerns no row of a table: an erasure, a
 * setting, the audit log itself. An operation without an id of its own has the id that is all
 * zeros.
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
  'Writes an audit log entry for an operation that concerns no row of a table.';

revoke all on function crm_private.log_event(text, text, jsonb, timestamptz, uuid) from public;
--! EndIncluded functions/audit_log/log_event.sql
--! Included functions/audit_log/logged_fields.sql
/*
 * Returns the fields of an audit log entry: a row for each column and each custom field
 * (custom_fields.<name>), with the value before and after. A created row has no values before, a
 * deleted row none after. The members @undoes and @imported describe the entry and are not fields.
 * Called by crm_private.plan_reversal.
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
  'Returns the fields of an audit log entry, with the value before and after it.';

revoke all on function crm_private.logged_fields(text, jsonb) from public;
--! EndIncluded functions/audit_log/logged_fields.sql
--! Included functions/audit_log/audit_log_kept_since.sql
/*
 * Returns the time since which the audit log is complete; null if nothing was ever archived.
 * Security definer: every role needs it, but only administrators can read the entry that records
 * it.
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
  'Implements crm.audit_log_kept_since with the rights of the owner.';

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
  'The audit log is complete from this time on; earlier entries were archived. Null if none were.';

revoke all on function crm.audit_log_kept_since() from public;
grant execute on function crm.audit_log_kept_since() to crm_reader;
--! EndIncluded functions/audit_log/audit_log_kept_since.sql
--! Included functions/audit_log/audit_log_tables.sql
/* Returns the audit log and the months that were detached from it and are still in the database. */
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
  'Returns the audit log and its detached months.';

revoke all on function crm_private.audit_log_tables() from public;
--! EndIncluded functions/audit_log/audit_log_tables.sql
--! Included functions/idempotency/save_response.sql
/*
 * Stores the response of a mutation under the idempotency key that its transaction has claimed, so
 * that the response is committed with the mutation or not at all. A second response under one key
 * violates the primary key, which rolls its mutation back.
 *
 * Also stores which entities the response may contain: those that the transaction changed if
 * p_is_narrow, otherwise null, which stands for any. When a person is erased, the responses that
 * may contain them are deleted (crm_private.drop_responses). An erasure waits until a response is
 * stored. If one was committed while this transaction ran, the response may contain values that
 * were read before, so the key is stored without it.
 *
 * Security definer: the login role of the server cannot write tables.
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
  'Stores the response of a mutation under its idempotency key.';

revoke all on function crm_private.save_response(bytea, bytea, bytea, boolean) from public;
grant execute on function crm_private.save_response(bytea, bytea, bytea, boolean) to crm_server;
--! EndIncluded functions/idempotency/save_response.sql
--! Included functions/audit_log/last_digest.sql
/*
 * Returns the number of the last block and its hash. Called by crm.audit_log_digest after sealing,
 * and by crm_private.check_audit_log.
 */
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
  'Returns the number of the last block of sealed entries, and its hash.';

revoke all on function crm_private.last_digest() from public;
--! EndIncluded functions/audit_log/last_digest.sql
--! Included functions/erasure/maintain_audit_log.sql
/*
 * Maintains the audit log, apart from sealing it: creates partitions before they are needed, and
 * purges rows that were deleted longer ago than the retention setting allows. Purges at most 10,000
 * deletions per call, so that writers of the blocks do not wait for long, and returns their number,
 * so that the caller can repeat the call. Called by the server every hour. Concurrent calls are
 * safe.
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
  -- A bulk write deletes its own faulty rows; these were left by a session that is none.
  delete from crm_private.faulty_rows;
  return crm_private.purge_deletions(
    clock_timestamp() - make_interval(days => crm.trash_retention_days()), 10000
  );
end
$$;

comment on function crm_private.maintain_audit_log() is
  'Creates the partitions that will be needed and purges the trash; returns the number of '
  'deletions.';

revoke all on function crm_private.maintain_audit_log() from public;
grant execute on function crm_private.maintain_audit_log() to crm_server;
--! EndIncluded functions/erasure/maintain_audit_log.sql
--! Included functions/custom_fields/max_custom_fields.sql
/*
 * Returns how many custom fields an entity type may have: 200, or the value that the owner has set
 * for the database:
 *
 *    alter database crm set crm.max_custom_fields = 500;
 *
 * It is read from the catalog of database settings, which only the owner of the database can write;
 * any session could change the setting itself. Any value but a whole number counts as not set.
 * Called by crm_private.apply_definitions.
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
  'Returns how many custom fields an entity type may have.';

revoke all on function crm_private.max_custom_fields() from public;
--! EndIncluded functions/custom_fields/max_custom_fields.sql
--! Included functions/custom_fields/apply_definitions.sql
/*
 * Applies changed definitions of one entity type to its rows, and refuses definitions that existing
 * rows contradict. p_old and p_new are the definitions before and after the statement. Called by
 * crm_private.definitions_changed.
 *
 * Writers of the table wait until the transaction ends, so no value that breaks the new definition
 * can be written concurrently; readers continue. A transaction whose snapshot is older than the
 * lock cannot see all rows written before it, so read committed is required.
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
-- Its statements contain expressions, which cannot be quoted as names and values can.
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
      using errcode    = 'feature_not_supported',
            schema     = 'crm', table = 'custom_field_definitions',
            constraint = 'transaction_isolation_read_committed',
            hint       = 'Repeat the change in a read committed transaction.';
  end if;

  -- Whether the constraint of a unique field is added, dropped or replaced.
  select exists (
    select
    from unnest(p_old) as old_row
    full join unnest(p_new) as new_row using (id)
    where p_entity_type in (old_row.entity_type, new_row.entity_type)
      and case when old_row.is_unique then old_row.name end
        is distinct from case when new_row.is_unique then new_row.name end
  ) into v_unique;

  -- This lock blocks readers too. The timeout keeps them from waiting behind a long query.
  if v_unique then
    perform set_config('lock_timeout', '3s', true);
    execute format('lock table %s in access exclusive mode', v_table);
    perform set_config('lock_timeout', v_timeout, true);
  else
    execute format('lock table %s in share row exclusive mode', v_table);
  end if;

  -- Limited, because each field slows every write of the entity. The lock above makes the count
  -- exact.
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
            hint       = 'Delete a definition that is not used, or raise crm.max_custom_fields.';
  end if;

  -- Rows are counted only for definitions that became stricter or changed. The rows still have the
  -- old names.
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
            hint       = 'Change the rows that crm.check_custom_field_rule lists, then try again.';
  end if;

  perform crm_private.record_former_fields(p_entity_type, p_old, p_new);
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
  'Applies changed definitions of an entity type to its rows; raises if existing rows break them.';

revoke all on function crm_private.apply_definitions(
  text, crm.custom_field_definitions[], crm.custom_field_definitions[]
) from public;
--! EndIncluded functions/custom_fields/apply_definitions.sql
--! Included functions/bulk/match_rows.sql
/*
 * Resolves the rows of an upsert: an update of the row that has the external id, or a new row that
 * gets it. If external_ids are given, the external id is added to them; otherwise it would be lost.
 *
 * Each external id is looked up by the key, one by one, independent of the planner's estimates: the
 * policy of the table is evaluated for every row that a plan reads, and a plan may read all of
 * them. For the same reason the parts of an external id are columns before they are compared: the
 * operators that extract them from JSON are not leakproof, and would be evaluated after the policy.
 *
 * Plans are cached: the policy calls functions for each row, whose statements would be planned each
 * time because crm_private.write_rows asks for that.
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
set plan_cache_mode = auto
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
  'Resolves the rows of an upsert by their external ids.';

revoke all on function crm_private.match_rows(text, crm_private.bulk_row[]) from public;
grant execute on function crm_private.match_rows(text, crm_private.bulk_row[]) to crm_member;
--! EndIncluded functions/bulk/match_rows.sql
--! Included functions/common/merged_objects.sql
/*
 * Merges JSON objects into one. If several objects have a member, the value of the last one counts.
 */
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
  'Merges JSON objects into one; if several have a member, the value of the last one counts.';

revoke all on function crm_private.merged_objects(jsonb[]) from public;
grant execute on function crm_private.merged_objects(jsonb[]) to crm_member;
--! EndIncluded functions/common/merged_objects.sql
--! Included functions/bulk/find_faults.sql
/*
 * Returns the rows that made an attempt at a bulk write fail; PostgreSQL reports one of them at
 * most. These are the rows that cannot be read, or else those that collide, or else those that
 * break a constraint, which are found by trial. Rows with known faults are not returned again. An
 * upsert that can be attempted again skips the trial. Called by crm_private.write_rows.
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
  -- A trigger refuses a row before the rows after it have been read.
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
  'Returns the rows that made an attempt at a bulk write fail: they cannot be read, collide, or '
  'break a constraint.';

revoke all on function crm_private.find_faults(
  text, text, crm_private.bulk_row[], crm_private.row_fault[], text, boolean
) from public;
grant execute on function crm_private.find_faults(
  text, text, crm_private.bulk_row[], crm_private.row_fault[], text, boolean
) to crm_member;
--! EndIncluded functions/bulk/find_faults.sql
--! Included functions/merge/compile_merges.sql
/*
 * Adds merges to a table: creates the trigger that ends the merge of a row that is restored, and
 * crm.<entity type>_merged_into, which returns the merge winner for the id of a merged record.
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
      'Returns the %s that a merged one became part of, through any number of merges; null if it '
      'was not merged, or was restored, or if the merge winner was deleted.',
      replace(p_entity_type, '_', ' ')
    )
  );
  execute format('revoke all on function %s from public', v_function);
  execute format('grant execute on function %s to crm_reader', v_function);
end
$$;

comment on function crm_private.compile_merges(regclass, text) is
  'Creates the trigger that ends merges of restored rows of a table, and the function that '
  'returns the merge winner.';

revoke all on function crm_private.compile_merges(regclass, text) from public;
--! EndIncluded functions/merge/compile_merges.sql
--! Included functions/merge/move_links.sql
/*
 * Moves references from some rows to another one: for each foreign key to the table, rows whose key
 * is one of p_from get p_to. Returns the number of rows moved in each table. Called by
 * crm_private.merge_rows.
 *
 * The foreign keys are read from the catalog. In tasks and notes, entity_id is written and the key
 * is generated from it. Tables are updated in the order in which all writers lock them, and their
 * rows by id. A table of an application may have no id.
 */
create or replace function crm_private.move_links(p_table regclass, p_from uuid[], p_to uuid)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- plpgsql_check cannot see that its statements write.
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
  'Moves references from rows of a table to another row of it; returns the number of rows moved '
  'in each table.';

revoke all on function crm_private.move_links(regclass, uuid[], uuid) from public;
grant execute on function crm_private.move_links(regclass, uuid[], uuid) to crm_member;
--! EndIncluded functions/merge/move_links.sql
--! Included functions/external_ids/compile_external_ids.sql
/*
 * Adds external ids to a table: creates the triggers that maintain crm_private.external_ids, and
 * crm.<entity type>_by_external_id and crm.<table>_by_external_ids, which find rows by external
 * ids. The second looks up each id by keys, whatever the planner expects.
 */
create or replace function crm_private.compile_external_ids(p_table regclass, p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are built from expressions, which cannot be quoted like names and values.
-- @plpgsql_check_options: security_warnings = off
declare
  v_name     text := (select relname::text from pg_class where oid = p_table);
  v_words    text := replace(p_entity_type, '_', ' ');
  v_function text;
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

  v_function := format('crm.%I', p_entity_type || '_by_external_id');
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
      'Returns the %s that another system knows by this external id; null if there is none.',
      v_words
    )
  );
  execute format('revoke all on function %s from public', v_function);
  execute format('grant execute on function %s to crm_reader', v_function);

  v_function := format('crm.%I', v_name || '_by_external_ids');
  execute format(
    $function$
create or replace function %1$s(source text, ids text[])
returns setof %2$s
language sql
stable
strict
parallel safe
rows 100
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $find$
  select record.*
  from (
    select id, min(place) as place from unnest($2) with ordinality as given (id, place) group by id
  ) as wanted
  cross join lateral (
    select key.entity_id
    from crm_private.external_ids as key
    where key.entity_type = %3$L
      and key.source = $1
      and key.id = wanted.id
    limit 1
  ) as held
  cross join lateral (
    select * from %2$s as entity where entity.id = held.entity_id limit 1
  ) as record
  order by wanted.place;
$find$
    $function$,
    v_function, p_table, p_entity_type
  );
  execute format(
    'comment on function %s is %L',
    v_function,
    format(
      'Returns each %s that another system knows by one of these external ids, in their order. Ids '
      'that it does not know are left out.',
      v_words
    )
  );
  execute format('revoke all on function %s from public', v_function);
  execute format('grant execute on function %s to crm_reader', v_function);
end
$$;

comment on function crm_private.compile_external_ids(regclass, text) is
  'Creates the triggers that maintain the external ids of a table, and the functions that find rows '
  'by them.';

revoke all on function crm_private.compile_external_ids(regclass, text) from public;
--! EndIncluded functions/external_ids/compile_external_ids.sql
--! Included functions/external_ids/move_external_ids.sql
/*
 * Releases external ids and takes others, all of one entity type. Raises if one is taken: of
 * concurrent writers that want the same id exactly one succeeds, and the others wait for its
 * transaction to end. Takes the ids in one order, so that writers do not deadlock. Called by
 * crm_private.keep_external_ids.
 *
 * Its plans are cached for the session and must not depend on the number of rows at that time: each
 * external id is looked up by the primary key.
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
declare
  v_table text;
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
      v_table := (
        select relname::text
        from pg_class
        where oid = crm_private.entity_table(p_taken[1].entity_type)
      );
      raise exception '%: an external id was taken since this transaction began', v_table
        using errcode    = 'serialization_failure',
              schema     = 'crm', table = v_table, column = 'external_ids',
              constraint = v_table || '_external_ids_taken',
              detail     = '{"externalIds": ["has one that was taken since"]}',
              hint       = 'Repeat the transaction.';
  end;
end
$$;

comment on function crm_private.move_external_ids(
  crm_private.external_ids[], crm_private.external_ids[]
) is
  'Releases external ids and takes others.';

revoke all on function crm_private.move_external_ids(
  crm_private.external_ids[], crm_private.external_ids[]
) from public;
--! EndIncluded functions/external_ids/move_external_ids.sql
--! Included functions/external_ids/references_of.sql
/*
 * Returns the references of a table that a write may give by external id: company instead of
 * company_id. These are the references to entities with external ids. Returns one row for each
 * entity type that the reference may have; that of an attachment is in entity_type.
 *
 * A table that has a column of such a name has no reference of that name.
 */
create or replace function crm_private.references_of(p_table regclass)
returns table (name text, column_name text, target_type text, is_attachment boolean)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select left(link.field, -3), link.field, link.target_type, link.field <> link.key
  from crm_private.entity_links as link
  join crm_private.entity_types as target on target.entity_type = link.target_type
  where link.entity_table = p_table
    and target.is_record
    and link.field like '%\_id'
    and not exists (
      select
      from pg_attribute
      where attrelid = p_table and attname = left(link.field, -3) and not attisdropped
    );
$$;

comment on function crm_private.references_of(regclass) is
  'Returns the references of a table that a write may give by external id.';

revoke all on function crm_private.references_of(regclass) from public;
grant execute on function crm_private.references_of(regclass) to crm_member;
--! EndIncluded functions/external_ids/references_of.sql
--! Included functions/external_ids/resolve_references.sql
/*
 * Resolves the references by external id in rows that are to be written: company, which is
 * {"external_id": {"source": …, "id": …}}, becomes company_id. Returns only the rows that have such
 * references, each with its faults by field, null if there are none. Each external id is looked up
 * once, by the key.
 *
 * If a reference is null, the other form counts, company_id. A faulty reference becomes the id of
 * no row, so that the row cannot be written.
 *
 * Plans are cached, as in crm_private.match_rows.
 */
create or replace function crm_private.resolve_references(
  p_table regclass,
  p_rows  crm_private.bulk_row[]
)
returns table (place integer, item jsonb, code text, fields jsonb)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = auto
as $$
#variable_conflict use_column
declare
  v_names text[] := array(select name from crm_private.references_of(p_table));
begin
  if not exists (select from unnest(p_rows) as input where input.item ?| v_names) then
    return;
  end if;

  return query
    with reference as materialized (
      select distinct
        name, column_name, case when not is_attachment then target_type end as target_type
      from crm_private.references_of(p_table)
    ),
    given as materialized (
      select
        input.place, input.item, reference.name, reference.column_name,
        coalesce(reference.target_type, input.item ->> 'entity_type') as target_type,
        input.item -> reference.name as value,
        input.item -> reference.name #>> '{external_id,source}' as source,
        input.item -> reference.name #>> '{external_id,id}' as id,
        coalesce(input.item -> reference.column_name, 'null') <> 'null' as has_id
      from unnest(p_rows) as input
      join reference on input.item ? reference.name
    ),
    -- Columns, because the operators that extract them from JSON are not leakproof.
    wanted as materialized (
      select distinct target_type, source, id from given where source is not null
    ),
    found as materialized (
      select wanted.*, held.entity_id
      from wanted
      cross join lateral (
        select key.entity_id
        from crm_private.external_ids as key
        where key.entity_type = wanted.target_type
          and key.source = wanted.source
          and key.id = wanted.id
        limit 1
      ) as held
    ),
    resolved as materialized (
      select
        given.*, found.entity_id,
        case
          when given.value = 'null' then null
          when given.has_id then
            'cannot be combined with ' || crm_private.camel_case(given.column_name)
          when jsonb_typeof(given.value) <> 'object'
            or jsonb_typeof(given.value -> 'external_id') is distinct from 'object'
          then 'must have an externalId with a source and an id'
          when given.value - 'external_id' <> '{}'
            or (given.value -> 'external_id') - '{source,id}'::text[] <> '{}'
            or jsonb_typeof(given.value #> '{external_id,source}') is distinct from 'string'
            or jsonb_typeof(given.value #> '{external_id,id}') is distinct from 'string'
          then 'must have an externalId with a source and an id'
          when given.target_type is null then 'needs an entityType'
        end as misuse
      from given
      left join found using (target_type, source, id)
    )
    select
      resolved.place,
      (array_agg(resolved.item))[1] - array_agg(resolved.name)
        || coalesce(
          jsonb_object_agg(
            resolved.column_name,
            case
              when resolved.value <> 'null' and resolved.misuse is null then
                coalesce(resolved.entity_id, '00000000-0000-0000-0000-000000000000')
            end
          ) filter (where not resolved.has_id),
          '{}'
        ),
      case
        when bool_or(resolved.misuse is not null) then 'VALIDATION_ERROR'
        else 'CONSTRAINT_VIOLATION'
      end,
      jsonb_object_agg(
        crm_private.camel_case(resolved.name),
        jsonb_build_array(coalesce(
          resolved.misuse,
          crm_private.fault_message(
            '%s is not the external id of a ' || replace(resolved.target_type, '_', ' '),
            resolved.value -> 'external_id'
          )
        ))
      ) filter (
        where resolved.misuse is not null
          or resolved.value <> 'null' and resolved.entity_id is null
      )
    from resolved
    group by resolved.place;
end
$$;

comment on function crm_private.resolve_references(regclass, crm_private.bulk_row[]) is
  'Resolves the references by external id in rows that are to be written.';

revoke all on function crm_private.resolve_references(regclass, crm_private.bulk_row[])
  from public;
grant execute on function crm_private.resolve_references(regclass, crm_private.bulk_row[])
  to crm_member;
--! EndIncluded functions/external_ids/resolve_references.sql
--! Included functions/bulk/resolve_row.sql
/*
 * Resolves the references by external id in one row that is to be created or updated, and returns
 * the row. Raises if one is faulty, with all faults of the row, which a dry run of the write finds.
 * An update of a row that does not exist or has another version is not refused here, because the
 * write itself reports that.
 *
 * Called by the API before a mutation of one row with such references, and by
 * crm.create_deal_with_tasks.
 */
create or replace function crm_private.resolve_row(
  p_entity_type text,
  p_operation   text,
  p_row         jsonb
)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table regclass := crm_private.entity_table(p_entity_type);
  v_name  text     := (select relname::text from pg_class where oid = v_table);
  v_found record;
  v_fault jsonb;
begin
  select resolved.*
  into v_found
  from crm_private.resolve_references(
    v_table, array[row(0, null, p_operation, p_row)::crm_private.bulk_row]
  ) as resolved;

  if v_found.place is null then
    return p_row;
  elsif v_found.fields is null then
    return v_found.item;
  end if;

  v_fault := (
    crm_private.write_rows(
      p_entity_type, p_operation, jsonb_build_array(p_row), 'VALID_ONLY', true
    )
  ).faults -> 0;

  if v_fault -> 'fields' ?| '{id,version}' then
    return v_found.item;
  end if;

  v_fault := coalesce(
    v_fault, jsonb_build_object('code', v_found.code, 'fields', v_found.fields)
  );
  raise exception '%: a reference by external id is faulty', v_name
    using errcode    = case v_fault ->> 'code'
                         when 'CONSTRAINT_VIOLATION' then '23503' else '23514'
                       end,
          schema     = 'crm', table = v_name,
          constraint = v_name || '_references_known',
          detail     = (v_fault -> 'fields')::text,
          hint       = 'Correct every field that the detail lists, then write the row again.';
end
$$;

comment on function crm_private.resolve_row(text, text, jsonb) is
  'Resolves the references by external id in one row that is to be written.';

revoke all on function crm_private.resolve_row(text, text, jsonb) from public;
grant execute on function crm_private.resolve_row(text, text, jsonb) to crm_member;
--! EndIncluded functions/bulk/resolve_row.sql
--! Included functions/external_ids/rows_with_external_ids.sql
/*
 * Returns the ids of the rows of an entity type that have one of the given external ids, each given
 * as a source and an id at the same position. Called by filters of the API. Each external id is
 * looked up by the key, whatever the planner expects.
 */
create or replace function crm_private.rows_with_external_ids(
  p_entity_type text,
  p_sources     text[],
  p_ids         text[]
)
returns setof uuid
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
  select held.entity_id
  from (
    select distinct source, id from unnest(p_sources, p_ids) as given (source, id)
  ) as wanted
  cross join lateral (
    select key.entity_id
    from crm_private.external_ids as key
    where key.entity_type = p_entity_type and key.source = wanted.source and key.id = wanted.id
    limit 1
  ) as held;
$$;

comment on function crm_private.rows_with_external_ids(text, text[], text[]) is
  'Returns the ids of the rows that have one of the given external ids.';

revoke all on function crm_private.rows_with_external_ids(text, text[], text[]) from public;
grant execute on function crm_private.rows_with_external_ids(text, text[], text[]) to crm_reader;
--! EndIncluded functions/external_ids/rows_with_external_ids.sql
--! Included functions/duplicates/name_likeness.sql
/*
 * Returns how similar two plain names are, from 0 to 1: the share of trigrams that they have in
 * common, but at least 0.8 if they sound alike, that is, if they have the same skeleton of four
 * letters or more. Callers that compare many names compute each skeleton once.
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
  'Returns how similar two plain names are, from 0 to 1.';

revoke all on function crm_private.name_likeness(text, text, text, text) from public;
grant execute on function crm_private.name_likeness(text, text, text, text) to crm_reader;
--! EndIncluded functions/duplicates/name_likeness.sql
--! Included functions/duplicates/name_similarity.sql
/* Returns how similar two plain names are, from 0 to 1, by crm_private.name_likeness. */
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
  'Returns how similar two plain names are, from 0 to 1.';

revoke all on function crm_private.name_similarity(text, text) from public;
grant execute on function crm_private.name_similarity(text, text) to crm_reader;
--! EndIncluded functions/duplicates/name_similarity.sql
--! Included functions/bulk/violating_rows.sql
/*
 * Returns the rows of a bulk write that break a constraint which only the whole table can check,
 * for example a unique index that an administrator created. Writes the list in halves, and each
 * half that fails in halves again, until a single row fails; then rolls everything back. Called by
 * crm_private.find_faults if nothing else explains why a statement failed.
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
    -- Rows that break a rule are left out here, and reported elsewhere.
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
          -- A version that is not current is also reported elsewhere.
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

    raise triggered_action_exception using message = 'rolls everything back';
  exception
    when triggered_action_exception then
      null;
  end;

  return query select * from unnest(v_faults);
end
$$;

comment on function crm_private.violating_rows(regclass, crm_private.bulk_row[]) is
  'Returns the rows of a bulk write that break a constraint, found by trial.';

revoke all on function crm_private.violating_rows(regclass, crm_private.bulk_row[]) from public;
grant execute on function crm_private.violating_rows(regclass, crm_private.bulk_row[])
  to crm_member;
--! EndIncluded functions/bulk/violating_rows.sql
--! Included functions/common/oldest_server.sql
/*
 * Returns the number of the migration that a server must know, at least, to serve this schema. A
 * server that knows it stays ready, even if it does not know all later migrations. Called by the
 * readiness check of the server.
 *
 * A migration that removes something that earlier servers need (a contraction) sets its own number
 * here, and includes this file.
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
  'Returns the number of the migration that a server must know, at least, to serve this schema.';

revoke all on function crm_private.oldest_server() from public;
grant execute on function crm_private.oldest_server() to crm_server;
--! EndIncluded functions/common/oldest_server.sql
--! Included functions/audit_log/payload_digest.sql
/*
 * Returns the salted digest of an entry's values. Without the salt it does not reveal whether
 * guessed values are right, so it can remain when the values are erased. Called to seal, verify and
 * erase.
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
  'Returns the SHA-256 of a salt and of the changes of an entry.';

revoke all on function crm_private.payload_digest(bytea, jsonb) from public;
--! EndIncluded functions/audit_log/payload_digest.sql
--! Included functions/audit_log/compare_entries.sql
/*
 * Compares the audit log with a range of blocks. Returns the first entry that differs from its
 * seal, with its fault (altered, removed or inserted), and how many entries were compared and how
 * many are archived. Called by crm_private.check_audit_log.
 *
 * The blocks cover all ids after the block before them, so an entry in that range that no block
 * lists was inserted later. An erased entry has no values to compare: the block stores their digest
 * in place of the salt, and the audit log must contain the entry that records the erasure.
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
  -- An entry and its exact copy both match. The primary key prevents copies, but a superuser can
  -- drop it.
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
  'Returns the first entry of a range of blocks that was changed, and how many were compared.';

revoke all on function crm_private.compare_entries(bigint, bigint) from public;
--! EndIncluded functions/audit_log/compare_entries.sql
--! Included functions/normalization/plain_name.sql
/*
 * Returns a name for comparisons: folded, words separated by one space, without punctuation, and
 * "&" as "and". "O'Neill, Zoë" becomes "oneill zoe".
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
  -- Most names are plain already.
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
  'Returns a name for comparisons: folded and without punctuation.';

revoke all on function crm_private.plain_name(text) from public;
grant execute on function crm_private.plain_name(text) to crm_reader;
--! EndIncluded functions/normalization/plain_name.sql
--! Included functions/duplicates/phone_keys.sql
/*
 * Returns the match keys of contacts with any of these numbers, in any notation; an index finds the
 * contacts by them. crm_private.has_phone then compares the whole numbers.
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
  'Returns the match keys of contacts with any of these numbers.';

revoke all on function crm_private.phone_keys(text[]) from public;
grant execute on function crm_private.phone_keys(text[]) to crm_reader;
--! EndIncluded functions/duplicates/phone_keys.sql
--! Included functions/undo/plan_reversal.sql
/*
 * Plans to undo entries of one transaction, all of them or those given: writes a row into
 * crm_private.reversals for each row that they changed, with its values before the first of them
 * and after the last. A row that was created and deleted again needs nothing.
 *
 * Raises if an entry has been erased, or is about something that cannot be undone: a setting, an
 * API key, the audit log itself. Raises for members if an entry deleted a row in another user's
 * name, because members cannot see such entries. p_argument is the client's name of the argument.
 *
 * An erasure of a contact and an undo wait for each other: values that are read here must not be
 * restored after they were erased. So it also raises in a transaction with an older snapshot.
 *
 * Nested loops are disabled, because the plan is cached and may have been made for one or two rows.
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

  -- Two that undo the same run one after the other, so that the second sees what the first did.
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
    raise exception 'entry % of the audit log is a deletion by another user', v_foreign
      using errcode    = 'insufficient_privilege',
            schema     = 'crm', table = 'audit_logs', column = 'user_id',
            constraint = 'audit_logs_user_id_own',
            detail     = jsonb_build_object(
                           p_argument, jsonb_build_array('includes a deletion by another user')
                         )::text,
            hint       = 'Ask an administrator to undo it.';
  end if;

  if v_erased is not null then
    raise exception 'entry % of the audit log has been erased, so it cannot be undone', v_erased
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'changes',
            constraint = 'audit_logs_changes_erased',
            detail     = jsonb_build_object(
                           p_argument,
                           jsonb_build_array('leads to values that have been erased for good')
                         )::text,
            hint       = 'Erased values cannot be restored. Undo other entries one by one.';
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
        when v_fixed.entity_type = 'setting' then 'changed a setting; set its old value again'
        when v_fixed.entity_type = 'api_key' then 'is about an API key; create or revoke one'
        when v_fixed.action = 'erase' then 'erased values for good'
        when v_fixed.action = 'purge' then 'emptied the trash for good'
        when v_fixed.action = 'archive' then 'archived months of the audit log'
        else format('is about a %s, which cannot be undone', v_fixed.entity_type)
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
      -- Each field before the first entry and after the last one. Most rows have one entry.
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
 * Returns the position of each text of a list among the choices, from 1; null for a text that is
 * not a choice. Rows are ordered by it if their values are lists of choices. Called by the API.
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
  'Returns the position of each text of a list among the choices, from 1.';

revoke all on function crm_private.positions(text[], text[]) from public;
grant execute on function crm_private.positions(text[], text[]) to crm_reader;
--! EndIncluded functions/custom_fields/positions.sql
--! Included functions/audit_log/planned_reversal.sql
/*
 * Returns what the running transaction is about to undo of a row. Called by the audit log and the
 * stamps for each row of an undo, so its plan must not depend on how few rows the table had when it
 * was cached: without the setting a plan that was cached for an empty table would scan the whole
 * table for every row.
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
  'Returns what the running transaction is about to undo of a row.';

revoke all on function crm_private.planned_reversal(uuid) from public;
--! EndIncluded functions/audit_log/planned_reversal.sql
--! Included functions/audit_log/compile_audit_log.sql
/*
 * Connects a table to the audit log: creates crm_private.<table>_audit_log, compiled from the
 * table's columns, and the triggers that call it once per statement. TRUNCATE is refused. Called by
 * crm_private.register_entity.
 *
 * The changes of a created row are its values, those of a deleted row the whole old row. Those of
 * an updated row have a member for each column, and for each custom field, that changed. They omit
 * what the entry itself records (the row, the user, the time) and derived values (the version,
 * generated columns), except for a deletion, which stores all of them so that the row can be
 * restored. The member @undoes, a name that no column can have, identifies what the change
 * undoes. The member @imported names the columns that an importing session set and that the
 * database would otherwise have set.
 *
 * Compiled, because every write pays for the audit log: a generic comparison of whole rows costs
 * twice as much for inserts, three times for updates. Call it in the migration that adds or removes
 * a column; a test finds tables for which it was not called.
 *
 * Its plans are cached for the session. A plan for one or two rows would join the old rows of a
 * bulk update to the new ones in a nested loop, so nested loops are off.
 *
 * The trigger is security definer: only the owner may write the audit log.
 */
create or replace function crm_private.compile_audit_log(p_table regclass, p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_function text := format(
    'crm_private.%I', (select relname from pg_class where oid = p_table) || '_audit_log'
  );
  v_values  text;
  v_changes text;
  v_old     text;
  v_given   text;
  v_usual   text;
  -- The entries that the change of a row undoes, planned by crm_private.carry_out_reversal.
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
    and attname <> all (crm_private.derived_columns())
    and attname <> all (
      '{id,version,created_at,updated_at,created_by,updated_by}'::name[]
    );

  select string_agg(format('old_row.%I', attname), ', ' order by attnum)
  into v_old
  from pg_attribute
  where attrelid = p_table
    and attnum > 0
    and not attisdropped
    and attname <> all (crm_private.derived_columns());

  -- The values that a session may set, and those that the database sets otherwise.
  select
    string_agg(format('%1$L, new_row.%1$I', attname), ', ' order by attnum),
    string_agg(
      format('%L, %s', attname, case attname when 'created_by' then 'v_user_id' else 'now()' end),
      ', ' order by attnum
    )
  into v_given, v_usual
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
        -- A restored row keeps its version, creator and creation time; the entry records them.
        || case when new_row.version = 1 then '{}' else jsonb_build_object(
          'version', new_row.version, 'created_at', new_row.created_at,
          'created_by', new_row.created_by, 'updated_by', new_row.updated_by
        ) end
        || case
          when v_imports and new_row.version = 1
          then crm_private.imported_values(jsonb_build_object(%8$s), jsonb_build_object(%9$s))
          else '{}'
        end
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
    format(v_undoes, 'new_row'), format(v_undoes, 'old_row'), v_old, v_given, v_usual
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
  'Creates the triggers that write the audit log of a table, compiled from its columns.';

revoke all on function crm_private.compile_audit_log(regclass, text) from public;
--! EndIncluded functions/audit_log/compile_audit_log.sql
--! Included functions/erasure/purge_deletions.sql
/*
 * Purges deletions before a time: removes the values from their audit log entries, so that the rows
 * cannot be restored. The oldest first; at most p_limit, or all if it is null. Returns their
 * number. Called by crm_private.purge_trash and crm_private.maintain_audit_log.
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
  'Removes the values from the entries of deletions before a time; returns their number.';

revoke all on function crm_private.purge_deletions(timestamptz, bigint) from public;
--! EndIncluded functions/erasure/purge_deletions.sql
--! Included functions/bulk/apply_rows.sql
/*
 * Writes rows whose ids are known: creates, updates and deletes, each with one statement. Returns
 * the written rows with their ids, in any order, and whether each of them changed.
 *
 * In a session that imports, new rows may also have values for the columns of
 * crm_private.imported_columns. No role may write these columns, so triggers read them from the
 * setting crm.bulk_stamps.
 *
 * If a trigger fires for a column that a statement names, the statement names the column only for
 * rows that have a value for it: a probability that was given differs from one that stays the same.
 * A row that would not change is not written, unless such a column is given for it. It costs a
 * fifth of an update.
 *
 * A row that the validation refuses is recorded and left out (crm_private.refuse_row). Rows are
 * formed one after the other, and until the next one the setting crm.bulk_row has the place of the
 * current one, for the validation and for what is returned of it. Triggers that fire during a
 * statement plan as usual.
 */
create or replace function crm_private.apply_rows(p_table regclass, p_rows crm_private.bulk_row[])
returns setof crm_private.written_row
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = auto
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can. The checker
-- cannot see that they write.
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
    order by attribute.attname::text
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
        'with patched as materialized (
           select
             input.place, found.version as old_version, %3$s,
             $4 or filled *<> found as is_written
           from unnest($1) as input
           join %1$s as found on found.id = input.id
           cross join lateral jsonb_populate_record(found, input.item) as filled
           where input.operation = ''update''
             and not input.item ?| $2
             and input.item ?& $3
         ),
         written as (
           update %1$s as record
           set %2$s
           from patched
           where record.id = patched."#id" and patched.is_written
           returning patched.place, record.id, record.version <> patched.old_version as changed
         )
         select place, id, ''update'', changed from written
         union all
         select place, "#id", ''update'', false from patched where not is_written',
        p_table,
        string_agg(format('%1$I = patched.%1$I', name), ', '),
        string_agg(format('filled.%I', name), ', ') || ', found.id as "#id"'
      )
      from unnest(crm_private.written_columns(p_table, 'update')) as name
      where name::text <> all (v_absent)
    ) using
      p_rows,
      v_absent,
      array(select name from unnest(v_named) as name where name <> all (v_absent)),
      v_absent <> v_named or coalesce(current_setting('crm.refusing', true) = 'on', false);
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
  'Writes the rows of a bulk write, whose ids are known.';

revoke all on function crm_private.apply_rows(regclass, crm_private.bulk_row[]) from public;
grant execute on function crm_private.apply_rows(regclass, crm_private.bulk_row[]) to crm_member;
--! EndIncluded functions/bulk/apply_rows.sql
--! Included functions/common/refresh_statistics.sql
/*
 * Rebuilds the planner's statistics of a table. They contain its most common values and values at
 * regular intervals, some of which may have been erased. Without this, a table that is now empty
 * would retain its old statistics; from PostgreSQL 18 on they can be cleared. Called by
 * crm_private.erase_contact.
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
  'Rebuilds the planner''s statistics of a table, without values that it no longer contains.';

revoke all on function crm_private.refresh_statistics(regclass) from public;
--! EndIncluded functions/common/refresh_statistics.sql
--! Included functions/common/refuse_argument.sql
/*
 * Raises a check_violation for an argument of a function of the API, in the form of the error of a
 * faulty column. The error names no table, because an argument belongs to none. Never returns; its
 * type is text so that it can be the last argument of coalesce.
 */
create or replace function crm_private.refuse_argument(
  p_argument   text,
  p_message    text,
  p_constraint text,
  p_hint       text default null
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
          schema     = 'crm',
          constraint = p_constraint,
          detail     = jsonb_build_object(p_argument, jsonb_build_array(p_message))::text,
          hint       = coalesce(p_hint, format('Repeat the call with another %s.', p_argument));
end
$$;

comment on function crm_private.refuse_argument(text, text, text, text) is
  'Raises an error for an argument of a function, with a message by its name.';

revoke all on function crm_private.refuse_argument(text, text, text, text) from public;
grant execute on function crm_private.refuse_argument(text, text, text, text) to crm_reader;
--! EndIncluded functions/common/refuse_argument.sql
--! Included functions/history/logged_field.sql
/*
 * Returns the name of a field in the audit log: company_id for companyId and company_id,
 * custom_fields.size for customFields.size and custom_fields.size. A custom field need not be
 * defined: it may have been defined once. Raises for other names. Called by functions that have a
 * field as an argument.
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
  'Returns the name of a field in the audit log; raises for an unknown field.';

revoke all on function crm_private.logged_field(text, text) from public;
grant execute on function crm_private.logged_field(text, text) to crm_reader;
--! EndIncluded functions/history/logged_field.sql
--! Included functions/history/field_history.sql
/*
 * Returns the values that a field had, from the audit log. Runs with the caller's rights: the
 * policy of the audit log decides which entries count.
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
  order by period.id desc;
$$;

comment on function crm.field_history(text, uuid, text) is
  'Returns every value that a field of a row had, newest first, with its period, the user who set '
  'it, and the source of the change. entityType is contact, company, deal, task, note, '
  'custom_field_definition, pipeline_stage or exchange_rate; a custom field is '
  'customFields.<name>.';

revoke all on function crm.field_history(text, uuid, text) from public;
grant execute on function crm.field_history(text, uuid, text) to crm_reader;
--! EndIncluded functions/history/field_history.sql
--! Included functions/undo/refuse_broken_link.sql
/*
 * Raises for a reversal that violated a foreign key, with the field and the value that references a
 * row that does not exist: PostgreSQL's own error has them only in its message, which no client
 * gets. Returns if nothing in the plan is at fault, for example if a row is still referenced.
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
          hint       = 'Restore the row that it references first.';
end
$$;

comment on function crm_private.refuse_broken_link(text) is
  'Raises for a reversal that violated a foreign key, with the field and its value.';

revoke all on function crm_private.refuse_broken_link(text) from public;
--! EndIncluded functions/undo/refuse_broken_link.sql
--! Included functions/undo/refuse_conflicts.sql
/* Raises for an undo of values that were changed since, with the list of conflicts. */
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
      'a row was changed since'
    )
    using errcode    = 'CRM02',
          schema     = 'crm', table = 'audit_logs', column = 'changes',
          constraint = 'audit_logs_changes_current',
          detail     = jsonb_build_object('count', p_count, 'conflicts', p_conflicts)::text,
          hint       = 'Undo the later changes first, or leave them with SKIP; administrators can '
                       'overwrite them with FORCE.';
end
$$;

comment on function crm_private.refuse_conflicts(bigint, jsonb) is
  'Raises for an undo of values that were changed since, with the list of conflicts.';

revoke all on function crm_private.refuse_conflicts(bigint, jsonb) from public;
--! EndIncluded functions/undo/refuse_conflicts.sql
--! Included functions/custom_fields/refuse_definition.sql
/*
 * Raises a check_violation for an argument of a function about a definition, with a message by its
 * name. Called by crm_private.rename_custom_field_value.
 */
create or replace function crm_private.refuse_definition(
  p_argument   text,
  p_column     text,
  p_message    text,
  p_constraint text,
  p_hint       text
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'custom_field_definitions: % %', p_argument, p_message
    using errcode    = 'check_violation',
          schema     = 'crm', table = 'custom_field_definitions', column = p_column,
          constraint = p_constraint,
          detail     = jsonb_build_object(p_argument, jsonb_build_array(p_message))::text,
          hint       = p_hint;
end
$$;

comment on function crm_private.refuse_definition(text, text, text, text, text) is
  'Raises an error for an argument of a function about a definition.';

revoke all on function crm_private.refuse_definition(text, text, text, text, text) from public;
--! EndIncluded functions/custom_fields/refuse_definition.sql
--! Included functions/duplicates/refuse_entity_type.sql
/*
 * Raises a check_violation for an entity type other than contact and company. Called by
 * crm.find_duplicates and crm.duplicate_groups.
 */
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
          detail     = '{"entityType": ["must be contact or company"]}',
          hint       = 'Repeat the query with entity type contact or company.';
end
$$;

comment on function crm_private.refuse_entity_type(text) is
  'Raises an error for an entity type other than contact and company.';

revoke all on function crm_private.refuse_entity_type(text) from public;
grant execute on function crm_private.refuse_entity_type(text) to crm_reader;
--! EndIncluded functions/duplicates/refuse_entity_type.sql
--! Included functions/validation/refuse_faults.sql
/*
 * Raises for an invalid row, given as jsonb, with all its faults at once: the detail is an object
 * of messages by field, in the client's words. Does nothing if the row is valid. Called by
 * crm_private.refuse_row, and for rows that are only proposed.
 *
 * A function that writes several rows of one input sets crm.path to the place of the row in it:
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
            detail     = v_fields::text,
            hint       = 'Correct every field that the detail lists, then write the row again.';
  end if;
end
$$;

comment on function crm_private.refuse_faults(regclass, jsonb) is
  'Raises for an invalid row, with all its faults; does nothing if the row is valid.';

revoke all on function crm_private.refuse_faults(regclass, jsonb) from public;
--! EndIncluded functions/validation/refuse_faults.sql
--! Included functions/common/refuse_missing.sql
/*
 * Raises no_data_found for ids that no row has, or no row that the caller can see; the error does
 * not distinguish the two. The detail lists all of them. Called by functions that take ids.
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
    using errcode    = 'no_data_found',
          schema     = 'crm',
          constraint = 'argument_found',
          detail     = jsonb_build_object(
                         'entityType', p_entity_type, 'ids', array_replace(p_ids, null, 'null')
                       )::text,
          hint       = 'Pass the ids of rows that exist and that your role can read.';
end
$$;

comment on function crm_private.refuse_missing(text, text[]) is
  'Raises an error for ids that no row has, or no row that the caller can see.';

revoke all on function crm_private.refuse_missing(text, text[]) from public;
grant execute on function crm_private.refuse_missing(text, text[]) to crm_reader;
--! EndIncluded functions/common/refuse_missing.sql
--! Included functions/common/refuse_null.sql
/* Raises a check_violation if an argument of a function of the API is null. */
create or replace function crm_private.refuse_null(p_argument text, p_value text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_value is null then
    perform crm_private.refuse_argument(
      p_argument, 'is required', 'argument_not_null',
      format('Repeat the call with a value for %s.', p_argument)
    );
  end if;
end
$$;

comment on function crm_private.refuse_null(text, text) is
  'Raises an error if an argument of a function is null.';

revoke all on function crm_private.refuse_null(text, text) from public;
--! EndIncluded functions/common/refuse_null.sql
--! Included functions/common/refuse_old_snapshot.sql
/*
 * Raises feature_not_supported in a transaction that cannot see what other transactions have
 * committed since it began. Called by functions that must find every value there is.
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
      using errcode    = 'feature_not_supported',
            schema     = 'crm',
            constraint = 'transaction_isolation_read_committed',
            hint       = 'Repeat the call in a read committed transaction.';
  end if;
end
$$;

comment on function crm_private.refuse_old_snapshot(text) is
  'Raises an error in a transaction that is not read committed.';

revoke all on function crm_private.refuse_old_snapshot(text) from public;
--! EndIncluded functions/common/refuse_old_snapshot.sql
--! Included functions/validation/refuse_row.sql
/*
 * Refuses an invalid row, given as jsonb, like crm_private.refuse_faults. Called by the trigger
 * that validates, for invalid rows only.
 *
 * If many rows are written at once, crm_private.write_rows sets crm.bulk. The row is then recorded
 * with its place, which is in crm.bulk_row, and the trigger skips it. This applies only to rows of
 * its own statements: invalid rows in their cascades are refused. An invalid row is never written.
 *
 * Security definer: it reads rules, definitions and referenced rows regardless of policies, and
 * records rows in a table that no one else writes.
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
  -- Called directly, it would reveal which ids exist, even of rows that policies hide.
  if pg_trigger_depth() = 0 then
    raise exception 'crm_private.refuse_row can only be called by triggers'
      using errcode    = 'insufficient_privilege',
            schema     = 'crm_private',
            constraint = 'refuse_row_trigger',
            hint       = 'Write the row instead: its trigger reports the faults.';
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

  -- The compiled rules refuse a row that the rules of the catalog accept. Either they are younger
  -- than the snapshot of this transaction, which must be repeated, or compile_rules was forgotten.
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'the rules of % changed since this transaction began', p_table
      using errcode    = 'serialization_failure',
            schema     = 'crm', table = v_table,
            constraint = v_table || '_rules_current',
            hint       = 'Repeat the transaction.';
  else
    raise exception 'crm_private.compile_rules was not called after a rule of % changed', p_table
      using errcode    = 'internal_error',
            schema     = 'crm', table = v_table,
            constraint = v_table || '_rules_compiled',
            hint       = format('As the owner, run select crm_private.compile_rules(%L).', p_table);
  end if;
end
$$;

comment on function crm_private.refuse_row(regclass, jsonb) is
  'Raises for an invalid row, with all its faults; in a bulk write, records the row instead.';

revoke all on function crm_private.refuse_row(regclass, jsonb) from public;
grant execute on function crm_private.refuse_row(regclass, jsonb) to crm_member;
--! EndIncluded functions/validation/refuse_row.sql
--! Included functions/imports/compile_copy_view.sql
/*
 * Creates the view through which rows are copied into a table: crm_private.<table>_copy, which
 * contains no rows, and whose trigger inserts into the table. PostgreSQL does not allow COPY FROM
 * into a table whose policies apply to the role. Through the view each row is an insert with the
 * rights of the role that copies: validation, stamps, the audit log and the policies apply as to
 * every insert.
 *
 * The view has the columns that members may set in a new row, with their defaults, and those that
 * administrators may set in an import. It references none of the table's columns, so that they can
 * be dropped. A table that members cannot insert into gets no view. Called by
 * crm_private.compile_rules, and so by every migration that changes a column.
 */
create or replace function crm_private.compile_copy_view(p_table regclass)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Defaults are expressions, which cannot be quoted like names and values.
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
    v_view, 'Accepts rows of crm.' || v_table || ' by COPY; contains none. Compiled.'
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

  -- Passes imported values to the triggers in a setting, as a bulk write does: no role may write
  -- these columns.
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
    v_function, 'Inserts a row that was copied into the view into its table. Compiled.'
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
  'Creates the view through which rows can be copied into a table.';

revoke all on function crm_private.compile_copy_view(regclass) from public;
--! EndIncluded functions/imports/compile_copy_view.sql
--! Included functions/validation/compile_rules.sql
/*
 * Compiles the validation of a table. All rules that need no other row become one function,
 * crm_private.<table>_hold, and a trigger calls it for every new or updated row. PostgreSQL plans
 * the function once per session as one expression, so a valid row costs neither a query nor a
 * look-up in the catalog. The rules of a column that is null, or an empty list, are skipped if they
 * hold for this value. An update that changes none of the columns whose rules call functions skips
 * these rules, which the row satisfies already. An invalid row is passed to crm_private.refuse_row,
 * which finds every fault, or records the row if many are written at once; in both cases the row is
 * not written.
 *
 * Also recreates the view through which rows are copied in, because it has the table's columns.
 *
 * Call it in the migration that changes a column or a constraint; a test finds where that was
 * forgotten. The constraints themselves apply in any case, one at a time.
 *
 * Security definer: the compiled objects must belong to the owner, even if a superuser migrates.
 */
create or replace function crm_private.compile_rules(p_table regclass)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are built from expressions, which cannot be quoted like names and values.
-- @plpgsql_check_options: security_warnings = off
declare
  v_table    text := (select relname::text from pg_class where oid = p_table);
  v_hold     text := format('crm_private.%I', v_table || '_hold');
  v_validate text := format('crm_private.%I', v_table || '_validate');
  v_columns  text;
  v_values   text;
  v_rules    text;
  v_costly   text := 'true';
  v_changed  text;
  v_group    record;
  v_is_idle  boolean;
  v_checks   text;
begin
  select string_agg(condition, E'\nand ' order by ordinal)
  into v_rules
  from crm_private.rules
  where table_oid = p_table and kind = 'required';

  for v_group in
    select
      concat_ws(
        E'\nand ',
        -- Most texts are printable ASCII and begin with a visible character, so they satisfy these.
        format('(%I ~ ''^[!-~][ -~]*$'' or ', attname)
          || string_agg(checked.condition, E'\nand ' order by rule.constraint_name)
            filter (where checked.is_of_characters)
          || ')',
        string_agg(checked.condition, E'\nand ' order by rule.constraint_name)
          filter (where not checked.is_of_characters)
      ) as conditions,
      -- A test of the value of a column that has none.
      case
        when cardinality(con.conkey) > 1 then null
        when not attnotnull then format('%I is null', attname)
        when typcategory = 'A' then format('cardinality(%I) = 0', attname)
      end as test,
      format(
        case when attnotnull then '''{}''::%s as %I' else 'null::%s as %I' end,
        format_type(atttypid, null), attname
      ) as value
    from crm_private.rules as rule
    join pg_attribute on attrelid = p_table and attnum = rule.ordinal
    join pg_type on pg_type.oid = atttypid
    join pg_constraint as con on conrelid = p_table and conname = rule.constraint_name
    cross join lateral (
      select
        format('coalesce(%s, true)', rule.condition) as condition,
        rule.condition ~ '^\(?(NOT )?crm_private\.is_(blank|legible|printable)\(\w+\)\)?$'
          as is_of_characters
    ) as checked
    where rule.table_oid = p_table and rule.kind = 'check'
    group by attnum, attname, attnotnull, atttypid, typcategory, cardinality(con.conkey) > 1
    order by attnum
  loop
    v_is_idle := false;
    if v_group.test is not null then
      execute format('select %s from (select %s) as item', v_group.conditions, v_group.value)
      into v_is_idle;
    end if;
    v_checks := format(
      case when v_is_idle then E'\nand (%s or %s)' else E'\nand %2$s' end,
      v_group.test, v_group.conditions
    );
    if v_group.conditions ~ '\mcrm\w*\.|\mjsonb_path' then
      v_costly := v_costly || v_checks;
    else
      v_rules := v_rules || v_checks;
    end if;
  end loop;

  if to_regprocedure(format('crm_private.%I(jsonb)', v_table || '_custom_fields_hold')) is not null
  then
    v_costly := v_costly
      || format(E'\nand crm_private.%I(custom_fields)', v_table || '_custom_fields_hold');
  end if;
  v_rules := v_rules || format(E'\nand (not p_is_changed or %s)', v_costly);

  select
    string_agg(format('%I %s', attname, format_type(atttypid, null)), ', ' order by attnum),
    string_agg(format('new.%I', attname), ', ' order by attnum),
    coalesce(
      string_agg(format('new.%1$I is distinct from old.%1$I', attname), ' or ' order by attnum)
        filter (where v_costly ~ ('\m' || attname || '\M')),
      'false'
    )
  into v_columns, v_values, v_changed
  from pg_attribute
  where attrelid = p_table and attnum > 0 and not attisdropped and attgenerated = ''
    and v_rules ~ ('\m' || attname || '\M');

  -- The arguments are columns of the table, so the function is dropped and created again.
  execute coalesce(
    (
      select format('drop function %s', proc.oid::regprocedure)
      from pg_proc as proc
      where proc.pronamespace = 'crm_private'::regnamespace and proc.proname = v_table || '_hold'
    ),
    'select'
  );
  execute format(
    'create function %s(%s, p_is_changed boolean) returns boolean language plpgsql stable '
    'parallel safe set search_path = pg_catalog, pg_temp as %L',
    v_hold, v_columns, format(
      E'-- Whether it could be immutable depends on the rules that it consists of.\n'
      '-- @plpgsql_check_options: performance_warnings = off\n'
      'begin\n  return %s;\nend',
      v_rules
    )
  );
  execute format(
    'comment on function %s is %L',
    v_hold,
    'Returns true if a row satisfies every rule that needs no other row; if p_is_changed is false, '
      || 'without the rules that call functions. Compiled.'
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
  -- crm.refusing is on if all faults of rows that cannot be written are to be found.
  if not %s(%s, tg_op = 'INSERT' or %s) or current_setting('crm.refusing', true) = 'on' then
    perform crm_private.refuse_row(tg_relid, to_jsonb(new));
    return null;
  end if;
  return new;
end
$validate$
    $function$,
    v_validate, v_hold, v_values, v_changed
  );
  execute format(
    'comment on function %s() is %L', v_validate, 'Refuses a row that violates a rule. Compiled.'
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
  'Creates the trigger that validates the rows of a table, compiled from its constraints.';

revoke all on function crm_private.compile_rules(regclass) from public;
--! EndIncluded functions/validation/compile_rules.sql
--! Included functions/bulk/refuse_rows.sql
/*
 * Refuses a bulk write: raises one error whose detail lists the faults of all rows. Its condition
 * is that of the faults, if they have one in common. Called by crm_private.write_rows.
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
    using errcode    = case
                         when v_codes = '{NOT_FOUND}'            then 'P0002'
                         when v_codes = '{CONFLICT}'             then 'CRM01'
                         when v_codes = '{CONSTRAINT_VIOLATION}' then '23000'
                         else '23514'
                       end,
          schema     = 'crm', table = v_table,
          constraint = 'write_rows_rows_valid',
          detail     = jsonb_build_object('faults', p_faults)::text,
          hint       = 'Correct the rows in the detail, or write the others in mode VALID_ONLY.';
end
$$;

comment on function crm_private.refuse_rows(regclass, bigint, jsonb) is
  'Raises the error of a bulk write, with the faults of all its rows.';

revoke all on function crm_private.refuse_rows(regclass, bigint, jsonb) from public;
grant execute on function crm_private.refuse_rows(regclass, bigint, jsonb) to crm_member;
--! EndIncluded functions/bulk/refuse_rows.sql
--! Included functions/external_ids/refuse_taken_external_ids.sql
/*
 * Raises if rows of an entity type have an external id of another row. The detail lists the
 * position of each such id in externalIds, but not the other row. Returns if there is none. Called
 * only after a duplicate key was found, so its cost does not matter.
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
          detail     = v_fields::text,
          hint       = 'Update the row that has the external id, or use another one.';
end
$$;

comment on function crm_private.refuse_taken_external_ids(text, uuid[]) is
  'Raises if rows have an external id of another row.';

revoke all on function crm_private.refuse_taken_external_ids(text, uuid[]) from public;
--! EndIncluded functions/external_ids/refuse_taken_external_ids.sql
--! Included functions/validation/refuse_update.sql
/*
 * Refuses an update of a row, given as jsonb before and after. Raises check_violation if it changes
 * the id. Otherwise raises CRM01, because it has another version than the row; the detail has the
 * present version. Called by the triggers that stamp, for such updates only.
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
            detail     = '{"id": ["cannot be changed"]}',
            hint       = 'Leave the id out of the update.';
  end if;

  raise exception '% % was changed since: it has version %, not %',
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
          hint       = 'Read the row again and repeat the change with its present version.';
end
$$;

comment on function crm_private.refuse_update(text, text, jsonb, jsonb) is
  'Refuses an update with another id or an outdated version, given the row before and after.';

revoke all on function crm_private.refuse_update(text, text, jsonb, jsonb) from public;
grant execute on function crm_private.refuse_update(text, text, jsonb, jsonb) to crm_member;
--! EndIncluded functions/validation/refuse_update.sql
--! Included functions/custom_fields/rename_custom_field_value.sql
/*
 * Renames a value of an enum or a multi_enum: in its definition, including the default, and in
 * every row that has it, in one statement. These are updates: they raise the version, and the audit
 * log records them under the name of the caller. Raises if the field or the value is not defined,
 * or if the new value is.
 *
 * The definition allows both names while the rows change, so the audit log has two entries for it.
 * Undoing the transaction takes the same two steps in reverse.
 *
 * Security definer: it changes rows regardless of the policies that hide them.
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
      'name', 'name', 'is not a custom field of this entity type',
      'custom_field_definitions_name_known',
      'Pass a name that crm.custom_field_definitions lists for the entity type.'
    );
  elsif (old_value = any (v_definition.enum_values)) is not true then
    perform crm_private.refuse_definition(
      'oldValue', 'enum_values',
      crm_private.fault_message('%s is not a value of this field', to_jsonb(old_value)),
      'custom_field_definitions_enum_values_known',
      'Pass one of the enum_values of the definition.'
    );
  elsif new_value = any (v_definition.enum_values) then
    perform crm_private.refuse_definition(
      'newValue', 'enum_values',
      crm_private.fault_message('%s is a value of this field already', to_jsonb(new_value)),
      'custom_field_definitions_enum_values_distinct',
      'Pass a value that is not one of the enum_values of the definition.'
    );
  end if;

  -- The new value must satisfy the rules of a definition.
  select fault.* into v_fault
  from crm_private.row_faults(
    'crm.custom_field_definitions',
    array[
      to_jsonb(v_definition) || jsonb_build_object('enum_values', jsonb_build_array(new_value))
    ]
  ) as fault
  where starts_with(fault.field, 'enumValues');

  if found then
    perform crm_private.refuse_definition(
      'newValue', 'enum_values', v_fault.message, v_fault.constraint_name,
      'Pass a value that satisfies the rules of enum_values.'
    );
  end if;

  update crm.custom_field_definitions as definition
  set enum_values = enum_values || new_value
  where definition.id = v_definition.id;

  -- Replaces the value in a list of values, or a single value.
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
  'Implements crm.rename_custom_field_value with the rights of the owner.';

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
  'Renames a value of a custom field of type enum or multi_enum, in the definition and in every '
  'row that has it. For administrators.';

revoke all on function crm.rename_custom_field_value(text, text, text, text) from public;
grant execute on function crm.rename_custom_field_value(text, text, text, text) to crm_admin;
--! EndIncluded functions/custom_fields/rename_custom_field_value.sql
--! Included functions/custom_fields/report_columns.sql
/*
 * Returns the columns of the report of an entity type, without custom fields.
 * crm_private.compile_report creates reporting.contacts, reporting.companies and reporting.deals
 * from them; the expressions use the names of its from clause. The report of another entity has the
 * columns of its table that readers can read, except the technical ones (the version, the search
 * document and the like).
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
      ('contact', 5, 'email', 'contact.emails[1]', 'The first email address; null if none.'),
      ('contact', 6, 'emails', 'contact.emails', 'All email addresses.'),
      ('contact', 7, 'phone', 'contact.phones[1]', 'The first phone number; null if none.'),
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
      ('deal', 11, 'probability', 'deal.probability', 'The probability of winning it, 0 to 100.'),
      ('deal', 12, 'close_date', 'deal.close_date', 'The expected close date.'),
      ('deal', 13, 'owner_id', 'deal.owner_id', 'The user who owns the deal.'),
      ('deal', 14, 'created_at', 'deal.created_at', 'When the deal was created.'),
      ('deal', 15, 'created_by', 'deal.created_by', 'Who created it.'),
      ('deal', 16, 'updated_at', 'deal.updated_at', 'When it was changed last.'),
      ('deal', 17, 'updated_by', 'deal.updated_by', 'Who changed it last.'),
      ('deal', 18, 'closed_at', 'deal.closed_at', 'When it was won or lost; null if it is open.'),
      ('deal', 19, 'lost_reason', 'deal.lost_reason', 'Why it was lost; null if not given.'),
      ('deal', 20, 'probability_given', 'deal.probability_given',
        'True if a user set the probability, false if it is that of the stage.')
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
  'Returns the columns of the report of an entity type, without custom fields.';

revoke all on function crm_private.report_columns(text) from public;
--! EndIncluded functions/custom_fields/report_columns.sql
--! Included functions/undo/refuse_irreversible.sql
/*
 * Raises if the changes of an entity type cannot be undone. Called by the functions that take an
 * entity type and undo or restore.
 */
create or replace function crm_private.refuse_irreversible(p_entity_type text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not crm_private.is_reversible(p_entity_type) then
    perform crm_private.refuse_argument(
      'entityType',
      crm_private.fault_message('%s is not one of ', to_jsonb(p_entity_type)) || (
        select string_agg(entity_type, ', ' order by restore_order)
        from crm_private.entity_types
        where restore_order is not null
      ),
      'audit_logs_entity_type_known'
    );
  end if;
end
$$;

comment on function crm_private.refuse_irreversible(text) is
  'Raises if the changes of an entity type cannot be undone.';

revoke all on function crm_private.refuse_irreversible(text) from public;
--! EndIncluded functions/undo/refuse_irreversible.sql
--! Included functions/undo/restore_deleted.sql
/*
 * Restores a deleted row and what its deletion took: the rows that were deleted by cascade, and the
 * links that were set to null. A link that references another row by now stays unchanged. Reports
 * such links, and values that differ from before because something that they reference is gone or
 * was changed. Raises if the row exists, or was never deleted.
 *
 * Security definer: it reads the whole audit log, and restores rows under their own ids, which no
 * role may write. crm_private.carry_out_reversal checks that the caller could make the same changes
 * manually.
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

  perform crm_private.refuse_irreversible(entity_type);

  select log.* into v_deletion
  from crm.audit_logs as log
  where log.entity_id = restore_deleted.id
    and log.entity_type = restore_deleted.entity_type
    and log.action = 'delete'
  order by log.id desc
  limit 1;

  -- Two that restore the same run one after the other, so that the second sees the restored row.
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
            detail     = '{"id": ["is not deleted, or was restored already"]}',
            hint       = 'Read the row; it needs no restoring.';
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
  'Implements crm.restore_deleted with the rights of the owner.';

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
  'Restores a deleted row from the trash under its own id, with everything that its deletion '
  'took: the rows that were deleted with it, and the links to it that were set to null, unless '
  'they reference another row by now. A reference to a row that was renamed or merged since '
  'follows it; a reference to a row that is gone is left out. kept lists what differs from before '
  'the deletion. entityType is contact, company, deal, task, note, custom_field_definition, '
  'pipeline_stage or exchange_rate.';

revoke all on function crm.restore_deleted(text, uuid) from public;
grant execute on function crm.restore_deleted(text, uuid) to crm_member;
--! EndIncluded functions/undo/restore_deleted.sql
--! Included functions/undo/reversal_conflicts.sql
/*
 * Returns where the rows of an entity type differ from what a planned reversal expects: a field has
 * another value, a row was deleted or restored (field id), or something was attached since to a row
 * that is to be deleted. The rows must be locked.
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
-- Its statements are built from others, in which names and values are quoted already; plpgsql_check
-- cannot see that, nor what they return.
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
        -- A value that follows from the stage is no later change.
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

  -- Rows that reference a row to delete, and would be deleted or lose their link.
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

  -- A stage that has deals cannot be deleted.
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

  -- The values of a definition are deleted with it.
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
  'Returns where the rows of an entity type differ from what a planned reversal expects.';

revoke all on function crm_private.reversal_conflicts(text) from public;
--! EndIncluded functions/undo/reversal_conflicts.sql
--! Included functions/undo/reverse_rows.sql
/*
 * Carries out what is planned for the rows of an entity type, in one statement: restores rows
 * (insert), puts fields back (update), or deletes rows (delete). Returns the number of rows.
 * prepare is an update of those definitions that were changed after the values of their field;
 * until the update they still allow the list values that the rows have.
 *
 * A restored row gets every column that it had; a column that was added since gets its default.
 * Rows that exist already are left to the update.
 */
create or replace function crm_private.reverse_rows(p_entity_type text, p_operation text)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are built from expressions, which cannot be quoted like names and values;
-- plpgsql_check cannot see that they write.
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
            -- Rows get their values after the definition, so the field is not required until then.
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
        and attname <> all (crm_private.derived_columns())
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
                  -- A field without a list had none before either.
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
  'Inserts, updates or deletes the rows of an entity type according to a planned reversal.';

revoke all on function crm_private.reverse_rows(text, text) from public;
--! EndIncluded functions/undo/reverse_rows.sql
--! Included functions/access/revoke_api_key.sql
/*
 * Revokes an API key: the next request with it is refused. A key that is already revoked stays
 * unchanged. Raises if the id is null or no key has it.
 *
 * Security definer: clients cannot write the table.
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
      using errcode    = 'not_null_violation',
            schema     = 'crm', table = 'api_keys', column = 'id',
            constraint = 'api_keys_id_not_null',
            detail     = '{"id": ["is required"]}',
            hint       = 'Pass the id of an API key; crm.api_keys lists them.';
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
  'Implements crm.revoke_api_key with the rights of the owner.';

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
  'Revokes an API key: the next request with it is refused. A revocation cannot be undone.';

revoke all on function crm.revoke_api_key(uuid) from public;
grant execute on function crm.revoke_api_key(uuid) to crm_admin;
--! EndIncluded functions/access/revoke_api_key.sql
--! Included functions/history/row_as_of.sql
/*
 * Returns a row as it was at an instant, as jsonb; null if it did not exist then. p_current is the
 * present row, null if it was deleted. Called by the functions crm.<entity type>_as_of.
 * search_document and match_keys are null: the past is not searched, also not for duplicates.
 *
 * It works backwards: from the present row, or from the first deletion after the instant, it
 * reverts every later update. So it needs the audit log from that instant on and no earlier, and
 * old months can be archived. Raises if the instant is before the audit log, or if an entry that it
 * needs has been erased, unless that is a deletion.
 *
 * Runs with the caller's rights: a role that can read the history of a row can read what follows
 * from it.
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
    raise exception '% % at % cannot be reconstructed: the audit log begins at %',
        p_entity_type, p_entity_id, p_at, crm.audit_log_kept_since()
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'timestamp',
            constraint = 'audit_logs_timestamp_retired',
            detail     = '{"at": ["is before what the audit log still has"]}',
            hint       = 'Choose an instant from crm.audit_log_kept_since() on.';
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

  -- The entry of a purged deletion has no values any more, but earlier entries still have theirs.
  if v_row = '{}' then
    return crm_private.completed_row(
      crm_private.entity_table(p_entity_type),
      crm_private.row_from_creation(p_entity_type, p_entity_id, p_at)
    );
  end if;

  -- The first later change of a field has the value of then; further ones do not matter.
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
    raise exception '% % at % cannot be reconstructed: entry % of the audit log has been erased',
        p_entity_type, p_entity_id, p_at, v_erased
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'changes',
            constraint = 'audit_logs_changes_erased',
            detail     = '{"at": ["is before values that have been erased for good"]}',
            hint       = 'Choose an instant after the entries that have been erased.';
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
    raise exception '% % at % cannot be reconstructed: the audit log does not go back that far',
        p_entity_type, p_entity_id, p_at
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'timestamp',
            constraint = 'audit_logs_timestamp_retired',
            detail     = '{"at": ["is before what the audit log still has"]}',
            hint       = 'Choose a later instant.';
  end if;

  return v_row || jsonb_build_object(
    'version', (v_row ->> 'version')::integer - v_updates,
    'updated_at', v_stamp.updated_at,
    'updated_by', v_stamp.updated_by
  );
end
$$;

comment on function crm_private.row_as_of(text, uuid, timestamptz, jsonb) is
  'Returns a row as it was at an instant; null if it did not exist then.';

revoke all on function crm_private.row_as_of(text, uuid, timestamptz, jsonb) from public;
grant execute on function crm_private.row_as_of(text, uuid, timestamptz, jsonb) to crm_reader;
--! EndIncluded functions/history/row_as_of.sql
--! Included views/crm_private/stage_names.sql
/*
 * The names of stages over time: which stage each name meant, and from which audit log entry on.
 * Deals and their entries refer to a stage by its name; this view resolves it. When a stage is
 * renamed, the cascade to its deals follows the entry of the stage. So an entry's new name is
 * looked up as of the entry, and so is its old name: until another stage takes a name, it means the
 * stage that last had it. If one statement renames several stages, another one may have taken the
 * old name before the cascade: until_transaction_id is the transaction that did so.
 *
 * Readers may read it, because the entries of deals that they may read contain names of stages.
 */
create or replace view crm_private.stage_names as
  with told as (
    select
      log.id,
      log.entity_id,
      log."timestamp",
      log.transaction_id,
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
    select entity_id as stage_id, name, id as since, "timestamp" as since_at, transaction_id
    from told
    where name is not null

    union all

    -- Names from before the audit log begins.
    select entity_id, former, 0, '-infinity', null
    from told
    where is_first and former is not null

    union all

    select stage.id, stage.name, 0, '-infinity', null
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
    lead(named.since_at) over (partition by named.name order by named.since)  as until_at,
    lead(named.transaction_id) over (partition by named.name order by named.since)
                                                                              as until_transaction_id
  from named
  left join crm.pipeline_stages as stage on stage.id = named.stage_id;

comment on view crm_private.stage_names is
  'Which stage a name meant, from one audit log entry to another, and the current name of that '
  'stage, or its last name if the stage was deleted.';

grant select on crm_private.stage_names to crm_reader;
--! EndIncluded views/crm_private/stage_names.sql
--! Included functions/history/stage_now.sql
/*
 * Returns the present name of the stage that had a name at an instant; the given name if the audit
 * log does not show it. Called for rows of the past, so that they reference a stage under its
 * present name.
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
  'Returns the present name of the stage that had a name at an instant.';

revoke all on function crm_private.stage_now(text, timestamptz) from public;
grant execute on function crm_private.stage_now(text, timestamptz) to crm_reader;
--! EndIncluded functions/history/stage_now.sql
--! Included functions/history/compile_history.sql
/*
 * Compiles the API functions for the past of an entity: crm.<table>_history,
 * crm.<table>_field_history and crm.<table>_history_is_complete of a row, and
 * crm.<entity type>_as_of. An entity whose changes cannot be undone has only the history.
 *
 * All of them run with the caller's rights, and are granted to the roles that can read the table.
 */
create or replace function crm_private.compile_history(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are built from expressions, which cannot be quoted like names and values.
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
  order by audit_log.id desc;
$body$,
            case
              when v_type.is_mergeable
              then format('any (crm_private.merged_ids(%L, record.id))', p_entity_type)
              else 'record.id'
            end
          ),
          case
            when v_type.is_mergeable
            then 'The audit log entries of the row and of rows that were merged into it, newest '
              'first. entityId is the row that an entry is about.'
            else 'The audit log entries of the row, newest first.'
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
          'Every value that a field of the row had, newest first, with its period, the user who '
          'set it, and the source of the change.' || case
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
          'True if the history has every change of the row. If false, changes before '
          'auditLogKeptSince have been archived.'
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
            -- A deal references its stage by name, so it gets the present name of the stage.
            case p_entity_type
              when 'deal'
              then 'was.row || jsonb_build_object(''stage'', crm_private.stage_now(was.row ->> ''stage'', $2))'
              else 'was.row'
            end
          ),
          format(
            'The %s as it was at an instant, with every column%s; null if it did not exist then.',
            replace(p_entity_type, '_', ' '),
            case when v_type.has_custom_fields then ' and custom field' else '' end
          )
          || case
            when exists (
              select from pg_constraint
              where contype = 'f' and v_type.entity_table in (conrelid, confrelid)
            )
            then ' Of related rows it has the ids.'
            else ''
          end
          || case p_entity_type when 'deal' then ' The stage has its present name.' else '' end
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
  'Creates the API functions for the past of an entity.';

revoke all on function crm_private.compile_history(text) from public;

select crm_private.compile_history(entity_type) from crm_private.entity_types;
--! EndIncluded functions/history/compile_history.sql
--! Included views/crm_private/clock.sql
/*
 * The time zone of the days by which reports group and compare, and the current day there: the time
 * zone of the session if it sets one, otherwise that of the installation. One row. It is not a
 * function, because a view calls functions with the rights of the role that reads the view.
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
  'The time zone in which days begin and end, and the current day there.';
--! EndIncluded views/crm_private/clock.sql
--! Included views/crm_private/live_former_fields.sql
/*
 * The former names of custom fields that have not expired, with the present name of their field:
 * null if it was deleted. The dates are days in the time zone of the installation. Readable by all,
 * because triggers read it with the rights of the writer.
 */
create or replace view crm_private.live_former_fields as
  select
    former.entity_type,
    former.name,
    former.field_name,
    former.definition_id,
    coalesce(definition.field_type, former.field_type) as field_type,
    definition.name as current_name,
    former.ended_at,
    (former.ended_at at time zone setting.time_zone)::date as ended_on,
    (expiry.at at time zone setting.time_zone)::date as expires_on
  from crm_private.former_custom_fields as former
  cross join crm_private.settings as setting
  cross join lateral (
    select former.ended_at + make_interval(days => setting.former_field_retention_days)
  ) as expiry (at)
  left join crm.custom_field_definitions as definition on definition.id = former.definition_id
  where expiry.at > now();

comment on view crm_private.live_former_fields is
  'The former names of custom fields that clients may still use.';

grant select on crm_private.live_former_fields to crm_reader;
--! EndIncluded views/crm_private/live_former_fields.sql
--! Included functions/settings/time_zone.sql
/*
 * Returns the time zone that decides when a day begins: that of the request or session
 * (crm.time_zone), or else that of the installation. Views read crm_private.clock instead.
 *
 * Security definer: only the owner can read the table of settings.
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
  'Implements crm.time_zone with the rights of the owner.';

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
  E'@notNull\nReturns the time zone that decides when a day begins, by its IANA name: the one in '
  'the header Time-Zone of the request, or else that of the installation.';

revoke all on function crm.time_zone() from public;
grant execute on function crm.time_zone() to crm_reader;
--! EndIncluded functions/settings/time_zone.sql
--! Included functions/settings/today.sql
/* Returns the present date in the time zone of the request, or else of the installation. */
create or replace function crm.today()
returns date
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select (now() at time zone crm.time_zone())::date;
$$;

comment on function crm.today() is
  E'@notNull\nReturns the present date in the time zone of the request, or else of the '
  'installation.';

revoke all on function crm.today() from public;
grant execute on function crm.today() to crm_reader;
--! EndIncluded functions/settings/today.sql
--! Included functions/deals/in_base_currency.sql
/*
 * Converts an amount to the base currency at the rate of a day, exactly: callers that add amounts
 * up round the sum. For single amounts; reports convert with crm_private.conversions.
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
  'Converts an amount to the base currency, at the rate of a day (default: today), without '
  'rounding. Null if the currency has no rate for the day.';

revoke all on function crm.in_base_currency(numeric, text, date) from public;
grant execute on function crm.in_base_currency(numeric, text, date) to crm_reader;
--! EndIncluded functions/deals/in_base_currency.sql
--! Included functions/common/first_of.sql
/*
 * Returns the first of two values: the transition of the aggregate crm_private.first. Strict, so
 * that nulls are skipped.
 */
create or replace function crm_private.first_of(value jsonb, later jsonb)
returns jsonb
language sql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select value;
$$;

comment on function crm_private.first_of(jsonb, jsonb) is
  'Returns the first of two values: the transition of crm_private.first.';

revoke all on function crm_private.first_of(jsonb, jsonb) from public;
--! EndIncluded functions/common/first_of.sql
--! Included functions/common/first.sql
/*
 * The first value that is not null, in the order of the call: crm_private.first(value order by id).
 * An aggregate, because (array_agg(value order by id) filter (where value is not null))[1] takes
 * twice the time where there are many groups and fields. Called by crm_private.former_deals.
 */
create or replace aggregate crm_private.first(jsonb) (
  sfunc    = crm_private.first_of,
  stype    = jsonb,
  parallel = safe
);

comment on aggregate crm_private.first(jsonb) is
  'Returns the first value that is not null, in the order of the call.';

revoke all on function crm_private.first(jsonb) from public;
--! EndIncluded functions/common/first.sql
--! Included functions/deals/former_deals.sql
/*
 * Returns the deals that have changed since an instant, with the fields that reports add up or
 * group by as they were then: each that existed then and has a later entry in the audit log. The
 * other deals are still as they were.
 *
 * It works backwards like crm_private.row_as_of, but for all deals at once: a field has its old
 * value in the first later entry that changed it, otherwise its present value. A deal whose
 * deletion has been purged is reconstructed from its creation, as by crm_private.row_from_creation.
 *
 * told_by is the entry that tells the name of the stage, for crm_private.stage_names. A deal that
 * was restored only after the instant did not exist then, although it is older: existed is false.
 *
 * Raises if the instant is before the audit log begins, or before entries that have been erased.
 *
 * Called by crm_private.deals_as_of and crm_private.pipeline_as_of, with the owner's rights.
 */
create or replace function crm_private.former_deals(at timestamptz)
returns table (
  deal_id     uuid,
  existed     boolean,
  told_by     bigint,
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
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
  if at < crm.audit_log_kept_since() then
    raise exception 'the pipeline at % is not available: the audit log begins at %',
        at, crm.audit_log_kept_since()
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'timestamp',
            constraint = 'audit_logs_timestamp_retired',
            detail     = '{"at": ["is before what the audit log still has"]}',
            hint       = 'Pass a time that is not before crm.audit_log_kept_since().';
  end if;

  if exists (
    select
    from crm.audit_logs
    where entity_type = 'deal'
      and "timestamp" > at
      and erased_at is not null
      and action = 'update'
  ) then
    raise exception 'the pipeline at % is not available: later entries have been erased', at
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'changes',
            constraint = 'audit_logs_changes_erased',
            detail     = '{"at": ["is before values that have been erased for good"]}',
            hint       = 'Pass a time after the last erased change of a deal.';
  end if;

  return query
    with entries as (
      select
        log.entity_id,
        log.id,
        log.action,
        log.action = 'delete' and log.erased_at is not null as is_purged,
        was.*
      from crm.audit_logs as log
      -- An update has the old value of each field that it changed, a deletion the whole row.
      left join lateral (
        select
          coalesce(log.changes #> '{stage,old}', log.changes -> 'stage') as stage,
          coalesce(log.changes #> '{value,old}', log.changes -> 'value') as value,
          coalesce(log.changes #> '{currency,old}', log.changes -> 'currency') as currency,
          coalesce(log.changes #> '{probability,old}', log.changes -> 'probability') as probability,
          coalesce(log.changes #> '{close_date,old}', log.changes -> 'close_date') as close_date,
          coalesce(log.changes #> '{owner_id,old}', log.changes -> 'owner_id') as owner_id,
          coalesce(log.changes #> '{company_id,old}', log.changes -> 'company_id') as company_id
      ) as was on log.action <> 'create'
      where log.entity_type = 'deal'
        and log."timestamp" > at
        and (
          log.action <> 'update'
          or log.changes ?| array[
            'stage', 'value', 'currency', 'probability', 'close_date', 'owner_id', 'company_id'
          ]
        )
        -- Skips deals that were created later. In a year these are most of them.
        and not exists (
          select from crm.deals as young where young.id = log.entity_id and young.created_at > at
        )
    ),
    since as materialized (
      select
        entity_id,
        (array_agg(action order by id))[1] as first_action,
        bool_or(is_purged) as is_purged,
        min(id) filter (where stage is not null) as told_by,
        crm_private.first(stage order by id) as stage,
        crm_private.first(value order by id) as value,
        crm_private.first(currency order by id) as currency,
        crm_private.first(probability order by id) as probability,
        crm_private.first(close_date order by id) as close_date,
        crm_private.first(owner_id order by id) as owner_id,
        crm_private.first(company_id order by id) as company_id
      from entries
      group by entity_id
    ),
    -- The other deals need no history before the instant.
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
    )
    select
      since.entity_id,
      since.first_action <> 'create',
      coalesce(since.told_by, purged.told_by, 9223372036854775807),
      case
        when since.stage is not null then since.stage #>> '{}'
        else coalesce(deal.stage, purged.was ->> 'stage')
      end,
      case
        when since.value is not null then (since.value #>> '{}')::numeric
        else coalesce(deal.value, (purged.was ->> 'value')::numeric)
      end,
      case
        when since.currency is not null then since.currency #>> '{}'
        else coalesce(deal.currency, purged.was ->> 'currency')
      end,
      case
        when since.probability is not null then (since.probability #>> '{}')::integer
        else coalesce(deal.probability, (purged.was ->> 'probability')::integer)
      end,
      case
        when since.close_date is not null then (since.close_date #>> '{}')::date
        else coalesce(deal.close_date, (purged.was ->> 'close_date')::date)
      end,
      case
        when since.owner_id is not null then since.owner_id #>> '{}'
        else coalesce(deal.owner_id, purged.was ->> 'owner_id')
      end,
      case
        when since.company_id is not null then (since.company_id #>> '{}')::uuid
        else coalesce(deal.company_id, (purged.was ->> 'company_id')::uuid)
      end
    from since
    left join crm.deals as deal on deal.id = since.entity_id
    left join purged on purged.entity_id = since.entity_id;
end
$$;

comment on function crm_private.former_deals(timestamptz) is
  'Returns the deals that have changed since an instant, with their stages, values, dates and '
  'owners then.';

revoke all on function crm_private.former_deals(timestamptz) from public;
--! EndIncluded functions/deals/former_deals.sql
--! Included functions/deals/deals_as_of.sql
/*
 * Returns the deals that existed at an instant, each with the fields that reports add up or group
 * by. Its stage is returned with its id and its present name. Raises as crm_private.former_deals.
 *
 * Security definer: sums must not depend on which users can read the history of a deleted deal.
 * Called by views for analysts.
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
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
rows 100000
as $$
  with former as materialized (
    select * from crm_private.former_deals(at)
  ),
  told as (
    select
      deal.id, 9223372036854775807 as told_by, deal.stage, deal.value, deal.currency,
      deal.probability, deal.close_date, deal.owner_id, deal.company_id
    from crm.deals as deal
    where deal.created_at <= at
      and not exists (select from former where former.deal_id = deal.id)

    union all

    select deal_id, told_by, stage, value, currency, probability, close_date, owner_id, company_id
    from former
    where existed
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
$$;

comment on function crm_private.deals_as_of(timestamptz) is
  'Returns the deals that existed at an instant, with their stages, values, dates and owners then.';

revoke all on function crm_private.deals_as_of(timestamptz) from public;
grant execute on function crm_private.deals_as_of(timestamptz) to crm_reporter;
--! EndIncluded functions/deals/deals_as_of.sql
--! Included functions/deals/pipeline_as_of.sql
/*
 * Returns the pipeline as it was: the deals of each stage at an instant. It adds up the deals as
 * they are now, except those of crm_private.former_deals, which it adds as they were. Amounts in several currencies are not added up; they are returned by currency, and
 * in the base currency at the rates of the day. A stage that did not exist yet, but has imported
 * deals of that time, has its present position.
 *
 * Security definer: sums must not depend on which users can read the history of a deleted deal. The
 * result identifies no deal.
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
  with former as materialized (
    select deal_id, existed, told_by, stage, currency, value from crm_private.former_deals(at)
  ),
  -- Added up before their stages are named: they are many.
  told as (
    select
      9223372036854775807 as told_by,
      deal.stage,
      deal.currency,
      count(*)            as count,
      sum(deal.value)     as value
    from crm.deals as deal
    where deal.created_at <= at
      and not exists (select from former where former.deal_id = deal.id)
    group by deal.stage, deal.currency

    union all

    select told_by, stage, currency, 1, value
    from former
    where existed
  ),
  by_currency as (
    select
      named.stage_id,
      coalesce(named.stage, told.stage) as stage,
      told.currency,
      sum(told.count)                   as count,
      sum(told.value)                   as value
    from told
    left join crm_private.stage_names as named
      on named.name = told.stage
      and named.since <= told.told_by
      and (named.until is null or told.told_by < named.until)
    group by named.stage_id, coalesce(named.stage, told.stage), told.currency
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
    coalesce(stages.position, present.position),
    coalesce(totals.count, 0),
    case when totals.count is null then 0.00 else totals.value end,
    coalesce(totals.value_by_currency, '{}'),
    case when totals.count is null then 0.00 else totals.value_in_base_currency end,
    coalesce(stages.id, totals.stage_id),
    coalesce(stages.name, totals.stage)
  from stages
  full join totals on totals.stage_id = stages.id
  left join crm.pipeline_stages as present on present.id = totals.stage_id
  order by 2 nulls last, 1;
$$;

comment on function crm_private.pipeline_as_of(timestamptz) is
  'Implements crm.pipeline_as_of with the rights of the owner.';

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
  'The pipeline as it was at an instant: the number and the value of the deals in each stage.';

revoke all on function crm.pipeline_as_of(timestamptz) from public;
grant execute on function crm.pipeline_as_of(timestamptz) to crm_reader;
--! EndIncluded functions/deals/pipeline_as_of.sql
--! Included functions/validation/row_faults.sql
/*
 * Returns every fault of each of some rows of a table, given as jsonb, with the position of the row
 * from 1: the violated rules of crm_private.rules and, if the table has custom fields, of their
 * definitions.
 *
 * A rule about an array or an object is tested again with each element alone, so that the fault is
 * that of the element: emails.1 or address.country. If each element alone is valid, or the rule is
 * marked @whole, the fault is that of the whole value.
 *
 * Called for rows that are known to be invalid, one or thousands of them in one statement.
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
-- Its statements are built from expressions, which cannot be quoted like names and values.
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
  'Returns every fault of each of some rows: the position of the row, the field, the message, the '
  'rule, the column and the kind of rule.';

revoke all on function crm_private.row_faults(regclass, jsonb[]) from public;
--! EndIncluded functions/validation/row_faults.sql
--! Included functions/history/row_from_creation.sql
/*
 * Returns a row as it was at an instant, computed forwards: the values that it was created or
 * restored with, and every update until then. Null if it did not exist then. For rows whose
 * deletion has been purged, from which crm_private.row_as_of cannot start. The result lacks
 * generated columns, and columns that the row did not have then. Raises if an entry that it needs
 * has been erased.
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
    raise exception '% % at % cannot be reconstructed: entry % of the audit log has been erased',
        p_entity_type, p_entity_id, p_at, coalesce(v_updates.erased, v_created.id)
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'changes',
            constraint = 'audit_logs_changes_erased',
            detail     = '{"at": ["is before values that have been erased for good"]}',
            hint       = 'Choose another instant; the history of the row shows the erased entries.';
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
  'Returns a row as it was at an instant, computed from its creation; null if it did not exist '
  'then.';

revoke all on function crm_private.row_from_creation(text, uuid, timestamptz) from public;
grant execute on function crm_private.row_from_creation(text, uuid, timestamptz) to crm_reader;
--! EndIncluded functions/history/row_from_creation.sql
--! Included functions/normalization/same_phone.sql
/*
 * Returns true if two phone numbers, as crm_private.phone_number returns them, can be the same
 * number, with and without country or area code: one ends with the other, which has at least seven
 * digits. Of longer numbers the last ten digits decide, because trunk prefixes differ between
 * countries. Numbers of two countries, or with two extensions, are different; a number with an
 * extension and one without can be the same.
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
  'Returns true if two phone numbers, each in one form, can be the same.';

revoke all on function crm_private.same_phone(text, text) from public;
grant execute on function crm_private.same_phone(text, text) to crm_reader;
--! EndIncluded functions/normalization/same_phone.sql
--! Included functions/duplicates/has_phone.sql
/*
 * Returns true if one of the phone numbers matches the given number, in any notation of both. Short
 * numbers, such as 110, are compared as they are. Called by filters of the API.
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
  'Returns true if one of the phone numbers matches the given number.';

revoke all on function crm_private.has_phone(text[], text, text) from public;
grant execute on function crm_private.has_phone(text[], text, text) to crm_reader;
--! EndIncluded functions/duplicates/has_phone.sql
--! Included functions/erasure/scrub_entries.sql
/*
 * Removes the values from audit log entries permanently. In the blocks that seal the entries, the
 * digests of the values replace the salts, so that the entries can still be verified and no one can
 * find the values by guessing.
 *
 * The caller must hold the lock of crm_private.seal_audit_log, so that no block is being built from
 * the old values, and must log the erasure with the same time, which crm_private.compare_entries
 * expects.
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

  -- Passes only keys: a server log may contain the parameters of a statement.
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
  'Removes the values from audit log entries, and leaves what verifies them.';

revoke all on function crm_private.scrub_entries(regclass, crm.audit_logs[], timestamptz) from public;
--! EndIncluded functions/erasure/scrub_entries.sql
--! Included functions/audit_log/seal_audit_log.sql
/*
 * Seals the audit log entries written since the last call: stores their digests in blocks, each
 * with the hash of the block before. Returns the number of entries sealed; stops after about
 * p_limit. Called by the server every few seconds, and by crm.verify_audit_log and
 * crm.audit_log_digest before they compare.
 *
 * Writers neither wait nor do any work for it, and it does not wait for them. Ids are assigned
 * before their transactions commit. So it reads the sequence first, and then from the locks which
 * other transactions are writing the audit log. Once these have ended, each id up to the one that
 * was read is in the audit log or never will be. If there are such transactions, it stores them
 * with the id, and a later call continues from there. Entries of its own transaction are sealed
 * with it, or not at all.
 *
 * Seals nothing where it cannot read or write everything: on a standby, and in a transaction that
 * is read-only or has its own snapshot.
 *
 * Security definer: the blocks belong to the owner, and only the owner may write them.
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
        -- Aborted transactions may leave large gaps between ids.
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
  'Seals the audit log entries written since the last call; returns their number.';

revoke all on function crm_private.seal_audit_log(bigint) from public;
grant execute on function crm_private.seal_audit_log(bigint) to crm_server;
--! EndIncluded functions/audit_log/seal_audit_log.sql
--! Included functions/search/search_extract.sql
/*
 * Returns a passage of a text around the first match, as HTML: matches are in <mark>. There is no
 * other markup, because the text is escaped.
 *
 * Words are separated like in crm_private.search_words, so that a part of an address that matches
 * is marked, and Zoë is marked for the query zoe; ts_headline of PostgreSQL does neither. In
 * scripts without spaces between words, the letters of the query are marked.
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
      -- First what may be a word, then what may not: ASCII except letters, digits, apostrophes.
      '([^\x01-\x26\x28-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+)'
      '|([\x01-\x26\x28-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+)',
      'g'
    ) with ordinality as matched (parts, ordinal)
    cross join lateral replace(replace(replace(replace(replace(
      coalesce(parts[1], parts[2]),
      '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;'
    ) as safe
    -- Most words are letters of ASCII, of which search_words would return the lower case.
    cross join lateral (
      select case
        when parts[1] ~ '^[A-Za-z0-9]+$' then lower(parts[1] collate "C")
        else crm_private.search_words(coalesce(parts[1], ''))
      end as words
    ) as folded
    cross join lateral coalesce(
      parts[1] is not null and (
        ' ' || words || ' ' like any (marks)
        or stems is not null and tsvector_to_array(crm_private.search_stems(words)) && stems
        or near is not null and crm_private.search_neighbours(words) && near
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
  'Returns a passage of a text as HTML, with <mark> around the matches.';

revoke all on function crm_private.search_extract(text, text[], text[], text[], text) from public;
grant execute on function crm_private.search_extract(text, text[], text[], text[], text)
  to crm_reader;
--! EndIncluded functions/search/search_extract.sql
--! Included functions/search/search_hits.sql
/*
 * Returns the hits of crm.search, which calls it. crm_private.search_query parses the query,
 * crm_private.search_matches finds and ranks the rows. Of each entity type 1,000 rows are ranked:
 * always as many, so that each page of a search is cut from the same list.
 *
 * The position of a hit is a text that sorts (in the collation "C") as the hits do: by rank, shorter
 * names, the order of the entity types, newer rows, id. Unlike the place it does not change when
 * other hits come or go.
 *
 * Raises for a query of more than 1,000 characters, an unknown entity type, and a first below 0 or
 * above 1,000. Runs with the caller's rights: no one finds a row that they cannot read.
 */
create or replace function crm_private.search_hits(
  query        text,
  entity_types text[],
  first        integer,
  after        text,
  extracts     boolean default true -- if false, the extracts are null
)
returns table (
  entity_type text,
  entity_id   uuid,
  rank        double precision,
  "extract"   text,
  place       integer,
  "position"  text,
  total       integer -- the number of hits, whatever first and after
)
language plpgsql
stable
parallel safe
rows 20
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  most    constant integer := 1000; -- hits, and rows to rank of each type
  v_known text[];
  v_types text[]  := entity_types;
  v_texts text[]; -- those of v_types that are searched as a text
  v_first integer := coalesce(first, 100);
  v_after text    := after;
  v_fault record;
  v_query crm_private.parsed_search;
begin
  select
    array_agg(type.entity_type order by type.search_order, type.restore_order),
    coalesce(v_types, array_agg(type.entity_type)),
    array_agg(type.entity_type) filter (where type.searched_by = 'text')
  into v_known, v_types, v_texts
  from crm_private.entity_types as type
  where type.searched_by is not null;

  select
    jsonb_object_agg(field, jsonb_build_array(message))       as fields,
    string_agg(field || ' ' || message, '; ' order by ordinal) as summary,
    (array_agg(rule order by ordinal))[1]                      as rule,
    (array_agg(hint order by ordinal))[1]                      as hint
  into v_fault
  from (
    values
      (1, 'search_query_length', 'query', 'must have at most 1,000 characters',
        'Search for fewer words.', length(query) > 1000),
      (2, 'search_entity_types_known', 'entityTypes',
        'must be some of ' || array_to_string(v_known, ', '),
        'Leave the entity types out to search all of them.', not (v_types <@ v_known)),
      (3, 'search_first_range', 'first', 'must be between 0 and 1,000',
        'Leave first out to get at most 100 hits.', v_first not between 0 and 1000)
  ) as rules (ordinal, rule, field, message, hint, is_broken)
  where is_broken;

  if v_fault.fields is not null then
    raise exception 'search: %', v_fault.summary
      using errcode    = 'check_violation',
            schema     = 'crm',
            constraint = v_fault.rule,
            detail     = v_fault.fields::text,
            hint       = v_fault.hint;
  end if;

  select * into v_query from crm_private.search_query(query, crm_private.default_country());

  return query
  with
    ranked as materialized (
      select
        hit.*,
        type.search_order,
        row_number() over (
          order by
            1 - rank,
            name_length nulls last,
            type.search_order,
            created_at desc,
            entity_id
        ) as place
      from crm_private.search_matches(v_types, v_query, most) as hit
      join crm_private.entity_types as type using (entity_type)
      order by place
      limit most
    ),
    placed as materialized (
      select ranked.*, key.position
      from (
        -- Without a cursor, only the hits that are returned need their position.
        select * from ranked where v_after is not null or place <= v_first
      ) as ranked
      cross join lateral (
        select concat(
          encode(float8send(1 - rank), 'hex'),
          coalesce(lpad(name_length::text, 10, '0'), '9999999999'),
          lpad(search_order::text, 5, '0'),
          lpad((4e18 - floor(1e6 * extract(
            epoch from least(greatest(created_at, '0001-01-01'), '9999-12-31')
          )))::text, 19, '0'),
          entity_id
        ) as "position"
      ) as key
      where v_after is null or key."position" > v_after collate "C"
      order by place
      limit v_first
    )
  select
    entity_type,
    entity_id,
    rank,
    case
      when search_hits.extracts then
        -- Empty if the caller can read nothing of what matches.
        coalesce(
          crm_private.search_extract(
            crm_private.search_body(entity_type, entity_id),
            v_query.marks,
            case when entity_type = any (v_texts) then coalesce(stems, v_query.stems) end,
            case when rank < 1 / 8.0 then v_query.near end,
            v_query.number
          ),
          ''
        )
    end,
    place::integer,
    "position",
    (select count(*)::integer from ranked)
  from placed
  order by place;
end
$$;

comment on function crm_private.search_hits(text, text[], integer, text, boolean) is
  'Returns the hits of crm.search, the best first.';

revoke all on function crm_private.search_hits(text, text[], integer, text, boolean) from public;
grant execute on function crm_private.search_hits(text, text[], integer, text, boolean) to crm_reader;
--! EndIncluded functions/search/search_hits.sql
--! Included functions/search/search_matches.sql
/*
 * Returns the rows that a query finds, once each, ranked. parsed is the result of
 * crm_private.search_query. It proceeds in steps while it has found too little: first the words as
 * typed, then words with one typing error each, then parts of names that are similar.
 * crm_private.search_candidates and crm_private.search_parts rank the rows, at most p_limit of each
 * entity type, or all if it is null.
 *
 * Called by crm_private.search_hits and crm_private.search_rows. Runs with the caller's rights.
 */
create or replace function crm_private.search_matches(
  entity_types text[],
  parsed       crm_private.parsed_search,
  p_limit      integer
)
returns table (
  entity_type text,
  entity_id   uuid,
  rank        double precision,
  name_length integer,
  created_at  timestamptz,
  stems       text[] -- to mark, of a text with misspelt words; otherwise null
)
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  enough  constant integer := 5; -- with fewer rows the search goes on
  v_types constant text[]  := entity_types;
  v_names text[]; -- those that are searched by name
  v_texts text[]; -- and as a text
begin
  select
    array_agg(type.entity_type) filter (where type.searched_by = 'name'),
    array_agg(type.entity_type) filter (where type.searched_by = 'text')
  into v_names, v_texts
  from crm_private.entity_types as type
  where type.entity_type = any (v_types);

  return query
  with
    found as materialized (
      select *
      from crm_private.search_candidates(
        v_types, parsed.exact, parsed.indexed, parsed.typed, parsed.whole,
        parsed.whole_names, parsed.typed_names, parsed.named, p_limit
      )
      union all
      select *
      from crm_private.search_parts(
        v_types, parsed.begun, parsed.numbers, parsed.phone, parsed.beside, null, p_limit
      )
    ),
    misspelt_names as materialized (
      select entity_type, entity_id, rank / 4 as rank, name_length, created_at
      from crm_private.search_candidates(
        v_names, null, parsed.loose,
        replace(parsed.loose::text, '&', '|')::tsquery, null, null, null, null, p_limit
      )
      where (select count(*) from found) < enough
    ),
    -- For texts: the query, and the stems to mark. The argument depends on what was found, so that
    -- the planner does not call the function in advance.
    forgiven as materialized (
      select
        query,
        parsed.stems || array(
          select stem[1] from regexp_matches(query::text, '''\^([^'']+)''', 'g') as stem
        ) as stems
      from crm_private.search_misspelt(
        case
          when (select count(*) from found) + (select count(*) from misspelt_names) < enough
            and v_texts is not null
          then parsed.loose_texts
        end
      ) as query
      where query is not null
    ),
    misspelt as materialized (
      table misspelt_names
      union all
      select candidate.entity_type, entity_id, rank / 4, name_length, created_at
      from forgiven
      cross join lateral crm_private.search_candidates(
        v_texts, null, query, replace(query::text, '&', '|')::tsquery, null, null, null, null, p_limit
      ) as candidate
    ),
    alike as materialized (
      select *
      from crm_private.search_parts(v_types, null, null, null, null, parsed.words, p_limit)
      where not exists (select from found) and not exists (select from misspelt)
    )
  -- By the id first: comparing uuids is fast.
  select distinct on (entity_id, entity_type)
    hit.*,
    case when entity_type = any (v_texts) then (select stems from forgiven) end
  from (table found union all table misspelt union all table alike) as hit
  order by entity_id, entity_type, rank desc;
end
$$;

comment on function crm_private.search_matches(text[], crm_private.parsed_search, integer) is
  'Returns the rows that a parsed query finds, ranked.';

revoke all on function crm_private.search_matches(text[], crm_private.parsed_search, integer)
  from public;
grant execute on function crm_private.search_matches(text[], crm_private.parsed_search, integer)
  to crm_reader;
--! EndIncluded functions/search/search_matches.sql
--! Included functions/search/search_misspelt.sql
/*
 * Returns the query that finds tasks and notes with one typing error per word. loose_texts is the
 * text of a tsquery in which words that may be misspelt have a question mark before them. The three
 * longest of these are replaced by the stems of all words that differ from them by one error. Null
 * if there is no such word.
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
  'Returns the query that finds tasks and notes with one typing error per word.';

revoke all on function crm_private.search_misspelt(text) from public;
grant execute on function crm_private.search_misspelt(text) to crm_reader;
--! EndIncluded functions/search/search_misspelt.sql
--! Included functions/search/search_query.sql
/*
 * Parses the text of a search box into tsqueries and patterns. All of them are null if there is
 * nothing to search for.
 *
 * The syntax is that of web search: "words in sequence", -without, or. A word with punctuation in
 * it, such as an address, is a sequence of its parts. The last word may be incomplete. "and" or "&"
 * among other words is ignored.
 *
 * An alternative that only excludes words is ignored, because no index can find its rows. Words
 * after the 32nd are ignored, too.
 *
 * Input cannot change the syntax of a tsquery: its text is built from words that contain neither
 * quotes nor backslashes.
 */
create or replace function crm_private.search_query(
  query           text,
  country         text default null, -- of numbers without a country code
  out exact       tsquery, -- a name that equals the query
  out whole       tsquery, -- every word complete
  out typed       tsquery, -- the last word incomplete, or a stem in place of a word
  out indexed     tsquery, -- typed, without a beginning so short that an index finds too much
  out loose       tsquery, -- indexed, or a name with one typing error per word
  out loose_texts text,    -- indexed, for crm_private.search_misspelt
  out whole_names tsquery, -- whole, for names only
  out typed_names tsquery, -- the last word incomplete, for names only
  out named       tsquery, -- whole_names, by the keys that only names have in the index
  out begun       text,    -- the short beginning, if there is nothing else
  out number      text,    -- the digits of the longest number, to mark them
  out numbers     text[],  -- sequences of digits; a phone number that matches has one of them
  out phone       text,    -- that number in one form, if it has a country code
  out beside      tsquery, -- the query without the number
  out words       text[],  -- the words, the longest first, if there is nothing else
  out marks       text[],  -- patterns of the words to mark, between spaces
  out stems       text[],  -- the stems of the words
  out near        text[]   -- the keys that misspelt words share with them
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
    -- In a script without spaces, the last letter counts only if it is all that is searched for.
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
      -- Two letters and the quotes; the letters must have trigrams.
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
  'Parses the text of a search box into tsqueries and patterns.';

revoke all on function crm_private.search_query(text, text) from public;
grant execute on function crm_private.search_query(text, text) to crm_reader;
--! EndIncluded functions/search/search_query.sql
--! Included functions/search/search_rows.sql
/*
 * Returns all rows of an entity type that a query finds, ranked: the search within a list. Unlike
 * crm.search, it ranks every row that matches, because the filter of the list may leave any of
 * them. Lists are joined with it; its estimate of 20 rows lets the planner look each of them up.
 *
 * Raises for a query of more than 1,000 characters. Runs with the caller's rights.
 */
create or replace function crm_private.search_rows(entity_type text, search text)
returns table (entity_id uuid, rank double precision, name_length integer)
language plpgsql
stable
parallel safe
rows 20
set search_path = pg_catalog, pg_temp
as $$
declare
  v_query crm_private.parsed_search;
begin
  if length(search) > 1000 then
    raise exception 'search must have at most 1,000 characters'
      using errcode    = 'check_violation',
            schema     = 'crm',
            constraint = 'search_query_length',
            detail     = '{"search": ["must have at most 1,000 characters"]}',
            hint       = 'Search for fewer words.';
  end if;

  select * into v_query from crm_private.search_query(search, crm_private.default_country());

  return query
  select match.entity_id, match.rank, match.name_length
  from crm_private.search_matches(array[entity_type], v_query, null) as match;
end
$$;

comment on function crm_private.search_rows(text, text) is
  'Returns all rows of an entity type that a query finds, ranked.';

revoke all on function crm_private.search_rows(text, text) from public;
grant execute on function crm_private.search_rows(text, text) to crm_reader;
--! EndIncluded functions/search/search_rows.sql
--! Included functions/search/search_variants.sql
/*
 * Returns the words that differ from one by a typing error: an additional, a missing or a different
 * letter, or two swapped letters; and the word itself. Letters are those of its script, if that has
 * an alphabet.
 *
 * Called for words of the query. Names work the other way: letters are left out of the stored words
 * (crm_private.search_neighbours). A note has too many words for that.
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
  'Returns the words that differ from one by a typing error.';

revoke all on function crm_private.search_variants(text) from public;
grant execute on function crm_private.search_variants(text) to crm_reader;
--! EndIncluded functions/search/search_variants.sql
--! Included views/crm_private/searched_types.sql
/*
 * The entity types that search finds, in the order in which it lists them, with the SQL expressions
 * from which crm_private.compile_search compiles:
 *
 * - name: the label columns with a space between them. Those that may be null are read as empty, so
 *   that every row has a name, and a rank.
 * - words: the words of the name, as in the trigram index of the table.
 * - body: the text of which a hit shows an extract: the name, then the other columns from which
 *   search_document is derived (its trigger depends on them) or generated, except those that readers
 *   cannot select.
 * - entities: a subquery with these, the id, search_document and created_at. It has no other column
 *   of the table, so that no column can have the name of a variable of a compiled function.
 */
create or replace view crm_private.searched_types as
  select
    type.entity_type,
    type.entity_table,
    type.searched_by,
    type.search_order,
    row_number() over (order by type.search_order, type.restore_order) as place,
    label.name,
    part.words,
    part.body,
    format(
      '(select id, search_document, created_at, %s as name, %s as words, %s as body from %s)'
      ' as entity',
      label.name, part.words, part.body, type.entity_table
    ) as entities
  from crm_private.entity_types as type
  join pg_class as class on class.oid = type.entity_table
  join pg_namespace as namespace on namespace.oid = class.relnamespace
  cross join lateral (
    select
      labels.name,
      case
        when labels.can_be_empty then format('nullif(btrim(%s), '''')', labels.name)
        else labels.name
      end as shown
    from (
      select
        string_agg(
          format(
            case when attnotnull then '%s' else 'coalesce(%s, '''')' end,
            format(case when atttypid = 'text'::regtype then '%I' else '%I::text' end, attname)
          ),
          ' || '' '' || ' order by ordinal
        ) as name,
        bool_or(not attnotnull) as can_be_empty
      from unnest(type.label_columns) with ordinality as labelled (attname, ordinal)
      join pg_attribute as attribute using (attname)
      where attribute.attrelid = type.entity_table
    ) as labels
  ) as label
  cross join lateral (
    select string_agg(
      format(
        case
          when attribute.atttypid = 'jsonb'::regtype then 'crm_private.search_texts(%I)'
          when attribute.atttypid::regtype::text like '%[]'
          then 'nullif(array_to_string(%I, '', ''), '''')'
          else 'nullif(%I::text, '''')'
        end,
        attribute.attname
      ),
      ', ' order by attribute.attnum
    ) as expressions
    from pg_attribute as attribute
    where attribute.attrelid = type.entity_table
      and attribute.attname <> all (type.label_columns)
      and has_column_privilege('crm_reader', attribute.attrelid, attribute.attnum, 'select')
      and (
        exists (
          select from pg_trigger as deriving
          join pg_depend as used
            on used.classid = 'pg_trigger'::regclass and used.objid = deriving.oid
          where deriving.tgrelid = type.entity_table
            and deriving.tgname = '_250_derive_update'
            and used.refobjid = type.entity_table
            and used.refobjsubid = attribute.attnum
        )
        or exists (
          select from information_schema.column_column_usage as used
          where used.table_schema = namespace.nspname
            and used.table_name = class.relname
            and used.dependent_column = 'search_document'
            and used.column_name = attribute.attname
        )
      )
  ) as details
  cross join lateral (
    select
      case type.entity_type
        -- Trigrams find the digits of phone numbers, too.
        when 'contact' then 'crm_private.contact_name_words(first_name, last_name, phones)'
        else format('crm_private.name_words(%s)', label.name)
      end as words,
      format('concat_ws('' · '', %s)', concat_ws(', ', label.shown, details.expressions)) as body
  ) as part
  where type.searched_by is not null;

comment on view crm_private.searched_types is
  'The entity types that search finds, with the SQL expressions of their names and texts.';
--! EndIncluded views/crm_private/searched_types.sql
--! Included functions/search/compile_search_candidates.sql
/*
 * Compiles crm_private.search_candidates, which returns the rows whose documents match a tsquery, at
 * most p_limit of each entity type, ranked. If more match, it returns any p_limit of them, and as
 * many of those whose names match, unless all of the first do: to rank every row with a common word,
 * it would have to read them all, for hits that no one looks at. Names that equal the query are
 * among them.
 *
 * The rank is between 0 and 1. It is 1 if a name equals the whole query. Otherwise it is a sum: 1/2
 * if the name has every word complete, 1/4 if the name has every word, the last one perhaps
 * incomplete, 1/8 if the row has every word complete, and up to 1/8 for the shortness of the name,
 * or for ts_rank if the match is not in the name. So a name ranks above the body of a note, however
 * often that has the words.
 *
 * Without p_whole the query is about misspelt words, and the rank depends on what they have in
 * common with the words of the row.
 *
 * It runs with the caller's rights, so that policies apply. It disables sequential scans, because
 * the plan of a statement for any tsquery cannot know how few rows match. It is compiled, because a
 * statement that is built at every call would be planned at every call.
 *
 * Called by crm_private.compile_search.
 */
create or replace function crm_private.compile_search_candidates()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_rows text; -- of entities with names, by the words of the query
  v_hits text;
begin
  select
    string_agg(
      format(
        $rows$
    %1$I as materialized (
      select id, search_document, char_length(name) as name_length, created_at from %2$s
      where %3$L = any (entity_types) and search_document @@ p_indexed
        and (v_is_typed or not (search_document @@ !!p_typed))
      limit p_limit
    )$rows$,
        entity_type || '_rows', entities, entity_type
      ),
      ',' order by place
    ) filter (where searched_by = 'name'),
    string_agg(
      case searched_by
        when 'name' then format(
          $hits$
  select
    %3$L,
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
  from (
    table %1$I
    union all
    (
      select id, search_document, char_length(name), created_at from %2$s
      where (
          select count(*) = p_limit and not coalesce(bool_and(search_document @@ p_whole_names), false)
          from %1$I
        )
        and search_document @@ p_named and not (search_document @@ !!p_whole_names)
      limit p_limit
    )
    union all
    (
      select id, search_document, char_length(name), created_at from %2$s
      where (select count(*) from %1$I) = p_limit and search_document @@ p_exact
      limit p_limit
    )
  ) as hit$hits$,
          entity_type || '_rows', entities, entity_type
        )
        else format(
          $hits$
  select
    %2$L,
    id,
    coalesce((search_document @@ p_whole)::integer, 0) / 8.0::double precision
      + ts_rank(v_weights, search_document, p_typed) / 8.0,
    null::integer,
    created_at
  from (
    select id, search_document, created_at from %1$s
    where %2$L = any (entity_types) and search_document @@ p_indexed
      and (v_is_typed or not (search_document @@ !!p_typed))
    limit p_limit
  ) as hit$hits$,
          entities, entity_type
        )
      end,
      E'\n  union all' order by place
    )
  into v_rows, v_hits
  from crm_private.searched_types;

  execute format(
    $function$
create or replace function %s(
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
as %L
    $function$,
    'crm_private.search_candidates',
    $body$
#variable_conflict use_column
declare
  v_weights constant real[] :=
    case when p_whole is null then '{1,1,1,1}'::real[] else '{.1,.2,.4,1}'::real[] end;
  v_is_typed constant boolean := p_indexed = p_typed; -- so that the index finds no other rows
begin
  return query$body$ || coalesce(E'\n  with' || v_rows, '') || v_hits || E';\nend\n'
  );

  comment on function crm_private.search_candidates is
    'Returns rows whose documents match a tsquery, ranked; if many match, some of them. Compiled.';
  revoke all on function crm_private.search_candidates from public;
  grant execute on function crm_private.search_candidates to crm_reader;
end
$$;

comment on function crm_private.compile_search_candidates() is
  'Creates crm_private.search_candidates, compiled from the catalogue of entity types.';

revoke all on function crm_private.compile_search_candidates() from public;
--! EndIncluded functions/search/compile_search_candidates.sql
--! Included functions/search/compile_search_parts.sql
/*
 * Compiles crm_private.search_parts, which returns the rows that are found by a part of a name or of
 * a phone number, through trigrams: names with a word that begins with p_begun, contacts with a
 * phone number that contains one of p_numbers, or names that are similar to p_words. Null arguments
 * are not searched for. It returns at most p_limit rows of each entity type, ranked like in
 * crm_private.search_candidates.
 *
 * It runs with the caller's rights, and without sequential scans.
 *
 * Called by crm_private.compile_search.
 */
create or replace function crm_private.compile_search_parts()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_begun text;
  v_alike text;
begin
  select
    string_agg(
      format(
        $rows$
      (
        select %1$L as entity_type, id, words, char_length(name) as name_length, created_at
        from %2$s
        where %1$L = any (entity_types) and words like v_begun
        limit p_limit
      )$rows$,
        entity_type, entities
      ),
      E'\n      union all' order by place
    ),
    string_agg(
      format(
        $rows$
      (
        select %1$L as entity_type, id, words, char_length(name) as name_length, created_at
        from %2$s
        where %1$L = any (entity_types) and p_words[1] operator(extensions.<%%) words
      )$rows$,
        entity_type, entities
      ),
      E'\n      union all' order by place
    )
  into v_begun, v_alike
  from crm_private.searched_types
  where searched_by = 'name';

  execute format(
    $function$
create or replace function %s(
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
as %L
    $function$,
    'crm_private.search_parts',
    $body$
#variable_conflict use_column
declare
  v_begun   constant text := '% ' || p_begun || '%';
  v_country constant text := case when p_phone is not null then crm_private.default_country() end;
begin
  if p_begun is not null then
    return query
    with named as ($body$ || v_begun || $body$
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
      'contact', id, 3 / 8.0::double precision, name_length, created_at
    from (
      select
        id, phones, search_document, created_at,
        crm_private.contact_name_words(first_name, last_name, phones) as words,
        char_length(first_name) + 1 + char_length(last_name) as name_length
      from crm.contacts
    ) as contact
    where words like any (array(select '%' || digits || '%' from unnest(p_numbers) as digits))
      -- If both have a country code, it must be the same.
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
    with named as ($body$ || v_alike || $body$
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
$body$
  );

  comment on function crm_private.search_parts is
    'Returns rows that are found by a part of a name or of a phone number, ranked; if many match, '
    'some of them. Compiled.';
  revoke all on function crm_private.search_parts from public;
  grant execute on function crm_private.search_parts to crm_reader;
end
$$;

comment on function crm_private.compile_search_parts() is
  'Creates crm_private.search_parts, compiled from the catalogue of entity types.';

revoke all on function crm_private.compile_search_parts() from public;
--! EndIncluded functions/search/compile_search_parts.sql
--! Included functions/search/compile_search.sql
/*
 * Compiles search from the catalogue of entity types: an attribute of the type crm.search_hit for
 * each type that search finds, crm.search, crm_private.search_candidates, crm_private.search_parts,
 * and crm_private.search_body, which returns the text of which a hit shows an extract.
 *
 * crm.search is compiled, because its result changes with the type; sessions that have called it
 * compile a replaced function anew. Its work is in crm_private.search_hits.
 *
 * Call it in the migration that changes the columns of crm_private.entity_types, or from which
 * columns a document is derived. Called by crm_private.register_entity and
 * crm_private.unregister_entity.
 */
create or replace function crm_private.compile_search()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_change text;
  v_search record;
begin
  for v_change in
    select format('alter type crm.search_hit drop attribute %I', attname)
    from pg_attribute
    where attrelid = 'crm.search_hit'::regclass
      and not attisdropped
      and attname <> all ('{entity_type,entity_id,rank,extract,place,position}')
      and attname not in (select entity_type || '_id' from crm_private.searched_types)

    union all

    (
      select format('alter type crm.search_hit add attribute %I uuid', entity_type || '_id')
      from crm_private.searched_types
      where not exists (
        select from pg_attribute
        where attrelid = 'crm.search_hit'::regclass and attname = entity_type || '_id'
      )
      order by place
    )

    union all

    select format(
      'comment on column crm.search_hit.%I is %L',
      entity_type || '_id',
      format(
        'The id of the %s. Null if the hit is of another type.', replace(entity_type, '_', ' ')
      )
    )
    from crm_private.searched_types
  loop
    execute v_change;
  end loop;

  select
    -- Only tables of the schema crm are types of the API.
    string_agg(
      format(E'@foreignKey (%I) references %s (id)\n', entity_type || '_id', entity_table),
      '' order by place
    ) filter (where relnamespace = 'crm'::regnamespace) as tags,
    string_agg(replace(entity_type, '_', ' '), ', ' order by place) as types,
    string_agg(replace(relname, '_', ' '), ', ' order by place) as tables,
    (
      select string_agg(tables, ' before ' order by search_order)
      from (
        select search_order, string_agg(replace(relname, '_', ' '), ' and ' order by place) as tables
        from crm_private.searched_types
        join pg_class on oid = entity_table
        group by search_order
      ) as ordered
    ) as tables_in_order,
    string_agg(
      replace(relname, '_', ' '), ' and ' order by place
    ) filter (where searched_by = 'text') as texts,
    string_agg(
      format(
        E'    when %L then\n      return (select body from %s where id = p_entity_id);\n',
        entity_type, entities
      ),
      '' order by place
    ) as bodies,
    (
      select string_agg(
        case
          when attname = any ('{entity_type,entity_id,rank,extract,place,position}')
          then format('hit.%I', attname)
          else format(
            'case when hit.entity_type = %L then hit.entity_id end', regexp_replace(attname, '_id$', '')
          )
        end,
        E',\n    ' order by attnum
      )
      from pg_attribute
      where attrelid = 'crm.search_hit'::regclass and not attisdropped
    ) as attributes
  into strict v_search
  from crm_private.searched_types
  join pg_class on oid = entity_table;

  execute format(
    'comment on type crm.search_hit is %L',
    E'@primaryKey position\n' || v_search.tags || format(
      'A search hit. One of %s is set.', regexp_replace(v_search.types, ', ([^,]+)$', ' and \1')
    )
  );

  execute format(
    $function$
create or replace function %s(p_entity_type text, p_entity_id uuid)
returns text
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as %L
    $function$,
    'crm_private.search_body',
    E'\n#variable_conflict use_column\nbegin\n  case p_entity_type\n' || v_search.bodies
      || E'    else\n      return null;\n  end case;\nend\n'
  );
  comment on function crm_private.search_body is
    'Returns the text of which a hit shows an extract. Compiled.';
  revoke all on function crm_private.search_body from public;
  grant execute on function crm_private.search_body to crm_reader;

  execute format(
    $function$
create or replace function %s(
  query        text,
  entity_types text[]  default null,
  first        integer default 100,
  after        text    default null,
  extracts     boolean default true
)
returns setof crm.search_hit
language plpgsql
stable
parallel safe
rows 20
set search_path = pg_catalog, pg_temp
as %L
    $function$,
    'crm.search',
    format(
      $body$
begin
  return query
  select
    %s
  from crm_private.search_hits(query, entity_types, first, after, extracts) as hit
  order by hit.place;
end
$body$,
      v_search.attributes
    )
  );
  execute format(
    'comment on function crm.search is %L',
    format(
      'Searches %s for the words of a query. The best hits come first: names that equal the query, '
      'then shorter names; of equal hits, %s, then newer rows. Case and accents do not matter, and '
      'the last word may be incomplete. "Words in quotes" must follow each other; -word excludes '
      'rows with the word; or separates alternatives; and and & are equivalent. In %s, other forms '
      'of a word match too. If there are fewer than five hits, one typing error per word is '
      'tolerated. A phone number is found in any notation and by four or more of its digits, an '
      'address by its parts. entityTypes are some of %s, all by default. At most 1,000 hits '
      'are found; first is the number to return, 100 by default, and after the position of a hit, to '
      'return later ones only. Without extracts, which cost more than the rest, it is several times '
      'as fast.',
      regexp_replace(v_search.tables, ', ([^,]+)$', ' and \1'),
      v_search.tables_in_order,
      v_search.texts,
      regexp_replace(v_search.types, ', ([^,]+)$', ' and \1')
    )
  );
  revoke all on function crm.search from public;
  grant execute on function crm.search to crm_reader;

  perform crm_private.compile_search_candidates();
  perform crm_private.compile_search_parts();
end
$$;

comment on function crm_private.compile_search() is
  'Creates search, compiled from the catalogue of entity types.';

revoke all on function crm_private.compile_search() from public;
--! EndIncluded functions/search/compile_search.sql
--! Included functions/deals/set_base_currency.sql
/*
 * Sets the currency to which exchange rates convert. Raises while there are exchange rates, because
 * their meaning would change. Logged if it changes the setting. Locks the row of the setting, as
 * writers of a rate do, so no rate can be added concurrently.
 *
 * Security definer: only the owner can write the table of settings.
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
            hint       = case when currency = any (crm.currencies())
              then 'Delete the exchange rates first, and then enter those to the new one.'
              else 'Pass one of the codes that crm.currencies() returns.'
            end;
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
  'Implements crm.set_base_currency with the rights of the owner.';

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
  'Sets the currency to which exchange rates convert. Refused while there are exchange rates. '
  'For administrators.';

revoke all on function crm.set_base_currency(text) from public;
grant execute on function crm.set_base_currency(text) to crm_admin;
--! EndIncluded functions/deals/set_base_currency.sql
--! Included functions/settings/set_default_country.sql
/*
 * Sets the country of phone numbers without a country code; null removes it. Raises if there is no
 * such country. Writes an audit log entry if the value changes. Nothing is recomputed: rows contain
 * digits, which are interpreted when they are compared.
 *
 * Security definer: only the owner can write the table of settings.
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
              schema     = 'crm', table = 'settings', column = 'country',
              constraint = 'settings_default_country_known',
              detail     = jsonb_build_object('country', jsonb_build_array(v_message))::text,
              hint       = 'Pass two capital letters, such as DE, or null.';
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
  'Implements crm.set_default_country with the rights of the owner.';

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
  'Sets the country of phone numbers without a country code, as an ISO 3166 code such as DE; null '
  'removes it. It decides which numbers are equal in search and among duplicates. For '
  'administrators.';

revoke all on function crm.set_default_country(text) from public;
grant execute on function crm.set_default_country(text) to crm_admin;
--! EndIncluded functions/settings/set_default_country.sql
--! Included functions/settings/former_field_retention_days.sql
/* Returns the setting. Security definer: only the owner can read the table of settings. */
create or replace function crm_private.former_field_retention_days()
returns integer
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select former_field_retention_days from crm_private.settings;
$$;

comment on function crm_private.former_field_retention_days() is
  'Implements crm.former_field_retention_days with the rights of the owner.';

revoke all on function crm_private.former_field_retention_days() from public;
grant execute on function crm_private.former_field_retention_days() to crm_reader;

create or replace function crm.former_field_retention_days()
returns integer
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.former_field_retention_days();
$$;

comment on function crm.former_field_retention_days() is
  E'@notNull\nReturns the number of days for which the name of a renamed or deleted custom field '
  'stays in the API, as a deprecated field.';

revoke all on function crm.former_field_retention_days() from public;
grant execute on function crm.former_field_retention_days() to crm_reader;
--! EndIncluded functions/settings/former_field_retention_days.sql
--! Included functions/settings/set_former_field_retention.sql
/*
 * Sets the number of days for which the name of a renamed or deleted custom field stays in the API.
 * Raises if the number is null or out of range. Names whose time is over are removed at once; a
 * later increase does not bring them back. Writes an audit log entry if the value changes.
 *
 * Security definer: only the owner can write the table of settings.
 */
create or replace function crm_private.set_former_field_retention(days integer)
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

  perform crm_private.refuse_null('days', days::text);
  if days not between 0 and 36500 then
    perform crm_private.refuse_argument(
      'days', 'must be from 0 to 36500', 'settings_former_field_retention_days_range'
    );
  end if;

  select former_field_retention_days into v_old from crm_private.settings for update;

  if days <> v_old then
    update crm_private.settings set former_field_retention_days = days;
    perform crm_private.log_event(
      'setting', 'update',
      jsonb_build_object(
        'former_field_retention_days', jsonb_build_object('old', v_old, 'new', days)
      ),
      clock_timestamp()
    );
    -- Always in the same order, so that two changes cannot deadlock.
    perform crm_private.compile_former_fields(listed.entity_type)
    from (
      select entity_type
      from crm_private.former_custom_fields
      group by entity_type
      order by entity_type
    ) as listed;
  end if;

  return days;
end
$$;

comment on function crm_private.set_former_field_retention(integer) is
  'Implements crm.set_former_field_retention with the rights of the owner.';

revoke all on function crm_private.set_former_field_retention(integer) from public;
grant execute on function crm_private.set_former_field_retention(integer) to crm_admin;

create or replace function crm.set_former_field_retention(days integer)
returns integer
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.set_former_field_retention(days);
$$;

comment on function crm.set_former_field_retention(integer) is
  'Sets the number of days for which the name of a renamed or deleted custom field stays in the '
  'API, as a deprecated field, from 0 to 36500. Names whose time is over are removed at once. For '
  'administrators.';

revoke all on function crm.set_former_field_retention(integer) from public;
grant execute on function crm.set_former_field_retention(integer) to crm_admin;
--! EndIncluded functions/settings/set_former_field_retention.sql
--! Included functions/settings/set_time_zone.sql
/*
 * Sets the time zone of the installation, by its IANA name. PostgreSQL would accept more:
 * abbreviations, which have no daylight saving time, and POSIX rules, for which any word is a zone.
 * Raises if there is no such zone. Writes an audit log entry if the value changes.
 *
 * Security definer: only the owner can write the table of settings.
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
  'Implements crm.set_time_zone with the rights of the owner.';

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
  'Sets the time zone that decides when a day begins, unless a request names another one. It is '
  'an IANA name, such as Europe/Berlin. For administrators.';

revoke all on function crm.set_time_zone(text) from public;
grant execute on function crm.set_time_zone(text) to crm_admin;
--! EndIncluded functions/settings/set_time_zone.sql
--! Included functions/settings/set_trash_retention.sql
/*
 * Sets the number of days for which deleted rows can be restored; null for no limit. Raises if the
 * number is out of range. Writes an audit log entry if the value changes.
 *
 * Security definer: only the owner can write the table of settings.
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
            schema     = 'crm', table = 'settings', column = 'days',
            constraint = 'settings_trash_retention_days_range',
            detail     = '{"days": ["must be from 0 to 36500"]}',
            hint       = 'Pass null to keep deleted rows until an administrator purges them.';
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
  'Implements crm.set_trash_retention with the rights of the owner.';

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
  'Sets the number of days for which deleted rows can be restored from the trash, from 0 to 36500; '
  'null keeps them until an administrator purges them. For administrators.';

revoke all on function crm.set_trash_retention(integer) from public;
grant execute on function crm.set_trash_retention(integer) to crm_admin;
--! EndIncluded functions/settings/set_trash_retention.sql
--! Included functions/undo/stage_followers.sql
/*
 * Returns the fields of a deal in a planned reversal that follow from its stage, and stay unchanged
 * with it: closed_at, and a probability that no user set.
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
  'Returns the fields of a deal in a planned reversal that follow from its stage.';

revoke all on function crm_private.stage_followers(jsonb) from public;
--! EndIncluded functions/undo/stage_followers.sql
--! Included functions/undo/settle_conflicts.sql
/*
 * Compares the rows of a planned reversal with what it expects. Returns the number of conflicts,
 * and up to p_limit of them, each with the user who set the present value.
 *
 * With p_skip, it removes differences from the plan, so that these stay unchanged: a field; a row
 * that is gone or was restored; a row to delete that was changed since, or has something attached.
 * Unchanged rows may in turn keep other rows from changing, so it compares the rest again until
 * nothing differs.
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
  'Returns where rows differ from what a planned reversal expects; with p_skip, removes that from '
  'the plan.';

revoke all on function crm_private.settle_conflicts(text[], boolean, integer) from public;
--! EndIncluded functions/undo/settle_conflicts.sql
--! Included functions/external_ids/settle_external_ids.sql
/*
 * Ends the period in which two rows may have the same external id. The period begins with set
 * constraints crm_private.external_ids_pkey deferred, so that an undo can move an id from one row
 * to another in several statements. Raises if one of the given rows has an external id of another
 * row.
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
  'Ends the period in which two rows may have the same external id; raises if rows still do.';

revoke all on function crm_private.settle_external_ids(text, uuid[]) from public;
--! EndIncluded functions/external_ids/settle_external_ids.sql
--! Included functions/duplicates/shared_domains.sql
/*
 * Returns domains that do not identify an employer: public mail providers, and networks where
 * companies have pages. A common address or link there does not make two contacts or companies
 * similar. Called where rows are compared; no index depends on it.
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
  'Returns the domains of public mail providers and networks, which identify no company.';

revoke all on function crm_private.shared_domains() from public;
grant execute on function crm_private.shared_domains() to crm_reader;
--! EndIncluded functions/duplicates/shared_domains.sql
--! Included functions/duplicates/company_domains.sql
/*
 * Returns the domains of a company: those in its custom fields and in its contacts' email
 * addresses. Domains of public providers (crm_private.shared_domains) are left out.
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
  'Returns the domains in a company''s custom fields and in its contacts'' email addresses.';

revoke all on function crm_private.company_domains(crm.companies) from public;
grant execute on function crm_private.company_domains(crm.companies) to crm_reader;
--! EndIncluded functions/duplicates/company_domains.sql
--! Included functions/duplicates/companies_duplicates.sql
/*
 * Returns the companies that may be the same as one: the field duplicates in GraphQL. Candidates
 * share a key of their name, or a domain, among the keys of companies or of their contacts. The
 * indexes of match keys of both tables are used. For each key at most 1,000 rows are examined, as
 * in crm.contacts_duplicates.
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
  'The companies that may be duplicates of this one, the most likely first.';

revoke all on function crm.companies_duplicates(crm.companies, double precision) from public;
grant execute on function crm.companies_duplicates(crm.companies, double precision) to crm_reader;
--! EndIncluded functions/duplicates/companies_duplicates.sql
--! Included functions/duplicates/company_links.sql
/*
 * Returns the pairs of possibly identical companies among all companies, as
 * crm_private.contact_links does for contacts. Domains are keys here: those of custom fields, and
 * of the contacts' addresses. Called by crm.duplicate_groups.
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
  with domains as (
    select distinct company_id, match_key
    from (
      select company_id, unnest(match_keys) as match_key
      from crm.contacts
      where company_id is not null
    ) as contact
    where starts_with(match_key, 'domain:')
  ),
  companies as materialized (
    select
      company.id,
      plain.name,
      crm_private.name_skeleton(plain.name) as skeleton,
      array(
        select key from unnest(company.match_keys) as key where not starts_with(key, 'domain:')
      ) as names,
      array(
        select key
        from unnest(company.match_keys || of_contacts.domains) as key
        where starts_with(key, 'domain:')
          and substr(key, 8) <> all (crm_private.shared_domains())
      ) as domains
    from crm.companies as company
    cross join lateral (
      select crm_private.plain_company_name(company.name) collate "C"
      offset 0
    ) as plain (name)
    left join (
      select company_id, array_agg(match_key) as domains from domains group by company_id
    ) as of_contacts on of_contacts.company_id = company.id
  ),
  lines as (
    select
      id,
      array_agg(id) over (
        partition by hashtextextended(key, 0)
        order by case when starts_with(key, 'tail:') then reverse(name) else name end, id
        rows between 1 following and 4 following
      ) as neighbours
    from companies
    cross join lateral unnest(names || domains) as key
  ),
  pairs as (
    select distinct least(id, neighbour) as one, greatest(id, neighbour) as other
    from lines
    cross join lateral unnest(neighbours) as neighbour
    where neighbour <> id
  ),
  compared as materialized (
    select
      one.id,
      other.id as other_id,
      crm_private.name_likeness(
        one.name, other.name, one.skeleton, other.skeleton
      ) as name_similarity,
      one.domains && other.domains as same_domain
    from pairs
    join companies as one on one.id = pairs.one
    join companies as other on other.id = pairs.other
  )

  select id, other_id, scored.score, scored.reasons
  from compared
  cross join lateral (
    select
      crm_private.duplicate_score('company', false, false, same_domain, name_similarity),
      crm_private.duplicate_reasons(false, false, same_domain, name_similarity)
    offset 0
  ) as scored (score, reasons)
  where scored.score >= p_min_score;
$$;

comment on function crm_private.company_links(double precision) is
  'Returns the pairs of companies that may be duplicates.';

revoke all on function crm_private.company_links(double precision) from public;
grant execute on function crm_private.company_links(double precision) to crm_reader;
--! EndIncluded functions/duplicates/company_links.sql
--! Included functions/duplicates/compare_contacts.sql
/*
 * Compares two contacts and returns the second as a candidate for the first. Addresses are compared
 * without regard to case; domains of public providers do not count.
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
  'Compares two contacts and returns the second as a candidate for the first.';

revoke all on function crm_private.compare_contacts(crm.contacts, crm.contacts) from public;
grant execute on function crm_private.compare_contacts(crm.contacts, crm.contacts) to crm_reader;
--! EndIncluded functions/duplicates/compare_contacts.sql
--! Included functions/duplicates/contact_links.sql
/*
 * Returns the pairs of contacts that may be one person, among all contacts, with a score of at
 * least p_min_score. Called by crm.duplicate_groups.
 *
 * For each shared key, contacts are put in line by name: keys are the name, an address, a number,
 * or the beginning or end of the name together with a domain that at most a thousand contacts have.
 * If up to five contacts share a key, each is compared with each; if more do, each with the next.
 * So the work grows with the number of contacts, however many share a key, and a hundred copies of
 * one contact are still connected, neighbour by neighbour. Contacts of one name are in line by id.
 *
 * Most keys belong to one contact. So the first pass only counts hashes of keys, and a second pass
 * finds the contacts of those that repeat. Both read the table in parallel, which costs less than
 * to store all keys and sort them with their contacts.
 */
create or replace function crm_private.contact_links(p_min_score double precision)
returns table (id uuid, other_id uuid, score double precision, reasons text[])
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
-- The planner cannot estimate the numbers of keys and pairs: tables are joined as written, and keys
-- sorted, because a hash table of all would not fit in memory. Most other sorts fit in 16 MB; more
-- makes the sort of the keys no faster.
set join_collapse_limit = 1
set enable_hashagg = off
set work_mem = '16MB'
as $$
  with hashed as not materialized (
    select
      id, first_name, last_name, match_keys,
      match_key::"char" as kind,
      hashtextextended(match_key, 0) as key
    from (
      select id, first_name, last_name, match_keys, unnest(match_keys) as match_key
      from crm.contacts
    ) as contact
  ),
  -- Domains that are no keys, in an array, which parallel workers can read, unlike a CTE.
  excluded as materialized (
    select array_agg(key) as domains
    from (
      select key from hashed where kind = 'd' group by key having count(*) > 1000
      union all
      select hashtextextended('domain:' || domain, 0)
      from unnest(crm_private.shared_domains()) as domain
    ) as domain
  ),
  keys as not materialized (
    select
      id,
      first_name,
      last_name,
      kind,
      unnest(
        case
          when kind <> 'd' then array[key]
          -- The first three match keys are name, head and tail, unless there are none of the name.
          when starts_with(match_keys[1], 'name:') then array[
            key # hashtextextended(match_keys[2], 0), key # hashtextextended(match_keys[3], 0)
          ]
        end
      ) as key
    from hashed
    where kind in ('n', 'e', 'p', 'd')
      and not exists (
        select from unnest((select domains from excluded)) as domain where domain = key
      )
  ),
  shared as materialized (
    select key, count(*) as contacts from keys group by key having count(*) > 1
  ),
  lines as (
    select
      id,
      kind,
      array[
        lead(id, 1) over line,
        case when contacts <= 5 then lead(id, 2) over line end,
        case when contacts <= 5 then lead(id, 3) over line end,
        case when contacts <= 5 then lead(id, 4) over line end
      ] as neighbours
    from keys
    join shared using (key)
    window line as (
      partition by key order by last_name collate "C", first_name collate "C", id
    )
  ),
  pairs as materialized (
    select id as one, neighbour as other, bool_or(kind = 'p') as maybe_same_phone
    from lines
    cross join lateral unnest(neighbours) as neighbour
    where neighbour <> id
    group by 1, 2
  ),
  members as materialized (
    select
      contact.id,
      contact.phones,
      plain.name,
      crm_private.name_skeleton(plain.name) as skeleton,
      addresses.emails,
      string_to_array(
        regexp_replace(array_to_string(addresses.emails, ' '), '[^ ]*@', '', 'g'), ' '
      ) as domains
    from (select one as id from pairs union select other from pairs) as paired
    join crm.contacts as contact using (id)
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
      join members as one on one.id = pairs.one
      join members as other on other.id = pairs.other
      offset 0
    ) as pair
    -- Rounding may raise a score by half a thousandth.
    where crm_private.duplicate_doubt(
      'contact', same_email, maybe_same_phone, maybe_same_domain, name_similarity
    ) < 1.001 - p_min_score
  ),
  -- Whole numbers are compared, and public domains excluded, only for pairs that can still reach
  -- the score.
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
    join members as one on one.id = compared.one
    join members as other on other.id = compared.other
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
  'Returns the pairs of contacts that may be one person.';

revoke all on function crm_private.contact_links(double precision) from public;
grant execute on function crm_private.contact_links(double precision) to crm_reader;
--! EndIncluded functions/duplicates/contact_links.sql
--! Included functions/duplicates/contacts_duplicates.sql
/*
 * Returns the contacts that may be the same person as one: the field duplicates in GraphQL. The
 * index contacts_match_keys finds those that share a key, and these are compared. A domain alone is
 * no key, because all colleagues share it.
 *
 * For each key at most 1,000 contacts are examined, so that a key with more takes no longer;
 * distinctive keys, such as an address, are shared by few. A contact is compared in full only if it
 * could reach the score with a common domain in addition to its key and name.
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
  'The contacts that may be the same person, the most likely first.';

revoke all on function crm.contacts_duplicates(crm.contacts, double precision) from public;
grant execute on function crm.contacts_duplicates(crm.contacts, double precision) to crm_reader;
--! EndIncluded functions/duplicates/contacts_duplicates.sql
--! Included functions/bulk/collect_faults.sql
/*
 * Returns the faults of the rows that this transaction's bulk write found faulty, with the place of
 * each row in the input, or its id if it was an update; then deletes the record of these rows.
 * Called by crm_private.attempt_rows.
 *
 * Security definer, because it reads the rules in the catalog and referenced rows, and because
 * roles may neither read nor write the recorded rows. It reports only on rows that the caller has
 * tried to write.
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
  'Returns the faults of the rows that a bulk write of this transaction found faulty.';

revoke all on function crm_private.collect_faults(regclass) from public;
grant execute on function crm_private.collect_faults(regclass) to crm_member;
--! EndIncluded functions/bulk/collect_faults.sql
--! Included functions/undo/cascaded_deletions.sql
/*
 * Returns the audit log entries that a deletion wrote, its own among them: the rows that were
 * deleted by cascade, the links that were set to null, and, for the definition of a custom field,
 * the values that were removed. Changes that the transaction made before, or to other rows, are not
 * among them.
 *
 * Runs with the caller's rights: only administrators see the entries of deletions by other users.
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
      -- A deletion is logged before its cascades, that of a definition after the values.
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
  'Returns the entries that a deletion wrote: its own, and those of its cascades.';

revoke all on function crm_private.cascaded_deletions(bigint, bigint, text, uuid, jsonb) from public;
grant execute on function crm_private.cascaded_deletions(bigint, bigint, text, uuid, jsonb) to crm_member;
--! EndIncluded functions/undo/cascaded_deletions.sql
--! Included functions/custom_fields/texts.sql
/*
 * Returns the texts of a JSON list, in order; null for a value that is not a list. The value of a
 * multi_enum field.
 */
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
  'Returns the texts of a JSON list; null for a value that is not a list.';

revoke all on function crm_private.texts(jsonb) from public;
grant execute on function crm_private.texts(jsonb) to crm_reader;
--! EndIncluded functions/custom_fields/texts.sql
--! Included functions/custom_fields/custom_field_value.sql
/*
 * Returns the value of one custom field as an SQL expression of the field's type over p_source,
 * which names the custom fields of a row: null if the field has no value. The expression is
 * immutable, so that an index can use it. The typed function of the field and its index share it,
 * so that the index serves queries that call the function.
 *
 * Rows satisfy their definitions, but the build of an index also reads dead row versions, from a
 * time when the field had another type: a value of another type counts as no value.
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
      -- A cast from text to date depends on the session; this expression does not.
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
  'Returns the value of a custom field as an SQL expression over custom_fields, in its type.';

revoke all on function crm_private.custom_field_value(crm.custom_field_definitions, text)
  from public;
--! EndIncluded functions/custom_fields/custom_field_value.sql
--! Included functions/custom_fields/custom_field_function_name.sql
/*
 * Returns the name of the function of a custom field in crm_custom: deals_product. A name that is
 * too long for PostgreSQL is cut and made unique by a hash.
 */
create or replace function crm_private.custom_field_function_name(p_table regclass, p_name text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when length(relname || '_' || p_name) <= 63 then relname || '_' || p_name
    else left(relname || '_' || p_name, 54) || '_' || left(md5(p_name), 8)
  end
  from pg_class
  where oid = p_table;
$$;

comment on function crm_private.custom_field_function_name(regclass, text) is
  'Returns the name of the function of a custom field in crm_custom.';

revoke all on function crm_private.custom_field_function_name(regclass, text) from public;
--! EndIncluded functions/custom_fields/custom_field_function_name.sql
--! Included functions/custom_fields/compile_custom_field_functions.sql
/*
 * Creates a function for each custom field of an entity type: crm_custom.deals_product(deal)
 * returns the value of product, in the field's type. The API serves it as a field of deals, and SQL
 * can call it; the planner inlines its expression, so it costs nothing, and an index on the
 * expression serves it. Called by crm_private.compile_custom_fields when the definitions of the
 * type change.
 *
 * The functions are in a schema of their own, so that none can have the name of a built-in
 * function. If another object, such as a view, uses the function of a field, the field cannot be
 * deleted or renamed, nor get another type.
 *
 * A renamed or deleted field keeps its function under the former name for a time, marked as
 * deprecated: it returns the value of the renamed field, or null. A former name that the API now has
 * for another field is left out.
 */
create or replace function crm_private.compile_custom_field_functions(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '3s'
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_table       regclass := crm_private.entity_table(p_entity_type);
  v_definitions crm.custom_field_definitions[] := array(
    select definition
    from crm.custom_field_definitions as definition
    where definition.entity_type = p_entity_type
  );
  v_source      text  := format('(%I).custom_fields', p_entity_type);
  v_wanted      jsonb;
  v_gone        text;
  v_used        text;
begin
  with named as (
    select * from crm_private.custom_field_names(v_definitions)
  ),
  listed as (
    select
      crm_private.custom_field_function_name(v_table, definition.name) as function_name,
      definition.field_type,
      crm_private.custom_field_value(definition, v_source) as value,
      named.field_name,
      format(
        E'@customField %s\n%sThe custom field "%s". %sA value %s.%s',
        definition.name,
        case
          when definition.enum_values is not null then format(E'@choicesOf %s\n', definition.id)
        end,
        definition.label,
        definition.description || E'\n\n',
        (
          select string_agg(rule.message, ', ' order by rule.ordinal)
          from crm_private.custom_field_rules(definition) as rule
        ),
        case when definition.required then format(' Every %s has one.', p_entity_type) else '' end
      ) as comment,
      false as is_former
    from unnest(v_definitions) as definition
    join named on named.definition_id = definition.id

    union all

    select
      crm_private.custom_field_function_name(v_table, former.name),
      former.field_type,
      case
        when definition.id is not null then crm_private.custom_field_value(definition, v_source)
      end,
      former.field_name,
      format(
        E'@customField %s\n%s%s@deprecated %s on %s. It will be removed on %s.\n%s',
        former.name,
        E'@currentField ' || former.current_name || E'\n',
        case
          when definition.enum_values is not null then format(E'@choicesOf %s\n', definition.id)
        end,
        coalesce('Renamed to ' || named.field_name, 'Deleted'),
        former.ended_on,
        former.expires_on,
        coalesce(
          'The former name of ' || named.field_name || '.',
          'A custom field that was deleted. It is always null.'
        )
      ),
      true
    from crm_private.live_former_fields as former
    left join named on named.definition_id = former.definition_id
    left join unnest(v_definitions) as definition on definition.id = former.definition_id
    where former.entity_type = p_entity_type
      and not crm_private.is_reserved_field(former.field_name)
      and not exists (
        select from named as other where lower(other.field_name) = lower(former.field_name)
      )
      and not exists (
        select
        from crm_private.live_former_fields as other
        where other.entity_type = p_entity_type
          and lower(other.field_name) = lower(former.field_name)
          and (other.ended_at, other.name) > (former.ended_at, former.name)
      )
  )
  select coalesce(
    jsonb_object_agg(
      format('crm_custom.%I(%s)', listed.function_name, v_table),
      jsonb_build_array(
        typed.name,
        format(
          'create or replace function crm_custom.%I(%I %s) returns %s '
          'language sql immutable parallel safe as %L',
          listed.function_name, p_entity_type, v_table, typed.name, typed.body
        ),
        format(
          E'@name custom_%s_%s\n@fieldName %s\n%s',
          (select relname from pg_class where oid = v_table),
          listed.field_name, listed.field_name, listed.comment
        ),
        listed.is_former,
        typed.body
      )
    ),
    '{}'
  )
  into v_wanted
  from listed
  cross join lateral (
    select case listed.field_type
      when 'number' then 'numeric' when 'date' then 'date' when 'boolean' then 'boolean'
      when 'multi_enum' then 'text[]' else 'text'
    end
  ) as type (name)
  cross join lateral (
    select type.name, 'select ' || coalesce(listed.value, 'null::' || type.name)
  ) as typed (name, body);

  -- Functions that exist but are not needed any more, or now return another type; and those that
  -- become deprecated while another object uses them.
  select
    string_agg(present.signature, ', ' order by present.signature) filter (
      where v_wanted -> present.signature ->> 0 is distinct from present.type
    ),
    string_agg(present.signature, ', ' order by present.signature) filter (
      where (v_wanted -> present.signature -> 3)::boolean
        and not present.is_former
        and present.is_used
    )
  into v_gone, v_used
  from (
    select
      format('crm_custom.%I(%s)', proc.proname, v_table) as signature,
      format_type(proc.prorettype, null) as type,
      coalesce(
        strpos(obj_description(proc.oid, 'pg_proc'), E'\n@deprecated ') > 0, false
      ) as is_former,
      exists (
        select
        from pg_depend
        where refclassid = 'pg_proc'::regclass and refobjid = proc.oid and deptype = 'n'
      ) as is_used
    from pg_proc as proc
    where proc.pronamespace = 'crm_custom'::regnamespace
      and proc.proargtypes[0] = (select reltype from pg_class where oid = v_table)
  ) as present;

  if coalesce(v_used, v_gone) is not null then
    begin
      if v_used is not null then
        raise dependent_objects_still_exist;
      end if;
      execute 'drop function ' || v_gone;
    exception when dependent_objects_still_exist then
      v_gone := coalesce(v_used, v_gone);
      raise exception 'functions that other objects use cannot be dropped: %', v_gone
        using errcode    = 'check_violation',
              schema     = 'crm', table = 'custom_field_definitions',
              column     = 'name',
              constraint = 'custom_field_definitions_function_used',
              detail     = jsonb_build_object(
                             'name',
                             jsonb_build_array(
                               format('defines %s, which another object uses', v_gone)
                             )
                           )::text,
              hint       = 'Drop the objects that use it, and recreate them after the change.';
    end;
  end if;

  -- Most changes concern one of many fields.
  execute coalesce(
    (
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
      where not exists (
        select
        from pg_proc as proc
        where proc.oid = to_regprocedure(wanted.signature)
          and proc.prosrc = wanted.item ->> 4
          and obj_description(proc.oid, 'pg_proc') = wanted.item ->> 2
      )
    ),
    ''
  );
end
$$;

comment on function crm_private.compile_custom_field_functions(text) is
  'Creates a typed function for each custom field of an entity type.';

revoke all on function crm_private.compile_custom_field_functions(text) from public;
--! EndIncluded functions/custom_fields/compile_custom_field_functions.sql
--! Included functions/custom_fields/compile_former_fields.sql
/*
 * Removes the expired former names of one entity type's custom fields, and compiles its functions
 * again. Readers and writers continue; changes of definitions wait. Called by
 * crm_private.expire_former_fields and crm_private.set_former_field_retention.
 */
create or replace function crm_private.compile_former_fields(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '3s'
as $$
begin
  execute format(
    'lock table %s in share update exclusive mode', crm_private.entity_table(p_entity_type)
  );

  delete from crm_private.former_custom_fields as former
  where former.entity_type = p_entity_type
    and not exists (
      select
      from crm_private.live_former_fields as live
      where live.entity_type = former.entity_type and live.name = former.name
    );

  perform crm_private.compile_custom_field_functions(p_entity_type);
end
$$;

comment on function crm_private.compile_former_fields(text) is
  'Removes the expired former names of an entity type''s custom fields, and compiles its functions.';

revoke all on function crm_private.compile_former_fields(text) from public;
--! EndIncluded functions/custom_fields/compile_former_fields.sql
--! Included functions/custom_fields/expire_former_fields.sql
/*
 * Removes the former names of custom fields that have expired, with their functions. Returns their
 * number. Called by each server before it looks for changed custom fields, so it only reads unless
 * a name has expired, and does nothing on a standby.
 *
 * Security definer: crm_server has no rights of its own on the tables.
 */
create or replace function crm_private.expire_former_fields()
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_types text[];
begin
  select coalesce(array_agg(former.entity_type), '{}') into v_types
  from crm_private.former_custom_fields as former
  where not exists (
    select
    from crm_private.live_former_fields as live
    where live.entity_type = former.entity_type and live.name = former.name
  );

  if v_types = '{}' or current_setting('transaction_read_only')::boolean then
    return 0;
  end if;

  perform crm_private.compile_former_fields(listed.entity_type)
  from (
    select entity_type from unnest(v_types) as entity_type group by entity_type order by entity_type
  ) as listed;

  return cardinality(v_types);
end
$$;

comment on function crm_private.expire_former_fields() is
  'Removes the former names of custom fields that have expired; returns their number.';

revoke all on function crm_private.expire_former_fields() from public;
grant execute on function crm_private.expire_former_fields() to crm_server;
--! EndIncluded functions/custom_fields/expire_former_fields.sql
--! Included functions/custom_fields/record_former_fields.sql
/*
 * Records the names that definitions of one entity type lost by a change: of renamed fields and of
 * deleted ones. A definition that takes a name ends its use as a former name at once. p_old and
 * p_new are the definitions before and after the statement. Called by crm_private.apply_definitions.
 *
 * An entity type has at most as many former names as it may have custom fields; the oldest go first.
 */
create or replace function crm_private.record_former_fields(
  p_entity_type text,
  p_old         crm.custom_field_definitions[],
  p_new         crm.custom_field_definitions[]
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_before crm.custom_field_definitions[];
begin
  -- The definitions before the statement, because a name in the API depends on all of them.
  select array_agg(definition) into v_before
  from (
    select definition
    from crm.custom_field_definitions as definition
    where definition.entity_type = p_entity_type
      and not exists (select from unnest(p_new) as new_row where new_row.id = definition.id)

    union all

    select old_row::crm.custom_field_definitions
    from unnest(p_old) as old_row
    where old_row.entity_type = p_entity_type
  ) as listed (definition);

  -- Earlier names of a deleted field have the last type, too.
  update crm_private.former_custom_fields as former
  set field_type = old_row.field_type
  from unnest(p_old) as old_row
  where former.definition_id = old_row.id
    and not exists (select from unnest(p_new) as new_row where new_row.id = old_row.id);

  insert into crm_private.former_custom_fields as former
    (entity_type, name, field_name, definition_id, field_type)
  select old_row.entity_type, old_row.name, named.field_name, old_row.id, old_row.field_type
  from unnest(p_old) as old_row
  join crm_private.custom_field_names(v_before) as named on named.definition_id = old_row.id
  left join unnest(p_new) as new_row on new_row.id = old_row.id
  where old_row.entity_type = p_entity_type
    and new_row.name is distinct from old_row.name
  on conflict (entity_type, name) do update
  set
    field_name    = excluded.field_name,
    definition_id = excluded.definition_id,
    field_type    = excluded.field_type,
    ended_at      = excluded.ended_at;

  delete from crm_private.former_custom_fields as former
  where former.entity_type = p_entity_type
    and (
      exists (
        select
        from crm.custom_field_definitions as definition
        where definition.entity_type = former.entity_type and definition.name = former.name
      )
      or not exists (
        select
        from (
          select live.name
          from crm_private.live_former_fields as live
          where live.entity_type = p_entity_type
          order by live.ended_at desc, live.name
          limit crm_private.max_custom_fields()
        ) as kept
        where kept.name = former.name
      )
    );
end
$$;

comment on function crm_private.record_former_fields(
  text, crm.custom_field_definitions[], crm.custom_field_definitions[]
) is
  'Records the names that definitions of an entity type lost by a change.';

revoke all on function crm_private.record_former_fields(
  text, crm.custom_field_definitions[], crm.custom_field_definitions[]
) from public;
--! EndIncluded functions/custom_fields/record_former_fields.sql
--! Included functions/common/with_current_names.sql
/*
 * Returns the custom fields of a written row of a table with the present names of its fields in place
 * of former ones. An object with both names of a field keeps the former one, which validation then
 * reports. p_carried are values that the writer has not given: a present name with such a value does
 * not count, so an update that only carries it along gives one name. Called by the trigger of
 * crm_private.compile_renames and by crm_private.write_merged.
 */
create or replace function crm_private.with_current_names(
  p_table   regclass,
  p_fields  jsonb,
  p_carried jsonb
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_fields  jsonb := p_fields;
  v_carried jsonb := p_carried;
  v_former  record;
begin
  for v_former in
    select former.name, former.current_name
    from crm_private.live_former_fields as former
    where crm_private.entity_table(former.entity_type) = p_table
      and former.current_name is not null
      and p_fields ? former.name
    order by former.name
  loop
    if v_fields ? v_former.current_name
      and v_fields -> v_former.current_name is distinct from v_carried -> v_former.current_name
    then
      -- A name that is null would be removed before validation.
      if v_fields -> v_former.name = 'null' then
        v_fields := v_fields
          || jsonb_build_object(v_former.name, v_fields -> v_former.current_name);
      end if;
    else
      v_fields := v_fields - v_former.name
        || jsonb_build_object(v_former.current_name, v_fields -> v_former.name);
      -- Another former name of the same field would be a second one.
      v_carried := v_carried - v_former.current_name;
    end if;
  end loop;

  return v_fields;
end
$$;

comment on function crm_private.with_current_names(regclass, jsonb, jsonb) is
  'Returns custom fields with the present names of the fields in place of former ones.';

revoke all on function crm_private.with_current_names(regclass, jsonb, jsonb) from public;
grant execute on function crm_private.with_current_names(regclass, jsonb, jsonb) to crm_member;
--! EndIncluded functions/common/with_current_names.sql
--! Included functions/custom_fields/current_custom_fields.sql
/*
 * Replaces the former names of custom fields in a written row by the present names, also within
 * $merge. crm_private.compile_renames creates its trigger, which fires only for rows that have such
 * a name.
 */
create or replace function crm_private.current_custom_fields()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if jsonb_typeof(new.custom_fields -> '$merge') = 'object'
    and new.custom_fields - '$merge' = '{}'
  then
    new.custom_fields := jsonb_build_object(
      '$merge', crm_private.with_current_names(tg_relid, new.custom_fields -> '$merge', '{}')
    );
  elsif jsonb_typeof(new.custom_fields) = 'object' then
    new.custom_fields := crm_private.with_current_names(
      tg_relid, new.custom_fields, case tg_op when 'UPDATE' then old.custom_fields else '{}' end
    );
  end if;

  return new;
end
$$;

comment on function crm_private.current_custom_fields() is
  'Replaces the former names of custom fields in a written row by the present names.';

revoke all on function crm_private.current_custom_fields() from public;
--! EndIncluded functions/custom_fields/current_custom_fields.sql
--! Included functions/custom_fields/compile_renames.sql
/*
 * Compiles the former names of an entity type's custom fields into the condition of the trigger that
 * replaces them by the present names, so that rows without such a name need no call. Without former
 * names the trigger never fires; it is not dropped, because that would block readers. Called by
 * crm_private.compile_custom_fields.
 */
create or replace function crm_private.compile_renames(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statement contains only quoted names and values, which the checker cannot see.
-- @plpgsql_check_options: security_warnings = off
begin
  -- The name sorts before _100_default_custom_fields, which sets what a row lacks.
  execute (
    select format(
      'create or replace trigger _100_current_custom_fields before insert or update on %s '
      'for each row when (%s) execute function crm_private.current_custom_fields()',
      crm_private.entity_table(p_entity_type),
      case
        when count(*) > 0
        then format(
          'new.custom_fields ?| %1$L::text[] '
          'or coalesce(new.custom_fields -> ''$merge'' ?| %1$L::text[], false)',
          array_agg(former.name order by former.name)
        )
        else 'false'
      end
    )
    from crm_private.live_former_fields as former
    where former.entity_type = p_entity_type
      and former.current_name is not null
  );
end
$$;

comment on function crm_private.compile_renames(text) is
  'Compiles the former names of an entity type''s custom fields into the trigger that replaces them.';

revoke all on function crm_private.compile_renames(text) from public;
--! EndIncluded functions/custom_fields/compile_renames.sql
--! Included functions/custom_fields/allow_definitions.sql
/*
 * Restricts definitions to the entity types that have custom fields: recreates the constraint
 * custom_field_definitions_entity_type_known from the catalogue, with its message. Called by
 * crm_private.register_entity and crm_private.unregister_entity.
 */
create or replace function crm_private.allow_definitions()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statement contains only quoted values, which the checker cannot see.
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
  'Restricts definitions to the entity types that have custom fields.';

revoke all on function crm_private.allow_definitions() from public;
--! EndIncluded functions/custom_fields/allow_definitions.sql
--! Included functions/custom_fields/compile_custom_field_trigger.sql
/*
 * Creates the trigger of a table that removes custom fields set to null and applies $merge. Called
 * by crm_private.register_entity.
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
  'Creates the trigger that normalises the custom fields of a table''s rows.';

revoke all on function crm_private.compile_custom_field_trigger(regclass) from public;
--! EndIncluded functions/custom_fields/compile_custom_field_trigger.sql
--! Included functions/custom_fields/compile_custom_fields.sql
/*
 * Compiles the definitions of an entity type into crm_private.<table>_custom_fields_hold, which
 * validates the custom fields of a row without reading a definition. Also compiles the triggers that
 * replace former names and set defaults, the constraints of unique fields, statistics and a function
 * for each field, and the columns of the report. Called when the definitions of the type change; the caller has locked the table
 * against writers.
 *
 * Members that are null never reach the function: _100_normalise removes them before.
 *
 * Security definer: the objects that it creates belong to the owner, even if another role calls it,
 * such as a superuser who has loaded data.
 */
create or replace function crm_private.compile_custom_fields(p_entity_type text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can.
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
    v_function, 'Returns true if the custom fields satisfy their definitions. Compiled.'
  );
  execute format('revoke all on function %s(jsonb) from public', v_function);
  execute format('grant execute on function %s(jsonb) to crm_member', v_function);

  perform crm_private.compile_renames(p_entity_type);
  perform crm_private.compile_defaults(p_entity_type);
  perform crm_private.compile_unique(p_entity_type);
  perform crm_private.compile_statistics(p_entity_type);
  perform crm_private.compile_custom_field_functions(p_entity_type);
  perform crm_private.compile_report(p_entity_type);
end
$$;

comment on function crm_private.compile_custom_fields(text) is
  'Compiles the definitions of an entity type into the check, the defaults and the unique keys of '
  'its rows, into its functions and into its report.';

revoke all on function crm_private.compile_custom_fields(text) from public;
--! EndIncluded functions/custom_fields/compile_custom_fields.sql
--! Included functions/settings/trash_retention_days.sql
/* Returns the setting. Security definer: only the owner can read the table of settings. */
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
  'Implements crm.trash_retention_days with the rights of the owner.';

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
  'Returns the number of days for which deleted rows can be restored; after that the server purges '
  'them. Null if they are kept until an administrator purges them.';

revoke all on function crm.trash_retention_days() from public;
grant execute on function crm.trash_retention_days() to crm_reader;
--! EndIncluded functions/settings/trash_retention_days.sql
--! Included functions/erasure/purge_trash.sql
/*
 * Purges rows from the trash that were deleted longer ago than older_than, or than the retention
 * setting if it is null: they can no longer be restored. Purges nothing if both are null. Returns
 * the number of deletions. Raises if the interval is negative.
 *
 * Security definer: only the owner of the audit log may change it.
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
            detail     = '{"olderThan": ["must not be negative"]}',
            hint       = 'Pass an interval such as 30 days, or null for the retention setting.';
  end if;

  return crm_private.purge_deletions(clock_timestamp() - v_older_than);
end
$$;

comment on function crm_private.purge_trash(interval) is
  'Implements crm.purge_trash with the rights of the owner.';

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
  'Empties the trash of rows that were deleted longer ago than olderThan, or than '
  'trashRetentionDays if it is null: they can no longer be restored. Removes their values from '
  'the audit log permanently; who deleted what, and when, stays. Returns the number of deletions. '
  'For administrators.';

revoke all on function crm.purge_trash(interval) from public;
grant execute on function crm.purge_trash(interval) to crm_admin;
--! EndIncluded functions/erasure/purge_trash.sql
--! Included functions/undo/undo_entry.sql
/*
 * Undoes what one audit log entry did to its row. Raises if there is no such entry.
 *
 * Security definer: it reads the whole audit log, and restores rows under their own ids, which no
 * role may write. crm_private.carry_out_reversal checks that the caller could make the same changes
 * manually.
 */
create or replace function crm_private.undo_entry(
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
  'Implements crm.undo_entry with the rights of the owner.';

revoke all on function crm_private.undo_entry(bigint, crm.conflict_resolution) from public;
grant execute on function crm_private.undo_entry(bigint, crm.conflict_resolution) to crm_member;

create or replace function crm.undo_entry(
  entry_id    bigint,
  on_conflict crm.conflict_resolution default 'REFUSE'
)
returns crm.reversal
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.undo_entry(entry_id, on_conflict);
$$;

comment on function crm.undo_entry(bigint, crm.conflict_resolution) is
  'Undoes one audit log entry: fields that it changed get their old values, a row that it deleted '
  'is restored, a row that it created is deleted. Undoing is a change like any other, and can '
  'itself be undone. If something was changed since, onConflict decides: REFUSE, the default, '
  'changes nothing and returns the code CONFLICT; SKIP leaves the changed values as they are and '
  'lists them in kept; FORCE overwrites them, for administrators only.';

revoke all on function crm.undo_entry(bigint, crm.conflict_resolution) from public;
grant execute on function crm.undo_entry(bigint, crm.conflict_resolution) to crm_member;
--! EndIncluded functions/undo/undo_entry.sql
--! Included functions/undo/undo_field.sql
/*
 * Puts a field back to the value that it had before an audit log entry. Expects that the field
 * still has the value that it had after that entry. Does nothing if it has the old value already. A
 * custom field that was renamed since is known by either name. Raises if the entry is not an update
 * of the field, or if the field is not written by users.
 *
 * Security definer: it reads the whole audit log. crm_private.carry_out_reversal checks that the
 * caller could make the same changes manually.
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

  perform crm_private.refuse_irreversible(entity_type);

  -- A value that is read here must not be restored after it was erased.
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
      'field', 'follows from other fields and cannot be undone alone', 'undo_field_field_written'
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

  -- The first change from that entry on has the value of the field before it. A renaming is no
  -- change of the value.
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
  'Implements crm.undo_field with the rights of the owner.';

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
  'Puts one field of a row back to the value that it had before an audit log entry. A custom '
  'field is customFields.<name>. Undoing is a change like any other, and can itself be undone. If '
  'something was changed since, onConflict decides: REFUSE, the default, changes nothing and '
  'returns the code CONFLICT; SKIP leaves the field unchanged and lists it in kept; FORCE '
  'overwrites it, for administrators only.';

revoke all on function crm.undo_field(text, uuid, text, bigint, crm.conflict_resolution) from public;
grant execute on function crm.undo_field(text, uuid, text, bigint, crm.conflict_resolution) to crm_member;
--! EndIncluded functions/undo/undo_field.sql
--! Included functions/undo/undo_transaction.sql
/*
 * Undoes everything that a transaction did, across entity types: all of it, or nothing.
 *
 * Security definer: it reads the whole audit log, and restores rows under their own ids, which no
 * role may write. crm_private.carry_out_reversal checks that the caller could make the same changes
 * manually.
 */
create or replace function crm_private.undo_transaction(
  transaction_id bigint,
  on_conflict    crm.conflict_resolution default 'REFUSE'
)
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
  'Implements crm.undo_transaction with the rights of the owner.';

revoke all on function crm_private.undo_transaction(bigint, crm.conflict_resolution) from public;
grant execute on function crm_private.undo_transaction(bigint, crm.conflict_resolution) to crm_member;

create or replace function crm.undo_transaction(
  transaction_id bigint,
  on_conflict    crm.conflict_resolution default 'REFUSE'
)
returns crm.reversal
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.undo_transaction(transaction_id, on_conflict);
$$;

comment on function crm.undo_transaction(bigint, crm.conflict_resolution) is
  'Undoes everything that one transaction did, such as a bulk edit or an import: fields that it '
  'changed get their old values, rows that it deleted are restored, rows that it created are '
  'deleted. Undoing is a change like any other, and can itself be undone. If something was '
  'changed since, onConflict decides: REFUSE, the default, changes nothing and returns the code '
  'CONFLICT; SKIP leaves the changed values as they are, lists them in kept and undoes the rest; '
  'FORCE overwrites them, for administrators only.';

revoke all on function crm.undo_transaction(bigint, crm.conflict_resolution) from public;
grant execute on function crm.undo_transaction(bigint, crm.conflict_resolution) to crm_member;
--! EndIncluded functions/undo/undo_transaction.sql
--! Included functions/audit_log/unsealed_seconds.sql
/*
 * Returns for how many seconds the oldest unsealed audit log entry has waited; 0 if there is none.
 * The value grows while no server seals, while another session holds the lock of the seals, and
 * while a transaction that has written stays open. Called by the metrics of the server and by
 * doctor.
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
  'Returns for how many seconds the oldest unsealed audit log entry has waited.';

revoke all on function crm_private.unsealed_seconds() from public;
grant execute on function crm_private.unsealed_seconds() to crm_server;
--! EndIncluded functions/audit_log/unsealed_seconds.sql
--! Included functions/custom_fields/unindex_custom_field.sql
/*
 * Drops the index of a custom field, if there is one. Readers and writers of the entity wait until
 * the transaction ends; npx pgcrm field unindex does not block them.
 *
 * Security definer: only the owner of a table can drop indexes on it.
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
  'Implements crm.unindex_custom_field with the rights of the owner.';

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
  'Drops the index on a custom field. Does nothing if there is none. For administrators.';

revoke all on function crm.unindex_custom_field(text, text) from public;
grant execute on function crm.unindex_custom_field(text, text) to crm_admin;
--! EndIncluded functions/custom_fields/unindex_custom_field.sql
--! Included functions/merge/merged_values.sql
/*
 * Returns the email addresses, or the phone numbers, of several rows in one list: those of the
 * first row unchanged, then those that the others add, in order. Addresses are compared without
 * regard to case, numbers by the digits that are dialled. A number with and without its country
 * code or an extension stays twice, because only a user can know which one is right. p_lists is an
 * array of arrays. Called by merges of contacts.
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
  'Returns lists of email addresses or phone numbers as one, without duplicates.';

revoke all on function crm_private.merged_values(jsonb) from public;
grant execute on function crm_private.merged_values(jsonb) to crm_member;
--! EndIncluded functions/merge/merged_values.sql
--! Included functions/merge/merged_custom_fields.sql
/*
 * Returns the custom fields of several rows in one object. Each has its value in the first row that
 * has the field.
 */
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
  'Returns the custom fields of several rows in one object, each with its first value.';

revoke all on function crm_private.merged_custom_fields(jsonb[]) from public;
grant execute on function crm_private.merged_custom_fields(jsonb[]) to crm_member;
--! EndIncluded functions/merge/merged_custom_fields.sql
--! Included functions/merge/merged_external_ids.sql
/*
 * Returns the external ids of several rows in one list, in order. No id occurs twice, because no
 * two rows share one. p_lists is an array of arrays. Called by merges.
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
  'Returns the external ids of several rows in one list.';

revoke all on function crm_private.merged_external_ids(jsonb) from public;
grant execute on function crm_private.merged_external_ids(jsonb) to crm_member;
--! EndIncluded functions/merge/merged_external_ids.sql
--! Included functions/merge/merged_lists.sql
/*
 * Returns several lists as one, as JSON: the elements of the first list unchanged, then the
 * elements that the others add, in order. p_lists is an array of arrays; null means that no row has
 * a list, and returns null.
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
  'Returns several lists as one, without elements that it already has.';

revoke all on function crm_private.merged_lists(jsonb) from public;
grant execute on function crm_private.merged_lists(jsonb) to crm_member;
--! EndIncluded functions/merge/merged_lists.sql
--! Included functions/merge/merged_row.sql
/*
 * Returns the values that a merge combines from several rows, by column: the value of the first row
 * or, if it has none, of the first other row that has one. Custom fields are merged one by one;
 * lists get the elements of all rows. Null counts as no value, and so do an empty object and the
 * default of a new row. Called by crm_private.merge_rows, which has locked the rows.
 *
 * The columns are those that members may change, read from the catalog: a column that is added to
 * the table is merged like the others. A link to one of the merged rows is ignored, because that
 * row may be deleted.
 */
create or replace function crm_private.merged_row(p_table regclass, p_ids uuid[])
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
-- Its statement is built from expressions, which cannot be quoted like names and values.
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
            -- Equal addresses and numbers may be written in different ways.
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
        -- A default that takes a number from a sequence must not be evaluated.
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
  'Returns the values that a merge combines from several rows, by column.';

revoke all on function crm_private.merged_row(regclass, uuid[]) from public;
grant execute on function crm_private.merged_row(regclass, uuid[]) to crm_member;
--! EndIncluded functions/merge/merged_row.sql
--! Included functions/bulk/unreadable_rows.sql
/*
 * Returns the rows of a bulk write with values that their columns cannot read, such as a day that
 * does not exist, with each such field. Called by crm_private.find_faults after a statement failed.
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
  'Returns the rows of a bulk write with values that cannot be read.';

revoke all on function crm_private.unreadable_rows(regclass, crm_private.bulk_row[]) from public;
grant execute on function crm_private.unreadable_rows(regclass, crm_private.bulk_row[])
  to crm_member;
--! EndIncluded functions/bulk/unreadable_rows.sql
--! Included functions/audit_log/verify_audit_log.sql
/*
 * Seals the new entries, then compares the audit log with its seals and with the digest, if one is
 * passed. A large audit log takes longer than a request may; the command line verifies it without
 * that limit.
 *
 * Security definer: only the owner can read the blocks.
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
  'Implements crm.verify_audit_log with the rights of the owner.';

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
  'Verifies the audit log against its seals and returns the first entry that was altered, removed '
  'or inserted by direct access to the database. Such access could also change the seals; pass a '
  'digest that was stored elsewhere to detect that. For administrators.';

revoke all on function crm.verify_audit_log(text) from public;
grant execute on function crm.verify_audit_log(text) to crm_admin;
--! EndIncluded functions/audit_log/verify_audit_log.sql
--! Included functions/merge/write_merged.sql
/*
 * Writes the row that remains after a merge: the chosen values, custom fields one by one, or else
 * the combined values. Before that, it removes from the losers what only one row may have: external
 * ids, and the values of unique columns. A column that is not among the values stays unchanged.
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
-- Its statements are built from expressions, which cannot be quoted like names and values.
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
        'custom_fields', crm_private.with_current_names(
          p_table,
          (p_united -> 'custom_fields') || (p_chosen -> 'custom_fields'),
          p_united -> 'custom_fields'
        )
      )
      else '{}'
    end,
    p_winner;
end
$$;

comment on function crm_private.write_merged(regclass, uuid, uuid[], jsonb, jsonb) is
  'Writes the row that remains after a merge.';

revoke all on function crm_private.write_merged(regclass, uuid, uuid[], jsonb, jsonb) from public;
grant execute on function crm_private.write_merged(regclass, uuid, uuid[], jsonb, jsonb)
  to crm_member;
--! EndIncluded functions/merge/write_merged.sql
--! Included functions/merge/merge_rows.sql
/*
 * Merges rows of an entity type: the winner stays, the losers are deleted. Called by
 * crm.merge_contacts and crm.merge_companies. Runs with the rights of the caller, who could make
 * the same changes manually.
 *
 * 1. Locks the rows by id, so that overlapping merges run one after the other. A transaction that
 *    links something to a loser waits, and is refused when the loser is deleted. Rows that the
 *    merged rows reference are locked before, in the order in which every writer locks them, so
 *    that two merges do not deadlock.
 * 2. Writes the winner: each field has the chosen value, else the winner's, else that of the first
 *    loser that has one. Custom fields are merged one by one. Lists, such as email addresses, get
 *    the elements of all rows.
 * 3. Moves every reference to a loser to the winner.
 * 4. Deletes the losers. Nothing is attached to them any more, so nothing is deleted with them.
 *    Records that they became part of the winner.
 *
 * Every step is a statement in the audit log, in one transaction: undone from the last entry to the
 * first, they restore exactly the previous state.
 *
 * Returns <entity type>_id, transaction_id, and <table>_moved, the number of rows moved in each
 * table.
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
-- plpgsql_check cannot see that its statements write.
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

  -- Until the losers are deleted, the winner may have the same value of a unique field.
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
/* Merges companies into one. crm_private.merge_rows describes how. */
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
  'Merges duplicates of a company into one. The winner gets all contacts, deals, tasks, notes and '
  'external ids of the losers, and their values for the fields in which it has none; then the '
  'losers are deleted. fields contains the values that the winner gets instead, as in a patch: '
  'customFields are merged one by one, and null removes one. If it contains a version, the merge '
  'is refused unless the winner still has that version.';

revoke all on function crm.merge_companies(uuid, uuid[], jsonb) from public;
grant execute on function crm.merge_companies(uuid, uuid[], jsonb) to crm_member;
--! EndIncluded functions/merge/merge_companies.sql
--! Included functions/merge/merge_contacts.sql
/* Merges contacts into one. crm_private.merge_rows describes how. */
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
  'Merges duplicates of a contact into one. The winner gets all deals, tasks, notes, email '
  'addresses, phone numbers and external ids of the losers, and their values for the fields in '
  'which it has none; then the losers are deleted. fields contains the values that the winner '
  'gets instead, as in a patch: customFields are merged one by one, and null removes one. If it '
  'contains a version, the merge is refused unless the winner still has that version.';

revoke all on function crm.merge_contacts(uuid, uuid[], jsonb) from public;
grant execute on function crm.merge_contacts(uuid, uuid[], jsonb) to crm_member;
--! EndIncluded functions/merge/merge_contacts.sql
--! Included functions/bulk/write_rows.sql
/*
 * Creates, updates, upserts or deletes many rows of an entity type in a few statements, all of it
 * in one transaction, and reports the faults of all rows at once. rows is an array of objects:
 *
 * - create: columns as keys. A column that is absent has its default.
 * - update: the same with the id. A column that is absent stays, one that is null becomes null.
 *   With a version the row is refused if its version is another by now.
 * - upsert: the same with external_id, {"source": …, "id": …}. Updates the row that has it; if
 *   there is none, creates one with it.
 * - delete: id, and version.
 *
 * A row may give a reference to another row by external id: company instead of company_id, with
 * {"external_id": {"source": …, "id": …}} (crm_private.resolve_references).
 *
 * If a row is faulty, mode ALL_OR_NOTHING refuses everything, with one error whose detail lists the
 * faults. VALID_ONLY writes the other rows, and returns the faults with the result. dry_run writes
 * nothing and returns what would happen. Positions begin with 0.
 *
 * Runs with the caller's rights. Called by the bulk mutations of the API and by SQL. Its statements
 * are planned anew for each list: a generic plan would assume a hundred rows, and join ten thousand
 * in a nested loop.
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
    perform crm_private.refuse_argument(
      'rows', 'must be an array', 'write_rows_rows_list',
      'Pass a JSON array with one object per row.'
    );
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

  with resolved as materialized (
    select * from crm_private.resolve_references(v_table, v_rows)
  )
  select
    array(
      select row(
        input.place, input.id, input.operation, coalesce(resolved.item, input.item)
      )::crm_private.bulk_row
      from unnest(v_rows) as input
      left join resolved using (place)
      order by input.place
    ),
    array(
      select row(resolved.place, resolved.code, resolved.fields, true)::crm_private.row_fault
      from resolved
      where resolved.fields is not null
      order by resolved.place
    )
  into v_rows, v_known;

  -- The first attempt suffices if no fault makes a statement fail. Each further attempt knows more
  -- rows that cannot be written.
  loop
    v_attempts := v_attempts + 1;
    begin
      v_outcome := crm_private.attempt_rows(entity_type, operation, v_rows, v_known);
      exit when not coalesce(dry_run, false) and (
        mode = 'VALID_ONLY' or cardinality(v_outcome.faults || v_misread) = 0
      );
      raise triggered_action_exception using message = 'rolls everything back';
    exception
      when triggered_action_exception then
        v_outcome.is_undone := true;
        exit;
      when integrity_constraint_violation or data_exception or program_limit_exceeded then
        v_met := crm_private.find_faults(entity_type, operation, v_rows, v_known, sqlstate, v_attempts > 3);
        -- The row that an upsert was to create may exist by now, and can be updated.
        if cardinality(v_met) = 0 and (operation <> 'upsert' or v_attempts > 3) then
          raise;
        end if;
        v_known := v_known || v_met;
        -- A row that cannot be read has no further faults to report.
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
  'Creates, updates, upserts or deletes many rows of an entity type, and reports the faults of all '
  'of them at once.';

revoke all on function crm_private.write_rows(text, text, jsonb, text, boolean) from public;
grant execute on function crm_private.write_rows(text, text, jsonb, text, boolean) to crm_member;
--! EndIncluded functions/bulk/write_rows.sql
--! Included functions/common/written_columns.sql
/*
 * Returns the columns of a table that members may insert or update, which are the columns that a
 * row of a bulk write may have. It reads the privileges of members, not of the caller, so that a
 * caller without the privilege is refused by the statement itself.
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
  'Returns the columns of a table that members may insert or update.';

revoke all on function crm_private.written_columns(regclass, text) from public;
grant execute on function crm_private.written_columns(regclass, text) to crm_reader;
--! EndIncluded functions/common/written_columns.sql
--! Included functions/bulk/read_rows.sql
/*
 * Reads the input of a bulk write: each row with its place in the input, from 0, and the faults of
 * its form, null if there are none. Values that their columns cannot read are found later, when the
 * rows are written.
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
  end::text[]
    || case
      when p_operation <> 'delete' then array(select name from crm_private.references_of(p_table))
    end;
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
  'Returns the rows of the input of a bulk write, with the faults of the form of each.';

revoke all on function crm_private.read_rows(regclass, text, jsonb) from public;
grant execute on function crm_private.read_rows(regclass, text, jsonb) to crm_member;
--! EndIncluded functions/bulk/read_rows.sql
--! Included views/crm_private/rules.sql
/*
 * Every rule for the rows of a table, read from the catalog: required columns, checks, references
 * and unique keys. The rules are defined by the constraints alone. The comment of a constraint is
 * the message that a client receives, with %s for the faulty value.
 *
 * Read by crm_private.compile_rules, crm_private.row_faults and the generator of the typed layer.
 */
create or replace view crm_private.rules as
  with constraint_columns as (
    -- A rule over several columns is reported for the column with which its name begins.
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
        -- When a row is validated, its generated columns have no values yet.
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
  'Every rule for the rows of a table in crm, or of an entity, read from the catalog.';
--! EndIncluded views/crm_private/rules.sql
--! Included functions/custom_fields/index_prefix.sql
/*
 * Returns the columns before the value in the index of a custom field. p_prefix has their names, in
 * SQL or in the API. Empty if the index cannot have all of them, which crm_private.index_custom_field
 * refuses; the index of a field whose type has changed loses them.
 *
 * It can have columns that readers see and that have an order, except the id, which it has already.
 * A text has at most 255 characters, or is a reference; together with those of the value there are
 * at most 510, so that an entry does not exceed the limit of a B-tree. An index of a list of values,
 * or of a text without such a limit, has no prefix.
 */
create or replace function crm_private.index_prefix(
  p_definition crm.custom_field_definitions,
  p_prefix     text[]
)
returns name[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when count(known.attname) = cardinality(p_prefix)
      and p_definition.field_type <> 'multi_enum'
      and 255 * count(*) filter (where known.atttypid = 'text'::regtype) + case
          p_definition.field_type
          when 'text' then coalesce(p_definition.max_length, 10000)
          when 'enum' then 255
          else 0
        end <= 510
    then coalesce(array_agg(known.attname order by ordinal), '{}')
    else '{}'
  end
  from unnest(p_prefix) with ordinality as wanted (field, ordinal)
  left join (
    select attname, atttypid
    from pg_attribute
    where attrelid = crm_private.entity_table(p_definition.entity_type)
      and attnum > 0
      and attname <> 'id'
      and not attisdropped
      and has_column_privilege('crm_reader', attrelid, attnum, 'select')
      and (
        atttypid = any ('{uuid,numeric,integer,boolean,date,timestamptz}'::regtype[])
        or atttypid = 'text'::regtype
          and exists (
            select
            from crm_private.rules
            where table_oid = attrelid
              and column_name = attname
              and (kind = 'reference' or condition = format('(char_length(%I) <= 255)', attname))
          )
      )
  ) as known on wanted.field in (attname, crm_private.camel_case(attname));
$$;

comment on function crm_private.index_prefix(crm.custom_field_definitions, text[]) is
  'Returns the columns before the value in the index of a custom field; empty if it cannot have them.';

revoke all on function crm_private.index_prefix(crm.custom_field_definitions, text[]) from public;
--! EndIncluded functions/custom_fields/index_prefix.sql
--! Included functions/custom_fields/custom_field_index_statement.sql
/*
 * Returns the statement that creates the index of a custom field, on exactly the expression that
 * the field's function returns; p_option is empty or concurrently.
 *
 * The default is a B-tree with the id after the value, so that a page sorted by the field is read
 * from it. p_prefix has the names of columns before the value, which crm_private.index_prefix
 * returns. Columns after the value would give no order: ->> is not leakproof, so below a policy the
 * planner does not see that a filter by one value leaves only that value.
 *
 * Entries of a B-tree are limited to 2,704 bytes. A longer text would make a write fail, so a text
 * field has a B-tree only if its definition has a max_length that cannot exceed the limit: 500
 * characters of four bytes. SP-GiST accepts text of any length, and finds the whole value or its
 * beginning, but in no order. For lists of values GIN indexes each element. Neither has a prefix,
 * and a B-tree has it only if its texts cannot exceed the limit together.
 */
create or replace function crm_private.custom_field_index_statement(
  p_definition crm.custom_field_definitions,
  p_option     text   default '',
  p_prefix     text[] default '{}'
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
      else 'create index %s %I on %s using btree (%5$s(%4$s), id)'
    end,
    p_option,
    crm_private.custom_field_index_name(p_definition),
    crm_private.entity_table(p_definition.entity_type),
    crm_private.custom_field_value(p_definition),
    (
      select string_agg(format('%I, ', name), '' order by ordinal)
      from unnest(crm_private.index_prefix(p_definition, p_prefix))
        with ordinality as prefix (name, ordinal)
    )
  );
$$;

comment on function crm_private.custom_field_index_statement(
  crm.custom_field_definitions, text, text[]
) is
  'Returns the statement that creates the index of a custom field.';

revoke all on function crm_private.custom_field_index_statement(
  crm.custom_field_definitions, text, text[]
) from public;
--! EndIncluded functions/custom_fields/custom_field_index_statement.sql
--! Included functions/custom_fields/refuse_prefix.sql
/*
 * Raises a check_violation if the index of a custom field cannot have a prefix. Called by
 * crm_private.index_custom_field and npx pgcrm field index.
 */
create or replace function crm_private.refuse_prefix(
  p_definition crm.custom_field_definitions,
  p_prefix     text[]
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_unknown text;
begin
  if cardinality(crm_private.index_prefix(p_definition, p_prefix)) = cardinality(p_prefix) then
    return;
  end if;

  select field into v_unknown
  from unnest(p_prefix) as field
  -- A boolean field can have any prefix.
  where crm_private.index_prefix(
      jsonb_populate_record(p_definition, '{"field_type": "boolean"}'), array[field]
    ) = '{}'
  limit 1;

  perform crm_private.refuse_argument(
    'prefix',
    case
      when found then crm_private.fault_message(
        '%s is not a field of ' || p_definition.entity_type || ' that an index can have',
        to_jsonb(v_unknown)
      )
      else 'cannot be combined with a list, or with texts that may have more than 510 characters '
        'together'
    end,
    'index_custom_field_prefix'
  );
end
$$;

comment on function crm_private.refuse_prefix(crm.custom_field_definitions, text[]) is
  'Raises an error if the index of a custom field cannot have a prefix.';

revoke all on function crm_private.refuse_prefix(crm.custom_field_definitions, text[]) from public;
--! EndIncluded functions/custom_fields/refuse_prefix.sql
--! Included functions/validation/broken_reference.sql
/*
 * Returns the condition that a row of a table references a row that does not exist; null if the
 * table has no references. Called by bulk writes.
 *
 * Security definer: roles cannot read crm_private.rules. It reads no rows of the table.
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
  'Returns the condition that a row of a table references a row that does not exist.';

revoke all on function crm_private.broken_reference(regclass) from public;
grant execute on function crm_private.broken_reference(regclass) to crm_member;
--! EndIncluded functions/validation/broken_reference.sql
--! Included functions/validation/compile_stamps.sql
/*
 * Compiles the stamps of a table: creates crm_private.<table>_stamp from the columns of the table,
 * and the triggers that stamp its rows. Columns that are generated, or derived by a later trigger
 * (crm_private.derived_columns), follow from the others. They have their old values until they are
 * computed anew, so that they do not make an update look like a change, and no writer can set them.
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
-- Its statements are built from expressions, which cannot be quoted like names and values.
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
  where attrelid = p_table and attnum > 0 and not attisdropped
    and (attgenerated <> '' or attname = any (crm_private.derived_columns()));

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
    'for each row execute function crm_private.stamp_insert()',
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
  'Creates the triggers that stamp the rows of a table, compiled from its columns.';

revoke all on function crm_private.compile_stamps(regclass, text) from public;
--! EndIncluded functions/validation/compile_stamps.sql
--! Included functions/entities/register_entity.sql
/*
 * Registers a table as an entity: writes its row in crm_private.entity_types, and compiles
 * everything that is derived from it. The table must exist, with the columns that every entity has
 * (id, version, created_at, updated_at, created_by, updated_by), its constraints, grants and
 * policies. Its columns decide what it supports:
 *
 * - every table has stamps, validation, the audit log, history, undo and the trash;
 * - a table with external_ids has bulk writes, look-ups by external id, and a report;
 * - a table with custom_fields has definitions of custom fields;
 * - a table with search_document is searched: as a text if crm_private.text_document computes it,
 *   otherwise by the label columns. It is not searched if crm_reader cannot select one of
 *   search_document, id, created_at and the label columns, because then every search would fail;
 * - foreign keys to other entities become cascades and links.
 *
 * The table may be in any schema. The compiled objects are named after the table and the entity
 * type, so no two entities can have the same, and both names are short: PostgreSQL would truncate
 * crm.<table>_history_is_complete after 63 bytes. A hit of crm.search has the attribute
 * <entity type>_id, and in the API a field of the entity type's name.
 *
 * Raises if a name is in use, reserved, malformed or too long, or if the table lacks a column.
 *
 * Call it again when the columns, their rights or the constraints of the table have changed. Locks
 * the table, and crm.custom_field_definitions if the table has custom fields.
 * crm_private.unregister_entity reverts it.
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
  v_name    name := (select relname from pg_class where oid = p_table);
  v_lacking text; -- columns that every entity has
  v_missing text; -- label columns
  v_other   text;
  v_fault   record;
  v_type    crm_private.entity_types;
begin
  select type.entity_type into v_other
  from crm_private.entity_types as type
  join pg_class as class on class.oid = type.entity_table
  where (type.entity_type = p_entity_type) <> (type.entity_table = p_table)
    or type.entity_type <> p_entity_type and class.relname = v_name
  limit 1;

  select string_agg(format('%s %s', needed, type), ' and ' order by needed desc) into v_lacking
  from (values ('id', 'uuid'), ('created_at', 'timestamptz')) as expected (needed, type)
  where not exists (
    select from pg_attribute
    where attrelid = p_table and attname = needed and atttypid = type::regtype
  );

  select string_agg(coalesce(label, 'null'), ', ' order by ordinal) into v_missing
  from unnest(p_label_columns) with ordinality as labels (label, ordinal)
  where not exists (
    select from pg_attribute
    where attrelid = p_table and attname = label and attnum > 0 and not attisdropped
  );

  with broken as (
    select *
    from (
      values
        (1, 'entity_type', 'entityType', 'entity_types_entity_type_format',
          'must consist of a-z, 0-9 and _, begin with a letter, and have at most 40 characters',
          'The functions and fields of the entity are named after it.',
          p_entity_type !~ '^[a-z][a-z0-9_]{0,39}$'),
        (2, 'entity_type', 'entityType', 'entity_types_entity_type_reserved',
          'must not be entity, entity_type, rank, extract or place',
          'Hits of a search have fields of these names. Choose another name.',
          p_entity_type = any ('{entity,entity_type,rank,extract,place}')),
        (3, 'entity_table', 'entityTable', 'entity_types_entity_table_length',
          'must have a name of at most 40 bytes',
          'The functions of the entity are named after its table. Rename the table.',
          octet_length(v_name::text) > 40),
        (4, 'entity_table', 'entityTable', 'entity_types_entity_table_columns',
          'must have the columns ' || v_lacking,
          'Add the columns that every entity has, with their types.',
          v_lacking is not null),
        (5, 'entity_table', 'entityTable', 'entity_types_entity_table_alone',
          'is in use by entity ' || v_other,
          'Choose another name, or unregister the other entity first.',
          v_other is not null),
        (6, 'label_columns', 'labelColumns', 'entity_types_label_columns_required',
          'must have at least one column',
          'Name the columns by which people recognise a row.',
          coalesce(cardinality(p_label_columns), 0) = 0),
        (7, 'label_columns', 'labelColumns', 'entity_types_label_columns_known',
          format('must be columns of %s, which has no %s', p_table, v_missing),
          'Name the columns by which people recognise a row.',
          v_missing is not null)
    ) as rules (ordinal, column_name, field, rule, message, hint, is_broken)
    where is_broken
  )
  select
    (array_agg(rule order by ordinal))[1]                            as rule,
    (array_agg(column_name order by ordinal))[1]                     as column_name,
    (array_agg(hint order by ordinal))[1]                            as hint,
    string_agg(column_name || ' ' || message, '; ' order by ordinal) as summary,
    (
      select jsonb_object_agg(field, messages)
      from (
        select field, jsonb_agg(message order by ordinal) as messages from broken group by field
      ) as by_field
    ) as fields
  into v_fault
  from broken;

  if v_fault.rule is not null then
    raise exception 'entity %: %', p_entity_type, v_fault.summary
      using errcode    = 'check_violation',
            schema     = 'crm_private', table = 'entity_types', column = v_fault.column_name,
            constraint = v_fault.rule,
            detail     = v_fault.fields::text,
            hint       = v_fault.hint;
  end if;

  insert into crm_private.entity_types as type (
    entity_type, entity_table, label_columns, is_record, has_custom_fields, is_mergeable, restore_order,
    searched_by, search_order
  )
  select
    p_entity_type, p_table, p_label_columns,
    coalesce(bool_or(attname = 'external_ids'), false),
    coalesce(bool_or(attname = 'custom_fields'), false),
    false,
    (select max(restore_order) + 10 from crm_private.entity_types),
    document.searched_by,
    case document.searched_by when 'name' then 2 when 'text' then 3 end
  from pg_attribute
  cross join (
    select min(
      case
        when pg_get_expr(adbin, adrelid) ~ '\mcrm_private\.text_document\(' then 'text' else 'name'
      end
    ) as searched_by
    from pg_attribute
    join pg_class on pg_class.oid = attrelid
    left join pg_attrdef on adrelid = attrelid and adnum = attnum
    where attrelid = p_table
      and attname = 'search_document'
      and atttypid = 'tsvector'::regtype
      and (
        select bool_and(has_column_privilege('crm_reader', p_table, needed::text, 'select'))
        from unnest('{id,created_at,search_document}'::name[] || p_label_columns) as needed
      )
      and has_schema_privilege('crm_reader', relnamespace, 'usage')
  ) as document
  where attrelid = p_table and attnum > 0 and not attisdropped
  group by document.searched_by
  on conflict (entity_type) do update set
    label_columns     = excluded.label_columns,
    is_record         = excluded.is_record,
    has_custom_fields = excluded.has_custom_fields,
    searched_by       = excluded.searched_by,
    search_order      = case
      when excluded.searched_by is not null then coalesce(type.search_order, excluded.search_order)
    end
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
  perform crm_private.compile_search();
end
$$;

comment on function crm_private.register_entity(text, regclass, name[]) is
  'Registers a table as an entity, with everything that entities have.';

revoke all on function crm_private.register_entity(text, regclass, name[]) from public;
--! EndIncluded functions/entities/register_entity.sql
--! Included functions/entities/unregister_entity.sql
/*
 * Reverts crm_private.register_entity: removes the objects that were compiled for an entity, its
 * custom fields, its external ids and its row in crm_private.entity_types, so that the table can be
 * dropped. The rows of the table stay. So do its audit log entries, which only administrators can
 * read afterwards.
 */
create or replace function crm_private.unregister_entity(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are built from quoted names, which plpgsql_check cannot see.
-- @plpgsql_check_options: security_warnings = off
declare
  v_table regclass := crm_private.entity_table(p_entity_type);
  v_name  text     := (select relname::text from pg_class where oid = v_table);
  v_drop  text;
begin
  delete from crm.custom_field_definitions where entity_type = p_entity_type;
  delete from crm_private.former_custom_fields where entity_type = p_entity_type;
  perform crm_private.compile_custom_field_functions(p_entity_type);
  delete from crm_private.external_ids where entity_type = p_entity_type;
  delete from crm_private.entity_types where entity_type = p_entity_type;
  perform crm_private.compile_entity_lookups();
  perform crm_private.allow_definitions();
  perform crm_private.compile_search();

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
        p_entity_type || '_as_of', p_entity_type || '_by_external_id',
        v_name || '_by_external_ids'
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
  'Removes everything that was compiled for an entity, so that its table can be dropped.';

revoke all on function crm_private.unregister_entity(text) from public;
--! EndIncluded functions/entities/unregister_entity.sql

--! split: 060-views.sql
/*
 * Why: the reports of analysts, the trash, and the history of stages.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

--! Included views/reporting/activity.sql
/*
 * The activity of users. Read by analysts, with the owner's rights on the audit log. The days are
 * joined first, and the entries of each day are found by their time, so a query for a week reads a
 * week of the audit log.
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
  'How much each user created, changed and deleted on each day, as far back as the audit log is '
  'stored.';
comment on column reporting.activity.day is 'The day.';
comment on column reporting.activity.user_id is
  'The user who made the changes; key:<name> for an API key, db:<login> for a login role of the '
  'database.';
comment on column reporting.activity.source is
  'The channel through which the changes were made: api, import or sql.';
comment on column reporting.activity.entity_type is
  'The type of the entities: contact, company, deal, task or note.';
comment on column reporting.activity.created is 'The number of rows created.';
comment on column reporting.activity.updated is 'The number of changes to rows.';
comment on column reporting.activity.deleted is 'The number of rows deleted.';

grant select on reporting.activity to crm_reporter;
--! EndIncluded views/reporting/activity.sql
--! Included views/reporting/data_quality.sql
/* Missing and overdue data. Read by analysts, with the owner's rights. */
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
  'Missing and overdue data, one row for each problem of an entity. Later versions may add '
  'problems.';
comment on column reporting.data_quality.problem is
  'The problem: contact without an email address; contact without activity in 90 days, neither of '
  'its own nor of its tasks, notes and deals; open deal without a close date; open deal past its '
  'close date; open task past its due date.';
comment on column reporting.data_quality.entity_type is
  'The type of the entity: contact, deal or task.';
comment on column reporting.data_quality.entity_id is 'The id of the entity.';
comment on column reporting.data_quality.label is 'The name, title or description of the entity.';
comment on column reporting.data_quality.owner_id is
  'The user who owns the entity, or to whom the task is assigned. Null if there is none.';

grant select on reporting.data_quality to crm_reporter;
--! EndIncluded views/reporting/data_quality.sql
--! Included views/crm_private/dated_deals.sql
/*
 * The deals, each with the day of the exchange rate by which reports convert it: the day on which
 * it closed, or today if it is open.
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
  'The deals, each with the day of the exchange rate by which reports convert it.';
--! EndIncluded views/crm_private/dated_deals.sql
--! Included views/crm_private/conversions.sql
/*
 * The factor by which reports convert deals into the base currency, and the resulting currency, for
 * each currency and day of a deal. Without a rate, the currency remains and the factor is one, so
 * that reports lose no deal.
 *
 * distinct is applied twice: the inner one looks up a rate for each currency and day instead of
 * each deal, and the outer one keeps the planner from undoing that.
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
  'The factor by which reports convert a deal of a currency and a day into the base currency.';
--! EndIncluded views/crm_private/conversions.sql
--! Included views/reporting/forecast.sql
/* The expected value of open deals. Read by analysts, with the owner's rights. */
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
  'The expected value of open deals, by the month in which they are expected to close and by '
  'currency. Past months contain deals that are overdue.';
comment on column reporting.forecast.month is
  'The first day of the month; null for deals without a close date.';
comment on column reporting.forecast.currency is 'The currency of both values.';
comment on column reporting.forecast.deals is
  'The number of open deals expected to close in the month.';
comment on column reporting.forecast.value is 'The total value of these deals.';
comment on column reporting.forecast.weighted_value is
  'The total value of these deals, each multiplied by its probability.';

grant select on reporting.forecast to crm_reporter;
--! EndIncluded views/reporting/forecast.sql
--! Included views/reporting/forecast_in_base.sql
/*
 * The expected value of open deals, in the base currency. Read by analysts, with the owner's
 * rights.
 */
create or replace view reporting.forecast_in_base as
  select
    summed.month,
    conversion.converted_currency                             as currency,
    sum(summed.deals)::bigint                                 as deals,
    round(sum(summed.value * conversion.factor), 2)           as value,
    round(sum(summed.percents * conversion.factor) * 0.01, 2) as weighted_value
  from (
    -- Converts the sums of a month, which are fewer than deals; the result is the same.
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
  'The expected value of open deals in the base currency, at today''s rates, by the month in which '
  'they are expected to close. Deals in a currency that has no rate today have a separate row, in '
  'that currency. Past months contain deals that are overdue.';
comment on column reporting.forecast_in_base.month is
  'The first day of the month; null for deals without a close date.';
comment on column reporting.forecast_in_base.currency is
  'The currency of both values: the base currency, or that of deals without a rate.';
comment on column reporting.forecast_in_base.deals is
  'The number of open deals expected to close in the month.';
comment on column reporting.forecast_in_base.value is 'The total value of these deals.';
comment on column reporting.forecast_in_base.weighted_value is
  'The total value of these deals, each multiplied by its probability.';

grant select on reporting.forecast_in_base to crm_reporter;
--! EndIncluded views/reporting/forecast_in_base.sql
--! Included views/reporting/new_contacts.sql
/* New contacts. Read by analysts, with the owner's rights. */
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
  'New contacts, by the week in which they were created and by owner. Deleted contacts are left '
  'out.';
comment on column reporting.new_contacts.week is 'The Monday of the week.';
comment on column reporting.new_contacts.owner_id is
  'The user who owns the contacts. Null if nobody does.';
comment on column reporting.new_contacts.contacts is 'The number of contacts.';
comment on column reporting.new_contacts.with_company is
  'The number of contacts that have a company.';

grant select on reporting.new_contacts to crm_reporter;
--! EndIncluded views/reporting/new_contacts.sql
--! Included views/reporting/notes.sql
/* Every note. Read by analysts, with the owner's rights. */
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
comment on column reporting.notes.content is 'The text of the note.';
comment on column reporting.notes.entity_type is
  'The type of the entity that the note is attached to: contact, company or deal.';
comment on column reporting.notes.entity_id is 'The id of the entity that the note is attached to.';
comment on column reporting.notes.entity is
  'The name of the contact or company, or the title of the deal.';
comment on column reporting.notes.created_at is 'When the note was created.';
comment on column reporting.notes.created_by is 'The user who created the note.';
comment on column reporting.notes.updated_at is 'When the note was last changed.';
comment on column reporting.notes.updated_by is 'The user who last changed the note.';

grant select on reporting.notes to crm_reporter;
--! EndIncluded views/reporting/notes.sql
--! Included views/reporting/open_tasks.sql
/* Open tasks of each user. Read by analysts, with the owner's rights. */
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

comment on view reporting.open_tasks is
  'Open tasks, by the user to whom they are assigned and by age.';
comment on column reporting.open_tasks.assigned_to is
  'The user to whom the tasks are assigned. Null for unassigned tasks.';
comment on column reporting.open_tasks.age is
  'The time since the tasks were created: up to 7 days, up to 30 days, up to 90 days, or over 90 '
  'days.';
comment on column reporting.open_tasks.tasks is 'The number of tasks.';
comment on column reporting.open_tasks.overdue is 'The number of tasks that were due before today.';
comment on column reporting.open_tasks.first_due is
  'The earliest due date. Null if no task has one.';
comment on column reporting.open_tasks.first_created_at is 'When the oldest task was created.';

grant select on reporting.open_tasks to crm_reporter;
--! EndIncluded views/reporting/open_tasks.sql
--! Included views/reporting/pipeline.sql
/* The pipeline. Read by analysts, with the owner's rights. */
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
comment on column reporting.pipeline.position is 'The position of the stage in the pipeline.';
comment on column reporting.pipeline.kind is 'The kind of the stage: open, won or lost.';
comment on column reporting.pipeline.currency is 'The currency of both values.';
comment on column reporting.pipeline.deals is 'The number of deals in the stage.';
comment on column reporting.pipeline.value is 'The total value of these deals.';
comment on column reporting.pipeline.weighted_value is
  'The total value of these deals, each multiplied by its probability.';

grant select on reporting.pipeline to crm_reporter;
--! EndIncluded views/reporting/pipeline.sql
--! Included views/reporting/pipeline_in_base.sql
/* The pipeline, in the base currency. Read by analysts, with the owner's rights. */
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
    -- Converts the sums of a day, which are fewer than deals; the result is the same.
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
  'The deals of each stage in the base currency: open deals at today''s rate, closed deals at the '
  'rate of the day on which they closed. Deals in a currency that has no rate for the day have a '
  'separate row, in that currency. Sums are rounded, their addends are not. A stage without deals '
  'has one row without a currency.';
comment on column reporting.pipeline_in_base.stage is 'The name of the stage.';
comment on column reporting.pipeline_in_base.position is
  'The position of the stage in the pipeline.';
comment on column reporting.pipeline_in_base.kind is 'The kind of the stage: open, won or lost.';
comment on column reporting.pipeline_in_base.currency is
  'The currency of both values: the base currency, or that of deals without a rate.';
comment on column reporting.pipeline_in_base.deals is 'The number of deals in the stage.';
comment on column reporting.pipeline_in_base.value is 'The total value of these deals.';
comment on column reporting.pipeline_in_base.weighted_value is
  'The total value of these deals, each multiplied by its probability.';

grant select on reporting.pipeline_in_base to crm_reporter;
--! EndIncluded views/reporting/pipeline_in_base.sql
--! Included views/crm/stage_history.sql
/*
 * The stages that deals were in, and for how long, as the audit log records them.
 *
 * The end of a period is looked up for each period, not computed for all, so that a page reads only
 * its own rows. An entry has the names of both stages; if both mean the same stage, it was renamed,
 * and the deal did not move. (The planner would expect `is not true` to hold for few rows, and would
 * read all of them to fill a page.)
 *
 * The view reads with the rights of the caller, whose policies on the audit log decide which
 * entries are visible. PostgreSQL 14 can read a view with the rights of its owner only, so the view
 * also contains the condition of the policy.
 */
create or replace view crm.stage_history as
  select
    log.id                                              as entry_id,
    log.entity_id                                       as deal_id,
    coalesce(named.stage, told.stage)                   as stage,
    entered.entered_at,
    later.left_at,
    coalesce(later.left_at, now()) - entered.entered_at as duration,
    log.user_id                                         as entered_by,
    log.source,
    named.stage_id
  from crm.audit_logs as log
  cross join (select array_agg(each) from crm_private.stage_names as each) as names (list)
  cross join lateral (
    select
      case
        when not log.changes ? '@imported' then log."timestamp"
        -- An imported deal has been in its stage since it was closed or, if it is open, created.
        else coalesce(
          (log.changes ->> 'closed_at')::timestamptz, (log.changes ->> 'created_at')::timestamptz,
          log."timestamp"
        )
      end
  ) as entered (entered_at)
  cross join lateral (
    select
      case log.action
        when 'create' then log.changes ->> 'stage'
        when 'update' then log.changes #>> '{stage,new}'
      end,
      log.changes #>> '{stage,old}'
  ) as told (stage, former)
  left join lateral (
    select meant.stage_id, meant.stage
    from unnest(names.list) as meant
    where meant.name = told.stage
      and meant.since <= log.id
      and (meant.until is null or log.id < meant.until)
    limit 1
  ) as named on true
  left join lateral (
    select bool_or(meant.stage_id = named.stage_id)
    from unnest(names.list) as meant
    where meant.name = told.former
      and meant.since <= log.id
      and (
        meant.until is null
        or log.id < meant.until
        or meant.until_transaction_id = log.transaction_id
      )
  ) as renamed (is_same) on true
  left join lateral (
    select following."timestamp" as left_at
    from crm.audit_logs as following
    left join lateral (
      select meant.stage_id
      from unnest(names.list) as meant
      where meant.name = following.changes #>> '{stage,new}'
        and meant.since <= following.id
        and (meant.until is null or following.id < meant.until)
      limit 1
    ) as named on true
    left join lateral (
      select bool_or(meant.stage_id = named.stage_id)
      from unnest(names.list) as meant
      where meant.name = following.changes #>> '{stage,old}'
        and meant.since <= following.id
        and (
          meant.until is null
          or following.id < meant.until
          or meant.until_transaction_id = following.transaction_id
        )
    ) as renamed (is_same) on true
    where following.entity_id = log.entity_id
      and following.entity_type = 'deal'
      and following.id > log.id
      and (
        following.action <> 'update'
        or following.changes ? 'stage' and coalesce(not renamed.is_same, true)
      )
      and (
        (select crm_private.is_administrator())
        or following.user_id = (select crm.current_user_id())
        or crm_private.is_readable('deal', following.entity_id)
      )
    order by following.id
    limit 1
  ) as later on true
  where log.entity_type = 'deal'
    and told.stage is not null
    and coalesce(not renamed.is_same, true)
    and (
      (select crm_private.is_administrator())
      or log.user_id = (select crm.current_user_id())
      or crm_private.is_readable('deal', log.entity_id)
    );

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
  'A period that a deal spent in a pipeline stage. The current period of a deal lasts until now.';
comment on column crm.stage_history.entry_id is
  E'@notNull\nThe id of the audit log entry that started this period. It increases from one period '
  'to the next.';
comment on column crm.stage_history.deal_id is E'@notNull\nThe id of the deal.';
comment on column crm.stage_history.stage is
  E'@notNull\n@rank pipeline_stages name position\nThe current name of the stage, or its last name '
  'if the stage was deleted.';
comment on column crm.stage_history.entered_at is E'@notNull\nWhen the deal entered the stage.';
comment on column crm.stage_history.left_at is
  'When the deal left the stage or was deleted. Null if it is still in the stage.';
comment on column crm.stage_history.duration is
  E'@notNull\n@untilNow entered_at left_at\nHow long the deal was in the stage, until now if it '
  'still is.';
comment on column crm.stage_history.entered_by is
  E'@notNull\nThe user who moved the deal into the stage.';
comment on column crm.stage_history.source is
  E'@notNull\nThe channel through which the deal was moved: api, import or sql.';
comment on column crm.stage_history.stage_id is
  'The id of the stage. Null if the audit log no longer records it.';

grant select on crm.stage_history to crm_reader;
--! EndIncluded views/crm/stage_history.sql
--! Included views/reporting/stage_periods.sql
/*
 * The stages that deals were in. Read by analysts, with the owner's rights on the audit log. The
 * similar view crm.stage_history reads with the rights of the caller.
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
          -- An imported deal has been in its stage since it was closed or, if it is open, created.
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
    -- Renaming a stage moves no deal.
    where moved.action <> 'update'
      or coalesce(moved.stage_id::text, moved.stage) is distinct from moved.former
  ) as period
  join crm.deals as deal on deal.id = period.deal_id
  join crm.companies as company on company.id = deal.company_id
  where period.stage is not null;

comment on view reporting.stage_periods is
  'The periods that deals spent in stages, as the audit log records them. Deleted deals are left '
  'out.';
comment on column reporting.stage_periods.deal_id is 'The id of the deal.';
comment on column reporting.stage_periods.deal is 'The title of the deal.';
comment on column reporting.stage_periods.owner_id is 'The user who owns the deal now.';
comment on column reporting.stage_periods.company is 'The name of the company.';
comment on column reporting.stage_periods.stage is
  'The current name of the stage, or its last name if the stage was deleted.';
comment on column reporting.stage_periods.entered_at is 'When the deal entered the stage.';
comment on column reporting.stage_periods.left_at is
  'When the deal left the stage. Null if it is still in the stage.';
comment on column reporting.stage_periods.days is
  'The number of days in the stage, until now if the deal is still in it.';
comment on column reporting.stage_periods.entered_by is
  'The user who moved the deal into the stage.';
comment on column reporting.stage_periods.stage_id is
  'The id of the stage. Null if the audit log no longer records it.';

grant select on reporting.stage_periods to crm_reporter;
--! EndIncluded views/reporting/stage_periods.sql
--! Included views/reporting/stage_conversion.sql
/* How far deals advance. Read by analysts, with the owner's rights. */
create or replace view reporting.stage_conversion as
  with periods as materialized (
    select deal_id, stage_id, entered_at, left_at from reporting.stage_periods
  ),
  visits as (
    -- One row for each deal and stage, even if the deal was there several times.
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
  'How many deals enter each stage, how many of them advance, and how long they stay. Deleted '
  'deals are left out.';
comment on column reporting.stage_conversion.stage is 'The name of the stage.';
comment on column reporting.stage_conversion.position is
  'The position of the stage in the pipeline.';
comment on column reporting.stage_conversion.kind is 'The kind of the stage: open, won or lost.';
comment on column reporting.stage_conversion.entered is
  'The number of deals that have ever been in the stage, under any name of it.';
comment on column reporting.stage_conversion.present is 'The number of deals in the stage now.';
comment on column reporting.stage_conversion.advanced is
  'The number of entered deals that have reached a later stage, lost stages excluded.';
comment on column reporting.stage_conversion.conversion_rate is
  'advanced divided by entered, from 0 to 1. Null if no deal entered, and for won and lost stages.';
comment on column reporting.stage_conversion.average_days is
  'The average number of days in the stage, over all periods that have ended.';
comment on column reporting.stage_conversion.median_days is
  'The median number of days in the stage, over all periods that have ended.';

grant select on reporting.stage_conversion to crm_reporter;
--! EndIncluded views/reporting/stage_conversion.sql
--! Included views/reporting/stage_moves.sql
/* Moves of deals between stages. Read by analysts, with the owner's rights. */
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
  'Every move of a deal from one stage to another. Moves from or to a deleted stage are left out.';
comment on column reporting.stage_moves.deal_id is 'The id of the deal.';
comment on column reporting.stage_moves.deal is 'The title of the deal.';
comment on column reporting.stage_moves.company is 'The name of the company.';
comment on column reporting.stage_moves.owner_id is 'The user who owns the deal now.';
comment on column reporting.stage_moves.moved_at is 'When the deal was moved.';
comment on column reporting.stage_moves.moved_by is 'The user who moved the deal.';
comment on column reporting.stage_moves.from_stage is
  'The current name of the stage that the deal left.';
comment on column reporting.stage_moves.to_stage is
  'The current name of the stage that the deal entered.';
comment on column reporting.stage_moves.direction is
  'The direction of the move: forward, back, won, lost, or reopened.';

grant select on reporting.stage_moves to crm_reporter;
--! EndIncluded views/reporting/stage_moves.sql
--! Included views/reporting/close_date_changes.sql
/* Deals that slip. Read by analysts, with the owner's rights. */
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
    -- Repeats the condition of the index audit_logs_deals, so that the planner can use it.
    and (
      log.action <> 'update'
      or log.changes ?| array[
        'stage', 'value', 'currency', 'probability', 'close_date', 'owner_id', 'company_id'
      ]
    )
    and log.changes ? 'close_date';

comment on view reporting.close_date_changes is
  'Every change of the expected close date of a deal. Deleted deals are left out.';
comment on column reporting.close_date_changes.deal_id is 'The id of the deal.';
comment on column reporting.close_date_changes.deal is 'The title of the deal.';
comment on column reporting.close_date_changes.company is 'The name of the company.';
comment on column reporting.close_date_changes.owner_id is 'The user who owns the deal now.';
comment on column reporting.close_date_changes.changed_at is 'When the date was changed.';
comment on column reporting.close_date_changes.changed_by is 'The user who changed the date.';
comment on column reporting.close_date_changes.old_date is
  'The expected close date before the change. Null if there was none.';
comment on column reporting.close_date_changes.new_date is
  'The expected close date after the change. Null if it was removed.';
comment on column reporting.close_date_changes.days is
  'The number of days by which the date was postponed; negative if it was brought forward.';

grant select on reporting.close_date_changes to crm_reporter;
--! EndIncluded views/reporting/close_date_changes.sql
--! Included views/reporting/value_changes.sql
/* Changes in the value of deals. Read by analysts, with the owner's rights. */
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
  -- A field that the entry does not change is read from its next change, or else from the deal.
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
    -- Repeats the condition of the index audit_logs_deals, so that the planner can use it.
    and (
      log.action <> 'update'
      or log.changes ?| array[
        'stage', 'value', 'currency', 'probability', 'close_date', 'owner_id', 'company_id'
      ]
    )
    and log.changes ?| array['value', 'currency'];

comment on view reporting.value_changes is
  'Every change of the value of a deal or of its currency. Deleted deals are left out.';
comment on column reporting.value_changes.deal_id is 'The id of the deal.';
comment on column reporting.value_changes.deal is 'The title of the deal.';
comment on column reporting.value_changes.company is 'The name of the company.';
comment on column reporting.value_changes.owner_id is 'The user who owns the deal now.';
comment on column reporting.value_changes.changed_at is
  'When the value or the currency was changed.';
comment on column reporting.value_changes.changed_by is 'The user who made the change.';
comment on column reporting.value_changes.old_value is 'The value before the change.';
comment on column reporting.value_changes.old_currency is 'The currency before the change.';
comment on column reporting.value_changes.new_value is 'The value after the change.';
comment on column reporting.value_changes.new_currency is 'The currency after the change.';
comment on column reporting.value_changes.change is
  'The new value minus the old value. Null if the currency changed.';
comment on column reporting.value_changes.change_in_base is
  'The change in the base currency, at the rates of the day. Null if a rate is missing.';

grant select on reporting.value_changes to crm_reporter;
--! EndIncluded views/reporting/value_changes.sql
--! Included views/reporting/owner_changes.sql
/* Changes of owners. Read by analysts, with the owner's rights. */
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
  'Every change of the owner of a deal, a company or a contact. Deleted entities are left out.';
comment on column reporting.owner_changes.entity_type is
  'The type of the entity: deal, company or contact.';
comment on column reporting.owner_changes.entity_id is 'The id of the entity.';
comment on column reporting.owner_changes.label is 'The title or name of the entity.';
comment on column reporting.owner_changes.changed_at is 'When the owner was changed.';
comment on column reporting.owner_changes.changed_by is 'The user who changed the owner.';
comment on column reporting.owner_changes.old_owner is
  'The user who owned the entity before the change. Null if nobody did.';
comment on column reporting.owner_changes.new_owner is
  'The user who owned the entity after the change. Null if nobody did.';

grant select on reporting.owner_changes to crm_reporter;
--! EndIncluded views/reporting/owner_changes.sql
--! Included views/reporting/exchange_rates.sql
/* The rates by which reports convert. Read by analysts, with the owner's rights. */
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
  'The value of one unit of a currency in the base currency, and the days for which it applies.';
comment on column reporting.exchange_rates.currency is 'The currency, as an ISO 4217 code.';
comment on column reporting.exchange_rates.base_currency is
  'The currency in which the rate is given.';
comment on column reporting.exchange_rates.valid_from is 'The first day of the rate.';
comment on column reporting.exchange_rates.valid_to is
  'The last day of the rate. Null if it is the last rate of the currency.';
comment on column reporting.exchange_rates.rate is
  'The number of units of the base currency for one unit of the currency.';

grant select on reporting.exchange_rates to crm_reporter;
--! EndIncluded views/reporting/exchange_rates.sql
--! Included views/reporting/closed_deals.sql
/* Won and lost deals, one by one. Read by analysts, with the owner's rights. */
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
  'One row for each won or lost deal.';
comment on column reporting.closed_deals.deal_id is 'The id of the deal.';
comment on column reporting.closed_deals.deal is 'The title of the deal.';
comment on column reporting.closed_deals.company_id is 'The id of the company.';
comment on column reporting.closed_deals.company is 'The name of the company.';
comment on column reporting.closed_deals.owner_id is
  'The user who owns the deal. Null if nobody does.';
comment on column reporting.closed_deals.stage is 'The name of the stage.';
comment on column reporting.closed_deals.outcome is 'The outcome: won or lost.';
comment on column reporting.closed_deals.closed_on is 'The day on which the deal was won or lost.';
comment on column reporting.closed_deals.closed_at is 'The time at which the deal was won or lost.';
comment on column reporting.closed_deals.value is 'The value of the deal.';
comment on column reporting.closed_deals.currency is 'The currency of the value.';
comment on column reporting.closed_deals.value_in_base is
  'The value in the base currency, at the rate of the day. Null if there was no rate.';
comment on column reporting.closed_deals.lost_reason is
  'Why the deal was lost, if a reason was given.';
comment on column reporting.closed_deals.cycle_days is
  'The number of days from the creation of the deal until it closed.';
comment on column reporting.closed_deals.expected_on is
  'The last expected close date, if any.';
comment on column reporting.closed_deals.days_late is
  'The number of days from the expected close date until the deal closed; negative if it closed '
  'earlier.';

grant select on reporting.closed_deals to crm_reporter;
--! EndIncluded views/reporting/closed_deals.sql
--! Included views/reporting/lost_reasons.sql
/* The reasons why deals are lost. Read by analysts, with the owner's rights. */
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
  'Lost deals, by month, reason, owner and currency.';
comment on column reporting.lost_reasons.month is
  'The first day of the month in which the deals were lost.';
comment on column reporting.lost_reasons.lost_reason is
  'The reason. Null if none was given.';
comment on column reporting.lost_reasons.owner_id is
  'The user who owns the deals. Null if nobody does.';
comment on column reporting.lost_reasons.currency is 'The currency of the value.';
comment on column reporting.lost_reasons.deals is 'The number of deals lost.';
comment on column reporting.lost_reasons.value is 'The total value of these deals.';
comment on column reporting.lost_reasons.value_in_base is
  'The total value of these deals in the base currency, at the rates of the days on which they '
  'were lost. Null if a rate is missing.';

grant select on reporting.lost_reasons to crm_reporter;
--! EndIncluded views/reporting/lost_reasons.sql
--! Included views/reporting/open_deals.sql
/* Open deals, one by one. Read by analysts, with the owner's rights. */
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
  'One row for each open deal, with its age, its time in the current stage, and its time without '
  'activity.';
comment on column reporting.open_deals.deal_id is 'The id of the deal.';
comment on column reporting.open_deals.deal is 'The title of the deal.';
comment on column reporting.open_deals.company_id is 'The id of the company.';
comment on column reporting.open_deals.company is 'The name of the company.';
comment on column reporting.open_deals.owner_id is
  'The user who owns the deal. Null if nobody does.';
comment on column reporting.open_deals.stage is 'The name of the stage.';
comment on column reporting.open_deals.probability is
  'The probability of winning the deal, in percent.';
comment on column reporting.open_deals.value is 'The value of the deal.';
comment on column reporting.open_deals.currency is
  'The currency of the value and the weighted value.';
comment on column reporting.open_deals.value_in_base is
  'The value in the base currency, at today''s rate. Null if there is no rate.';
comment on column reporting.open_deals.weighted_value is 'The value multiplied by the probability.';
comment on column reporting.open_deals.close_date is
  'The day on which the deal is expected to close, if any.';
comment on column reporting.open_deals.days_overdue is
  'The number of days since the expected close date. Null if it is not in the past.';
comment on column reporting.open_deals.age_days is 'The number of days since the deal was created.';
comment on column reporting.open_deals.stage_since is
  'When the deal entered its stage. Null if the audit log no longer records it.';
comment on column reporting.open_deals.days_in_stage is
  'The number of days since the deal entered its stage.';
comment on column reporting.open_deals.last_activity_at is
  'When the deal, or one of its tasks or notes, was last changed.';
comment on column reporting.open_deals.idle_days is 'The number of days since the last activity.';
comment on column reporting.open_deals.next_task_due is
  'The earliest due date of its open tasks. Null if there is none.';

grant select on reporting.open_deals to crm_reporter;
--! EndIncluded views/reporting/open_deals.sql
--! Included views/reporting/new_deals.sql
/* New deals. Read by analysts, with the owner's rights. */
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
  'New deals and their outcome, by the month in which they were created, by owner and by currency. '
  'Deleted deals are left out.';
comment on column reporting.new_deals.month is 'The first day of the month.';
comment on column reporting.new_deals.owner_id is
  'The user who owns the deals. Null if nobody does.';
comment on column reporting.new_deals.currency is 'The currency of the value.';
comment on column reporting.new_deals.deals is 'The number of deals.';
comment on column reporting.new_deals.value is 'The total value of the deals.';
comment on column reporting.new_deals.won is 'The number of these deals that are won by now.';
comment on column reporting.new_deals.lost is 'The number of these deals that are lost by now.';

grant select on reporting.new_deals to crm_reporter;
--! EndIncluded views/reporting/new_deals.sql
--! Included views/reporting/customers.sql
/* Customers. Read by analysts, with the owner's rights. */
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
  'Companies that have deals, with their won, lost and open deals, in the base currency. Deals in '
  'a currency that has no rate for the day have a separate row, in that currency.';
comment on column reporting.customers.company_id is 'The id of the company.';
comment on column reporting.customers.company is 'The name of the company.';
comment on column reporting.customers.owner_id is
  'The user who owns the company. Null if nobody does.';
comment on column reporting.customers.currency is
  'The currency of both values: the base currency, or that of deals without a rate.';
comment on column reporting.customers.won is 'The number of deals won with the company.';
comment on column reporting.customers.won_value is
  'The total value of won deals, at the rates of the days on which they were won.';
comment on column reporting.customers.first_won_on is 'The day on which the first deal was won.';
comment on column reporting.customers.last_won_on is 'The day on which the last deal was won.';
comment on column reporting.customers.lost is 'The number of deals lost with the company.';
comment on column reporting.customers.open_deals is 'The number of open deals with the company.';
comment on column reporting.customers.open_value is
  'The total value of open deals, at today''s rates.';

grant select on reporting.customers to crm_reporter;
--! EndIncluded views/reporting/customers.sql
--! Included views/reporting/pipeline_by_day.sql
/*
 * The pipeline on any day. The days are joined first, so that a query for one day computes one past
 * pipeline. Read by analysts, with the owner's rights.
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
  'The pipeline at the end of each day since the audit log begins, and the current pipeline for '
  'today. One row for each stage and currency. Query few days at a time: the pipeline of each is '
  'computed separately.';
comment on column reporting.pipeline_by_day.day is 'The day.';
comment on column reporting.pipeline_by_day.stage is
  'The current name of the stage, or its last name if the stage was deleted.';
comment on column reporting.pipeline_by_day.position is
  'The current position of the stage in the pipeline. Null if the stage was deleted.';
comment on column reporting.pipeline_by_day.kind is
  'The current kind of the stage: open, won or lost. Null if the stage was deleted.';
comment on column reporting.pipeline_by_day.currency is 'The currency of both values.';
comment on column reporting.pipeline_by_day.deals is 'The number of deals in the stage.';
comment on column reporting.pipeline_by_day.value is 'The total value of these deals at that time.';
comment on column reporting.pipeline_by_day.weighted_value is
  'The total value of these deals at that time, each multiplied by its probability.';
comment on column reporting.pipeline_by_day.stage_id is 'The id of the stage.';

grant select on reporting.pipeline_by_day to crm_reporter;
--! EndIncluded views/reporting/pipeline_by_day.sql
--! Included views/reporting/pipeline_by_day_in_base.sql
/* The pipeline on any day, in the base currency. Read by analysts, with the owner's rights. */
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
  'The pipeline at the end of each day in the base currency, at the rates of the day. Deals in a '
  'currency that had no rate on that day have a separate row, in that currency. Query few days at '
  'a time.';
comment on column reporting.pipeline_by_day_in_base.day is 'The day.';
comment on column reporting.pipeline_by_day_in_base.stage is
  'The current name of the stage, or its last name if the stage was deleted.';
comment on column reporting.pipeline_by_day_in_base.position is
  'The current position of the stage in the pipeline. Null if the stage was deleted.';
comment on column reporting.pipeline_by_day_in_base.kind is
  'The current kind of the stage: open, won or lost. Null if the stage was deleted.';
comment on column reporting.pipeline_by_day_in_base.currency is
  'The currency of both values: the base currency, or that of deals without a rate.';
comment on column reporting.pipeline_by_day_in_base.deals is 'The number of deals in the stage.';
comment on column reporting.pipeline_by_day_in_base.value is
  'The total value of these deals at that time.';
comment on column reporting.pipeline_by_day_in_base.weighted_value is
  'The total value of these deals at that time, each multiplied by its probability.';
comment on column reporting.pipeline_by_day_in_base.stage_id is 'The id of the stage.';

grant select on reporting.pipeline_by_day_in_base to crm_reporter;
--! EndIncluded views/reporting/pipeline_by_day_in_base.sql
--! Included views/reporting/forecast_accuracy.sql
/*
 * The forecast at the beginning of a month, compared with its result. The months are joined first,
 * so that a query for one month computes one past pipeline. Read by analysts, with the owner's
 * rights.
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
  'The accuracy of the forecast for a month: the deals that were open at its beginning and '
  'expected to close in it, and the deals won and lost in it. One row for each currency. Months '
  'that began before the audit log are left out. Query few months at a time: the pipeline of each '
  'is computed separately.';
comment on column reporting.forecast_accuracy.month is 'The first day of the month.';
comment on column reporting.forecast_accuracy.currency is 'The currency of all values.';
comment on column reporting.forecast_accuracy.forecast_deals is
  'The number of deals that were open at the beginning of the month and expected to close in it.';
comment on column reporting.forecast_accuracy.forecast_value is
  'The total value of these deals at that time.';
comment on column reporting.forecast_accuracy.forecast_weighted_value is
  'The total value of these deals at that time, each multiplied by its probability.';
comment on column reporting.forecast_accuracy.won is
  'The number of deals won in the month, whether expected or not.';
comment on column reporting.forecast_accuracy.won_value is 'The total value of the deals won.';
comment on column reporting.forecast_accuracy.forecast_won is
  'The number of expected deals that were won in the month.';
comment on column reporting.forecast_accuracy.forecast_won_value is
  'The total value of the expected deals that were won.';
comment on column reporting.forecast_accuracy.forecast_lost is
  'The number of expected deals that were lost in the month.';
comment on column reporting.forecast_accuracy.slipped is
  'The number of expected deals that were neither won nor lost in the month.';

grant select on reporting.forecast_accuracy to crm_reporter;
--! EndIncluded views/reporting/forecast_accuracy.sql
--! Included views/reporting/forecast_accuracy_in_base.sql
/* The accuracy of forecasts, in the base currency. Read by analysts, with the owner's rights. */
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
  'The accuracy of the forecast for a month, in the base currency, at the rates of its first day. '
  'Deals in a currency that had no rate on that day have a separate row, in that currency. Query '
  'few months at a time.';
comment on column reporting.forecast_accuracy_in_base.month is 'The first day of the month.';
comment on column reporting.forecast_accuracy_in_base.currency is
  'The currency of all values: the base currency, or that of deals without a rate.';
comment on column reporting.forecast_accuracy_in_base.forecast_deals is
  'The number of deals that were open at the beginning of the month and expected to close in it.';
comment on column reporting.forecast_accuracy_in_base.forecast_value is
  'The total value of these deals at that time.';
comment on column reporting.forecast_accuracy_in_base.forecast_weighted_value is
  'The total value of these deals at that time, each multiplied by its probability.';
comment on column reporting.forecast_accuracy_in_base.won is
  'The number of deals won in the month, whether expected or not.';
comment on column reporting.forecast_accuracy_in_base.won_value is
  'The total value of the deals won.';
comment on column reporting.forecast_accuracy_in_base.forecast_won is
  'The number of expected deals that were won in the month.';
comment on column reporting.forecast_accuracy_in_base.forecast_won_value is
  'The total value of the expected deals that were won.';
comment on column reporting.forecast_accuracy_in_base.forecast_lost is
  'The number of expected deals that were lost in the month.';
comment on column reporting.forecast_accuracy_in_base.slipped is
  'The number of expected deals that were neither won nor lost in the month.';

grant select on reporting.forecast_accuracy_in_base to crm_reporter;
--! EndIncluded views/reporting/forecast_accuracy_in_base.sql
--! Included views/reporting/tasks.sql
/* Every task. Read by analysts, with the owner's rights. */
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
comment on column reporting.tasks.description is 'What to do.';
comment on column reporting.tasks.status is 'The status of the task: open or closed.';
comment on column reporting.tasks.due_date is 'The day on which the task is due.';
comment on column reporting.tasks.assigned_to is 'The user to whom the task is assigned.';
comment on column reporting.tasks.entity_type is
  'The type of the entity that the task is attached to: contact, company or deal.';
comment on column reporting.tasks.entity_id is 'The id of the entity that the task is attached to.';
comment on column reporting.tasks.entity is
  'The name of the contact or company, or the title of the deal.';
comment on column reporting.tasks.created_at is 'When the task was created.';
comment on column reporting.tasks.created_by is 'The user who created the task.';
comment on column reporting.tasks.updated_at is 'When the task was last changed.';
comment on column reporting.tasks.updated_by is 'The user who last changed the task.';

grant select on reporting.tasks to crm_reporter;
--! EndIncluded views/reporting/tasks.sql
--! Included views/crm/trash.sql
/*
 * Deleted rows that can be restored. Of a row that does not exist, the last deletion is listed. A
 * row that a cascade deleted is not listed while its parent is deleted, because it is restored with
 * the parent. An erased row cannot be restored.
 *
 * The view reads with the rights of the caller, whose policies on the audit log decide which
 * entries are visible. PostgreSQL 14 can read a view with the rights of its owner only, so the view
 * also contains the condition of the policy.
 */
create or replace view crm.trash as
  select
    deletion.entity_type,
    deletion.entity_id,
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
  -- By itself, so that the index of entity_id is used: a function in the condition below could leak
  -- a row, and would be called only after the policies.
  cross join lateral (
    select crm_private.cascade_parent(deletion.entity_type, deletion.changes) as entity_id
    offset 0
  ) as parent_of
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
      where parent.entity_id = parent_of.entity_id
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
  'A deleted row that can be restored. Members see the rows that they deleted, administrators see '
  'all. Rows that were deleted with another row by a cascade are restored with it and are not '
  'listed.';
comment on column crm.trash.entity_type is
  E'@notNull\nThe type of the entity: contact, company, deal, task, note, custom_field_definition, '
  'pipeline_stage or exchange_rate.';
comment on column crm.trash.entity_id is E'@notNull\nThe id of the row. The restored row has the same id.';
comment on column crm.trash.label is
  'A name, a title or the beginning of a text, by which people recognise the row.';
comment on column crm.trash.deleted_at is E'@notNull\nWhen the row was deleted.';
comment on column crm.trash.deleted_by is E'@notNull\nThe user who deleted the row.';
comment on column crm.trash.cascaded_rows is
  E'@notNull\nThe number of rows that a cascade deleted with the row. They are restored with it.';
comment on column crm.trash.transaction_id is
  E'@notNull\nThe id of the transaction that deleted the row. Undoing the transaction restores '
  'everything that it deleted.';
comment on column crm.trash.entry_id is E'@notNull\nThe id of the audit log entry of the deletion.';

grant select on crm.trash to crm_member;
--! EndIncluded views/crm/trash.sql
--! Included views/reporting/win_rates.sql
/* Win rates. Read by analysts, with the owner's rights. */
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
  'Deals won and lost, by month, owner, company and currency. For a total rate, sum won and lost '
  'first, then divide; the rates of rows cannot be averaged.';
comment on column reporting.win_rates.month is
  'The first day of the month in which the deals were won or lost.';
comment on column reporting.win_rates.owner_id is
  'The user who owns the deals. Null if nobody does.';
comment on column reporting.win_rates.company_id is 'The id of the company.';
comment on column reporting.win_rates.company is 'The name of the company.';
comment on column reporting.win_rates.currency is 'The currency of both values.';
comment on column reporting.win_rates.won is 'The number of deals won.';
comment on column reporting.win_rates.lost is 'The number of deals lost.';
comment on column reporting.win_rates.win_rate is
  'The number of deals won divided by the number of deals won or lost, from 0 to 1.';
comment on column reporting.win_rates.won_value is 'The total value of the deals won.';
comment on column reporting.win_rates.lost_value is 'The total value of the deals lost.';
comment on column reporting.win_rates.won_days is
  'The total number of days from creation to winning of the deals won. Divided by won, it is their '
  'average.';
comment on column reporting.win_rates.average_cycle is
  'The average number of days from creation to winning of the deals won.';

grant select on reporting.win_rates to crm_reporter;
--! EndIncluded views/reporting/win_rates.sql
--! Included views/reporting/win_rates_in_base.sql
/* Win rates, in the base currency. Read by analysts, with the owner's rights. */
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
  'on which they closed. Deals in a currency that has no rate for the day have a separate row, in '
  'that currency. For a total rate, sum won and lost first, then divide; the rates of rows cannot '
  'be averaged.';
comment on column reporting.win_rates_in_base.month is
  'The first day of the month in which the deals were won or lost.';
comment on column reporting.win_rates_in_base.owner_id is
  'The user who owns the deals. Null if nobody does.';
comment on column reporting.win_rates_in_base.company_id is 'The id of the company.';
comment on column reporting.win_rates_in_base.company is 'The name of the company.';
comment on column reporting.win_rates_in_base.currency is
  'The currency of both values: the base currency, or that of deals without a rate.';
comment on column reporting.win_rates_in_base.won is 'The number of deals won.';
comment on column reporting.win_rates_in_base.lost is 'The number of deals lost.';
comment on column reporting.win_rates_in_base.win_rate is
  'The number of deals won divided by the number of deals won or lost, from 0 to 1.';
comment on column reporting.win_rates_in_base.won_value is 'The total value of the deals won.';
comment on column reporting.win_rates_in_base.lost_value is 'The total value of the deals lost.';
comment on column reporting.win_rates_in_base.won_days is
  'The total number of days from creation to winning of the deals won. Divided by won, it is their '
  'average.';
comment on column reporting.win_rates_in_base.average_cycle is
  'The average number of days from creation to winning of the deals won.';

grant select on reporting.win_rates_in_base to crm_reporter;
--! EndIncluded views/reporting/win_rates_in_base.sql

--! split: 070-triggers.sql
/*
 * Why: the triggers, one phase a file.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

--! Included triggers/100_normalise.sql
/*
 * Phase 100: brings values that can be written in several ways into one form. Conditions on the
 * triggers spare common rows a function call.
 *
 * - A custom field that is set to null is removed.
 * - Custom fields that are set to {"$merge": {…}} keep their values, except for these members. No
 *   custom field can have the name $merge.
 * - A part of an address that is set to null is removed.
 * - The value of a deal gets two decimals. A value with more keeps them, and the check refuses it.
 * - A deal gets closed_at, and a probability that was not given, from its stage.
 * - A new pipeline stage without a position is added at the end.
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
  'Removes custom fields that are set to null, and carries out $merge.';

revoke all on function crm_private.normalise_custom_fields() from public;

select crm_private.compile_custom_field_trigger(entity_table)
from crm_private.entity_types
where has_custom_fields;

create or replace function crm_private.normalise_address()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.address := jsonb_strip_nulls(new.address);
  return new;
end
$$;

comment on function crm_private.normalise_address() is
  'Removes parts of an address that are set to null.';

revoke all on function crm_private.normalise_address() from public;

create or replace trigger _100_normalise_address
  before insert or update of address on crm.companies
  for each row when (jsonb_path_exists(new.address, 'strict $.*?(@ == null)', silent => true))
  execute function crm_private.normalise_address();

create or replace function crm_private.normalise_deal_value()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if scale(trim_scale(new.value)) <= 2 then
    new.value := round(new.value, 2);
  end if;
  return new;
end
$$;

comment on function crm_private.normalise_deal_value() is
  'Stores the value of a deal with two decimals.';

revoke all on function crm_private.normalise_deal_value() from public;

create or replace trigger _100_normalise_value
  before insert or update on crm.deals
  for each row when (scale(new.value) <> 2)
  execute function crm_private.normalise_deal_value();

-- Between the two triggers, null means that this write gives the probability. A form that sends back
-- the values it has read does not give it, because the probability and the stage are unchanged.
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
  'Marks that an update sets the probability of a deal.';

revoke all on function crm_private.mark_given_probability() from public;

-- The trigger fires for the columns that a statement names, even if their values do not change: a
-- deal with probability 20 that is moved with an explicit probability of 20 keeps it.
create or replace trigger _100_mark_given_probability
  before update of probability on crm.deals
  for each row when (
    new.probability is not null
    and (new.probability is distinct from old.probability or new.stage is distinct from old.stage)
  )
  execute function crm_private.mark_given_probability();

/*
 * Sets the fields of a deal that follow from its stage.
 *
 * - A probability that is not given is that of the stage: 100 for a won stage, 0 for a lost stage.
 *   A given probability remains until the deal enters a won or lost stage; the same write may give
 *   another.
 * - An undo restores a probability that was given. One that followed follows the current stage.
 * - closed_at is when the deal entered a won or lost stage. A session that imports may set it for a
 *   new deal (crm_private.imported_stamp); otherwise crm_private.imported_close estimates it. A
 *   value that the owner writes is accepted, since no other role can write the column.
 * - lost_reason is removed when the deal is no longer lost.
 *
 * Raises a check violation if an imported closed_at is in the future, or the stage is open. If the
 * old name of the stage no longer exists, the stage was renamed, and the deal did not move.
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
    case stage.kind when 'won' then 100 when 'lost' then 0 else stage.probability end,
    former.kind
  into v_kind, v_probability, v_was
  from crm.pipeline_stages as stage
  left join crm.pipeline_stages as former on former.name = old.stage
  where stage.name = new.stage;

  -- If the stage does not exist, only the stage is reported as a fault.
  if not found then
    new.probability       := coalesce(new.probability, 0);
    new.probability_given := coalesce(new.probability_given, false);
    return new;
  end if;

  -- An undo runs as the owner. Any other role that sets the setting has no plan.
  if coalesce(current_setting('crm.reversing', true) = pg_current_xact_id()::text, false)
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
                detail     = '{"closedAt": ["can be given in a won or lost stage only"]}',
                hint       = 'Leave closed_at out, or give the deal a won or lost stage.';
      elsif new.closed_at > now() then
        raise exception 'deals: closed_at % is in the future', new.closed_at
          using errcode    = 'check_violation',
                schema     = 'crm', table = 'deals', column = 'closed_at',
                constraint = 'deals_closed_at_past',
                detail     = '{"closedAt": ["must be in the past"]}',
                hint       = 'Leave closed_at out to have it set.';
      end if;
    end if;
    new.closed_at := case
      when v_kind <> 'open' then coalesce(new.closed_at, crm_private.imported_close(new), now())
    end;
    return new;
  end if;

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
  'Sets the fields of a deal that follow from its stage: a probability that was not given, and the '
  'time at which it closed.';

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
  'Adds a new pipeline stage at the end.';

revoke all on function crm_private.normalise_stage_position() from public;

create or replace trigger _100_normalise_position
  before insert on crm.pipeline_stages
  for each row when (new.position is null)
  execute function crm_private.normalise_stage_position();
--! EndIncluded triggers/100_normalise.sql
--! Included triggers/110_stamp.sql
/*
 * Phase 110: the stamps of a row (version, created_at, created_by, updated_at, updated_by) and the
 * optimistic lock. Values from a writer are replaced, so that no stamp can be forged.
 *
 * - A new row has the defaults of the columns: version 1, the time of the transaction, the current
 *   user. A common insert has them already.
 * - A session of an administrator that imports (crm.source) may set who created a row and when, as
 *   in the system of origin. The audit log records who inserted the row, and that these values were
 *   given.
 * - A row that an undo restores keeps created_by, created_at and updated_by. Its version increases,
 *   and updated_at is the current time.
 * - An update with a version other than that of the row raises SQLSTATE CRM01, with the current row
 *   as its detail. An update without a version has the row's own version and passes.
 * - An update that changes no value leaves version and updated_at as they are and writes no audit
 *   log entry. Any other update increases the version by one, and updated_at even within a
 *   transaction.
 * - The id of a row cannot change.
 *
 * crm_private.compile_stamps compiles the triggers for updates from the columns of each table.
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
  -- Tested here: as a condition of the trigger it would be parsed and planned with every statement.
  if new.version = 1
    and new.created_at = now()
    and new.updated_at = now()
    and new.created_by = crm.current_user_id()
    and new.updated_by = new.created_by
    and coalesce(current_setting('crm.bulk_stamps', true), '') = ''
  then
    return new;
  end if;

  -- A restored row continues from its last version. Only the owner can read the plan, so any other
  -- role that sets the setting is refused.
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
    raise exception '%: created_at % is not in the past', tg_table_name, v_created_at
      using errcode    = 'check_violation',
            schema     = tg_table_schema, table = tg_table_name, column = 'created_at',
            constraint = tg_table_name || '_created_at_past',
            detail     = '{"createdAt": ["must be in the past"]}',
            hint       = 'Leave created_at out to use the present time.';
  elsif crm_private.is_blank(v_created_by) or char_length(v_created_by) > 255 then
    raise exception '%: created_by must be from 1 to 255 characters', tg_table_name
      using errcode    = 'check_violation',
            schema     = tg_table_schema, table = tg_table_name, column = 'created_by',
            constraint = tg_table_name || '_created_by_length',
            detail     = '{"createdBy": ["must be from 1 to 255 characters"]}',
            hint       = 'Leave created_by out to use the present user.';
  elsif v_created_by ~ ('[' || crm_private.hidden_characters() || ']') then
    raise exception '%: created_by must not contain invisible characters', tg_table_name
      using errcode    = 'check_violation',
            schema     = tg_table_schema, table = tg_table_name, column = 'created_by',
            constraint = tg_table_name || '_created_by_legible',
            detail     = '{"createdBy": ["must not contain invisible characters"]}',
            hint       = 'Remove the invisible characters from created_by.';
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
  'Sets version, created_at, created_by, updated_at and updated_by of a new row. Values from the '
  'client are replaced, except for an import.';

revoke all on function crm_private.stamp_insert() from public;

select crm_private.compile_stamps(entity_table, entity_type) from crm_private.entity_types;

-- Recording the use of a key is not a change of the row, and the audit log has no entry for it.
create or replace trigger _110_stamp_update before update on crm.api_keys
  for each row when (new.last_used_at is not distinct from old.last_used_at)
  execute function crm_private.api_keys_stamp('api_key');
--! EndIncluded triggers/110_stamp.sql
--! Included triggers/200_validate.sql
/*
 * Phase 200: refuses a row that breaks a rule, with all its faults at once, each with its field.
 * crm_private.compile_rules creates the trigger of each table from the constraints of the table.
 */

select crm_private.compile_custom_fields(entity_type)
from crm_private.entity_types
where has_custom_fields
order by restore_order;

select crm_private.compile_rules(entity_table) from crm_private.entity_types;
--! EndIncluded triggers/200_validate.sql
--! Included triggers/210_exchange_rates.sql
/*
 * Phase 210: refuses a rate of the base currency, which is always worth one. The row of settings is
 * locked until the transaction ends, so that the base currency cannot change in between.
 *
 * Security definer: only the owner can read the settings.
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
            detail     = '{"currency": ["is the base currency"]}',
            hint       = 'Leave the base currency out; its rate is always 1.';
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
--! Included triggers/250_derive.sql
/*
 * Phase 250: derives search_document and match_keys (crm_private.derived_columns) from the columns
 * of a valid row. A value that a writer gives is never stored: it is derived for a new row, for an
 * update that changes what it is derived from, and for one that sets it, to whatever value. The
 * triggers fire in the role of a replica as well, like generated columns.
 *
 * A generated column would be computed anew by every update, because the tables have other triggers
 * that fire before an update.
 */

create or replace function crm_private.derive_company()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.search_document := crm_private.company_document(new.name, new.address, new.custom_fields);
  new.match_keys      := crm_private.company_keys(new.name, new.custom_fields);
  return new;
end
$$;

comment on function crm_private.derive_company() is
  'Sets search_document and match_keys of a company.';

revoke all on function crm_private.derive_company() from public;

create or replace trigger _250_derive_insert before insert on crm.companies
  for each row execute function crm_private.derive_company();
create or replace trigger _250_derive_update before update on crm.companies
  for each row when (
    new.name is distinct from old.name
    or new.address is distinct from old.address
    or new.custom_fields is distinct from old.custom_fields
  )
  execute function crm_private.derive_company();
create or replace trigger _250_derive_written
  before update of search_document, match_keys on crm.companies
  for each row execute function crm_private.derive_company();
alter table crm.companies
  enable always trigger _250_derive_insert,
  enable always trigger _250_derive_update,
  enable always trigger _250_derive_written;

create or replace function crm_private.derive_contact()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.search_document := crm_private.contact_document(
    new.first_name, new.last_name, new.emails, new.phones, new.custom_fields
  );
  new.match_keys      := crm_private.contact_keys(
    new.first_name, new.last_name, new.emails, new.phones
  );
  return new;
end
$$;

comment on function crm_private.derive_contact() is
  'Sets search_document and match_keys of a contact.';

revoke all on function crm_private.derive_contact() from public;

create or replace trigger _250_derive_insert before insert on crm.contacts
  for each row execute function crm_private.derive_contact();
create or replace trigger _250_derive_update before update on crm.contacts
  for each row when (
    new.first_name is distinct from old.first_name
    or new.last_name is distinct from old.last_name
    or new.emails is distinct from old.emails
    or new.phones is distinct from old.phones
    or new.custom_fields is distinct from old.custom_fields
  )
  execute function crm_private.derive_contact();
create or replace trigger _250_derive_written
  before update of search_document, match_keys on crm.contacts
  for each row execute function crm_private.derive_contact();
alter table crm.contacts
  enable always trigger _250_derive_insert,
  enable always trigger _250_derive_update,
  enable always trigger _250_derive_written;

create or replace function crm_private.derive_deal()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.search_document := crm_private.named_document(new.title, new.custom_fields);
  return new;
end
$$;

comment on function crm_private.derive_deal() is
  'Sets search_document of a deal.';

revoke all on function crm_private.derive_deal() from public;

create or replace trigger _250_derive_insert before insert on crm.deals
  for each row execute function crm_private.derive_deal();
create or replace trigger _250_derive_update before update on crm.deals
  for each row when (
    new.title is distinct from old.title
    or new.custom_fields is distinct from old.custom_fields
  )
  execute function crm_private.derive_deal();
create or replace trigger _250_derive_written before update of search_document on crm.deals
  for each row execute function crm_private.derive_deal();
alter table crm.deals
  enable always trigger _250_derive_insert,
  enable always trigger _250_derive_update,
  enable always trigger _250_derive_written;

create or replace function crm_private.derive_task()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.search_document := crm_private.text_document(new.description, 'B');
  return new;
end
$$;

comment on function crm_private.derive_task() is
  'Sets search_document of a task.';

revoke all on function crm_private.derive_task() from public;

create or replace trigger _250_derive_insert before insert on crm.tasks
  for each row execute function crm_private.derive_task();
create or replace trigger _250_derive_update before update on crm.tasks
  for each row when (
    new.description is distinct from old.description
  )
  execute function crm_private.derive_task();
create or replace trigger _250_derive_written before update of search_document on crm.tasks
  for each row execute function crm_private.derive_task();
alter table crm.tasks
  enable always trigger _250_derive_insert,
  enable always trigger _250_derive_update,
  enable always trigger _250_derive_written;

create or replace function crm_private.derive_note()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.search_document := crm_private.text_document(new.content, 'D');
  return new;
end
$$;

comment on function crm_private.derive_note() is
  'Sets search_document of a note.';

revoke all on function crm_private.derive_note() from public;

create or replace trigger _250_derive_insert before insert on crm.notes
  for each row execute function crm_private.derive_note();
create or replace trigger _250_derive_update before update on crm.notes
  for each row when (
    new.content is distinct from old.content
  )
  execute function crm_private.derive_note();
create or replace trigger _250_derive_written before update of search_document on crm.notes
  for each row execute function crm_private.derive_note();
alter table crm.notes
  enable always trigger _250_derive_insert,
  enable always trigger _250_derive_update,
  enable always trigger _250_derive_written;

-- Extracts show the columns from which the documents are derived.
select crm_private.compile_search();
--! EndIncluded triggers/250_derive.sql
--! Included triggers/300_external_ids.sql
/*
 * Phase 300: an external id belongs to one row of its entity type. crm_private.external_ids has a
 * row for each external id. The trigger maintains it from the columns external_ids, once for each
 * statement. Rows without external ids cost no access to the table.
 */

/* Security definer: no other role can write the table. */
create or replace function crm_private.keep_external_ids()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_gone         crm_private.external_ids[];
  v_taken        crm_private.external_ids[];
  v_is_concerned boolean := false;
begin
  -- Most statements concern rows without external ids.
  if tg_op <> 'DELETE' then
    v_is_concerned := exists (select from new_rows where cardinality(external_ids) > 0);
  end if;
  if tg_op <> 'INSERT' and not v_is_concerned then
    v_is_concerned := exists (select from old_rows where cardinality(external_ids) > 0);
  end if;
  if not v_is_concerned then
    return null;
  end if;

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
    -- Compares the rows before and after: an external id in only one of them was freed or claimed.
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
  'Frees the external ids that rows lose, and claims those that they get.';

revoke all on function crm_private.keep_external_ids() from public;

select crm_private.compile_external_ids(entity_table, entity_type)
from crm_private.entity_types
where is_record;
--! EndIncluded triggers/300_external_ids.sql
--! Included triggers/300_merges.sql
/*
 * Phase 300: a contact or a company that exists is merged into no other. If a merged record is
 * inserted again, by an undo, by a restore from the trash or by the owner, its merge ends.
 */

/* Security definer: no other role can write the table. */
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
  'Ends the merges whose merged record was restored.';

revoke all on function crm_private.end_merges() from public;

select crm_private.compile_merges(entity_table, entity_type)
from crm_private.entity_types
where is_mergeable;
--! EndIncluded triggers/300_merges.sql
--! Included triggers/500_definitions.sql
/*
 * Phase 500: a change of custom field definitions migrates data. The migration is carried out and
 * checked in the same statement, by crm_private.apply_definitions. The entity type of a definition
 * cannot change.
 *
 * Security definer: it creates functions, and changes rows that policies may hide from the caller.
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

  -- Always in the same order, so that two changes cannot deadlock.
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
          hint       = 'Define the field for the other entity type as well.';
end
$$;

comment on function crm_private.refuse_moved_definition() is
  'Refuses to change the entity type of a definition.';

revoke all on function crm_private.refuse_moved_definition() from public;

create or replace trigger _210_refuse_moved before update on crm.custom_field_definitions
  for each row when (new.entity_type <> old.entity_type)
  execute function crm_private.refuse_moved_definition();
--! EndIncluded triggers/500_definitions.sql
--! Included triggers/500_stages.sql
/*
 * Phase 500, stages: when the kind or probability of a stage changes, its deals are updated in one
 * statement. These are normal updates, with new versions and audit log entries.
 *
 * A concurrent writer of deals has read the old stage. So the change waits for such writers, and
 * later writers wait for the change: the table of deals is locked before any row of it, or the
 * stage, is read.
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
  'Makes writers of deals wait while stages change.';

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
  -- crm_private.follow_stage applies the rules. A probability that is null follows the stage.
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
  'Updates the deals of stages whose kind or probability has changed.';

revoke all on function crm_private.stages_changed() from public;

create or replace trigger _500_stages_update
  after update on crm.pipeline_stages
  referencing old table as old_rows new table as new_rows
  for each statement execute function crm_private.stages_changed();
--! EndIncluded triggers/500_stages.sql
--! Included triggers/900_audit_log.sql
/*
 * Phase 900: the audit log. The trigger fires once for each statement, regardless of its role and
 * its number of rows, and also for cascades and COPY. An update that changed nothing has no entry.
 * crm_private.compile_audit_log describes the content of an entry.
 */

/*
 * TRUNCATE passes no rows to triggers, so the audit log could not record it. It is refused for
 * every entity and for the audit log itself; crm_private.ensure_audit_partitions creates this
 * trigger on the other partitions.
 */
create or replace function crm_private.refuse_truncate()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'crm.% cannot be truncated; the audit log would not record it', tg_table_name
    using errcode    = 'feature_not_supported',
          schema     = tg_table_schema, table = tg_table_name,
          constraint = tg_table_name || '_truncate_logged',
          hint       = 'Delete the rows instead.';
end
$$;

comment on function crm_private.refuse_truncate() is
  'Refuses TRUNCATE, which the audit log cannot record.';

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
 * Why: a typical pipeline to start with. It is data, which administrators can change.
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
