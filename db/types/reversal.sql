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

comment on type crm.reversal is 'The result of an undo or a restore.';

comment on column crm.reversal.transaction_id is
  E'@notNull\nThe id of the transaction of the undo, by which the undo itself can be undone.';
comment on column crm.reversal.restored is E'@notNull\nThe number of rows that were restored.';
comment on column crm.reversal.changed is
  E'@notNull\nThe number of rows in which fields were set back.';
comment on column crm.reversal.deleted is E'@notNull\nThe number of rows that were deleted.';
comment on column crm.reversal.kept is
  E'@notNull\nWhat was not restored to its former state: values that were changed since and left '
  'as they are, values that are no longer valid, and references to rows that were merged or '
  'deleted. Each item has entityType, entityId, field, expected, found, changedBy and changedAt. '
  'At most 1,000 items; keptCount counts all items.';
comment on column crm.reversal.kept_count is
  E'@notNull\nThe number of values that were not restored to their former state, including those '
  'not listed in kept.';
