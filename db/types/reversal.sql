do $type$
begin
  if to_regtype('crm.reversal') is null then
    create type crm.reversal as (
      transaction_id bigint,
      restored       bigint,
      changed        bigint,
      deleted        bigint,
      kept           jsonb,
      kept_count     bigint
    );
  end if;
end
$type$;

comment on type crm.reversal is 'What was done to undo something, or to restore it.';

comment on column crm.reversal.transaction_id is
  E'@notNull\nThe transaction that did it, and by which it can be undone.';
comment on column crm.reversal.restored is E'@notNull\nHow many rows were brought back.';
comment on column crm.reversal.changed is E'@notNull\nHow many rows had fields put back.';
comment on column crm.reversal.deleted is E'@notNull\nHow many rows were deleted.';
comment on column crm.reversal.kept is
  E'@notNull\nWhat is not as it was before: what was changed since and left as it is, what has no place '
  'any more, and what leads elsewhere now. entityType, entityId, field, expected, found, changedBy and '
  'changedAt of each. At most 1,000; keptCount has the number of all.';
comment on column crm.reversal.kept_count is
  E'@notNull\nHow much is not as it was before, also where kept has not all of it.';
