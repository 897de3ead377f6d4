/* Undoes the seventh migration. Functions, views, policies, timeouts of roles, and two columns. */

-- Policies ask nothing again.
alter policy contacts_insert on crm.contacts with check (true);
alter policy contacts_update on crm.contacts using (true);
alter policy contacts_delete on crm.contacts using (true);
alter policy companies_insert on crm.companies with check (true);
alter policy companies_update on crm.companies using (true);
alter policy companies_delete on crm.companies using (true);
alter policy deals_insert on crm.deals with check (true);
alter policy deals_update on crm.deals using (true);
alter policy deals_delete on crm.deals using (true);
alter policy tasks_insert on crm.tasks with check (true);
alter policy tasks_update on crm.tasks using (true);
alter policy tasks_delete on crm.tasks using (true);
alter policy notes_insert on crm.notes with check (true);
alter policy notes_update on crm.notes using (true);
alter policy notes_delete on crm.notes using (true);
alter policy custom_field_definitions_insert on crm.custom_field_definitions with check (true);
alter policy custom_field_definitions_update on crm.custom_field_definitions using (true);
alter policy custom_field_definitions_delete on crm.custom_field_definitions using (true);
alter policy pipeline_stages_insert on crm.pipeline_stages with check (true);
alter policy pipeline_stages_update on crm.pipeline_stages using (true);
alter policy pipeline_stages_delete on crm.pipeline_stages using (true);
alter policy exchange_rates_insert on crm.exchange_rates with check (true);
alter policy exchange_rates_update on crm.exchange_rates using (true);
alter policy exchange_rates_delete on crm.exchange_rates using (true);

-- The functions of the API have the rights of the owner again, and call no others for it.

/* The setting. Security definer: the table of settings is the owner's. */
create or replace function crm.base_currency()
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select base_currency from crm_private.settings;
$$;

comment on function crm.base_currency() is
  E'@notNull\nThe currency that exchange rates are in, as an ISO 4217 code.';

revoke all on function crm.base_currency() from public;
grant execute on function crm.base_currency() to crm_reader;

/*
 * The rows that a rule would break, before it is made: the definition as it is, changed by what is
 * given. A row comes once for each fault. Where the type changes, only what is given holds beside it.
 * What is given is checked as a definition is.
 *
 * Security definer: it reads rows whatever policies hide of them, as a change of the definition does.
 */
create or replace function crm.check_custom_field_rule(
  entity_type text,
  name        text,
  field_type  text    default null,
  enum_values text[]  default null,
  required    boolean default null,
  minimum     text    default null,
  maximum     text    default null,
  max_length  integer default null,
  pattern     text    default null,
  is_unique   boolean default null
)
returns setof crm.custom_field_fault
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Its statement is made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off, extra_warnings = off
declare
  v_table      regclass;
  v_present    crm.custom_field_definitions;
  v_definition crm.custom_field_definitions;
begin
  select * into v_present
  from crm.custom_field_definitions as definition
  where definition.entity_type = check_custom_field_rule.entity_type
    and definition.name = check_custom_field_rule.name;

  v_definition := case
    when v_present.id is null then jsonb_populate_record(
      null::crm.custom_field_definitions,
      jsonb_build_object(
        'id', gen_random_uuid(), 'entity_type', entity_type, 'name', name, 'label', '-',
        'required', false, 'is_unique', false, 'version', 1, 'created_at', now(),
        'updated_at', now(), 'created_by', '-', 'updated_by', '-'
      )
    )
    when field_type <> v_present.field_type then jsonb_populate_record(
      v_present,
      '{"minimum": null, "maximum": null, "max_length": null, "pattern": null, "is_unique": false}'
        || case
          when field_type in ('enum', 'multi_enum') then '{}' else '{"enum_values": null}'::jsonb
        end
    )
    else v_present
  end;

  -- A default is for new rows.
  v_definition := jsonb_populate_record(
    v_definition,
    jsonb_strip_nulls(jsonb_build_object(
      'field_type', field_type, 'enum_values', enum_values, 'required', required,
      'minimum', minimum, 'maximum', maximum, 'max_length', max_length, 'pattern', pattern,
      'is_unique', is_unique
    )) || '{"default_value": null}'
  );

  perform crm_private.refuse_faults('crm.custom_field_definitions', to_jsonb(v_definition));
  v_table := crm_private.entity_table(entity_type);

  return query execute (
    select format(
      $query$
        select fault.id, fault.custom_fields -> $1, fault.message
        from (
          select record.id, record.custom_fields, asked.ordinal, asked.message
          from %1$s as record
          cross join lateral (values %2$s) as asked (ordinal, message, holds)
          where not asked.holds

          union all

          select held.id, held.custom_fields, 9, 'is not unique'
          from (
            select record.*, count(*) over (partition by record.custom_fields -> $1) as times
            from %1$s as record
            where record.custom_fields ? $1
          ) as held
          where $2 and held.times > 1
        ) as fault
        order by fault.id, fault.ordinal
      $query$,
      v_table,
      string_agg(format('(%s, %L, %s)', asked.ordinal, asked.message, asked.condition), ', ')
    )
    from crm_private.custom_field_checks(v_definition) as asked
  ) using name, v_definition.is_unique;
end
$$;

comment on function crm.check_custom_field_rule(
  text, text, text, text[], boolean, text, text, integer, text, boolean
) is
  'The rows that would break a rule of a custom field, before it is changed so: once for each fault. '
  'What is not given stays as the definition has it; with another fieldType only what is given holds. '
  'For a field that is not defined yet fieldType must be given. For administrators.';

revoke all on function crm.check_custom_field_rule(
  text, text, text, text[], boolean, text, text, integer, text, boolean
) from public;
grant execute on function crm.check_custom_field_rule(
  text, text, text, text[], boolean, text, text, integer, text, boolean
) to crm_admin;

/*
 * Creates an API key and gives it, this once: what is kept is its hash. The key is 256 random bits,
 * in base64 as URLs take it, behind a beginning by which scanners find keys that were leaked.
 *
 * An API key cannot create another one: a stolen one must not outlive its revocation.
 *
 * Security definer: nobody but the owner reaches the hashes, and no client says what a row holds
 * beside what it gives here.
 */
create or replace function crm.create_api_key(
  name       text,
  role       text,
  expires_at timestamptz default null
)
returns crm.issued_api_key
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  -- A random UUID has 122 random bits; three of them have more than the digest keeps.
  v_key     text := 'pgcrm_' || translate(
    encode(
      sha256(
        uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
      ),
      'base64'
    ),
    '+/=', '-_'
  );
  v_api_key crm.api_keys;
begin
  if starts_with(crm.current_user_id(), 'key:') then
    raise exception 'an API key cannot create API keys'
      using errcode = 'insufficient_privilege';
  end if;

  insert into crm.api_keys (name, role, expires_at, prefix)
  values (
    create_api_key.name, create_api_key.role, create_api_key.expires_at, left(v_key, 12)
  )
  returning * into v_api_key;

  insert into crm_private.api_key_hashes (api_key_id, key_hash)
  values (v_api_key.id, sha256(convert_to(v_key, 'UTF8')));

  return (v_key, v_api_key);
end
$$;

comment on function crm.create_api_key(text, text, timestamptz) is
  'Creates an API key: its name (lower case letters and digits, with single dots, hyphens or '
  'underscores between them), its role (reader, member or admin), and when it ceases to be good, if '
  'it does. The key itself is shown in the answer and never again.';

revoke all on function crm.create_api_key(text, text, timestamptz) from public;
grant execute on function crm.create_api_key(text, text, timestamptz) to crm_admin;

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
  from unnest('{crm.contacts,crm.tasks,crm.notes,crm_private.external_ids}'::regclass[]) as table_oid;

  return v_erasure;
end
$$;

comment on function crm.erase_contact(uuid) is
  'Forgets a person, for good: deletes the contact with its tasks and notes, if it is still there, '
  'and takes their values out of the journal and the trash. Who did what to them, and when, '
  'stays. Gives the entry that records the erasure. For administrators.';

revoke all on function crm.erase_contact(uuid) from public;
grant execute on function crm.erase_contact(uuid) to crm_admin;

/*
 * Makes the index of a custom field, unless it is there. Writers of the entity wait until the
 * transaction ends; npx pgcrm field index does it without that. What a build that failed left is
 * replaced.
 *
 * Security definer: only the owner of a table makes indexes of it.
 */
create or replace function crm.index_custom_field(entity_type text, name text)
returns crm.custom_field_definitions
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_definition crm.custom_field_definitions;
  v_index      crm.custom_field_index;
begin
  perform crm_private.claim_definitions(p_alone => true);
  v_definition := crm_private.custom_field(entity_type, name);
  v_index := crm.custom_field_definitions_index(v_definition);

  if not coalesce(v_index.is_valid, false) then
    if v_index.name is not null then
      execute format('drop index crm.%I', v_index.name);
    end if;
    execute crm_private.custom_field_index_statement(v_definition);

    -- Until the planner knows the values it expects too many rows to be found.
    execute format('analyze %s', crm_private.entity_table(entity_type));
  end if;

  return v_definition;
end
$$;

comment on function crm.index_custom_field(text, text) is
  'Makes an index on a custom field, by which filters and orders on it are answered; of a text that '
  'may have more than 500 characters filters by the whole value or its beginning. Nothing is done if it is there. Writers of the entity wait '
  'meanwhile: on large tables use npx pgcrm field index. For administrators.';

revoke all on function crm.index_custom_field(text, text) from public;
grant execute on function crm.index_custom_field(text, text) to crm_admin;

/*
 * What an auditor keeps outside: the number of the last block and its hash, on which all that was
 * sealed before bears. Seals first, waiting for whoever seals at this moment.
 *
 * Security definer: the blocks are the owner's.
 */
create or replace function crm.journal_digest()
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_advisory_xact_lock(hashtext('crm_private.seal_journal'));
  perform crm_private.seal_journal();
  return crm_private.last_digest();
end
$$;

comment on function crm.journal_digest() is
  E'@behavior queryField -mutationField\n'
  'What the journal is at this moment, in one line for an auditor to keep elsewhere: given to '
  'verifyJournal later, it proves that nothing which was in the journal now was changed since. '
  'For administrators.';

revoke all on function crm.journal_digest() from public;
grant execute on function crm.journal_digest() to crm_admin;

/*
 * From when on the journal is here; null if nothing of it was ever archived. Security definer:
 * everybody has to know it, while the entry that says it is for administrators.
 */
create or replace function crm.journal_kept_since()
returns timestamptz
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select (audit_log.changes ->> 'before')::timestamptz
  from crm.audit_logs as audit_log
  where audit_log.entity_id = '00000000-0000-0000-0000-000000000000'
    and audit_log.action = 'archive'
  order by audit_log.id desc
  limit 1;
$$;

comment on function crm.journal_kept_since() is
  'From when on the journal is kept here: what was done before has been archived. '
  'Null if nothing was.';

revoke all on function crm.journal_kept_since() from public;
grant execute on function crm.journal_kept_since() to crm_reader;

/*
 * The pipeline as it was: the deals of each stage at an instant. Backwards like
 * crm_private.row_as_of, all deals at once: what the first entry since tells of a deal, else what it
 * is now, or of a deal whose deletion has been purged, what it was made of.
 *
 * Security definer: sums must not depend on who may read the history of a deal that is gone by now.
 * They name no deal.
 */
create or replace function crm.pipeline_as_of(at timestamptz)
returns setof crm.pipeline_stage_total
language plpgsql
stable
strict
security definer
set search_path = pg_catalog, pg_temp
rows 10
as $$
declare
  v_erased bigint;
begin
  if at < crm.journal_kept_since() then
    raise exception 'the pipeline at % cannot be told: the journal is kept since %',
        at, crm.journal_kept_since()
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'timestamp',
            constraint = 'audit_logs_timestamp_retired',
            detail     = '{"at": ["is before what the journal still has"]}';
  end if;

  select min(id) into v_erased
  from crm.audit_logs
  where entity_type = 'deal'
    and "timestamp" > at
    and erased_at is not null
    and action = 'update';

  if v_erased is not null then
    raise exception 'the pipeline at % cannot be told: entry % of the journal has been erased',
        at, v_erased
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'changes',
            constraint = 'audit_logs_changes_erased',
            detail     = '{"at": ["is before values that have been erased for good"]}';
  end if;

  return query
    with since as (
      select
        entity_id,
        (array_agg(action order by id))[1] as first_action,
        bool_or(action = 'delete' and erased_at is not null) as is_purged,
        (array_agg(
          case action when 'update' then changes #>> '{stage,old}' else changes ->> 'stage' end
          order by id
        ) filter (where action <> 'create' and changes ? 'stage'))[1] as stage,
        (array_agg(
          case action when 'update' then changes #>> '{value,old}' else changes ->> 'value' end
          order by id
        ) filter (where action <> 'create' and changes ? 'value'))[1]::numeric as value,
        (array_agg(
          case action when 'update' then changes #>> '{currency,old}' else changes ->> 'currency' end
          order by id
        ) filter (where action <> 'create' and changes ? 'currency'))[1] as currency
      from crm.audit_logs
      where entity_type = 'deal'
        and "timestamp" > at
      group by entity_id
    ),
    deals as (
      select
        coalesce(since.stage, deal.stage, purged.was ->> 'stage')              as stage,
        coalesce(since.value, deal.value, (purged.was ->> 'value')::numeric)   as value,
        coalesce(since.currency, deal.currency, purged.was ->> 'currency')     as currency
      from crm.deals as deal
      full join since on since.entity_id = deal.id
      left join lateral crm_private.row_from_creation('deal', since.entity_id, at) as purged (was)
        on since.is_purged
      where since.first_action is distinct from 'create'
    ),
    stages as (
      select stage_was.name, stage_was.position
      from (
        select id from crm.pipeline_stages
        union
        select entity_id from crm.audit_logs
        where entity_type = 'pipeline_stage' and action = 'delete' and "timestamp" > at
      ) as known (id)
      cross join lateral crm.pipeline_stage_as_of(known.id, at) as stage_was
      where stage_was.id is not null
    ),
    totals as (
      select
        by_currency.stage,
        sum(by_currency.count)::bigint                              as count,
        sum(by_currency.value)                                      as value,
        jsonb_object_agg(by_currency.currency, by_currency.value)   as value_by_currency
      from (
        select deals.stage, deals.currency, count(*) as count, sum(deals.value) as value
        from deals
        group by deals.stage, deals.currency
      ) as by_currency
      group by by_currency.stage
    )
    select
      coalesce(stages.name, totals.stage),
      stages.position,
      coalesce(totals.count, 0),
      coalesce(totals.value, 0.00),
      coalesce(totals.value_by_currency, '{}')
    from stages
    full join totals on totals.stage = stages.name
    order by stages.position nulls last, 1;
end
$$;

comment on function crm.pipeline_as_of(timestamptz) is
  'The pipeline as it was at an instant: how many deals each stage had then, and their value.';

revoke all on function crm.pipeline_as_of(timestamptz) from public;
grant execute on function crm.pipeline_as_of(timestamptz) to crm_reader;

/*
 * Ends the restorability of what was deleted long enough ago; the setting says how long, if nothing is
 * given. Gives the number of deletions. Refuses a negative time.
 *
 * Security definer: nobody but the owner of the journal may change it.
 */
create or replace function crm.purge_trash(older_than interval default null)
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_older_than interval := coalesce(
    older_than, make_interval(days => crm.trash_retention_days())
  );
begin
  if v_older_than < interval '0' then
    raise exception 'purge_trash: older_than must not be negative'
      using errcode    = 'check_violation',
            schema     = 'crm', column = 'older_than',
            constraint = 'purge_trash_older_than_range',
            detail     = '{"olderThan": ["must not be negative"]}';
  end if;

  return crm_private.purge_deletions(clock_timestamp() - v_older_than);
end
$$;

comment on function crm.purge_trash(interval) is
  'Ends the restorability of what was deleted longer ago than this, or than trashRetentionDays if '
  'nothing is given: takes the values out of the entries for good, and leaves who deleted what, and '
  'when. Gives the number of deletions. For administrators.';

revoke all on function crm.purge_trash(interval) from public;
grant execute on function crm.purge_trash(interval) to crm_admin;

/*
 * Gives a value of an enum or a multi_enum another name: in its definition, the default included, and
 * in every row that has it, in one statement. These are updates: they raise the version, and the
 * journal has them under the name of who called this.
 *
 * The definition allows both names while the rows change, so the journal has two entries of it. Undoing
 * the transaction goes the same way back.
 *
 * Security definer: it reaches rows whatever policies hide of them.
 */
create or replace function crm.rename_custom_field_value(
  entity_type text,
  name        text,
  old_value   text,
  new_value   text
)
returns crm.custom_field_definitions
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_definition crm.custom_field_definitions;
  v_renamed    crm.custom_field_definitions;
  v_fault      record;
