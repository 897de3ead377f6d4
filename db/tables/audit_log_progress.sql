/* How far the audit log is sealed. The table has one row. */

create table if not exists crm_private.audit_log_progress (
  id          boolean     not null default true,
  sealed_to   bigint      not null default 0,
  pending_to  bigint,
  pending_for text[],

  constraint audit_log_progress_pkey primary key (id),
  constraint audit_log_progress_id_single check (id),
  constraint audit_log_progress_pending_complete CHECK (((pending_to IS NULL) = (pending_for IS NULL)))
);

comment on table crm_private.audit_log_progress is
  'How far the audit log is sealed. The table has one row.';

comment on column crm_private.audit_log_progress.id is
  'Always true, which limits the table to one row.';
comment on column crm_private.audit_log_progress.sealed_to is
  'All entries up to this id are sealed. Aborted transactions may leave some of these ids unused.';
comment on column crm_private.audit_log_progress.pending_to is
  'Entries up to this id can be sealed once the transactions in pending_for have ended.';
comment on column crm_private.audit_log_progress.pending_for is
  'The virtual transactions that were writing the audit log when pending_to was read.';

comment on constraint audit_log_progress_pending_complete on crm_private.audit_log_progress is
  'must both be set or both be null';

alter table crm_private.audit_log_progress enable row level security;
