/*
 * The contacts that may be the same person as one: GraphQL's field duplicates. The index
 * contacts_match_keys finds those that share a key, and these are compared. A domain alone is no
 * key, because it leads to all colleagues.
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
  select duplicate.*
  from crm.contacts as other
  cross join lateral crm_private.compare_contacts(record, other) as duplicate
  where crm_private.contact_keys(other.first_name, other.last_name, other.emails, other.phones) && (
      select coalesce(array_agg(key), '{}')
      from unnest(
        crm_private.contact_keys(record.first_name, record.last_name, record.emails, record.phones)
      ) as key
      where not starts_with(key, 'domain:')
    )
    and other.id <> record.id
    and duplicate.score >= coalesce(min_score, 0.3)
  order by duplicate.score desc, duplicate.entity_id;
$$;

comment on function crm.contacts_duplicates(crm.contacts, double precision) is
  'The contacts that may be the same person, the likeliest first.';

revoke all on function crm.contacts_duplicates(crm.contacts, double precision) from public;
grant execute on function crm.contacts_duplicates(crm.contacts, double precision) to crm_reader;
