/* Returns the setting. Security definer: only the owner can read the table of settings. */
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
  'Implements crm.trash_retention_days with the rights of the owner.';

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
  'Returns the number of days for which deleted rows can be restored; after that the server purges '
  'them. Null if they are kept until an administrator purges them.';

revoke all on function crm.trash_retention_days() from public;
grant execute on function crm.trash_retention_days() to crm_reader;
