/*
 * Returns the rules of one custom field, one a row: an SQL expression over the name custom_fields,
 * null if the field has no value, and the message for a client if it is broken. The first is the
 * rule of the type; the others apply to values of that type. The compiled check of an entity type,
 * the report of faults, and the search for rows that a change would break are all built from these
 * rules, so a rule is defined only here.
 *
 * No expression raises an error, for any JSON value.
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
        -- A day of the Gregorian calendar, years 0001 to 9999. Only a JSON string can match.
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
      -- JSON of any type can be compared with a number, without an error.
      when 'number' then
        format(
          'custom_fields -> %L %s %L::jsonb',
          p_definition.name, listed.operator, listed.bound::numeric::text
        )
      -- Dates sort like their texts.
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

  -- An empty text is allowed if no value is required; other text must have visible characters.
  select
    6,
    'blank',
    format(
      case
        when p_definition.required then 'not crm_private.is_blank(custom_fields ->> %1$L)'
        else '(custom_fields ->> %1$L = '''' or not crm_private.is_blank(custom_fields ->> %1$L))'
      end,
      p_definition.name
    ),
    'must not be blank'
  where p_definition.field_type = 'text'

  union all

  select
    7,
    'legible',
    format('crm_private.is_printable(custom_fields ->> %L)', p_definition.name),
    'must not contain control characters or characters that reorder text'
  where p_definition.field_type = 'text'

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
  'Returns the rules of a custom field: an SQL expression over custom_fields, and a message, each.';

revoke all on function crm_private.custom_field_rules(crm.custom_field_definitions) from public;
grant execute on function crm_private.custom_field_rules(crm.custom_field_definitions) to crm_admin;
