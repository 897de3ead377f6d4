/*
 * Returns the values of an enum that were renamed since an audit log entry, in order, by
 * crm.rename_custom_field_value or by an undo of it. Such a transaction first allows both names,
 * then removes the old one and leaves the new one in its place.
 */
create or replace function crm_private.renamed_values(p_definition_id uuid, p_entry_id bigint)
returns table (old_value text, new_value text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select old_list.value, new_list.value
  from (
    select
      min(log.id) as first_id,
      (array_agg(log.changes #> '{enum_values,old}' order by log.id))[1]      as before,
      (array_agg(log.changes #> '{enum_values,new}' order by log.id desc))[1] as after
    from crm.audit_logs as log
    where log.entity_id = p_definition_id
      and log.entity_type = 'custom_field_definition'
      and log.action = 'update'
      and log.id > p_entry_id
      and jsonb_typeof(log.changes #> '{enum_values,old}') = 'array'
      and jsonb_typeof(log.changes #> '{enum_values,new}') = 'array'
    group by log.transaction_id
    having count(*) > 1
  ) as change
  cross join lateral jsonb_array_elements_text(change.before)
    with ordinality as old_list (value, place)
  join lateral jsonb_array_elements_text(change.after)
    with ordinality as new_list (value, place) on new_list.place = old_list.place
  where jsonb_array_length(change.before) = jsonb_array_length(change.after)
    and old_list.value <> new_list.value
    and not change.after ? old_list.value
    and not change.before ? new_list.value
  order by change.first_id;
$$;

comment on function crm_private.renamed_values(uuid, bigint) is
  'Returns the values of an enum that were renamed since an audit log entry, in order.';

revoke all on function crm_private.renamed_values(uuid, bigint) from public;
