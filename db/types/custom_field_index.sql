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
  E'@notNull\nbtree, which answers filters by equality and ranges, and sorts; spgist, for long '
  'texts, which answers filters by the whole value or its beginning; or gin, for several '
  'values, which answers filters by what is among them.';
comment on column crm.custom_field_index.is_valid is
  E'@notNull\nFalse while it is being built, and after a build that failed; queries do not use '
  'it then.';
comment on column crm.custom_field_index.size is
  E'@notNull\nIts size in bytes.';
comment on column crm.custom_field_index.scans is
  E'@notNull\nHow many times it has been read since statistics are kept.';
