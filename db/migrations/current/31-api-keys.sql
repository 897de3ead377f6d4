/*
 * Why: an integration asks by itself, without a user who logs in. It gets a key of its own, with a
 *      name that the journal tells, a role, and an end: expiry or revocation.
 * Locks: nothing that exists.
 * Undone by: revert/000003.sql.
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
  -- One spelling for each name, so that no two keys look alike in the journal.
  constraint api_keys_name_format check (name ~ '^[a-z0-9]+([._-][a-z0-9]+)*$'),
  constraint api_keys_role_known check (role = any (array['reader', 'member', 'admin'])),
  constraint api_keys_expires_at_range check (
    expires_at > created_at and expires_at <= created_at + interval '100 years'
  )
);

comment on table crm.api_keys is
  E'@defaultOrder NAME_ASC\nA key that an integration asks with. Administrators create and revoke '
  'keys; a revoked one stays, because the journal names it.';

comment on column crm.api_keys.id is
  'The identifier of the row, set by the database.';
comment on column crm.api_keys.name is
  'What the integration is called, unique. The journal has it as key:<name>.';
comment on column crm.api_keys.role is
  'What the key may do: reader, member or admin.';
comment on column crm.api_keys.prefix is
  'The first characters of the key, by which people recognise it.';
comment on column crm.api_keys.expires_at is
  'When the key ceases to be good; null if it is good until it is revoked.';
comment on column crm.api_keys.last_used_at is
  'When the key was last used, to the minute; null if it never was.';
comment on column crm.api_keys.revoked_at is
  'When the key was revoked; null if it was not.';
comment on column crm.api_keys.version is
  'Increases by one with every change of the row.';
comment on column crm.api_keys.created_at is
  'When the row was created.';
comment on column crm.api_keys.updated_at is
  'When the row was last changed; later with every change, but for its use.';
comment on column crm.api_keys.created_by is
  'The user who created the row.';
comment on column crm.api_keys.updated_by is
  'The user who last changed the row.';

comment on constraint api_keys_name_unique on crm.api_keys is
  '%s is already the name of a key, or was that of a revoked one';
comment on constraint api_keys_name_length on crm.api_keys is
  'must have at most 100 characters';
comment on constraint api_keys_name_format on crm.api_keys is
  'must consist of lower case letters and digits, with single dots, hyphens or underscores between '
  'them';
comment on constraint api_keys_role_known on crm.api_keys is
  '%s is not one of reader, member, admin';
comment on constraint api_keys_expires_at_range on crm.api_keys is
  'must be in the future, at most 100 years from now';

/*
 * The hash stands apart from what administrators read, so that whoever reads or journals a whole row
 * never meets it. SHA-256 is enough: a key is 256 random bits, which nobody can try through; slow
 * hashes are for passwords, which people choose.
 */
create table if not exists crm_private.api_key_hashes (
  api_key_id uuid  not null,
  key_hash   bytea not null,

  constraint api_key_hashes_pkey primary key (api_key_id),
  constraint api_key_hashes_key_hash_unique unique (key_hash),
  constraint api_key_hashes_api_key_id_exists foreign key (api_key_id)
    references crm.api_keys on delete cascade
);

comment on table crm_private.api_key_hashes is
  'What is kept of each API key itself: its SHA-256. No role of the product reads it.';

alter table crm_private.api_key_hashes enable row level security;

do $type$
begin
  if to_regtype('crm.issued_api_key') is null then
    create type crm.issued_api_key as (key text, api_key crm.api_keys);
  end if;
end
$type$;

comment on type crm.issued_api_key is
  'A new API key.';
comment on column crm.issued_api_key.key is
  E'@notNull\nThe key itself, for the header Authorization: Bearer <key>. It is shown here and never again.';
comment on column crm.issued_api_key.api_key is
  E'@notNull\nWhat is kept of it.';

--!include functions/entity_table.sql
--!include functions/refuse_update.sql
--!include functions/bind_stamps.sql
--!include triggers/110_stamp.sql
drop function if exists crm_private.stamp_update();
--!include triggers/200_validate.sql
--!include triggers/900_journal.sql
--!include functions/api_keys_history.sql
--!include functions/create_api_key.sql
--!include functions/revoke_api_key.sql
--!include functions/authenticate_api_key.sql

alter table crm.api_keys enable row level security;

grant select on crm.api_keys to crm_admin;

drop policy if exists api_keys_select on crm.api_keys;
create policy api_keys_select on crm.api_keys for select to crm_admin using (true);

--!include functions/current_user_id.sql

comment on column crm.audit_logs.entity_type is
  'What was changed: contact, company, deal, task, note, custom_field_definition, '
  'pipeline_stage or api_key.';
comment on column crm.audit_logs.user_id is
  'Who did it: the subject of a token, key:<name> for an API key, or db:<login role> for a '
  'database session.';
