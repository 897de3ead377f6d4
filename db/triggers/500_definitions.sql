/*
 * Phase 500: a change of custom field definitions migrates data. The migration is carried out and
 * checked in the same statement, by crm_private.apply_definitions. The entity type of a definition
 * cannot change.
 *
 * Security definer: it creates functions, and changes rows that policies may hide from the caller.
 */

create or replace function crm_private.definitions_changed()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_old crm.custom_field_definitions[];
  v_new crm.custom_field_definitions[];
begin
  if tg_op <> 'INSERT' then
    select array_agg(old_row::crm.custom_field_definitions) into v_old
    from old_rows as old_row;
  end if;

  if tg_op <> 'DELETE' then
    select array_agg(new_row::crm.custom_field_definitions) into v_new
    from new_rows as new_row;
  end if;

  perform crm_private.claim_definitions(p_alone => false);

  -- Always in the same order, so that two changes cannot deadlock.
  perform
    crm_private.apply_definitions(entity_type, v_old, v_new),
    crm_private.apply_indexes(entity_type, v_old, v_new)
  from (
    select entity_type
    from unnest(v_old || v_new)
    group by entity_type
    order by entity_type
  ) as changed;

  return null;
end
$$;

comment on function crm_private.definitions_changed() is
  'Applies changed definitions to the rows of their entity types.';

revoke all on function crm_private.definitions_changed() from public;

create or replace trigger _500_definitions_insert after insert on crm.custom_field_definitions
  referencing new table as new_rows
  for each statement execute function crm_private.definitions_changed();
create or replace trigger _500_definitions_update after update on crm.custom_field_definitions
  referencing old table as old_rows new table as new_rows
  for each statement execute function crm_private.definitions_changed();
create or replace trigger _500_definitions_delete after delete on crm.custom_field_definitions
  referencing old table as old_rows
  for each statement execute function crm_private.definitions_changed();

create or replace function crm_private.refuse_moved_definition()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'custom_field_definitions: entityType of % cannot be changed', old.name
    using errcode    = 'check_violation',
          schema     = tg_table_schema, table = tg_table_name, column = 'entity_type',
          constraint = 'custom_field_definitions_entity_type_immutable',
          detail     = '{"entityType": ["cannot be changed"]}',
          hint       = 'Define the field for the other entity type as well.';
end
$$;

comment on function crm_private.refuse_moved_definition() is
  'Refuses to change the entity type of a definition.';

revoke all on function crm_private.refuse_moved_definition() from public;

create or replace trigger _210_refuse_moved before update on crm.custom_field_definitions
  for each row when (new.entity_type <> old.entity_type)
  execute function crm_private.refuse_moved_definition();
