/*
 * Returns the pairs of contacts that may be one person, among all contacts, with a score of at
 * least p_min_score. Called by crm.duplicate_groups.
 *
 * For each shared key, contacts are put in line by name: keys are the name, an address, a number,
 * or the beginning or end of the name together with a domain that at most a thousand contacts have.
 * If up to five contacts share a key, each is compared with each; if more do, each with the next.
 * So the work grows with the number of contacts, however many share a key, and a hundred copies of
 * one contact are still connected, neighbour by neighbour. Contacts of one name are in line by id.
 *
 * Most keys belong to one contact. So the first pass only counts hashes of keys, and a second pass
 * finds the contacts of those that repeat. Both read the table in parallel, which costs less than
 * to store all keys and sort them with their contacts.
 */
create or replace function crm_private.contact_links(p_min_score double precision)
returns table (id uuid, other_id uuid, score double precision, reasons text[])
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
-- The planner cannot estimate the numbers of keys and pairs: tables are joined as written, and keys
-- sorted, because a hash table of all would not fit in memory. Most other sorts fit in 16 MB; more
-- makes the sort of the keys no faster.
set join_collapse_limit = 1
set enable_hashagg = off
set work_mem = '16MB'
as $$
  with hashed as not materialized (
    select
      id, first_name, last_name, match_keys,
      match_key::"char" as kind,
      hashtextextended(match_key, 0) as key
    from (
      select id, first_name, last_name, match_keys, unnest(match_keys) as match_key
      from crm.contacts
    ) as contact
  ),
  -- Domains that are no keys, in an array, which parallel workers can read, unlike a CTE.
  excluded as materialized (
    select array_agg(key) as domains
    from (
      select key from hashed where kind = 'd' group by key having count(*) > 1000
      union all
      select hashtextextended('domain:' || domain, 0)
      from unnest(crm_private.shared_domains()) as domain
    ) as domain
  ),
  keys as not materialized (
    select
      id,
      first_name,
      last_name,
      kind,
      unnest(
        case
          when kind <> 'd' then array[key]
          -- The first three match keys are name, head and tail, unless there are none of the name.
          when starts_with(match_keys[1], 'name:') then array[
            key # hashtextextended(match_keys[2], 0), key # hashtextextended(match_keys[3], 0)
          ]
        end
      ) as key
    from hashed
    where kind in ('n', 'e', 'p', 'd')
      and not exists (
        select from unnest((select domains from excluded)) as domain where domain = key
      )
  ),
  shared as materialized (
    select key, count(*) as contacts from keys group by key having count(*) > 1
  ),
  lines as (
    select
      id,
      kind,
      array[
        lead(id, 1) over line,
        case when contacts <= 5 then lead(id, 2) over line end,
        case when contacts <= 5 then lead(id, 3) over line end,
        case when contacts <= 5 then lead(id, 4) over line end
      ] as neighbours
    from keys
    join shared using (key)
    window line as (
      partition by key order by last_name collate "C", first_name collate "C", id
    )
  ),
  pairs as materialized (
    select id as one, neighbour as other, bool_or(kind = 'p') as maybe_same_phone
    from lines
    cross join lateral unnest(neighbours) as neighbour
    where neighbour <> id
    group by 1, 2
  ),
  members as materialized (
    select
      contact.id,
      contact.phones,
      plain.name,
      crm_private.name_skeleton(plain.name) as skeleton,
      addresses.emails,
      string_to_array(
        regexp_replace(array_to_string(addresses.emails, ' '), '[^ ]*@', '', 'g'), ' '
      ) as domains
    from (select one as id from pairs union select other from pairs) as paired
    join crm.contacts as contact using (id)
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
      join members as one on one.id = pairs.one
      join members as other on other.id = pairs.other
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
    join members as one on one.id = compared.one
    join members as other on other.id = compared.other
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
