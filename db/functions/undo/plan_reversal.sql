/*
 * Plans to undo entries of one transaction, all of them or those given: writes a row into
 * crm_private.reversals for each row that they changed, with its values before the first of them
 * and after the last. A row that was created and deleted again needs nothing.
 *
 * Raises if an entry has been erased, or is about something that cannot be undone: a setting, an
 * API key, the audit log itself. Raises for members if an entry deleted a row in another user's
 * name, because members cannot see such entries. p_argument is the client's name of the argument.
 *
 * An erasure of a contact and an undo wait for each other: values that are read here must not be
 * restored after they were erased. So it also raises in a transaction with an older snapshot.
 *
 * Nested loops are disabled, because the plan is cached and may have been made for one or two rows.
 */
create or replace function crm_private.plan_reversal(
  p_transaction_id bigint,
  p_entries        bigint[],
  p_undoes         jsonb,
  p_argument       text
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
as $$
declare
  v_erased  bigint;
  v_foreign bigint;
  v_fixed   crm.audit_logs;
begin
  perform crm_private.refuse_old_snapshot('an undo');
  lock table crm_private.erasure_lock in access share mode;

  -- Two that undo the same run one after the other, so that the second sees what the first did.
  perform pg_advisory_xact_lock(
    hashtext('crm_private.reversals'), hashint8(p_transaction_id)
  );

  select
    min(id) filter (where erased_at is not null),
    min(id) filter (where action = 'delete' and user_id <> crm.current_user_id())
  into v_erased, v_foreign
  from crm.audit_logs
  where transaction_id = p_transaction_id
    and (p_entries is null or id = any (p_entries));

  if v_foreign is not null and not crm_private.is_administrator() then
    raise exception 'entry % of the audit log is a deletion by another user', v_foreign
      using errcode    = 'insufficient_privilege',
            schema     = 'crm', table = 'audit_logs', column = 'user_id',
            constraint = 'audit_logs_user_id_own',
            detail     = jsonb_build_object(
                           p_argument, jsonb_build_array('includes a deletion by another user')
                         )::text,
            hint       = 'Ask an administrator to undo it.';
  end if;

  if v_erased is not null then
    raise exception 'entry % of the audit log has been erased, so it cannot be undone', v_erased
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'changes',
            constraint = 'audit_logs_changes_erased',
            detail     = jsonb_build_object(
                           p_argument,
                           jsonb_build_array('leads to values that have been erased for good')
                         )::text,
            hint       = 'Erased values cannot be restored. Undo other entries one by one.';
  end if;

  select log.* into v_fixed
  from crm.audit_logs as log
  where log.transaction_id = p_transaction_id
    and (p_entries is null or log.id = any (p_entries))
    and (
      log.action <> all (array['create', 'update', 'delete'])
      or not crm_private.is_reversible(log.entity_type)
    )
  order by log.id
  limit 1;

  if v_fixed.id is not null then
    perform crm_private.refuse_argument(
      p_argument,
      case
        when v_fixed.entity_type = 'setting' then 'changed a setting; set its old value again'
        when v_fixed.entity_type = 'api_key' then 'is about an API key; create or revoke one'
        when v_fixed.action = 'erase' then 'erased values for good'
        when v_fixed.action = 'purge' then 'emptied the trash for good'
        when v_fixed.action = 'archive' then 'archived months of the audit log'
        else format('is about a %s, which cannot be undone', v_fixed.entity_type)
      end,
      'audit_logs_action_reversible'
    );
  end if;

  insert into crm_private.reversals
    (transaction_id, entity_type, entity_id, before, after, undoes)
  with entries as (
    select log.id, log.entity_type, log.entity_id, log.action, image.old, image.new
    from crm.audit_logs as log
    cross join lateral (
      select
        coalesce(jsonb_object_agg(told.field, told.old), '{}') as old,
        coalesce(jsonb_object_agg(told.field, told.new), '{}') as new
      from crm_private.logged_fields(log.action, log.changes) as told
    ) as image
    where log.transaction_id = p_transaction_id
      and (p_entries is null or log.id = any (p_entries))
  ),
  touched as (
    select
      entity_type,
      entity_id,
      jsonb_agg(id order by id)                as ids,
      (array_agg(action order by id))[1]       as first_action,
      (array_agg(action order by id desc))[1]  as last_action,
      -- Each field before the first entry and after the last one. Most rows have one entry.
      case count(*)
        when 1 then (array_agg(old))[1]
        else crm_private.merged_objects(array_agg(old order by id desc))
      end as old,
      case count(*)
        when 1 then (array_agg(new))[1]
        else crm_private.merged_objects(array_agg(new order by id))
      end as new
    from entries
    group by entity_type, entity_id
  )
  select
    pg_current_xact_id()::text::bigint,
    entity_type,
    entity_id,
    case when first_action <> 'create' then old end,
    case when last_action <> 'delete' then new end,
    p_undoes || jsonb_build_object('entries', ids)
  from touched
  where first_action <> 'create'
    or last_action <> 'delete';
end
$$;

comment on function crm_private.plan_reversal(bigint, bigint[], jsonb, text) is
  'Plans to undo entries of a transaction.';

revoke all on function crm_private.plan_reversal(bigint, bigint[], jsonb, text) from public;
