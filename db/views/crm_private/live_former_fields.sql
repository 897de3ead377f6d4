/*
 * The former names of custom fields that have not expired, with the present name of their field:
 * null if it was deleted. The dates are days in the time zone of the installation. Readable by all,
 * because triggers read it with the rights of the writer.
 */
create or replace view crm_private.live_former_fields as
  select
    former.entity_type,
    former.name,
    former.field_name,
    former.definition_id,
    coalesce(definition.field_type, former.field_type) as field_type,
    definition.name as current_name,
    former.ended_at,
    (former.ended_at at time zone setting.time_zone)::date as ended_on,
    (expiry.at at time zone setting.time_zone)::date as expires_on
  from crm_private.former_custom_fields as former
  cross join crm_private.settings as setting
  cross join lateral (
    select former.ended_at + make_interval(days => setting.former_field_retention_days)
  ) as expiry (at)
  left join crm.custom_field_definitions as definition on definition.id = former.definition_id
  where expiry.at > now();

comment on view crm_private.live_former_fields is
  'The former names of custom fields that clients may still use.';

grant select on crm_private.live_former_fields to crm_reader;
