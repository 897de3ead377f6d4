do $type$
begin
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
$type$;

comment on type crm.duplicate_group is
  'A group of rows that may all be the same person or company.';

comment on column crm.duplicate_group.entity_type is
  E'@notNull\ncontact or company.';
comment on column crm.duplicate_group.size is
  E'@notNull\nThe number of rows in the group.';
comment on column crm.duplicate_group.score is
  E'@notNull\nThe likelihood that the rows are the same person or company, from 0 to 1: the mean '
  'over the pairs that form the group.';
comment on column crm.duplicate_group.reasons is
  E'@notNull\nWhat the rows have in common, the strongest reason first: email, phone, domain, '
  'name.';
comment on column crm.duplicate_group.ids is
  E'@notNull\nThe ids of the rows; only the first 1,000 of a larger group.';
