/*
 * Returns the audit log entries that a deletion wrote, its own among them: the rows that were
 * deleted by cascade, the links that were set to null, and, for the definition of a custom field,
 * the values that were removed. Changes that the transaction made before, or to other rows, are not
 * among them.
 *
 * Runs with the caller's rights: only administrators see the entries of deletions by other users.
 */
create or replace function crm_private.cascaded_deletions(
  p_transaction_id bigint,
  p_entry_id       bigint,
  p_entity_type    text,
  p_entity_id      uuid,
  p_changes        jsonb
)
returns table (id bigint, action text)
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  with recursive entries as materialized (
    select log.id, log.entity_type, log.entity_id, log.action, log.changes
    from crm.audit_logs as log
    where log.transaction_id = p_transaction_id
      and log.action <> 'create'
      -- A deletion is logged before its cascades, that of a definition after the values.
      and (log.id > p_entry_id or p_entity_type = 'custom_field_definition')
      and (
        crm_private.takes_others(p_entity_type) or p_entity_type = 'custom_field_definition'
      )
  ),
  gone (id, entity_id) as (
    select p_entry_id, p_entity_id
    union
    select entries.id, entries.entity_id
    from gone
    join entries
      on entries.action = 'delete'
      and crm_private.cascade_parent(entries.entity_type, entries.changes) = gone.entity_id
      and entries.id > gone.id
  )
  select gone.id, 'delete'
  from gone

  union all

  select entries.id, 'update'
  from gone
  join entries
    on entries.action = 'update'
    and crm_private.cleared_reference(entries.entity_type, entries.changes) = gone.entity_id
    and entries.id > gone.id

  union all

  select entries.id, 'update'
  from entries
  where p_entity_type = 'custom_field_definition'
    and entries.action = 'update'
    and entries.id < p_entry_id
    and entries.entity_type = p_changes ->> 'entity_type'
    and entries.changes #> array['custom_fields.' || (p_changes ->> 'name'), 'new'] = 'null';
$$;

comment on function crm_private.cascaded_deletions(bigint, bigint, text, uuid, jsonb) is
  'Returns the entries that a deletion wrote: its own, and those of its cascades.';

revoke all on function crm_private.cascaded_deletions(bigint, bigint, text, uuid, jsonb) from public;
grant execute on function crm_private.cascaded_deletions(bigint, bigint, text, uuid, jsonb) to crm_member;
