/*
 * The rule of one custom field as an SQL expression over the name custom_fields: null where the
 * field has no value. Both the compiled check of an entity type and the explanation of a fault are
 * made of it, so a type's rule stands here and nowhere else.
 */
create or replace function crm_private.custom_field_condition(
  p_definition crm.custom_field_definitions
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format(
    case p_definition.field_type
      when 'text' then
        'jsonb_typeof(custom_fields -> %1$L) = ''string'' '
        'and char_length(custom_fields ->> %1$L) <= 10000'
      when 'number' then
        'jsonb_typeof(custom_fields -> %1$L) = ''number'' '
        'and char_length(custom_fields ->> %1$L) <= 400'
      -- A day of the Gregorian calendar, years 0001 to 9999. No JSON but a string looks like it.
      when 'date' then
        '(custom_fields ->> %1$L ~ ''^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])$'' '
        'or custom_fields ->> %1$L ~ ''^[0-9]{4}-(?:0[13-9]|1[0-2])-(?:29|30)$'' '
        'or custom_fields ->> %1$L ~ ''^[0-9]{4}-(?:0[13578]|1[02])-31$'' '
        'or custom_fields ->> %1$L ~ '
        '''^(?:[0-9][0-9](?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29$'') '
        'and not starts_with(custom_fields ->> %1$L, ''0000'')'
      when 'enum' then
        'custom_fields -> %1$L = any (%2$L::jsonb[])'
      when 'boolean' then
        'jsonb_typeof(custom_fields -> %1$L) = ''boolean'''
    end,
    p_definition.name,
    array(select to_jsonb(value) from unnest(p_definition.enum_values) as value)
  );
$$;

comment on function crm_private.custom_field_condition(crm.custom_field_definitions) is
  'The rule of a custom field as an SQL expression over custom_fields, null without a value.';

revoke all on function crm_private.custom_field_condition(crm.custom_field_definitions) from public;
