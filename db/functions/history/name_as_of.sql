/*
 * How the definition of a custom field or a pipeline stage was called when an audit log entry was
 * written; null if it came later. The first time it was renamed since tells.
 */
create or replace function crm_private.name_as_of(
  p_entity_type text,
  p_id          uuid,
  p_name        text,
  p_entry_id    bigint
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when (array_agg(log.action order by log.id))[1] = 'create' and min(log.id) > p_entry_id then null
    else coalesce(
      (
        array_agg(log.changes #>> '{name,old}' order by log.id) filter (
          where log.action = 'update' and log.changes ? 'name' and log.id > p_entry_id
        )
      )[1],
      p_name
    )
  end
  from crm.audit_logs as log
  where log.entity_id = p_id
    and log.entity_type = p_entity_type;
$$;

comment on function crm_private.name_as_of(text, uuid, text, bigint) is
  'How a definition or a stage was called when an audit log entry was written.';

revoke all on function crm_private.name_as_of(text, uuid, text, bigint) from public;
