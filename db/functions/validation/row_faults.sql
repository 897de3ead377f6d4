/*
 * Returns every fault of each of some rows of a table, given as jsonb, with the position of the row
 * from 1: the violated rules of crm_private.rules and, if the table has custom fields, of their
 * definitions.
 *
 * A rule about an array or an object is tested again with each element alone, so that the fault is
 * that of the element: emails.1 or address.country. If each element alone is valid, or the rule is
 * marked @whole, the fault is that of the whole value.
 *
 * Called for rows that are known to be invalid, one or thousands of them in one statement.
 */
create or replace function crm_private.row_faults(p_table regclass, p_rows jsonb[])
returns table (
  place           bigint,
  field           text,
  message         text,
  constraint_name text,
  column_name     text,
  kind            text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are built from expressions, which cannot be quoted like names and values.
-- @plpgsql_check_options: security_warnings = off
declare
  v_faults text;
begin
  select
    string_agg(
      format(
        case
          when rule.per_element then
            'select faulty.place, %1$L || coalesce(''.'' || element.key, ''''), %2$L, %3$L, %4$L,
               %8$L, %5$s, element.value, element.ordinal
             from (select input.place, input.item from input where not (%7$s)) as faulty
             left join lateral (
               select element.*
               from crm_private.elements(faulty.item -> %4$L) as element
               cross join lateral jsonb_populate_record(
                 null::%6$s, faulty.item || jsonb_build_object(%4$L, element.alone)
               )
               where not (%7$s)
             ) as element on true'
          else
            'select input.place, %1$L, %2$L, %3$L, %4$L, %8$L, %5$s, input.item -> %4$L, null::bigint
             from input
             where not (%7$s)'
        end,
        rule.field, rule.message, rule.constraint_name, rule.column_name, rule.ordinal, p_table,
        rule.condition, rule.kind
      ),
      E'\nunion all\n'
    )
  into v_faults
  from crm_private.rules as rule
  where rule.table_oid = p_table
    and rule.kind in ('required', 'check', 'reference');

  return query execute format(
    'with input as materialized ('
    '  select listed.place, listed.item, filled.* '
    '  from unnest($1) with ordinality as listed (item, place) '
    '  cross join lateral jsonb_populate_record(null::%s, listed.item) as filled'
    ') '
    'select fault.place, fault.field, crm_private.fault_message(fault.message, fault.value), '
    '  fault.constraint_name, fault.column_name, fault.kind '
    'from (%s) as fault '
    '  (place, field, message, constraint_name, column_name, kind, ordinal, value, element_ordinal) '
    'order by fault.place, fault.ordinal, fault.constraint_name, fault.element_ordinal',
    p_table, v_faults
  ) using p_rows;

  return query
    select
      fault.place, fault.field, fault.message, fault.constraint_name, 'custom_fields', 'check'
    from crm_private.custom_field_faults(p_table, p_rows) as fault;
end
$$;

comment on function crm_private.row_faults(regclass, jsonb[]) is
  'Returns every fault of each of some rows: the position of the row, the field, the message, the '
  'rule, the column and the kind of rule.';

revoke all on function crm_private.row_faults(regclass, jsonb[]) from public;
