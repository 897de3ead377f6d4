/*
 * Compiles the former names of an entity type's custom fields into the condition of the trigger that
 * replaces them by the present names, so that rows without such a name need no call. Without former
 * names the trigger never fires; it is not dropped, because that would block readers. Called by
 * crm_private.compile_custom_fields.
 */
create or replace function crm_private.compile_renames(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statement contains only quoted names and values, which the checker cannot see.
-- @plpgsql_check_options: security_warnings = off
begin
  -- The name sorts before _100_default_custom_fields, which sets what a row lacks.
  execute (
    select format(
      'create or replace trigger _100_current_custom_fields before insert or update on %s '
      'for each row when (%s) execute function crm_private.current_custom_fields()',
      crm_private.entity_table(p_entity_type),
      case
        when count(*) > 0
        then format(
          'new.custom_fields ?| %1$L::text[] '
          'or coalesce(new.custom_fields -> ''$merge'' ?| %1$L::text[], false)',
          array_agg(former.name order by former.name)
        )
        else 'false'
      end
    )
    from crm_private.live_former_fields as former
    where former.entity_type = p_entity_type
      and former.current_name is not null
  );
end
$$;

comment on function crm_private.compile_renames(text) is
  'Compiles the former names of an entity type''s custom fields into the trigger that replaces them.';

revoke all on function crm_private.compile_renames(text) from public;
