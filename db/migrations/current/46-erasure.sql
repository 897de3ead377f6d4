/*
 * Why: what was deleted can be restored for a while only, and a person can be forgotten. Both take
 *      values out of the journal and leave who did what to which row, and when.
 *      The index finds the tasks and notes that hung on a contact; only entries of attachments are
 *      in it.
 * Locks: crm.audit_logs exclusively, while the index is made, which reads it.
 * Undone by: revert/000003.sql.
 */

create table if not exists crm_private.settings (
  id                   boolean not null default true,
  trash_retention_days integer default 30,

  constraint settings_pkey primary key (id),
  constraint settings_id_single check (id),
  constraint settings_trash_retention_days_range check (trash_retention_days between 0 and 36500)
);

comment on table crm_private.settings is
  'What administrators set: one row.';
comment on column crm_private.settings.id is
  'Always true, so that there is one row.';
comment on column crm_private.settings.trash_retention_days is
  'For how many days what was deleted can be restored; null for good.';
comment on constraint settings_trash_retention_days_range on crm_private.settings is
  'must be from 0 to 36500';

insert into crm_private.settings default values on conflict do nothing;

alter table crm_private.settings enable row level security;

--!include functions/attached_to.sql

create index if not exists audit_logs_attached_to on crm.audit_logs
  (crm_private.attached_to(action, changes))
  where entity_type = any (array['task', 'note']) and changes ? 'entity_id';

comment on column crm.audit_logs.entity_type is
  'What was changed: contact, company, deal, task, note, custom_field_definition, '
  'pipeline_stage or api_key; setting, or journal for the journal itself.';
comment on column crm.audit_logs.action is
  'create, update or delete; erase where the values were taken out of the entries before; purge '
  'or archive of the journal.';
comment on column crm.audit_logs.changes is
  'What changed. For an update a member for each column, or custom field (custom_fields.<name>), '
  'with its old and new value, as {"last_name": {"old": "Byron", "new": "Lovelace"}}. For a '
  'create the values of the new row, for a delete the whole old row. Empty if they were erased.';

--!include functions/journal_event.sql
--!include functions/journal_tables.sql
--!include functions/scrub_entries.sql
--!include functions/refuse_old_snapshot.sql
--!include functions/purge_deletions.sql
--!include functions/trash_retention_days.sql
--!include functions/set_trash_retention.sql
--!include functions/purge_trash.sql
--!include functions/refresh_statistics.sql
--!include functions/erase_contact.sql
