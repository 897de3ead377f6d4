/*
 * Phase 250: derives search_document and match_keys (crm_private.derived_columns) from the columns
 * of a valid row. A value that a writer gives is never stored: it is derived for a new row, for an
 * update that changes what it is derived from, and for one that sets it, to whatever value. The
 * triggers fire in the role of a replica as well, like generated columns.
 *
 * A generated column would be computed anew by every update, because the tables have other triggers
 * that fire before an update.
 */

create or replace function crm_private.derive_company()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.search_document := crm_private.company_document(new.name, new.address, new.custom_fields);
  new.match_keys      := crm_private.company_keys(new.name, new.custom_fields);
  return new;
end
$$;

comment on function crm_private.derive_company() is
  'Sets search_document and match_keys of a company.';

revoke all on function crm_private.derive_company() from public;

create or replace trigger _250_derive_insert before insert on crm.companies
  for each row execute function crm_private.derive_company();
create or replace trigger _250_derive_update before update on crm.companies
  for each row when (
    new.name is distinct from old.name
    or new.address is distinct from old.address
    or new.custom_fields is distinct from old.custom_fields
  )
  execute function crm_private.derive_company();
create or replace trigger _250_derive_written
  before update of search_document, match_keys on crm.companies
  for each row execute function crm_private.derive_company();
alter table crm.companies
  enable always trigger _250_derive_insert,
  enable always trigger _250_derive_update,
  enable always trigger _250_derive_written;

create or replace function crm_private.derive_contact()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.search_document := crm_private.contact_document(
    new.first_name, new.last_name, new.emails, new.phones, new.custom_fields
  );
  new.match_keys      := crm_private.contact_keys(
    new.first_name, new.last_name, new.emails, new.phones
  );
  return new;
end
$$;

comment on function crm_private.derive_contact() is
  'Sets search_document and match_keys of a contact.';

revoke all on function crm_private.derive_contact() from public;

create or replace trigger _250_derive_insert before insert on crm.contacts
  for each row execute function crm_private.derive_contact();
create or replace trigger _250_derive_update before update on crm.contacts
  for each row when (
    new.first_name is distinct from old.first_name
    or new.last_name is distinct from old.last_name
    or new.emails is distinct from old.emails
    or new.phones is distinct from old.phones
    or new.custom_fields is distinct from old.custom_fields
  )
  execute function crm_private.derive_contact();
create or replace trigger _250_derive_written
  before update of search_document, match_keys on crm.contacts
  for each row execute function crm_private.derive_contact();
alter table crm.contacts
  enable always trigger _250_derive_insert,
  enable always trigger _250_derive_update,
  enable always trigger _250_derive_written;

create or replace function crm_private.derive_deal()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.search_document := crm_private.named_document(new.title, new.custom_fields);
  return new;
end
$$;

comment on function crm_private.derive_deal() is
  'Sets search_document of a deal.';

revoke all on function crm_private.derive_deal() from public;

create or replace trigger _250_derive_insert before insert on crm.deals
  for each row execute function crm_private.derive_deal();
create or replace trigger _250_derive_update before update on crm.deals
  for each row when (
    new.title is distinct from old.title
    or new.custom_fields is distinct from old.custom_fields
  )
  execute function crm_private.derive_deal();
create or replace trigger _250_derive_written before update of search_document on crm.deals
  for each row execute function crm_private.derive_deal();
alter table crm.deals
  enable always trigger _250_derive_insert,
  enable always trigger _250_derive_update,
  enable always trigger _250_derive_written;

create or replace function crm_private.derive_task()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.search_document := crm_private.text_document(new.description, 'B');
  return new;
end
$$;

comment on function crm_private.derive_task() is
  'Sets search_document of a task.';

revoke all on function crm_private.derive_task() from public;

create or replace trigger _250_derive_insert before insert on crm.tasks
  for each row execute function crm_private.derive_task();
create or replace trigger _250_derive_update before update on crm.tasks
  for each row when (
    new.description is distinct from old.description
  )
  execute function crm_private.derive_task();
create or replace trigger _250_derive_written before update of search_document on crm.tasks
  for each row execute function crm_private.derive_task();
alter table crm.tasks
  enable always trigger _250_derive_insert,
  enable always trigger _250_derive_update,
  enable always trigger _250_derive_written;

create or replace function crm_private.derive_note()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.search_document := crm_private.text_document(new.content, 'D');
  return new;
end
$$;

comment on function crm_private.derive_note() is
  'Sets search_document of a note.';

revoke all on function crm_private.derive_note() from public;

create or replace trigger _250_derive_insert before insert on crm.notes
  for each row execute function crm_private.derive_note();
create or replace trigger _250_derive_update before update on crm.notes
  for each row when (
    new.content is distinct from old.content
  )
  execute function crm_private.derive_note();
create or replace trigger _250_derive_written before update of search_document on crm.notes
  for each row execute function crm_private.derive_note();
alter table crm.notes
  enable always trigger _250_derive_insert,
  enable always trigger _250_derive_update,
  enable always trigger _250_derive_written;

-- Extracts show the columns from which the documents are derived.
select crm_private.compile_search();
