/*
 * Returns the name of a field in the audit log: company_id for companyId and company_id,
 * custom_fields.size for customFields.size and custom_fields.size. A custom field need not be
 * defined: it may have been defined once. Raises for other names. Called by functions that have a
 * field as an argument.
 */
create or replace function crm_private.logged_field(p_entity_type text, p_field text)
returns text
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
  case
    when crm_private.entity_table(p_entity_type) is null
    then crm_private.refuse_argument(
      'entityType',
      crm_private.fault_message(
        (
          select '%s is not one of ' || string_agg(entity_type, ', ' order by restore_order)
          from crm_private.entity_types
          where restore_order is not null
        ),
        to_jsonb(p_entity_type)
      ),
      'audit_logs_entity_type_known'
    )
    when p_field ~ '^custom(?:_f|F)ields\.'
      and exists (
        select from crm_private.entity_types
        where entity_type = p_entity_type and has_custom_fields
      )
    then regexp_replace(p_field, '^custom(?:_f|F)ields', 'custom_fields')
  end,
  (
    select name
    from unnest(crm_private.logged_columns(crm_private.entity_table(p_entity_type))) as name
    where name <> 'custom_fields'
      and p_field in (name, crm_private.camel_case(name))
  ),
  crm_private.refuse_argument(
    'field',
    crm_private.fault_message(
      '%s is not a field of ' || p_entity_type || ' whose values the audit log has',
      to_jsonb(p_field)
    ),
    'audit_logs_field_known'
  )
);
$$;

comment on function crm_private.logged_field(text, text) is
  'Returns the name of a field in the audit log; raises for an unknown field.';

revoke all on function crm_private.logged_field(text, text) from public;
grant execute on function crm_private.logged_field(text, text) to crm_reader;
