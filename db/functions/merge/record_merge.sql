/*
 * Records that rows became part of another. Called by crm_private.merge_rows after it has deleted
 * the losers. Does not trust its caller: it records only losers that this transaction has deleted,
 * and only if the winner exists.
 *
 * Security definer: only the owner can write the table.
 */
create or replace function crm_private.record_merge(
  p_entity_type text,
  p_winner      uuid,
  p_losers      uuid[]
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into crm_private.merges as merge (entity_type, loser_id, winner_id, merged_at)
  select p_entity_type, loser, p_winner, now()
  from unnest(p_losers) as loser
  where crm_private.is_mergeable(p_entity_type)
    and crm_private.is_there(p_entity_type, p_winner)
    and exists (
      select
      from crm.audit_logs as log
      where log.entity_id = loser
        and log.entity_type = p_entity_type
        and log.action = 'delete'
        and log.transaction_id = pg_current_xact_id()::text::bigint
        and log."timestamp" >= now()
    )
  order by loser
  on conflict (loser_id) where ended_at is null
  do update set winner_id = excluded.winner_id, merged_at = excluded.merged_at;
end
$$;

comment on function crm_private.record_merge(text, uuid, uuid[]) is
  'Records that rows became part of another one by a merge.';

revoke all on function crm_private.record_merge(text, uuid, uuid[]) from public;
grant execute on function crm_private.record_merge(text, uuid, uuid[]) to crm_member;
