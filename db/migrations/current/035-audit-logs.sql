/*
 * Why: the journal. Triggers write it in the transaction of the change itself; nobody else can.
 *      A lean table, because each write pays for its width and its indexes: a key that begins with
 *      the time, one index for the history of an entity, one for what a user did.
 *      Partitioned by month; the partitions are internals, so they stand in crm_private.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

create table crm.audit_logs (
  id             bigint      not null generated always as identity,
  entity_type    text        not null,
  entity_id      uuid        not null,
  action         text        not null,
  user_id        text        not null,
  changes        jsonb       not null,
  "timestamp"    timestamptz not null,
  transaction_id bigint      not null,
  source         text        not null,

  constraint audit_logs_pkey primary key ("timestamp", id),
  constraint audit_logs_user_id_length check (char_length(user_id) <= 255)
) partition by range ("timestamp");

comment on table crm.audit_logs is
  'The journal: one row for each row that was created, changed or deleted, written with the change.';
comment on column crm.audit_logs.id is
  'Increases from one entry to the next.';
comment on column crm.audit_logs.entity_type is
  'What was changed: contact, company, deal, task, note, custom_field_definition or '
  'pipeline_stage.';
comment on column crm.audit_logs.entity_id is
  'The id of the row that was changed. It may be gone.';
comment on column crm.audit_logs.action is
  'create, update or delete.';
comment on column crm.audit_logs.user_id is
  'Who did it: the subject of a token, or db:<login role> for a database session.';
comment on column crm.audit_logs.changes is
  'What changed. For an update a member for each column, or custom field (custom_fields.<name>), '
  'with its old and new value, as {"last_name": {"old": "Byron", "new": "Lovelace"}}. For a '
  'create the values of the new row, for a delete the whole old row.';
comment on column crm.audit_logs."timestamp" is
  'When it was done: the created_at or updated_at that the row got by it.';
comment on column crm.audit_logs.transaction_id is
  'The database transaction; what was done together has it in common.';
comment on column crm.audit_logs.source is
  'What it was done through: api, import or sql.';
comment on constraint audit_logs_user_id_length on crm.audit_logs is
  'must have at most 255 characters';

create index audit_logs_entity_id on crm.audit_logs (entity_id);
create index audit_logs_user_id on crm.audit_logs (user_id);

-- What no partition is made for is never lost.
create table crm_private.audit_logs_other partition of crm.audit_logs default;

--!include functions/ensure_audit_partitions.sql

select crm_private.ensure_audit_partitions();
