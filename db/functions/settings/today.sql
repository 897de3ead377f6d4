/* Today, where the days of the request or of the installation count. */
create or replace function crm.today()
returns date
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select (now() at time zone crm.time_zone())::date;
$$;

comment on function crm.today() is
  E'@notNull\nToday, in the time zone of the request, else of the installation.';

revoke all on function crm.today() from public;
grant execute on function crm.today() to crm_reader;
