/*
 * An exchange rate as it was: what the row is, less what the journal has since then; crm_private.row_as_of does it.
 */
create or replace function crm.exchange_rate_as_of(id uuid, at timestamptz)
returns crm.exchange_rates
language sql
stable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_populate_record(
    null::crm.exchange_rates,
    crm_private.row_as_of(
      'exchange_rate', exchange_rate_as_of.id, exchange_rate_as_of.at,
      (select to_jsonb(record) from crm.exchange_rates as record where record.id = exchange_rate_as_of.id)
    )
  );
$$;

comment on function crm.exchange_rate_as_of(uuid, timestamptz) is
  'The exchange rate as it was at an instant, with every column and custom field; null if there was none then. '
  'Relations lead to what they lead to now.';

revoke all on function crm.exchange_rate_as_of(uuid, timestamptz) from public;
grant execute on function crm.exchange_rate_as_of(uuid, timestamptz) to crm_reader;
