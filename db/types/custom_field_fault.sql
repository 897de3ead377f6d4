do $type$
begin
  if to_regtype('crm.custom_field_fault') is null then
    create type crm.custom_field_fault as (
      entity_id uuid,
      value     jsonb,
      message   text
    );
  end if;
end
$type$;

comment on type crm.custom_field_fault is
  'A row that would break a rule of a custom field.';

comment on column crm.custom_field_fault.entity_id is
  E'@notNull\nThe id of the contact, company or deal.';
comment on column crm.custom_field_fault.value is
  'The value of the field; null if the row has none.';
comment on column crm.custom_field_fault.message is
  E'@notNull\nThe message that a client would receive.';
