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
 *   otherwise by the label columns; readers must be able to read it;
 * - foreign keys to other entities become cascades and links.
 *
 * The table may be in any schema. The compiled objects are named after it, so the tables of two
 * entities cannot have the same name. Raises if they would.
 *
 * Call it again when the columns or constraints of the table have changed. Locks the table, and
 * crm.custom_field_definitions if the table has custom fields. crm_private.unregister_entity
 * reverts it.
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
  v_type  crm_private.entity_types;
  v_other text;
begin
  select type.entity_type into v_other
  from crm_private.entity_types as type
  join pg_class as class on class.oid = type.entity_table
  join pg_class as input on input.oid = p_table
  where (type.entity_type = p_entity_type) <> (type.entity_table = p_table)
    or type.entity_type <> p_entity_type and class.relname = input.relname
  limit 1;

  if v_other is not null then
    raise exception 'entity %: its name, or the name of its table %, is in use by entity %',
        p_entity_type, p_table, v_other
      using errcode    = 'check_violation',
            schema     = 'crm_private', table = 'entity_types', column = 'entity_table',
            constraint = 'entity_types_entity_table_alone',
            detail     = jsonb_build_object(
                           'entityTable', jsonb_build_array('is in use by entity ' || v_other)
                         )::text,
            hint       = 'Choose another name, or unregister the other entity first.';
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
      case when pg_get_expr(adbin, adrelid) like '%text_document(%' then 'text' else 'name' end
    ) as searched_by
    from pg_attribute
    join pg_class on pg_class.oid = attrelid
    left join pg_attrdef on adrelid = attrelid and adnum = attnum
    where attrelid = p_table
      and attname = 'search_document'
      and atttypid = 'tsvector'::regtype
      and has_column_privilege('crm_reader', attrelid, attnum, 'select')
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
