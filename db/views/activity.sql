/* Who does how much. Analysts read the journal here with the rights of the view's owner. */
create or replace view reporting.activity as
  select
    (log."timestamp" at time zone 'UTC')::date          as day,
    log.user_id,
    log.source,
    log.entity_type,
    count(*) filter (where log.action = 'create')       as created,
    count(*) filter (where log.action = 'update')       as updated,
    count(*) filter (where log.action = 'delete')       as deleted
  from crm.audit_logs as log
  where log.entity_type = any (array['contact', 'company', 'deal', 'task', 'note'])
    and log.action = any (array['create', 'update', 'delete'])
  group by 1, 2, 3, 4;

comment on view reporting.activity is
  'What each user created, changed and deleted on each day, as far back as the journal is kept.';
comment on column reporting.activity.day is 'The day, in UTC.';
comment on column reporting.activity.user_id is
  'Who did it: a user, key:<name> for an API key, db:<login> for a login of the database.';
comment on column reporting.activity.source is 'What it was done through: api, import or sql.';
comment on column reporting.activity.entity_type is 'contact, company, deal, task or note.';
comment on column reporting.activity.created is 'How many rows were created.';
comment on column reporting.activity.updated is 'How many times a row was changed.';
comment on column reporting.activity.deleted is 'How many rows were deleted.';

grant select on reporting.activity to crm_reporter;
