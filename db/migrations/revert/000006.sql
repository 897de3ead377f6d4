/* Undoes the sixth migration. */

/* 060-exchange-rates.sql */

drop view
  reporting.win_rates_in_base, reporting.forecast_in_base, reporting.pipeline_in_base,
  crm_private.conversions, crm_private.dated_deals;

drop function
  crm.exchange_rate_as_of, crm.exchange_rates_history_is_complete, crm.exchange_rates_field_history,
  crm.exchange_rates_history, crm.in_base_currency, crm.set_base_currency, crm.base_currency;

/* The table of an entity type: contact is crm.contacts. Null if nothing is called so. */
create or replace function crm_private.entity_table(p_entity_type text)
returns regclass
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case p_entity_type
    when 'contact' then 'crm.contacts'::regclass
    when 'company' then 'crm.companies'::regclass
    when 'deal'    then 'crm.deals'::regclass
    when 'task'    then 'crm.tasks'::regclass
    when 'note'    then 'crm.notes'::regclass
    when 'custom_field_definition' then 'crm.custom_field_definitions'::regclass
    when 'pipeline_stage'          then 'crm.pipeline_stages'::regclass
    when 'api_key'                 then 'crm.api_keys'::regclass
  end;
$$;

comment on function crm_private.entity_table(text) is
  'The table of an entity type, null if there is no such type.';

revoke all on function crm_private.entity_table(text) from public;
grant execute on function crm_private.entity_table(text) to crm_reader;

/*
 * Whether the caller can read an entity: the policy of the journal, whose entries everyone may read
 * of what they can see now. A function, because PostgreSQL would hash whole tables to answer the
 * policy's subqueries, and plan each of them for every partition; this asks a primary key at a time.
 *
 * Runs with the caller's rights, so that the policies of the entities decide.
 */
create or replace function crm_private.is_readable(p_entity_type text, p_entity_id uuid)
returns boolean
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  case p_entity_type
    when 'contact' then
      return exists (select from crm.contacts where id = p_entity_id);
    when 'company' then
      return exists (select from crm.companies where id = p_entity_id);
    when 'deal' then
      return exists (select from crm.deals where id = p_entity_id);
    when 'task' then
      return exists (select from crm.tasks where id = p_entity_id);
    when 'note' then
      return exists (select from crm.notes where id = p_entity_id);
    when 'custom_field_definition' then
      return exists (select from crm.custom_field_definitions where id = p_entity_id);
    when 'pipeline_stage' then
      return exists (select from crm.pipeline_stages where id = p_entity_id);
    else
      return false;
  end case;
end
$$;

comment on function crm_private.is_readable(text, uuid) is
  'True if the caller can read the entity.';

revoke all on function crm_private.is_readable(text, uuid) from public;
grant execute on function crm_private.is_readable(text, uuid) to crm_reader;

/*
 * Carries out what is planned in crm_private.reversals, all of it or nothing, in a few statements for
 * each entity type however many rows there are. Called by the functions of the API that undo and restore,
 * which run as the owner of the journal: so it checks what the caller may do by hand.
 *
 * 1. Locks the rows, in one order always.
 * 2. Compares them with what is expected. Where they differ it is refused with CRM02 and a list of
 *    the conflicts; with p_force they are overwritten; with p_keep what differs stays as it is, and
 *    is reported.
 * 3. Brings back rows, those first that others refer to; puts fields back; takes rows away. Every rule
 *    and trigger holds as for any write. The journal's triggers find in the plan what each row undoes.
 *
 * Definitions of custom fields come first where rows need them, last where rows must lose their values
 * first: the reverse of how it was done.
 */
create or replace function crm_private.carry_out_reversal(p_force boolean, p_keep boolean)
returns crm.reversal
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_xid        bigint := pg_current_xact_id()::text::bigint;
  v_types      text[];
  v_type       text;
  v_missing    text;
  v_conflicts  jsonb  := '[]'::jsonb;
  v_count      bigint := 0::bigint;
  v_inserted   bigint := 0::bigint;
  v_step       record;
  v_constraint text;
  v_result     crm.reversal;
