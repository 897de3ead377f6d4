/*
 * Whether an entity is there, as far as the caller can see. A function, because PostgreSQL would hash
 * whole tables to answer a policy's subqueries, and plan each of them for every partition; this asks a
 * primary key at a time.
 *
 * Runs with the caller's rights, so that the policies of the entities decide.
 */
create or replace function crm_private.is_there(p_entity_type text, p_entity_id uuid)
returns boolean
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  case p_entity_type
    when 'contact' then
      return exists (select from crm.contacts where id = p_entity_id);
    when 'company' then
      return exists (select from crm.companies where id = p_entity_id);
    when 'deal' then
      return exists (select from crm.deals where id = p_entity_id);
    when 'task' then
      return exists (select from crm.tasks where id = p_entity_id);
    when 'note' then
      return exists (select from crm.notes where id = p_entity_id);
    when 'custom_field_definition' then
      return exists (select from crm.custom_field_definitions where id = p_entity_id);
    when 'pipeline_stage' then
      return exists (select from crm.pipeline_stages where id = p_entity_id);
    when 'exchange_rate' then
      return exists (select from crm.exchange_rates where id = p_entity_id);
    else
      return false;
  end case;
end
$$;

comment on function crm_private.is_there(text, uuid) is
  'True if the entity is there and the caller can read it.';

revoke all on function crm_private.is_there(text, uuid) from public;
grant execute on function crm_private.is_there(text, uuid) to crm_reader;
