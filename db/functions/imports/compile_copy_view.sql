/*
 * Creates the view through which rows are copied into a table: crm_private.<table>_copy, which
 * contains no rows, and whose trigger inserts into the table. PostgreSQL does not allow COPY FROM
 * into a table whose policies apply to the role. Through the view each row is an insert with the
 * rights of the role that copies: validation, stamps, the audit log and the policies apply as to
 * every insert.
 *
 * The view has the columns that members may set in a new row, with their defaults, and those that
 * administrators may set in an import. It references none of the table's columns, so that they can
 * be dropped. A table that members cannot insert into gets no view. Called by
 * crm_private.compile_rules, and so by every migration that changes a column.
 */
create or replace function crm_private.compile_copy_view(p_table regclass)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Defaults are expressions, which cannot be quoted like names and values.
-- @plpgsql_check_options: security_warnings = off
declare
  v_table    text   := (select relname::text from pg_class where oid = p_table);
  v_view     text   := format('crm_private.%I', v_table || '_copy');
  v_function text   := format('crm_private.%I', v_table || '_copied');
  v_columns  name[] := crm_private.written_columns(p_table, 'insert');
  v_imported name[] := crm_private.importable_columns(p_table);
  v_default  record;
begin
  execute format('drop view if exists %s', v_view);

  if v_columns is null then
    return;
  end if;

  execute format(
    'create view %s as select %s where false',
    v_view,
    (
      select string_agg(
        format('null::%s as %I', format_type(atttypid, atttypmod), attname), ', ' order by attnum
      )
      from pg_attribute
      where attrelid = p_table and attname = any (v_columns || v_imported)
    )
  );
  execute format(
    'comment on view %s is %L',
    v_view, 'Accepts rows of crm.' || v_table || ' by COPY; contains none. Compiled.'
  );

  for v_default in
    select attname as name, pg_get_expr(adbin, adrelid) as expression
    from pg_attrdef
    join pg_attribute on attrelid = adrelid and attnum = adnum
    where adrelid = p_table and attname = any (v_columns) and attgenerated = ''
  loop
    execute format(
      'alter view %s alter column %I set default %s', v_view, v_default.name, v_default.expression
    );
  end loop;

  -- Passes imported values to the triggers in a setting, as a bulk write does: no role may write
  -- these columns.
  execute format(
    'create or replace function %s() returns trigger language plpgsql '
    'set search_path = pg_catalog, pg_temp as %L',
    v_function, format(
      E'begin\n'
      '  if num_nonnulls(%3$s) > 0 then\n'
      '    perform crm_private.require_import(%4$L);\n'
      '    perform set_config(%6$L, to_jsonb(new)::text, true);\n'
      '  end if;\n'
      '  insert into %1$s (%2$s)\n'
      '  values (%5$s);\n'
      '  perform set_config(%6$L, %7$L, true);\n'
      '  return new;\n'
      'end',
      p_table,
      (select string_agg(format('%I', name), ', ') from unnest(v_columns) as name),
      (select string_agg(format('new.%I', name), ', ') from unnest(v_imported) as name),
      array_to_string(v_imported, ', '),
      (select string_agg(format('new.%I', name), ', ') from unnest(v_columns) as name),
      'crm.bulk_stamps', ''
    )
  );
  execute format(
    'comment on function %s() is %L',
    v_function, 'Inserts a row that was copied into the view into its table. Compiled.'
  );
  execute format('revoke all on function %s() from public', v_function);
  execute format(
    'create trigger _100_copy instead of insert on %s for each row execute function %s()',
    v_view, v_function
  );
  execute format(
    'grant insert (%s) on %s to crm_member',
    (select string_agg(format('%I', name), ', ') from unnest(v_columns) as name), v_view
  );
  execute format('grant insert on %s to crm_admin', v_view);
end
$$;

comment on function crm_private.compile_copy_view(regclass) is
  'Creates the view through which rows can be copied into a table.';

revoke all on function crm_private.compile_copy_view(regclass) from public;
