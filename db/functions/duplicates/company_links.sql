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
  with addresses as (
    select distinct
      contact.company_id,
      'domain:' || split_part(crm_private.plain_email(email), '@', 2) as key
    from crm.contacts as contact
    cross join lateral unnest(contact.emails) as email
    where contact.company_id is not null
  ),
  companies as materialized (
    select
      row_number() over () as number,
      company.id,
      plain.name,
      crm_private.name_skeleton(plain.name) as skeleton,
      array(
        select key
        from unnest(company.match_keys || of_contacts.keys) as key
        where not starts_with(key, 'domain:')
          or substr(key, 8) <> all (crm_private.shared_domains())
      ) as keys
    from crm.companies as company
    cross join lateral (
      select crm_private.plain_company_name(company.name) collate "C"
      offset 0
    ) as plain (name)
    left join (
      select company_id, array_agg(key) as keys from addresses group by company_id
    ) as of_contacts on of_contacts.company_id = company.id
  ),
  lines as (
    select
      number,
      array_agg(number) over (
        partition by hashtextextended(key, 0)
        order by case when starts_with(key, 'tail:') then reverse(name) else name end, number
        rows between 1 following and 4 following
      ) as neighbours
    from companies
    cross join lateral unnest(keys) as key
  ),
  pairs as (
    select distinct
      least(lines.number, neighbour.number) as one,
      greatest(lines.number, neighbour.number) as other
    from lines
    cross join lateral unnest(neighbours) as neighbour (number)
    where lines.number <> neighbour.number
  ),
  compared as materialized (
    select
      one.id,
      other.id as other_id,
      crm_private.name_likeness(
        one.name, other.name, one.skeleton, other.skeleton
      ) as name_similarity,
      exists (
        select
        from unnest(one.keys) as key
        where starts_with(key, 'domain:') and key = any (other.keys)
      ) as same_domain
    from pairs
    join companies as one on one.number = pairs.one
    join companies as other on other.number = pairs.other
  )

  select
    id,
    other_id,
    crm_private.duplicate_score('company', false, false, same_domain, name_similarity),
    crm_private.duplicate_reasons(false, false, same_domain, name_similarity)
  from compared
  where crm_private.duplicate_score('company', false, false, same_domain, name_similarity)
    >= p_min_score;
$$;

comment on function crm_private.company_links(double precision) is
  'Returns the pairs of companies that may be duplicates.';

revoke all on function crm_private.company_links(double precision) from public;
grant execute on function crm_private.company_links(double precision) to crm_reader;
