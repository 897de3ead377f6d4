/*
 * Compiles crm_private.search_parts, which returns the rows that are found by a part of a name or of
 * a phone number, through trigrams: names with a word that begins with p_begun, contacts with a
 * phone number that contains one of p_numbers, or names that are similar to p_words. Null arguments
 * are not searched for. It returns at most p_limit rows of each entity type, ranked like in
 * crm_private.search_candidates.
 *
 * It runs with the caller's rights, and without sequential scans.
 *
 * Called by crm_private.compile_search.
 */
create or replace function crm_private.compile_search_parts()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_begun text;
  v_alike text;
begin
  select
    string_agg(
      format(
        $rows$
      (
        select %1$L as entity_type, id, words, char_length(name) as name_length, created_at
        from %2$s
        where %1$L = any (entity_types) and words like v_begun
        limit p_limit
      )$rows$,
        entity_type, entities
      ),
      E'\n      union all' order by place
    ),
    string_agg(
      format(
        $rows$
      (
        select %1$L as entity_type, id, words, char_length(name) as name_length, created_at
        from %2$s
        where %1$L = any (entity_types) and p_words[1] operator(extensions.<%%) words
      )$rows$,
        entity_type, entities
      ),
      E'\n      union all' order by place
    )
  into v_begun, v_alike
  from crm_private.searched_types
  where searched_by = 'name';

  execute format(
    $function$
create or replace function %s(
  entity_types text[],
  p_begun      text,
  p_numbers    text[],
  p_phone      text,
  p_beside     tsquery,
  p_words      text[],
  p_limit      integer
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
    'crm_private.search_parts',
    $body$
#variable_conflict use_column
declare
  v_begun   constant text := '% ' || p_begun || '%';
  v_country constant text := case when p_phone is not null then crm_private.default_country() end;
begin
  if p_begun is not null then
    return query
    with named as ($body$ || v_begun || $body$
    )
    select
      entity_type,
      id,
      (
        case when words || ' ' like '% ' || p_begun || ' %' then 7 else 2 end
          + 1.0::double precision / (1 + name_length)
      ) / 8,
      name_length,
      created_at
    from named;
  end if;

  if p_numbers is not null and 'contact' = any (entity_types) then
    return query
    select
      'contact', id, 3 / 8.0::double precision, name_length, created_at
    from (
      select
        id, phones, search_document, created_at,
        crm_private.contact_name_words(first_name, last_name, phones) as words,
        char_length(first_name) + 1 + char_length(last_name) as name_length
      from crm.contacts
    ) as contact
    where words like any (array(select '%' || digits || '%' from unnest(p_numbers) as digits))
      -- If both have a country code, it must be the same.
      and (
        p_phone is null or exists (
          select
          from unnest(phones) as phone
          cross join lateral crm_private.phone_number(phone, v_country) as known
          where starts_with(known, p_phone)
            or not starts_with(known, '+') and strpos(known, p_numbers[1]) > 0
        )
      )
      and (p_beside is null or search_document @@ p_beside)
    limit p_limit;
  end if;

  if p_words is not null then
    return query
    with named as ($body$ || v_alike || $body$
    )
    select
      entity_type,
      id,
      extensions.word_similarity(array_to_string(p_words, ' '), words) / 16.0::double precision,
      name_length,
      created_at
    from named
    where not exists (
      select from unnest(p_words) as word where not word operator(extensions.<%) words
    )
    limit p_limit;
  end if;
end
$body$
  );

  comment on function crm_private.search_parts is
    'Returns rows that are found by a part of a name or of a phone number, ranked; if many match, '
    'some of them. Compiled.';
  revoke all on function crm_private.search_parts from public;
  grant execute on function crm_private.search_parts to crm_reader;
end
$$;

comment on function crm_private.compile_search_parts() is
  'Creates crm_private.search_parts, compiled from the catalogue of entity types.';

revoke all on function crm_private.compile_search_parts() from public;
