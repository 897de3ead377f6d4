/*
 * The fields that a broken constraint is about, each with its message: what the product's own error
 * says in its detail, or the rule's message, or, of an index that is nobody's rule, its columns.
 *
 * Security definer, because rules are not read by roles; it reads no rows.
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

  -- The rule of a custom field that is unique says in its name which one it is.
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
        or strpos(pg_get_expr(index.indexprs, index.indrelid), attribute.attname) > 0
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
  'The fields that a broken constraint is about, each with its message.';

revoke all on function crm_private.fields_of_violation(regclass, text, text, text) from public;
grant execute on function crm_private.fields_of_violation(regclass, text, text, text)
  to crm_member;
