/*
 * Who does how much. Analysts read the audit log here with the rights of the view's owner. The days come
 * first, and the entries of each are found by their time: so a week of it reads a week of the audit log.
 */
create or replace view reporting.activity as
  select
    listed.day,
    log.user_id,
    log.source,
    log.entity_type,
    log.created,
    log.updated,
    log.deleted
  from (
    select clock.zone, day::date as day
    from crm_private.clock as clock
    cross join lateral (select min("timestamp") from crm.audit_logs) as first ("timestamp")
    cross join lateral generate_series(
      (first."timestamp" at time zone clock.zone)::date::timestamp, clock.today::timestamp,
      interval '1 day'
    ) as day
  ) as listed
  cross join lateral (
    select
      entry.user_id,
      entry.source,
      entry.entity_type,
      count(*) filter (where entry.action = 'create') as created,
      count(*) filter (where entry.action = 'update') as updated,
      count(*) filter (where entry.action = 'delete') as deleted
    from crm.audit_logs as entry
    where entry."timestamp" >= listed.day::timestamp at time zone listed.zone
      and entry."timestamp" < (listed.day + 1)::timestamp at time zone listed.zone
      and entry.entity_type in (select entity_type from crm_private.entity_types where is_record)
      and entry.action = any (array['create', 'update', 'delete'])
    group by entry.user_id, entry.source, entry.entity_type
  ) as log;

comment on view reporting.activity is
  'What each user created, changed and deleted on each day, as far back as the audit log is kept.';
comment on column reporting.activity.day is 'The day.';
comment on column reporting.activity.user_id is
  'Who did it: a user, key:<name> for an API key, db:<login> for a login of the database.';
comment on column reporting.activity.source is 'What it was done through: api, import or sql.';
comment on column reporting.activity.entity_type is 'contact, company, deal, task or note.';
comment on column reporting.activity.created is 'How many rows were created.';
comment on column reporting.activity.updated is 'How many times a row was changed.';
comment on column reporting.activity.deleted is 'How many rows were deleted.';

grant select on reporting.activity to crm_reporter;
