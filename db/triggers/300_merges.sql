/*
 * Phase 300: a contact or a company that exists is merged into no other. If a merged record is
 * inserted again, by an undo, by a restore from the trash or by the owner, its merge ends.
 */

/* Security definer: no other role can write the table. */
create or replace function crm_private.end_merges()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update crm_private.merges as merge
  set ended_at = clock_timestamp(), ended_in = pg_current_xact_id()::text::bigint
  from new_rows as new_row
  where merge.loser_id = new_row.id
    and merge.ended_at is null;
  return null;
end
$$;

comment on function crm_private.end_merges() is
  'Ends the merges whose merged record was restored.';

revoke all on function crm_private.end_merges() from public;

select crm_private.compile_merges(entity_table, entity_type)
from crm_private.entity_types
where is_mergeable;
