/*
 * The row whose deletion made an update: one that set a link to null, by the keys that are declared on
 * delete set null; null if the update did nothing of the kind. A test compares it with the foreign keys.
 */
create or replace function crm_private.severed_link(p_entity_type text, p_changes jsonb)
returns uuid
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return case
    when p_entity_type = 'contact' and p_changes #> '{company_id,new}' = 'null'
    then p_changes #>> '{company_id,old}'
    when p_entity_type = 'deal' and p_changes #> '{contact_id,new}' = 'null'
    then p_changes #>> '{contact_id,old}'
  end::uuid;
end
$$;

comment on function crm_private.severed_link(text, jsonb) is
  'The row whose deletion made an update that set a link to null; null if it was none.';

revoke all on function crm_private.severed_link(text, jsonb) from public;
grant execute on function crm_private.severed_link(text, jsonb) to crm_member;
