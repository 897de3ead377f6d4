/*
 * Refuses a bulk write: raises one error whose detail lists the faults of all rows. Its condition
 * is that of the faults, if they have one in common. Called by crm_private.write_rows.
 */
create or replace function crm_private.refuse_rows(p_table regclass, p_count bigint, p_faults jsonb)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table text  := (select relname::text from pg_class where oid = p_table);
  v_first jsonb := p_faults -> 0;
  v_codes text[] := array(
    select distinct fault ->> 'code' from jsonb_array_elements(p_faults) as fault
  );
begin
  raise exception '%: % of % rows are faulty; the first is % with %',
      v_table, jsonb_array_length(p_faults), p_count, v_first ->> 'index', v_first ->> 'fields'
    using errcode    = case
                         when v_codes = '{NOT_FOUND}'            then 'P0002'
                         when v_codes = '{CONFLICT}'             then 'CRM01'
                         when v_codes = '{CONSTRAINT_VIOLATION}' then '23000'
                         else '23514'
                       end,
          schema     = 'crm', table = v_table,
          constraint = 'write_rows_rows_valid',
          detail     = jsonb_build_object('faults', p_faults)::text,
          hint       = 'Correct the rows in the detail, or write the others in mode VALID_ONLY.';
end
$$;

comment on function crm_private.refuse_rows(regclass, bigint, jsonb) is
  'Raises the error of a bulk write, with the faults of all its rows.';

revoke all on function crm_private.refuse_rows(regclass, bigint, jsonb) from public;
grant execute on function crm_private.refuse_rows(regclass, bigint, jsonb) to crm_member;
