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
