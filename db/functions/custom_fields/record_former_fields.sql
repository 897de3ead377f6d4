/*
 * Records the names that definitions of one entity type lost by a change: of renamed fields and of
 * deleted ones. A definition that takes a name ends its use as a former name at once. p_old and
 * p_new are the definitions before and after the statement. Called by crm_private.apply_definitions.
 *
 * An entity type has at most as many former names as it may have custom fields; the oldest go first.
 */
create or replace function crm_private.record_former_fields(
  p_entity_type text,
  p_old         crm.custom_field_definitions[],
  p_new         crm.custom_field_definitions[]
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_before crm.custom_field_definitions[];
begin
  -- The definitions before the statement, because a name in the API depends on all of them.
  select array_agg(definition) into v_before
  from (
    select definition
    from crm.custom_field_definitions as definition
    where definition.entity_type = p_entity_type
      and not exists (select from unnest(p_new) as new_row where new_row.id = definition.id)

    union all

    select old_row::crm.custom_field_definitions
    from unnest(p_old) as old_row
    where old_row.entity_type = p_entity_type
  ) as listed (definition);

  -- Earlier names of a deleted field have the last type, too.
  update crm_private.former_custom_fields as former
  set field_type = old_row.field_type
  from unnest(p_old) as old_row
  where former.definition_id = old_row.id
    and not exists (select from unnest(p_new) as new_row where new_row.id = old_row.id);

  insert into crm_private.former_custom_fields as former
    (entity_type, name, field_name, definition_id, field_type)
  select old_row.entity_type, old_row.name, named.field_name, old_row.id, old_row.field_type
  from unnest(p_old) as old_row
  join crm_private.custom_field_names(v_before) as named on named.definition_id = old_row.id
  left join unnest(p_new) as new_row on new_row.id = old_row.id
  where old_row.entity_type = p_entity_type
    and new_row.name is distinct from old_row.name
  on conflict (entity_type, name) do update
  set
    field_name    = excluded.field_name,
    definition_id = excluded.definition_id,
    field_type    = excluded.field_type,
    ended_at      = excluded.ended_at;

  delete from crm_private.former_custom_fields as former
  where former.entity_type = p_entity_type
    and (
      exists (
        select
        from crm.custom_field_definitions as definition
        where definition.entity_type = former.entity_type and definition.name = former.name
      )
      or not exists (
        select
        from (
          select live.name
          from crm_private.live_former_fields as live
          where live.entity_type = p_entity_type
          order by live.ended_at desc, live.name
          limit crm_private.max_custom_fields()
        ) as kept
        where kept.name = former.name
      )
    );
end
$$;

comment on function crm_private.record_former_fields(
  text, crm.custom_field_definitions[], crm.custom_field_definitions[]
) is
  'Records the names that definitions of an entity type lost by a change.';

revoke all on function crm_private.record_former_fields(
  text, crm.custom_field_definitions[], crm.custom_field_definitions[]
) from public;
