/*
 * The pipeline as it was: the deals of each stage at an instant. Backwards like
 * crm_private.row_as_of, all deals at once: what the first entry since tells of a deal, else what it
 * is now, or of a deal whose deletion has been purged, what it was made of.
 *
 * Security definer: sums must not depend on who may read the history of a deal that is gone by now.
 * They name no deal.
 */
create or replace function crm_private.pipeline_as_of(at timestamptz)
returns setof crm.pipeline_stage_total
language plpgsql
stable
strict
security definer
set search_path = pg_catalog, pg_temp
rows 10
as $$
declare
  v_erased bigint;
begin
  if at < crm.journal_kept_since() then
    raise exception 'the pipeline at % cannot be told: the journal is kept since %',
        at, crm.journal_kept_since()
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'timestamp',
            constraint = 'audit_logs_timestamp_retired',
            detail     = '{"at": ["is before what the journal still has"]}';
  end if;

  select min(id) into v_erased
  from crm.audit_logs
  where entity_type = 'deal'
    and "timestamp" > at
    and erased_at is not null
    and action = 'update';

  if v_erased is not null then
    raise exception 'the pipeline at % cannot be told: entry % of the journal has been erased',
        at, v_erased
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'changes',
            constraint = 'audit_logs_changes_erased',
            detail     = '{"at": ["is before values that have been erased for good"]}';
  end if;

  return query
    with since as (
      select
        entity_id,
        (array_agg(action order by id))[1] as first_action,
        bool_or(action = 'delete' and erased_at is not null) as is_purged,
        (array_agg(
          case action when 'update' then changes #>> '{stage,old}' else changes ->> 'stage' end
          order by id
        ) filter (where action <> 'create' and changes ? 'stage'))[1] as stage,
        (array_agg(
          case action when 'update' then changes #>> '{value,old}' else changes ->> 'value' end
          order by id
        ) filter (where action <> 'create' and changes ? 'value'))[1]::numeric as value,
        (array_agg(
          case action when 'update' then changes #>> '{currency,old}' else changes ->> 'currency' end
          order by id
        ) filter (where action <> 'create' and changes ? 'currency'))[1] as currency
      from crm.audit_logs
      where entity_type = 'deal'
        and "timestamp" > at
      group by entity_id
    ),
    deals as (
      select
        coalesce(since.stage, deal.stage, purged.was ->> 'stage')              as stage,
        coalesce(since.value, deal.value, (purged.was ->> 'value')::numeric)   as value,
        coalesce(since.currency, deal.currency, purged.was ->> 'currency')     as currency
      from crm.deals as deal
      full join since on since.entity_id = deal.id
      left join lateral crm_private.row_from_creation('deal', since.entity_id, at) as purged (was)
        on since.is_purged
      where since.first_action is distinct from 'create'
    ),
    stages as (
      select stage_was.name, stage_was.position
      from (
        select id from crm.pipeline_stages
        union
        select entity_id from crm.audit_logs
        where entity_type = 'pipeline_stage' and action = 'delete' and "timestamp" > at
      ) as known (id)
      cross join lateral crm.pipeline_stage_as_of(known.id, at) as stage_was
      where stage_was.id is not null
    ),
    totals as (
      select
        by_currency.stage,
        sum(by_currency.count)::bigint                              as count,
        sum(by_currency.value)                                      as value,
        jsonb_object_agg(by_currency.currency, by_currency.value)   as value_by_currency
      from (
        select deals.stage, deals.currency, count(*) as count, sum(deals.value) as value
        from deals
        group by deals.stage, deals.currency
      ) as by_currency
      group by by_currency.stage
    )
    select
      coalesce(stages.name, totals.stage),
      stages.position,
      coalesce(totals.count, 0),
      coalesce(totals.value, 0.00),
      coalesce(totals.value_by_currency, '{}')
    from stages
    full join totals on totals.stage = stages.name
    order by stages.position nulls last, 1;
end
$$;

comment on function crm_private.pipeline_as_of(timestamptz) is
  'What crm.pipeline_as_of calls, with the rights of the owner.';

revoke all on function crm_private.pipeline_as_of(timestamptz) from public;
grant execute on function crm_private.pipeline_as_of(timestamptz) to crm_reader;

create or replace function crm.pipeline_as_of(at timestamptz)
returns setof crm.pipeline_stage_total
language sql
stable
strict
rows 10
set search_path = pg_catalog, pg_temp
as $$
  select * from crm_private.pipeline_as_of(at);
$$;

comment on function crm.pipeline_as_of(timestamptz) is
  'The pipeline as it was at an instant: how many deals each stage had then, and their value.';

revoke all on function crm.pipeline_as_of(timestamptz) from public;
grant execute on function crm.pipeline_as_of(timestamptz) to crm_reader;
