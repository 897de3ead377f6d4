/*
 * Carries out the reversal that is planned in crm_private.reversals, all of it or nothing, in a few
 * statements per entity type, however many rows there are. Called by the API functions that undo
 * and restore. They run as the owner of the audit log, so this checks that the caller could make
 * the same changes manually, and raises insufficient_privilege if not.
 *
 * 1. Locks the rows, always in one order.
 * 2. Adapts the plan to what has happened since to the rows that it references:
 *    crm_private.follow_links, follow_stages, follow_definitions, follow_external_ids. Reports what
 *    will differ from before because of that.
 * 3. Compares the rows with the expected values. If they differ, p_on_conflict decides: REFUSE
 *    raises CRM02 with a list of the conflicts, SKIP leaves what differs unchanged and reports it,
 *    FORCE overwrites it.
 * 4. Restores rows, referenced rows first; puts fields back; deletes rows. Every rule and trigger
 *    applies as to any write. The triggers of the audit log find in the plan what each row undoes.
 *
 * Definitions of custom fields come first where rows need them, and last where rows must lose their
 * values first: the reverse of the original order.
 */
create or replace function crm_private.carry_out_reversal(p_on_conflict crm.conflict_resolution)
returns crm.reversal
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_xid        bigint  := pg_current_xact_id()::text::bigint;
  v_force      boolean := p_on_conflict = 'FORCE';
  v_skip       boolean := p_on_conflict = 'SKIP';
  v_most       integer := 1000; -- reported differences
  v_told       jsonb   := '[]'::jsonb;
  v_types      text[];
  v_records    text[];
  v_table      regclass;
  v_type       text;
  v_missing    text;
  v_conflicts  jsonb  := '[]'::jsonb;
  v_count      bigint := 0::bigint;
  v_inserted   bigint := 0::bigint;
  v_step       record;
  v_constraint text;
  v_result     crm.reversal;
