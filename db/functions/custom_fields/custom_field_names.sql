/*
 * Returns the name of each custom field in the API, for all definitions of an entity type:
 * close_reason is closeReason. If a built-in field has that name, it is customTitle. If an older
 * definition has it, as close_reason and closeReason would both be, the name of the newer one ends
 * with a hash. Names that differ only in case conflict, because orders and groups are written in
 * capitals.
 */
create or replace function crm_private.custom_field_names(
  p_definitions crm.custom_field_definitions[]
)
returns table (definition_id uuid, field_name text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select
    numbered.id,
    case when numbered.ordinal = 1 then numbered.free
      else numbered.free || '_' || left(md5(numbered.name), 8)
    end
  from (
    select
      definition.id,
      definition.name,
      named.free,
      row_number() over (
        partition by lower(named.free)
        order by definition.created_at, definition.name collate "C"
      ) as ordinal
    from unnest(p_definitions) as definition
    cross join lateral (
      select string_agg(
        case
          when ordinal > 1 then upper(left(part, 1)) || substr(part, 2)
          when part ~ '^[A-Z][a-z]' then lower(left(part, 1)) || substr(part, 2)
          else part
        end,
        '' order by ordinal
      )
      from string_to_table(definition.name, '_') with ordinality as parts (part, ordinal)
    ) as camel (name)
    cross join lateral (
      select case
        when crm_private.is_reserved_field(camel.name)
          then 'custom' || upper(left(camel.name, 1)) || substr(camel.name, 2)
        else camel.name
      end
    ) as named (free)
  ) as numbered;
$$;

comment on function crm_private.custom_field_names(crm.custom_field_definitions[]) is
  'Returns the name of each custom field in the API, for all definitions of an entity type.';

revoke all on function crm_private.custom_field_names(crm.custom_field_definitions[]) from public;
grant execute on function crm_private.custom_field_names(crm.custom_field_definitions[]) to crm_reader;
