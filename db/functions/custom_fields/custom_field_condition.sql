/*
 * Returns the rules of one custom field as one SQL expression over the name custom_fields: null if
 * the field has no value. The compiled check of an entity type consists of these.
 */
create or replace function crm_private.custom_field_condition(
  p_definition crm.custom_field_definitions
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg('(' || condition || ')', ' and ' order by ordinal)
  from crm_private.custom_field_rules(p_definition);
$$;

comment on function crm_private.custom_field_condition(crm.custom_field_definitions) is
  'Returns the rules of a custom field as one SQL expression over custom_fields.';

revoke all on function crm_private.custom_field_condition(crm.custom_field_definitions) from public;
grant execute on function crm_private.custom_field_condition(crm.custom_field_definitions)
  to crm_admin;
