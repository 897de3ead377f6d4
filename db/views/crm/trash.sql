/*
 * Deleted rows that can be restored. Of a row that does not exist, the last deletion is listed. A
 * row that a cascade deleted is not listed while its parent is deleted, because it is restored with
 * the parent. An erased row cannot be restored.
 *
 * The view reads with the rights of the caller, whose policies on the audit log decide which
 * entries are visible. PostgreSQL 14 can read a view with the rights of its owner only, so the view
 * also contains the condition of the policy.
 */
create or replace view crm.trash as
  select
    deletion.entity_type,
    deletion.entity_id,
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
  -- By itself, so that the index of entity_id is used: a function in the condition below could leak
  -- a row, and would be called only after the policies.
  cross join lateral (
    select crm_private.cascade_parent(deletion.entity_type, deletion.changes) as entity_id
    offset 0
  ) as parent_of
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
      where parent.entity_id = parent_of.entity_id
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
  'A deleted row that can be restored. Members see the rows that they deleted, administrators see '
  'all. Rows that were deleted with another row by a cascade are restored with it and are not '
  'listed.';
comment on column crm.trash.entity_type is
  E'@notNull\nThe type of the entity: contact, company, deal, task, note, custom_field_definition, '
  'pipeline_stage or exchange_rate.';
comment on column crm.trash.entity_id is E'@notNull\nThe id of the row. The restored row has the same id.';
comment on column crm.trash.label is
  'A name, a title or the beginning of a text, by which people recognise the row.';
comment on column crm.trash.deleted_at is E'@notNull\nWhen the row was deleted.';
comment on column crm.trash.deleted_by is E'@notNull\nThe user who deleted the row.';
comment on column crm.trash.cascaded_rows is
  E'@notNull\nThe number of rows that a cascade deleted with the row. They are restored with it.';
comment on column crm.trash.transaction_id is
  E'@notNull\nThe id of the transaction that deleted the row. Undoing the transaction restores '
  'everything that it deleted.';
comment on column crm.trash.entry_id is E'@notNull\nThe id of the audit log entry of the deletion.';

grant select on crm.trash to crm_member;
