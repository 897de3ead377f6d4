/*
 * Plans to undo entries of one transaction, all of them or those given: a row in
 * crm_private.reversals for each row that they changed, with what it was before the first of them and
 * what it was after the last. What was created and deleted again needs nothing.
 *
 * Refused where an entry has been erased, or is about something that is not reversed: a setting, an API
 * key, the audit log itself; and to members where one deleted a row in another's name: these they cannot
 * see. p_argument is what the client called it by.
 *
 * Whoever erases a contact meanwhile is waited for, or waits: what is read here must not be brought back
 * after it was erased. So a snapshot that is older will not do.
 *
 * Nested loops are off, because its plan is kept, and may have been made for a row or two.
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

  -- Two that undo the same come one after the other, so that the second sees what the first did.
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
    raise exception 'entry % deleted something in the name of somebody else', v_foreign
      using errcode = 'insufficient_privilege',
            schema  = 'crm', table = 'audit_logs';
  end if;

  if v_erased is not null then
    raise exception 'entry % of the audit log has been erased, so it cannot be undone', v_erased
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'changes',
            constraint = 'audit_logs_changes_erased',
            detail     = jsonb_build_object(
                           p_argument,
                           jsonb_build_array('leads to values that have been erased for good')
                         )::text;
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
        when v_fixed.entity_type = 'setting' then 'changed a setting; give it its old value again'
        when v_fixed.entity_type = 'api_key' then 'is about an API key; create or revoke one'
        when v_fixed.action = 'erase' then 'erased values for good'
        when v_fixed.action = 'purge' then 'emptied the trash for good'
        when v_fixed.action = 'archive' then 'archived months of the audit log'
        else format('is about a %s, which is not undone', v_fixed.entity_type)
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
      -- Of each field, what the first entry found and what the last one left. Most rows have one.
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
