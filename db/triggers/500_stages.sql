/*
 * Phase 500, stages: a stage whose kind or probability changes takes its deals along, in one statement.
 * They are updates like others, with versions and entries in the audit log.
 *
 * Whoever writes deals meanwhile has read the stage as it was. So a change waits for them to end, and
 * they wait for it: the table is locked before a row of it is read, and before the stage is.
 */

create or replace function crm_private.lock_deals()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  lock table crm.deals in share row exclusive mode;
  return null;
end
$$;

comment on function crm_private.lock_deals() is
  'Keeps those who write deals waiting while stages change.';

revoke all on function crm_private.lock_deals() from public;

create or replace trigger _500_lock_deals
  before update of kind, probability on crm.pipeline_stages
  for each statement execute function crm_private.lock_deals();

create or replace function crm_private.stages_changed()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- crm_private.follow_stage has the rules: a probability that is null follows the stage.
  update crm.deals as deal
  set
    probability = case when deal.probability_given and stage.kind = 'open' then deal.probability end,
    lost_reason = case when stage.kind = 'lost' or not stage.was_lost then deal.lost_reason end
  from (
    select
      new_row.name,
      new_row.kind,
      case new_row.kind when 'won' then 100 when 'lost' then 0 else new_row.probability end
        as probability,
      old_row.kind = 'lost'         as was_lost,
      old_row.kind <> new_row.kind  as is_other
    from new_rows as new_row
    join old_rows as old_row using (id)
    where new_row.kind <> old_row.kind or new_row.probability <> old_row.probability
  ) as stage
  where deal.stage = stage.name
    and (
      stage.is_other
      or not deal.probability_given and deal.probability <> stage.probability
    );
  return null;
end
$$;

comment on function crm_private.stages_changed() is
  'Gives the deals of changed stages what follows from these.';

revoke all on function crm_private.stages_changed() from public;

create or replace trigger _500_stages_update
  after update on crm.pipeline_stages
  referencing old table as old_rows new table as new_rows
  for each statement execute function crm_private.stages_changed();
