/*
 * Raises a check_violation if the index of a custom field cannot have a prefix. Called by
 * crm_private.index_custom_field and npx pgcrm field index.
 */
create or replace function crm_private.refuse_prefix(
  p_definition crm.custom_field_definitions,
  p_prefix     text[]
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_unknown text;
begin
  if cardinality(crm_private.index_prefix(p_definition, p_prefix)) = cardinality(p_prefix) then
    return;
  end if;

  select field into v_unknown
  from unnest(p_prefix) as field
  -- A boolean field can have any prefix.
  where crm_private.index_prefix(
      jsonb_populate_record(p_definition, '{"field_type": "boolean"}'), array[field]
    ) = '{}'
  limit 1;

  perform crm_private.refuse_argument(
    'prefix',
    case
      when found then crm_private.fault_message(
        '%s is not a field of ' || p_definition.entity_type || ' that an index can have',
        to_jsonb(v_unknown)
      )
      else 'cannot be combined with a list, or with texts that may have more than 510 characters '
        'together'
    end,
    'index_custom_field_prefix'
  );
end
$$;

comment on function crm_private.refuse_prefix(crm.custom_field_definitions, text[]) is
  'Raises an error if the index of a custom field cannot have a prefix.';

revoke all on function crm_private.refuse_prefix(crm.custom_field_definitions, text[]) from public;
