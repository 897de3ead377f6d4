/*
 * Returns what the running transaction is about to undo of a row. Called by the audit log and the
 * stamps for each row of an undo, so its plan must not depend on how few rows the table had when it
 * was cached: without the setting a plan that was cached for an empty table would scan the whole
 * table for every row.
 */
create or replace function crm_private.planned_reversal(p_entity_id uuid)
returns crm_private.reversals
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  v_planned crm_private.reversals;
begin
  select planned.* into v_planned
  from crm_private.reversals as planned
  where planned.transaction_id = pg_current_xact_id()::text::bigint
    and planned.entity_id = p_entity_id;

  return v_planned;
end
$$;

comment on function crm_private.planned_reversal(uuid) is
  'Returns what the running transaction is about to undo of a row.';

revoke all on function crm_private.planned_reversal(uuid) from public;