begin
  perform
    crm_private.refuse_null('entityType', entity_type),
    crm_private.refuse_null('name', name),
    crm_private.refuse_null('oldValue', old_value),
    crm_private.refuse_null('newValue', new_value);

  select * into v_definition
  from crm.custom_field_definitions as definition
  where definition.entity_type = rename_custom_field_value.entity_type
    and definition.name = rename_custom_field_value.name
  for update;

  if not found then
    perform crm_private.refuse_definition(
      'name', 'is not a custom field of this entity type', 'custom_field_definitions_name_known'
    );
  elsif (old_value = any (v_definition.enum_values)) is not true then
    perform crm_private.refuse_definition(
      'oldValue',
      crm_private.fault_message('%s is not a value of this field', to_jsonb(old_value)),
      'custom_field_definitions_enum_values_known'
    );
  elsif new_value = any (v_definition.enum_values) then
    perform crm_private.refuse_definition(
      'newValue',
      crm_private.fault_message('%s is a value of this field already', to_jsonb(new_value)),
      'custom_field_definitions_enum_values_distinct'
    );
  end if;

  -- What a value has to be like, its definition says.
  select fault.* into v_fault
  from crm_private.row_faults(
    'crm.custom_field_definitions',
    array[
      to_jsonb(v_definition) || jsonb_build_object('enum_values', jsonb_build_array(new_value))
    ]
  ) as fault
  where starts_with(fault.field, 'enumValues');

  if found then
    perform crm_private.refuse_definition('newValue', v_fault.message, v_fault.constraint_name);
  end if;

  update crm.custom_field_definitions as definition
  set enum_values = enum_values || new_value
  where definition.id = v_definition.id;

  -- Of one value and of a list of them alike: its elements, and the value again.
  execute format(
    'update %s as record
     set custom_fields = jsonb_set(record.custom_fields, array[$1], case
       when jsonb_typeof(record.custom_fields -> $1) = ''array'' then (
         select jsonb_agg(case when value = $2 then $3 else value end order by ordinal)
         from jsonb_array_elements_text(record.custom_fields -> $1) with ordinality
           as element (value, ordinal)
       )
       else to_jsonb($3)
     end)
     where record.custom_fields -> $1 ? $2',
    crm_private.entity_table(entity_type)
  ) using name, old_value, new_value;

  update crm.custom_field_definitions as definition
  set
    enum_values   = array_replace(v_definition.enum_values, old_value, new_value),
    default_value = case
      when jsonb_typeof(default_value) = 'array' then (
        select jsonb_agg(case when value = old_value then new_value else value end order by ordinal)
        from jsonb_array_elements_text(default_value) with ordinality as element (value, ordinal)
      )
      when default_value = to_jsonb(old_value) then to_jsonb(new_value)
      else default_value
    end
  where definition.id = v_definition.id
  returning definition.* into v_renamed;

  return v_renamed;
end
$$;

comment on function crm.rename_custom_field_value(text, text, text, text) is
  'Gives a value of a custom field of type enum or multi_enum another name, in the definition and in '
  'every row that has it. For administrators.';

revoke all on function crm.rename_custom_field_value(text, text, text, text) from public;
grant execute on function crm.rename_custom_field_value(text, text, text, text) to crm_admin;

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
        'pipeline_stage, exchange_rate',
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
  'in kept. entityType is contact, company, deal, task, note, custom_field_definition, pipeline_stage or '
  'exchange_rate.';

revoke all on function crm.restore_deleted(text, uuid) from public;
grant execute on function crm.restore_deleted(text, uuid) to crm_member;

/*
 * Revokes an API key: the next request that presents it is refused. One that was revoked before
 * stays as it is.
 *
 * Security definer: no client writes the table.
 */
create or replace function crm.revoke_api_key(id uuid)
returns crm.api_keys
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_api_key crm.api_keys;
begin
  if id is null then
    raise exception 'api_keys: id is required'
      using errcode = 'not_null_violation',
            schema  = 'crm', table = 'api_keys', column = 'id',
            detail  = '{"id": ["is required"]}';
  end if;

  update crm.api_keys as api_key
  set revoked_at = now()
  where api_key.id = revoke_api_key.id and api_key.revoked_at is null;

  select api_key.* into v_api_key
  from crm.api_keys as api_key
  where api_key.id = revoke_api_key.id;

  if not found then
    perform crm_private.refuse_missing('apiKey', id::text);
  end if;

  return v_api_key;
end
$$;

comment on function crm.revoke_api_key(uuid) is
  'Revokes an API key: the next request with it is refused. It cannot be undone.';

revoke all on function crm.revoke_api_key(uuid) from public;
grant execute on function crm.revoke_api_key(uuid) to crm_admin;

/*
 * Sets the currency that exchange rates are in. Refused while there are rates: they would mean something
 * else. Journalled, if it changes anything. The setting's row is locked, as who writes a rate locks
 * it, so no rate comes in beside the change.
 *
 * Security definer: the table of settings is the owner's.
 */
create or replace function crm.set_base_currency(currency text)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_old     text;
  v_message text;
begin
  perform crm_private.refuse_null('currency', currency);
  select base_currency into v_old from crm_private.settings for update;

  if currency = v_old then
    return currency;
  end if;

  v_message := case
    when currency <> all (crm.currencies()) then crm_private.fault_message(
      '%s is not an ISO 4217 currency code', to_jsonb(currency)
    )
    when exists (select from crm.exchange_rates) then format(
      'cannot be changed while there are exchange rates: %s',
      (select count(*) from crm.exchange_rates)
    )
  end;

  if v_message is not null then
    raise exception 'set_base_currency: currency %', v_message
      using errcode    = 'check_violation',
            schema     = 'crm', column = 'currency',
            constraint = case when currency = any (crm.currencies())
              then 'settings_base_currency_unused' else 'settings_base_currency_known'
            end,
            detail     = jsonb_build_object('currency', jsonb_build_array(v_message))::text,
            hint       = 'Delete the exchange rates first, and enter those to the new one.';
  end if;

  update crm_private.settings set base_currency = currency;
  perform crm_private.journal_event(
    'setting', 'update',
    jsonb_build_object('base_currency', jsonb_build_object('old', v_old, 'new', currency)),
    clock_timestamp()
  );

  return currency;
end
$$;

comment on function crm.set_base_currency(text) is
  'Sets the currency that exchange rates are in; refused while there are any. For administrators.';

revoke all on function crm.set_base_currency(text) from public;
grant execute on function crm.set_base_currency(text) to crm_admin;

/*
 * Sets for how long what was deleted can be restored. Refuses a number out of range. Journalled, if it
 * changes anything. Security definer: the table of settings is the owner's.
 */
create or replace function crm.set_trash_retention(days integer)
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_old integer;
begin
  if days not between 0 and 36500 then
    raise exception 'set_trash_retention: days must be from 0 to 36500'
      using errcode    = 'check_violation',
            schema     = 'crm', column = 'days',
            constraint = 'settings_trash_retention_days_range',
            detail     = '{"days": ["must be from 0 to 36500"]}';
  end if;

  select trash_retention_days into v_old from crm_private.settings for update;

  if days is distinct from v_old then
    update crm_private.settings set trash_retention_days = days;
    perform crm_private.journal_event(
      'setting', 'update',
      jsonb_build_object(
        'trash_retention_days', jsonb_build_object('old', v_old, 'new', days)
      ),
      clock_timestamp()
    );
  end if;

  return days;
end
$$;

comment on function crm.set_trash_retention(integer) is
  'Sets for how many days what was deleted can be restored, from 0 to 36500; null keeps it until '
  'somebody purges it. For administrators.';

revoke all on function crm.set_trash_retention(integer) from public;
grant execute on function crm.set_trash_retention(integer) to crm_admin;

/* The setting. Security definer: the table of settings is the owner's. */
create or replace function crm.trash_retention_days()
returns integer
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select trash_retention_days from crm_private.settings;
$$;

comment on function crm.trash_retention_days() is
  'For how many days what was deleted can be restored; then the server purges it. Null if it is '
  'kept until somebody purges it.';

revoke all on function crm.trash_retention_days() from public;
grant execute on function crm.trash_retention_days() to crm_reader;

/*
 * Undoes what one entry of the journal did to its row.
 *
 * Security definer: it reads the whole of the journal, and brings back rows under their own ids, which no
 * role may write. crm_private.carry_out_reversal checks that the caller could do by hand what it does.
 */
create or replace function crm.undo_entry(entry_id bigint, force boolean default false)
returns crm.reversal
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_transaction_id bigint := (
    select log.transaction_id from crm.audit_logs as log where log.id = entry_id
  );
begin
  perform crm_private.refuse_null('entryId', entry_id::text);

  if v_transaction_id is null then
    perform crm_private.refuse_missing('audit_log', entry_id::text);
  end if;

  perform crm_private.plan_reversal(v_transaction_id, array[entry_id], '{}', 'entryId');
  return crm_private.carry_out_reversal(coalesce(force, false), false);
end
$$;

comment on function crm.undo_entry(bigint, boolean) is
  'Undoes one entry of the journal: what it changed is put back, a row that it deleted is brought back, '
  'one that it created is deleted. Undoing is a change like others and can be undone. Where something was '
  'changed since, nothing is done and the code is CONFLICT; administrators can force it.';

revoke all on function crm.undo_entry(bigint, boolean) from public;
grant execute on function crm.undo_entry(bigint, boolean) to crm_member;

/*
 * Puts a field back to the value that it had before an entry of the journal. It is expected to have
 * still the value that it had after that entry. Nothing is done if it has the right value already.
 *
 * Security definer: it reads the whole of the journal. crm_private.carry_out_reversal checks that the caller
 * could do by hand what it does.
 */
create or replace function crm.undo_field(
  entity_type text,
  entity_id   uuid,
  field       text,
  entry_id    bigint,
  force       boolean default false
)
returns crm.reversal
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_xid    bigint := pg_current_xact_id()::text::bigint;
  v_field  text   := crm_private.journal_field(entity_type, field);
  v_action text;
  v_told   record;
