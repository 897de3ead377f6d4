/* What was handed over. Analysts read it with the rights of its owner. */
create or replace view reporting.owner_changes as
  select
    log.entity_type,
    log.entity_id,
    coalesce(deal.title, company.name, contact.first_name || ' ' || contact.last_name) as label,
    log."timestamp"                     as changed_at,
    log.user_id                         as changed_by,
    log.changes #>> '{owner_id,old}'    as old_owner,
    log.changes #>> '{owner_id,new}'    as new_owner
  from crm.audit_logs as log
  left join crm.deals as deal on log.entity_type = 'deal' and deal.id = log.entity_id
  left join crm.companies as company on log.entity_type = 'company' and company.id = log.entity_id
  left join crm.contacts as contact on log.entity_type = 'contact' and contact.id = log.entity_id
  where log.action = 'update'
    and log.changes ? 'owner_id'
    and coalesce(deal.id, company.id, contact.id) is not null;

comment on view reporting.owner_changes is
  'Every time that a deal, a company or a contact got another owner. What was deleted is left out.';
comment on column reporting.owner_changes.entity_type is 'deal, company or contact.';
comment on column reporting.owner_changes.entity_id is 'The id of what changed hands.';
comment on column reporting.owner_changes.label is 'Its title or name.';
comment on column reporting.owner_changes.changed_at is 'When it was changed.';
comment on column reporting.owner_changes.changed_by is 'The user who changed it.';
comment on column reporting.owner_changes.old_owner is
  'The user who owned it before; null if nobody did.';
comment on column reporting.owner_changes.new_owner is
  'The user who owned it then; null if nobody did.';

grant select on reporting.owner_changes to crm_reporter;
