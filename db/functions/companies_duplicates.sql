/*
 * The companies that may be the same as one: GraphQL's field duplicates. Candidates share a key of
 * their name, or a domain, which is found where it stands: among the keys of companies or of their
 * contacts. Both indexes of match keys are used.
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
    select
      array(
        select key
        from unnest(crm_private.company_keys(record.name, record.custom_fields)) as key
        where not starts_with(key, 'domain:')
      ) as of_name,
      array(select 'domain:' || crm_private.company_domains(record)) as of_domain
  ),
  candidates as (
    select other.id, null as domain
    from crm.companies as other
    where crm_private.company_keys(other.name, other.custom_fields) && (select of_name from keys)

    union all

    select other.id, substr(key, 8)
    from crm.companies as other
    cross join lateral unnest(crm_private.company_keys(other.name, other.custom_fields)) as key
    where crm_private.company_keys(other.name, other.custom_fields) && (select of_domain from keys)
      and key = any (array(select unnest(of_domain) from keys))

    union all

    select contact.company_id, substr(key, 8)
    from crm.contacts as contact
    cross join lateral unnest(
      crm_private.contact_keys(
        contact.first_name, contact.last_name, contact.emails, contact.phones
      )
    ) as key
    where contact.company_id is not null
      and crm_private.contact_keys(
        contact.first_name, contact.last_name, contact.emails, contact.phones
      ) && (select of_domain from keys)
      and key = any (array(select unnest(of_domain) from keys))
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
  where other.id <> record.id
    and duplicate.score >= coalesce(min_score, 0.3)
  order by duplicate.score desc, duplicate.entity_id;
$$;

comment on function crm.companies_duplicates(crm.companies, double precision) is
  'The companies that may be the same, the likeliest first.';

revoke all on function crm.companies_duplicates(crm.companies, double precision) from public;
grant execute on function crm.companies_duplicates(crm.companies, double precision) to crm_reader;
