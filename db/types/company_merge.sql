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
  'What a merge of companies did.';

comment on column crm.company_merge.company_id is
  E'@notNull\nThe company that is left.';
comment on column crm.company_merge.transaction_id is
  E'@notNull\nThe transaction, by which the audit log has it and it can be undone.';
comment on column crm.company_merge.contacts_moved is
  E'@notNull\nHow many contacts became its own.';
comment on column crm.company_merge.deals_moved is
  E'@notNull\nHow many deals became its own.';
comment on column crm.company_merge.tasks_moved is
  E'@notNull\nHow many tasks became its own.';
comment on column crm.company_merge.notes_moved is
  E'@notNull\nHow many notes became its own.';
