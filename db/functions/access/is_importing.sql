/*
 * Returns true if the session imports: crm.source is import, and the caller is an administrator. In
 * such a session new rows keep the creator and creation time of the system that they come from.
 */
create or replace function crm_private.is_importing()
returns boolean
language sql
stable
return coalesce(current_setting('crm.source', true) = 'import', false)
  and crm_private.is_administrator();

comment on function crm_private.is_importing() is
  'Returns true if an administrator''s session has set crm.source to import.';

revoke all on function crm_private.is_importing() from public;
grant execute on function crm_private.is_importing() to crm_reader;
