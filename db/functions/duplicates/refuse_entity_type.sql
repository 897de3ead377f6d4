/* Refuses an entity type of which no duplicates are looked for. */
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
          detail     = '{"entityType": ["must be contact or company"]}';
end
$$;

comment on function crm_private.refuse_entity_type(text) is
  'Refuses an entity type of which no duplicates are looked for.';

revoke all on function crm_private.refuse_entity_type(text) from public;
grant execute on function crm_private.refuse_entity_type(text) to crm_reader;
