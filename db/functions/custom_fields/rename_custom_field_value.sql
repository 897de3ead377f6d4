/*
 * Renames a value of an enum or a multi_enum: in its definition, including the default, and in
 * every row that has it, in one statement. These are updates: they raise the version, and the audit
 * log records them under the name of the caller. Raises if the field or the value is not defined,
 * or if the new value is.
 *
 * The definition allows both names while the rows change, so the audit log has two entries for it.
 * Undoing the transaction takes the same two steps in reverse.
 *
 * Security definer: it changes rows regardless of the policies that hide them.
 */
create or replace function crm_private.rename_custom_field_value(
  entity_type text,
  name        text,
  old_value   text,
  new_value   text
)
returns crm.custom_field_definitions
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_definition crm.custom_field_definitions;
  v_renamed    crm.custom_field_definitions;
  v_fault      record;
begin
  perform crm_private.caller_is_authenticated();

  perform
    crm_private.refuse_null('entityType', entity_type),
    crm_private.refuse_null('name', name),
    crm_private.refuse_null('oldValue', old_value),
    crm_private.refuse_null('newValue', new_value);

  select * into v_definition
  from crm.custom_field_definitions as definition
  where definition.entity_type = rename_custom_field_value.entity_type
    and definition.name = rename_custom_field_value.name
  for update;

  if not found then
    perform crm_private.refuse_definition(
      'name', 'name', 'is not a custom field of this entity type',
      'custom_field_definitions_name_known',
      'Pass a name that crm.custom_field_definitions lists for the entity type.'
    );
  elsif (old_value = any (v_definition.enum_values)) is not true then
    perform crm_private.refuse_definition(
      'oldValue', 'enum_values',
      crm_private.fault_message('%s is not a value of this field', to_jsonb(old_value)),
      'custom_field_definitions_enum_values_known',
      'Pass one of the enum_values of the definition.'
    );
  elsif new_value = any (v_definition.enum_values) then
    perform crm_private.refuse_definition(
      'newValue', 'enum_values',
      crm_private.fault_message('%s is a value of this field already', to_jsonb(new_value)),
      'custom_field_definitions_enum_values_distinct',
      'Pass a value that is not one of the enum_values of the definition.'
    );
  end if;

  -- The new value must satisfy the rules of a definition.
  select fault.* into v_fault
  from crm_private.row_faults(
    'crm.custom_field_definitions',
    array[
      to_jsonb(v_definition) || jsonb_build_object('enum_values', jsonb_build_array(new_value))
    ]
  ) as fault
  where starts_with(fault.field, 'enumValues');

  if found then
    perform crm_private.refuse_definition(
      'newValue', 'enum_values', v_fault.message, v_fault.constraint_name,
      'Pass a value that satisfies the rules of enum_values.'
    );
  end if;

  update crm.custom_field_definitions as definition
  set enum_values = enum_values || new_value
  where definition.id = v_definition.id;

  -- Replaces the value in a list of values, or a single value.
  execute format(
    'update %s as record
     set custom_fields = jsonb_set(record.custom_fields, array[$1], case
       when jsonb_typeof(record.custom_fields -> $1) = ''array'' then (
         select jsonb_agg(case when value = $2 then $3 else value end order by ordinal)
         from jsonb_array_elements_text(record.custom_fields -> $1) with ordinality
           as element (value, ordinal)
       )
       else to_jsonb($3)
     end)
     where record.custom_fields -> $1 ? $2',
    crm_private.entity_table(entity_type)
  ) using name, old_value, new_value;

  update crm.custom_field_definitions as definition
  set
    enum_values   = array_replace(v_definition.enum_values, old_value, new_value),
    default_value = case
      when jsonb_typeof(default_value) = 'array' then (
        select jsonb_agg(case when value = old_value then new_value else value end order by ordinal)
        from jsonb_array_elements_text(default_value) with ordinality as element (value, ordinal)
      )
      when default_value = to_jsonb(old_value) then to_jsonb(new_value)
      else default_value
    end
  where definition.id = v_definition.id
  returning definition.* into v_renamed;

  return v_renamed;
end
$$;

comment on function crm_private.rename_custom_field_value(text, text, text, text) is
  'Implements crm.rename_custom_field_value with the rights of the owner.';

revoke all on function crm_private.rename_custom_field_value(text, text, text, text) from public;
grant execute on function crm_private.rename_custom_field_value(text, text, text, text) to crm_admin;

create or replace function crm.rename_custom_field_value(
  entity_type text,
  name        text,
  old_value   text,
  new_value   text
)
returns crm.custom_field_definitions
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.rename_custom_field_value(entity_type, name, old_value, new_value);
$$;

comment on function crm.rename_custom_field_value(text, text, text, text) is
  'Renames a value of a custom field of type enum or multi_enum, in the definition and in every '
  'row that has it. For administrators.';

revoke all on function crm.rename_custom_field_value(text, text, text, text) from public;
grant execute on function crm.rename_custom_field_value(text, text, text, text) to crm_admin;
