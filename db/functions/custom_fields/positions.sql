/*
 * Where each of some texts stands among choices, from 1: what rows are ordered by whose values are lists
 * of choices. A choice that is not there has null.
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
  'Where each of some texts stands among choices, from 1.';

revoke all on function crm_private.positions(text[], text[]) from public;
grant execute on function crm_private.positions(text[], text[]) to crm_reader;
