/*
 * Returns the pairs of possibly identical companies among all companies, as
 * crm_private.contact_links does for contacts. Domains are keys here: those of custom fields, and
 * of the contacts' addresses. Called by crm.duplicate_groups.
 */
create or replace function crm_private.company_links(p_min_score double precision)
returns table (id uuid, other_id uuid, score double precision, reasons text[])
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
set join_collapse_limit = 1
set work_mem = '32MB'
as $$
  with domains as (
    select distinct company_id, match_key
    from (
      select company_id, unnest(match_keys) as match_key
      from crm.contacts
      where company_id is not null
    ) as contact
    where starts_with(match_key, 'domain:')
  ),
  companies as materialized (
    select
      company.id,
      plain.name,
      crm_private.name_skeleton(plain.name) as skeleton,
      array(
        select key from unnest(company.match_keys) as key where not starts_with(key, 'domain:')
      ) as names,
      array(
        select key
        from unnest(company.match_keys || of_contacts.domains) as key
        where starts_with(key, 'domain:')
          and substr(key, 8) <> all (crm_private.shared_domains())
      ) as domains
    from crm.companies as company
    cross join lateral (
      select crm_private.plain_company_name(company.name) collate "C"
      offset 0
    ) as plain (name)
    left join (
      select company_id, array_agg(match_key) as domains from domains group by company_id
    ) as of_contacts on of_contacts.company_id = company.id
  ),
  lines as (
    select
      id,
      array_agg(id) over (
        partition by hashtextextended(key, 0)
        order by case when starts_with(key, 'tail:') then reverse(name) else name end, id
        rows between 1 following and 4 following
      ) as neighbours
    from companies
    cross join lateral unnest(names || domains) as key
  ),
  pairs as (
    select distinct least(id, neighbour) as one, greatest(id, neighbour) as other
    from lines
    cross join lateral unnest(neighbours) as neighbour
    where neighbour <> id
  ),
  compared as materialized (
    select
      one.id,
      other.id as other_id,
      crm_private.name_likeness(
        one.name, other.name, one.skeleton, other.skeleton
      ) as name_similarity,
      one.domains && other.domains as same_domain
    from pairs
    join companies as one on one.id = pairs.one
    join companies as other on other.id = pairs.other
  )

  select id, other_id, scored.score, scored.reasons
  from compared
  cross join lateral (
    select
      crm_private.duplicate_score('company', false, false, same_domain, name_similarity),
      crm_private.duplicate_reasons(false, false, same_domain, name_similarity)
    offset 0
  ) as scored (score, reasons)
  where scored.score >= p_min_score;
$$;

comment on function crm_private.company_links(double precision) is
  'Returns the pairs of companies that may be duplicates.';

revoke all on function crm_private.company_links(double precision) from public;
grant execute on function crm_private.company_links(double precision) to crm_reader;
