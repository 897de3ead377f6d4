/*
 * Makes one attempt at a bulk write: finds and locks the rows, writes the valid ones, and returns
 * every fault of the others. Called by crm_private.write_rows.
 *
 * p_known are the faults that earlier attempts found. Their rows are not written; those that could
 * be read are still validated, so that all their faults are reported.
 *
 * Raises the error of a statement that meets a collision; crm_private.write_rows finds the
 * colliding rows and tries again.
 */
create or replace function crm_private.attempt_rows(
  p_entity_type text,
  p_operation   text,
  p_rows        crm_private.bulk_row[],
  p_known       crm_private.row_fault[]
)
returns crm_private.bulk_outcome
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table   regclass := crm_private.entity_table(p_entity_type);
  v_name    text     := (select relname::text from pg_class where oid = v_table);
  v_current crm_private.current_row[];
  v_absent  crm_private.row_fault[];
  v_moved   bigint;
  v_noted   crm_private.row_fault[];
  v_named   text[];
  v_outcome crm_private.bulk_outcome;
begin
  v_outcome.rows := p_rows;

  -- An upsert applies to the row that has the external id once it is locked.
  for v_round in 1 .. 10
  loop
    exit when p_operation = 'create';
    if p_operation = 'upsert' then
      v_outcome.rows := crm_private.match_rows(p_entity_type, p_rows);
    end if;
    execute format(
      'select array_agg(row(id, version, external_ids)::crm_private.current_row)
       from (
         select id, version, external_ids from %s
         where id in (select input.id from unnest($1) as input)
         order by id
         for %s
       ) as locked',
      v_table, case p_operation when 'delete' then 'update' else 'no key update' end
    ) into v_current using v_outcome.rows;
    exit when p_operation <> 'upsert';

    -- Counted: a plan for the first row only would be a nested loop.
    select count(*)
    into v_moved
    from unnest(p_rows) as input
    join unnest(v_outcome.rows) as meant using (place)
    left join unnest(v_current) as found on found.id = meant.id
    where meant.id is not null
      and not coalesce(
        jsonb_populate_record(null::crm.external_id, input.item -> 'external_id')
          = any (found.external_ids),
        false
      );
    exit when v_moved = 0;
  end loop;

  if p_operation <> 'create' then
    select array_agg(row(fault.place, fault.code, fault.fields, false)::crm_private.row_fault)
    into v_absent
    from (
      select
        input.place,
        case
          when input.number > 1 then 'VALIDATION_ERROR'
          when found.id is null then 'NOT_FOUND'
          else 'CONFLICT'
        end as code,
        case
          when input.number > 1 then jsonb_build_object(
            case p_operation when 'upsert' then 'externalId' else 'id' end,
            jsonb_build_array('is given to row ' || input.first || ' too')
          )
          when found.id is null then jsonb_build_object(
            'id', jsonb_build_array(format('"%s" is not the id of a %s', input.id, p_entity_type))
          )
          else jsonb_build_object(
            'version', jsonb_build_array('is not current, which is ' || found.version)
          )
        end as fields
      from (
        select
          place, id, operation, item,
          row_number() over (partition by id order by place) as number,
          first_value(place) over (partition by id order by place) as first
        from unnest(v_outcome.rows)
        where id is not null
      ) as input
      left join unnest(v_current) as found using (id)
      where input.number > 1
        or found.id is null
        or input.item ? 'version'
          and input.item -> 'version' is distinct from to_jsonb(found.version)
    ) as fault;

    if p_operation = 'upsert' then
      v_absent := v_absent || array(
        select row(
          input.place,
          'VALIDATION_ERROR',
          jsonb_build_object(
            'externalId', jsonb_build_array('is given to row ' || input.first || ' too')
          ),
          false
        )::crm_private.row_fault
        from (
          select
            place, id,
            first_value(place) over (partition by item -> 'external_id' order by place) as first
          from unnest(p_rows)
        ) as input
        where input.first <> input.place
          and not exists (
            select from unnest(v_outcome.rows) as meant
            where meant.place = input.place and meant.id is not null
          )
      );
    end if;

    v_outcome.rows := array(
      select input from unnest(v_outcome.rows) as input
      where input.place not in (select absent.place from unnest(v_absent) as absent)
      order by input.place
    );
  end if;

  perform set_config('crm.bulk', v_name || ' ' || pg_trigger_depth() + 1, true);

  v_outcome.written := array(
    select written
    from crm_private.apply_rows(v_table, array(
      select input from unnest(v_outcome.rows) as input
      where input.place not in (select known.place from unnest(p_known) as known)
      order by input.place
    )) as written
  );

  -- These are never written: the validation only reports their faults.
  if cardinality(p_known) > 0 then
    perform set_config('crm.refusing', 'on', true);
    perform crm_private.apply_rows(v_table, array(
      select input from unnest(v_outcome.rows) as input
      where input.operation <> 'delete'
        and input.place in (select known.place from unnest(p_known) as known where known.readable)
      order by input.place
    ));
    perform set_config('crm.refusing', '', true);
  end if;

  perform set_config('crm.bulk', '', true);

  select array_agg(row(coalesce(noted.place, input.place), noted.code, noted.fields, true)
    ::crm_private.row_fault)
  into v_noted
  from crm_private.collect_faults(v_table) as noted
  left join unnest(v_outcome.rows) as input on noted.place is null and input.id = noted.id;

  -- A faulty company has no companyId, whose fault is not reported as well.
  if cardinality(p_known) > 0 then
    v_named := array(
      select crm_private.camel_case(name) from crm_private.references_of(v_table)
    );
    select array_agg(row(noted.place, noted.code, shown.fields, true)::crm_private.row_fault)
    into v_noted
    from unnest(v_noted) as noted
    left join unnest(p_known) as known using (place)
    cross join lateral (
      select noted.fields - array(
        select field || 'Id' from jsonb_object_keys(known.fields) as field
        where field = any (v_named)
      ) as fields
    ) as shown
    where shown.fields <> '{}';
  end if;

  v_outcome.faults := array(
    select row(
      fault.place,
      case
        when count(distinct fault.code) = 1 then min(fault.code)
        else 'VALIDATION_ERROR'
      end,
      coalesce(
        crm_private.merged_objects(array_agg(fault.fields)),
        '{"row": ["collided with another change; please try again"]}'
      ),
      bool_and(fault.readable)
    )::crm_private.row_fault
    from (
      select * from unnest(v_absent)
      union all
      select * from unnest(v_noted)
      union all
      select * from unnest(p_known)
    ) as fault
    group by fault.place
    order by fault.place
  );
  return v_outcome;
end
$$;

comment on function crm_private.attempt_rows(
  text, text, crm_private.bulk_row[], crm_private.row_fault[]
) is
  'Makes one attempt at a bulk write.';

revoke all on function crm_private.attempt_rows(
  text, text, crm_private.bulk_row[], crm_private.row_fault[]
) from public;
grant execute on function crm_private.attempt_rows(
  text, text, crm_private.bulk_row[], crm_private.row_fault[]
) to crm_member;
