/*
 * Binds the validation of a table. All the rules that a row can answer by itself become one
 * function, crm_private.<table>_hold, and a trigger function that asks it of every new row:
 * PostgreSQL plans it once a session as one expression, so a row that keeps the rules costs neither
 * a query nor a look at the catalog. A row that breaks one meets
 * crm_private.refuse_row, which finds every fault, or notes the row where many are written at once;
 * either way it is not written.
 *
 * The view through which rows are copied in has the table's columns, too, and is made anew.
 *
 * Call it in the migration that changes a column or a constraint; a test finds where that was
 * forgotten. The constraints themselves hold in any case, one at a time.
 *
 * Security definer: what it makes belongs to the owner, whoever calls it, such as a superuser who migrates.
 */
create or replace function crm_private.compile_rules(p_table regclass)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_table    text := (select relname::text from pg_class where oid = p_table);
  v_hold     text := format('crm_private.%I', v_table || '_hold');
  v_validate text := format('crm_private.%I', v_table || '_validate');
  v_columns  text;
  v_values   text;
  v_rules    text;
begin
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

  select
    string_agg(format('%I %s', attname, format_type(atttypid, null)), ', ' order by attnum),
    string_agg(format('new.%I', attname), ', ' order by attnum)
  into v_columns, v_values
  from pg_attribute
  where attrelid = p_table and attnum > 0 and not attisdropped and attgenerated = ''
    and v_rules ~ ('\m' || attname || '\M');

  -- The arguments are columns of the table, so the function is made anew.
  execute coalesce(
    (
      select format('drop function %s', proc.oid::regprocedure)
      from pg_proc as proc
      where proc.pronamespace = 'crm_private'::regnamespace and proc.proname = v_table || '_hold'
    ),
    'select'
  );
  execute format(
    'create function %s(%s) returns boolean language plpgsql stable parallel safe '
    'set search_path = pg_catalog, pg_temp as %L',
    v_hold, v_columns, format(
      E'-- Whether it could be immutable is the affair of the rules that it is made of.\n'
      '-- @plpgsql_check_options: performance_warnings = off\n'
      'begin\n  return %s;\nend',
      v_rules
    )
  );
  execute format(
    'comment on function %s is %L',
    v_hold, 'True if a row keeps every rule that it can answer by itself. Made of the constraints.'
  );
  execute format('revoke all on function %s from public', v_hold);
  execute format('grant execute on function %s to crm_member', v_hold);

  execute format(
    $function$
create or replace function %s()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $validate$
begin
  -- crm.refusing is on where rows that cannot be written are asked for all their faults.
  if not %s(%s) or current_setting('crm.refusing', true) = 'on' then
    perform crm_private.refuse_row(tg_relid, to_jsonb(new));
    return null;
  end if;
  return new;
end
$validate$
    $function$,
    v_validate, v_hold, v_values
  );
  execute format(
    'comment on function %s() is %L', v_validate, 'Refuses a row that breaks a rule. Compiled.'
  );
  execute format('revoke all on function %s() from public', v_validate);
  execute format(
    'create or replace trigger _200_validate before insert or update on %s '
    'for each row execute function %s()',
    p_table, v_validate
  );
  perform crm_private.compile_copy_view(p_table);
end
$$;

comment on function crm_private.compile_rules(regclass) is
  'Makes the trigger that validates the rows of a table from its constraints.';

revoke all on function crm_private.compile_rules(regclass) from public;
