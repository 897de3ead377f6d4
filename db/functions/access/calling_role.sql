/*
 * Returns the role that a statement runs as, also within a security definer function, where
 * current_user is the owner of the function. The result can be trusted: only a member of a role can
 * set it.
 */
create or replace function crm_private.calling_role()
returns name
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce(nullif(current_setting('role'), 'none')::name, session_user);
end
$$;

comment on function crm_private.calling_role() is
  'Returns the role that the statement runs as, also within a security definer function.';

revoke all on function crm_private.calling_role() from public;
grant execute on function crm_private.calling_role() to crm_reader;
