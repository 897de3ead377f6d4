/*
 * Search over everything that people look for. It goes on only while it has found too little: first
 * the words as they were typed, then words with a typing error each, then parts of names.
 * crm_private.search_query says how a query is read, crm_private.search_candidates how hits are
 * ranked.
 *
 * Refuses a query of more than 1,000 characters, an unknown entity type, and a first below 0 or
 * above 1,000. Runs with the caller's rights: nobody finds what they cannot read.
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
  enough   constant integer := 5; -- fewer hits are too little
  v_types  text[]  := coalesce(entity_types, known);
  v_first  integer := coalesce(first, 100);
  v_limit  integer := greatest(v_first, 200); -- hits that are ranked, of each type
  v_fault  record;
  v_query  record;
begin
  select
    jsonb_object_agg(field, jsonb_build_array(message))       as fields,
    string_agg(field || ' ' || message, '; ' order by ordinal) as summary,
    (array_agg(rule order by ordinal))[1]                      as rule
  into v_fault
  from (
    values
      (1, 'search_query_length', 'query', 'must have at most 1,000 characters',
        length(query) > 1000),
      (2, 'search_entity_types_known', 'entityTypes',
        'must be some of ' || array_to_string(known, ', '), not (v_types <@ known)),
      (3, 'search_first_range', 'first', 'must be between 0 and 1,000',
        v_first not between 0 and 1000)
  ) as rules (ordinal, rule, field, message, is_broken)
  where is_broken;

  if v_fault.fields is not null then
    raise exception 'search: %', v_fault.summary
      using errcode    = 'check_violation',
            schema     = 'crm',
            constraint = v_fault.rule,
            detail     = v_fault.fields::text;
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
    -- Of tasks and notes: the query, and what to mark.
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
    -- The better, the shorter, people and companies, the newer.
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
  'Contacts, companies, deals, tasks and notes that have the words of a query, the best first: a name '
  'that is the query as a whole, then shorter names; of equals people and companies before deals '
  'before tasks and notes, then the newer. The last word may be only begun; case and accents do not '
  'count; "words in quotes" stand in sequence; -word leaves out what has it; or parts alternatives; '
  'and and & are one. Tasks and notes are found by other forms of a word, too. Where that finds fewer '
  'than five, a typing error in each word is forgiven. A phone number is found in whatever form, and by '
  'four or more of its digits, an address by its parts. entityTypes are some of contact, company, '
  'deal, task and note, all if it is left out; first is how many hits there are at most, 100 if it is '
  'left out.';

revoke all on function crm.search(text, text[], integer) from public;
grant execute on function crm.search(text, text[], integer) to crm_reader;
