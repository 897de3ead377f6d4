/* What administrators set: one row. */

create table if not exists crm_private.settings (
  id                   boolean     not null default true,
  trash_retention_days integer default 30,
  base_currency        text        not null default 'USD'::text,
  default_country      text,
  time_zone            text        not null default 'UTC'::text,

  constraint settings_pkey primary key (id),
  constraint settings_id_single check (id),
  constraint settings_trash_retention_days_range check (trash_retention_days between 0 and 36500),
  constraint settings_base_currency_known check (base_currency = any (crm.currencies())),
  constraint settings_default_country_known check (default_country ~ '^[A-Z]{2}$')
);

comment on table crm_private.settings is
  'What administrators set: one row.';

comment on column crm_private.settings.id is
  'Always true, so that there is one row.';
comment on column crm_private.settings.trash_retention_days is
  'For how many days what was deleted can be restored; null for good.';
comment on column crm_private.settings.base_currency is
  'The currency that exchange rates are in.';
comment on column crm_private.settings.time_zone is
  'The time zone whose days count, by its IANA name.';

comment on column crm_private.settings.default_country is
  'The country of phone numbers without a country code, as an ISO 3166 code; null if it is not known.';

comment on constraint settings_trash_retention_days_range on crm_private.settings is
  'must be from 0 to 36500';
comment on constraint settings_base_currency_known on crm_private.settings is
  '%s is not an ISO 4217 currency code';
comment on constraint settings_default_country_known on crm_private.settings is
  '%s is not an ISO 3166 country code';

alter table crm_private.settings enable row level security;
