/*
 * Returns the rows that made an attempt at a bulk write fail; PostgreSQL reports one of them at
 * most. These are the rows that cannot be read, or else those that collide, or else those that
 * break a constraint, which are found by trial. Rows with known faults are not returned again. An
 * upsert that can be attempted again skips the trial. Called by crm_private.write_rows.
 */
create or replace function crm_private.find_faults(
  p_entity_type text,
  p_operation   text,
  p_rows        crm_private.bulk_row[],
  p_known       crm_private.row_fault[],
  p_state       text,
  p_is_last     boolean
)
returns crm_private.row_fault[]
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table regclass := crm_private.entity_table(p_entity_type);
  v_rows  crm_private.bulk_row[];
  v_met   crm_private.row_fault[];
begin
  -- A trigger refuses a row before the rows after it have been read.
  if p_state not like '23%' or p_state = '23514' then
    v_met := array(select unread from crm_private.unreadable_rows(v_table, p_rows) as unread);
    if cardinality(v_met) > 0 then
      return v_met;
    end if;
  end if;

  v_rows := case p_operation
    when 'upsert' then crm_private.match_rows(p_entity_type, p_rows) else p_rows
  end;
  v_met := array(
    select row(
      colliding.place, min(colliding.code),
      coalesce(crm_private.merged_objects(array_agg(colliding.fields)), '{}'), true
    )::crm_private.row_fault
    from crm_private.colliding_rows(p_entity_type, v_rows) as colliding
    where colliding.place not in (select known.place from unnest(p_known) as known)
    group by colliding.place
  );
  if cardinality(v_met) > 0 then
    return v_met;
  end if;

  if p_operation = 'upsert' and not p_is_last then
    return array[]::crm_private.row_fault[];
  end if;

  return array(
    select offending
    from crm_private.violating_rows(v_table, array(
      select input from unnest(v_rows) as input
      where input.place not in (select known.place from unnest(p_known) as known)
      order by input.place
    )) as offending
  );
end
$$;

comment on function crm_private.find_faults(
  text, text, crm_private.bulk_row[], crm_private.row_fault[], text, boolean
) is
  'Returns the rows that made an attempt at a bulk write fail: they cannot be read, collide, or '
  'break a constraint.';

revoke all on function crm_private.find_faults(
  text, text, crm_private.bulk_row[], crm_private.row_fault[], text, boolean
) from public;
grant execute on function crm_private.find_faults(
  text, text, crm_private.bulk_row[], crm_private.row_fault[], text, boolean
) to crm_member;
