/*
 * Phase 500, stages: when the kind or probability of a stage changes, its deals are updated in one
 * statement. These are normal updates, with new versions and audit log entries.
 *
 * A concurrent writer of deals has read the old stage. So the change waits for such writers, and
 * later writers wait for the change: the table of deals is locked before any row of it, or the
 * stage, is read.
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
  'Makes writers of deals wait while stages change.';

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
  -- crm_private.follow_stage applies the rules. A probability that is null follows the stage.
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
  'Updates the deals of stages whose kind or probability has changed.';

revoke all on function crm_private.stages_changed() from public;

create or replace trigger _500_stages_update
  after update on crm.pipeline_stages
  referencing old table as old_rows new table as new_rows
  for each statement execute function crm_private.stages_changed();
