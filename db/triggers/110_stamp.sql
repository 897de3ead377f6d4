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
