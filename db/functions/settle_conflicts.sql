/*
 * Compares the rows of a planned reversal with what it expects. Gives how many conflicts there are, and
 * the first hundred, each with who set what was found. With p_keep it takes what differs out of the
 * plan, so that it stays as it is.
 */
create or replace function crm_private.settle_conflicts(p_types text[], p_keep boolean)
returns table (count bigint, conflicts jsonb)
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  with conflicts as materialized (
    select conflict.*
    from unnest(p_types) as type (name)
    cross join lateral crm_private.reversal_conflicts(type.name) as conflict
  ),
  listed as (
    select conflicts.*, setter.user_id, setter."timestamp"
    from (
      select * from conflicts order by entity_type, entity_id, field limit 100
    ) as conflicts
    left join lateral (
      select log.user_id, log."timestamp"
      from crm.audit_logs as log
      where log.entity_id = conflicts.entity_id
        and log.entity_type = conflicts.entity_type
        and (log.action <> 'update' or log.changes ? conflicts.field)
      order by log.id desc
      limit 1
    ) as setter on true
  ),
  dropped as (
    delete from crm_private.reversals as planned
    using conflicts
    where p_keep
      and conflicts.field = 'id'
      and planned.transaction_id = pg_current_xact_id()::text::bigint
      and planned.entity_type = conflicts.entity_type
      and planned.entity_id = conflicts.entity_id
  ),
  narrowed as (
    update crm_private.reversals as planned
    set before = planned.before - kept.fields
    from (
      select entity_type, entity_id, array_agg(field) as fields
      from conflicts
      group by entity_type, entity_id
      having bool_and(field <> 'id')
    ) as kept
    where p_keep
      and planned.transaction_id = pg_current_xact_id()::text::bigint
      and planned.entity_type = kept.entity_type
      and planned.entity_id = kept.entity_id
  )
  select
    (select count(*) from conflicts),
    coalesce(jsonb_agg(
      jsonb_build_object(
        'entityType', listed.entity_type,
        'entityId', listed.entity_id,
        'field', case
          when listed.field like 'custom\_fields.%' then 'customFields.' || substr(listed.field, 15)
          else crm_private.camel_case(listed.field)
        end,
        'expected', listed.expected,
        'found', listed.found,
        'changedBy', listed.user_id,
        'changedAt', to_char(
          listed."timestamp" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'
        )
      )
      order by listed.entity_type, listed.entity_id, listed.field
    ), '[]')
  from listed;
$$;

comment on function crm_private.settle_conflicts(text[], boolean) is
  'Where rows differ from what a planned reversal expects; with p_keep they stay as they are.';

revoke all on function crm_private.settle_conflicts(text[], boolean) from public;
