/*
 * Moves references from some rows to another one: for each foreign key to the table, rows whose key
 * is one of p_from get p_to. Returns the number of rows moved in each table. Called by
 * crm_private.merge_rows.
 *
 * The foreign keys are read from the catalog. In tasks and notes, entity_id is written and the key
 * is generated from it. Tables are updated in the order in which all writers lock them, and their
 * rows by id. A table of an application may have no id.
 */
create or replace function crm_private.move_links(p_table regclass, p_from uuid[], p_to uuid)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- plpgsql_check cannot see that its statements write.
-- @plpgsql_check_options: performance_warnings = off
declare
  v_link  record;
  v_count bigint;
  v_moved jsonb := jsonb_build_object();
begin
  for v_link in
    select
      con.conrelid::regclass as child,
      class.relname,
      attribute.attname as key,
      case attribute.attgenerated when '' then attribute.attname else 'entity_id' end as written,
      exists (
        select from pg_attribute as column_of_child
        where column_of_child.attrelid = con.conrelid and column_of_child.attname = 'id'
      ) as has_id
    from pg_constraint as con
    join pg_class as class on class.oid = con.conrelid
    join pg_attribute as attribute
      on attribute.attrelid = con.conrelid and con.conkey = array[attribute.attnum]
    left join crm_private.entity_types as type on type.entity_table = con.conrelid
    where con.confrelid = p_table
      and con.contype = 'f'
    order by type.restore_order, class.relname, attribute.attnum
  loop
    if v_link.has_id then
      execute format(
        $move$
        with locked as (
          select id from %1$s where %2$I = any ($1) order by id for no key update
        )
        update %1$s as child
        set %3$I = $2
        from locked
        where child.id = locked.id
        $move$,
        v_link.child, v_link.key, v_link.written
      ) using p_from, p_to;
    else
      execute format(
        'update %1$s set %3$I = $2 where %2$I = any ($1)', v_link.child, v_link.key, v_link.written
      ) using p_from, p_to;
    end if;
    get diagnostics v_count = row_count;
    v_moved := v_moved || jsonb_build_object(
      v_link.relname, coalesce((v_moved ->> v_link.relname)::bigint, 0) + v_count
    );
  end loop;
  return v_moved;
end
$$;

comment on function crm_private.move_links(regclass, uuid[], uuid) is
  'Moves references from rows of a table to another row of it; returns the number of rows moved '
  'in each table.';

revoke all on function crm_private.move_links(regclass, uuid[], uuid) from public;
grant execute on function crm_private.move_links(regclass, uuid[], uuid) to crm_member;
