/*
 * Returns the faults of the rows that this transaction's bulk write found faulty, with the place of
 * each row in the input, or its id if it was an update; then deletes the record of these rows.
 * Called by crm_private.attempt_rows.
 *
 * Security definer, because it reads the rules in the catalog and referenced rows, and because
 * roles may neither read nor write the recorded rows. It reports only on rows that the caller has
 * tried to write.
 */
create or replace function crm_private.collect_faults(p_table regclass)
returns table (place integer, id uuid, code text, fields jsonb)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_places integer[];
  v_items  jsonb[];
begin
  with taken as (
    delete from crm_private.faulty_rows
    where transaction_id = pg_current_xact_id()::text::bigint
    returning number, place, item
  )
  select array_agg(taken.place order by taken.number), array_agg(taken.item order by taken.number)
  into v_places, v_items
  from taken;

  if v_items is null then
    return;
  end if;

  return query
    select
      v_places[listed.place],
      (v_items[listed.place] ->> 'id')::uuid,
      case
        when bool_and(listed.kinds <@ '{reference}') then 'CONSTRAINT_VIOLATION'
        else 'VALIDATION_ERROR'
      end,
      jsonb_object_agg(listed.field, listed.messages)
    from (
      select
        fault.place,
        fault.field,
        jsonb_agg(fault.message order by fault.ordinal) as messages,
        array_agg(fault.kind) as kinds
      from crm_private.row_faults(p_table, v_items) with ordinality as fault (
        place, field, message, constraint_name, column_name, kind, ordinal
      )
      group by fault.place, fault.field
    ) as listed
    group by listed.place;
end
$$;

comment on function crm_private.collect_faults(regclass) is
  'Returns the faults of the rows that a bulk write of this transaction found faulty.';

revoke all on function crm_private.collect_faults(regclass) from public;
grant execute on function crm_private.collect_faults(regclass) to crm_member;
