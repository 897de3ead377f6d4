/*
 * Returns what an undo reports of a field that does not have the expected value, or is not put
 * back.
 */
create or replace function crm_private.conflict(
  p_entity_type text,
  p_entity_id   uuid,
  p_field       text,
  p_expected    jsonb,
  p_found       jsonb,
  p_changed_by  text,
  p_changed_at  timestamptz
)
returns jsonb
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'entityType', p_entity_type,
    'entityId', p_entity_id,
    'field', case
      when p_field like 'custom\_fields.%' then 'customFields.' || substr(p_field, 15)
      else crm_private.camel_case(p_field)
    end,
    'expected', p_expected,
    'found', p_found,
    'changedBy', p_changed_by,
    'changedAt', to_char(p_changed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')
  );
$$;

comment on function crm_private.conflict(text, uuid, text, jsonb, jsonb, text, timestamptz) is
  'Returns what an undo reports of a field that is not as expected, or is not put back.';

revoke all on function crm_private.conflict(text, uuid, text, jsonb, jsonb, text, timestamptz)
  from public;
