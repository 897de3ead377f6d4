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
  v_moved  jsonb;
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

  -- Until the losers are gone, the winner may have the same value of a unique field.
  perform crm_private.defer_unique(true);

  perform crm_private.write_merged(
    'crm.companies', winner, losers, crm_private.united_row('crm.companies', v_ids), v_chosen
  );
  v_moved := crm_private.move_links('crm.companies', losers, winner);

  delete from crm.companies where id = any (losers);
  perform crm_private.record_merge('company', winner, losers);
  perform crm_private.defer_unique(false);

  v_merge.company_id     := winner;
  v_merge.contacts_moved := (v_moved ->> 'contacts')::integer;
  v_merge.deals_moved    := (v_moved ->> 'deals')::integer;
  v_merge.tasks_moved    := (v_moved ->> 'tasks')::integer;
  v_merge.notes_moved    := (v_moved ->> 'notes')::integer;
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