begin
  perform
    crm_private.refuse_null('entityId', entity_id::text),
    crm_private.refuse_null('entryId', entry_id::text);

  select log.action into v_action
  from crm.audit_logs as log
  where log.entity_id = undo_field.entity_id
    and log.entity_type = undo_field.entity_type
    and log.id = undo_field.entry_id;

  if v_action is null then
    perform crm_private.refuse_missing('audit_log', entry_id::text);
  elsif v_action <> 'update' then
    perform crm_private.refuse_argument(
      'entryId',
      case v_action
        when 'create' then 'created the row, which had no value before'
        else 'deleted the row, which has to be restored first'
      end,
      'audit_logs_action_update'
    );
  end if;

  if exists (
    select from crm.audit_logs as log
    where log.entity_id = undo_field.entity_id
      and log.entity_type = undo_field.entity_type
      and log.id >= undo_field.entry_id
      and log.erased_at is not null
  ) then
    perform crm_private.refuse_argument(
      'entryId', 'has values that have been erased for good', 'audit_logs_changes_erased'
    );
  end if;

  -- The first change from that entry on tells what the field was before it.
  select
    (array_agg(log.changes #> array[v_field, 'old'] order by log.id))[1] as before,
    (array_agg(
      log.changes #> array[v_field, case log.id when undo_field.entry_id then 'new' else 'old' end]
      order by log.id
    ))[1] as after,
    jsonb_agg(log.id order by log.id) as ids
  into v_told
  from crm.audit_logs as log
  where log.entity_id = undo_field.entity_id
    and log.entity_type = undo_field.entity_type
    and log.id >= undo_field.entry_id
    and log.action = 'update'
    and log.changes ? v_field;

  if v_told.ids is not null then
    insert into crm_private.reversals
      (transaction_id, entity_type, entity_id, before, after, undoes)
    values (
      v_xid,
      undo_field.entity_type,
      undo_field.entity_id,
      jsonb_build_object(v_field, v_told.before),
      jsonb_build_object(v_field, v_told.after),
      jsonb_build_object('field', v_field, 'entries', v_told.ids)
    );
  end if;

  return crm_private.carry_out_reversal(coalesce(force, false), false);
end
$$;

comment on function crm.undo_field(text, uuid, text, bigint, boolean) is
  'Puts a field of a row back to the value that it had before an entry of the journal. A custom field is '
  'customFields.<name>. Undoing is a change like others and can be undone. Where the field was changed '
  'since, nothing is done and the code is CONFLICT; administrators can force it.';

revoke all on function crm.undo_field(text, uuid, text, bigint, boolean) from public;
grant execute on function crm.undo_field(text, uuid, text, bigint, boolean) to crm_member;

/*
 * Undoes everything that a transaction did, across entity types, all or nothing.
 *
 * Security definer: it reads the whole of the journal, and brings back rows under their own ids, which no
 * role may write. crm_private.carry_out_reversal checks that the caller could do by hand what it does.
 */
create or replace function crm.undo_transaction(transaction_id bigint, force boolean default false)
returns crm.reversal
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform crm_private.refuse_null('transactionId', transaction_id::text);

  if not exists (
    select from crm.audit_logs as log
    where log.transaction_id = undo_transaction.transaction_id
  ) then
    perform crm_private.refuse_missing('transaction', transaction_id::text);
  end if;

  perform crm_private.plan_reversal(
    transaction_id, null, jsonb_build_object('transactionId', transaction_id), 'transactionId'
  );
  return crm_private.carry_out_reversal(coalesce(force, false), false);
end
$$;

comment on function crm.undo_transaction(bigint, boolean) is
  'Undoes everything that one transaction did, such as a bulk edit or an import: what it changed is put '
  'back, what it deleted is brought back, what it created is deleted. Undoing is a change like others '
  'and can be undone. Where something was changed since, nothing is done and the code is CONFLICT; '
  'administrators can force it.';

revoke all on function crm.undo_transaction(bigint, boolean) from public;
grant execute on function crm.undo_transaction(bigint, boolean) to crm_member;

/*
 * Drops the index of a custom field, if there is one. Readers and writers of the entity wait until
 * the transaction ends; npx pgcrm field unindex does it without that.
 *
 * Security definer: only the owner of a table drops indexes of it.
 */
create or replace function crm.unindex_custom_field(entity_type text, name text)
returns crm.custom_field_definitions
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_definition crm.custom_field_definitions;
begin
  perform crm_private.claim_definitions(p_alone => true);
  v_definition := crm_private.custom_field(entity_type, name);
  execute format(
    'drop index if exists crm.%I', crm_private.custom_field_index_name(v_definition)
  );

  return v_definition;
end
$$;

comment on function crm.unindex_custom_field(text, text) is
  'Drops the index on a custom field. Nothing is done if there is none. For administrators.';

revoke all on function crm.unindex_custom_field(text, text) from public;
grant execute on function crm.unindex_custom_field(text, text) to crm_admin;

/*
 * Whether the journal is as it was written, to the eyes of whoever has the digest: seals what has
 * come, then compares. A large journal takes longer than a request may; the command line verifies it
 * without that limit.
 *
 * Security definer: the blocks are the owner's.
 */
create or replace function crm.verify_journal(digest text default null)
returns crm.journal_verdict
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform crm_private.seal_journal();
  return crm_private.check_journal(digest);
end
$$;

comment on function crm.verify_journal(text) is
  E'@behavior queryField -mutationField\n'
  'Compares the journal with its seals and names the first entry that was altered, removed or '
  'inserted behind the product''s back. Whoever could do that could change the seals too; give a '
  'digest that was kept elsewhere to find that as well. For administrators.';

revoke all on function crm.verify_journal(text) from public;
grant execute on function crm.verify_journal(text) to crm_admin;

drop function
  crm_private.base_currency,
  crm_private.check_custom_field_rule,
  crm_private.create_api_key,
  crm_private.erase_contact,
  crm_private.index_custom_field,
  crm_private.journal_digest,
  crm_private.journal_kept_since,
  crm_private.pipeline_as_of,
  crm_private.purge_trash,
  crm_private.rename_custom_field_value,
  crm_private.restore_deleted,
  crm_private.revoke_api_key,
  crm_private.set_base_currency,
  crm_private.set_trash_retention,
  crm_private.trash_retention_days,
  crm_private.undo_entry,
  crm_private.undo_field,
  crm_private.undo_transaction,
  crm_private.unindex_custom_field,
  crm_private.verify_journal,
  crm_private.caller_holds;

-- The index alone has the keys again. What returns whole rows is made anew without them.
drop function
  crm.contact_by_external_id, crm.company_by_external_id,
  crm.duplicate_group_contacts, crm.duplicate_group_companies;
drop index crm.contacts_match_keys, crm.companies_match_keys;
alter table crm.contacts drop column match_keys;
alter table crm.companies drop column match_keys;
select crm_private.bind_stamps('crm.contacts', 'contact');
select crm_private.bind_stamps('crm.companies', 'company');

-- Functions as they were. What rules are compiled by comes after what they call.

/* The history of a row: GraphQL's field history. Inlined, so that it is part of the query. */
create or replace function crm.api_keys_history(record crm.api_keys)
returns setof crm.audit_logs
language sql
stable
parallel safe
as $$
  select audit_log.*
  from crm.audit_logs as audit_log
  where audit_log.entity_id = record.id
  order by audit_log.id;
$$;

comment on function crm.api_keys_history(crm.api_keys) is
  'Everything that was done to it, the oldest first.';

revoke all on function crm.api_keys_history(crm.api_keys) from public;
grant execute on function crm.api_keys_history(crm.api_keys) to crm_admin;

/*
 * What a task or note became attached to by an entry of the journal, null if it says nothing of it.
 * An index of the journal stands on it.
 */
create or replace function crm_private.attached_to(action text, changes jsonb)
returns text
language sql
immutable
parallel safe
return case action
  when 'update' then changes #>> '{entity_id,new}'
  else changes ->> 'entity_id'
end;

comment on function crm_private.attached_to(text, jsonb) is
  'The id of what a task or note became attached to by an entry of the journal.';

revoke all on function crm_private.attached_to(text, jsonb) from public;

/*
 * Binds the journal to a table: makes crm_private.<table>_journal, compiled from the table's
 * columns, and the triggers that call it once for each statement.
 *
 * The changes of a created row are its values, those of a deleted row the whole old row. Those of
 * an updated row have a member for each column, and for each custom field, that changed. What an
 * entry says itself (which row, who and when) and what follows from it (the version, generated
 * columns) is left out, but for a deletion: it keeps all, so that the row can come back. What a change
 * undoes is its member @undoes, which no column is called like.
 *
 * Compiled, because the journal is paid for by every write: a generic comparison of whole rows costs
 * twice as much for inserts, three times for updates. Call it in the migration that adds or removes a column; a
 * test finds where that was forgotten.
 *
 * Its plans are kept for the session. One that was made for a row or two would join the old rows of a
 * bulk update to the new ones pair by pair, so nested loops are off.
 *
 * The trigger is security definer: nobody but the owner of the journal may write it.
 */
create or replace function crm_private.bind_journal(p_table regclass, p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_function text := format(
    'crm_private.%I', (select relname from pg_class where oid = p_table) || '_journal'
  );
  v_values  text;
  v_changes text;
  v_old     text;
  -- What the change of a row undoes: crm_private.carry_out_reversal has planned it.
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
    and attname <> all (
      '{id,version,created_at,updated_at,created_by,updated_by}'::name[]
    );

  select string_agg(format('old_row.%I', attname), ', ' order by attnum)
  into v_old
  from pg_attribute
  where attrelid = p_table
    and attnum > 0
    and not attisdropped
    and atttypid <> 'tsvector'::regtype;

  execute format(
    $function$
create or replace function %1$s()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
as $journal$
declare
  v_user_id text   := crm.current_user_id();
  v_source  text   := crm_private.current_source();
  v_xid     bigint := pg_current_xact_id()::text::bigint;
  v_undoes  boolean := current_setting('crm.reversing', true) = v_xid::text;
begin
  if tg_op = 'INSERT' then
    insert into crm.audit_logs
      (entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
    select
      %2$L, new_row.id, 'create', v_user_id,
      to_jsonb(new_values)
        -- What came back under its own id goes on where it was; that is not its time.
        || case when new_row.version = 1 then '{}' else jsonb_build_object(
          'version', new_row.version, 'created_at', new_row.created_at,
          'created_by', new_row.created_by, 'updated_by', new_row.updated_by
        ) end
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
$journal$
    $function$,
    v_function, p_entity_type, v_values, v_changes,
    format(v_undoes, 'new_row'), format(v_undoes, 'old_row'), v_old
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

/*
 * The hash of a block of sealed entries. It holds the hash of the block before, so whoever changes
 * one has to change all that follow. Salts are left out: erasure takes them away.
 */
create or replace function crm_private.block_hash(
  previous  bytea,
  number    bigint,
  sealed_at timestamptz,
  ids       bigint[],
  digests   bytea[]
)
returns bytea
language sql
stable
parallel safe
return sha256(
  previous || int8send(number) || timestamptz_send(sealed_at) || array_send(ids)
  || array_send(digests)
);

comment on function crm_private.block_hash(bytea, bigint, timestamptz, bigint[], bytea[]) is
  'SHA-256 of a block of sealed entries and of the hash of the block before it.';

revoke all on function crm_private.block_hash(bytea, bigint, timestamptz, bigint[], bytea[])
  from public;

/*
 * The role that a statement runs as, also within a security definer function, where current_user is
 * its owner. Whoever sets the role must be a member of it, so it can be believed.
 */
create or replace function crm_private.calling_role()
returns name
language sql
stable
parallel safe
return coalesce(nullif(current_setting('role'), 'none')::name, session_user);

comment on function crm_private.calling_role() is
  'The role that the statement runs as, also within a security definer function.';

revoke all on function crm_private.calling_role() from public;

/*
 * first_name -> firstName: from a column's name to the name that clients of the API know.
 * Called where an error names its fields.
 */
create or replace function crm_private.camel_case(name text)
returns text
language sql
immutable
parallel safe
return left(name, 1) || right(replace(initcap(replace(name, '_', ' ')), ' ', ''), -1);

comment on function crm_private.camel_case(text) is
  'The name a client of the API knows a column by: first_name becomes firstName.';

revoke all on function crm_private.camel_case(text) from public;
grant execute on function crm_private.camel_case(text) to crm_reader;

/*
 * The row with which a row is deleted, by the keys that are declared on delete cascade; null if there is
 * none. p_changes is the entry of a deletion. A test compares it with the foreign keys.
 */
create or replace function crm_private.cascade_parent(p_entity_type text, p_changes jsonb)
returns uuid
language sql
immutable
parallel safe
return case
  when p_entity_type = 'deal' then p_changes ->> 'company_id'
  when p_entity_type in ('task', 'note') then p_changes ->> 'entity_id'
end::uuid;

comment on function crm_private.cascade_parent(text, jsonb) is
  'The row with which a row is deleted, null if there is none.';

revoke all on function crm_private.cascade_parent(text, jsonb) from public;
grant execute on function crm_private.cascade_parent(text, jsonb) to crm_member;

/*
 * The companies that may be the same as one: GraphQL's field duplicates. Candidates share a key of
 * their name, or a domain, which is found where it stands: among the keys of companies or of their
 * contacts. Both indexes of match keys are used, and of each key 1,000 rows are looked at, as by
 * crm.contacts_duplicates.
 */
create or replace function crm.companies_duplicates(
  record    crm.companies,
  min_score double precision default 0.3
)
returns setof crm.duplicate
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  with keys as materialized (
    select key, null as domain
    from unnest(crm_private.company_keys(record.name, record.custom_fields)) as key
    where not starts_with(key, 'domain:')

    union all

    select 'domain:' || domain, domain
    from crm_private.company_domains(record) as domain
  ),
  candidates as (
    select other.id, keys.domain
    from keys
    cross join lateral (
      select company.id
      from crm.companies as company
      where crm_private.company_keys(company.name, company.custom_fields) && array[keys.key]
        and company.id <> record.id
      limit 1000
    ) as other

    union all

    select other.company_id, keys.domain
    from keys
    cross join lateral (
      select contact.company_id
      from crm.contacts as contact
      where crm_private.contact_keys(
          contact.first_name, contact.last_name, contact.emails, contact.phones
        ) && array[keys.key]
        and contact.company_id <> record.id
      limit 1000
    ) as other
    where keys.domain is not null
  )

  select duplicate.*
  from (select id, min(domain) as domain from candidates group by id) as candidate
  join crm.companies as other using (id)
  cross join lateral crm_private.duplicate(
    'company', other.id, null, null, candidate.domain,
    crm_private.name_similarity(
      crm_private.plain_company_name(record.name), crm_private.plain_company_name(other.name)
    )
  ) as duplicate
  where duplicate.score >= coalesce(min_score, 0.3)
  order by duplicate.score desc, duplicate.entity_id;
$$;

comment on function crm.companies_duplicates(crm.companies, double precision) is
  'The companies that may be the same, the likeliest first.';

revoke all on function crm.companies_duplicates(crm.companies, double precision) from public;
grant execute on function crm.companies_duplicates(crm.companies, double precision) to crm_reader;

/* The values that a field of a row had: GraphQL's field fieldHistory. */
create or replace function crm.companies_field_history(record crm.companies, field text)
returns setof crm.field_value
language sql
stable
strict
parallel safe
begin atomic
  select history.* from crm.field_history('company', record.id, field) as history;
end;

comment on function crm.companies_field_history(crm.companies, text) is
  'Every value that a field had, the oldest first: from when to when, who set it, and through what. A '
  'custom field is customFields.<name>.';

revoke all on function crm.companies_field_history(crm.companies, text) from public;
grant execute on function crm.companies_field_history(crm.companies, text) to crm_reader;

/* The history of a row: GraphQL's field history. Inlined, so that it is part of the query. */
create or replace function crm.companies_history(record crm.companies)
returns setof crm.audit_logs
language sql
stable
parallel safe
as $$
  select audit_log.*
  from crm.audit_logs as audit_log
  where audit_log.entity_id = record.id
  order by audit_log.id;
$$;

comment on function crm.companies_history(crm.companies) is
  'Everything that was done to it, the oldest first.';

revoke all on function crm.companies_history(crm.companies) from public;
grant execute on function crm.companies_history(crm.companies) to crm_reader;

/* Whether the history of a row has all of it, or begins with what was archived. */
create or replace function crm.companies_history_is_complete(record crm.companies)
returns boolean
language sql
stable
parallel safe
return record.created_at >= coalesce(crm.journal_kept_since(), '-infinity');

comment on function crm.companies_history_is_complete(crm.companies) is
  E'@notNull\n@behavior -filterBy -orderBy -aggregate -aggregate:filterBy -groupBy -havingBy\n'
  'Whether its history has everything that was done to it. If not, what was done before '
  'journalKeptSince has been archived.';

revoke all on function crm.companies_history_is_complete(crm.companies) from public;
grant execute on function crm.companies_history_is_complete(crm.companies) to crm_reader;

/*
 * A company as it was: what the row is, less what the journal has since then; crm_private.row_as_of does it.
 * Its body is bound when it is created, because readers cannot name what is in crm_private.
 */
create or replace function crm.company_as_of(id uuid, at timestamptz)
returns crm.companies
language sql
stable
strict
parallel safe
return (
  select jsonb_populate_record(
    null::crm.companies,
    crm_private.row_as_of(
      'company', company_as_of.id, company_as_of.at,
      (select to_jsonb(record) from crm.companies as record where record.id = company_as_of.id)
    )
  )
);

comment on function crm.company_as_of(uuid, timestamptz) is
  'The company as it was at an instant, with every column and custom field; null if there was none then. '
  'Relations lead to what they lead to now.';

revoke all on function crm.company_as_of(uuid, timestamptz) from public;
grant execute on function crm.company_as_of(uuid, timestamptz) to crm_reader;

/*
 * The company that carries an external id, by the key of crm_private.external_ids. Its body is bound when
 * it is created, because readers cannot name what is in crm_private.
 */
create or replace function crm.company_by_external_id(source text, id text)
returns crm.companies
language sql
stable
strict
parallel safe
begin atomic
  select record.*
  from crm_private.external_ids as held
  join crm.companies as record on record.id = held.entity_id
  where held.entity_type = 'company'
    and held.source = company_by_external_id.source
    and held.id = company_by_external_id.id;
end;

comment on function crm.company_by_external_id(text, text) is
  'The company that carries an external id; null if none does.';

revoke all on function crm.company_by_external_id(text, text) from public;
grant execute on function crm.company_by_external_id(text, text) to crm_reader;

/*
 * What a company is found by: its name (A), its address and the texts of its custom fields (C).
 * crm.companies.search_document is generated by it.
 *
 * Every row calls it. Every name in it is qualified.
 */
create or replace function crm_private.company_document(
  name          text,
  address       jsonb,
  custom_fields jsonb
)
returns tsvector
language plpgsql
immutable
parallel safe
as $$
begin
  return crm_private.search_name_vector(name)
    || crm_private.search_vector(crm_private.search_texts(address), 'C')
    || crm_private.search_vector(crm_private.search_texts(custom_fields), 'C');
end
$$;

comment on function crm_private.company_document(text, jsonb, jsonb) is
  'What a company is found by.';

revoke all on function crm_private.company_document(text, jsonb, jsonb) from public;
grant execute on function crm_private.company_document(text, jsonb, jsonb) to crm_member;

/*
 * The domains of a company: those that its custom fields name, and those of its contacts' email
 * addresses. Domains that belong to nobody in particular are none. Inlined.
 */
create or replace function crm_private.company_domains(company crm.companies)
returns setof text
language sql
stable
parallel safe
begin atomic
  select found.domain
  from jsonb_each_text(company.custom_fields) as field
  cross join lateral crm_private.domain_of(field.value) as found (domain)
  where company.custom_fields::text like '%.%'
    and found.domain <> all (crm_private.shared_domains())

  union

  select found.domain
  from crm.contacts as contact
  cross join lateral unnest(contact.emails) as email
  cross join lateral split_part(lower(email), '@', 2) as found (domain)
  where contact.company_id = company.id
    and found.domain <> all (crm_private.shared_domains());
end;

comment on function crm_private.company_domains(crm.companies) is
  'The domains that a company''s custom fields and its contacts'' addresses name.';

revoke all on function crm_private.company_domains(crm.companies) from public;
grant execute on function crm_private.company_domains(crm.companies) to crm_reader;

/*
 * The keys that a company may share with its duplicates, as crm_private.contact_keys makes them of a
 * contact. The index companies_match_keys stands on them.
 *
 * - name, head, tail: of the skeleton of its name without its legal form. Names end in words such as
 *   Solutions, so the tail is long enough to hold more than that.
 * - domain: of each custom field that holds nothing but a link, a host or an address. A company has
 *   further domains, those of its contacts' addresses, which are among the keys of the contacts.
 */
create or replace function crm_private.company_keys(name text, custom_fields jsonb)
returns text[]
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_name text := crm_private.name_skeleton(crm_private.plain_company_name(name));
begin
  return case
      when v_name <> '' then array[
        'name:' || left(v_name, 100), 'head:' || left(v_name, 5), 'tail:' || right(v_name, 8)
      ]
      else '{}'
    end
    || case
      when custom_fields::text like '%.%' then array(
        select 'domain:' || domain
        from jsonb_each_text(custom_fields) as field
        cross join lateral crm_private.domain_of(field.value) as domain
        where domain is not null
      )
    end;
end
$$;

comment on function crm_private.company_keys(text, jsonb) is
  'The keys that a company may share with its duplicates.';

revoke all on function crm_private.company_keys(text, jsonb) from public;
grant execute on function crm_private.company_keys(text, jsonb) to crm_reader;

/*
 * The pairs of companies that may be one, out of all companies, as crm_private.contact_links finds
 * those of contacts. Here domains are keys: of custom fields, and of the contacts' addresses.
 */
create or replace function crm_private.company_links(p_min_score double precision)
returns table (id uuid, other_id uuid, score double precision, reasons text[])
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
set join_collapse_limit = 1
set work_mem = '32MB'
as $$
  with addresses as (
    select distinct contact.company_id, 'domain:' || split_part(lower(email), '@', 2) as key
    from crm.contacts as contact
    cross join lateral unnest(contact.emails) as email
    where contact.company_id is not null
  ),
  companies as materialized (
    select
      row_number() over () as number,
      company.id,
      plain.name,
      crm_private.name_skeleton(plain.name) as skeleton,
      array(
        select key
        from unnest(
          crm_private.company_keys(company.name, company.custom_fields) || of_contacts.keys
        ) as key
        where not starts_with(key, 'domain:')
          or substr(key, 8) <> all (crm_private.shared_domains())
      ) as keys
    from crm.companies as company
    cross join lateral (
      select crm_private.plain_company_name(company.name) collate "C"
      offset 0
    ) as plain (name)
    left join (
      select company_id, array_agg(key) as keys from addresses group by company_id
    ) as of_contacts on of_contacts.company_id = company.id
  ),
  lines as (
    select
      number,
      array_agg(number) over (
        partition by hashtextextended(key, 0)
        order by case when starts_with(key, 'tail:') then reverse(name) else name end, number
        rows between 1 following and 4 following
      ) as neighbours
    from companies
    cross join lateral unnest(keys) as key
  ),
  pairs as (
    select distinct
      least(lines.number, neighbour.number) as one,
      greatest(lines.number, neighbour.number) as other
    from lines
    cross join lateral unnest(neighbours) as neighbour (number)
    where lines.number <> neighbour.number
  ),
  compared as materialized (
    select
      one.id,
      other.id as other_id,
      crm_private.name_likeness(
        one.name, other.name, one.skeleton, other.skeleton
      ) as name_similarity,
      exists (
        select
        from unnest(one.keys) as key
        where starts_with(key, 'domain:') and key = any (other.keys)
      ) as same_domain
    from pairs
    join companies as one on one.number = pairs.one
    join companies as other on other.number = pairs.other
  )

  select
    id,
    other_id,
    crm_private.duplicate_score('company', false, false, same_domain, name_similarity),
    crm_private.duplicate_reasons(false, false, same_domain, name_similarity)
  from compared
  where crm_private.duplicate_score('company', false, false, same_domain, name_similarity)
    >= p_min_score;
$$;

comment on function crm_private.company_links(double precision) is
  'The pairs of companies that may be one.';

revoke all on function crm_private.company_links(double precision) from public;
grant execute on function crm_private.company_links(double precision) to crm_reader;

/*
 * What two contacts have in common, as a candidate for the first one. Addresses are compared without
 * regard to case, domains only if they belong to somebody. Inlined.
 */
create or replace function crm_private.compare_contacts(contact crm.contacts, other crm.contacts)
returns setof crm.duplicate
language sql
stable
parallel safe
begin atomic
  select candidate.*
  from (
    select
      (
        select min(lower(mine))
        from unnest(contact.emails) as mine
        join unnest(other.emails) as theirs on lower(theirs) = lower(mine)
      ) as email,
      (
        select min(mine)
        from unnest(contact.phones) as mine
        join unnest(other.phones) as theirs
          on crm_private.same_phone(
            crm_private.phone_digits(mine), crm_private.phone_digits(theirs)
          )
      ) as phone,
      (
        select min(split_part(lower(mine), '@', 2))
        from unnest(contact.emails) as mine
        join unnest(other.emails) as theirs
          on split_part(lower(theirs), '@', 2) = split_part(lower(mine), '@', 2)
        where split_part(lower(mine), '@', 2) <> all (crm_private.shared_domains())
      ) as domain,
      crm_private.name_similarity(
        crm_private.plain_name(contact.first_name || ' ' || contact.last_name),
        crm_private.plain_name(other.first_name || ' ' || other.last_name)
      ) as name_similarity
  ) as common
  cross join lateral crm_private.duplicate(
    'contact', other.id, common.email, common.phone, common.domain, common.name_similarity
  ) as candidate;
end;

comment on function crm_private.compare_contacts(crm.contacts, crm.contacts) is
  'What two contacts have in common.';

revoke all on function crm_private.compare_contacts(crm.contacts, crm.contacts) from public;
grant execute on function crm_private.compare_contacts(crm.contacts, crm.contacts) to crm_reader;

/*
 * What hangs together in a graph of p_count nodes, 1 to p_count: for each node the least node that
 * paths lead to. The edge number i joins p_one[i] and p_other[i].
 *
 * A loop over rounds, each one statement over all edges. Every node takes the least label among its
 * neighbours', hands it to the node that its own label names, and jumps to the label of its label,
 * so a chain of any length is done in a number of rounds that grows with its logarithm.
 */
create or replace function crm_private.components(
  p_count integer,
  p_one   integer[],
  p_other integer[]
)
returns integer[]
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_labels integer[] := array(select generate_series(1, p_count));
  v_next   integer[];
begin
  loop
    v_next := array(
      select least(min(label), v_labels[node])
      from (
        select node, v_labels[node] as label from generate_series(1, p_count) as node
        union all
        select one, v_labels[other] from unnest(p_one, p_other) as edge (one, other)
        union all
        select other, v_labels[one] from unnest(p_one, p_other) as edge (one, other)
        union all
        select v_labels[one], v_labels[other] from unnest(p_one, p_other) as edge (one, other)
        union all
        select v_labels[other], v_labels[one] from unnest(p_one, p_other) as edge (one, other)
      ) as proposed (node, label)
      group by node
      order by node
    );
    v_next := array(select v_next[label] from unnest(v_next) with ordinality as l (label, node) order by node);
    exit when v_next = v_labels;
    v_labels := v_next;
  end loop;

  return v_labels;
end
$$;

comment on function crm_private.components(integer, integer[], integer[]) is
  'What hangs together in a graph: for each node the least one that it hangs together with.';

revoke all on function crm_private.components(integer, integer[], integer[]) from public;
grant execute on function crm_private.components(integer, integer[], integer[]) to crm_reader;

/*
 * A contact as it was: what the row is, less what the journal has since then; crm_private.row_as_of does it.
 * Its body is bound when it is created, because readers cannot name what is in crm_private.
 */
create or replace function crm.contact_as_of(id uuid, at timestamptz)
returns crm.contacts
language sql
stable
strict
parallel safe
return (
  select jsonb_populate_record(
    null::crm.contacts,
    crm_private.row_as_of(
      'contact', contact_as_of.id, contact_as_of.at,
      (select to_jsonb(record) from crm.contacts as record where record.id = contact_as_of.id)
    )
  )
);

comment on function crm.contact_as_of(uuid, timestamptz) is
  'The contact as it was at an instant, with every column and custom field; null if there was none then. '
  'Relations lead to what they lead to now.';

revoke all on function crm.contact_as_of(uuid, timestamptz) from public;
grant execute on function crm.contact_as_of(uuid, timestamptz) to crm_reader;

/*
 * The contact that carries an external id, by the key of crm_private.external_ids. Its body is bound when
 * it is created, because readers cannot name what is in crm_private.
 */
create or replace function crm.contact_by_external_id(source text, id text)
returns crm.contacts
language sql
stable
strict
parallel safe
begin atomic
  select record.*
  from crm_private.external_ids as held
  join crm.contacts as record on record.id = held.entity_id
  where held.entity_type = 'contact'
    and held.source = contact_by_external_id.source
    and held.id = contact_by_external_id.id;
end;

comment on function crm.contact_by_external_id(text, text) is
  'The contact that carries an external id; null if none does.';

revoke all on function crm.contact_by_external_id(text, text) from public;
grant execute on function crm.contact_by_external_id(text, text) to crm_reader;

/*
 * What a contact is found by: its name (A), the parts of its addresses and phone numbers (B) and the
 * texts of its custom fields (C). crm.contacts.search_document is generated by it.
 *
 * Every row calls it. Every name in it is qualified.
 */
create or replace function crm_private.contact_document(
  first_name    text,
  last_name     text,
  emails        text[],
  phones        text[],
  custom_fields jsonb
)
returns tsvector
language plpgsql
immutable
parallel safe
as $$
declare
  v_document pg_catalog.tsvector := crm_private.search_name_vector(first_name || ' ' || last_name)
    || crm_private.search_vector(
      pg_catalog.array_to_string(emails, ' ') || ' ' || pg_catalog.array_to_string(phones, ' '), 'B'
    );
begin
  if custom_fields <> '{}' then
    return v_document || crm_private.search_vector(crm_private.search_texts(custom_fields), 'C');
  end if;
  return v_document;
end
$$;

comment on function crm_private.contact_document(text, text, text[], text[], jsonb) is
  'What a contact is found by.';

revoke all on function crm_private.contact_document(text, text, text[], text[], jsonb) from public;
grant execute on function crm_private.contact_document(text, text, text[], text[], jsonb)
  to crm_member;

/*
 * The keys that a contact may share with its duplicates. Whoever shares one is compared, and nobody
 * else: the index contacts_match_keys stands on them.
 *
 * - name: the skeletons of both names, in either order; head and tail: how the two together begin
 *   and end, so that one error elsewhere does no harm.
 * - email: each address in lower case. Dots and plus signs stay: what they mean is the provider's
 *   affair.
 * - domain: of each address.
 * - phone: the last seven digits of each number, which are the same with and without area code.
 *
 * One expression over whole arrays, because every write of a contact pays for it: a subquery over
 * the elements costs four times as much.
 */
create or replace function crm_private.contact_keys(
  first_name text,
  last_name  text,
  emails     text[],
  phones     text[]
)
returns text[]
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_first  text := crm_private.name_skeleton(first_name);
  v_last   text := crm_private.name_skeleton(last_name);
  v_emails text := lower(array_to_string(emails, ' ') collate "C");
begin
  return case
      when v_first || v_last <> '' then array[
        'name:' || left(least(v_first, v_last) || greatest(v_first, v_last), 100),
        'head:' || left(v_first || v_last, 4),
        'tail:' || right(v_first || v_last, 5)
      ]
      else '{}'
    end
    || case
      when v_emails <> '' then
        string_to_array('email:' || replace(v_emails, ' ', ' email:'), ' ')
        || string_to_array(regexp_replace(v_emails, '[^ ]*@', 'domain:', 'g'), ' ')
    end
    || case
      when phones <> '{}' then string_to_array(
        regexp_replace(
          regexp_replace(array_to_string(phones, '|'), '[^0-9|]+', '', 'g'),
          '[0-9]*([0-9]{7})(?![0-9])', 'phone:\1', 'g'
        ),
        '|'
      )
    end;
end
$$;

comment on function crm_private.contact_keys(text, text, text[], text[]) is
  'The keys that a contact may share with its duplicates.';

revoke all on function crm_private.contact_keys(text, text, text[], text[]) from public;
grant execute on function crm_private.contact_keys(text, text, text[], text[]) to crm_reader;

/*
 * The pairs of contacts that may be one person, out of all contacts, with a score that reaches the
 * least one. Called by crm.duplicate_groups.
 *
 * Contacts are put in line for each key that they share, by name, and each is compared with the four
 * after it. So the work grows with the number of contacts, however many share a key, and a hundred
 * copies of one contact still hang together, neighbour by neighbour.
 *
 * Contacts are numbered and keys hashed, because most of the work is sorting.
 */
create or replace function crm_private.contact_links(p_min_score double precision)
returns table (id uuid, other_id uuid, score double precision, reasons text[])
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
-- Joined as written: how many pairs there will be is beyond the planner. Sorted in memory.
set join_collapse_limit = 1
set work_mem = '32MB'
as $$
  with contacts as materialized (
    select
      row_number() over () as number,
      contact.id,
      contact.phones,
      plain.name,
      crm_private.name_skeleton(plain.name) as skeleton,
      crm_private.contact_keys(
        contact.first_name, contact.last_name, contact.emails, contact.phones
      ) as keys
    from crm.contacts as contact
    cross join lateral (
      select crm_private.plain_name(contact.first_name || ' ' || contact.last_name) collate "C"
      offset 0
    ) as plain (name)
  ),
  lines as (
    select
      number,
      split_part(key, ':', 1) as kind,
      array_agg(number) over (
        partition by hashtextextended(key, 0)
        -- Where the key is the end of the name, those that end alike stand together.
        order by case when starts_with(key, 'tail:') then reverse(name) else name end, number
        rows between 1 following and 4 following
      ) as neighbours
    from contacts
    cross join lateral unnest(keys) as key
    where not starts_with(key, 'domain:')
  ),
  pairs as (
    select
      least(lines.number, neighbour.number) as one,
      greatest(lines.number, neighbour.number) as other,
      bool_or(kind = 'email') as same_email,
      bool_or(kind = 'phone') as maybe_same_phone
    from lines
    cross join lateral unnest(neighbours) as neighbour (number)
    where lines.number <> neighbour.number
    group by 1, 2
  ),
  compared as materialized (
    select *
    from (
      select
        pairs.*,
        crm_private.name_likeness(
          one.name, other.name, one.skeleton, other.skeleton
        ) as name_similarity
      from pairs
      join contacts as one on one.number = pairs.one
      join contacts as other on other.number = pairs.other
      offset 0
    ) as pair
    -- Rounding may lift a score by half a thousandth.
    where crm_private.duplicate_doubt(
      'contact', same_email, maybe_same_phone, true, name_similarity
    ) < 1.001 - p_min_score
  ),
  -- A domain of both, and a number that needs more than its end compared, are looked for only where
  -- they can tip the balance.
  judged as materialized (
    select
      one.id,
      other.id as other_id,
      same_email,
      maybe_same_phone and exists (
        select
        from unnest(one.phones) as phone
        join unnest(other.phones) as other_phone on crm_private.same_phone(
          crm_private.phone_digits(phone), crm_private.phone_digits(other_phone)
        )
      ) as same_phone,
      exists (
        select
        from unnest(one.keys) as key
        where starts_with(key, 'domain:')
          and key = any (other.keys)
          and substr(key, 8) <> all (crm_private.shared_domains())
      ) as same_domain,
      name_similarity
    from compared
    join contacts as one on one.number = compared.one
    join contacts as other on other.number = compared.other
  )

  select
    id,
    other_id,
    crm_private.duplicate_score('contact', same_email, same_phone, same_domain, name_similarity),
    crm_private.duplicate_reasons(same_email, same_phone, same_domain, name_similarity)
  from judged
  where crm_private.duplicate_score('contact', same_email, same_phone, same_domain, name_similarity)
    >= p_min_score;
$$;

comment on function crm_private.contact_links(double precision) is
  'The pairs of contacts that may be one person.';

revoke all on function crm_private.contact_links(double precision) from public;
grant execute on function crm_private.contact_links(double precision) to crm_reader;

/*
 * The words of a contact's name, each after a blank, and its phone numbers as digits alone: what
 * trigrams find parts of.
 * An index stands on it. Every name in it is qualified.
 */
create or replace function crm_private.contact_name_words(
  first_name text,
  last_name  text,
  phones     text[]
)
returns text
language plpgsql
immutable
strict
parallel safe
as $$
begin
  return crm_private.name_words(first_name || ' ' || last_name) || ' ' || pg_catalog.regexp_replace(
    pg_catalog.array_to_string(phones, ' ~ '), '[^0-9~]+', '', 'g'
  );
end
$$;

comment on function crm_private.contact_name_words(text, text, text[]) is
  'The words of a contact''s name, and the digits of its phone numbers.';

revoke all on function crm_private.contact_name_words(text, text, text[]) from public;
grant execute on function crm_private.contact_name_words(text, text, text[]) to crm_reader;

/*
 * The contacts that may be the same person as one: GraphQL's field duplicates. The index
 * contacts_match_keys finds those that share a key, and these are compared. A domain alone is no
 * key, because it leads to all colleagues.
 *
 * Of each key 1,000 contacts are looked at, so that it takes no longer where more share one; keys that say
 * much, such as an address, are shared by few. Only those that can reach the score are compared in full:
 * if nothing but a domain is added to their key and their name.
 */
create or replace function crm.contacts_duplicates(
  record    crm.contacts,
  min_score double precision default 0.3
)
returns setof crm.duplicate
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  with mine as materialized (
    select crm_private.plain_name(record.first_name || ' ' || record.last_name) as name
  ),
  candidates as materialized (
    select distinct candidate.id
    from unnest(
      crm_private.contact_keys(record.first_name, record.last_name, record.emails, record.phones)
    ) as key
    cross join lateral (
      select
        other.id,
        crm_private.plain_name(other.first_name || ' ' || other.last_name) as name
      from crm.contacts as other
      where crm_private.contact_keys(
          other.first_name, other.last_name, other.emails, other.phones
        ) && array[key]
        and other.id <> record.id
      limit 1000
    ) as candidate
    where not starts_with(key, 'domain:')
      and (
        starts_with(key, 'email:')
        or starts_with(key, 'phone:')
        or starts_with(key, 'name:')
        or crm_private.duplicate_doubt(
          'contact', false, false, true,
          extensions.similarity(candidate.name, (select name from mine))
        ) < 1.001 - coalesce(min_score, 0.3)
      )
  )

  select duplicate.*
  from candidates
  join crm.contacts as other using (id)
  cross join lateral crm_private.compare_contacts(record, other) as duplicate
  where duplicate.score >= coalesce(min_score, 0.3)
  order by duplicate.score desc, duplicate.entity_id;
$$;

comment on function crm.contacts_duplicates(crm.contacts, double precision) is
  'The contacts that may be the same person, the likeliest first.';

revoke all on function crm.contacts_duplicates(crm.contacts, double precision) from public;
grant execute on function crm.contacts_duplicates(crm.contacts, double precision) to crm_reader;

/* The values that a field of a row had: GraphQL's field fieldHistory. */
create or replace function crm.contacts_field_history(record crm.contacts, field text)
returns setof crm.field_value
language sql
stable
strict
parallel safe
begin atomic
  select history.* from crm.field_history('contact', record.id, field) as history;
end;

comment on function crm.contacts_field_history(crm.contacts, text) is
  'Every value that a field had, the oldest first: from when to when, who set it, and through what. A '
  'custom field is customFields.<name>.';

revoke all on function crm.contacts_field_history(crm.contacts, text) from public;
grant execute on function crm.contacts_field_history(crm.contacts, text) to crm_reader;

/* The history of a row: GraphQL's field history. Inlined, so that it is part of the query. */
create or replace function crm.contacts_history(record crm.contacts)
returns setof crm.audit_logs
language sql
stable
parallel safe
as $$
  select audit_log.*
  from crm.audit_logs as audit_log
  where audit_log.entity_id = record.id
  order by audit_log.id;
$$;

comment on function crm.contacts_history(crm.contacts) is
  'Everything that was done to it, the oldest first.';

revoke all on function crm.contacts_history(crm.contacts) from public;
grant execute on function crm.contacts_history(crm.contacts) to crm_reader;

/* Whether the history of a row has all of it, or begins with what was archived. */
create or replace function crm.contacts_history_is_complete(record crm.contacts)
returns boolean
language sql
stable
parallel safe
return record.created_at >= coalesce(crm.journal_kept_since(), '-infinity');

comment on function crm.contacts_history_is_complete(crm.contacts) is
  E'@notNull\n@behavior -filterBy -orderBy -aggregate -aggregate:filterBy -groupBy -havingBy\n'
  'Whether its history has everything that was done to it. If not, what was done before '
  'journalKeptSince has been archived.';

revoke all on function crm.contacts_history_is_complete(crm.contacts) from public;
grant execute on function crm.contacts_history_is_complete(crm.contacts) to crm_reader;

/*
 * The currencies that a deal may be in: the active codes of ISO 4217 (its table A.1), without
 * precious metals, test codes and bond market units; ANG and BGN, withdrawn in 2025 and 2026, stay
 * because deals were closed in them. The check of crm.deals uses it.
 */
create or replace function crm.currencies()
returns text[]
language sql
immutable
parallel safe
return string_to_array(
  'AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV '
  'BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK '
  'DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL '
  'HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT '
  'LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR '
  'MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF '
  'SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP '
  'TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG '
  'XDR XOF XPF YER ZAR ZMW ZWG',
  ' '
);

comment on function crm.currencies() is
  E'@notNull\nThe ISO 4217 codes that a deal can be in, for example USD.';

revoke all on function crm.currencies() from public;
grant execute on function crm.currencies() to crm_reader;

/*
 * What a change comes through: api, import or sql. Believed of the same sessions as crm.user_id.
 * Called by the journal.
 */
create or replace function crm_private.current_source()
returns text
language sql
stable
parallel safe
return case
  when current_setting('crm.source', true) = any (array['api', 'import'])
    and pg_has_role(session_user, 'crm_server', 'member')
  then current_setting('crm.source', true)
  else 'sql'
end;

comment on function crm_private.current_source() is
  'What a change comes through: api, import or sql.';

revoke all on function crm_private.current_source() from public;

/*
 * Who is asking. The server says it in the setting crm.user_id, for one transaction at a time.
 * Only sessions that may act as the server are believed; anyone else who logs in by themselves
 * is db:<their login role>, whatever they set. So nobody can write in another's name, and no
 * journal row is without one.
 *
 * The stamp of every row asks it, so it must inline: it names no search_path, and its body is
 * bound to its functions when it is created.
 */
create or replace function crm.current_user_id()
returns text
language sql
stable
parallel safe
return coalesce(
  case
    when current_setting('crm.user_id', true) <> ''
      and pg_has_role(session_user, 'crm_server', 'member')
    then current_setting('crm.user_id', true)
  end,
  'db:' || session_user
);

comment on function crm.current_user_id() is
  E'@notNull\nWho is asking: the subject of the token, key:<name> for an API key, or db:<login role> '
  'for a database session.';

revoke all on function crm.current_user_id() from public;
grant execute on function crm.current_user_id() to crm_reader;

/*
 * What differs between two objects of custom fields, as the journal writes it: a member called
 * custom_fields.<name> for each field, with its old and its new value; empty if nothing does.
 * Called by the journal's trigger for each row whose custom fields an update changed.
 */
create or replace function crm_private.custom_field_changes(p_old jsonb, p_new jsonb)
returns jsonb
language sql
immutable
parallel safe
return (
  select coalesce(
    jsonb_object_agg(
      'custom_fields.' || name,
      jsonb_build_object('old', old_field.value, 'new', new_field.value)
    ),
    '{}'
  )
  from jsonb_each(p_old) as old_field (name, value)
  full join jsonb_each(p_new) as new_field (name, value) using (name)
  where old_field.value is distinct from new_field.value
);

comment on function crm_private.custom_field_changes(jsonb, jsonb) is
  'What differs between two objects of custom fields: the old and the new value of each.';

revoke all on function crm_private.custom_field_changes(jsonb, jsonb) from public;

/*
 * A custom field definition as it was: what the row is, less what the journal has since then; crm_private.row_as_of does it.
 * One that was deleted before definitions could be unique was not.
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
    '{"is_unique": false}' || crm_private.row_as_of(
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

/* The values that a field of a row had: GraphQL's field fieldHistory. */
create or replace function crm.custom_field_definitions_field_history(record crm.custom_field_definitions, field text)
returns setof crm.field_value
language sql
stable
strict
parallel safe
begin atomic
  select history.* from crm.field_history('custom_field_definition', record.id, field) as history;
end;

comment on function crm.custom_field_definitions_field_history(crm.custom_field_definitions, text) is
  'Every value that a field had, the oldest first: from when to when, who set it, and through what.';

revoke all on function crm.custom_field_definitions_field_history(crm.custom_field_definitions, text) from public;
grant execute on function crm.custom_field_definitions_field_history(crm.custom_field_definitions, text) to crm_reader;

/* The history of a row: GraphQL's field history. Inlined, so that it is part of the query. */
create or replace function crm.custom_field_definitions_history(record crm.custom_field_definitions)
returns setof crm.audit_logs
language sql
stable
parallel safe
as $$
  select audit_log.*
  from crm.audit_logs as audit_log
  where audit_log.entity_id = record.id
  order by audit_log.id;
$$;

comment on function crm.custom_field_definitions_history(crm.custom_field_definitions) is
  'Everything that was done to it, the oldest first.';

revoke all on function crm.custom_field_definitions_history(crm.custom_field_definitions) from public;
grant execute on function crm.custom_field_definitions_history(crm.custom_field_definitions) to crm_reader;

/* Whether the history of a row has all of it, or begins with what was archived. */
create or replace function crm.custom_field_definitions_history_is_complete(record crm.custom_field_definitions)
returns boolean
language sql
stable
parallel safe
return record.created_at >= coalesce(crm.journal_kept_since(), '-infinity');

comment on function crm.custom_field_definitions_history_is_complete(crm.custom_field_definitions) is
  E'@notNull\n@behavior -filterBy -orderBy -aggregate -aggregate:filterBy -groupBy -havingBy\n'
  'Whether its history has everything that was done to it. If not, what was done before '
  'journalKeptSince has been archived.';

revoke all on function crm.custom_field_definitions_history_is_complete(crm.custom_field_definitions) from public;
grant execute on function crm.custom_field_definitions_history_is_complete(crm.custom_field_definitions) to crm_reader;

/* The custom fields among the fields of a planned reversal: {"custom_fields.size": 3} has {"size": 3}. */
create or replace function crm_private.custom_members(p_fields jsonb)
returns jsonb
language sql
immutable
parallel safe
return (
  select coalesce(jsonb_object_agg(substr(key, 15), value), '{}')
  from jsonb_each(p_fields)
  where key like 'custom\_fields.%'
);

comment on function crm_private.custom_members(jsonb) is
  'The custom fields among the fields of a planned reversal.';

revoke all on function crm_private.custom_members(jsonb) from public;

/*
 * A deal as it was: what the row is, less what the journal has since then; crm_private.row_as_of does it.
 * Its body is bound when it is created, because readers cannot name what is in crm_private.
 */
create or replace function crm.deal_as_of(id uuid, at timestamptz)
returns crm.deals
language sql
stable
strict
parallel safe
return (
  select jsonb_populate_record(
    null::crm.deals,
    crm_private.row_as_of(
      'deal', deal_as_of.id, deal_as_of.at,
      (select to_jsonb(record) from crm.deals as record where record.id = deal_as_of.id)
    )
  )
);

comment on function crm.deal_as_of(uuid, timestamptz) is
  'The deal as it was at an instant, with every column and custom field; null if there was none then. '
  'Relations lead to what they lead to now.';

revoke all on function crm.deal_as_of(uuid, timestamptz) from public;
grant execute on function crm.deal_as_of(uuid, timestamptz) to crm_reader;

/*
 * The deal that carries an external id, by the key of crm_private.external_ids. Its body is bound when
 * it is created, because readers cannot name what is in crm_private.
 */
create or replace function crm.deal_by_external_id(source text, id text)
returns crm.deals
language sql
stable
strict
parallel safe
begin atomic
  select record.*
  from crm_private.external_ids as held
  join crm.deals as record on record.id = held.entity_id
  where held.entity_type = 'deal'
    and held.source = deal_by_external_id.source
    and held.id = deal_by_external_id.id;
end;

comment on function crm.deal_by_external_id(text, text) is
  'The deal that carries an external id; null if none does.';

revoke all on function crm.deal_by_external_id(text, text) from public;
grant execute on function crm.deal_by_external_id(text, text) to crm_reader;

/*
 * What a deal is found by: its title (A) and the texts of its custom fields (C).
 * crm.deals.search_document is generated by it.
 *
 * Every row calls it. Every name in it is qualified.
 */
create or replace function crm_private.deal_document(title text, custom_fields jsonb)
returns tsvector
language plpgsql
immutable
parallel safe
as $$
begin
  return crm_private.search_name_vector(title)
    || crm_private.search_vector(crm_private.search_texts(custom_fields), 'C');
end
$$;

comment on function crm_private.deal_document(text, jsonb) is
  'What a deal is found by.';

revoke all on function crm_private.deal_document(text, jsonb) from public;
grant execute on function crm_private.deal_document(text, jsonb) to crm_member;

/* The values that a field of a row had: GraphQL's field fieldHistory. */
create or replace function crm.deals_field_history(record crm.deals, field text)
returns setof crm.field_value
language sql
stable
strict
parallel safe
begin atomic
  select history.* from crm.field_history('deal', record.id, field) as history;
end;

comment on function crm.deals_field_history(crm.deals, text) is
  'Every value that a field had, the oldest first: from when to when, who set it, and through what. A '
  'custom field is customFields.<name>.';

revoke all on function crm.deals_field_history(crm.deals, text) from public;
grant execute on function crm.deals_field_history(crm.deals, text) to crm_reader;

/* The history of a row: GraphQL's field history. Inlined, so that it is part of the query. */
create or replace function crm.deals_history(record crm.deals)
returns setof crm.audit_logs
language sql
stable
parallel safe
as $$
  select audit_log.*
  from crm.audit_logs as audit_log
  where audit_log.entity_id = record.id
  order by audit_log.id;
$$;

comment on function crm.deals_history(crm.deals) is
  'Everything that was done to it, the oldest first.';

revoke all on function crm.deals_history(crm.deals) from public;
grant execute on function crm.deals_history(crm.deals) to crm_reader;

/* Whether the history of a row has all of it, or begins with what was archived. */
create or replace function crm.deals_history_is_complete(record crm.deals)
returns boolean
language sql
stable
parallel safe
return record.created_at >= coalesce(crm.journal_kept_since(), '-infinity');

comment on function crm.deals_history_is_complete(crm.deals) is
  E'@notNull\n@behavior -filterBy -orderBy -aggregate -aggregate:filterBy -groupBy -havingBy\n'
  'Whether its history has everything that was done to it. If not, what was done before '
  'journalKeptSince has been archived.';

revoke all on function crm.deals_history_is_complete(crm.deals) from public;
grant execute on function crm.deals_history_is_complete(crm.deals) to crm_reader;

/*
 * Gives a new row the custom fields that it does not have: its argument is an object of defaults. A
 * field that is null is there, and will be removed. A row that an undo brings back stays as it was.
 * crm_private.compile_defaults binds it, with a condition that only lets rows through that lack one.
 */
create or replace function crm_private.default_custom_fields()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Only the owner may ask for the plan; who else sets the setting is refused.
  if current_setting('crm.reversing', true) = pg_current_xact_id()::text then
    if (crm_private.planned_reversal(new.id)).before ? 'id' then
      return new;
    end if;
  end if;

  new.custom_fields := tg_argv[0]::jsonb || new.custom_fields;
  return new;
end
$$;

comment on function crm_private.default_custom_fields() is
  'Gives a new row the defaults of the custom fields that it does not have.';

revoke all on function crm_private.default_custom_fields() from public;

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
    when 'exchange_rate' then (p_changes ->> 'currency') || ' ' || (p_changes ->> 'valid_from')
    else p_changes ->> 'name'
  end,
  100
);

comment on function crm_private.deleted_label(text, jsonb) is
  'What people recognise a deleted row by.';

revoke all on function crm_private.deleted_label(text, jsonb) from public;
grant execute on function crm_private.deleted_label(text, jsonb) to crm_member;

/*
 * The domain of a text that is a link, a host or an email address and nothing else, without www:
 * "https://www.acme.com/about" and "info@acme.com" are of acme.com. Null for any other text.
 */
create or replace function crm_private.domain_of(value text)
returns text
language sql
immutable
parallel safe
return case
  when char_length(value) <= 1000 then (
    regexp_match(
      lower(value collate "C"),
      '^\s*(?:https?://)?(?:[^\s@/]+@)?(?:www\.)?((?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,})'
      '(?::[0-9]+)?(?:[/?#]\S*)?\s*$'
    )
  )[1]
end;

comment on function crm_private.domain_of(text) is
  'The domain of a text that is a link, a host or an email address; null for any other text.';

revoke all on function crm_private.domain_of(text) from public;
grant execute on function crm_private.domain_of(text) to crm_reader;

/*
 * A candidate, made of what it has in common with the row that it is compared with. One of the two
 * ids is the candidate's. Inlined.
 */
create or replace function crm_private.duplicate(
  entity_type     text,
  entity_id       uuid,
  email           text,
  phone           text,
  domain          text,
  name_similarity real
)
returns setof crm.duplicate
language sql
immutable
parallel safe
begin atomic
  select
    entity_type,
    entity_id,
    case entity_type when 'contact' then entity_id end,
    case entity_type when 'company' then entity_id end,
    crm_private.duplicate_score(
      entity_type, email is not null, phone is not null, domain is not null, name_similarity
    ),
    crm_private.duplicate_reasons(
      email is not null, phone is not null, domain is not null, name_similarity
    ),
    email,
    phone,
    domain,
    round(name_similarity::numeric, 3)::double precision;
end;

comment on function crm_private.duplicate(text, uuid, text, text, text, real) is
  'A candidate, made of what it has in common with the row that it is compared with.';

revoke all on function crm_private.duplicate(text, uuid, text, text, text, real) from public;
grant execute on function crm_private.duplicate(text, uuid, text, text, text, real) to crm_reader;

/*
 * How likely two rows are not one, from 0 to 1, by what they have in common. Each reason leaves a doubt,
 * and the doubts multiply: (1 - email) * (1 - phone) * (1 - domain) * (1 - name * similarity).
 *
 * An address is nearly a proof; a number may be that of an office or a family; colleagues share a
 * domain, and so may two companies of a group. Names count from a similarity of 0.5 on. Inlined.
 */
create or replace function crm_private.duplicate_doubt(
  entity_type     text,
  same_email      boolean,
  same_phone      boolean,
  same_domain     boolean,
  name_similarity real
)
returns double precision
language sql
immutable
parallel safe
return case when same_email then 0.1::double precision else 1 end
  * case when same_phone then 0.5::double precision else 1 end
  * case
    when not same_domain then 1::double precision
    when entity_type = 'company' then 0.4
    else 0.8
  end
  * case
    when name_similarity >= 0.5::real
    then 1 - case entity_type when 'company' then 0.75::double precision else 0.6 end
      * name_similarity
    else 1
  end;

comment on function crm_private.duplicate_doubt(text, boolean, boolean, boolean, real) is
  'How likely two rows are not one, from 0 to 1, by what they have in common.';

revoke all on function crm_private.duplicate_doubt(text, boolean, boolean, boolean, real) from public;
grant execute on function crm_private.duplicate_doubt(text, boolean, boolean, boolean, real) to crm_reader;

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

/* What two rows have in common, the strongest first. Names do from a similarity of 0.5 on. */
create or replace function crm_private.duplicate_reasons(
  same_email      boolean,
  same_phone      boolean,
  same_domain     boolean,
  name_similarity real
)
returns text[]
language sql
immutable
parallel safe
return array_remove(
  array[
    case when same_email then 'email' end,
    case when same_phone then 'phone' end,
    case when same_domain then 'domain' end,
    case when name_similarity >= 0.5 then 'name' end
  ],
  null
);

comment on function crm_private.duplicate_reasons(boolean, boolean, boolean, real) is
  'What two rows have in common, the strongest first.';

revoke all on function crm_private.duplicate_reasons(boolean, boolean, boolean, real) from public;
grant execute on function crm_private.duplicate_reasons(boolean, boolean, boolean, real)
  to crm_reader;

/* How likely two rows are one, from 0 to 1, to three digits: what crm_private.duplicate_doubt leaves. */
create or replace function crm_private.duplicate_score(
  entity_type     text,
  same_email      boolean,
  same_phone      boolean,
  same_domain     boolean,
  name_similarity real
)
returns double precision
language sql
immutable
parallel safe
return round(
  (1 - crm_private.duplicate_doubt(entity_type, same_email, same_phone, same_domain, name_similarity))
    ::numeric,
  3
)::double precision;

comment on function crm_private.duplicate_score(text, boolean, boolean, boolean, real) is
  'How likely two rows are one, from 0 to 1, by what they have in common.';

revoke all on function crm_private.duplicate_score(text, boolean, boolean, boolean, real) from public;
grant execute on function crm_private.duplicate_score(text, boolean, boolean, boolean, real) to crm_reader;

/*
 * The digest of an entry of the journal: of every column, and of the values by their own digest. The
 * columns are in binary form, which does not depend on time zone or format of dates; the texts are
 * a JSON array, in which none can run into the next. erased_at is left out, because erasing must not
 * break the digest; crm_private.check_journal holds it against the entry that records the erasure.
 *
 * Asked of every row that is sealed or verified, so it must inline.
 */
create or replace function crm_private.entry_digest(
  id             bigint,
  entity_type    text,
  entity_id      uuid,
  action         text,
  user_id        text,
  "timestamp"    timestamptz,
  transaction_id bigint,
  source         text,
  payload        bytea
)
returns bytea
language sql
stable
parallel safe
return sha256(
  int8send(id) || timestamptz_send("timestamp") || uuid_send(entity_id) || int8send(transaction_id)
  || payload
  || convert_to(jsonb_build_array(entity_type, action, user_id, source)::text, 'UTF8')
);

comment on function crm_private.entry_digest(
  bigint, text, uuid, text, text, timestamptz, bigint, text, bytea
) is
  'SHA-256 of an entry of the journal, its values given by their own digest.';

revoke all on function crm_private.entry_digest(
  bigint, text, uuid, text, text, timestamptz, bigint, text, bytea
) from public;

/*
 * An exchange rate as it was: what the row is, less what the journal has since then; crm_private.row_as_of does it.
 * Its body is bound when it is created, because readers cannot name what is in crm_private.
 */
create or replace function crm.exchange_rate_as_of(id uuid, at timestamptz)
returns crm.exchange_rates
language sql
stable
strict
parallel safe
return (
  select jsonb_populate_record(
    null::crm.exchange_rates,
    crm_private.row_as_of(
      'exchange_rate', exchange_rate_as_of.id, exchange_rate_as_of.at,
      (select to_jsonb(record) from crm.exchange_rates as record where record.id = exchange_rate_as_of.id)
    )
  )
);

comment on function crm.exchange_rate_as_of(uuid, timestamptz) is
  'The exchange rate as it was at an instant, with every column and custom field; null if there was none then. '
  'Relations lead to what they lead to now.';

revoke all on function crm.exchange_rate_as_of(uuid, timestamptz) from public;
grant execute on function crm.exchange_rate_as_of(uuid, timestamptz) to crm_reader;

/* The values that a field of a row had: GraphQL's field fieldHistory. */
create or replace function crm.exchange_rates_field_history(record crm.exchange_rates, field text)
returns setof crm.field_value
language sql
stable
strict
parallel safe
begin atomic
  select history.* from crm.field_history('exchange_rate', record.id, field) as history;
end;

comment on function crm.exchange_rates_field_history(crm.exchange_rates, text) is
  'Every value that a field had, the oldest first: from when to when, who set it, and through what.';

revoke all on function crm.exchange_rates_field_history(crm.exchange_rates, text) from public;
grant execute on function crm.exchange_rates_field_history(crm.exchange_rates, text) to crm_reader;

/* The history of a row: GraphQL's field history. Inlined, so that it is part of the query. */
create or replace function crm.exchange_rates_history(record crm.exchange_rates)
returns setof crm.audit_logs
language sql
stable
parallel safe
as $$
  select audit_log.*
  from crm.audit_logs as audit_log
  where audit_log.entity_id = record.id
  order by audit_log.id;
$$;

comment on function crm.exchange_rates_history(crm.exchange_rates) is
  'Everything that was done to it, the oldest first.';

revoke all on function crm.exchange_rates_history(crm.exchange_rates) from public;
grant execute on function crm.exchange_rates_history(crm.exchange_rates) to crm_reader;

/* Whether the history of a row has all of it, or begins with what was archived. */
create or replace function crm.exchange_rates_history_is_complete(record crm.exchange_rates)
returns boolean
language sql
stable
parallel safe
return record.created_at >= coalesce(crm.journal_kept_since(), '-infinity');

comment on function crm.exchange_rates_history_is_complete(crm.exchange_rates) is
  E'@notNull\n@behavior -filterBy -orderBy -aggregate -aggregate:filterBy -groupBy -havingBy\n'
  'Whether its history has everything that was done to it. If not, what was done before '
  'journalKeptSince has been archived.';

revoke all on function crm.exchange_rates_history_is_complete(crm.exchange_rates) from public;
grant execute on function crm.exchange_rates_history_is_complete(crm.exchange_rates) to crm_reader;

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
  'what. entityType is contact, company, deal, task, note, custom_field_definition, pipeline_stage or '
  'exchange_rate; a custom field is customFields.<name>.';

revoke all on function crm.field_history(text, uuid, text) from public;
grant execute on function crm.field_history(text, uuid, text) to crm_reader;

/*
 * The fields that a broken constraint is about, each with its message: what the product's own error
 * says in its detail, or the rule's message, or, of an index that is nobody's rule, its columns.
 *
 * Security definer, because rules are not read by roles; it reads no rows.
 */
create or replace function crm_private.fields_of_violation(
  p_table      regclass,
  p_schema     text,
  p_constraint text,
  p_detail     text
)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_fields jsonb;
begin
  if p_schema = 'crm' and p_detail like '{%' then
    return p_detail::jsonb;
  end if;

  select jsonb_object_agg(
    rule.field, jsonb_build_array(crm_private.fault_message(rule.message, null))
  )
  into v_fields
  from crm_private.rules as rule
  where rule.table_oid = p_table and rule.constraint_name = p_constraint;

  if v_fields is null then
    select jsonb_object_agg(
      crm_private.camel_case(attribute.attname), '["has a value that is taken"]'::jsonb
    )
    into v_fields
    from pg_index as index
    join pg_attribute as attribute
      on attribute.attrelid = index.indrelid
      and (
        attribute.attnum = any (index.indkey)
        or strpos(pg_get_expr(index.indexprs, index.indrelid), attribute.attname) > 0
      )
    where index.indrelid = p_table
      and index.indexrelid = (
        select class.oid
        from pg_class as class
        where class.relname = p_constraint
          and class.relnamespace = (select relnamespace from pg_class where oid = p_table)
      )
      and attribute.attnum > 0;
  end if;

  return coalesce(
    v_fields, jsonb_build_object('row', jsonb_build_array('breaks the rule ' || p_constraint))
  );
end
$$;

comment on function crm_private.fields_of_violation(regclass, text, text, text) is
  'The fields that a broken constraint is about, each with its message.';

revoke all on function crm_private.fields_of_violation(regclass, text, text, text) from public;
grant execute on function crm_private.fields_of_violation(regclass, text, text, text)
  to crm_member;

/*
 * What a text is compared by where neither case nor accents count: "Zoë ÅNGSTRÖM" becomes
 * "zoe angstrom". Indexes stand on it.
 *
 * Immutable by what it names: the dictionary is fixed, and its rules change with a release of
 * PostgreSQL only; reindex then. Every write of a name pays for it, and most names are ASCII, which
 * has only its case to lose.
 */
create or replace function crm_private.fold(value text)
returns text
language plpgsql
immutable
strict
parallel safe
as $$
begin
  if pg_catalog.octet_length(value) = pg_catalog.char_length(value) then
    return pg_catalog.lower(value collate "C");
  end if;
  return pg_catalog.lower(
    extensions.unaccent('extensions.unaccent'::regdictionary, pg_catalog.normalize(value, 'NFKC'))
  );
end
$$;

comment on function crm_private.fold(text) is
  'The text in lower case and without accents.';

revoke all on function crm_private.fold(text) from public;
grant execute on function crm_private.fold(text) to crm_reader;

/* True if an element of an array is blank, as crm_private.is_blank means it. */
create or replace function crm_private.has_blank_element(value text[])
returns boolean
language sql
immutable
parallel safe
return (
  select coalesce(bool_or(crm_private.is_blank(element)), false) from unnest(value) as element
);

comment on function crm_private.has_blank_element(text[]) is
  'True if an element of the array is blank.';

revoke all on function crm_private.has_blank_element(text[]) from public;
grant execute on function crm_private.has_blank_element(text[]) to crm_member;

/*
 * True if an external id of a list lacks its source or its id, as crm_private.is_blank means it.
 * Checks call it only where there are any.
 */
create or replace function crm_private.has_blank_external_id(value crm.external_id[])
returns boolean
language sql
immutable
parallel safe
return (
  select coalesce(
    bool_or(
      crm_private.is_blank(coalesce(element.source, ''))
        or crm_private.is_blank(coalesce(element.id, ''))
    ),
    false
  )
  from unnest(value) as element
);

comment on function crm_private.has_blank_external_id(crm.external_id[]) is
  'True if an external id of the list lacks its source or its id.';

revoke all on function crm_private.has_blank_external_id(crm.external_id[]) from public;
grant execute on function crm_private.has_blank_external_id(crm.external_id[]) to crm_member;

/* True if a list has an external id twice. Checks call it only where there are several. */
create or replace function crm_private.has_duplicate_external_id(value crm.external_id[])
returns boolean
language sql
immutable
parallel safe
return (
  select count(*) <> count(distinct (element.source, element.id))
    filter (where element.source is not null or element.id is not null)
  from unnest(value) as element
);

comment on function crm_private.has_duplicate_external_id(crm.external_id[]) is
  'True if the list has an external id twice.';

revoke all on function crm_private.has_duplicate_external_id(crm.external_id[]) from public;
grant execute on function crm_private.has_duplicate_external_id(crm.external_id[]) to crm_member;

/* True if two elements of an array are equal. */
create or replace function crm_private.has_duplicates(value text[])
returns boolean
language sql
immutable
parallel safe
return (select count(*) <> count(distinct element) from unnest(value) as element);

comment on function crm_private.has_duplicates(text[]) is
  'True if two elements of the array are equal.';

revoke all on function crm_private.has_duplicates(text[]) from public;
grant execute on function crm_private.has_duplicates(text[]) to crm_member;

/*
 * True if an external id of a list has a source or an id with more characters than it may have.
 * Checks call it only where there are any.
 */
create or replace function crm_private.has_long_external_id(
  value      crm.external_id[],
  max_source integer,
  max_id     integer
)
returns boolean
language sql
immutable
parallel safe
return (
  select coalesce(
    bool_or(char_length(element.source) > max_source or char_length(element.id) > max_id), false
  )
  from unnest(value) as element
);

comment on function crm_private.has_long_external_id(crm.external_id[], integer, integer) is
  'True if an external id of the list has a longer source or a longer id.';

revoke all on function crm_private.has_long_external_id(crm.external_id[], integer, integer)
  from public;
grant execute on function crm_private.has_long_external_id(crm.external_id[], integer, integer)
  to crm_member;

/* Whether the caller may do what is for administrators, also within a security definer function. */
create or replace function crm_private.is_administrator()
returns boolean
language sql
stable
parallel safe
return pg_has_role(crm_private.calling_role(), 'crm_admin', 'usage')
  or pg_has_role(
    crm_private.calling_role(),
    (select nspowner from pg_catalog.pg_namespace where nspname = 'crm'),
    'usage'
  );

comment on function crm_private.is_administrator() is
  'True if the caller has the rights of an administrator.';

revoke all on function crm_private.is_administrator() from public;

/*
 * True if a text has nothing to see in it: white space of any script, and zero-width characters.
 * Used by every "must not be blank" check. Inlined, so it names no search_path of its own.
 */
create or replace function crm_private.is_blank(value text)
returns boolean
language sql
immutable
parallel safe
return not coalesce(pg_catalog.ascii(value) between 33 and 126, false) and pg_catalog.btrim(
  value,
  U&'\0009\000A\000B\000C\000D\0020\0085\00A0\1680\2000\2001\2002\2003\2004\2005\2006\2007'
  '\2008\2009\200A\200B\200C\200D\2028\2029\202F\205F\2060\3000\FEFF'
) = '';

comment on function crm_private.is_blank(text) is
  'True if the text is empty or holds only white space and zero-width characters.';

revoke all on function crm_private.is_blank(text) from public;
grant execute on function crm_private.is_blank(text) to crm_member;

/*
 * True if an array is a plain list: one dimension at most, none of its elements null, and not
 * more of them than the limit. Inlined.
 */
create or replace function crm_private.is_list(value text[], max_elements integer)
returns boolean
language sql
immutable
parallel safe
return pg_catalog.cardinality(value) <= max_elements
  and coalesce(pg_catalog.array_ndims(value), 1) = 1
  and pg_catalog.array_position(value, null) is null;

comment on function crm_private.is_list(text[], integer) is
  'True if the array has one dimension, no null element and at most max_elements elements.';

revoke all on function crm_private.is_list(text[], integer) from public;
grant execute on function crm_private.is_list(text[], integer) to crm_member;

/*
 * Whether a built-in field of a contact, a company or a deal has a name already, in the row itself, in
 * what filters, orders and groups it, or in what is written. A custom field of that name is served
 * under another, so that no name ever means two things. A field that is added to the product joins
 * the list; a test compares it with the API. On it, too, are the names of what every object of
 * JavaScript has, which would be found in an input that does not have them.
 */
create or replace function crm_private.is_reserved_field(p_field text)
returns boolean
language sql
immutable
parallel safe
return lower(p_field) = any (array[
    'address', 'and', 'closedate', 'company', 'companyexists', 'companyid', 'contact',
    'contactexists', 'contactid', 'contacts', 'contactsexist', 'count', 'createdat', 'createdby',
    'currency', 'customfields', 'deals', 'dealsexist', 'duplicates', 'emails', 'externalid',
    'externalids', 'fieldhistory', 'firstname', 'history', 'historyiscomplete', 'id', 'keys',
    'lastname', 'name', 'natural', 'nodeid', 'not', 'notes', 'notesexist', 'or', 'ownerid', 'phones',
    'pipelinestage', 'primarykey', 'probability', 'stage', 'stagehistory', 'stagehistoryexist',
    'tasks', 'tasksexist', 'title', 'updatedat', 'updatedby', 'value', 'version',
    'constructor', 'hasownproperty', 'isprototypeof', 'propertyisenumerable', 'tolocalestring',
    'tostring', 'valueof'
  ])
  -- Orders by what belongs to a row, as DEALS_SUM_VALUE_DESC, and groups, as CLOSE_DATE_TRUNCATED_TO_DAY.
  or lower(p_field) ~
    '^(contacts|deals|notes|stagehistory|tasks)(average|count|distinctcount|max|min|sum)'
  or lower(p_field) ~ 'truncatedto(day|hour|month|quarter|week|year)$';

comment on function crm_private.is_reserved_field(text) is
  'Whether a built-in field has a name already, so that no custom field is served under it.';

revoke all on function crm_private.is_reserved_field(text) from public;
grant execute on function crm_private.is_reserved_field(text) to crm_reader;

/* The columns of a table that the journal follows: those that crm_private.bind_journal compiles. */
create or replace function crm_private.journal_columns(p_table regclass)
returns name[]
language sql
stable
parallel safe
return (
  select array_agg(attname order by attnum)
  from pg_catalog.pg_attribute
  where attrelid = p_table
    and attnum > 0
    and not attisdropped
    and attgenerated = ''
    and attname <> all (
      '{id,version,created_at,updated_at,created_by,updated_by}'::name[]
    )
);

comment on function crm_private.journal_columns(regclass) is
  'The columns of a table whose changes the journal has.';

revoke all on function crm_private.journal_columns(regclass) from public;
grant execute on function crm_private.journal_columns(regclass) to crm_reader;

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
        'pipeline_stage, exchange_rate',
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

/*
 * What an entry of the journal tells, field by field: a row for each column and each custom field
 * (custom_fields.<name>), with the value before it and after it. A created row had none before, a
 * deleted one has none after. What an entry says of itself (@undoes) is no field.
 * Inlined where entries are undone.
 */
create or replace function crm_private.journal_fields(p_action text, p_changes jsonb)
returns table (field text, old jsonb, new jsonb)
language sql
immutable
parallel safe
begin atomic
  select
    told.key,
    case p_action when 'update' then told.value -> 'old' when 'delete' then told.value end,
    case p_action when 'update' then told.value -> 'new' when 'create' then told.value end
  from jsonb_each(
    p_changes - '@undoes' - case p_action when 'update' then '' else 'custom_fields' end
  ) as told

  union all

  select
    'custom_fields.' || custom.key,
    case p_action when 'delete' then custom.value end,
    case p_action when 'create' then custom.value end
  from jsonb_each(
    case when p_action <> 'update' then p_changes -> 'custom_fields' end
  ) as custom;
end;

comment on function crm_private.journal_fields(text, jsonb) is
  'The fields that an entry of the journal tells, with the value before and after it.';

revoke all on function crm_private.journal_fields(text, jsonb) from public;

/*
 * The number of characters of an array's longest element, 0 for an empty array.
 * Checks call it only for arrays whose elements are long together, so that the common row does
 * not pay for a subquery.
 */
create or replace function crm_private.longest_element(value text[])
returns integer
language sql
immutable
parallel safe
return (select coalesce(max(char_length(element)), 0) from unnest(value) as element);

comment on function crm_private.longest_element(text[]) is
  'The number of characters of the longest element, 0 for an empty array.';

revoke all on function crm_private.longest_element(text[]) from public;
grant execute on function crm_private.longest_element(text[]) to crm_member;

/* Objects put together into one; of members that several have, those of the later one count. */
create or replace function crm_private.merged(p_objects jsonb[])
returns jsonb
language sql
immutable
parallel safe
return (
  select jsonb_object_agg(member.key, member.value order by listed.ordinal)
  from unnest(p_objects) with ordinality as listed (object, ordinal)
  cross join lateral jsonb_each(listed.object) as member
);

comment on function crm_private.merged(jsonb[]) is
  'Objects put together into one; of members that several have, those of the later one count.';

revoke all on function crm_private.merged(jsonb[]) from public;
grant execute on function crm_private.merged(jsonb[]) to crm_member;

/*
 * How alike two plain names are, from 0 to 1: the share of trigrams that they have in common, and
 * 0.8 at least if they sound alike, that is, have one skeleton of four letters or more. Whoever compares
 * many takes the skeletons once. Inlined.
 */
create or replace function crm_private.name_likeness(
  plain_name     text,
  other_name     text,
  skeleton       text,
  other_skeleton text
)
returns real
language sql
immutable
parallel safe
return case
  when plain_name = other_name then 1
  when skeleton = other_skeleton and length(skeleton) >= 4
  then greatest(extensions.similarity(plain_name, other_name), 0.8::real)
  else extensions.similarity(plain_name, other_name)
end;

comment on function crm_private.name_likeness(text, text, text, text) is
  'How alike two plain names are, from 0 to 1.';

revoke all on function crm_private.name_likeness(text, text, text, text) from public;
grant execute on function crm_private.name_likeness(text, text, text, text) to crm_reader;

/* How alike two plain names are, from 0 to 1: crm_private.name_likeness of both. */
create or replace function crm_private.name_similarity(plain_name text, other_name text)
returns real
language sql
immutable
parallel safe
return crm_private.name_likeness(
  plain_name, other_name,
  crm_private.name_skeleton(plain_name), crm_private.name_skeleton(other_name)
);

comment on function crm_private.name_similarity(text, text) is
  'How alike two plain names are, from 0 to 1.';

revoke all on function crm_private.name_similarity(text, text) from public;
grant execute on function crm_private.name_similarity(text, text) to crm_reader;

/*
 * What is left of a name when everything goes that is easily heard or typed otherwise: accents,
 * vowels, h, w and y, spaces and punctuation. "Jon Smith" and "John Smyth" are both "jnsmt". A name
 * of which nothing is left stays, folded.
 *
 * Every write of a name pays for it, so it is one pass, without folding what is ASCII, and inlined.
 */
create or replace function crm_private.name_skeleton(name text)
returns text
language sql
immutable
parallel safe
return case
  when octet_length(name) = char_length(name)
  then coalesce(
    nullif(translate(lower(name collate "C"), 'aeiouhwy .,-''&/()', ''), ''),
    lower(name collate "C")
  )
  else coalesce(
    nullif(translate(crm_private.fold(name), 'aeiouhwy .,-''’&/()', ''), ''),
    crm_private.fold(name)
  )
end;

comment on function crm_private.name_skeleton(text) is
  'A name without what is easily heard or typed otherwise.';

revoke all on function crm_private.name_skeleton(text) from public;
grant execute on function crm_private.name_skeleton(text) to crm_reader;

/*
 * The words of a name, each after a blank: what trigrams find parts of. Indexes stand on it.
 * Every name in it is qualified.
 */
create or replace function crm_private.name_words(name text)
returns text
language plpgsql
immutable
strict
parallel safe
as $$
begin
  return ' ' || crm_private.search_words(name);
end
$$;

comment on function crm_private.name_words(text) is
  'The words of a name, each after a blank.';

revoke all on function crm_private.name_words(text) from public;
grant execute on function crm_private.name_words(text) to crm_reader;

/*
 * A note as it was: what the row is, less what the journal has since then; crm_private.row_as_of does it.
 * Its body is bound when it is created, because readers cannot name what is in crm_private.
 */
create or replace function crm.note_as_of(id uuid, at timestamptz)
returns crm.notes
language sql
stable
strict
parallel safe
return (
  select jsonb_populate_record(
    null::crm.notes,
    crm_private.row_as_of(
      'note', note_as_of.id, note_as_of.at,
      (select to_jsonb(record) from crm.notes as record where record.id = note_as_of.id)
    )
  )
);

comment on function crm.note_as_of(uuid, timestamptz) is
  'The note as it was at an instant, with every column and custom field; null if there was none then. '
  'Relations lead to what they lead to now.';

revoke all on function crm.note_as_of(uuid, timestamptz) from public;
grant execute on function crm.note_as_of(uuid, timestamptz) to crm_reader;

/*
 * The note that carries an external id, by the key of crm_private.external_ids. Its body is bound when
 * it is created, because readers cannot name what is in crm_private.
 */
create or replace function crm.note_by_external_id(source text, id text)
returns crm.notes
language sql
stable
strict
parallel safe
begin atomic
  select record.*
  from crm_private.external_ids as held
  join crm.notes as record on record.id = held.entity_id
  where held.entity_type = 'note'
    and held.source = note_by_external_id.source
    and held.id = note_by_external_id.id;
end;

comment on function crm.note_by_external_id(text, text) is
  'The note that carries an external id; null if none does.';

revoke all on function crm.note_by_external_id(text, text) from public;
grant execute on function crm.note_by_external_id(text, text) to crm_reader;

/* The values that a field of a row had: GraphQL's field fieldHistory. */
create or replace function crm.notes_field_history(record crm.notes, field text)
returns setof crm.field_value
language sql
stable
strict
parallel safe
begin atomic
  select history.* from crm.field_history('note', record.id, field) as history;
end;

comment on function crm.notes_field_history(crm.notes, text) is
  'Every value that a field had, the oldest first: from when to when, who set it, and through what.';

revoke all on function crm.notes_field_history(crm.notes, text) from public;
grant execute on function crm.notes_field_history(crm.notes, text) to crm_reader;

/* The history of a row: GraphQL's field history. Inlined, so that it is part of the query. */
create or replace function crm.notes_history(record crm.notes)
returns setof crm.audit_logs
language sql
stable
parallel safe
as $$
  select audit_log.*
  from crm.audit_logs as audit_log
  where audit_log.entity_id = record.id
  order by audit_log.id;
$$;

comment on function crm.notes_history(crm.notes) is
  'Everything that was done to it, the oldest first.';

revoke all on function crm.notes_history(crm.notes) from public;
grant execute on function crm.notes_history(crm.notes) to crm_reader;

/* Whether the history of a row has all of it, or begins with what was archived. */
create or replace function crm.notes_history_is_complete(record crm.notes)
returns boolean
language sql
stable
parallel safe
return record.created_at >= coalesce(crm.journal_kept_since(), '-infinity');

comment on function crm.notes_history_is_complete(crm.notes) is
  E'@notNull\n@behavior -filterBy -orderBy -aggregate -aggregate:filterBy -groupBy -havingBy\n'
  'Whether its history has everything that was done to it. If not, what was done before '
  'journalKeptSince has been archived.';

revoke all on function crm.notes_history_is_complete(crm.notes) from public;
grant execute on function crm.notes_history_is_complete(crm.notes) to crm_reader;

/*
 * The digest of an entry's values, salted: without the salt nobody can tell from it whether guessed
 * values are right, so it may stay when the values are erased. Called to seal, verify and erase.
 */
create or replace function crm_private.payload_digest(salt bytea, changes jsonb)
returns bytea
language sql
immutable
parallel safe
return sha256(salt || convert_to(changes::text, 'UTF8'));

comment on function crm_private.payload_digest(bytea, jsonb) is
  'SHA-256 of a salt and of what changed.';

revoke all on function crm_private.payload_digest(bytea, jsonb) from public;

/*
 * The digits of a phone number without the zeros before them, and without the zero in brackets that
 * is not dialled from abroad: "+49 (0) 30 1234567" and "0049 30 1234567" are both 49301234567. Empty
 * if it has none. Inlined.
 */
create or replace function crm_private.phone_digits(phone text)
returns text
language sql
immutable
parallel safe
return ltrim(regexp_replace(replace(phone, '(0)', ''), '[^0-9]+', '', 'g'), '0');

comment on function crm_private.phone_digits(text) is
  'The digits of a phone number without leading zeros.';

revoke all on function crm_private.phone_digits(text) from public;
grant execute on function crm_private.phone_digits(text) to crm_reader;

/*
 * A pipeline stage as it was: what the row is, less what the journal has since then; crm_private.row_as_of does it.
 * Its body is bound when it is created, because readers cannot name what is in crm_private.
 */
create or replace function crm.pipeline_stage_as_of(id uuid, at timestamptz)
returns crm.pipeline_stages
language sql
stable
strict
parallel safe
return (
  select jsonb_populate_record(
    null::crm.pipeline_stages,
    crm_private.row_as_of(
      'pipeline_stage', pipeline_stage_as_of.id, pipeline_stage_as_of.at,
      (select to_jsonb(record) from crm.pipeline_stages as record where record.id = pipeline_stage_as_of.id)
    )
  )
);

comment on function crm.pipeline_stage_as_of(uuid, timestamptz) is
  'The pipeline stage as it was at an instant, with every column and custom field; null if there was none then. '
  'Relations lead to what they lead to now.';

revoke all on function crm.pipeline_stage_as_of(uuid, timestamptz) from public;
grant execute on function crm.pipeline_stage_as_of(uuid, timestamptz) to crm_reader;

/* The values that a field of a row had: GraphQL's field fieldHistory. */
create or replace function crm.pipeline_stages_field_history(record crm.pipeline_stages, field text)
returns setof crm.field_value
language sql
stable
strict
parallel safe
begin atomic
  select history.* from crm.field_history('pipeline_stage', record.id, field) as history;
end;

comment on function crm.pipeline_stages_field_history(crm.pipeline_stages, text) is
  'Every value that a field had, the oldest first: from when to when, who set it, and through what.';

revoke all on function crm.pipeline_stages_field_history(crm.pipeline_stages, text) from public;
grant execute on function crm.pipeline_stages_field_history(crm.pipeline_stages, text) to crm_reader;

/* The history of a row: GraphQL's field history. Inlined, so that it is part of the query. */
create or replace function crm.pipeline_stages_history(record crm.pipeline_stages)
returns setof crm.audit_logs
language sql
stable
parallel safe
as $$
  select audit_log.*
  from crm.audit_logs as audit_log
  where audit_log.entity_id = record.id
  order by audit_log.id;
$$;

comment on function crm.pipeline_stages_history(crm.pipeline_stages) is
  'Everything that was done to it, the oldest first.';

revoke all on function crm.pipeline_stages_history(crm.pipeline_stages) from public;
grant execute on function crm.pipeline_stages_history(crm.pipeline_stages) to crm_reader;

/* Whether the history of a row has all of it, or begins with what was archived. */
create or replace function crm.pipeline_stages_history_is_complete(record crm.pipeline_stages)
returns boolean
language sql
stable
parallel safe
return record.created_at >= coalesce(crm.journal_kept_since(), '-infinity');

comment on function crm.pipeline_stages_history_is_complete(crm.pipeline_stages) is
  E'@notNull\n@behavior -filterBy -orderBy -aggregate -aggregate:filterBy -groupBy -havingBy\n'
  'Whether its history has everything that was done to it. If not, what was done before '
  'journalKeptSince has been archived.';

revoke all on function crm.pipeline_stages_history_is_complete(crm.pipeline_stages) from public;
grant execute on function crm.pipeline_stages_history_is_complete(crm.pipeline_stages) to crm_reader;

/*
 * A company's name as it is compared: plain, and without what says its legal form. "Acme Robotics
 * GmbH & Co. KG" becomes "acme robotics". A name that is nothing else stays. Inlined.
 */
create or replace function crm_private.plain_company_name(name text)
returns text
language sql
immutable
parallel safe
return regexp_replace(
  crm_private.plain_name(name),
  '(?: (?:ab|ag|aktiengesellschaft|ao|aps|as|asa|bhd|bv|bvba|co|company|corp|corporation|cv|doo|eg|'
  'eood|ev|gbr|gesmbh|gmbh|inc|incorporated|kabushiki kaisha|kft|kg|kgaa|kk|lda|limited|llc|llp|'
  'lp|ltd|ltda|mbh|nv|ohg|ood|ooo|oy|oyj|partg|plc|pte|pty|pvt|sa|sab|sae|sarl|sas|sasu|sdn|se|sl|'
  'slu|snc|spa|sp zoo|sp z oo|spol|spzoo|sro|srl|ug|vof|zrt))+$',
  ''
);

comment on function crm_private.plain_company_name(text) is
  'A company''s name as it is compared: plain, without its legal form.';

revoke all on function crm_private.plain_company_name(text) from public;
grant execute on function crm_private.plain_company_name(text) to crm_reader;

/*
 * A name as it is compared: folded, words apart by one space, without punctuation. "O'Neill, Zoë"
 * becomes "oneill zoe". Inlined.
 */
create or replace function crm_private.plain_name(name text)
returns text
language sql
immutable
parallel safe
return btrim(regexp_replace(
  regexp_replace(crm_private.fold(name), '[''.`´’]+', '', 'g'),
  '[[:space:]!-/:-@[-`{-~]+', ' ', 'g'
));

comment on function crm_private.plain_name(text) is
  'A name as it is compared: folded and without punctuation.';

revoke all on function crm_private.plain_name(text) from public;
grant execute on function crm_private.plain_name(text) to crm_reader;

/*
 * The columns that the report of an entity type has, custom fields aside: reporting.contacts,
 * reporting.companies and reporting.deals are compiled from them by crm_private.compile_report. The
 * names in the expressions are those of its from clause.
 */
create or replace function crm_private.report_columns(p_entity_type text)
returns table (ordinal integer, name text, expression text, comment text)
language sql
immutable
parallel safe
begin atomic
  select listed.ordinal, listed.name, listed.expression, listed.comment
  from (
    values
      ('contact', 1, 'id', 'contact.id', 'The id of the contact.'),
      ('contact', 2, 'name', 'contact.first_name || '' '' || contact.last_name',
        'First and last name.'),
      ('contact', 3, 'first_name', 'contact.first_name', 'The first name.'),
      ('contact', 4, 'last_name', 'contact.last_name', 'The last name.'),
      ('contact', 5, 'email', 'contact.emails[1]', 'The first email address, if any.'),
      ('contact', 6, 'emails', 'contact.emails', 'All email addresses.'),
      ('contact', 7, 'phone', 'contact.phones[1]', 'The first phone number, if any.'),
      ('contact', 8, 'phones', 'contact.phones', 'All phone numbers.'),
      ('contact', 9, 'company_id', 'contact.company_id', 'The id of the company.'),
      ('contact', 10, 'company', 'company.name', 'The name of the company.'),
      ('contact', 11, 'owner_id', 'contact.owner_id', 'The user who owns the contact.'),
      ('contact', 12, 'created_at', 'contact.created_at', 'When the contact was created.'),
      ('contact', 13, 'created_by', 'contact.created_by', 'Who created it.'),
      ('contact', 14, 'updated_at', 'contact.updated_at', 'When it was changed last.'),
      ('contact', 15, 'updated_by', 'contact.updated_by', 'Who changed it last.'),

      ('company', 1, 'id', 'company.id', 'The id of the company.'),
      ('company', 2, 'name', 'company.name', 'The name.'),
      ('company', 3, 'street', 'company.address ->> ''street''', 'The street.'),
      ('company', 4, 'city', 'company.address ->> ''city''', 'The city.'),
      ('company', 5, 'state', 'company.address ->> ''state''', 'The state.'),
      ('company', 6, 'postal_code', 'company.address ->> ''postalCode''', 'The postal code.'),
      ('company', 7, 'country', 'company.address ->> ''country''', 'The country.'),
      ('company', 8, 'owner_id', 'company.owner_id', 'The user who owns the company.'),
      ('company', 9, 'created_at', 'company.created_at', 'When the company was created.'),
      ('company', 10, 'created_by', 'company.created_by', 'Who created it.'),
      ('company', 11, 'updated_at', 'company.updated_at', 'When it was changed last.'),
      ('company', 12, 'updated_by', 'company.updated_by', 'Who changed it last.'),

      ('deal', 1, 'id', 'deal.id', 'The id of the deal.'),
      ('deal', 2, 'title', 'deal.title', 'The title.'),
      ('deal', 3, 'company_id', 'deal.company_id', 'The id of the company.'),
      ('deal', 4, 'company', 'company.name', 'The name of the company.'),
      ('deal', 5, 'contact_id', 'deal.contact_id', 'The id of the contact.'),
      ('deal', 6, 'contact', 'contact.first_name || '' '' || contact.last_name',
        'The name of the contact.'),
      ('deal', 7, 'value', 'deal.value', 'The value.'),
      ('deal', 8, 'currency', 'deal.currency', 'The currency of the value.'),
      ('deal', 9, 'stage', 'deal.stage', 'The name of the stage.'),
      ('deal', 10, 'stage_kind', 'stage.kind', 'The kind of the stage: open, won or lost.'),
      ('deal', 11, 'probability', 'deal.probability', 'How likely it is won, from 0 to 100.'),
      ('deal', 12, 'close_date', 'deal.close_date', 'When it closed, or is to close.'),
      ('deal', 13, 'owner_id', 'deal.owner_id', 'The user who owns the deal.'),
      ('deal', 14, 'created_at', 'deal.created_at', 'When the deal was created.'),
      ('deal', 15, 'created_by', 'deal.created_by', 'Who created it.'),
      ('deal', 16, 'updated_at', 'deal.updated_at', 'When it was changed last.'),
      ('deal', 17, 'updated_by', 'deal.updated_by', 'Who changed it last.')
  ) as listed (entity_type, ordinal, name, expression, comment)
  where listed.entity_type = p_entity_type;
end;

comment on function crm_private.report_columns(text) is
  'The columns that the report of an entity type has, custom fields aside.';

revoke all on function crm_private.report_columns(text) from public;

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

  -- A row that was deleted before there were any has none.
  v_row := '{"external_ids": []}' || v_row;

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
 * True if two phone numbers can be one, written with and without country or area code: one ends with
 * the other, which has seven digits at least. Of longer numbers the last ten decide, because trunk
 * prefixes differ from country to country. Inlined.
 */
create or replace function crm_private.same_phone(digits text, other_digits text)
returns boolean
language sql
immutable
parallel safe
return least(length(digits), length(other_digits)) >= 7
  and right(digits, least(length(digits), length(other_digits), 10))
    = right(other_digits, least(length(digits), length(other_digits), 10));

comment on function crm_private.same_phone(text, text) is
  'True if two phone numbers, given as digits, can be one.';

revoke all on function crm_private.same_phone(text, text) from public;
grant execute on function crm_private.same_phone(text, text) to crm_reader;

/*
 * A name as search indexes it: its words with weight A, and what misspelt ones have in common with
 * them. Every row calls it. Every name in it is qualified.
 */
create or replace function crm_private.search_name_vector(name text)
returns tsvector
language plpgsql
immutable
parallel safe
as $$
declare
  v_words pg_catalog.text := coalesce(crm_private.search_words(name), '');
begin
  return pg_catalog.setweight(pg_catalog.to_tsvector('pg_catalog.simple', v_words), 'A')
    || pg_catalog.array_to_tsvector(crm_private.search_neighbours(v_words));
end
$$;

comment on function crm_private.search_name_vector(text) is
  'The words of a name, and what misspelt ones have in common with them.';

revoke all on function crm_private.search_name_vector(text) from public;
grant execute on function crm_private.search_name_vector(text) to crm_member;

/*
 * What the words of a name have in common with words that differ from them by one typing error: each
 * word, and each word with one of its letters left out, after a tilde, which no word has. If one of
 * two words has a letter too many, too few or another one, or if two letters changed places, there
 * is something among these that both have. Two words side by side are there as one, too: Coca-Cola is
 * found by "cocacola".
 *
 * Compared with trigrams, which short words that differ have hardly any of in common: of 1,000,000
 * contacts 91,000 are similar enough to "jonh smiht" if "john smith" is to be.
 *
 * Letters are left out of words of four and more of them; words of more than 20 are passed over, and
 * those after the tenth. Every row calls it. Every name in it is qualified.
 */
create or replace function crm_private.search_neighbours(words text)
returns text[]
language plpgsql
immutable
strict
parallel safe
as $$
declare
  v_neighbours pg_catalog.text[] := '{}'::pg_catalog.text[];
  v_word       pg_catalog.text;
  v_previous   pg_catalog.text   := '';
  v_length     pg_catalog.int4;
  v_count      pg_catalog.int4   := 0;
begin
  foreach v_word in array pg_catalog.string_to_array(words, ' ') loop
    v_length := pg_catalog.length(v_word);
    continue when v_length not between 1 and 20;
    v_neighbours := v_neighbours || ('~' || v_word);
    if v_length > 3 and v_word !~ '[0-9]' then
      for v_left in 1 .. v_length loop
        v_neighbours := v_neighbours
          || ('~' || pg_catalog.left(v_word, v_left - 1) || pg_catalog.substr(v_word, v_left + 1));
      end loop;
    end if;
    if v_previous <> '' and pg_catalog.length(v_previous) + v_length <= 20 then
      v_neighbours := v_neighbours || ('~' || v_previous || v_word);
    end if;
    v_previous := v_word;
    v_count    := v_count + 1;
    exit when v_count = 10;
  end loop;
  return v_neighbours;
end
$$;

comment on function crm_private.search_neighbours(text) is
  'What words have in common with those that differ by one typing error.';

revoke all on function crm_private.search_neighbours(text) from public;
grant execute on function crm_private.search_neighbours(text) to crm_reader;

/*
 * The texts among the members of an object, such as custom fields or an address, one after the
 * other. Anything but an object has none: a generated column is computed before a check can refuse.
 */
create or replace function crm_private.search_texts(members jsonb)
returns text
language sql
immutable
parallel safe
return (
  select left(string_agg(member #>> '{}', ' '), 100000)
  from jsonb_path_query(members, 'strict $.* ? (@.type() == "string")', silent => true) as member
);

comment on function crm_private.search_texts(jsonb) is
  'The texts among the members of an object.';

revoke all on function crm_private.search_texts(jsonb) from public;
grant execute on function crm_private.search_texts(jsonb) to crm_reader;

/*
 * A text as search indexes it: its words, all with one weight. Without words if it is null.
 * Every row calls it. Every name in it is qualified.
 */
create or replace function crm_private.search_vector(value text, weight "char")
returns tsvector
language plpgsql
immutable
parallel safe
as $$
begin
  return pg_catalog.setweight(
    pg_catalog.to_tsvector('pg_catalog.simple', coalesce(crm_private.search_words(value), '')),
    weight
  );
end
$$;

comment on function crm_private.search_vector(text, "char") is
  'The words of a text, all with the same weight.';

revoke all on function crm_private.search_vector(text, "char") from public;
grant execute on function crm_private.search_vector(text, "char") to crm_member;

/*
 * The words of a text as search knows them: without case and accents, and with a blank for whatever
 * ASCII has beside letters and digits. What is indexed and what is looked for both pass through it,
 * so that an address is the sequence of its parts on either side. An apostrophe is dropped: O'Brien
 * is one word.
 *
 * Bounded, because PostgreSQL is: 100,000 characters are far from the megabyte that a tsvector holds,
 * and a word is cut long before the 2 kB of a lexeme. So nothing that a column can hold fails here,
 * whatever its checks will say.
 *
 * Every row calls it, and indexes stand on it. Every name in it is qualified.
 */
create or replace function crm_private.search_words(value text)
returns text
language plpgsql
immutable
strict
parallel safe
as $$
declare
  v_words pg_catalog.text := pg_catalog.translate(
    pg_catalog.left(crm_private.fold(pg_catalog.left(value, 100000)), 100000),
    '!"#$%&()*+,-./:;<=>?@[\]^_`{|}~''', '                               '
  );
begin
  if pg_catalog.octet_length(v_words) > 2000 then
    v_words := pg_catalog.regexp_replace(v_words, '([^ ]{255})[^ ]+', '\1', 'g');
  end if;
  return v_words;
end
$$;

comment on function crm_private.search_words(text) is
  'The words of a text, folded, with blanks between them.';

revoke all on function crm_private.search_words(text) from public;
grant execute on function crm_private.search_words(text) to crm_reader;

/*
 * The row whose deletion made an update: one that set a link to null, by the keys that are declared on
 * delete set null; null if the update did nothing of the kind. A test compares it with the foreign keys.
 */
create or replace function crm_private.severed_link(p_entity_type text, p_changes jsonb)
returns uuid
language sql
immutable
parallel safe
return case
  when p_entity_type = 'contact' and p_changes #> '{company_id,new}' = 'null'
  then p_changes #>> '{company_id,old}'
  when p_entity_type = 'deal' and p_changes #> '{contact_id,new}' = 'null'
  then p_changes #>> '{contact_id,old}'
end::uuid;

comment on function crm_private.severed_link(text, jsonb) is
  'The row whose deletion made an update that set a link to null; null if it was none.';

revoke all on function crm_private.severed_link(text, jsonb) from public;
grant execute on function crm_private.severed_link(text, jsonb) to crm_member;

/*
 * Domains that say nothing about whom somebody works for: mail for everyone, and networks where
 * companies have pages. An address or a link there makes no two contacts or companies alike.
 * Called where rows are compared; no index stands on it.
 */
create or replace function crm_private.shared_domains()
returns text[]
language sql
immutable
parallel safe
return string_to_array(
  '126.com 139.com 163.com aim.com alice.it aol.com aol.de arcor.de att.net bellsouth.net '
  'bigpond.com bluewin.ch btinternet.com chello.at comcast.net cox.net daum.net duck.com '
  'earthlink.net email.com email.cz fastmail.com fastmail.fm free.fr freemail.hu freenet.de '
  'gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net googlemail.com hanmail.net hey.com '
  'home.nl hotmail.co.uk hotmail.com hotmail.de hotmail.es hotmail.fr hotmail.it icloud.com '
  'inbox.lv inbox.ru interia.pl juno.com kpnmail.nl laposte.net libero.it list.ru live.co.uk '
  'live.com live.de live.fr live.nl mac.com mail.com mail.de mail.ru me.com msn.com naver.com '
  'o2.pl online.de onet.pl optonline.net orange.fr outlook.com outlook.de outlook.es outlook.fr '
  'posteo.de proton.me protonmail.com protonmail.ch qq.com rediffmail.com rocketmail.com '
  'rogers.com sbcglobal.net seznam.cz sfr.fr shaw.ca sina.com sky.com t-online.de telenet.be '
  'terra.com.br tiscali.it tuta.com tutanota.com ukr.net uol.com.br verizon.net virgilio.it '
  'virginmedia.com vodafone.de wanadoo.fr web.de wp.pl xtra.co.nz yahoo.ca yahoo.co.in '
  'yahoo.co.jp yahoo.co.uk yahoo.com yahoo.com.au yahoo.com.br yahoo.de yahoo.es yahoo.fr '
  'yahoo.in yahoo.it yandex.com yandex.ru yeah.net ymail.com zoho.com '
  'crunchbase.com facebook.com github.com gitlab.com google.com instagram.com linkedin.com '
  'medium.com pinterest.com t.me tiktok.com twitter.com vimeo.com wa.me wikipedia.org x.com '
  'xing.com youtu.be youtube.com',
  ' '
);

comment on function crm_private.shared_domains() is
  'Domains of mail for everyone and of networks, which make no two contacts or companies alike.';

revoke all on function crm_private.shared_domains() from public;
grant execute on function crm_private.shared_domains() to crm_reader;

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
      and p_entity_type not in ('task', 'note', 'pipeline_stage', 'exchange_rate')
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
 * A task as it was: what the row is, less what the journal has since then; crm_private.row_as_of does it.
 * Its body is bound when it is created, because readers cannot name what is in crm_private.
 */
create or replace function crm.task_as_of(id uuid, at timestamptz)
returns crm.tasks
language sql
stable
strict
parallel safe
return (
  select jsonb_populate_record(
    null::crm.tasks,
    crm_private.row_as_of(
      'task', task_as_of.id, task_as_of.at,
      (select to_jsonb(record) from crm.tasks as record where record.id = task_as_of.id)
    )
  )
);

comment on function crm.task_as_of(uuid, timestamptz) is
  'The task as it was at an instant, with every column and custom field; null if there was none then. '
  'Relations lead to what they lead to now.';

revoke all on function crm.task_as_of(uuid, timestamptz) from public;
grant execute on function crm.task_as_of(uuid, timestamptz) to crm_reader;

/*
 * The task that carries an external id, by the key of crm_private.external_ids. Its body is bound when
 * it is created, because readers cannot name what is in crm_private.
 */
create or replace function crm.task_by_external_id(source text, id text)
returns crm.tasks
language sql
stable
strict
parallel safe
begin atomic
  select record.*
  from crm_private.external_ids as held
  join crm.tasks as record on record.id = held.entity_id
  where held.entity_type = 'task'
    and held.source = task_by_external_id.source
    and held.id = task_by_external_id.id;
end;

comment on function crm.task_by_external_id(text, text) is
  'The task that carries an external id; null if none does.';

revoke all on function crm.task_by_external_id(text, text) from public;
grant execute on function crm.task_by_external_id(text, text) to crm_reader;

/* The values that a field of a row had: GraphQL's field fieldHistory. */
create or replace function crm.tasks_field_history(record crm.tasks, field text)
returns setof crm.field_value
language sql
stable
strict
parallel safe
begin atomic
  select history.* from crm.field_history('task', record.id, field) as history;
end;

comment on function crm.tasks_field_history(crm.tasks, text) is
  'Every value that a field had, the oldest first: from when to when, who set it, and through what.';

revoke all on function crm.tasks_field_history(crm.tasks, text) from public;
grant execute on function crm.tasks_field_history(crm.tasks, text) to crm_reader;

/* The history of a row: GraphQL's field history. Inlined, so that it is part of the query. */
create or replace function crm.tasks_history(record crm.tasks)
returns setof crm.audit_logs
language sql
stable
parallel safe
as $$
  select audit_log.*
  from crm.audit_logs as audit_log
  where audit_log.entity_id = record.id
  order by audit_log.id;
$$;

comment on function crm.tasks_history(crm.tasks) is
  'Everything that was done to it, the oldest first.';

revoke all on function crm.tasks_history(crm.tasks) from public;
grant execute on function crm.tasks_history(crm.tasks) to crm_reader;

/* Whether the history of a row has all of it, or begins with what was archived. */
create or replace function crm.tasks_history_is_complete(record crm.tasks)
returns boolean
language sql
stable
parallel safe
return record.created_at >= coalesce(crm.journal_kept_since(), '-infinity');

comment on function crm.tasks_history_is_complete(crm.tasks) is
  E'@notNull\n@behavior -filterBy -orderBy -aggregate -aggregate:filterBy -groupBy -havingBy\n'
  'Whether its history has everything that was done to it. If not, what was done before '
  'journalKeptSince has been archived.';

revoke all on function crm.tasks_history_is_complete(crm.tasks) from public;
grant execute on function crm.tasks_history_is_complete(crm.tasks) to crm_reader;

/*
 * The external ids of several rows in one list, in order. None is there twice, because no two rows
 * share one. p_lists is an array of arrays. Called where rows are merged.
 */
create or replace function crm_private.united_external_ids(p_lists jsonb)
returns jsonb
language sql
immutable
parallel safe
return (
  select coalesce(jsonb_agg(element.value order by list.row, element.position), '[]')
  from jsonb_array_elements(p_lists) with ordinality as list (value, row)
  cross join lateral jsonb_array_elements(list.value) with ordinality as element (value, position)
);

comment on function crm_private.united_external_ids(jsonb) is
  'The external ids of several rows in one list.';

revoke all on function crm_private.united_external_ids(jsonb) from public;
grant execute on function crm_private.united_external_ids(jsonb) to crm_member;

create index contacts_match_keys on crm.contacts
  using gin (crm_private.contact_keys(first_name, last_name, emails, phones));
create index companies_match_keys on crm.companies
  using gin (crm_private.company_keys(name, custom_fields));

-- What a function did, its view does no longer.

/*
 * What the view crm.stage_history shows. A function, because a view would read the journal as its
 * owner: here the policy of the journal decides for whoever asks. Inlined into the view, so that
 * the history of one deal is found by its id.
 */
create or replace function crm_private.staged()
returns table (
  entry_id   bigint,
  deal_id    uuid,
  stage      text,
  entered_at timestamptz,
  left_at    timestamptz,
  entered_by text,
  source     text
)
language sql
stable
begin atomic
  select
    period.id,
    period.entity_id,
    period.stage,
    period."timestamp",
    period.until,
    period.user_id,
    period.source
  from (
    select
      log.id,
      log.entity_id,
      log."timestamp",
      log.user_id,
      log.source,
      case log.action
        when 'create' then log.changes ->> 'stage'
        when 'update' then log.changes #>> '{stage,new}'
      end as stage,
      lead(log."timestamp") over (partition by log.entity_id order by log.id) as until
    from crm.audit_logs as log
    where log.entity_type = 'deal'
      and (log.action <> 'update' or log.changes ? 'stage')
  ) as period
  where period.stage is not null;
end;

comment on function crm_private.staged() is
  'The stages that deals were in, as far as the caller may read their history.';

revoke all on function crm_private.staged() from public;
grant execute on function crm_private.staged() to crm_reader;

/*
 * What the view crm.trash shows. A function, because a view would read the journal as its owner:
 * here the policy of the journal decides for whoever asks, so that members find what they deleted,
 * administrators all. Inlined into the view, so that nothing is computed that nobody asks for.
 *
 * The last deletion of a row counts, if the row is not back. What went with another row that is still
 * gone comes back with that one; what has been erased does not come back.
 */
create or replace function crm_private.trashed()
returns table (
  entity_type    text,
  id             uuid,
  label          text,
  deleted_at     timestamptz,
  deleted_by     text,
  cascaded_rows  bigint,
  transaction_id bigint,
  entry_id       bigint
)
language sql
stable
begin atomic
  select
    deletion.entity_type,
    deletion.entity_id,
    crm_private.deleted_label(deletion.entity_type, deletion.changes),
    deletion."timestamp",
    deletion.user_id,
    (
      select count(*) - 1
      from crm_private.taken_with(
        deletion.transaction_id, deletion.id, deletion.entity_type, deletion.entity_id,
        deletion.changes
      ) as taken
      where taken.action = 'delete'
    ),
    deletion.transaction_id,
    deletion.id
  from crm.audit_logs as deletion
  where deletion.action = 'delete'
    and deletion.erased_at is null
    and not crm_private.is_readable(deletion.entity_type, deletion.entity_id)
    and not exists (
      select
      from crm.audit_logs as later
      where later.entity_id = deletion.entity_id
        and later.action = 'delete'
        and later.id > deletion.id
    )
    and not exists (
      select
      from crm.audit_logs as parent
      where parent.entity_id = crm_private.cascade_parent(deletion.entity_type, deletion.changes)
        and parent.transaction_id = deletion.transaction_id
        and parent.action = 'delete'
        and parent.id < deletion.id
        and not crm_private.is_readable(parent.entity_type, parent.entity_id)
    );
end;

comment on function crm_private.trashed() is
  'What has been deleted and can be restored, as far as the caller may see it.';

revoke all on function crm_private.trashed() from public;
grant execute on function crm_private.trashed() to crm_member;

/* The stages that deals were in, and for how long. crm_private.staged reads them from the journal. */
create or replace view crm.stage_history as
  select
    staged.entry_id,
    staged.deal_id,
    staged.stage,
    staged.entered_at,
    staged.left_at,
    coalesce(staged.left_at, now()) - staged.entered_at as duration,
    staged.entered_by,
    staged.source
  from crm_private.staged() as staged;

do $invoker$
begin
  -- It reads functions only, which run as whoever asks in any case; before release 15 it cannot be said.
  if current_setting('server_version_num')::integer >= 150000 then
    alter view crm.stage_history set (security_invoker = true);
  end if;
end
$invoker$;

comment on view crm.stage_history is
  E'@primaryKey entry_id\n@name stage_period\n@behavior -single\n'
  '@foreignKey (deal_id) references crm.deals (id)|@fieldName deal|@foreignFieldName stageHistory\n'
  'The stages that deals were in: from when to when and for how long. The last of a deal lasts until now.';
comment on column crm.stage_history.entry_id is
  E'@notNull\nThe entry of the journal that tells when it began; it increases.';
comment on column crm.stage_history.deal_id is E'@notNull\nThe id of the deal.';
comment on column crm.stage_history.stage is E'@notNull\nThe name of the stage.';
comment on column crm.stage_history.entered_at is E'@notNull\nWhen the deal came into the stage.';
comment on column crm.stage_history.left_at is
  'When it left, or was deleted; null if it is still there.';
comment on column crm.stage_history.duration is
  E'@notNull\nHow long it was there, or has been there until now.';
comment on column crm.stage_history.entered_by is E'@notNull\nThe user who moved it there.';
comment on column crm.stage_history.source is
  E'@notNull\nWhat it was moved through: api, import or sql.';

grant select on crm.stage_history to crm_reader;

/* What has been deleted and can be restored. crm_private.trashed says what that is. */
create or replace view crm.trash as
  select
    trashed.entity_type,
    trashed.id,
    trashed.label,
    trashed.deleted_at,
    trashed.deleted_by,
    trashed.cascaded_rows,
    trashed.transaction_id,
    trashed.entry_id
  from crm_private.trashed() as trashed;

do $invoker$
begin
  -- It reads functions only, which run as whoever asks in any case; before release 15 it cannot be said.
  if current_setting('server_version_num')::integer >= 150000 then
    alter view crm.trash set (security_invoker = true);
  end if;
end
$invoker$;

comment on view crm.trash is
  E'@primaryKey entry_id\n@name trash_item\n@behavior -single\n'
  'What has been deleted and can be restored: members see what they deleted, administrators all. What '
  'went with another row comes back with it and is not listed by itself.';
comment on column crm.trash.entity_type is
  E'@notNull\nWhat it was: contact, company, deal, task, note, custom_field_definition, '
  'pipeline_stage or exchange_rate.';
comment on column crm.trash.id is E'@notNull\nThe id that it had and will have again.';
comment on column crm.trash.label is 'What to recognise it by: a name, a title, or the beginning of a text.';
comment on column crm.trash.deleted_at is E'@notNull\nWhen it was deleted.';
comment on column crm.trash.deleted_by is E'@notNull\nThe user who deleted it.';
comment on column crm.trash.cascaded_rows is
  E'@notNull\nHow many rows went with it, and come back with it.';
comment on column crm.trash.transaction_id is
  E'@notNull\nThe transaction that deleted it; undoing that brings back everything that it deleted.';
comment on column crm.trash.entry_id is E'@notNull\nThe entry of the journal that has it.';

grant select on crm.trash to crm_member;

revoke execute on function crm_private.is_administrator() from crm_reader;
revoke execute on function crm_private.calling_role() from crm_reader;

-- Rules and definitions are compiled the other way again.

/*
 * Binds the validation of a table. All the rules that a row can answer by itself become one
 * function, crm_private.<table>_hold, and a trigger function that asks it of every new row:
 * PostgreSQL plans the whole of it once a session as one expression, so a row that keeps the rules
 * costs neither a query nor a look at the catalog. A row that breaks one meets
 * crm_private.refuse_row, which finds every fault, or notes the row where many are written at once;
 * either way it is not written.
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
  -- crm.refusing is on where rows that cannot be written are asked for all their faults.
  if not %s(%s) or pg_catalog.current_setting('crm.refusing', true) = 'on' then
    perform crm_private.refuse_row(tg_relid, pg_catalog.to_jsonb(new));
    return null;
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

/*
 * Compiles the definitions of an entity type into crm_private.<table>_custom_fields_hold, which
 * the trigger that validates inlines: a row is checked without reading a definition; into the trigger
 * that gives new rows their defaults, the constraints of unique fields, a function of each field, and
 * the columns of its report. Called when the definitions of the type change; the caller has stopped
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

  perform crm_private.compile_defaults(p_entity_type);
  perform crm_private.compile_unique(p_entity_type);
  perform crm_private.compile_custom_field_functions(p_entity_type);
  perform crm_private.compile_report(p_entity_type);
end
$$;

comment on function crm_private.compile_custom_fields(text) is
  'Compiles the definitions of an entity type into the check, the defaults and the unique keys of '
  'its rows, into its functions and into its report.';

revoke all on function crm_private.compile_custom_fields(text) from public;

select crm_private.compile_custom_fields('contact');
select crm_private.compile_custom_fields('company');
select crm_private.compile_custom_fields('deal');

select crm_private.bind_rules('crm.contacts');
select crm_private.bind_rules('crm.companies');
select crm_private.bind_rules('crm.deals');
select crm_private.bind_rules('crm.tasks');
select crm_private.bind_rules('crm.notes');
select crm_private.bind_rules('crm.custom_field_definitions');
select crm_private.bind_rules('crm.pipeline_stages');
select crm_private.bind_rules('crm.exchange_rates');
select crm_private.bind_rules('crm.api_keys');

-- Roles belong to the cluster; those of the migration go, unless somebody set others.
do $timeouts$
declare
  v_setting record;
begin
  for v_setting in
    select setting.*
    from (
      values
        ('crm_server', 'statement_timeout', '20s'),
        ('crm_server', 'lock_timeout', '5s'),
        ('crm_server', 'idle_in_transaction_session_timeout', '10s'),
        ('crm_reporter', 'statement_timeout', '5min'),
        ('crm_reporter', 'lock_timeout', '5s'),
        ('crm_reporter', 'idle_in_transaction_session_timeout', '5min')
    ) as setting (role, name, value)
    join pg_roles on rolname = setting.role
    where setting.name || '=' || setting.value = any (rolconfig)
  loop
    begin
      execute format('alter role %I reset %I', v_setting.role, v_setting.name);
    exception when insufficient_privilege then
      raise warning 'only a role that administers % can reset its %', v_setting.role, v_setting.name;
    end;
  end loop;
end
$timeouts$;
