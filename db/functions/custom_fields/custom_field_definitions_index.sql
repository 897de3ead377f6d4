/*
 * Returns the index of a custom field, null if there is none. Reads the catalog, so the result is
 * the actual index, regardless of which role created or dropped it.
 */
create or replace function crm.custom_field_definitions_index(
  definition crm.custom_field_definitions
)
returns crm.custom_field_index
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select (
    class.relname, method.amname, index.indisvalid,
    pg_relation_size(class.oid), pg_stat_get_numscans(class.oid),
    array(
      select crm_private.camel_case(attname)
      from unnest(index.indkey::smallint[]) with ordinality as key (attnum, place)
      join pg_attribute using (attnum)
      where attrelid = index.indrelid
        -- The value, an expression, has the number 0. Its place in indkey is counted from 0.
        and place <= array_position(index.indkey::smallint[], 0::smallint)
      order by place
    )
  )::crm.custom_field_index
  from pg_class as class
  join pg_index as index on index.indexrelid = class.oid
  join pg_am as method on method.oid = class.relam
  where class.oid = to_regclass(
    format('crm.%I', crm_private.custom_field_index_name(definition))
  );
$$;

comment on function crm.custom_field_definitions_index(crm.custom_field_definitions) is
  'The index that speeds up filters and orders on the field. Null if there is none.';

revoke all on function crm.custom_field_definitions_index(crm.custom_field_definitions)
  from public;
grant execute on function crm.custom_field_definitions_index(crm.custom_field_definitions)
  to crm_reader;
