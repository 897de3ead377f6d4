/* Returns the setting. Security definer: only the owner can read the table of settings. */
create or replace function crm_private.default_country()
returns text
language sql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
  select default_country from crm_private.settings;
$$;

comment on function crm_private.default_country() is
  'Implements crm.default_country with the rights of the owner.';

revoke all on function crm_private.default_country() from public;
grant execute on function crm_private.default_country() to crm_reader;

create or replace function crm.default_country()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.default_country();
$$;

comment on function crm.default_country() is
  'Returns the country of phone numbers without a country code, as an ISO 3166 code; null if it '
  'is not set.';

revoke all on function crm.default_country() from public;
grant execute on function crm.default_country() to crm_reader;
