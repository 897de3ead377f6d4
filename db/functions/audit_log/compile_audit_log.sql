/*
 * Connects a table to the audit log: creates crm_private.<table>_audit_log, compiled from the
 * table's columns, and the triggers that call it once per statement. TRUNCATE is refused. Called by
 * crm_private.register_entity.
 *
 * The changes of a created row are its values, those of a deleted row the whole old row. Those of
 * an updated row have a member for each column, and for each custom field, that changed. They omit
 * what the entry itself records (the row, the user, the time) and derived values (the version,
 * generated columns), except for a deletion, which stores all of them so that the row can be
 * restored. The member @undoes, a name that no column can have, identifies what the change
 * undoes. The member @imported names the columns that an importing session set and that the
 * database would otherwise have set.
 *
 * Compiled, because every write pays for the audit log: a generic comparison of whole rows costs
 * twice as much for inserts, three times for updates. Call it in the migration that adds or removes
 * a column; a test finds tables for which it was not called.
 *
 * Its plans are cached for the session. A plan for one or two rows would join the old rows of a
 * bulk update to the new ones in a nested loop, so nested loops are off.
 *
 * The trigger is security definer: only the owner may write the audit log.
 */
create or replace function crm_private.compile_audit_log(p_table regclass, p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_function text := format(
    'crm_private.%I', (select relname from pg_class where oid = p_table) || '_audit_log'
  );
  v_values  text;
  v_changes text;
  v_old     text;
  v_given   text;
  v_usual   text;
  -- The entries that the change of a row undoes, planned by crm_private.carry_out_reversal.
  v_undoes  text := 'case when v_undoes then jsonb_strip_nulls(jsonb_build_object(''@undoes'', '
    '(crm_private.planned_reversal(%I.id)).undoes)) else ''{}'' end';
begin
  select
    string_agg(format('new_row.%I', attname), ', ' order by attnum),
    string_agg(
      format(
        case attname
          when 'custom_fields' then
            'case when old_row.%1$I is distinct from new_row.%1$I '
            'then crm_private.custom_field_changes(old_row.%1$I, new_row.%1$I) else ''{}'' end'
          else
            'case when old_row.%1$I is distinct from new_row.%1$I '
            'then jsonb_build_object(%1$L, '
            'jsonb_build_object(''old'', old_row.%1$I, ''new'', new_row.%1$I)) else ''{}'' end'
        end,
        attname
      ),
      E'\n        || ' order by attnum
    )
  into v_values, v_changes
  from pg_attribute
  where attrelid = p_table
    and attnum > 0
    and not attisdropped
    and attgenerated = ''
    and attname <> all (crm_private.derived_columns())
    and attname <> all (
      '{id,version,created_at,updated_at,created_by,updated_by}'::name[]
    );

  select string_agg(format('old_row.%I', attname), ', ' order by attnum)
  into v_old
  from pg_attribute
  where attrelid = p_table
    and attnum > 0
    and not attisdropped
    and attname <> all (crm_private.derived_columns());

  -- The values that a session may set, and those that the database sets otherwise.
  select
    string_agg(format('%1$L, new_row.%1$I', attname), ', ' order by attnum),
    string_agg(
      format('%L, %s', attname, case attname when 'created_by' then 'v_user_id' else 'now()' end),
      ', ' order by attnum
    )
  into v_given, v_usual
  from pg_attribute
  where attrelid = p_table and attname = any ('{created_at,created_by,closed_at}'::name[]);

  execute format(
    $function$
create or replace function %1$s()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
as $audit_log$
declare
  v_user_id text   := crm.current_user_id();
  v_source  text   := crm_private.current_source();
  v_xid     bigint := pg_current_xact_id()::text::bigint;
  v_undoes  boolean := current_setting('crm.reversing', true) = v_xid::text;
  v_imports boolean := crm_private.is_importing();
begin
  if tg_op = 'INSERT' then
    insert into crm.audit_logs
      (entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
    select
      %2$L, new_row.id, 'create', v_user_id,
      to_jsonb(new_values)
        -- A restored row keeps its version, creator and creation time; the entry records them.
        || case when new_row.version = 1 then '{}' else jsonb_build_object(
          'version', new_row.version, 'created_at', new_row.created_at,
          'created_by', new_row.created_by, 'updated_by', new_row.updated_by
        ) end
        || case
          when v_imports and new_row.version = 1
          then crm_private.imported_values(jsonb_build_object(%8$s), jsonb_build_object(%9$s))
          else '{}'
        end
        || %5$s,
      new_row.updated_at, v_xid, v_source
    from new_rows as new_row
    cross join lateral (select %3$s) as new_values;

  elsif tg_op = 'UPDATE' then
    insert into crm.audit_logs
      (entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
    select
      %2$L, new_row.id, 'update', v_user_id,
      %4$s
        || %5$s,
      new_row.updated_at, v_xid, v_source
    from new_rows as new_row
    join old_rows as old_row using (id)
    where new_row.version <> old_row.version;

  else
    insert into crm.audit_logs
      (entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
    select
      %2$L, old_row.id, 'delete', v_user_id, to_jsonb(old_values) || %6$s,
      clock_timestamp(), v_xid, v_source
    from old_rows as old_row
    cross join lateral (select %7$s) as old_values;
  end if;

  return null;
end
$audit_log$
    $function$,
    v_function, p_entity_type, v_values, v_changes,
    format(v_undoes, 'new_row'), format(v_undoes, 'old_row'), v_old, v_given, v_usual
  );
  execute format(
    'comment on function %s() is %L',
    v_function, 'Writes an audit log entry for each row that a statement changed. Compiled.'
  );
  execute format('revoke all on function %s() from public', v_function);

  execute format(
    'create or replace trigger _900_audit_log_insert after insert on %s '
    'referencing new table as new_rows '
    'for each statement execute function %s()',
    p_table, v_function
  );
  execute format(
    'create or replace trigger _900_audit_log_update after update on %s '
    'referencing old table as old_rows new table as new_rows '
    'for each statement execute function %s()',
    p_table, v_function
  );
  execute format(
    'create or replace trigger _900_audit_log_delete after delete on %s '
    'referencing old table as old_rows '
    'for each statement execute function %s()',
    p_table, v_function
  );
  execute format(
    'create or replace trigger _900_refuse_truncate before truncate on %s '
    'for each statement execute function crm_private.refuse_truncate()',
    p_table
  );
end
$$;

comment on function crm_private.compile_audit_log(regclass, text) is
  'Creates the triggers that write the audit log of a table, compiled from its columns.';

revoke all on function crm_private.compile_audit_log(regclass, text) from public;
