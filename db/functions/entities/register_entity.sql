/*
 * Registers a table as an entity: writes its row in crm_private.entity_types, and compiles
 * everything that is derived from it. The table must exist, with the columns that every entity has
 * (id, version, created_at, updated_at, created_by, updated_by), its constraints, grants and
 * policies. Its columns decide what it supports:
 *
 * - every table has stamps, validation, the audit log, history, undo and the trash;
 * - a table with external_ids has bulk writes, look-ups by external id, and a report;
 * - a table with custom_fields has definitions of custom fields;
 * - a table with search_document is searched: as a text if crm_private.text_document computes it,
 *   otherwise by the label columns. It is not searched if crm_reader cannot select one of
 *   search_document, id, created_at and the label columns, because then every search would fail;
 * - foreign keys to other entities become cascades and links.
 *
 * The table may be in any schema. The compiled objects are named after the table and the entity
 * type, so no two entities can have the same, and both names are short: PostgreSQL would truncate
 * crm.<table>_history_is_complete after 63 bytes. A hit of crm.search has the attribute
 * <entity type>_id, and in the API a field of the entity type's name.
 *
 * Raises if a name is in use, reserved, malformed or too long, or if the table lacks a column.
 *
 * Call it again when the columns, their rights or the constraints of the table have changed. Locks
 * the table, and crm.custom_field_definitions if the table has custom fields.
 * crm_private.unregister_entity reverts it.
 */
