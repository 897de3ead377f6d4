do $type$
begin
  if to_regtype('crm.external_id') is null then
    create type crm.external_id as (
      source text,
      id     text
    );
  end if;
end
$type$;

comment on type crm.external_id is 'The id of a row in another system.';

comment on column crm.external_id.source is
  E'@notNull\nThe name of the other system, such as hubspot, at most 100 characters.';
comment on column crm.external_id.id is
  E'@notNull\nThe id of the row in that system, at most 255 characters.';
