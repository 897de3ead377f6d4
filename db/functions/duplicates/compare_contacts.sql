/*
 * Compares two contacts and returns the second as a candidate for the first. Addresses are compared
 * without regard to case; domains of public providers do not count.
 */
create or replace function crm_private.compare_contacts(contact crm.contacts, other crm.contacts)
returns setof crm.duplicate
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select candidate.*
  from (
    select
      (
        select min(crm_private.plain_email(mine))
        from unnest(contact.emails) as mine
        join unnest(other.emails) as theirs
          on crm_private.plain_email(theirs) = crm_private.plain_email(mine)
      ) as email,
      (
        select min(mine)
        from unnest(contact.phones) as mine
        join unnest(other.phones) as theirs
          on crm_private.same_phone(
            crm_private.phone_number(mine, (select crm_private.default_country())),
            crm_private.phone_number(theirs, (select crm_private.default_country()))
          )
      ) as phone,
      (
        select min(split_part(crm_private.plain_email(mine), '@', 2))
        from unnest(contact.emails) as mine
        join unnest(other.emails) as theirs
          on split_part(crm_private.plain_email(theirs), '@', 2)
            = split_part(crm_private.plain_email(mine), '@', 2)
        where split_part(crm_private.plain_email(mine), '@', 2)
          <> all (crm_private.shared_domains())
      ) as domain,
      crm_private.name_similarity(
        crm_private.plain_name(contact.first_name || ' ' || contact.last_name),
        crm_private.plain_name(other.first_name || ' ' || other.last_name)
      ) as name_similarity
  ) as common
  cross join lateral crm_private.duplicate(
    'contact', other.id, common.email, common.phone, common.domain, common.name_similarity
  ) as candidate;
$$;

comment on function crm_private.compare_contacts(crm.contacts, crm.contacts) is
  'Compares two contacts and returns the second as a candidate for the first.';

revoke all on function crm_private.compare_contacts(crm.contacts, crm.contacts) from public;
grant execute on function crm_private.compare_contacts(crm.contacts, crm.contacts) to crm_reader;
