/*
 * Undoes the third migration, its chapters in reverse order; but what is compiled follows from all the
 * rest and comes after it.
 *
 * Lost are the API keys, the seals of the journal, and how long the trash is to be kept. Every row
 * stays, and every entry of the journal; administrators read those of keys, settings and the journal
 * itself. What was merged, undone, restored, erased or purged stays so, and an archived month stays
 * the table of its own that it became.
 */

-- Merging (81).

drop function crm.merge_companies, crm.merge_contacts, crm_private.united_custom_fields,
  crm_private.united, crm_private.check_merge;

drop type crm.company_merge, crm.contact_merge;

-- Duplicates (80).

drop index crm.contacts_match_keys, crm.companies_match_keys;

drop function crm.duplicate_group_companies, crm.duplicate_group_contacts, crm.duplicate_groups,
  crm.find_duplicates, crm.companies_duplicates, crm.contacts_duplicates, crm_private.components,
  crm_private.company_links, crm_private.contact_links, crm_private.company_domains,
  crm_private.compare_contacts, crm_private.duplicate, crm_private.duplicate_reasons,
  crm_private.duplicate_score, crm_private.duplicate_doubt, crm_private.refuse_entity_type, crm_private.company_keys,
  crm_private.contact_keys, crm_private.same_phone, crm_private.phone_digits,
  crm_private.name_similarity, crm_private.name_likeness, crm_private.name_skeleton, crm_private.plain_company_name,
  crm_private.plain_name, crm_private.domain_of, crm_private.shared_domains;

drop type crm.duplicate_group, crm.duplicate;

-- Search (70).

drop index crm.contacts_name_words, crm.companies_name_words, crm.deals_name_words;

alter table crm.contacts drop column search_document;
alter table crm.companies drop column search_document;
alter table crm.deals drop column search_document;
alter table crm.tasks drop column search_document;
alter table crm.notes drop column search_document;

drop function crm.search, crm_private.search_parts, crm_private.search_candidates,
  crm_private.search_extract, crm_private.search_query, crm_private.contact_name_words,
  crm_private.name_words, crm_private.contact_document, crm_private.company_document,
  crm_private.deal_document, crm_private.search_name_vector, crm_private.search_vector,
  crm_private.search_neighbours, crm_private.search_texts, crm_private.search_words;

drop type crm.search_hit;

create or replace function crm_private.fold(value text)
returns text
language sql
immutable
strict
parallel safe
return lower(extensions.unaccent('extensions.unaccent'::regdictionary, normalize(value, nfkc)));

revoke execute on all functions in schema extensions from crm_reader;
revoke usage on schema crm_private from crm_reader;

-- Functions that were checked (60).

create or replace function crm_private.apply_definitions(
  p_entity_type text,
  p_old         crm.custom_field_definitions[],
  p_new         crm.custom_field_definitions[]
)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  v_table   regclass := crm_private.entity_table(p_entity_type);
  v_plural  text     := (select relname from pg_class where oid = v_table);
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

create or replace function crm_private.bind_rules(p_table regclass)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  v_table    text := (select relname from pg_class where oid = p_table);
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

