/*
 * Makes one company of several, as crm.merge_contacts does of contacts; contacts and deals of the
 * losers become the winner's.
 */
create or replace function crm.merge_companies(
  winner uuid,
  losers uuid[],
  fields jsonb default '{}'
)
returns crm.company_merge
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_chosen jsonb  := crm_private.check_merge('crm.companies', winner, losers, fields);
  v_ids    uuid[] := winner || losers;
  v_found  uuid[];
  v_united jsonb;
  v_merge  crm.company_merge;
begin
  v_found := array(
    select id from crm.companies where id = any (v_ids) order by id for update
  );
  if cardinality(v_found) < cardinality(v_ids) then
    perform crm_private.refuse_missing(
      'company', variadic array(select id::text from unnest(v_ids) as id where id <> all (v_found))
    );
  end if;

  select jsonb_build_object(
    'address',  (array_agg(address order by rank) filter (where address <> '{}'))[1],
    'owner_id', (array_agg(owner_id order by rank) filter (where owner_id is not null))[1],
    'external_ids', crm_private.united_external_ids(jsonb_agg(external_ids order by rank)),
    'custom_fields', crm_private.united_custom_fields(array_agg(custom_fields order by rank))
  )
  into v_united
  from unnest(v_ids) with ordinality as merged (id, rank)
  join crm.companies using (id);

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
  update crm.companies
  set external_ids = '{}'
  where id = any (losers) and cardinality(external_ids) > 0;

  update crm.companies as company
  set (name, address, owner_id, custom_fields, external_ids, version) = (
    select
      chosen.name, chosen.address, chosen.owner_id, chosen.custom_fields, chosen.external_ids,
      chosen.version
    from jsonb_populate_record(company, v_united || v_chosen) as chosen
  )
  where company.id = winner;

  with locked as (
    select id from crm.contacts where company_id = any (losers) order by id for no key update
  )
  update crm.contacts
  set company_id = winner
  from locked
  where contacts.id = locked.id;
  get diagnostics v_merge.contacts_moved = row_count;

  with locked as (
    select id from crm.deals where company_id = any (losers) order by id for no key update
  )
  update crm.deals
  set company_id = winner
  from locked
  where deals.id = locked.id;
  get diagnostics v_merge.deals_moved = row_count;

  with locked as (
    select id from crm.tasks where company_id = any (losers) order by id for no key update
  )
  update crm.tasks
  set entity_id = winner
  from locked
  where tasks.id = locked.id;
  get diagnostics v_merge.tasks_moved = row_count;

  with locked as (
    select id from crm.notes where company_id = any (losers) order by id for no key update
  )
  update crm.notes
  set entity_id = winner
  from locked
  where notes.id = locked.id;
  get diagnostics v_merge.notes_moved = row_count;

  delete from crm.companies where id = any (losers);
  perform crm_private.defer_unique(false);

  v_merge.company_id     := winner;
  v_merge.transaction_id := pg_current_xact_id()::text::bigint;
  return v_merge;
end
$$;

comment on function crm.merge_companies(uuid, uuid[], jsonb) is
  'Makes one company of several. The winner gets every contact, deal, task and note of the losers, '
  'their external ids, and what it has no value for; then the losers are deleted. fields holds the values that are to '
  'win, as a patch has them; customFields one by one, null removes one. With a version it is refused '
  'if the winner has another by now.';

revoke all on function crm.merge_companies(uuid, uuid[], jsonb) from public;
grant execute on function crm.merge_companies(uuid, uuid[], jsonb) to crm_member;
