/*
 * Returns the hits of crm.search, which calls it. crm_private.search_query parses the query,
 * crm_private.search_matches finds and ranks the rows. Of each entity type 1,000 rows are ranked:
 * always as many, so that each page of a search is cut from the same list.
 *
 * The position of a hit is a text that sorts (in the collation "C") as the hits do: by rank, shorter
 * names, the order of the entity types, newer rows, id. Unlike the place it does not change when
 * other hits come or go.
 *
 * Raises for a query of more than 1,000 characters, an unknown entity type, and a first below 0 or
 * above 1,000. Runs with the caller's rights: no one finds a row that they cannot read.
 */
create or replace function crm_private.search_hits(
  query        text,
  entity_types text[],
  first        integer,
  after        text,
  extracts     boolean default true -- if false, the extracts are null
)
returns table (
  entity_type text,
  entity_id   uuid,
  rank        double precision,
  "extract"   text,
  place       integer,
  "position"  text,
  total       integer -- the number of hits, whatever first and after
)
language plpgsql
stable
parallel safe
rows 20
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  most    constant integer := 1000; -- hits, and rows to rank of each type
  v_known text[];
  v_types text[]  := entity_types;
  v_texts text[]; -- those of v_types that are searched as a text
  v_first integer := coalesce(first, 100);
  v_after text    := after;
  v_fault record;
  v_query crm_private.parsed_search;
begin
  select
    array_agg(type.entity_type order by type.search_order, type.restore_order),
    coalesce(v_types, array_agg(type.entity_type)),
    array_agg(type.entity_type) filter (where type.searched_by = 'text')
  into v_known, v_types, v_texts
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
    ranked as materialized (
      select
        hit.*,
        type.search_order,
        row_number() over (
          order by
            1 - rank,
            name_length nulls last,
            type.search_order,
            created_at desc,
            entity_id
        ) as place
      from crm_private.search_matches(v_types, v_query, most) as hit
      join crm_private.entity_types as type using (entity_type)
      order by place
      limit most
    ),
    placed as materialized (
      select ranked.*, key.position
      from (
        -- Without a cursor, only the hits that are returned need their position.
        select * from ranked where v_after is not null or place <= v_first
      ) as ranked
      cross join lateral (
        select concat(
          encode(float8send(1 - rank), 'hex'),
          coalesce(lpad(name_length::text, 10, '0'), '9999999999'),
          lpad(search_order::text, 5, '0'),
          lpad((4e18 - floor(1e6 * extract(
            epoch from least(greatest(created_at, '0001-01-01'), '9999-12-31')
          )))::text, 19, '0'),
          entity_id
        ) as "position"
      ) as key
      where v_after is null or key."position" > v_after collate "C"
      order by place
      limit v_first
    )
  select
    entity_type,
    entity_id,
    rank,
    case
      when search_hits.extracts then
        -- Empty if the caller can read nothing of what matches.
        coalesce(
          crm_private.search_extract(
            crm_private.search_body(entity_type, entity_id),
            v_query.marks,
            case when entity_type = any (v_texts) then coalesce(stems, v_query.stems) end,
            case when rank < 1 / 8.0 then v_query.near end,
            v_query.number
          ),
          ''
        )
    end,
    place::integer,
    "position",
    (select count(*)::integer from ranked)
  from placed
  order by place;
end
$$;

comment on function crm_private.search_hits(text, text[], integer, text, boolean) is
  'Returns the hits of crm.search, the best first.';

revoke all on function crm_private.search_hits(text, text[], integer, text, boolean) from public;
grant execute on function crm_private.search_hits(text, text[], integer, text, boolean) to crm_reader;
