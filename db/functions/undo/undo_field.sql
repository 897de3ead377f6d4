/*
 * Puts a field back to the value that it had before an audit log entry. Expects that the field
 * still has the value that it had after that entry. Does nothing if it has the old value already. A
 * custom field that was renamed since is known by either name. Raises if the entry is not an update
 * of the field, or if the field is not written by users.
 *
 * Security definer: it reads the whole audit log. crm_private.carry_out_reversal checks that the
 * caller could make the same changes manually.
 */
create or replace function crm_private.undo_field(
  entity_type text,
  entity_id   uuid,
  field       text,
  entry_id    bigint,
  on_conflict crm.conflict_resolution default 'REFUSE'
)
returns crm.reversal
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_xid    bigint := pg_current_xact_id()::text::bigint;
  v_field  text   := crm_private.logged_field(entity_type, field);
  v_names  text[];
  v_action text;
  v_told   record;
begin
  perform crm_private.caller_is_authenticated();

  perform crm_private.refuse_irreversible(entity_type);

  -- A value that is read here must not be restored after it was erased.
  perform crm_private.refuse_old_snapshot('an undo');
  lock table crm_private.erasure_lock in access share mode;

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

  if not has_column_privilege(
      'crm_admin', crm_private.entity_table(entity_type), split_part(v_field, '.', 1), 'update'
    )
  then
    perform crm_private.refuse_argument(
      'field', 'follows from other fields and cannot be undone alone', 'undo_field_field_written'
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

  v_names := array[v_field];
  if v_field like 'custom\_fields.%' then
    v_names := v_names || array(
      select 'custom_fields.' || called.name
      from (
        select definition.id, definition.name
        from crm.custom_field_definitions as definition
        where definition.entity_type = undo_field.entity_type
          and substr(v_field, 15) in (
            definition.name,
            crm_private.name_as_of(
              'custom_field_definition', definition.id, definition.name, undo_field.entry_id
            )
          )
      ) as definition
      cross join lateral (
        select definition.name
        union
        select log.changes #>> '{name,old}'
        from crm.audit_logs as log
        where log.entity_id = definition.id
          and log.entity_type = 'custom_field_definition'
          and log.action = 'update'
          and log.changes ? 'name'
      ) as called
    );
  end if;

  -- The first change from that entry on has the value of the field before it. A renaming is no
  -- change of the value.
  select
    (array_agg(coalesce(told.old, 'null') order by told.id))[1] as before,
    (array_agg(
      coalesce(case told.id when undo_field.entry_id then told.new else told.old end, 'null')
      order by told.id
    ))[1] as after,
    jsonb_agg(told.id order by told.id) as ids
  into v_told
  from (
    select
      log.id,
      (array_agg(nullif(log.changes #> array[name, 'old'], 'null'))
        filter (where log.changes #> array[name, 'old'] <> 'null'))[1] as old,
      (array_agg(nullif(log.changes #> array[name, 'new'], 'null'))
        filter (where log.changes #> array[name, 'new'] <> 'null'))[1] as new
    from crm.audit_logs as log
    cross join unnest(v_names) as name
    where log.entity_id = undo_field.entity_id
      and log.entity_type = undo_field.entity_type
      and log.id >= undo_field.entry_id
      and log.action = 'update'
      and log.changes ? name
    group by log.id
  ) as told
  where told.old is distinct from told.new;

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

  return crm_private.carry_out_reversal(coalesce(on_conflict, 'REFUSE'));
end
$$;

comment on function crm_private.undo_field(text, uuid, text, bigint, crm.conflict_resolution) is
  'Implements crm.undo_field with the rights of the owner.';

revoke all on function crm_private.undo_field(text, uuid, text, bigint, crm.conflict_resolution) from public;
grant execute on function crm_private.undo_field(text, uuid, text, bigint, crm.conflict_resolution) to crm_member;

create or replace function crm.undo_field(
  entity_type text,
  entity_id   uuid,
  field       text,
  entry_id    bigint,
  on_conflict crm.conflict_resolution default 'REFUSE'
)
returns crm.reversal
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.undo_field(entity_type, entity_id, field, entry_id, on_conflict);
$$;

comment on function crm.undo_field(text, uuid, text, bigint, crm.conflict_resolution) is
  'Puts one field of a row back to the value that it had before an audit log entry. A custom '
  'field is customFields.<name>. Undoing is a change like any other, and can itself be undone. If '
  'something was changed since, onConflict decides: REFUSE, the default, changes nothing and '
  'returns the code CONFLICT; SKIP leaves the field unchanged and lists it in kept; FORCE '
  'overwrites it, for administrators only.';

revoke all on function crm.undo_field(text, uuid, text, bigint, crm.conflict_resolution) from public;
grant execute on function crm.undo_field(text, uuid, text, bigint, crm.conflict_resolution) to crm_member;
