/*
 * Returns the default values of a new row, by column, for the columns that members may insert.
 * Called by crm.create_deal_with_tasks and crm_private.apply_rows.
 */
create or replace function crm_private.column_defaults(p_table regclass)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
-- Its statement contains expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_defaults jsonb;
begin
  execute (
    select format(
      'select jsonb_build_object(%s)',
      string_agg(
        format('%L, %s', attname, pg_get_expr(adbin, adrelid)), ', ' order by attnum
      )
    )
    from pg_attribute
    join pg_attrdef on adrelid = attrelid and adnum = attnum
    where attrelid = p_table
      and attgenerated = ''
      and attname = any (crm_private.written_columns(p_table, 'insert'))
  ) into v_defaults;
  return v_defaults;
end
$$;

comment on function crm_private.column_defaults(regclass) is
  'Returns the default values of a new row of a table, by column.';

revoke all on function crm_private.column_defaults(regclass) from public;
grant execute on function crm_private.column_defaults(regclass) to crm_member;
