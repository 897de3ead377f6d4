/* Returns the setting. Security definer: only the owner can read the table of settings. */
create or replace function crm_private.former_field_retention_days()
returns integer
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select former_field_retention_days from crm_private.settings;
$$;

comment on function crm_private.former_field_retention_days() is
  'Implements crm.former_field_retention_days with the rights of the owner.';

revoke all on function crm_private.former_field_retention_days() from public;
grant execute on function crm_private.former_field_retention_days() to crm_reader;

create or replace function crm.former_field_retention_days()
returns integer
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.former_field_retention_days();
$$;

comment on function crm.former_field_retention_days() is
  E'@notNull\nReturns the number of days for which the name of a renamed or deleted custom field '
  'stays in the API, as a deprecated field.';

revoke all on function crm.former_field_retention_days() from public;
grant execute on function crm.former_field_retention_days() to crm_reader;
