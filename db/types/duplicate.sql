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
  'A possible duplicate of a row, and the reasons.';

comment on column crm.duplicate.entity_type is
  E'@notNull\ncontact or company.';
comment on column crm.duplicate.entity_id is
  E'@notNull\nThe id of the possible duplicate.';
comment on column crm.duplicate.contact_id is
  'The id of the possible duplicate if it is a contact, otherwise null.';
comment on column crm.duplicate.company_id is
  'The id of the possible duplicate if it is a company, otherwise null.';
comment on column crm.duplicate.score is
  E'@notNull\nThe likelihood that both rows are the same person or company, from 0 to 1.';
comment on column crm.duplicate.reasons is
  E'@notNull\nWhat both rows have in common, the strongest reason first: email, phone, domain, '
  'name.';
comment on column crm.duplicate.email is
  'An email address that both rows have, in lower case. Null if there is none.';
comment on column crm.duplicate.phone is
  'A phone number of the given row that the possible duplicate also has, perhaps without country '
  'or area code. Null if there is none.';
comment on column crm.duplicate.domain is
  'A domain that both rows have, in their email addresses or, for a company, in its web address. '
  'Null if there is none.';
comment on column crm.duplicate.name_similarity is
  E'@notNull\nThe similarity of the names, from 0 to 1. It is a reason from 0.5.';
