/*
 * Which rows an upsert means: an update of the row that has the external id, or a new row that gets
 * it. external_ids that are given have it too, or it would be lost.
 */
create or replace function crm_private.meant_rows(
  p_entity_type text,
  p_rows        crm_private.bulk_row[]
)
returns crm_private.bulk_row[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select array_agg(
    row(
      given.place,
      held.entity_id,
      case when held.entity_id is null then 'create' else 'update' end,
      case
        when held.entity_id is not null and not given.item ? 'external_ids'
          or jsonb_typeof(given.item -> 'external_ids') not in ('array', 'null')
          or given.item -> 'external_ids' @> jsonb_build_array(own.external_id)
        then given.item - 'external_id'
        else given.item - 'external_id' || jsonb_build_object(
          'external_ids',
          jsonb_build_array(own.external_id)
            || coalesce(nullif(given.item -> 'external_ids', 'null'), '[]')
        )
      end
    )::crm_private.bulk_row
    order by given.place
  )
  from unnest(p_rows) as given
  cross join lateral (select given.item -> 'external_id' as external_id) as own
  left join crm_private.external_ids as held
    on held.entity_type = p_entity_type
    and held.source = own.external_id ->> 'source'
    and held.id = own.external_id ->> 'id';
$$;

comment on function crm_private.meant_rows(text, crm_private.bulk_row[]) is
  'Which rows an upsert means, by their external ids.';

revoke all on function crm_private.meant_rows(text, crm_private.bulk_row[]) from public;
grant execute on function crm_private.meant_rows(text, crm_private.bulk_row[]) to crm_member;
