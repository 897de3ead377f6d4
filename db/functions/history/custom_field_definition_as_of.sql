/*
 * A custom field definition as it was: what the row is, less what the journal has since then; crm_private.row_as_of does it.
 * One that was deleted before definitions could be unique was not.
 */
create or replace function crm.custom_field_definition_as_of(id uuid, at timestamptz)
returns crm.custom_field_definitions
language sql
stable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_populate_record(
    null::crm.custom_field_definitions,
    '{"is_unique": false}' || crm_private.row_as_of(
      'custom_field_definition', custom_field_definition_as_of.id, custom_field_definition_as_of.at,
      (select to_jsonb(record) from crm.custom_field_definitions as record where record.id = custom_field_definition_as_of.id)
    )
  );
$$;

comment on function crm.custom_field_definition_as_of(uuid, timestamptz) is
  'The custom field definition as it was at an instant, with every column and custom field; null if there was none then. '
  'Relations lead to what they lead to now.';

revoke all on function crm.custom_field_definition_as_of(uuid, timestamptz) from public;
grant execute on function crm.custom_field_definition_as_of(uuid, timestamptz) to crm_reader;
