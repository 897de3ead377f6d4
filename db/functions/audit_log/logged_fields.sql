/*
 * Returns the fields of an audit log entry: a row for each column and each custom field
 * (custom_fields.<name>), with the value before and after. A created row has no values before, a
 * deleted row none after. The members @undoes and @imported describe the entry and are not fields.
 * Called by crm_private.plan_reversal.
 */
create or replace function crm_private.logged_fields(p_action text, p_changes jsonb)
returns table (field text, old jsonb, new jsonb)
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select
    told.key,
    case p_action when 'update' then told.value -> 'old' when 'delete' then told.value end,
    case p_action when 'update' then told.value -> 'new' when 'create' then told.value end
  from jsonb_each(
    p_changes - '{@undoes,@imported}'::text[]
      - case p_action when 'update' then '' else 'custom_fields' end
  ) as told

  union all

  select
    'custom_fields.' || custom.key,
    case p_action when 'delete' then custom.value end,
    case p_action when 'create' then custom.value end
  from jsonb_each(
    case when p_action <> 'update' then p_changes -> 'custom_fields' end
  ) as custom;
$$;

comment on function crm_private.logged_fields(text, jsonb) is
  'Returns the fields of an audit log entry, with the value before and after it.';

revoke all on function crm_private.logged_fields(text, jsonb) from public;
