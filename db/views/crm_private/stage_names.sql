/*
 * The names of stages over time: which stage each name meant, and from which audit log entry on.
 * Deals and their entries refer to a stage by its name; this view resolves it. When a stage is
 * renamed, the cascade to its deals follows the entry of the stage. So an entry's new name is
 * looked up as of the entry, and so is its old name: until another stage takes a name, it means the
 * stage that last had it. If one statement renames several stages, another one may have taken the
 * old name before the cascade: until_transaction_id is the transaction that did so.
 *
 * Readers may read it, because the entries of deals that they may read contain names of stages.
 */
create or replace view crm_private.stage_names as
  with told as (
    select
      log.id,
      log.entity_id,
      log."timestamp",
      log.transaction_id,
      case log.action
        when 'create' then log.changes ->> 'name'
        when 'update' then log.changes #>> '{name,new}'
      end as name,
      case log.action
        when 'update' then log.changes #>> '{name,old}'
        when 'delete' then log.changes ->> 'name'
      end as former,
      row_number() over (partition by log.entity_id order by log.id) = 1 as is_first
    from crm.audit_logs as log
    where log.entity_type = 'pipeline_stage'
      and (log.action <> 'update' or log.changes ? 'name')
  ),
  named as (
    select entity_id as stage_id, name, id as since, "timestamp" as since_at, transaction_id
    from told
    where name is not null

    union all

    -- Names from before the audit log begins.
    select entity_id, former, 0, '-infinity', null
    from told
    where is_first and former is not null

    union all

    select stage.id, stage.name, 0, '-infinity', null
    from crm.pipeline_stages as stage
    where not exists (select from told where told.entity_id = stage.id)
  )

  select
    named.name,
    named.stage_id,
    coalesce(
      stage.name,
      last_value(named.name) over (
        partition by named.stage_id order by named.since
        rows between unbounded preceding and unbounded following
      )
    )                                                                         as stage,
    named.since,
    lead(named.since) over (partition by named.name order by named.since)     as until,
    named.since_at,
    lead(named.since_at) over (partition by named.name order by named.since)  as until_at,
    lead(named.transaction_id) over (partition by named.name order by named.since)
                                                                              as until_transaction_id
  from named
  left join crm.pipeline_stages as stage on stage.id = named.stage_id;

comment on view crm_private.stage_names is
  'Which stage a name meant, from one audit log entry to another, and the current name of that '
  'stage, or its last name if the stage was deleted.';

grant select on crm_private.stage_names to crm_reader;
