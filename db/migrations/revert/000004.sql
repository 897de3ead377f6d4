/*
 * Undoes the fourth migration: nothing can be undone or restored any more, and the past is read from the
 * journal by hand. What was undone stays as it is, and so do the entries that say so.
 */

drop view crm.stage_history;
drop view crm.trash;

drop policy audit_logs_select_own on crm.audit_logs;

-- The journal and the stamps as they were before; they must not ask what is dropped below.

/*
 * Binds the journal to a table: makes crm_private.<table>_journal, compiled from the table's
 * columns, and the triggers that call it once for each statement.
 *
 * The changes of a created row are its values, those of a deleted row the whole old row. Those of
 * an updated row have a member for each column, and for each custom field, that changed. What an
 * entry says itself (which row, who and when) and what follows from it (the version, generated
 * columns) is left out, but for a deletion: it keeps all, so that the row can come back.
 *
 * Compiled, because the journal is paid for by every write: a generic comparison of whole rows costs
 * twice as much for inserts, three times for updates. Call it in the migration that adds or removes a column; a
 * test finds where that was forgotten.
 *
 * The trigger is security definer: nobody but the owner of the journal may write it.
 */
create or replace function crm_private.bind_journal(p_table regclass, p_entity_type text)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  v_function text := format(
    'crm_private.%I', (select relname from pg_class where oid = p_table) || '_journal'
  );
  v_values  text;
  v_changes text;
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
    and attname <> all (
      '{id,version,created_at,updated_at,created_by,updated_by}'::name[]
    );

  execute format(
    $function$
create or replace function %1$s()
returns trigger
language plpgsql
security definer
set search_path = ''
as $journal$
declare
  v_user_id text   := crm.current_user_id();
  v_source  text   := crm_private.current_source();
  v_xid     bigint := pg_current_xact_id()::text::bigint;
begin
  if tg_op = 'INSERT' then
    insert into crm.audit_logs
      (entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
    select
      %2$L, new_row.id, 'create', v_user_id, to_jsonb(new_values),
      new_row.created_at, v_xid, v_source
    from new_rows as new_row
    cross join lateral (select %3$s) as new_values;

  elsif tg_op = 'UPDATE' then
    insert into crm.audit_logs
      (entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
    select
      %2$L, new_row.id, 'update', v_user_id,
      %4$s,
      new_row.updated_at, v_xid, v_source
    from new_rows as new_row
    join old_rows as old_row using (id)
    where new_row.version <> old_row.version;

  else
    insert into crm.audit_logs
      (entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
    select
      %2$L, old_row.id, 'delete', v_user_id, to_jsonb(old_row),
      clock_timestamp(), v_xid, v_source
    from old_rows as old_row;
  end if;

  return null;
end
$journal$
    $function$,
    v_function, p_entity_type, v_values, v_changes
  );
  execute format(
    'comment on function %s() is %L',
    v_function, 'Writes an entry of the journal for each row that a statement changed. Compiled.'
  );
  execute format('revoke all on function %s() from public', v_function);

  execute format(
    'create or replace trigger _900_journal_insert after insert on %s '
    'referencing new table as new_rows '
    'for each statement execute function %s()',
    p_table, v_function
  );
  execute format(
    'create or replace trigger _900_journal_update after update on %s '
    'referencing old table as old_rows new table as new_rows '
    'for each statement execute function %s()',
    p_table, v_function
  );
  execute format(
    'create or replace trigger _900_journal_delete after delete on %s '
    'referencing old table as old_rows '
    'for each statement execute function %s()',
    p_table, v_function
  );
end
$$;

comment on function crm_private.bind_journal(regclass, text) is
  'Makes the triggers that write the journal of a table, compiled from its columns.';

revoke all on function crm_private.bind_journal(regclass, text) from public;

select crm_private.bind_journal('crm.contacts', 'contact');
select crm_private.bind_journal('crm.companies', 'company');
select crm_private.bind_journal('crm.deals', 'deal');
select crm_private.bind_journal('crm.tasks', 'task');
select crm_private.bind_journal('crm.notes', 'note');
select crm_private.bind_journal('crm.custom_field_definitions', 'custom_field_definition');
select crm_private.bind_journal('crm.pipeline_stages', 'pipeline_stage');

create or replace function crm_private.stamp_insert()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.version    := 1;
  new.created_at := now();
  new.updated_at := now();
  new.created_by := crm.current_user_id();
  new.updated_by := crm.current_user_id();
  return new;
end
$$;


drop function crm_private.staged();
drop function crm.restore_deleted(text, uuid);
drop function crm_private.trashed();
drop function crm_private.deleted_label(text, jsonb);
drop function crm_private.taken_with(bigint, bigint, text, uuid, jsonb);
drop function crm_private.severed_link(text, jsonb);
drop function crm_private.cascade_parent(text, jsonb);
drop function crm.undo_transaction(bigint, boolean);
drop function crm.undo_entry(bigint, boolean);
drop function crm.undo_field(text, uuid, text, bigint, boolean);
drop function crm_private.carry_out_reversal(boolean, boolean);
drop function crm_private.reverse_rows(text, text);
drop function crm_private.settle_conflicts(text[], boolean);
drop function crm_private.reversal_conflicts(text);
drop function crm_private.plan_reversal(bigint, bigint[], jsonb, text);
drop function crm_private.merged(jsonb[]);
drop function crm_private.custom_members(jsonb);
drop function crm_private.refuse_broken_link(text);
drop function crm_private.refuse_conflicts(bigint, jsonb);
drop function crm_private.refuse_missing(text, text);
drop function crm_private.refuse_null(text, text);
drop function crm_private.is_administrator();
drop function crm_private.calling_role();
drop function crm_private.planned_reversal(uuid);
drop function crm.pipeline_stages_field_history(crm.pipeline_stages, text);
drop function crm.custom_field_definitions_field_history(crm.custom_field_definitions, text);
drop function crm.notes_field_history(crm.notes, text);
drop function crm.tasks_field_history(crm.tasks, text);
drop function crm.deals_field_history(crm.deals, text);
drop function crm.companies_field_history(crm.companies, text);
drop function crm.contacts_field_history(crm.contacts, text);
drop function crm.field_history(text, uuid, text);
drop function crm_private.journal_field(text, text);
drop function crm_private.refuse_argument(text, text, text);
drop function crm_private.journal_columns(regclass);
drop function crm_private.journal_fields(text, jsonb);
drop function crm.pipeline_as_of(timestamptz);
drop function crm.pipeline_stage_as_of(uuid, timestamptz);
drop function crm.custom_field_definition_as_of(uuid, timestamptz);
drop function crm.note_as_of(uuid, timestamptz);
drop function crm.task_as_of(uuid, timestamptz);
drop function crm.deal_as_of(uuid, timestamptz);
drop function crm.company_as_of(uuid, timestamptz);
drop function crm.contact_as_of(uuid, timestamptz);
drop function crm_private.row_as_of(text, uuid, timestamptz, jsonb);

drop table crm_private.reversals;
drop type crm.reversal;
drop type crm.pipeline_stage_total;
drop type crm.field_value;

drop index crm.audit_logs_deleted;
drop index crm.audit_logs_transaction_id;

revoke execute on function crm_private.entity_table(text) from crm_reader;
revoke execute on function crm_private.fault_message(text, jsonb) from crm_reader;
revoke execute on function crm_private.camel_case(text) from crm_reader;
