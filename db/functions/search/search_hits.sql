/*
 * Returns the hits of crm.search, which calls it. It proceeds in steps while it has found too
 * little: first the words as typed, then words with one typing error each, then parts of names that
 * are similar. crm_private.search_query parses a query, crm_private.search_candidates ranks the
 * hits.
 *
 * Raises for a query of more than 1,000 characters, an unknown entity type, and a first below 0 or
 * above 1,000. Runs with the caller's rights: no one finds a row that they cannot read.
 */
create or replace function crm_private.search_hits(
  query        text,
  entity_types text[],
  first        integer
)
returns table (
  entity_type text,
  entity_id   uuid,
  rank        double precision,
  "extract"   text,
  place       integer
)
language plpgsql
stable
parallel safe
rows 20
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  enough   constant integer := 5; -- with fewer hits the search goes on
  v_known  text[];
  v_types  text[]  := entity_types;
  v_names  text[]; -- those of v_types that are searched by name
  v_texts  text[]; -- and as a text
  v_first  integer := coalesce(first, 100);
  v_limit  integer := greatest(v_first, 200); -- hits to rank, of each type
  v_fault  record;
  v_query  record;
begin
  select
    array_agg(type.entity_type order by type.search_order, type.restore_order),
    coalesce(v_types, array_agg(type.entity_type)),
    array_agg(type.entity_type)
      filter (where type.searched_by = 'name' and v_types @> array[type.entity_type] is not false),
    array_agg(type.entity_type)
      filter (where type.searched_by = 'text' and v_types @> array[type.entity_type] is not false)
  into v_known, v_types, v_names, v_texts
  from crm_private.entity_types as type
  where type.searched_by is not null;

  select
    jsonb_object_agg(field, jsonb_build_array(message))       as fields,
    string_agg(field || ' ' || message, '; ' order by ordinal) as summary,
    (array_agg(rule order by ordinal))[1]                      as rule,
    (array_agg(hint order by ordinal))[1]                      as hint
  into v_fault
  from (
    values
      (1, 'search_query_length', 'query', 'must have at most 1,000 characters',
        'Search for fewer words.', length(query) > 1000),
      (2, 'search_entity_types_known', 'entityTypes',
        'must be some of ' || array_to_string(v_known, ', '),
        'Leave the entity types out to search all of them.', not (v_types <@ v_known)),
      (3, 'search_first_range', 'first', 'must be between 0 and 1,000',
        'Leave first out to get at most 100 hits.', v_first not between 0 and 1000)
  ) as rules (ordinal, rule, field, message, hint, is_broken)
  where is_broken;

  if v_fault.fields is not null then
    raise exception 'search: %', v_fault.summary
      using errcode    = 'check_violation',
            schema     = 'crm',
            constraint = v_fault.rule,
            detail     = v_fault.fields::text,
            hint       = v_fault.hint;
  end if;

  select * into v_query from crm_private.search_query(query, crm_private.default_country());

  return query
  with
    found as materialized (
      select *
      from crm_private.search_candidates(
        v_types, v_query.exact, v_query.indexed, v_query.typed, v_query.whole,
        v_query.whole_names, v_query.typed_names, v_query.named, v_limit
      )
      union all
      select *
      from crm_private.search_parts(
        v_types, v_query.begun, v_query.numbers, v_query.phone, v_query.beside, null, v_limit
      )
    ),
    misspelt_names as materialized (
      select entity_type, entity_id, rank / 4 as rank, name_length, created_at
      from crm_private.search_candidates(
        v_names, null, v_query.loose,
        replace(v_query.loose::text, '&', '|')::tsquery, null, null, null, null, v_limit
      )
      where (select count(*) from found) < enough
    ),
    -- For texts: the query, and the stems to mark.
    forgiven as materialized (
      select
        query,
        v_query.stems || array(
          select stem[1] from regexp_matches(query::text, '''\^([^'']+)''', 'g') as stem
        ) as stems
      from crm_private.search_misspelt(v_query.loose_texts) as query
      where (select count(*) from found) + (select count(*) from misspelt_names) < enough
        and v_texts is not null
    ),
    misspelt as materialized (
      table misspelt_names
      union all
      select candidate.entity_type, entity_id, rank / 4, name_length, created_at
      from forgiven
      cross join lateral crm_private.search_candidates(
        v_texts, null, query, replace(query::text, '&', '|')::tsquery, null, null, null, null, v_limit
      ) as candidate
    ),
    alike as materialized (
      select *
      from crm_private.search_parts(v_types, null, null, null, null, v_query.words, v_limit)
      where not exists (select from found) and not exists (select from misspelt)
    ),
    -- By rank, shorter names, the order of the entity types, newer rows.
    ranked as materialized (
      select
        entity_type,
        entity_id,
        rank,
        row_number() over (
          order by
            rank desc,
            name_length nulls last,
            type.search_order,
            created_at desc,
            entity_id
        ) as place
      from (
        select distinct on (entity_type, entity_id) *
        from (table found union all table misspelt union all table alike) as hits
        order by entity_type, entity_id, rank desc
      ) as hit
      join crm_private.entity_types as type using (entity_type)
      order by place
      limit v_first
    )
  select
    entity_type,
    entity_id,
    rank,
    -- Empty if the caller can read nothing of what matches.
    coalesce(
      crm_private.search_extract(
        crm_private.search_body(entity_type, entity_id),
        v_query.marks,
        case
          when entity_type = any (v_texts) then coalesce((select stems from forgiven), v_query.stems)
        end,
        case when rank < 1 / 8.0 then v_query.near end,
        v_query.number
      ),
      ''
    ),
    place::integer
  from ranked
  order by place;
end
$$;

comment on function crm_private.search_hits(text, text[], integer) is
  'Returns the hits of crm.search, the best first.';

revoke all on function crm_private.search_hits(text, text[], integer) from public;
grant execute on function crm_private.search_hits(text, text[], integer) to crm_reader;
