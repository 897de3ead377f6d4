/*
 * Undoes field paths and the cap of custom fields. The functions, the view and the messages are those
 * of the first migration.
 */


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

drop function crm_private.elements(jsonb);

/*
 * The elements of a JSON array or the members of a JSON object, in order: what a message quotes
 * (the element, or the member's key) and the array or object that holds it alone.
 * Anything else has no elements. Called by crm_private.row_faults.
 */
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

/*
 * Every fault of a row, given as jsonb: what crm_private.rules says of its table and, where it has
 * custom fields, what their definitions say.
 *
 * A rule about an array or an object is asked again with each of its elements alone, so that the
 * message can name the one at fault; if each of them is fine by itself, the fault is of the whole.
 *
 * Called by the trigger that validates, once a row is known to be faulty: cost does not matter.
 */
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

comment on function crm_private.row_faults(regclass, jsonb) is
  'Every fault of a row of the table: the field, the message, the rule and the column.';

revoke all on function crm_private.row_faults(regclass, jsonb) from public;

/*
 * Refuses a row, given as jsonb, with all its faults at once: the detail is an object of messages by
 * field, in the client's words. Called by the trigger that validates, for faulty rows only.
 *
 * Security definer, because it reads the catalog's rules, definitions and referenced rows whatever
 * policies hide of them; it changes nothing.
 */
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

comment on function crm_private.refuse_row(regclass, jsonb) is
  'Refuses a row that breaks a rule, with all its faults.';

revoke all on function crm_private.refuse_row(regclass, jsonb) from public;
grant execute on function crm_private.refuse_row(regclass, jsonb) to crm_member;

/*
 * A deal and its first tasks, all or nothing. A fault of a task refuses the deal too.
 * Runs with the caller's rights: whoever may create deals and tasks may call it.
 */
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

comment on function crm.create_deal_with_tasks(crm.new_deal, crm.new_task[]) is
  'Creates a deal together with its tasks: all of them, or nothing.';

revoke all on function crm.create_deal_with_tasks(crm.new_deal, crm.new_task[]) from public;
grant execute on function crm.create_deal_with_tasks(crm.new_deal, crm.new_task[]) to crm_member;

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

comment on function crm_private.apply_definitions(
  text, crm.custom_field_definitions[], crm.custom_field_definitions[]
) is
  'Applies changed definitions of an entity type to its rows; refuses what the rows contradict.';

revoke all on function crm_private.apply_definitions(
  text, crm.custom_field_definitions[], crm.custom_field_definitions[]
) from public;

drop function crm_private.max_custom_fields();

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
