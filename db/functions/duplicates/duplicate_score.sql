/*
 * Returns how likely it is that two rows are the same, from 0 to 1, to three digits: 1 minus
 * crm_private.duplicate_doubt.
 */
create or replace function crm_private.duplicate_score(
  entity_type     text,
  same_email      boolean,
  same_phone      boolean,
  same_domain     boolean,
  name_similarity real
)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return round(
    (1 - crm_private.duplicate_doubt(entity_type, same_email, same_phone, same_domain, name_similarity))
      ::numeric,
    3
  )::double precision;
end
$$;

comment on function crm_private.duplicate_score(text, boolean, boolean, boolean, real) is
  'Returns how likely it is that two rows are the same, from 0 to 1.';

revoke all on function crm_private.duplicate_score(text, boolean, boolean, boolean, real) from public;
grant execute on function crm_private.duplicate_score(text, boolean, boolean, boolean, real) to crm_reader;
