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

comment on type crm.field_value is 'A value that a field had for some time.';

comment on column crm.field_value.value is 'The value, as JSON; null if the field had none.';
comment on column crm.field_value.valid_from is E'@notNull\nWhen it was set.';
comment on column crm.field_value.valid_until is
  'When another one was set, or the row deleted; null if it still holds.';
comment on column crm.field_value.set_by is E'@notNull\nThe user who set it.';
comment on column crm.field_value.source is
  E'@notNull\nWhat it was set through: api, import or sql.';
comment on column crm.field_value.entry_id is
  E'@notNull\nThe id of the audit log entry that tells it.';
comment on column crm.field_value.erased is
  E'@notNull\nTrue if the entry has been erased, so that nobody knows the value any more.';
