/* The setting. Security definer: the table of settings is the owner's. */
create or replace function crm_private.trash_retention_days()
returns integer
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select trash_retention_days from crm_private.settings;
$$;

comment on function crm_private.trash_retention_days() is
  'What crm.trash_retention_days calls, with the rights of the owner.';

revoke all on function crm_private.trash_retention_days() from public;
grant execute on function crm_private.trash_retention_days() to crm_reader;

create or replace function crm.trash_retention_days()
returns integer
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.trash_retention_days();
$$;

comment on function crm.trash_retention_days() is
  'For how many days what was deleted can be restored; then the server purges it. Null if it is '
  'kept until somebody purges it.';

revoke all on function crm.trash_retention_days() from public;
grant execute on function crm.trash_retention_days() to crm_reader;
