/*
 * Writes rows whose ids are known: creates, updates and deletes, each with one statement. Returns
 * the written rows with their ids, in any order, and whether each of them changed.
 *
 * In a session that imports, new rows may also have values for the columns of
 * crm_private.imported_columns. No role may write these columns, so triggers read them from the
 * setting crm.bulk_stamps.
 *
 * If a trigger fires for a column that a statement names, the statement names the column only for
 * rows that have a value for it: a probability that was given differs from one that stays the same.
 * A row that would not change is not written, unless such a column is given for it. It costs a
 * fifth of an update.
 *
 * A row that the validation refuses is recorded and left out (crm_private.refuse_row). Rows are
 * formed one after the other, and until the next one the setting crm.bulk_row has the place of the
 * current one, for the validation and for what is returned of it. Triggers that fire during a
 * statement plan as usual.
 */
create or replace function crm_private.apply_rows(p_table regclass, p_rows crm_private.bulk_row[])
returns setof crm_private.written_row
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = auto
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can. The checker
-- cannot see that they write.
-- @plpgsql_check_options: security_warnings = off, performance_warnings = off
declare
  v_imported text[] := crm_private.imported_columns(p_table);
  v_named    text[];
  v_absent   text[];
begin
  if exists (select from unnest(p_rows) as input where input.operation = 'create') then
    return query execute (
      select format(
        'insert into %s as record (%s)
         select %s
         from unnest($1) as input
         cross join lateral jsonb_populate_record(null::%1$s, $2 || input.item) as filled
         where input.operation = ''create''
           and set_config(''crm.bulk_row'', input.place::text, true) is not null
           and set_config(
             ''crm.bulk_stamps'', case when input.item ?| $3 then input.item::text else '''' end, true
           ) is not null
         returning current_setting(''crm.bulk_row'')::integer, record.id, ''create'', true',
        p_table,
        string_agg(quote_ident(name), ', '),
        string_agg('filled.' || quote_ident(name), ', ')
      )
      from unnest(crm_private.written_columns(p_table, 'insert')) as name
    ) using p_rows, crm_private.column_defaults(p_table), v_imported;
    perform set_config('crm.bulk_row', '', true), set_config('crm.bulk_stamps', '', true);
  end if;

  v_named := array(
    select distinct attribute.attname::text
    from pg_trigger
    cross join lateral unnest(tgattr) as named (number)
    join pg_attribute as attribute
      on attribute.attrelid = tgrelid and attribute.attnum = named.number
    where tgrelid = p_table
      and not tgisinternal
      and attribute.attname = any (crm_private.written_columns(p_table, 'update'))
    order by attribute.attname::text
  );

  for v_absent in
    select distinct array(
      select name from unnest(v_named) as name where not input.item ? name order by name
    )
    from unnest(p_rows) as input
    where input.operation = 'update'
  loop
    return query execute (
      select format(
        'with patched as materialized (
           select
             input.place, found.version as old_version, %3$s,
             $4 or filled *<> found as is_written
           from unnest($1) as input
           join %1$s as found on found.id = input.id
           cross join lateral jsonb_populate_record(found, input.item) as filled
           where input.operation = ''update''
             and not input.item ?| $2
             and input.item ?& $3
         ),
         written as (
           update %1$s as record
           set %2$s
           from patched
           where record.id = patched."#id" and patched.is_written
           returning patched.place, record.id, record.version <> patched.old_version as changed
         )
         select place, id, ''update'', changed from written
         union all
         select place, "#id", ''update'', false from patched where not is_written',
        p_table,
        string_agg(format('%1$I = patched.%1$I', name), ', '),
        string_agg(format('filled.%I', name), ', ') || ', found.id as "#id"'
      )
      from unnest(crm_private.written_columns(p_table, 'update')) as name
      where name::text <> all (v_absent)
    ) using
      p_rows,
      v_absent,
      array(select name from unnest(v_named) as name where name <> all (v_absent)),
      v_absent <> v_named or coalesce(current_setting('crm.refusing', true) = 'on', false);
  end loop;

  if exists (select from unnest(p_rows) as input where input.operation = 'delete') then
    return query execute format(
      'delete from %s as record
       using unnest($1) as input
       where input.operation = ''delete'' and record.id = input.id
       returning input.place, record.id, ''delete'', true',
      p_table
    ) using p_rows;
  end if;
end
$$;

comment on function crm_private.apply_rows(regclass, crm_private.bulk_row[]) is
  'Writes the rows of a bulk write, whose ids are known.';

revoke all on function crm_private.apply_rows(regclass, crm_private.bulk_row[]) from public;
grant execute on function crm_private.apply_rows(regclass, crm_private.bulk_row[]) to crm_member;
