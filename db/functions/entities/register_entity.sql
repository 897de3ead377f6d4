/*
 * Makes a table an entity: one row in the catalogue, and everything that is compiled from it. The table is
 * there, with the columns that every entity has (id, version, created_at, updated_at, created_by,
 * updated_by), its constraints, grants and policies. What it can do follows from its columns:
 *
 * - stamps, validation, the audit log, history, undo and the trash always;
 * - with external_ids bulk writes, look-ups by external id, and a report;
 * - with custom_fields definitions of custom fields;
 * - cascades and links from its foreign keys to other entities.
 *
 * The table may be of any schema. What is compiled is called like it, so no two entities' tables have the same
 * name; that is refused.
 *
 * Call it again when its columns or constraints have changed. Locks the table, and
 * crm.custom_field_definitions if it has custom fields. crm_private.unregister_entity undoes it.
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
    raise exception 'entity %: its name, or that of its table %, belongs to %',
        p_entity_type, p_table, v_other
      using errcode    = 'check_violation',
            schema     = 'crm_private', table = 'entity_types', column = 'entity_table',
            constraint = 'entity_types_entity_table_alone',
            hint       = 'Call the table otherwise.';
  end if;

  insert into crm_private.entity_types as type (
    entity_type, entity_table, label_columns, is_record, has_custom_fields, is_mergeable, restore_order
  )
  select
    p_entity_type, p_table, p_label_columns,
    coalesce(bool_or(attname = 'external_ids'), false),
    coalesce(bool_or(attname = 'custom_fields'), false),
    false,
    (select max(restore_order) + 10 from crm_private.entity_types)
  from pg_attribute
  where attrelid = p_table and attnum > 0 and not attisdropped
  on conflict (entity_type) do update set
    label_columns     = excluded.label_columns,
    is_record         = excluded.is_record,
    has_custom_fields = excluded.has_custom_fields
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
end
$$;

comment on function crm_private.register_entity(text, regclass, name[]) is
  'Makes a table an entity, with everything that entities have.';

revoke all on function crm_private.register_entity(text, regclass, name[]) from public;
