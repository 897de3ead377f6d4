/* The settings that administrators make for the installation. The table has one row. */

create table if not exists crm_private.settings (
  id                   boolean     not null default true,
  trash_retention_days integer default 30,
  base_currency        text        not null default 'USD'::text,
  default_country      text,
  time_zone            text        not null default 'UTC'::text,
  former_field_retention_days integer not null default 30,

  constraint settings_pkey primary key (id),
  constraint settings_id_single check (id),
  constraint settings_trash_retention_days_range check (trash_retention_days between 0 and 36500),
  constraint settings_base_currency_known check (base_currency = any (crm.currencies())),
  constraint settings_default_country_known check (default_country ~ '^[A-Z]{2}$'),
  constraint settings_former_field_retention_days_range check (
    former_field_retention_days between 0 and 36500
  )
);

comment on table crm_private.settings is
  'The settings that administrators make for the installation. The table has one row.';

comment on column crm_private.settings.id is
  'Always true, which limits the table to one row.';
comment on column crm_private.settings.trash_retention_days is
  'The number of days for which deleted rows can be restored. Null means without limit.';
comment on column crm_private.settings.base_currency is
  'The currency in which exchange rates are given, as an ISO 4217 code.';
comment on column crm_private.settings.time_zone is
  'The time zone in which days begin and end, as an IANA name.';
comment on column crm_private.settings.former_field_retention_days is
  'The number of days for which the name of a renamed or deleted custom field stays in the API.';

comment on column crm_private.settings.default_country is
  'The country of phone numbers without a country code, as an ISO 3166 code. Null if it is not '
  'set.';

comment on constraint settings_trash_retention_days_range on crm_private.settings is
  'must be from 0 to 36500';
comment on constraint settings_former_field_retention_days_range on crm_private.settings is
  'must be from 0 to 36500';
comment on constraint settings_base_currency_known on crm_private.settings is
  '%s is not an ISO 4217 currency code';
comment on constraint settings_default_country_known on crm_private.settings is
  '%s is not an ISO 3166 country code';

alter table crm_private.settings enable row level security;
