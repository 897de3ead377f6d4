do $type$
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
end
$type$;

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
