/*
 * Returns the position of each text of a list among the choices, from 1; null for a text that is
 * not a choice. Rows are ordered by it if their values are lists of choices. Called by the API.
 */
create or replace function crm_private.positions(p_values text[], p_choices text[])
returns integer[]
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return array(
    select array_position(p_choices, input.value)
    from unnest(p_values) with ordinality as input (value, ordinal)
    order by input.ordinal
  );
end
$$;

comment on function crm_private.positions(text[], text[]) is
  'Returns the position of each text of a list among the choices, from 1.';

revoke all on function crm_private.positions(text[], text[]) from public;
grant execute on function crm_private.positions(text[], text[]) to crm_reader;
