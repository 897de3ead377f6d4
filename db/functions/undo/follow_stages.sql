/*
 * Adapts the stages of deals in a planned reversal to later changes of their pipeline: a renamed
 * stage gets its new name. If a stage was deleted, a restored deal gets the first open stage, and a
 * deal that exists keeps its present stage. Returns what differs from before, as
 * crm_private.conflict writes it.
 *
 * Ignores stages that are reversed themselves: deals and stages go back together.
 */
create or replace function crm_private.follow_stages()
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_xid    bigint := pg_current_xact_id()::text::bigint;
  v_told   jsonb  := '[]'::jsonb;
  v_more   jsonb;
  v_stage  record;
  v_name   text;
  v_first  text;
  v_cause  record;
begin
  for v_stage in
    select
      told.name,
      min((planned.undoes -> 'entries' ->> 0)::bigint) as entry_id
    from crm_private.reversals as planned
    cross join lateral (
      values (planned.before ->> 'stage'), (planned.after ->> 'stage')
    ) as told (name)
    where planned.transaction_id = v_xid
      and planned.entity_type = 'deal'
      and told.name is not null
      and not exists (
        select
        from crm_private.reversals as also
        where also.transaction_id = v_xid
          and also.entity_type = 'pipeline_stage'
          and told.name in (also.before ->> 'name', also.after ->> 'name')
      )
    group by told.name
  loop
    select stage.name into v_name
    from crm.pipeline_stages as stage
    cross join lateral crm_private.name_as_of(
      'pipeline_stage', stage.id, stage.name, v_stage.entry_id
    ) as was (name)
    where v_stage.name in (was.name, stage.name)
    order by (was.name is not distinct from v_stage.name) desc
    limit 1;

    if v_name is not null then
      update crm_private.reversals as planned
      set
        before = case planned.before ->> 'stage'
          when v_stage.name then planned.before || jsonb_build_object('stage', v_name)
          else planned.before
        end,
        after = case planned.after ->> 'stage'
          when v_stage.name then planned.after || jsonb_build_object('stage', v_name)
          else planned.after
        end
      where planned.transaction_id = v_xid
        and planned.entity_type = 'deal'
        and v_name <> v_stage.name
        and v_stage.name in (planned.before ->> 'stage', planned.after ->> 'stage');
      continue;
    end if;

    select log.user_id, log."timestamp" into v_cause
    from crm.audit_logs as log
    where log.entity_type = 'pipeline_stage'
      and log.action = 'delete'
      and log.changes ->> 'name' = v_stage.name
    order by log.id desc
    limit 1;

    v_first := (
      select stage.name
      from crm.pipeline_stages as stage
      order by stage.kind <> 'open', stage.position, stage.name
      limit 1
    );

    with gone as (
      select planned.entity_id, planned.after is null as comes_back, record.stage as present
      from crm_private.reversals as planned
      left join crm.deals as record on record.id = planned.entity_id
      where planned.transaction_id = v_xid
        and planned.entity_type = 'deal'
        and planned.before ->> 'stage' = v_stage.name
    ),
    changed as (
      update crm_private.reversals as planned
      set
        before = case
          when gone.comes_back then planned.before || jsonb_build_object('stage', v_first)
          else planned.before - 'stage'
        end,
        after = planned.after - 'stage'
      from gone
      where planned.transaction_id = v_xid
        and planned.entity_type = 'deal'
        and planned.entity_id = gone.entity_id
    )
    select coalesce(jsonb_agg(
      crm_private.conflict(
        'deal', gone.entity_id, 'stage', to_jsonb(v_stage.name),
        to_jsonb(case when gone.comes_back then v_first else gone.present end),
        v_cause.user_id, v_cause."timestamp"
      )
      order by gone.entity_id
    ), '[]')
    into v_more
    from gone;

    v_told := v_told || v_more;
  end loop;

  return v_told;
end
$$;

comment on function crm_private.follow_stages() is
  'Adapts a planned reversal to later changes of stages; returns what differs from before.';

revoke all on function crm_private.follow_stages() from public;
