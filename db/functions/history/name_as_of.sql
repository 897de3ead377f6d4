/*
 * Returns the name that a custom field definition or a pipeline stage had when an audit log entry
 * was written; null if it was created later. It is the old name in the first renaming since, or
 * else the present name.
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
  'Returns the name of a definition or a stage at the time of an audit log entry.';

revoke all on function crm_private.name_as_of(text, uuid, text, bigint) from public;
