/*
 * Returns the values that an importing session has set in a new row, as opposed to those that the
 * database sets otherwise, and their names as @imported; an empty object if there are none. Called
 * by the audit log for each row of an import.
 */
create or replace function crm_private.imported_values(p_given jsonb, p_usual jsonb)
returns jsonb
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    jsonb_object_agg(name, value)
      || jsonb_build_object('@imported', jsonb_agg(name order by name)),
    '{}'
  )
  from jsonb_each(p_given) as given (name, value)
  where value <> 'null' and value <> p_usual -> name;
$$;

comment on function crm_private.imported_values(jsonb, jsonb) is
  'Returns the values that an importing session has set in a new row, and their names.';

revoke all on function crm_private.imported_values(jsonb, jsonb) from public;
