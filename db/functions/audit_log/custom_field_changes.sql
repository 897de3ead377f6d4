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
