/*
 * Returns the pairs of contacts that may be one person, among all contacts, with a score of at
 * least p_min_score. Called by crm.duplicate_groups.
 *
 * For each shared key, contacts are put in line by name: keys are the name, an address, a number,
 * or the beginning or end of the name together with a domain that at most a thousand contacts have.
 * If up to five contacts share a key, each is compared with each; if more do, each with the next.
 * So the work grows with the number of contacts, however many share a key, and a hundred copies of
 * one contact are still connected, neighbour by neighbour.
 *
 * Contacts are numbered and keys hashed, because most of the work is sorting.
 */
create or replace function crm_private.contact_links(p_min_score double precision)
returns table (id uuid, other_id uuid, score double precision, reasons text[])
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
-- Joined as written: the planner cannot estimate the number of pairs. Most sorts fit in memory.
set join_collapse_limit = 1
set work_mem = '16MB'
as $$
  with contacts as materialized (
    select
      row_number() over (
        order by contact.last_name collate "C", contact.first_name collate "C"
      )::integer as number,
      contact.id,
      contact.match_keys
    from crm.contacts as contact
  ),
  keys as materialized (
    select number, left(key, 1)::"char" as kind, hashtextextended(key, 0) as key
    from contacts
    cross join lateral unnest(match_keys) as key
    where not starts_with(key, 'domain:')
      or substr(key, 8) <> all (crm_private.shared_domains())
  ),
  domains as (
    select number, key
    from (
      select number, key, count(*) over (partition by key) as contacts
      from keys
      where kind = 'd'
    ) as domain
    where contacts between 2 and 1000
  ),
  lines as (
    select
      number,
      kind,
      array[
        lead(number, 1) over line,
        case when contacts <= 5 then lead(number, 2) over line end,
        case when contacts <= 5 then lead(number, 3) over line end,
        case when contacts <= 5 then lead(number, 4) over line end
      ] as neighbours
    from (
      select
        *,
        count(*) over (
          partition by key order by number
          rows between unbounded preceding and unbounded following
        ) as contacts
      from (
        select number, kind, key from keys where kind in ('n', 'e', 'p')
        union all
        select number, 'd', domains.key # ending.key
        from domains
        join keys as ending using (number)
        where ending.kind in ('h', 't')
      ) as keyed
    ) as counted
    where contacts > 1
    window line as (partition by key order by number)
  ),
  pairs as materialized (
    select number as one, neighbour as other, bool_or(kind = 'p') as maybe_same_phone
    from lines
    cross join lateral unnest(neighbours) as neighbour
    where neighbour > number
    group by 1, 2
  ),
  members as materialized (
    select
      contacts.number,
      contact.id,
      contact.phones,
      plain.name,
      crm_private.name_skeleton(plain.name) as skeleton,
      addresses.emails,
      string_to_array(
        regexp_replace(array_to_string(addresses.emails, ' '), '[^ ]*@', '', 'g'), ' '
      ) as domains
    from (select one as number from pairs union select other from pairs) as paired
    join contacts using (number)
    join crm.contacts as contact on contact.id = contacts.id
    cross join lateral (
      select
        crm_private.plain_name(contact.first_name || ' ' || contact.last_name) collate "C"
      offset 0
    ) as plain (name)
    cross join lateral (
      select array(select crm_private.plain_email(email) from unnest(contact.emails) as email)
      offset 0
    ) as addresses (emails)
  ),
  compared as materialized (
    select *
    from (
      select
        pairs.*,
        one.emails && other.emails as same_email,
        one.domains && other.domains as maybe_same_domain,
        crm_private.name_likeness(
          one.name, other.name, one.skeleton, other.skeleton
        ) as name_similarity
      from pairs
      join members as one on one.number = pairs.one
      join members as other on other.number = pairs.other
      offset 0
    ) as pair
    -- Rounding may raise a score by half a thousandth.
    where crm_private.duplicate_doubt(
      'contact', same_email, maybe_same_phone, maybe_same_domain, name_similarity
    ) < 1.001 - p_min_score
  ),
  -- Whole numbers are compared, and public domains excluded, only for pairs that can still reach
  -- the score.
  judged as materialized (
    select
      one.id,
      other.id as other_id,
      same_email,
      maybe_same_phone and exists (
        select
        from unnest(one.phones) as phone
        join unnest(other.phones) as other_phone on crm_private.same_phone(
          crm_private.phone_number(phone, (select crm_private.default_country())),
          crm_private.phone_number(other_phone, (select crm_private.default_country()))
        )
      ) as same_phone,
      maybe_same_domain and exists (
        select
        from unnest(one.domains) as domain
        where domain = any (other.domains)
          and domain <> all (crm_private.shared_domains())
      ) as same_domain,
      name_similarity
    from compared
    join members as one on one.number = compared.one
    join members as other on other.number = compared.other
  )

  select id, other_id, scored.score, scored.reasons
  from judged
  cross join lateral (
    select
      crm_private.duplicate_score(
        'contact', same_email, same_phone, same_domain, name_similarity
      ),
      crm_private.duplicate_reasons(same_email, same_phone, same_domain, name_similarity)
    offset 0
  ) as scored (score, reasons)
  where scored.score >= p_min_score;
$$;

comment on function crm_private.contact_links(double precision) is
  'Returns the pairs of contacts that may be one person.';

revoke all on function crm_private.contact_links(double precision) from public;
grant execute on function crm_private.contact_links(double precision) to crm_reader;
