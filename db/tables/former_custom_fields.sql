/*
 * The names that custom fields had before they were renamed or deleted. Clients may use such a name
 * until it expires: crm_private.live_former_fields. It follows from changes of definitions, which the
 * audit log records, so the audit log does not record this table.
 */

create table if not exists crm_private.former_custom_fields (
  entity_type   text        not null,
  name          text        not null,
  field_name    text        not null,
  definition_id uuid        not null,
  field_type    text        not null,
  ended_at      timestamptz not null default now(),

  constraint former_custom_fields_pkey primary key (entity_type, name)
);

comment on table crm_private.former_custom_fields is
  'The names that custom fields had before they were renamed or deleted.';

comment on column crm_private.former_custom_fields.entity_type is
  'The type of the entities that have, or had, the field.';
comment on column crm_private.former_custom_fields.name is
  'The former name, as a key of customFields.';
comment on column crm_private.former_custom_fields.field_name is
  'The former name of the typed field in the API.';
comment on column crm_private.former_custom_fields.definition_id is
  'The id of the definition, which exists no more if the field was deleted.';
comment on column crm_private.former_custom_fields.field_type is
  'The last type of the field, for a deleted one.';
comment on column crm_private.former_custom_fields.ended_at is
  'When the field was renamed or deleted.';

alter table crm_private.former_custom_fields enable row level security;
