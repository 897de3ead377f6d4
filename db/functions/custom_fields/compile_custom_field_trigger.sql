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
