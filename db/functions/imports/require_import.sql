/* Raises unless the session imports. p_columns is for the message. */
create or replace function crm_private.require_import(p_columns text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not crm_private.is_importing() then
    raise exception 'only an administrator who imports can set %', p_columns
      using errcode    = 'insufficient_privilege',
            schema     = 'crm',
            constraint = 'require_import_importing',
            hint       = 'As an administrator, run set crm.source = ''import'' first.';
  end if;
end
$$;

comment on function crm_private.require_import(text) is
  'Raises unless the session imports; for columns that only an import may set.';

revoke all on function crm_private.require_import(text) from public;
grant execute on function crm_private.require_import(text) to crm_member;
