/*
 * The responses to mutations with an idempotency key, each stored in the transaction of its
 * mutation. No role of the product can read or write this table.
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
  'The responses to mutations with an idempotency key, each stored in the transaction of its '
  'mutation. No role of the product can read or write this table.';

comment on column crm_private.idempotency_keys.key_hash is
  'The SHA-256 hash of the user and the key. The key itself is not stored.';
comment on column crm_private.idempotency_keys.request_hash is
  'The SHA-256 hash of the request and its role.';
comment on column crm_private.idempotency_keys.answer is
  'The response, encrypted with a key derived from the idempotency key, so that a reader of the '
  'table learns nothing from it. Null if it may have named a person who was erased since: all that '
  'remains is that the mutation was carried out.';
comment on column crm_private.idempotency_keys.entity_ids is
  'The ids of the entities that the response may name. Null if it may name any.';
comment on column crm_private.idempotency_keys.expires_at is
  'When the key expires and its response is deleted.';

create index if not exists idempotency_keys_expires_at_idx
  on crm_private.idempotency_keys (expires_at);

alter table crm_private.idempotency_keys enable row level security;
