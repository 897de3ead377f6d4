/*
 * Returns the sum, average, min or max of amounts for each of their currencies: a list of objects
 * with currency and amount. The amount is text, so that JSON loses no digit. Called by the API in
 * addition to an aggregate of all amounts, which is null if they are in several currencies.
 */
create or replace function crm_private.amounts_by_currency(
  p_operation  text,
  p_amounts    numeric[],
  p_currencies text[]
)
returns jsonb
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce(
    (
      select jsonb_agg(
        jsonb_build_object('currency', totals.currency, 'amount', totals.amount::text)
        order by totals.currency collate "C"
      )
      from (
        select
          input.currency,
          case p_operation
            when 'sum'     then sum(input.amount)
            when 'average' then avg(input.amount)
            when 'min'     then min(input.amount)
            when 'max'     then max(input.amount)
          end as amount
        from unnest(p_amounts, p_currencies) as input (amount, currency)
        group by input.currency
      ) as totals
    ),
    '[]'
  );
end
$$;

comment on function crm_private.amounts_by_currency(text, numeric[], text[]) is
  'Returns the sum, average, min or max of amounts for each of their currencies.';

revoke all on function crm_private.amounts_by_currency(text, numeric[], text[]) from public;
grant execute on function crm_private.amounts_by_currency(text, numeric[], text[]) to crm_reader;
