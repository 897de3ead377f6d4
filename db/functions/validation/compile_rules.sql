/*
 * Compiles the validation of a table. All rules that need no other row become one function,
 * crm_private.<table>_hold, and a trigger calls it for every new or updated row. PostgreSQL plans
 * the function once per session as one expression, so a valid row costs neither a query nor a
 * look-up in the catalog. The rules of a column that is null, or an empty list, are skipped if they
 * hold for this value. An update that changes none of the columns whose rules call functions skips
 * these rules, which the row satisfies already. An invalid row is passed to crm_private.refuse_row,
 * which finds every fault, or records the row if many are written at once; in both cases the row is
 * not written.
 *
 * Also recreates the view through which rows are copied in, because it has the table's columns.
 *
 * Call it in the migration that changes a column or a constraint; a test finds where that was
 * forgotten. The constraints themselves apply in any case, one at a time.
 *
 * Security definer: the compiled objects must belong to the owner, even if a superuser migrates.
 */
create or replace function crm_private.compile_rules(p_table regclass)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are built from expressions, which cannot be quoted like names and values.
-- @plpgsql_check_options: security_warnings = off
declare
  v_table    text := (select relname::text from pg_class where oid = p_table);
  v_hold     text := format('crm_private.%I', v_table || '_hold');
  v_validate text := format('crm_private.%I', v_table || '_validate');
  v_columns  text;
  v_values   text;
  v_rules    text;
  v_costly   text := 'true';
  v_changed  text;
  v_group    record;
  v_is_idle  boolean;
  v_checks   text;
begin
  select string_agg(condition, E'\nand ' order by ordinal)
  into v_rules
  from crm_private.rules
  where table_oid = p_table and kind = 'required';

  for v_group in
    select
      concat_ws(
        E'\nand ',
        -- Most texts are printable ASCII and begin with a visible character, so they satisfy these.
        format('(%I ~ ''^[!-~][ -~]*$'' or ', attname)
          || string_agg(checked.condition, E'\nand ' order by rule.constraint_name)
            filter (where checked.is_of_characters)
          || ')',
        string_agg(checked.condition, E'\nand ' order by rule.constraint_name)
          filter (where not checked.is_of_characters)
      ) as conditions,
      -- A test of the value of a column that has none.
      case
        when cardinality(con.conkey) > 1 then null
        when not attnotnull then format('%I is null', attname)
        when typcategory = 'A' then format('cardinality(%I) = 0', attname)
      end as test,
      format(
        case when attnotnull then '''{}''::%s as %I' else 'null::%s as %I' end,
        format_type(atttypid, null), attname
      ) as value
    from crm_private.rules as rule
    join pg_attribute on attrelid = p_table and attnum = rule.ordinal
    join pg_type on pg_type.oid = atttypid
    join pg_constraint as con on conrelid = p_table and conname = rule.constraint_name
    cross join lateral (
      select
        format('coalesce(%s, true)', rule.condition) as condition,
        rule.condition ~ '^\(?(NOT )?crm_private\.is_(blank|legible|printable)\(\w+\)\)?$'
          as is_of_characters
    ) as checked
    where rule.table_oid = p_table and rule.kind = 'check'
    group by attnum, attname, attnotnull, atttypid, typcategory, cardinality(con.conkey) > 1
    order by attnum
  loop
    v_is_idle := false;
    if v_group.test is not null then
      execute format('select %s from (select %s) as item', v_group.conditions, v_group.value)
      into v_is_idle;
    end if;
    v_checks := format(
      case when v_is_idle then E'\nand (%s or %s)' else E'\nand %2$s' end,
      v_group.test, v_group.conditions
    );
    if v_group.conditions ~ '\mcrm\w*\.|\mjsonb_path' then
      v_costly := v_costly || v_checks;
    else
      v_rules := v_rules || v_checks;
    end if;
  end loop;

  if to_regprocedure(format('crm_private.%I(jsonb)', v_table || '_custom_fields_hold')) is not null
  then
    v_costly := v_costly
      || format(E'\nand crm_private.%I(custom_fields)', v_table || '_custom_fields_hold');
  end if;
  v_rules := v_rules || format(E'\nand (not p_is_changed or %s)', v_costly);

  select
    string_agg(format('%I %s', attname, format_type(atttypid, null)), ', ' order by attnum),
    string_agg(format('new.%I', attname), ', ' order by attnum),
    coalesce(
      string_agg(format('new.%1$I is distinct from old.%1$I', attname), ' or ' order by attnum)
        filter (where v_costly ~ ('\m' || attname || '\M')),
      'false'
    )
  into v_columns, v_values, v_changed
  from pg_attribute
  where attrelid = p_table and attnum > 0 and not attisdropped and attgenerated = ''
    and v_rules ~ ('\m' || attname || '\M');

  -- The arguments are columns of the table, so the function is dropped and created again.
  execute coalesce(
    (
      select format('drop function %s', proc.oid::regprocedure)
      from pg_proc as proc
      where proc.pronamespace = 'crm_private'::regnamespace and proc.proname = v_table || '_hold'
    ),
    'select'
  );
  execute format(
    'create function %s(%s, p_is_changed boolean) returns boolean language plpgsql stable '
    'parallel safe set search_path = pg_catalog, pg_temp as %L',
    v_hold, v_columns, format(
      E'-- Whether it could be immutable depends on the rules that it consists of.\n'
      '-- @plpgsql_check_options: performance_warnings = off\n'
      'begin\n  return %s;\nend',
      v_rules
    )
  );
  execute format(
    'comment on function %s is %L',
    v_hold,
    'Returns true if a row satisfies every rule that needs no other row; if p_is_changed is false, '
      || 'without the rules that call functions. Compiled.'
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
  -- crm.refusing is on if all faults of rows that cannot be written are to be found.
  if not %s(%s, tg_op = 'INSERT' or %s) or current_setting('crm.refusing', true) = 'on' then
    perform crm_private.refuse_row(tg_relid, to_jsonb(new));
    return null;
  end if;
  return new;
end
$validate$
    $function$,
    v_validate, v_hold, v_values, v_changed
  );
  execute format(
    'comment on function %s() is %L', v_validate, 'Refuses a row that violates a rule. Compiled.'
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
  'Creates the trigger that validates the rows of a table, compiled from its constraints.';

revoke all on function crm_private.compile_rules(regclass) from public;
