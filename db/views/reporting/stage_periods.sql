/*
 * The stages that deals were in, for analysts, who read the audit log here with the rights of the
 * view's owner; crm.stage_history, which this resembles, asks for the rights of the caller.
 */
create or replace view reporting.stage_periods as
  select
    period.deal_id,
    deal.title                                             as deal,
    deal.owner_id,
    company.name                                           as company,
    period.stage,
    period.entered_at,
    period.left_at,
    round(
      extract(epoch from coalesce(period.left_at, now()) - period.entered_at)::numeric / 86400, 2
    )                                                      as days,
    period.entered_by,
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
          -- An imported deal has been in its stage since it was closed, or at the most since it began.
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
    ) as moved
    -- A stage that is renamed is the same stage.
    where moved.action <> 'update'
      or coalesce(moved.stage_id::text, moved.stage) is distinct from moved.former
  ) as period
  join crm.deals as deal on deal.id = period.deal_id
  join crm.companies as company on company.id = deal.company_id
  where period.stage is not null;

comment on view reporting.stage_periods is
  'The stages that deals were in, from when to when, as the audit log has it. Deals that were '
  'deleted are left out.';
comment on column reporting.stage_periods.deal_id is 'The id of the deal.';
comment on column reporting.stage_periods.deal is 'Its title.';
comment on column reporting.stage_periods.owner_id is 'The user who owns it now.';
comment on column reporting.stage_periods.company is 'The name of its company.';
comment on column reporting.stage_periods.stage is
  'The name that the stage has now, whatever it was called then; of one that is gone, the last.';
comment on column reporting.stage_periods.entered_at is 'When the deal came into the stage.';
comment on column reporting.stage_periods.left_at is 'When it left; null if it is still there.';
comment on column reporting.stage_periods.days is
  'How many days it was there, or has been there until now.';
comment on column reporting.stage_periods.entered_by is 'The user who moved it there.';
comment on column reporting.stage_periods.stage_id is
  'The id of the stage. Null if the audit log does not tell it any more.';

grant select on reporting.stage_periods to crm_reporter;
