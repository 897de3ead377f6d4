/*
 * Makes one contact of several: the winner stays, the losers go. Runs with the caller's rights, who
 * could do all of it by hand.
 *
 * 1. Locks the contacts by id, so that merges that overlap come one after the other and whoever
 *    links something to a loser meanwhile waits, and is refused when the loser is gone. Companies
 *    come before contacts, deals, tasks and notes everywhere, lest two merges wait for each other.
 * 2. Writes the winner: the chosen fields, or what it has, or what the first loser has where it has
 *    nothing; custom fields one by one; email addresses, phone numbers and external ids of all.
 * 3. Moves deals, tasks and notes to the winner.
 * 4. Deletes the losers. Nothing is attached to them any more, so nothing goes with them.
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
  v_united jsonb;
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

  select jsonb_build_object(
    'company_id', (array_agg(company_id order by rank) filter (where company_id is not null))[1],
    'owner_id',   (array_agg(owner_id order by rank) filter (where owner_id is not null))[1],
    'emails',     crm_private.united(jsonb_agg(emails order by rank)),
    'phones',     crm_private.united(jsonb_agg(phones order by rank)),
    'external_ids', crm_private.united_external_ids(jsonb_agg(external_ids order by rank)),
    'custom_fields', crm_private.united_custom_fields(array_agg(custom_fields order by rank))
  )
  into v_united
  from unnest(v_ids) with ordinality as merged (id, rank)
  join crm.contacts using (id);

  if jsonb_typeof(v_chosen -> 'custom_fields') = 'object' then
    v_united := jsonb_set(
      v_united, '{custom_fields}',
      (v_united -> 'custom_fields') || (v_chosen -> 'custom_fields')
    );
    v_chosen := v_chosen - 'custom_fields';
  end if;

  -- Until the losers are gone, the winner may have the same value of a unique field.
  perform crm_private.defer_unique(true);

  -- An external id belongs to one row: the losers give theirs up first.
  update crm.contacts
  set external_ids = '{}'
  where id = any (losers) and cardinality(external_ids) > 0;

  update crm.contacts as contact
  set (
    first_name, last_name, emails, phones, company_id, owner_id, custom_fields, external_ids,
    version
  ) = (
    select
      chosen.first_name, chosen.last_name, chosen.emails, chosen.phones, chosen.company_id,
      chosen.owner_id, chosen.custom_fields, chosen.external_ids, chosen.version
    from jsonb_populate_record(contact, v_united || v_chosen) as chosen
  )
  where contact.id = winner;

  with locked as (
    select id from crm.deals where contact_id = any (losers) order by id for no key update
  )
  update crm.deals
  set contact_id = winner
  from locked
  where deals.id = locked.id;
  get diagnostics v_merge.deals_moved = row_count;

  with locked as (
    select id from crm.tasks where contact_id = any (losers) order by id for no key update
  )
  update crm.tasks
  set entity_id = winner
  from locked
  where tasks.id = locked.id;
  get diagnostics v_merge.tasks_moved = row_count;

  with locked as (
    select id from crm.notes where contact_id = any (losers) order by id for no key update
  )
  update crm.notes
  set entity_id = winner
  from locked
  where notes.id = locked.id;
  get diagnostics v_merge.notes_moved = row_count;

  delete from crm.contacts where id = any (losers);
  perform crm_private.defer_unique(false);

  v_merge.contact_id     := winner;
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
