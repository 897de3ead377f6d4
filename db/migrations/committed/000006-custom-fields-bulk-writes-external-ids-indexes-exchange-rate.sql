--! Previous: sha1:0b50fb6a2355a5688cf78614105cfef850ea526c
--! Hash: sha1:63d9f32718003b7081b0575c5a7c3af201e2a8a4
--! Message: custom fields, bulk writes, external ids, indexes, exchange rates, idempotency

--! split: 010-custom-fields.sql
/*
 * Why: custom fields should be fields of their type, in GraphQL as in SQL.
 * Locks: nothing but the catalog.
 * Undone by: revert/000006.sql.
 */

create schema crm_custom;
comment on schema crm_custom is
  'A function for each custom field: the value of the field in a row, of the field''s type. Made from '
  'the definitions.';
grant usage on schema crm_custom to crm_reader;

--! Included functions/custom_field_value.sql
/*
 * The value of one custom field as an SQL expression of the field's type over p_source, which names
 * the custom fields of a row: null where the field has no value. Immutable, so that an index can have
 * it; what the field's typed function and its index share, so that a query by one is answered by the
 * other.
 *
 * Rows keep their definitions, but the build of an index also reads versions of rows that are dead by
 * now, of a time when the field had another type: what is not of the type has no value.
 */
