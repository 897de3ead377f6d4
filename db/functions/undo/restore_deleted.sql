/*
 * Restores a deleted row and what its deletion took: the rows that were deleted by cascade, and the
 * links that were set to null. A link that references another row by now stays unchanged. Reports
 * such links, and values that differ from before because something that they reference is gone or
 * was changed. Raises if the row exists, or was never deleted.
 *
 * Security definer: it reads the whole audit log, and restores rows under their own ids, which no
 * role may write. crm_private.carry_out_reversal checks that the caller could make the same changes
 * manually.
 */
create or replace function crm_private.restore_deleted(entity_type text, id uuid)
returns crm.reversal
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_deletion crm.audit_logs;
  v_table    regclass := crm_private.entity_table(entity_type);
  v_exists   boolean;
begin
  perform crm_private.caller_is_authenticated();

  perform crm_private.refuse_null('id', id::text);

  perform crm_private.refuse_irreversible(entity_type);

  select log.* into v_deletion
  from crm.audit_logs as log
  where log.entity_id = restore_deleted.id
    and log.entity_type = restore_deleted.entity_type
    and log.action = 'delete'
  order by log.id desc
  limit 1;

  -- Two that restore the same run one after the other, so that the second sees the restored row.
  perform pg_advisory_xact_lock(
    hashtext('crm_private.reversals'), hashint8(v_deletion.transaction_id)
  );
  execute format('select exists (select from %s where id = $1)', v_table)
  into v_exists
  using restore_deleted.id;

  if v_exists then
    raise exception '% % is not deleted', entity_type, id
      using errcode    = 'unique_violation',
            schema     = 'crm', table = (select relname from pg_class where oid = v_table),
            column     = 'id',
            constraint = 'trash_id_deleted',
            detail     = '{"id": ["is not deleted, or was restored already"]}',
            hint       = 'Read the row; it needs no restoring.';
  elsif v_deletion.id is null
    or (v_deletion.user_id <> crm.current_user_id() and not crm_private.is_administrator())
  then
    perform crm_private.refuse_missing(entity_type, id::text);
  end if;

  perform crm_private.plan_reversal(
    v_deletion.transaction_id,
    array(
      select taken.id
      from crm_private.cascaded_deletions(
        v_deletion.transaction_id, v_deletion.id, v_deletion.entity_type, v_deletion.entity_id,
        v_deletion.changes
      ) as taken
    ),
    '{}',
    'id'
  );
  return crm_private.carry_out_reversal('SKIP');
end
$$;

comment on function crm_private.restore_deleted(text, uuid) is
  'Implements crm.restore_deleted with the rights of the owner.';

revoke all on function crm_private.restore_deleted(text, uuid) from public;
grant execute on function crm_private.restore_deleted(text, uuid) to crm_member;

create or replace function crm.restore_deleted(entity_type text, id uuid)
returns crm.reversal
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.restore_deleted(entity_type, id);
$$;

comment on function crm.restore_deleted(text, uuid) is
  'Restores a deleted row from the trash under its own id, with everything that its deletion '
  'took: the rows that were deleted with it, and the links to it that were set to null, unless '
  'they reference another row by now. A reference to a row that was renamed or merged since '
  'follows it; a reference to a row that is gone is left out. kept lists what differs from before '
  'the deletion. entityType is contact, company, deal, task, note, custom_field_definition, '
  'pipeline_stage or exchange_rate.';

revoke all on function crm.restore_deleted(text, uuid) from public;
grant execute on function crm.restore_deleted(text, uuid) to crm_member;
