/*
 * Why: the journal has everything that was done. This reads out of it what a row, a field and the
 *      pipeline were at any time, undoes what was done, and brings back what was deleted.
 * Locks: crm.audit_logs against writes while two small indexes are made, which reads it once.
 * Undone by: revert/000003.sql.
 */

/*
 * What a transaction did, and one entry by its id. Both increase with the table, so a summary of a
 * few blocks each is enough, and writers pay next to nothing for it.
 */
create index if not exists audit_logs_transaction_id on crm.audit_logs
  using brin (transaction_id, id) with (pages_per_range = 16, autosummarize = on);

-- The trash: what can be restored, or purged. Only deletions pay for it.
create index if not exists audit_logs_deleted on crm.audit_logs ("timestamp")
  where action = 'delete' and erased_at is null;

-- Readers ask these through the functions below.

--!include functions/entity_table.sql
--!include functions/fault_message.sql
--!include functions/camel_case.sql

do $types$
begin
  if to_regtype('crm.field_value') is null then
    create type crm.field_value as (
      value       jsonb,
      valid_from  timestamptz,
      valid_until timestamptz,
      set_by      text,
      source      text,
      entry_id    bigint,
      erased      boolean
    );
  end if;

  if to_regtype('crm.pipeline_stage_total') is null then
    create type crm.pipeline_stage_total as (
      stage             text,
      "position"        integer,
      count             bigint,
      value             numeric,
      value_by_currency jsonb
    );
  end if;
end
$types$;

comment on type crm.field_value is 'A value that a field had for some time.';
comment on column crm.field_value.value is 'The value, as JSON; null if the field had none.';
comment on column crm.field_value.valid_from is E'@notNull\nWhen it was set.';
comment on column crm.field_value.valid_until is
  'When another one was set, or the row deleted; null if it still holds.';
comment on column crm.field_value.set_by is E'@notNull\nThe user who set it.';
comment on column crm.field_value.source is
  E'@notNull\nWhat it was set through: api, import or sql.';
comment on column crm.field_value.entry_id is
  E'@notNull\nThe id of the entry of the journal that tells it.';
comment on column crm.field_value.erased is
  E'@notNull\nTrue if the entry has been erased, so that nobody knows the value any more.';

comment on type crm.pipeline_stage_total is 'What a stage of the pipeline held at an instant.';
comment on column crm.pipeline_stage_total.stage is
  E'@notNull\nThe name that the stage had then.';
comment on column crm.pipeline_stage_total."position" is
  'The place that the stage had then, the first being the lowest.';
comment on column crm.pipeline_stage_total.count is E'@notNull\nHow many deals were in it.';
comment on column crm.pipeline_stage_total.value is
  E'@notNull\nThe sum of their values, whatever their currencies.';
comment on column crm.pipeline_stage_total.value_by_currency is
  E'@notNull\nThe sum of their values in each currency, as {"EUR": 10.00}.';

-- As of.

--!include functions/row_from_creation.sql
--!include functions/row_as_of.sql
--!include functions/contact_as_of.sql
--!include functions/company_as_of.sql
--!include functions/deal_as_of.sql
--!include functions/task_as_of.sql
--!include functions/note_as_of.sql
--!include functions/custom_field_definition_as_of.sql
--!include functions/pipeline_stage_as_of.sql
--!include functions/pipeline_as_of.sql

-- The values of a field.

--!include functions/journal_fields.sql
--!include functions/journal_columns.sql
--!include functions/refuse_argument.sql
--!include functions/journal_field.sql
--!include functions/field_history.sql
--!include functions/contacts_field_history.sql
--!include functions/companies_field_history.sql
--!include functions/deals_field_history.sql
--!include functions/tasks_field_history.sql
--!include functions/notes_field_history.sql
--!include functions/custom_field_definitions_field_history.sql
--!include functions/pipeline_stages_field_history.sql

/*
 * Undoing. What is to be undone is planned row by row in a table, so that a few statements carry it
 * out, and the journal's triggers find there what each row undoes. It is empty between transactions, and
 * nobody but the owner's functions can write it, so nobody can pretend to undo.
 */
create unlogged table if not exists crm_private.reversals (
  transaction_id bigint not null,
  entity_type    text   not null,
  entity_id      uuid   not null,
  before         jsonb,
  after          jsonb,
  undoes         jsonb  not null,
  constraint reversals_pkey primary key (transaction_id, entity_id, entity_type)
);

alter table crm_private.reversals enable row level security;

comment on table crm_private.reversals is
  'What the running transactions undo, row by row. Empty otherwise.';
comment on column crm_private.reversals.transaction_id is 'The transaction that undoes.';
comment on column crm_private.reversals.entity_type is 'What the row is, as the journal calls it.';
comment on column crm_private.reversals.entity_id is 'The id of the row.';
comment on column crm_private.reversals.before is
  'The fields to put back, of a row to be brought back all of them; null if it is to be deleted.';
comment on column crm_private.reversals.after is
  'The values that these fields are expected to have; null if the row is expected to be gone.';
comment on column crm_private.reversals.undoes is 'What the entries of the journal say of it.';

do $types$
begin
  if to_regtype('crm.reversal') is null then
    create type crm.reversal as (
      transaction_id bigint,
      restored       bigint,
      changed        bigint,
      deleted        bigint,
      kept           jsonb
    );
  end if;
end
$types$;

comment on type crm.reversal is 'What was done to undo something, or to restore it.';
comment on column crm.reversal.transaction_id is
  E'@notNull\nThe transaction that did it, and by which it can be undone.';
comment on column crm.reversal.restored is E'@notNull\nHow many rows were brought back.';
comment on column crm.reversal.changed is E'@notNull\nHow many rows had fields put back.';
comment on column crm.reversal.deleted is E'@notNull\nHow many rows were deleted.';
comment on column crm.reversal.kept is
  E'@notNull\nWhat was changed since and left as it is: entityType, entityId, field, expected, found, '
  'changedBy and changedAt of each. At most 100.';

--!include functions/planned_reversal.sql
--!include functions/calling_role.sql
--!include functions/is_administrator.sql
--!include functions/refuse_null.sql
--!include functions/refuse_missing.sql
--!include functions/refuse_conflicts.sql
--!include functions/refuse_broken_link.sql
--!include functions/custom_members.sql
--!include functions/merged.sql
--!include functions/plan_reversal.sql
--!include functions/reversal_conflicts.sql
--!include functions/settle_conflicts.sql
--!include functions/reverse_rows.sql
--!include functions/carry_out_reversal.sql
--!include functions/undo_field.sql
--!include functions/undo_entry.sql
--!include functions/undo_transaction.sql

/*
 * The trash. Whoever did something may read its entry also when the row is gone: so members find what
 * they deleted.
 */
alter policy audit_logs_select on crm.audit_logs
  using (
    user_id = (select crm.current_user_id())
    or crm_private.is_readable(entity_type, entity_id)
  );

--!include functions/cascade_parent.sql
--!include functions/severed_link.sql
--!include functions/taken_with.sql
--!include functions/deleted_label.sql
--!include functions/trashed.sql
--!include views/trash.sql
--!include functions/restore_deleted.sql

-- Time in stage.

--!include functions/staged.sql
--!include views/stage_history.sql
