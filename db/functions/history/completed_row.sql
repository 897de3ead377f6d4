/*
 * Returns a row of the past with every column that the table has now. A column that is missing in
 * the row was added later, and gets its default. Generated columns are computed from the others.
 * Those that search and the detection of duplicates read (crm_private.derived_columns) are null: the
 * past is not searched. Called by crm_private.row_as_of.
 */
create or replace function crm_private.completed_row(p_table regclass, p_row jsonb)
returns jsonb
language plpgsql
stable
strict
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are built from expressions, which cannot be quoted like names and values.
-- @plpgsql_check_options: security_warnings = off
declare
  v_row jsonb := p_row;
begin
  execute (
    select format(
      'select to_jsonb(added) || $1 from (select %s) as added',
      coalesce(string_agg(format('%s as %I', pg_get_expr(adbin, adrelid), attname), ', '), '')
    )
    from pg_attribute
    join pg_attrdef on adrelid = attrelid and adnum = attnum
    where attrelid = p_table
      and attgenerated = ''
      and not p_row ? attname
  ) into v_row using v_row;

  execute (
    select format(
      'select $1 || to_jsonb(generated)
       from (select %s from jsonb_populate_record(null::%s, $1)) as generated',
      coalesce(
        string_agg(
          case
            when attname = any (crm_private.derived_columns()) then format('null as %I', attname)
            else format('%s as %I', pg_get_expr(adbin, adrelid), attname)
          end,
          ', '
        ),
        ''
      ),
      p_table
    )
    from pg_attribute
    left join pg_attrdef on adrelid = attrelid and adnum = attnum
    where attrelid = p_table
      and (attgenerated <> '' or attname = any (crm_private.derived_columns()))
  ) into v_row using v_row;
  return v_row;
end
$$;

comment on function crm_private.completed_row(regclass, jsonb) is
  'Returns a row of the past with every column that the table has now.';

revoke all on function crm_private.completed_row(regclass, jsonb) from public;
grant execute on function crm_private.completed_row(regclass, jsonb) to crm_reader;