begin
  -- Nobody can undo what they could not do.
  select format('%s on crm.%I', needed.operation, class.relname)
  into v_missing
  from (
    select distinct
      planned.entity_type,
      case
        when planned.before is null then 'delete' when planned.after is null then 'insert' else 'update'
      end as operation,
      case
        when planned.before is not null and planned.after is not null
        then split_part(field.name, '.', 1)
      end as column_name
    from crm_private.reversals as planned
    left join lateral jsonb_object_keys(planned.before) as field (name)
      on planned.after is not null
    where planned.transaction_id = v_xid
  ) as needed
  join pg_class as class on class.oid = crm_private.entity_table(needed.entity_type)
  where case
    when needed.operation = 'delete'
    then not has_table_privilege(crm_private.calling_role(), class.oid, 'delete')
    when needed.operation = 'insert'
    then not has_any_column_privilege(crm_private.calling_role(), class.oid, 'insert')
    when needed.column_name = any (crm_private.journal_columns(class.oid))
    then not has_column_privilege(
      crm_private.calling_role(), class.oid, needed.column_name, 'update'
    )
    else false
  end
  limit 1;

  if v_missing is not null or (p_force and not crm_private.is_administrator()) then
    raise exception 'this needs the right to %', coalesce(v_missing, 'overwrite later changes')
      using errcode = 'insufficient_privilege',
            schema  = 'crm', table = 'audit_logs';
  end if;

  if p_force then
    update crm_private.reversals
    set undoes = undoes || '{"forced": true}'
    where transaction_id = v_xid;
  end if;

  -- What others refer to comes first.
  select array_agg(entity_type order by array_position(
    '{pipeline_stage,custom_field_definition,company,contact,deal,task,note}', entity_type
  ))
  into v_types
  from (
    select distinct entity_type from crm_private.reversals where transaction_id = v_xid
  ) as planned;

  -- A change of definitions stops the writers of a table. It must not begin with locked rows.
  foreach v_type in array array['company', 'contact', 'deal']
  loop
    if exists (
      select
      from crm_private.reversals
      where transaction_id = v_xid
        and entity_type = 'custom_field_definition'
        and v_type in (before ->> 'entity_type', after ->> 'entity_type', (
          select definition.entity_type
          from crm.custom_field_definitions as definition
          where definition.id = reversals.entity_id
        ))
    ) then
      execute format(
        'lock table %s in share row exclusive mode', crm_private.entity_table(v_type)
      );
    end if;
  end loop;

  foreach v_type in array coalesce(v_types, '{}')
  loop
    execute format(
      'select from %s
       where id in (
         select entity_id from crm_private.reversals
         where transaction_id = $1 and entity_type = $2
       )
       order by id
       for update',
      crm_private.entity_table(v_type)
    ) using v_xid, v_type;
  end loop;

  if not p_force then
    select settled.count, settled.conflicts
    into v_count, v_conflicts
    from crm_private.settle_conflicts(v_types, p_keep) as settled;
  end if;

  if v_count > 0 and not p_keep then
    perform crm_private.refuse_conflicts(v_count, v_conflicts);
  end if;

  select
    v_xid,
    count(*) filter (where after is null),
    count(*) filter (where before is not null and after is not null and before <> '{}'),
    count(*) filter (where before is null),
    v_conflicts
  into v_result
  from crm_private.reversals
  where transaction_id = v_xid;

  -- A link to a row that goes is severed by that, so that restoring the row brings the link back too.
  -- The rows that go are hashed once, however many there were when this was planned.
  update crm_private.reversals as planned
  set before = planned.before - link.field
  from (values ('contact', 'company_id'), ('deal', 'contact_id')) as link (entity_type, field)
  where planned.transaction_id = v_xid
    and planned.entity_type = link.entity_type
    and planned.before -> link.field = 'null'
    and (
      planned.after ->> link.field in (
        select going.entity_id::text
        from crm_private.reversals as going
        where going.transaction_id = v_xid
          and going.before is null
      )
    ) is true;

  -- The journal and the stamps look into the plan for as long as this says so.
  perform set_config('crm.reversing', v_xid::text, true);

  begin
    for v_step in
      select step.operation, type.name as entity_type
      from (
        values
          (1, 'insert',  '{pipeline_stage,custom_field_definition}'),
          (2, 'prepare', '{custom_field_definition}'),
          (3, 'update',  '{pipeline_stage}'),
          (4, 'delete',  '{custom_field_definition}'),
          (5, 'insert',  '{company,contact,deal,task,note}'),
          (6, 'update',  '{company,contact,deal,task,note}'),
          (7, 'delete',  '{company,contact,deal,task,note}'),
          (8, 'update',  '{custom_field_definition}'),
          (9, 'delete',  '{pipeline_stage}')
      ) as step (place, operation, entity_types)
      cross join lateral unnest(step.entity_types::text[]) with ordinality as type (name, ordinal)
      where type.name = any (v_types)
      order by step.place, type.ordinal
    loop
      v_count := crm_private.reverse_rows(v_step.entity_type, v_step.operation);
      v_inserted := v_inserted + case v_step.operation when 'insert' then v_count else 0 end;
    end loop;
  exception
    when foreign_key_violation then
      get stacked diagnostics v_constraint = constraint_name;
      perform crm_private.refuse_broken_link(v_constraint);
      raise;
  end;

  -- Somebody brought one back between the comparison and the insert.
  if v_inserted < v_result.restored and not p_force then
    perform crm_private.refuse_conflicts(v_result.restored - v_inserted, '[]');
  end if;

  perform set_config('crm.reversing', '', true);
  delete from crm_private.reversals where transaction_id = v_xid;

  return v_result;
