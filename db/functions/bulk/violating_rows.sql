/*
 * Returns the rows of a bulk write that break a constraint which only the whole table can check,
 * for example a unique index that an administrator created. Writes the list in halves, and each
 * half that fails in halves again, until a single row fails; then rolls everything back. Called by
 * crm_private.find_faults if nothing else explains why a statement failed.
 */
create or replace function crm_private.violating_rows(
  p_table regclass,
  p_rows  crm_private.bulk_row[]
)
returns setof crm_private.row_fault
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_pending    int4range[] := array[int4range(1, cardinality(p_rows) + 1)];
  v_part       int4range;
  v_middle     integer;
  v_faults     crm_private.row_fault[] := array[]::crm_private.row_fault[];
  v_state      text;
  v_schema     text;
  v_constraint text;
  v_detail     text;
begin
  begin
    -- Rows that break a rule are left out here, and reported elsewhere.
    perform set_config(
      'crm.bulk',
      (select relname from pg_class where oid = p_table) || ' ' || pg_trigger_depth() + 1,
      true
    );
    while cardinality(v_pending) > 0
    loop
      v_part    := v_pending[1];
      v_pending := v_pending[2:];
      begin
        perform crm_private.apply_rows(p_table, p_rows[lower(v_part) : upper(v_part) - 1]);
      exception
        when integrity_constraint_violation or data_exception or program_limit_exceeded
          or sqlstate 'CRM01'
        then
          v_middle := (lower(v_part) + upper(v_part)) / 2;
          if v_middle > lower(v_part) then
            v_pending := int4range(lower(v_part), v_middle)
              || (int4range(v_middle, upper(v_part)) || v_pending);
          -- A version that is not current is also reported elsewhere.
          elsif sqlstate <> 'CRM01' then
            get stacked diagnostics
              v_state      = returned_sqlstate,
              v_schema     = schema_name,
              v_constraint = constraint_name,
              v_detail     = pg_exception_detail;
            v_faults := v_faults || row(
              p_rows[lower(v_part)].place,
              case
                when v_state like '23%' and v_state not in ('23514', '23502')
                then 'CONSTRAINT_VIOLATION'
                else 'VALIDATION_ERROR'
              end,
              crm_private.fields_of_violation(p_table, v_schema, v_constraint, v_detail),
              false
            )::crm_private.row_fault;
          end if;
      end;
    end loop;

    raise triggered_action_exception using message = 'rolls everything back';
  exception
    when triggered_action_exception then
      null;
  end;

  return query select * from unnest(v_faults);
end
$$;

comment on function crm_private.violating_rows(regclass, crm_private.bulk_row[]) is
  'Returns the rows of a bulk write that break a constraint, found by trial.';

revoke all on function crm_private.violating_rows(regclass, crm_private.bulk_row[]) from public;
grant execute on function crm_private.violating_rows(regclass, crm_private.bulk_row[])
  to crm_member;
