/*
 * Returns true if the caller has the rights of an administrator, also within a security definer
 * function.
 */
create or replace function crm_private.is_administrator()
returns boolean
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select pg_has_role(crm_private.calling_role(), 'crm_admin', 'usage')
  or pg_has_role(
    crm_private.calling_role(),
    (select nspowner from pg_catalog.pg_namespace where nspname = 'crm'),
    'usage'
  );
$$;

comment on function crm_private.is_administrator() is
  'Returns true if the caller has the rights of an administrator.';

revoke all on function crm_private.is_administrator() from public;
grant execute on function crm_private.is_administrator() to crm_reader;
