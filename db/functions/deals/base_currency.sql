/* Returns the setting. Security definer: only the owner can read the table of settings. */
create or replace function crm_private.base_currency()
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select base_currency from crm_private.settings;
$$;

comment on function crm_private.base_currency() is
  'Implements crm.base_currency with the rights of the owner.';

revoke all on function crm_private.base_currency() from public;
grant execute on function crm_private.base_currency() to crm_reader;

create or replace function crm.base_currency()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.base_currency();
$$;

comment on function crm.base_currency() is
  E'@notNull\nThe currency to which exchange rates convert, as an ISO 4217 code.';

revoke all on function crm.base_currency() from public;
grant execute on function crm.base_currency() to crm_reader;
