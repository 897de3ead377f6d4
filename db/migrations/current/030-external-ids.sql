/*
 * Why: integrations should find their rows by the ids that other systems know them by, without
 *      keeping a map. The ids are a column, so that the journal, undo and merges carry them like any
 *      other; that each belongs to one row of its entity type is the key of a table that triggers
 *      keep.
 * Locks: each table of entities exclusively; the new checks read it once. The column is added without
 *      writing the rows anew.
 * Undone by: revert/000006.sql.
 */

do $types$
begin
  if to_regtype('crm.external_id') is null then
    create type crm.external_id as (source text, id text);
  end if;
end
$types$;

comment on type crm.external_id is 'The id by which another system knows a row.';
comment on column crm.external_id.source is
  E'@notNull\nThe system, such as hubspot: at most 100 characters.';
comment on column crm.external_id.id is
  E'@notNull\nWhat the row is called there: at most 255 characters.';

--!include functions/has_blank_external_id.sql
--!include functions/has_long_external_id.sql
--!include functions/has_duplicate_external_id.sql

alter table crm.contacts
  add column if not exists external_ids crm.external_id[] not null default '{}';
alter table crm.companies
  add column if not exists external_ids crm.external_id[] not null default '{}';
alter table crm.deals
  add column if not exists external_ids crm.external_id[] not null default '{}';
alter table crm.tasks
  add column if not exists external_ids crm.external_id[] not null default '{}';
alter table crm.notes
  add column if not exists external_ids crm.external_id[] not null default '{}';

alter table crm.contacts
  drop constraint if exists contacts_external_ids_list,
  add constraint contacts_external_ids_list check (
    cardinality(external_ids) <= 20
      and coalesce(array_ndims(external_ids), 1) = 1
      and array_position(external_ids, null) is null
  ),
  drop constraint if exists contacts_external_ids_blank,
  add constraint contacts_external_ids_blank check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_blank_external_id(external_ids)
    end
  ),
  drop constraint if exists contacts_external_ids_length,
  add constraint contacts_external_ids_length check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_long_external_id(external_ids, 100, 255)
    end
  ),
  drop constraint if exists contacts_external_ids_distinct,
  add constraint contacts_external_ids_distinct check (
    case
      when cardinality(external_ids) > 1
      then not crm_private.has_duplicate_external_id(external_ids)
    end
  );

comment on column crm.contacts.external_ids is
  'The ids by which other systems know the contact, at most 20. Each belongs to one contact.';
comment on constraint contacts_external_ids_list on crm.contacts is
  'must be a plain list of at most 20 external ids';
comment on constraint contacts_external_ids_blank on crm.contacts is
  'must have a source and an id';
comment on constraint contacts_external_ids_length on crm.contacts is
  'must have at most 100 characters as its source and 255 as its id';
comment on constraint contacts_external_ids_distinct on crm.contacts is
  'must not hold an external id twice';

grant insert (external_ids), update (external_ids) on crm.contacts to crm_member;

alter table crm.companies
  drop constraint if exists companies_external_ids_list,
  add constraint companies_external_ids_list check (
    cardinality(external_ids) <= 20
      and coalesce(array_ndims(external_ids), 1) = 1
      and array_position(external_ids, null) is null
  ),
  drop constraint if exists companies_external_ids_blank,
  add constraint companies_external_ids_blank check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_blank_external_id(external_ids)
    end
  ),
  drop constraint if exists companies_external_ids_length,
  add constraint companies_external_ids_length check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_long_external_id(external_ids, 100, 255)
    end
  ),
  drop constraint if exists companies_external_ids_distinct,
  add constraint companies_external_ids_distinct check (
    case
      when cardinality(external_ids) > 1
      then not crm_private.has_duplicate_external_id(external_ids)
    end
  );

comment on column crm.companies.external_ids is
  'The ids by which other systems know the company, at most 20. Each belongs to one company.';
comment on constraint companies_external_ids_list on crm.companies is
  'must be a plain list of at most 20 external ids';
comment on constraint companies_external_ids_blank on crm.companies is
  'must have a source and an id';
comment on constraint companies_external_ids_length on crm.companies is
  'must have at most 100 characters as its source and 255 as its id';
comment on constraint companies_external_ids_distinct on crm.companies is
  'must not hold an external id twice';

grant insert (external_ids), update (external_ids) on crm.companies to crm_member;

alter table crm.deals
  drop constraint if exists deals_external_ids_list,
  add constraint deals_external_ids_list check (
    cardinality(external_ids) <= 20
      and coalesce(array_ndims(external_ids), 1) = 1
      and array_position(external_ids, null) is null
  ),
  drop constraint if exists deals_external_ids_blank,
  add constraint deals_external_ids_blank check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_blank_external_id(external_ids)
    end
  ),
  drop constraint if exists deals_external_ids_length,
  add constraint deals_external_ids_length check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_long_external_id(external_ids, 100, 255)
    end
  ),
  drop constraint if exists deals_external_ids_distinct,
  add constraint deals_external_ids_distinct check (
    case
      when cardinality(external_ids) > 1
      then not crm_private.has_duplicate_external_id(external_ids)
    end
  );

comment on column crm.deals.external_ids is
  'The ids by which other systems know the deal, at most 20. Each belongs to one deal.';
comment on constraint deals_external_ids_list on crm.deals is
  'must be a plain list of at most 20 external ids';
comment on constraint deals_external_ids_blank on crm.deals is
  'must have a source and an id';
comment on constraint deals_external_ids_length on crm.deals is
  'must have at most 100 characters as its source and 255 as its id';
comment on constraint deals_external_ids_distinct on crm.deals is
  'must not hold an external id twice';

grant insert (external_ids), update (external_ids) on crm.deals to crm_member;

