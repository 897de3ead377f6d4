/*
 * The stages that deals were in. Read by analysts, with the owner's rights on the audit log. The
 * similar view crm.stage_history reads with the rights of the caller.
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
    ) as moved
    -- Renaming a stage moves no deal.
    where moved.action <> 'update'
      or coalesce(moved.stage_id::text, moved.stage) is distinct from moved.former
  ) as period
  join crm.deals as deal on deal.id = period.deal_id
  join crm.companies as company on company.id = deal.company_id
  where period.stage is not null;

comment on view reporting.stage_periods is
  'The periods that deals spent in stages, as the audit log records them. Deleted deals are left '
  'out.';
comment on column reporting.stage_periods.deal_id is 'The id of the deal.';
comment on column reporting.stage_periods.deal is 'The title of the deal.';
comment on column reporting.stage_periods.owner_id is 'The user who owns the deal now.';
comment on column reporting.stage_periods.company is 'The name of the company.';
comment on column reporting.stage_periods.stage is
  'The current name of the stage, or its last name if the stage was deleted.';
comment on column reporting.stage_periods.entered_at is 'When the deal entered the stage.';
comment on column reporting.stage_periods.left_at is
  'When the deal left the stage. Null if it is still in the stage.';
comment on column reporting.stage_periods.days is
  'The number of days in the stage, until now if the deal is still in it.';
comment on column reporting.stage_periods.entered_by is
  'The user who moved the deal into the stage.';
comment on column reporting.stage_periods.stage_id is
  'The id of the stage. Null if the audit log no longer records it.';

grant select on reporting.stage_periods to crm_reporter;
