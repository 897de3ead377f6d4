--! Previous: sha1:cb745b9b924bab18686e97842f57b1a4249319ed
--! Hash: sha1:6aeeb981b99ecd3540737f0375b75dbd7e74b5c2
--! Message: keys, undo, seals, search, duplicates

--! split: 30-search-path.sql
/*
 * Why: with an empty search_path PostgreSQL looks for types and tables in the temporary schema of the
 *      session before its own. Whoever may make temporary objects could so put code of theirs under
 *      names that functions use, text for example, and have it run with the rights of the owner, by
 *      any insert: the journal is written by a function that is security definer. With pg_temp
 *      named last, PostgreSQL's own names always win. Before release 15 everybody may also make
 *      objects in the schema public.
 * Locks: nothing but the functions' entries in the catalog.
 * Undone by: revert/000003.sql.
 */

do $search_path$
declare
  v_function regprocedure;
begin
  for v_function in
    select oid
    from pg_proc
    where pronamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
      and proconfig @> array['search_path=""']
  loop
    execute format('alter function %s set search_path = pg_catalog, pg_temp', v_function);
  end loop;

  if current_setting('server_version_num')::integer < 150000 then
    revoke create on schema public from public;
  end if;
end
$search_path$;

-- What it compiles gets the same path.
--! Included functions/bind_journal.sql
/*
 * Binds the journal to a table: makes crm_private.<table>_journal, compiled from the table's
 * columns, and the triggers that call it once for each statement.
 *
 * The changes of a created row are its values, those of a deleted row the whole old row. Those of
 * an updated row have a member for each column, and for each custom field, that changed. What an
 * entry says itself (which row, who and when) and what follows from it (the version, generated
 * columns) is left out, but for a deletion: it keeps all, so that the row can come back. What a change
 * undoes is its member @undoes, which no column is called like.
 *
 * Compiled, because the journal is paid for by every write: a generic comparison of whole rows costs
 * twice as much for inserts, three times for updates. Call it in the migration that adds or removes a column; a
 * test finds where that was forgotten.
 *
 * Its plans are kept for the session. One that was made for a row or two would join the old rows of a
 * bulk update to the new ones pair by pair, so nested loops are off.
 *
 * The trigger is security definer: nobody but the owner of the journal may write it.
 */
