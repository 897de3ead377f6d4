/*
 * Why: the rules that hold for every writer, in the order in which they fire; db/README.md has the
 *      table of what fires on what.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

-- What is compiled from definitions has a revision, one row for each entity type that has fields.
create table crm_private.custom_field_revisions (
  entity_type text   not null,
  revision    bigint not null default 0,

  constraint custom_field_revisions_pkey primary key (entity_type)
);

comment on table crm_private.custom_field_revisions is
  'How often the definitions of an entity type have changed.';
comment on column crm_private.custom_field_revisions.entity_type is
  'contact, company or deal.';
comment on column crm_private.custom_field_revisions.revision is
  'Increases by one with each statement that changes definitions of the entity type.';

insert into crm_private.custom_field_revisions (entity_type)
values ('contact'), ('company'), ('deal');

--!include views/rules.sql

--!include functions/entity_table.sql
--!include functions/elements.sql
--!include functions/fault_message.sql
--!include functions/custom_field_condition.sql
--!include functions/custom_field_message.sql
--!include functions/custom_field_faults.sql
--!include functions/compile_custom_fields.sql
--!include functions/row_faults.sql
--!include functions/bind_rules.sql
--!include functions/apply_definitions.sql
--!include functions/custom_field_changes.sql
--!include functions/bind_journal.sql

--!include triggers/100_normalise.sql
--!include triggers/110_stamp.sql
--!include triggers/200_validate.sql
--!include triggers/500_definitions.sql
--!include triggers/900_journal.sql