begin
  -- No one can undo a change that they could not make.
  select format('%s on crm.%I', needed.operation, class.relname)
  into v_missing
  from (
    select distinct
      planned.entity_type,
      case
        when planned.before is null then 'delete' when planned.after is null then 'insert' else 'update'
      end as operation,
      case
        when planned.before is not null and planned.after is not null
        then split_part(field.name, '.', 1)
      end as column_name
    from crm_private.reversals as planned
    left join lateral jsonb_object_keys(planned.before) as field (name)
      on planned.after is not null
    where planned.transaction_id = v_xid
  ) as needed
  join pg_class as class on class.oid = crm_private.entity_table(needed.entity_type)
  where case
    when needed.operation = 'delete'
    then not has_table_privilege(crm_private.calling_role(), class.oid, 'delete')
    when needed.operation = 'insert'
    then not has_any_column_privilege(crm_private.calling_role(), class.oid, 'insert')
    -- A column that no one may write is set by the database, from other columns.
    when needed.column_name = any (crm_private.logged_columns(class.oid))
      and has_column_privilege('crm_admin', class.oid, needed.column_name, 'update')
    then not has_column_privilege(
      crm_private.calling_role(), class.oid, needed.column_name, 'update'
    )
    else false
  end
  limit 1;

  if v_missing is not null or (v_force and not crm_private.is_administrator()) then
    raise exception 'permission denied for %', coalesce(v_missing, 'overwriting later changes')
      using errcode    = 'insufficient_privilege',
            schema     = 'crm', table = 'audit_logs',
            constraint = 'audit_logs_changes_permitted',
            hint       = 'Ask an administrator to do this.';
  end if;

  if v_force then
    update crm_private.reversals
    set undoes = undoes || '{"forced": true}'
    where transaction_id = v_xid;
  end if;

  -- Referenced entity types come first.
  select
    array_agg(type.entity_type order by type.restore_order),
    array_agg(type.entity_type order by type.restore_order) filter (where type.is_record)
  into v_types, v_records
  from crm_private.entity_types as type
  where type.entity_type in (
    select entity_type from crm_private.reversals where transaction_id = v_xid
  );

  -- A change of definitions blocks the writers of a table, so the table is locked before its rows.
  for v_table in
    select type.entity_table
    from crm_private.entity_types as type
    where exists (
      select
      from crm_private.reversals
      where transaction_id = v_xid
        and entity_type = 'custom_field_definition'
        and type.entity_type in (before ->> 'entity_type', after ->> 'entity_type', (
          select definition.entity_type
          from crm.custom_field_definitions as definition
          where definition.id = reversals.entity_id
        ))
    )
    order by type.restore_order
  loop
    execute format('lock table %s in share row exclusive mode', v_table);
  end loop;

  v_told := crm_private.follow_definitions() || crm_private.follow_stages();

  foreach v_type in array coalesce(v_types, '{}')
  loop
    execute format(
      'select from %s
       where id in (
         select entity_id from crm_private.reversals
         where transaction_id = $1 and entity_type = $2
       )
       order by id
       for update',
      crm_private.entity_table(v_type)
    ) using v_xid, v_type;

    if v_type = any (v_records) then
      v_told := v_told
        || crm_private.follow_links(v_type)
        || crm_private.follow_external_ids(v_type);
    end if;
  end loop;

  if not v_force then
    select settled.count, settled.conflicts
    into v_count, v_conflicts
    from crm_private.settle_conflicts(v_types, v_skip, case when v_skip then v_most else 100 end)
      as settled;
  end if;

  if v_count > 0 and not v_skip then
    perform crm_private.refuse_conflicts(v_count, v_conflicts);
  end if;

  select
    v_xid,
    count(*) filter (where after is null),
    count(*) filter (where before is not null and after is not null and before <> '{}'),
    count(*) filter (where before is null),
    jsonb_path_query_array(v_told || v_conflicts, format('$[0 to %s]', v_most - 1)::jsonpath),
    jsonb_array_length(v_told) + v_count
  into v_result
  from crm_private.reversals
  where transaction_id = v_xid;

  -- Deleting a row sets links to it to null, so that restoring it restores the links too. The rows
  -- to delete are hashed once, however many there were when the statement was planned.
  update crm_private.reversals as planned
  set before = planned.before - link.field
  from crm_private.entity_links as link
  where planned.transaction_id = v_xid
    and link.is_severed
    and planned.entity_type = link.entity_type
    and planned.before -> link.field = 'null'
    and (
      planned.after ->> link.field in (
        select going.entity_id::text
        from crm_private.reversals as going
        where going.transaction_id = v_xid
          and going.before is null
      )
    ) is true;

  -- The audit log and the stamps read the plan as long as this is set.
  perform set_config('crm.reversing', v_xid::text, true);

  begin
    -- An external id may move from one row to another in several statements.
    set constraints crm_private.external_ids_pkey deferred;

    for v_step in
      select step.place, step.operation, type.entity_type
      from (
        values
          (1, 'insert',  '{setting,definition}'),
          (2, 'prepare', '{definition}'),
          (3, 'update',  '{setting}'),
          (4, 'delete',  '{definition}'),
          (5, 'insert',  '{record}'),
          (6, 'update',  '{record}'),
          (7, 'delete',  '{record}'),
          (8, 'update',  '{definition}'),
          (9, 'delete',  '{setting}')
      ) as step (place, operation, kinds)
      join crm_private.entity_types as type
        on case
          when type.is_record then 'record'
          when type.entity_type = 'custom_field_definition' then 'definition'
          else 'setting'
        end = any (step.kinds::text[])
      where type.entity_type = any (v_types)
      order by step.place, type.restore_order
    loop
      -- While rows change, two of them may have the same value of a unique field.
      perform crm_private.defer_unique(v_step.place between 5 and 7);
      v_count := crm_private.reverse_rows(v_step.entity_type, v_step.operation);
      v_inserted := v_inserted + case v_step.operation when 'insert' then v_count else 0 end;
    end loop;

    foreach v_type in array coalesce(v_records, '{}')
    loop
      perform crm_private.settle_external_ids(v_type, array(
        select entity_id from crm_private.reversals
        where transaction_id = v_xid and entity_type = v_type
      ));
    end loop;

    perform crm_private.defer_unique(false);
  exception
    when foreign_key_violation then
      get stacked diagnostics v_constraint = constraint_name;
      perform crm_private.refuse_broken_link(v_constraint);
      raise;
  end;

  -- Another transaction restored a row between the comparison and the insert.
  if v_inserted < v_result.restored and not v_force then
    perform crm_private.refuse_conflicts(v_result.restored - v_inserted, '[]');
  end if;

  -- A merge ends when the winner no longer has the values of the merged record.
  update crm_private.merges
  set ended_at = clock_timestamp()
  where ended_in = v_xid
    and loser_id in (
      select planned.entity_id
      from crm_private.reversals as planned
      where planned.transaction_id = v_xid
    );

  -- Losers that were restored and are deleted again become part of the winner again.
  insert into crm_private.merges (entity_type, loser_id, winner_id, merged_at)
  select merge.entity_type, merge.loser_id, merge.winner_id, now()
  from crm_private.reversals as planned
  join crm_private.merges as merge
    on merge.loser_id = planned.entity_id
    and merge.entity_type = planned.entity_type
    and merge.ended_at is not null
  where planned.transaction_id = v_xid
    and planned.before is null
    and exists (
      select
      from crm.audit_logs as undone
      where undone.entity_id = planned.entity_id
        and undone.id = (planned.undoes -> 'entries' ->> 0)::bigint
        and undone.transaction_id = merge.ended_in
    )
  on conflict do nothing;

  perform set_config('crm.reversing', '', true);
  delete from crm_private.reversals where transaction_id = v_xid;

  return v_result;
end
$$;

comment on function crm_private.carry_out_reversal(crm.conflict_resolution) is
  'Carries out a planned reversal: all of it, or nothing.';

revoke all on function crm_private.carry_out_reversal(crm.conflict_resolution) from public;