end
$$;

comment on function crm_private.carry_out_reversal(boolean, boolean) is
  'Carries out a planned reversal: all of it, or nothing.';

revoke all on function crm_private.carry_out_reversal(boolean, boolean) from public;

/*
 * Brings back a deleted row, and what its deletion took: the rows that were deleted with it and the links
 * that were set to null. A link that leads elsewhere by now stays as it is, and is reported.
 *
 * Security definer: it reads the whole of the journal, and brings back rows under their own ids, which no
 * role may write. crm_private.carry_out_reversal checks that the caller could do by hand what it does.
 */
create or replace function crm.restore_deleted(entity_type text, id uuid)
returns crm.reversal
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_deletion crm.audit_logs;
  v_table    regclass := crm_private.entity_table(entity_type);
  v_exists   boolean;
begin
  perform crm_private.refuse_null('id', id::text);

  if v_table is null then
    perform crm_private.refuse_argument(
      'entityType',
      crm_private.fault_message(
        '%s is not one of contact, company, deal, task, note, custom_field_definition, '
        'pipeline_stage',
        to_jsonb(entity_type)
      ),
      'audit_logs_entity_type_known'
    );
  end if;

  select log.* into v_deletion
  from crm.audit_logs as log
  where log.entity_id = restore_deleted.id
    and log.entity_type = restore_deleted.entity_type
    and log.action = 'delete'
  order by log.id desc
  limit 1;

  -- Two that restore the same come one after the other, so that the second sees it back.
  perform pg_advisory_xact_lock(
    hashtext('crm_private.reversals'), hashint8(v_deletion.transaction_id)
  );
  execute format('select exists (select from %s where id = $1)', v_table)
  into v_exists
  using restore_deleted.id;

  if v_exists then
    raise exception '% % is not deleted', entity_type, id
      using errcode    = 'unique_violation',
            schema     = 'crm', table = (select relname from pg_class where oid = v_table),
            column     = 'id',
            constraint = 'trash_id_deleted',
            detail     = '{"id": ["is not deleted, or was restored already"]}';
  elsif v_deletion.id is null
    or (v_deletion.user_id <> crm.current_user_id() and not crm_private.is_administrator())
  then
    perform crm_private.refuse_missing(entity_type, id::text);
  end if;

  perform crm_private.plan_reversal(
    v_deletion.transaction_id,
    array(
      select taken.id
      from crm_private.taken_with(
        v_deletion.transaction_id, v_deletion.id, v_deletion.entity_type, v_deletion.entity_id,
        v_deletion.changes
      ) as taken
    ),
    '{}',
    'id'
  );
  return crm_private.carry_out_reversal(false, true);
