/*
 * Raises a check_violation for an entity type other than contact and company. Called by
 * crm.find_duplicates and crm.duplicate_groups.
 */
create or replace function crm_private.refuse_entity_type(p_entity_type text)
returns void
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'only contacts and companies have duplicates, not %',
      coalesce(to_jsonb(p_entity_type)::text, 'null')
    using errcode    = 'check_violation',
          schema     = 'crm', table = 'duplicate', column = 'entity_type',
          constraint = 'duplicate_entity_type_known',
          detail     = '{"entityType": ["must be contact or company"]}',
          hint       = 'Repeat the query with entity type contact or company.';
end
$$;

comment on function crm_private.refuse_entity_type(text) is
  'Raises an error for an entity type other than contact and company.';

revoke all on function crm_private.refuse_entity_type(text) from public;
grant execute on function crm_private.refuse_entity_type(text) to crm_reader;
