/*
 * Returns the texts of a JSON list, in order; null for a value that is not a list. The value of a
 * multi_enum field.
 */
create or replace function crm_private.texts(value jsonb)
returns text[]
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select case
    when jsonb_typeof(value) = 'array' then array(select jsonb_array_elements_text(value))
  end;
$$;

comment on function crm_private.texts(jsonb) is
  'Returns the texts of a JSON list; null for a value that is not a list.';

revoke all on function crm_private.texts(jsonb) from public;
grant execute on function crm_private.texts(jsonb) to crm_reader;
