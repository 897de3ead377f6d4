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
