/*
 * Returns the id of the entity that a task or note was attached to by an audit log entry; null if
 * the entry does not change it. An index of the audit log uses this function.
 */
create or replace function crm_private.attached_to(action text, changes jsonb)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return case action
    when 'update' then changes #>> '{entity_id,new}'
    else changes ->> 'entity_id'
  end;
end
$$;

comment on function crm_private.attached_to(text, jsonb) is
  'Returns the id of the entity that a task or note was attached to by an audit log entry.';

revoke all on function crm_private.attached_to(text, jsonb) from public;
