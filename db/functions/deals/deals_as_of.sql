/*
 * Returns the deals that existed at an instant, each with the fields that reports add up or group
 * by. Its stage is returned with its id and its present name. Raises as crm_private.former_deals.
 *
 * Security definer: sums must not depend on which users can read the history of a deleted deal.
 * Called by views for analysts.
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
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
rows 100000
as $$
  with former as materialized (
    select * from crm_private.former_deals(at)
  ),
  told as (
    select
      deal.id, 9223372036854775807 as told_by, deal.stage, deal.value, deal.currency,
      deal.probability, deal.close_date, deal.owner_id, deal.company_id
    from crm.deals as deal
    where deal.created_at <= at
      and not exists (select from former where former.deal_id = deal.id)

    union all

    select deal_id, told_by, stage, value, currency, probability, close_date, owner_id, company_id
    from former
    where existed
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
$$;

comment on function crm_private.deals_as_of(timestamptz) is
  'Returns the deals that existed at an instant, with their stages, values, dates and owners then.';

revoke all on function crm_private.deals_as_of(timestamptz) from public;
grant execute on function crm_private.deals_as_of(timestamptz) to crm_reporter;
