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
