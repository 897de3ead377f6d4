/* New contacts. Read by analysts, with the owner's rights. */
create or replace view reporting.new_contacts as
  select
    date_trunc('week', contact.created_at at time zone clock.zone)::date as week,
    contact.owner_id,
    count(*)                                                             as contacts,
    count(contact.company_id)                                            as with_company
  from crm.contacts as contact
  cross join crm_private.clock as clock
  group by 1, 2;

comment on view reporting.new_contacts is
  'New contacts, by the week in which they were created and by owner. Deleted contacts are left '
  'out.';
comment on column reporting.new_contacts.week is 'The Monday of the week.';
comment on column reporting.new_contacts.owner_id is
  'The user who owns the contacts. Null if nobody does.';
comment on column reporting.new_contacts.contacts is 'The number of contacts.';
comment on column reporting.new_contacts.with_company is
  'The number of contacts that have a company.';

grant select on reporting.new_contacts to crm_reporter;
