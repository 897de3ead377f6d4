/*
 * Returns the columns of a table whose changes the audit log records, which are those that
 * crm_private.compile_audit_log compiles.
 */
create or replace function crm_private.logged_columns(p_table regclass)
returns name[]
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select array_agg(attname order by attnum)
  from pg_catalog.pg_attribute
  where attrelid = p_table
    and attnum > 0
    and not attisdropped
    and attgenerated = ''
    and attname <> all (crm_private.derived_columns())
    and attname <> all (
      '{id,version,created_at,updated_at,created_by,updated_by}'::name[]
    );
$$;

comment on function crm_private.logged_columns(regclass) is
  'Returns the columns of a table whose changes the audit log records.';

revoke all on function crm_private.logged_columns(regclass) from public;
grant execute on function crm_private.logged_columns(regclass) to crm_reader;
