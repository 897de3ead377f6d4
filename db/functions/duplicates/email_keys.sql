/*
 * Returns the match keys of contacts with any of these addresses; an index finds the contacts by
 * them. Called by filters that ignore case.
 */
create or replace function crm_private.email_keys(addresses text[])
returns text[]
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return array(
    select 'email:' || crm_private.plain_email(address) from unnest(addresses) as address
  );
end
$$;

comment on function crm_private.email_keys(text[]) is
  'Returns the match keys of contacts with any of these addresses.';

revoke all on function crm_private.email_keys(text[]) from public;
grant execute on function crm_private.email_keys(text[]) to crm_reader;
