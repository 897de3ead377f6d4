/*
 * An API key, with which an integration authenticates. Administrators create and revoke keys. A
 * revoked key is not deleted, because the audit log refers to it by name.
 */

create table if not exists crm.api_keys (
  id           uuid        not null default gen_random_uuid(),
  name         text        not null,
  role         text        not null,
  prefix       text        not null,
  expires_at   timestamptz,
  last_used_at timestamptz,
  revoked_at   timestamptz,
  version      integer     not null default 1,
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now(),
  created_by   text        not null default crm.current_user_id(),
  updated_by   text        not null default crm.current_user_id(),

  constraint api_keys_pkey primary key (id),
  constraint api_keys_name_unique unique (name),
  constraint api_keys_name_length check (char_length(name) <= 100),
  -- Each name has one spelling, so that no two keys look alike in the audit log.
  constraint api_keys_name_format check (name ~ '^[a-z0-9]+([._-][a-z0-9]+)*$'),
  constraint api_keys_role_known check (role = any (array['reader', 'member', 'admin'])),
  constraint api_keys_expires_at_range check (
    expires_at > created_at and expires_at <= created_at + interval '100 years'
  )
);

comment on table crm.api_keys is
  E'@defaultOrder NAME_ASC\nAn API key, with which an integration authenticates. Administrators '
  'create and revoke keys. A revoked key is not deleted, because the audit log refers to it by '
  'name.';

comment on column crm.api_keys.id is
  'The identifier of the row, set by the database.';
comment on column crm.api_keys.name is
  'The unique name of the integration, at most 100 characters. The audit log records its changes '
  'under the user key:<name>.';
comment on column crm.api_keys.role is
  'The role of requests with the key: reader, member or admin.';
comment on column crm.api_keys.prefix is
  'The first characters of the key, by which people recognise it.';
comment on column crm.api_keys.expires_at is
  'When the key expires. Null if it does not expire.';
comment on column crm.api_keys.last_used_at is
  'When the key was last used, accurate to the minute. Null if it has never been used.';
comment on column crm.api_keys.revoked_at is
  'When the key was revoked. Null if it has not been revoked.';
comment on column crm.api_keys.version is
  'Increases by one with every change of the row.';
comment on column crm.api_keys.created_at is
  'When the row was created.';
comment on column crm.api_keys.updated_at is
  'When the row was last changed. Using the key is not a change.';
comment on column crm.api_keys.created_by is
  'The user who created the row.';
comment on column crm.api_keys.updated_by is
  'The user who last changed the row.';

comment on constraint api_keys_name_unique on crm.api_keys is
  '%s is already the name of a key, active or revoked';
comment on constraint api_keys_name_length on crm.api_keys is
  'must have at most 100 characters';
comment on constraint api_keys_name_format on crm.api_keys is
  'must consist of lower case letters and digits, with single dots, hyphens or underscores between '
  'them';
comment on constraint api_keys_role_known on crm.api_keys is
  '%s is not one of reader, member, admin';
comment on constraint api_keys_expires_at_range on crm.api_keys is
  'must be in the future, at most 100 years from now';

alter table crm.api_keys enable row level security;

grant select on crm.api_keys to crm_admin;

drop policy if exists api_keys_select on crm.api_keys;
create policy api_keys_select on crm.api_keys for select to crm_admin
  using (true);
