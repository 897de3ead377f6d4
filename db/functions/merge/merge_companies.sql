/* Merges companies into one. crm_private.merge_rows describes how. */
create or replace function crm.merge_companies(
  winner uuid,
  losers uuid[],
  fields jsonb default '{}'
)
returns crm.company_merge
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_populate_record(
    null::crm.company_merge, crm_private.merge_rows('company', winner, losers, fields)
  );
$$;

comment on function crm.merge_companies(uuid, uuid[], jsonb) is
  'Merges duplicates of a company into one. The winner gets all contacts, deals, tasks, notes and '
  'external ids of the losers, and their values for the fields in which it has none; then the '
  'losers are deleted. fields contains the values that the winner gets instead, as in a patch: '
  'customFields are merged one by one, and null removes one. If it contains a version, the merge '
  'is refused unless the winner still has that version.';

revoke all on function crm.merge_companies(uuid, uuid[], jsonb) from public;
grant execute on function crm.merge_companies(uuid, uuid[], jsonb) to crm_member;
