/* Returns how similar two plain names are, from 0 to 1, by crm_private.name_likeness. */
create or replace function crm_private.name_similarity(plain_name text, other_name text)
returns real
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return crm_private.name_likeness(
    plain_name, other_name,
    crm_private.name_skeleton(plain_name), crm_private.name_skeleton(other_name)
  );
end
$$;

comment on function crm_private.name_similarity(text, text) is
  'Returns how similar two plain names are, from 0 to 1.';

revoke all on function crm_private.name_similarity(text, text) from public;
grant execute on function crm_private.name_similarity(text, text) to crm_reader;
