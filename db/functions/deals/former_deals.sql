/*
 * Returns the deals that have changed since an instant, with the fields that reports add up or
 * group by as they were then: each that existed then and has a later entry in the audit log. The
 * other deals are still as they were.
 *
 * It works backwards like crm_private.row_as_of, but for all deals at once: a field has its old
 * value in the first later entry that changed it, otherwise its present value. A deal whose
 * deletion has been purged is reconstructed from its creation, as by crm_private.row_from_creation.
 *
 * told_by is the entry that tells the name of the stage, for crm_private.stage_names. A deal that
 * was restored only after the instant did not exist then, although it is older: existed is false.
 *
 * Raises if the instant is before the audit log begins, or before entries that have been erased.
 *
 * Called by crm_private.deals_as_of and crm_private.pipeline_as_of, with the owner's rights.
 */
create or replace function crm_private.former_deals(at timestamptz)
returns table (
  deal_id     uuid,
  existed     boolean,
  told_by     bigint,
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
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
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
    with entries as (
      select
        log.entity_id,
        log.id,
        log.action,
        log.action = 'delete' and log.erased_at is not null as is_purged,
        was.*
      from crm.audit_logs as log
      -- An update has the old value of each field that it changed, a deletion the whole row.
      left join lateral (
        select
          coalesce(log.changes #> '{stage,old}', log.changes -> 'stage') as stage,
          coalesce(log.changes #> '{value,old}', log.changes -> 'value') as value,
          coalesce(log.changes #> '{currency,old}', log.changes -> 'currency') as currency,
          coalesce(log.changes #> '{probability,old}', log.changes -> 'probability') as probability,
          coalesce(log.changes #> '{close_date,old}', log.changes -> 'close_date') as close_date,
          coalesce(log.changes #> '{owner_id,old}', log.changes -> 'owner_id') as owner_id,
          coalesce(log.changes #> '{company_id,old}', log.changes -> 'company_id') as company_id
      ) as was on log.action <> 'create'
      where log.entity_type = 'deal'
        and log."timestamp" > at
        and (
          log.action <> 'update'
          or log.changes ?| array[
            'stage', 'value', 'currency', 'probability', 'close_date', 'owner_id', 'company_id'
          ]
        )
        -- Skips deals that were created later. In a year these are most of them.
        and not exists (
          select from crm.deals as young where young.id = log.entity_id and young.created_at > at
        )
    ),
    since as materialized (
      select
        entity_id,
        (array_agg(action order by id))[1] as first_action,
        bool_or(is_purged) as is_purged,
        min(id) filter (where stage is not null) as told_by,
        crm_private.first(stage order by id) as stage,
        crm_private.first(value order by id) as value,
        crm_private.first(currency order by id) as currency,
        crm_private.first(probability order by id) as probability,
        crm_private.first(close_date order by id) as close_date,
        crm_private.first(owner_id order by id) as owner_id,
        crm_private.first(company_id order by id) as company_id
      from entries
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
    )
    select
      since.entity_id,
      since.first_action <> 'create',
      coalesce(since.told_by, purged.told_by, 9223372036854775807),
      case
        when since.stage is not null then since.stage #>> '{}'
        else coalesce(deal.stage, purged.was ->> 'stage')
      end,
      case
        when since.value is not null then (since.value #>> '{}')::numeric
        else coalesce(deal.value, (purged.was ->> 'value')::numeric)
      end,
      case
        when since.currency is not null then since.currency #>> '{}'
        else coalesce(deal.currency, purged.was ->> 'currency')
      end,
      case
        when since.probability is not null then (since.probability #>> '{}')::integer
        else coalesce(deal.probability, (purged.was ->> 'probability')::integer)
      end,
      case
        when since.close_date is not null then (since.close_date #>> '{}')::date
        else coalesce(deal.close_date, (purged.was ->> 'close_date')::date)
      end,
      case
        when since.owner_id is not null then since.owner_id #>> '{}'
        else coalesce(deal.owner_id, purged.was ->> 'owner_id')
      end,
      case
        when since.company_id is not null then (since.company_id #>> '{}')::uuid
        else coalesce(deal.company_id, (purged.was ->> 'company_id')::uuid)
      end
    from since
    left join crm.deals as deal on deal.id = since.entity_id
    left join purged on purged.entity_id = since.entity_id;
end
$$;

comment on function crm_private.former_deals(timestamptz) is
  'Returns the deals that have changed since an instant, with their stages, values, dates and '
  'owners then.';

revoke all on function crm_private.former_deals(timestamptz) from public;
