/*
 * The faults that a new row of a table would be refused for, by field: it is inserted and taken back. Null
 * if it would be taken. Called by the API where the input of a mutation cannot be read as a whole, so
 * that the faults of what can be read are told together with the others.
 *
 * Runs with the caller's rights. p_row has columns as keys; what is absent has its default.
 */
create or replace function crm_private.faults_of_new_row(p_table regclass, p_row jsonb)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statement is made of names that the catalog quotes; that it writes cannot be told.
-- @plpgsql_check_options: security_warnings = off, performance_warnings = off
declare
  v_columns text;
  v_detail  text;
begin
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
    raise triggered_action_exception using message = 'takes the row back';
  exception
    when triggered_action_exception then
      return null;
    when check_violation then
      get stacked diagnostics v_detail = pg_exception_detail;
      -- What PostgreSQL itself says in a detail is no JSON, and quotes values.
      if v_detail not like '{%' then
        raise;
      end if;
      return v_detail::jsonb;
    -- A link that leads nowhere and a value that is taken are met once the rest is right.
    when integrity_constraint_violation then
      return null;
  end;
end
$$;

comment on function crm_private.faults_of_new_row(regclass, jsonb) is
  'The faults that a new row would be refused for, by field; null if it would be taken.';

revoke all on function crm_private.faults_of_new_row(regclass, jsonb) from public;
grant execute on function crm_private.faults_of_new_row(regclass, jsonb) to crm_member;
