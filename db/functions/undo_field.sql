/*
 * Puts a field back to the value that it had before an entry of the journal. It is expected to have
 * still the value that it had after that entry. Nothing is done if it has the right value already.
 *
 * Security definer: it reads the whole of the journal. crm_private.carry_out_reversal checks that the caller
 * could do by hand what it does.
 */
create or replace function crm_private.undo_field(
  entity_type text,
  entity_id   uuid,
  field       text,
  entry_id    bigint,
  force       boolean default false
)
returns crm.reversal
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_xid    bigint := pg_current_xact_id()::text::bigint;
  v_field  text   := crm_private.journal_field(entity_type, field);
  v_action text;
  v_told   record;
begin
  perform crm_private.caller_holds();

  perform
    crm_private.refuse_null('entityId', entity_id::text),
    crm_private.refuse_null('entryId', entry_id::text);

  select log.action into v_action
  from crm.audit_logs as log
  where log.entity_id = undo_field.entity_id
    and log.entity_type = undo_field.entity_type
    and log.id = undo_field.entry_id;

  if v_action is null then
    perform crm_private.refuse_missing('audit_log', entry_id::text);
  elsif v_action <> 'update' then
    perform crm_private.refuse_argument(
      'entryId',
      case v_action
        when 'create' then 'created the row, which had no value before'
        else 'deleted the row, which has to be restored first'
      end,
      'audit_logs_action_update'
    );
  end if;

  if exists (
    select from crm.audit_logs as log
    where log.entity_id = undo_field.entity_id
      and log.entity_type = undo_field.entity_type
      and log.id >= undo_field.entry_id
      and log.erased_at is not null
  ) then
    perform crm_private.refuse_argument(
      'entryId', 'has values that have been erased for good', 'audit_logs_changes_erased'
    );
  end if;

  -- The first change from that entry on tells what the field was before it.
  select
    (array_agg(log.changes #> array[v_field, 'old'] order by log.id))[1] as before,
    (array_agg(
      log.changes #> array[v_field, case log.id when undo_field.entry_id then 'new' else 'old' end]
      order by log.id
    ))[1] as after,
    jsonb_agg(log.id order by log.id) as ids
  into v_told
  from crm.audit_logs as log
  where log.entity_id = undo_field.entity_id
    and log.entity_type = undo_field.entity_type
    and log.id >= undo_field.entry_id
    and log.action = 'update'
    and log.changes ? v_field;

  if v_told.ids is not null then
    insert into crm_private.reversals
      (transaction_id, entity_type, entity_id, before, after, undoes)
    values (
      v_xid,
      undo_field.entity_type,
      undo_field.entity_id,
      jsonb_build_object(v_field, v_told.before),
      jsonb_build_object(v_field, v_told.after),
      jsonb_build_object('field', v_field, 'entries', v_told.ids)
    );
  end if;

  return crm_private.carry_out_reversal(coalesce(force, false), false);
end
$$;

comment on function crm_private.undo_field(text, uuid, text, bigint, boolean) is
  'What crm.undo_field calls, with the rights of the owner.';

revoke all on function crm_private.undo_field(text, uuid, text, bigint, boolean) from public;
grant execute on function crm_private.undo_field(text, uuid, text, bigint, boolean) to crm_member;

create or replace function crm.undo_field(
  entity_type text,
  entity_id   uuid,
  field       text,
  entry_id    bigint,
  force       boolean default false
)
returns crm.reversal
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.undo_field(entity_type, entity_id, field, entry_id, force);
$$;

comment on function crm.undo_field(text, uuid, text, bigint, boolean) is
  'Puts a field of a row back to the value that it had before an entry of the journal. A custom field is '
  'customFields.<name>. Undoing is a change like others and can be undone. Where the field was changed '
  'since, nothing is done and the code is CONFLICT; administrators can force it.';

revoke all on function crm.undo_field(text, uuid, text, bigint, boolean) from public;
grant execute on function crm.undo_field(text, uuid, text, bigint, boolean) to crm_member;
