/*
 * Who became part of whom. The audit log tells it too, but not for ever: entries are purged, erased and
 * archived, and erasing a person has to find everybody who was merged into them even then.
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
  'Which contacts and companies were merged into which. One whose loser came back has ended.';

comment on column crm_private.merges.id is 'Increases from one merge to the next.';
comment on column crm_private.merges.entity_type is 'contact or company.';
comment on column crm_private.merges.loser_id is 'The row that went.';
comment on column crm_private.merges.winner_id is 'The row that it became part of.';
comment on column crm_private.merges.merged_at is 'When the transaction of the merge began.';
comment on column crm_private.merges.ended_at is
  'When the loser was a row of its own again; null as long as it is none.';
comment on column crm_private.merges.ended_in is 'The transaction that brought the loser back.';

-- A row is part of one other at a time.
create unique index if not exists merges_loser_id on crm_private.merges (loser_id)
  where ended_at is null;
create index if not exists merges_winner_id on crm_private.merges (winner_id);
create index if not exists merges_ended on crm_private.merges (loser_id)
  where ended_at is not null;

alter table crm_private.merges enable row level security;
