/*
 * Returns the source of a change: api, import or sql. The setting crm.source is trusted in the same
 * sessions as crm.user_id. Called by the audit log.
 */
create or replace function crm_private.current_source()
returns text
language sql
stable
parallel safe
return case
  when current_setting('crm.source', true) = any (array['api', 'import'])
    and pg_has_role(session_user, 'crm_server', 'member')
  then current_setting('crm.source', true)
  else 'sql'
end;

comment on function crm_private.current_source() is
  'Returns the source of a change: api, import or sql.';

revoke all on function crm_private.current_source() from public;
