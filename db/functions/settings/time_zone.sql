/*
 * The time zone whose days count: that of the request or session (crm.time_zone), else that of the
 * installation. Views read crm_private.clock instead.
 *
 * Security definer: the table of settings is the owner's.
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
  'What crm.time_zone calls, with the rights of the owner.';

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
  E'@notNull\nThe time zone whose days count, by its IANA name: that of the request, which the header '
  'Time-Zone names, else that of the installation.';

revoke all on function crm.time_zone() from public;
grant execute on function crm.time_zone() to crm_reader;
