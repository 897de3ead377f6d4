/*
 * Undoing. What is to be undone is planned row by row in a table, so that a few statements carry it
 * out, and the audit log's triggers find there what each row undoes. It is empty between transactions, and
 * nobody but the owner's functions can write it, so nobody can pretend to undo.
 */

create unlogged table if not exists crm_private.reversals (
  transaction_id bigint      not null,
  entity_type    text        not null,
  entity_id      uuid        not null,
  before         jsonb,
  after          jsonb,
  undoes         jsonb       not null,

  constraint reversals_pkey primary key (transaction_id, entity_id, entity_type)
);

comment on table crm_private.reversals is
  'What the running transactions undo, row by row. Empty otherwise.';

comment on column crm_private.reversals.transaction_id is 'The transaction that undoes.';
comment on column crm_private.reversals.entity_type is 'What the row is, as the audit log calls it.';
comment on column crm_private.reversals.entity_id is 'The id of the row.';
comment on column crm_private.reversals.before is
  'The fields to put back, of a row to be brought back all of them; null if it is to be deleted.';
comment on column crm_private.reversals.after is
  'The values that these fields are expected to have; null if the row is expected to be gone.';
comment on column crm_private.reversals.undoes is 'What the audit log entries say of it.';

alter table crm_private.reversals enable row level security;
