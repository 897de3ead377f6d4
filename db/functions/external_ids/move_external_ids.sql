/*
 * Releases external ids and takes others, all of one entity type. Raises if one is taken: of
 * concurrent writers that want the same id exactly one succeeds, and the others wait for its
 * transaction to end. Takes the ids in one order, so that writers do not deadlock. Called by
 * crm_private.keep_external_ids.
 *
 * Its plans are cached for the session and must not depend on the number of rows at that time: each
 * external id is looked up by the primary key.
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
declare
  v_table text;
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
      v_table := (
        select relname::text
        from pg_class
        where oid = crm_private.entity_table(p_taken[1].entity_type)
      );
      raise exception '%: an external id was taken since this transaction began', v_table
        using errcode    = 'serialization_failure',
              schema     = 'crm', table = v_table, column = 'external_ids',
              constraint = v_table || '_external_ids_taken',
              detail     = '{"externalIds": ["has one that was taken since"]}',
              hint       = 'Repeat the transaction.';
  end;
end
$$;

comment on function crm_private.move_external_ids(
  crm_private.external_ids[], crm_private.external_ids[]
) is
  'Releases external ids and takes others.';

revoke all on function crm_private.move_external_ids(
  crm_private.external_ids[], crm_private.external_ids[]
) from public;
