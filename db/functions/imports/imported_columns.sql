/* Returns crm_private.importable_columns if the session imports, otherwise an empty array. */
create or replace function crm_private.imported_columns(p_table regclass)
returns name[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when crm_private.is_importing() then crm_private.importable_columns(p_table)
    else '{}'
  end;
$$;

comment on function crm_private.imported_columns(regclass) is
  'Returns the columns that this session may set in new rows of a table because it imports.';

revoke all on function crm_private.imported_columns(regclass) from public;
grant execute on function crm_private.imported_columns(regclass) to crm_reader;
