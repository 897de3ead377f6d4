do $type$
begin
  if to_regtype('crm.company_merge') is null then
    create type crm.company_merge as (
      company_id     uuid,
      transaction_id bigint,
      contacts_moved integer,
      deals_moved    integer,
      tasks_moved    integer,
      notes_moved    integer
    );
  end if;
end
$type$;

comment on type crm.company_merge is
  E'@foreignKey (company_id) references crm.companies (id)|@forwardDescription The company that is left.|@behavior -manyRelation\n'
  'The result of a merge of companies.';

comment on column crm.company_merge.company_id is
  E'@notNull\nThe id of the merge winner, the company that remains.';
comment on column crm.company_merge.transaction_id is
  E'@notNull\nThe id of the transaction, by which the audit log lists the merge and '
  'undoTransaction undoes it.';
comment on column crm.company_merge.contacts_moved is
  E'@notNull\nThe number of contacts that were moved to the winner.';
comment on column crm.company_merge.deals_moved is
  E'@notNull\nThe number of deals that were moved to the winner.';
comment on column crm.company_merge.tasks_moved is
  E'@notNull\nThe number of tasks that were moved to the winner.';
comment on column crm.company_merge.notes_moved is
  E'@notNull\nThe number of notes that were moved to the winner.';
