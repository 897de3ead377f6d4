/*
 * Compiles crm_private.search_candidates, which returns the rows whose documents match a tsquery, at
 * most p_limit of each entity type, ranked. If more match, it returns any p_limit of them, and as
 * many of those whose names match, unless all of the first do: to rank every row with a common word,
 * it would have to read them all, for hits that no one looks at. Names that equal the query are
 * among them.
 *
 * The rank is between 0 and 1. It is 1 if a name equals the whole query. Otherwise it is a sum: 1/2
 * if the name has every word complete, 1/4 if the name has every word, the last one perhaps
 * incomplete, 1/8 if the row has every word complete, and up to 1/8 for the shortness of the name,
 * or for ts_rank if the match is not in the name. So a name ranks above the body of a note, however
 * often that has the words.
 *
 * Without p_whole the query is about misspelt words, and the rank depends on what they have in
 * common with the words of the row.
 *
 * It runs with the caller's rights, so that policies apply. It disables sequential scans, because
 * the plan of a statement for any tsquery cannot know how few rows match. It is compiled, because a
 * statement that is built at every call would be planned at every call.
 *
 * Called by crm_private.compile_search.
 */
create or replace function crm_private.compile_search_candidates()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_rows text; -- of entities with names, by the words of the query
  v_hits text;
begin
  select
    string_agg(
      format(
        $rows$
    %1$I as materialized (
      select id, search_document, char_length(name) as name_length, created_at from %2$s
      where %3$L = any (entity_types) and search_document @@ p_indexed
        and (v_is_typed or not (search_document @@ !!p_typed))
      limit p_limit
    )$rows$,
        entity_type || '_rows', entities, entity_type
      ),
      ',' order by place
    ) filter (where searched_by = 'name'),
    string_agg(
      case searched_by
        when 'name' then format(
          $hits$
  select
    %3$L,
    id,
    case
      when search_document @@ p_exact then 1::double precision
      else coalesce((search_document @@ p_whole_names)::integer, 0) / 2.0::double precision
        + coalesce((search_document @@ p_typed_names)::integer, 0) / 4.0
        + coalesce((search_document @@ p_whole)::integer, 0) / 8.0
        + case
          when search_document @@ p_typed_names then 1.0 / (1 + name_length)
          else ts_rank(v_weights, search_document, p_typed)
        end / 8.0
    end,
    name_length,
    created_at
  from (
    table %1$I
    union all
    (
      select id, search_document, char_length(name), created_at from %2$s
      where (
          select count(*) = p_limit and not coalesce(bool_and(search_document @@ p_whole_names), false)
          from %1$I
        )
        and search_document @@ p_named and not (search_document @@ !!p_whole_names)
      limit p_limit
    )
    union all
    (
      select id, search_document, char_length(name), created_at from %2$s
      where (select count(*) from %1$I) = p_limit and search_document @@ p_exact
      limit p_limit
    )
  ) as hit$hits$,
          entity_type || '_rows', entities, entity_type
        )
        else format(
          $hits$
  select
    %2$L,
    id,
    coalesce((search_document @@ p_whole)::integer, 0) / 8.0::double precision
      + ts_rank(v_weights, search_document, p_typed) / 8.0,
    null::integer,
    created_at
  from (
    select id, search_document, created_at from %1$s
    where %2$L = any (entity_types) and search_document @@ p_indexed
      and (v_is_typed or not (search_document @@ !!p_typed))
    limit p_limit
  ) as hit$hits$,
          entities, entity_type
        )
      end,
      E'\n  union all' order by place
    )
  into v_rows, v_hits
  from crm_private.searched_types;

  execute format(
    $function$
create or replace function %s(
  entity_types  text[],
  p_exact       tsquery,
  p_indexed     tsquery,
  p_typed       tsquery,
  p_whole       tsquery,
  p_whole_names tsquery,
  p_typed_names tsquery,
  p_named       tsquery,
  p_limit       integer
)
returns table (
  entity_type text,
  entity_id   uuid,
  rank        double precision,
  name_length integer,
  created_at  timestamptz
)
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as %L
    $function$,
    'crm_private.search_candidates',
    $body$
#variable_conflict use_column
declare
  v_weights constant real[] :=
    case when p_whole is null then '{1,1,1,1}'::real[] else '{.1,.2,.4,1}'::real[] end;
  v_is_typed constant boolean := p_indexed = p_typed; -- so that the index finds no other rows
begin
  return query$body$ || coalesce(E'\n  with' || v_rows, '') || v_hits || E';\nend\n'
  );

  comment on function crm_private.search_candidates is
    'Returns rows whose documents match a tsquery, ranked; if many match, some of them. Compiled.';
  revoke all on function crm_private.search_candidates from public;
  grant execute on function crm_private.search_candidates to crm_reader;
end
$$;

comment on function crm_private.compile_search_candidates() is
  'Creates crm_private.search_candidates, compiled from the catalogue of entity types.';

revoke all on function crm_private.compile_search_candidates() from public;
