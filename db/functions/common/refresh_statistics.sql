/*
 * Rebuilds the planner's statistics of a table. They contain its most common values and values at
 * regular intervals, some of which may have been erased. Without this, a table that is now empty
 * would retain its old statistics; from PostgreSQL 18 on they can be cleared. Called by
 * crm_private.erase_contact.
 */
create or replace function crm_private.refresh_statistics(p_table regclass)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_clear regproc := to_regproc('pg_catalog.pg_clear_attribute_stats');
begin
  if v_clear is not null then
    execute format(
      $clear$
      select %s(class.relnamespace::regnamespace::text, class.relname, attname, false)
      from pg_catalog.pg_attribute
      join pg_catalog.pg_class as class on class.oid = attrelid
      where attnum > 0
        and not attisdropped
        and attrelid in (
          select $1
          union all
          select indexrelid from pg_catalog.pg_index where indrelid = $1
        )
      $clear$,
      v_clear
    ) using p_table;
  end if;

  execute format('analyze %s', p_table);
end
$$;

comment on function crm_private.refresh_statistics(regclass) is
  'Rebuilds the planner''s statistics of a table, without values that it no longer contains.';

revoke all on function crm_private.refresh_statistics(regclass) from public;
