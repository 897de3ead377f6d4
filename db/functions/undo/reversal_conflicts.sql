/*
 * Returns where the rows of an entity type differ from what a planned reversal expects: a field has
 * another value, a row was deleted or restored (field id), or something was attached since to a row
 * that is to be deleted. The rows must be locked.
 */
create or replace function crm_private.reversal_conflicts(p_entity_type text)
returns table (
  entity_type text,
  entity_id   uuid,
  field       text,
  expected    jsonb,
  found       jsonb,
  planned_id  uuid
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are built from others, in which names and values are quoted already; plpgsql_check
-- cannot see that, nor what they return.
-- @plpgsql_check_options: security_warnings = off, extra_warnings = off
declare
  v_table  regclass := crm_private.entity_table(p_entity_type);
  v_xid    bigint   := pg_current_xact_id()::text::bigint;
  v_attach text;
begin
  return query execute format(
    $query$
    select
      planned.entity_type, planned.entity_id, differing.field, differing.expected, differing.found,
      planned.entity_id
    from crm_private.reversals as planned
    left join %s as record on record.id = planned.entity_id
    cross join lateral to_jsonb(record) as now
    cross join lateral (
      select
        'id' as field,
        case when planned.after is not null then to_jsonb(planned.entity_id) else 'null' end as expected,
        case when record.id is not null then to_jsonb(planned.entity_id) else 'null' end     as found
      where (planned.after is null) <> (record.id is null)

      union all

      select told.key, told.value, held.value
      from jsonb_each(planned.after) as told
      cross join lateral (
        select coalesce(
          case
            when told.key like 'custom\_fields.%%' then now -> 'custom_fields' -> substr(told.key, 15)
            else now -> told.key
          end,
          'null'
        ) as value
      ) as held
      where record.id is not null
        and held.value <> told.value
        and split_part(told.key, '.', 1) = any ($3)
        -- A value that follows from the stage is no later change.
        and not (
          told.key = any (array['closed_at', 'probability_given'])
          or told.key = 'probability' and (now ->> 'probability_given') is not distinct from 'false'
        )
    ) as differing
    where planned.transaction_id = $1
      and planned.entity_type = $2
    $query$,
    v_table
  ) using v_xid, p_entity_type, crm_private.logged_columns(v_table);

  -- Rows that reference a row to delete, and would be deleted or lose their link.
  select string_agg(
    format(
      $query$
      select %1$L, child.id, %2$L, 'null'::jsonb, to_jsonb(child.%3$I), planned.entity_id
      from crm_private.reversals as planned
      join %4$s as child on child.%3$I = planned.entity_id
      where planned.transaction_id = $1
        and planned.entity_type = $2
        and planned.before is null
        and not exists (
          select from crm_private.reversals as also
          where also.transaction_id = $1
            and also.entity_type = %1$L
            and also.entity_id = child.id
            and (also.before is null or also.before ? %2$L)
        )
      $query$,
      link.entity_type, link.field, link.key, link.entity_table
    ),
    E'\nunion all\n'
  )
  into v_attach
  from crm_private.entity_links as link
  where link.target_type = p_entity_type;

  if v_attach is not null then
    return query execute v_attach using v_xid, p_entity_type;
  end if;

  -- A stage that has deals cannot be deleted.
  if p_entity_type = 'pipeline_stage' then
    return query
    select 'deal', child.id, 'stage', 'null'::jsonb, to_jsonb(child.stage), planned.entity_id
    from crm_private.reversals as planned
    join crm.pipeline_stages as stage on stage.id = planned.entity_id
    join crm.deals as child on child.stage = stage.name
    where planned.transaction_id = v_xid
      and planned.entity_type = p_entity_type
      and planned.before is null
      and not exists (
        select from crm_private.reversals as also
        where also.transaction_id = v_xid
          and also.entity_type = 'deal'
          and also.entity_id = child.id
          and (also.before is null or also.before ? 'stage')
      );
  end if;

  if p_entity_type <> 'custom_field_definition' then
    return;
  end if;

  -- The values of a definition are deleted with it.
  select string_agg(
    format(
      $query$
      select
        %1$L, record.id, 'custom_fields.' || %2$L, 'null'::jsonb, record.custom_fields -> %2$L,
        %4$L::uuid
      from %3$s as record
      where record.custom_fields ? %2$L
        and not exists (
          select from crm_private.reversals as also
          where also.transaction_id = $1
            and also.entity_type = %1$L
            and also.entity_id = record.id
            and (also.before is null or also.before ? ('custom_fields.' || %2$L))
        )
      $query$,
      definition.entity_type, definition.name, crm_private.entity_table(definition.entity_type),
      definition.id
    ),
    E'\nunion all\n'
  )
  into v_attach
  from crm_private.reversals as planned
  join crm.custom_field_definitions as definition on definition.id = planned.entity_id
  where planned.transaction_id = v_xid
    and planned.entity_type = p_entity_type
    and planned.before is null;

  if v_attach is not null then
    return query execute v_attach using v_xid;
  end if;
end
$$;

comment on function crm_private.reversal_conflicts(text) is
  'Returns where the rows of an entity type differ from what a planned reversal expects.';

revoke all on function crm_private.reversal_conflicts(text) from public;
