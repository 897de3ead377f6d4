/*
 * Raises for an invalid row, given as jsonb, with all its faults at once: the detail is an object
 * of messages by field, in the client's words. Does nothing if the row is valid. Called by
 * crm_private.refuse_row, and for rows that are only proposed.
 *
 * A function that writes several rows of one input sets crm.path to the place of the row in it:
 * tasks.1 makes tasks.1.description of description.
 */
create or replace function crm_private.refuse_faults(p_table regclass, p_row jsonb)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table      text := (select relname::text from pg_class where oid = p_table);
  v_path       text := coalesce(nullif(current_setting('crm.path', true), '') || '.', '');
  v_fields     jsonb;
  v_summary    text;
  v_constraint text;
  v_column     text;
begin
  select
    jsonb_object_agg(v_path || fault.field, fault.messages),
    string_agg(
      v_path || fault.field || ' ' || (fault.messages ->> 0), '; ' order by fault.ordinal
    ),
    (array_agg(fault.constraint_name order by fault.ordinal))[1],
    (array_agg(fault.column_name order by fault.ordinal))[1]
  into v_fields, v_summary, v_constraint, v_column
  from (
    select
      field,
      jsonb_agg(message order by ordinal)               as messages,
      min(ordinal)                                      as ordinal,
      (array_agg(constraint_name order by ordinal))[1]  as constraint_name,
      (array_agg(column_name order by ordinal))[1]      as column_name
    from crm_private.row_faults(p_table, array[p_row]) with ordinality as listed (
      place, field, message, constraint_name, column_name, kind, ordinal
    )
    group by field
  ) as fault;

  if v_fields is not null then
    raise exception '%: %', v_table, v_summary
      using errcode    = 'check_violation',
            schema     = 'crm', table = v_table, column = v_column,
            constraint = v_constraint,
            detail     = v_fields::text,
            hint       = 'Correct every field that the detail lists, then write the row again.';
  end if;
end
$$;

comment on function crm_private.refuse_faults(regclass, jsonb) is
  'Raises for an invalid row, with all its faults; does nothing if the row is valid.';

revoke all on function crm_private.refuse_faults(regclass, jsonb) from public;
