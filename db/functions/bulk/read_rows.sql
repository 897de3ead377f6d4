/*
 * Reads the input of a bulk write: each row with its place in the input, from 0, and the faults of
 * its form, null if there are none. Values that their columns cannot read are found later, when the
 * rows are written.
 */
create or replace function crm_private.read_rows(p_table regclass, p_operation text, p_rows jsonb)
returns table (place integer, id uuid, item jsonb, fields jsonb)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_known text[] := case p_operation
    when 'create' then
      crm_private.written_columns(p_table, 'insert') || crm_private.imported_columns(p_table)
    when 'update' then 'id'::name || crm_private.written_columns(p_table, 'update')
    when 'upsert' then
      'external_id'::name || crm_private.written_columns(p_table, 'insert')
        || crm_private.imported_columns(p_table)
    else '{id,version}'
  end::text[]
    || case
      when p_operation <> 'delete' then array(select name from crm_private.references_of(p_table))
    end;
begin
  return query
    select
      (listed.ordinal - 1)::integer,
      case
        when p_operation in ('update', 'delete') and faults.found is null
        then (listed.item ->> 'id')::uuid
      end,
      listed.item,
      faults.found
    from jsonb_array_elements(p_rows) with ordinality as listed (item, ordinal)
    cross join lateral (
      select case
        when jsonb_typeof(listed.item) <> 'object' then '{"row": ["must be an object"]}'
        else nullif(
          coalesce(
            case
              when listed.item - v_known <> '{}' then (
                select jsonb_object_agg(
                  left(key, 80), '["is not a field that can be given here"]'::jsonb
                )
                from jsonb_object_keys(listed.item - v_known) as key
              )
            end,
            '{}'
          )
          || case
            when p_operation not in ('update', 'delete') then '{}'
            when listed.item ->> 'id' is null then '{"id": ["is required"]}'
            when listed.item ->> 'id' !~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
            then '{"id": ["must be a UUID"]}'
            else '{}'
          end::jsonb
          || case
            when p_operation not in ('update', 'delete') or not listed.item ? 'version' then '{}'
            when jsonb_path_exists(
              listed.item,
              '$.version ? (@ == null || @ > -2147483648 && @ < 2147483648 && @ == @.floor())',
              silent => true
            )
            then '{}'
            else '{"version": ["must be a whole number below 2,147,483,648"]}'
          end::jsonb
          || case
            when p_operation <> 'upsert' then '{}'
            when coalesce(listed.item -> 'external_id', 'null') = 'null'
            then '{"externalId": ["is required"]}'
            when jsonb_typeof(listed.item #> '{external_id,source}') = 'string'
              and jsonb_typeof(listed.item #> '{external_id,id}') = 'string'
              and (listed.item -> 'external_id') - '{source,id}'::text[] = '{}'
              and not crm_private.is_blank(listed.item #>> '{external_id,source}')
              and not crm_private.is_blank(listed.item #>> '{external_id,id}')
            then '{}'
            else '{"externalId": ["must have a source and an id"]}'
          end::jsonb,
          '{}'
        )
      end as found
    ) as faults;
end
$$;

comment on function crm_private.read_rows(regclass, text, jsonb) is
  'Returns the rows of the input of a bulk write, with the faults of the form of each.';

revoke all on function crm_private.read_rows(regclass, text, jsonb) from public;
grant execute on function crm_private.read_rows(regclass, text, jsonb) to crm_member;
