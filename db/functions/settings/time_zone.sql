/*
 * Returns the time zone that decides when a day begins: that of the request or session
 * (crm.time_zone), or else that of the installation. Views read crm_private.clock instead.
 *
 * Security definer: only the owner can read the table of settings.
 */
create or replace function crm_private.time_zone()
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select zone from crm_private.clock;
$$;

comment on function crm_private.time_zone() is
  'Implements crm.time_zone with the rights of the owner.';

revoke all on function crm_private.time_zone() from public;
grant execute on function crm_private.time_zone() to crm_reader;

create or replace function crm.time_zone()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.time_zone();
$$;

comment on function crm.time_zone() is
  E'@notNull\nReturns the time zone that decides when a day begins, by its IANA name: the one in '
  'the header Time-Zone of the request, or else that of the installation.';

revoke all on function crm.time_zone() from public;
grant execute on function crm.time_zone() to crm_reader;
