/*
 * Why: the same person and the same company are entered twice. This finds them: by address, phone
 *      number, domain and name, for one row or for all of a table.
 * Locks: crm.contacts and crm.companies against writers while an index of each is built, some 3
 *        seconds for 100,000 contacts.
 * Undone by: revert/000003.sql.
 */

do $types$
begin
  if to_regtype('crm.duplicate') is null then
    create type crm.duplicate as (
      entity_type     text,
      entity_id       uuid,
      contact_id      uuid,
      company_id      uuid,
      score           double precision,
      reasons         text[],
      email           text,
      phone           text,
      domain          text,
      name_similarity double precision
    );
  end if;

  if to_regtype('crm.duplicate_group') is null then
    create type crm.duplicate_group as (
      entity_type text,
      size        integer,
      score       double precision,
      reasons     text[],
      ids         uuid[]
    );
  end if;
end
$types$;

comment on type crm.duplicate is
  E'@foreignKey (contact_id) references crm.contacts (id)|@forwardDescription The contact that may be the same.|@behavior -manyRelation\n'
  '@foreignKey (company_id) references crm.companies (id)|@forwardDescription The company that may be the same.|@behavior -manyRelation\n'
  'A row that may be the same as another, and why.';
comment on column crm.duplicate.entity_type is
  E'@notNull\ncontact or company.';
comment on column crm.duplicate.entity_id is
  E'@notNull\nThe id of the row that may be the same.';
comment on column crm.duplicate.contact_id is
  'The contact that may be the same, null if it is a company.';
comment on column crm.duplicate.company_id is
  'The company that may be the same, null if it is a contact.';
comment on column crm.duplicate.score is
  E'@notNull\nHow likely it is, from 0 to 1.';
comment on column crm.duplicate.reasons is
  E'@notNull\nWhat both have in common, the strongest first: email, phone, domain, name.';
comment on column crm.duplicate.email is
  'An email address of both, in lower case.';
comment on column crm.duplicate.phone is
  'A phone number of the row that was asked about, which the other one has too, maybe without '
  'country or area code.';
comment on column crm.duplicate.domain is
  'A domain of both: that of their email addresses or, of a company, of its web address.';
comment on column crm.duplicate.name_similarity is
  E'@notNull\nHow alike the names are, from 0 to 1; from 0.5 on it is a reason.';

comment on type crm.duplicate_group is
  'Rows that may all be the same.';
comment on column crm.duplicate_group.entity_type is
  E'@notNull\ncontact or company.';
comment on column crm.duplicate_group.size is
  E'@notNull\nHow many rows the group has.';
comment on column crm.duplicate_group.score is
  E'@notNull\nHow likely they are the same, from 0 to 1: the mean of the pairs that make the group.';
comment on column crm.duplicate_group.reasons is
  E'@notNull\nWhat holds the group together, the strongest first: email, phone, domain, name.';
comment on column crm.duplicate_group.ids is
  E'@notNull\nThe ids of its rows, of a larger group the first 1,000.';

--!include functions/shared_domains.sql
--!include functions/domain_of.sql
--!include functions/plain_name.sql
--!include functions/plain_company_name.sql
--!include functions/name_skeleton.sql
--!include functions/name_similarity.sql
--!include functions/phone_digits.sql
--!include functions/same_phone.sql
--!include functions/contact_keys.sql
--!include functions/company_keys.sql

create index if not exists contacts_match_keys on crm.contacts
  using gin (crm_private.contact_keys(first_name, last_name, emails, phones));
create index if not exists companies_match_keys on crm.companies
  using gin (crm_private.company_keys(name, custom_fields));

--!include functions/refuse_entity_type.sql
--!include functions/duplicate_score.sql
--!include functions/duplicate_reasons.sql
--!include functions/duplicate.sql
--!include functions/compare_contacts.sql
--!include functions/contacts_duplicates.sql
--!include functions/company_domains.sql
--!include functions/companies_duplicates.sql
--!include functions/find_duplicates.sql
--!include functions/contact_links.sql
--!include functions/company_links.sql
--!include functions/components.sql
--!include functions/duplicate_groups.sql
--!include functions/duplicate_group_contacts.sql
--!include functions/duplicate_group_companies.sql
