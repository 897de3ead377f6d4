/* Undoes search: rows are found by filters only, and an entry of a deletion has every column. */

drop function crm.search(text, text[], integer);
drop type crm.search_hit;
drop function crm_private.search_parts(text[], text, text, tsquery, text[], integer);
drop function crm_private.search_candidates(
  text[], tsquery, tsquery, tsquery, tsquery, tsquery, tsquery, integer
);
drop function crm_private.search_extract(text, text[], text[], text);
drop function crm_private.search_query(text);

drop index crm.contacts_name_words, crm.companies_name_words, crm.deals_name_words;

alter table crm.contacts drop column search_document;
alter table crm.companies drop column search_document;
alter table crm.deals drop column search_document;
alter table crm.tasks drop column search_document;
alter table crm.notes drop column search_document;

drop function crm_private.contact_name_words(text, text, text[]);
drop function crm_private.name_words(text);
drop function crm_private.contact_document(text, text, text[], text[], jsonb);
drop function crm_private.company_document(text, jsonb, jsonb);
drop function crm_private.deal_document(text, jsonb);
drop function crm_private.search_name_vector(text);
drop function crm_private.search_vector(text, "char");
drop function crm_private.search_neighbours(text);
drop function crm_private.search_texts(jsonb);
drop function crm_private.search_words(text);

revoke execute on all functions in schema extensions from crm_reader;
revoke usage on schema crm_private from crm_reader;

create or replace function crm_private.stamp_update()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if new.id <> old.id then
    raise exception 'the id of a row in crm.% cannot be changed', tg_table_name
      using errcode    = 'check_violation',
            schema     = tg_table_schema, table = tg_table_name, column = 'id',
            constraint = tg_table_name || '_id_immutable',
            detail     = '{"id": ["cannot be changed"]}';
  end if;

  if new.version is distinct from old.version then
    raise exception '% % was changed meanwhile: it has version %, not %',
        tg_argv[0], old.id, old.version, coalesce(new.version::text, 'null')
      using errcode    = 'CRM01',
            schema     = tg_table_schema, table = tg_table_name, column = 'version',
            constraint = tg_table_name || '_version_current',
            detail     = jsonb_build_object(
                           'version', old.version,
                           'updatedAt', to_char(
                             old.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'
                           ),
                           'updatedBy', old.updated_by
                         ),
            hint       = 'Read the row again and repeat the change.';
  end if;

  new.created_at := old.created_at;
  new.created_by := old.created_by;
  new.updated_at := old.updated_at;
  new.updated_by := old.updated_by;

  -- Generated columns have no value yet; they follow from the others.
  if tg_table_name in ('tasks', 'notes') then
    new.contact_id := old.contact_id;
    new.company_id := old.company_id;
    new.deal_id    := old.deal_id;
  end if;

  if new is distinct from old then
    new.version    := old.version + 1;
    new.updated_at := greatest(clock_timestamp(), old.updated_at + interval '1 microsecond');
    new.updated_by := crm.current_user_id();
  end if;

  return new;
end
$$;

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

select crm_private.bind_journal('crm.contacts', 'contact');
select crm_private.bind_journal('crm.companies', 'company');
select crm_private.bind_journal('crm.deals', 'deal');
select crm_private.bind_journal('crm.tasks', 'task');
select crm_private.bind_journal('crm.notes', 'note');
select crm_private.bind_journal('crm.custom_field_definitions', 'custom_field_definition');
select crm_private.bind_journal('crm.pipeline_stages', 'pipeline_stage');
