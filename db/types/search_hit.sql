do $type$
begin
  if to_regtype('crm.search_hit') is null then
    create type crm.search_hit as (
      entity_type text,
      entity_id   uuid,
      rank        double precision,
      extract     text,
      contact_id  uuid,
      company_id  uuid,
      deal_id     uuid,
      task_id     uuid,
      note_id     uuid,
      place       integer
    );
  end if;
end
$type$;

comment on type crm.search_hit is
  E'@foreignKey (contact_id) references crm.contacts (id)\n'
  '@foreignKey (company_id) references crm.companies (id)\n'
  '@foreignKey (deal_id) references crm.deals (id)\n'
  '@foreignKey (task_id) references crm.tasks (id)\n'
  '@foreignKey (note_id) references crm.notes (id)\n'
  'Something that search found: one of contact, company, deal, task and note has it.';

comment on column crm.search_hit.entity_type is
  E'@notNull\nWhat was found: contact, company, deal, task or note.';
comment on column crm.search_hit.entity_id is
  E'@notNull\nThe id of what was found.';
comment on column crm.search_hit.rank is
  E'@notNull\nHow well it matches, between 0 and 1: the best hit has the highest.';
comment on column crm.search_hit.extract is
  E'@notNull\nA passage with what was looked for, as HTML: <mark> around the words that were found, '
  'and no other markup, since what the data holds is escaped.';
comment on column crm.search_hit.contact_id is
  'The id of the contact, if it is one.';
comment on column crm.search_hit.company_id is
  'The id of the company, if it is one.';
comment on column crm.search_hit.deal_id is
  'The id of the deal, if it is one.';
comment on column crm.search_hit.task_id is
  'The id of the task, if it is one.';
comment on column crm.search_hit.note_id is
  'The id of the note, if it is one.';
comment on column crm.search_hit.place is
  E'@notNull\nIts place among the hits: 1 for the best.';
