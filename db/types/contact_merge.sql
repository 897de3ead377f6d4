do $type$
begin
  if to_regtype('crm.contact_merge') is null then
    create type crm.contact_merge as (
      contact_id     uuid,
      transaction_id bigint,
      deals_moved    integer,
      tasks_moved    integer,
      notes_moved    integer
    );
  end if;
end
$type$;

comment on type crm.contact_merge is
  E'@foreignKey (contact_id) references crm.contacts (id)|@forwardDescription The contact that is left.|@behavior -manyRelation\n'
  'The result of a merge of contacts.';

comment on column crm.contact_merge.contact_id is
  E'@notNull\nThe id of the merge winner, the contact that remains.';
comment on column crm.contact_merge.transaction_id is
  E'@notNull\nThe id of the transaction, by which the audit log lists the merge and '
  'undoTransaction undoes it.';
comment on column crm.contact_merge.deals_moved is
  E'@notNull\nThe number of deals that were moved to the winner.';
comment on column crm.contact_merge.tasks_moved is
  E'@notNull\nThe number of tasks that were moved to the winner.';
comment on column crm.contact_merge.notes_moved is
  E'@notNull\nThe number of notes that were moved to the winner.';
