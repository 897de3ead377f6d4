/*
 * Merges rows of an entity type: the winner stays, the losers go. Called by crm.merge_contacts and
 * crm.merge_companies. Runs with the caller's rights, who could do all of it by hand.
 *
 * 1. Locks the rows by id, so that merges that overlap come one after the other and whoever links
 *    something to a loser meanwhile waits, and is refused when the loser is gone. What the rows refer to
 *    is locked before, in the order in which all lock it, so that two merges do not wait for each other.
 * 2. Writes the winner: the chosen fields, or what it has, or what the first loser has where it has
 *    nothing; custom fields one by one; lists, such as those of email addresses, of all.
 * 3. Moves to the winner whatever refers to a loser.
 * 4. Deletes the losers. Nothing is attached to them any more, so nothing goes with them. That they
 *    became part of the winner is recorded.
 *
 * Every step is a statement that the audit log has, in one transaction: reversed from the last entry to
 * the first, they give back exactly what was.
 *
 * Returns <entity type>_id, transaction_id, and <table>_moved: how many rows of each table moved.
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
-- That its statements write cannot be told.
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

  -- Until the losers are gone, the winner may have the same value of a unique field.
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
