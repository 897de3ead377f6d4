/*
 * The external ids of all rows, for look-ups and for their uniqueness. The key is deferrable,
 * because an undo may move an external id from one row to another in several statements.
 */

create table if not exists crm_private.external_ids (
  entity_type text        not null,
  source      text        not null,
  id          text        not null,
  entity_id   uuid        not null,

  constraint external_ids_pkey primary key (entity_type, source, id) deferrable initially immediate
);

comment on table crm_private.external_ids is
  'The external ids of all rows. Triggers maintain it from the columns external_ids.';

alter table crm_private.external_ids enable row level security;

grant select on crm_private.external_ids to crm_reader;

drop policy if exists external_ids_select on crm_private.external_ids;
create policy external_ids_select on crm_private.external_ids for select to crm_reader
  using (crm_private.is_readable(entity_type, entity_id));
