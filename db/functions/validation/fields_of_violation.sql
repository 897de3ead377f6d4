/*
 * Returns the fields that a violated constraint concerns, each with its message: the detail of an
 * error that pgcrm raised, or the message of the rule, or, for an index that is no rule, the columns
 * of the index. Called by crm_private.violating_rows.
 *
 * Security definer: roles cannot read crm_private.rules. It reads no rows of the table.
 */
create or replace function crm_private.fields_of_violation(
  p_table      regclass,
  p_schema     text,
  p_constraint text,
  p_detail     text
)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_fields jsonb;
begin
  if p_schema = 'crm' and p_detail like '{%' then
    return p_detail::jsonb;
  end if;

  select jsonb_object_agg(
    rule.field, jsonb_build_array(crm_private.fault_message(rule.message, null))
  )
  into v_fields
  from crm_private.rules as rule
  where rule.table_oid = p_table and rule.constraint_name = p_constraint;

  -- The constraint of a unique custom field has the field in its name.
  if v_fields is null then
    select jsonb_build_object(
      'customFields.' || substring(conname from '_custom_(\w+)_unique$'), '["is taken"]'::jsonb
    )
    into v_fields
    from pg_constraint
    where conrelid = p_table
      and contype = 'x'
      and conname = p_constraint
      and conname ~ '_custom_\w+_unique$';
  end if;

  -- pg_depend also lists the columns in the condition of a partial index, which are not concerned.
  -- The text of the expressions lacks these, but may contain a name in another: id in company_id.
  if v_fields is null then
    select jsonb_object_agg(
      crm_private.camel_case(attribute.attname), '["has a value that is taken"]'::jsonb
    )
    into v_fields
    from pg_index as index
    join pg_attribute as attribute
      on attribute.attrelid = index.indrelid
      and (
        attribute.attnum = any (index.indkey)
        or (
          exists (
            select
            from pg_depend as dependency
            where dependency.classid = 'pg_class'::regclass
              and dependency.objid = index.indexrelid
              and dependency.refclassid = 'pg_class'::regclass
              and dependency.refobjid = index.indrelid
              and dependency.refobjsubid = attribute.attnum
          )
          and pg_get_expr(index.indexprs, index.indrelid) ~ format(
            '(?<!\w)%s(?!\w)', regexp_replace(attribute.attname, '\W', '\\\&', 'g')
          )
        )
      )
    where index.indrelid = p_table
      and index.indexrelid = (
        select class.oid
        from pg_class as class
        where class.relname = p_constraint
          and class.relnamespace = (select relnamespace from pg_class where oid = p_table)
      )
      and attribute.attnum > 0;
  end if;

  return coalesce(
    v_fields, jsonb_build_object('row', jsonb_build_array('breaks the rule ' || p_constraint))
  );
end
$$;

comment on function crm_private.fields_of_violation(regclass, text, text, text) is
  'Returns the fields that a violated constraint concerns, each with its message.';

revoke all on function crm_private.fields_of_violation(regclass, text, text, text) from public;
grant execute on function crm_private.fields_of_violation(regclass, text, text, text)
  to crm_member;
