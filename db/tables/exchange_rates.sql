/*
 * The value of one unit of a currency in the base currency, from a day until the next rate.
 * Administrators edit the rates.
 */

create table if not exists crm.exchange_rates (
  id         uuid        not null default gen_random_uuid(),
  currency   text        not null,
  valid_from date        not null,
  rate       numeric     not null,
  version    integer     not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  created_by text        not null default crm.current_user_id(),
  updated_by text        not null default crm.current_user_id(),

  constraint exchange_rates_pkey primary key (id),
  constraint exchange_rates_valid_from_unique unique (currency, valid_from),
  constraint exchange_rates_currency_known check (currency = any (crm.currencies())),
  constraint exchange_rates_valid_from_range check (
    valid_from between date '0001-01-01' and date '9999-12-31'
  ),
  constraint exchange_rates_rate_positive check (rate > 0),
  constraint exchange_rates_rate_range check (abs(rate) < 10000000000000),
  constraint exchange_rates_rate_decimals check (scale(trim_scale(rate)) <= 12)
);

comment on table crm.exchange_rates is
  E'@defaultOrder VALID_FROM_DESC CURRENCY_ASC\nThe value of one unit of a currency in the base currency, from a day until the next rate. '
  'Administrators edit the rates.';

comment on column crm.exchange_rates.id is
  'The identifier of the row, set by the database.';
comment on column crm.exchange_rates.currency is
  'The currency, as an ISO 4217 code such as EUR. The base currency has no rate.';
comment on column crm.exchange_rates.valid_from is
  'The first day of the rate. It applies until the day before the next rate of the currency.';
comment on column crm.exchange_rates.rate is
  'The number of units of the base currency for one unit of the currency, with at most 12 '
  'decimals.';
comment on column crm.exchange_rates.version is
  'Increases by one with every update. An update with a version other than the current one fails '
  'with the code CONFLICT.';
comment on column crm.exchange_rates.created_at is
  'When the row was created.';
comment on column crm.exchange_rates.updated_at is
  'When the row was last changed. Every change sets a later time.';
comment on column crm.exchange_rates.created_by is
  'The user who created the row.';
comment on column crm.exchange_rates.updated_by is
  'The user who last changed the row.';

comment on constraint exchange_rates_valid_from_unique on crm.exchange_rates is
  'is already the first day of a rate of the currency';
comment on constraint exchange_rates_currency_known on crm.exchange_rates is
  '%s is not an ISO 4217 currency code';
comment on constraint exchange_rates_valid_from_range on crm.exchange_rates is
  'must be from 0001-01-01 to 9999-12-31';
comment on constraint exchange_rates_rate_positive on crm.exchange_rates is
  'must be above 0';
comment on constraint exchange_rates_rate_range on crm.exchange_rates is
  'must be a number below 10,000,000,000,000';
comment on constraint exchange_rates_rate_decimals on crm.exchange_rates is
  '%s has more than 12 decimals';

alter table crm.exchange_rates enable row level security;

grant select on crm.exchange_rates to crm_reader;
grant insert
  (currency, valid_from, rate)
  on crm.exchange_rates to crm_admin;
grant update
  (currency, valid_from, rate, version)
  on crm.exchange_rates to crm_admin;
grant delete on crm.exchange_rates to crm_admin;

drop policy if exists exchange_rates_select on crm.exchange_rates;
create policy exchange_rates_select on crm.exchange_rates for select to crm_reader
  using (true);
drop policy if exists exchange_rates_insert on crm.exchange_rates;
create policy exchange_rates_insert on crm.exchange_rates for insert to crm_admin
  with check ((select crm_private.caller_is_authenticated()));
drop policy if exists exchange_rates_update on crm.exchange_rates;
create policy exchange_rates_update on crm.exchange_rates for update to crm_admin
  using ((select crm_private.caller_is_authenticated()));
drop policy if exists exchange_rates_delete on crm.exchange_rates;
create policy exchange_rates_delete on crm.exchange_rates for delete to crm_admin
  using ((select crm_private.caller_is_authenticated()));