create or replace function crm_private.custom_field_value(
  p_definition crm.custom_field_definitions,
  p_source     text default 'custom_fields'
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format(
    case p_definition.field_type
      when 'number' then
        'case when jsonb_typeof(%2$s -> %1$L) = ''number'' then (%2$s -> %1$L)::numeric end'
      when 'boolean' then
        'case when jsonb_typeof(%2$s -> %1$L) = ''boolean'' then (%2$s -> %1$L)::boolean end'
      -- The cast of a text to a date depends on the session; this does not.
      when 'date' then
        'case when %2$s ->> %1$L ~ ''^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$'' '
        'then make_date('
        'left(%2$s ->> %1$L, 4)::integer, '
        'substr(%2$s ->> %1$L, 6, 2)::integer, '
        'right(%2$s ->> %1$L, 2)::integer) end'
      when 'multi_enum' then 'crm_private.texts(%2$s -> %1$L)'
      else '%2$s ->> %1$L'
    end,
    p_definition.name,
    p_source
  );
$$;

comment on function crm_private.custom_field_value(crm.custom_field_definitions, text) is
  'The value of a custom field as an SQL expression over custom_fields, of the type of the field.';

revoke all on function crm_private.custom_field_value(crm.custom_field_definitions, text)
  from public;
--! EndIncluded functions/custom_field_value.sql
--! Included functions/is_reserved_field.sql
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
--! EndIncluded functions/is_reserved_field.sql
--! Included functions/custom_field_names.sql
/*
 * Under which name the API serves each custom field, given all definitions of an entity type:
 * close_reason is closeReason. Where a built-in field has that name it is customTitle; where an older
 * definition has it, as close_reason and closeReason would both be, the younger's name ends with a
 * hash. Upper and lower case make no difference between two names, since orders and groups are
 * written in capitals.
 */
create or replace function crm_private.custom_field_names(
  p_definitions crm.custom_field_definitions[]
)
returns table (definition_id uuid, field_name text)
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select
    numbered.id,
    case when numbered.ordinal = 1 then numbered.free
      else numbered.free || '_' || left(md5(numbered.name), 8)
    end
  from (
    select
      definition.id,
      definition.name,
      named.free,
      row_number() over (
        partition by lower(named.free)
        order by definition.created_at, definition.name collate "C"
      ) as ordinal
    from unnest(p_definitions) as definition
    cross join lateral (
      select string_agg(
        case
          when ordinal > 1 then upper(left(part, 1)) || substr(part, 2)
          when part ~ '^[A-Z][a-z]' then lower(left(part, 1)) || substr(part, 2)
          else part
        end,
        '' order by ordinal
      )
      from string_to_table(definition.name, '_') with ordinality as parts (part, ordinal)
    ) as camel (name)
    cross join lateral (
      select case
        when crm_private.is_reserved_field(camel.name)
          then 'custom' || upper(left(camel.name, 1)) || substr(camel.name, 2)
        else camel.name
      end
    ) as named (free)
  ) as numbered;
$$;

comment on function crm_private.custom_field_names(crm.custom_field_definitions[]) is
  'Under which name the API serves each custom field, given all definitions of an entity type.';

revoke all on function crm_private.custom_field_names(crm.custom_field_definitions[]) from public;
grant execute on function crm_private.custom_field_names(crm.custom_field_definitions[]) to crm_reader;
--! EndIncluded functions/custom_field_names.sql
--! Included functions/custom_field_definitions_field_name.sql
/*
 * The name of the typed field that a definition makes; see crm_private.custom_field_names. It counts the
 * definition itself among those that are there, because the statement that creates it does not.
 */
create or replace function crm.custom_field_definitions_field_name(
  definition crm.custom_field_definitions
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select named.field_name
  from crm_private.custom_field_names(
    array(
      select other
      from crm.custom_field_definitions as other
      where other.entity_type = definition.entity_type and other.id <> definition.id
    ) || definition
  ) as named
  where named.definition_id = definition.id;
$$;

comment on function crm.custom_field_definitions_field_name(crm.custom_field_definitions) is
  'The name of the typed field that the definition makes on its entity type: close_reason is '
  'closeReason. Where a built-in field has that name already it begins with custom: customTitle.';

revoke all on function crm.custom_field_definitions_field_name(crm.custom_field_definitions)
  from public;
grant execute on function crm.custom_field_definitions_field_name(crm.custom_field_definitions)
  to crm_reader;
--! EndIncluded functions/custom_field_definitions_field_name.sql
--! Included functions/compile_custom_field_functions.sql
/*
 * Makes a function of each custom field of an entity type: crm_custom.deals_product(deal) is the value
 * of product, of the field's type. The API serves it as a field of deals, and SQL may call it; the
 * planner puts its expression in place of the call, so it costs nothing and an index on the
 * expression serves it. Called when the definitions of the type change.
 *
 * The functions stand in a schema of their own, so that none can take the name of one of ours. One that
 * is used by somebody's view cannot go: refused, rather than dropping the view, too.
 */
create or replace function crm_private.compile_custom_field_functions(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '3s'
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_table       regclass := crm_private.entity_table(p_entity_type);
  v_definitions crm.custom_field_definitions[] := array(
    select definition
    from crm.custom_field_definitions as definition
    where definition.entity_type = p_entity_type
  );
  v_wanted      jsonb;
  v_gone        text;
begin
  select coalesce(
    jsonb_object_agg(
      format('crm_custom.%I(%s)', listed.function_name, v_table),
      jsonb_build_array(
        listed.type,
        format(
          'create or replace function crm_custom.%I(%I %s) returns %s '
          'language sql immutable parallel safe return %s',
          listed.function_name, p_entity_type, v_table, listed.type,
          crm_private.custom_field_value(listed.definition, format('(%I).custom_fields', p_entity_type))
        ),
        listed.comment
      )
    ),
    '{}'
  )
  into v_wanted
  from (
    select
      definition,
      case
        when length(prefix || definition.name) <= 63 then prefix || definition.name
        else left(prefix || definition.name, 54) || '_' || left(md5(definition.name), 8)
      end as function_name,
      case definition.field_type
        when 'number' then 'numeric' when 'date' then 'date' when 'boolean' then 'boolean'
        when 'multi_enum' then 'text[]' else 'text'
      end as type,
      format(
        E'@name custom_%s%s\n@fieldName %s\n@customField %s\nThe custom field "%s". %sA value %s.%s',
        prefix,
        named.field_name,
        named.field_name,
        definition.name,
        definition.label,
        definition.description || E'\n\n',
        (
          select string_agg(rule.message, ', ' order by rule.ordinal)
          from crm_private.custom_field_rules(definition) as rule
        ),
        case when definition.required then format(' Every %s has one.', p_entity_type) else '' end
      ) as comment
    from unnest(v_definitions) as definition
    join crm_private.custom_field_names(v_definitions) as named
      on named.definition_id = definition.id
    cross join (
      select relname || '_' from pg_class where oid = v_table
    ) as tables (prefix)
  ) as listed;

  -- What is there and is not wanted any more, or returns another type now.
  select string_agg(present.signature, ', ' order by present.signature)
  into v_gone
  from (
    select
      format('crm_custom.%I(%s)', proc.proname, v_table) as signature,
      format_type(proc.prorettype, null) as type
    from pg_proc as proc
    where proc.pronamespace = 'crm_custom'::regnamespace
      and proc.proargtypes[0] = (select reltype from pg_class where oid = v_table)
  ) as present
  where v_wanted -> present.signature ->> 0 is distinct from present.type;

  if v_gone is not null then
    begin
      execute 'drop function ' || v_gone;
    exception when dependent_objects_still_exist then
      raise exception 'functions that something depends on cannot go: %', v_gone
        using errcode    = 'check_violation',
              schema     = 'crm', table = 'custom_field_definitions',
              column     = 'name',
              constraint = 'custom_field_definitions_function_used',
              detail     = jsonb_build_object(
                             'name',
                             jsonb_build_array(format('makes %s, which something uses', v_gone))
                           )::text,
              hint       = 'Drop what uses it first, and make it again afterwards.';
    end;
  end if;

  if v_wanted = '{}' then
    return;
  end if;

  execute (
    select string_agg(
      format(
        '%1$s; comment on function %2$s is %3$L; '
        'revoke all on function %2$s from public; '
        'grant execute on function %2$s to crm_reader',
        wanted.item ->> 1, wanted.signature, wanted.item ->> 2
      ),
      '; '
    )
    from jsonb_each(v_wanted) as wanted (signature, item)
  );
end
$$;

comment on function crm_private.compile_custom_field_functions(text) is
  'Makes a typed function of each custom field of an entity type.';

revoke all on function crm_private.compile_custom_field_functions(text) from public;
--! EndIncluded functions/compile_custom_field_functions.sql
--! Included triggers/100_normalise.sql
/*
 * Phase 100: one way to write what can be written in several. Conditions keep the common row from
 * paying for a call.
 *
 * - A custom field set to null is removed.
 * - Custom fields set to {"$merge": {…}} are what they were, with these members set. No custom field can
 *   be called $merge.
 * - A deal's value has two decimals; one with more keeps them, for the check to refuse.
 * - A new deal without a probability gets its stage's.
 * - A new pipeline stage without a position goes to the end.
 */

create or replace function crm_private.normalise_custom_fields()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if jsonb_typeof(new.custom_fields -> '$merge') = 'object'
    and new.custom_fields - '$merge' = '{}'
  then
    new.custom_fields := new.custom_fields -> '$merge';
    if tg_op = 'UPDATE' then
      new.custom_fields := old.custom_fields || new.custom_fields;
    end if;
  end if;

  new.custom_fields := jsonb_strip_nulls(new.custom_fields);
  return new;
end
$$;

comment on function crm_private.normalise_custom_fields() is
  'Removes custom fields that are set to null; merges those that are to be merged.';

revoke all on function crm_private.normalise_custom_fields() from public;

create or replace trigger _100_normalise_custom_fields
  before insert or update on crm.contacts
  for each row when (
    new.custom_fields ? '$merge'
    or jsonb_path_exists(new.custom_fields, 'strict $.* ? (@ == null)', silent => true)
  )
  execute function crm_private.normalise_custom_fields();

create or replace trigger _100_normalise_custom_fields
  before insert or update on crm.companies
  for each row when (
    new.custom_fields ? '$merge'
    or jsonb_path_exists(new.custom_fields, 'strict $.* ? (@ == null)', silent => true)
  )
  execute function crm_private.normalise_custom_fields();

create or replace trigger _100_normalise_custom_fields
  before insert or update on crm.deals
  for each row when (
    new.custom_fields ? '$merge'
    or jsonb_path_exists(new.custom_fields, 'strict $.* ? (@ == null)', silent => true)
  )
  execute function crm_private.normalise_custom_fields();

create or replace function crm_private.normalise_deal_value()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.value := round(new.value, 2);
  return new;
end
$$;

comment on function crm_private.normalise_deal_value() is
  'Writes a deal''s value with two decimals.';

revoke all on function crm_private.normalise_deal_value() from public;

create or replace trigger _100_normalise_value
  before insert or update on crm.deals
  for each row when (scale(new.value) <> 2 and scale(trim_scale(new.value)) <= 2)
  execute function crm_private.normalise_deal_value();

create or replace function crm_private.normalise_deal_probability()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Where there is no such stage, the stage is at fault and not the probability.
  new.probability := coalesce(
    (select stage.probability from crm.pipeline_stages as stage where stage.name = new.stage), 0
  );
  return new;
end
$$;

comment on function crm_private.normalise_deal_probability() is
  'Gives a new deal the probability of its stage.';

revoke all on function crm_private.normalise_deal_probability() from public;

create or replace trigger _100_normalise_probability
  before insert on crm.deals
  for each row when (new.probability is null)
  execute function crm_private.normalise_deal_probability();

create or replace function crm_private.normalise_stage_position()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.position := (select coalesce(max(stage.position) + 1, 0) from crm.pipeline_stages as stage);
  return new;
end
$$;

comment on function crm_private.normalise_stage_position() is
  'Puts a new pipeline stage at the end.';

revoke all on function crm_private.normalise_stage_position() from public;

create or replace trigger _100_normalise_position
  before insert on crm.pipeline_stages
  for each row when (new.position is null)
  execute function crm_private.normalise_stage_position();
--! EndIncluded triggers/100_normalise.sql

comment on column crm.companies.custom_fields is
  'Values of custom fields by name, as crm.custom_field_definitions allow them. Assigning '
  'replaces the whole object; assigning {"$merge": {...}} sets the members of the inner one and '
  'leaves the others. A field set to null is removed.';
comment on column crm.contacts.custom_fields is
  'Values of custom fields by name, as crm.custom_field_definitions allow them. Assigning '
  'replaces the whole object; assigning {"$merge": {...}} sets the members of the inner one and '
  'leaves the others. A field set to null is removed.';
comment on column crm.deals.custom_fields is
  'Values of custom fields by name, as crm.custom_field_definitions allow them. Assigning '
  'replaces the whole object; assigning {"$merge": {...}} sets the members of the inner one and '
  'leaves the others. A field set to null is removed.';

comment on type crm.new_deal is
  E'@customFieldsOf deals\nA deal to create: what a client may say of it.';

--! split: 020-definition-rules.sql
/*
 * Why: a definition can say more of the values of its field: from where to where they go, how long
 *      they are and what they look like, what a new row gets, and that each is there once; and a
 *      field can hold several values of a list. Rules can be tried before they are tightened, and
 *      fields and values of lists renamed.
 * Locks: crm.custom_field_definitions exclusively, for a moment. Triggers of contacts, companies and
 *      deals are made anew: their writers wait until the migration is done.
 * Undone by: revert/000006.sql. It is refused while there is a multi_enum; the other rules are lost.
 */

-- What a definition may say

alter table crm.custom_field_definitions
  add column if not exists description   text,
  add column if not exists minimum       text,
  add column if not exists maximum       text,
  add column if not exists max_length    integer,
  add column if not exists pattern       text,
  add column if not exists default_value jsonb,
  add column if not exists is_unique     boolean not null default false;

comment on column crm.custom_field_definitions.name is
  'The key in customFields: letters, digits and underscores, a letter first. Changing it moves the '
  'values of every row.';
comment on column crm.custom_field_definitions.field_type is
  'text, number, date, enum, multi_enum or boolean.';
comment on column crm.custom_field_definitions.enum_values is
  'The values that an enum or a multi_enum allows; null for every other type. '
  'renameCustomFieldValue gives one another name.';
comment on column crm.custom_field_definitions.description is
  'What the field is for, at most 1,000 characters.';
comment on column crm.custom_field_definitions.minimum is
  'The least value that a number may have, such as -1.5, or the first day that a date may be, such '
  'as 2026-01-31. For these types only.';
comment on column crm.custom_field_definitions.maximum is
  'The greatest value that a number may have, or the last day that a date may be, written like '
  'minimum. For these types only.';
comment on column crm.custom_field_definitions.max_length is
  E'@behavior -aggregate -aggregate:filterBy -groupBy -havingBy\n'
  'How many characters a text may have, from 1 to 10,000; 10,000 if null. For this type only.';
comment on column crm.custom_field_definitions.pattern is
  'A regular expression of PostgreSQL that a text must match, at most 255 characters. It matches '
  'anywhere in the text unless it says ^ and $. Back references, lookaround and long repetitions of '
  'groups are refused. For this type only.';
comment on column crm.custom_field_definitions.default_value is
  'The value of a new row that does not have the field; a row that has null for it gets none. Rows '
  'that are there stay as they are.';
comment on column crm.custom_field_definitions.is_unique is
  'True if no two rows of the entity type may have the same value. For a text, a number, a date or '
  'an enum.';

--! Included functions/is_pattern.sql
/*
 * True if a text is a regular expression of PostgreSQL that every value can be asked of. Refused is
 * what lets time grow out of hand: back references and looking ahead or behind, when a text is
 * matched; groups that are repeated very often, when the expression is read. All others are read in
 * milliseconds, and match a text in one pass.
 *
 * Asked where a definition is written, never for the rows.
 */
create or replace function crm_private.is_pattern(value text)
returns boolean
language plpgsql
immutable
strict
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Without what is escaped: a backslash, and parentheses.
  v_bare text    := regexp_replace(replace(value, '\\', ''), '\\[()]', '', 'g');
  v_size numeric := char_length(value)::numeric;
  v_most text;
begin
  -- Another syntax than the usual one would hide it.
  if v_bare ~ '^\*\*\*' or v_bare ~ '^\(\?[a-z]*[beqx]' then
    return false;
  end if;

  if v_bare ~ '\\[1-9]' or v_bare ~ '\(\?<?[=!]' then
    return false;
  end if;

  -- Groups within groups multiply.
  for v_most in
    select coalesce(nullif(repeated[2], ''), repeated[1])
    from regexp_matches(v_bare, '\)\{([0-9]+)(?:,([0-9]*))?\}', 'g') as repeated
  loop
    v_size := v_size * greatest(v_most::numeric, 1);
  end loop;

  if v_size > 2000 then
    return false;
  end if;

  perform '' ~ value;
  return true;
exception
  when invalid_regular_expression then
    return false;
end
$$;

comment on function crm_private.is_pattern(text) is
  'True if the text is a regular expression that can be asked of every value.';

revoke all on function crm_private.is_pattern(text) from public;
grant execute on function crm_private.is_pattern(text) to crm_member;
--! EndIncluded functions/is_pattern.sql
--! Included functions/are_choices.sql
/*
 * True if a JSON value is a list of one or more different texts, each of them one of the choices; null
 * for no value. The rule of a multi_enum field.
 */
create or replace function crm_private.are_choices(value jsonb, choices jsonb)
returns boolean
language sql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select case
    when jsonb_typeof(value) <> 'array' then false
    -- Compared with each choice, so a list that is too long is not looked into.
    when jsonb_array_length(value) not between 1 and jsonb_array_length(choices) then false
    else value <@ choices and (
      select count(*) = count(distinct element) from jsonb_array_elements(value) as element
    )
  end;
$$;

comment on function crm_private.are_choices(jsonb, jsonb) is
  'True if the JSON value is a list of one or more different choices.';

revoke all on function crm_private.are_choices(jsonb, jsonb) from public;
grant execute on function crm_private.are_choices(jsonb, jsonb) to crm_member;
--! EndIncluded functions/are_choices.sql
--! Included functions/texts.sql
/* The texts of a JSON list, in order; null for what is no list. The value of a multi_enum field. */
create or replace function crm_private.texts(value jsonb)
returns text[]
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select case
    when jsonb_typeof(value) = 'array' then array(select jsonb_array_elements_text(value))
  end;
$$;

comment on function crm_private.texts(jsonb) is
  'The texts of a JSON list; null for what is no list.';

revoke all on function crm_private.texts(jsonb) from public;
grant execute on function crm_private.texts(jsonb) to crm_reader;
--! EndIncluded functions/texts.sql
--! Included functions/custom_field_rules.sql
/*
 * The rules of one custom field, one a row: each as an SQL expression over the name custom_fields, null
 * where the field has no value, and what a client reads where it is broken. The first is that of the
 * type; the others are asked of values of that type. The compiled check of an entity type, the
 * explanation of a fault, and the look for rows that a change would break are all made of it, so a
 * rule stands here and nowhere else.
 *
 * No expression raises, whatever JSON the value is.
 */
create or replace function crm_private.custom_field_rules(
  p_definition crm.custom_field_definitions
)
returns table (ordinal integer, rule text, condition text, message text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select
    1,
    'type',
    format(
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
        when 'multi_enum' then
          'crm_private.are_choices(custom_fields -> %1$L, %3$L::jsonb)'
        when 'boolean' then
          'jsonb_typeof(custom_fields -> %1$L) = ''boolean'''
      end,
      p_definition.name,
      array(select to_jsonb(value) from unnest(p_definition.enum_values) as value),
      to_jsonb(p_definition.enum_values)
    ),
    case p_definition.field_type
      when 'text'    then 'must be a text of at most 10,000 characters'
      when 'number'  then 'must be a number of at most 400 digits'
      when 'date'    then 'must be a date such as "2026-02-28"'
      when 'boolean' then 'must be true or false'
      else
        case p_definition.field_type
          when 'enum' then 'must be one of '
          else 'must be a list of one or more, none twice, of '
        end
        || (
          select string_agg(value, ', ' order by ordinal)
            || case when cardinality(p_definition.enum_values) > 20 then ' and others' else '' end
          from unnest(p_definition.enum_values[:20]) with ordinality as listed (value, ordinal)
        )
    end

  union all

  select
    listed.ordinal,
    listed.rule,
    case p_definition.field_type
      -- JSON of any type can be compared with a number, and is never equal.
      when 'number' then
        format(
          'custom_fields -> %L %s %L::jsonb',
          p_definition.name, listed.operator, listed.bound::numeric::text
        )
      -- Days are in the order of their texts.
      else
        format(
          '(custom_fields ->> %L) collate "C" %s %L',
          p_definition.name, listed.operator, listed.bound
        )
    end,
    format(
      case p_definition.field_type when 'number' then listed.number_message else listed.day_message end,
      listed.bound
    )
  from (
    values
      (2, 'minimum', '>=', p_definition.minimum, 'must be at least %s', 'must not be before %s'),
      (3, 'maximum', '<=', p_definition.maximum, 'must be at most %s', 'must not be after %s')
  ) as listed (ordinal, rule, operator, bound, number_message, day_message)
  where listed.bound is not null

  union all

  select
    4,
    'max_length',
    format('char_length(custom_fields ->> %L) <= %s', p_definition.name, p_definition.max_length),
    format('must have at most %s characters', p_definition.max_length)
  where p_definition.max_length is not null

  union all

  select
    5,
    'pattern',
    format('custom_fields ->> %L ~ %L', p_definition.name, p_definition.pattern),
    'must match ' || p_definition.pattern
  where p_definition.pattern is not null;
$$;

comment on function crm_private.custom_field_rules(crm.custom_field_definitions) is
  'The rules of a custom field: each as an SQL expression over custom_fields, and its message.';

revoke all on function crm_private.custom_field_rules(crm.custom_field_definitions) from public;
grant execute on function crm_private.custom_field_rules(crm.custom_field_definitions) to crm_admin;
--! EndIncluded functions/custom_field_rules.sql
--! Included functions/custom_field_condition.sql
/*
 * The rules of one custom field as one SQL expression over the name custom_fields: null where the field
 * has no value. The compiled check of an entity type is made of it.
 */
create or replace function crm_private.custom_field_condition(
  p_definition crm.custom_field_definitions
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg('(' || condition || ')', ' and ' order by ordinal)
  from crm_private.custom_field_rules(p_definition);
$$;

comment on function crm_private.custom_field_condition(crm.custom_field_definitions) is
  'The rules of a custom field as an SQL expression over custom_fields, null without a value.';

revoke all on function crm_private.custom_field_condition(crm.custom_field_definitions) from public;
grant execute on function crm_private.custom_field_condition(crm.custom_field_definitions)
  to crm_admin;
--! EndIncluded functions/custom_field_condition.sql
--! Included functions/keeps_rules.sql
/*
 * True if a value keeps the rules that a definition would give a custom field; null without a value,
 * and where the rules themselves are faulty, which other checks tell. Its arguments are columns of
 * crm.custom_field_definitions, one of whose checks calls it for the default.
 */
create or replace function crm_private.keeps_rules(
  value       jsonb,
  field_type  text,
  enum_values text[],
  minimum     text,
  maximum     text,
  max_length  integer,
  pattern     text
)
returns boolean
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
-- Its statement is made of an expression, which cannot be quoted as names and values can. What it reads
-- is in the arguments, so it is immutable though what it calls is not marked so.
-- @plpgsql_check_options: security_warnings = off, extra_warnings = off
declare
  v_definition crm.custom_field_definitions;
  v_condition  text;
  v_holds      boolean;
begin
  if value is null then
    return null;
  end if;

  v_definition.name        := 'value';
  v_definition.field_type  := keeps_rules.field_type;
  v_definition.enum_values := keeps_rules.enum_values;
  v_definition.minimum     := keeps_rules.minimum;
  v_definition.maximum     := keeps_rules.maximum;
  v_definition.max_length  := keeps_rules.max_length;
  v_definition.pattern     := keeps_rules.pattern;

  v_condition := crm_private.custom_field_condition(v_definition);

  if v_condition is null then
    return null;
  end if;

  execute format(
    'select %s from (select jsonb_build_object(''value'', $1) as custom_fields) as row', v_condition
  ) into v_holds using value;

  return v_holds;
exception
  when data_exception then
    return null;
end
$$;

comment on function crm_private.keeps_rules(jsonb, text, text[], text, text, integer, text) is
  'True if a value keeps the rules that a definition would give a custom field.';

revoke all on function
  crm_private.keeps_rules(jsonb, text, text[], text, text, integer, text) from public;
grant execute on function
  crm_private.keeps_rules(jsonb, text, text[], text, text, integer, text) to crm_admin;
--! EndIncluded functions/keeps_rules.sql

alter table crm.custom_field_definitions
  drop constraint if exists custom_field_definitions_field_type_known,
  drop constraint if exists custom_field_definitions_enum_values_present,
  drop constraint if exists custom_field_definitions_description_blank,
  drop constraint if exists custom_field_definitions_description_length,
  drop constraint if exists custom_field_definitions_minimum_suited,
  drop constraint if exists custom_field_definitions_minimum_format,
  drop constraint if exists custom_field_definitions_maximum_suited,
  drop constraint if exists custom_field_definitions_maximum_format,
  drop constraint if exists custom_field_definitions_maximum_order,
  drop constraint if exists custom_field_definitions_max_length_suited,
  drop constraint if exists custom_field_definitions_max_length_range,
  drop constraint if exists custom_field_definitions_pattern_suited,
  drop constraint if exists custom_field_definitions_pattern_length,
  drop constraint if exists custom_field_definitions_pattern_valid,
  drop constraint if exists custom_field_definitions_default_value_holds,
  drop constraint if exists custom_field_definitions_default_value_unique,
  drop constraint if exists custom_field_definitions_is_unique_suited,
  drop constraint if exists custom_field_definitions_is_unique_name,

  add constraint custom_field_definitions_field_type_known check (
    field_type = any (array['text', 'number', 'date', 'enum', 'multi_enum', 'boolean'])
  ),
  add constraint custom_field_definitions_enum_values_present check (
    (field_type = any (array['enum', 'multi_enum'])) = (enum_values is not null)
  ),
  add constraint custom_field_definitions_description_blank check (
    not crm_private.is_blank(description)
  ),
  add constraint custom_field_definitions_description_length check (
    char_length(description) <= 1000
  ),
  add constraint custom_field_definitions_minimum_suited check (
    minimum is null or field_type = any (array['number', 'date'])
  ),
  add constraint custom_field_definitions_minimum_format check (
    case field_type
      when 'number' then minimum ~ '^-?[0-9]{1,150}(?:\.[0-9]{1,150})?$'
      when 'date' then crm_private.keeps_rules(
        to_jsonb(minimum), 'date', null, null, null, null, null
      )
    end
  ),
  add constraint custom_field_definitions_maximum_suited check (
    maximum is null or field_type = any (array['number', 'date'])
  ),
  add constraint custom_field_definitions_maximum_format check (
    case field_type
      when 'number' then maximum ~ '^-?[0-9]{1,150}(?:\.[0-9]{1,150})?$'
      when 'date' then crm_private.keeps_rules(
        to_jsonb(maximum), 'date', null, null, null, null, null
      )
    end
  ),
  add constraint custom_field_definitions_maximum_order check (
    case
      when field_type = 'date'
        and crm_private.keeps_rules(to_jsonb(minimum), 'date', null, null, null, null, null)
        and crm_private.keeps_rules(to_jsonb(maximum), 'date', null, null, null, null, null)
      then maximum collate "C" >= minimum
      when minimum ~ '^-?[0-9]{1,150}(?:\.[0-9]{1,150})?$'
        and maximum ~ '^-?[0-9]{1,150}(?:\.[0-9]{1,150})?$'
      then maximum::numeric >= minimum::numeric
    end
  ),
  add constraint custom_field_definitions_max_length_suited check (
    max_length is null or field_type = any (array['text'])
  ),
  add constraint custom_field_definitions_max_length_range check (
    max_length >= 1 and max_length <= 10000
  ),
  add constraint custom_field_definitions_pattern_suited check (
    pattern is null or field_type = any (array['text'])
  ),
  add constraint custom_field_definitions_pattern_length check (char_length(pattern) <= 255),
  add constraint custom_field_definitions_pattern_valid check (
    case when char_length(pattern) <= 255 then crm_private.is_pattern(pattern) end
  ),
  add constraint custom_field_definitions_default_value_holds check (
    crm_private.keeps_rules(
      default_value, field_type, enum_values, minimum, maximum, max_length,
      case when char_length(pattern) <= 255 and crm_private.is_pattern(pattern) then pattern end
    )
  ),
  add constraint custom_field_definitions_default_value_unique check (
    default_value is null or not is_unique
  ),
  add constraint custom_field_definitions_is_unique_suited check (
    not is_unique or field_type = any (array['text', 'number', 'date', 'enum'])
  ),
  add constraint custom_field_definitions_is_unique_name check (
    not is_unique or char_length(name) <= 39
  );

comment on constraint custom_field_definitions_field_type_known on crm.custom_field_definitions is
  '%s is not one of text, number, date, enum, multi_enum, boolean';
comment on constraint custom_field_definitions_enum_values_present on crm.custom_field_definitions is
  'must be given for an enum or a multi_enum, and for no other type';
comment on constraint custom_field_definitions_description_blank on crm.custom_field_definitions is
  'must not be blank';
comment on constraint custom_field_definitions_description_length on crm.custom_field_definitions is
  'must have at most 1,000 characters';
comment on constraint custom_field_definitions_minimum_suited on crm.custom_field_definitions is
  'can be given for a number or a date only';
comment on constraint custom_field_definitions_minimum_format on crm.custom_field_definitions is
  '%s is not a decimal number or, for a date, not a day such as 2026-02-28';
comment on constraint custom_field_definitions_maximum_suited on crm.custom_field_definitions is
  'can be given for a number or a date only';
comment on constraint custom_field_definitions_maximum_format on crm.custom_field_definitions is
  '%s is not a decimal number or, for a date, not a day such as 2026-02-28';
comment on constraint custom_field_definitions_maximum_order on crm.custom_field_definitions is
  'must not be less than the minimum';
comment on constraint custom_field_definitions_max_length_suited on crm.custom_field_definitions is
  'can be given for a text only';
comment on constraint custom_field_definitions_max_length_range on crm.custom_field_definitions is
  'must be from 1 to 10,000';
comment on constraint custom_field_definitions_pattern_suited on crm.custom_field_definitions is
  'can be given for a text only';
comment on constraint custom_field_definitions_pattern_length on crm.custom_field_definitions is
  'must have at most 255 characters';
comment on constraint custom_field_definitions_pattern_valid on crm.custom_field_definitions is
  '%s is no regular expression, or one with back references, lookaround or long repetitions of groups';
comment on constraint custom_field_definitions_default_value_holds on crm.custom_field_definitions is
  '%s breaks a rule of the field itself';
comment on constraint custom_field_definitions_default_value_unique on crm.custom_field_definitions is
  'cannot be given for a unique field';
comment on constraint custom_field_definitions_is_unique_suited on crm.custom_field_definitions is
  'can be true for a text, a number, a date or an enum only';
comment on constraint custom_field_definitions_is_unique_name on crm.custom_field_definitions is
  'needs a name of at most 39 characters';

grant
  insert (description, minimum, maximum, max_length, pattern, default_value, is_unique),
  update (
    name, description, minimum, maximum, max_length, pattern, default_value, is_unique
  )
on crm.custom_field_definitions to crm_admin;

-- Who asks them

--! Included functions/custom_field_checks.sql
/*
 * All that a definition asks of an object of custom fields, each by itself as an SQL expression over the
 * name custom_fields: whether the field must be there, and its rules. Those that are not of the type
 * are asked of values of the type only, so that a value of another type has one fault. Called where
 * faults are told apart; crm_private.custom_field_condition has them as one.
 */
create or replace function crm_private.custom_field_checks(p_definition crm.custom_field_definitions)
returns table (ordinal integer, rule text, condition text, message text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select 0, 'required', format('custom_fields ? %L', p_definition.name), 'is required'
  where p_definition.required

  union all

  select
    rule.ordinal,
    rule.rule,
    case rule.rule
      when 'type' then rule.condition
      else format('case when %s then %s end', type.condition, rule.condition)
    end,
    rule.message
  from crm_private.custom_field_rules(p_definition) as type
  cross join crm_private.custom_field_rules(p_definition) as rule
  where type.rule = 'type';
$$;

comment on function crm_private.custom_field_checks(crm.custom_field_definitions) is
  'All that a definition asks of an object of custom fields, each by itself.';

revoke all on function crm_private.custom_field_checks(crm.custom_field_definitions) from public;
--! EndIncluded functions/custom_field_checks.sql
--! Included functions/refuse_faults.sql
/*
 * Refuses a row, given as jsonb, with all its faults at once: the detail is an object of messages by
 * field, in the client's words. Does nothing if it has none. Called by crm_private.refuse_row, and for
 * rows that were only thought of.
 *
 * A function that writes several rows of one input says in crm.path where in it a row stands:
 * tasks.1 makes tasks.1.description of description.
 */
create or replace function crm_private.refuse_faults(p_table regclass, p_row jsonb)
returns void
language plpgsql
stable
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
    from crm_private.row_faults(p_table, array[p_row]) with ordinality as listed (
      place, field, message, constraint_name, column_name, kind, ordinal
    )
    group by field
  ) as fault;

  if v_fields is not null then
    raise exception '%: %', v_table, v_summary
      using errcode    = 'check_violation',
            schema     = 'crm', table = v_table, column = v_column,
            constraint = v_constraint,
            detail     = v_fields::text;
  end if;
end
$$;

comment on function crm_private.refuse_faults(regclass, jsonb) is
  'Refuses a row that breaks a rule, with all its faults; does nothing if it breaks none.';

revoke all on function crm_private.refuse_faults(regclass, jsonb) from public;
--! EndIncluded functions/refuse_faults.sql
--! Included functions/compile_report.sql
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
        -- A function of ours would have to be executable by whoever reads the view.
        when 'multi_enum' then format(
          'case when jsonb_typeof(custom_fields -> %1$L) = ''array'' '
          'then array(select jsonb_array_elements_text(custom_fields -> %1$L)) end',
          definition.name
        )
        else format(
          'case when %s then (custom_fields ->> %L)::%s end',
          (
            select rule.condition from crm_private.custom_field_rules(definition) as rule
            where rule.rule = 'type'
          ),
          definition.name,
          typed.name
        )
      end,
      definition.label,
      typed.name
    from crm.custom_field_definitions as definition
    cross join lateral (
      select case definition.field_type
        when 'number' then 'numeric' when 'date' then 'date' when 'boolean' then 'boolean'
        when 'multi_enum' then 'text[]' else 'text'
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
--! EndIncluded functions/compile_report.sql
--! Included functions/default_custom_fields.sql
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
--! EndIncluded functions/default_custom_fields.sql
--! Included functions/compile_defaults.sql
/*
 * Compiles the defaults of an entity type's custom fields into the trigger that gives them to new rows:
 * no definition is read for a row, and a row that has all of them costs no call. Without defaults the
 * trigger never fires; it is not dropped, because that would keep readers waiting.
 */
create or replace function crm_private.compile_defaults(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statement is made of quoted names and values; that it is cannot be told.
-- @plpgsql_check_options: security_warnings = off
begin
  execute (
    select format(
      'create or replace trigger _100_default_custom_fields before insert on %s '
      'for each row when (%s) execute function crm_private.default_custom_fields(%L)',
      crm_private.entity_table(p_entity_type),
      coalesce(
        format(
          'jsonb_typeof(new.custom_fields) = ''object'' and not new.custom_fields ?& %L::text[]',
          array_agg(d.name order by d.name)
        ),
        'false'
      ),
      coalesce(jsonb_object_agg(d.name, d.default_value), '{}')
    )
    from crm.custom_field_definitions as d
    where d.entity_type = p_entity_type
      and d.default_value is not null
  );
end
$$;

comment on function crm_private.compile_defaults(text) is
  'Compiles the defaults of an entity type''s custom fields into the trigger that gives them.';

revoke all on function crm_private.compile_defaults(text) from public;
--! EndIncluded functions/compile_defaults.sql
--! Included functions/compile_unique.sql
/*
 * Makes the constraints of an entity type what the definitions say is unique: one for each such field,
 * <table>_custom_<name>_unique, and none for others. Called when the definitions of the type change.
 *
 * They are exclusion constraints, because those can be of an expression and yet be deferred: a merge
 * and an undo move values from row to row, and two rows may have one for a moment. They stand on hash
 * indexes, which take a text of any length. They compare JSON, which is equal where the values are, and
 * can be asked of whatever an old version of a row had. A field without a value collides with none.
 *
 * Adding or dropping one locks the table exclusively while its index is built.
 */
create or replace function crm_private.compile_unique(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table  regclass := crm_private.entity_table(p_entity_type);
  v_prefix text     := (select relname || '_custom_' from pg_class where oid = v_table);
  v_change record;
begin
  for v_change in
    select
      wanted.field,
      coalesce(wanted.name, present.name) as name
    from (
      select d.name as field, v_prefix || d.name || '_unique' as name
      from crm.custom_field_definitions as d
      where d.entity_type = p_entity_type
        and d.is_unique
    ) as wanted
    full join (
      select conname::text as name
      from pg_constraint
      where conrelid = v_table
        and contype = 'x'
        and starts_with(conname, v_prefix)
    ) as present using (name)
    where wanted.name is null
      or present.name is null
  loop
    if v_change.field is null then
      execute format('alter table %s drop constraint %I', v_table, v_change.name);
    else
      execute format(
        'alter table %s add constraint %I '
        'exclude using hash ((custom_fields -> %L) with =) deferrable',
        v_table, v_change.name, v_change.field
      );
      execute format(
        'comment on constraint %I on %s is %L',
        v_change.name, v_table, format('customFields.%s is taken', v_change.field)
      );
    end if;
  end loop;
end
$$;

comment on function crm_private.compile_unique(text) is
  'Makes the constraints of an entity type what its definitions say is unique.';

revoke all on function crm_private.compile_unique(text) from public;
--! EndIncluded functions/compile_unique.sql
--! Included functions/compile_custom_fields.sql
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
--! EndIncluded functions/compile_custom_fields.sql
--! Included functions/apply_definitions.sql
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
  v_unique  boolean;
  v_timeout text     := current_setting('lock_timeout');
  v_deleted text[];
  v_renamed jsonb;
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

  -- The constraint of a unique field comes, goes, or becomes another.
  select exists (
    select
    from unnest(p_old) as old_row
    full join unnest(p_new) as new_row using (id)
    where p_entity_type in (old_row.entity_type, new_row.entity_type)
      and case when old_row.is_unique then old_row.name end
        is distinct from case when new_row.is_unique then new_row.name end
  ) into v_unique;

  -- Where readers have to wait, too, they do not wait for one that reads for long.
  if v_unique then
    perform set_config('lock_timeout', '3s', true);
    execute format('lock table %s in access exclusive mode', v_table);
    perform set_config('lock_timeout', v_timeout, true);
  else
    execute format('lock table %s in share row exclusive mode', v_table);
  end if;

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

  -- The rows are counted only where a definition became stricter or other than it was. They have the
  -- names of before.
  select string_agg(
    format('select %L, %L, count(*) from %s', breach.field, breach.message, breach.rows),
    E'\nunion all\n'
  )
  into v_counts
  from unnest(p_new) as new_row
  left join unnest(p_old) as old_row using (id)
  cross join lateral jsonb_populate_record(
    new_row, jsonb_build_object('name', coalesce(old_row.name, new_row.name))
  ) as definition
  cross join lateral (
    select
      'required' as field,
      format('existing %s without a value: %%s', v_plural) as message,
      format('%s where not custom_fields ? %L', v_table, definition.name) as rows
    where new_row.required and not coalesce(old_row.required, false)

    union all

    select
      case
        when rule.rule <> 'type' then crm_private.camel_case(rule.rule)
        when new_row.field_type = old_row.field_type then 'enumValues'
        else 'fieldType'
      end,
      format(
        'existing %s with another value: %%s (%s)', v_plural, replace(rule.message, '%', '%%')
      ),
      format('%s where not coalesce(%s, true)', v_table, rule.condition)
    from crm_private.custom_field_rules(definition) as rule
    where old_row.id is not null
      and rule.condition not in (
        select was.condition from crm_private.custom_field_rules(old_row) as was
      )

    union all

    select
      'isUnique',
      format('existing %s with a value that another one has: %%s', v_plural),
      format(
        '(select count(*) over (partition by custom_fields -> %1$L) as times
          from %2$s where custom_fields ? %1$L) as held
         where times > 1',
        definition.name, v_table
      )
    where new_row.is_unique and not coalesce(old_row.is_unique, false) and old_row.id is not null
  ) as breach
  where new_row.entity_type = p_entity_type;

  if v_counts is not null then
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
  end if;

  if v_fields is not null then
    raise exception 'custom_field_definitions: %',
        (select string_agg(key || ' ' || (value ->> 0), '; ') from jsonb_each(v_fields))
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'custom_field_definitions',
            column     = (
              select lower(regexp_replace(key, '([A-Z])', '_\1', 'g'))
              from jsonb_object_keys(v_fields) as key limit 1
            ),
            constraint = 'custom_field_definitions_values_hold',
            detail     = v_fields::text,
            hint       = 'Change the rows first; crm.check_custom_field_rule lists them.';
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

  select jsonb_object_agg(old_row.name, new_row.name)
  into v_renamed
  from unnest(p_old) as old_row
  join unnest(p_new) as new_row using (id)
  where new_row.entity_type = p_entity_type
    and new_row.name <> old_row.name;

  if v_renamed is not null then
    execute format(
      'update %s as record
       set custom_fields = custom_fields - $2 || (
         select jsonb_object_agg(renamed.value, record.custom_fields -> renamed.key)
         from jsonb_each_text($1) as renamed
         where record.custom_fields ? renamed.key
       )
       where custom_fields ?| $2',
      v_table
    ) using v_renamed, array(select jsonb_object_keys(v_renamed));
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
--! EndIncluded functions/apply_definitions.sql
drop function if exists crm_private.custom_field_message(crm.custom_field_definitions);

drop trigger if exists _210_refuse_renamed on crm.custom_field_definitions;
drop function if exists crm_private.refuse_renamed_definition();

select crm_private.bind_stamps('crm.custom_field_definitions', 'custom_field_definition');
select crm_private.bind_rules('crm.custom_field_definitions');
select crm_private.bind_journal('crm.custom_field_definitions', 'custom_field_definition');

select crm_private.compile_custom_fields('contact');
select crm_private.compile_custom_fields('company');
select crm_private.compile_custom_fields('deal');

-- Trying a rule, renaming a value

do $type$
begin
  if to_regtype('crm.custom_field_fault') is null then
    create type crm.custom_field_fault as (entity_id uuid, value jsonb, message text);
  end if;
end
$type$;

comment on type crm.custom_field_fault is
  'A row that would break a rule of a custom field.';
comment on column crm.custom_field_fault.entity_id is
  E'@notNull\nThe id of the contact, company or deal.';
comment on column crm.custom_field_fault.value is
  'The value of the field; null if the row has none.';
comment on column crm.custom_field_fault.message is
  E'@notNull\nWhat a client would read.';

--! Included functions/check_custom_field_rule.sql
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
--! EndIncluded functions/check_custom_field_rule.sql
--! Included functions/refuse_definition.sql
/* Refuses an argument of a function about a definition, with a message by its name. */
create or replace function crm_private.refuse_definition(
  p_argument   text,
  p_message    text,
  p_constraint text
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'custom_field_definitions: % %', p_argument, p_message
    using errcode    = 'check_violation',
          schema     = 'crm', table = 'custom_field_definitions',
          constraint = p_constraint,
          detail     = jsonb_build_object(p_argument, jsonb_build_array(p_message))::text;
end
$$;

comment on function crm_private.refuse_definition(text, text, text) is
  'Refuses an argument of a function about a definition.';

revoke all on function crm_private.refuse_definition(text, text, text) from public;
--! EndIncluded functions/refuse_definition.sql
--! Included functions/rename_custom_field_value.sql
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
--! EndIncluded functions/rename_custom_field_value.sql

-- Values that move from row to row, and definitions of before

--! Included functions/defer_unique.sql
/*
 * Lets rows have the same value of a unique custom field until it is called with false, or the
 * transaction ends. Called where values move from row to row: by merges, and where something is undone.
 */
create or replace function crm_private.defer_unique(p_deferred boolean)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statement is made of quoted names; that it is cannot be told.
-- @plpgsql_check_options: security_warnings = off
declare
  v_names text;
begin
  select string_agg(format('crm.%I', conname), ', ')
  into v_names
  from pg_constraint
  where contype = 'x'
    and condeferrable
    and conrelid in ('crm.contacts'::regclass, 'crm.companies'::regclass, 'crm.deals'::regclass);

  if v_names is not null then
    execute format(
      'set constraints %s %s', v_names, case when p_deferred then 'deferred' else 'immediate' end
    );
  end if;
end
$$;

comment on function crm_private.defer_unique(boolean) is
  'Lets rows have the same value of a unique custom field for a while, or no longer.';

revoke all on function crm_private.defer_unique(boolean) from public;
grant execute on function crm_private.defer_unique(boolean) to crm_member;
--! EndIncluded functions/defer_unique.sql
--! Included functions/reverse_rows.sql
/*
 * Carries out what is planned for the rows of an entity type, in one statement: brings back rows
 * (insert), puts fields back (update), or takes rows away (delete). Returns how many rows it was.
 * prepare is an update of those definitions that were changed after the values of their field; they
 * still allow the values of a list that the rows have until the update.
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
            else format(
              case
                when p_operation = 'prepare' and name = 'enum_values' then
                  '%1$I = restored.%1$I || array(
                     select value from unnest(found.%1$I) as value
                     where value <> all (restored.%1$I)
                   )'
                else '%1$I = restored.%1$I'
              end,
              name
            )
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
--! EndIncluded functions/reverse_rows.sql
--! Included functions/custom_field_definition_as_of.sql
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
--! EndIncluded functions/custom_field_definition_as_of.sql

--! split: 030-external-ids.sql
/*
 * Why: integrations should find their rows by the ids that other systems know them by, without
 *      keeping a map. The ids are a column, so that the journal, undo and merges carry them like any
 *      other; that each belongs to one row of its entity type is the key of a table that triggers
 *      keep.
 * Locks: each table of entities exclusively; the new checks read it once. The column is added without
 *      writing the rows anew.
 * Undone by: revert/000006.sql.
 */

do $types$
begin
  if to_regtype('crm.external_id') is null then
    create type crm.external_id as (source text, id text);
  end if;
end
$types$;

comment on type crm.external_id is 'The id by which another system knows a row.';
comment on column crm.external_id.source is
  E'@notNull\nThe system, such as hubspot: at most 100 characters.';
comment on column crm.external_id.id is
  E'@notNull\nWhat the row is called there: at most 255 characters.';

--! Included functions/has_blank_external_id.sql
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
--! EndIncluded functions/has_blank_external_id.sql
--! Included functions/has_long_external_id.sql
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
--! EndIncluded functions/has_long_external_id.sql
--! Included functions/has_duplicate_external_id.sql
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
--! EndIncluded functions/has_duplicate_external_id.sql

alter table crm.contacts
  add column if not exists external_ids crm.external_id[] not null default '{}';
alter table crm.companies
  add column if not exists external_ids crm.external_id[] not null default '{}';
alter table crm.deals
  add column if not exists external_ids crm.external_id[] not null default '{}';
alter table crm.tasks
  add column if not exists external_ids crm.external_id[] not null default '{}';
alter table crm.notes
  add column if not exists external_ids crm.external_id[] not null default '{}';

alter table crm.contacts
  drop constraint if exists contacts_external_ids_list,
  add constraint contacts_external_ids_list check (
    cardinality(external_ids) <= 20
      and coalesce(array_ndims(external_ids), 1) = 1
      and array_position(external_ids, null) is null
  ),
  drop constraint if exists contacts_external_ids_blank,
  add constraint contacts_external_ids_blank check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_blank_external_id(external_ids)
    end
  ),
  drop constraint if exists contacts_external_ids_length,
  add constraint contacts_external_ids_length check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_long_external_id(external_ids, 100, 255)
    end
  ),
  drop constraint if exists contacts_external_ids_distinct,
  add constraint contacts_external_ids_distinct check (
    case
      when cardinality(external_ids) > 1
      then not crm_private.has_duplicate_external_id(external_ids)
    end
  );

comment on column crm.contacts.external_ids is
  'The ids by which other systems know the contact, at most 20. Each belongs to one contact.';
comment on constraint contacts_external_ids_list on crm.contacts is
  'must be a plain list of at most 20 external ids';
comment on constraint contacts_external_ids_blank on crm.contacts is
  'must have a source and an id';
comment on constraint contacts_external_ids_length on crm.contacts is
  'must have at most 100 characters as its source and 255 as its id';
comment on constraint contacts_external_ids_distinct on crm.contacts is
  'must not hold an external id twice';

grant insert (external_ids), update (external_ids) on crm.contacts to crm_member;

alter table crm.companies
  drop constraint if exists companies_external_ids_list,
  add constraint companies_external_ids_list check (
    cardinality(external_ids) <= 20
      and coalesce(array_ndims(external_ids), 1) = 1
      and array_position(external_ids, null) is null
  ),
  drop constraint if exists companies_external_ids_blank,
  add constraint companies_external_ids_blank check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_blank_external_id(external_ids)
    end
  ),
  drop constraint if exists companies_external_ids_length,
  add constraint companies_external_ids_length check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_long_external_id(external_ids, 100, 255)
    end
  ),
  drop constraint if exists companies_external_ids_distinct,
  add constraint companies_external_ids_distinct check (
    case
      when cardinality(external_ids) > 1
      then not crm_private.has_duplicate_external_id(external_ids)
    end
  );

comment on column crm.companies.external_ids is
  'The ids by which other systems know the company, at most 20. Each belongs to one company.';
comment on constraint companies_external_ids_list on crm.companies is
  'must be a plain list of at most 20 external ids';
comment on constraint companies_external_ids_blank on crm.companies is
  'must have a source and an id';
comment on constraint companies_external_ids_length on crm.companies is
  'must have at most 100 characters as its source and 255 as its id';
comment on constraint companies_external_ids_distinct on crm.companies is
  'must not hold an external id twice';

grant insert (external_ids), update (external_ids) on crm.companies to crm_member;

alter table crm.deals
  drop constraint if exists deals_external_ids_list,
  add constraint deals_external_ids_list check (
    cardinality(external_ids) <= 20
      and coalesce(array_ndims(external_ids), 1) = 1
      and array_position(external_ids, null) is null
  ),
  drop constraint if exists deals_external_ids_blank,
  add constraint deals_external_ids_blank check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_blank_external_id(external_ids)
    end
  ),
  drop constraint if exists deals_external_ids_length,
  add constraint deals_external_ids_length check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_long_external_id(external_ids, 100, 255)
    end
  ),
  drop constraint if exists deals_external_ids_distinct,
  add constraint deals_external_ids_distinct check (
    case
      when cardinality(external_ids) > 1
      then not crm_private.has_duplicate_external_id(external_ids)
    end
  );

comment on column crm.deals.external_ids is
  'The ids by which other systems know the deal, at most 20. Each belongs to one deal.';
comment on constraint deals_external_ids_list on crm.deals is
  'must be a plain list of at most 20 external ids';
comment on constraint deals_external_ids_blank on crm.deals is
  'must have a source and an id';
comment on constraint deals_external_ids_length on crm.deals is
  'must have at most 100 characters as its source and 255 as its id';
comment on constraint deals_external_ids_distinct on crm.deals is
  'must not hold an external id twice';

grant insert (external_ids), update (external_ids) on crm.deals to crm_member;

alter table crm.tasks
  drop constraint if exists tasks_external_ids_list,
  add constraint tasks_external_ids_list check (
    cardinality(external_ids) <= 20
      and coalesce(array_ndims(external_ids), 1) = 1
      and array_position(external_ids, null) is null
  ),
  drop constraint if exists tasks_external_ids_blank,
  add constraint tasks_external_ids_blank check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_blank_external_id(external_ids)
    end
  ),
  drop constraint if exists tasks_external_ids_length,
  add constraint tasks_external_ids_length check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_long_external_id(external_ids, 100, 255)
    end
  ),
  drop constraint if exists tasks_external_ids_distinct,
  add constraint tasks_external_ids_distinct check (
    case
      when cardinality(external_ids) > 1
      then not crm_private.has_duplicate_external_id(external_ids)
    end
  );

