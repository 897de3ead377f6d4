/*
 * The definition of a custom field: its name in the customFields of contacts, companies or deals,
 * and the rules that its values satisfy. Deleting a definition deletes the values.
 */

create table if not exists crm.custom_field_definitions (
  id            uuid        not null default gen_random_uuid(),
  name          text        not null,
  label         text        not null,
  entity_type   text        not null,
  field_type    text        not null,
  enum_values   text[],
  required      boolean     not null default false,
  version       integer     not null default 1,
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now(),
  created_by    text        not null default crm.current_user_id(),
  updated_by    text        not null default crm.current_user_id(),
  description   text,
  minimum       text,
  maximum       text,
  max_length    integer,
  pattern       text,
  default_value jsonb,
  is_unique     boolean     not null default false,

  constraint custom_field_definitions_pkey primary key (id),
  constraint custom_field_definitions_name_unique unique (entity_type, name),
  constraint custom_field_definitions_name_format check (name ~ '^[A-Za-z][A-Za-z0-9_]*$'),
  constraint custom_field_definitions_name_length check (char_length(name) <= 100),
  constraint custom_field_definitions_label_blank check (not crm_private.is_blank(label)),
  constraint custom_field_definitions_label_legible check (crm_private.is_legible(label)),
  constraint custom_field_definitions_label_length check (char_length(label) <= 255),
  constraint custom_field_definitions_entity_type_known check (
    entity_type = any (array['company', 'contact', 'deal'])
  ),
  constraint custom_field_definitions_enum_values_list check (
    crm_private.is_list(enum_values, 1000) and cardinality(enum_values) > 0
  ),
  constraint custom_field_definitions_enum_values_blank check (
    not crm_private.has_blank_element(enum_values)
  ),
  constraint custom_field_definitions_enum_values_legible check (not crm_private.has_illegible_element(enum_values)),
  constraint custom_field_definitions_enum_values_length check (
    not crm_private.has_long_element(enum_values, 255)
  ),
  constraint custom_field_definitions_enum_values_distinct check (
    not crm_private.has_duplicates(enum_values)
  ),
  constraint custom_field_definitions_field_type_known check (
    field_type = any (array['text', 'number', 'date', 'enum', 'multi_enum', 'boolean'])
  ),
  constraint custom_field_definitions_enum_values_present check (
    (field_type = any (array['enum', 'multi_enum'])) = (enum_values is not null)
  ),
  constraint custom_field_definitions_description_blank check (
    not crm_private.is_blank(description)
  ),
  constraint custom_field_definitions_description_legible check (crm_private.is_printable(description)),
  constraint custom_field_definitions_description_length check (
    char_length(description) <= 1000
  ),
  constraint custom_field_definitions_minimum_suited check (
    minimum is null or field_type = any (array['number', 'date'])
  ),
  constraint custom_field_definitions_minimum_format check (
    case field_type
      when 'number' then minimum ~ '^-?[0-9]{1,150}(?:\.[0-9]{1,150})?$'
      when 'date' then crm_private.satisfies_rules(
        to_jsonb(minimum), 'date', null, null, null, null, null
      )
    end
  ),
  constraint custom_field_definitions_maximum_suited check (
    maximum is null or field_type = any (array['number', 'date'])
  ),
  constraint custom_field_definitions_maximum_format check (
    case field_type
      when 'number' then maximum ~ '^-?[0-9]{1,150}(?:\.[0-9]{1,150})?$'
      when 'date' then crm_private.satisfies_rules(
        to_jsonb(maximum), 'date', null, null, null, null, null
      )
    end
  ),
  constraint custom_field_definitions_maximum_order check (
    case
      when field_type = 'date'
        and crm_private.satisfies_rules(to_jsonb(minimum), 'date', null, null, null, null, null)
        and crm_private.satisfies_rules(to_jsonb(maximum), 'date', null, null, null, null, null)
      then maximum collate "C" >= minimum
      when minimum ~ '^-?[0-9]{1,150}(?:\.[0-9]{1,150})?$'
        and maximum ~ '^-?[0-9]{1,150}(?:\.[0-9]{1,150})?$'
      then maximum::numeric >= minimum::numeric
    end
  ),
  constraint custom_field_definitions_max_length_suited check (
    max_length is null or field_type = any (array['text'])
  ),
  constraint custom_field_definitions_max_length_range check (
    max_length >= 1 and max_length <= 10000
  ),
  constraint custom_field_definitions_pattern_suited check (
    pattern is null or field_type = any (array['text'])
  ),
  constraint custom_field_definitions_pattern_length check (char_length(pattern) <= 255),
  constraint custom_field_definitions_pattern_valid check (
    case when char_length(pattern) <= 255 then crm_private.is_pattern(pattern) end
  ),
  constraint custom_field_definitions_default_value_holds check (
    crm_private.satisfies_rules(
      default_value, field_type, enum_values, minimum, maximum, max_length,
      case when char_length(pattern) <= 255 and crm_private.is_pattern(pattern) then pattern end
    )
  ),
  constraint custom_field_definitions_default_value_unique check (
    default_value is null or not is_unique
  ),
  constraint custom_field_definitions_is_unique_suited check (
    not is_unique or field_type = any (array['text', 'number', 'date', 'enum'])
  ),
  constraint custom_field_definitions_is_unique_name check (
    not is_unique or char_length(name) <= 39
  )
);

