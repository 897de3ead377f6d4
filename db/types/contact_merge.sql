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
  'What a merge of contacts did.';

comment on column crm.contact_merge.contact_id is
  E'@notNull\nThe contact that is left.';
comment on column crm.contact_merge.transaction_id is
  E'@notNull\nThe transaction, by which the audit log has it and it can be undone.';
comment on column crm.contact_merge.deals_moved is
  E'@notNull\nHow many deals became its own.';
comment on column crm.contact_merge.tasks_moved is
  E'@notNull\nHow many tasks became its own.';
comment on column crm.contact_merge.notes_moved is
  E'@notNull\nHow many notes became its own.';
