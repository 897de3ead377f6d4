/* Undoes the sixth migration. */

-- What is made from definitions depends on much of what follows.
drop schema crm_custom cascade;

/* 070-idempotency.sql */
drop function crm_private.claim_idempotency_key;
drop function crm_private.keep_answer;
drop function crm_private.expire_idempotency_keys;
drop table crm_private.idempotency_keys;

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

/* 040-bulk.sql. */

drop function crm_private.write_rows, crm_private.refuse_rows, crm_private.met_faults,
  crm_private.offending_rows, crm_private.fields_of_violation, crm_private.unreadable_rows,
  crm_private.broken_reference, crm_private.colliding_rows, crm_private.attempt_rows, crm_private.meant_rows,
  crm_private.put_rows, crm_private.take_faults, crm_private.read_rows,
  crm_private.column_defaults, crm_private.written_columns, crm_private.row_faults;
drop function crm_private.custom_field_faults(regclass, jsonb[]);
drop type crm_private.bulk_result, crm_private.bulk_outcome, crm_private.row_fault,
  crm_private.current_row, crm_private.written_row, crm_private.bulk_row;
drop table crm_private.faulty_rows;

revoke execute on function crm_private.merged(jsonb[]) from crm_member;

/*
 * Every fault of a row, given as jsonb: what crm_private.rules says of its table and, where it has
 * custom fields, what their definitions say.
 *
 * A rule about an array or an object is asked again with each of its elements alone, so that the
 * fault is of the one at fault, emails.1 or address.country; if each of them is fine by itself, or
 * the rule is marked @whole, the fault is of the whole.
 *
 * Called by the trigger that validates, once a row is known to be faulty: cost does not matter.
 */