comment on table crm.custom_field_definitions is
  E'@defaultOrder ENTITY_TYPE_ASC NAME_ASC\nThe definition of a custom field: its name in the customFields of contacts, companies or deals, '
  'and the rules that its values satisfy. Deleting a definition deletes the values.';

comment on column crm.custom_field_definitions.id is
  'The identifier of the row, set by the database.';
comment on column crm.custom_field_definitions.name is
  'The key in customFields: at most 100 letters, digits and underscores, beginning with a letter. '
  'Changing it renames the key in every row.';
comment on column crm.custom_field_definitions.label is
  'The name that users see, at most 255 characters.';
comment on column crm.custom_field_definitions.entity_type is
  'The type of the entities that have the field: contact, company or deal. It cannot be changed.';
comment on column crm.custom_field_definitions.field_type is
  'The type of the values: text, number, date, enum, multi_enum or boolean.';
comment on column crm.custom_field_definitions.enum_values is
  'The allowed values of an enum or a multi_enum, 1 to 1,000; null for every other type. '
  'renameCustomFieldValue renames a value.';
comment on column crm.custom_field_definitions.required is
  'True if every row must have a value.';
comment on column crm.custom_field_definitions.version is
  'Increases by one with every update. An update with a version other than the current one fails '
  'with the code CONFLICT.';
comment on column crm.custom_field_definitions.created_at is
  'When the row was created.';
comment on column crm.custom_field_definitions.updated_at is
  'When the row was last changed. Every change sets a later time.';
comment on column crm.custom_field_definitions.created_by is
  'The user who created the row.';
comment on column crm.custom_field_definitions.updated_by is
  'The user who last changed the row.';
comment on column crm.custom_field_definitions.description is
  'What the field is for, at most 1,000 characters.';
comment on column crm.custom_field_definitions.minimum is
  'The smallest value of a number, such as -1.5, or the first day of a date, such as 2026-01-31. '
  'For these types only. Null if there is no minimum.';
comment on column crm.custom_field_definitions.maximum is
  'The largest value of a number, or the last day of a date, in the format of minimum. For these '
  'types only. Null if there is no maximum.';
comment on column crm.custom_field_definitions.max_length is
  E'@behavior -aggregate -aggregate:filterBy -groupBy -havingBy\n'
  'The maximum number of characters of a text, from 1 to 10,000. For this type only. Null means '
  '10,000.';
comment on column crm.custom_field_definitions.pattern is
  'A PostgreSQL regular expression that a text must match, at most 255 characters. It matches '
  'anywhere in the text unless it is anchored by ^ and $. Back references, lookaround and long '
  'repetitions of groups are refused. For this type only.';
comment on column crm.custom_field_definitions.default_value is
  'The value of a new row that does not have the field. A new row that has null for it gets no '
  'value. Existing rows do not change.';
comment on column crm.custom_field_definitions.is_unique is
  'True if no two rows of the entity type may have the same value. For a text, a number, a date or '
  'an enum only.';

comment on constraint custom_field_definitions_name_unique on crm.custom_field_definitions is
  '%s is already defined';
comment on constraint custom_field_definitions_name_format on crm.custom_field_definitions is
  'must consist of letters, digits and underscores and begin with a letter';
comment on constraint custom_field_definitions_name_length on crm.custom_field_definitions is
  'must have at most 100 characters';
