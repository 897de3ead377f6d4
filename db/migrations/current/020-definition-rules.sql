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

--!include functions/is_pattern.sql
--!include functions/are_choices.sql
--!include functions/texts.sql
--!include functions/custom_field_value.sql
--!include functions/custom_field_rules.sql
--!include functions/custom_field_condition.sql
--!include functions/keeps_rules.sql

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

--!include functions/custom_field_checks.sql
--!include functions/custom_field_faults.sql
--!include functions/refuse_faults.sql
--!include functions/refuse_row.sql
--!include functions/compile_report.sql
--!include functions/default_custom_fields.sql
--!include functions/compile_defaults.sql
--!include functions/compile_unique.sql
--!include functions/compile_custom_fields.sql
--!include functions/apply_definitions.sql
drop function if exists crm_private.custom_field_message(crm.custom_field_definitions);

drop trigger if exists _210_refuse_renamed on crm.custom_field_definitions;
drop function if exists crm_private.refuse_renamed_definition();
--!include triggers/500_definitions.sql

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

--!include functions/check_custom_field_rule.sql
--!include functions/refuse_definition.sql
--!include functions/rename_custom_field_value.sql

-- Values that move from row to row, and definitions of before

--!include functions/defer_unique.sql
--!include functions/merge_contacts.sql
--!include functions/merge_companies.sql
--!include functions/reverse_rows.sql
--!include functions/carry_out_reversal.sql
--!include functions/custom_field_definition_as_of.sql
