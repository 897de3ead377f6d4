/*
 * Makes one contact of several: the winner stays, the losers go. Runs with the caller's rights, who
 * could do all of it by hand.
 *
 * 1. Locks the contacts by id, so that merges that overlap come one after the other and whoever
 *    links something to a loser meanwhile waits, and is refused when the loser is gone. Companies
 *    come before contacts, deals, tasks and notes everywhere, lest two merges wait for each other.
 * 2. Writes the winner: the chosen fields, or what it has, or what the first loser has where it has
 *    nothing; custom fields one by one; lists, such as those of email addresses, of all.
 * 3. Moves deals, tasks and notes to the winner, and whatever else refers to a loser.
 * 4. Deletes the losers. Nothing is attached to them any more, so nothing goes with them. That they
 *    became part of the winner is recorded.
 *
 * Every step is a statement that the journal has, in one transaction: reversed from the last entry to
 * the first, they give back exactly what was.
 */
create or replace function crm.merge_contacts(
  winner uuid,
  losers uuid[],
  fields jsonb default '{}'
)
returns crm.contact_merge
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_chosen jsonb  := crm_private.check_merge('crm.contacts', winner, losers, fields);
  v_ids    uuid[] := winner || losers;
  v_found  uuid[];
  v_moved  jsonb;
  v_merge  crm.contact_merge;
begin
  perform
  from crm.companies
  where id in (select company_id from crm.contacts where contacts.id = any (v_ids))
  order by id
  for key share;

  v_found := array(
    select id from crm.contacts where id = any (v_ids) order by id for update
  );
  if cardinality(v_found) < cardinality(v_ids) then
    perform crm_private.refuse_missing(
      'contact', variadic array(select id::text from unnest(v_ids) as id where id <> all (v_found))
    );
  end if;

  -- Until the losers are gone, the winner may have the same value of a unique field.
  perform crm_private.defer_unique(true);

  perform crm_private.write_merged(
    'crm.contacts', winner, losers, crm_private.united_row('crm.contacts', v_ids), v_chosen
  );
  v_moved := crm_private.move_links('crm.contacts', losers, winner);

  delete from crm.contacts where id = any (losers);
  perform crm_private.record_merge('contact', winner, losers);
  perform crm_private.defer_unique(false);

  v_merge.contact_id     := winner;
  v_merge.deals_moved    := (v_moved ->> 'deals')::integer;
  v_merge.tasks_moved    := (v_moved ->> 'tasks')::integer;
  v_merge.notes_moved    := (v_moved ->> 'notes')::integer;
  v_merge.transaction_id := pg_current_xact_id()::text::bigint;
  return v_merge;
end
$$;

comment on function crm.merge_contacts(uuid, uuid[], jsonb) is
  'Makes one contact of several. The winner gets every deal, task and note of the losers, all email '
  'addresses, phone numbers and external ids, and what it has no value for; then the losers are deleted. fields '
  'holds the values that are to win, as a patch has them; customFields one by one, null removes '
  'one. With a version it is refused if the winner has another by now.';

revoke all on function crm.merge_contacts(uuid, uuid[], jsonb) from public;
grant execute on function crm.merge_contacts(uuid, uuid[], jsonb) to crm_member;
