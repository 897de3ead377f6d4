/*
 * Returns the deals that existed at an instant, each with the fields that reports add up or group
 * by. It works backwards like crm_private.row_as_of, but for all deals at once: a field has its old
 * value in the first later entry that changed it, otherwise its present value. A deal whose
 * deletion has been purged is reconstructed from its creation, as by crm_private.row_from_creation.
 * Its stage is returned with its id and its present name.
 *
 * Raises if the instant is before the audit log begins, or before entries that have been erased.
 *
 * Security definer: sums must not depend on which users can read the history of a deleted deal.
 * Called by crm_private.pipeline_as_of, and by views for analysts.
 */
create or replace function crm_private.deals_as_of(at timestamptz)
returns table (
  deal_id     uuid,
  stage_id    uuid,
  stage       text,
  value       numeric,
  currency    text,
  probability integer,
  close_date  date,
  owner_id    text,
  company_id  uuid
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
rows 100000
as $$
#variable_conflict use_column
begin
  if at < crm.audit_log_kept_since() then
    raise exception 'the pipeline at % is not available: the audit log begins at %',
        at, crm.audit_log_kept_since()
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'timestamp',
            constraint = 'audit_logs_timestamp_retired',
            detail     = '{"at": ["is before what the audit log still has"]}',
            hint       = 'Pass a time that is not before crm.audit_log_kept_since().';
  end if;

  if exists (
    select
    from crm.audit_logs
    where entity_type = 'deal'
      and "timestamp" > at
      and erased_at is not null
      and action = 'update'
  ) then
    raise exception 'the pipeline at % is not available: later entries have been erased', at
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'changes',
            constraint = 'audit_logs_changes_erased',
            detail     = '{"at": ["is before values that have been erased for good"]}',
            hint       = 'Pass a time after the last erased change of a deal.';
  end if;

  return query
    with since as materialized (
      select
        entity_id,
        (array_agg(action order by id))[1]                                          as first_action,
        bool_or(action = 'delete' and erased_at is not null)                        as is_purged,
        min(id) filter (where action <> 'create' and changes ? 'stage')             as told_by,
      (array_agg(
        case action when 'update' then changes #> '{stage,old}' else changes -> 'stage' end
        order by id
      ) filter (where action <> 'create' and changes ? 'stage'))[1] as stage,
      (array_agg(
        case action when 'update' then changes #> '{value,old}' else changes -> 'value' end
        order by id
      ) filter (where action <> 'create' and changes ? 'value'))[1] as value,
      (array_agg(
        case action when 'update' then changes #> '{currency,old}' else changes -> 'currency' end
        order by id
      ) filter (where action <> 'create' and changes ? 'currency'))[1] as currency,
      (array_agg(
        case action when 'update' then changes #> '{probability,old}' else changes -> 'probability' end
        order by id
      ) filter (where action <> 'create' and changes ? 'probability'))[1] as probability,
      (array_agg(
        case action when 'update' then changes #> '{close_date,old}' else changes -> 'close_date' end
        order by id
      ) filter (where action <> 'create' and changes ? 'close_date'))[1] as close_date,
      (array_agg(
        case action when 'update' then changes #> '{owner_id,old}' else changes -> 'owner_id' end
        order by id
      ) filter (where action <> 'create' and changes ? 'owner_id'))[1] as owner_id,
      (array_agg(
        case action when 'update' then changes #> '{company_id,old}' else changes -> 'company_id' end
        order by id
      ) filter (where action <> 'create' and changes ? 'company_id'))[1] as company_id
      from crm.audit_logs
      where entity_type = 'deal'
        and "timestamp" > at
        and (
          action <> 'update'
          or changes ?| array[
            'stage', 'value', 'currency', 'probability', 'close_date', 'owner_id', 'company_id'
          ]
        )
        -- Skips deals that were created later. In a year these are most of them.
        and not exists (
          select from crm.deals as young where young.id = entity_id and young.created_at > at
        )
      group by entity_id
    ),
    -- The other deals need no history before the instant.
    created as materialized (
      select distinct on (log.entity_id) log.entity_id, log.id, log.changes
      from since
      join crm.audit_logs as log on log.entity_id = since.entity_id
      where since.is_purged
        and since.first_action <> 'create'
        and log.entity_type = 'deal'
        and log.action = 'create'
        and log."timestamp" <= at
      order by log.entity_id, log.id desc
    ),
    purged as (
      select
        created.entity_id,
        coalesce(max(log.id) filter (where log.changes ? 'stage'), created.id) as told_by,
        created.changes || coalesce(
          crm_private.merged_objects(array_agg(became.fields order by log.id)), '{}'
        ) as was
      from created
      left join crm.audit_logs as log
        on log.entity_id = created.entity_id
        and log.entity_type = 'deal'
        and log.action = 'update'
        and log.id > created.id
        and log."timestamp" <= at
      left join lateral (
        select jsonb_object_agg(told.key, told.value -> 'new') as fields
        from jsonb_each(log.changes - '@undoes') as told
      ) as became on true
      group by created.entity_id, created.id, created.changes
    ),
    told as (
      select
        deal.id, 9223372036854775807 as told_by, deal.stage, deal.value, deal.currency,
        deal.probability, deal.close_date, deal.owner_id, deal.company_id
      from crm.deals as deal
      where deal.created_at <= at
        and not exists (select from since where since.entity_id = deal.id)

      union all

      select
        since.entity_id,
        coalesce(since.told_by, purged.told_by, 9223372036854775807),
        (
          coalesce(since.stage, to_jsonb(deal.stage), purged.was -> 'stage') #>> '{}'
        ),
        (
          coalesce(since.value, to_jsonb(deal.value), purged.was -> 'value') #>> '{}'
        )::numeric,
        (
          coalesce(since.currency, to_jsonb(deal.currency), purged.was -> 'currency') #>> '{}'
        ),
        (
          coalesce(since.probability, to_jsonb(deal.probability), purged.was -> 'probability') #>> '{}'
        )::integer,
        (
          coalesce(since.close_date, to_jsonb(deal.close_date), purged.was -> 'close_date') #>> '{}'
        )::date,
        (
          coalesce(since.owner_id, to_jsonb(deal.owner_id), purged.was -> 'owner_id') #>> '{}'
        ),
        (
          coalesce(since.company_id, to_jsonb(deal.company_id), purged.was -> 'company_id') #>> '{}'
        )::uuid
      from since
      left join crm.deals as deal on deal.id = since.entity_id
      left join purged on purged.entity_id = since.entity_id
      where since.first_action <> 'create'
    )
    select
      told.id,
      named.stage_id,
      coalesce(named.stage, told.stage),
      told.value,
      told.currency,
      told.probability,
      told.close_date,
      told.owner_id,
      told.company_id
    from told
    left join crm_private.stage_names as named
      on named.name = told.stage
      and named.since <= told.told_by
      and (named.until is null or told.told_by < named.until);
end
$$;

comment on function crm_private.deals_as_of(timestamptz) is
  'Returns the deals that existed at an instant, with their stages, values, dates and owners then.';

revoke all on function crm_private.deals_as_of(timestamptz) from public;
grant execute on function crm_private.deals_as_of(timestamptz) to crm_reporter;
