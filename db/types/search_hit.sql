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
  'A search hit. One of contact, company, deal, task and note is set.';

comment on column crm.search_hit.entity_type is
  E'@notNull\nThe type of the entity: contact, company, deal, task or note.';
comment on column crm.search_hit.entity_id is
  E'@notNull\nThe id of the entity.';
comment on column crm.search_hit.rank is
  E'@notNull\nHow well the entity matches, between 0 and 1. The best hit has the highest rank.';
comment on column crm.search_hit.extract is
  E'@notNull\nAn HTML extract with <mark> around the matching words. There is no other markup; the '
  'data is escaped.';
comment on column crm.search_hit.contact_id is
  'The id of the contact. Null if the hit is of another type.';
comment on column crm.search_hit.company_id is
  'The id of the company. Null if the hit is of another type.';
comment on column crm.search_hit.deal_id is
  'The id of the deal. Null if the hit is of another type.';
comment on column crm.search_hit.task_id is
  'The id of the task. Null if the hit is of another type.';
comment on column crm.search_hit.note_id is
  'The id of the note. Null if the hit is of another type.';
comment on column crm.search_hit.place is
  E'@notNull\nThe place of the hit, from 1 for the best.';
