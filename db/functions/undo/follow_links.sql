/*
 * Adapts the links of an entity type in a planned reversal to what has happened since to the
 * referenced rows. A link to a merged record becomes a link to the merge winner. A link to a
 * deleted row has the effect of its foreign key: with on delete set null it becomes null; with on
 * delete cascade its row is not restored, and a row that exists keeps its present link. Returns
 * what differs from before, as crm_private.conflict writes it. Locks the rows that remain
 * referenced against deletion until the transaction ends.
 *
 * If nothing would remain of a reversal, the plan is not emptied: the foreign key then refuses it.
 */
create or replace function crm_private.follow_links(p_entity_type text)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are built from others, in which names are quoted already; plpgsql_check cannot see
-- that, nor that they write.
-- @plpgsql_check_options: security_warnings = off, performance_warnings = off
declare
  v_xid    bigint   := pg_current_xact_id()::text::bigint;
  v_table  regclass := crm_private.entity_table(p_entity_type);
  v_told   jsonb    := '[]'::jsonb;
  v_more   jsonb;
  v_link   record;
begin
  for v_link in
    select link.field, link.target_type, link.is_severed, link.target_table as target
    from crm_private.entity_links as link
    join crm_private.entity_types as target on target.entity_type = link.target_type
    where link.entity_type = p_entity_type
    order by target.restore_order, link.field
  loop
    -- Locks the referenced rows, in the order in which every writer locks them.
    execute format(
      $query$
      select from %s as target
      where target.id in (
        select coalesce(crm_private.merged_into($3, (planned.before ->> $4)::uuid), (planned.before ->> $4)::uuid)
        from crm_private.reversals as planned
        where planned.transaction_id = $1
          and planned.entity_type = $2
          and planned.before ->> $4 is not null
      )
      order by target.id
      for key share
      $query$,
      v_link.target
    ) using v_xid, p_entity_type, v_link.target_type, v_link.field;

    execute format(
      $query$
      with link as (
        select
          planned.entity_id, planned.after is null as comes_back,
          (planned.before ->> $4)::uuid as target_id, to_jsonb(record) -> $4 as present
        from crm_private.reversals as planned
        left join %1$s as record on record.id = planned.entity_id
        where planned.transaction_id = $1
          and planned.entity_type = $2
          and planned.before ->> $4 is not null
          and (
            $4 <> 'entity_id'
            or coalesce(planned.before ->> 'entity_type', to_jsonb(record) ->> 'entity_type') = $3
          )
      ),
      loose as (
        select
          link.*,
          (
            select target.id from %2$s as target
            where target.id = crm_private.merged_into($3, link.target_id)
          ) as winner_id
        from link
        where not exists (select from %2$s as target where target.id = link.target_id)
          and not exists (
            select from crm_private.reversals as also
            where also.transaction_id = $1
              and also.entity_type = $3
              and also.entity_id = link.target_id
              and also.after is null
              and also.before ? 'id'
          )
      ),
      dropped as (
        delete from crm_private.reversals as planned
        using loose
        where planned.transaction_id = $1
          and planned.entity_type = $2
          and planned.entity_id = loose.entity_id
          and loose.comes_back
          and loose.winner_id is null
          and not $5
          and exists (
            select from crm_private.reversals as also
            where also.transaction_id = $1
              and not (
                also.entity_type = $2
                and also.entity_id in (
                  select other.entity_id from loose as other
                  where other.comes_back and other.winner_id is null
                )
              )
              and (
                crm_private.cascade_parent(also.entity_type, also.before) in (
                  select other.entity_id from loose as other
                  where other.comes_back and other.winner_id is null
                )
              ) is not true
          )
        returning planned.entity_id
      ),
      led as (
        update crm_private.reversals as planned
        set
          before = case
            when loose.winner_id is not null or $5
            then planned.before || jsonb_build_object($4, loose.winner_id)
            else planned.before - array[$4, 'entity_type']
          end,
          after = case
            when loose.winner_id is not null or $5 then planned.after
            else planned.after - array[$4, 'entity_type']
          end
        from loose
        where planned.transaction_id = $1
          and planned.entity_type = $2
          and planned.entity_id = loose.entity_id
          and (loose.winner_id is not null or $5 or not loose.comes_back)
        returning planned.entity_id
      )
      select coalesce(jsonb_agg(
        crm_private.conflict(
          $2, loose.entity_id, $4, to_jsonb(loose.target_id),
          coalesce(
            to_jsonb(loose.winner_id),
            case when not loose.comes_back and not $5 then loose.present end,
            'null'
          ),
          cause.user_id, cause."timestamp"
        )
        order by loose.entity_id
      ), '[]')
      from loose
      left join lateral (
        select log.user_id, log."timestamp"
        from crm.audit_logs as log
        where log.entity_id = loose.target_id
          and log.entity_type = $3
          and log.action <> 'erase'
        order by log.id desc
        limit 1
      ) as cause on true
      where loose.entity_id in (select entity_id from dropped union all select entity_id from led)
      $query$,
      v_table, v_link.target
    ) into v_more using v_xid, p_entity_type, v_link.target_type, v_link.field, v_link.is_severed;

    v_told := v_told || v_more;
  end loop;

  return v_told;
end
$$;

comment on function crm_private.follow_links(text) is
  'Adapts the links of a planned reversal to later changes of their rows; returns what differs '
  'from before.';

revoke all on function crm_private.follow_links(text) from public;
