/*
 * What the view crm.trash shows. A function, because a view would read the journal as its owner:
 * here the policy of the journal decides for whoever asks, so that members find what they deleted,
 * administrators all. Inlined into the view, so that nothing is computed that nobody asks for.
 *
 * The last deletion of a row counts, if the row is not back. What went with another row that is still
 * gone comes back with that one; what has been erased does not come back.
 */
create or replace function crm_private.trashed()
returns table (
  entity_type    text,
  id             uuid,
  label          text,
  deleted_at     timestamptz,
  deleted_by     text,
  cascaded_rows  bigint,
  transaction_id bigint,
  entry_id       bigint
)
language sql
stable
begin atomic
  select
    deletion.entity_type,
    deletion.entity_id,
    crm_private.deleted_label(deletion.entity_type, deletion.changes),
    deletion."timestamp",
    deletion.user_id,
    (
      select count(*) - 1
      from crm_private.taken_with(
        deletion.transaction_id, deletion.id, deletion.entity_type, deletion.entity_id,
        deletion.changes
      ) as taken
      where taken.action = 'delete'
    ),
    deletion.transaction_id,
    deletion.id
  from crm.audit_logs as deletion
  where deletion.action = 'delete'
    and deletion.erased_at is null
    and not crm_private.is_readable(deletion.entity_type, deletion.entity_id)
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
        and not crm_private.is_readable(parent.entity_type, parent.entity_id)
    );
end;

comment on function crm_private.trashed() is
  'What has been deleted and can be restored, as far as the caller may see it.';

revoke all on function crm_private.trashed() from public;
grant execute on function crm_private.trashed() to crm_member;
