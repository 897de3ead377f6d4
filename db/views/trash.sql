/* What has been deleted and can be restored. crm_private.trashed says what that is. */
create or replace view crm.trash as
  select
    trashed.entity_type,
    trashed.id,
    trashed.label,
    trashed.deleted_at,
    trashed.deleted_by,
    trashed.cascaded_rows,
    trashed.transaction_id,
    trashed.entry_id
  from crm_private.trashed() as trashed;

do $invoker$
begin
  -- It reads functions only, which run as whoever asks in any case; before release 15 it cannot be said.
  if current_setting('server_version_num')::integer >= 150000 then
    alter view crm.trash set (security_invoker = true);
  end if;
end
$invoker$;

comment on view crm.trash is
  E'@primaryKey entry_id\n@name trash_item\n@behavior -single\n'
  'What has been deleted and can be restored: members see what they deleted, administrators all. What '
  'went with another row comes back with it and is not listed by itself.';
comment on column crm.trash.entity_type is
  E'@notNull\nWhat it was: contact, company, deal, task, note, custom_field_definition, '
  'pipeline_stage or exchange_rate.';
comment on column crm.trash.id is E'@notNull\nThe id that it had and will have again.';
comment on column crm.trash.label is 'What to recognise it by: a name, a title, or the beginning of a text.';
comment on column crm.trash.deleted_at is E'@notNull\nWhen it was deleted.';
comment on column crm.trash.deleted_by is E'@notNull\nThe user who deleted it.';
comment on column crm.trash.cascaded_rows is
  E'@notNull\nHow many rows went with it, and come back with it.';
comment on column crm.trash.transaction_id is
  E'@notNull\nThe transaction that deleted it; undoing that brings back everything that it deleted.';
comment on column crm.trash.entry_id is E'@notNull\nThe entry of the journal that has it.';

grant select on crm.trash to crm_member;
