/*
 * An empty table that serves as a lock. While a person is erased, no undo runs and no response is
 * stored, because either could bring the person's values back. Only the owner can take the lock.
 */

create table if not exists crm_private.erasure_lock (
  id boolean not null,

  constraint erasure_lock_pkey primary key (id)
);

comment on table crm_private.erasure_lock is
  'An empty table that serves as a lock: no undo runs and no response is stored while a person is '
  'erased.';

comment on column crm_private.erasure_lock.id is
  'Never set, because the table has no rows.';

alter table crm_private.erasure_lock enable row level security;
