do $type$
begin
  if to_regtype('crm.field_value') is null then
    create type crm.field_value as (
      value       jsonb,
      valid_from  timestamptz,
      valid_until timestamptz,
      set_by      text,
      source      text,
      entry_id    bigint,
      erased      boolean
    );
  end if;
end
$type$;

comment on type crm.field_value is
  E'@primaryKey entry_id\n@defaultOrder VALID_FROM_DESC\n'
  'A value of a field and the period in which the field had it.';

comment on column crm.field_value.value is 'The value, as JSON. Null if the field had none.';
comment on column crm.field_value.valid_from is E'@notNull\nWhen the value was set.';
comment on column crm.field_value.valid_until is
  'When another value was set or the row was deleted. Null if this is the current value.';
comment on column crm.field_value.set_by is E'@notNull\nThe user who set the value.';
comment on column crm.field_value.source is
  E'@notNull\nThe channel through which the value was set: api, import or sql.';
comment on column crm.field_value.entry_id is
  E'@notNull\nThe id of the audit log entry that records the value.';
comment on column crm.field_value.erased is
  E'@notNull\nTrue if the entry was erased, so that the value is no longer known.';
