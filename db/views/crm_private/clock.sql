/*
 * The time zone of the days by which reports group and compare, and the current day there: the time
 * zone of the session if it sets one, otherwise that of the installation. One row. It is not a
 * function, because a view calls functions with the rights of the role that reads the view.
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
  'The time zone in which days begin and end, and the current day there.';
