/*
 * Resolves the references by external id in rows that are to be written: company, which is
 * {"external_id": {"source": …, "id": …}}, becomes company_id. Returns only the rows that have such
 * references, each with its faults by field, null if there are none. Each external id is looked up
 * once, by the key.
 *
 * If a reference is null, the other form counts, company_id. A faulty reference becomes the id of
 * no row, so that the row cannot be written.
 *
 * Plans are cached, as in crm_private.match_rows.
 */
create or replace function crm_private.resolve_references(
  p_table regclass,
  p_rows  crm_private.bulk_row[]
)
returns table (place integer, item jsonb, code text, fields jsonb)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = auto
as $$
#variable_conflict use_column
declare
  v_names text[] := array(select name from crm_private.references_of(p_table));
begin
  if not exists (select from unnest(p_rows) as input where input.item ?| v_names) then
    return;
  end if;

  return query
    with reference as materialized (
      select distinct
        name, column_name, case when not is_attachment then target_type end as target_type
      from crm_private.references_of(p_table)
    ),
    given as materialized (
      select
        input.place, input.item, reference.name, reference.column_name,
        coalesce(reference.target_type, input.item ->> 'entity_type') as target_type,
        input.item -> reference.name as value,
        input.item -> reference.name #>> '{external_id,source}' as source,
        input.item -> reference.name #>> '{external_id,id}' as id,
        coalesce(input.item -> reference.column_name, 'null') <> 'null' as has_id
      from unnest(p_rows) as input
      join reference on input.item ? reference.name
    ),
    -- Columns, because the operators that extract them from JSON are not leakproof.
    wanted as materialized (
      select distinct target_type, source, id from given where source is not null
    ),
    found as materialized (
      select wanted.*, held.entity_id
      from wanted
      cross join lateral (
        select key.entity_id
        from crm_private.external_ids as key
        where key.entity_type = wanted.target_type
          and key.source = wanted.source
          and key.id = wanted.id
        limit 1
      ) as held
    ),
    resolved as materialized (
      select
        given.*, found.entity_id,
        case
          when given.value = 'null' then null
          when given.has_id then
            'cannot be combined with ' || crm_private.camel_case(given.column_name)
          when jsonb_typeof(given.value) <> 'object'
            or jsonb_typeof(given.value -> 'external_id') is distinct from 'object'
          then 'must have an externalId with a source and an id'
          when given.value - 'external_id' <> '{}'
            or (given.value -> 'external_id') - '{source,id}'::text[] <> '{}'
            or jsonb_typeof(given.value #> '{external_id,source}') is distinct from 'string'
            or jsonb_typeof(given.value #> '{external_id,id}') is distinct from 'string'
          then 'must have an externalId with a source and an id'
          when given.target_type is null then 'needs an entityType'
        end as misuse
      from given
      left join found using (target_type, source, id)
    )
    select
      resolved.place,
      (array_agg(resolved.item))[1] - array_agg(resolved.name)
        || coalesce(
          jsonb_object_agg(
            resolved.column_name,
            case
              when resolved.value <> 'null' and resolved.misuse is null then
                coalesce(resolved.entity_id, '00000000-0000-0000-0000-000000000000')
            end
          ) filter (where not resolved.has_id),
          '{}'
        ),
      case
        when bool_or(resolved.misuse is not null) then 'VALIDATION_ERROR'
        else 'CONSTRAINT_VIOLATION'
      end,
      jsonb_object_agg(
        crm_private.camel_case(resolved.name),
        jsonb_build_array(coalesce(
          resolved.misuse,
          crm_private.fault_message(
            '%s is not the external id of a ' || replace(resolved.target_type, '_', ' '),
            resolved.value -> 'external_id'
          )
        ))
      ) filter (
        where resolved.misuse is not null
          or resolved.value <> 'null' and resolved.entity_id is null
      )
    from resolved
    group by resolved.place;
end
$$;

comment on function crm_private.resolve_references(regclass, crm_private.bulk_row[]) is
  'Resolves the references by external id in rows that are to be written.';

revoke all on function crm_private.resolve_references(regclass, crm_private.bulk_row[])
  from public;
grant execute on function crm_private.resolve_references(regclass, crm_private.bulk_row[])
  to crm_member;
