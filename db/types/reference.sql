do $type$
begin
  if to_regtype('crm.reference') is null then
    create type crm.reference as (
      external_id crm.external_id
    );
  end if;
end
$type$;

comment on type crm.reference is
  'A reference to a row by its external id, instead of by its id.';

comment on column crm.reference.external_id is
  E'@notNull\nThe external id of the row.';
