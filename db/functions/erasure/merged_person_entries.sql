/*
 * Returns the audit log entries of other contacts that may contain values of a person: of contacts
 * that the person was merged into, from the merge until it was undone, and of contacts that these
 * were merged into during that time. p_table is crm.audit_logs or a month that was detached from
 * it. Called by crm_private.erase_contact.
 */
create or replace function crm_private.merged_person_entries(p_table regclass, p_ids uuid[])
returns setof crm.audit_logs
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- plpgsql_check cannot see what its statement returns, nor that it locks rows.
-- @plpgsql_check_options: extra_warnings = off, performance_warnings = off
begin
  return query execute format(
    $query$
    with recursive mixed (id, since, until) as (
      select merge.winner_id, merge.merged_at, merge.ended_at
      from crm_private.merges as merge
      where merge.entity_type = 'contact'
        and merge.loser_id = any ($1)
        and merge.ended_at is not null
        and merge.winner_id <> all ($1)

      union

      select merge.winner_id, merge.merged_at, coalesce(merge.ended_at, 'infinity')
      from mixed
      join crm_private.merges as merge
        on merge.loser_id = mixed.id
        and merge.entity_type = 'contact'
        and merge.merged_at between mixed.since and mixed.until
      where merge.winner_id <> all ($1)
    )
    select
      entry.id, entry.entity_type, entry.entity_id, entry.action, entry.user_id, entry.changes,
      entry."timestamp", entry.transaction_id, entry.source, entry.erased_at
    from %s as entry
    where entry.erased_at is null
      and entry.action <> 'erase'
      and entry.entity_type = 'contact'
      and exists (
        select
        from mixed
        where mixed.id = entry.entity_id
          and entry."timestamp" between mixed.since and mixed.until
      )
    for update of entry
    $query$,
    p_table
  ) using p_ids;
end
$$;

comment on function crm_private.merged_person_entries(regclass, uuid[]) is
  'Returns the entries of contacts that a person was merged into for a time; they may contain '
  'values of the person.';

revoke all on function crm_private.merged_person_entries(regclass, uuid[]) from public;