create or replace function crm_private.row_faults(p_table regclass, p_row jsonb)
returns table (field text, message text, constraint_name text, column_name text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_faults text;
begin
  select
    string_agg(
      format(
        case
          when rule.per_element then
            'select %1$L || coalesce(''.'' || element.key, ''''), %2$L, %3$L, %4$L, %5$s,
               element.value, element.ordinal
             from (values (true)) as once
             left join lateral (
               select element.*
               from crm_private.elements($1 -> %4$L) as element
               cross join lateral jsonb_populate_record(
                 null::%6$s, $1 || jsonb_build_object(%4$L, element.alone)
               )
               where not (%7$s)
             ) as element on true
             cross join lateral jsonb_populate_record(null::%6$s, $1)
             where not (%7$s)'
          else
            'select %1$L, %2$L, %3$L, %4$L, %5$s, $1 -> %4$L, null::bigint
             from jsonb_populate_record(null::%6$s, $1)
             where not (%7$s)'
        end,
        rule.field, rule.message, rule.constraint_name, rule.column_name, rule.ordinal, p_table,
        rule.condition
      ),
      E'\nunion all\n'
    )
  into v_faults
  from crm_private.rules as rule
  where rule.table_oid = p_table
    and rule.kind in ('required', 'check', 'reference');

  return query execute format(
    'select fault.field, crm_private.fault_message(fault.message, fault.value), '
    '  fault.constraint_name, fault.column_name '
    'from (%s) as fault '
    '  (field, message, constraint_name, column_name, ordinal, value, element_ordinal) '
    'order by fault.ordinal, fault.constraint_name, fault.element_ordinal',
    v_faults
  ) using p_row;

  return query
    select fault.field, fault.message, fault.constraint_name, 'custom_fields'
    from crm_private.custom_field_faults(p_table, p_row -> 'custom_fields') as fault;
end
$$;

comment on function crm_private.row_faults(regclass, jsonb) is
  'Every fault of a row of the table: the field, the message, the rule and the column.';

revoke all on function crm_private.row_faults(regclass, jsonb) from public;

/*
 * Binds the validation of a table. All the rules that a row can answer by itself become one
 * function, crm_private.<table>_hold, and a trigger function that asks it of every new row:
 * PostgreSQL plans the whole of it once a session as one expression, so a row that keeps the rules
 * costs neither a query nor a look at the catalog. A row that breaks one meets
 * crm_private.refuse_row, which finds every fault.
 *
 * Call it in the migration that changes a column or a constraint; a test finds where that was
 * forgotten. The constraints themselves hold in any case, one at a time.
 */
create or replace function crm_private.bind_rules(p_table regclass)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_table    text := (select relname::text from pg_class where oid = p_table);
  v_hold     text := format('crm_private.%I', v_table || '_hold');
  v_validate text := format('crm_private.%I', v_table || '_validate');
  v_columns  text;
  v_values   text;
  v_rules    text;
begin
  select
    string_agg(format('%I %s', attname, format_type(atttypid, null)), ', ' order by attnum),
    string_agg(format('new.%I', attname), ', ' order by attnum)
  into v_columns, v_values
  from pg_attribute
  where attrelid = p_table and attnum > 0 and not attisdropped and attgenerated = '';

  select string_agg(
    format(case kind when 'required' then '%s' else 'coalesce(%s, true)' end, condition),
    E'\nand ' order by kind desc, ordinal, constraint_name
  )
  into v_rules
  from crm_private.rules
  where table_oid = p_table and kind in ('required', 'check');

  if to_regprocedure(format('crm_private.%I(jsonb)', v_table || '_custom_fields_hold')) is not null
  then
    v_rules := v_rules
      || format(E'\nand crm_private.%I(custom_fields)', v_table || '_custom_fields_hold');
  end if;

  -- The arguments are the table's columns, so the function is made anew.
  execute coalesce(
    (
      select format('drop function %s', proc.oid::regprocedure)
      from pg_proc as proc
      where proc.pronamespace = 'crm_private'::regnamespace and proc.proname = v_table || '_hold'
    ),
    'select'
  );
  execute format(
    'create function %s(%s) returns boolean language sql stable parallel safe return %s',
    v_hold, v_columns, v_rules
  );
  execute format(
    'comment on function %s is %L',
    v_hold, 'True if a row keeps every rule that it can answer by itself. Made of the constraints.'
  );
  execute format('revoke all on function %s from public', v_hold);
  execute format('grant execute on function %s to crm_member', v_hold);

  -- No search_path of its own, which would cost as much again: every name is qualified.
  execute format(
    $function$
create or replace function %s()
returns trigger
language plpgsql
as $validate$
begin
  if not %s(%s) then
    perform crm_private.refuse_row(tg_relid, pg_catalog.to_jsonb(new));
  end if;
  return new;
end
$validate$
    $function$,
    v_validate, v_hold, v_values
  );
  execute format(
    'comment on function %s() is %L', v_validate, 'Refuses a row that breaks a rule. Compiled.'
  );
  execute format('revoke all on function %s() from public', v_validate);
  execute format(
    'create or replace trigger _200_validate before insert or update on %s '
    'for each row execute function %s()',
    p_table, v_validate
  );
end
$$;

comment on function crm_private.bind_rules(regclass) is
  'Makes the trigger that validates the rows of a table from its constraints.';

revoke all on function crm_private.bind_rules(regclass) from public;

select crm_private.bind_rules('crm.contacts');
select crm_private.bind_rules('crm.companies');
select crm_private.bind_rules('crm.deals');
select crm_private.bind_rules('crm.tasks');
select crm_private.bind_rules('crm.notes');
select crm_private.bind_rules('crm.custom_field_definitions');
select crm_private.bind_rules('crm.pipeline_stages');
select crm_private.bind_rules('crm.api_keys');

/* 030-external-ids.sql. The external ids are lost, but for what the journal has of them. */

drop trigger _300_external_ids_insert on crm.contacts;
drop trigger _300_external_ids_update on crm.contacts;
drop trigger _300_external_ids_delete on crm.contacts;
drop trigger _300_external_ids_insert on crm.companies;
drop trigger _300_external_ids_update on crm.companies;
drop trigger _300_external_ids_delete on crm.companies;
drop trigger _300_external_ids_insert on crm.deals;
drop trigger _300_external_ids_update on crm.deals;
drop trigger _300_external_ids_delete on crm.deals;
drop trigger _300_external_ids_insert on crm.tasks;
drop trigger _300_external_ids_update on crm.tasks;
drop trigger _300_external_ids_delete on crm.tasks;
drop trigger _300_external_ids_insert on crm.notes;
drop trigger _300_external_ids_update on crm.notes;
drop trigger _300_external_ids_delete on crm.notes;

drop function crm.contact_by_external_id, crm.company_by_external_id, crm.deal_by_external_id,
  crm.task_by_external_id, crm.note_by_external_id,
  crm_private.keep_external_ids, crm_private.settle_external_ids, crm_private.move_external_ids,
  crm_private.refuse_taken_external_ids, crm_private.united_external_ids;
drop function crm.duplicate_group_contacts, crm.duplicate_group_companies;
drop table crm_private.external_ids;

alter type crm.new_deal drop attribute external_ids;
alter type crm.new_task drop attribute external_ids;

alter table crm.contacts drop column external_ids;
alter table crm.companies drop column external_ids;
alter table crm.deals drop column external_ids;
alter table crm.tasks drop column external_ids;
alter table crm.notes drop column external_ids;

/*
 * Every rule that a row of a table must keep, read from the catalog: columns that must be set,
 * checks, references, and unique keys. The constraints are the only place where the rules stand;
 * a constraint's comment is the message that a client reads, with %s for the faulty value.
 *
 * Read by crm_private.bind_rules, crm_private.row_faults and the generator of the typed layer.
 */
create or replace view crm_private.rules as
  with constraint_columns as (
    -- Of a rule over several columns, the one that the rule's name begins with is at fault.
    select distinct on (con.oid)
      con.oid as constraint_oid,
      attribute.attrelid,
      attribute.attname,
      attribute.atttypid,
      attribute.attnum,
      attribute.attgenerated
    from pg_constraint as con
    join pg_class as class on class.oid = con.conrelid
    join pg_attribute as attribute
      on attribute.attrelid = con.conrelid and attribute.attnum = any (con.conkey)
    order by
      con.oid,
      starts_with(con.conname, class.relname || '_' || attribute.attname || '_') desc,
      length(attribute.attname) desc
  ),
  constraint_texts as (
    select
      con.oid as constraint_oid,
      regexp_replace(description, '^(@[^\n]*\n)*', '')      as message,
      substring(description from '(?:^|\n)@column (\w+)\n') as client_column,
      coalesce(description ~ '(?:^|\n)@whole\n', false)      as is_whole
    from pg_constraint as con
    cross join lateral obj_description(con.oid, 'pg_constraint') as description
  )

  select
    attribute.attrelid                                            as table_oid,
    'required'                                                    as kind,
    format('%s_%s_not_null', class.relname, attribute.attname)    as constraint_name,
    attribute.attname::text                                       as column_name,
    crm_private.camel_case(attribute.attname)                     as field,
    'is required'                                                 as message,
    format('%I is not null', attribute.attname)                   as condition,
    false                                                         as per_element,
    attribute.attnum                                              as ordinal
  from pg_attribute as attribute
  join pg_class as class on class.oid = attribute.attrelid
  where attribute.attnum > 0
    and attribute.attnotnull
    and not attribute.attisdropped
    and class.relnamespace = 'crm'::regnamespace
    and class.relkind in ('r', 'p')

  union all

  select
    con.conrelid,
    case con.contype when 'c' then 'check' when 'f' then 'reference' else 'unique' end,
    con.conname::text,
    coalesce(texts.client_column, attribute.attname::text),
    crm_private.camel_case(coalesce(texts.client_column, attribute.attname)),
    coalesce(texts.message, 'breaks the rule ' || con.conname),
    case con.contype
      when 'c' then pg_get_expr(con.conbin, con.conrelid)
      when 'f' then format(
        'exists (select from %s as referenced where referenced.%I = %s) or %3$s is null',
        con.confrelid::regclass,
        referenced.attname,
        -- A generated column has no value yet when rows are validated.
        coalesce(
          '(' || pg_get_expr(generated.adbin, generated.adrelid) || ')',
          quote_ident(attribute.attname)
        )
      )
    end,
    con.contype = 'c' and cardinality(con.conkey) = 1 and not texts.is_whole
      and attribute.atttypid in ('text[]'::regtype, 'jsonb'::regtype),
    attribute.attnum
  from pg_constraint as con
  join constraint_columns as attribute on attribute.constraint_oid = con.oid
  join constraint_texts as texts on texts.constraint_oid = con.oid
  left join pg_attrdef as generated
    on attribute.attgenerated = 's'
    and generated.adrelid = attribute.attrelid
    and generated.adnum = attribute.attnum
  left join pg_attribute as referenced
    on referenced.attrelid = con.confrelid
    and referenced.attnum = con.confkey[1]
  where con.connamespace = 'crm'::regnamespace
    and con.contype in ('c', 'f', 'u');

comment on view crm_private.rules is
  'Every rule that a row of a table in crm must keep, read from the catalog.';

select crm_private.bind_rules('crm.contacts');
select crm_private.bind_rules('crm.companies');
select crm_private.bind_rules('crm.deals');
select crm_private.bind_rules('crm.tasks');
select crm_private.bind_rules('crm.notes');

select crm_private.bind_journal('crm.contacts', 'contact');
select crm_private.bind_journal('crm.companies', 'company');
select crm_private.bind_journal('crm.deals', 'deal');
select crm_private.bind_journal('crm.tasks', 'task');
select crm_private.bind_journal('crm.notes', 'note');

drop function crm_private.has_blank_external_id, crm_private.has_long_external_id,
  crm_private.has_duplicate_external_id;
drop type crm.external_id;

/* The contacts of a group: GraphQL's field contacts. Inlined, so that it is part of the query. */
create or replace function crm.duplicate_group_contacts(record crm.duplicate_group)
returns setof crm.contacts
language sql
stable
parallel safe
begin atomic
  select contact.*
  from crm.contacts as contact
  where record.entity_type = 'contact'
    and contact.id = any (record.ids)
  order by contact.created_at, contact.id;
end;

comment on function crm.duplicate_group_contacts(crm.duplicate_group) is
  E'@behavior -queryField\nThe contacts of the group, the oldest first; none if it is one of companies.';

revoke all on function crm.duplicate_group_contacts(crm.duplicate_group) from public;
grant execute on function crm.duplicate_group_contacts(crm.duplicate_group) to crm_reader;

/* The companies of a group: GraphQL's field companies. Inlined, so that it is part of the query. */
create or replace function crm.duplicate_group_companies(record crm.duplicate_group)
returns setof crm.companies
language sql
stable
parallel safe
begin atomic
  select company.*
  from crm.companies as company
  where record.entity_type = 'company'
    and company.id = any (record.ids)
  order by company.created_at, company.id;
end;

comment on function crm.duplicate_group_companies(crm.duplicate_group) is
  E'@behavior -queryField\nThe companies of the group, the oldest first; none if it is one of contacts.';

revoke all on function crm.duplicate_group_companies(crm.duplicate_group) from public;
grant execute on function crm.duplicate_group_companies(crm.duplicate_group) to crm_reader;

/*
 * A deal and its first tasks, all or nothing. A fault of a task refuses the deal too, and is named
 * by which task it is: tasks.1.description. The deal's fields have their names alone.
 * Runs with the caller's rights: whoever may create deals and tasks may call it.
 */
create or replace function crm.create_deal_with_tasks(deal crm.new_deal, tasks crm.new_task[])
returns crm.deals
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_deal crm.deals;
begin
  insert into crm.deals (
    title, company_id, contact_id, value, currency, stage, probability, close_date, owner_id,
    custom_fields
  )
  values (
    deal.title, deal.company_id, deal.contact_id, deal.value, coalesce(deal.currency, 'USD'),
    deal.stage, deal.probability, deal.close_date, deal.owner_id,
    coalesce(deal.custom_fields, '{}')
  )
  returning * into v_deal;

  insert into crm.tasks (description, due_date, assigned_to, status, entity_type, entity_id)
  select
    task.description, task.due_date, task.assigned_to, coalesce(task.status, 'open'),
    'deal', v_deal.id
  from unnest(tasks) with ordinality as task (
    description, due_date, assigned_to, status, ordinal
  )
  -- Rows are made and validated one after the other: this says which one the next is.
  where set_config('crm.path', 'tasks.' || (task.ordinal - 1), true) is not null;

  perform set_config('crm.path', '', true);

  return v_deal;
end
$$;

comment on function crm.create_deal_with_tasks(crm.new_deal, crm.new_task[]) is
  'Creates a deal together with its tasks: all of them, or nothing.';

revoke all on function crm.create_deal_with_tasks(crm.new_deal, crm.new_task[]) from public;
grant execute on function crm.create_deal_with_tasks(crm.new_deal, crm.new_task[]) to crm_member;

/*
 * Refuses what cannot be merged, with all faults at once, and gives the chosen fields by column.
 * Called by crm.merge_contacts and crm.merge_companies.
 *
 * A field may be called as the API calls it or as its column is called, and is one that a member may
 * set in an update. A value of another type than the column's is refused here, in the words of the
 * typed layer; what jsonb_populate_record would make of it, nobody meant.
 */
create or replace function crm_private.check_merge(
  p_table  regclass,
  p_winner uuid,
  p_losers uuid[],
  p_fields jsonb
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table  text := (select relname::text from pg_class where oid = p_table);
  v_chosen jsonb;
  v_faults jsonb;
begin
  with given as (
    select member.key, member.value, settable.attname, settable.atttypid
    from jsonb_each(case jsonb_typeof(p_fields) when 'object' then p_fields end) as member
    left join pg_attribute as settable
      on settable.attrelid = p_table
      and settable.attnum > 0
      and not settable.attisdropped
      and member.key in (settable.attname, crm_private.camel_case(settable.attname))
      and has_column_privilege('crm_member', p_table, settable.attnum, 'update')
  ),
  faults as (
    select 'winner' as field, 'is required' as message, v_table || '_winner_present' as rule
    where p_winner is null

    union all

    select 'losers', 'must name at least one', v_table || '_losers_present'
    where coalesce(cardinality(p_losers), 0) = 0

    union all

    select 'losers', 'must not hold null', v_table || '_losers_present'
    where array_position(p_losers, null) is not null

    union all

    select 'losers', format('must not name the winner, %s', p_winner), v_table || '_losers_others'
    where p_winner = any (p_losers)

    union all

    select 'losers', format('must not name %s twice', loser), v_table || '_losers_distinct'
    from unnest(p_losers) as loser
    where loser is not null
    group by loser
    having count(*) > 1

    union all

    select 'fields', 'must be an object', v_table || '_fields_object'
    where jsonb_typeof(p_fields) <> 'object'

    union all

    select key, 'is not a field that can be given here', v_table || '_fields_known'
    from given
    where attname is null

    union all

    select crm_private.camel_case(attname), 'is given twice', v_table || '_fields_known'
    from given
    where attname is not null
    group by attname
    having count(*) > 1

    union all

    select
      key,
      case atttypid
        when 'text[]'::regtype  then 'must be a list of texts'
        when 'uuid'::regtype    then 'must be a UUID'
        when 'integer'::regtype then 'must be a whole number below 2,147,483,648'
        else 'must be text'
      end,
      v_table || '_fields_type'
    from given
    where attname is not null
      and jsonb_typeof(value) <> 'null'
      and not case atttypid
        when 'text[]'::regtype then
          jsonb_typeof(value) = 'array'
          and not jsonb_path_exists(
            value, 'strict $[*] ? (@.type() != "string" && @.type() != "null")'
          )
        when 'uuid'::regtype then
          jsonb_typeof(value) = 'string'
          and value #>> '{}' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
        when 'integer'::regtype then
          jsonb_typeof(value) = 'number'
          and jsonb_path_exists(value, '$ ? (@ > -2147483648 && @ < 2147483648 && @ == @.floor())')
        -- Whether JSON is an object is for the column's own check to say.
        when 'jsonb'::regtype then true
        else jsonb_typeof(value) = 'string'
      end
  )
  select
    (select jsonb_object_agg(attname, value) from given where attname is not null),
    (
      select jsonb_build_object(
        'fields', jsonb_object_agg(field, messages),
        'rule', (array_agg(rule order by rank))[1],
        'summary', string_agg(field || ' ' || (messages ->> 0), '; ' order by rank)
      )
      from (
        select
          left(field, 80) as field,
          jsonb_agg(message order by message) as messages,
          min(rule) as rule,
          row_number() over (order by left(field, 80)) as rank
        from faults
        group by left(field, 80)
      ) as listed
    )
  into v_chosen, v_faults;

  if v_faults ->> 'rule' is not null then
    raise exception '%: %', v_table, v_faults ->> 'summary'
      using errcode    = 'check_violation',
            schema     = 'crm', table = v_table,
            constraint = v_faults ->> 'rule',
            detail     = v_faults -> 'fields';
  end if;

  return coalesce(v_chosen, '{}');
end
$$;

comment on function crm_private.check_merge(regclass, uuid, uuid[], jsonb) is
  'Refuses what cannot be merged; gives the chosen fields by column.';

revoke all on function crm_private.check_merge(regclass, uuid, uuid[], jsonb) from public;
grant execute on function crm_private.check_merge(regclass, uuid, uuid[], jsonb) to crm_member;

/*
 * A row as it was at an instant, as jsonb; null if there was none. p_current is the row as it is
 * now, null if it is gone. Called by the functions crm.<entity>_as_of. Its search_document is null:
 * nobody searches the past.
 *
 * It goes backwards: from the row as it is, or as the first deletion after the instant found it, it
 * takes back every update since. So it needs the journal from that instant on and no further, and
 * old months can be retired. Refused where an entry that it needs has been erased, but for a deletion.
 *
 * Runs with the caller's rights: whoever can read a row's history can read what follows from it.
 */
create or replace function crm_private.row_as_of(
  p_entity_type text,
  p_entity_id   uuid,
  p_at          timestamptz,
  p_current     jsonb
)
returns jsonb
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_row     jsonb := p_current;
  v_first   text;
  v_deleted bigint;
  v_changed jsonb;
  v_custom  jsonb;
  v_updates integer;
  v_erased  bigint;
  v_stamp   record;
begin
  if p_at < crm.journal_kept_since() then
    raise exception 'what % % was at % cannot be told: the journal is kept since %',
        p_entity_type, p_entity_id, p_at, crm.journal_kept_since()
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'timestamp',
            constraint = 'audit_logs_timestamp_retired',
            detail     = '{"at": ["is before what the journal still has"]}';
  end if;

  select
    (array_agg(action order by id))[1],
    min(id) filter (where action = 'delete'),
    coalesce(
      (array_agg(changes order by id) filter (where action = 'delete'))[1],
      p_current - 'search_document'
    )
  into v_first, v_deleted, v_row
  from crm.audit_logs
  where entity_id = p_entity_id
    and entity_type = p_entity_type
    and "timestamp" > p_at;

  if v_first = 'create' or v_row is null then
    return null;
  end if;

  -- A deletion that has been purged tells nothing any more, but what was before it is still there.
  if v_row = '{}' then
    return crm_private.row_from_creation(p_entity_type, p_entity_id, p_at);
  end if;

  -- Of each field the first change since tells what it was; later ones do not matter.
  with since as (
    select id, action, changes, erased_at
    from crm.audit_logs
    where entity_id = p_entity_id
      and entity_type = p_entity_type
      and "timestamp" > p_at
      and action <> 'create'
      and (v_deleted is null or id <= v_deleted)
  ),
  was as (
    select distinct on (told.key) told.key, told.value -> 'old' as value
    from since
    cross join lateral jsonb_each(since.changes - '@undoes') as told
    where since.action = 'update'
    order by told.key, since.id
  )
  select
    (select min(id) from since where erased_at is not null),
    (select count(*)::integer from since where action = 'update'),
    coalesce(jsonb_object_agg(key, value) filter (where key not like 'custom\_fields.%'), '{}'),
    jsonb_object_agg(substr(key, 15), value) filter (where key like 'custom\_fields.%')
  into v_erased, v_updates, v_changed, v_custom
  from was;

  if v_erased is not null then
    raise exception 'what % % was at % cannot be told: entry % of the journal has been erased',
        p_entity_type, p_entity_id, p_at, v_erased
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'changes',
            constraint = 'audit_logs_changes_erased',
            detail     = '{"at": ["is before values that have been erased for good"]}';
  end if;

  if (v_row ->> 'created_at')::timestamptz > p_at then
    return null;
  end if;

  v_row := v_row || v_changed;

  if v_custom is not null then
    v_row := v_row || jsonb_build_object(
      'custom_fields', jsonb_strip_nulls((v_row -> 'custom_fields') || v_custom)
    );
  end if;

  -- Generated columns are not journalled; they follow from the others.
  if p_entity_type in ('task', 'note') then
    v_row := v_row
      || '{"contact_id": null, "company_id": null, "deal_id": null}'
      || jsonb_build_object((v_row ->> 'entity_type') || '_id', v_row -> 'entity_id');
  end if;

  if v_updates = 0 then
    return v_row;
  end if;

  select
    log."timestamp" as updated_at,
    coalesce(case log.action when 'create' then log.changes ->> 'updated_by' end, log.user_id)
      as updated_by
  into v_stamp
  from crm.audit_logs as log
  where log.entity_id = p_entity_id
    and log.entity_type = p_entity_type
    and log."timestamp" <= p_at
  order by log.id desc
  limit 1;

  if not found then
    raise exception 'what % % was at % cannot be told: the journal does not go back so far',
        p_entity_type, p_entity_id, p_at
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'timestamp',
            constraint = 'audit_logs_timestamp_retired',
            detail     = '{"at": ["is before what the journal still has"]}';
  end if;

  return v_row || jsonb_build_object(
    'version', (v_row ->> 'version')::integer - v_updates,
    'updated_at', v_stamp.updated_at,
    'updated_by', v_stamp.updated_by
  );
end
$$;

comment on function crm_private.row_as_of(text, uuid, timestamptz, jsonb) is
  'A row as it was at an instant, null if there was none.';

revoke all on function crm_private.row_as_of(text, uuid, timestamptz, jsonb) from public;
grant execute on function crm_private.row_as_of(text, uuid, timestamptz, jsonb) to crm_reader;

/*
 * A row as it was at an instant, told forwards: what it was created or brought back with, and every
 * update until then. For rows whose deletion has been purged, which crm_private.row_as_of cannot
 * begin with; null if there was none then. Refused where an entry that it needs has been erased.
 */
create or replace function crm_private.row_from_creation(
  p_entity_type text,
  p_entity_id   uuid,
  p_at          timestamptz
)
returns jsonb
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_created crm.audit_logs;
  v_updates record;
  v_row     jsonb;
begin
  select log.* into v_created
  from crm.audit_logs as log
  where log.entity_id = p_entity_id
    and log.entity_type = p_entity_type
    and log.action = 'create'
    and log."timestamp" <= p_at
  order by log.id desc
  limit 1;

  if not found then
    return null;
  end if;

  with updates as (
    select log.id, log."timestamp", log.user_id, log.changes, log.erased_at
    from crm.audit_logs as log
    where log.entity_id = p_entity_id
      and log.entity_type = p_entity_type
      and log.action = 'update'
      and log.id > v_created.id
      and log."timestamp" <= p_at
  ),
  became as (
    select distinct on (told.key) told.key, told.value -> 'new' as value
    from updates
    cross join lateral jsonb_each(updates.changes - '@undoes') as told
    order by told.key, updates.id desc
  )
  select
    (select count(*) from updates) as count,
    (select min(id) from updates where erased_at is not null) as erased,
    (select "timestamp" from updates order by id desc limit 1) as updated_at,
    (select user_id from updates order by id desc limit 1) as updated_by,
    coalesce(jsonb_object_agg(key, value) filter (where key not like 'custom\_fields.%'), '{}')
      as changed,
    coalesce(
      jsonb_object_agg(substr(key, 15), value) filter (where key like 'custom\_fields.%'), '{}'
    ) as custom
  into v_updates
  from became;

  if v_created.erased_at is not null or v_updates.erased is not null then
    raise exception 'what % % was at % cannot be told: entry % of the journal has been erased',
        p_entity_type, p_entity_id, p_at, coalesce(v_updates.erased, v_created.id)
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'changes',
            constraint = 'audit_logs_changes_erased',
            detail     = '{"at": ["is before values that have been erased for good"]}';
  end if;

  v_row := jsonb_build_object(
      'id', p_entity_id, 'version', 1,
      'created_at', v_created."timestamp", 'created_by', v_created.user_id,
      'updated_at', v_created."timestamp", 'updated_by', v_created.user_id
    )
    || (v_created.changes - '@undoes')
    || v_updates.changed;

  if v_row ? 'custom_fields' then
    v_row := v_row || jsonb_build_object(
      'custom_fields', jsonb_strip_nulls((v_row -> 'custom_fields') || v_updates.custom)
    );
  end if;

  -- Generated columns are not journalled; they follow from the others.
  if p_entity_type in ('task', 'note') then
    v_row := v_row || jsonb_build_object((v_row ->> 'entity_type') || '_id', v_row -> 'entity_id');
  end if;

  if v_updates.count = 0 then
    return v_row;
  end if;

  return v_row || jsonb_build_object(
    'version', (v_row ->> 'version')::integer + v_updates.count,
    'updated_at', v_updates.updated_at,
    'updated_by', v_updates.updated_by
  );
end
$$;

comment on function crm_private.row_from_creation(text, uuid, timestamptz) is
  'A row as it was at an instant, told from its creation on; null if there was none.';

revoke all on function crm_private.row_from_creation(text, uuid, timestamptz) from public;
grant execute on function crm_private.row_from_creation(text, uuid, timestamptz) to crm_reader;

/*
 * Forgets a person: deletes the contact, if it is still there, with its tasks and notes, and takes the
 * values out of every entry of theirs, months included that were detached from the journal and are
 * still in the database. Gives the entry that records it. Refuses an id that no contact ever had.
 *
 * Tasks and notes of the contact are those that hang on it, or did when they were deleted. Those
 * that were moved to another entity belong to that one.
 *
 * Writers of contacts, tasks and notes wait until the transaction ends: what they are about to commit
 * would be missed. Nothing is sealed meanwhile.
 *
 * Security definer: nobody but the owner of the journal may change it.
 */
create or replace function crm.erase_contact(id uuid)
returns crm.audit_logs
language plpgsql
volatile
strict
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_id      uuid   := erase_contact.id;
  v_ids     uuid[] := array[erase_contact.id];
  v_more    uuid[];
  v_table   regclass;
  v_entries crm.audit_logs[];
  v_erased  crm.audit_logs[] := '{}'::crm.audit_logs[];
  v_erasure crm.audit_logs;
  v_existed boolean;
  v_at      timestamptz;
begin
  perform crm_private.refuse_old_snapshot('erase_contact');
  lock table crm.contacts, crm.tasks, crm.notes in share row exclusive mode;
  perform pg_advisory_xact_lock(hashtext('crm_private.seal_journal'));

  v_ids := v_ids
    || array(select id from crm.tasks where contact_id = v_id)
    || array(select id from crm.notes where contact_id = v_id);

  for v_table in select * from crm_private.journal_tables()
  loop
    execute format(
      $find$
        select array_agg(entity_id)
        from (
          select distinct on (entity_id)
            entity_id, crm_private.attached_to(action, changes) as attached_to
          from %1$s
          where entity_type = any (array['task', 'note'])
            and changes ? 'entity_id'
            and crm_private.attached_to(action, changes) is not null
            and entity_id in (
              select entity_id
              from %1$s
              where entity_type = any (array['task', 'note'])
                and changes ? 'entity_id'
                and crm_private.attached_to(action, changes) = $1::text
            )
          order by entity_id, id desc
        ) as last
        where attached_to = $1::text
      $find$,
      v_table
    ) into v_more using v_id;
    v_ids := v_ids || v_more;
  end loop;

  delete from crm.contacts where id = v_id;
  v_existed := found;
  v_at      := clock_timestamp();

  for v_table in select * from crm_private.journal_tables()
  loop
    execute format(
      $find$
        select array_agg(row(
          id, entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id,
          source, erased_at
        )::crm.audit_logs)
        from (
          select *
          from %s
          where entity_id = any ($1) and erased_at is null and action <> 'erase'
          for update
        ) as entry
      $find$,
      v_table
    ) into v_entries using v_ids;
    perform crm_private.scrub_entries(v_table, v_entries, v_at);
    v_erased := v_erased || v_entries;
  end loop;

  if not v_existed and cardinality(v_erased) = 0 then
    select * into v_erasure
    from crm.audit_logs
    where entity_id = v_id and entity_type = 'contact' and action = 'erase'
    order by id desc
    limit 1;
    if found then
      return v_erasure; -- asked twice
    end if;

    perform crm_private.refuse_missing('contact', v_id::text);
  end if;

  perform crm_private.journal_event(entity_type, 'erase', '{}', v_at, entity_id)
  from (
    select distinct entity_type, entity_id
    from unnest(v_erased)
    where entity_id <> v_id
  ) as attached;
  v_erasure := crm_private.journal_event('contact', 'erase', '{}', v_at, v_id);

  perform crm_private.refresh_statistics(table_oid)
  from unnest('{crm.contacts,crm.tasks,crm.notes}'::regclass[]) as table_oid;

  return v_erasure;
end
$$;

comment on function crm.erase_contact(uuid) is
  'Forgets a person, for good: deletes the contact with its tasks and notes, if it is still there, '
  'and takes their values out of the journal and the trash. Who did what to them, and when, '
  'stays. Gives the entry that records the erasure. For administrators.';

revoke all on function crm.erase_contact(uuid) from public;
grant execute on function crm.erase_contact(uuid) to crm_admin;

/* 020-definition-rules.sql */

drop function crm.check_custom_field_rule(
  text, text, text, text[], boolean, text, text, integer, text, boolean
);
drop type crm.custom_field_fault;
drop function crm.rename_custom_field_value(text, text, text, text);
drop function crm_private.refuse_definition(text, text, text);

do $unique$
declare
  v_drop text;
begin
  for v_drop in
    select format('alter table %s drop constraint %I', conrelid::regclass, conname)
    from pg_constraint
    where contype = 'x'
      and conrelid in ('crm.contacts'::regclass, 'crm.companies'::regclass, 'crm.deals'::regclass)
  loop
    execute v_drop;
  end loop;
end
$unique$;

drop trigger _100_default_custom_fields on crm.contacts;
drop trigger _100_default_custom_fields on crm.companies;
drop trigger _100_default_custom_fields on crm.deals;
drop function crm_private.default_custom_fields();

drop trigger _210_refuse_moved on crm.custom_field_definitions;
drop function crm_private.refuse_moved_definition();

revoke update (name) on crm.custom_field_definitions from crm_admin;

alter table crm.custom_field_definitions
  drop column description,
  drop column minimum,
  drop column maximum,
  drop column max_length,
  drop column pattern,
  drop column default_value,
  drop column is_unique,
  drop constraint custom_field_definitions_field_type_known,
  drop constraint custom_field_definitions_enum_values_present,
  add constraint custom_field_definitions_field_type_known check (
    field_type = any (array['text', 'number', 'date', 'enum', 'boolean'])
  ),
  add constraint custom_field_definitions_enum_values_present check (
    (field_type = 'enum') = (enum_values is not null)
  );

comment on constraint custom_field_definitions_field_type_known on crm.custom_field_definitions is
  '%s is not one of text, number, date, enum, boolean';
comment on constraint custom_field_definitions_enum_values_present on crm.custom_field_definitions is
  'must be given for an enum, and for no other type';
comment on column crm.custom_field_definitions.name is
  'The key in customFields: letters, digits and underscores, a letter first. It cannot be '
  'changed.';
comment on column crm.custom_field_definitions.field_type is
  'text, number, date, enum or boolean.';
comment on column crm.custom_field_definitions.enum_values is
  'The values that an enum allows; null for every other type.';

-- The compiled check no longer asks what goes.
select crm_private.bind_rules('crm.custom_field_definitions');

drop function crm_private.compile_unique(text);
drop function crm_private.compile_defaults(text);
drop function crm_private.custom_field_checks(crm.custom_field_definitions);
drop function crm_private.custom_field_rules(crm.custom_field_definitions);
drop function crm_private.keeps_rules(jsonb, text, text[], text, text, integer, text);
drop function crm_private.is_pattern(text);
drop function crm_private.are_choices(jsonb, jsonb);
drop function crm_private.texts(jsonb);
drop function crm_private.defer_unique(boolean);

revoke all on function crm_private.custom_field_condition(crm.custom_field_definitions)
from crm_admin;

/* What a client reads when a value breaks the definition of its custom field. */
create or replace function crm_private.custom_field_message(
  p_definition crm.custom_field_definitions
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case p_definition.field_type
    when 'text'    then 'must be a text of at most 10,000 characters'
    when 'number'  then 'must be a number of at most 400 digits'
    when 'date'    then 'must be a date such as "2026-02-28"'
    when 'boolean' then 'must be true or false'
    when 'enum'    then 'must be one of ' || (
      select string_agg(value, ', ' order by ordinal)
        || case when cardinality(p_definition.enum_values) > 20 then ' and others' else '' end
      from unnest(p_definition.enum_values[:20]) with ordinality as listed (value, ordinal)
    )
  end;
$$;

comment on function crm_private.custom_field_message(crm.custom_field_definitions) is
  'What a client reads when a value breaks the definition.';

revoke all on function crm_private.custom_field_message(crm.custom_field_definitions) from public;

/*
 * The rule of one custom field as an SQL expression over the name custom_fields: null where the
 * field has no value. Both the compiled check of an entity type and the explanation of a fault are
 * made of it, so a type's rule stands here and nowhere else.
 */
create or replace function crm_private.custom_field_condition(
  p_definition crm.custom_field_definitions
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format(
    case p_definition.field_type
      when 'text' then
        'jsonb_typeof(custom_fields -> %1$L) = ''string'' '
        'and char_length(custom_fields ->> %1$L) <= 10000'
      when 'number' then
        'jsonb_typeof(custom_fields -> %1$L) = ''number'' '
        'and char_length(custom_fields ->> %1$L) <= 400'
      -- A day of the Gregorian calendar, years 0001 to 9999. No JSON but a string looks like it.
      when 'date' then
        '(custom_fields ->> %1$L ~ ''^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])$'' '
        'or custom_fields ->> %1$L ~ ''^[0-9]{4}-(?:0[13-9]|1[0-2])-(?:29|30)$'' '
        'or custom_fields ->> %1$L ~ ''^[0-9]{4}-(?:0[13578]|1[02])-31$'' '
        'or custom_fields ->> %1$L ~ '
        '''^(?:[0-9][0-9](?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29$'') '
        'and not starts_with(custom_fields ->> %1$L, ''0000'')'
      when 'enum' then
        'custom_fields -> %1$L = any (%2$L::jsonb[])'
      when 'boolean' then
        'jsonb_typeof(custom_fields -> %1$L) = ''boolean'''
    end,
    p_definition.name,
    array(select to_jsonb(value) from unnest(p_definition.enum_values) as value)
  );
$$;

comment on function crm_private.custom_field_condition(crm.custom_field_definitions) is
  'The rule of a custom field as an SQL expression over custom_fields, null without a value.';

revoke all on function crm_private.custom_field_condition(crm.custom_field_definitions) from public;

/*
 * Every fault of an object of custom fields: keys that are not defined, values that break their
 * definition, required fields without one. None for tables that carry no custom fields.
 * Called by crm_private.row_faults.
 */
create or replace function crm_private.custom_field_faults(p_table regclass, p_custom_fields jsonb)
returns table (field text, message text, constraint_name text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_table text := (select relname::text from pg_class where oid = p_table);
  v_holds jsonb;
begin
  if jsonb_typeof(p_custom_fields) is distinct from 'object' then
    return;
  end if;

  -- One statement that asks every rule: {"industry": "true", "size": "false", "founded": null}
  execute (
    select format(
      'select jsonb_object(%L, array[%s]::text[]) from (select $1 as custom_fields) as row',
      coalesce(array_agg(d.name order by d.name), '{}'),
      string_agg(
        format('(%s)', crm_private.custom_field_condition(d)), ', ' order by d.name
      )
    )
    from crm.custom_field_definitions as d
    where crm_private.entity_table(d.entity_type) = p_table
  )
  into v_holds
  using p_custom_fields;

  return query
    select
      'customFields.' || d.name,
      case
        when v_holds ->> d.name is null then 'is required'
        else crm_private.custom_field_message(d)
      end,
      v_table || '_custom_fields_' || case
        when v_holds ->> d.name is null then 'required'
        else 'type'
      end
    from crm.custom_field_definitions as d
    where crm_private.entity_table(d.entity_type) = p_table
      and not coalesce((v_holds ->> d.name)::boolean, not d.required)

    union all

    select
      'customFields.' || key,
      'is not a custom field of this entity type',
      v_table || '_custom_fields_known'
    from jsonb_object_keys(p_custom_fields) as key
    where not coalesce(v_holds ? key, false)

    order by 1;
end
$$;

comment on function crm_private.custom_field_faults(regclass, jsonb) is
  'Every fault of an object of custom fields of the table: the field, the message and the rule.';

revoke all on function crm_private.custom_field_faults(regclass, jsonb) from public;

/*
 * Refuses a row, given as jsonb, with all its faults at once: the detail is an object of messages by
 * field, in the client's words. Called by the trigger that validates, for faulty rows only.
 *
 * A function that writes several rows of one input says in crm.path where in it a row stands:
 * tasks.1 makes tasks.1.description of description.
 *
 * Security definer, because it reads the catalog's rules, definitions and referenced rows whatever
 * policies hide of them; it changes nothing.
 */
create or replace function crm_private.refuse_row(p_table regclass, p_row jsonb)
returns void
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table      text := (select relname::text from pg_class where oid = p_table);
  v_path       text := coalesce(nullif(current_setting('crm.path', true), '') || '.', '');
  v_fields     jsonb;
  v_summary    text;
  v_constraint text;
  v_column     text;
begin
  -- Asked by itself, it would tell which ids exist, whatever policies hide.
  if pg_trigger_depth() = 0 then
    raise exception 'crm_private.refuse_row is for triggers'
      using errcode = 'insufficient_privilege';
  end if;

  select
    jsonb_object_agg(v_path || fault.field, fault.messages),
    string_agg(
      v_path || fault.field || ' ' || (fault.messages ->> 0), '; ' order by fault.ordinal
    ),
    (array_agg(fault.constraint_name order by fault.ordinal))[1],
    (array_agg(fault.column_name order by fault.ordinal))[1]
  into v_fields, v_summary, v_constraint, v_column
  from (
    select
      field,
      jsonb_agg(message order by ordinal)               as messages,
      min(ordinal)                                      as ordinal,
      (array_agg(constraint_name order by ordinal))[1]  as constraint_name,
      (array_agg(column_name order by ordinal))[1]      as column_name
    from crm_private.row_faults(p_table, p_row) with ordinality as listed (
      field, message, constraint_name, column_name, ordinal
    )
    group by field
  ) as fault;

  -- What is compiled is right. It may be younger than the snapshot of this transaction, which then
  -- has to begin again; or bind_rules was forgotten.
  if v_fields is null and current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'the rules of % changed since this transaction began', p_table
      using errcode = 'serialization_failure';
  elsif v_fields is null then
    raise exception 'crm_private.bind_rules was not called after a rule of % changed', p_table
      using errcode = 'internal_error';
  end if;

  raise exception '%: %', v_table, v_summary
    using errcode    = 'check_violation',
          schema     = 'crm', table = v_table, column = v_column,
          constraint = v_constraint,
          detail     = v_fields::text;
end
$$;

comment on function crm_private.refuse_row(regclass, jsonb) is
  'Refuses a row that breaks a rule, with all its faults.';

revoke all on function crm_private.refuse_row(regclass, jsonb) from public;
grant execute on function crm_private.refuse_row(regclass, jsonb) to crm_member;

/*
 * Makes the report of an entity type, such as reporting.deals, anew: the columns that
 * crm_private.report_columns has, and one for each custom field, of the field's type. Called when
 * the definitions of the type change.
 *
 * A custom field's column is called custom_<name>, so that no column of ours will ever take its
 * name; a name that is too long for PostgreSQL is cut and told apart by a hash. New columns come
 * last. Where one has to go, or gets another type, the view is dropped and made again: refused if
 * somebody's view depends on it, rather than dropping that, too.
 *
 * The caller keeps writers waiting, so whoever reads the view for long is not waited for.
 */
create or replace function crm_private.compile_report(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '3s'
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_view    text := format(
    'reporting.%I',
    (select relname from pg_class where oid = crm_private.entity_table(p_entity_type))
  );
  v_columns jsonb;
  v_query   text;
  v_lost    text;
  v_field   text;
  v_users   text;
begin
  -- What is to be: our columns, then those of the fields that the view has, then new ones.
  select jsonb_agg(
    jsonb_build_array(listed.name, listed.expression, listed.comment, listed.type)
    order by listed.rank, present.attnum, listed.ordinal, listed.name
  )
  into v_columns
  from (
    select 1 as rank, ordinal, name, expression, comment, null as type
    from crm_private.report_columns(p_entity_type)

    union all

    select
      2,
      0,
      case
        when length(definition.name) <= 56 then 'custom_' || definition.name
        else 'custom_' || left(definition.name, 47) || '_' || left(md5(definition.name), 8)
      end,
      case definition.field_type
        when 'text' then format('custom_fields ->> %L', definition.name)
        when 'enum' then format('custom_fields ->> %L', definition.name)
        else format(
          'case when %s then (custom_fields ->> %L)::%s end',
          crm_private.custom_field_condition(definition), definition.name, typed.name
        )
      end,
      definition.label,
      typed.name
    from crm.custom_field_definitions as definition
    cross join lateral (
      select case definition.field_type
        when 'number' then 'numeric' when 'date' then 'date' when 'boolean' then 'boolean'
        else 'text'
      end
    ) as typed (name)
    where definition.entity_type = p_entity_type
  ) as listed
  left join pg_attribute as present
    on present.attrelid = to_regclass(v_view) and present.attname = listed.name and listed.rank = 2;

  select
    'create or replace view ' || v_view || ' as select '
      || string_agg(format('%s as %I', wanted.item ->> 1, wanted.item ->> 0), ', ' order by ordinal)
      || case p_entity_type
        when 'company' then ' from crm.companies as company'
        when 'contact' then
          ' from crm.contacts as contact
            left join (select id, name from crm.companies) as company
              on company.id = contact.company_id'
        when 'deal' then
          ' from crm.deals as deal
            join (select id, name from crm.companies) as company on company.id = deal.company_id
            join (select name, kind from crm.pipeline_stages) as stage on stage.name = deal.stage
            left join (select id, first_name, last_name from crm.contacts) as contact
              on contact.id = deal.contact_id'
      end
  into v_query
  from jsonb_array_elements(v_columns) with ordinality as wanted (item, ordinal);

  -- What the view has and is not to have any more, or not of that type.
  select present.attname::text, case when wanted.item is null then 'name' else 'fieldType' end
  into v_lost, v_field
  from pg_attribute as present
  left join jsonb_array_elements(v_columns) as wanted (item)
    on wanted.item ->> 0 = present.attname
  where present.attrelid = to_regclass(v_view)
    and present.attnum > 0
    and (
      wanted.item is null
      or wanted.item ->> 3 <> format_type(present.atttypid, present.atttypmod)
    )
  order by present.attnum
  limit 1;

  if v_lost is not null then
    begin
      execute 'drop view ' || v_view;
    exception when dependent_objects_still_exist then
      select string_agg(distinct rewrite.ev_class::regclass::text, ', ')
      into v_users
      from pg_depend as dependency
      join pg_rewrite as rewrite on rewrite.oid = dependency.objid
      where dependency.refobjid = v_view::regclass
        and dependency.classid = 'pg_rewrite'::regclass
        and rewrite.ev_class <> v_view::regclass;

      raise exception 'column % of % cannot go: % reads the view', v_lost, v_view, v_users
        using errcode    = 'check_violation',
              schema     = 'crm', table = 'custom_field_definitions',
              column     = case v_field when 'name' then 'name' else 'field_type' end,
              constraint = 'custom_field_definitions_report_used',
              detail     = jsonb_build_object(
                             v_field,
                             jsonb_build_array(format(
                               'is column %s of %s, which is read by %s', v_lost, v_view, v_users
                             ))
                           )::text,
              hint       = 'Drop what reads the view first, and make it again afterwards.';
    end;
  end if;

  execute v_query;
  execute format(
    'comment on view %s is %L',
    v_view,
    'One row for each ' || p_entity_type || ', with its custom fields as columns: custom_<name>.'
  );
  execute (
    select string_agg(
      format('comment on column %s.%I is %L', v_view, item ->> 0, item ->> 2), '; '
    )
    from jsonb_array_elements(v_columns) as wanted (item)
  );
  execute format('grant select on %s to crm_reporter', v_view);
end
$$;

comment on function crm_private.compile_report(text) is
  'Makes the report of an entity type anew, with its custom fields as columns.';

revoke all on function crm_private.compile_report(text) from public;

/*
 * Applies changed definitions of one entity type to its rows, and refuses what the rows contradict.
 * p_old and p_new hold the definitions before and after the statement. Called by
 * crm_private.definitions_changed.
 *
 * Writers of the table wait until the transaction ends, so no value can slip in beside the change;
 * readers go on. A transaction whose snapshot may be older than the lock cannot see what was
 * written before it, so only read committed will do.
 */
create or replace function crm_private.apply_definitions(
  p_entity_type text,
  p_old         crm.custom_field_definitions[],
  p_new         crm.custom_field_definitions[]
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_table   regclass := crm_private.entity_table(p_entity_type);
  v_plural  text     := (select relname::text from pg_class where oid = v_table);
  v_most    integer  := crm_private.max_custom_fields();
  v_deleted text[];
  v_counts  text;
  v_fields  jsonb;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'definitions cannot be changed in a % transaction',
        current_setting('transaction_isolation')
      using errcode = 'feature_not_supported',
            schema  = 'crm', table = 'custom_field_definitions',
            hint    = 'Use a read committed transaction.';
  end if;

  execute format('lock table %s in share row exclusive mode', v_table);

  -- Each field costs every write of the entity something. Who defines another waits for the lock.
  if exists (
      select
      from unnest(p_new) as new_row
      where new_row.entity_type = p_entity_type
        and not exists (select from unnest(p_old) as old_row where old_row.id = new_row.id)
    )
    and (
      select count(*) > v_most
      from crm.custom_field_definitions as definition
      where definition.entity_type = p_entity_type
    )
  then
    raise exception 'custom_field_definitions: entityType may have at most % custom fields', v_most
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'custom_field_definitions', column = 'entity_type',
            constraint = 'custom_field_definitions_entity_type_full',
            detail     = jsonb_build_object(
              'entityType', jsonb_build_array(format('may have at most %s custom fields', v_most))
            ),
            hint       = 'Delete a definition that nobody needs, or set crm.max_custom_fields.';
  end if;

  perform crm_private.compile_custom_fields(p_entity_type);

  select array_agg(old_row.name)
  into v_deleted
  from unnest(p_old) as old_row
  where old_row.entity_type = p_entity_type
    and not exists (select from unnest(p_new) as new_row where new_row.id = old_row.id);

  if v_deleted is not null then
    execute format(
      'update %s set custom_fields = custom_fields - $1 where custom_fields ?| $1', v_table
    ) using v_deleted;
  end if;

  -- The rows are counted only where a definition became stricter or other than it was.
  select string_agg(
    format(
      'select %L, %L, count(*) from %s where %s',
      contradiction.field, contradiction.message, v_table, contradiction.condition
    ),
    E'\nunion all\n'
  )
  into v_counts
  from unnest(p_new) as new_row
  left join unnest(p_old) as old_row using (id)
  cross join lateral (
    select
      'required' as field,
      format('existing %s without a value: %%s', v_plural) as message,
      format('not custom_fields ? %L', new_row.name) as condition
    where new_row.required and not coalesce(old_row.required, false)

    union all

    select
      case when new_row.field_type = old_row.field_type then 'enumValues' else 'fieldType' end,
      format(
        'existing %s with another value: %%s (%s)',
        v_plural, replace(crm_private.custom_field_message(new_row), '%', '%%')
      ),
      format('not coalesce(%s, true)', crm_private.custom_field_condition(new_row))
    where (new_row.field_type, new_row.enum_values)
      is distinct from (old_row.field_type, old_row.enum_values)
      and old_row.id is not null
  ) as contradiction
  where new_row.entity_type = p_entity_type;

  if v_counts is null then
    return;
  end if;

  execute format(
    'select jsonb_object_agg(field, messages)
     from (
       select field, jsonb_agg(format(message, count) order by message) as messages
       from (%s) as counted (field, message, count)
       where count > 0
       group by field
     ) as faults',
    v_counts
  ) into v_fields;

  if v_fields is not null then
    raise exception 'custom_field_definitions: %',
        (select string_agg(key || ' ' || (value ->> 0), '; ') from jsonb_each(v_fields))
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'custom_field_definitions',
            column     = (
              select case key when 'enumValues' then 'enum_values' when 'fieldType'
                then 'field_type' else key end
              from jsonb_object_keys(v_fields) as key limit 1
            ),
            constraint = 'custom_field_definitions_values_hold',
            detail     = v_fields::text,
            hint       = 'Change the rows first.';
  end if;
end
$$;

comment on function crm_private.apply_definitions(
  text, crm.custom_field_definitions[], crm.custom_field_definitions[]
) is
  'Applies changed definitions of an entity type to its rows; refuses what the rows contradict.';

revoke all on function crm_private.apply_definitions(
  text, crm.custom_field_definitions[], crm.custom_field_definitions[]
) from public;

/*
 * Makes one contact of several: the winner stays, the losers go. Runs with the caller's rights, who
 * could do all of it by hand.
 *
 * 1. Locks the contacts by id, so that merges that overlap come one after the other and whoever
 *    links something to a loser meanwhile waits, and is refused when the loser is gone. Companies
 *    come before contacts, deals, tasks and notes everywhere, lest two merges wait for each other.
 * 2. Writes the winner: the chosen fields, or what it has, or what the first loser has where it has
 *    nothing; custom fields one by one; email addresses and phone numbers of all.
 * 3. Moves deals, tasks and notes to the winner.
 * 4. Deletes the losers. Nothing is attached to them any more, so nothing goes with them.
 *
 * Every step is a statement that the journal has, in one transaction: reversed from the last entry to
 * the first, they give back exactly what was.
 */
create or replace function crm.merge_contacts(
  winner uuid,
  losers uuid[],
  fields jsonb default '{}'
)
returns crm.contact_merge
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_chosen jsonb  := crm_private.check_merge('crm.contacts', winner, losers, fields);
  v_ids    uuid[] := winner || losers;
  v_found  uuid[];
  v_united jsonb;
  v_merge  crm.contact_merge;
begin
  perform
  from crm.companies
  where id in (select company_id from crm.contacts where contacts.id = any (v_ids))
  order by id
  for key share;

  v_found := array(
    select id from crm.contacts where id = any (v_ids) order by id for update
  );
  if cardinality(v_found) < cardinality(v_ids) then
    perform crm_private.refuse_missing(
      'contact', variadic array(select id::text from unnest(v_ids) as id where id <> all (v_found))
    );
  end if;

  select jsonb_build_object(
    'company_id', (array_agg(company_id order by rank) filter (where company_id is not null))[1],
    'owner_id',   (array_agg(owner_id order by rank) filter (where owner_id is not null))[1],
    'emails',     crm_private.united(jsonb_agg(emails order by rank)),
    'phones',     crm_private.united(jsonb_agg(phones order by rank)),
    'custom_fields', crm_private.united_custom_fields(array_agg(custom_fields order by rank))
  )
  into v_united
  from unnest(v_ids) with ordinality as merged (id, rank)
  join crm.contacts using (id);

  if jsonb_typeof(v_chosen -> 'custom_fields') = 'object' then
    v_united := jsonb_set(
      v_united, '{custom_fields}',
      (v_united -> 'custom_fields') || (v_chosen -> 'custom_fields')
    );
    v_chosen := v_chosen - 'custom_fields';
  end if;

  update crm.contacts as contact
  set (
    first_name, last_name, emails, phones, company_id, owner_id, custom_fields, version
  ) = (
    select
      chosen.first_name, chosen.last_name, chosen.emails, chosen.phones, chosen.company_id,
      chosen.owner_id, chosen.custom_fields, chosen.version
    from jsonb_populate_record(contact, v_united || v_chosen) as chosen
  )
  where contact.id = winner;

  with locked as (
    select id from crm.deals where contact_id = any (losers) order by id for no key update
  )
  update crm.deals
  set contact_id = winner
  from locked
  where deals.id = locked.id;
  get diagnostics v_merge.deals_moved = row_count;

  with locked as (
    select id from crm.tasks where contact_id = any (losers) order by id for no key update
  )
  update crm.tasks
  set entity_id = winner
  from locked
  where tasks.id = locked.id;
  get diagnostics v_merge.tasks_moved = row_count;

  with locked as (
    select id from crm.notes where contact_id = any (losers) order by id for no key update
  )
  update crm.notes
  set entity_id = winner
  from locked
  where notes.id = locked.id;
  get diagnostics v_merge.notes_moved = row_count;

  delete from crm.contacts where id = any (losers);

  v_merge.contact_id     := winner;
  v_merge.transaction_id := pg_current_xact_id()::text::bigint;
  return v_merge;
end
$$;

comment on function crm.merge_contacts(uuid, uuid[], jsonb) is
  'Makes one contact of several. The winner gets every deal, task and note of the losers, all email '
  'addresses and phone numbers, and what it has no value for; then the losers are deleted. fields '
  'holds the values that are to win, as a patch has them; customFields one by one, null removes '
  'one. With a version it is refused if the winner has another by now.';

revoke all on function crm.merge_contacts(uuid, uuid[], jsonb) from public;
grant execute on function crm.merge_contacts(uuid, uuid[], jsonb) to crm_member;

/*
 * Makes one company of several, as crm.merge_contacts does of contacts; contacts and deals of the
 * losers become the winner's.
 */
create or replace function crm.merge_companies(
  winner uuid,
  losers uuid[],
  fields jsonb default '{}'
)
returns crm.company_merge
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_chosen jsonb  := crm_private.check_merge('crm.companies', winner, losers, fields);
  v_ids    uuid[] := winner || losers;
  v_found  uuid[];
  v_united jsonb;
  v_merge  crm.company_merge;
begin
  v_found := array(
    select id from crm.companies where id = any (v_ids) order by id for update
  );
  if cardinality(v_found) < cardinality(v_ids) then
    perform crm_private.refuse_missing(
      'company', variadic array(select id::text from unnest(v_ids) as id where id <> all (v_found))
    );
  end if;

  select jsonb_build_object(
    'address',  (array_agg(address order by rank) filter (where address <> '{}'))[1],
    'owner_id', (array_agg(owner_id order by rank) filter (where owner_id is not null))[1],
    'custom_fields', crm_private.united_custom_fields(array_agg(custom_fields order by rank))
  )
  into v_united
  from unnest(v_ids) with ordinality as merged (id, rank)
  join crm.companies using (id);

  if jsonb_typeof(v_chosen -> 'custom_fields') = 'object' then
    v_united := jsonb_set(
      v_united, '{custom_fields}',
      (v_united -> 'custom_fields') || (v_chosen -> 'custom_fields')
    );
    v_chosen := v_chosen - 'custom_fields';
  end if;

  update crm.companies as company
  set (name, address, owner_id, custom_fields, version) = (
    select
      chosen.name, chosen.address, chosen.owner_id, chosen.custom_fields, chosen.version
    from jsonb_populate_record(company, v_united || v_chosen) as chosen
  )
  where company.id = winner;

  with locked as (
    select id from crm.contacts where company_id = any (losers) order by id for no key update
  )
  update crm.contacts
  set company_id = winner
  from locked
  where contacts.id = locked.id;
  get diagnostics v_merge.contacts_moved = row_count;

  with locked as (
    select id from crm.deals where company_id = any (losers) order by id for no key update
  )
  update crm.deals
  set company_id = winner
  from locked
  where deals.id = locked.id;
  get diagnostics v_merge.deals_moved = row_count;

  with locked as (
    select id from crm.tasks where company_id = any (losers) order by id for no key update
  )
  update crm.tasks
  set entity_id = winner
  from locked
  where tasks.id = locked.id;
  get diagnostics v_merge.tasks_moved = row_count;

  with locked as (
    select id from crm.notes where company_id = any (losers) order by id for no key update
  )
  update crm.notes
  set entity_id = winner
  from locked
  where notes.id = locked.id;
  get diagnostics v_merge.notes_moved = row_count;

  delete from crm.companies where id = any (losers);

  v_merge.company_id     := winner;
  v_merge.transaction_id := pg_current_xact_id()::text::bigint;
  return v_merge;
end
$$;

comment on function crm.merge_companies(uuid, uuid[], jsonb) is
  'Makes one company of several. The winner gets every contact, deal, task and note of the losers, '
  'and what it has no value for; then the losers are deleted. fields holds the values that are to '
  'win, as a patch has them; customFields one by one, null removes one. With a version it is refused '
  'if the winner has another by now.';

revoke all on function crm.merge_companies(uuid, uuid[], jsonb) from public;
grant execute on function crm.merge_companies(uuid, uuid[], jsonb) to crm_member;

/*
 * Carries out what is planned for the rows of an entity type, in one statement: brings back rows
 * (insert), puts fields back (update), or takes rows away (delete). Returns how many rows it was.
 * prepare is an update of those definitions that were changed after the values of their field.
 *
 * A row that comes back has every column that it had; a column that has been added since has its
 * default. Rows that are there already are left to the update.
 */
create or replace function crm_private.reverse_rows(p_entity_type text, p_operation text)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can; that they
-- write cannot be told.
-- @plpgsql_check_options: security_warnings = off, performance_warnings = off
declare
  v_table   regclass := crm_private.entity_table(p_entity_type);
  v_columns name[]   := crm_private.journal_columns(v_table);
  v_xid     bigint   := pg_current_xact_id()::text::bigint;
  v_written bigint;
begin
  if p_operation = 'insert' then
    execute (
      select format(
        'insert into %s (%s)
         select %s
         from crm_private.reversals as planned
         cross join lateral jsonb_populate_record(null::%s, planned.before) as restored
         where planned.transaction_id = $1
           and planned.entity_type = $2
           and planned.after is null
           and planned.before ? ''id''
         on conflict (id) do nothing',
        v_table,
        string_agg(format('%I', attname), ', ' order by attnum),
        string_agg(
          case
            when attname = 'custom_fields'
            then 'jsonb_strip_nulls(crm_private.custom_members(planned.before))'
            -- Rows get their values after the definition; what must have one has to wait for it.
            when p_entity_type = 'custom_field_definition' and attname = 'required' then 'false'
            else format(
              'case when planned.before ? %1$L then restored.%1$I else %2$s end',
              attname, coalesce(pg_get_expr(adbin, adrelid), 'null')
            )
          end,
          ', ' order by attnum
        ),
        v_table
      )
      from pg_attribute
      left join pg_attrdef on adrelid = attrelid and adnum = attnum
      where attrelid = v_table
        and attnum > 0
        and not attisdropped
        and attgenerated = ''
    ) using v_xid, p_entity_type;

  elsif p_operation in ('update', 'prepare') then
    execute format(
      'update %s as record
       set %s
       from crm_private.reversals as planned
       join %s as found on found.id = planned.entity_id
       cross join lateral jsonb_populate_record(found, planned.before) as restored
       where planned.transaction_id = $1
         and planned.entity_type = $2
         and planned.before is not null
         and (planned.after is not null or planned.undoes ? ''forced'' or $3)
         %s
         and record.id = planned.entity_id',
      v_table,
      (
        select string_agg(
          case name
            when 'custom_fields'
            then
              'custom_fields = jsonb_strip_nulls('
              'found.custom_fields || crm_private.custom_members(planned.before))'
            else format('%1$I = restored.%1$I', name)
          end,
          ', '
        )
        from unnest(v_columns) as name
      ),
      v_table,
      case
        when p_operation = 'prepare' then
          'and not exists (
             select from crm_private.reversals as later
             where later.transaction_id = $1
               and later.entity_type = found.entity_type
               and later.before ? (''custom_fields.'' || found.name)
               and (later.undoes -> ''entries'' ->> -1)::bigint
                 > (planned.undoes -> ''entries'' ->> -1)::bigint
           )'
        else ''
      end
    ) using
      v_xid, p_entity_type, p_entity_type = 'custom_field_definition' and p_operation = 'update';

  else
    execute format(
      'delete from %s as record
       using crm_private.reversals as planned
       where planned.transaction_id = $1
         and planned.entity_type = $2
         and planned.before is null
         and record.id = planned.entity_id',
      v_table
    ) using v_xid, p_entity_type;
  end if;

  get diagnostics v_written = row_count;
  return v_written;
end
$$;

comment on function crm_private.reverse_rows(text, text) is
  'Inserts, updates or deletes the rows of an entity type as a reversal plans it.';

revoke all on function crm_private.reverse_rows(text, text) from public;

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
 * A custom field definition as it was: what the row is, less what the journal has since then; crm_private.row_as_of does it.
 * Its body is bound when it is created, because readers cannot name what is in crm_private.
 */
create or replace function crm.custom_field_definition_as_of(id uuid, at timestamptz)
returns crm.custom_field_definitions
language sql
stable
strict
parallel safe
return (
  select jsonb_populate_record(
    null::crm.custom_field_definitions,
    crm_private.row_as_of(
      'custom_field_definition', custom_field_definition_as_of.id, custom_field_definition_as_of.at,
      (select to_jsonb(record) from crm.custom_field_definitions as record where record.id = custom_field_definition_as_of.id)
    )
  )
);

comment on function crm.custom_field_definition_as_of(uuid, timestamptz) is
  'The custom field definition as it was at an instant, with every column and custom field; null if there was none then. '
  'Relations lead to what they lead to now.';

revoke all on function crm.custom_field_definition_as_of(uuid, timestamptz) from public;
grant execute on function crm.custom_field_definition_as_of(uuid, timestamptz) to crm_reader;

drop function crm_private.refuse_faults(regclass, jsonb);

create or replace function crm_private.refuse_renamed_definition()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'custom_field_definitions: name and entityType of % cannot be changed', old.name
    using errcode    = 'check_violation',
          schema     = tg_table_schema, table = tg_table_name,
          column     = case when new.name <> old.name then 'name' else 'entity_type' end,
          constraint = 'custom_field_definitions_name_immutable',
          detail     = (
                         case when new.name <> old.name
                           then '{"name": ["cannot be changed"]}'::jsonb else '{}' end
                         || case when new.entity_type <> old.entity_type
                           then '{"entityType": ["cannot be changed"]}'::jsonb else '{}' end
                       )::text,
          hint       = 'Define another field and move the values.';
end
$$;

comment on function crm_private.refuse_renamed_definition() is
  'Refuses another name or entity type for a definition.';

revoke all on function crm_private.refuse_renamed_definition() from public;

create or replace trigger _210_refuse_renamed before update on crm.custom_field_definitions
  for each row when (new.name <> old.name or new.entity_type <> old.entity_type)
  execute function crm_private.refuse_renamed_definition();

select crm_private.bind_stamps('crm.custom_field_definitions', 'custom_field_definition');
select crm_private.bind_journal('crm.custom_field_definitions', 'custom_field_definition');


/* 010-custom-fields.sql */

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

create or replace function crm_private.normalise_custom_fields()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.custom_fields := jsonb_strip_nulls(new.custom_fields);
  return new;
end
$$;

comment on function crm_private.normalise_custom_fields() is
  'Removes custom fields that are set to null.';

revoke all on function crm_private.normalise_custom_fields() from public;

create or replace trigger _100_normalise_custom_fields
  before insert or update on crm.contacts
  for each row when (jsonb_path_exists(new.custom_fields, 'strict $.* ? (@ == null)', silent => true))
  execute function crm_private.normalise_custom_fields();

create or replace trigger _100_normalise_custom_fields
  before insert or update on crm.companies
  for each row when (jsonb_path_exists(new.custom_fields, 'strict $.* ? (@ == null)', silent => true))
  execute function crm_private.normalise_custom_fields();

create or replace trigger _100_normalise_custom_fields
  before insert or update on crm.deals
  for each row when (jsonb_path_exists(new.custom_fields, 'strict $.* ? (@ == null)', silent => true))
  execute function crm_private.normalise_custom_fields();

comment on column crm.companies.custom_fields is
  'Values of custom fields by name, as crm.custom_field_definitions allow them. Assigning '
  'replaces the whole object; a field set to null is removed.';
comment on column crm.contacts.custom_fields is
  'Values of custom fields by name, as crm.custom_field_definitions allow them. Assigning '
  'replaces the whole object; a field set to null is removed.';
comment on column crm.deals.custom_fields is
  'Values of custom fields by name, as crm.custom_field_definitions allow them. Assigning '
  'replaces the whole object; a field set to null is removed.';

comment on type crm.new_deal is 'A deal to create: what a client may say of it.';

select crm_private.compile_custom_fields('contact');
select crm_private.compile_custom_fields('company');
select crm_private.compile_custom_fields('deal');
