/*
 * What has been deleted and can be restored. The last deletion of a row counts, if the row is not back.
 * What went with another row that is still gone comes back with that one; what has been erased does not
 * come back.
 *
 * It is read with the rights of the caller, whose policy of the audit log decides what there is. Release 14
 * knows the rights of the view's owner only; so the view asks the policy's question itself, of its
 * owner's entries.
 */
create or replace view crm.trash as
  select
    deletion.entity_type,
    deletion.entity_id                                                as id,
    crm_private.deleted_label(deletion.entity_type, deletion.changes) as label,
    deletion."timestamp"                                              as deleted_at,
    deletion.user_id                                                  as deleted_by,
    (
      select count(*) - 1
      from crm_private.cascaded_deletions(
        deletion.transaction_id, deletion.id, deletion.entity_type, deletion.entity_id,
        deletion.changes
      ) as taken
      where taken.action = 'delete'
    )                                                                 as cascaded_rows,
    deletion.transaction_id,
    deletion.id                                                       as entry_id
  from crm.audit_logs as deletion
  where deletion.action = 'delete'
    and deletion.erased_at is null
    and (
      (select crm_private.is_administrator())
      or deletion.user_id = (select crm.current_user_id())
    )
    and not crm_private.is_there(deletion.entity_type, deletion.entity_id)
    and not exists (
      select
      from crm.audit_logs as later
      where later.entity_id = deletion.entity_id
        and later.action = 'delete'
        and later.id > deletion.id
    )
    and not exists (
      select
      from crm.audit_logs as parent
      where parent.entity_id = crm_private.cascade_parent(deletion.entity_type, deletion.changes)
        and parent.transaction_id = deletion.transaction_id
        and parent.action = 'delete'
        and parent.id < deletion.id
        and not crm_private.is_there(parent.entity_type, parent.entity_id)
    );

do $invoker$
begin
  if current_setting('server_version_num')::integer >= 150000 then
    alter view crm.trash set (security_invoker = true);
  else
    alter view crm.trash set (security_barrier = true);
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
comment on column crm.trash.entry_id is E'@notNull\nThe audit log entry that has it.';

grant select on crm.trash to crm_member;
