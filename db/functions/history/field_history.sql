/*
 * Returns the values that a field had, from the audit log. Runs with the caller's rights: the
 * policy of the audit log decides which entries count.
 */
create or replace function crm.field_history(entity_type text, entity_id uuid, field text)
returns setof crm.field_value
language sql
stable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select
    nullif(period.value, 'null'),
    period."timestamp",
    period.until,
    period.user_id,
    period.source,
    period.id,
    period.erased
  from (
    select
      log.id,
      log.action,
      log."timestamp",
      log.user_id,
      log.source,
      log.erased_at is not null as erased,
      case
        when log.action = 'update' then log.changes #> array[name.name, 'new']
        when name.name like 'custom\_fields.%'
        then log.changes #> array['custom_fields', substr(name.name, 15)]
        else log.changes -> name.name
      end as value,
      lead(log."timestamp") over (order by log.id) as until
    from crm_private.logged_field(field_history.entity_type, field_history.field) as name (name)
    cross join crm.audit_logs as log
    where log.entity_id = field_history.entity_id
      and log.entity_type = field_history.entity_type
      and (log.action <> 'update' or log.changes ? name.name or log.erased_at is not null)
  ) as period
  where period.action <> 'delete'
  order by period.id desc;
$$;

comment on function crm.field_history(text, uuid, text) is
  'Returns every value that a field of a row had, newest first, with its period, the user who set '
  'it, and the source of the change. entityType is contact, company, deal, task, note, '
  'custom_field_definition, pipeline_stage or exchange_rate; a custom field is '
  'customFields.<name>.';

revoke all on function crm.field_history(text, uuid, text) from public;
grant execute on function crm.field_history(text, uuid, text) to crm_reader;