alter table crm.tasks
  drop constraint if exists tasks_external_ids_list,
  add constraint tasks_external_ids_list check (
    cardinality(external_ids) <= 20
      and coalesce(array_ndims(external_ids), 1) = 1
      and array_position(external_ids, null) is null
  ),
  drop constraint if exists tasks_external_ids_blank,
  add constraint tasks_external_ids_blank check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_blank_external_id(external_ids)
    end
  ),
  drop constraint if exists tasks_external_ids_length,
  add constraint tasks_external_ids_length check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_long_external_id(external_ids, 100, 255)
    end
  ),
  drop constraint if exists tasks_external_ids_distinct,
  add constraint tasks_external_ids_distinct check (
    case
      when cardinality(external_ids) > 1
      then not crm_private.has_duplicate_external_id(external_ids)
    end
  );

comment on column crm.tasks.external_ids is
  'The ids by which other systems know the task, at most 20. Each belongs to one task.';
comment on constraint tasks_external_ids_list on crm.tasks is
  'must be a plain list of at most 20 external ids';
comment on constraint tasks_external_ids_blank on crm.tasks is
  'must have a source and an id';
comment on constraint tasks_external_ids_length on crm.tasks is
  'must have at most 100 characters as its source and 255 as its id';
comment on constraint tasks_external_ids_distinct on crm.tasks is
  'must not hold an external id twice';

grant insert (external_ids), update (external_ids) on crm.tasks to crm_member;

alter table crm.notes
  drop constraint if exists notes_external_ids_list,
  add constraint notes_external_ids_list check (
    cardinality(external_ids) <= 20
      and coalesce(array_ndims(external_ids), 1) = 1
      and array_position(external_ids, null) is null
  ),
  drop constraint if exists notes_external_ids_blank,
  add constraint notes_external_ids_blank check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_blank_external_id(external_ids)
    end
  ),
  drop constraint if exists notes_external_ids_length,
  add constraint notes_external_ids_length check (
    case
      when cardinality(external_ids) > 0
      then not crm_private.has_long_external_id(external_ids, 100, 255)
    end
  ),
  drop constraint if exists notes_external_ids_distinct,
  add constraint notes_external_ids_distinct check (
    case
      when cardinality(external_ids) > 1
      then not crm_private.has_duplicate_external_id(external_ids)
    end
  );

comment on column crm.notes.external_ids is
  'The ids by which other systems know the note, at most 20. Each belongs to one note.';
comment on constraint notes_external_ids_list on crm.notes is
  'must be a plain list of at most 20 external ids';
comment on constraint notes_external_ids_blank on crm.notes is
  'must have a source and an id';
comment on constraint notes_external_ids_length on crm.notes is
  'must have at most 100 characters as its source and 255 as its id';
comment on constraint notes_external_ids_distinct on crm.notes is
  'must not hold an external id twice';

grant insert (external_ids), update (external_ids) on crm.notes to crm_member;

/*
 * Whose external ids are, for look-ups and to keep them apart. Deferrable, because an undo may move
 * an external id from one row to another in several statements.
 */
create table if not exists crm_private.external_ids (
  entity_type text not null,
  source      text not null,
  id          text not null,
  entity_id   uuid not null,

  constraint external_ids_pkey primary key (entity_type, source, id) deferrable initially immediate
);

comment on table crm_private.external_ids is
  'The external ids of all rows. Kept by triggers from the columns external_ids.';

alter table crm_private.external_ids enable row level security;

-- Whoever can see the row can find it by its external id.
drop policy if exists external_ids_select on crm_private.external_ids;
create policy external_ids_select on crm_private.external_ids for select to crm_reader
  using (crm_private.is_readable(entity_type, entity_id));
grant select on crm_private.external_ids to crm_reader;

--!include views/rules.sql
--!include functions/refuse_taken_external_ids.sql
--!include functions/move_external_ids.sql
--!include functions/settle_external_ids.sql
--!include triggers/300_external_ids.sql

select crm_private.bind_rules('crm.contacts');
select crm_private.bind_rules('crm.companies');
select crm_private.bind_rules('crm.deals');
select crm_private.bind_rules('crm.tasks');
select crm_private.bind_rules('crm.notes');

select crm_private.bind_journal('crm.contacts', 'contact');
select crm_private.bind_journal('crm.companies', 'company');
select crm_private.bind_journal('crm.deals', 'deal');
select crm_private.bind_journal('crm.tasks', 'task');
select crm_private.bind_journal('crm.notes', 'note');

--!include functions/contact_by_external_id.sql
--!include functions/company_by_external_id.sql
--!include functions/deal_by_external_id.sql
--!include functions/task_by_external_id.sql
--!include functions/note_by_external_id.sql

-- What is created with something else may have external ids too.
do $types$
begin
  if not exists (
    select from pg_attribute
    where attrelid = 'crm.new_deal'::regclass and attname = 'external_ids' and not attisdropped
  ) then
    alter type crm.new_deal add attribute external_ids crm.external_id[];
    alter type crm.new_task add attribute external_ids crm.external_id[];
  end if;
end
$types$;

comment on column crm.new_deal.external_ids is 'None, if not given.';
comment on column crm.new_task.external_ids is 'None, if not given.';

-- Their bodies name every column.
--!include functions/duplicate_group_contacts.sql
--!include functions/duplicate_group_companies.sql
--!include functions/create_deal_with_tasks.sql
--!include functions/united_external_ids.sql
--!include functions/check_merge.sql
--!include functions/merge_contacts.sql
--!include functions/merge_companies.sql
--!include functions/carry_out_reversal.sql
--!include functions/row_as_of.sql
--!include functions/row_from_creation.sql
--!include functions/erase_contact.sql
