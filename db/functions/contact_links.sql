/*
 * The pairs of contacts that may be one person, out of all contacts, with a score that reaches the
 * least one. Called by crm.duplicate_groups.
 *
 * Contacts are put in line for each key that they share, by name, and each is compared with the four
 * after it. So the work grows with the number of contacts, however many share a key, and a hundred
 * copies of one contact still hang together, neighbour by neighbour.
 *
 * Contacts are numbered and keys hashed, because most of the work is sorting.
 */
create or replace function crm_private.contact_links(p_min_score double precision)
returns table (id uuid, other_id uuid, score double precision, reasons text[])
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
-- Joined as written: how many pairs there will be is beyond the planner. Sorted in memory.
set join_collapse_limit = 1
set work_mem = '32MB'
as $$
  with contacts as materialized (
    select
      row_number() over () as number,
      contact.id,
      contact.phones,
      plain.name,
      crm_private.name_skeleton(plain.name) as skeleton,
      crm_private.contact_keys(
        contact.first_name, contact.last_name, contact.emails, contact.phones
      ) as keys
    from crm.contacts as contact
    cross join lateral (
      select crm_private.plain_name(contact.first_name || ' ' || contact.last_name) collate "C"
      offset 0
    ) as plain (name)
  ),
  lines as (
    select
      number,
      split_part(key, ':', 1) as kind,
      array_agg(number) over (
        partition by hashtextextended(key, 0)
        -- Where the key is the end of the name, those that end alike stand together.
        order by case when starts_with(key, 'tail:') then reverse(name) else name end, number
        rows between 1 following and 4 following
      ) as neighbours
    from contacts
    cross join lateral unnest(keys) as key
    where not starts_with(key, 'domain:')
  ),
  pairs as (
    select
      least(lines.number, neighbour.number) as one,
      greatest(lines.number, neighbour.number) as other,
      bool_or(kind = 'email') as same_email,
      bool_or(kind = 'phone') as maybe_same_phone
    from lines
    cross join lateral unnest(neighbours) as neighbour (number)
    where lines.number <> neighbour.number
    group by 1, 2
  ),
  compared as materialized (
    select *
    from (
      select
        pairs.*,
        crm_private.name_likeness(
          one.name, other.name, one.skeleton, other.skeleton
        ) as name_similarity
      from pairs
      join contacts as one on one.number = pairs.one
      join contacts as other on other.number = pairs.other
      offset 0
    ) as pair
    -- Rounding may lift a score by half a thousandth.
    where crm_private.duplicate_doubt(
      'contact', same_email, maybe_same_phone, true, name_similarity
    ) < 1.001 - p_min_score
  ),
  -- A domain of both, and a number that needs more than its end compared, are looked for only where
  -- they can tip the balance.
  judged as materialized (
    select
      one.id,
      other.id as other_id,
      same_email,
      maybe_same_phone and exists (
        select
        from unnest(one.phones) as phone
        join unnest(other.phones) as other_phone on crm_private.same_phone(
          crm_private.phone_digits(phone), crm_private.phone_digits(other_phone)
        )
      ) as same_phone,
      exists (
        select
        from unnest(one.keys) as key
        where starts_with(key, 'domain:')
          and key = any (other.keys)
          and substr(key, 8) <> all (crm_private.shared_domains())
      ) as same_domain,
      name_similarity
    from compared
    join contacts as one on one.number = compared.one
    join contacts as other on other.number = compared.other
  )

  select
    id,
    other_id,
    crm_private.duplicate_score('contact', same_email, same_phone, same_domain, name_similarity),
    crm_private.duplicate_reasons(same_email, same_phone, same_domain, name_similarity)
  from judged
  where crm_private.duplicate_score('contact', same_email, same_phone, same_domain, name_similarity)
    >= p_min_score;
$$;

comment on function crm_private.contact_links(double precision) is
  'The pairs of contacts that may be one person.';

revoke all on function crm_private.contact_links(double precision) from public;
grant execute on function crm_private.contact_links(double precision) to crm_reader;
