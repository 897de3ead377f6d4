/*
 * The row with which a row is deleted, by the keys that are declared on delete cascade; null if there is
 * none. p_changes is the entry of a deletion. A test compares it with the foreign keys.
 */
create or replace function crm_private.cascade_parent(p_entity_type text, p_changes jsonb)
returns uuid
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return case
    when p_entity_type = 'deal' then p_changes ->> 'company_id'
    when p_entity_type in ('task', 'note') then p_changes ->> 'entity_id'
  end::uuid;
end
$$;

comment on function crm_private.cascade_parent(text, jsonb) is
  'The row with which a row is deleted, null if there is none.';

revoke all on function crm_private.cascade_parent(text, jsonb) from public;
grant execute on function crm_private.cascade_parent(text, jsonb) to crm_member;
