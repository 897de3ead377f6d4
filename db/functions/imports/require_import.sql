/* Refuses to go on, unless the session imports. */
create or replace function crm_private.require_import(p_columns text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not crm_private.is_importing() then
    raise exception '% can be given only by an administrator who imports', p_columns
      using errcode = 'insufficient_privilege',
            schema  = 'crm',
            hint    = 'Say so before: set crm.source = ''import''.';
  end if;
end
$$;

comment on function crm_private.require_import(text) is
  'Refuses columns that only a session that imports may give.';

revoke all on function crm_private.require_import(text) from public;
grant execute on function crm_private.require_import(text) to crm_member;
