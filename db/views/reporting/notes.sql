/* Every note. Read by analysts, with the owner's rights. */
create or replace view reporting.notes as
  select
    note.id,
    note.content,
    note.entity_type,
    note.entity_id,
    coalesce(contact.first_name || ' ' || contact.last_name, company.name, deal.title) as entity,
    note.created_at,
    note.created_by,
    note.updated_at,
    note.updated_by
  from crm.notes as note
  left join crm.contacts as contact on contact.id = note.contact_id
  left join crm.companies as company on company.id = note.company_id
  left join crm.deals as deal on deal.id = note.deal_id;

comment on view reporting.notes is 'One row for each note.';
comment on column reporting.notes.id is 'The id of the note.';
comment on column reporting.notes.content is 'The text of the note.';
comment on column reporting.notes.entity_type is
  'The type of the entity that the note is attached to: contact, company or deal.';
comment on column reporting.notes.entity_id is 'The id of the entity that the note is attached to.';
comment on column reporting.notes.entity is
  'The name of the contact or company, or the title of the deal.';
comment on column reporting.notes.created_at is 'When the note was created.';
comment on column reporting.notes.created_by is 'The user who created the note.';
comment on column reporting.notes.updated_at is 'When the note was last changed.';
comment on column reporting.notes.updated_by is 'The user who last changed the note.';

grant select on reporting.notes to crm_reporter;
