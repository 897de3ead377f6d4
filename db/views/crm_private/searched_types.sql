/*
 * The entity types that search finds, in the order in which it lists them, with the SQL expressions
 * from which crm_private.compile_search compiles:
 *
 * - name: the label columns with a space between them. Those that may be null are read as empty, so
 *   that every row has a name, and a rank.
 * - words: the words of the name, as in the trigram index of the table.
 * - body: the text of which a hit shows an extract: the name, then the other columns from which
 *   search_document is derived (its trigger depends on them) or generated, except those that readers
 *   cannot select.
 * - entities: a subquery with these, the id, search_document and created_at. It has no other column
 *   of the table, so that no column can have the name of a variable of a compiled function.
 */
create or replace view crm_private.searched_types as
  select
    type.entity_type,
    type.entity_table,
    type.searched_by,
    type.search_order,
    row_number() over (order by type.search_order, type.restore_order) as place,
    label.name,
    part.words,
    part.body,
    format(
      '(select id, search_document, created_at, %s as name, %s as words, %s as body from %s)'
      ' as entity',
      label.name, part.words, part.body, type.entity_table
    ) as entities
  from crm_private.entity_types as type
  join pg_class as class on class.oid = type.entity_table
  join pg_namespace as namespace on namespace.oid = class.relnamespace
  cross join lateral (
    select
      labels.name,
      case
        when labels.can_be_empty then format('nullif(btrim(%s), '''')', labels.name)
        else labels.name
      end as shown
    from (
      select
        string_agg(
          format(
            case when attnotnull then '%s' else 'coalesce(%s, '''')' end,
            format(case when atttypid = 'text'::regtype then '%I' else '%I::text' end, attname)
          ),
          ' || '' '' || ' order by ordinal
        ) as name,
        bool_or(not attnotnull) as can_be_empty
      from unnest(type.label_columns) with ordinality as labelled (attname, ordinal)
      join pg_attribute as attribute using (attname)
      where attribute.attrelid = type.entity_table
    ) as labels
  ) as label
  cross join lateral (
    select string_agg(
      format(
        case
          when attribute.atttypid = 'jsonb'::regtype then 'crm_private.search_texts(%I)'
          when attribute.atttypid::regtype::text like '%[]'
          then 'nullif(array_to_string(%I, '', ''), '''')'
          else 'nullif(%I::text, '''')'
        end,
        attribute.attname
      ),
      ', ' order by attribute.attnum
    ) as expressions
    from pg_attribute as attribute
    where attribute.attrelid = type.entity_table
      and attribute.attname <> all (type.label_columns)
      and has_column_privilege('crm_reader', attribute.attrelid, attribute.attnum, 'select')
      and (
        exists (
          select from pg_trigger as deriving
          join pg_depend as used
            on used.classid = 'pg_trigger'::regclass and used.objid = deriving.oid
          where deriving.tgrelid = type.entity_table
            and deriving.tgname = '_250_derive_update'
            and used.refobjid = type.entity_table
            and used.refobjsubid = attribute.attnum
        )
        or exists (
          select from information_schema.column_column_usage as used
          where used.table_schema = namespace.nspname
            and used.table_name = class.relname
            and used.dependent_column = 'search_document'
            and used.column_name = attribute.attname
        )
      )
  ) as details
  cross join lateral (
    select
      case type.entity_type
        -- Trigrams find the digits of phone numbers, too.
        when 'contact' then 'crm_private.contact_name_words(first_name, last_name, phones)'
        else format('crm_private.name_words(%s)', label.name)
      end as words,
      format('concat_ws('' · '', %s)', concat_ws(', ', label.shown, details.expressions)) as body
  ) as part
  where type.searched_by is not null;

comment on view crm_private.searched_types is
  'The entity types that search finds, with the SQL expressions of their names and texts.';
