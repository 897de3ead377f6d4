/*
 * Frees external ids and takes others, all of one entity type. A taken one is refused: of writers
 * that want the same one at once exactly one wins, and the others wait for it to end. They take them
 * in one order, lest they wait for each other. Called by crm_private.keep_external_ids.
 *
 * Its plans are kept for the session and must not depend on how many there were when they were made:
 * each external id is looked up by the key.
 */
create or replace function crm_private.move_external_ids(
  p_gone  crm_private.external_ids[],
  p_taken crm_private.external_ids[]
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  delete from crm_private.external_ids as held
  using unnest(p_gone) as gone
  where held.entity_type = gone.entity_type
    and held.source = gone.source
    and held.id = gone.id
    and held.entity_id = gone.entity_id;

  if p_taken is null then
    return;
  end if;

  begin
    insert into crm_private.external_ids (entity_type, source, id, entity_id)
    select entity_type, source, id, entity_id
    from unnest(p_taken)
    order by source, id;
  exception
    when unique_violation then
      perform crm_private.refuse_taken_external_ids(
        p_taken[1].entity_type, array(select entity_id from unnest(p_taken))
      );
      -- The row that has it is younger than the snapshot of this transaction.
      raise exception 'an external id was taken since this transaction began'
        using errcode = 'serialization_failure';
  end;
end
$$;

comment on function crm_private.move_external_ids(
  crm_private.external_ids[], crm_private.external_ids[]
) is
  'Frees external ids and takes others.';

revoke all on function crm_private.move_external_ids(
  crm_private.external_ids[], crm_private.external_ids[]
) from public;
