/*
 * Has no rows: the lock on it keeps erasing a person apart from undoing and from keeping answers, which
 * may hold the person's values. Nobody but the owner can take it.
 */

create table if not exists crm_private.erasure_lock (
  id boolean not null,

  constraint erasure_lock_pkey primary key (id)
);

comment on table crm_private.erasure_lock is
  'Has no rows: the lock on it keeps erasing a person apart from undoing and from keeping answers.';

comment on column crm_private.erasure_lock.id is
  'Never input.';

alter table crm_private.erasure_lock enable row level security;
