/*
 * The stages that deals were in, and for how long, as the audit log records them.
 *
 * The end of a period is looked up for each period, not computed for all, so that a page reads only
 * its own rows. An entry has the names of both stages; if both mean the same stage, it was renamed,
 * and the deal did not move. (The planner would expect `is not true` to hold for few rows, and would
 * read all of them to fill a page.)
 *
 * The view reads with the rights of the caller, whose policies on the audit log decide which
 * entries are visible. PostgreSQL 14 can read a view with the rights of its owner only, so the view
 * also contains the condition of the policy.
 */
create or replace view crm.stage_history as
  select
    log.id                                              as entry_id,
    log.entity_id                                       as deal_id,
    coalesce(named.stage, told.stage)                   as stage,
    entered.entered_at,
    later.left_at,
    coalesce(later.left_at, now()) - entered.entered_at as duration,
    log.user_id                                         as entered_by,
    log.source,
    named.stage_id
  from crm.audit_logs as log
  cross join (select array_agg(each) from crm_private.stage_names as each) as names (list)
  cross join lateral (
    select
      case
        when not log.changes ? '@imported' then log."timestamp"
        -- An imported deal has been in its stage since it was closed or, if it is open, created.
        else coalesce(
          (log.changes ->> 'closed_at')::timestamptz, (log.changes ->> 'created_at')::timestamptz,
          log."timestamp"
        )
      end
  ) as entered (entered_at)
  cross join lateral (
    select
      case log.action
        when 'create' then log.changes ->> 'stage'
        when 'update' then log.changes #>> '{stage,new}'
      end,
      log.changes #>> '{stage,old}'
  ) as told (stage, former)
  left join lateral (
    select meant.stage_id, meant.stage
    from unnest(names.list) as meant
    where meant.name = told.stage
      and meant.since <= log.id
      and (meant.until is null or log.id < meant.until)
    limit 1
  ) as named on true
  left join lateral (
    select bool_or(meant.stage_id = named.stage_id)
    from unnest(names.list) as meant
    where meant.name = told.former
      and meant.since <= log.id
      and (
        meant.until is null
        or log.id < meant.until
        or meant.until_transaction_id = log.transaction_id
      )
  ) as renamed (is_same) on true
  left join lateral (
    select following."timestamp" as left_at
    from crm.audit_logs as following
    left join lateral (
      select meant.stage_id
      from unnest(names.list) as meant
      where meant.name = following.changes #>> '{stage,new}'
        and meant.since <= following.id
        and (meant.until is null or following.id < meant.until)
      limit 1
    ) as named on true
    left join lateral (
      select bool_or(meant.stage_id = named.stage_id)
      from unnest(names.list) as meant
      where meant.name = following.changes #>> '{stage,old}'
        and meant.since <= following.id
        and (
          meant.until is null
          or following.id < meant.until
          or meant.until_transaction_id = following.transaction_id
        )
    ) as renamed (is_same) on true
    where following.entity_id = log.entity_id
      and following.entity_type = 'deal'
      and following.id > log.id
      and (
        following.action <> 'update'
        or following.changes ? 'stage' and coalesce(not renamed.is_same, true)
      )
      and (
        (select crm_private.is_administrator())
        or following.user_id = (select crm.current_user_id())
        or crm_private.is_readable('deal', following.entity_id)
      )
    order by following.id
    limit 1
  ) as later on true
  where log.entity_type = 'deal'
    and told.stage is not null
    and coalesce(not renamed.is_same, true)
    and (
      (select crm_private.is_administrator())
      or log.user_id = (select crm.current_user_id())
      or crm_private.is_readable('deal', log.entity_id)
    );

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