comment on constraint custom_field_definitions_label_blank on crm.custom_field_definitions is
  'must not be blank';
comment on constraint custom_field_definitions_label_legible on crm.custom_field_definitions is
  'must not contain control characters or invisible characters';
comment on constraint custom_field_definitions_label_length on crm.custom_field_definitions is
  'must have at most 255 characters';
comment on constraint custom_field_definitions_entity_type_known on crm.custom_field_definitions is
  '%s is not one of company, contact, deal';
comment on constraint custom_field_definitions_enum_values_list on crm.custom_field_definitions is
  E'@whole\nmust be a list of 1 to 1,000 values, none of them null';
comment on constraint custom_field_definitions_enum_values_blank on crm.custom_field_definitions is
  'must not be blank';
comment on constraint custom_field_definitions_enum_values_legible on crm.custom_field_definitions is
  'must not contain control characters or invisible characters';
comment on constraint custom_field_definitions_enum_values_length on crm.custom_field_definitions is
  'must have at most 255 characters';
comment on constraint custom_field_definitions_enum_values_distinct on crm.custom_field_definitions is
  E'@whole\nmust not contain a value twice';
comment on constraint custom_field_definitions_field_type_known on crm.custom_field_definitions is
  '%s is not one of text, number, date, enum, multi_enum, boolean';
comment on constraint custom_field_definitions_enum_values_present on crm.custom_field_definitions is
  'must be given for an enum or a multi_enum, and for no other type';
comment on constraint custom_field_definitions_description_blank on crm.custom_field_definitions is
  'must not be blank';
comment on constraint custom_field_definitions_description_legible on crm.custom_field_definitions is
  'must not contain control characters or characters that reorder text';
comment on constraint custom_field_definitions_description_length on crm.custom_field_definitions is
  'must have at most 1,000 characters';
comment on constraint custom_field_definitions_minimum_suited on crm.custom_field_definitions is
  'can be given for a number or a date only';
comment on constraint custom_field_definitions_minimum_format on crm.custom_field_definitions is
  '%s is not a decimal number or, for a date, a day such as 2026-02-28';
comment on constraint custom_field_definitions_maximum_suited on crm.custom_field_definitions is
  'can be given for a number or a date only';
comment on constraint custom_field_definitions_maximum_format on crm.custom_field_definitions is
  '%s is not a decimal number or, for a date, a day such as 2026-02-28';
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
  '%s is not a regular expression, or has back references, lookaround or long repetitions of '
  'groups';
comment on constraint custom_field_definitions_default_value_holds on crm.custom_field_definitions is
  '%s breaks a rule of the field itself';
comment on constraint custom_field_definitions_default_value_unique on crm.custom_field_definitions is
  'cannot be given for a unique field';
comment on constraint custom_field_definitions_is_unique_suited on crm.custom_field_definitions is
  'can be true for a text, a number, a date or an enum only';
comment on constraint custom_field_definitions_is_unique_name on crm.custom_field_definitions is
  'needs a name of at most 39 characters';

alter table crm.custom_field_definitions enable row level security;

grant select on crm.custom_field_definitions to crm_reader;
grant insert
  (name, label, entity_type, field_type, enum_values, required, description, minimum,
   maximum, max_length, pattern, default_value, is_unique)
  on crm.custom_field_definitions to crm_admin;
grant update
  (name, label, field_type, enum_values, required, version, description, minimum, maximum,
   max_length, pattern, default_value, is_unique)
  on crm.custom_field_definitions to crm_admin;
grant delete on crm.custom_field_definitions to crm_admin;

drop policy if exists custom_field_definitions_select on crm.custom_field_definitions;
create policy custom_field_definitions_select on crm.custom_field_definitions for select to crm_reader
  using (true);
drop policy if exists custom_field_definitions_insert on crm.custom_field_definitions;
create policy custom_field_definitions_insert on crm.custom_field_definitions for insert to crm_admin
  with check ((select crm_private.caller_is_authenticated()));
drop policy if exists custom_field_definitions_update on crm.custom_field_definitions;
create policy custom_field_definitions_update on crm.custom_field_definitions for update to crm_admin
  using ((select crm_private.caller_is_authenticated()));
drop policy if exists custom_field_definitions_delete on crm.custom_field_definitions;
create policy custom_field_definitions_delete on crm.custom_field_definitions for delete to crm_admin
  using ((select crm_private.caller_is_authenticated()));
