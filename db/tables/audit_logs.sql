/*
 * The audit log: one row for each row that was created, changed or deleted, written with the
 * change.
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
  constraint audit_logs_user_id_length check (char_length(user_id) <= 255)
) partition by range ("timestamp");

alter table crm.audit_logs alter column changes set statistics 0;

comment on table crm.audit_logs is
  'The audit log: one row for each row that was created, changed or deleted, written with the change.';

comment on column crm.audit_logs.id is
  'Increases from one entry to the next.';
comment on column crm.audit_logs.entity_type is
  'What was changed: contact, company, deal, task, note, custom_field_definition, '
  'pipeline_stage, exchange_rate or api_key; setting, or audit_log for the log itself.';
comment on column crm.audit_logs.entity_id is
  'The id of the row that was changed. It may be gone.';
comment on column crm.audit_logs.action is
  'create, update or delete; erase where the values were taken out of the entries before; purge '
  'or archive of the audit log.';
comment on column crm.audit_logs.user_id is
  'Who did it: the subject of a token, key:<name> for an API key, or db:<login role> for a '
  'database session.';
comment on column crm.audit_logs.changes is
  'What changed. For an update a member for each column, or custom field (custom_fields.<name>), '
  'with its old and new value, as {"last_name": {"old": "Byron", "new": "Lovelace"}}. For a '
  'create the values of the new row, for a delete the whole old row. Empty if they were erased.';
comment on column crm.audit_logs."timestamp" is
  'When it was done: the created_at or updated_at that the row got by it.';
comment on column crm.audit_logs.transaction_id is
  'The database transaction; what was done together has it in common.';
comment on column crm.audit_logs.source is
  'What it was done through: api, import or sql.';
comment on column crm.audit_logs.erased_at is
  'When the values were taken out of changes for good; null if they are there.';

comment on constraint audit_logs_user_id_blank on crm.audit_logs is
  'must not be blank';
comment on constraint audit_logs_user_id_legible on crm.audit_logs is
  'must not hold control characters, or characters that cannot be seen';
comment on constraint audit_logs_user_id_length on crm.audit_logs is
  'must have at most 255 characters';

create index if not exists audit_logs_entity_id on crm.audit_logs (entity_id);
-- The last entries of all, and those that seals cover.
create index if not exists audit_logs_id on crm.audit_logs (id);
create index if not exists audit_logs_user_id on crm.audit_logs (user_id);
create index if not exists audit_logs_transaction_id on crm.audit_logs
  using brin (transaction_id, id) with (pages_per_range = 16, autosummarize = on);
-- The trash: what can be restored, or purged. Only deletions pay for it.
create index if not exists audit_logs_deleted on crm.audit_logs ("timestamp")
  where action = 'delete' and erased_at is null;
create index if not exists audit_logs_attached_to on crm.audit_logs
  (crm_private.attached_to(action, changes))
  where entity_type = any (array['task', 'note']) and changes ? 'entity_id';

-- What stages were called: a few entries among all.
create index if not exists audit_logs_stages on crm.audit_logs ("timestamp")
  where entity_type = 'pipeline_stage';
-- What reports tell of deals: those that came and went, and the columns that they add up or follow.
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
