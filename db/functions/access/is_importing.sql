/*
 * Whether the session imports: says so, by crm.source, and may, being an administrator's. Then new rows
 * keep who created them and when in the system that they come from.
 */
create or replace function crm_private.is_importing()
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce(current_setting('crm.source', true) = 'import', false)
    and crm_private.is_administrator();
end
$$;

comment on function crm_private.is_importing() is
  'True if an administrator''s session says that it imports.';

revoke all on function crm_private.is_importing() from public;
grant execute on function crm_private.is_importing() to crm_reader;