end
$$;

comment on function crm.restore_deleted(text, uuid) is
  'Brings back a deleted row under its own id, with everything that its deletion took: the rows that '
  'went with it, and the links to it that were set to null, unless they lead elsewhere by now; these are '
  'in kept. entityType is contact, company, deal, task, note, custom_field_definition or pipeline_stage.';

revoke all on function crm.restore_deleted(text, uuid) from public;
grant execute on function crm.restore_deleted(text, uuid) to crm_member;

/*
 * What the journal calls a field of an entity type: company_id for companyId and company_id,
 * custom_fields.size for customFields.size and custom_fields.size. A custom field need not be
 * defined: it may have been. Refuses other names. Called by what takes a field as an argument.
 */
create or replace function crm_private.journal_field(p_entity_type text, p_field text)
returns text
language sql
stable
parallel safe
return coalesce(
  case
    when crm_private.entity_table(p_entity_type) is null
    then crm_private.refuse_argument(
      'entityType',
      crm_private.fault_message(
        '%s is not one of contact, company, deal, task, note, custom_field_definition, '
        'pipeline_stage',
        to_jsonb(p_entity_type)
      ),
      'audit_logs_entity_type_known'
    )
    when p_field ~ '^custom(?:_f|F)ields\.' and p_entity_type in ('contact', 'company', 'deal')
    then regexp_replace(p_field, '^custom(?:_f|F)ields', 'custom_fields')
  end,
  (
    select name
    from unnest(crm_private.journal_columns(crm_private.entity_table(p_entity_type))) as name
    where name <> 'custom_fields'
      and p_field in (name, crm_private.camel_case(name))
  ),
  crm_private.refuse_argument(
    'field',
    crm_private.fault_message(
      '%s is not a field of ' || p_entity_type || ' whose values the journal has',
      to_jsonb(p_field)
    ),
    'audit_logs_field_known'
  )
);

comment on function crm_private.journal_field(text, text) is
  'What the journal calls a field of an entity type; refuses what is none.';

revoke all on function crm_private.journal_field(text, text) from public;
grant execute on function crm_private.journal_field(text, text) to crm_reader;

/* What people recognise a deleted row by, from the entry of its deletion. */
create or replace function crm_private.deleted_label(p_entity_type text, p_changes jsonb)
returns text
language sql
immutable
parallel safe
return left(
  case p_entity_type
    when 'contact' then (p_changes ->> 'first_name') || ' ' || (p_changes ->> 'last_name')
    when 'deal' then p_changes ->> 'title'
    when 'task' then p_changes ->> 'description'
    when 'note' then p_changes ->> 'content'
    else p_changes ->> 'name'
  end,
  100
);

comment on function crm_private.deleted_label(text, jsonb) is
  'What people recognise a deleted row by.';

revoke all on function crm_private.deleted_label(text, jsonb) from public;
grant execute on function crm_private.deleted_label(text, jsonb) to crm_member;

/*
 * The entries of the journal that a deletion made, its own among them: the rows that were deleted with
 * the row and with these, the links to them that were set to null, and for the definition of a custom
 * field the values that were removed. What the transaction had done before, and what it did to
 * other rows, is not among them.
 *
 * Runs with the caller's rights: of a deletion by somebody else only administrators see the entries.
 */
