/*
 * Returns the contacts that may be the same person as one: the field duplicates in GraphQL. The
 * index contacts_match_keys finds those that share a key, and these are compared. A domain alone is
 * no key, because all colleagues share it.
 *
 * For each key at most 1,000 contacts are examined, so that a key with more takes no longer;
 * distinctive keys, such as an address, are shared by few. A contact is compared in full only if it
 * could reach the score with a common domain in addition to its key and name.
 */
create or replace function crm.contacts_duplicates(
  record    crm.contacts,
  min_score double precision default 0.3
)
returns setof crm.duplicate
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  with mine as materialized (
    select crm_private.plain_name(record.first_name || ' ' || record.last_name) as name
  ),
  candidates as materialized (
    select distinct candidate.id
    from unnest(
      crm_private.contact_keys(record.first_name, record.last_name, record.emails, record.phones)
    ) as key
    cross join lateral (
      select
        other.id,
        crm_private.plain_name(other.first_name || ' ' || other.last_name) as name
      from crm.contacts as other
      where other.match_keys && array[key]
        and other.id <> record.id
      limit 1000
    ) as candidate
    where not starts_with(key, 'domain:')
      and (
        starts_with(key, 'email:')
        or starts_with(key, 'phone:')
        or starts_with(key, 'name:')
        or crm_private.duplicate_doubt(
          'contact', false, false, true,
          extensions.similarity(candidate.name, (select name from mine))
        ) < 1.001 - coalesce(min_score, 0.3)
      )
  )

  select duplicate.*
  from candidates
  join crm.contacts as other using (id)
  cross join lateral crm_private.compare_contacts(record, other) as duplicate
  where duplicate.score >= coalesce(min_score, 0.3)
  order by duplicate.score desc, duplicate.entity_id;
$$;

comment on function crm.contacts_duplicates(crm.contacts, double precision) is
  'The contacts that may be the same person, the most likely first.';

revoke all on function crm.contacts_duplicates(crm.contacts, double precision) from public;
grant execute on function crm.contacts_duplicates(crm.contacts, double precision) to crm_reader;
