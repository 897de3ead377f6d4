/*
 * Compiles the defaults of an entity type's custom fields into the trigger that sets them in new
 * rows. No definition is read for a row, and a row that has all of them needs no call. Without
 * defaults the trigger never fires; it is not dropped, because that would block readers. Called by
 * crm_private.compile_custom_fields.
 */
create or replace function crm_private.compile_defaults(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statement contains only quoted names and values, which the checker cannot see.
-- @plpgsql_check_options: security_warnings = off
begin
  execute (
    select format(
      'create or replace trigger _100_default_custom_fields before insert on %s '
      'for each row when (%s) execute function crm_private.default_custom_fields(%L)',
      crm_private.entity_table(p_entity_type),
      case
        when count(*) > 0
        then format(
          'jsonb_typeof(new.custom_fields) = ''object'' and not new.custom_fields ?& %L::text[]',
          array_agg(d.name order by d.name)
        )
        else 'false'
      end,
      coalesce(jsonb_object_agg(d.name, d.default_value), '{}')
    )
    from crm.custom_field_definitions as d
    where d.entity_type = p_entity_type
      and d.default_value is not null
  );
end
$$;

comment on function crm_private.compile_defaults(text) is
  'Compiles the defaults of an entity type''s custom fields into the trigger that sets them.';

revoke all on function crm_private.compile_defaults(text) from public;
