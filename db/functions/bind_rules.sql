/*
 * Binds the validation of a table. All its rules that one row can answer become one function,
 * crm_private.<table>_hold, and a trigger whose condition inlines it: a row that keeps the rules
 * costs no call, and a row that breaks one meets crm_private.validate, which finds every fault.
 *
 * Call it in the migration that changes a column or a constraint; a test finds where that was
 * forgotten. The constraints themselves hold in any case, one at a time.
 */
create or replace function crm_private.bind_rules(p_table regclass)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  v_table    text := (select relname from pg_class where oid = p_table);
  v_function text := format('crm_private.%I', v_table || '_hold');
  v_columns  text;
  v_types    text;
  v_values   text;
  v_rules    text;
begin
  select
    string_agg(format('%I %s', attname, format_type(atttypid, null)), ', ' order by attnum),
    string_agg(format_type(atttypid, null), ', ' order by attnum),
    string_agg(format('new.%I', attname), ', ' order by attnum)
  into v_columns, v_types, v_values
  from pg_attribute
  where attrelid = p_table and attnum > 0 and not attisdropped and attgenerated = '';

  select string_agg(
    format(case kind when 'required' then '%s' else 'coalesce(%s, true)' end, condition),
    E'\nand ' order by kind desc, ordinal, constraint_name
  )
  into v_rules
  from crm_private.rules
  where table_oid = p_table and kind in ('required', 'check');

  if to_regprocedure(format('crm_private.%I(jsonb)', v_table || '_custom_fields_hold')) is not null
  then
    v_rules := v_rules
      || format(E'\nand crm_private.%I(custom_fields)', v_table || '_custom_fields_hold');
  end if;

  -- The function's arguments are the table's columns, so it is made anew, and its trigger with it.
  execute coalesce(
    (
      select format('drop trigger _200_validate on %s; drop function %s', p_table, proc.oid::regprocedure)
      from pg_proc as proc
      where proc.pronamespace = 'crm_private'::regnamespace and proc.proname = v_table || '_hold'
    ),
    'select'
  );
  execute format(
    'create function %s(%s) returns boolean language sql stable parallel safe return %s',
    v_function, v_columns, v_rules
  );
  execute format(
    'comment on function %s is %L',
    v_function, 'True if a row keeps every rule that it can answer by itself. Made of the constraints.'
  );
  execute format('revoke all on function %s from public', v_function);
  execute format('grant execute on function %s to crm_member', v_function);
  execute format(
    'create trigger _200_validate before insert or update on %s '
    'for each row when (not %s(%s)) execute function crm_private.validate()',
    p_table, v_function, v_values
  );
end
$$;

comment on function crm_private.bind_rules(regclass) is
  'Makes the trigger that validates the rows of a table from its constraints.';

revoke all on function crm_private.bind_rules(regclass) from public;
