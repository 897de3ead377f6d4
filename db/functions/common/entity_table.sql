/* The table of an entity type: contact is crm.contacts. Null if nothing is called so. */
create or replace function crm_private.entity_table(p_entity_type text)
returns regclass
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case p_entity_type
    when 'contact' then 'crm.contacts'::regclass
    when 'company' then 'crm.companies'::regclass
    when 'deal'    then 'crm.deals'::regclass
    when 'task'    then 'crm.tasks'::regclass
    when 'note'    then 'crm.notes'::regclass
    when 'custom_field_definition' then 'crm.custom_field_definitions'::regclass
    when 'pipeline_stage'          then 'crm.pipeline_stages'::regclass
    when 'exchange_rate'           then 'crm.exchange_rates'::regclass
    when 'api_key'                 then 'crm.api_keys'::regclass
  end;
$$;

comment on function crm_private.entity_table(text) is
  'The table of an entity type, null if there is no such type.';

revoke all on function crm_private.entity_table(text) from public;
grant execute on function crm_private.entity_table(text) to crm_reader;
