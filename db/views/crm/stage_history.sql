/*
 * The stages that deals were in, and for how long, as the audit log records them.
 *
 * The view reads with the rights of the caller, whose policies on the audit log decide which
 * entries are visible. PostgreSQL 14 can read a view with the rights of its owner only, so the view
 * also contains the condition of the policy.
 */
create or replace view crm.stage_history as
  select
    period.entry_id,
    period.deal_id,
    period.stage,
    period.entered_at,
    period.left_at,
    coalesce(period.left_at, now()) - period.entered_at as duration,
    period.entered_by,
    period.source,
    period.stage_id
  from (
    select
      moved.*,
      lead(moved.entered_at) over (partition by moved.deal_id order by moved.entry_id) as left_at
    from (
      select
        log.id          as entry_id,
        log.entity_id   as deal_id,
        case
          when not log.changes ? '@imported' then log."timestamp"
          -- An imported deal has been in its stage since it was closed or, if it is open, created.
          else coalesce(
            (log.changes ->> 'closed_at')::timestamptz, (log.changes ->> 'created_at')::timestamptz,
            log."timestamp"
          )
        end             as entered_at,
        log.user_id     as entered_by,
        log.source,
        log.action,
        named.stage_id,
        coalesce(named.stage, told.stage) as stage,
        lag(coalesce(named.stage_id::text, told.stage))
          over (partition by log.entity_id order by log.id) as former
      from crm.audit_logs as log
      cross join lateral (
        select case log.action
          when 'create' then log.changes ->> 'stage'
          when 'update' then log.changes #>> '{stage,new}'
        end
      ) as told (stage)
      left join crm_private.stage_names as named
        on named.name = told.stage
        and named.since <= log.id
        and (named.until is null or log.id < named.until)
      where log.entity_type = 'deal'
        and (log.action <> 'update' or log.changes ? 'stage')
        and (
          (select crm_private.is_administrator())
          or log.user_id = (select crm.current_user_id())
          or crm_private.is_readable('deal', log.entity_id)
        )
    ) as moved
    -- Renaming a stage moves no deal.
    where moved.action <> 'update'
      or coalesce(moved.stage_id::text, moved.stage) is distinct from moved.former
  ) as period
  where period.stage is not null;

do $invoker$
begin
  if current_setting('server_version_num')::integer >= 150000 then
    alter view crm.stage_history set (security_invoker = true);
  else
    alter view crm.stage_history set (security_barrier = true);
  end if;
end
$invoker$;

comment on view crm.stage_history is
  E'@primaryKey entry_id\n@name stage_period\n@behavior -single\n'
  '@foreignKey (deal_id) references crm.deals (id)|@fieldName deal|@foreignFieldName stageHistory\n'
  'A period that a deal spent in a pipeline stage. The current period of a deal lasts until now.';
comment on column crm.stage_history.entry_id is
  E'@notNull\nThe id of the audit log entry that started this period. It increases from one period '
  'to the next.';
comment on column crm.stage_history.deal_id is E'@notNull\nThe id of the deal.';
comment on column crm.stage_history.stage is
  E'@notNull\n@rank pipeline_stages name position\nThe current name of the stage, or its last name '
  'if the stage was deleted.';
comment on column crm.stage_history.entered_at is E'@notNull\nWhen the deal entered the stage.';
comment on column crm.stage_history.left_at is
  'When the deal left the stage or was deleted. Null if it is still in the stage.';
comment on column crm.stage_history.duration is
  E'@notNull\n@untilNow entered_at left_at\nHow long the deal was in the stage, until now if it '
  'still is.';
comment on column crm.stage_history.entered_by is
  E'@notNull\nThe user who moved the deal into the stage.';
comment on column crm.stage_history.source is
  E'@notNull\nThe channel through which the deal was moved: api, import or sql.';
comment on column crm.stage_history.stage_id is
  'The id of the stage. Null if the audit log no longer records it.';

grant select on crm.stage_history to crm_reader;
