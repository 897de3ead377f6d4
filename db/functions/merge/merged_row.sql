/*
 * Returns the values that a merge combines from several rows, by column: the value of the first row
 * or, if it has none, of the first other row that has one. Custom fields are merged one by one;
 * lists get the elements of all rows. Null counts as no value, and so do an empty object and the
 * default of a new row. Called by crm_private.merge_rows, which has locked the rows.
 *
 * The columns are those that members may change, read from the catalog: a column that is added to
 * the table is merged like the others. A link to one of the merged rows is ignored, because that
 * row may be deleted.
 */
create or replace function crm_private.merged_row(p_table regclass, p_ids uuid[])
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
-- Its statement is built from expressions, which cannot be quoted like names and values.
-- @plpgsql_check_options: security_warnings = off
declare
  v_united jsonb;
begin
  execute (
    select format(
      'select to_jsonb(united)
       from (
         select %s
         from unnest($1) with ordinality as merged (id, rank)
         join %s as record using (id)
       ) as united',
      string_agg(
        format(
          case
            when settable.attname = 'custom_fields'
            then 'crm_private.merged_custom_fields(array_agg(record.%1$I order by rank)) as %1$I'
            when settable.attname = 'external_ids'
            then 'crm_private.merged_external_ids(jsonb_agg(record.%1$I order by rank)) as %1$I'
            -- Equal addresses and numbers may be written in different ways.
            when settable.attname in ('emails', 'phones')
            then 'crm_private.merged_values(jsonb_agg(record.%1$I order by rank)) as %1$I'
            when settable.is_list then
              'crm_private.merged_lists('
                'jsonb_agg(record.%1$I order by rank) filter (where record.%1$I is not null)) as %1$I'
            when settable.is_own_link then
              '(array_agg(record.%1$I order by rank)
                 filter (where record.%1$I <> all ($1)))[1] as %1$I'
            else
              'coalesce(
                 (array_agg(record.%1$I order by rank)
                    filter (where not to_jsonb(record.%1$I) in (''{}'', ''null'', %2$s)))[1],
                 (array_agg(record.%1$I order by rank))[1]
               ) as %1$I'
          end,
          settable.attname,
          settable.default_value
        ),
        ', ' order by settable.attnum
      ),
      p_table
    )
    from (
      select
        attribute.attname,
        attribute.attnum,
        type.typcategory = 'A' as is_list,
        exists (
          select
          from pg_constraint
          where conrelid = p_table
            and confrelid = p_table
            and contype = 'f'
            and conkey = array[attribute.attnum]
        ) as is_own_link,
        -- A default that takes a number from a sequence must not be evaluated.
        coalesce(
          case
            when pg_get_expr(adbin, adrelid) !~ 'nextval\('
            then format('to_jsonb((%s)::%s)', pg_get_expr(adbin, adrelid), attribute.atttypid::regtype)
          end,
          '''null'''
        ) as default_value
      from pg_attribute as attribute
      join pg_type as type on type.oid = attribute.atttypid
      left join pg_attrdef on adrelid = attribute.attrelid and adnum = attribute.attnum
      where attribute.attrelid = p_table
        and attribute.attname <> 'version'
        and attribute.attname = any (crm_private.written_columns(p_table, 'update'))
    ) as settable
  ) into v_united using p_ids;
  return v_united;
end
$$;

comment on function crm_private.merged_row(regclass, uuid[]) is
  'Returns the values that a merge combines from several rows, by column.';

revoke all on function crm_private.merged_row(regclass, uuid[]) from public;
grant execute on function crm_private.merged_row(regclass, uuid[]) to crm_member;
