/*
 * Updates the indexes of one entity type after its definitions changed. Drops the index of a
 * deleted definition, and recreates it when the definition is restored. Rebuilds the index of a
 * field whose value is now another expression, because of its type or its name. p_old and p_new are
 * the definitions before and after the statement. Called by crm_private.definitions_changed after
 * the rows satisfy them.
 *
 * Dropping an index blocks readers too, so it comes last, and it waits at most three seconds for
 * queries that are running.
 */
create or replace function crm_private.apply_indexes(
  p_entity_type text,
  p_old         crm.custom_field_definitions[],
  p_new         crm.custom_field_definitions[]
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '3s'
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_changes text;
begin
  insert into crm_private.dropped_indexes (definition_id, prefix)
  select old_row.id, index.prefix
  from unnest(p_old) as old_row
  cross join crm.custom_field_definitions_index(old_row) as index
  where old_row.entity_type = p_entity_type
    and index.name is not null
    and not exists (select from unnest(p_new) as new_row where new_row.id = old_row.id)
  on conflict do nothing;

  with back as (
    delete from crm_private.dropped_indexes as dropped
    using unnest(p_new) as new_row
    where dropped.definition_id = new_row.id
      and new_row.entity_type = p_entity_type
    returning crm_private.custom_field_index_statement(new_row, '', dropped.prefix) as statement
  )
  select string_agg(back.statement, '; ')
    || format('; analyze %s', crm_private.entity_table(p_entity_type))
  into v_changes
  from back;

  if v_changes is not null then
    execute v_changes;
  end if;

  select string_agg(
    format('drop index crm.%I; ', (index).name)
      || case when new_row.id is null then ''
        else crm_private.custom_field_index_statement(new_row, '', (index).prefix)
      end,
    '; ' order by old_row.id
  ) || case when bool_or(new_row.id is not null)
    then format('; analyze %s', crm_private.entity_table(p_entity_type)) else ''
  end
  into v_changes
  from unnest(p_old) as old_row
  left join unnest(p_new) as new_row using (id)
  cross join crm.custom_field_definitions_index(old_row) as index
  where old_row.entity_type = p_entity_type
    and (index).name is not null
    and case when new_row.id is null then true
      else crm_private.custom_field_index_statement(new_row, '', (index).prefix)
        <> crm_private.custom_field_index_statement(old_row, '', (index).prefix)
    end;

  if v_changes is not null then
    execute v_changes;
  end if;
end
$$;

comment on function crm_private.apply_indexes(
  text, crm.custom_field_definitions[], crm.custom_field_definitions[]
) is
  'Updates the indexes of the custom fields of an entity type to match their definitions.';

revoke all on function crm_private.apply_indexes(
  text, crm.custom_field_definitions[], crm.custom_field_definitions[]
) from public;