comment on column crm.tasks.external_ids is
  'The ids by which other systems know the task, at most 20. Each belongs to one task.';
comment on constraint tasks_external_ids_list on crm.tasks is
  'must be a plain list of at most 20 external ids';
comment on constraint tasks_external_ids_blank on crm.tasks is
  'must have a source and an id';
comment on constraint tasks_external_ids_length on crm.tasks is
  'must have at most 100 characters as its source and 255 as its id';
comment on constraint tasks_external_ids_distinct on crm.tasks is
  'must not hold an external id twice';

grant insert (external_ids), update (external_ids) on crm.tasks to crm_member;

alter table crm.notes
  drop constraint if exists notes_external_ids_list,
  add constraint notes_external_ids_list check (
    cardinality(external_ids) <= 20
      and coalesce(array_ndims(external_ids), 1) = 1
      and array_position(external_ids, null) is null
  ),
  drop constraint if exists notes_external_ids_blank,
  add constraint notes_external_ids_blank check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_blank_external_id(external_ids)
    end
  ),
  drop constraint if exists notes_external_ids_length,
  add constraint notes_external_ids_length check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_long_external_id(external_ids, 100, 255)
    end
  ),
  drop constraint if exists notes_external_ids_distinct,
  add constraint notes_external_ids_distinct check (
    case
      when cardinality(external_ids) > 1
      then not crm_private.has_duplicate_external_id(external_ids)
    end
  );

comment on column crm.notes.external_ids is
  'The ids by which other systems know the note, at most 20. Each belongs to one note.';
comment on constraint notes_external_ids_list on crm.notes is
  'must be a plain list of at most 20 external ids';
comment on constraint notes_external_ids_blank on crm.notes is
  'must have a source and an id';
comment on constraint notes_external_ids_length on crm.notes is
  'must have at most 100 characters as its source and 255 as its id';
comment on constraint notes_external_ids_distinct on crm.notes is
  'must not hold an external id twice';

grant insert (external_ids), update (external_ids) on crm.notes to crm_member;

/*
 * Whose external ids are, for look-ups and to keep them apart. Deferrable, because an undo may move
 * an external id from one row to another in several statements.
 */
create table if not exists crm_private.external_ids (
  entity_type text not null,
  source      text not null,
  id          text not null,
  entity_id   uuid not null,

  constraint external_ids_pkey primary key (entity_type, source, id) deferrable initially immediate
);

comment on table crm_private.external_ids is
  'The external ids of all rows. Kept by triggers from the columns external_ids.';

alter table crm_private.external_ids enable row level security;

-- Whoever can see the row can find it by its external id.
drop policy if exists external_ids_select on crm_private.external_ids;
create policy external_ids_select on crm_private.external_ids for select to crm_reader
  using (crm_private.is_readable(entity_type, entity_id));
grant select on crm_private.external_ids to crm_reader;

--! Included views/rules.sql
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
      and attribute.atttypid in ('text[]'::regtype, 'jsonb'::regtype, 'crm.external_id[]'::regtype),
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
--! EndIncluded views/rules.sql
--! Included functions/refuse_taken_external_ids.sql
/*
 * Refuses rows of an entity type that carry an external id of another row, with the place of each in
 * externalIds. Whose it is, is not told. Returns if none does. Called once it is known that a key is
 * held twice: cost does not matter.
 */
create or replace function crm_private.refuse_taken_external_ids(p_entity_type text, p_ids uuid[])
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_relation regclass := crm_private.entity_table(p_entity_type);
  v_table    text     := (select relname::text from pg_class where oid = v_relation);
  v_fields   jsonb;
begin
  execute format(
    $find$
      with carried as (
        select record.id as entity_id, own.source, own.id, own.place - 1 as place
        from %s as record
        cross join unnest(record.external_ids) with ordinality as own (source, id, place)
        where record.id = any ($2)
      )
      select jsonb_object_agg(
        'externalIds.' || carried.place,
        jsonb_build_array(crm_private.fault_message(
          '%%s belongs to another ' || $1,
          jsonb_build_object('source', carried.source, 'id', carried.id)
        ))
      )
      from carried
      where exists (
          select from crm_private.external_ids as held
          where held.entity_type = $1
            and held.source = carried.source
            and held.id = carried.id
            and held.entity_id <> carried.entity_id
        )
        or exists (
          select from carried as other
          where other.source = carried.source
            and other.id = carried.id
            and other.entity_id <> carried.entity_id
        )
    $find$,
    v_relation
  ) into v_fields using p_entity_type, p_ids;

  if v_fields is null then
    return;
  end if;

  raise exception '%: an external id belongs to another %', v_table, p_entity_type
    using errcode    = 'unique_violation',
          schema     = 'crm', table = v_table, column = 'external_ids',
          constraint = v_table || '_external_ids_taken',
          detail     = v_fields::text;
end
$$;

comment on function crm_private.refuse_taken_external_ids(text, uuid[]) is
  'Refuses rows that carry an external id of another row.';

revoke all on function crm_private.refuse_taken_external_ids(text, uuid[]) from public;
--! EndIncluded functions/refuse_taken_external_ids.sql
--! Included functions/move_external_ids.sql
/*
 * Frees external ids and takes others, all of one entity type. A taken one is refused: of writers
 * that want the same one at once exactly one wins, and the others wait for it to end. They take them
 * in one order, lest they wait for each other. Called by crm_private.keep_external_ids.
 *
 * Its plans are kept for the session and must not depend on how many there were when they were made:
 * each external id is looked up by the key.
 */
