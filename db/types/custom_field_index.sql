do $type$
begin
  if to_regtype('crm.custom_field_index') is null then
    create type crm.custom_field_index as (
      name     text,
      method   text,
      is_valid boolean,
      size     bigint,
      scans    bigint,
      prefix   text[]
    );
  end if;
end
$type$;

comment on type crm.custom_field_index is
  'An index on a custom field.';

comment on column crm.custom_field_index.name is
  E'@notNull\nThe name of the index in the schema crm.';
comment on column crm.custom_field_index.method is
  E'@notNull\nThe method of the index: btree for equality and range filters and for sorting; '
  'spgist for filters on the whole value or the beginning of long texts; gin for filters on '
  'elements of a list of values.';
comment on column crm.custom_field_index.is_valid is
  E'@notNull\nFalse while the index is being built and after a failed build. Queries do not use it '
  'then.';
comment on column crm.custom_field_index.size is
  E'@notNull\nThe size of the index in bytes.';
comment on column crm.custom_field_index.scans is
  E'@notNull\nThe number of times that the index has been read since statistics were last reset.';
comment on column crm.custom_field_index.prefix is
  E'@notNull\nThe fields before the value, by which lists are also filtered or ordered.';
