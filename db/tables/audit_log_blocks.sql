/* Seals of the audit log: a block covers the entries after the block before it, up to last_id. */

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
  'Seals of the audit log: a block covers the entries after the block before it, up to last_id.';

comment on column crm_private.audit_log_blocks.number is
  'Counted from 1, without a gap.';
comment on column crm_private.audit_log_blocks.last_id is
  'The last of the ids.';
comment on column crm_private.audit_log_blocks.sealed_at is
  'When the block was made.';
comment on column crm_private.audit_log_blocks.ids is
  'The entries that the block covers, in order.';
comment on column crm_private.audit_log_blocks.digests is
  'The digest of each entry; crm_private.entry_digest says of what.';
comment on column crm_private.audit_log_blocks.salts is
  'What each entry''s values were salted with, 16 random bytes. Of an erased entry the salted '
  'digest of the values, 32 bytes, so that its own digest can still be told.';
comment on column crm_private.audit_log_blocks.previous is
  'The hash of the block before, zeros for the first.';
comment on column crm_private.audit_log_blocks.hash is
  'The hash of the block; crm_private.block_hash says of what.';

comment on constraint audit_log_blocks_last_id_unique on crm_private.audit_log_blocks is
  '%s is already the end of a block';

alter table crm_private.audit_log_blocks enable row level security;
