/* Makes one contact of several; crm_private.merge_rows says how. */
create or replace function crm.merge_contacts(
  winner uuid,
  losers uuid[],
  fields jsonb default '{}'
)
returns crm.contact_merge
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_populate_record(
    null::crm.contact_merge, crm_private.merge_rows('contact', winner, losers, fields)
  );
$$;

comment on function crm.merge_contacts(uuid, uuid[], jsonb) is
  'Makes one contact of several. The winner gets every deal, task and note of the losers, all email '
  'addresses, phone numbers and external ids, and what it has no value for; then the losers are deleted. fields '
  'holds the values that are to win, as a patch has them; customFields one by one, null removes '
  'one. With a version it is refused if the winner has another by now.';

revoke all on function crm.merge_contacts(uuid, uuid[], jsonb) from public;
grant execute on function crm.merge_contacts(uuid, uuid[], jsonb) to crm_member;
