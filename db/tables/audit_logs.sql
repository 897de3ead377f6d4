/*
 * The audit log: one entry for each row that a statement creates, changes or deletes, written in
 * the same transaction.
 */

create table if not exists crm.audit_logs (
  id             bigint      not null generated always as identity,
  entity_type    text        not null,
  entity_id      uuid        not null,
  action         text        not null,
  user_id        text        not null,
  changes        jsonb       not null,
  "timestamp"    timestamptz not null,
  transaction_id bigint      not null,
  source         text        not null,
  erased_at      timestamptz,

  constraint audit_logs_pkey primary key ("timestamp", id),
  constraint audit_logs_user_id_blank check (not crm_private.is_blank(user_id)),
  constraint audit_logs_user_id_legible check (crm_private.is_legible(user_id)),
  constraint audit_logs_user_id_length check (char_length(user_id) <= 255),
  constraint audit_logs_action_known check (
    action = any (array['create', 'update', 'delete', 'erase', 'purge', 'archive'])
  ),
  constraint audit_logs_source_known check (source = any (array['api', 'import', 'sql']))
) partition by range ("timestamp");

alter table crm.audit_logs alter column changes set statistics 0;

comment on table crm.audit_logs is
  'An audit log entry. Every creation, change and deletion of a row has one, written in the same '
  'transaction.';

comment on column crm.audit_logs.id is
  E'@name entry_id\nThe id of the entry. It increases from one entry to the next, with gaps.';
comment on column crm.audit_logs.entity_type is
  'The type of the entity that was changed: contact, company, deal, task, note, '
  'custom_field_definition, pipeline_stage, exchange_rate, api_key or setting; audit_log for the '
  'audit log itself.';
comment on column crm.audit_logs.entity_id is
  'The id of the row that was changed. The row may no longer exist. All zeros for a setting and '
  'for the audit log.';
comment on column crm.audit_logs.action is
  'What was done: create, update or delete; erase if a person was erased from earlier entries; '
  'purge if values of deleted rows were removed; archive if months of the audit log were archived.';
comment on column crm.audit_logs.user_id is
  'The user who made the change: the subject of a token, key:<name> for an API key, or db:<login '
  'role> for a database session.';
comment on column crm.audit_logs.changes is
  'What changed. For an update, a member for each changed column or custom field '
  '(custom_fields.<name>) with its old and new value, as {"last_name": {"old": "Byron", "new": '
  '"Lovelace"}}. For a create, the values of the new row; for a delete, the whole old row. Empty '
  'if the values were erased.';
comment on column crm.audit_logs."timestamp" is
  'When the change was made. It equals the created_at or updated_at that the row received.';
comment on column crm.audit_logs.transaction_id is
  'The id of the database transaction. All entries of one transaction share it.';
comment on column crm.audit_logs.source is
  'The channel through which the change was made: api, import or sql.';
comment on column crm.audit_logs.erased_at is
  'When the values were permanently removed from changes. Null if they were not.';

comment on constraint audit_logs_user_id_blank on crm.audit_logs is
  'must not be blank';
comment on constraint audit_logs_user_id_legible on crm.audit_logs is
  'must not contain control characters or invisible characters';
comment on constraint audit_logs_user_id_length on crm.audit_logs is
  'must have at most 255 characters';
comment on constraint audit_logs_action_known on crm.audit_logs is
  '%s is not one of create, update, delete, erase, purge, archive';
comment on constraint audit_logs_source_known on crm.audit_logs is
  '%s is not one of api, import, sql';

create index if not exists audit_logs_entity_id on crm.audit_logs (entity_id);
-- For the latest entries, and for the entries that a seal covers.
create index if not exists audit_logs_id on crm.audit_logs (id);
-- By user, the latest first.
create index if not exists audit_logs_user_id on crm.audit_logs (user_id, id);
create index if not exists audit_logs_transaction_id on crm.audit_logs
  using brin (transaction_id, id) with (pages_per_range = 16, autosummarize = on);
-- For the trash: deletions that can be restored or purged. No other entry is in this index.
create index if not exists audit_logs_deleted on crm.audit_logs ("timestamp")
  where action = 'delete' and erased_at is null;
create index if not exists audit_logs_attached_to on crm.audit_logs
  (crm_private.attached_to(action, changes))
  where entity_type = any (array['task', 'note']) and changes ? 'entity_id';

-- For former names of stages, which few of the entries contain.
create index if not exists audit_logs_stages on crm.audit_logs ("timestamp")
  where entity_type = 'pipeline_stage';
-- For reports on deals: creations, deletions, and changes of the columns that reports sum or track.
create index if not exists audit_logs_deals on crm.audit_logs ("timestamp")
  where entity_type = 'deal'
    and (
      action <> 'update'
      or changes ?| array[
        'stage', 'value', 'currency', 'probability', 'close_date', 'owner_id', 'company_id'
      ]
    );
create index if not exists audit_logs_owners on crm.audit_logs ("timestamp")
  where action = 'update' and changes ? 'owner_id';
create index if not exists audit_logs_erased on crm.audit_logs ("timestamp")
  where erased_at is not null;

alter table crm.audit_logs enable row level security;

grant select on crm.audit_logs to crm_reader;

drop policy if exists audit_logs_select_all on crm.audit_logs;
create policy audit_logs_select_all on crm.audit_logs for select to crm_admin
  using (true);
drop policy if exists audit_logs_select on crm.audit_logs;
create policy audit_logs_select on crm.audit_logs for select to crm_reader
  using (user_id = (select crm.current_user_id()) or crm_private.is_readable(entity_type, entity_id));