create or replace function crm_private.taken_with(
  p_transaction_id bigint,
  p_entry_id       bigint,
  p_entity_type    text,
  p_entity_id      uuid,
  p_changes        jsonb
)
returns table (id bigint, action text)
language sql
stable
parallel safe
begin atomic
  with recursive entries as materialized (
    select log.id, log.entity_type, log.entity_id, log.action, log.changes
    from crm.audit_logs as log
    where log.transaction_id = p_transaction_id
      and log.action <> 'create'
      -- A deletion is journalled before what it takes, a definition's after the values.
      and (log.id > p_entry_id or p_entity_type = 'custom_field_definition')
      and p_entity_type not in ('task', 'note', 'pipeline_stage')
  ),
  gone (id, entity_id) as (
    select p_entry_id, p_entity_id
    union
    select entries.id, entries.entity_id
    from gone
    join entries
      on entries.action = 'delete'
      and crm_private.cascade_parent(entries.entity_type, entries.changes) = gone.entity_id
      and entries.id > gone.id
  )
  select gone.id, 'delete'
  from gone

  union all

  select entries.id, 'update'
  from gone
  join entries
    on entries.action = 'update'
    and crm_private.severed_link(entries.entity_type, entries.changes) = gone.entity_id
    and entries.id > gone.id

  union all

  select entries.id, 'update'
  from entries
  where p_entity_type = 'custom_field_definition'
    and entries.action = 'update'
    and entries.id < p_entry_id
    and entries.entity_type = p_changes ->> 'entity_type'
    and entries.changes #> array['custom_fields.' || (p_changes ->> 'name'), 'new'] = 'null';
end;

comment on function crm_private.taken_with(bigint, bigint, text, uuid, jsonb) is
  'The entries that a deletion made: its own, and those of what went with it.';

revoke all on function crm_private.taken_with(bigint, bigint, text, uuid, jsonb) from public;
grant execute on function crm_private.taken_with(bigint, bigint, text, uuid, jsonb) to crm_member;

/*
 * The values that a field had, from the journal. Runs with the caller's rights: the policy of the
 * journal decides which entries count. Readers cannot name what is in crm_private, so its body is bound
 * when it is created.
 */
create or replace function crm.field_history(entity_type text, entity_id uuid, field text)
returns setof crm.field_value
language sql
stable
strict
parallel safe
begin atomic
  select
    nullif(period.value, 'null'),
    period."timestamp",
    period.until,
    period.user_id,
    period.source,
    period.id,
    period.erased
  from (
    select
      log.id,
      log.action,
      log."timestamp",
      log.user_id,
      log.source,
      log.erased_at is not null as erased,
      case
        when log.action = 'update' then log.changes #> array[name.name, 'new']
        when name.name like 'custom\_fields.%'
        then log.changes #> array['custom_fields', substr(name.name, 15)]
        else log.changes -> name.name
      end as value,
      lead(log."timestamp") over (order by log.id) as until
    from crm_private.journal_field(field_history.entity_type, field_history.field) as name (name)
    cross join crm.audit_logs as log
    where log.entity_id = field_history.entity_id
      and log.entity_type = field_history.entity_type
      and (log.action <> 'update' or log.changes ? name.name or log.erased_at is not null)
  ) as period
  where period.action <> 'delete'
  order by period.id;
end;

comment on function crm.field_history(text, uuid, text) is
  'Every value that a field of a row had, the oldest first: from when to when, who set it, and through '
  'what. entityType is contact, company, deal, task, note, custom_field_definition or pipeline_stage; a '
  'custom field is customFields.<name>.';

revoke all on function crm.field_history(text, uuid, text) from public;
grant execute on function crm.field_history(text, uuid, text) to crm_reader;

comment on column crm.trash.entity_type is
  E'@notNull\nWhat it was: contact, company, deal, task, note, custom_field_definition or pipeline_stage.';

