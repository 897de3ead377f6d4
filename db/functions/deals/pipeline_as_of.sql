/*
 * Returns the pipeline as it was: the deals of each stage at an instant. It adds up the deals as
 * they are now, except those of crm_private.former_deals, which it adds as they were. Amounts in several currencies are not added up; they are returned by currency, and
 * in the base currency at the rates of the day. A stage that did not exist yet, but has imported
 * deals of that time, has its present position.
 *
 * Security definer: sums must not depend on which users can read the history of a deleted deal. The
 * result identifies no deal.
 */
create or replace function crm_private.pipeline_as_of(at timestamptz)
returns setof crm.pipeline_stage_total
language sql
stable
strict
security definer
set search_path = pg_catalog, pg_temp
rows 10
as $$
  with former as materialized (
    select deal_id, existed, told_by, stage, currency, value from crm_private.former_deals(at)
  ),
  -- Added up before their stages are named: they are many.
  told as (
    select
      9223372036854775807 as told_by,
      deal.stage,
      deal.currency,
      count(*)            as count,
      sum(deal.value)     as value
    from crm.deals as deal
    where deal.created_at <= at
      and not exists (select from former where former.deal_id = deal.id)
    group by deal.stage, deal.currency

    union all

    select told_by, stage, currency, 1, value
    from former
    where existed
  ),
  by_currency as (
    select
      named.stage_id,
      coalesce(named.stage, told.stage) as stage,
      told.currency,
      sum(told.count)                   as count,
      sum(told.value)                   as value
    from told
    left join crm_private.stage_names as named
      on named.name = told.stage
      and named.since <= told.told_by
      and (named.until is null or told.told_by < named.until)
    group by named.stage_id, coalesce(named.stage, told.stage), told.currency
  ),
  totals as (
    select
      by_currency.stage_id,
      by_currency.stage,
      sum(by_currency.count)::bigint                              as count,
      case when count(*) = 1 then sum(by_currency.value) end      as value,
      jsonb_object_agg(by_currency.currency, by_currency.value)   as value_by_currency,
      case when bool_and(converted.value is not null) then round(sum(converted.value), 2) end
        as value_in_base_currency
    from by_currency
    cross join lateral (
      select crm.in_base_currency(
        by_currency.value, by_currency.currency, (at at time zone crm.time_zone())::date
      )
    ) as converted (value)
    group by by_currency.stage_id, by_currency.stage
  ),
  stages as (
    select known.id, named.stage, stage_was.name, stage_was.position
    from (
      select id from crm.pipeline_stages
      union
      select entity_id from crm.audit_logs
      where entity_type = 'pipeline_stage' and action = 'delete' and "timestamp" > at
    ) as known (id)
    cross join lateral crm.pipeline_stage_as_of(known.id, at) as stage_was
    cross join lateral (
      select stage from crm_private.stage_names as named where named.stage_id = known.id limit 1
    ) as named
    where stage_was.id is not null
  )
  select
    coalesce(stages.stage, totals.stage),
    coalesce(stages.position, present.position),
    coalesce(totals.count, 0),
    case when totals.count is null then 0.00 else totals.value end,
    coalesce(totals.value_by_currency, '{}'),
    case when totals.count is null then 0.00 else totals.value_in_base_currency end,
    coalesce(stages.id, totals.stage_id),
    coalesce(stages.name, totals.stage)
  from stages
  full join totals on totals.stage_id = stages.id
  left join crm.pipeline_stages as present on present.id = totals.stage_id
  order by 2 nulls last, 1;
$$;

comment on function crm_private.pipeline_as_of(timestamptz) is
  'Implements crm.pipeline_as_of with the rights of the owner.';

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
  'The pipeline as it was at an instant: the number and the value of the deals in each stage.';

revoke all on function crm.pipeline_as_of(timestamptz) from public;
grant execute on function crm.pipeline_as_of(timestamptz) to crm_reader;