create or replace function crm_private.move_external_ids(
  p_gone  crm_private.external_ids[],
  p_taken crm_private.external_ids[]
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  delete from crm_private.external_ids as held
  using unnest(p_gone) as gone
  where held.entity_type = gone.entity_type
    and held.source = gone.source
    and held.id = gone.id
    and held.entity_id = gone.entity_id;

  if p_taken is null then
    return;
  end if;

  begin
    insert into crm_private.external_ids (entity_type, source, id, entity_id)
    select entity_type, source, id, entity_id
    from unnest(p_taken)
    order by source, id;
  exception
    when unique_violation then
      perform crm_private.refuse_taken_external_ids(
        p_taken[1].entity_type, array(select entity_id from unnest(p_taken))
      );
      -- The row that has it is younger than the snapshot of this transaction.
      raise exception 'an external id was taken since this transaction began'
        using errcode = 'serialization_failure';
  end;
end
$$;

comment on function crm_private.move_external_ids(
  crm_private.external_ids[], crm_private.external_ids[]
) is
  'Frees external ids and takes others.';

revoke all on function crm_private.move_external_ids(
  crm_private.external_ids[], crm_private.external_ids[]
) from public;
--! EndIncluded functions/move_external_ids.sql
--! Included functions/settle_external_ids.sql
/*
 * Ends the time in which an external id may be held twice, which begins with
 * set constraints crm_private.external_ids_pkey deferred: while an undo moves it from one row to
 * another in several statements. Refuses the given rows if one of theirs belongs to another.
 */
create or replace function crm_private.settle_external_ids(p_entity_type text, p_ids uuid[])
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  set constraints crm_private.external_ids_pkey immediate;
exception
  when unique_violation then
    perform crm_private.refuse_taken_external_ids(p_entity_type, p_ids);
    raise;
end
$$;

comment on function crm_private.settle_external_ids(text, uuid[]) is
  'Ends the time in which an external id may be held twice; refuses rows that share one.';

revoke all on function crm_private.settle_external_ids(text, uuid[]) from public;
--! EndIncluded functions/settle_external_ids.sql
--! Included triggers/300_external_ids.sql
/*
 * Phase 300: an external id belongs to one row of its entity type. crm_private.external_ids has a row
 * for each; it follows from the columns external_ids, once for each statement. A row without external
 * ids costs no look at it.
 */

/* Security definer: the table is nobody's to write. */
create or replace function crm_private.keep_external_ids()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_gone  crm_private.external_ids[];
  v_taken crm_private.external_ids[];
begin
  if tg_op = 'INSERT' then
    select array_agg(row(tg_argv[0], own.source, own.id, new_row.id)::crm_private.external_ids)
    into v_taken
    from new_rows as new_row
    cross join unnest(new_row.external_ids) as own
    where cardinality(new_row.external_ids) > 0;

  elsif tg_op = 'DELETE' then
    select array_agg(row(tg_argv[0], own.source, own.id, old_row.id)::crm_private.external_ids)
    into v_gone
    from old_rows as old_row
    cross join unnest(old_row.external_ids) as own
    where cardinality(old_row.external_ids) > 0;

  else
    -- Both are of the rows before and after: what is only in one of them was freed, or taken.
    with before as (
      select own.source, own.id, old_row.id as entity_id
      from old_rows as old_row
      cross join unnest(old_row.external_ids) as own
      where cardinality(old_row.external_ids) > 0
    ),
    after as (
      select own.source, own.id, new_row.id as entity_id
      from new_rows as new_row
      cross join unnest(new_row.external_ids) as own
      where cardinality(new_row.external_ids) > 0
    )
    select
      (
        select array_agg(row(tg_argv[0], source, id, entity_id)::crm_private.external_ids)
        from (table before except table after) as gone
      ),
      (
        select array_agg(row(tg_argv[0], source, id, entity_id)::crm_private.external_ids)
        from (table after except table before) as taken
      )
    into v_gone, v_taken;
  end if;

  if v_gone is not null or v_taken is not null then
    perform crm_private.move_external_ids(v_gone, v_taken);
  end if;
  return null;
end
$$;

comment on function crm_private.keep_external_ids() is
  'Frees the external ids that rows lose, and takes those that they get.';

revoke all on function crm_private.keep_external_ids() from public;

create or replace trigger _300_external_ids_insert after insert on crm.contacts
  referencing new table as new_rows
  for each statement execute function crm_private.keep_external_ids('contact');
create or replace trigger _300_external_ids_update after update on crm.contacts
  referencing old table as old_rows new table as new_rows
  for each statement execute function crm_private.keep_external_ids('contact');
create or replace trigger _300_external_ids_delete after delete on crm.contacts
  referencing old table as old_rows
  for each statement execute function crm_private.keep_external_ids('contact');

create or replace trigger _300_external_ids_insert after insert on crm.companies
  referencing new table as new_rows
  for each statement execute function crm_private.keep_external_ids('company');
create or replace trigger _300_external_ids_update after update on crm.companies
  referencing old table as old_rows new table as new_rows
  for each statement execute function crm_private.keep_external_ids('company');
create or replace trigger _300_external_ids_delete after delete on crm.companies
  referencing old table as old_rows
  for each statement execute function crm_private.keep_external_ids('company');

create or replace trigger _300_external_ids_insert after insert on crm.deals
  referencing new table as new_rows
  for each statement execute function crm_private.keep_external_ids('deal');
create or replace trigger _300_external_ids_update after update on crm.deals
  referencing old table as old_rows new table as new_rows
  for each statement execute function crm_private.keep_external_ids('deal');
create or replace trigger _300_external_ids_delete after delete on crm.deals
  referencing old table as old_rows
  for each statement execute function crm_private.keep_external_ids('deal');

create or replace trigger _300_external_ids_insert after insert on crm.tasks
  referencing new table as new_rows
  for each statement execute function crm_private.keep_external_ids('task');
create or replace trigger _300_external_ids_update after update on crm.tasks
  referencing old table as old_rows new table as new_rows
  for each statement execute function crm_private.keep_external_ids('task');
create or replace trigger _300_external_ids_delete after delete on crm.tasks
  referencing old table as old_rows
  for each statement execute function crm_private.keep_external_ids('task');

create or replace trigger _300_external_ids_insert after insert on crm.notes
  referencing new table as new_rows
  for each statement execute function crm_private.keep_external_ids('note');
create or replace trigger _300_external_ids_update after update on crm.notes
  referencing old table as old_rows new table as new_rows
  for each statement execute function crm_private.keep_external_ids('note');
create or replace trigger _300_external_ids_delete after delete on crm.notes
  referencing old table as old_rows
  for each statement execute function crm_private.keep_external_ids('note');
--! EndIncluded triggers/300_external_ids.sql

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

--! Included functions/contact_by_external_id.sql
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
--! EndIncluded functions/contact_by_external_id.sql
--! Included functions/company_by_external_id.sql
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
--! EndIncluded functions/company_by_external_id.sql
--! Included functions/deal_by_external_id.sql
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
--! EndIncluded functions/deal_by_external_id.sql
--! Included functions/task_by_external_id.sql
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
--! EndIncluded functions/task_by_external_id.sql
--! Included functions/note_by_external_id.sql
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
--! EndIncluded functions/note_by_external_id.sql

-- What is created with something else may have external ids too.
do $types$
begin
  if not exists (
    select from pg_attribute
    where attrelid = 'crm.new_deal'::regclass and attname = 'external_ids' and not attisdropped
  ) then
    alter type crm.new_deal add attribute external_ids crm.external_id[];
    alter type crm.new_task add attribute external_ids crm.external_id[];
  end if;
end
$types$;

comment on column crm.new_deal.external_ids is 'None, if not given.';
comment on column crm.new_task.external_ids is 'None, if not given.';

-- Their bodies name every column.
--! Included functions/duplicate_group_contacts.sql
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
--! EndIncluded functions/duplicate_group_contacts.sql
--! Included functions/duplicate_group_companies.sql
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
--! EndIncluded functions/duplicate_group_companies.sql
--! Included functions/create_deal_with_tasks.sql
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
    custom_fields, external_ids
  )
  values (
    deal.title, deal.company_id, deal.contact_id, deal.value, coalesce(deal.currency, 'USD'),
    deal.stage, deal.probability, deal.close_date, deal.owner_id,
    coalesce(deal.custom_fields, '{}'), coalesce(deal.external_ids, '{}')
  )
  returning * into v_deal;

  insert into crm.tasks (
    description, due_date, assigned_to, status, entity_type, entity_id, external_ids
  )
  select
    task.description, task.due_date, task.assigned_to, coalesce(task.status, 'open'),
    'deal', v_deal.id, coalesce(task.external_ids, '{}')
  from unnest(tasks) with ordinality as task (
    description, due_date, assigned_to, status, external_ids, ordinal
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
--! EndIncluded functions/create_deal_with_tasks.sql
--! Included functions/united_external_ids.sql
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
--! EndIncluded functions/united_external_ids.sql
--! Included functions/check_merge.sql
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
        when 'crm.external_id[]'::regtype then 'must be a list of external ids'
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
        when 'crm.external_id[]'::regtype then
          jsonb_typeof(value) = 'array'
          and not jsonb_path_exists(
            value,
            'strict $[*] ? (@.type() != "object" || @.source.type() != "string" || @.id.type() != "string")',
            silent => true
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
--! EndIncluded functions/check_merge.sql
--! Included functions/merge_contacts.sql
/*
 * Makes one contact of several: the winner stays, the losers go. Runs with the caller's rights, who
 * could do all of it by hand.
 *
 * 1. Locks the contacts by id, so that merges that overlap come one after the other and whoever
 *    links something to a loser meanwhile waits, and is refused when the loser is gone. Companies
 *    come before contacts, deals, tasks and notes everywhere, lest two merges wait for each other.
 * 2. Writes the winner: the chosen fields, or what it has, or what the first loser has where it has
 *    nothing; custom fields one by one; email addresses, phone numbers and external ids of all.
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
    'external_ids', crm_private.united_external_ids(jsonb_agg(external_ids order by rank)),
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

  -- Until the losers are gone, the winner may have the same value of a unique field.
  perform crm_private.defer_unique(true);

  -- An external id belongs to one row: the losers give theirs up first.
  update crm.contacts
  set external_ids = '{}'
  where id = any (losers) and cardinality(external_ids) > 0;

  update crm.contacts as contact
  set (
    first_name, last_name, emails, phones, company_id, owner_id, custom_fields, external_ids,
    version
  ) = (
    select
      chosen.first_name, chosen.last_name, chosen.emails, chosen.phones, chosen.company_id,
      chosen.owner_id, chosen.custom_fields, chosen.external_ids, chosen.version
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
  perform crm_private.defer_unique(false);

  v_merge.contact_id     := winner;
  v_merge.transaction_id := pg_current_xact_id()::text::bigint;
  return v_merge;
end
$$;

comment on function crm.merge_contacts(uuid, uuid[], jsonb) is
  'Makes one contact of several. The winner gets every deal, task and note of the losers, all email '
  'addresses, phone numbers and external ids, and what it has no value for; then the losers are deleted. fields '
  'holds the values that are to win, as a patch has them; customFields one by one, null removes '
  'one. With a version it is refused if the winner has another by now.';

revoke all on function crm.merge_contacts(uuid, uuid[], jsonb) from public;
grant execute on function crm.merge_contacts(uuid, uuid[], jsonb) to crm_member;
--! EndIncluded functions/merge_contacts.sql
--! Included functions/merge_companies.sql
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
    'external_ids', crm_private.united_external_ids(jsonb_agg(external_ids order by rank)),
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

  -- Until the losers are gone, the winner may have the same value of a unique field.
  perform crm_private.defer_unique(true);

  -- An external id belongs to one row: the losers give theirs up first.
  update crm.companies
  set external_ids = '{}'
  where id = any (losers) and cardinality(external_ids) > 0;

  update crm.companies as company
  set (name, address, owner_id, custom_fields, external_ids, version) = (
    select
      chosen.name, chosen.address, chosen.owner_id, chosen.custom_fields, chosen.external_ids,
      chosen.version
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
  perform crm_private.defer_unique(false);

  v_merge.company_id     := winner;
  v_merge.transaction_id := pg_current_xact_id()::text::bigint;
  return v_merge;
end
$$;

comment on function crm.merge_companies(uuid, uuid[], jsonb) is
  'Makes one company of several. The winner gets every contact, deal, task and note of the losers, '
  'their external ids, and what it has no value for; then the losers are deleted. fields holds the values that are to '
  'win, as a patch has them; customFields one by one, null removes one. With a version it is refused '
  'if the winner has another by now.';

revoke all on function crm.merge_companies(uuid, uuid[], jsonb) from public;
grant execute on function crm.merge_companies(uuid, uuid[], jsonb) to crm_member;
--! EndIncluded functions/merge_companies.sql
--! Included functions/row_as_of.sql
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
--! EndIncluded functions/row_as_of.sql
--! Included functions/row_from_creation.sql
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
      'external_ids', '[]'::jsonb,
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
--! EndIncluded functions/row_from_creation.sql
--! Included functions/erase_contact.sql
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
--! EndIncluded functions/erase_contact.sql

--! split: 040-bulk.sql
/*
 * Why: integrations and imports write thousands of rows at once, and must learn of all faulty ones
 *      together. The validation notes a faulty row and leaves it out where many are written, instead
 *      of refusing the statement.
 * Locks: each validated table, for a moment, to bind its rules anew.
 * Undone by: revert/000006.sql.
 */

do $types$
begin
  if to_regtype('crm_private.bulk_row') is null then
    create type crm_private.bulk_row as (place integer, id uuid, operation text, item jsonb);
    create type crm_private.written_row as (
      place integer, id uuid, operation text, changed boolean
    );
    create type crm_private.current_row as (
      id uuid, version integer, external_ids crm.external_id[]
    );
    create type crm_private.row_fault as (
      place integer, code text, fields jsonb, readable boolean
    );
    create type crm_private.bulk_outcome as (
      rows      crm_private.bulk_row[],
      written   crm_private.written_row[],
      faults    crm_private.row_fault[],
      is_undone boolean
    );
    create type crm_private.bulk_result as (
      created   integer,
      updated   integer,
      deleted   integer,
      unchanged integer,
      faults    jsonb,
      ids       uuid[]
    );
  end if;
end
$types$;

comment on type crm_private.bulk_row is
  'A row of a bulk write: its place in the input, the row that is meant, what is to be done, and its '
  'columns.';
comment on type crm_private.written_row is
  'A row that a bulk write wrote: its place in the input, its id, what was done, and whether that '
  'changed anything.';
comment on type crm_private.current_row is 'A row that a bulk write has locked.';
comment on type crm_private.row_fault is
  'What is wrong with a row of a bulk write; not readable, if the row cannot be asked its other '
  'faults.';
comment on type crm_private.bulk_outcome is
  'What an attempt of a bulk write did: the rows that were meant, those written, and the faults.';
comment on type crm_private.bulk_result is
  'What a bulk write did: how many rows were created, updated, deleted, and left as they were; the '
  'faults, [{"index", "code", "fields"}]; and the ids of the rows in the order of the input, null '
  'where nothing was written.';

create table if not exists crm_private.faulty_rows (
  transaction_id bigint  not null,
  number         bigint  not null generated always as identity,
  place          integer,
  item           jsonb   not null,

  constraint faulty_rows_pkey primary key (transaction_id, number)
);

comment on table crm_private.faulty_rows is
  'The rows that a running bulk write found faulty. Empty outside of it.';

alter table crm_private.faulty_rows enable row level security;

drop function if exists crm_private.row_faults(regclass, jsonb);
drop function if exists crm_private.custom_field_faults(regclass, jsonb);
--! Included functions/custom_field_faults.sql
/*
 * Every fault of the custom fields of each of some rows of a table, given as jsonb, with the place of the
 * row from 1: keys that are not defined, values that break their definition, required fields without
 * one. None for tables that carry no custom fields. The definitions are read once, however many rows
 * there are. Called by crm_private.row_faults.
 */
create or replace function crm_private.custom_field_faults(p_table regclass, p_rows jsonb[])
returns table (place bigint, field text, message text, constraint_name text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can; what they
-- return cannot be told.
-- @plpgsql_check_options: security_warnings = off, extra_warnings = off
declare
  v_table text := (select relname::text from pg_class where oid = p_table);
  v_known text[];
  v_asked text;
begin
  select
    coalesce(array_agg(distinct d.name), '{}'),
    string_agg(
      format('(%L, %L, %L, %s)', d.name, asked.rule, asked.message, asked.condition), E',\n'
    )
  into v_known, v_asked
  from crm.custom_field_definitions as d
  left join lateral crm_private.custom_field_checks(d) as asked on true
  where crm_private.entity_table(d.entity_type) = p_table;

  return query execute format(
    $query$
      with given as (
        select listed.place, listed.item -> 'custom_fields' as custom_fields
        from unnest($1) with ordinality as listed (item, place)
        where jsonb_typeof(listed.item -> 'custom_fields') = 'object'
      )
      select given.place, 'customFields.' || asked.name, asked.message, %L || asked.rule
      from given
      cross join lateral (values %s) as asked (name, rule, message, holds)
      where not asked.holds

      union all

      select
        given.place, 'customFields.' || key, 'is not a custom field of this entity type',
        %L || 'known'
      from given
      cross join lateral jsonb_object_keys(given.custom_fields - $2) as key

      order by 1, 2, 3
    $query$,
    v_table || '_custom_fields_',
    coalesce(v_asked, '(null, null, null, true)'),
    v_table || '_custom_fields_'
  ) using p_rows, v_known;
end
$$;

comment on function crm_private.custom_field_faults(regclass, jsonb[]) is
  'Every fault of the custom fields of each of some rows: the place of the row, the field, the message '
  'and the rule.';

revoke all on function crm_private.custom_field_faults(regclass, jsonb[]) from public;
--! EndIncluded functions/custom_field_faults.sql
--! Included functions/row_faults.sql
/*
 * Every fault of each of some rows of a table, given as jsonb, with the place of the row from 1: what
 * crm_private.rules says of the table and, where it has custom fields, what their definitions say.
 *
 * A rule about an array or an object is asked again with each of its elements alone, so that the
 * fault is of the one at fault, emails.1 or address.country; if each of them is fine by itself, or
 * the rule is marked @whole, the fault is of the whole.
 *
 * Called for rows that are known to be faulty, one or thousands of them in one statement.
 */
create or replace function crm_private.row_faults(p_table regclass, p_rows jsonb[])
returns table (
  place           bigint,
  field           text,
  message         text,
  constraint_name text,
  column_name     text,
  kind            text
)
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
            'select faulty.place, %1$L || coalesce(''.'' || element.key, ''''), %2$L, %3$L, %4$L,
               %8$L, %5$s, element.value, element.ordinal
             from (select given.place, given.item from given where not (%7$s)) as faulty
             left join lateral (
               select element.*
               from crm_private.elements(faulty.item -> %4$L) as element
               cross join lateral jsonb_populate_record(
                 null::%6$s, faulty.item || jsonb_build_object(%4$L, element.alone)
               )
               where not (%7$s)
             ) as element on true'
          else
            'select given.place, %1$L, %2$L, %3$L, %4$L, %8$L, %5$s, given.item -> %4$L, null::bigint
             from given
             where not (%7$s)'
        end,
        rule.field, rule.message, rule.constraint_name, rule.column_name, rule.ordinal, p_table,
        rule.condition, rule.kind
      ),
      E'\nunion all\n'
    )
  into v_faults
  from crm_private.rules as rule
  where rule.table_oid = p_table
    and rule.kind in ('required', 'check', 'reference');

  return query execute format(
    'with given as materialized ('
    '  select listed.place, listed.item, filled.* '
    '  from unnest($1) with ordinality as listed (item, place) '
    '  cross join lateral jsonb_populate_record(null::%s, listed.item) as filled'
    ') '
    'select fault.place, fault.field, crm_private.fault_message(fault.message, fault.value), '
    '  fault.constraint_name, fault.column_name, fault.kind '
    'from (%s) as fault '
    '  (place, field, message, constraint_name, column_name, kind, ordinal, value, element_ordinal) '
    'order by fault.place, fault.ordinal, fault.constraint_name, fault.element_ordinal',
    p_table, v_faults
  ) using p_rows;

  return query
    select
      fault.place, fault.field, fault.message, fault.constraint_name, 'custom_fields', 'check'
    from crm_private.custom_field_faults(p_table, p_rows) as fault;
end
$$;

comment on function crm_private.row_faults(regclass, jsonb[]) is
  'Every fault of each of some rows: the place of the row, the field, the message, the rule, the '
  'column and the kind of rule.';

revoke all on function crm_private.row_faults(regclass, jsonb[]) from public;
--! EndIncluded functions/row_faults.sql
--! Included functions/refuse_row.sql
/*
 * Refuses a row, given as jsonb, as crm_private.refuse_faults does. Called by the trigger that
 * validates, for faulty rows only.
 *
 * Where many rows are written at once, crm_private.write_rows says so in crm.bulk, and the row is
 * noted, with its place in crm.bulk_row, and left out by the trigger. That holds for rows of its own
 * statements only: what these cascade to is refused. In no case is a faulty row written.
 *
 * Security definer, because it reads the catalog's rules, definitions and referenced rows whatever
 * policies hide of them, and notes rows where nobody else writes.
 */
create or replace function crm_private.refuse_row(p_table regclass, p_row jsonb)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table text := (select relname::text from pg_class where oid = p_table);
begin
  -- Asked by itself, it would tell which ids exist, whatever policies hide.
  if pg_trigger_depth() = 0 then
    raise exception 'crm_private.refuse_row is for triggers'
      using errcode = 'insufficient_privilege';
  end if;

  if current_setting('crm.bulk', true) = v_table || ' ' || pg_trigger_depth() then
    insert into crm_private.faulty_rows (transaction_id, place, item)
    values (
      pg_current_xact_id()::text::bigint,
      nullif(current_setting('crm.bulk_row', true), '')::integer,
      p_row
    );
    return;
  end if;

  perform crm_private.refuse_faults(p_table, p_row);

  -- What is compiled is right. It may be younger than the snapshot of this transaction, which then
  -- has to begin again; or bind_rules was forgotten.
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'the rules of % changed since this transaction began', p_table
      using errcode = 'serialization_failure';
  else
    raise exception 'crm_private.bind_rules was not called after a rule of % changed', p_table
      using errcode = 'internal_error';
  end if;
end
$$;

comment on function crm_private.refuse_row(regclass, jsonb) is
  'Refuses a row that breaks a rule, with all its faults; of many rows, notes the faulty ones.';

revoke all on function crm_private.refuse_row(regclass, jsonb) from public;
grant execute on function crm_private.refuse_row(regclass, jsonb) to crm_member;
--! EndIncluded functions/refuse_row.sql
--! Included functions/bind_rules.sql
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
--! EndIncluded functions/bind_rules.sql

select crm_private.bind_rules('crm.contacts');
select crm_private.bind_rules('crm.companies');
select crm_private.bind_rules('crm.deals');
select crm_private.bind_rules('crm.tasks');
select crm_private.bind_rules('crm.notes');
select crm_private.bind_rules('crm.custom_field_definitions');
select crm_private.bind_rules('crm.pipeline_stages');
select crm_private.bind_rules('crm.api_keys');

--! Included functions/merged.sql
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
--! EndIncluded functions/merged.sql
--! Included functions/written_columns.sql
/*
 * The columns of a table that members may give a new row (insert) or change (update): what a row of
 * a bulk write may hold. That members may is read, and not what the caller may, so that whoever may
 * not is refused by the statement itself.
 */
create or replace function crm_private.written_columns(p_table regclass, p_privilege text)
returns name[]
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select array_agg(attname order by attnum)
  from pg_attribute
  where attrelid = p_table
    and attnum > 0
    and not attisdropped
    and has_column_privilege('crm_member', attrelid, attnum, p_privilege);
$$;

comment on function crm_private.written_columns(regclass, text) is
  'The columns of a table that members may insert or update.';

revoke all on function crm_private.written_columns(regclass, text) from public;
grant execute on function crm_private.written_columns(regclass, text) to crm_reader;
--! EndIncluded functions/written_columns.sql
--! Included functions/column_defaults.sql
/* What a new row holds where it is given nothing, by column, of those that members may insert. */
create or replace function crm_private.column_defaults(p_table regclass)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
-- Its statement is made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_defaults jsonb;
begin
  execute (
    select format(
      'select jsonb_build_object(%s)',
      string_agg(
        format('%L, %s', attname, pg_get_expr(adbin, adrelid)), ', ' order by attnum
      )
    )
    from pg_attribute
    join pg_attrdef on adrelid = attrelid and adnum = attnum
    where attrelid = p_table
      and attgenerated = ''
      and attname = any (crm_private.written_columns(p_table, 'insert'))
  ) into v_defaults;
  return v_defaults;
end
$$;

comment on function crm_private.column_defaults(regclass) is
  'What a new row holds where it is given nothing, by column.';

revoke all on function crm_private.column_defaults(regclass) from public;
grant execute on function crm_private.column_defaults(regclass) to crm_member;
--! EndIncluded functions/column_defaults.sql
--! Included functions/read_rows.sql
/*
 * Reads the rows that a bulk write is given: each with its place in the input, from 0, and what is
 * wrong with its form, null if nothing is. Whether values can be read as those of their columns is
 * found when they are written.
 */
create or replace function crm_private.read_rows(p_table regclass, p_operation text, p_rows jsonb)
returns table (place integer, id uuid, item jsonb, fields jsonb)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_known text[] := case p_operation
    when 'create' then crm_private.written_columns(p_table, 'insert')
    when 'update' then 'id'::name || crm_private.written_columns(p_table, 'update')
    when 'upsert' then 'external_id'::name || crm_private.written_columns(p_table, 'insert')
    else '{id,version}'
  end::text[];
begin
  return query
    select
      (listed.ordinal - 1)::integer,
      case
        when p_operation in ('update', 'delete') and faults.found is null
        then (listed.item ->> 'id')::uuid
      end,
      listed.item,
      faults.found
    from jsonb_array_elements(p_rows) with ordinality as listed (item, ordinal)
    cross join lateral (
      select case
        when jsonb_typeof(listed.item) <> 'object' then '{"row": ["must be an object"]}'
        else nullif(
          coalesce(
            case
              when listed.item - v_known <> '{}' then (
                select jsonb_object_agg(
                  left(key, 80), '["is not a field that can be given here"]'::jsonb
                )
                from jsonb_object_keys(listed.item - v_known) as key
              )
            end,
            '{}'
          )
          || case
            when p_operation not in ('update', 'delete') then '{}'
            when listed.item ->> 'id' is null then '{"id": ["is required"]}'
            when listed.item ->> 'id' !~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
            then '{"id": ["must be a UUID"]}'
            else '{}'
          end::jsonb
          || case
            when p_operation not in ('update', 'delete') or not listed.item ? 'version' then '{}'
            when jsonb_path_exists(
              listed.item,
              '$.version ? (@ == null || @ > -2147483648 && @ < 2147483648 && @ == @.floor())',
              silent => true
            )
            then '{}'
            else '{"version": ["must be a whole number below 2,147,483,648"]}'
          end::jsonb
          || case
            when p_operation <> 'upsert' then '{}'
            when coalesce(listed.item -> 'external_id', 'null') = 'null'
            then '{"externalId": ["is required"]}'
            when jsonb_typeof(listed.item #> '{external_id,source}') = 'string'
              and jsonb_typeof(listed.item #> '{external_id,id}') = 'string'
              and (listed.item -> 'external_id') - '{source,id}'::text[] = '{}'
              and not crm_private.is_blank(listed.item #>> '{external_id,source}')
              and not crm_private.is_blank(listed.item #>> '{external_id,id}')
            then '{}'
            else '{"externalId": ["must have a source and an id"]}'
          end::jsonb,
          '{}'
        )
      end as found
    ) as faults;
end
$$;

comment on function crm_private.read_rows(regclass, text, jsonb) is
  'The rows that a bulk write is given, with what is wrong with the form of each.';

revoke all on function crm_private.read_rows(regclass, text, jsonb) from public;
grant execute on function crm_private.read_rows(regclass, text, jsonb) to crm_member;
--! EndIncluded functions/read_rows.sql
--! Included functions/take_faults.sql
/*
 * The faults of the rows that this transaction's bulk write found faulty, with the place of each in
 * the input, or the id where it was an update; forgets the rows. Called by crm_private.attempt_rows.
 *
 * Security definer, because rules are asked of the catalog and of referenced rows, and because nobody
 * may read or write what is noted. It tells of rows only that the caller has tried to write.
 */
create or replace function crm_private.take_faults(p_table regclass)
returns table (place integer, id uuid, code text, fields jsonb)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_places integer[];
  v_items  jsonb[];
begin
  with taken as (
    delete from crm_private.faulty_rows
    where transaction_id = pg_current_xact_id()::text::bigint
    returning number, place, item
  )
  select array_agg(taken.place order by taken.number), array_agg(taken.item order by taken.number)
  into v_places, v_items
  from taken;

  if v_items is null then
    return;
  end if;

  return query
    select
      v_places[listed.place],
      (v_items[listed.place] ->> 'id')::uuid,
      case
        when bool_and(listed.kinds <@ '{reference}') then 'CONSTRAINT_VIOLATION'
        else 'VALIDATION_ERROR'
      end,
      jsonb_object_agg(listed.field, listed.messages)
    from (
      select
        fault.place,
        fault.field,
        jsonb_agg(fault.message order by fault.ordinal) as messages,
        array_agg(fault.kind) as kinds
      from crm_private.row_faults(p_table, v_items) with ordinality as fault (
        place, field, message, constraint_name, column_name, kind, ordinal
      )
      group by fault.place, fault.field
    ) as listed
    group by listed.place;
end
$$;

comment on function crm_private.take_faults(regclass) is
  'The faults of the rows that a bulk write of this transaction found faulty.';

revoke all on function crm_private.take_faults(regclass) from public;
grant execute on function crm_private.take_faults(regclass) to crm_member;
--! EndIncluded functions/take_faults.sql
--! Included functions/put_rows.sql
/*
 * Writes rows whose ids are known: creates, updates and deletes, each with one statement. Gives those
 * that were written, with their ids, in any order, and whether anything changed.
 *
 * A row that the validation refuses is noted and left out (crm_private.refuse_row). Rows are made one
 * after the other, and until the next one crm.bulk_row tells the place of each: to the validation,
 * and to what is returned of it. Triggers that fire meanwhile plan as they always do.
 */
create or replace function crm_private.put_rows(p_table regclass, p_rows crm_private.bulk_row[])
returns setof crm_private.written_row
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = auto
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can; that they
-- write cannot be told.
-- @plpgsql_check_options: security_warnings = off, performance_warnings = off
begin
  if exists (select from unnest(p_rows) as given where given.operation = 'create') then
    return query execute (
      select format(
        'insert into %s as record (%s)
         select %s
         from unnest($1) as given
         cross join lateral jsonb_populate_record(null::%1$s, $2 || given.item) as filled
         where given.operation = ''create''
           and set_config(''crm.bulk_row'', given.place::text, true) is not null
         returning current_setting(''crm.bulk_row'')::integer, record.id, ''create'', true',
        p_table,
        string_agg(quote_ident(name), ', '),
        string_agg('filled.' || quote_ident(name), ', ')
      )
      from unnest(crm_private.written_columns(p_table, 'insert')) as name
    ) using p_rows, crm_private.column_defaults(p_table);
    perform set_config('crm.bulk_row', '', true);
  end if;

  if exists (select from unnest(p_rows) as given where given.operation = 'update') then
    return query execute (
      select format(
        'update %s as record
         set %s
         from (
           select given.place, found.version as old_version, %s
           from unnest($1) as given
           join %1$s as found on found.id = given.id
           cross join lateral jsonb_populate_record(found, given.item) as filled
           where given.operation = ''update''
         ) as patched
         where record.id = patched."#id"
         returning patched.place, record.id, ''update'', record.version <> patched.old_version',
        p_table,
        string_agg(format('%1$I = patched.%1$I', name), ', '),
        string_agg(format('filled.%I', name), ', ') || ', found.id as "#id"'
      )
      from unnest(crm_private.written_columns(p_table, 'update')) as name
    ) using p_rows;
  end if;

  if exists (select from unnest(p_rows) as given where given.operation = 'delete') then
    return query execute format(
      'delete from %s as record
       using unnest($1) as given
       where given.operation = ''delete'' and record.id = given.id
       returning given.place, record.id, ''delete'', true',
      p_table
    ) using p_rows;
  end if;
end
$$;

comment on function crm_private.put_rows(regclass, crm_private.bulk_row[]) is
  'Writes the rows of a bulk write whose ids are known.';

revoke all on function crm_private.put_rows(regclass, crm_private.bulk_row[]) from public;
grant execute on function crm_private.put_rows(regclass, crm_private.bulk_row[]) to crm_member;
--! EndIncluded functions/put_rows.sql
--! Included functions/meant_rows.sql
/*
 * Which rows an upsert means: an update of the row that has the external id, or a new row that gets
 * it. external_ids that are given have it too, or it would be lost.
 */
create or replace function crm_private.meant_rows(
  p_entity_type text,
  p_rows        crm_private.bulk_row[]
)
returns crm_private.bulk_row[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select array_agg(
    row(
      given.place,
      held.entity_id,
      case when held.entity_id is null then 'create' else 'update' end,
      case
        when held.entity_id is not null and not given.item ? 'external_ids'
          or jsonb_typeof(given.item -> 'external_ids') not in ('array', 'null')
          or given.item -> 'external_ids' @> jsonb_build_array(own.external_id)
        then given.item - 'external_id'
        else given.item - 'external_id' || jsonb_build_object(
          'external_ids',
          jsonb_build_array(own.external_id)
            || coalesce(nullif(given.item -> 'external_ids', 'null'), '[]')
        )
      end
    )::crm_private.bulk_row
    order by given.place
  )
  from unnest(p_rows) as given
  cross join lateral (select given.item -> 'external_id' as external_id) as own
  left join crm_private.external_ids as held
    on held.entity_type = p_entity_type
    and held.source = own.external_id ->> 'source'
    and held.id = own.external_id ->> 'id';
$$;

comment on function crm_private.meant_rows(text, crm_private.bulk_row[]) is
  'Which rows an upsert means, by their external ids.';

revoke all on function crm_private.meant_rows(text, crm_private.bulk_row[]) from public;
grant execute on function crm_private.meant_rows(text, crm_private.bulk_row[]) to crm_member;
--! EndIncluded functions/meant_rows.sql
--! Included functions/attempt_rows.sql
/*
 * One attempt of a bulk write: finds and locks the rows that are meant, writes those that can be, and
 * gives every fault of the others.
 *
 * p_known are the faults that an earlier attempt met. Their rows are not written; those that could be
 * read are validated all the same, so that all their faults are told.
 *
 * Raises what a statement raises that meets a collision; crm_private.write_rows finds out of which
 * rows, and tries again.
 */
create or replace function crm_private.attempt_rows(
  p_entity_type text,
  p_operation   text,
  p_rows        crm_private.bulk_row[],
  p_known       crm_private.row_fault[]
)
returns crm_private.bulk_outcome
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table   regclass := crm_private.entity_table(p_entity_type);
  v_name    text     := (select relname::text from pg_class where oid = v_table);
  v_current crm_private.current_row[];
  v_absent  crm_private.row_fault[];
  v_moved   bigint;
  v_noted   crm_private.row_fault[];
  v_outcome crm_private.bulk_outcome;
begin
  v_outcome.rows := p_rows;

  -- An upsert means the row that has the external id once it is locked.
  for v_round in 1 .. 10
  loop
    exit when p_operation = 'create';
    if p_operation = 'upsert' then
      v_outcome.rows := crm_private.meant_rows(p_entity_type, p_rows);
    end if;
    execute format(
      'select array_agg(row(id, version, external_ids)::crm_private.current_row)
       from (
         select id, version, external_ids from %s
         where id in (select given.id from unnest($1) as given)
         order by id
         for %s
       ) as locked',
      v_table, case p_operation when 'delete' then 'update' else 'no key update' end
    ) into v_current using v_outcome.rows;
    exit when p_operation <> 'upsert';

    -- Counted, because the way to a first row would be one row by one.
    select count(*)
    into v_moved
    from unnest(p_rows) as given
    join unnest(v_outcome.rows) as meant using (place)
    left join unnest(v_current) as found on found.id = meant.id
    where meant.id is not null
      and not coalesce(
        jsonb_populate_record(null::crm.external_id, given.item -> 'external_id')
          = any (found.external_ids),
        false
      );
    exit when v_moved = 0;
  end loop;

  if p_operation <> 'create' then
    select array_agg(row(fault.place, fault.code, fault.fields, false)::crm_private.row_fault)
    into v_absent
    from (
      select
        given.place,
        case
          when given.number > 1 then 'VALIDATION_ERROR'
          when found.id is null then 'NOT_FOUND'
          else 'CONFLICT'
        end as code,
        case
          when given.number > 1 then jsonb_build_object(
            case p_operation when 'upsert' then 'externalId' else 'id' end,
            jsonb_build_array('is given to row ' || given.first || ' too')
          )
          when found.id is null then jsonb_build_object(
            'id', jsonb_build_array(format('"%s" is not the id of a %s', given.id, p_entity_type))
          )
          else jsonb_build_object(
            'version', jsonb_build_array('is not current, which is ' || found.version)
          )
        end as fields
      from (
        select
          place, id, operation, item,
          row_number() over (partition by id order by place) as number,
          first_value(place) over (partition by id order by place) as first
        from unnest(v_outcome.rows)
        where id is not null
      ) as given
      left join unnest(v_current) as found using (id)
      where given.number > 1
        or found.id is null
        or given.item ? 'version'
          and given.item -> 'version' is distinct from to_jsonb(found.version)
    ) as fault;

    if p_operation = 'upsert' then
      v_absent := v_absent || array(
        select row(
          given.place,
          'VALIDATION_ERROR',
          jsonb_build_object(
            'externalId', jsonb_build_array('is given to row ' || given.first || ' too')
          ),
          false
        )::crm_private.row_fault
        from (
          select
            place, id,
            first_value(place) over (partition by item -> 'external_id' order by place) as first
          from unnest(p_rows)
        ) as given
        where given.first <> given.place
          and not exists (
            select from unnest(v_outcome.rows) as meant
            where meant.place = given.place and meant.id is not null
          )
      );
    end if;

    v_outcome.rows := array(
      select given from unnest(v_outcome.rows) as given
      where given.place not in (select absent.place from unnest(v_absent) as absent)
      order by given.place
    );
  end if;

  perform set_config('crm.bulk', v_name || ' ' || pg_trigger_depth() + 1, true);

  v_outcome.written := array(
    select written
    from crm_private.put_rows(v_table, array(
      select given from unnest(v_outcome.rows) as given
      where given.place not in (select known.place from unnest(p_known) as known)
      order by given.place
    )) as written
  );

  -- These are not written, whatever they hold: the validation only says what is wrong with them.
  if cardinality(p_known) > 0 then
    perform set_config('crm.refusing', 'on', true);
    perform crm_private.put_rows(v_table, array(
      select given from unnest(v_outcome.rows) as given
      where given.operation <> 'delete'
        and given.place in (select known.place from unnest(p_known) as known where known.readable)
      order by given.place
    ));
    perform set_config('crm.refusing', '', true);
  end if;

  perform set_config('crm.bulk', '', true);

  select array_agg(row(coalesce(noted.place, given.place), noted.code, noted.fields, true)
    ::crm_private.row_fault)
  into v_noted
  from crm_private.take_faults(v_table) as noted
  left join unnest(v_outcome.rows) as given on noted.place is null and given.id = noted.id;

  v_outcome.faults := array(
    select row(
      fault.place,
      case
        when count(distinct fault.code) = 1 then min(fault.code)
        else 'VALIDATION_ERROR'
      end,
      coalesce(
        crm_private.merged(array_agg(fault.fields)),
        '{"row": ["met another change; please try again"]}'
      ),
      bool_and(fault.readable)
    )::crm_private.row_fault
    from (
      select * from unnest(v_absent)
      union all
      select * from unnest(v_noted)
      union all
      select * from unnest(p_known)
    ) as fault
    group by fault.place
    order by fault.place
  );
  return v_outcome;
end
$$;

comment on function crm_private.attempt_rows(
  text, text, crm_private.bulk_row[], crm_private.row_fault[]
) is
  'One attempt of a bulk write.';

revoke all on function crm_private.attempt_rows(
  text, text, crm_private.bulk_row[], crm_private.row_fault[]
) from public;
grant execute on function crm_private.attempt_rows(
  text, text, crm_private.bulk_row[], crm_private.row_fault[]
) to crm_member;
--! EndIncluded functions/attempt_rows.sql
--! Included functions/broken_reference.sql
/*
 * The condition that a row of a table has a reference that leads nowhere, null if it has none at all.
 *
 * Security definer, because rules are not read by roles; it reads no rows.
 */
create or replace function crm_private.broken_reference(p_table regclass)
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(format('not (%s)', condition), ' or ' order by constraint_name)
  from crm_private.rules
  where table_oid = p_table and kind = 'reference';
$$;

comment on function crm_private.broken_reference(regclass) is
  'The condition that a row of a table has a reference that leads nowhere.';

revoke all on function crm_private.broken_reference(regclass) from public;
grant execute on function crm_private.broken_reference(regclass) to crm_member;
--! EndIncluded functions/broken_reference.sql
--! Included functions/colliding_rows.sql
/*
 * The rows of a bulk write that collide with other rows, in the database or in the list: those with a
 * reference that leads nowhere, and those with an external id that belongs to another row. What is
 * wrong is told of external ids only; references are found with the other rules of the row.
 *
 * Called once a statement has met such a row, which PostgreSQL reports alone.
 */
create or replace function crm_private.colliding_rows(
  p_entity_type text,
  p_rows        crm_private.bulk_row[]
)
returns setof crm_private.row_fault
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_table regclass := crm_private.entity_table(p_entity_type);
  v_filled text := format(
    'select given.place as "#place", given.item as "#item", filled.*
     from unnest($1) as given
     left join %s as found on found.id = given.id
     cross join lateral jsonb_populate_record(found, given.item) as filled
     where given.operation <> ''delete''',
    v_table
  );
  v_broken text;
begin
  v_broken := crm_private.broken_reference(v_table);

  if v_broken is not null then
    return query execute format(
      'select "#place", ''CONSTRAINT_VIOLATION'', ''{}''::jsonb, true from (%s) as filled where %s',
      v_filled, v_broken
    ) using p_rows;
  end if;

  return query execute format(
    $find$
      with carried as materialized (
        select
          filled."#place" as place, filled.id as entity_id, own.source, own.id,
          own.position - 1 as position
        from (%s) as filled
        cross join unnest(filled.external_ids) with ordinality as own (source, id, position)
        where filled."#item" ? 'external_ids'
      ),
      freed as materialized (
        select id from unnest($1) as given where given.item ? 'external_ids' and id is not null
      ),
      collisions as (
        select carried.*, 'belongs to another ' || $2 as message
        from carried
        join crm_private.external_ids as held
          on held.entity_type = $2 and held.source = carried.source and held.id = carried.id
        where held.entity_id is distinct from carried.entity_id
          and held.entity_id not in (select id from freed)

        union

        select place, entity_id, source, id, position, 'is given to row ' || first || ' too'
        from (
          select
            carried.*,
            first_value(place) over (partition by source, id order by place, position) as first
          from carried
        ) as twice (place, entity_id, source, id, position, first)
        where twice.first <> twice.place
      )
      select
        place, 'CONSTRAINT_VIOLATION',
        jsonb_object_agg('externalIds.' || position, jsonb_build_array(
          crm_private.fault_message(
            '%%s ' || message, jsonb_build_object('source', source, 'id', id)
          )
        )),
        true
      from collisions
      group by place
    $find$,
    v_filled
  ) using p_rows, p_entity_type;
end
$$;

comment on function crm_private.colliding_rows(text, crm_private.bulk_row[]) is
  'The rows of a bulk write that collide with other rows.';

revoke all on function crm_private.colliding_rows(text, crm_private.bulk_row[]) from public;
grant execute on function crm_private.colliding_rows(text, crm_private.bulk_row[]) to crm_member;
--! EndIncluded functions/colliding_rows.sql
--! Included functions/unreadable_rows.sql
/*
 * The rows of a bulk write with values that cannot be read as those of their columns, a day that does
 * not exist for example, with each such field. Called once a statement has met one.
 */
create or replace function crm_private.unreadable_rows(
  p_table regclass,
  p_rows  crm_private.bulk_row[]
)
returns setof crm_private.row_fault
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_row    crm_private.bulk_row;
  v_member record;
  v_fields jsonb;
begin
  foreach v_row in array p_rows
  loop
    begin
      execute format('select from jsonb_populate_record(null::%s, $1)', p_table) using v_row.item;
    exception
      when data_exception or program_limit_exceeded then
        v_fields := '{}';
        for v_member in select key, value from jsonb_each(v_row.item)
        loop
          begin
            execute format('select from jsonb_populate_record(null::%s, $1)', p_table)
            using jsonb_build_object(v_member.key, v_member.value);
          exception
            when data_exception or program_limit_exceeded then
              v_fields := v_fields || jsonb_build_object(
                crm_private.camel_case(v_member.key),
                jsonb_build_array(crm_private.fault_message(
                  '%s has the wrong form', v_member.value
                ))
              );
          end;
        end loop;
        return next row(v_row.place, 'VALIDATION_ERROR', v_fields, false)::crm_private.row_fault;
    end;
  end loop;
end
$$;

comment on function crm_private.unreadable_rows(regclass, crm_private.bulk_row[]) is
  'The rows of a bulk write with values that cannot be read.';

revoke all on function crm_private.unreadable_rows(regclass, crm_private.bulk_row[]) from public;
grant execute on function crm_private.unreadable_rows(regclass, crm_private.bulk_row[])
  to crm_member;
--! EndIncluded functions/unreadable_rows.sql
--! Included functions/fields_of_violation.sql
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
--! EndIncluded functions/fields_of_violation.sql
--! Included functions/offending_rows.sql
/*
 * The rows of a bulk write that break a constraint which only the table as a whole can be asked, a
 * unique index that somebody made for example. Writes the list in halves, and those that fail in
 * halves again, until what fails is a row; then takes everything back. Called where nothing else
 * explains why a statement failed.
 */
create or replace function crm_private.offending_rows(
  p_table regclass,
  p_rows  crm_private.bulk_row[]
)
returns setof crm_private.row_fault
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_pending    int4range[] := array[int4range(1, cardinality(p_rows) + 1)];
  v_part       int4range;
  v_middle     integer;
  v_faults     crm_private.row_fault[] := array[]::crm_private.row_fault[];
  v_state      text;
  v_schema     text;
  v_constraint text;
  v_detail     text;
begin
  begin
    -- Rows that break a rule are left out, and found otherwise.
    perform set_config(
      'crm.bulk',
      (select relname from pg_class where oid = p_table) || ' ' || pg_trigger_depth() + 1,
      true
    );
    while cardinality(v_pending) > 0
    loop
      v_part    := v_pending[1];
      v_pending := v_pending[2:];
      begin
        perform crm_private.put_rows(p_table, p_rows[lower(v_part) : upper(v_part) - 1]);
      exception
        when integrity_constraint_violation or data_exception or program_limit_exceeded
          or sqlstate 'CRM01'
        then
          v_middle := (lower(v_part) + upper(v_part)) / 2;
          if v_middle > lower(v_part) then
            v_pending := int4range(lower(v_part), v_middle)
              || (int4range(v_middle, upper(v_part)) || v_pending);
          -- A version that is not current is found otherwise, too.
          elsif sqlstate <> 'CRM01' then
            get stacked diagnostics
              v_state      = returned_sqlstate,
              v_schema     = schema_name,
              v_constraint = constraint_name,
              v_detail     = pg_exception_detail;
            v_faults := v_faults || row(
              p_rows[lower(v_part)].place,
              case
                when v_state like '23%' and v_state not in ('23514', '23502')
                then 'CONSTRAINT_VIOLATION'
                else 'VALIDATION_ERROR'
              end,
              crm_private.fields_of_violation(p_table, v_schema, v_constraint, v_detail),
              false
            )::crm_private.row_fault;
          end if;
      end;
    end loop;

    raise triggered_action_exception using message = 'takes everything back';
  exception
    when triggered_action_exception then
      null;
  end;

  return query select * from unnest(v_faults);
end
$$;

comment on function crm_private.offending_rows(regclass, crm_private.bulk_row[]) is
  'The rows of a bulk write that break a constraint, found by trying.';

revoke all on function crm_private.offending_rows(regclass, crm_private.bulk_row[]) from public;
grant execute on function crm_private.offending_rows(regclass, crm_private.bulk_row[])
  to crm_member;
--! EndIncluded functions/offending_rows.sql
--! Included functions/met_faults.sql
/*
 * What made an attempt of a bulk write fail, of which PostgreSQL tells one row at most: the rows that
 * collide, or cannot be read, or else those that are found by trying. Rows that are known already are
 * not told again. Trying is put off where an upsert may only have to be attempted again.
 */
create or replace function crm_private.met_faults(
  p_entity_type text,
  p_operation   text,
  p_rows        crm_private.bulk_row[],
  p_known       crm_private.row_fault[],
  p_state       text,
  p_is_last     boolean
)
returns crm_private.row_fault[]
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table regclass := crm_private.entity_table(p_entity_type);
  v_rows  crm_private.bulk_row[];
  v_met   crm_private.row_fault[];
begin
  if p_state not like '23%' then
    v_met := array(select unread from crm_private.unreadable_rows(v_table, p_rows) as unread);
    if cardinality(v_met) > 0 then
      return v_met;
    end if;
  end if;

  v_rows := case p_operation
    when 'upsert' then crm_private.meant_rows(p_entity_type, p_rows) else p_rows
  end;
  v_met := array(
    select row(
      colliding.place, min(colliding.code),
      coalesce(crm_private.merged(array_agg(colliding.fields)), '{}'), true
    )::crm_private.row_fault
    from crm_private.colliding_rows(p_entity_type, v_rows) as colliding
    where colliding.place not in (select known.place from unnest(p_known) as known)
    group by colliding.place
  );
  if cardinality(v_met) > 0 then
    return v_met;
  end if;

  if p_operation = 'upsert' and not p_is_last then
    return array[]::crm_private.row_fault[];
  end if;

  return array(
    select offending
    from crm_private.offending_rows(v_table, array(
      select given from unnest(v_rows) as given
      where given.place not in (select known.place from unnest(p_known) as known)
      order by given.place
    )) as offending
  );
end
$$;

comment on function crm_private.met_faults(
  text, text, crm_private.bulk_row[], crm_private.row_fault[], text, boolean
) is
  'What made an attempt of a bulk write fail: the rows that collide, cannot be read, or break a '
  'constraint.';

revoke all on function crm_private.met_faults(
  text, text, crm_private.bulk_row[], crm_private.row_fault[], text, boolean
) from public;
grant execute on function crm_private.met_faults(
  text, text, crm_private.bulk_row[], crm_private.row_fault[], text, boolean
) to crm_member;
--! EndIncluded functions/met_faults.sql
--! Included functions/refuse_rows.sql
/*
 * Refuses a bulk write with the faults of all its rows: the detail lists them. The condition is that
 * of the faults, if they have one in common.
 */
create or replace function crm_private.refuse_rows(p_table regclass, p_count bigint, p_faults jsonb)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table text  := (select relname::text from pg_class where oid = p_table);
  v_first jsonb := p_faults -> 0;
  v_codes text[] := array(
    select distinct fault ->> 'code' from jsonb_array_elements(p_faults) as fault
  );
begin
  raise exception '%: % of % rows are faulty; the first is % with %',
      v_table, jsonb_array_length(p_faults), p_count, v_first ->> 'index', v_first ->> 'fields'
    using errcode = case
                      when v_codes = '{NOT_FOUND}'            then 'P0002'
                      when v_codes = '{CONFLICT}'             then 'CRM01'
                      when v_codes = '{CONSTRAINT_VIOLATION}' then '23000'
                      else '23514'
                    end,
          schema  = 'crm', table = v_table,
          detail  = jsonb_build_object('faults', p_faults)::text;
end
$$;

comment on function crm_private.refuse_rows(regclass, bigint, jsonb) is
  'Refuses a bulk write with the faults of all its rows.';

revoke all on function crm_private.refuse_rows(regclass, bigint, jsonb) from public;
grant execute on function crm_private.refuse_rows(regclass, bigint, jsonb) to crm_member;
--! EndIncluded functions/refuse_rows.sql
--! Included functions/write_rows.sql
/*
 * Creates, updates, upserts or deletes many rows of an entity type in a few statements, all of it in
 * one transaction, and tells the faults of all rows at once. rows is an array of objects:
 *
 * - create: columns as keys. What is absent has its default.
 * - update: the same with the id. What is absent stays, what is null becomes null. With a version the
 *   row is refused if it has another by now.
 * - upsert: the same with external_id, {"source": …, "id": …}. The row that has it is updated; if
 *   there is none, one is created that has it.
 * - delete: id, and version.
 *
 * mode ALL_OR_NOTHING refuses everything if a row is faulty, with one error whose detail lists the
 * faults. VALID_ONLY writes the others, and gives the faults with the result. dry_run writes nothing
 * and tells what would happen. Positions begin with 0.
 *
 * Runs with the caller's rights. Called by the bulk mutations of the API and by SQL. Its statements
 * are planned anew for each list: a plan for any would be one for a hundred rows, and join ten thousand
 * pair by pair.
 */
create or replace function crm_private.write_rows(
  entity_type text,
  operation   text,
  rows        jsonb,
  mode        text    default 'ALL_OR_NOTHING',
  dry_run     boolean default false
)
returns crm_private.bulk_result
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_variable
declare
  v_table    regclass := crm_private.entity_table(entity_type);
  v_rows     crm_private.bulk_row[];
  v_misread  crm_private.row_fault[];
  v_known    crm_private.row_fault[] := array[]::crm_private.row_fault[];
  v_met      crm_private.row_fault[];
  v_attempts integer := 0;
  v_outcome  crm_private.bulk_outcome;
  v_faults   jsonb;
  v_result   crm_private.bulk_result;
begin
  if not coalesce(entity_type = any ('{contact,company,deal,task,note}'), false) then
    perform crm_private.refuse_argument(
      'entityType', 'must be contact, company, deal, task or note', 'write_rows_entity_type_known'
    );
  elsif not coalesce(operation = any ('{create,update,upsert,delete}'), false) then
    perform crm_private.refuse_argument(
      'operation', 'must be create, update, upsert or delete', 'write_rows_operation_known'
    );
  elsif not coalesce(mode = any ('{ALL_OR_NOTHING,VALID_ONLY}'), false) then
    perform crm_private.refuse_argument(
      'mode', 'must be ALL_OR_NOTHING or VALID_ONLY', 'write_rows_mode_known'
    );
  elsif not coalesce(jsonb_typeof(rows) = 'array', false) then
    perform crm_private.refuse_argument('rows', 'must be an array', 'write_rows_rows_list');
  end if;

  select
    coalesce(
      array_agg(
        row(given.place, given.id, operation, given.item)::crm_private.bulk_row
        order by given.place
      ) filter (where given.fields is null),
      '{}'
    ),
    coalesce(
      array_agg(
        row(given.place, 'VALIDATION_ERROR', given.fields, false)::crm_private.row_fault
        order by given.place
      ) filter (where given.fields is not null),
      '{}'
    )
  into v_rows, v_misread
  from crm_private.read_rows(v_table, operation, rows) as given;

  -- The first attempt is for lists without a fault that only a statement meets. Each further one
  -- knows of more rows that cannot be written.
  loop
    v_attempts := v_attempts + 1;
    begin
      v_outcome := crm_private.attempt_rows(entity_type, operation, v_rows, v_known);
      exit when not coalesce(dry_run, false) and (
        mode = 'VALID_ONLY' or cardinality(v_outcome.faults || v_misread) = 0
      );
      raise triggered_action_exception using message = 'takes everything back';
    exception
      when triggered_action_exception then
        v_outcome.is_undone := true;
        exit;
      when integrity_constraint_violation or data_exception or program_limit_exceeded then
        v_met := crm_private.met_faults(entity_type, operation, v_rows, v_known, sqlstate, v_attempts > 3);
        -- What an upsert was to create may have been created meanwhile, and is there to be updated.
        if cardinality(v_met) = 0 and (operation <> 'upsert' or v_attempts > 3) then
          raise;
        end if;
        v_known := v_known || v_met;
        -- What cannot be read can be asked nothing further.
        v_rows := array(
          select given from unnest(v_rows) as given
          where given.place not in (
            select unread.place from unnest(v_met) as unread where not unread.readable
          )
          order by given.place
        );
    end;
  end loop;

  select coalesce(
    jsonb_agg(
      jsonb_build_object('index', fault.place, 'code', fault.code, 'fields', fault.fields)
      order by fault.place
    ),
    '[]'
  )
  into v_faults
  from unnest(v_outcome.faults || v_misread) as fault;

  if v_faults <> '[]' and mode = 'ALL_OR_NOTHING' and not coalesce(dry_run, false) then
    perform crm_private.refuse_rows(v_table, jsonb_array_length(rows), v_faults);
  end if;

  if v_faults <> '[]' and mode = 'ALL_OR_NOTHING' then
    v_outcome.written := array[]::crm_private.written_row[];
  end if;

  select
    (count(*) filter (where written.operation = 'create'))::integer,
    (count(*) filter (where written.operation = 'update' and written.changed))::integer,
    (count(*) filter (where written.operation = 'delete'))::integer,
    (count(*) filter (where written.operation = 'update' and not written.changed))::integer
  into v_result.created, v_result.updated, v_result.deleted, v_result.unchanged
  from unnest(v_outcome.written) as written;

  v_result.faults := v_faults;
  v_result.ids    := array(
    select written.id
    from generate_series(0, jsonb_array_length(rows) - 1) as place
    left join unnest(v_outcome.written) as written
      on written.place = place.place and v_outcome.is_undone is not true
    order by place.place
  );
  return v_result;
end
$$;

comment on function crm_private.write_rows(text, text, jsonb, text, boolean) is
  'Creates, updates, upserts or deletes many rows of an entity type, and tells the faults of all of '
  'them at once.';

revoke all on function crm_private.write_rows(text, text, jsonb, text, boolean) from public;
grant execute on function crm_private.write_rows(text, text, jsonb, text, boolean) to crm_member;
--! EndIncluded functions/write_rows.sql

--! split: 050-field-indexes.sql
/*
 * Why: filters and orders on a custom field read the whole table.
 * Locks: nothing but the catalog.
 * Undone by: revert/000006.sql.
 */

--! Included functions/custom_field_index_name.sql
/*
 * What the index of a custom field is called, whether there is one or not: by the id of the
 * definition, which stays when the field gets another name.
 */
create or replace function crm_private.custom_field_index_name(
  p_definition crm.custom_field_definitions
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select relname || '_custom_' || replace(p_definition.id::text, '-', '')
  from pg_class
  where oid = crm_private.entity_table(p_definition.entity_type);
$$;

comment on function crm_private.custom_field_index_name(crm.custom_field_definitions) is
  'What the index of a custom field is called, whether there is one or not.';

revoke all on function crm_private.custom_field_index_name(crm.custom_field_definitions)
  from public;
grant execute on function crm_private.custom_field_index_name(crm.custom_field_definitions)
  to crm_reader;
--! EndIncluded functions/custom_field_index_name.sql
--! Included functions/custom_field_index_statement.sql
/*
 * The statement that makes the index of a custom field, over the very expression that the field's
 * function returns; p_option is nothing or concurrently.
 *
 * A B-tree with the id behind the value, so that a page sorted by the field is read from it. Its
 * entries are limited to 2,704 bytes, which a text may exceed, and then it would make a write fail:
 * a text has one where its definition has a max_length that cannot exceed it, 500 characters of four
 * bytes. SP-GiST takes texts of any length, and finds by the whole value or its beginning, but in no
 * order. Of several values GIN has each.
 */
create or replace function crm_private.custom_field_index_statement(
  p_definition crm.custom_field_definitions,
  p_option     text default ''
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format(
    case
      when p_definition.field_type = 'multi_enum' then 'create index %s %I on %s using gin ((%s))'
      when p_definition.field_type = 'text' and coalesce(p_definition.max_length > 500, true)
        then 'create index %s %I on %s using spgist ((%s))'
      else 'create index %s %I on %s using btree ((%s), id)'
    end,
    p_option,
    crm_private.custom_field_index_name(p_definition),
    crm_private.entity_table(p_definition.entity_type),
    crm_private.custom_field_value(p_definition)
  );
$$;

comment on function crm_private.custom_field_index_statement(crm.custom_field_definitions, text) is
  'The statement that makes the index of a custom field.';

revoke all on function crm_private.custom_field_index_statement(crm.custom_field_definitions, text)
  from public;
--! EndIncluded functions/custom_field_index_statement.sql
--! Included functions/custom_field_definitions_index.sql
/*
 * The index of a custom field, null where there is none. What is read is the catalog, so it is what
 * the database has, whoever made or dropped it.
 */
do $type$
begin
  if to_regtype('crm.custom_field_index') is null then
    create type crm.custom_field_index as (
      name     text,
      method   text,
      is_valid boolean,
      size     bigint,
      scans    bigint
    );
  end if;
end
$type$;

comment on type crm.custom_field_index is
  'An index on a custom field.';
comment on column crm.custom_field_index.name is
  E'@notNull\nWhat it is called in the schema crm.';
comment on column crm.custom_field_index.method is
  E'@notNull\nbtree, which answers filters by equality and ranges, and sorts; spgist, for long texts, '
  'which answers filters by the whole value or its beginning; or gin, for several values, which answers '
  'filters by what is among them.';
comment on column crm.custom_field_index.is_valid is
  E'@notNull\nFalse while it is being built, and after a build that failed; queries do not use it then.';
comment on column crm.custom_field_index.size is
  E'@notNull\nIts size in bytes.';
comment on column crm.custom_field_index.scans is
  E'@notNull\nHow many times it has been read since statistics are kept.';

create or replace function crm.custom_field_definitions_index(
  definition crm.custom_field_definitions
)
returns crm.custom_field_index
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select (
    class.relname, method.amname, index.indisvalid,
    pg_relation_size(class.oid), pg_stat_get_numscans(class.oid)
  )::crm.custom_field_index
  from pg_class as class
  join pg_index as index on index.indexrelid = class.oid
  join pg_am as method on method.oid = class.relam
  where class.oid = to_regclass(
    format('crm.%I', crm_private.custom_field_index_name(definition))
  );
$$;

comment on function crm.custom_field_definitions_index(crm.custom_field_definitions) is
  'The index by which filters and orders on the field are answered; null if there is none.';

revoke all on function crm.custom_field_definitions_index(crm.custom_field_definitions)
  from public;
grant execute on function crm.custom_field_definitions_index(crm.custom_field_definitions)
  to crm_reader;
--! EndIncluded functions/custom_field_definitions_index.sql
--! Included functions/claim_definitions.sql
/*
 * Keeps builds of indexes on custom fields and changes of definitions apart, until the transaction
 * ends. A build that does not block writers waits for every transaction that is older, so one that
 * waited for the build would be a deadlock, with all writers of the table behind it: refused
 * instead, at once. Changes of definitions do not refuse each other.
 *
 * The command line takes the same lock for its session before it builds.
 */
create or replace function crm_private.claim_definitions(p_alone boolean)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_lock constant integer := hashtext('crm_private.claim_definitions');
begin
  if p_alone and pg_try_advisory_xact_lock(v_lock)
    or not p_alone and pg_try_advisory_xact_lock_shared(v_lock)
  then
    return;
  end if;

  raise exception '%', case when p_alone
      then 'custom fields are being changed, or one is being indexed'
      else 'a custom field is being indexed'
    end
    using errcode = 'lock_not_available',
          schema  = 'crm', table = 'custom_field_definitions',
          hint    = 'Try again when that is done.';
end
$$;

comment on function crm_private.claim_definitions(boolean) is
  'Keeps builds of indexes on custom fields and changes of definitions apart.';

revoke all on function crm_private.claim_definitions(boolean) from public;
--! EndIncluded functions/claim_definitions.sql
--! Included functions/custom_field.sql
/* The definition of a custom field by its name; refuses one that is not there. */
create or replace function crm_private.custom_field(p_entity_type text, p_name text)
returns crm.custom_field_definitions
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_definition crm.custom_field_definitions;
begin
  perform crm_private.refuse_null('entityType', p_entity_type);
  perform crm_private.refuse_null('name', p_name);

  select definition.* into v_definition
  from crm.custom_field_definitions as definition
  where definition.entity_type = p_entity_type and definition.name = p_name;

  if not found then
    perform crm_private.refuse_missing('customFieldDefinition', left(p_name, 100));
  end if;

  return v_definition;
end
$$;

comment on function crm_private.custom_field(text, text) is
  'The definition of a custom field by its name; refuses one that is not there.';

revoke all on function crm_private.custom_field(text, text) from public;
--! EndIncluded functions/custom_field.sql
--! Included functions/index_custom_field.sql
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
--! EndIncluded functions/index_custom_field.sql
--! Included functions/unindex_custom_field.sql
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
--! EndIncluded functions/unindex_custom_field.sql
--! Included functions/apply_indexes.sql
/*
 * Makes the indexes of one entity type follow its definitions: that of a deleted one goes, that of one
 * whose value is another expression now, because of its type or its name, is made anew. p_old and
 * p_new hold the definitions before and after the statement. Called by
 * crm_private.definitions_changed when the rows hold what the definitions say.
 *
 * To drop an index keeps readers waiting, too, so it comes last; and whoever has been reading for
 * three seconds is not waited for.
 */
create or replace function crm_private.apply_indexes(
  p_entity_type text,
  p_old         crm.custom_field_definitions[],
  p_new         crm.custom_field_definitions[]
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '3s'
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_changes text;
begin
  select string_agg(
    format('drop index crm.%I; ', (index).name)
      || case when new_row.id is null then ''
        else crm_private.custom_field_index_statement(new_row)
      end,
    '; ' order by old_row.id
  ) || case when bool_or(new_row.id is not null)
    then format('; analyze %s', crm_private.entity_table(p_entity_type)) else ''
  end
  into v_changes
  from unnest(p_old) as old_row
  left join unnest(p_new) as new_row using (id)
  cross join crm.custom_field_definitions_index(old_row) as index
  where old_row.entity_type = p_entity_type
    and (index).name is not null
    and case when new_row.id is null then true
      else crm_private.custom_field_index_statement(new_row)
        <> crm_private.custom_field_index_statement(old_row)
    end;

  if v_changes is not null then
    execute v_changes;
  end if;
end
$$;

comment on function crm_private.apply_indexes(
  text, crm.custom_field_definitions[], crm.custom_field_definitions[]
) is
  'Makes the indexes of the custom fields of an entity type follow their definitions.';

revoke all on function crm_private.apply_indexes(
  text, crm.custom_field_definitions[], crm.custom_field_definitions[]
) from public;
--! EndIncluded functions/apply_indexes.sql
--! Included triggers/500_definitions.sql
/*
 * Phase 500: a change of custom field definitions is a migration of data, done and checked in the
 * same statement; crm_private.apply_definitions says how. What carries a field never changes.
 *
 * Security definer: it makes functions, and reaches rows whatever policies hide of them.
 */

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

  perform crm_private.claim_definitions(p_alone => false);

  -- In one order always, lest two changes wait for each other.
  perform
    crm_private.apply_definitions(entity_type, v_old, v_new),
    crm_private.apply_indexes(entity_type, v_old, v_new)
  from (
    select entity_type
    from unnest(v_old || v_new)
    group by entity_type
    order by entity_type
  ) as changed;

  return null;
end
$$;

comment on function crm_private.definitions_changed() is
  'Applies changed definitions to the rows of their entity types.';

revoke all on function crm_private.definitions_changed() from public;

create or replace trigger _500_definitions_insert after insert on crm.custom_field_definitions
  referencing new table as new_rows
  for each statement execute function crm_private.definitions_changed();
create or replace trigger _500_definitions_update after update on crm.custom_field_definitions
  referencing old table as old_rows new table as new_rows
  for each statement execute function crm_private.definitions_changed();
create or replace trigger _500_definitions_delete after delete on crm.custom_field_definitions
  referencing old table as old_rows
  for each statement execute function crm_private.definitions_changed();

create or replace function crm_private.refuse_moved_definition()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'custom_field_definitions: entityType of % cannot be changed', old.name
    using errcode    = 'check_violation',
          schema     = tg_table_schema, table = tg_table_name, column = 'entity_type',
          constraint = 'custom_field_definitions_entity_type_immutable',
          detail     = '{"entityType": ["cannot be changed"]}',
          hint       = 'Define the field for the other entity type, too.';
end
$$;

comment on function crm_private.refuse_moved_definition() is
  'Refuses another entity type for a definition.';

revoke all on function crm_private.refuse_moved_definition() from public;

create or replace trigger _210_refuse_moved before update on crm.custom_field_definitions
  for each row when (new.entity_type <> old.entity_type)
  execute function crm_private.refuse_moved_definition();
--! EndIncluded triggers/500_definitions.sql

--! split: 060-exchange-rates.sql
/*
 * Why: money of several currencies has no sum without rates, and which rate was meant is for
 *      administrators to say: by day, in units of one base currency.
 * Locks: crm_private.settings exclusively, for a moment.
 * Undone by: revert/000006.sql.
 */

create table crm.exchange_rates (
  id         uuid        not null default gen_random_uuid(),
  currency   text        not null,
  valid_from date        not null,
  rate       numeric     not null,
  version    integer     not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  created_by text        not null default crm.current_user_id(),
  updated_by text        not null default crm.current_user_id(),

  constraint exchange_rates_pkey primary key (id),
  constraint exchange_rates_valid_from_unique unique (currency, valid_from),
  constraint exchange_rates_currency_known check (currency = any (crm.currencies())),
  constraint exchange_rates_valid_from_range check (
    valid_from between date '0001-01-01' and date '9999-12-31'
  ),
  constraint exchange_rates_rate_positive check (rate > 0),
  constraint exchange_rates_rate_range check (abs(rate) < 10000000000000),
  constraint exchange_rates_rate_decimals check (scale(trim_scale(rate)) <= 12)
);

comment on table crm.exchange_rates is
  'What one unit of a currency is worth in the base currency, from a day on until the next rate. '
  'Administrators edit the rates.';

comment on column crm.exchange_rates.id is
  'The identifier of the row, set by the database.';
comment on column crm.exchange_rates.currency is
  'An ISO 4217 code, for example EUR. The base currency needs no rate.';
comment on column crm.exchange_rates.valid_from is
  'The first day that the rate is good for; the last is the day before the next rate.';
comment on column crm.exchange_rates.rate is
  'Units of the base currency for one unit of the currency, with at most 12 decimals.';
comment on column crm.exchange_rates.version is
  'Increases by one with every update. An update that carries another version than the '
  'current one is refused with the code CONFLICT.';
comment on column crm.exchange_rates.created_at is
  'When the row was created.';
comment on column crm.exchange_rates.updated_at is
  'When the row was last changed; later with every change.';
comment on column crm.exchange_rates.created_by is
  'The user who created the row.';
comment on column crm.exchange_rates.updated_by is
  'The user who last changed the row.';

comment on constraint exchange_rates_valid_from_unique on crm.exchange_rates is
  'is the first day of a rate of the currency already';
comment on constraint exchange_rates_currency_known on crm.exchange_rates is
  '%s is not an ISO 4217 currency code';
comment on constraint exchange_rates_valid_from_range on crm.exchange_rates is
  'must be a day of the years 1 to 9999';
comment on constraint exchange_rates_rate_positive on crm.exchange_rates is
  'must be above 0';
comment on constraint exchange_rates_rate_range on crm.exchange_rates is
  'must be a number below 10,000,000,000,000';
comment on constraint exchange_rates_rate_decimals on crm.exchange_rates is
  '%s has more than 12 decimals';

alter table crm.exchange_rates enable row level security;

grant select on crm.exchange_rates to crm_reader;
grant insert (currency, valid_from, rate) on crm.exchange_rates to crm_admin;
grant update (currency, valid_from, rate, version) on crm.exchange_rates to crm_admin;
grant delete on crm.exchange_rates to crm_admin;

create policy exchange_rates_select on crm.exchange_rates for select to crm_reader using (true);
create policy exchange_rates_insert on crm.exchange_rates for insert to crm_admin with check (true);
create policy exchange_rates_update on crm.exchange_rates for update to crm_admin using (true);
create policy exchange_rates_delete on crm.exchange_rates for delete to crm_admin using (true);

-- USD is what a deal is in that names no currency.
alter table crm_private.settings
  add column base_currency text not null default 'USD',
  add constraint settings_base_currency_known check (base_currency = any (crm.currencies()));

comment on column crm_private.settings.base_currency is
  'The currency that exchange rates are in.';
comment on constraint settings_base_currency_known on crm_private.settings is
  '%s is not an ISO 4217 currency code';

comment on column crm.audit_logs.entity_type is
  'What was changed: contact, company, deal, task, note, custom_field_definition, '
  'pipeline_stage, exchange_rate or api_key; setting, or journal for the journal itself.';

--! Included functions/entity_table.sql
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
    when 'exchange_rate'           then 'crm.exchange_rates'::regclass
    when 'api_key'                 then 'crm.api_keys'::regclass
  end;
$$;

comment on function crm_private.entity_table(text) is
  'The table of an entity type, null if there is no such type.';

revoke all on function crm_private.entity_table(text) from public;
grant execute on function crm_private.entity_table(text) to crm_reader;
--! EndIncluded functions/entity_table.sql
--! Included functions/is_readable.sql
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
    when 'exchange_rate' then
      return exists (select from crm.exchange_rates where id = p_entity_id);
    else
      return false;
  end case;
end
$$;

comment on function crm_private.is_readable(text, uuid) is
  'True if the caller can read the entity.';

revoke all on function crm_private.is_readable(text, uuid) from public;
grant execute on function crm_private.is_readable(text, uuid) to crm_reader;
--! EndIncluded functions/is_readable.sql
--! Included functions/carry_out_reversal.sql
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
    '{pipeline_stage,exchange_rate,custom_field_definition,company,contact,deal,task,note}', entity_type
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
    -- An external id may go from one row to another, step by step.
    set constraints crm_private.external_ids_pkey deferred;

    for v_step in
      select step.place, step.operation, type.name as entity_type
      from (
        values
          (1, 'insert',  '{pipeline_stage,exchange_rate,custom_field_definition}'),
          (2, 'prepare', '{custom_field_definition}'),
          (3, 'update',  '{pipeline_stage,exchange_rate}'),
          (4, 'delete',  '{custom_field_definition}'),
          (5, 'insert',  '{company,contact,deal,task,note}'),
          (6, 'update',  '{company,contact,deal,task,note}'),
          (7, 'delete',  '{company,contact,deal,task,note}'),
          (8, 'update',  '{custom_field_definition}'),
          (9, 'delete',  '{pipeline_stage,exchange_rate}')
      ) as step (place, operation, entity_types)
      cross join lateral unnest(step.entity_types::text[]) with ordinality as type (name, ordinal)
      where type.name = any (v_types)
      order by step.place, type.ordinal
    loop
      -- While rows change, two may have the same value of a unique field.
      perform crm_private.defer_unique(v_step.place between 5 and 7);
      v_count := crm_private.reverse_rows(v_step.entity_type, v_step.operation);
      v_inserted := v_inserted + case v_step.operation when 'insert' then v_count else 0 end;
    end loop;

    foreach v_type in array coalesce(v_types, '{}')
    loop
      if v_type in ('company', 'contact', 'deal', 'task', 'note') then
        perform crm_private.settle_external_ids(v_type, array(
          select entity_id from crm_private.reversals
          where transaction_id = v_xid and entity_type = v_type
        ));
      end if;
    end loop;

    perform crm_private.defer_unique(false);
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
--! EndIncluded functions/carry_out_reversal.sql
--! Included functions/restore_deleted.sql
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
--! EndIncluded functions/restore_deleted.sql
--! Included functions/journal_field.sql
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
--! EndIncluded functions/journal_field.sql
--! Included functions/deleted_label.sql
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
--! EndIncluded functions/deleted_label.sql
--! Included functions/taken_with.sql
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
--! EndIncluded functions/taken_with.sql
--! Included functions/field_history.sql
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
--! EndIncluded functions/field_history.sql
--! Included functions/exchange_rates_history.sql
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
--! EndIncluded functions/exchange_rates_history.sql
--! Included functions/exchange_rates_field_history.sql
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
--! EndIncluded functions/exchange_rates_field_history.sql
--! Included functions/exchange_rates_history_is_complete.sql
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
--! EndIncluded functions/exchange_rates_history_is_complete.sql
--! Included functions/exchange_rate_as_of.sql
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
--! EndIncluded functions/exchange_rate_as_of.sql
--! Included functions/base_currency.sql
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
--! EndIncluded functions/base_currency.sql
--! Included functions/set_base_currency.sql
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
--! EndIncluded functions/set_base_currency.sql
--! Included functions/in_base_currency.sql
/*
 * An amount in the base currency at the rate of a day, exact: whoever adds amounts up rounds their sum.
 * For an amount here and there; reports convert by crm_private.conversions.
 */
create or replace function crm.in_base_currency(
  amount   numeric,
  currency text,
  day      date default (now() at time zone 'UTC')::date
)
returns numeric
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select amount * case
    when currency = crm.base_currency() then 1
    else (
      select exchange_rate.rate
      from crm.exchange_rates as exchange_rate
      where exchange_rate.currency = in_base_currency.currency
        and exchange_rate.valid_from <= day
      order by exchange_rate.valid_from desc
      limit 1
    )
  end;
$$;

comment on function crm.in_base_currency(numeric, text, date) is
  'An amount in the base currency, at the rate of a day, which is today, in UTC, if none is given; not '
  'rounded. Null where the currency has no rate for the day.';

revoke all on function crm.in_base_currency(numeric, text, date) from public;
grant execute on function crm.in_base_currency(numeric, text, date) to crm_reader;
--! EndIncluded functions/in_base_currency.sql
--! Included views/trash.sql
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
--! EndIncluded views/trash.sql
--! Included triggers/110_stamp.sql
/*
 * Phase 110: who and when, and the optimistic lock. Whatever a writer puts into these columns is
 * replaced, so none can be forged.
 *
 * - A new row has the columns' defaults: version 1, this transaction, this user. The condition of
 *   the trigger lets a row through that has them, so the common insert costs no call.
 * - A row that an undo brings back keeps who created it, when, and who changed it last; its version
 *   goes on, and it is updated now.
 * - An update that carries another version than the row has meets SQLSTATE CRM01, with what is
 *   current as its detail. One that carries none has the row's own version, and passes.
 * - An update that changes nothing changes nothing: neither version nor updated_at move, and the
 *   journal has no entry. Any other increases the version by one, and updated_at even within a
 *   transaction.
 * - The id of a row never changes.
 *
 * crm_private.bind_stamps compiles what updates need from the columns of each table.
 */

create or replace function crm_private.stamp_insert()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- A row that comes back goes on where it was. Nobody but the owner can ask for the plan, so whoever
  -- else sets the setting is refused.
  if current_setting('crm.reversing', true) = pg_current_xact_id()::text
    and (crm_private.planned_reversal(new.id)).before ? 'id'
  then
    new.version    := new.version + 1;
    new.updated_at := greatest(clock_timestamp(), new.updated_at + interval '1 microsecond');
    return new;
  end if;

  new.version    := 1;
  new.created_at := now();
  new.updated_at := now();
  new.created_by := crm.current_user_id();
  new.updated_by := crm.current_user_id();
  return new;
end
$$;

comment on function crm_private.stamp_insert() is
  'Replaces forged values of version, created_at, created_by, updated_at and updated_by.';

revoke all on function crm_private.stamp_insert() from public;

select crm_private.bind_stamps('crm.contacts', 'contact');
select crm_private.bind_stamps('crm.companies', 'company');
select crm_private.bind_stamps('crm.deals', 'deal');
select crm_private.bind_stamps('crm.tasks', 'task');
select crm_private.bind_stamps('crm.notes', 'note');
select crm_private.bind_stamps('crm.custom_field_definitions', 'custom_field_definition');
select crm_private.bind_stamps('crm.pipeline_stages', 'pipeline_stage');
select crm_private.bind_stamps('crm.exchange_rates', 'exchange_rate');
select crm_private.bind_stamps('crm.api_keys', 'api_key');

-- That a key is used is no change of it, and nothing for the journal.
create or replace trigger _110_stamp_update before update on crm.api_keys
  for each row when (new.last_used_at is not distinct from old.last_used_at)
  execute function crm_private.api_keys_stamp('api_key');
--! EndIncluded triggers/110_stamp.sql
--! Included triggers/200_validate.sql
/*
 * Phase 200: a row that breaks a rule is refused with all its faults at once, each with its field.
 * crm_private.bind_rules makes the trigger of each table from the table's constraints.
 */

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
--! EndIncluded triggers/200_validate.sql
--! Included triggers/210_exchange_rates.sql
/*
 * Phase 210: the base currency has no rate but one. The setting's row is locked until the transaction
 * ends, so that it does not change meanwhile.
 *
 * Security definer: the table of settings is the owner's.
 */

create or replace function crm_private.refuse_base_rate()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_base text;
begin
  select base_currency into v_base from crm_private.settings for share;

  if new.currency = v_base then
    raise exception 'exchange_rates: currency is the base currency'
      using errcode    = 'check_violation',
            schema     = tg_table_schema, table = tg_table_name, column = 'currency',
            constraint = 'exchange_rates_currency_foreign',
            detail     = '{"currency": ["is the base currency"]}';
  end if;

  return new;
end
$$;

comment on function crm_private.refuse_base_rate() is
  'Refuses a rate of the base currency.';

revoke all on function crm_private.refuse_base_rate() from public;

create or replace trigger _210_refuse_base before insert or update on crm.exchange_rates
  for each row execute function crm_private.refuse_base_rate();
--! EndIncluded triggers/210_exchange_rates.sql
--! Included triggers/900_journal.sql
/*
 * Phase 900: the journal. Once for each statement, whoever sends it and however many rows it
 * changes, cascades and COPY included. An update that changed nothing has no entry.
 * crm_private.bind_journal says what an entry holds.
 */

select crm_private.bind_journal('crm.contacts', 'contact');
select crm_private.bind_journal('crm.companies', 'company');
select crm_private.bind_journal('crm.deals', 'deal');
select crm_private.bind_journal('crm.tasks', 'task');
select crm_private.bind_journal('crm.notes', 'note');
select crm_private.bind_journal('crm.custom_field_definitions', 'custom_field_definition');
select crm_private.bind_journal('crm.pipeline_stages', 'pipeline_stage');
select crm_private.bind_journal('crm.exchange_rates', 'exchange_rate');
select crm_private.bind_journal('crm.api_keys', 'api_key');

/*
 * TRUNCATE has no rows to journal, so it is refused. Nor can the journal itself
 * be emptied by it; crm_private.ensure_audit_partitions binds it to the other partitions.
 */
create or replace function crm_private.refuse_truncate()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'crm.% cannot be truncated, because the journal would miss it', tg_table_name
    using errcode = 'feature_not_supported',
          schema  = tg_table_schema, table = tg_table_name,
          hint    = 'Delete the rows instead.';
end
$$;

comment on function crm_private.refuse_truncate() is
  'Refuses TRUNCATE, which the journal could not tell.';

revoke all on function crm_private.refuse_truncate() from public;

create or replace trigger _900_refuse_truncate before truncate on crm.contacts
  for each statement execute function crm_private.refuse_truncate();
create or replace trigger _900_refuse_truncate before truncate on crm.companies
  for each statement execute function crm_private.refuse_truncate();
create or replace trigger _900_refuse_truncate before truncate on crm.deals
  for each statement execute function crm_private.refuse_truncate();
create or replace trigger _900_refuse_truncate before truncate on crm.tasks
  for each statement execute function crm_private.refuse_truncate();
create or replace trigger _900_refuse_truncate before truncate on crm.notes
  for each statement execute function crm_private.refuse_truncate();
create or replace trigger _900_refuse_truncate before truncate on crm.custom_field_definitions
  for each statement execute function crm_private.refuse_truncate();
create or replace trigger _900_refuse_truncate before truncate on crm.pipeline_stages
  for each statement execute function crm_private.refuse_truncate();
create or replace trigger _900_refuse_truncate before truncate on crm.exchange_rates
  for each statement execute function crm_private.refuse_truncate();
create or replace trigger _900_refuse_truncate before truncate on crm.api_keys
  for each statement execute function crm_private.refuse_truncate();
create or replace trigger _900_refuse_truncate before truncate on crm.audit_logs
  for each statement execute function crm_private.refuse_truncate();
create or replace trigger _900_refuse_truncate before truncate on crm_private.audit_logs_other
  for each statement execute function crm_private.refuse_truncate();
--! EndIncluded triggers/900_journal.sql
--! Included views/dated_deals.sql
/*
 * The deals, each with the day at whose rate reports convert it: the close date of a closed one, today
 * for an open one, and for a closed one without a date.
 */
create or replace view crm_private.dated_deals as
  select
    deal.id,
    deal.company_id,
    deal.owner_id,
    deal.stage,
    stage.kind,
    deal.probability,
    deal.value,
    deal.currency,
    deal.close_date,
    deal.created_at,
    case stage.kind
      when 'open' then (now() at time zone 'UTC')::date
      else coalesce(deal.close_date, (now() at time zone 'UTC')::date)
    end as day
  from crm.deals as deal
  join crm.pipeline_stages as stage on stage.name = deal.stage;

comment on view crm_private.dated_deals is
  'The deals, each with the day at whose rate reports convert it.';
--! EndIncluded views/dated_deals.sql
--! Included views/conversions.sql
/*
 * By what deals are multiplied in reports in the base currency, for each currency and day that a deal has,
 * and which currency that gives. Where there is no rate it is the currency itself, by one, so that
 * nothing is lost.
 *
 * It is distinct twice: once to look a rate up for a currency and day rather than for each deal, and
 * once so that the planner leaves it at that.
 */
create or replace view crm_private.conversions as
  select distinct on (needed.currency, needed.day)
    needed.currency,
    needed.day,
    case when dated.rate is null then needed.currency else setting.base_currency end
      as converted_currency,
    coalesce(dated.rate, 1) as factor
  from (select distinct currency, day from crm_private.dated_deals) as needed
  cross join crm_private.settings as setting
  left join lateral (
    select exchange_rate.rate
    from crm.exchange_rates as exchange_rate
    where exchange_rate.currency = needed.currency
      and exchange_rate.valid_from <= needed.day
    order by exchange_rate.valid_from desc
    limit 1
  ) as dated on true;

comment on view crm_private.conversions is
  'By what deals of a currency and day are multiplied in reports in the base currency.';
--! EndIncluded views/conversions.sql
--! Included views/pipeline_in_base.sql
/* What is in each stage, in the base currency. Analysts read it with the rights of its owner. */
create or replace view reporting.pipeline_in_base as
  select
    stage.name                                                             as stage,
    stage.position,
    stage.kind,
    conversion.converted_currency                                          as currency,
    coalesce(sum(summed.deals), 0)::bigint                                 as deals,
    coalesce(round(sum(summed.value * conversion.factor), 2), 0)           as value,
    coalesce(round(sum(summed.percents * conversion.factor) * 0.01, 2), 0) as weighted_value
  from crm.pipeline_stages as stage
  left join (
    -- The sums of a day are converted: fewer than deals, and the same.
    select
      stage,
      currency,
      day,
      count(*)                 as deals,
      sum(value)               as value,
      sum(value * probability) as percents
    from crm_private.dated_deals
    group by stage, currency, day
  ) as summed on summed.stage = stage.name
  left join crm_private.conversions as conversion
    on conversion.currency = summed.currency and conversion.day = summed.day
  group by stage.id, conversion.converted_currency;

comment on view reporting.pipeline_in_base is
  'The deals of each stage in the base currency: open ones at today''s rate, closed ones at that of '
  'their close date, or today''s if they have none. Deals of a currency that has no rate for the day '
  'have a row of their own, in that currency. Sums are rounded, not what is added up. A stage '
  'without deals has one row without a currency.';
comment on column reporting.pipeline_in_base.stage is 'The name of the stage.';
comment on column reporting.pipeline_in_base.position is 'Where the stage stands in the pipeline.';
comment on column reporting.pipeline_in_base.kind is 'open, won or lost.';
comment on column reporting.pipeline_in_base.currency is
  'The currency of both values: the base currency, or that of deals without a rate.';
comment on column reporting.pipeline_in_base.deals is 'How many deals are in the stage.';
comment on column reporting.pipeline_in_base.value is 'Their value.';
comment on column reporting.pipeline_in_base.weighted_value is
  'Their value, each multiplied by the probability of its deal.';

grant select on reporting.pipeline_in_base to crm_reporter;
--! EndIncluded views/pipeline_in_base.sql
--! Included views/forecast_in_base.sql
/* What open deals may bring, in the base currency. Analysts read it with the rights of its owner. */
create or replace view reporting.forecast_in_base as
  select
    summed.month,
    conversion.converted_currency                             as currency,
    sum(summed.deals)::bigint                                 as deals,
    round(sum(summed.value * conversion.factor), 2)           as value,
    round(sum(summed.percents * conversion.factor) * 0.01, 2) as weighted_value
  from (
    -- The sums of a month are converted: fewer than deals, and the same.
    select
      date_trunc('month', close_date::timestamp)::date as month,
      currency,
      day,
      count(*)                                         as deals,
      sum(value)                                       as value,
      sum(value * probability)                         as percents
    from crm_private.dated_deals
    where kind = 'open'
    group by 1, 2, 3
  ) as summed
  join crm_private.conversions as conversion
    on conversion.currency = summed.currency and conversion.day = summed.day
  group by 1, 2;

comment on view reporting.forecast_in_base is
  'What open deals may bring in the base currency, at today''s rates, by the month in which they are to '
  'close. Deals of a currency that has no rate today have a row of their own, in that currency. Months '
  'that are over hold what is late.';
comment on column reporting.forecast_in_base.month is
  'The first day of the month; null for deals without a close date.';
comment on column reporting.forecast_in_base.currency is
  'The currency of both values: the base currency, or that of deals without a rate.';
comment on column reporting.forecast_in_base.deals is 'How many open deals are to close in the month.';
comment on column reporting.forecast_in_base.value is 'Their value.';
comment on column reporting.forecast_in_base.weighted_value is
  'Their value, each multiplied by the probability of its deal: what is to be expected.';

grant select on reporting.forecast_in_base to crm_reporter;
--! EndIncluded views/forecast_in_base.sql
--! Included views/win_rates_in_base.sql
/* How many deals are won, in the base currency. Analysts read it with the rights of its owner. */
create or replace view reporting.win_rates_in_base as
  select
    date_trunc('month', deal.close_date::timestamp)::date                         as month,
    deal.owner_id,
    deal.company_id,
    company.name                                                                  as company,
    conversion.converted_currency                                                 as currency,
    count(*) filter (where deal.kind = 'won')                                     as won,
    count(*) filter (where deal.kind = 'lost')                                    as lost,
    round(avg((deal.kind = 'won')::integer), 4)                                   as win_rate,
    coalesce(round(sum(converted.value) filter (where deal.kind = 'won'), 2), 0)  as won_value,
    coalesce(round(sum(converted.value) filter (where deal.kind = 'lost'), 2), 0) as lost_value,
    sum(cycle.days) filter (where deal.kind = 'won')                              as won_days,
    round(avg(cycle.days) filter (where deal.kind = 'won'), 2)                    as average_cycle
  from crm_private.dated_deals as deal
  join crm_private.conversions as conversion
    on conversion.currency = deal.currency and conversion.day = deal.day
  join crm.companies as company on company.id = deal.company_id
  cross join lateral (
    select deal.close_date - (deal.created_at at time zone 'UTC')::date
  ) as cycle (days)
  cross join lateral (select deal.value * conversion.factor) as converted (value)
  where deal.kind in ('won', 'lost')
  group by 1, 2, 3, 4, 5;

comment on view reporting.win_rates_in_base is
  'Deals won and lost in the base currency, by month, owner and company, at the rates of their close '
  'dates, or today''s where they have none. Deals of a currency that has no rate for the day have a '
  'row of their own, in that currency. For a total add up won and lost, and divide; rates of rows '
  'cannot be averaged.';
comment on column reporting.win_rates_in_base.month is
  'The first day of the month in which the deals closed; null for deals without a close date.';
comment on column reporting.win_rates_in_base.owner_id is
  'The user who owns the deals; null if nobody does.';
comment on column reporting.win_rates_in_base.company_id is 'The id of the company.';
comment on column reporting.win_rates_in_base.company is 'The name of the company.';
comment on column reporting.win_rates_in_base.currency is
  'The currency of both values: the base currency, or that of deals without a rate.';
comment on column reporting.win_rates_in_base.won is 'How many deals were won.';
comment on column reporting.win_rates_in_base.lost is 'How many deals were lost.';
comment on column reporting.win_rates_in_base.win_rate is
  'The share of deals won among those won or lost, from 0 to 1.';
comment on column reporting.win_rates_in_base.won_value is 'The value of the deals won.';
comment on column reporting.win_rates_in_base.lost_value is 'The value of the deals lost.';
comment on column reporting.win_rates_in_base.won_days is
  'The days from creation to close date of all deals won, added up: divided by won it is their '
  'average.';
comment on column reporting.win_rates_in_base.average_cycle is
  'The days from the creation of a deal to its close date, on average over the deals won. Below '
  'zero where deals were recorded after they had closed, as an import does.';

grant select on reporting.win_rates_in_base to crm_reporter;
--! EndIncluded views/win_rates_in_base.sql

--! split: 070-idempotency.sql
/*
 * Why: a client that got no answer does not know whether its mutation was done. Repeated with the
 *      same key it is answered what the first one was answered, and does nothing. So the answers
 *      are kept, for 24 hours.
 * Locks: nothing but the catalog; the table is new.
 * Undone by: revert/000006.sql.
 */

create table if not exists crm_private.idempotency_keys (
  key_hash     bytea       not null,
  request_hash bytea       not null,
  answer       bytea       not null,
  expires_at   timestamptz not null default now() + interval '24 hours',

  constraint idempotency_keys_pkey primary key (key_hash),
  constraint idempotency_keys_key_hash_length check (octet_length(key_hash) = 32),
  constraint idempotency_keys_request_hash_length check (octet_length(request_hash) = 32)
);

comment on table crm_private.idempotency_keys is
  'What mutations with an idempotency key were answered, written in their own transactions. No role '
  'of the product reads or writes it.';
comment on column crm_private.idempotency_keys.key_hash is
  'The SHA-256 of who asked and the key. The key itself is nowhere.';
comment on column crm_private.idempotency_keys.request_hash is
  'The SHA-256 of what was asked, and in which role.';
comment on column crm_private.idempotency_keys.answer is
  'The answer, encrypted with what only the key gives: whoever reads the table learns nothing of it.';
comment on column crm_private.idempotency_keys.expires_at is
  'When the key is forgotten.';

create index if not exists idempotency_keys_expires_at_idx
  on crm_private.idempotency_keys (expires_at);

alter table crm_private.idempotency_keys enable row level security;

-- Encrypted data does not become smaller.
alter table crm_private.idempotency_keys alter column answer set storage external;

--! Included functions/claim_idempotency_key.sql
/*
 * Takes an idempotency key for the rest of the transaction, and waits for whoever has it. Gives what
 * was kept under the key, if something was and has not expired: then the mutation has been done. The
 * server calls it at the beginning of the transaction in which the mutation is to be done.
 *
 * The lock ends with the transaction, whatever ends that, so nobody holds a key who is gone. What is
 * read is read by a statement of its own, which sees what the one before committed.
 *
 * It takes the hash, so that no key comes near the database's logs. Security definer: the server's
 * login role reads no table.
 */
create or replace function crm_private.claim_idempotency_key(p_key_hash bytea)
returns table (request_hash bytea, answer bytea)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_advisory_xact_lock(
    ('x' || encode(substr(p_key_hash, 1, 8), 'hex'))::bit(64)::bigint
  );

  delete from crm_private.idempotency_keys as expired
  where expired.key_hash = p_key_hash
    and expired.expires_at <= now();

  return query
  select kept.request_hash, kept.answer
  from crm_private.idempotency_keys as kept
  where kept.key_hash = p_key_hash;
end
$$;

comment on function crm_private.claim_idempotency_key(bytea) is
  'Takes an idempotency key of this SHA-256 for the transaction; gives what is kept under it.';

revoke all on function crm_private.claim_idempotency_key(bytea) from public;
grant execute on function crm_private.claim_idempotency_key(bytea) to crm_server;
--! EndIncluded functions/claim_idempotency_key.sql

--! Included functions/keep_answer.sql
/*
 * Keeps what a mutation was answered under the idempotency key that its transaction has claimed: it
 * is there when the mutation is, and only then. A second answer under one key would break the
 * primary key, and undo what it is the answer of.
 *
 * Security definer: the server's login role writes no table.
 */
create or replace function crm_private.keep_answer(
  p_key_hash     bytea,
  p_request_hash bytea,
  p_answer       bytea
)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into crm_private.idempotency_keys (key_hash, request_hash, answer)
  values (p_key_hash, p_request_hash, p_answer);
$$;

comment on function crm_private.keep_answer(bytea, bytea, bytea) is
  'Keeps the answer of a mutation under its idempotency key.';

revoke all on function crm_private.keep_answer(bytea, bytea, bytea) from public;
grant execute on function crm_private.keep_answer(bytea, bytea, bytea) to crm_server;
--! EndIncluded functions/keep_answer.sql

--! Included functions/expire_idempotency_keys.sql
/*
 * Forgets idempotency keys that have expired, with their answers; at most p_limit, lest it takes
 * long. Gives their number, so that the caller can go on. The server calls it every hour; several
 * may call it at once, and none waits for a key that is just being used again.
 *
 * Security definer: crm_server has no rights of its own on the table.
 */
create or replace function crm_private.expire_idempotency_keys(p_limit integer default 10000)
returns integer
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  with expired as (
    select key_hash
    from crm_private.idempotency_keys
    where expires_at <= now()
    order by expires_at
    limit p_limit
    for update skip locked
  ),
  forgotten as (
    delete from crm_private.idempotency_keys
    where key_hash in (select key_hash from expired)
    returning 1
  )
  select count(*)::integer from forgotten;
$$;

comment on function crm_private.expire_idempotency_keys(integer) is
  'Forgets idempotency keys that have expired; gives how many.';

revoke all on function crm_private.expire_idempotency_keys(integer) from public;
grant execute on function crm_private.expire_idempotency_keys(integer) to crm_server;
--! EndIncluded functions/expire_idempotency_keys.sql

--! split: 090-compile.sql
/*
 * Why: what is made from definitions is made anew for those that are there.
 * Locks: nothing but the catalog.
 * Undone by: revert/000006.sql.
 */

select crm_private.compile_custom_fields(entity_type)
from unnest(array['company', 'contact', 'deal']) as entity_type;
