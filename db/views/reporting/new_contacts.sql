/* How many contacts come. Analysts read it with the rights of its owner. */
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
  'The contacts that were created in each week and are still there, by owner.';
comment on column reporting.new_contacts.week is 'The Monday of the week.';
comment on column reporting.new_contacts.owner_id is 'The user who owns them; null if nobody does.';
comment on column reporting.new_contacts.contacts is 'How many there are.';
comment on column reporting.new_contacts.with_company is 'How many of them belong to a company.';

grant select on reporting.new_contacts to crm_reporter;
