/*
 * Which rows were merged into which. The audit log records this too, but its entries are purged,
 * erased and archived. Erasing a person must find everyone who was merged into that person even
 * then.
 */

create table if not exists crm_private.merges (
  id             bigint      not null generated always as identity,
  entity_type    text        not null,
  loser_id       uuid        not null,
  winner_id      uuid        not null,
  merged_at      timestamptz not null,
  ended_at       timestamptz,
  ended_in       bigint,

  constraint merges_pkey primary key (id),
  constraint merges_entity_type_known check (entity_type = any (array['contact', 'company'])),
  constraint merges_winner_id_other check (winner_id <> loser_id),
  constraint merges_ended_in_dated check ((ended_in is not null) = (ended_at is not null))
);

comment on table crm_private.merges is
  'Which contacts and companies were merged into which. A merge ends when the merged record is '
  'restored.';

comment on column crm_private.merges.id is
  'The id of the merge. It increases from one merge to the next.';
comment on column crm_private.merges.entity_type is 'contact or company.';
comment on column crm_private.merges.loser_id is 'The id of the merged record, which was deleted.';
comment on column crm_private.merges.winner_id is 'The id of the merge winner, which remains.';
comment on column crm_private.merges.merged_at is 'When the transaction of the merge began.';
comment on column crm_private.merges.ended_at is
  'When the merged record was restored. Null if it was not.';
comment on column crm_private.merges.ended_in is
  'The id of the transaction that restored the merged record.';

-- A row is merged into one other row at a time.
create unique index if not exists merges_loser_id on crm_private.merges (loser_id)
  where ended_at is null;
create index if not exists merges_winner_id on crm_private.merges (winner_id);
create index if not exists merges_ended on crm_private.merges (loser_id)
  where ended_at is not null;

alter table crm_private.merges enable row level security;
