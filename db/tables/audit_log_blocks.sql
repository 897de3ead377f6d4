/*
 * The seals of the audit log. Each block covers the entries after those of the previous block, up
 * to last_id.
 */

create table if not exists crm_private.audit_log_blocks (
  number    bigint      not null,
  last_id   bigint      not null,
  sealed_at timestamptz not null,
  ids       bigint[]    not null,
  digests   bytea[]     not null,
  salts     bytea[]     not null,
  previous  bytea       not null,
  hash      bytea       not null,

  constraint audit_log_blocks_pkey primary key (number),
  constraint audit_log_blocks_last_id_unique unique (last_id)
);

alter table crm_private.audit_log_blocks alter column digests set storage external;

alter table crm_private.audit_log_blocks alter column salts set storage external;

comment on table crm_private.audit_log_blocks is
  'The seals of the audit log. Each block covers the entries after those of the previous block, up '
  'to last_id.';

comment on column crm_private.audit_log_blocks.number is
  'The number of the block, from 1, without gaps.';
comment on column crm_private.audit_log_blocks.last_id is
  'The id of the last entry in the block.';
comment on column crm_private.audit_log_blocks.sealed_at is
  'When the block was created.';
comment on column crm_private.audit_log_blocks.ids is
  'The ids of the entries in the block, in order.';
comment on column crm_private.audit_log_blocks.digests is
  'The digest of each entry, as crm_private.entry_digest computes it.';
comment on column crm_private.audit_log_blocks.salts is
  'The salt of each entry''s values, 16 random bytes. For an erased entry, the salted digest of '
  'its values, 32 bytes, from which the digest of the entry can still be computed.';
comment on column crm_private.audit_log_blocks.previous is
  'The hash of the previous block; zeros for the first block.';
comment on column crm_private.audit_log_blocks.hash is
  'The hash of the block, as crm_private.block_hash computes it.';

comment on constraint audit_log_blocks_last_id_unique on crm_private.audit_log_blocks is
  '%s is already the last entry of a block';

alter table crm_private.audit_log_blocks enable row level security;
