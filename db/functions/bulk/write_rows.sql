/*
 * Creates, updates, upserts or deletes many rows of an entity type in a few statements, all of it
 * in one transaction, and reports the faults of all rows at once. rows is an array of objects:
 *
 * - create: columns as keys. A column that is absent has its default.
 * - update: the same with the id. A column that is absent stays, one that is null becomes null.
 *   With a version the row is refused if its version is another by now.
 * - upsert: the same with external_id, {"source": …, "id": …}. Updates the row that has it; if
 *   there is none, creates one with it.
 * - delete: id, and version.
 *
 * A row may give a reference to another row by external id: company instead of company_id, with
 * {"external_id": {"source": …, "id": …}} (crm_private.resolve_references).
 *
 * If a row is faulty, mode ALL_OR_NOTHING refuses everything, with one error whose detail lists the
 * faults. VALID_ONLY writes the other rows, and returns the faults with the result. dry_run writes
 * nothing and returns what would happen. Positions begin with 0.
 *
 * Runs with the caller's rights. Called by the bulk mutations of the API and by SQL. Its statements
 * are planned anew for each list: a generic plan would assume a hundred rows, and join ten thousand
 * in a nested loop.
 */
create or replace function crm_private.write_rows(
  entity_type text,
  operation   text,
  rows        jsonb,
  mode        text    default 'ALL_OR_NOTHING',
  dry_run     boolean default false
)
returns crm_private.bulk_result
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_variable
declare
  v_table    regclass := crm_private.entity_table(entity_type);
  v_rows     crm_private.bulk_row[];
  v_misread  crm_private.row_fault[];
  v_known    crm_private.row_fault[] := array[]::crm_private.row_fault[];
  v_met      crm_private.row_fault[];
  v_attempts integer := 0;
  v_outcome  crm_private.bulk_outcome;
  v_faults   jsonb;
  v_result   crm_private.bulk_result;
begin
  if not exists (
    select from crm_private.entity_types as type
    where type.is_record and type.entity_type = write_rows.entity_type
  ) then
    perform crm_private.refuse_argument(
      'entityType',
      (
        select 'must be one of ' || string_agg(type.entity_type, ', ' order by type.restore_order)
        from crm_private.entity_types as type
        where type.is_record
      ),
      'write_rows_entity_type_known'
    );
  elsif not coalesce(operation = any ('{create,update,upsert,delete}'), false) then
    perform crm_private.refuse_argument(
      'operation', 'must be create, update, upsert or delete', 'write_rows_operation_known'
    );
  elsif not coalesce(mode = any ('{ALL_OR_NOTHING,VALID_ONLY}'), false) then
    perform crm_private.refuse_argument(
      'mode', 'must be ALL_OR_NOTHING or VALID_ONLY', 'write_rows_mode_known'
    );
  elsif not coalesce(jsonb_typeof(rows) = 'array', false) then
    perform crm_private.refuse_argument(
      'rows', 'must be an array', 'write_rows_rows_list',
      'Pass a JSON array with one object per row.'
    );
  end if;

  select
    coalesce(
      array_agg(
        row(input.place, input.id, operation, input.item)::crm_private.bulk_row
        order by input.place
      ) filter (where input.fields is null),
      '{}'
    ),
    coalesce(
      array_agg(
        row(input.place, 'VALIDATION_ERROR', input.fields, false)::crm_private.row_fault
        order by input.place
      ) filter (where input.fields is not null),
      '{}'
    )
  into v_rows, v_misread
  from crm_private.read_rows(v_table, operation, rows) as input;

  with resolved as materialized (
    select * from crm_private.resolve_references(v_table, v_rows)
  )
  select
    array(
      select row(
        input.place, input.id, input.operation, coalesce(resolved.item, input.item)
      )::crm_private.bulk_row
      from unnest(v_rows) as input
      left join resolved using (place)
      order by input.place
    ),
    array(
      select row(resolved.place, resolved.code, resolved.fields, true)::crm_private.row_fault
      from resolved
      where resolved.fields is not null
      order by resolved.place
    )
  into v_rows, v_known;

  -- The first attempt suffices if no fault makes a statement fail. Each further attempt knows more
  -- rows that cannot be written.
  loop
    v_attempts := v_attempts + 1;
    begin
      v_outcome := crm_private.attempt_rows(entity_type, operation, v_rows, v_known);
      exit when not coalesce(dry_run, false) and (
        mode = 'VALID_ONLY' or cardinality(v_outcome.faults || v_misread) = 0
      );
      raise triggered_action_exception using message = 'rolls everything back';
    exception
      when triggered_action_exception then
        v_outcome.is_undone := true;
        exit;
      when integrity_constraint_violation or data_exception or program_limit_exceeded then
        v_met := crm_private.find_faults(entity_type, operation, v_rows, v_known, sqlstate, v_attempts > 3);
        -- The row that an upsert was to create may exist by now, and can be updated.
        if cardinality(v_met) = 0 and (operation <> 'upsert' or v_attempts > 3) then
          raise;
        end if;
        v_known := v_known || v_met;
        -- A row that cannot be read has no further faults to report.
        v_rows := array(
          select input from unnest(v_rows) as input
          where input.place not in (
            select unread.place from unnest(v_met) as unread where not unread.readable
          )
          order by input.place
        );
    end;
  end loop;

  select coalesce(
    jsonb_agg(
      jsonb_build_object('index', fault.place, 'code', fault.code, 'fields', fault.fields)
      order by fault.place
    ),
    '[]'
  )
  into v_faults
  from unnest(v_outcome.faults || v_misread) as fault;

  if v_faults <> '[]' and mode = 'ALL_OR_NOTHING' and not coalesce(dry_run, false) then
    perform crm_private.refuse_rows(v_table, jsonb_array_length(rows), v_faults);
  end if;

  if v_faults <> '[]' and mode = 'ALL_OR_NOTHING' then
    v_outcome.written := array[]::crm_private.written_row[];
  end if;

  select
    (count(*) filter (where written.operation = 'create'))::integer,
    (count(*) filter (where written.operation = 'update' and written.changed))::integer,
    (count(*) filter (where written.operation = 'delete'))::integer,
    (count(*) filter (where written.operation = 'update' and not written.changed))::integer
  into v_result.created, v_result.updated, v_result.deleted, v_result.unchanged
  from unnest(v_outcome.written) as written;

  v_result.faults := v_faults;
  v_result.ids    := array(
    select written.id
    from generate_series(0, jsonb_array_length(rows) - 1) as place
    left join unnest(v_outcome.written) as written
      on written.place = place.place and v_outcome.is_undone is not true
    order by place.place
  );
  return v_result;
end
$$;

comment on function crm_private.write_rows(text, text, jsonb, text, boolean) is
  'Creates, updates, upserts or deletes many rows of an entity type, and reports the faults of all '
  'of them at once.';

revoke all on function crm_private.write_rows(text, text, jsonb, text, boolean) from public;
grant execute on function crm_private.write_rows(text, text, jsonb, text, boolean) to crm_member;
