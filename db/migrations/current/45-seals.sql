/*
 * Why: whoever may switch triggers off can change the journal. Seals let that be seen: each entry's
 *      digest stands in a block, each block holds the hash of the one before, and an auditor keeps
 *      the last hash elsewhere. Entries are sealed in batches, after they were written, so that
 *      writers do not wait for one another, nor pay for it.
 *      The index of what a transaction did finds the entries that came since.
 * Locks: nothing that exists.
 * Undone by: revert/000003.sql.
 */

create table if not exists crm_private.journal_blocks (
  number    bigint      not null,
  last_id   bigint      not null,
  sealed_at timestamptz not null,
  ids       bigint[]    not null,
  digests   bytea[]     not null,
  salts     bytea[]     not null,
  previous  bytea       not null,
  hash      bytea       not null,

  constraint journal_blocks_pkey primary key (number),
  constraint journal_blocks_last_id_unique unique (last_id)
);

comment on table crm_private.journal_blocks is
  'Seals of the journal: a block covers the entries after the block before it, up to last_id.';
comment on column crm_private.journal_blocks.number is
  'Counted from 1, without a gap.';
comment on column crm_private.journal_blocks.last_id is
  'The last of the ids.';
comment on column crm_private.journal_blocks.sealed_at is
  'When the block was made.';
comment on column crm_private.journal_blocks.ids is
  'The entries that the block covers, in order.';
comment on column crm_private.journal_blocks.digests is
  'The digest of each entry; crm_private.entry_digest says of what.';
comment on column crm_private.journal_blocks.salts is
  'What each entry''s values were salted with, 16 random bytes. Of an erased entry the salted '
  'digest of the values, 32 bytes, so that its own digest can still be told.';
comment on column crm_private.journal_blocks.previous is
  'The hash of the block before, zeros for the first.';
comment on column crm_private.journal_blocks.hash is
  'The hash of the block; crm_private.block_hash says of what.';
comment on constraint journal_blocks_last_id_unique on crm_private.journal_blocks is
  '%s is already the end of a block';

-- Digests do not compress.
alter table crm_private.journal_blocks
  alter column digests set storage external,
  alter column salts set storage external;

create table if not exists crm_private.journal_progress (
  id                  boolean not null default true,
  sealed_to   bigint not null default 0,
  pending_to  bigint,
  pending_for text[],

  constraint journal_progress_pkey primary key (id),
  constraint journal_progress_id_single check (id),
  constraint journal_progress_pending_complete
    check ((pending_to is null) = (pending_for is null))
);

comment on table crm_private.journal_progress is
  'How far the journal is sealed: one row.';
comment on column crm_private.journal_progress.id is
  'Always true, so that there is one row.';
comment on column crm_private.journal_progress.sealed_to is
  'Every id up to this one is sealed, or was given out in vain.';
comment on column crm_private.journal_progress.pending_to is
  'The ids up to this one can be sealed when the transactions of pending_for have ended.';
comment on column crm_private.journal_progress.pending_for is
  'The virtual transactions that were writing the journal when pending_to was read.';
comment on constraint journal_progress_pending_complete on crm_private.journal_progress is
  'must be given together';

insert into crm_private.journal_progress default values on conflict do nothing;

alter table crm_private.journal_blocks enable row level security;
alter table crm_private.journal_progress enable row level security;

-- The functions that give it are made anew below.
drop function if exists crm.verify_journal(text);
drop function if exists crm_private.check_journal(text);
drop type if exists crm.journal_verdict;

create type crm.journal_verdict as (
  intact      boolean,
  fault       text,
  entry_id    bigint,
  "timestamp" timestamptz,
  message     text,
  entries     bigint,
  archived    bigint,
  unsealed    bigint,
  kept_since  timestamptz,
  digest      text
);

comment on type crm.journal_verdict is
  'What comparing the journal with its seals gave.';
comment on column crm.journal_verdict.intact is
  E'@notNull\nWhether everything is as it was sealed.';
comment on column crm.journal_verdict.fault is
  'What is wrong with the first faulty entry: altered, removed or inserted; or rewritten, if the '
  'seals themselves were changed, or are not those that the digest was taken of.';
comment on column crm.journal_verdict.entry_id is
  'The first faulty entry. If the seals were rewritten, the first whose seal is not to be believed.';
comment on column crm.journal_verdict."timestamp" is
  'The time of the faulty entry, if it is there.';
comment on column crm.journal_verdict.message is
  E'@notNull\nThe verdict in one sentence.';
comment on column crm.journal_verdict.entries is
  E'@notNull\nHow many entries were compared, up to the first fault.';
comment on column crm.journal_verdict.archived is
  E'@notNull\nHow many sealed entries have been archived, so that they could not be compared.';
comment on column crm.journal_verdict.unsealed is
  E'@notNull\nHow many entries have come too lately to be sealed.';
comment on column crm.journal_verdict.kept_since is
  'From when on the journal is kept here; null if nothing was archived.';
comment on column crm.journal_verdict.digest is
  E'@notNull\nWhat journalDigest gives now.';

--!include functions/payload_digest.sql
--!include functions/entry_digest.sql
--!include functions/block_hash.sql
--!include functions/seal_journal.sql
--!include functions/last_digest.sql
--!include functions/archived_entries.sql
--!include functions/journal_kept_since.sql
--!include functions/broken_block.sql
--!include functions/compare_entries.sql
--!include functions/check_journal.sql
--!include functions/journal_digest.sql
--!include functions/verify_journal.sql
