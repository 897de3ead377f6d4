/*
 * Resolves the rows of an upsert: an update of the row that has the external id, or a new row that
 * gets it. If external_ids are given, the external id is added to them; otherwise it would be lost.
 *
 * Each external id is looked up by the key, one by one, independent of the planner's estimates: the
 * policy of the table is evaluated for every row that a plan reads, and a plan may read all of
 * them. For the same reason the parts of an external id are columns before they are compared: the
 * operators that extract them from JSON are not leakproof, and would be evaluated after the policy.
 *
 * Plans are cached: the policy calls functions for each row, whose statements would be planned each
 * time because crm_private.write_rows asks for that.
 */
create or replace function crm_private.match_rows(
  p_entity_type text,
  p_rows        crm_private.bulk_row[]
)
returns crm_private.bulk_row[]
language sql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = auto
as $$
  with input as materialized (
    select
      place, item, item -> 'external_id' as external_id,
      item #>> '{external_id,source}' as source, item #>> '{external_id,id}' as id
    from unnest(p_rows)
  )
  select array_agg(
    row(
      input.place,
      held.entity_id,
      case when held.entity_id is null then 'create' else 'update' end,
      case
        when held.entity_id is not null and not input.item ? 'external_ids'
          or jsonb_typeof(input.item -> 'external_ids') not in ('array', 'null')
          or input.item -> 'external_ids' @> jsonb_build_array(input.external_id)
        then input.item - 'external_id'
        else input.item - 'external_id' || jsonb_build_object(
          'external_ids',
          jsonb_build_array(input.external_id)
            || coalesce(nullif(input.item -> 'external_ids', 'null'), '[]')
        )
      end
    )::crm_private.bulk_row
    order by input.place
  )
  from input
  left join lateral (
    select key.entity_id
    from crm_private.external_ids as key
    where key.entity_type = p_entity_type and key.source = input.source and key.id = input.id
    limit 1
  ) as held on true;
$$;

comment on function crm_private.match_rows(text, crm_private.bulk_row[]) is
  'Resolves the rows of an upsert by their external ids.';

revoke all on function crm_private.match_rows(text, crm_private.bulk_row[]) from public;
grant execute on function crm_private.match_rows(text, crm_private.bulk_row[]) to crm_member;
