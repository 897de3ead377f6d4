/*
 * The activity of users. Read by analysts, with the owner's rights on the audit log. The days are
 * joined first, and the entries of each day are found by their time, so a query for a week reads a
 * week of the audit log.
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
  'How much each user created, changed and deleted on each day, as far back as the audit log is '
  'stored.';
comment on column reporting.activity.day is 'The day.';
comment on column reporting.activity.user_id is
  'The user who made the changes; key:<name> for an API key, db:<login> for a login role of the '
  'database.';
comment on column reporting.activity.source is
  'The channel through which the changes were made: api, import or sql.';
comment on column reporting.activity.entity_type is
  'The type of the entities: contact, company, deal, task or note.';
comment on column reporting.activity.created is 'The number of rows created.';
comment on column reporting.activity.updated is 'The number of changes to rows.';
comment on column reporting.activity.deleted is 'The number of rows deleted.';

grant select on reporting.activity to crm_reporter;
