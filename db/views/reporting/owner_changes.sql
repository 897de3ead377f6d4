/* Changes of owners. Read by analysts, with the owner's rights. */
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
  'Every change of the owner of a deal, a company or a contact. Deleted entities are left out.';
comment on column reporting.owner_changes.entity_type is
  'The type of the entity: deal, company or contact.';
comment on column reporting.owner_changes.entity_id is 'The id of the entity.';
comment on column reporting.owner_changes.label is 'The title or name of the entity.';
comment on column reporting.owner_changes.changed_at is 'When the owner was changed.';
comment on column reporting.owner_changes.changed_by is 'The user who changed the owner.';
comment on column reporting.owner_changes.old_owner is
  'The user who owned the entity before the change. Null if nobody did.';
comment on column reporting.owner_changes.new_owner is
  'The user who owned the entity after the change. Null if nobody did.';

grant select on reporting.owner_changes to crm_reporter;
