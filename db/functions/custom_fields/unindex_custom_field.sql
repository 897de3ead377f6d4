/*
 * Drops the index of a custom field, if there is one. Readers and writers of the entity wait until
 * the transaction ends; npx pgcrm field unindex does not block them.
 *
 * Security definer: only the owner of a table can drop indexes on it.
 */
create or replace function crm_private.unindex_custom_field(entity_type text, name text)
returns crm.custom_field_definitions
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_definition crm.custom_field_definitions;
begin
  perform crm_private.caller_is_authenticated();

  perform crm_private.claim_definitions(p_alone => true);
  v_definition := crm_private.custom_field(entity_type, name);
  execute format(
    'drop index if exists crm.%I', crm_private.custom_field_index_name(v_definition)
  );

  return v_definition;
end
$$;

comment on function crm_private.unindex_custom_field(text, text) is
  'Implements crm.unindex_custom_field with the rights of the owner.';

revoke all on function crm_private.unindex_custom_field(text, text) from public;
grant execute on function crm_private.unindex_custom_field(text, text) to crm_admin;

create or replace function crm.unindex_custom_field(entity_type text, name text)
returns crm.custom_field_definitions
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.unindex_custom_field(entity_type, name);
$$;

comment on function crm.unindex_custom_field(text, text) is
  'Drops the index on a custom field. Does nothing if there is none. For administrators.';

revoke all on function crm.unindex_custom_field(text, text) from public;
grant execute on function crm.unindex_custom_field(text, text) to crm_admin;
