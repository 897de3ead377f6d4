/* What people recognise a deleted row by, from the entry of its deletion. */
create or replace function crm_private.deleted_label(p_entity_type text, p_changes jsonb)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return left(
    case p_entity_type
      when 'contact' then (p_changes ->> 'first_name') || ' ' || (p_changes ->> 'last_name')
      when 'deal' then p_changes ->> 'title'
      when 'task' then p_changes ->> 'description'
      when 'note' then p_changes ->> 'content'
      when 'exchange_rate' then (p_changes ->> 'currency') || ' ' || (p_changes ->> 'valid_from')
      else p_changes ->> 'name'
    end,
    100
  );
end
$$;

comment on function crm_private.deleted_label(text, jsonb) is
  'What people recognise a deleted row by.';

revoke all on function crm_private.deleted_label(text, jsonb) from public;
grant execute on function crm_private.deleted_label(text, jsonb) to crm_member;
