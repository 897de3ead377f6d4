/*
 * By whose days reports group and compare: the time zone that the session asks for, else that of the
 * installation, and today's day there. One row. Functions that views call are called with the rights of
 * whoever reads them, so this is not one.
 */
create or replace view crm_private.clock as
  select
    effective.zone,
    (now() at time zone effective.zone)::date as today
  from crm_private.settings as setting
  cross join lateral (
    select coalesce(nullif(current_setting('crm.time_zone', true), ''), setting.time_zone)
  ) as effective (zone);

comment on view crm_private.clock is
  'The time zone whose days count, and today there.';
