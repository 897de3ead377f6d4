/*
 * Raises for a reversal that violated a foreign key, with the field and the value that references a
 * row that does not exist: PostgreSQL's own error has them only in its message, which no client
 * gets. Returns if nothing in the plan is at fault, for example if a row is still referenced.
 */
create or replace function crm_private.refuse_broken_link(p_constraint text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
as $$
declare
  v_link  record;
  v_value jsonb;
begin
  select
    con.conrelid::regclass  as table_name,
    con.confrelid::regclass as referenced_table,
    class.relname,
    type.entity_type,
    attribute.attname,
    referenced.attname      as referenced_column,
    rule.column_name,
    rule.field,
    rule.message
  into v_link
  from crm_private.rules as rule
  join pg_constraint as con
    on con.conname = rule.constraint_name and con.conrelid = rule.table_oid
  join pg_class as class on class.oid = con.conrelid
  join pg_attribute as attribute
    on attribute.attrelid = con.conrelid and attribute.attnum = con.conkey[1]
  join pg_attribute as referenced
    on referenced.attrelid = con.confrelid and referenced.attnum = con.confkey[1]
  join crm_private.entity_types as type on type.entity_table = con.conrelid and type.is_record
  where rule.constraint_name = p_constraint
    and rule.kind = 'reference';

  if not found then
    return;
  end if;

  execute format(
    $query$
    select planned.before -> %2$L
    from crm_private.reversals as planned
    where planned.transaction_id = $1
      and planned.entity_type = $2
      and planned.before ->> %2$L is not null
      and %3$L in (%2$L, (planned.before ->> 'entity_type') || '_id')
      and not exists (
        select from %1$s as referenced where referenced.%4$I::text = planned.before ->> %2$L
      )
      and not exists (
        select from crm_private.reversals as also
        where also.transaction_id = $1
          and also.after is null
          and also.before ->> %4$L = planned.before ->> %2$L
      )
    limit 1
    $query$,
    v_link.referenced_table, v_link.column_name, v_link.attname, v_link.referenced_column
  )
  into v_value
  using pg_current_xact_id()::text::bigint, v_link.entity_type;

  if v_value is null then
    return;
  end if;

  raise exception '%: % %',
      v_link.relname, v_link.field, crm_private.fault_message(v_link.message, v_value)
    using errcode    = 'foreign_key_violation',
          schema     = 'crm', table = v_link.relname, column = v_link.column_name,
          constraint = p_constraint,
          detail     = jsonb_build_object(
                         v_link.field,
                         jsonb_build_array(crm_private.fault_message(v_link.message, v_value))
                       )::text,
          hint       = 'Restore the row that it references first.';
end
$$;

comment on function crm_private.refuse_broken_link(text) is
  'Raises for a reversal that violated a foreign key, with the field and its value.';

revoke all on function crm_private.refuse_broken_link(text) from public;
