/*
 * Returns the condition that a row of a table references a row that does not exist; null if the
 * table has no references. Called by bulk writes.
 *
 * Security definer: roles cannot read crm_private.rules. It reads no rows of the table.
 */
create or replace function crm_private.broken_reference(p_table regclass)
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(format('not (%s)', condition), ' or ' order by constraint_name)
  from crm_private.rules
  where table_oid = p_table and kind = 'reference';
$$;

comment on function crm_private.broken_reference(regclass) is
  'Returns the condition that a row of a table references a row that does not exist.';

revoke all on function crm_private.broken_reference(regclass) from public;
grant execute on function crm_private.broken_reference(regclass) to crm_member;
