/*
 * What the values of an enum were called since an audit log entry was written, in order: those that
 * crm.rename_custom_field_value renamed, or an undo of it. Such a transaction lets both names in first
 * and then takes the old one out, and leaves the new one in its place.
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
  'Which values of an enum were renamed since an audit log entry, in order.';

revoke all on function crm_private.renamed_values(uuid, bigint) from public;
