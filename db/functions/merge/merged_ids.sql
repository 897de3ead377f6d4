/*
 * Returns the ids that are now one contact or company: its own, and those of every record that was
 * merged into it, directly or through another one.
 *
 * Security definer: no other role can read crm_private.merges.
 */
create or replace function crm_private.merged_ids(p_entity_type text, p_id uuid)
returns uuid[]
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return array(
    with recursive part (id) as (
      select p_id
      union
      select merge.loser_id
      from part
      join crm_private.merges as merge on merge.winner_id = part.id
      where merge.entity_type = p_entity_type
        and merge.ended_at is null
    )
    select part.id from part
  );
end
$$;

comment on function crm_private.merged_ids(text, uuid) is
  'Returns the id of a contact or company, and the ids of the records that were merged into it.';

revoke all on function crm_private.merged_ids(text, uuid) from public;
grant execute on function crm_private.merged_ids(text, uuid) to crm_reader;
