/*
 * The plan of an undo, row by row. A few statements carry it out, and the triggers of the audit log
 * read from it what the change of each row undoes. The table is empty between transactions. Only
 * functions of the owner can write to it, so that no caller can forge an undo.
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
  'The rows that running transactions undo. Empty at any other time.';

comment on column crm_private.reversals.transaction_id is 'The id of the transaction that undoes.';
comment on column crm_private.reversals.entity_type is
  'The entity type of the row, as in the audit log.';
comment on column crm_private.reversals.entity_id is 'The id of the row.';
comment on column crm_private.reversals.before is
  'The values to set back; all fields of a row that is to be restored. Null if the row is to be '
  'deleted.';
comment on column crm_private.reversals.after is
  'The values that these fields are expected to have now. Null if the row is expected not to '
  'exist.';
comment on column crm_private.reversals.undoes is
  'The member @undoes of the audit log entry that the undo writes for the row.';

alter table crm_private.reversals enable row level security;
