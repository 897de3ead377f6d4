/*
 * Returns the rows that a query finds, once each, ranked. parsed is the result of
 * crm_private.search_query. It proceeds in steps while it has found too little: first the words as
 * typed, then words with one typing error each, then parts of names that are similar.
 * crm_private.search_candidates and crm_private.search_parts rank the rows, at most p_limit of each
 * entity type, or all if it is null.
 *
 * Called by crm_private.search_hits and crm_private.search_rows. Runs with the caller's rights.
 */
create or replace function crm_private.search_matches(
  entity_types text[],
  parsed       crm_private.parsed_search,
  p_limit      integer
)
returns table (
  entity_type text,
  entity_id   uuid,
  rank        double precision,
  name_length integer,
  created_at  timestamptz,
  stems       text[] -- to mark, of a text with misspelt words; otherwise null
)
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  enough  constant integer := 5; -- with fewer rows the search goes on
  v_types constant text[]  := entity_types;
  v_names text[]; -- those that are searched by name
  v_texts text[]; -- and as a text
begin
  select
    array_agg(type.entity_type) filter (where type.searched_by = 'name'),
    array_agg(type.entity_type) filter (where type.searched_by = 'text')
  into v_names, v_texts
  from crm_private.entity_types as type
  where type.entity_type = any (v_types);

  return query
  with
    found as materialized (
      select *
      from crm_private.search_candidates(
        v_types, parsed.exact, parsed.indexed, parsed.typed, parsed.whole,
        parsed.whole_names, parsed.typed_names, parsed.named, p_limit
      )
      union all
      select *
      from crm_private.search_parts(
        v_types, parsed.begun, parsed.numbers, parsed.phone, parsed.beside, null, p_limit
      )
    ),
    misspelt_names as materialized (
      select entity_type, entity_id, rank / 4 as rank, name_length, created_at
      from crm_private.search_candidates(
        v_names, null, parsed.loose,
        replace(parsed.loose::text, '&', '|')::tsquery, null, null, null, null, p_limit
      )
      where (select count(*) from found) < enough
    ),
    -- For texts: the query, and the stems to mark. The argument depends on what was found, so that
    -- the planner does not call the function in advance.
    forgiven as materialized (
      select
        query,
        parsed.stems || array(
          select stem[1] from regexp_matches(query::text, '''\^([^'']+)''', 'g') as stem
        ) as stems
      from crm_private.search_misspelt(
        case
          when (select count(*) from found) + (select count(*) from misspelt_names) < enough
            and v_texts is not null
          then parsed.loose_texts
        end
      ) as query
      where query is not null
    ),
    misspelt as materialized (
      table misspelt_names
      union all
      select candidate.entity_type, entity_id, rank / 4, name_length, created_at
      from forgiven
      cross join lateral crm_private.search_candidates(
        v_texts, null, query, replace(query::text, '&', '|')::tsquery, null, null, null, null, p_limit
      ) as candidate
    ),
    alike as materialized (
      select *
      from crm_private.search_parts(v_types, null, null, null, null, parsed.words, p_limit)
      where not exists (select from found) and not exists (select from misspelt)
    )
  -- By the id first: comparing uuids is fast.
  select distinct on (entity_id, entity_type)
    hit.*,
    case when entity_type = any (v_texts) then (select stems from forgiven) end
  from (table found union all table misspelt union all table alike) as hit
  order by entity_id, entity_type, rank desc;
end
$$;

comment on function crm_private.search_matches(text[], crm_private.parsed_search, integer) is
  'Returns the rows that a parsed query finds, ranked.';

revoke all on function crm_private.search_matches(text[], crm_private.parsed_search, integer)
  from public;
grant execute on function crm_private.search_matches(text[], crm_private.parsed_search, integer)
  to crm_reader;