create or replace function crm_private.compile_custom_fields(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = ''
as $$
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
end
$$;

create or replace function crm_private.custom_field_faults(p_table regclass, p_custom_fields jsonb)
returns table (field text, message text, constraint_name text)
language plpgsql
stable
set search_path = ''
as $$
declare
  v_table text := (select relname from pg_class where oid = p_table);
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

create or replace function crm_private.definitions_changed()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_old crm.custom_field_definitions[] := '{}';
  v_new crm.custom_field_definitions[] := '{}';
begin
  if tg_op <> 'INSERT' then
    select coalesce(array_agg(old_row), '{}') into v_old
    from old_rows as old_row;
  end if;

  if tg_op <> 'DELETE' then
    select coalesce(array_agg(new_row), '{}') into v_new
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

-- The cap of definitions (51); crm_private.apply_definitions is what it was by the above.

drop function crm_private.max_custom_fields;

-- The paths of fields (50).

drop view crm_private.rules;
drop function crm_private.elements;

create view crm_private.rules as
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
      substring(description from '(?:^|\n)@column (\w+)\n') as client_column
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
    con.contype = 'c' and cardinality(con.conkey) = 1
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

create or replace function crm_private.elements(p_value jsonb)
returns table (ordinal bigint, value jsonb, alone jsonb)
language sql
immutable
parallel safe
set search_path = ''
as $$
  select element.ordinal, element.value, jsonb_build_array(element.value)
  from jsonb_array_elements(case jsonb_typeof(p_value) when 'array' then p_value end)
    with ordinality as element (value, ordinal)

  union all

  select member.ordinal, to_jsonb(member.key), jsonb_build_object(member.key, member.value)
  from jsonb_each(case jsonb_typeof(p_value) when 'object' then p_value end)
    with ordinality as member (key, value, ordinal);
$$;

comment on function crm_private.elements(jsonb) is
  'The elements of a JSON array or the members of an object, each with the value holding it alone.';

revoke all on function crm_private.elements(jsonb) from public;

create or replace function crm_private.row_faults(p_table regclass, p_row jsonb)
returns table (field text, message text, constraint_name text, column_name text)
language plpgsql
stable
set search_path = ''
as $$
declare
  v_faults text;
begin
  select
    string_agg(
      format(
        case
          when rule.per_element then
            'select %1$L, %2$L, %3$L, %4$L, %5$s, element.value, element.ordinal
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

create or replace function crm_private.refuse_row(p_table regclass, p_row jsonb)
returns void
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_table      text := (select relname from pg_class where oid = p_table);
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
    jsonb_object_agg(fault.field, fault.messages),
    string_agg(fault.field || ' ' || (fault.messages ->> 0), '; ' order by fault.ordinal),
    (array_agg(fault.constraint_name order by fault.ordinal))[1],
    (array_agg(fault.column_name order by fault.ordinal))[1]
  into v_fields, v_summary, v_constraint, v_column
  from (
    -- What is said of several elements in the same words is said once.
    select
      field,
      jsonb_agg(message order by ordinal)               as messages,
      min(ordinal)                                      as ordinal,
      (array_agg(constraint_name order by ordinal))[1]  as constraint_name,
      (array_agg(column_name order by ordinal))[1]      as column_name
    from (
      select distinct on (field, message) *
      from crm_private.row_faults(p_table, p_row) with ordinality as listed (
        field, message, constraint_name, column_name, ordinal
      )
      order by field, message, ordinal
    ) as distinct_faults
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

create or replace function crm.create_deal_with_tasks(deal crm.new_deal, tasks crm.new_task[])
returns crm.deals
language plpgsql
volatile
set search_path = ''
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
  from unnest(tasks) as task;

  return v_deal;
end
$$;

comment on constraint companies_address_object on crm.companies is
  'must be an object';
comment on constraint companies_address_keys on crm.companies is
  '%s is not one of street, city, state, postalCode, country';
comment on constraint companies_address_values on crm.companies is
  '%s must be a string';
comment on constraint companies_address_length on crm.companies is
  '%s must have at most 255 characters';
comment on constraint companies_custom_fields_object on crm.companies is
  'must be an object';

comment on constraint contacts_emails_list on crm.contacts is
  'must be a list of at most 100 addresses, none of them null';
comment on constraint contacts_emails_length on crm.contacts is
  '%s has more than 254 characters';
comment on constraint contacts_phones_list on crm.contacts is
  'must be a list of at most 100 numbers, none of them null';
comment on constraint contacts_phones_blank on crm.contacts is
  'must not hold a blank number';
comment on constraint contacts_phones_length on crm.contacts is
  '%s has more than 255 characters';
comment on constraint contacts_custom_fields_object on crm.contacts is
  'must be an object';

comment on constraint deals_custom_fields_object on crm.deals is
  'must be an object';

comment on constraint custom_field_definitions_enum_values_list on crm.custom_field_definitions is
  'must be a list of 1 to 1,000 values, none of them null';
comment on constraint custom_field_definitions_enum_values_blank on crm.custom_field_definitions is
  'must not hold a blank value';
comment on constraint custom_field_definitions_enum_values_length on crm.custom_field_definitions is
  '%s has more than 255 characters';
comment on constraint custom_field_definitions_enum_values_distinct on crm.custom_field_definitions is
  'must not hold a value twice';

-- The months of the journal (47).

drop function crm.contacts_history_is_complete, crm.companies_history_is_complete,
  crm.deals_history_is_complete, crm.tasks_history_is_complete, crm.notes_history_is_complete,
  crm.custom_field_definitions_history_is_complete, crm.pipeline_stages_history_is_complete,
  crm_private.maintain_journal, crm_private.archive_journal;

create or replace function crm_private.ensure_audit_partitions(p_months integer default 12)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  v_from timestamptz;
  v_to   timestamptz;
  v_name text;
begin
  -- Servers that start together do this one after the other.
  perform pg_advisory_xact_lock(hashtext('crm_private.ensure_audit_partitions'));

  for v_from in
    select month at time zone 'UTC'
    from generate_series(
      date_trunc('month', now() at time zone 'UTC'),
      date_trunc('month', now() at time zone 'UTC') + make_interval(months => p_months),
      interval '1 month'
    ) as month
    where to_regclass('crm_private.audit_logs_' || to_char(month, 'YYYY_MM')) is null
    order by month
  loop
    v_to   := (v_from at time zone 'UTC' + interval '1 month') at time zone 'UTC';
    v_name := 'audit_logs_' || to_char(v_from at time zone 'UTC', 'YYYY_MM');

    execute format(
      'create table crm_private.%I (like crm.audit_logs including defaults including constraints)',
      v_name
    );
    execute format('alter table crm_private.%I enable row level security', v_name);
    execute format(
      'create trigger _900_refuse_truncate before truncate on crm_private.%I '
      'for each statement execute function crm_private.refuse_truncate()',
      v_name
    );
    execute format(
      'comment on table crm_private.%I is %L',
      v_name, 'Entries of the journal of one month.'
    );
    execute format(
      'with moved as (
         delete from crm_private.audit_logs_other
         where "timestamp" >= $1 and "timestamp" < $2
         returning *
       )
       insert into crm_private.%I select * from moved',
      v_name
    ) using v_from, v_to;
    execute format(
      'alter table crm.audit_logs attach partition crm_private.%I for values from (%L) to (%L)',
      v_name, v_from, v_to
    );
  end loop;
end
$$;

-- Erasure and the purge of the trash (46).

drop function crm.erase_contact, crm.purge_trash, crm.set_trash_retention, crm.trash_retention_days,
  crm_private.refresh_statistics, crm_private.purge_deletions, crm_private.refuse_old_snapshot,
  crm_private.scrub_entries, crm_private.journal_tables, crm_private.journal_event;

-- A month that was archived has this index as its own.
drop function crm_private.attached_to cascade;

drop table crm_private.settings;

comment on column crm.audit_logs.entity_type is
  'What was changed: contact, company, deal, task, note, custom_field_definition or '
  'pipeline_stage.';
comment on column crm.audit_logs.action is
  'create, update or delete.';
comment on column crm.audit_logs.changes is
  'What changed. For an update a member for each column, or custom field (custom_fields.<name>), '
  'with its old and new value, as {"last_name": {"old": "Byron", "new": "Lovelace"}}. For a '
  'create the values of the new row, for a delete the whole old row.';

-- Seals (45).

drop function crm.verify_journal, crm.journal_digest, crm.journal_kept_since,
  crm_private.check_journal, crm_private.compare_entries, crm_private.broken_block,
  crm_private.archived_entries, crm_private.last_digest, crm_private.seal_journal,
  crm_private.block_hash, crm_private.entry_digest, crm_private.payload_digest;

drop type crm.journal_verdict;
drop table crm_private.journal_progress, crm_private.journal_blocks;

-- History, undoing and the trash (40).

drop view crm.stage_history, crm.trash;

alter policy audit_logs_select on crm.audit_logs
  using (crm_private.is_readable(entity_type, entity_id));

drop function crm.undo_transaction, crm.undo_entry, crm.undo_field, crm.restore_deleted,
  crm_private.staged, crm_private.trashed, crm_private.deleted_label, crm_private.taken_with,
  crm_private.severed_link, crm_private.cascade_parent, crm_private.carry_out_reversal,
  crm_private.reverse_rows, crm_private.settle_conflicts, crm_private.reversal_conflicts,
  crm_private.plan_reversal, crm_private.planned_reversal, crm_private.merged,
  crm_private.custom_members, crm_private.refuse_broken_link, crm_private.refuse_conflicts,
  crm_private.refuse_missing, crm_private.refuse_null, crm_private.is_administrator,
  crm_private.calling_role;

drop function crm.contacts_field_history, crm.companies_field_history, crm.deals_field_history,
  crm.tasks_field_history, crm.notes_field_history, crm.custom_field_definitions_field_history,
  crm.pipeline_stages_field_history, crm.field_history, crm_private.journal_field,
  crm_private.journal_columns, crm_private.journal_fields, crm_private.refuse_argument;

drop function crm.contact_as_of, crm.company_as_of, crm.deal_as_of, crm.task_as_of, crm.note_as_of,
  crm.custom_field_definition_as_of, crm.pipeline_stage_as_of, crm.pipeline_as_of,
  crm_private.row_as_of, crm_private.row_from_creation;

drop type crm.reversal, crm.pipeline_stage_total, crm.field_value;
drop table crm_private.reversals;
drop index crm.audit_logs_deleted, crm.audit_logs_transaction_id;

revoke execute on function crm_private.camel_case(text) from crm_reader;
revoke execute on function crm_private.entity_table(text) from crm_reader;
revoke execute on function crm_private.fault_message(text, jsonb) from crm_reader;

-- Statistics (35).

alter table crm.audit_logs alter column changes set statistics -1;

-- API keys (31).

drop function crm.create_api_key, crm.revoke_api_key, crm.api_keys_history,
  crm_private.authenticate_api_key;

drop type crm.issued_api_key;
drop table crm_private.api_key_hashes, crm.api_keys;

create or replace function crm_private.entity_table(p_entity_type text)
returns regclass
language sql
stable
set search_path = ''
as $$
  select case p_entity_type
    when 'contact' then 'crm.contacts'::regclass
    when 'company' then 'crm.companies'::regclass
    when 'deal'    then 'crm.deals'::regclass
    when 'task'    then 'crm.tasks'::regclass
    when 'note'    then 'crm.notes'::regclass
    when 'custom_field_definition' then 'crm.custom_field_definitions'::regclass
    when 'pipeline_stage'          then 'crm.pipeline_stages'::regclass
  end;
$$;

comment on function crm.current_user_id() is
  E'@notNull\nWho is asking: the subject of the token, or db:<login role> for a database session.';
comment on column crm.audit_logs.user_id is
  'Who did it: the subject of a token, or db:<login role> for a database session.';

-- What is compiled (90): stamps, rules and the journal.

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

comment on function crm_private.stamp_update() is
  'Sets version, updated_at and updated_by; refuses an outdated version.';

revoke all on function crm_private.stamp_update() from public;

create or replace trigger _110_stamp_update before update on crm.contacts
  for each row execute function crm_private.stamp_update('contact');
create or replace trigger _110_stamp_update before update on crm.companies
  for each row execute function crm_private.stamp_update('company');
create or replace trigger _110_stamp_update before update on crm.deals
  for each row execute function crm_private.stamp_update('deal');
create or replace trigger _110_stamp_update before update on crm.tasks
  for each row execute function crm_private.stamp_update('task');
create or replace trigger _110_stamp_update before update on crm.notes
  for each row execute function crm_private.stamp_update('note');
create or replace trigger _110_stamp_update before update on crm.custom_field_definitions
  for each row execute function crm_private.stamp_update('custom_field_definition');
create or replace trigger _110_stamp_update before update on crm.pipeline_stages
  for each row execute function crm_private.stamp_update('pipeline_stage');

drop function crm_private.contacts_stamp, crm_private.companies_stamp, crm_private.deals_stamp,
  crm_private.tasks_stamp, crm_private.notes_stamp, crm_private.custom_field_definitions_stamp,
  crm_private.pipeline_stages_stamp, crm_private.api_keys_stamp, crm_private.api_keys_hold,
  crm_private.api_keys_validate, crm_private.api_keys_journal, crm_private.bind_stamps,
  crm_private.refuse_update;

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

select crm_private.bind_journal('crm.contacts', 'contact');
select crm_private.bind_journal('crm.companies', 'company');
select crm_private.bind_journal('crm.deals', 'deal');
select crm_private.bind_journal('crm.tasks', 'task');
select crm_private.bind_journal('crm.notes', 'note');
select crm_private.bind_journal('crm.custom_field_definitions', 'custom_field_definition');
select crm_private.bind_journal('crm.pipeline_stages', 'pipeline_stage');

-- The search path (30).

do $search_path$
declare
  v_function regprocedure;
begin
  for v_function in
    select oid
    from pg_proc
    where pronamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
      and proconfig @> array['search_path=pg_catalog, pg_temp']
  loop
    execute format('alter function %s set search_path = ''''', v_function);
  end loop;

  if current_setting('server_version_num')::integer < 150000 then
    grant create on schema public to public;
  end if;
end
$search_path$;
