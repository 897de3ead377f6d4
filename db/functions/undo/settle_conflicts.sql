/*
 * Compares the rows of a planned reversal with what it expects. Returns the number of conflicts,
 * and up to p_limit of them, each with the user who set the present value.
 *
 * With p_skip, it removes differences from the plan, so that these stay unchanged: a field; a row
 * that is gone or was restored; a row to delete that was changed since, or has something attached.
 * Unchanged rows may in turn keep other rows from changing, so it compares the rest again until
 * nothing differs.
 */
create or replace function crm_private.settle_conflicts(
  p_types text[],
  p_skip  boolean,
  p_limit integer
)
returns table (count bigint, conflicts jsonb)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_xid   bigint := pg_current_xact_id()::text::bigint;
  v_round record;
begin
  count     := 0;
  conflicts := '[]';

  loop
    with found as materialized (
      select type.name as planned_type, conflict.*
      from unnest(p_types) as type (name)
      cross join lateral crm_private.reversal_conflicts(type.name) as conflict
    ),
    listed as (
      select found.*, setter.user_id, setter."timestamp"
      from (
        select distinct on (entity_type, entity_id, field) *
        from found
        order by entity_type, entity_id, field
        limit greatest(p_limit - jsonb_array_length(conflicts), 0)
      ) as found
      left join lateral (
        select log.user_id, log."timestamp"
        from crm.audit_logs as log
        where log.entity_id = found.entity_id
          and log.entity_type = found.entity_type
          and (log.action <> 'update' or log.changes ? found.field)
        order by log.id desc
        limit 1
      ) as setter on true
    ),
    left_out as (
      select
        found.planned_type, found.planned_id,
        array_agg(found.field)         as fields,
        bool_or(found.field = 'id')    as is_moot,
        bool_or(found.planned_type = 'deal' and found.field = 'stage') as is_stage
      from found
      where p_skip
      group by found.planned_type, found.planned_id
    ),
    dropped as (
      delete from crm_private.reversals as planned
      using left_out
      where planned.transaction_id = v_xid
        and planned.entity_type = left_out.planned_type
        and planned.entity_id = left_out.planned_id
        and (left_out.is_moot or planned.before is null)
    ),
    narrowed as (
      update crm_private.reversals as planned
      set
        before = planned.before - left_out.fields - case
          when left_out.is_stage then crm_private.stage_followers(planned.before) else '{}'
        end,
        after = planned.after - left_out.fields - case
          when left_out.is_stage then crm_private.stage_followers(planned.before) else '{}'
        end
      from left_out
      where planned.transaction_id = v_xid
        and planned.entity_type = left_out.planned_type
        and planned.entity_id = left_out.planned_id
        and not (left_out.is_moot or planned.before is null)
    )
    select
      (
        select count(*)
        from (select distinct found.entity_type, found.entity_id, found.field from found) as each
      ) as count,
      coalesce(
        jsonb_agg(
          crm_private.conflict(
            listed.entity_type, listed.entity_id, listed.field, listed.expected, listed.found,
            listed.user_id, listed."timestamp"
          )
          order by listed.entity_type, listed.entity_id, listed.field
        ),
        '[]'
      ) as conflicts
    into v_round
    from listed;

    count     := count + v_round.count;
    conflicts := conflicts || v_round.conflicts;
    exit when v_round.count = 0 or not p_skip;
  end loop;

  return next;
end
$$;

comment on function crm_private.settle_conflicts(text[], boolean, integer) is
  'Returns where rows differ from what a planned reversal expects; with p_skip, removes that from '
  'the plan.';

revoke all on function crm_private.settle_conflicts(text[], boolean, integer) from public;
