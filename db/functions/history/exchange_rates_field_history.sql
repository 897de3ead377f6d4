/* The values that a field of a row had: GraphQL's field fieldHistory. */
create or replace function crm.exchange_rates_field_history(record crm.exchange_rates, field text)
returns setof crm.field_value
language sql
stable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select history.* from crm.field_history('exchange_rate', record.id, field) as history;
$$;

comment on function crm.exchange_rates_field_history(crm.exchange_rates, text) is
  'Every value that a field had, the oldest first: from when to when, who set it, and through what.';

revoke all on function crm.exchange_rates_field_history(crm.exchange_rates, text) from public;
grant execute on function crm.exchange_rates_field_history(crm.exchange_rates, text) to crm_reader;
