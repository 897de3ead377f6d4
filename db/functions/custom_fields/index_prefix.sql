/*
 * Returns the columns before the value in the index of a custom field. p_prefix has their names, in
 * SQL or in the API. Empty if the index cannot have all of them, which crm_private.index_custom_field
 * refuses; the index of a field whose type has changed loses them.
 *
 * It can have columns that readers see and that have an order, except the id, which it has already.
 * A text has at most 255 characters, or is a reference; together with those of the value there are
 * at most 510, so that an entry does not exceed the limit of a B-tree. An index of a list of values,
 * or of a text without such a limit, has no prefix.
 */
create or replace function crm_private.index_prefix(
  p_definition crm.custom_field_definitions,
  p_prefix     text[]
)
returns name[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when count(known.attname) = cardinality(p_prefix)
      and p_definition.field_type <> 'multi_enum'
      and 255 * count(*) filter (where known.atttypid = 'text'::regtype) + case
          p_definition.field_type
          when 'text' then coalesce(p_definition.max_length, 10000)
          when 'enum' then 255
          else 0
        end <= 510
    then coalesce(array_agg(known.attname order by ordinal), '{}')
    else '{}'
  end
  from unnest(p_prefix) with ordinality as wanted (field, ordinal)
  left join (
    select attname, atttypid
    from pg_attribute
    where attrelid = crm_private.entity_table(p_definition.entity_type)
      and attnum > 0
      and attname <> 'id'
      and not attisdropped
      and has_column_privilege('crm_reader', attrelid, attnum, 'select')
      and (
        atttypid = any ('{uuid,numeric,integer,boolean,date,timestamptz}'::regtype[])
        or atttypid = 'text'::regtype
          and exists (
            select
            from crm_private.rules
            where table_oid = attrelid
              and column_name = attname
              and (kind = 'reference' or condition = format('(char_length(%I) <= 255)', attname))
          )
      )
  ) as known on wanted.field in (attname, crm_private.camel_case(attname));
$$;

comment on function crm_private.index_prefix(crm.custom_field_definitions, text[]) is
  'Returns the columns before the value in the index of a custom field; empty if it cannot have them.';

revoke all on function crm_private.index_prefix(crm.custom_field_definitions, text[]) from public;
