/*
 * Returns all checks of a definition, each as a separate SQL expression over the name
 * custom_fields: whether the field is required, and its rules. Rules other than the type are
 * checked only for values of the type, so that a value of another type has one fault. Called where
 * faults are reported one by one; crm_private.custom_field_condition combines them into one
 * expression.
 */
create or replace function crm_private.custom_field_checks(p_definition crm.custom_field_definitions)
returns table (ordinal integer, rule text, condition text, message text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select 0, 'required', format('custom_fields ? %L', p_definition.name), 'is required'
  where p_definition.required

  union all

  select
    rule.ordinal,
    rule.rule,
    case rule.rule
      when 'type' then rule.condition
      else format('case when %s then %s end', type.condition, rule.condition)
    end,
    rule.message
  from crm_private.custom_field_rules(p_definition) as type
  cross join crm_private.custom_field_rules(p_definition) as rule
  where type.rule = 'type';
$$;

comment on function crm_private.custom_field_checks(crm.custom_field_definitions) is
  'Returns all checks of a definition, each as a separate SQL expression over custom_fields.';

revoke all on function crm_private.custom_field_checks(crm.custom_field_definitions) from public;