create or replace function crm_private.bind_journal(p_table regclass, p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_function text := format(
    'crm_private.%I', (select relname from pg_class where oid = p_table) || '_journal'
  );
  v_values  text;
  v_changes text;
  v_old     text;
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
    and atttypid <> 'tsvector'::regtype;

  execute format(
    $function$
create or replace function %1$s()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
as $journal$
declare
  v_user_id text   := crm.current_user_id();
  v_source  text   := crm_private.current_source();
  v_xid     bigint := pg_current_xact_id()::text::bigint;
  v_undoes  boolean := current_setting('crm.reversing', true) = v_xid::text;
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
$journal$
    $function$,
    v_function, p_entity_type, v_values, v_changes,
    format(v_undoes, 'new_row'), format(v_undoes, 'old_row'), v_old
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

--! split: 31-api-keys.sql
/*
 * Why: an integration asks by itself, without a user who logs in. It gets a key of its own, with a
 *      name that the journal tells, a role, and an end: expiry or revocation.
 * Locks: nothing that exists.
 * Undone by: revert/000003.sql.
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
  -- One spelling for each name, so that no two keys look alike in the journal.
  constraint api_keys_name_format check (name ~ '^[a-z0-9]+([._-][a-z0-9]+)*$'),
  constraint api_keys_role_known check (role = any (array['reader', 'member', 'admin'])),
  constraint api_keys_expires_at_range check (
    expires_at > created_at and expires_at <= created_at + interval '100 years'
  )
);

comment on table crm.api_keys is
  E'@defaultOrder NAME_ASC\nA key that an integration asks with. Administrators create and revoke '
  'keys; a revoked one stays, because the journal names it.';

comment on column crm.api_keys.id is
  'The identifier of the row, set by the database.';
comment on column crm.api_keys.name is
  'What the integration is called, unique. The journal has it as key:<name>.';
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

/*
 * The hash stands apart from what administrators read, so that whoever reads or journals a whole row
 * never meets it. SHA-256 is enough: a key is 256 random bits, which nobody can try through; slow
 * hashes are for passwords, which people choose.
 */
create table if not exists crm_private.api_key_hashes (
  api_key_id uuid  not null,
  key_hash   bytea not null,

  constraint api_key_hashes_pkey primary key (api_key_id),
  constraint api_key_hashes_key_hash_unique unique (key_hash),
  constraint api_key_hashes_api_key_id_exists foreign key (api_key_id)
    references crm.api_keys on delete cascade
);

comment on table crm_private.api_key_hashes is
  'What is kept of each API key itself: its SHA-256. No role of the product reads it.';

alter table crm_private.api_key_hashes enable row level security;

do $type$
begin
  if to_regtype('crm.issued_api_key') is null then
    create type crm.issued_api_key as (key text, api_key crm.api_keys);
  end if;
end
$type$;

comment on type crm.issued_api_key is
  'A new API key.';
comment on column crm.issued_api_key.key is
  E'@notNull\nThe key itself, for the header Authorization: Bearer <key>. It is shown here and never again.';
comment on column crm.issued_api_key.api_key is
  E'@notNull\nWhat is kept of it.';

--! Included functions/entity_table.sql
/* The table of an entity type: contact is crm.contacts. Null if nothing is called so. */
create or replace function crm_private.entity_table(p_entity_type text)
returns regclass
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case p_entity_type
    when 'contact' then 'crm.contacts'::regclass
    when 'company' then 'crm.companies'::regclass
    when 'deal'    then 'crm.deals'::regclass
    when 'task'    then 'crm.tasks'::regclass
    when 'note'    then 'crm.notes'::regclass
    when 'custom_field_definition' then 'crm.custom_field_definitions'::regclass
    when 'pipeline_stage'          then 'crm.pipeline_stages'::regclass
    when 'api_key'                 then 'crm.api_keys'::regclass
  end;
$$;

comment on function crm_private.entity_table(text) is
  'The table of an entity type, null if there is no such type.';

revoke all on function crm_private.entity_table(text) from public;
grant execute on function crm_private.entity_table(text) to crm_reader;
--! EndIncluded functions/entity_table.sql
--! Included functions/refuse_update.sql
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
--! EndIncluded functions/refuse_update.sql
--! Included functions/api_keys_history.sql
/* The history of a row: GraphQL's field history. Inlined, so that it is part of the query. */
create or replace function crm.api_keys_history(record crm.api_keys)
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

comment on function crm.api_keys_history(crm.api_keys) is
  'Everything that was done to it, the oldest first.';

revoke all on function crm.api_keys_history(crm.api_keys) from public;
grant execute on function crm.api_keys_history(crm.api_keys) to crm_admin;
--! EndIncluded functions/api_keys_history.sql
--! Included functions/create_api_key.sql
/*
 * Creates an API key and gives it, this once: what is kept is its hash. The key is 256 random bits,
 * in base64 as URLs take it, behind a beginning by which scanners find keys that were leaked.
 *
 * An API key cannot create another one: a stolen one must not outlive its revocation.
 *
 * Security definer: nobody but the owner reaches the hashes, and no client says what a row holds
 * beside what it gives here.
 */
create or replace function crm.create_api_key(
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

comment on function crm.create_api_key(text, text, timestamptz) is
  'Creates an API key: its name (lower case letters and digits, with single dots, hyphens or '
  'underscores between them), its role (reader, member or admin), and when it ceases to be good, if '
  'it does. The key itself is shown in the answer and never again.';

revoke all on function crm.create_api_key(text, text, timestamptz) from public;
grant execute on function crm.create_api_key(text, text, timestamptz) to crm_admin;
--! EndIncluded functions/create_api_key.sql
--! Included functions/revoke_api_key.sql
/*
 * Revokes an API key: the next request that presents it is refused. One that was revoked before
 * stays as it is.
 *
 * Security definer: no client writes the table.
 */
create or replace function crm.revoke_api_key(id uuid)
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

comment on function crm.revoke_api_key(uuid) is
  'Revokes an API key: the next request with it is refused. It cannot be undone.';

revoke all on function crm.revoke_api_key(uuid) from public;
grant execute on function crm.revoke_api_key(uuid) to crm_admin;
--! EndIncluded functions/revoke_api_key.sql
--! Included functions/authenticate_api_key.sql
/*
 * Who a request with an API key speaks for, asked by the server at each request, so that revocation
 * and expiry hold at once. No row if no key has this hash; no role, but the reason for the log, if
 * the key is not good any more. It takes the hash, so that no key comes near the database's logs,
 * and answers about a key only whoever holds it.
 *
 * A use is noted at most once a minute, and never waited for: not where another request is just
 * noting it, nor for the disk, nor where the database takes no writes. It is no change of the row:
 * neither version nor journal tell of it.
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
--! EndIncluded functions/authenticate_api_key.sql

alter table crm.api_keys enable row level security;

grant select on crm.api_keys to crm_admin;

drop policy if exists api_keys_select on crm.api_keys;
create policy api_keys_select on crm.api_keys for select to crm_admin using (true);

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
  E'@notNull\nWho is asking: the subject of the token, key:<name> for an API key, or db:<login role> '
  'for a database session.';

revoke all on function crm.current_user_id() from public;
grant execute on function crm.current_user_id() to crm_reader;
--! EndIncluded functions/current_user_id.sql

comment on column crm.audit_logs.entity_type is
  'What was changed: contact, company, deal, task, note, custom_field_definition, '
  'pipeline_stage or api_key.';
comment on column crm.audit_logs.user_id is
  'Who did it: the subject of a token, key:<name> for an API key, or db:<login role> for a '
  'database session.';

--! split: 35-statistics.sql
/*
 * Why: statistics of the journal's changes would keep values that were erased, and no plan needs them.
 * Locks: crm.audit_logs exclusively, for a moment.
 * Undone by: revert/000003.sql.
 */

do $statistics$
begin
  if exists (
    select from pg_attribute
    where attrelid = 'crm.audit_logs'::regclass
      and attname = 'changes'
      and attstattarget is distinct from 0
  ) then
    -- To the type that it has: takes no time, and away the statistics there are.
    alter table crm.audit_logs
      alter column changes type jsonb,
      alter column changes set statistics 0;
  end if;
end
$statistics$;

--! split: 40-history.sql
/*
 * Why: the journal has everything that was done. This reads out of it what a row, a field and the
 *      pipeline were at any time, undoes what was done, and brings back what was deleted.
 * Locks: crm.audit_logs against writes while two small indexes are made, which reads it once.
 * Undone by: revert/000003.sql.
 */

/*
 * What a transaction did, and one entry by its id. Both increase with the table, so a summary of a
 * few blocks each is enough, and writers pay next to nothing for it.
 */
create index if not exists audit_logs_transaction_id on crm.audit_logs
  using brin (transaction_id, id) with (pages_per_range = 16, autosummarize = on);

-- The trash: what can be restored, or purged. Only deletions pay for it.
create index if not exists audit_logs_deleted on crm.audit_logs ("timestamp")
  where action = 'delete' and erased_at is null;

-- Readers ask these through the functions below.

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
--! EndIncluded functions/fault_message.sql
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
grant execute on function crm_private.camel_case(text) to crm_reader;
--! EndIncluded functions/camel_case.sql

do $types$
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

  if to_regtype('crm.pipeline_stage_total') is null then
    create type crm.pipeline_stage_total as (
      stage             text,
      "position"        integer,
      count             bigint,
      value             numeric,
      value_by_currency jsonb
    );
  end if;
end
$types$;

comment on type crm.field_value is 'A value that a field had for some time.';
comment on column crm.field_value.value is 'The value, as JSON; null if the field had none.';
comment on column crm.field_value.valid_from is E'@notNull\nWhen it was set.';
comment on column crm.field_value.valid_until is
  'When another one was set, or the row deleted; null if it still holds.';
comment on column crm.field_value.set_by is E'@notNull\nThe user who set it.';
comment on column crm.field_value.source is
  E'@notNull\nWhat it was set through: api, import or sql.';
comment on column crm.field_value.entry_id is
  E'@notNull\nThe id of the entry of the journal that tells it.';
comment on column crm.field_value.erased is
  E'@notNull\nTrue if the entry has been erased, so that nobody knows the value any more.';

comment on type crm.pipeline_stage_total is 'What a stage of the pipeline held at an instant.';
comment on column crm.pipeline_stage_total.stage is
  E'@notNull\nThe name that the stage had then.';
comment on column crm.pipeline_stage_total."position" is
  'The place that the stage had then, the first being the lowest.';
comment on column crm.pipeline_stage_total.count is E'@notNull\nHow many deals were in it.';
comment on column crm.pipeline_stage_total.value is
  E'@notNull\nThe sum of their values, whatever their currencies.';
comment on column crm.pipeline_stage_total.value_by_currency is
  E'@notNull\nThe sum of their values in each currency, as {"EUR": 10.00}.';

-- As of.

--! Included functions/row_from_creation.sql
/*
 * A row as it was at an instant, told forwards: what it was created or brought back with, and every
 * update until then. For rows whose deletion has been purged, which crm_private.row_as_of cannot
 * begin with; null if there was none then. Refused where an entry that it needs has been erased.
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
    raise exception 'what % % was at % cannot be told: entry % of the journal has been erased',
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
    || (v_created.changes - '@undoes')
    || v_updates.changed;

  if v_row ? 'custom_fields' then
    v_row := v_row || jsonb_build_object(
      'custom_fields', jsonb_strip_nulls((v_row -> 'custom_fields') || v_updates.custom)
    );
  end if;

  -- Generated columns are not journalled; they follow from the others.
  if p_entity_type in ('task', 'note') then
    v_row := v_row || jsonb_build_object((v_row ->> 'entity_type') || '_id', v_row -> 'entity_id');
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
--! EndIncluded functions/row_from_creation.sql
--! Included functions/row_as_of.sql
/*
 * A row as it was at an instant, as jsonb; null if there was none. p_current is the row as it is
 * now, null if it is gone. Called by the functions crm.<entity>_as_of. Its search_document is null:
 * nobody searches the past.
 *
 * It goes backwards: from the row as it is, or as the first deletion after the instant found it, it
 * takes back every update since. So it needs the journal from that instant on and no further, and
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
  if p_at < crm.journal_kept_since() then
    raise exception 'what % % was at % cannot be told: the journal is kept since %',
        p_entity_type, p_entity_id, p_at, crm.journal_kept_since()
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'timestamp',
            constraint = 'audit_logs_timestamp_retired',
            detail     = '{"at": ["is before what the journal still has"]}';
  end if;

  select
    (array_agg(action order by id))[1],
    min(id) filter (where action = 'delete'),
    coalesce(
      (array_agg(changes order by id) filter (where action = 'delete'))[1],
      p_current - 'search_document'
    )
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
    return crm_private.row_from_creation(p_entity_type, p_entity_id, p_at);
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
    raise exception 'what % % was at % cannot be told: entry % of the journal has been erased',
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

  -- Generated columns are not journalled; they follow from the others.
  if p_entity_type in ('task', 'note') then
    v_row := v_row
      || '{"contact_id": null, "company_id": null, "deal_id": null}'
      || jsonb_build_object((v_row ->> 'entity_type') || '_id', v_row -> 'entity_id');
  end if;

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
  order by log.id desc
  limit 1;

  if not found then
    raise exception 'what % % was at % cannot be told: the journal does not go back so far',
        p_entity_type, p_entity_id, p_at
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'timestamp',
            constraint = 'audit_logs_timestamp_retired',
            detail     = '{"at": ["is before what the journal still has"]}';
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
--! EndIncluded functions/row_as_of.sql
--! Included functions/contact_as_of.sql
/*
 * A contact as it was: what the row is, less what the journal has since then; crm_private.row_as_of does it.
 * Its body is bound when it is created, because readers cannot name what is in crm_private.
 */
create or replace function crm.contact_as_of(id uuid, at timestamptz)
returns crm.contacts
language sql
stable
strict
parallel safe
return (
  select jsonb_populate_record(
    null::crm.contacts,
    crm_private.row_as_of(
      'contact', contact_as_of.id, contact_as_of.at,
      (select to_jsonb(record) from crm.contacts as record where record.id = contact_as_of.id)
    )
  )
);

comment on function crm.contact_as_of(uuid, timestamptz) is
  'The contact as it was at an instant, with every column and custom field; null if there was none then. '
  'Relations lead to what they lead to now.';

revoke all on function crm.contact_as_of(uuid, timestamptz) from public;
grant execute on function crm.contact_as_of(uuid, timestamptz) to crm_reader;
--! EndIncluded functions/contact_as_of.sql
--! Included functions/company_as_of.sql
/*
 * A company as it was: what the row is, less what the journal has since then; crm_private.row_as_of does it.
 * Its body is bound when it is created, because readers cannot name what is in crm_private.
 */
create or replace function crm.company_as_of(id uuid, at timestamptz)
returns crm.companies
language sql
stable
strict
parallel safe
return (
  select jsonb_populate_record(
    null::crm.companies,
    crm_private.row_as_of(
      'company', company_as_of.id, company_as_of.at,
      (select to_jsonb(record) from crm.companies as record where record.id = company_as_of.id)
    )
  )
);

comment on function crm.company_as_of(uuid, timestamptz) is
  'The company as it was at an instant, with every column and custom field; null if there was none then. '
  'Relations lead to what they lead to now.';

revoke all on function crm.company_as_of(uuid, timestamptz) from public;
grant execute on function crm.company_as_of(uuid, timestamptz) to crm_reader;
--! EndIncluded functions/company_as_of.sql
--! Included functions/deal_as_of.sql
/*
 * A deal as it was: what the row is, less what the journal has since then; crm_private.row_as_of does it.
 * Its body is bound when it is created, because readers cannot name what is in crm_private.
 */
create or replace function crm.deal_as_of(id uuid, at timestamptz)
returns crm.deals
language sql
stable
strict
parallel safe
return (
  select jsonb_populate_record(
    null::crm.deals,
    crm_private.row_as_of(
      'deal', deal_as_of.id, deal_as_of.at,
      (select to_jsonb(record) from crm.deals as record where record.id = deal_as_of.id)
    )
  )
);

comment on function crm.deal_as_of(uuid, timestamptz) is
  'The deal as it was at an instant, with every column and custom field; null if there was none then. '
  'Relations lead to what they lead to now.';

revoke all on function crm.deal_as_of(uuid, timestamptz) from public;
grant execute on function crm.deal_as_of(uuid, timestamptz) to crm_reader;
--! EndIncluded functions/deal_as_of.sql
--! Included functions/task_as_of.sql
/*
 * A task as it was: what the row is, less what the journal has since then; crm_private.row_as_of does it.
 * Its body is bound when it is created, because readers cannot name what is in crm_private.
 */
create or replace function crm.task_as_of(id uuid, at timestamptz)
returns crm.tasks
language sql
stable
strict
parallel safe
return (
  select jsonb_populate_record(
    null::crm.tasks,
    crm_private.row_as_of(
      'task', task_as_of.id, task_as_of.at,
      (select to_jsonb(record) from crm.tasks as record where record.id = task_as_of.id)
    )
  )
);

comment on function crm.task_as_of(uuid, timestamptz) is
  'The task as it was at an instant, with every column and custom field; null if there was none then. '
  'Relations lead to what they lead to now.';

revoke all on function crm.task_as_of(uuid, timestamptz) from public;
grant execute on function crm.task_as_of(uuid, timestamptz) to crm_reader;
--! EndIncluded functions/task_as_of.sql
--! Included functions/note_as_of.sql
/*
 * A note as it was: what the row is, less what the journal has since then; crm_private.row_as_of does it.
 * Its body is bound when it is created, because readers cannot name what is in crm_private.
 */
create or replace function crm.note_as_of(id uuid, at timestamptz)
returns crm.notes
language sql
stable
strict
parallel safe
return (
  select jsonb_populate_record(
    null::crm.notes,
    crm_private.row_as_of(
      'note', note_as_of.id, note_as_of.at,
      (select to_jsonb(record) from crm.notes as record where record.id = note_as_of.id)
    )
  )
);

comment on function crm.note_as_of(uuid, timestamptz) is
  'The note as it was at an instant, with every column and custom field; null if there was none then. '
  'Relations lead to what they lead to now.';

revoke all on function crm.note_as_of(uuid, timestamptz) from public;
grant execute on function crm.note_as_of(uuid, timestamptz) to crm_reader;
--! EndIncluded functions/note_as_of.sql
--! Included functions/custom_field_definition_as_of.sql
/*
 * A custom field definition as it was: what the row is, less what the journal has since then; crm_private.row_as_of does it.
 * Its body is bound when it is created, because readers cannot name what is in crm_private.
 */
create or replace function crm.custom_field_definition_as_of(id uuid, at timestamptz)
returns crm.custom_field_definitions
language sql
stable
strict
parallel safe
return (
  select jsonb_populate_record(
    null::crm.custom_field_definitions,
    crm_private.row_as_of(
      'custom_field_definition', custom_field_definition_as_of.id, custom_field_definition_as_of.at,
      (select to_jsonb(record) from crm.custom_field_definitions as record where record.id = custom_field_definition_as_of.id)
    )
  )
);

comment on function crm.custom_field_definition_as_of(uuid, timestamptz) is
  'The custom field definition as it was at an instant, with every column and custom field; null if there was none then. '
  'Relations lead to what they lead to now.';

revoke all on function crm.custom_field_definition_as_of(uuid, timestamptz) from public;
grant execute on function crm.custom_field_definition_as_of(uuid, timestamptz) to crm_reader;
--! EndIncluded functions/custom_field_definition_as_of.sql
--! Included functions/pipeline_stage_as_of.sql
/*
 * A pipeline stage as it was: what the row is, less what the journal has since then; crm_private.row_as_of does it.
 * Its body is bound when it is created, because readers cannot name what is in crm_private.
 */
create or replace function crm.pipeline_stage_as_of(id uuid, at timestamptz)
returns crm.pipeline_stages
language sql
stable
strict
parallel safe
return (
  select jsonb_populate_record(
    null::crm.pipeline_stages,
    crm_private.row_as_of(
      'pipeline_stage', pipeline_stage_as_of.id, pipeline_stage_as_of.at,
      (select to_jsonb(record) from crm.pipeline_stages as record where record.id = pipeline_stage_as_of.id)
    )
  )
);

comment on function crm.pipeline_stage_as_of(uuid, timestamptz) is
  'The pipeline stage as it was at an instant, with every column and custom field; null if there was none then. '
  'Relations lead to what they lead to now.';

revoke all on function crm.pipeline_stage_as_of(uuid, timestamptz) from public;
grant execute on function crm.pipeline_stage_as_of(uuid, timestamptz) to crm_reader;
--! EndIncluded functions/pipeline_stage_as_of.sql
--! Included functions/pipeline_as_of.sql
/*
 * The pipeline as it was: the deals of each stage at an instant. Backwards like
 * crm_private.row_as_of, all deals at once: what the first entry since tells of a deal, else what it
 * is now, or of a deal whose deletion has been purged, what it was made of.
 *
 * Security definer: sums must not depend on who may read the history of a deal that is gone by now.
 * They name no deal.
 */
create or replace function crm.pipeline_as_of(at timestamptz)
returns setof crm.pipeline_stage_total
language plpgsql
stable
strict
security definer
set search_path = pg_catalog, pg_temp
rows 10
as $$
declare
  v_erased bigint;
begin
  if at < crm.journal_kept_since() then
    raise exception 'the pipeline at % cannot be told: the journal is kept since %',
        at, crm.journal_kept_since()
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'timestamp',
            constraint = 'audit_logs_timestamp_retired',
            detail     = '{"at": ["is before what the journal still has"]}';
  end if;

  select min(id) into v_erased
  from crm.audit_logs
  where entity_type = 'deal'
    and "timestamp" > at
    and erased_at is not null
    and action = 'update';

  if v_erased is not null then
    raise exception 'the pipeline at % cannot be told: entry % of the journal has been erased',
        at, v_erased
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'changes',
            constraint = 'audit_logs_changes_erased',
            detail     = '{"at": ["is before values that have been erased for good"]}';
  end if;

  return query
    with since as (
      select
        entity_id,
        (array_agg(action order by id))[1] as first_action,
        bool_or(action = 'delete' and erased_at is not null) as is_purged,
        (array_agg(
          case action when 'update' then changes #>> '{stage,old}' else changes ->> 'stage' end
          order by id
        ) filter (where action <> 'create' and changes ? 'stage'))[1] as stage,
        (array_agg(
          case action when 'update' then changes #>> '{value,old}' else changes ->> 'value' end
          order by id
        ) filter (where action <> 'create' and changes ? 'value'))[1]::numeric as value,
        (array_agg(
          case action when 'update' then changes #>> '{currency,old}' else changes ->> 'currency' end
          order by id
        ) filter (where action <> 'create' and changes ? 'currency'))[1] as currency
      from crm.audit_logs
      where entity_type = 'deal'
        and "timestamp" > at
      group by entity_id
    ),
    deals as (
      select
        coalesce(since.stage, deal.stage, purged.was ->> 'stage')              as stage,
        coalesce(since.value, deal.value, (purged.was ->> 'value')::numeric)   as value,
        coalesce(since.currency, deal.currency, purged.was ->> 'currency')     as currency
      from crm.deals as deal
      full join since on since.entity_id = deal.id
      left join lateral crm_private.row_from_creation('deal', since.entity_id, at) as purged (was)
        on since.is_purged
      where since.first_action is distinct from 'create'
    ),
    stages as (
      select stage_was.name, stage_was.position
      from (
        select id from crm.pipeline_stages
        union
        select entity_id from crm.audit_logs
        where entity_type = 'pipeline_stage' and action = 'delete' and "timestamp" > at
      ) as known (id)
      cross join lateral crm.pipeline_stage_as_of(known.id, at) as stage_was
      where stage_was.id is not null
    ),
    totals as (
      select
        by_currency.stage,
        sum(by_currency.count)::bigint                              as count,
        sum(by_currency.value)                                      as value,
        jsonb_object_agg(by_currency.currency, by_currency.value)   as value_by_currency
      from (
        select deals.stage, deals.currency, count(*) as count, sum(deals.value) as value
        from deals
        group by deals.stage, deals.currency
      ) as by_currency
      group by by_currency.stage
    )
    select
      coalesce(stages.name, totals.stage),
      stages.position,
      coalesce(totals.count, 0),
      coalesce(totals.value, 0.00),
      coalesce(totals.value_by_currency, '{}')
    from stages
    full join totals on totals.stage = stages.name
    order by stages.position nulls last, 1;
end
$$;

comment on function crm.pipeline_as_of(timestamptz) is
  'The pipeline as it was at an instant: how many deals each stage had then, and their value.';

revoke all on function crm.pipeline_as_of(timestamptz) from public;
grant execute on function crm.pipeline_as_of(timestamptz) to crm_reader;
--! EndIncluded functions/pipeline_as_of.sql

-- The values of a field.

--! Included functions/journal_fields.sql
/*
 * What an entry of the journal tells, field by field: a row for each column and each custom field
 * (custom_fields.<name>), with the value before it and after it. A created row had none before, a
 * deleted one has none after. What an entry says of itself (@undoes) is no field.
 * Inlined where entries are undone.
 */
create or replace function crm_private.journal_fields(p_action text, p_changes jsonb)
returns table (field text, old jsonb, new jsonb)
language sql
immutable
parallel safe
begin atomic
  select
    told.key,
    case p_action when 'update' then told.value -> 'old' when 'delete' then told.value end,
    case p_action when 'update' then told.value -> 'new' when 'create' then told.value end
  from jsonb_each(
    p_changes - '@undoes' - case p_action when 'update' then '' else 'custom_fields' end
  ) as told

  union all

  select
    'custom_fields.' || custom.key,
    case p_action when 'delete' then custom.value end,
    case p_action when 'create' then custom.value end
  from jsonb_each(
    case when p_action <> 'update' then p_changes -> 'custom_fields' end
  ) as custom;
end;

comment on function crm_private.journal_fields(text, jsonb) is
  'The fields that an entry of the journal tells, with the value before and after it.';

revoke all on function crm_private.journal_fields(text, jsonb) from public;
--! EndIncluded functions/journal_fields.sql
--! Included functions/journal_columns.sql
/* The columns of a table that the journal follows: those that crm_private.bind_journal compiles. */
create or replace function crm_private.journal_columns(p_table regclass)
returns name[]
language sql
stable
parallel safe
return (
  select array_agg(attname order by attnum)
  from pg_catalog.pg_attribute
  where attrelid = p_table
    and attnum > 0
    and not attisdropped
    and attgenerated = ''
    and attname <> all (
      '{id,version,created_at,updated_at,created_by,updated_by}'::name[]
    )
);

comment on function crm_private.journal_columns(regclass) is
  'The columns of a table whose changes the journal has.';

revoke all on function crm_private.journal_columns(regclass) from public;
grant execute on function crm_private.journal_columns(regclass) to crm_reader;
--! EndIncluded functions/journal_columns.sql
--! Included functions/refuse_argument.sql
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
--! EndIncluded functions/refuse_argument.sql
--! Included functions/journal_field.sql
/*
 * What the journal calls a field of an entity type: company_id for companyId and company_id,
 * custom_fields.size for customFields.size and custom_fields.size. A custom field need not be
 * defined: it may have been. Refuses other names. Called by what takes a field as an argument.
 */
create or replace function crm_private.journal_field(p_entity_type text, p_field text)
returns text
language sql
stable
parallel safe
return coalesce(
  case
    when crm_private.entity_table(p_entity_type) is null
    then crm_private.refuse_argument(
      'entityType',
      crm_private.fault_message(
        '%s is not one of contact, company, deal, task, note, custom_field_definition, '
        'pipeline_stage',
        to_jsonb(p_entity_type)
      ),
      'audit_logs_entity_type_known'
    )
    when p_field ~ '^custom(?:_f|F)ields\.' and p_entity_type in ('contact', 'company', 'deal')
    then regexp_replace(p_field, '^custom(?:_f|F)ields', 'custom_fields')
  end,
  (
    select name
    from unnest(crm_private.journal_columns(crm_private.entity_table(p_entity_type))) as name
    where name <> 'custom_fields'
      and p_field in (name, crm_private.camel_case(name))
  ),
  crm_private.refuse_argument(
    'field',
    crm_private.fault_message(
      '%s is not a field of ' || p_entity_type || ' whose values the journal has',
      to_jsonb(p_field)
    ),
    'audit_logs_field_known'
  )
);

comment on function crm_private.journal_field(text, text) is
  'What the journal calls a field of an entity type; refuses what is none.';

revoke all on function crm_private.journal_field(text, text) from public;
grant execute on function crm_private.journal_field(text, text) to crm_reader;
--! EndIncluded functions/journal_field.sql
--! Included functions/field_history.sql
/*
 * The values that a field had, from the journal. Runs with the caller's rights: the policy of the
 * journal decides which entries count. Readers cannot name what is in crm_private, so its body is bound
 * when it is created.
 */
create or replace function crm.field_history(entity_type text, entity_id uuid, field text)
returns setof crm.field_value
language sql
stable
strict
parallel safe
begin atomic
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
    from crm_private.journal_field(field_history.entity_type, field_history.field) as name (name)
    cross join crm.audit_logs as log
    where log.entity_id = field_history.entity_id
      and log.entity_type = field_history.entity_type
      and (log.action <> 'update' or log.changes ? name.name or log.erased_at is not null)
  ) as period
  where period.action <> 'delete'
  order by period.id;
end;

comment on function crm.field_history(text, uuid, text) is
  'Every value that a field of a row had, the oldest first: from when to when, who set it, and through '
  'what. entityType is contact, company, deal, task, note, custom_field_definition or pipeline_stage; a '
  'custom field is customFields.<name>.';

revoke all on function crm.field_history(text, uuid, text) from public;
grant execute on function crm.field_history(text, uuid, text) to crm_reader;
--! EndIncluded functions/field_history.sql
--! Included functions/contacts_field_history.sql
/* The values that a field of a row had: GraphQL's field fieldHistory. */
create or replace function crm.contacts_field_history(record crm.contacts, field text)
returns setof crm.field_value
language sql
stable
strict
parallel safe
begin atomic
  select history.* from crm.field_history('contact', record.id, field) as history;
end;

comment on function crm.contacts_field_history(crm.contacts, text) is
  'Every value that a field had, the oldest first: from when to when, who set it, and through what. A '
  'custom field is customFields.<name>.';

revoke all on function crm.contacts_field_history(crm.contacts, text) from public;
grant execute on function crm.contacts_field_history(crm.contacts, text) to crm_reader;
--! EndIncluded functions/contacts_field_history.sql
--! Included functions/companies_field_history.sql
/* The values that a field of a row had: GraphQL's field fieldHistory. */
create or replace function crm.companies_field_history(record crm.companies, field text)
returns setof crm.field_value
language sql
stable
strict
parallel safe
begin atomic
  select history.* from crm.field_history('company', record.id, field) as history;
end;

comment on function crm.companies_field_history(crm.companies, text) is
  'Every value that a field had, the oldest first: from when to when, who set it, and through what. A '
  'custom field is customFields.<name>.';

revoke all on function crm.companies_field_history(crm.companies, text) from public;
grant execute on function crm.companies_field_history(crm.companies, text) to crm_reader;
--! EndIncluded functions/companies_field_history.sql
--! Included functions/deals_field_history.sql
/* The values that a field of a row had: GraphQL's field fieldHistory. */
create or replace function crm.deals_field_history(record crm.deals, field text)
returns setof crm.field_value
language sql
stable
strict
parallel safe
begin atomic
  select history.* from crm.field_history('deal', record.id, field) as history;
end;

comment on function crm.deals_field_history(crm.deals, text) is
  'Every value that a field had, the oldest first: from when to when, who set it, and through what. A '
  'custom field is customFields.<name>.';

revoke all on function crm.deals_field_history(crm.deals, text) from public;
grant execute on function crm.deals_field_history(crm.deals, text) to crm_reader;
--! EndIncluded functions/deals_field_history.sql
--! Included functions/tasks_field_history.sql
/* The values that a field of a row had: GraphQL's field fieldHistory. */
create or replace function crm.tasks_field_history(record crm.tasks, field text)
returns setof crm.field_value
language sql
stable
strict
parallel safe
begin atomic
  select history.* from crm.field_history('task', record.id, field) as history;
end;

comment on function crm.tasks_field_history(crm.tasks, text) is
  'Every value that a field had, the oldest first: from when to when, who set it, and through what.';

revoke all on function crm.tasks_field_history(crm.tasks, text) from public;
grant execute on function crm.tasks_field_history(crm.tasks, text) to crm_reader;
--! EndIncluded functions/tasks_field_history.sql
--! Included functions/notes_field_history.sql
/* The values that a field of a row had: GraphQL's field fieldHistory. */
create or replace function crm.notes_field_history(record crm.notes, field text)
returns setof crm.field_value
language sql
stable
strict
parallel safe
begin atomic
  select history.* from crm.field_history('note', record.id, field) as history;
end;

comment on function crm.notes_field_history(crm.notes, text) is
  'Every value that a field had, the oldest first: from when to when, who set it, and through what.';

revoke all on function crm.notes_field_history(crm.notes, text) from public;
grant execute on function crm.notes_field_history(crm.notes, text) to crm_reader;
--! EndIncluded functions/notes_field_history.sql
--! Included functions/custom_field_definitions_field_history.sql
/* The values that a field of a row had: GraphQL's field fieldHistory. */
create or replace function crm.custom_field_definitions_field_history(record crm.custom_field_definitions, field text)
returns setof crm.field_value
language sql
stable
strict
parallel safe
begin atomic
  select history.* from crm.field_history('custom_field_definition', record.id, field) as history;
end;

comment on function crm.custom_field_definitions_field_history(crm.custom_field_definitions, text) is
  'Every value that a field had, the oldest first: from when to when, who set it, and through what.';

revoke all on function crm.custom_field_definitions_field_history(crm.custom_field_definitions, text) from public;
grant execute on function crm.custom_field_definitions_field_history(crm.custom_field_definitions, text) to crm_reader;
--! EndIncluded functions/custom_field_definitions_field_history.sql
--! Included functions/pipeline_stages_field_history.sql
/* The values that a field of a row had: GraphQL's field fieldHistory. */
create or replace function crm.pipeline_stages_field_history(record crm.pipeline_stages, field text)
returns setof crm.field_value
language sql
stable
strict
parallel safe
begin atomic
  select history.* from crm.field_history('pipeline_stage', record.id, field) as history;
end;

comment on function crm.pipeline_stages_field_history(crm.pipeline_stages, text) is
  'Every value that a field had, the oldest first: from when to when, who set it, and through what.';

revoke all on function crm.pipeline_stages_field_history(crm.pipeline_stages, text) from public;
grant execute on function crm.pipeline_stages_field_history(crm.pipeline_stages, text) to crm_reader;
--! EndIncluded functions/pipeline_stages_field_history.sql

/*
 * Undoing. What is to be undone is planned row by row in a table, so that a few statements carry it
 * out, and the journal's triggers find there what each row undoes. It is empty between transactions, and
 * nobody but the owner's functions can write it, so nobody can pretend to undo.
 */
create unlogged table if not exists crm_private.reversals (
  transaction_id bigint not null,
  entity_type    text   not null,
  entity_id      uuid   not null,
  before         jsonb,
  after          jsonb,
  undoes         jsonb  not null,
  constraint reversals_pkey primary key (transaction_id, entity_id, entity_type)
);

alter table crm_private.reversals enable row level security;

comment on table crm_private.reversals is
  'What the running transactions undo, row by row. Empty otherwise.';
comment on column crm_private.reversals.transaction_id is 'The transaction that undoes.';
comment on column crm_private.reversals.entity_type is 'What the row is, as the journal calls it.';
comment on column crm_private.reversals.entity_id is 'The id of the row.';
comment on column crm_private.reversals.before is
  'The fields to put back, of a row to be brought back all of them; null if it is to be deleted.';
comment on column crm_private.reversals.after is
  'The values that these fields are expected to have; null if the row is expected to be gone.';
comment on column crm_private.reversals.undoes is 'What the entries of the journal say of it.';

do $types$
begin
  if to_regtype('crm.reversal') is null then
    create type crm.reversal as (
      transaction_id bigint,
      restored       bigint,
      changed        bigint,
      deleted        bigint,
      kept           jsonb
    );
  end if;
end
$types$;

comment on type crm.reversal is 'What was done to undo something, or to restore it.';
comment on column crm.reversal.transaction_id is
  E'@notNull\nThe transaction that did it, and by which it can be undone.';
comment on column crm.reversal.restored is E'@notNull\nHow many rows were brought back.';
comment on column crm.reversal.changed is E'@notNull\nHow many rows had fields put back.';
comment on column crm.reversal.deleted is E'@notNull\nHow many rows were deleted.';
comment on column crm.reversal.kept is
  E'@notNull\nWhat was changed since and left as it is: entityType, entityId, field, expected, found, '
  'changedBy and changedAt of each. At most 100.';

--! Included functions/planned_reversal.sql
/*
 * What the running transaction is about to undo of a row. Asked by the journal and the stamps, for each
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
--! EndIncluded functions/planned_reversal.sql
--! Included functions/calling_role.sql
/*
 * The role that a statement runs as, also within a security definer function, where current_user is
 * its owner. Whoever sets the role must be a member of it, so it can be believed.
 */
create or replace function crm_private.calling_role()
returns name
language sql
stable
parallel safe
return coalesce(nullif(current_setting('role'), 'none')::name, session_user);

comment on function crm_private.calling_role() is
  'The role that the statement runs as, also within a security definer function.';

revoke all on function crm_private.calling_role() from public;
--! EndIncluded functions/calling_role.sql
--! Included functions/is_administrator.sql
/* Whether the caller may do what is for administrators, also within a security definer function. */
create or replace function crm_private.is_administrator()
returns boolean
language sql
stable
parallel safe
return pg_has_role(crm_private.calling_role(), 'crm_admin', 'usage')
  or pg_has_role(
    crm_private.calling_role(),
    (select nspowner from pg_catalog.pg_namespace where nspname = 'crm'),
    'usage'
  );

comment on function crm_private.is_administrator() is
  'True if the caller has the rights of an administrator.';

revoke all on function crm_private.is_administrator() from public;
--! EndIncluded functions/is_administrator.sql
--! Included functions/refuse_null.sql
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
--! EndIncluded functions/refuse_null.sql
--! Included functions/refuse_missing.sql
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
--! EndIncluded functions/refuse_missing.sql
--! Included functions/refuse_conflicts.sql
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
          hint       = 'Undo the later changes first, or force it as an administrator.';
end
$$;

comment on function crm_private.refuse_conflicts(bigint, jsonb) is
  'Refuses to undo what was changed since, with the list of where.';

revoke all on function crm_private.refuse_conflicts(bigint, jsonb) from public;
--! EndIncluded functions/refuse_conflicts.sql
--! Included functions/refuse_broken_link.sql
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
    type.name               as entity_type,
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
  join unnest('{contact,company,deal,task,note}'::text[]) as type (name)
    on crm_private.entity_table(type.name) = con.conrelid
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
--! EndIncluded functions/refuse_broken_link.sql
--! Included functions/custom_members.sql
/* The custom fields among the fields of a planned reversal: {"custom_fields.size": 3} has {"size": 3}. */
create or replace function crm_private.custom_members(p_fields jsonb)
returns jsonb
language sql
immutable
parallel safe
return (
  select coalesce(jsonb_object_agg(substr(key, 15), value), '{}')
  from jsonb_each(p_fields)
  where key like 'custom\_fields.%'
);

comment on function crm_private.custom_members(jsonb) is
  'The custom fields among the fields of a planned reversal.';

revoke all on function crm_private.custom_members(jsonb) from public;
--! EndIncluded functions/custom_members.sql
--! Included functions/merged.sql
/* Objects put together into one; of members that several have, those of the later one count. */
create or replace function crm_private.merged(p_objects jsonb[])
returns jsonb
language sql
immutable
parallel safe
return (
  select jsonb_object_agg(member.key, member.value order by listed.ordinal)
  from unnest(p_objects) with ordinality as listed (object, ordinal)
  cross join lateral jsonb_each(listed.object) as member
);

comment on function crm_private.merged(jsonb[]) is
  'Objects put together into one; of members that several have, those of the later one count.';

revoke all on function crm_private.merged(jsonb[]) from public;
--! EndIncluded functions/merged.sql
--! Included functions/plan_reversal.sql
/*
 * Plans to undo entries of one transaction, all of them or those given: a row in
 * crm_private.reversals for each row that they changed, with what it was before the first of them and
 * what it was after the last. What was created and deleted again needs nothing.
 *
 * Refused where an entry has been erased, and to members where one deleted a row in another's name:
 * these they cannot see. p_argument is what the client called it by.
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
begin
  perform crm_private.refuse_old_snapshot('an undo');
  lock table crm.contacts, crm.tasks, crm.notes in row exclusive mode;

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
    raise exception 'entry % of the journal has been erased, so it cannot be undone', v_erased
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'changes',
            constraint = 'audit_logs_changes_erased',
            detail     = jsonb_build_object(
                           p_argument,
                           jsonb_build_array('leads to values that have been erased for good')
                         )::text;
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
      from crm_private.journal_fields(log.action, log.changes) as told
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
        else crm_private.merged(array_agg(old order by id desc))
      end as old,
      case count(*)
        when 1 then (array_agg(new))[1]
        else crm_private.merged(array_agg(new order by id))
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
--! EndIncluded functions/plan_reversal.sql
--! Included functions/reversal_conflicts.sql
/*
 * Where the rows of an entity type are no longer what a planned reversal expects: a field has another
 * value, a row is gone or is there again (field id), or something has been attached since to a row
 * that is to go. The rows are locked by now.
 */
create or replace function crm_private.reversal_conflicts(p_entity_type text)
returns table (entity_type text, entity_id uuid, field text, expected jsonb, found jsonb)
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
    select planned.entity_type, planned.entity_id, differing.field, differing.expected, differing.found
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
    ) as differing
    where planned.transaction_id = $1
      and planned.entity_type = $2
    $query$,
    v_table
  ) using v_xid, p_entity_type, crm_private.journal_columns(v_table);

  -- What refers to a row that is to go, and would go or lose its link with it.
  select string_agg(
    format(
      $query$
      select %1$L, child.id, %2$L, 'null'::jsonb, to_jsonb(child.%3$I)
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
      child.entity_type,
      -- A client writes entity_id; the columns that carry the keys of tasks and notes follow from it.
      case attribute.attgenerated when '' then attribute.attname else 'entity_id' end,
      attribute.attname,
      con.conrelid::regclass
    ),
    E'\nunion all\n'
  )
  into v_attach
  from pg_constraint as con
  join pg_attribute as attribute
    on attribute.attrelid = con.conrelid and attribute.attnum = con.conkey[1]
  join unnest('{contact,company,deal,task,note}'::text[]) as child (entity_type)
    on crm_private.entity_table(child.entity_type) = con.conrelid
  where con.confrelid = v_table
    and con.contype = 'f'
    and con.confdeltype in ('c', 'n');

  if v_attach is not null then
    return query execute v_attach using v_xid, p_entity_type;
  end if;

  if p_entity_type <> 'custom_field_definition' then
    return;
  end if;

  -- A definition takes its values with it.
  select string_agg(
    format(
      $query$
      select %1$L, record.id, 'custom_fields.' || %2$L, 'null'::jsonb, record.custom_fields -> %2$L
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
      definition.entity_type, definition.name, crm_private.entity_table(definition.entity_type)
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
--! EndIncluded functions/reversal_conflicts.sql
--! Included functions/settle_conflicts.sql
/*
 * Compares the rows of a planned reversal with what it expects. Gives how many conflicts there are, and
 * the first hundred, each with who set what was found. With p_keep it takes what differs out of the
 * plan, so that it stays as it is.
 */
create or replace function crm_private.settle_conflicts(p_types text[], p_keep boolean)
returns table (count bigint, conflicts jsonb)
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  with conflicts as materialized (
    select conflict.*
    from unnest(p_types) as type (name)
    cross join lateral crm_private.reversal_conflicts(type.name) as conflict
  ),
  listed as (
    select conflicts.*, setter.user_id, setter."timestamp"
    from (
      select * from conflicts order by entity_type, entity_id, field limit 100
    ) as conflicts
    left join lateral (
      select log.user_id, log."timestamp"
      from crm.audit_logs as log
      where log.entity_id = conflicts.entity_id
        and log.entity_type = conflicts.entity_type
        and (log.action <> 'update' or log.changes ? conflicts.field)
      order by log.id desc
      limit 1
    ) as setter on true
  ),
  dropped as (
    delete from crm_private.reversals as planned
    using conflicts
    where p_keep
      and conflicts.field = 'id'
      and planned.transaction_id = pg_current_xact_id()::text::bigint
      and planned.entity_type = conflicts.entity_type
      and planned.entity_id = conflicts.entity_id
  ),
  narrowed as (
    update crm_private.reversals as planned
    set before = planned.before - kept.fields
    from (
      select entity_type, entity_id, array_agg(field) as fields
      from conflicts
      group by entity_type, entity_id
      having bool_and(field <> 'id')
    ) as kept
    where p_keep
      and planned.transaction_id = pg_current_xact_id()::text::bigint
      and planned.entity_type = kept.entity_type
      and planned.entity_id = kept.entity_id
  )
  select
    (select count(*) from conflicts),
    coalesce(jsonb_agg(
      jsonb_build_object(
        'entityType', listed.entity_type,
        'entityId', listed.entity_id,
        'field', case
          when listed.field like 'custom\_fields.%' then 'customFields.' || substr(listed.field, 15)
          else crm_private.camel_case(listed.field)
        end,
        'expected', listed.expected,
        'found', listed.found,
        'changedBy', listed.user_id,
        'changedAt', to_char(
          listed."timestamp" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'
        )
      )
      order by listed.entity_type, listed.entity_id, listed.field
    ), '[]')
  from listed;
$$;

comment on function crm_private.settle_conflicts(text[], boolean) is
  'Where rows differ from what a planned reversal expects; with p_keep they stay as they are.';

revoke all on function crm_private.settle_conflicts(text[], boolean) from public;
--! EndIncluded functions/settle_conflicts.sql
--! Included functions/reverse_rows.sql
/*
 * Carries out what is planned for the rows of an entity type, in one statement: brings back rows
 * (insert), puts fields back (update), or takes rows away (delete). Returns how many rows it was.
 * prepare is an update of those definitions that were changed after the values of their field.
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
  v_columns name[]   := crm_private.journal_columns(v_table);
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
            else format('%1$I = restored.%1$I', name)
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
--! EndIncluded functions/reverse_rows.sql
--! Included functions/carry_out_reversal.sql
/*
 * Carries out what is planned in crm_private.reversals, all of it or nothing, in a few statements for
 * each entity type however many rows there are. Called by the functions of the API that undo and restore,
 * which run as the owner of the journal: so it checks what the caller may do by hand.
 *
 * 1. Locks the rows, in one order always.
 * 2. Compares them with what is expected. Where they differ it is refused with CRM02 and a list of
 *    the conflicts; with p_force they are overwritten; with p_keep what differs stays as it is, and
 *    is reported.
 * 3. Brings back rows, those first that others refer to; puts fields back; takes rows away. Every rule
 *    and trigger holds as for any write. The journal's triggers find in the plan what each row undoes.
 *
 * Definitions of custom fields come first where rows need them, last where rows must lose their values
 * first: the reverse of how it was done.
 */
create or replace function crm_private.carry_out_reversal(p_force boolean, p_keep boolean)
returns crm.reversal
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_xid        bigint := pg_current_xact_id()::text::bigint;
  v_types      text[];
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
    when needed.column_name = any (crm_private.journal_columns(class.oid))
    then not has_column_privilege(
      crm_private.calling_role(), class.oid, needed.column_name, 'update'
    )
    else false
  end
  limit 1;

  if v_missing is not null or (p_force and not crm_private.is_administrator()) then
    raise exception 'this needs the right to %', coalesce(v_missing, 'overwrite later changes')
      using errcode = 'insufficient_privilege',
            schema  = 'crm', table = 'audit_logs';
  end if;

  if p_force then
    update crm_private.reversals
    set undoes = undoes || '{"forced": true}'
    where transaction_id = v_xid;
  end if;

  -- What others refer to comes first.
  select array_agg(entity_type order by array_position(
    '{pipeline_stage,custom_field_definition,company,contact,deal,task,note}', entity_type
  ))
  into v_types
  from (
    select distinct entity_type from crm_private.reversals where transaction_id = v_xid
  ) as planned;

  -- A change of definitions stops the writers of a table. It must not begin with locked rows.
  foreach v_type in array array['company', 'contact', 'deal']
  loop
    if exists (
      select
      from crm_private.reversals
      where transaction_id = v_xid
        and entity_type = 'custom_field_definition'
        and v_type in (before ->> 'entity_type', after ->> 'entity_type', (
          select definition.entity_type
          from crm.custom_field_definitions as definition
          where definition.id = reversals.entity_id
        ))
    ) then
      execute format(
        'lock table %s in share row exclusive mode', crm_private.entity_table(v_type)
      );
    end if;
  end loop;

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
  end loop;

  if not p_force then
    select settled.count, settled.conflicts
    into v_count, v_conflicts
    from crm_private.settle_conflicts(v_types, p_keep) as settled;
  end if;

  if v_count > 0 and not p_keep then
    perform crm_private.refuse_conflicts(v_count, v_conflicts);
  end if;

  select
    v_xid,
    count(*) filter (where after is null),
    count(*) filter (where before is not null and after is not null and before <> '{}'),
    count(*) filter (where before is null),
    v_conflicts
  into v_result
  from crm_private.reversals
  where transaction_id = v_xid;

  -- A link to a row that goes is severed by that, so that restoring the row brings the link back too.
  -- The rows that go are hashed once, however many there were when this was planned.
  update crm_private.reversals as planned
  set before = planned.before - link.field
  from (values ('contact', 'company_id'), ('deal', 'contact_id')) as link (entity_type, field)
  where planned.transaction_id = v_xid
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

  -- The journal and the stamps look into the plan for as long as this says so.
  perform set_config('crm.reversing', v_xid::text, true);

  begin
    for v_step in
      select step.operation, type.name as entity_type
      from (
        values
          (1, 'insert',  '{pipeline_stage,custom_field_definition}'),
          (2, 'prepare', '{custom_field_definition}'),
          (3, 'update',  '{pipeline_stage}'),
          (4, 'delete',  '{custom_field_definition}'),
          (5, 'insert',  '{company,contact,deal,task,note}'),
          (6, 'update',  '{company,contact,deal,task,note}'),
          (7, 'delete',  '{company,contact,deal,task,note}'),
          (8, 'update',  '{custom_field_definition}'),
          (9, 'delete',  '{pipeline_stage}')
      ) as step (place, operation, entity_types)
      cross join lateral unnest(step.entity_types::text[]) with ordinality as type (name, ordinal)
      where type.name = any (v_types)
      order by step.place, type.ordinal
    loop
      v_count := crm_private.reverse_rows(v_step.entity_type, v_step.operation);
      v_inserted := v_inserted + case v_step.operation when 'insert' then v_count else 0 end;
    end loop;
  exception
    when foreign_key_violation then
      get stacked diagnostics v_constraint = constraint_name;
      perform crm_private.refuse_broken_link(v_constraint);
      raise;
  end;

  -- Somebody brought one back between the comparison and the insert.
  if v_inserted < v_result.restored and not p_force then
    perform crm_private.refuse_conflicts(v_result.restored - v_inserted, '[]');
  end if;

  perform set_config('crm.reversing', '', true);
  delete from crm_private.reversals where transaction_id = v_xid;

  return v_result;
end
$$;

comment on function crm_private.carry_out_reversal(boolean, boolean) is
  'Carries out a planned reversal: all of it, or nothing.';

revoke all on function crm_private.carry_out_reversal(boolean, boolean) from public;
--! EndIncluded functions/carry_out_reversal.sql
--! Included functions/undo_field.sql
/*
 * Puts a field back to the value that it had before an entry of the journal. It is expected to have
 * still the value that it had after that entry. Nothing is done if it has the right value already.
 *
 * Security definer: it reads the whole of the journal. crm_private.carry_out_reversal checks that the caller
 * could do by hand what it does.
 */
create or replace function crm.undo_field(
  entity_type text,
  entity_id   uuid,
  field       text,
  entry_id    bigint,
  force       boolean default false
)
returns crm.reversal
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_xid    bigint := pg_current_xact_id()::text::bigint;
  v_field  text   := crm_private.journal_field(entity_type, field);
  v_action text;
  v_told   record;
begin
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

  -- The first change from that entry on tells what the field was before it.
  select
    (array_agg(log.changes #> array[v_field, 'old'] order by log.id))[1] as before,
    (array_agg(
      log.changes #> array[v_field, case log.id when undo_field.entry_id then 'new' else 'old' end]
      order by log.id
    ))[1] as after,
    jsonb_agg(log.id order by log.id) as ids
  into v_told
  from crm.audit_logs as log
  where log.entity_id = undo_field.entity_id
    and log.entity_type = undo_field.entity_type
    and log.id >= undo_field.entry_id
    and log.action = 'update'
    and log.changes ? v_field;

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

  return crm_private.carry_out_reversal(coalesce(force, false), false);
end
$$;

comment on function crm.undo_field(text, uuid, text, bigint, boolean) is
  'Puts a field of a row back to the value that it had before an entry of the journal. A custom field is '
  'customFields.<name>. Undoing is a change like others and can be undone. Where the field was changed '
  'since, nothing is done and the code is CONFLICT; administrators can force it.';

revoke all on function crm.undo_field(text, uuid, text, bigint, boolean) from public;
grant execute on function crm.undo_field(text, uuid, text, bigint, boolean) to crm_member;
--! EndIncluded functions/undo_field.sql
--! Included functions/undo_entry.sql
/*
 * Undoes what one entry of the journal did to its row.
 *
 * Security definer: it reads the whole of the journal, and brings back rows under their own ids, which no
 * role may write. crm_private.carry_out_reversal checks that the caller could do by hand what it does.
 */
create or replace function crm.undo_entry(entry_id bigint, force boolean default false)
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
  perform crm_private.refuse_null('entryId', entry_id::text);

  if v_transaction_id is null then
    perform crm_private.refuse_missing('audit_log', entry_id::text);
  end if;

  perform crm_private.plan_reversal(v_transaction_id, array[entry_id], '{}', 'entryId');
  return crm_private.carry_out_reversal(coalesce(force, false), false);
end
$$;

comment on function crm.undo_entry(bigint, boolean) is
  'Undoes one entry of the journal: what it changed is put back, a row that it deleted is brought back, '
  'one that it created is deleted. Undoing is a change like others and can be undone. Where something was '
  'changed since, nothing is done and the code is CONFLICT; administrators can force it.';

revoke all on function crm.undo_entry(bigint, boolean) from public;
grant execute on function crm.undo_entry(bigint, boolean) to crm_member;
--! EndIncluded functions/undo_entry.sql
--! Included functions/undo_transaction.sql
/*
 * Undoes everything that a transaction did, across entity types, all or nothing.
 *
 * Security definer: it reads the whole of the journal, and brings back rows under their own ids, which no
 * role may write. crm_private.carry_out_reversal checks that the caller could do by hand what it does.
 */
create or replace function crm.undo_transaction(transaction_id bigint, force boolean default false)
returns crm.reversal
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
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
  return crm_private.carry_out_reversal(coalesce(force, false), false);
end
$$;

comment on function crm.undo_transaction(bigint, boolean) is
  'Undoes everything that one transaction did, such as a bulk edit or an import: what it changed is put '
  'back, what it deleted is brought back, what it created is deleted. Undoing is a change like others '
  'and can be undone. Where something was changed since, nothing is done and the code is CONFLICT; '
  'administrators can force it.';

revoke all on function crm.undo_transaction(bigint, boolean) from public;
grant execute on function crm.undo_transaction(bigint, boolean) to crm_member;
--! EndIncluded functions/undo_transaction.sql

/*
 * The trash. Whoever did something may read its entry also when the row is gone: so members find what
 * they deleted.
 */
alter policy audit_logs_select on crm.audit_logs
  using (
    user_id = (select crm.current_user_id())
    or crm_private.is_readable(entity_type, entity_id)
  );

--! Included functions/cascade_parent.sql
/*
 * The row with which a row is deleted, by the keys that are declared on delete cascade; null if there is
 * none. p_changes is the entry of a deletion. A test compares it with the foreign keys.
 */
create or replace function crm_private.cascade_parent(p_entity_type text, p_changes jsonb)
returns uuid
language sql
immutable
parallel safe
return case
  when p_entity_type = 'deal' then p_changes ->> 'company_id'
  when p_entity_type in ('task', 'note') then p_changes ->> 'entity_id'
end::uuid;

comment on function crm_private.cascade_parent(text, jsonb) is
  'The row with which a row is deleted, null if there is none.';

revoke all on function crm_private.cascade_parent(text, jsonb) from public;
grant execute on function crm_private.cascade_parent(text, jsonb) to crm_member;
--! EndIncluded functions/cascade_parent.sql
--! Included functions/severed_link.sql
/*
 * The row whose deletion made an update: one that set a link to null, by the keys that are declared on
 * delete set null; null if the update did nothing of the kind. A test compares it with the foreign keys.
 */
create or replace function crm_private.severed_link(p_entity_type text, p_changes jsonb)
returns uuid
language sql
immutable
parallel safe
return case
  when p_entity_type = 'contact' and p_changes #> '{company_id,new}' = 'null'
  then p_changes #>> '{company_id,old}'
  when p_entity_type = 'deal' and p_changes #> '{contact_id,new}' = 'null'
  then p_changes #>> '{contact_id,old}'
end::uuid;

comment on function crm_private.severed_link(text, jsonb) is
  'The row whose deletion made an update that set a link to null; null if it was none.';

revoke all on function crm_private.severed_link(text, jsonb) from public;
grant execute on function crm_private.severed_link(text, jsonb) to crm_member;
--! EndIncluded functions/severed_link.sql
--! Included functions/taken_with.sql
/*
 * The entries of the journal that a deletion made, its own among them: the rows that were deleted with
 * the row and with these, the links to them that were set to null, and for the definition of a custom
 * field the values that were removed. What the transaction had done before, and what it did to
 * other rows, is not among them.
 *
 * Runs with the caller's rights: of a deletion by somebody else only administrators see the entries.
 */
create or replace function crm_private.taken_with(
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
begin atomic
  with recursive entries as materialized (
    select log.id, log.entity_type, log.entity_id, log.action, log.changes
    from crm.audit_logs as log
    where log.transaction_id = p_transaction_id
      and log.action <> 'create'
      -- A deletion is journalled before what it takes, a definition's after the values.
      and (log.id > p_entry_id or p_entity_type = 'custom_field_definition')
      and p_entity_type not in ('task', 'note', 'pipeline_stage')
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
    and crm_private.severed_link(entries.entity_type, entries.changes) = gone.entity_id
    and entries.id > gone.id

  union all

  select entries.id, 'update'
  from entries
  where p_entity_type = 'custom_field_definition'
    and entries.action = 'update'
    and entries.id < p_entry_id
    and entries.entity_type = p_changes ->> 'entity_type'
    and entries.changes #> array['custom_fields.' || (p_changes ->> 'name'), 'new'] = 'null';
end;

comment on function crm_private.taken_with(bigint, bigint, text, uuid, jsonb) is
  'The entries that a deletion made: its own, and those of what went with it.';

revoke all on function crm_private.taken_with(bigint, bigint, text, uuid, jsonb) from public;
grant execute on function crm_private.taken_with(bigint, bigint, text, uuid, jsonb) to crm_member;
--! EndIncluded functions/taken_with.sql
--! Included functions/deleted_label.sql
/* What people recognise a deleted row by, from the entry of its deletion. */
create or replace function crm_private.deleted_label(p_entity_type text, p_changes jsonb)
returns text
language sql
immutable
parallel safe
return left(
  case p_entity_type
    when 'contact' then (p_changes ->> 'first_name') || ' ' || (p_changes ->> 'last_name')
    when 'deal' then p_changes ->> 'title'
    when 'task' then p_changes ->> 'description'
    when 'note' then p_changes ->> 'content'
    else p_changes ->> 'name'
  end,
  100
);

comment on function crm_private.deleted_label(text, jsonb) is
  'What people recognise a deleted row by.';

revoke all on function crm_private.deleted_label(text, jsonb) from public;
grant execute on function crm_private.deleted_label(text, jsonb) to crm_member;
--! EndIncluded functions/deleted_label.sql
--! Included functions/trashed.sql
/*
 * What the view crm.trash shows. A function, because a view would read the journal as its owner:
 * here the policy of the journal decides for whoever asks, so that members find what they deleted,
 * administrators all. Inlined into the view, so that nothing is computed that nobody asks for.
 *
 * The last deletion of a row counts, if the row is not back. What went with another row that is still
 * gone comes back with that one; what has been erased does not come back.
 */
create or replace function crm_private.trashed()
returns table (
  entity_type    text,
  id             uuid,
  label          text,
  deleted_at     timestamptz,
  deleted_by     text,
  cascaded_rows  bigint,
  transaction_id bigint,
  entry_id       bigint
)
language sql
stable
begin atomic
  select
    deletion.entity_type,
    deletion.entity_id,
    crm_private.deleted_label(deletion.entity_type, deletion.changes),
    deletion."timestamp",
    deletion.user_id,
    (
      select count(*) - 1
      from crm_private.taken_with(
        deletion.transaction_id, deletion.id, deletion.entity_type, deletion.entity_id,
        deletion.changes
      ) as taken
      where taken.action = 'delete'
    ),
    deletion.transaction_id,
    deletion.id
  from crm.audit_logs as deletion
  where deletion.action = 'delete'
    and deletion.erased_at is null
    and not crm_private.is_readable(deletion.entity_type, deletion.entity_id)
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
        and not crm_private.is_readable(parent.entity_type, parent.entity_id)
    );
end;

comment on function crm_private.trashed() is
  'What has been deleted and can be restored, as far as the caller may see it.';

revoke all on function crm_private.trashed() from public;
grant execute on function crm_private.trashed() to crm_member;
--! EndIncluded functions/trashed.sql
--! Included views/trash.sql
/* What has been deleted and can be restored. crm_private.trashed says what that is. */
create or replace view crm.trash as
  select
    trashed.entity_type,
    trashed.id,
    trashed.label,
    trashed.deleted_at,
    trashed.deleted_by,
    trashed.cascaded_rows,
    trashed.transaction_id,
    trashed.entry_id
  from crm_private.trashed() as trashed;

do $invoker$
begin
  -- It reads functions only, which run as whoever asks in any case; before release 15 it cannot be said.
  if current_setting('server_version_num')::integer >= 150000 then
    alter view crm.trash set (security_invoker = true);
  end if;
end
$invoker$;

comment on view crm.trash is
  E'@primaryKey entry_id\n@name trash_item\n@behavior -single\n'
  'What has been deleted and can be restored: members see what they deleted, administrators all. What '
  'went with another row comes back with it and is not listed by itself.';
comment on column crm.trash.entity_type is
  E'@notNull\nWhat it was: contact, company, deal, task, note, custom_field_definition or pipeline_stage.';
comment on column crm.trash.id is E'@notNull\nThe id that it had and will have again.';
comment on column crm.trash.label is 'What to recognise it by: a name, a title, or the beginning of a text.';
comment on column crm.trash.deleted_at is E'@notNull\nWhen it was deleted.';
comment on column crm.trash.deleted_by is E'@notNull\nThe user who deleted it.';
comment on column crm.trash.cascaded_rows is
  E'@notNull\nHow many rows went with it, and come back with it.';
comment on column crm.trash.transaction_id is
  E'@notNull\nThe transaction that deleted it; undoing that brings back everything that it deleted.';
comment on column crm.trash.entry_id is E'@notNull\nThe entry of the journal that has it.';

grant select on crm.trash to crm_member;
--! EndIncluded views/trash.sql
--! Included functions/restore_deleted.sql
/*
 * Brings back a deleted row, and what its deletion took: the rows that were deleted with it and the links
 * that were set to null. A link that leads elsewhere by now stays as it is, and is reported.
 *
 * Security definer: it reads the whole of the journal, and brings back rows under their own ids, which no
 * role may write. crm_private.carry_out_reversal checks that the caller could do by hand what it does.
 */
create or replace function crm.restore_deleted(entity_type text, id uuid)
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
  perform crm_private.refuse_null('id', id::text);

  if v_table is null then
    perform crm_private.refuse_argument(
      'entityType',
      crm_private.fault_message(
        '%s is not one of contact, company, deal, task, note, custom_field_definition, '
        'pipeline_stage',
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
      from crm_private.taken_with(
        v_deletion.transaction_id, v_deletion.id, v_deletion.entity_type, v_deletion.entity_id,
        v_deletion.changes
      ) as taken
    ),
    '{}',
    'id'
  );
  return crm_private.carry_out_reversal(false, true);
end
$$;

comment on function crm.restore_deleted(text, uuid) is
  'Brings back a deleted row under its own id, with everything that its deletion took: the rows that '
  'went with it, and the links to it that were set to null, unless they lead elsewhere by now; these are '
  'in kept. entityType is contact, company, deal, task, note, custom_field_definition or pipeline_stage.';

revoke all on function crm.restore_deleted(text, uuid) from public;
grant execute on function crm.restore_deleted(text, uuid) to crm_member;
--! EndIncluded functions/restore_deleted.sql

-- Time in stage.

--! Included functions/staged.sql
/*
 * What the view crm.stage_history shows. A function, because a view would read the journal as its
 * owner: here the policy of the journal decides for whoever asks. Inlined into the view, so that
 * the history of one deal is found by its id.
 */
create or replace function crm_private.staged()
returns table (
  entry_id   bigint,
  deal_id    uuid,
  stage      text,
  entered_at timestamptz,
  left_at    timestamptz,
  entered_by text,
  source     text
)
language sql
stable
begin atomic
  select
    period.id,
    period.entity_id,
    period.stage,
    period."timestamp",
    period.until,
    period.user_id,
    period.source
  from (
    select
      log.id,
      log.entity_id,
      log."timestamp",
      log.user_id,
      log.source,
      case log.action
        when 'create' then log.changes ->> 'stage'
        when 'update' then log.changes #>> '{stage,new}'
      end as stage,
      lead(log."timestamp") over (partition by log.entity_id order by log.id) as until
    from crm.audit_logs as log
    where log.entity_type = 'deal'
      and (log.action <> 'update' or log.changes ? 'stage')
  ) as period
  where period.stage is not null;
end;

comment on function crm_private.staged() is
  'The stages that deals were in, as far as the caller may read their history.';

revoke all on function crm_private.staged() from public;
grant execute on function crm_private.staged() to crm_reader;
--! EndIncluded functions/staged.sql
--! Included views/stage_history.sql
/* The stages that deals were in, and for how long. crm_private.staged reads them from the journal. */
create or replace view crm.stage_history as
  select
    staged.entry_id,
    staged.deal_id,
    staged.stage,
    staged.entered_at,
    staged.left_at,
    coalesce(staged.left_at, now()) - staged.entered_at as duration,
    staged.entered_by,
    staged.source
  from crm_private.staged() as staged;

do $invoker$
begin
  -- It reads functions only, which run as whoever asks in any case; before release 15 it cannot be said.
  if current_setting('server_version_num')::integer >= 150000 then
    alter view crm.stage_history set (security_invoker = true);
  end if;
end
$invoker$;

comment on view crm.stage_history is
  E'@primaryKey entry_id\n@name stage_period\n@behavior -single\n'
  '@foreignKey (deal_id) references crm.deals (id)|@fieldName deal|@foreignFieldName stageHistory\n'
  'The stages that deals were in: from when to when and for how long. The last of a deal lasts until now.';
comment on column crm.stage_history.entry_id is
  E'@notNull\nThe entry of the journal that tells when it began; it increases.';
comment on column crm.stage_history.deal_id is E'@notNull\nThe id of the deal.';
comment on column crm.stage_history.stage is E'@notNull\nThe name of the stage.';
comment on column crm.stage_history.entered_at is E'@notNull\nWhen the deal came into the stage.';
comment on column crm.stage_history.left_at is
  'When it left, or was deleted; null if it is still there.';
comment on column crm.stage_history.duration is
  E'@notNull\nHow long it was there, or has been there until now.';
comment on column crm.stage_history.entered_by is E'@notNull\nThe user who moved it there.';
comment on column crm.stage_history.source is
  E'@notNull\nWhat it was moved through: api, import or sql.';

grant select on crm.stage_history to crm_reader;
--! EndIncluded views/stage_history.sql

--! split: 45-seals.sql
/*
 * Why: whoever may switch triggers off can change the journal. Seals let that be seen: each entry's
 *      digest stands in a block, each block holds the hash of the one before, and an auditor keeps
 *      the last hash elsewhere. Entries are sealed in batches, after they were written, so that
 *      writers do not wait for one another, nor pay for it.
 *      The index of what a transaction did finds the entries that came since.
 * Locks: nothing that exists.
 * Undone by: revert/000003.sql.
 */

create table if not exists crm_private.journal_blocks (
  number    bigint      not null,
  last_id   bigint      not null,
  sealed_at timestamptz not null,
  ids       bigint[]    not null,
  digests   bytea[]     not null,
  salts     bytea[]     not null,
  previous  bytea       not null,
  hash      bytea       not null,

  constraint journal_blocks_pkey primary key (number),
  constraint journal_blocks_last_id_unique unique (last_id)
);

comment on table crm_private.journal_blocks is
  'Seals of the journal: a block covers the entries after the block before it, up to last_id.';
comment on column crm_private.journal_blocks.number is
  'Counted from 1, without a gap.';
comment on column crm_private.journal_blocks.last_id is
  'The last of the ids.';
comment on column crm_private.journal_blocks.sealed_at is
  'When the block was made.';
comment on column crm_private.journal_blocks.ids is
  'The entries that the block covers, in order.';
comment on column crm_private.journal_blocks.digests is
  'The digest of each entry; crm_private.entry_digest says of what.';
comment on column crm_private.journal_blocks.salts is
  'What each entry''s values were salted with, 16 random bytes. Of an erased entry the salted '
  'digest of the values, 32 bytes, so that its own digest can still be told.';
comment on column crm_private.journal_blocks.previous is
  'The hash of the block before, zeros for the first.';
comment on column crm_private.journal_blocks.hash is
  'The hash of the block; crm_private.block_hash says of what.';
comment on constraint journal_blocks_last_id_unique on crm_private.journal_blocks is
  '%s is already the end of a block';

-- Digests do not compress.
alter table crm_private.journal_blocks
  alter column digests set storage external,
  alter column salts set storage external;

create table if not exists crm_private.journal_progress (
  id                  boolean not null default true,
  sealed_to   bigint not null default 0,
  pending_to  bigint,
  pending_for text[],

  constraint journal_progress_pkey primary key (id),
  constraint journal_progress_id_single check (id),
  constraint journal_progress_pending_complete
    check ((pending_to is null) = (pending_for is null))
);

comment on table crm_private.journal_progress is
  'How far the journal is sealed: one row.';
comment on column crm_private.journal_progress.id is
  'Always true, so that there is one row.';
comment on column crm_private.journal_progress.sealed_to is
  'Every id up to this one is sealed, or was given out in vain.';
comment on column crm_private.journal_progress.pending_to is
  'The ids up to this one can be sealed when the transactions of pending_for have ended.';
comment on column crm_private.journal_progress.pending_for is
  'The virtual transactions that were writing the journal when pending_to was read.';
comment on constraint journal_progress_pending_complete on crm_private.journal_progress is
  'must be given together';

insert into crm_private.journal_progress default values on conflict do nothing;

alter table crm_private.journal_blocks enable row level security;
alter table crm_private.journal_progress enable row level security;

-- The functions that give it are made anew below.
drop function if exists crm.verify_journal(text);
drop function if exists crm_private.check_journal(text);
drop type if exists crm.journal_verdict;

create type crm.journal_verdict as (
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

comment on type crm.journal_verdict is
  'What comparing the journal with its seals gave.';
comment on column crm.journal_verdict.intact is
  E'@notNull\nWhether everything is as it was sealed.';
comment on column crm.journal_verdict.fault is
  'What is wrong with the first faulty entry: altered, removed or inserted; or rewritten, if the '
  'seals themselves were changed, or are not those that the digest was taken of.';
comment on column crm.journal_verdict.entry_id is
  'The first faulty entry. If the seals were rewritten, the first whose seal is not to be believed.';
comment on column crm.journal_verdict."timestamp" is
  'The time of the faulty entry, if it is there.';
comment on column crm.journal_verdict.message is
  E'@notNull\nThe verdict in one sentence.';
comment on column crm.journal_verdict.entries is
  E'@notNull\nHow many entries were compared, up to the first fault.';
comment on column crm.journal_verdict.archived is
  E'@notNull\nHow many sealed entries have been archived, so that they could not be compared.';
comment on column crm.journal_verdict.unsealed is
  E'@notNull\nHow many entries have come too lately to be sealed.';
comment on column crm.journal_verdict.kept_since is
  'From when on the journal is kept here; null if nothing was archived.';
comment on column crm.journal_verdict.digest is
  E'@notNull\nWhat journalDigest gives now.';

--! Included functions/payload_digest.sql
/*
 * The digest of an entry's values, salted: without the salt nobody can tell from it whether guessed
 * values are right, so it may stay when the values are erased. Called to seal, verify and erase.
 */
create or replace function crm_private.payload_digest(salt bytea, changes jsonb)
returns bytea
language sql
immutable
parallel safe
return sha256(salt || convert_to(changes::text, 'UTF8'));

comment on function crm_private.payload_digest(bytea, jsonb) is
  'SHA-256 of a salt and of what changed.';

revoke all on function crm_private.payload_digest(bytea, jsonb) from public;
--! EndIncluded functions/payload_digest.sql
--! Included functions/entry_digest.sql
/*
 * The digest of an entry of the journal: of every column, and of the values by their own digest. The
 * columns are in binary form, which does not depend on time zone or format of dates; the texts are
 * a JSON array, in which none can run into the next. erased_at is left out, because erasing must not
 * break the digest; crm_private.check_journal holds it against the entry that records the erasure.
 *
 * Asked of every row that is sealed or verified, so it must inline.
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
language sql
stable
parallel safe
return sha256(
  int8send(id) || timestamptz_send("timestamp") || uuid_send(entity_id) || int8send(transaction_id)
  || payload
  || convert_to(jsonb_build_array(entity_type, action, user_id, source)::text, 'UTF8')
);

comment on function crm_private.entry_digest(
  bigint, text, uuid, text, text, timestamptz, bigint, text, bytea
) is
  'SHA-256 of an entry of the journal, its values given by their own digest.';

revoke all on function crm_private.entry_digest(
  bigint, text, uuid, text, text, timestamptz, bigint, text, bytea
) from public;
--! EndIncluded functions/entry_digest.sql
--! Included functions/block_hash.sql
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
language sql
stable
parallel safe
return sha256(
  previous || int8send(number) || timestamptz_send(sealed_at) || array_send(ids)
  || array_send(digests)
);

comment on function crm_private.block_hash(bytea, bigint, timestamptz, bigint[], bytea[]) is
  'SHA-256 of a block of sealed entries and of the hash of the block before it.';

revoke all on function crm_private.block_hash(bytea, bigint, timestamptz, bigint[], bytea[])
  from public;
--! EndIncluded functions/block_hash.sql
--! Included functions/seal_journal.sql
/*
 * Seals the entries of the journal that have come since the last time: puts their digests into
 * blocks, each with the hash of the block before. Gives the number of entries sealed; about p_limit of
 * them are enough. The server calls it every few seconds, crm.verify_journal and crm.journal_digest
 * before they look.
 *
 * Writers neither wait nor do anything for it. What can be sealed is decided without waiting for
 * them: ids are given out before their transactions commit, so the sequence is read first, then who
 * else is writing the journal at this moment, which their locks tell. Once these have ended, each id
 * up to the one that was read is in the journal or never will be. If there are some, both are kept,
 * and a later call goes on from there. What the own transaction wrote is sealed with it, or not at all.
 *
 * Seals nothing where it could not see or write: on a standby, and in a transaction that is read
 * only or has a snapshot of its own.
 *
 * Security definer: the blocks belong to the owner, and nobody else may write them.
 */
create or replace function crm_private.seal_journal(p_limit bigint default null)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  c_span    constant bigint := 10000::bigint; -- ids that a block covers, at most
  v_state   crm_private.journal_progress;
  v_last    bigint;
  v_writers text[];
  v_to      bigint;
  v_from    bigint;
  v_number  bigint := 0::bigint;
  v_hash    bytea  := decode(repeat('00', 32), 'hex');
  v_block   crm_private.journal_blocks;
  v_sealed  bigint := 0::bigint;
begin
  if pg_is_in_recovery()
    or current_setting('transaction_read_only')::boolean
    or current_setting('transaction_isolation') <> 'read committed'
    or not pg_try_advisory_xact_lock(hashtext('crm_private.seal_journal'))
  then
    return 0::bigint;
  end if;

  select case when is_called then last_value else last_value - 1 end into v_last
  from crm.audit_logs_id_seq;

  select * into strict v_state from crm_private.journal_progress;

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
    from crm_private.journal_blocks order by number desc limit 1;
    if found then
      v_number := v_block.number;
      v_hash   := v_block.hash;
    end if;

    v_from := v_state.sealed_to;
    while v_from < v_to and not coalesce(v_sealed >= p_limit, false) loop
      insert into crm_private.journal_blocks
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

  update crm_private.journal_progress
  set sealed_to   = v_state.sealed_to,
      pending_to  = v_state.pending_to,
      pending_for = v_state.pending_for;

  return v_sealed;
end
$$;

comment on function crm_private.seal_journal(bigint) is
  'Seals the entries of the journal that came since the last time; gives their number.';

revoke all on function crm_private.seal_journal(bigint) from public;
grant execute on function crm_private.seal_journal(bigint) to crm_server;
--! EndIncluded functions/seal_journal.sql
--! Included functions/last_digest.sql
/* The number of the last block and its hash: what crm.journal_digest gives, after sealing. */
create or replace function crm_private.last_digest()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format('%s-%s', coalesce(block.number, 0), encode(coalesce(block.hash, none.hash), 'hex'))
  from (select decode(repeat('00', 32), 'hex') as hash) as none
  left join (
    select number, hash from crm_private.journal_blocks order by number desc limit 1
  ) as block on true;
$$;

comment on function crm_private.last_digest() is
  'The number of the last block of sealed entries, and its hash.';

revoke all on function crm_private.last_digest() from public;
--! EndIncluded functions/last_digest.sql
--! Included functions/archived_entries.sql
/*
 * The ids of the entries that are no longer in the journal because their months were archived. The
 * last entry of crm_private.archive_journal has them all.
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
--! EndIncluded functions/archived_entries.sql
--! Included functions/journal_kept_since.sql
/*
 * From when on the journal is here; null if nothing of it was ever archived. Security definer:
 * everybody has to know it, while the entry that says it is for administrators.
 */
create or replace function crm.journal_kept_since()
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

comment on function crm.journal_kept_since() is
  'From when on the journal is kept here: what was done before has been archived. '
  'Null if nothing was.';

revoke all on function crm.journal_kept_since() from public;
grant execute on function crm.journal_kept_since() to crm_reader;
--! EndIncluded functions/journal_kept_since.sql
--! Included functions/broken_block.sql
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
    from crm_private.journal_blocks
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
--! EndIncluded functions/broken_block.sql
--! Included functions/compare_entries.sql
/*
 * Compares the journal with a range of blocks: gives the first entry that is not as it was sealed,
 * with its fault (altered, removed or inserted), and how many entries are there and how many
 * archived.
 *
 * The blocks cover all ids after the block before them, so an entry there that no block lists was
 * put in later. An erased entry has no values to compare: the block holds their digest in place of
 * the salt, and the journal must hold the entry that records the erasure.
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
    select * from crm_private.journal_blocks where number between p_first and p_last
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
        (select last_id from crm_private.journal_blocks where number = p_first - 1),
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
--! EndIncluded functions/compare_entries.sql
--! Included functions/check_journal.sql
/*
 * Compares the journal with its seals and, if it is given, with a digest that was kept elsewhere; names
 * the first entry that is not as it was sealed. crm.verify_journal and the command line call it, after
 * sealing. Refuses a digest that cannot be one.
 *
 * First the blocks by themselves. What stands before the first that is broken can be relied on: its
 * entries are compared, a hundred blocks at a time, so that memory does not grow with the journal.
 */
create or replace function crm_private.check_journal(p_digest text default null)
returns crm.journal_verdict
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  c_blocks  constant bigint := 100::bigint; -- at a time
  v_verdict crm.journal_verdict;
  v_broken  bigint;
  v_blocks  bigint;
  v_first   bigint := 1::bigint;
  v_part    record;
begin
  if p_digest !~ '^\d{1,18}-[0-9a-f]{64}$' then
    raise exception 'verify_journal: % is not a digest that journal_digest gives',
        left(to_json(p_digest)::text, 80)
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'digest',
            constraint = 'verify_journal_digest_format',
            detail     = '{"digest": ["is not one that journalDigest gives"]}';
  end if;

  v_verdict.digest     := crm_private.last_digest();
  v_verdict.entries    := 0;
  v_verdict.archived   := 0;
  v_verdict.kept_since := crm.journal_kept_since();
  v_verdict.unsealed   := (
    select count(*)
    from crm.audit_logs as audit_log
    where audit_log.id > coalesce(
      (select max(last_id) from crm_private.journal_blocks), -9223372036854775808
    )
  );

  v_broken := crm_private.broken_block(p_digest);
  v_blocks := coalesce(
    v_broken - 1, (select max(number) from crm_private.journal_blocks), 0
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
      select last_id + 1 from crm_private.journal_blocks where number = v_broken - 1
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

comment on function crm_private.check_journal(text) is
  'Compares the journal with its seals; names the first entry that is not as it was.';

revoke all on function crm_private.check_journal(text) from public;
--! EndIncluded functions/check_journal.sql
--! Included functions/journal_digest.sql
/*
 * What an auditor keeps outside: the number of the last block and its hash, on which all that was
 * sealed before bears. Seals first, waiting for whoever seals at this moment.
 *
 * Security definer: the blocks are the owner's.
 */
create or replace function crm.journal_digest()
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_advisory_xact_lock(hashtext('crm_private.seal_journal'));
  perform crm_private.seal_journal();
  return crm_private.last_digest();
end
$$;

comment on function crm.journal_digest() is
  E'@behavior queryField -mutationField\n'
  'What the journal is at this moment, in one line for an auditor to keep elsewhere: given to '
  'verifyJournal later, it proves that nothing which was in the journal now was changed since. '
  'For administrators.';

revoke all on function crm.journal_digest() from public;
grant execute on function crm.journal_digest() to crm_admin;
--! EndIncluded functions/journal_digest.sql
--! Included functions/verify_journal.sql
/*
 * Whether the journal is as it was written, to the eyes of whoever has the digest: seals what has
 * come, then compares. A large journal takes longer than a request may; the command line verifies it
 * without that limit.
 *
 * Security definer: the blocks are the owner's.
 */
create or replace function crm.verify_journal(digest text default null)
returns crm.journal_verdict
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform crm_private.seal_journal();
  return crm_private.check_journal(digest);
end
$$;

comment on function crm.verify_journal(text) is
  E'@behavior queryField -mutationField\n'
  'Compares the journal with its seals and names the first entry that was altered, removed or '
  'inserted behind the product''s back. Whoever could do that could change the seals too; give a '
  'digest that was kept elsewhere to find that as well. For administrators.';

revoke all on function crm.verify_journal(text) from public;
grant execute on function crm.verify_journal(text) to crm_admin;
--! EndIncluded functions/verify_journal.sql

--! split: 46-erasure.sql
/*
 * Why: what was deleted can be restored for a while only, and a person can be forgotten. Both take
 *      values out of the journal and leave who did what to which row, and when.
 *      The index finds the tasks and notes that hung on a contact; only entries of attachments are
 *      in it.
 * Locks: crm.audit_logs exclusively, while the index is made, which reads it.
 * Undone by: revert/000003.sql.
 */

create table if not exists crm_private.settings (
  id                   boolean not null default true,
  trash_retention_days integer default 30,

  constraint settings_pkey primary key (id),
  constraint settings_id_single check (id),
  constraint settings_trash_retention_days_range check (trash_retention_days between 0 and 36500)
);

comment on table crm_private.settings is
  'What administrators set: one row.';
comment on column crm_private.settings.id is
  'Always true, so that there is one row.';
comment on column crm_private.settings.trash_retention_days is
  'For how many days what was deleted can be restored; null for good.';
comment on constraint settings_trash_retention_days_range on crm_private.settings is
  'must be from 0 to 36500';

insert into crm_private.settings default values on conflict do nothing;

alter table crm_private.settings enable row level security;

--! Included functions/attached_to.sql
/*
 * What a task or note became attached to by an entry of the journal, null if it says nothing of it.
 * An index of the journal stands on it.
 */
create or replace function crm_private.attached_to(action text, changes jsonb)
returns text
language sql
immutable
parallel safe
return case action
  when 'update' then changes #>> '{entity_id,new}'
  else changes ->> 'entity_id'
end;

comment on function crm_private.attached_to(text, jsonb) is
  'The id of what a task or note became attached to by an entry of the journal.';

revoke all on function crm_private.attached_to(text, jsonb) from public;
--! EndIncluded functions/attached_to.sql

create index if not exists audit_logs_attached_to on crm.audit_logs
  (crm_private.attached_to(action, changes))
  where entity_type = any (array['task', 'note']) and changes ? 'entity_id';

comment on column crm.audit_logs.entity_type is
  'What was changed: contact, company, deal, task, note, custom_field_definition, '
  'pipeline_stage or api_key; setting, or journal for the journal itself.';
comment on column crm.audit_logs.action is
  'create, update or delete; erase where the values were taken out of the entries before; purge '
  'or archive of the journal.';
comment on column crm.audit_logs.changes is
  'What changed. For an update a member for each column, or custom field (custom_fields.<name>), '
  'with its old and new value, as {"last_name": {"old": "Byron", "new": "Lovelace"}}. For a '
  'create the values of the new row, for a delete the whole old row. Empty if they were erased.';

--! Included functions/journal_event.sql
/*
 * Writes an entry for what is done to no row of a table: an erasure, a setting, the journal itself.
 * What has no id of its own has the one that is all zeros.
 */
create or replace function crm_private.journal_event(
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

comment on function crm_private.journal_event(text, text, jsonb, timestamptz, uuid) is
  'Writes an entry of the journal for what is done to no row of a table.';

revoke all on function crm_private.journal_event(text, text, jsonb, timestamptz, uuid) from public;
--! EndIncluded functions/journal_event.sql
--! Included functions/journal_tables.sql
/* The journal, and the months that were detached from it and are still in the database. */
create or replace function crm_private.journal_tables()
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

comment on function crm_private.journal_tables() is
  'The journal and its detached months.';

revoke all on function crm_private.journal_tables() from public;
--! EndIncluded functions/journal_tables.sql
--! Included functions/scrub_entries.sql
/*
 * Takes the values out of entries for good. In the blocks that seal them the digests of the values
 * take the place of the salts, so the entries can still be verified, and nobody can try guesses.
 *
 * Whoever calls it holds the lock of crm_private.seal_journal, so that no block is being made of the
 * old values, and journals the erasure with the same time; crm_private.compare_entries asks for it.
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
      from crm_private.journal_blocks
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
    from crm_private.journal_blocks as block
    cross join lateral unnest(block.ids, block.salts)
      with ordinality as seal (id, salt, place)
    left join doomed on doomed.number = block.number and doomed.id = seal.id
    where block.number in (select number from doomed)
    group by block.number
  )
  update crm_private.journal_blocks as block
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
  'Takes the values out of entries of the journal and leaves what verifies them.';

revoke all on function crm_private.scrub_entries(regclass, crm.audit_logs[], timestamptz) from public;
--! EndIncluded functions/scrub_entries.sql
--! Included functions/refuse_old_snapshot.sql
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
--! EndIncluded functions/refuse_old_snapshot.sql
--! Included functions/purge_deletions.sql
/*
 * Ends the restorability of what was deleted before a time, the oldest first and at most p_limit; gives
 * how many. The entries stay, without values. Called by crm.purge_trash and
 * crm_private.maintain_journal.
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
  perform pg_advisory_xact_lock(hashtext('crm_private.seal_journal'));

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
  perform crm_private.journal_event(
    'journal', 'purge',
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
--! EndIncluded functions/purge_deletions.sql
--! Included functions/trash_retention_days.sql
/* The setting. Security definer: the table of settings is the owner's. */
create or replace function crm.trash_retention_days()
returns integer
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select trash_retention_days from crm_private.settings;
$$;

comment on function crm.trash_retention_days() is
  'For how many days what was deleted can be restored; then the server purges it. Null if it is '
  'kept until somebody purges it.';

revoke all on function crm.trash_retention_days() from public;
grant execute on function crm.trash_retention_days() to crm_reader;
--! EndIncluded functions/trash_retention_days.sql
--! Included functions/set_trash_retention.sql
/*
 * Sets for how long what was deleted can be restored. Refuses a number out of range. Journalled, if it
 * changes anything. Security definer: the table of settings is the owner's.
 */
create or replace function crm.set_trash_retention(days integer)
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_old integer;
begin
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
    perform crm_private.journal_event(
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

comment on function crm.set_trash_retention(integer) is
  'Sets for how many days what was deleted can be restored, from 0 to 36500; null keeps it until '
  'somebody purges it. For administrators.';

revoke all on function crm.set_trash_retention(integer) from public;
grant execute on function crm.set_trash_retention(integer) to crm_admin;
--! EndIncluded functions/set_trash_retention.sql
--! Included functions/purge_trash.sql
/*
 * Ends the restorability of what was deleted long enough ago; the setting says how long, if nothing is
 * given. Gives the number of deletions. Refuses a negative time.
 *
 * Security definer: nobody but the owner of the journal may change it.
 */
create or replace function crm.purge_trash(older_than interval default null)
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

comment on function crm.purge_trash(interval) is
  'Ends the restorability of what was deleted longer ago than this, or than trashRetentionDays if '
  'nothing is given: takes the values out of the entries for good, and leaves who deleted what, and '
  'when. Gives the number of deletions. For administrators.';

revoke all on function crm.purge_trash(interval) from public;
grant execute on function crm.purge_trash(interval) to crm_admin;
--! EndIncluded functions/purge_trash.sql
--! Included functions/refresh_statistics.sql
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
--! EndIncluded functions/refresh_statistics.sql
--! Included functions/erase_contact.sql
/*
 * Forgets a person: deletes the contact, if it is still there, with its tasks and notes, and takes the
 * values out of every entry of theirs, months included that were detached from the journal and are
 * still in the database. Gives the entry that records it. Refuses an id that no contact ever had.
 *
 * Tasks and notes of the contact are those that hang on it, or did when they were deleted. Those
 * that were moved to another entity belong to that one.
 *
 * Writers of contacts, tasks and notes wait until the transaction ends: what they are about to commit
 * would be missed. Nothing is sealed meanwhile.
 *
 * Security definer: nobody but the owner of the journal may change it.
 */
create or replace function crm.erase_contact(id uuid)
returns crm.audit_logs
language plpgsql
volatile
strict
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_id      uuid   := erase_contact.id;
  v_ids     uuid[] := array[erase_contact.id];
  v_more    uuid[];
  v_table   regclass;
  v_entries crm.audit_logs[];
  v_erased  crm.audit_logs[] := '{}'::crm.audit_logs[];
  v_erasure crm.audit_logs;
  v_existed boolean;
  v_at      timestamptz;
begin
  perform crm_private.refuse_old_snapshot('erase_contact');
  lock table crm.contacts, crm.tasks, crm.notes in share row exclusive mode;
  perform pg_advisory_xact_lock(hashtext('crm_private.seal_journal'));

  v_ids := v_ids
    || array(select id from crm.tasks where contact_id = v_id)
    || array(select id from crm.notes where contact_id = v_id);

  for v_table in select * from crm_private.journal_tables()
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
                and crm_private.attached_to(action, changes) = $1::text
            )
          order by entity_id, id desc
        ) as last
        where attached_to = $1::text
      $find$,
      v_table
    ) into v_more using v_id;
    v_ids := v_ids || v_more;
  end loop;

  delete from crm.contacts where id = v_id;
  v_existed := found;
  v_at      := clock_timestamp();

  for v_table in select * from crm_private.journal_tables()
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

  perform crm_private.journal_event(entity_type, 'erase', '{}', v_at, entity_id)
  from (
    select distinct entity_type, entity_id
    from unnest(v_erased)
    where entity_id <> v_id
  ) as attached;
  v_erasure := crm_private.journal_event('contact', 'erase', '{}', v_at, v_id);

  perform crm_private.refresh_statistics(table_oid)
  from unnest('{crm.contacts,crm.tasks,crm.notes}'::regclass[]) as table_oid;

  return v_erasure;
end
$$;

comment on function crm.erase_contact(uuid) is
  'Forgets a person, for good: deletes the contact with its tasks and notes, if it is still there, '
  'and takes their values out of the journal and the trash. Who did what to them, and when, '
  'stays. Gives the entry that records the erasure. For administrators.';

revoke all on function crm.erase_contact(uuid) from public;
grant execute on function crm.erase_contact(uuid) to crm_admin;
--! EndIncluded functions/erase_contact.sql

--! split: 47-months.sql
/*
 * Why: partitions are made while the server runs, old months can be archived without their entries
 *      looking removed, and a history says whether it reaches back to the beginning.
 * Locks: nothing that exists.
 * Undone by: revert/000003.sql.
 */

--! Included functions/ensure_audit_partitions.sql
/*
 * Makes the journal's partitions for this month and the months after it. Called by the migration,
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
  perform pg_advisory_xact_lock(hashtext('crm_private.ensure_audit_partitions'));

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
--! Included functions/archive_journal.sql
/*
 * Detaches the months of the journal that ended before a time and gives their tables, for the owner to
 * dump and drop. An entry of the journal says which entries they held, so that crm.verify_journal
 * tells them from entries that somebody removed, and from when on the journal is kept.
 *
 * Refuses a time later than this month's beginning, and months that are not all sealed.
 */
create or replace function crm_private.archive_journal(p_before timestamptz)
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
  perform crm_private.refuse_old_snapshot('archive_journal');
  perform pg_advisory_xact_lock(hashtext('crm_private.seal_journal'));
  perform crm_private.seal_journal();

  if p_before > date_trunc('month', now() at time zone 'UTC') at time zone 'UTC' then
    raise exception 'archive_journal: % is after the beginning of this month', p_before
      using errcode = 'invalid_parameter_value',
            schema  = 'crm', table = 'audit_logs',
            hint    = 'A month can be archived when it is over.';
  end if;

  perform crm_private.ensure_audit_partitions();
  v_sealed := (select sealed_to from crm_private.journal_progress);

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
      raise exception 'archive_journal: % has % entries that are not sealed yet',
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
            from crm_private.journal_blocks as block
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
    perform crm_private.journal_event(
      'journal', 'archive',
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

comment on function crm_private.archive_journal(timestamptz) is
  'Detaches the months of the journal that ended before a time; gives their tables.';

revoke all on function crm_private.archive_journal(timestamptz) from public;
--! EndIncluded functions/archive_journal.sql
--! Included functions/maintain_journal.sql
/*
 * What has to be done for the journal from time to time, beside sealing: makes partitions before they
 * are needed, and purges what was deleted longer ago than the setting says. At most 10,000 deletions
 * at a time, lest writers of the journal's blocks wait for long; gives their number, so that the
 * caller can go on. The server calls it every hour. Several may call it at once.
 *
 * Security definer: crm_server has no rights of its own on the journal.
 */
create or replace function crm_private.maintain_journal()
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform crm_private.ensure_audit_partitions();
  return crm_private.purge_deletions(
    clock_timestamp() - make_interval(days => crm.trash_retention_days()), 10000
  );
end
$$;

comment on function crm_private.maintain_journal() is
  'Makes the partitions that will be needed, and purges the trash; gives how many deletions.';

revoke all on function crm_private.maintain_journal() from public;
grant execute on function crm_private.maintain_journal() to crm_server;
--! EndIncluded functions/maintain_journal.sql
--! Included functions/contacts_history_is_complete.sql
/* Whether the history of a row has all of it, or begins with what was archived. */
create or replace function crm.contacts_history_is_complete(record crm.contacts)
returns boolean
language sql
stable
parallel safe
return record.created_at >= coalesce(crm.journal_kept_since(), '-infinity');

comment on function crm.contacts_history_is_complete(crm.contacts) is
  E'@notNull\n@behavior -filterBy -orderBy -aggregate -aggregate:filterBy -groupBy -havingBy\n'
  'Whether its history has everything that was done to it. If not, what was done before '
  'journalKeptSince has been archived.';

revoke all on function crm.contacts_history_is_complete(crm.contacts) from public;
grant execute on function crm.contacts_history_is_complete(crm.contacts) to crm_reader;
--! EndIncluded functions/contacts_history_is_complete.sql
--! Included functions/companies_history_is_complete.sql
/* Whether the history of a row has all of it, or begins with what was archived. */
create or replace function crm.companies_history_is_complete(record crm.companies)
returns boolean
language sql
stable
parallel safe
return record.created_at >= coalesce(crm.journal_kept_since(), '-infinity');

comment on function crm.companies_history_is_complete(crm.companies) is
  E'@notNull\n@behavior -filterBy -orderBy -aggregate -aggregate:filterBy -groupBy -havingBy\n'
  'Whether its history has everything that was done to it. If not, what was done before '
  'journalKeptSince has been archived.';

revoke all on function crm.companies_history_is_complete(crm.companies) from public;
grant execute on function crm.companies_history_is_complete(crm.companies) to crm_reader;
--! EndIncluded functions/companies_history_is_complete.sql
--! Included functions/deals_history_is_complete.sql
/* Whether the history of a row has all of it, or begins with what was archived. */
create or replace function crm.deals_history_is_complete(record crm.deals)
returns boolean
language sql
stable
parallel safe
return record.created_at >= coalesce(crm.journal_kept_since(), '-infinity');

comment on function crm.deals_history_is_complete(crm.deals) is
  E'@notNull\n@behavior -filterBy -orderBy -aggregate -aggregate:filterBy -groupBy -havingBy\n'
  'Whether its history has everything that was done to it. If not, what was done before '
  'journalKeptSince has been archived.';

revoke all on function crm.deals_history_is_complete(crm.deals) from public;
grant execute on function crm.deals_history_is_complete(crm.deals) to crm_reader;
--! EndIncluded functions/deals_history_is_complete.sql
--! Included functions/tasks_history_is_complete.sql
/* Whether the history of a row has all of it, or begins with what was archived. */
create or replace function crm.tasks_history_is_complete(record crm.tasks)
returns boolean
language sql
stable
parallel safe
return record.created_at >= coalesce(crm.journal_kept_since(), '-infinity');

comment on function crm.tasks_history_is_complete(crm.tasks) is
  E'@notNull\n@behavior -filterBy -orderBy -aggregate -aggregate:filterBy -groupBy -havingBy\n'
  'Whether its history has everything that was done to it. If not, what was done before '
  'journalKeptSince has been archived.';

revoke all on function crm.tasks_history_is_complete(crm.tasks) from public;
grant execute on function crm.tasks_history_is_complete(crm.tasks) to crm_reader;
--! EndIncluded functions/tasks_history_is_complete.sql
--! Included functions/notes_history_is_complete.sql
/* Whether the history of a row has all of it, or begins with what was archived. */
create or replace function crm.notes_history_is_complete(record crm.notes)
returns boolean
language sql
stable
parallel safe
return record.created_at >= coalesce(crm.journal_kept_since(), '-infinity');

comment on function crm.notes_history_is_complete(crm.notes) is
  E'@notNull\n@behavior -filterBy -orderBy -aggregate -aggregate:filterBy -groupBy -havingBy\n'
  'Whether its history has everything that was done to it. If not, what was done before '
  'journalKeptSince has been archived.';

revoke all on function crm.notes_history_is_complete(crm.notes) from public;
grant execute on function crm.notes_history_is_complete(crm.notes) to crm_reader;
--! EndIncluded functions/notes_history_is_complete.sql
--! Included functions/custom_field_definitions_history_is_complete.sql
/* Whether the history of a row has all of it, or begins with what was archived. */
create or replace function crm.custom_field_definitions_history_is_complete(record crm.custom_field_definitions)
returns boolean
language sql
stable
parallel safe
return record.created_at >= coalesce(crm.journal_kept_since(), '-infinity');

comment on function crm.custom_field_definitions_history_is_complete(crm.custom_field_definitions) is
  E'@notNull\n@behavior -filterBy -orderBy -aggregate -aggregate:filterBy -groupBy -havingBy\n'
  'Whether its history has everything that was done to it. If not, what was done before '
  'journalKeptSince has been archived.';

revoke all on function crm.custom_field_definitions_history_is_complete(crm.custom_field_definitions) from public;
grant execute on function crm.custom_field_definitions_history_is_complete(crm.custom_field_definitions) to crm_reader;
--! EndIncluded functions/custom_field_definitions_history_is_complete.sql
--! Included functions/pipeline_stages_history_is_complete.sql
/* Whether the history of a row has all of it, or begins with what was archived. */
create or replace function crm.pipeline_stages_history_is_complete(record crm.pipeline_stages)
returns boolean
language sql
stable
parallel safe
return record.created_at >= coalesce(crm.journal_kept_since(), '-infinity');

comment on function crm.pipeline_stages_history_is_complete(crm.pipeline_stages) is
  E'@notNull\n@behavior -filterBy -orderBy -aggregate -aggregate:filterBy -groupBy -havingBy\n'
  'Whether its history has everything that was done to it. If not, what was done before '
  'journalKeptSince has been archived.';

revoke all on function crm.pipeline_stages_history_is_complete(crm.pipeline_stages) from public;
grant execute on function crm.pipeline_stages_history_is_complete(crm.pipeline_stages) to crm_reader;
--! EndIncluded functions/pipeline_stages_history_is_complete.sql

--! split: 50-field-paths.sql
/*
 * Why: a fault is named by what the client sent. An element of a list by its position, emails.1; a
 *      member of an object by its key, address.country; a task that is created with its deal by
 *      which one it is, tasks.1.description. What is about a whole list or object stays with it.
 * Locks: for a moment each table whose messages change; nothing is read or written.
 * Undone by: revert/000003.sql.
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
    con.contype = 'c' and cardinality(con.conkey) = 1 and not texts.is_whole
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
-- Has a column more.
drop function if exists crm_private.elements(jsonb);

--! Included functions/elements.sql
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
--! EndIncluded functions/elements.sql
--! Included functions/row_faults.sql
/*
 * Every fault of a row, given as jsonb: what crm_private.rules says of its table and, where it has
 * custom fields, what their definitions say.
 *
 * A rule about an array or an object is asked again with each of its elements alone, so that the
 * fault is of the one at fault, emails.1 or address.country; if each of them is fine by itself, or
 * the rule is marked @whole, the fault is of the whole.
 *
 * Called by the trigger that validates, once a row is known to be faulty: cost does not matter.
 */
create or replace function crm_private.row_faults(p_table regclass, p_row jsonb)
returns table (field text, message text, constraint_name text, column_name text)
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
            'select %1$L || coalesce(''.'' || element.key, ''''), %2$L, %3$L, %4$L, %5$s,
               element.value, element.ordinal
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
 * A function that writes several rows of one input says in crm.path where in it a row stands:
 * tasks.1 makes tasks.1.description of description.
 *
 * Security definer, because it reads the catalog's rules, definitions and referenced rows whatever
 * policies hide of them; it changes nothing.
 */
create or replace function crm_private.refuse_row(p_table regclass, p_row jsonb)
returns void
language plpgsql
stable
security definer
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
  -- Asked by itself, it would tell which ids exist, whatever policies hide.
  if pg_trigger_depth() = 0 then
    raise exception 'crm_private.refuse_row is for triggers'
      using errcode = 'insufficient_privilege';
  end if;

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
    from crm_private.row_faults(p_table, p_row) with ordinality as listed (
      field, message, constraint_name, column_name, ordinal
    )
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
--! Included functions/create_deal_with_tasks.sql
/*
 * A deal and its first tasks, all or nothing. A fault of a task refuses the deal too, and is named
 * by which task it is: tasks.1.description. The deal's fields have their names alone.
 * Runs with the caller's rights: whoever may create deals and tasks may call it.
 */
create or replace function crm.create_deal_with_tasks(deal crm.new_deal, tasks crm.new_task[])
returns crm.deals
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
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
  from unnest(tasks) with ordinality as task (
    description, due_date, assigned_to, status, ordinal
  )
  -- Rows are made and validated one after the other: this says which one the next is.
  where set_config('crm.path', 'tasks.' || (task.ordinal - 1), true) is not null;

  perform set_config('crm.path', '', true);

  return v_deal;
end
$$;

comment on function crm.create_deal_with_tasks(crm.new_deal, crm.new_task[]) is
  'Creates a deal together with its tasks: all of them, or nothing.';

revoke all on function crm.create_deal_with_tasks(crm.new_deal, crm.new_task[]) from public;
grant execute on function crm.create_deal_with_tasks(crm.new_deal, crm.new_task[]) to crm_member;
--! EndIncluded functions/create_deal_with_tasks.sql

comment on constraint companies_address_object on crm.companies is
  E'@whole\nmust be an object';
comment on constraint companies_address_keys on crm.companies is
  'is not one of street, city, state, postalCode, country';
comment on constraint companies_address_values on crm.companies is
  'must be a string';
comment on constraint companies_address_length on crm.companies is
  'must have at most 255 characters';
comment on constraint companies_custom_fields_object on crm.companies is
  E'@whole\nmust be an object';

comment on constraint contacts_emails_list on crm.contacts is
  E'@whole\nmust be a list of at most 100 addresses, none of them null';
comment on constraint contacts_emails_length on crm.contacts is
  'must have at most 254 characters';
comment on constraint contacts_phones_list on crm.contacts is
  E'@whole\nmust be a list of at most 100 numbers, none of them null';
comment on constraint contacts_phones_blank on crm.contacts is
  'must not be blank';
comment on constraint contacts_phones_length on crm.contacts is
  'must have at most 255 characters';
comment on constraint contacts_custom_fields_object on crm.contacts is
  E'@whole\nmust be an object';

comment on constraint deals_custom_fields_object on crm.deals is
  E'@whole\nmust be an object';

comment on constraint custom_field_definitions_enum_values_list on crm.custom_field_definitions is
  E'@whole\nmust be a list of 1 to 1,000 values, none of them null';
comment on constraint custom_field_definitions_enum_values_blank on crm.custom_field_definitions is
  'must not be blank';
comment on constraint custom_field_definitions_enum_values_length on crm.custom_field_definitions is
  'must have at most 255 characters';
comment on constraint custom_field_definitions_enum_values_distinct on crm.custom_field_definitions is
  E'@whole\nmust not hold a value twice';

--! split: 51-definitions-cap.sql
/*
 * Why: a row is validated by all definitions of its entity type at once, so their number is what
 *      every write pays for. An entity type has 200 at most, or what the owner of the database sets.
 * Locks: nothing.
 * Undone by: revert/000003.sql.
 */

--! Included functions/max_custom_fields.sql
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
      from pg_db_role_setting as given
      cross join unnest(given.setconfig) as setting
      where given.setdatabase = (select oid from pg_database where datname = current_database())
        and given.setrole = 0
        and starts_with(setting, 'crm.max_custom_fields=')
    ),
    200
  );
$$;

comment on function crm_private.max_custom_fields() is
  'How many custom fields an entity type may have.';

revoke all on function crm_private.max_custom_fields() from public;
--! EndIncluded functions/max_custom_fields.sql
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
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_table   regclass := crm_private.entity_table(p_entity_type);
  v_plural  text     := (select relname::text from pg_class where oid = v_table);
  v_most    integer  := crm_private.max_custom_fields();
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

--! split: 60-checked-functions.sql
/*
 * Why: plpgsql_check reads every function, and has nothing to say of these any more: a trigger
 *      function names only columns that its tables have, a row is cast to what it becomes, and a
 *      function that compiles says so.
 * Locks: the tables of entities against writers, for a moment.
 * Undone by: revert/000003.sql.
 */

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
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_table text := (select relname::text from pg_class where oid = p_table);
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

--! split: 70-search.sql
/*
 * Why: people look for a person, a company, a deal by whatever they remember of it.
 * Locks: crm.contacts, crm.companies, crm.deals, crm.tasks and crm.notes exclusively until it is done,
 *        since the generated columns write every row anew: some minutes for a million contacts.
 * Undone by: revert/000003.sql.
 */

-- Whoever writes a row computes its words, and whoever searches compares them. The functions of
-- extensions are nobody's by default, like all others.
grant usage on schema crm_private to crm_reader;
grant execute on all functions in schema extensions to crm_reader;

--! Included functions/fold.sql
/*
 * What a text is compared by where neither case nor accents count: "Zoë ÅNGSTRÖM" becomes
 * "zoe angstrom". Indexes stand on it.
 *
 * Immutable by what it names: the dictionary is fixed, and its rules change with a release of
 * PostgreSQL only; reindex then. Every write of a name pays for it, and most names are ASCII, which
 * has only its case to lose.
 */
create or replace function crm_private.fold(value text)
returns text
language plpgsql
immutable
strict
parallel safe
as $$
begin
  if pg_catalog.octet_length(value) = pg_catalog.char_length(value) then
    return pg_catalog.lower(value collate "C");
  end if;
  return pg_catalog.lower(
    extensions.unaccent('extensions.unaccent'::regdictionary, pg_catalog.normalize(value, 'NFKC'))
  );
end
$$;

comment on function crm_private.fold(text) is
  'The text in lower case and without accents.';

revoke all on function crm_private.fold(text) from public;
grant execute on function crm_private.fold(text) to crm_reader;
--! EndIncluded functions/fold.sql
--! Included functions/search_words.sql
/*
 * The words of a text as search knows them: without case and accents, and with a blank for whatever
 * ASCII has beside letters and digits. What is indexed and what is looked for both pass through it,
 * so that an address is the sequence of its parts on either side. An apostrophe is dropped: O'Brien
 * is one word.
 *
 * Bounded, because PostgreSQL is: 100,000 characters are far from the megabyte that a tsvector holds,
 * and a word is cut long before the 2 kB of a lexeme. So nothing that a column can hold fails here,
 * whatever its checks will say.
 *
 * Every row calls it, and indexes stand on it. Every name in it is qualified.
 */
create or replace function crm_private.search_words(value text)
returns text
language plpgsql
immutable
strict
parallel safe
as $$
declare
  v_words pg_catalog.text := pg_catalog.translate(
    pg_catalog.left(crm_private.fold(pg_catalog.left(value, 100000)), 100000),
    '!"#$%&()*+,-./:;<=>?@[\]^_`{|}~''', '                               '
  );
begin
  if pg_catalog.octet_length(v_words) > 2000 then
    v_words := pg_catalog.regexp_replace(v_words, '([^ ]{255})[^ ]+', '\1', 'g');
  end if;
  return v_words;
end
$$;

comment on function crm_private.search_words(text) is
  'The words of a text, folded, with blanks between them.';

revoke all on function crm_private.search_words(text) from public;
grant execute on function crm_private.search_words(text) to crm_reader;
--! EndIncluded functions/search_words.sql
--! Included functions/search_texts.sql
/*
 * The texts among the members of an object, such as custom fields or an address, one after the
 * other. Anything but an object has none: a generated column is computed before a check can refuse.
 */
create or replace function crm_private.search_texts(members jsonb)
returns text
language sql
immutable
parallel safe
return (
  select left(string_agg(member #>> '{}', ' '), 100000)
  from jsonb_path_query(members, 'strict $.* ? (@.type() == "string")', silent => true) as member
);

comment on function crm_private.search_texts(jsonb) is
  'The texts among the members of an object.';

revoke all on function crm_private.search_texts(jsonb) from public;
grant execute on function crm_private.search_texts(jsonb) to crm_reader;
--! EndIncluded functions/search_texts.sql
--! Included functions/search_neighbours.sql
/*
 * What the words of a name have in common with words that differ from them by one typing error: each
 * word, and each word with one of its letters left out, after a tilde, which no word has. If one of
 * two words has a letter too many, too few or another one, or if two letters changed places, there
 * is something among these that both have. Two words side by side are there as one, too: Coca-Cola is
 * found by "cocacola".
 *
 * Compared with trigrams, which short words that differ have hardly any of in common: of 1,000,000
 * contacts 91,000 are similar enough to "jonh smiht" if "john smith" is to be.
 *
 * Letters are left out of words of four and more of them; words of more than 20 are passed over, and
 * those after the tenth. Every row calls it. Every name in it is qualified.
 */
create or replace function crm_private.search_neighbours(words text)
returns text[]
language plpgsql
immutable
strict
parallel safe
as $$
declare
  v_neighbours pg_catalog.text[] := '{}'::pg_catalog.text[];
  v_word       pg_catalog.text;
  v_previous   pg_catalog.text   := '';
  v_length     pg_catalog.int4;
  v_count      pg_catalog.int4   := 0;
begin
  foreach v_word in array pg_catalog.string_to_array(words, ' ') loop
    v_length := pg_catalog.length(v_word);
    continue when v_length not between 1 and 20;
    v_neighbours := v_neighbours || ('~' || v_word);
    if v_length > 3 and v_word !~ '[0-9]' then
      for v_left in 1 .. v_length loop
        v_neighbours := v_neighbours
          || ('~' || pg_catalog.left(v_word, v_left - 1) || pg_catalog.substr(v_word, v_left + 1));
      end loop;
    end if;
    if v_previous <> '' and pg_catalog.length(v_previous) + v_length <= 20 then
      v_neighbours := v_neighbours || ('~' || v_previous || v_word);
    end if;
    v_previous := v_word;
    v_count    := v_count + 1;
    exit when v_count = 10;
  end loop;
  return v_neighbours;
end
$$;

comment on function crm_private.search_neighbours(text) is
  'What words have in common with those that differ by one typing error.';

revoke all on function crm_private.search_neighbours(text) from public;
grant execute on function crm_private.search_neighbours(text) to crm_reader;
--! EndIncluded functions/search_neighbours.sql
--! Included functions/search_vector.sql
/*
 * A text as search indexes it: its words, all with one weight. Without words if it is null.
 * Every row calls it. Every name in it is qualified.
 */
create or replace function crm_private.search_vector(value text, weight "char")
returns tsvector
language plpgsql
immutable
parallel safe
as $$
begin
  return pg_catalog.setweight(
    pg_catalog.to_tsvector('pg_catalog.simple', coalesce(crm_private.search_words(value), '')),
    weight
  );
end
$$;

comment on function crm_private.search_vector(text, "char") is
  'The words of a text, all with the same weight.';

revoke all on function crm_private.search_vector(text, "char") from public;
grant execute on function crm_private.search_vector(text, "char") to crm_member;
--! EndIncluded functions/search_vector.sql
--! Included functions/search_name_vector.sql
/*
 * A name as search indexes it: its words with weight A, and what misspelt ones have in common with
 * them. Every row calls it. Every name in it is qualified.
 */
create or replace function crm_private.search_name_vector(name text)
returns tsvector
language plpgsql
immutable
parallel safe
as $$
declare
  v_words pg_catalog.text := coalesce(crm_private.search_words(name), '');
begin
  return pg_catalog.setweight(pg_catalog.to_tsvector('pg_catalog.simple', v_words), 'A')
    || pg_catalog.array_to_tsvector(crm_private.search_neighbours(v_words));
end
$$;

comment on function crm_private.search_name_vector(text) is
  'The words of a name, and what misspelt ones have in common with them.';

revoke all on function crm_private.search_name_vector(text) from public;
grant execute on function crm_private.search_name_vector(text) to crm_member;
--! EndIncluded functions/search_name_vector.sql
--! Included functions/contact_document.sql
/*
 * What a contact is found by: its name (A), the parts of its addresses and phone numbers (B) and the
 * texts of its custom fields (C). crm.contacts.search_document is generated by it.
 *
 * Every row calls it. Every name in it is qualified.
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
as $$
declare
  v_document pg_catalog.tsvector := crm_private.search_name_vector(first_name || ' ' || last_name)
    || crm_private.search_vector(
      pg_catalog.array_to_string(emails, ' ') || ' ' || pg_catalog.array_to_string(phones, ' '), 'B'
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
--! EndIncluded functions/contact_document.sql
--! Included functions/company_document.sql
/*
 * What a company is found by: its name (A), its address and the texts of its custom fields (C).
 * crm.companies.search_document is generated by it.
 *
 * Every row calls it. Every name in it is qualified.
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
--! EndIncluded functions/company_document.sql
--! Included functions/deal_document.sql
/*
 * What a deal is found by: its title (A) and the texts of its custom fields (C).
 * crm.deals.search_document is generated by it.
 *
 * Every row calls it. Every name in it is qualified.
 */
create or replace function crm_private.deal_document(title text, custom_fields jsonb)
returns tsvector
language plpgsql
immutable
parallel safe
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
--! EndIncluded functions/deal_document.sql
--! Included functions/name_words.sql
/*
 * The words of a name, each after a blank: what trigrams find parts of. Indexes stand on it.
 * Every name in it is qualified.
 */
create or replace function crm_private.name_words(name text)
returns text
language plpgsql
immutable
strict
parallel safe
as $$
begin
  return ' ' || crm_private.search_words(name);
end
$$;

comment on function crm_private.name_words(text) is
  'The words of a name, each after a blank.';

revoke all on function crm_private.name_words(text) from public;
grant execute on function crm_private.name_words(text) to crm_reader;
--! EndIncluded functions/name_words.sql
--! Included functions/contact_name_words.sql
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
as $$
begin
  return crm_private.name_words(first_name || ' ' || last_name) || ' ' || pg_catalog.regexp_replace(
    pg_catalog.array_to_string(phones, ' ~ '), '[^0-9~]+', '', 'g'
  );
end
$$;

comment on function crm_private.contact_name_words(text, text, text[]) is
  'The words of a contact''s name, and the digits of its phone numbers.';

revoke all on function crm_private.contact_name_words(text, text, text[]) from public;
grant execute on function crm_private.contact_name_words(text, text, text[]) to crm_reader;
--! EndIncluded functions/contact_name_words.sql

alter table crm.contacts add column if not exists search_document tsvector
  generated always as (
    crm_private.contact_document(first_name, last_name, emails, phones, custom_fields)
  ) stored;
alter table crm.companies add column if not exists search_document tsvector
  generated always as (crm_private.company_document(name, address, custom_fields)) stored;
alter table crm.deals add column if not exists search_document tsvector
  generated always as (crm_private.deal_document(title, custom_fields)) stored;
alter table crm.tasks add column if not exists search_document tsvector
  generated always as (crm_private.search_vector(description, 'B')) stored;
alter table crm.notes add column if not exists search_document tsvector
  generated always as (crm_private.search_vector(content, 'D')) stored;

comment on column crm.contacts.search_document is
  E'@behavior -*\nThe words that search finds the row by.';
comment on column crm.companies.search_document is
  E'@behavior -*\nThe words that search finds the row by.';
comment on column crm.deals.search_document is
  E'@behavior -*\nThe words that search finds the row by.';
comment on column crm.tasks.search_document is
  E'@behavior -*\nThe words that search finds the row by.';
comment on column crm.notes.search_document is
  E'@behavior -*\nThe words that search finds the row by.';

-- What is written waits in a list, in which a search looks one by one; so the lists are short.
create index if not exists contacts_search_document on crm.contacts
  using gin (search_document) with (gin_pending_list_limit = 512);
create index if not exists companies_search_document on crm.companies
  using gin (search_document) with (gin_pending_list_limit = 512);
create index if not exists deals_search_document on crm.deals
  using gin (search_document) with (gin_pending_list_limit = 512);
create index if not exists tasks_search_document on crm.tasks
  using gin (search_document) with (gin_pending_list_limit = 512);
create index if not exists notes_search_document on crm.notes
  using gin (search_document) with (gin_pending_list_limit = 512);

create index if not exists contacts_name_words on crm.contacts
  using gin (
    crm_private.contact_name_words(first_name, last_name, phones) extensions.gin_trgm_ops
  ) with (gin_pending_list_limit = 512);
create index if not exists companies_name_words on crm.companies
  using gin (crm_private.name_words(name) extensions.gin_trgm_ops)
  with (gin_pending_list_limit = 512);
create index if not exists deals_name_words on crm.deals
  using gin (crm_private.name_words(title) extensions.gin_trgm_ops)
  with (gin_pending_list_limit = 512);

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
      note_id     uuid
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

--! Included functions/search_query.sql
/*
 * What somebody typed into a search box, as tsqueries and patterns. All are null if there is nothing
 * to look for.
 *
 * The syntax is that of web search: "words in sequence", -without, or. What has punctuation within,
 * such as an address, is a sequence of its parts. The last word may be only begun.
 *
 * An alternative that only says what is not wanted is left out: no index can answer it. Words beyond
 * the 32nd are left out, too.
 *
 * Nothing that was typed gets into the syntax of a tsquery: PostgreSQL writes its text, of words that
 * have neither quotes nor backslashes left.
 */
create or replace function crm_private.search_query(
  query           text,
  out whole       tsquery, -- every word as it stands
  out typed       tsquery, -- the last word as begun
  out indexed     tsquery, -- typed, but for a beginning so short that an index would find too much
  out loose       tsquery, -- indexed, or with a typing error in each word
  out whole_names tsquery, -- whole, of names alone
  out typed_names tsquery, -- typed, of names alone
  out named       tsquery, -- whole_names as an index knows it: what only names have
  out begun       text,    -- such a short beginning, if there is nothing else
  out number      text,    -- the longest run of digits, as a phone number has them
  out beside      tsquery, -- what is asked for beside the number
  out words       text[],  -- the words, the longest first, if there is nothing but words
  out marks       text[],  -- patterns of the words that are found, among blanks
  out near        text[]   -- what misspelt words have in common with them
)
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
set client_min_messages = warning
as $$
#variable_conflict use_column
begin
  with items as (
    select
      ordinal,
      parts[1] = '-'                                      as is_without,
      coalesce(parts[2], parts[3], parts[4])              as item,
      parts[1] = '' and lower(parts[4]) = 'or'            as is_or,
      parts[2] is not null                                as is_quoted,
      parts[3] is not null                                as is_number,
      parts[2] is null and ordinal = max(ordinal) over () as is_last
    from regexp_matches(
      query,
      '(-?)(?:"([^"]*)(?:"|$)|([+(]*[0-9](?:[ ()/.+-]*[0-9]){6,})(?![^\s"])|([^\s"]+))',
      'g'
    ) with ordinality as matched (parts, ordinal)
    order by ordinal
    limit 32
  ),
  worded as (
    select
      items.*,
      item_words,
      count(*) filter (where is_or) over (order by ordinal) as alternative,
      case
        when is_or then ''
        when is_number then plainto_tsquery('pg_catalog.simple', item_words)::text
        else phraseto_tsquery('pg_catalog.simple', item_words)::text
      end as term
    from items
    cross join lateral trim(crm_private.search_words(item)) as item_words
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
      term || case when is_last then ':*' else '' end   as typed_term,
      is_last and not is_without and length(term) <= 4  as is_short, -- two letters and the quotes
      case
        when not is_without
        then ltrim(
          regexp_replace(substring(item from '^[0-9 ()/.+-]*$'), '[^0-9]', '', 'g'), '0'
        )
      end                                               as digits,
      case
        when is_quoted or is_without or item_words ~ ' ' then '{}'
        else crm_private.search_neighbours(item_words)
      end                                               as neighbours
    from worded
    where term <> ''
  ),
  alternatives as (
    select
      string_agg(format(sign, term), ' & ' order by ordinal)       as whole_text,
      string_agg(format(sign, typed_term), ' & ' order by ordinal) as typed_text,
      string_agg(format(sign, typed_term), ' & ' order by ordinal)
        filter (where not is_short)                                as indexed_text,
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
    group by alternative
    having bool_or(not is_without)
  ),
  queries as (
    select
      string_agg(whole_text, ' | ')                               as whole_text,
      string_agg(typed_text, ' | ')                               as typed_text,
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
    whole_text::tsquery,
    typed_text::tsquery,
    coalesce(indexed_text, whole_text)::tsquery,
    loose_text::tsquery,
    regexp_replace(whole_text, '''([^'']+)''(?::(\*))?', '''\1'':\2A', 'g')::tsquery,
    regexp_replace(typed_text, '''([^'']+)''(?::(\*))?', '''\1'':\2A', 'g')::tsquery,
    regexp_replace(
      regexp_replace(whole_text, '''([^'' ]+)''', '''~\1''', 'g'), '<[-0-9]+>', '&', 'g'
    )::tsquery,
    (select item_words from terms where indexed_text is null and is_short limit 1),
    (select digits from number),
    (
      select string_agg(format(sign, typed_term), ' & ')::tsquery
      from terms
      where ordinal <> (select ordinal from number)
    ),
    (
      select array_agg(item_words order by length(item_words) desc, ordinal)
      from terms
      having bool_and(not is_without and not is_quoted) and max(alternative) = 0
    ),
    (
      select array_agg('% ' || lexeme[1] || case when lexeme[2] = '*' then '%' else ' %' end)
      from terms
      cross join lateral regexp_matches(typed_term, '''([^'']+)''(?::(\*))?', 'g') as lexeme
      where not is_without
    ),
    (select array_agg(neighbour) from terms cross join lateral unnest(neighbours) as neighbour)
  into
    whole, typed, indexed, loose, whole_names, typed_names, named, begun, number, beside, words,
    marks, near
  from queries
  where whole_text is not null;
end
$$;

comment on function crm_private.search_query(text) is
  'What somebody typed into a search box, as tsqueries and patterns.';

revoke all on function crm_private.search_query(text) from public;
grant execute on function crm_private.search_query(text) to crm_reader;
--! EndIncluded functions/search_query.sql
--! Included functions/search_extract.sql
/*
 * A passage of a text around the first word that was found, as HTML: what was found stands in <mark>,
 * and there is no other markup, since whatever the text holds is escaped.
 *
 * Words are told apart as crm_private.search_words does, so that what an address was found by is
 * marked as a part of it, and Zoë if zoe was looked for; PostgreSQL's own ts_headline does neither.
 */
create or replace function crm_private.search_extract(
  value  text,
  marks  text[],
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
  v_length  constant integer := 240;
  v_text    text             := left(value, 100000);
  v_folded  text;
  v_before  integer;
begin
  if length(v_text) > v_length then
    v_folded := crm_private.fold(v_text);
    v_before := length(substring(v_folded from (
      select format('^(.*?)\m(?:%s)', string_agg(trim(mark, '% '), '|'))
      from unnest(marks) as mark
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
      case when is_found then '<mark>' || safe || '</mark>' else safe end, '' order by ordinal
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
        or crm_private.search_neighbours(words) && near
        or words ~ '^[0-9]{2,}$' and number like '%' || words || '%'
      ),
      false
    ) as is_found
  );
end
$$;

comment on function crm_private.search_extract(text, text[], text[], text) is
  'A passage of a text as HTML, with <mark> around what was found.';

revoke all on function crm_private.search_extract(text, text[], text[], text) from public;
grant execute on function crm_private.search_extract(text, text[], text[], text) to crm_reader;
--! EndIncluded functions/search_extract.sql
--! Included functions/search_candidates.sql
/*
 * The rows whose documents match a tsquery, of each entity type asked for at most p_limit, ranked.
 * Where there are more, any p_limit of them, and as many of those that match by their names: to rank
 * everything that has a common word would mean to read it all, for hits that nobody looks at.
 *
 * The rank is between 0 and 1. What its digits say first is whether a name has every word whole
 * (1/2), or has them with the last one begun (1/4), and whether the row has every word whole (1/8);
 * the rest is ts_rank. So a name beats a note's body, however often that has the words.
 *
 * Without p_whole the query is about misspelt words, and counts what they have in common.
 *
 * Runs with the caller's rights, so that policies decide. It forbids scans of tables, because the
 * plan of a statement for any tsquery cannot know how few rows match.
 */
create or replace function crm_private.search_candidates(
  entity_types  text[],
  p_indexed     tsquery,
  p_typed       tsquery,
  p_whole       tsquery,
  p_whole_names tsquery,
  p_typed_names tsquery,
  p_named       tsquery,
  p_limit       integer
)
returns table (entity_type text, entity_id uuid, rank double precision)
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
      select id, search_document from crm.contacts
      where 'contact' = any (entity_types) and search_document @@ p_indexed
        and not (search_document @@ !!p_typed)
      limit p_limit
    ),
    companies as materialized (
      select id, search_document from crm.companies
      where 'company' = any (entity_types) and search_document @@ p_indexed
        and not (search_document @@ !!p_typed)
      limit p_limit
    ),
    deals as materialized (
      select id, search_document from crm.deals
      where 'deal' = any (entity_types) and search_document @@ p_indexed
        and not (search_document @@ !!p_typed)
      limit p_limit
    ),
    named as (
      select 'contact' as entity_type, id, search_document from contacts
      union all
      select 'company', id, search_document from companies
      union all
      select 'deal', id, search_document from deals
      union all
      (
        select 'contact', id, search_document from crm.contacts
        where (select count(*) from contacts) = p_limit
          and search_document @@ p_named and not (search_document @@ !!p_whole_names)
        limit p_limit
      )
      union all
      (
        select 'company', id, search_document from crm.companies
        where (select count(*) from companies) = p_limit
          and search_document @@ p_named and not (search_document @@ !!p_whole_names)
        limit p_limit
      )
      union all
      (
        select 'deal', id, search_document from crm.deals
        where (select count(*) from deals) = p_limit
          and search_document @@ p_named and not (search_document @@ !!p_whole_names)
        limit p_limit
      )
    ),
    unnamed as (
      (
        select 'task' as entity_type, id, search_document from crm.tasks
        where 'task' = any (entity_types) and search_document @@ p_indexed
          and not (search_document @@ !!p_typed)
        limit p_limit
      )
      union all
      (
        select 'note', id, search_document from crm.notes
        where 'note' = any (entity_types) and search_document @@ p_indexed
          and not (search_document @@ !!p_typed)
        limit p_limit
      )
    )
  select
    entity_type,
    id,
    coalesce((search_document @@ p_whole_names)::integer, 0) / 2.0::double precision
      + coalesce((search_document @@ p_typed_names)::integer, 0) / 4.0
      + coalesce((search_document @@ p_whole)::integer, 0) / 8.0
      + ts_rank(v_weights, search_document, p_typed) / 8.0
  from named
  union all
  select
    entity_type,
    id,
    coalesce((search_document @@ p_whole)::integer, 0) / 8.0::double precision
      + ts_rank(v_weights, search_document, p_typed) / 8.0
  from unnamed;
end
$$;

comment on function crm_private.search_candidates(
  text[], tsquery, tsquery, tsquery, tsquery, tsquery, tsquery, integer
) is
  'The rows whose documents match a tsquery, ranked; of many, some.';

revoke all on function crm_private.search_candidates(
  text[], tsquery, tsquery, tsquery, tsquery, tsquery, tsquery, integer
) from public;
grant execute on function crm_private.search_candidates(
  text[], tsquery, tsquery, tsquery, tsquery, tsquery, tsquery, integer
) to crm_reader;
--! EndIncluded functions/search_candidates.sql
--! Included functions/search_parts.sql
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
  p_number     text,
  p_beside     tsquery,
  p_words      text[],
  p_limit      integer
)
returns table (entity_type text, entity_id uuid, rank double precision)
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
  v_begun constant text := '% ' || p_begun || '%';
begin
  if p_begun is not null then
    return query
    with named as (
      (
        select 'contact' as entity_type, id,
          crm_private.contact_name_words(first_name, last_name, phones) as words
        from crm.contacts
        where 'contact' = any (entity_types)
          and crm_private.contact_name_words(first_name, last_name, phones) like v_begun
        limit p_limit
      )
      union all
      (
        select 'company', id, crm_private.name_words(name)
        from crm.companies
        where 'company' = any (entity_types)
          and crm_private.name_words(name) like v_begun
        limit p_limit
      )
      union all
      (
        select 'deal', id, crm_private.name_words(title)
        from crm.deals
        where 'deal' = any (entity_types)
          and crm_private.name_words(title) like v_begun
        limit p_limit
      )
    )
    select
      entity_type,
      id,
      case when words || ' ' like '% ' || p_begun || ' %' then 7 else 2 end
        / 8.0::double precision
    from named;
  end if;

  if p_number is not null and 'contact' = any (entity_types) then
    return query
    select 'contact', id, 3 / 8.0::double precision
    from crm.contacts
    where crm_private.contact_name_words(first_name, last_name, phones) like '%' || p_number || '%'
      and (p_beside is null or search_document @@ p_beside)
    limit p_limit;
  end if;

  if p_words is not null then
    return query
    with named as (
      (
        select 'contact' as entity_type, id,
          crm_private.contact_name_words(first_name, last_name, phones) as words
        from crm.contacts
        where 'contact' = any (entity_types)
          and p_words[1] operator(extensions.<%)
            crm_private.contact_name_words(first_name, last_name, phones)
      )
      union all
      (
        select 'company', id, crm_private.name_words(name)
        from crm.companies
        where 'company' = any (entity_types)
          and p_words[1] operator(extensions.<%) crm_private.name_words(name)
      )
      union all
      (
        select 'deal', id, crm_private.name_words(title)
        from crm.deals
        where 'deal' = any (entity_types)
          and p_words[1] operator(extensions.<%) crm_private.name_words(title)
      )
    )
    select
      entity_type,
      id,
      extensions.word_similarity(array_to_string(p_words, ' '), words) / 16.0::double precision
    from named
    where not exists (
      select from unnest(p_words) as word where not word operator(extensions.<%) words
    )
    limit p_limit;
  end if;
end
$$;

comment on function crm_private.search_parts(text[], text, text, tsquery, text[], integer) is
  'The rows that are found by a part of a name or of a phone number, ranked; of many, some.';

revoke all on function crm_private.search_parts(text[], text, text, tsquery, text[], integer) from public;
grant execute on function crm_private.search_parts(text[], text, text, tsquery, text[], integer)
  to crm_reader;
--! EndIncluded functions/search_parts.sql
--! Included functions/search.sql
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

  select * into v_query from crm_private.search_query(query);

  return query
  with
    found as materialized (
      select *
      from crm_private.search_candidates(
        v_types, v_query.indexed, v_query.typed, v_query.whole, v_query.whole_names,
        v_query.typed_names, v_query.named, v_limit
      )
      union all
      select *
      from crm_private.search_parts(
        v_types, v_query.begun, v_query.number, v_query.beside, null, v_limit
      )
    ),
    misspelt as materialized (
      select entity_type, entity_id, rank / 4 as rank
      from crm_private.search_candidates(
        v_types, v_query.loose, replace(v_query.loose::text, '&', '|')::tsquery, null, null, null,
        null, v_limit
      )
      where (select count(*) from found) < enough
    ),
    alike as materialized (
      select *
      from crm_private.search_parts(v_types, null, null, null, v_query.words, v_limit)
      where not exists (select from found) and not exists (select from misspelt)
    ),
    ranked as materialized (
      select entity_type, entity_id, max(rank) as rank
      from (table found union all table misspelt union all table alike) as hits
      group by entity_type, entity_id
      order by max(rank) desc, entity_id
      limit v_first
    )
  select
    entity_type,
    entity_id,
    rank,
    crm_private.search_extract(
      body, v_query.marks, case when rank < 1 / 8.0 then v_query.near end, v_query.number
    ),
    case when entity_type = 'contact' then entity_id end,
    case when entity_type = 'company' then entity_id end,
    case when entity_type = 'deal' then entity_id end,
    case when entity_type = 'task' then entity_id end,
    case when entity_type = 'note' then entity_id end
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
  order by rank desc, entity_id;
end
$$;

comment on function crm.search(text, text[], integer) is
  'Contacts, companies, deals, tasks and notes that have the words of a query, the best first. '
  'The last word may be only begun; case and accents do not count; "words in quotes" stand in '
  'sequence; -word leaves out what has it; or parts alternatives. Where that finds fewer than five, '
  'a typing error in each word is forgiven. A phone number is found by four or more of its digits, an '
  'address by its parts. entityTypes are some of contact, company, deal, task and note, all if it '
  'is left out; first is how many hits there are at most, 100 if it is left out.';

revoke all on function crm.search(text, text[], integer) from public;
grant execute on function crm.search(text, text[], integer) to crm_reader;
--! EndIncluded functions/search.sql

--! split: 80-duplicates.sql
/*
 * Why: the same person and the same company are entered twice. This finds them: by address, phone
 *      number, domain and name, for one row or for all of a table.
 * Locks: crm.contacts and crm.companies against writers while an index of each is built, some 3
 *        seconds for 100,000 contacts.
 * Undone by: revert/000003.sql.
 */

do $types$
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
$types$;

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

--! Included functions/shared_domains.sql
/*
 * Domains that say nothing about whom somebody works for: mail for everyone, and networks where
 * companies have pages. An address or a link there makes no two contacts or companies alike.
 * Called where rows are compared; no index stands on it.
 */
create or replace function crm_private.shared_domains()
returns text[]
language sql
immutable
parallel safe
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

comment on function crm_private.shared_domains() is
  'Domains of mail for everyone and of networks, which make no two contacts or companies alike.';

revoke all on function crm_private.shared_domains() from public;
grant execute on function crm_private.shared_domains() to crm_reader;
--! EndIncluded functions/shared_domains.sql
--! Included functions/domain_of.sql
/*
 * The domain of a text that is a link, a host or an email address and nothing else, without www:
 * "https://www.acme.com/about" and "info@acme.com" are of acme.com. Null for any other text.
 */
create or replace function crm_private.domain_of(value text)
returns text
language sql
immutable
parallel safe
return case
  when char_length(value) <= 1000 then (
    regexp_match(
      lower(value collate "C"),
      '^\s*(?:https?://)?(?:[^\s@/]+@)?(?:www\.)?((?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,})'
      '(?::[0-9]+)?(?:[/?#]\S*)?\s*$'
    )
  )[1]
end;

comment on function crm_private.domain_of(text) is
  'The domain of a text that is a link, a host or an email address; null for any other text.';

revoke all on function crm_private.domain_of(text) from public;
grant execute on function crm_private.domain_of(text) to crm_reader;
--! EndIncluded functions/domain_of.sql
--! Included functions/plain_name.sql
/*
 * A name as it is compared: folded, words apart by one space, without punctuation. "O'Neill, Zoë"
 * becomes "oneill zoe". Inlined.
 */
create or replace function crm_private.plain_name(name text)
returns text
language sql
immutable
parallel safe
return btrim(regexp_replace(
  regexp_replace(crm_private.fold(name), '[''.`´’]+', '', 'g'),
  '[[:space:]!-/:-@[-`{-~]+', ' ', 'g'
));

comment on function crm_private.plain_name(text) is
  'A name as it is compared: folded and without punctuation.';

revoke all on function crm_private.plain_name(text) from public;
grant execute on function crm_private.plain_name(text) to crm_reader;
--! EndIncluded functions/plain_name.sql
--! Included functions/plain_company_name.sql
/*
 * A company's name as it is compared: plain, and without what says its legal form. "Acme Robotics
 * GmbH & Co. KG" becomes "acme robotics". A name that is nothing else stays. Inlined.
 */
create or replace function crm_private.plain_company_name(name text)
returns text
language sql
immutable
parallel safe
return regexp_replace(
  crm_private.plain_name(name),
  '(?: (?:ab|ag|aktiengesellschaft|ao|aps|as|asa|bhd|bv|bvba|co|company|corp|corporation|cv|doo|eg|'
  'eood|ev|gbr|gesmbh|gmbh|inc|incorporated|kabushiki kaisha|kft|kg|kgaa|kk|lda|limited|llc|llp|'
  'lp|ltd|ltda|mbh|nv|ohg|ood|ooo|oy|oyj|partg|plc|pte|pty|pvt|sa|sab|sae|sarl|sas|sasu|sdn|se|sl|'
  'slu|snc|spa|sp zoo|sp z oo|spol|spzoo|sro|srl|ug|vof|zrt))+$',
  ''
);

comment on function crm_private.plain_company_name(text) is
  'A company''s name as it is compared: plain, without its legal form.';

revoke all on function crm_private.plain_company_name(text) from public;
grant execute on function crm_private.plain_company_name(text) to crm_reader;
--! EndIncluded functions/plain_company_name.sql
--! Included functions/name_skeleton.sql
/*
 * What is left of a name when everything goes that is easily heard or typed otherwise: accents,
 * vowels, h, w and y, spaces and punctuation. "Jon Smith" and "John Smyth" are both "jnsmt". A name
 * of which nothing is left stays, folded.
 *
 * Every write of a name pays for it, so it is one pass, without folding what is ASCII, and inlined.
 */
create or replace function crm_private.name_skeleton(name text)
returns text
language sql
immutable
parallel safe
return case
  when octet_length(name) = char_length(name)
  then coalesce(
    nullif(translate(lower(name collate "C"), 'aeiouhwy .,-''&/()', ''), ''),
    lower(name collate "C")
  )
  else coalesce(
    nullif(translate(crm_private.fold(name), 'aeiouhwy .,-''’&/()', ''), ''),
    crm_private.fold(name)
  )
end;

comment on function crm_private.name_skeleton(text) is
  'A name without what is easily heard or typed otherwise.';

revoke all on function crm_private.name_skeleton(text) from public;
grant execute on function crm_private.name_skeleton(text) to crm_reader;
--! EndIncluded functions/name_skeleton.sql
--! Included functions/name_likeness.sql
/*
 * How alike two plain names are, from 0 to 1: the share of trigrams that they have in common, and
 * 0.8 at least if they sound alike, that is, have one skeleton of four letters or more. Whoever compares
 * many takes the skeletons once. Inlined.
 */
create or replace function crm_private.name_likeness(
  plain_name     text,
  other_name     text,
  skeleton       text,
  other_skeleton text
)
returns real
language sql
immutable
parallel safe
return case
  when plain_name = other_name then 1
  when skeleton = other_skeleton and length(skeleton) >= 4
  then greatest(extensions.similarity(plain_name, other_name), 0.8::real)
  else extensions.similarity(plain_name, other_name)
end;

comment on function crm_private.name_likeness(text, text, text, text) is
  'How alike two plain names are, from 0 to 1.';

revoke all on function crm_private.name_likeness(text, text, text, text) from public;
grant execute on function crm_private.name_likeness(text, text, text, text) to crm_reader;
--! EndIncluded functions/name_likeness.sql
--! Included functions/name_similarity.sql
/* How alike two plain names are, from 0 to 1: crm_private.name_likeness of both. */
create or replace function crm_private.name_similarity(plain_name text, other_name text)
returns real
language sql
immutable
parallel safe
return crm_private.name_likeness(
  plain_name, other_name,
  crm_private.name_skeleton(plain_name), crm_private.name_skeleton(other_name)
);

comment on function crm_private.name_similarity(text, text) is
  'How alike two plain names are, from 0 to 1.';

revoke all on function crm_private.name_similarity(text, text) from public;
grant execute on function crm_private.name_similarity(text, text) to crm_reader;
--! EndIncluded functions/name_similarity.sql
--! Included functions/phone_digits.sql
/*
 * The digits of a phone number without the zeros before them, and without the zero in brackets that
 * is not dialled from abroad: "+49 (0) 30 1234567" and "0049 30 1234567" are both 49301234567. Empty
 * if it has none. Inlined.
 */
create or replace function crm_private.phone_digits(phone text)
returns text
language sql
immutable
parallel safe
return ltrim(regexp_replace(replace(phone, '(0)', ''), '[^0-9]+', '', 'g'), '0');

comment on function crm_private.phone_digits(text) is
  'The digits of a phone number without leading zeros.';

revoke all on function crm_private.phone_digits(text) from public;
grant execute on function crm_private.phone_digits(text) to crm_reader;
--! EndIncluded functions/phone_digits.sql
--! Included functions/same_phone.sql
/*
 * True if two phone numbers can be one, written with and without country or area code: one ends with
 * the other, which has seven digits at least. Of longer numbers the last ten decide, because trunk
 * prefixes differ from country to country. Inlined.
 */
create or replace function crm_private.same_phone(digits text, other_digits text)
returns boolean
language sql
immutable
parallel safe
return least(length(digits), length(other_digits)) >= 7
  and right(digits, least(length(digits), length(other_digits), 10))
    = right(other_digits, least(length(digits), length(other_digits), 10));

comment on function crm_private.same_phone(text, text) is
  'True if two phone numbers, given as digits, can be one.';

revoke all on function crm_private.same_phone(text, text) from public;
grant execute on function crm_private.same_phone(text, text) to crm_reader;
--! EndIncluded functions/same_phone.sql
--! Included functions/contact_keys.sql
/*
 * The keys that a contact may share with its duplicates. Whoever shares one is compared, and nobody
 * else: the index contacts_match_keys stands on them.
 *
 * - name: the skeletons of both names, in either order; head and tail: how the two together begin
 *   and end, so that one error elsewhere does no harm.
 * - email: each address in lower case. Dots and plus signs stay: what they mean is the provider's
 *   affair.
 * - domain: of each address.
 * - phone: the last seven digits of each number, which are the same with and without area code.
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
begin
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
          regexp_replace(array_to_string(phones, '|'), '[^0-9|]+', '', 'g'),
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
--! EndIncluded functions/contact_keys.sql
--! Included functions/company_keys.sql
/*
 * The keys that a company may share with its duplicates, as crm_private.contact_keys makes them of a
 * contact. The index companies_match_keys stands on them.
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
--! EndIncluded functions/company_keys.sql

create index if not exists contacts_match_keys on crm.contacts
  using gin (crm_private.contact_keys(first_name, last_name, emails, phones));
create index if not exists companies_match_keys on crm.companies
  using gin (crm_private.company_keys(name, custom_fields));

--! Included functions/refuse_entity_type.sql
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
--! EndIncluded functions/refuse_entity_type.sql
--! Included functions/duplicate_doubt.sql
/*
 * How likely two rows are not one, from 0 to 1, by what they have in common. Each reason leaves a doubt,
 * and the doubts multiply: (1 - email) * (1 - phone) * (1 - domain) * (1 - name * similarity).
 *
 * An address is nearly a proof; a number may be that of an office or a family; colleagues share a
 * domain, and so may two companies of a group. Names count from a similarity of 0.5 on. Inlined.
 */
create or replace function crm_private.duplicate_doubt(
  entity_type     text,
  same_email      boolean,
  same_phone      boolean,
  same_domain     boolean,
  name_similarity real
)
returns double precision
language sql
immutable
parallel safe
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

comment on function crm_private.duplicate_doubt(text, boolean, boolean, boolean, real) is
  'How likely two rows are not one, from 0 to 1, by what they have in common.';

revoke all on function crm_private.duplicate_doubt(text, boolean, boolean, boolean, real) from public;
grant execute on function crm_private.duplicate_doubt(text, boolean, boolean, boolean, real) to crm_reader;
--! EndIncluded functions/duplicate_doubt.sql
--! Included functions/duplicate_score.sql
/* How likely two rows are one, from 0 to 1, to three digits: what crm_private.duplicate_doubt leaves. */
create or replace function crm_private.duplicate_score(
  entity_type     text,
  same_email      boolean,
  same_phone      boolean,
  same_domain     boolean,
  name_similarity real
)
returns double precision
language sql
immutable
parallel safe
return round(
  (1 - crm_private.duplicate_doubt(entity_type, same_email, same_phone, same_domain, name_similarity))
    ::numeric,
  3
)::double precision;

comment on function crm_private.duplicate_score(text, boolean, boolean, boolean, real) is
  'How likely two rows are one, from 0 to 1, by what they have in common.';

revoke all on function crm_private.duplicate_score(text, boolean, boolean, boolean, real) from public;
grant execute on function crm_private.duplicate_score(text, boolean, boolean, boolean, real) to crm_reader;
--! EndIncluded functions/duplicate_score.sql
--! Included functions/duplicate_reasons.sql
/* What two rows have in common, the strongest first. Names do from a similarity of 0.5 on. */
create or replace function crm_private.duplicate_reasons(
  same_email      boolean,
  same_phone      boolean,
  same_domain     boolean,
  name_similarity real
)
returns text[]
language sql
immutable
parallel safe
return array_remove(
  array[
    case when same_email then 'email' end,
    case when same_phone then 'phone' end,
    case when same_domain then 'domain' end,
    case when name_similarity >= 0.5 then 'name' end
  ],
  null
);

comment on function crm_private.duplicate_reasons(boolean, boolean, boolean, real) is
  'What two rows have in common, the strongest first.';

revoke all on function crm_private.duplicate_reasons(boolean, boolean, boolean, real) from public;
grant execute on function crm_private.duplicate_reasons(boolean, boolean, boolean, real)
  to crm_reader;
--! EndIncluded functions/duplicate_reasons.sql
--! Included functions/duplicate.sql
/*
 * A candidate, made of what it has in common with the row that it is compared with. One of the two
 * ids is the candidate's. Inlined.
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
begin atomic
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
end;

comment on function crm_private.duplicate(text, uuid, text, text, text, real) is
  'A candidate, made of what it has in common with the row that it is compared with.';

revoke all on function crm_private.duplicate(text, uuid, text, text, text, real) from public;
grant execute on function crm_private.duplicate(text, uuid, text, text, text, real) to crm_reader;
--! EndIncluded functions/duplicate.sql
--! Included functions/compare_contacts.sql
/*
 * What two contacts have in common, as a candidate for the first one. Addresses are compared without
 * regard to case, domains only if they belong to somebody. Inlined.
 */
create or replace function crm_private.compare_contacts(contact crm.contacts, other crm.contacts)
returns setof crm.duplicate
language sql
stable
parallel safe
begin atomic
  select candidate.*
  from (
    select
      (
        select min(lower(mine))
        from unnest(contact.emails) as mine
        join unnest(other.emails) as theirs on lower(theirs) = lower(mine)
      ) as email,
      (
        select min(mine)
        from unnest(contact.phones) as mine
        join unnest(other.phones) as theirs
          on crm_private.same_phone(
            crm_private.phone_digits(mine), crm_private.phone_digits(theirs)
          )
      ) as phone,
      (
        select min(split_part(lower(mine), '@', 2))
        from unnest(contact.emails) as mine
        join unnest(other.emails) as theirs
          on split_part(lower(theirs), '@', 2) = split_part(lower(mine), '@', 2)
        where split_part(lower(mine), '@', 2) <> all (crm_private.shared_domains())
      ) as domain,
      crm_private.name_similarity(
        crm_private.plain_name(contact.first_name || ' ' || contact.last_name),
        crm_private.plain_name(other.first_name || ' ' || other.last_name)
      ) as name_similarity
  ) as common
  cross join lateral crm_private.duplicate(
    'contact', other.id, common.email, common.phone, common.domain, common.name_similarity
  ) as candidate;
end;

comment on function crm_private.compare_contacts(crm.contacts, crm.contacts) is
  'What two contacts have in common.';

revoke all on function crm_private.compare_contacts(crm.contacts, crm.contacts) from public;
grant execute on function crm_private.compare_contacts(crm.contacts, crm.contacts) to crm_reader;
--! EndIncluded functions/compare_contacts.sql
--! Included functions/contacts_duplicates.sql
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
      where crm_private.contact_keys(
          other.first_name, other.last_name, other.emails, other.phones
        ) && array[key]
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
--! EndIncluded functions/contacts_duplicates.sql
--! Included functions/company_domains.sql
/*
 * The domains of a company: those that its custom fields name, and those of its contacts' email
 * addresses. Domains that belong to nobody in particular are none. Inlined.
 */
create or replace function crm_private.company_domains(company crm.companies)
returns setof text
language sql
stable
parallel safe
begin atomic
  select found.domain
  from jsonb_each_text(company.custom_fields) as field
  cross join lateral crm_private.domain_of(field.value) as found (domain)
  where company.custom_fields::text like '%.%'
    and found.domain <> all (crm_private.shared_domains())

  union

  select found.domain
  from crm.contacts as contact
  cross join lateral unnest(contact.emails) as email
  cross join lateral split_part(lower(email), '@', 2) as found (domain)
  where contact.company_id = company.id
    and found.domain <> all (crm_private.shared_domains());
end;

comment on function crm_private.company_domains(crm.companies) is
  'The domains that a company''s custom fields and its contacts'' addresses name.';

revoke all on function crm_private.company_domains(crm.companies) from public;
grant execute on function crm_private.company_domains(crm.companies) to crm_reader;
--! EndIncluded functions/company_domains.sql
--! Included functions/companies_duplicates.sql
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
      where crm_private.company_keys(company.name, company.custom_fields) && array[keys.key]
        and company.id <> record.id
      limit 1000
    ) as other

    union all

    select other.company_id, keys.domain
    from keys
    cross join lateral (
      select contact.company_id
      from crm.contacts as contact
      where crm_private.contact_keys(
          contact.first_name, contact.last_name, contact.emails, contact.phones
        ) && array[keys.key]
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
--! EndIncluded functions/companies_duplicates.sql
--! Included functions/find_duplicates.sql
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
--! EndIncluded functions/find_duplicates.sql
--! Included functions/contact_links.sql
/*
 * The pairs of contacts that may be one person, out of all contacts, with a score that reaches the
 * least one. Called by crm.duplicate_groups.
 *
 * Contacts are put in line for each key that they share, by name, and each is compared with the four
 * after it. So the work grows with the number of contacts, however many share a key, and a hundred
 * copies of one contact still hang together, neighbour by neighbour.
 *
 * Contacts are numbered and keys hashed, because most of the work is sorting.
 */
create or replace function crm_private.contact_links(p_min_score double precision)
returns table (id uuid, other_id uuid, score double precision, reasons text[])
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
-- Joined as written: how many pairs there will be is beyond the planner. Sorted in memory.
set join_collapse_limit = 1
set work_mem = '32MB'
as $$
  with contacts as materialized (
    select
      row_number() over () as number,
      contact.id,
      contact.phones,
      plain.name,
      crm_private.name_skeleton(plain.name) as skeleton,
      crm_private.contact_keys(
        contact.first_name, contact.last_name, contact.emails, contact.phones
      ) as keys
    from crm.contacts as contact
    cross join lateral (
      select crm_private.plain_name(contact.first_name || ' ' || contact.last_name) collate "C"
      offset 0
    ) as plain (name)
  ),
  lines as (
    select
      number,
      split_part(key, ':', 1) as kind,
      array_agg(number) over (
        partition by hashtextextended(key, 0)
        -- Where the key is the end of the name, those that end alike stand together.
        order by case when starts_with(key, 'tail:') then reverse(name) else name end, number
        rows between 1 following and 4 following
      ) as neighbours
    from contacts
    cross join lateral unnest(keys) as key
    where not starts_with(key, 'domain:')
  ),
  pairs as (
    select
      least(lines.number, neighbour.number) as one,
      greatest(lines.number, neighbour.number) as other,
      bool_or(kind = 'email') as same_email,
      bool_or(kind = 'phone') as maybe_same_phone
    from lines
    cross join lateral unnest(neighbours) as neighbour (number)
    where lines.number <> neighbour.number
    group by 1, 2
  ),
  compared as materialized (
    select *
    from (
      select
        pairs.*,
        crm_private.name_likeness(
          one.name, other.name, one.skeleton, other.skeleton
        ) as name_similarity
      from pairs
      join contacts as one on one.number = pairs.one
      join contacts as other on other.number = pairs.other
      offset 0
    ) as pair
    -- Rounding may lift a score by half a thousandth.
    where crm_private.duplicate_doubt(
      'contact', same_email, maybe_same_phone, true, name_similarity
    ) < 1.001 - p_min_score
  ),
  -- A domain of both, and a number that needs more than its end compared, are looked for only where
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
          crm_private.phone_digits(phone), crm_private.phone_digits(other_phone)
        )
      ) as same_phone,
      exists (
        select
        from unnest(one.keys) as key
        where starts_with(key, 'domain:')
          and key = any (other.keys)
          and substr(key, 8) <> all (crm_private.shared_domains())
      ) as same_domain,
      name_similarity
    from compared
    join contacts as one on one.number = compared.one
    join contacts as other on other.number = compared.other
  )

  select
    id,
    other_id,
    crm_private.duplicate_score('contact', same_email, same_phone, same_domain, name_similarity),
    crm_private.duplicate_reasons(same_email, same_phone, same_domain, name_similarity)
  from judged
  where crm_private.duplicate_score('contact', same_email, same_phone, same_domain, name_similarity)
    >= p_min_score;
$$;

comment on function crm_private.contact_links(double precision) is
  'The pairs of contacts that may be one person.';

revoke all on function crm_private.contact_links(double precision) from public;
grant execute on function crm_private.contact_links(double precision) to crm_reader;
--! EndIncluded functions/contact_links.sql
--! Included functions/company_links.sql
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
    select distinct contact.company_id, 'domain:' || split_part(lower(email), '@', 2) as key
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
        from unnest(
          crm_private.company_keys(company.name, company.custom_fields) || of_contacts.keys
        ) as key
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
--! EndIncluded functions/company_links.sql
--! Included functions/components.sql
/*
 * What hangs together in a graph of p_count nodes, 1 to p_count: for each node the least node that
 * paths lead to. The edge number i joins p_one[i] and p_other[i].
 *
 * A loop over rounds, each one statement over all edges. Every node takes the least label among its
 * neighbours', hands it to the node that its own label names, and jumps to the label of its label,
 * so a chain of any length is done in a number of rounds that grows with its logarithm.
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
  v_next   integer[];
begin
  loop
    v_next := array(
      select least(min(label), v_labels[node])
      from (
        select node, v_labels[node] as label from generate_series(1, p_count) as node
        union all
        select one, v_labels[other] from unnest(p_one, p_other) as edge (one, other)
        union all
        select other, v_labels[one] from unnest(p_one, p_other) as edge (one, other)
        union all
        select v_labels[one], v_labels[other] from unnest(p_one, p_other) as edge (one, other)
        union all
        select v_labels[other], v_labels[one] from unnest(p_one, p_other) as edge (one, other)
      ) as proposed (node, label)
      group by node
      order by node
    );
    v_next := array(select v_next[label] from unnest(v_next) with ordinality as l (label, node) order by node);
    exit when v_next = v_labels;
    v_labels := v_next;
  end loop;

  return v_labels;
end
$$;

comment on function crm_private.components(integer, integer[], integer[]) is
  'What hangs together in a graph: for each node the least one that it hangs together with.';

revoke all on function crm_private.components(integer, integer[], integer[]) from public;
grant execute on function crm_private.components(integer, integer[], integer[]) to crm_reader;
--! EndIncluded functions/components.sql
--! Included functions/duplicate_groups.sql
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
--! EndIncluded functions/duplicate_groups.sql
--! Included functions/duplicate_group_contacts.sql
/* The contacts of a group: GraphQL's field contacts. Inlined, so that it is part of the query. */
create or replace function crm.duplicate_group_contacts(record crm.duplicate_group)
returns setof crm.contacts
language sql
stable
parallel safe
begin atomic
  select contact.*
  from crm.contacts as contact
  where record.entity_type = 'contact'
    and contact.id = any (record.ids)
  order by contact.created_at, contact.id;
end;

comment on function crm.duplicate_group_contacts(crm.duplicate_group) is
  E'@behavior -queryField\nThe contacts of the group, the oldest first; none if it is one of companies.';

revoke all on function crm.duplicate_group_contacts(crm.duplicate_group) from public;
grant execute on function crm.duplicate_group_contacts(crm.duplicate_group) to crm_reader;
--! EndIncluded functions/duplicate_group_contacts.sql
--! Included functions/duplicate_group_companies.sql
/* The companies of a group: GraphQL's field companies. Inlined, so that it is part of the query. */
create or replace function crm.duplicate_group_companies(record crm.duplicate_group)
returns setof crm.companies
language sql
stable
parallel safe
begin atomic
  select company.*
  from crm.companies as company
  where record.entity_type = 'company'
    and company.id = any (record.ids)
  order by company.created_at, company.id;
end;

comment on function crm.duplicate_group_companies(crm.duplicate_group) is
  E'@behavior -queryField\nThe companies of the group, the oldest first; none if it is one of contacts.';

revoke all on function crm.duplicate_group_companies(crm.duplicate_group) from public;
grant execute on function crm.duplicate_group_companies(crm.duplicate_group) to crm_reader;
--! EndIncluded functions/duplicate_group_companies.sql

--! split: 81-merge.sql
/*
 * Why: what was entered twice becomes one row again, with everything that belongs to it.
 * Locks: nothing that exists.
 * Undone by: revert/000003.sql.
 */

do $types$
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
$types$;

comment on type crm.contact_merge is
  E'@foreignKey (contact_id) references crm.contacts (id)|@forwardDescription The contact that is left.|@behavior -manyRelation\n'
  'What a merge of contacts did.';
comment on column crm.contact_merge.contact_id is
  E'@notNull\nThe contact that is left.';
comment on column crm.contact_merge.transaction_id is
  E'@notNull\nThe transaction, by which the journal has it and it can be undone.';
comment on column crm.contact_merge.deals_moved is
  E'@notNull\nHow many deals became its own.';
comment on column crm.contact_merge.tasks_moved is
  E'@notNull\nHow many tasks became its own.';
comment on column crm.contact_merge.notes_moved is
  E'@notNull\nHow many notes became its own.';

comment on type crm.company_merge is
  E'@foreignKey (company_id) references crm.companies (id)|@forwardDescription The company that is left.|@behavior -manyRelation\n'
  'What a merge of companies did.';
comment on column crm.company_merge.company_id is
  E'@notNull\nThe company that is left.';
comment on column crm.company_merge.transaction_id is
  E'@notNull\nThe transaction, by which the journal has it and it can be undone.';
comment on column crm.company_merge.contacts_moved is
  E'@notNull\nHow many contacts became its own.';
comment on column crm.company_merge.deals_moved is
  E'@notNull\nHow many deals became its own.';
comment on column crm.company_merge.tasks_moved is
  E'@notNull\nHow many tasks became its own.';
comment on column crm.company_merge.notes_moved is
  E'@notNull\nHow many notes became its own.';

--! Included functions/check_merge.sql
/*
 * Refuses what cannot be merged, with all faults at once, and gives the chosen fields by column.
 * Called by crm.merge_contacts and crm.merge_companies.
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
  with given as (
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
    from given
    where attname is null

    union all

    select crm_private.camel_case(attname), 'is given twice', v_table || '_fields_known'
    from given
    where attname is not null
    group by attname
    having count(*) > 1

    union all

    select
      key,
      case atttypid
        when 'text[]'::regtype  then 'must be a list of texts'
        when 'uuid'::regtype    then 'must be a UUID'
        when 'integer'::regtype then 'must be a whole number below 2,147,483,648'
        else 'must be text'
      end,
      v_table || '_fields_type'
    from given
    where attname is not null
      and jsonb_typeof(value) <> 'null'
      and not case atttypid
        when 'text[]'::regtype then
          jsonb_typeof(value) = 'array'
          and not jsonb_path_exists(
            value, 'strict $[*] ? (@.type() != "string" && @.type() != "null")'
          )
        when 'uuid'::regtype then
          jsonb_typeof(value) = 'string'
          and value #>> '{}' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
        when 'integer'::regtype then
          jsonb_typeof(value) = 'number'
          and jsonb_path_exists(value, '$ ? (@ > -2147483648 && @ < 2147483648 && @ == @.floor())')
        -- Whether JSON is an object is for the column's own check to say.
        when 'jsonb'::regtype then true
        else jsonb_typeof(value) = 'string'
      end
  )
  select
    (select jsonb_object_agg(attname, value) from given where attname is not null),
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
--! EndIncluded functions/check_merge.sql
--! Included functions/united.sql
/*
 * The email addresses, or phone numbers, of several rows in one list: those of the first row as they
 * are, then what the others add, in order. Addresses are compared without regard to case, numbers by
 * their digits: a number with and without its country code stays twice, for whoever knows which is
 * right. p_lists is an array of arrays. Called where contacts are merged.
 */
create or replace function crm_private.united(p_lists jsonb)
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
          when strpos(element.value, '@') > 0 then lower(element.value)
          else coalesce(
            nullif(crm_private.phone_digits(element.value), ''), crm_private.fold(element.value)
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

comment on function crm_private.united(jsonb) is
  'Lists of email addresses or phone numbers in one, without what is there already.';

revoke all on function crm_private.united(jsonb) from public;
grant execute on function crm_private.united(jsonb) to crm_member;
--! EndIncluded functions/united.sql
--! Included functions/united_custom_fields.sql
/* The custom fields of several rows in one object: of each, the value of the first row that has it. */
create or replace function crm_private.united_custom_fields(p_objects jsonb[])
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

comment on function crm_private.united_custom_fields(jsonb[]) is
  'The custom fields of several rows in one object: of each, the first value.';

revoke all on function crm_private.united_custom_fields(jsonb[]) from public;
grant execute on function crm_private.united_custom_fields(jsonb[]) to crm_member;
--! EndIncluded functions/united_custom_fields.sql
--! Included functions/merge_contacts.sql
/*
 * Makes one contact of several: the winner stays, the losers go. Runs with the caller's rights, who
 * could do all of it by hand.
 *
 * 1. Locks the contacts by id, so that merges that overlap come one after the other and whoever
 *    links something to a loser meanwhile waits, and is refused when the loser is gone. Companies
 *    come before contacts, deals, tasks and notes everywhere, lest two merges wait for each other.
 * 2. Writes the winner: the chosen fields, or what it has, or what the first loser has where it has
 *    nothing; custom fields one by one; email addresses and phone numbers of all.
 * 3. Moves deals, tasks and notes to the winner.
 * 4. Deletes the losers. Nothing is attached to them any more, so nothing goes with them.
 *
 * Every step is a statement that the journal has, in one transaction: reversed from the last entry to
 * the first, they give back exactly what was.
 */
create or replace function crm.merge_contacts(
  winner uuid,
  losers uuid[],
  fields jsonb default '{}'
)
returns crm.contact_merge
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_chosen jsonb  := crm_private.check_merge('crm.contacts', winner, losers, fields);
  v_ids    uuid[] := winner || losers;
  v_found  uuid[];
  v_united jsonb;
  v_merge  crm.contact_merge;
begin
  perform
  from crm.companies
  where id in (select company_id from crm.contacts where contacts.id = any (v_ids))
  order by id
  for key share;

  v_found := array(
    select id from crm.contacts where id = any (v_ids) order by id for update
  );
  if cardinality(v_found) < cardinality(v_ids) then
    perform crm_private.refuse_missing(
      'contact', variadic array(select id::text from unnest(v_ids) as id where id <> all (v_found))
    );
  end if;

  select jsonb_build_object(
    'company_id', (array_agg(company_id order by rank) filter (where company_id is not null))[1],
    'owner_id',   (array_agg(owner_id order by rank) filter (where owner_id is not null))[1],
    'emails',     crm_private.united(jsonb_agg(emails order by rank)),
    'phones',     crm_private.united(jsonb_agg(phones order by rank)),
    'custom_fields', crm_private.united_custom_fields(array_agg(custom_fields order by rank))
  )
  into v_united
  from unnest(v_ids) with ordinality as merged (id, rank)
  join crm.contacts using (id);

  if jsonb_typeof(v_chosen -> 'custom_fields') = 'object' then
    v_united := jsonb_set(
      v_united, '{custom_fields}',
      (v_united -> 'custom_fields') || (v_chosen -> 'custom_fields')
    );
    v_chosen := v_chosen - 'custom_fields';
  end if;

  update crm.contacts as contact
  set (
    first_name, last_name, emails, phones, company_id, owner_id, custom_fields, version
  ) = (
    select
      chosen.first_name, chosen.last_name, chosen.emails, chosen.phones, chosen.company_id,
      chosen.owner_id, chosen.custom_fields, chosen.version
    from jsonb_populate_record(contact, v_united || v_chosen) as chosen
  )
  where contact.id = winner;

  with locked as (
    select id from crm.deals where contact_id = any (losers) order by id for no key update
  )
  update crm.deals
  set contact_id = winner
  from locked
  where deals.id = locked.id;
  get diagnostics v_merge.deals_moved = row_count;

  with locked as (
    select id from crm.tasks where contact_id = any (losers) order by id for no key update
  )
  update crm.tasks
  set entity_id = winner
  from locked
  where tasks.id = locked.id;
  get diagnostics v_merge.tasks_moved = row_count;

  with locked as (
    select id from crm.notes where contact_id = any (losers) order by id for no key update
  )
  update crm.notes
  set entity_id = winner
  from locked
  where notes.id = locked.id;
  get diagnostics v_merge.notes_moved = row_count;

  delete from crm.contacts where id = any (losers);

  v_merge.contact_id     := winner;
  v_merge.transaction_id := pg_current_xact_id()::text::bigint;
  return v_merge;
end
$$;

comment on function crm.merge_contacts(uuid, uuid[], jsonb) is
  'Makes one contact of several. The winner gets every deal, task and note of the losers, all email '
  'addresses and phone numbers, and what it has no value for; then the losers are deleted. fields '
  'holds the values that are to win, as a patch has them; customFields one by one, null removes '
  'one. With a version it is refused if the winner has another by now.';

revoke all on function crm.merge_contacts(uuid, uuid[], jsonb) from public;
grant execute on function crm.merge_contacts(uuid, uuid[], jsonb) to crm_member;
--! EndIncluded functions/merge_contacts.sql
--! Included functions/merge_companies.sql
/*
 * Makes one company of several, as crm.merge_contacts does of contacts; contacts and deals of the
 * losers become the winner's.
 */
create or replace function crm.merge_companies(
  winner uuid,
  losers uuid[],
  fields jsonb default '{}'
)
returns crm.company_merge
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_chosen jsonb  := crm_private.check_merge('crm.companies', winner, losers, fields);
  v_ids    uuid[] := winner || losers;
  v_found  uuid[];
  v_united jsonb;
  v_merge  crm.company_merge;
begin
  v_found := array(
    select id from crm.companies where id = any (v_ids) order by id for update
  );
  if cardinality(v_found) < cardinality(v_ids) then
    perform crm_private.refuse_missing(
      'company', variadic array(select id::text from unnest(v_ids) as id where id <> all (v_found))
    );
  end if;

  select jsonb_build_object(
    'address',  (array_agg(address order by rank) filter (where address <> '{}'))[1],
    'owner_id', (array_agg(owner_id order by rank) filter (where owner_id is not null))[1],
    'custom_fields', crm_private.united_custom_fields(array_agg(custom_fields order by rank))
  )
  into v_united
  from unnest(v_ids) with ordinality as merged (id, rank)
  join crm.companies using (id);

  if jsonb_typeof(v_chosen -> 'custom_fields') = 'object' then
    v_united := jsonb_set(
      v_united, '{custom_fields}',
      (v_united -> 'custom_fields') || (v_chosen -> 'custom_fields')
    );
    v_chosen := v_chosen - 'custom_fields';
  end if;

  update crm.companies as company
  set (name, address, owner_id, custom_fields, version) = (
    select
      chosen.name, chosen.address, chosen.owner_id, chosen.custom_fields, chosen.version
    from jsonb_populate_record(company, v_united || v_chosen) as chosen
  )
  where company.id = winner;

  with locked as (
    select id from crm.contacts where company_id = any (losers) order by id for no key update
  )
  update crm.contacts
  set company_id = winner
  from locked
  where contacts.id = locked.id;
  get diagnostics v_merge.contacts_moved = row_count;

  with locked as (
    select id from crm.deals where company_id = any (losers) order by id for no key update
  )
  update crm.deals
  set company_id = winner
  from locked
  where deals.id = locked.id;
  get diagnostics v_merge.deals_moved = row_count;

  with locked as (
    select id from crm.tasks where company_id = any (losers) order by id for no key update
  )
  update crm.tasks
  set entity_id = winner
  from locked
  where tasks.id = locked.id;
  get diagnostics v_merge.tasks_moved = row_count;

  with locked as (
    select id from crm.notes where company_id = any (losers) order by id for no key update
  )
  update crm.notes
  set entity_id = winner
  from locked
  where notes.id = locked.id;
  get diagnostics v_merge.notes_moved = row_count;

  delete from crm.companies where id = any (losers);

  v_merge.company_id     := winner;
  v_merge.transaction_id := pg_current_xact_id()::text::bigint;
  return v_merge;
end
$$;

comment on function crm.merge_companies(uuid, uuid[], jsonb) is
  'Makes one company of several. The winner gets every contact, deal, task and note of the losers, '
  'and what it has no value for; then the losers are deleted. fields holds the values that are to '
  'win, as a patch has them; customFields one by one, null removes one. With a version it is refused '
  'if the winner has another by now.';

revoke all on function crm.merge_companies(uuid, uuid[], jsonb) from public;
grant execute on function crm.merge_companies(uuid, uuid[], jsonb) to crm_member;
--! EndIncluded functions/merge_companies.sql

--! split: 90-triggers.sql
/*
 * Why: what is compiled from tables and definitions follows from all of the above: the stamps and
 *      the journal pass over generated columns, an undo tells the journal what it undoes.
 * Locks: the tables of entities against writers, for a moment.
 * Undone by: revert/000003.sql.
 */

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
--! Included functions/bind_stamps.sql
/*
 * Binds the stamps to a table: makes crm_private.<table>_stamp, compiled from the table's columns, and
 * the triggers that stamp its rows. Generated columns have no value yet when it runs, and would make
 * every update look like a change; they follow from the others, so it gives them their old ones.
 *
 * Call it in the migration that adds or removes a generated column; a test finds where that was
 * forgotten.
 */
create or replace function crm_private.bind_stamps(p_table regclass, p_entity_type text)
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
    'is distinct from (1, now(), now(), crm.current_user_id(), new.created_by)) '
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

comment on function crm_private.bind_stamps(regclass, text) is
  'Makes the triggers that stamp the rows of a table, compiled from its columns.';

revoke all on function crm_private.bind_stamps(regclass, text) from public;
--! EndIncluded functions/bind_stamps.sql
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
set search_path = pg_catalog, pg_temp
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

create or replace function crm_private.normalise_deal_probability()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
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
 * - A row that an undo brings back keeps who created it, when, and who changed it last; its version
 *   goes on, and it is updated now.
 * - An update that carries another version than the row has meets SQLSTATE CRM01, with what is
 *   current as its detail. One that carries none has the row's own version, and passes.
 * - An update that changes nothing changes nothing: neither version nor updated_at move, and the
 *   journal has no entry. Any other increases the version by one, and updated_at even within a
 *   transaction.
 * - The id of a row never changes.
 *
 * crm_private.bind_stamps compiles what updates need from the columns of each table.
 */

create or replace function crm_private.stamp_insert()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- A row that comes back goes on where it was. Nobody but the owner can ask for the plan, so whoever
  -- else sets the setting is refused.
  if current_setting('crm.reversing', true) = pg_current_xact_id()::text
    and (crm_private.planned_reversal(new.id)).before ? 'id'
  then
    new.version    := new.version + 1;
    new.updated_at := greatest(clock_timestamp(), new.updated_at + interval '1 microsecond');
    return new;
  end if;

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

select crm_private.bind_stamps('crm.contacts', 'contact');
select crm_private.bind_stamps('crm.companies', 'company');
select crm_private.bind_stamps('crm.deals', 'deal');
select crm_private.bind_stamps('crm.tasks', 'task');
select crm_private.bind_stamps('crm.notes', 'note');
select crm_private.bind_stamps('crm.custom_field_definitions', 'custom_field_definition');
select crm_private.bind_stamps('crm.pipeline_stages', 'pipeline_stage');
select crm_private.bind_stamps('crm.api_keys', 'api_key');

-- That a key is used is no change of it, and nothing for the journal.
create or replace trigger _110_stamp_update before update on crm.api_keys
  for each row when (new.last_used_at is not distinct from old.last_used_at)
  execute function crm_private.api_keys_stamp('api_key');
--! EndIncluded triggers/110_stamp.sql
drop function if exists crm_private.stamp_update();
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
select crm_private.bind_rules('crm.api_keys');
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
set search_path = pg_catalog, pg_temp
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
select crm_private.bind_journal('crm.api_keys', 'api_key');

/*
 * TRUNCATE has no rows to journal, so it is refused. Nor can the journal itself
 * be emptied by it; crm_private.ensure_audit_partitions binds it to the other partitions.
 */
create or replace function crm_private.refuse_truncate()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
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
create or replace trigger _900_refuse_truncate before truncate on crm.api_keys
  for each statement execute function crm_private.refuse_truncate();
create or replace trigger _900_refuse_truncate before truncate on crm.audit_logs
  for each statement execute function crm_private.refuse_truncate();
create or replace trigger _900_refuse_truncate before truncate on crm_private.audit_logs_other
  for each statement execute function crm_private.refuse_truncate();
--! EndIncluded triggers/900_journal.sql
