/*
 * Removes external ids from a planned reversal that belong to another row by now. A row that is
 * itself part of the reversal may still give its id up. Returns what it removed, as
 * crm_private.conflict writes it.
 */
create or replace function crm_private.follow_external_ids(p_entity_type text)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_xid  bigint := pg_current_xact_id()::text::bigint;
  v_told jsonb;
begin
  with taken as materialized (
    select planned.entity_id, own.external_id, held.entity_id as holder_id
    from crm_private.reversals as planned
    cross join lateral jsonb_array_elements(
      case jsonb_typeof(planned.before -> 'external_ids')
        when 'array' then planned.before -> 'external_ids' else '[]'
      end
    ) as own (external_id)
    join crm_private.external_ids as held
      on held.entity_type = p_entity_type
      and held.source = own.external_id ->> 'source'
      and held.id = own.external_id ->> 'id'
    where planned.transaction_id = v_xid
      and planned.entity_type = p_entity_type
      and held.entity_id <> planned.entity_id
      and not exists (
        select
        from crm_private.reversals as also
        where also.transaction_id = v_xid
          and also.entity_type = p_entity_type
          and also.entity_id = held.entity_id
      )
  ),
  lists as (
    select
      planned.entity_id,
      planned.before -> 'external_ids' as expected,
      coalesce(
        (
          select jsonb_agg(own.external_id order by own.place)
          from jsonb_array_elements(planned.before -> 'external_ids')
            with ordinality as own (external_id, place)
          where own.external_id not in (
            select taken.external_id from taken where taken.entity_id = planned.entity_id
          )
        ),
        '[]'
      ) as left_over,
      (select min(taken.holder_id::text)::uuid from taken where taken.entity_id = planned.entity_id)
        as holder_id
    from crm_private.reversals as planned
    where planned.transaction_id = v_xid
      and planned.entity_type = p_entity_type
      and planned.entity_id in (select taken.entity_id from taken)
  ),
  changed as (
    update crm_private.reversals as planned
    set before = planned.before || jsonb_build_object('external_ids', lists.left_over)
    from lists
    where planned.transaction_id = v_xid
      and planned.entity_type = p_entity_type
      and planned.entity_id = lists.entity_id
  )
  select coalesce(jsonb_agg(
    crm_private.conflict(
      p_entity_type, lists.entity_id, 'external_ids', lists.expected, lists.left_over,
      cause.user_id, cause."timestamp"
    )
    order by lists.entity_id
  ), '[]')
  into v_told
  from lists
  left join lateral (
    select log.user_id, log."timestamp"
    from crm.audit_logs as log
    where log.entity_id = lists.holder_id
      and log.entity_type = p_entity_type
      and (log.action <> 'update' or log.changes ? 'external_ids')
    order by log.id desc
    limit 1
  ) as cause on true;

  return v_told;
end
$$;

comment on function crm_private.follow_external_ids(text) is
  'Removes external ids from a planned reversal that belong to another row by now.';

revoke all on function crm_private.follow_external_ids(text) from public;
