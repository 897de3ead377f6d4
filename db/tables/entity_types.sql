/*
 * The catalogue of entity types. What all of them have in common is compiled from this table or
 * reads it: stamps, validation, the audit log, history, undo, the trash, bulk writes, external ids, search.
 * References between entity types are not repeated here: crm_private.entity_links reads the foreign
 * keys.
 *
 * crm_private.register_entity adds an entity type.
 */

create table if not exists crm_private.entity_types (
  entity_type       text     not null,
  entity_table      regclass not null,
  label_columns     name[]   not null,
  is_record         boolean  not null,
  has_custom_fields boolean  not null,
  is_mergeable      boolean  not null,
  restore_order     integer,
  searched_by       text,
  search_order      integer,

  constraint entity_types_pkey primary key (entity_type),
  constraint entity_types_entity_table_key unique (entity_table),
  constraint entity_types_searched_by_known check (searched_by = any ('{name,text}')),
  constraint entity_types_search_order_required check (
    (search_order is null) = (searched_by is null)
  )
);

comment on table crm_private.entity_types is
  'The catalogue of entity types. The functions and triggers of each are compiled from it.';

comment on column crm_private.entity_types.entity_type is
  'The name of the entity type in the audit log and in the API.';
comment on column crm_private.entity_types.entity_table is
  'The table that stores its rows.';
comment on column crm_private.entity_types.label_columns is
  'The columns by which people recognise a row.';
comment on column crm_private.entity_types.is_record is
  'True if members write its rows, also in bulk and by external id. False if administrators do.';
comment on column crm_private.entity_types.has_custom_fields is
  'True if its rows have custom fields.';
comment on column crm_private.entity_types.is_mergeable is
  'True if its rows can be merged.';
comment on column crm_private.entity_types.restore_order is
  'Its place in the order in which rows of several types are locked and restored: after the types '
  'that it references. Null if its changes cannot be undone.';
comment on column crm_private.entity_types.searched_by is
  'How search finds its rows: name, by the label columns, also misspelt or in part; or text, also '
  'by other forms of a word. Null if search does not find them.';
comment on column crm_private.entity_types.search_order is
  'Its place among hits that match equally well: lower numbers come first.';

alter table crm_private.entity_types enable row level security;

grant select on crm_private.entity_types to crm_reader;

drop policy if exists entity_types_select on crm_private.entity_types;
create policy entity_types_select on crm_private.entity_types for select to crm_reader
  using (true);

insert into crm_private.entity_types (
  entity_type, entity_table, label_columns, is_record, has_custom_fields, is_mergeable, restore_order,
  searched_by, search_order
)
values
  ('pipeline_stage', 'crm.pipeline_stages', '{name}', false, false, false, 10, null, null),
  ('exchange_rate', 'crm.exchange_rates', '{currency,valid_from}', false, false, false, 20, null, null),
  ('custom_field_definition', 'crm.custom_field_definitions', '{name}', false, false, false, 30,
    null, null),
  ('company', 'crm.companies', '{name}', true, true, true, 40, 'name', 1),
  ('contact', 'crm.contacts', '{first_name,last_name}', true, true, true, 50, 'name', 1),
  ('deal', 'crm.deals', '{title}', true, true, false, 60, 'name', 2),
  ('task', 'crm.tasks', '{description}', true, false, false, 70, 'text', 3),
  ('note', 'crm.notes', '{content}', true, false, false, 80, 'text', 3),
  ('api_key', 'crm.api_keys', '{name}', false, false, false, null, null, null)
on conflict do nothing;
