/* The setting. Security definer: the table of settings is the owner's. */
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
  'What crm.base_currency calls, with the rights of the owner.';

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
  E'@notNull\nThe currency that exchange rates are in, as an ISO 4217 code.';

revoke all on function crm.base_currency() from public;
grant execute on function crm.base_currency() to crm_reader;
