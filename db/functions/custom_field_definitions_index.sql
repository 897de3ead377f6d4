/*
 * The index of a custom field, null where there is none. What is read is the catalog, so it is what
 * the database has, whoever made or dropped it.
 */
do $type$
begin
  if to_regtype('crm.custom_field_index') is null then
    create type crm.custom_field_index as (
      name     text,
      method   text,
      is_valid boolean,
      size     bigint,
      scans    bigint
    );
  end if;
end
$type$;

comment on type crm.custom_field_index is
  'An index on a custom field.';
comment on column crm.custom_field_index.name is
  E'@notNull\nWhat it is called in the schema crm.';
comment on column crm.custom_field_index.method is
  E'@notNull\nbtree, which answers filters by equality and ranges, and sorts; spgist, for long texts, '
  'which answers filters by the whole value or its beginning; or gin, for several values, which answers '
  'filters by what is among them.';
comment on column crm.custom_field_index.is_valid is
  E'@notNull\nFalse while it is being built, and after a build that failed; queries do not use it then.';
comment on column crm.custom_field_index.size is
  E'@notNull\nIts size in bytes.';
comment on column crm.custom_field_index.scans is
  E'@notNull\nHow many times it has been read since statistics are kept.';

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
    pg_relation_size(class.oid), pg_stat_get_numscans(class.oid)
  )::crm.custom_field_index
  from pg_class as class
  join pg_index as index on index.indexrelid = class.oid
  join pg_am as method on method.oid = class.relam
  where class.oid = to_regclass(
    format('crm.%I', crm_private.custom_field_index_name(definition))
  );
$$;

comment on function crm.custom_field_definitions_index(crm.custom_field_definitions) is
  'The index by which filters and orders on the field are answered; null if there is none.';

revoke all on function crm.custom_field_definitions_index(crm.custom_field_definitions)
  from public;
grant execute on function crm.custom_field_definitions_index(crm.custom_field_definitions)
  to crm_reader;
