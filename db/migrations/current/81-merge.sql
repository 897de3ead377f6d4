/*
 * Why: what was entered twice becomes one row again, with everything that belongs to it.
 * Locks: nothing that exists.
 * Undone by: revert/000003.sql.
 */

do $types$
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
$types$;

comment on type crm.contact_merge is
  E'@foreignKey (contact_id) references crm.contacts (id)|@forwardDescription The contact that is left.|@behavior -manyRelation\n'
  'What a merge of contacts did.';
comment on column crm.contact_merge.contact_id is
  E'@notNull\nThe contact that is left.';
comment on column crm.contact_merge.transaction_id is
  E'@notNull\nThe transaction, by which the journal has it and it can be undone.';
comment on column crm.contact_merge.deals_moved is
  E'@notNull\nHow many deals became its own.';
comment on column crm.contact_merge.tasks_moved is
  E'@notNull\nHow many tasks became its own.';
comment on column crm.contact_merge.notes_moved is
  E'@notNull\nHow many notes became its own.';

comment on type crm.company_merge is
  E'@foreignKey (company_id) references crm.companies (id)|@forwardDescription The company that is left.|@behavior -manyRelation\n'
  'What a merge of companies did.';
comment on column crm.company_merge.company_id is
  E'@notNull\nThe company that is left.';
comment on column crm.company_merge.transaction_id is
  E'@notNull\nThe transaction, by which the journal has it and it can be undone.';
comment on column crm.company_merge.contacts_moved is
  E'@notNull\nHow many contacts became its own.';
comment on column crm.company_merge.deals_moved is
  E'@notNull\nHow many deals became its own.';
comment on column crm.company_merge.tasks_moved is
  E'@notNull\nHow many tasks became its own.';
comment on column crm.company_merge.notes_moved is
  E'@notNull\nHow many notes became its own.';

--!include functions/camel_case.sql
--!include functions/check_merge.sql
--!include functions/united.sql
--!include functions/united_custom_fields.sql
--!include functions/merge_contacts.sql
--!include functions/merge_companies.sql
