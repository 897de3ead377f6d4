/* What a session that imports may give a new row of a table beside what members may. */
create or replace function crm_private.imported_columns(p_table regclass)
returns name[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(attname order by attnum), '{}')
  from pg_attribute
  where attrelid = p_table
    and attname = any ('{created_at,created_by,closed_at}'::name[])
    and crm_private.is_importing();
$$;

comment on function crm_private.imported_columns(regclass) is
  'The columns that a session that imports may give new rows of a table, and no other may.';

revoke all on function crm_private.imported_columns(regclass) from public;
grant execute on function crm_private.imported_columns(regclass) to crm_reader;
