/*
 * Returns the companies that may be the same as one: the field duplicates in GraphQL. Candidates
 * share a key of their name, or a domain, among the keys of companies or of their contacts. The
 * indexes of match keys of both tables are used. For each key at most 1,000 rows are examined, as
 * in crm.contacts_duplicates.
 */
create or replace function crm.companies_duplicates(
  record    crm.companies,
  min_score double precision default 0.3
)
returns setof crm.duplicate
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  with keys as materialized (
    select key, null as domain
    from unnest(crm_private.company_keys(record.name, record.custom_fields)) as key
    where not starts_with(key, 'domain:')

    union all

    select 'domain:' || domain, domain
    from crm_private.company_domains(record) as domain
  ),
  candidates as (
    select other.id, keys.domain
    from keys
    cross join lateral (
      select company.id
      from crm.companies as company
      where company.match_keys && array[keys.key]
        and company.id <> record.id
      limit 1000
    ) as other

    union all

    select other.company_id, keys.domain
    from keys
    cross join lateral (
      select contact.company_id
      from crm.contacts as contact
      where contact.match_keys && array[keys.key]
        and contact.company_id <> record.id
      limit 1000
    ) as other
    where keys.domain is not null
  )

  select duplicate.*
  from (select id, min(domain) as domain from candidates group by id) as candidate
  join crm.companies as other using (id)
  cross join lateral crm_private.duplicate(
    'company', other.id, null, null, candidate.domain,
    crm_private.name_similarity(
      crm_private.plain_company_name(record.name), crm_private.plain_company_name(other.name)
    )
  ) as duplicate
  where duplicate.score >= coalesce(min_score, 0.3)
  order by duplicate.score desc, duplicate.entity_id;
$$;

comment on function crm.companies_duplicates(crm.companies, double precision) is
  'The companies that may be duplicates of this one, the most likely first.';

revoke all on function crm.companies_duplicates(crm.companies, double precision) from public;
grant execute on function crm.companies_duplicates(crm.companies, double precision) to crm_reader;
