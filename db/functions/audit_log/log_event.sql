/*
 * Writes an audit log entry for an operation that concerns no row of a table: an erasure, a
 * setting, the audit log itself. An operation without an id of its own has the id that is all
 * zeros.
 */
create or replace function crm_private.log_event(
  p_entity_type text,
  p_action      text,
  p_changes     jsonb,
  p_at          timestamptz,
  p_entity_id   uuid default '00000000-0000-0000-0000-000000000000'
)
returns crm.audit_logs
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  insert into crm.audit_logs
    (entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
  values (
    p_entity_type, p_entity_id, p_action, crm.current_user_id(), p_changes, p_at,
    pg_current_xact_id()::text::bigint, crm_private.current_source()
  )
  returning *;
$$;

comment on function crm_private.log_event(text, text, jsonb, timestamptz, uuid) is
  'Writes an audit log entry for an operation that concerns no row of a table.';

revoke all on function crm_private.log_event(text, text, jsonb, timestamptz, uuid) from public;
