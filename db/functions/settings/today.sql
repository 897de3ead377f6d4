/* Returns the present date in the time zone of the request, or else of the installation. */
create or replace function crm.today()
returns date
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select (now() at time zone crm.time_zone())::date;
$$;

comment on function crm.today() is
  E'@notNull\nReturns the present date in the time zone of the request, or else of the '
  'installation.';

revoke all on function crm.today() from public;
grant execute on function crm.today() to crm_reader;
