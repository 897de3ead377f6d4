/*
 * Returns the columns that the database derives from the other columns of a row, for search and for
 * the detection of duplicates. No writer sets them, and the audit log does not record them.
 */
create or replace function crm_private.derived_columns()
returns name[]
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select '{search_document,match_keys}'::name[];
$$;

comment on function crm_private.derived_columns() is
  'Returns the columns that are derived from others, for search and the detection of duplicates.';

revoke all on function crm_private.derived_columns() from public;
grant execute on function crm_private.derived_columns() to crm_reader;
