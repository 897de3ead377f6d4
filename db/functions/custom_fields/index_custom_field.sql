/*
 * Creates the index of a custom field, unless it exists. Writers of the entity wait until the
 * transaction ends; npx pgcrm field index does not block them. Replaces an index with another
 * prefix, and what a failed build left.
 *
 * Security definer: only the owner of a table can create indexes on it.
 */
create or replace function crm_private.index_custom_field(
  entity_type text,
  name        text,
  prefix      text[] default '{}'
)
returns crm.custom_field_definitions
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_prefix     constant text[] := coalesce(prefix, '{}');
  v_definition crm.custom_field_definitions;
  v_index      crm.custom_field_index;
  v_statement  text;
begin
  perform crm_private.caller_is_authenticated();

  perform crm_private.claim_definitions(p_alone => true);
  v_definition := crm_private.custom_field(entity_type, name);
  v_index := crm.custom_field_definitions_index(v_definition);
  perform crm_private.refuse_prefix(v_definition, v_prefix);
  v_statement := crm_private.custom_field_index_statement(v_definition, '', v_prefix);

  if not coalesce(v_index.is_valid, false)
    or v_statement <> crm_private.custom_field_index_statement(v_definition, '', v_index.prefix)
  then
    -- The old index is dropped last, because that makes readers wait, too.
    if v_index.name is not null then
      execute format('alter index crm.%I rename to %I', v_index.name, v_index.name || '_old');
    end if;
    execute v_statement;
    if v_index.name is not null then
      execute format('drop index crm.%I', v_index.name || '_old');
    end if;

    -- Until the planner has statistics of the values, it overestimates the number of rows.
    execute format('analyze %s', crm_private.entity_table(entity_type));
  end if;

  return v_definition;
end
$$;

comment on function crm_private.index_custom_field(text, text, text[]) is
  'Implements crm.index_custom_field with the rights of the owner.';

revoke all on function crm_private.index_custom_field(text, text, text[]) from public;
grant execute on function crm_private.index_custom_field(text, text, text[]) to crm_admin;

create or replace function crm.index_custom_field(
  entity_type text,
  name        text,
  prefix      text[] default '{}'
)
returns crm.custom_field_definitions
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.index_custom_field(entity_type, name, prefix);
$$;

comment on function crm.index_custom_field(text, text, text[]) is
  'Creates an index on a custom field, to speed up filters and orders on it. For text that may '
  'have more than 500 characters, it speeds up only filters by the whole value or its beginning. '
  'prefix has fields, such as stage or value, by which lists are filtered or ordered in addition: '
  'those that are filtered by one value come first. Does nothing if the index exists, and replaces '
  'one with another prefix. Blocks writers of the entity while it runs: for large tables use npx '
  'pgcrm field index. For administrators.';

revoke all on function crm.index_custom_field(text, text, text[]) from public;
grant execute on function crm.index_custom_field(text, text, text[]) to crm_admin;
