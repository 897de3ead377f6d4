/*
 * Searches all entities that people look for. It proceeds in steps while it has found too little:
 * first the words as typed, then words with one typing error each, then parts of names that are
 * similar. crm_private.search_query parses a query, crm_private.search_candidates ranks the hits.
 *
 * Raises for a query of more than 1,000 characters, an unknown entity type, and a first below 0 or
 * above 1,000. Runs with the caller's rights: no one finds a row that they cannot read.
 */
create or replace function crm.search(
  query        text,
  entity_types text[]  default null,
  first        integer default 100
)
returns setof crm.search_hit
language plpgsql
stable
parallel safe
rows 20
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  known    constant text[] := '{contact,company,deal,task,note}'::text[];
  enough   constant integer := 5; -- with fewer hits the search goes on
  v_types  text[]  := coalesce(entity_types, known);
  v_first  integer := coalesce(first, 100);
  v_limit  integer := greatest(v_first, 200); -- hits to rank, of each type
  v_fault  record;
  v_query  record;
begin
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
        'must be some of ' || array_to_string(known, ', '),
        'Leave the entity types out to search all of them.', not (v_types <@ known)),
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
        array_remove(array_remove(v_types, 'task'), 'note'), null, v_query.loose,
        replace(v_query.loose::text, '&', '|')::tsquery, null, null, null, null, v_limit
      )
      where (select count(*) from found) < enough
    ),
    -- For tasks and notes: the query, and the stems to mark.
    forgiven as materialized (
      select
        query,
        v_query.stems || array(
          select stem[1] from regexp_matches(query::text, '''\^([^'']+)''', 'g') as stem
        ) as stems
      from crm_private.search_misspelt(v_query.loose_texts) as query
      where (select count(*) from found) + (select count(*) from misspelt_names) < enough
        and v_types && '{task,note}'
    ),
    misspelt as materialized (
      table misspelt_names
      union all
      select candidate.entity_type, entity_id, rank / 4, name_length, created_at
      from forgiven
      cross join lateral crm_private.search_candidates(
        array(select unnest(v_types) intersect values ('task'), ('note')), null, query,
        replace(query::text, '&', '|')::tsquery, null, null, null, null, v_limit
      ) as candidate
    ),
    alike as materialized (
      select *
      from crm_private.search_parts(v_types, null, null, null, null, v_query.words, v_limit)
      where not exists (select from found) and not exists (select from misspelt)
    ),
    -- By rank, shorter names, contacts and companies first, newer rows.
    ranked as materialized (
      select
        entity_type,
        entity_id,
        rank,
        row_number() over (
          order by
            rank desc,
            name_length nulls last,
            case entity_type when 'contact' then 1 when 'company' then 1 when 'deal' then 2 else 3 end,
            created_at desc,
            entity_id
        ) as place
      from (
        select distinct on (entity_type, entity_id) *
        from (table found union all table misspelt union all table alike) as hits
        order by entity_type, entity_id, rank desc
      ) as hit
      order by place
      limit v_first
    )
  select
    entity_type,
    entity_id,
    rank,
    crm_private.search_extract(
      body,
      v_query.marks,
      case
        when entity_type in ('task', 'note')
        then coalesce((select stems from forgiven), v_query.stems)
      end,
      case when rank < 1 / 8.0 then v_query.near end,
      v_query.number
    ),
    case when entity_type = 'contact' then entity_id end,
    case when entity_type = 'company' then entity_id end,
    case when entity_type = 'deal' then entity_id end,
    case when entity_type = 'task' then entity_id end,
    case when entity_type = 'note' then entity_id end,
    place::integer
  from ranked
  cross join lateral (
    select concat_ws(
      ' · ',
      first_name || ' ' || last_name,
      nullif(array_to_string(emails, ', '), ''),
      nullif(array_to_string(phones, ', '), ''),
      crm_private.search_texts(custom_fields)
    )
    from crm.contacts
    where ranked.entity_type = 'contact' and id = ranked.entity_id
    union all
    select concat_ws(
      ' · ', name, crm_private.search_texts(address), crm_private.search_texts(custom_fields)
    )
    from crm.companies
    where ranked.entity_type = 'company' and id = ranked.entity_id
    union all
    select concat_ws(' · ', title, crm_private.search_texts(custom_fields))
    from crm.deals
    where ranked.entity_type = 'deal' and id = ranked.entity_id
    union all
    select description
    from crm.tasks
    where ranked.entity_type = 'task' and id = ranked.entity_id
    union all
    select content
    from crm.notes
    where ranked.entity_type = 'note' and id = ranked.entity_id
  ) as bodies (body)
  order by place;
end
$$;

comment on function crm.search(text, text[], integer) is
  'Searches contacts, companies, deals, tasks and notes for the words of a query. The best hits '
  'come first: names that equal the query, then shorter names; of equal hits, contacts and '
  'companies before deals before tasks and notes, then newer rows. Case and accents do not '
  'matter, and the last word may be incomplete. "Words in quotes" must follow each other; -word '
  'excludes rows with the word; or separates alternatives; and and & are equivalent. In tasks and '
  'notes, other forms of a word match too. If there are fewer than five hits, one typing error '
  'per word is tolerated. A phone number is found in any notation and by four or more of its '
  'digits, an address by its parts. entityTypes are some of contact, company, deal, task and '
  'note, all by default; first is the maximum number of hits, at most 1,000, 100 by default.';

revoke all on function crm.search(text, text[], integer) from public;
grant execute on function crm.search(text, text[], integer) to crm_reader;
