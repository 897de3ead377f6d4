/*
 * The hash stands apart from what administrators read, so that whoever reads or audit logs a whole row
 * never meets it. SHA-256 is enough: a key is 256 random bits, which nobody can try through; slow
 * hashes are for passwords, which people choose.
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
  'What is kept of each API key itself: its SHA-256. No role of the product reads it.';

alter table crm_private.api_key_hashes enable row level security;
