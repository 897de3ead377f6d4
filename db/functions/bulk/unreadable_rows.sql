/*
 * Returns the rows of a bulk write with values that their columns cannot read, such as a day that
 * does not exist, with each such field. Called by crm_private.find_faults after a statement failed.
 */
create or replace function crm_private.unreadable_rows(
  p_table regclass,
  p_rows  crm_private.bulk_row[]
)
returns setof crm_private.row_fault
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_row    crm_private.bulk_row;
  v_member record;
  v_fields jsonb;
begin
  foreach v_row in array p_rows
  loop
    begin
      execute format('select from jsonb_populate_record(null::%s, $1)', p_table) using v_row.item;
    exception
      when data_exception or program_limit_exceeded then
        v_fields := '{}';
        for v_member in select key, value from jsonb_each(v_row.item)
        loop
          begin
            execute format('select from jsonb_populate_record(null::%s, $1)', p_table)
            using jsonb_build_object(v_member.key, v_member.value);
          exception
            when data_exception or program_limit_exceeded then
              v_fields := v_fields || jsonb_build_object(
                crm_private.camel_case(v_member.key),
                jsonb_build_array(crm_private.fault_message(
                  '%s has the wrong form', v_member.value
                ))
              );
          end;
        end loop;
        return next row(v_row.place, 'VALIDATION_ERROR', v_fields, false)::crm_private.row_fault;
    end;
  end loop;
end
$$;

comment on function crm_private.unreadable_rows(regclass, crm_private.bulk_row[]) is
  'Returns the rows of a bulk write with values that cannot be read.';

revoke all on function crm_private.unreadable_rows(regclass, crm_private.bulk_row[]) from public;
grant execute on function crm_private.unreadable_rows(regclass, crm_private.bulk_row[])
  to crm_member;
