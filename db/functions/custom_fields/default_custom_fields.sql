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
