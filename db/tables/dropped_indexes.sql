/*
 * Custom fields whose index was dropped with their definition. Restoring the definition creates the
 * index again, although the audit log does not record indexes.
 */

create table if not exists crm_private.dropped_indexes (
  definition_id uuid not null,
  prefix        text[] not null default '{}',

  constraint dropped_indexes_pkey primary key (definition_id)
);

comment on table crm_private.dropped_indexes is
  'The definitions of custom fields that had an index when they were deleted.';

comment on column crm_private.dropped_indexes.definition_id is 'The id of the deleted definition.';
comment on column crm_private.dropped_indexes.prefix is 'The fields before the value in the index.';

alter table crm_private.dropped_indexes enable row level security;
