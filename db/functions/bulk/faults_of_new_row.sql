/*
 * Returns the faults for which a new row of a table would be refused, by field; null if it would be
 * accepted. Inserts the row and rolls it back. Called by the API if the input of a mutation cannot
 * be read as a whole, so that the faults of the readable part are reported together with the
 * others.
 *
 * Runs with the caller's rights. p_row has columns as keys; a missing column gets its
 * default. It may have references by external id, as rows of bulk writes may.
 */
create or replace function crm_private.faults_of_new_row(p_table regclass, p_row jsonb)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statement is built from quoted names; plpgsql_check cannot see that, nor that it writes.
-- @plpgsql_check_options: security_warnings = off, performance_warnings = off
declare
  v_found   record;
  v_columns text;
  v_detail  text;
begin
  select resolved.*
  into v_found
  from crm_private.resolve_references(
    p_table, array[row(0, null, 'create', p_row)::crm_private.bulk_row]
  ) as resolved;
  p_row := coalesce(v_found.item, p_row);

  select string_agg(quote_ident(attribute.attname), ', ')
  into v_columns
  from pg_attribute as attribute
  where attribute.attrelid = p_table
    and attribute.attnum > 0
    and not attribute.attisdropped
    and p_row ? attribute.attname::text;

  begin
    if v_columns is null then
      execute format('insert into %s default values', p_table);
    else
      execute format(
        'insert into %s (%s) select %2$s from jsonb_populate_record(null::%1$s, $1)',
        p_table, v_columns
      ) using p_row;
    end if;
    raise triggered_action_exception using message = 'rolls the row back';
  exception
    when triggered_action_exception then
      return v_found.fields;
    when check_violation then
      get stacked diagnostics v_detail = pg_exception_detail;
      -- A detail of PostgreSQL's own is not JSON, and quotes values.
      if v_detail not like '{%' then
        raise;
      end if;
      -- A faulty company has no companyId, whose fault is not reported as well.
      return v_detail::jsonb
        - array(select field || 'Id' from jsonb_object_keys(v_found.fields) as field)
        || coalesce(v_found.fields, '{}');
    -- Broken references and taken values are found once the rest of the row is valid.
    when integrity_constraint_violation then
      return v_found.fields;
  end;
end
$$;

comment on function crm_private.faults_of_new_row(regclass, jsonb) is
  'Returns the faults for which a new row would be refused, by field; null if it would be '
  'accepted.';

revoke all on function crm_private.faults_of_new_row(regclass, jsonb) from public;
grant execute on function crm_private.faults_of_new_row(regclass, jsonb) to crm_member;
