/*
 * What mutations with an idempotency key were answered, written in their own transactions. No
 * role of the product reads or writes it.
 */

create table if not exists crm_private.idempotency_keys (
  key_hash     bytea       not null,
  request_hash bytea       not null,
  answer       bytea,
  entity_ids   uuid[],
  expires_at   timestamptz not null default now() + interval '24 hours',

  constraint idempotency_keys_pkey primary key (key_hash),
  constraint idempotency_keys_key_hash_length check (octet_length(key_hash) = 32),
  constraint idempotency_keys_request_hash_length check (octet_length(request_hash) = 32)
);

alter table crm_private.idempotency_keys alter column answer set storage external;

comment on table crm_private.idempotency_keys is
  'What mutations with an idempotency key were answered, written in their own transactions. No role '
  'of the product reads or writes it.';

comment on column crm_private.idempotency_keys.key_hash is
  'The SHA-256 of who asked and the key. The key itself is nowhere.';
comment on column crm_private.idempotency_keys.request_hash is
  'The SHA-256 of what was asked, and in which role.';
comment on column crm_private.idempotency_keys.answer is
  'The answer, encrypted with what only the key gives: whoever reads the table learns nothing of it. '
  'Null where it may have told of a person who was erased since: the mutation was done, that is all.';
comment on column crm_private.idempotency_keys.entity_ids is
  'The entities that the answer may tell of; null if it may tell of any.';
comment on column crm_private.idempotency_keys.expires_at is
  'When the key is forgotten.';

create index if not exists idempotency_keys_expires_at_idx
  on crm_private.idempotency_keys (expires_at);

alter table crm_private.idempotency_keys enable row level security;
