/*
 * Gives a value of an enum or a multi_enum another name: in its definition, the default included, and
 * in every row that has it, in one statement. These are updates: they raise the version, and the
 * audit log has them under the name of who called this.
 *
 * The definition allows both names while the rows change, so the audit log has two entries of it. Undoing
 * the transaction goes the same way back.
 *
 * Security definer: it reaches rows whatever policies hide of them.
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
      'name', 'is not a custom field of this entity type', 'custom_field_definitions_name_known'
    );
  elsif (old_value = any (v_definition.enum_values)) is not true then
    perform crm_private.refuse_definition(
      'oldValue',
      crm_private.fault_message('%s is not a value of this field', to_jsonb(old_value)),
      'custom_field_definitions_enum_values_known'
    );
  elsif new_value = any (v_definition.enum_values) then
    perform crm_private.refuse_definition(
      'newValue',
      crm_private.fault_message('%s is a value of this field already', to_jsonb(new_value)),
      'custom_field_definitions_enum_values_distinct'
    );
  end if;

  -- What a value has to be like, its definition says.
  select fault.* into v_fault
  from crm_private.row_faults(
    'crm.custom_field_definitions',
    array[
      to_jsonb(v_definition) || jsonb_build_object('enum_values', jsonb_build_array(new_value))
    ]
  ) as fault
  where starts_with(fault.field, 'enumValues');

  if found then
    perform crm_private.refuse_definition('newValue', v_fault.message, v_fault.constraint_name);
  end if;

  update crm.custom_field_definitions as definition
  set enum_values = enum_values || new_value
  where definition.id = v_definition.id;

  -- Of one value and of a list of them alike: its elements, and the value again.
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
  'What crm.rename_custom_field_value calls, with the rights of the owner.';

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
  'Gives a value of a custom field of type enum or multi_enum another name, in the definition and in '
  'every row that has it. For administrators.';

revoke all on function crm.rename_custom_field_value(text, text, text, text) from public;
grant execute on function crm.rename_custom_field_value(text, text, text, text) to crm_admin;
