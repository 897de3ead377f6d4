/*
 * Compiles the definitions of an entity type into crm_private.<table>_custom_fields_hold, which
 * validates the custom fields of a row without reading a definition. Also compiles the triggers that
 * replace former names and set defaults, the constraints of unique fields, statistics and a function
 * for each field, and the columns of the report. Called when the definitions of the type change; the caller has locked the table
 * against writers.
 *
 * Members that are null never reach the function: _100_normalise removes them before.
 *
 * Security definer: the objects that it creates belong to the owner, even if another role calls it,
 * such as a superuser who has loaded data.
 */
create or replace function crm_private.compile_custom_fields(p_entity_type text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_function text := format(
    'crm_private.%I',
    (select relname from pg_class where oid = crm_private.entity_table(p_entity_type))
      || '_custom_fields_hold'
  );
begin
  execute (
    select format(
      'create or replace function %s(custom_fields jsonb) returns boolean language plpgsql '
      'immutable parallel safe set search_path = pg_catalog, pg_temp as %L',
      v_function,
      format(
        'begin
           return case
             when custom_fields = ''{}'' then %s
             when jsonb_typeof(custom_fields) = ''object''
             then custom_fields - %L::text[] = ''{}'' %s
           end;
         end',
        (not coalesce(bool_or(d.required), false))::text,
        coalesce(array_agg(d.name order by d.name), '{}'),
        string_agg(
          format(
            'and coalesce(%s, %s)', crm_private.custom_field_condition(d), (not d.required)::text
          ),
          E'\n' order by d.name
        )
      )
    )
    from crm.custom_field_definitions as d
    where d.entity_type = p_entity_type
  );

  execute format(
    'comment on function %s(jsonb) is %L',
    v_function, 'Returns true if the custom fields satisfy their definitions. Compiled.'
  );
  execute format('revoke all on function %s(jsonb) from public', v_function);
  execute format('grant execute on function %s(jsonb) to crm_member', v_function);

  perform crm_private.compile_renames(p_entity_type);
  perform crm_private.compile_defaults(p_entity_type);
  perform crm_private.compile_unique(p_entity_type);
  perform crm_private.compile_statistics(p_entity_type);
  perform crm_private.compile_custom_field_functions(p_entity_type);
  perform crm_private.compile_report(p_entity_type);
end
$$;

comment on function crm_private.compile_custom_fields(text) is
  'Compiles the definitions of an entity type into the check, the defaults and the unique keys of '
  'its rows, into its functions and into its report.';

revoke all on function crm_private.compile_custom_fields(text) from public;
