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
