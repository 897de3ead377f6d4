/*
 * What the view crm.stage_history shows. A function, because a view would read the journal as its
 * owner: here the policy of the journal decides for whoever asks. Inlined into the view, so that
 * the history of one deal is found by its id.
 */
create or replace function crm_private.staged()
returns table (
  entry_id   bigint,
  deal_id    uuid,
  stage      text,
  entered_at timestamptz,
  left_at    timestamptz,
  entered_by text,
  source     text
)
language sql
stable
begin atomic
  select
    period.id,
    period.entity_id,
    period.stage,
    period."timestamp",
    period.until,
    period.user_id,
    period.source
  from (
    select
      log.id,
      log.entity_id,
      log."timestamp",
      log.user_id,
      log.source,
      case log.action
        when 'create' then log.changes ->> 'stage'
        when 'update' then log.changes #>> '{stage,new}'
      end as stage,
      lead(log."timestamp") over (partition by log.entity_id order by log.id) as until
    from crm.audit_logs as log
    where log.entity_type = 'deal'
      and (log.action <> 'update' or log.changes ? 'stage')
  ) as period
  where period.stage is not null;
end;

comment on function crm_private.staged() is
  'The stages that deals were in, as far as the caller may read their history.';

revoke all on function crm_private.staged() from public;
grant execute on function crm_private.staged() to crm_reader;
