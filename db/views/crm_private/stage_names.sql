/*
 * What stages were called: for each name, from which audit log entry on it was that of which stage.
 * Deals refer to a stage by its name, and so do entries of deals; this tells which stage they mean.
 * A cascade to the deals of a stage that is renamed comes after the entry of the stage, so an entry's
 * new name is looked up as of the entry, and an old one too: until another stage takes a name, it means
 * the one that had it last.
 *
 * Readers see it, because the names of stages are in the entries of deals that they may read.
 */
create or replace view crm_private.stage_names as
  with told as (
    select
      log.id,
      log.entity_id,
      log."timestamp",
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
    select entity_id as stage_id, name, id as since, "timestamp" as since_at
    from told
    where name is not null

    union all

    -- What was before the audit log begins.
    select entity_id, former, 0, '-infinity'
    from told
    where is_first and former is not null

    union all

    select stage.id, stage.name, 0, '-infinity'
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
    lead(named.since_at) over (partition by named.name order by named.since)  as until_at
  from named
  left join crm.pipeline_stages as stage on stage.id = named.stage_id;

comment on view crm_private.stage_names is
  'Which stage a name meant, from one audit log entry to another, and what that stage is called '
  'now; of one that is gone, what it was called last.';

grant select on crm_private.stage_names to crm_reader;
