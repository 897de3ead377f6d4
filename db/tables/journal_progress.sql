/* How far the journal is sealed: one row. */

create table if not exists crm_private.journal_progress (
  id          boolean     not null default true,
  sealed_to   bigint      not null default 0,
  pending_to  bigint,
  pending_for text[],

  constraint journal_progress_pkey primary key (id),
  constraint journal_progress_id_single check (id),
  constraint journal_progress_pending_complete CHECK (((pending_to IS NULL) = (pending_for IS NULL)))
);

comment on table crm_private.journal_progress is
  'How far the journal is sealed: one row.';

comment on column crm_private.journal_progress.id is
  'Always true, so that there is one row.';
comment on column crm_private.journal_progress.sealed_to is
  'Every id up to this one is sealed, or was given out in vain.';
comment on column crm_private.journal_progress.pending_to is
  'The ids up to this one can be sealed when the transactions of pending_for have ended.';
comment on column crm_private.journal_progress.pending_for is
  'The virtual transactions that were writing the journal when pending_to was read.';

comment on constraint journal_progress_pending_complete on crm_private.journal_progress is
  'must be given together';

alter table crm_private.journal_progress enable row level security;
