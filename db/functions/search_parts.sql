/*
 * The rows that are found by a part of a name or of a phone number, through trigrams: names with a
 * word that begins so, contacts with a phone number that has these digits, or names that have
 * something similar to the words in them. What is null is not looked for. Of each entity type at
 * most 500, ranked as crm_private.search_candidates ranks.
 *
 * Runs with the caller's rights, and without scans of tables.
 */
create or replace function crm_private.search_parts(
  entity_types text[],
  p_begun      text,
  p_number     text,
  p_beside     tsquery,
  p_words      text
)
returns table (entity_type text, entity_id uuid, rank double precision)
language plpgsql
stable
parallel safe
set search_path = ''
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
  v_first constant text := p_begun || '%';
  v_later constant text := '% ' || p_begun || '%';
begin
  if p_begun is not null then
    return query
    with named as (
      (
        select 'contact' as entity_type, id,
          crm_private.contact_name_words(first_name, last_name, phones) as words
        from crm.contacts
        where 'contact' = any (entity_types)
          and (
            crm_private.contact_name_words(first_name, last_name, phones) like v_first
            or crm_private.contact_name_words(first_name, last_name, phones) like v_later
          )
        limit 500
      )
      union all
      (
        select 'company', id, crm_private.search_words(name)
        from crm.companies
        where 'company' = any (entity_types)
          and (
            crm_private.search_words(name) like v_first
            or crm_private.search_words(name) like v_later
          )
        limit 500
      )
      union all
      (
        select 'deal', id, crm_private.search_words(title)
        from crm.deals
        where 'deal' = any (entity_types)
          and (
            crm_private.search_words(title) like v_first
            or crm_private.search_words(title) like v_later
          )
        limit 500
      )
    )
    select
      entity_type,
      id,
      case when ' ' || words || ' ' like '% ' || p_begun || ' %' then 7 else 2 end
        / 8.0::double precision
    from named;
  end if;

  if p_number is not null and 'contact' = any (entity_types) then
    return query
    select 'contact', id, 3 / 8.0::double precision
    from crm.contacts
    where crm_private.contact_name_words(first_name, last_name, phones) like '%' || p_number || '%'
      and (p_beside is null or search_document @@ p_beside)
    limit 500;
  end if;

  if p_words is not null then
    return query
    (
      select 'contact', id,
        extensions.word_similarity(
          p_words, crm_private.contact_name_words(first_name, last_name, phones)
        ) / 16.0::double precision
      from crm.contacts
      where 'contact' = any (entity_types)
        and p_words operator(extensions.<%)
          crm_private.contact_name_words(first_name, last_name, phones)
      limit 500
    )
    union all
    (
      select 'company', id,
        extensions.word_similarity(p_words, crm_private.search_words(name)) / 16.0
      from crm.companies
      where 'company' = any (entity_types)
        and p_words operator(extensions.<%) crm_private.search_words(name)
      limit 500
    )
    union all
    (
      select 'deal', id,
        extensions.word_similarity(p_words, crm_private.search_words(title)) / 16.0
      from crm.deals
      where 'deal' = any (entity_types)
        and p_words operator(extensions.<%) crm_private.search_words(title)
      limit 500
    );
  end if;
end
$$;

comment on function crm_private.search_parts(text[], text, text, tsquery, text) is
  'The rows that are found by a part of a name or of a phone number, ranked; of many, some.';

revoke all on function crm_private.search_parts(text[], text, text, tsquery, text) from public;
grant execute on function crm_private.search_parts(text[], text, text, tsquery, text)
  to crm_reader;
