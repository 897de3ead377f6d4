/* Returns the columns that only a session that imports may set in new rows of a table. */
create or replace function crm_private.importable_columns(p_table regclass)
returns name[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(attname order by attnum), '{}')
  from pg_attribute
  where attrelid = p_table
    and attname = any ('{created_at,created_by,closed_at}'::name[]);
$$;

comment on function crm_private.importable_columns(regclass) is
  'Returns the columns that only a session that imports may set in new rows of a table.';

revoke all on function crm_private.importable_columns(regclass) from public;
grant execute on function crm_private.importable_columns(regclass) to crm_reader;
