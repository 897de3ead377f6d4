/*
 * Returns all rows of an entity type that a query finds, ranked: the search within a list. Unlike
 * crm.search, it ranks every row that matches, because the filter of the list may leave any of
 * them. Lists are joined with it; its estimate of 20 rows lets the planner look each of them up.
 *
 * Raises for a query of more than 1,000 characters. Runs with the caller's rights.
 */
create or replace function crm_private.search_rows(entity_type text, search text)
returns table (entity_id uuid, rank double precision, name_length integer)
language plpgsql
stable
parallel safe
rows 20
set search_path = pg_catalog, pg_temp
as $$
declare
  v_query crm_private.parsed_search;
begin
  if length(search) > 1000 then
    raise exception 'search must have at most 1,000 characters'
      using errcode    = 'check_violation',
            schema     = 'crm',
            constraint = 'search_query_length',
            detail     = '{"search": ["must have at most 1,000 characters"]}',
            hint       = 'Search for fewer words.';
  end if;

  select * into v_query from crm_private.search_query(search, crm_private.default_country());

  return query
  select match.entity_id, match.rank, match.name_length
  from crm_private.search_matches(array[entity_type], v_query, null) as match;
end
$$;

comment on function crm_private.search_rows(text, text) is
  'Returns all rows of an entity type that a query finds, ranked.';

revoke all on function crm_private.search_rows(text, text) from public;
grant execute on function crm_private.search_rows(text, text) to crm_reader;
