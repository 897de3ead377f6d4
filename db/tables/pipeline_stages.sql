/* A stage of the sales pipeline. Administrators edit the stages. */

create table if not exists crm.pipeline_stages (
  id          uuid        not null default gen_random_uuid(),
  name        text        not null,
  position    integer     not null,
  probability integer     not null default 0,
  kind        text        not null default 'open',
  version     integer     not null default 1,
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now(),
  created_by  text        not null default crm.current_user_id(),
  updated_by  text        not null default crm.current_user_id(),

  constraint pipeline_stages_pkey primary key (id),
  constraint pipeline_stages_name_unique unique (name),
  constraint pipeline_stages_name_blank check (not crm_private.is_blank(name)),
  constraint pipeline_stages_name_legible check (crm_private.is_legible(name)),
  constraint pipeline_stages_name_length check (char_length(name) <= 100),
  constraint pipeline_stages_position_range check (position >= 0),
  constraint pipeline_stages_probability_range check (probability between 0 and 100),
  constraint pipeline_stages_kind_known check (kind = any (array['open', 'won', 'lost']))
);

comment on table crm.pipeline_stages is
  E'@defaultOrder POSITION_ASC\nA stage of the sales pipeline. Administrators edit the stages.';

comment on column crm.pipeline_stages.id is
  'The identifier of the row, set by the database.';
comment on column crm.pipeline_stages.name is
  'The unique name by which deals refer to the stage, at most 100 characters. Renaming a stage '
  'renames it on its deals.';
comment on column crm.pipeline_stages.position is
  E'@hasDefault\nThe position of the stage in the pipeline, from 0. By default a new stage is the '
  'last.';
comment on column crm.pipeline_stages.probability is
  'The probability of winning, in percent, of deals in this stage that have none of their own. A '
  'change applies to these deals. Deals in a won stage have 100 and deals in a lost stage 0, '
  'regardless of this value.';
comment on column crm.pipeline_stages.kind is
  'The kind of the stage: open, won or lost. A change closes or reopens the deals in this stage.';
comment on column crm.pipeline_stages.version is
  'Increases by one with every update. An update with a version other than the current one fails '
  'with the code CONFLICT.';
comment on column crm.pipeline_stages.created_at is
  'When the row was created.';
comment on column crm.pipeline_stages.updated_at is
  'When the row was last changed. Every change sets a later time.';
comment on column crm.pipeline_stages.created_by is
  'The user who created the row.';
comment on column crm.pipeline_stages.updated_by is
  'The user who last changed the row.';

comment on constraint pipeline_stages_name_unique on crm.pipeline_stages is
  '%s is already the name of a stage';
comment on constraint pipeline_stages_name_blank on crm.pipeline_stages is
  'must not be blank';
comment on constraint pipeline_stages_name_legible on crm.pipeline_stages is
  'must not contain control characters or invisible characters';
comment on constraint pipeline_stages_name_length on crm.pipeline_stages is
  'must have at most 100 characters';
comment on constraint pipeline_stages_position_range on crm.pipeline_stages is
  'must be 0 or more';
comment on constraint pipeline_stages_probability_range on crm.pipeline_stages is
  'must be from 0 to 100';
comment on constraint pipeline_stages_kind_known on crm.pipeline_stages is
  '%s is not one of open, won, lost';

alter table crm.pipeline_stages enable row level security;

grant select on crm.pipeline_stages to crm_reader;
grant insert
  (name, position, probability, kind)
  on crm.pipeline_stages to crm_admin;
grant update
  (name, position, probability, kind, version)
  on crm.pipeline_stages to crm_admin;
grant delete on crm.pipeline_stages to crm_admin;

drop policy if exists pipeline_stages_select on crm.pipeline_stages;
create policy pipeline_stages_select on crm.pipeline_stages for select to crm_reader
  using (true);
drop policy if exists pipeline_stages_insert on crm.pipeline_stages;
create policy pipeline_stages_insert on crm.pipeline_stages for insert to crm_admin
  with check ((select crm_private.caller_is_authenticated()));
drop policy if exists pipeline_stages_update on crm.pipeline_stages;
create policy pipeline_stages_update on crm.pipeline_stages for update to crm_admin
  using ((select crm_private.caller_is_authenticated()));
drop policy if exists pipeline_stages_delete on crm.pipeline_stages;
create policy pipeline_stages_delete on crm.pipeline_stages for delete to crm_admin
  using ((select crm_private.caller_is_authenticated()));
