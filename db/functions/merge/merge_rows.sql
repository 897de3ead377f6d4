/*
 * Merges rows of an entity type: the winner stays, the losers are deleted. Called by
 * crm.merge_contacts and crm.merge_companies. Runs with the rights of the caller, who could make
 * the same changes manually.
 *
 * 1. Locks the rows by id, so that overlapping merges run one after the other. A transaction that
 *    links something to a loser waits, and is refused when the loser is deleted. Rows that the
 *    merged rows reference are locked before, in the order in which every writer locks them, so
 *    that two merges do not deadlock.
 * 2. Writes the winner: each field has the chosen value, else the winner's, else that of the first
 *    loser that has one. Custom fields are merged one by one. Lists, such as email addresses, get
 *    the elements of all rows.
 * 3. Moves every reference to a loser to the winner.
 * 4. Deletes the losers. Nothing is attached to them any more, so nothing is deleted with them.
 *    Records that they became part of the winner.
 *
 * Every step is a statement in the audit log, in one transaction: undone from the last entry to the
 * first, they restore exactly the previous state.
 *
 * Returns <entity type>_id, transaction_id, and <table>_moved, the number of rows moved in each
 * table.
 */
create or replace function crm_private.merge_rows(
  p_entity_type text,
  p_winner      uuid,
  p_losers      uuid[],
  p_fields      jsonb
)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- plpgsql_check cannot see that its statements write.
-- @plpgsql_check_options: performance_warnings = off
declare
  v_table  regclass := crm_private.entity_table(p_entity_type);
  v_chosen jsonb    := crm_private.check_merge(v_table, p_winner, p_losers, p_fields);
  v_ids    uuid[]   := p_winner || p_losers;
  v_found  uuid[];
  v_moved  jsonb;
  v_link   record;
begin
  for v_link in
    select link.key, link.target_table
    from crm_private.entity_links as link
    join crm_private.entity_types as target on target.entity_type = link.target_type
    where link.entity_type = p_entity_type
    order by target.restore_order, link.key
  loop
    execute format(
      'select from %s where id in (select %I from %s where id = any ($1)) order by id for key share',
      v_link.target_table, v_link.key, v_table
    ) using v_ids;
  end loop;

  execute format(
    'select array(select id from %s where id = any ($1) order by id for update)', v_table
  ) into v_found using v_ids;
  if cardinality(v_found) < cardinality(v_ids) then
    perform crm_private.refuse_missing(
      p_entity_type,
      variadic array(select id::text from unnest(v_ids) as id where id <> all (v_found))
    );
  end if;

  -- Until the losers are deleted, the winner may have the same value of a unique field.
  perform crm_private.defer_unique(true);

  perform crm_private.write_merged(
    v_table, p_winner, p_losers, crm_private.merged_row(v_table, v_ids), v_chosen
  );
  v_moved := crm_private.move_links(v_table, p_losers, p_winner);

  execute format('delete from %s where id = any ($1)', v_table) using p_losers;
  perform crm_private.record_merge(p_entity_type, p_winner, p_losers);
  perform crm_private.defer_unique(false);

  return jsonb_build_object(
    p_entity_type || '_id', p_winner,
    'transaction_id', pg_current_xact_id()::text::bigint
  ) || (
    select coalesce(jsonb_object_agg(key || '_moved', value), '{}') from jsonb_each(v_moved)
  );
end
$$;

comment on function crm_private.merge_rows(text, uuid, uuid[], jsonb) is
  'Merges rows of an entity type.';

revoke all on function crm_private.merge_rows(text, uuid, uuid[], jsonb) from public;
grant execute on function crm_private.merge_rows(text, uuid, uuid[], jsonb) to crm_member;
