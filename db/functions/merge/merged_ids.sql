/*
 * The ids that are one contact or one company by now: its own, and those of everything that was merged
 * into it, and into that.
 *
 * Security definer: nobody reads the table.
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
  'The id of a contact or a company, and those of everything that was merged into it.';

revoke all on function crm_private.merged_ids(text, uuid) from public;
grant execute on function crm_private.merged_ids(text, uuid) to crm_reader;
