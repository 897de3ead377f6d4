/*
 * Returns the texts among the members of an object, such as custom fields or an address, one after
 * the other. A value that is no object has none: a generated column is computed before a check can
 * refuse the value.
 */
create or replace function crm_private.search_texts(members jsonb)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  if not jsonb_path_exists(members, 'strict $.* ? (@.type() == "string")', silent => true) then
    return null;
  end if;
  return (
    select left(string_agg(member #>> '{}', ' '), 100000)
    from jsonb_path_query(members, 'strict $.* ? (@.type() == "string")', silent => true) as member
  );
end
$$;

comment on function crm_private.search_texts(jsonb) is
  'Returns the texts among the members of an object.';

revoke all on function crm_private.search_texts(jsonb) from public;
grant execute on function crm_private.search_texts(jsonb) to crm_reader;
