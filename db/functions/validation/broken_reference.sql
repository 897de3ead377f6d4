/*
 * The condition that a row of a table has a reference that leads nowhere, null if it has none at all.
 *
 * Security definer, because rules are not read by roles; it reads no rows.
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
  'The condition that a row of a table has a reference that leads nowhere.';

revoke all on function crm_private.broken_reference(regclass) from public;
grant execute on function crm_private.broken_reference(regclass) to crm_member;
