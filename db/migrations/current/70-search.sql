/*
 * Why: people look for a person, a company, a deal by whatever they remember of it.
 * Locks: crm.contacts, crm.companies, crm.deals, crm.tasks and crm.notes exclusively until it is done,
 *        since the generated columns write every row anew: some minutes for a million contacts.
 * Undone by: revert/000003.sql.
 */

-- Whoever writes a row computes its words, and whoever searches compares them. The functions of
-- extensions are nobody's by default, like all others.
grant usage on schema crm_private to crm_reader;
grant execute on all functions in schema extensions to crm_reader;

--!include functions/fold.sql
--!include functions/search_words.sql
--!include functions/search_texts.sql
--!include functions/search_neighbours.sql
--!include functions/search_vector.sql
--!include functions/search_name_vector.sql
--!include functions/contact_document.sql
--!include functions/company_document.sql
--!include functions/deal_document.sql
--!include functions/name_words.sql
--!include functions/contact_name_words.sql

alter table crm.contacts add column if not exists search_document tsvector
  generated always as (
    crm_private.contact_document(first_name, last_name, emails, phones, custom_fields)
  ) stored;
alter table crm.companies add column if not exists search_document tsvector
  generated always as (crm_private.company_document(name, address, custom_fields)) stored;
alter table crm.deals add column if not exists search_document tsvector
  generated always as (crm_private.deal_document(title, custom_fields)) stored;
alter table crm.tasks add column if not exists search_document tsvector
  generated always as (crm_private.search_vector(description, 'B')) stored;
alter table crm.notes add column if not exists search_document tsvector
  generated always as (crm_private.search_vector(content, 'D')) stored;

comment on column crm.contacts.search_document is
  E'@behavior -*\nThe words that search finds the row by.';
comment on column crm.companies.search_document is
  E'@behavior -*\nThe words that search finds the row by.';
comment on column crm.deals.search_document is
  E'@behavior -*\nThe words that search finds the row by.';
comment on column crm.tasks.search_document is
  E'@behavior -*\nThe words that search finds the row by.';
comment on column crm.notes.search_document is
  E'@behavior -*\nThe words that search finds the row by.';

-- What is written waits in a list, in which a search looks one by one; so the lists are short.
create index if not exists contacts_search_document on crm.contacts
  using gin (search_document) with (gin_pending_list_limit = 512);
create index if not exists companies_search_document on crm.companies
  using gin (search_document) with (gin_pending_list_limit = 512);
create index if not exists deals_search_document on crm.deals
  using gin (search_document) with (gin_pending_list_limit = 512);
create index if not exists tasks_search_document on crm.tasks
  using gin (search_document) with (gin_pending_list_limit = 512);
create index if not exists notes_search_document on crm.notes
  using gin (search_document) with (gin_pending_list_limit = 512);

create index if not exists contacts_name_words on crm.contacts
  using gin (
    crm_private.contact_name_words(first_name, last_name, phones) extensions.gin_trgm_ops
  ) with (gin_pending_list_limit = 512);
create index if not exists companies_name_words on crm.companies
  using gin (crm_private.name_words(name) extensions.gin_trgm_ops)
  with (gin_pending_list_limit = 512);
create index if not exists deals_name_words on crm.deals
  using gin (crm_private.name_words(title) extensions.gin_trgm_ops)
  with (gin_pending_list_limit = 512);

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
      note_id     uuid
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

--!include functions/search_query.sql
--!include functions/search_extract.sql
--!include functions/search_candidates.sql
--!include functions/search_parts.sql
--!include functions/search.sql
