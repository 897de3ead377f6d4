/*
 * The hash is in a table of its own, apart from crm.api_keys, which administrators read: a query or
 * an audit log entry of a whole row never contains it. SHA-256 is enough, because a key is 256
 * random bits and cannot be guessed. Slow hashes are for passwords, which people choose.
 */

create table if not exists crm_private.api_key_hashes (
  api_key_id uuid        not null,
  key_hash   bytea       not null,

  constraint api_key_hashes_pkey primary key (api_key_id),
  constraint api_key_hashes_key_hash_unique unique (key_hash),
  constraint api_key_hashes_api_key_id_exists foreign key (api_key_id)
    references crm.api_keys on delete cascade
);

comment on table crm_private.api_key_hashes is
  'The SHA-256 hash of each API key. The key itself is not stored. No role of the product can read '
  'this table.';

alter table crm_private.api_key_hashes enable row level security;
