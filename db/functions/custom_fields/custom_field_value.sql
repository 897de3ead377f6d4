/*
 * Returns the value of one custom field as an SQL expression of the field's type over p_source,
 * which names the custom fields of a row: null if the field has no value. The expression is
 * immutable, so that an index can use it. The typed function of the field and its index share it,
 * so that the index serves queries that call the function.
 *
 * Rows satisfy their definitions, but the build of an index also reads dead row versions, from a
 * time when the field had another type: a value of another type counts as no value.
 */
create or replace function crm_private.custom_field_value(
  p_definition crm.custom_field_definitions,
  p_source     text default 'custom_fields'
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format(
    case p_definition.field_type
      when 'number' then
        'case when jsonb_typeof(%2$s -> %1$L) = ''number'' then (%2$s -> %1$L)::numeric end'
      when 'boolean' then
        'case when jsonb_typeof(%2$s -> %1$L) = ''boolean'' then (%2$s -> %1$L)::boolean end'
      -- A cast from text to date depends on the session; this expression does not.
      when 'date' then
        'case when %2$s ->> %1$L ~ ''^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$'' '
        'then make_date('
        'left(%2$s ->> %1$L, 4)::integer, '
        'substr(%2$s ->> %1$L, 6, 2)::integer, '
        'right(%2$s ->> %1$L, 2)::integer) end'
      when 'multi_enum' then 'crm_private.texts(%2$s -> %1$L)'
      else '%2$s ->> %1$L'
    end,
    p_definition.name,
    p_source
  );
$$;

comment on function crm_private.custom_field_value(crm.custom_field_definitions, text) is
  'Returns the value of a custom field as an SQL expression over custom_fields, in its type.';

revoke all on function crm_private.custom_field_value(crm.custom_field_definitions, text)
  from public;
