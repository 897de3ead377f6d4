/*
 * Compiles the API functions for the past of an entity: crm.<table>_history,
 * crm.<table>_field_history and crm.<table>_history_is_complete of a row, and
 * crm.<entity type>_as_of. An entity whose changes cannot be undone has only the history.
 *
 * All of them run with the caller's rights, and are granted to the roles that can read the table.
 */
create or replace function crm_private.compile_history(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are built from expressions, which cannot be quoted like names and values.
-- @plpgsql_check_options: security_warnings = off
declare
  v_type   crm_private.entity_types;
  v_name   text;
  v_reader text;
  v_made   record;
begin
  select * into strict v_type from crm_private.entity_types where entity_type = p_entity_type;
  v_name   := (select relname::text from pg_class where oid = v_type.entity_table);
  v_reader := case
    when has_any_column_privilege('crm_reader', v_type.entity_table, 'select') then 'crm_reader'
    else 'crm_admin'
  end;

  for v_made in
    select
      format('crm.%I', made.name) as name, made.arguments, made.result, made.attributes, made.body,
      made.description
    from (
      values
        (
          true, v_name || '_history', format('record %s', v_type.entity_table), 'setof crm.audit_logs',
          'language sql',
          format(
            $body$
  select audit_log.*
  from crm.audit_logs as audit_log
  where audit_log.entity_id = %s
  order by audit_log.id desc;
$body$,
            case
              when v_type.is_mergeable
              then format('any (crm_private.merged_ids(%L, record.id))', p_entity_type)
              else 'record.id'
            end
          ),
          case
            when v_type.is_mergeable
            then 'The audit log entries of the row and of rows that were merged into it, newest '
              'first. entityId is the row that an entry is about.'
            else 'The audit log entries of the row, newest first.'
          end
        ),
        (
          v_type.restore_order is not null,
          v_name || '_field_history', format('record %s, field text', v_type.entity_table),
          'setof crm.field_value', 'language sql strict',
          format(
            $body$
  select history.* from crm.field_history(%L, record.id, field) as history;
$body$,
            p_entity_type
          ),
          'Every value that a field of the row had, newest first, with its period, the user who '
          'set it, and the source of the change.' || case
            when v_type.has_custom_fields then ' A custom field is customFields.<name>.' else ''
          end
        ),
        (
          v_type.restore_order is not null,
          v_name || '_history_is_complete', format('record %s', v_type.entity_table), 'boolean',
          'language plpgsql',
          $body$
begin
  return record.created_at >= coalesce(crm.audit_log_kept_since(), '-infinity');
end
$body$,
          E'@notNull\n@behavior -filterBy -orderBy -aggregate -aggregate:filterBy -groupBy -havingBy\n'
          'True if the history has every change of the row. If false, changes before '
          'auditLogKeptSince have been archived.'
        ),
        (
          v_type.restore_order is not null,
          p_entity_type || '_as_of', 'id uuid, at timestamptz', v_type.entity_table::text,
          'language sql strict',
          format(
            $body$
  select jsonb_populate_record(null::%1$s, %3$s)
  from crm_private.row_as_of(
    %2$L, $1, $2, (select to_jsonb(record) from %1$s as record where record.id = $1)
  ) as was (row);
$body$,
            v_type.entity_table, p_entity_type,
            -- A deal references its stage by name, so it gets the present name of the stage.
            case p_entity_type
              when 'deal'
              then 'was.row || jsonb_build_object(''stage'', crm_private.stage_now(was.row ->> ''stage'', $2))'
              else 'was.row'
            end
          ),
          format(
            'The %s as it was at an instant, with every column%s; null if it did not exist then.',
            replace(p_entity_type, '_', ' '),
            case when v_type.has_custom_fields then ' and custom field' else '' end
          )
          || case
            when exists (
              select from pg_constraint
              where contype = 'f' and v_type.entity_table in (conrelid, confrelid)
            )
            then ' Of related rows it has the ids.'
            else ''
          end
          || case p_entity_type when 'deal' then ' The stage has its present name.' else '' end
        )
    ) as made (is_made, name, arguments, result, attributes, body, description)
    where made.is_made
  loop
    execute format(
      'create or replace function %s(%s) returns %s %s stable parallel safe '
      'set search_path = pg_catalog, pg_temp as %L',
      v_made.name, v_made.arguments, v_made.result, v_made.attributes, v_made.body
    );
    execute format('comment on function %s is %L', v_made.name, v_made.description);
    execute format('revoke all on function %s from public', v_made.name);
    execute format('grant execute on function %s to %I', v_made.name, v_reader);
  end loop;
end
$$;

comment on function crm_private.compile_history(text) is
  'Creates the API functions for the past of an entity.';

revoke all on function crm_private.compile_history(text) from public;

select crm_private.compile_history(entity_type) from crm_private.entity_types;
