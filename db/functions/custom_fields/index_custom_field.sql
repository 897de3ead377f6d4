/*
 * Creates the index of a custom field, unless it exists. Writers of the entity wait until the
 * transaction ends; npx pgcrm field index does not block them. Replaces what a failed build left.
 *
 * Security definer: only the owner of a table can create indexes on it.
 */
create or replace function crm_private.index_custom_field(entity_type text, name text)
returns crm.custom_field_definitions
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_definition crm.custom_field_definitions;
  v_index      crm.custom_field_index;
begin
  perform crm_private.caller_is_authenticated();

  perform crm_private.claim_definitions(p_alone => true);
  v_definition := crm_private.custom_field(entity_type, name);
  v_index := crm.custom_field_definitions_index(v_definition);

  if not coalesce(v_index.is_valid, false) then
    if v_index.name is not null then
      execute format('drop index crm.%I', v_index.name);
    end if;
    execute crm_private.custom_field_index_statement(v_definition);

    -- Until the planner has statistics of the values, it overestimates the number of rows.
    execute format('analyze %s', crm_private.entity_table(entity_type));
  end if;

  return v_definition;
end
$$;

comment on function crm_private.index_custom_field(text, text) is
  'Implements crm.index_custom_field with the rights of the owner.';

revoke all on function crm_private.index_custom_field(text, text) from public;
grant execute on function crm_private.index_custom_field(text, text) to crm_admin;

create or replace function crm.index_custom_field(entity_type text, name text)
returns crm.custom_field_definitions
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.index_custom_field(entity_type, name);
$$;

comment on function crm.index_custom_field(text, text) is
  'Creates an index on a custom field, to speed up filters and orders on it. For text that may '
  'have more than 500 characters, it speeds up only filters by the whole value or its beginning. '
  'Does nothing if the index exists. Blocks writers of the entity while it runs: for large tables '
  'use npx pgcrm field index. For administrators.';

revoke all on function crm.index_custom_field(text, text) from public;
grant execute on function crm.index_custom_field(text, text) to crm_admin;