drop table crm.exchange_rates;
drop function
  crm_private.refuse_base_rate, crm_private.exchange_rates_stamp, crm_private.exchange_rates_hold,
  crm_private.exchange_rates_validate, crm_private.exchange_rates_journal;

alter table crm_private.settings drop column base_currency;

comment on column crm.audit_logs.entity_type is
  'What was changed: contact, company, deal, task, note, custom_field_definition, '
  'pipeline_stage or api_key; setting, or journal for the journal itself.';

/* 050-field-indexes.sql */

do $$
begin
  -- Those that were made.
  execute coalesce(
    (
      select 'drop index ' || string_agg(format('crm.%I', (index).name), ', ')
      from crm.custom_field_definitions as definition
      cross join crm.custom_field_definitions_index(definition) as index
      where (index).name is not null
    ),
    ''
  );
end
$$;

create or replace function crm_private.definitions_changed()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_old crm.custom_field_definitions[];
  v_new crm.custom_field_definitions[];
begin
  if tg_op <> 'INSERT' then
    select array_agg(old_row::crm.custom_field_definitions) into v_old
    from old_rows as old_row;
  end if;

  if tg_op <> 'DELETE' then
    select array_agg(new_row::crm.custom_field_definitions) into v_new
    from new_rows as new_row;
  end if;

  -- In one order always, lest two changes wait for each other.
  perform crm_private.apply_definitions(entity_type, v_old, v_new)
  from (
    select entity_type
    from unnest(v_old || v_new)
    group by entity_type
    order by entity_type
  ) as changed;

  return null;
end
$$;

drop function
  crm_private.apply_indexes,
  crm.unindex_custom_field,
  crm.index_custom_field,
  crm_private.custom_field,
  crm_private.claim_definitions,
  crm.custom_field_definitions_index,
  crm_private.custom_field_index_statement,
  crm_private.custom_field_index_name;
drop type crm.custom_field_index;

/* 010-custom-fields.sql */

drop schema crm_custom cascade;

drop function crm.custom_field_definitions_field_name;

/*
 * Compiles the definitions of an entity type into crm_private.<table>_custom_fields_hold, which
 * the trigger that validates inlines: a row is checked without reading a definition; and into the
 * columns of its report. Called when the definitions of the type change; the caller has stopped
 * writers of the table.
 *
 * Members that are null never reach it: _100_normalise removes them before.
 */
create or replace function crm_private.compile_custom_fields(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
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
      'create or replace function %s(custom_fields jsonb)
       returns boolean
       language sql
       immutable
       parallel safe
       return case
         when custom_fields = ''{}'' then %s
         when jsonb_typeof(custom_fields) = ''object''
         then custom_fields - %L::text[] = ''{}'' %s
       end',
      v_function,
      (not coalesce(bool_or(d.required), false))::text,
      coalesce(array_agg(d.name order by d.name), '{}'),
      string_agg(
        format('and coalesce(%s, %s)', crm_private.custom_field_condition(d), (not d.required)::text),
        E'\n' order by d.name
      )
    )
    from crm.custom_field_definitions as d
    where d.entity_type = p_entity_type
  );

  execute format(
    'comment on function %s(jsonb) is %L',
    v_function, 'True if the custom fields keep their definitions. Compiled from them.'
  );
  execute format('revoke all on function %s(jsonb) from public', v_function);
  execute format('grant execute on function %s(jsonb) to crm_member', v_function);

  perform crm_private.compile_report(p_entity_type);
end
$$;

comment on function crm_private.compile_custom_fields(text) is
  'Compiles the definitions of an entity type into the check of its rows and into its report.';

revoke all on function crm_private.compile_custom_fields(text) from public;

drop function
  crm_private.compile_custom_field_functions,
  crm_private.custom_field_names,
  crm_private.is_reserved_field,
  crm_private.custom_field_value;
