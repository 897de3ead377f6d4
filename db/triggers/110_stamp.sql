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
