/*
 * Returns the rows of a bulk write that collide with other rows, in the database or in the list:
 * rows with a reference to a row that does not exist, or else rows with an external id that belongs
 * to another row. It reports the fault only for external ids; references are reported with the
 * other rules of the row.
 *
 * Called by crm_private.find_faults after a statement failed on such a row: PostgreSQL reports only
 * one.
 */
create or replace function crm_private.colliding_rows(
  p_entity_type text,
  p_rows        crm_private.bulk_row[]
)
returns setof crm_private.row_fault
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_table regclass := crm_private.entity_table(p_entity_type);
  v_filled text := format(
    'select input.place as "#place", input.item as "#item", filled.*
     from unnest($1) as input
     left join %s as found on found.id = input.id
     cross join lateral jsonb_populate_record(found, input.item) as filled
     where input.operation <> ''delete''',
    v_table
  );
  v_broken text;
begin
  v_broken := crm_private.broken_reference(v_table);

  if v_broken is not null then
    return query execute format(
      'select "#place", ''CONSTRAINT_VIOLATION'', ''{}''::jsonb, true from (%s) as filled where %s',
      v_filled, v_broken
    ) using p_rows;
  end if;

  return query execute format(
    $find$
      with carried as materialized (
        select
          filled."#place" as place, filled.id as entity_id, own.source, own.id,
          own.position - 1 as position
        from (%s) as filled
        cross join unnest(filled.external_ids) with ordinality as own (source, id, position)
        where filled."#item" ? 'external_ids'
      ),
      freed as materialized (
        select id from unnest($1) as input where input.item ? 'external_ids' and id is not null
      ),
      collisions as (
        select carried.*, 'belongs to another ' || $2 as message
        from carried
        -- By the key, row by row: a scan of the whole table evaluates its policy for each row.
        cross join lateral (
          select key.entity_id
          from crm_private.external_ids as key
          where key.entity_type = $2 and key.source = carried.source and key.id = carried.id
          limit 1
        ) as held
        where held.entity_id is distinct from carried.entity_id
          and held.entity_id not in (select id from freed)

        union

        select place, entity_id, source, id, position, 'is given to row ' || first || ' too'
        from (
          select
            carried.*,
            first_value(place) over (partition by source, id order by place, position) as first
          from carried
        ) as twice (place, entity_id, source, id, position, first)
        where twice.first <> twice.place
      )
      select
        place, 'CONSTRAINT_VIOLATION',
        jsonb_object_agg('externalIds.' || position, jsonb_build_array(
          crm_private.fault_message(
            '%%s ' || message, jsonb_build_object('source', source, 'id', id)
          )
        )),
        true
      from collisions
      group by place
    $find$,
    v_filled
  ) using p_rows, p_entity_type;
end
$$;

comment on function crm_private.colliding_rows(text, crm_private.bulk_row[]) is
  'Returns the rows of a bulk write that collide with other rows.';

revoke all on function crm_private.colliding_rows(text, crm_private.bulk_row[]) from public;
grant execute on function crm_private.colliding_rows(text, crm_private.bulk_row[]) to crm_member;
