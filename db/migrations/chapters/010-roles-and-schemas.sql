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
