/*
 * Returns the rows whose documents match a tsquery, at most p_limit of each entity type, ranked. If
 * more match, it returns any p_limit of them, and as many of those whose names match: to rank every
 * row with a common word, it would have to read them all, for hits that no one looks at. Names that
 * equal the query are among them.
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
 * Runs with the caller's rights, so that policies apply. Disables sequential scans, because the
 * plan of a statement for any tsquery cannot know how few rows match.
 */
create or replace function crm_private.search_candidates(
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
as $$
#variable_conflict use_column
declare
  v_weights constant real[] :=
    case when p_whole is null then '{1,1,1,1}'::real[] else '{.1,.2,.4,1}'::real[] end;
begin
  return query
  with
    contacts as materialized (
      select id, search_document, first_name, last_name, created_at from crm.contacts
      where 'contact' = any (entity_types) and search_document @@ p_indexed
        and not (search_document @@ !!p_typed)
      limit p_limit
    ),
    companies as materialized (
      select id, search_document, name, created_at from crm.companies
      where 'company' = any (entity_types) and search_document @@ p_indexed
        and not (search_document @@ !!p_typed)
      limit p_limit
    ),
    deals as materialized (
      select id, search_document, title, created_at from crm.deals
      where 'deal' = any (entity_types) and search_document @@ p_indexed
        and not (search_document @@ !!p_typed)
      limit p_limit
    ),
    named as (
      select
        'contact' as entity_type, id, search_document,
        char_length(first_name) + 1 + char_length(last_name) as name_length, created_at
      from (
        table contacts
        union all
        (
          select id, search_document, first_name, last_name, created_at from crm.contacts
          where (select count(*) from contacts) = p_limit
            and search_document @@ p_named and not (search_document @@ !!p_whole_names)
          limit p_limit
        )
        union all
        (
          select id, search_document, first_name, last_name, created_at from crm.contacts
          where (select count(*) from contacts) = p_limit and search_document @@ p_exact
          limit p_limit
        )
      ) as contact
      union all
      select 'company', id, search_document, char_length(name), created_at
      from (
        table companies
        union all
        (
          select id, search_document, name, created_at from crm.companies
          where (select count(*) from companies) = p_limit
            and search_document @@ p_named and not (search_document @@ !!p_whole_names)
          limit p_limit
        )
        union all
        (
          select id, search_document, name, created_at from crm.companies
          where (select count(*) from companies) = p_limit and search_document @@ p_exact
          limit p_limit
        )
      ) as company
      union all
      select 'deal', id, search_document, char_length(title), created_at
      from (
        table deals
        union all
        (
          select id, search_document, title, created_at from crm.deals
          where (select count(*) from deals) = p_limit
            and search_document @@ p_named and not (search_document @@ !!p_whole_names)
          limit p_limit
        )
        union all
        (
          select id, search_document, title, created_at from crm.deals
          where (select count(*) from deals) = p_limit and search_document @@ p_exact
          limit p_limit
        )
      ) as deal
    ),
    unnamed as (
      (
        select 'task' as entity_type, id, search_document, created_at from crm.tasks
        where 'task' = any (entity_types) and search_document @@ p_indexed
          and not (search_document @@ !!p_typed)
        limit p_limit
      )
      union all
      (
        select 'note', id, search_document, created_at from crm.notes
        where 'note' = any (entity_types) and search_document @@ p_indexed
          and not (search_document @@ !!p_typed)
        limit p_limit
      )
    )
  select
    entity_type,
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
  from named
  union all
  select
    entity_type,
    id,
    coalesce((search_document @@ p_whole)::integer, 0) / 8.0::double precision
      + ts_rank(v_weights, search_document, p_typed) / 8.0,
    null,
    created_at
  from unnamed;
end
$$;

comment on function crm_private.search_candidates(
  text[], tsquery, tsquery, tsquery, tsquery, tsquery, tsquery, tsquery, integer
) is
  'Returns rows whose documents match a tsquery, ranked; if many match, some of them.';

revoke all on function crm_private.search_candidates(
  text[], tsquery, tsquery, tsquery, tsquery, tsquery, tsquery, tsquery, integer
) from public;
grant execute on function crm_private.search_candidates(
  text[], tsquery, tsquery, tsquery, tsquery, tsquery, tsquery, tsquery, integer
) to crm_reader;