create or replace function crm_private.register_entity(
  p_entity_type   text,
  p_table         regclass,
  p_label_columns name[]
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_name    name := (select relname from pg_class where oid = p_table);
  v_lacking text; -- columns that every entity has
  v_missing text; -- label columns
  v_other   text;
  v_fault   record;
  v_type    crm_private.entity_types;
begin
  select type.entity_type into v_other
  from crm_private.entity_types as type
  join pg_class as class on class.oid = type.entity_table
  where (type.entity_type = p_entity_type) <> (type.entity_table = p_table)
    or type.entity_type <> p_entity_type and class.relname = v_name
  limit 1;

  select string_agg(format('%s %s', needed, type), ' and ' order by needed desc) into v_lacking
  from (values ('id', 'uuid'), ('created_at', 'timestamptz')) as expected (needed, type)
  where not exists (
    select from pg_attribute
    where attrelid = p_table and attname = needed and atttypid = type::regtype
  );

  select string_agg(coalesce(label, 'null'), ', ' order by ordinal) into v_missing
  from unnest(p_label_columns) with ordinality as labels (label, ordinal)
  where not exists (
    select from pg_attribute
    where attrelid = p_table and attname = label and attnum > 0 and not attisdropped
  );

  with broken as (
    select *
    from (
      values
        (1, 'entity_type', 'entityType', 'entity_types_entity_type_format',
          'must consist of a-z, 0-9 and _, begin with a letter, and have at most 40 characters',
          'The functions and fields of the entity are named after it.',
          p_entity_type !~ '^[a-z][a-z0-9_]{0,39}$'),
        (2, 'entity_type', 'entityType', 'entity_types_entity_type_reserved',
          'must not be entity, entity_type, rank, extract or place',
          'Hits of a search have fields of these names. Choose another name.',
          p_entity_type = any ('{entity,entity_type,rank,extract,place}')),
        (3, 'entity_table', 'entityTable', 'entity_types_entity_table_length',
          'must have a name of at most 40 bytes',
          'The functions of the entity are named after its table. Rename the table.',
          octet_length(v_name::text) > 40),
        (4, 'entity_table', 'entityTable', 'entity_types_entity_table_columns',
          'must have the columns ' || v_lacking,
          'Add the columns that every entity has, with their types.',
          v_lacking is not null),
        (5, 'entity_table', 'entityTable', 'entity_types_entity_table_alone',
          'is in use by entity ' || v_other,
          'Choose another name, or unregister the other entity first.',
          v_other is not null),
        (6, 'label_columns', 'labelColumns', 'entity_types_label_columns_required',
          'must have at least one column',
          'Name the columns by which people recognise a row.',
          coalesce(cardinality(p_label_columns), 0) = 0),
        (7, 'label_columns', 'labelColumns', 'entity_types_label_columns_known',
          format('must be columns of %s, which has no %s', p_table, v_missing),
          'Name the columns by which people recognise a row.',
          v_missing is not null)
    ) as rules (ordinal, column_name, field, rule, message, hint, is_broken)
    where is_broken
  )
  select
    (array_agg(rule order by ordinal))[1]                            as rule,
    (array_agg(column_name order by ordinal))[1]                     as column_name,
    (array_agg(hint order by ordinal))[1]                            as hint,
    string_agg(column_name || ' ' || message, '; ' order by ordinal) as summary,
    (
      select jsonb_object_agg(field, messages)
      from (
        select field, jsonb_agg(message order by ordinal) as messages from broken group by field
      ) as by_field
    ) as fields
  into v_fault
  from broken;

  if v_fault.rule is not null then
    raise exception 'entity %: %', p_entity_type, v_fault.summary
      using errcode    = 'check_violation',
            schema     = 'crm_private', table = 'entity_types', column = v_fault.column_name,
            constraint = v_fault.rule,
            detail     = v_fault.fields::text,
            hint       = v_fault.hint;
  end if;

  insert into crm_private.entity_types as type (
    entity_type, entity_table, label_columns, is_record, has_custom_fields, is_mergeable, restore_order,
    searched_by, search_order
  )
  select
    p_entity_type, p_table, p_label_columns,
    coalesce(bool_or(attname = 'external_ids'), false),
    coalesce(bool_or(attname = 'custom_fields'), false),
    false,
    (select max(restore_order) + 10 from crm_private.entity_types),
    document.searched_by,
    case document.searched_by when 'name' then 2 when 'text' then 3 end
  from pg_attribute
  cross join (
    select min(
      case
        when pg_get_expr(adbin, adrelid) ~ '\mcrm_private\.text_document\(' then 'text' else 'name'
      end
    ) as searched_by
    from pg_attribute
    join pg_class on pg_class.oid = attrelid
    left join pg_attrdef on adrelid = attrelid and adnum = attnum
    where attrelid = p_table
      and attname = 'search_document'
      and atttypid = 'tsvector'::regtype
      and (
        select bool_and(has_column_privilege('crm_reader', p_table, needed::text, 'select'))
        from unnest('{id,created_at,search_document}'::name[] || p_label_columns) as needed
      )
      and has_schema_privilege('crm_reader', relnamespace, 'usage')
  ) as document
  where attrelid = p_table and attnum > 0 and not attisdropped
  group by document.searched_by
  on conflict (entity_type) do update set
    label_columns     = excluded.label_columns,
    is_record         = excluded.is_record,
    has_custom_fields = excluded.has_custom_fields,
    searched_by       = excluded.searched_by,
    search_order      = case
      when excluded.searched_by is not null then coalesce(type.search_order, excluded.search_order)
    end
  returning * into v_type;

  perform crm_private.compile_entity_lookups();

  if v_type.has_custom_fields then
    perform crm_private.allow_definitions();
    perform crm_private.compile_custom_field_trigger(p_table);
    perform crm_private.compile_custom_fields(p_entity_type);
  elsif v_type.is_record then
    perform crm_private.compile_report(p_entity_type);
  end if;

  perform crm_private.compile_stamps(p_table, p_entity_type);
  perform crm_private.compile_rules(p_table);
  if v_type.is_record then
    perform crm_private.compile_external_ids(p_table, p_entity_type);
  end if;
  perform crm_private.compile_audit_log(p_table, p_entity_type);
  perform crm_private.compile_history(p_entity_type);
  perform crm_private.compile_search();
end
$$;

comment on function crm_private.register_entity(text, regclass, name[]) is
  'Registers a table as an entity, with everything that entities have.';

revoke all on function crm_private.register_entity(text, regclass, name[]) from public;
