/* The stages that deals were in, and for how long. crm_private.staged reads them from the journal. */
create or replace view crm.stage_history as
  select
    staged.entry_id,
    staged.deal_id,
    staged.stage,
    staged.entered_at,
    staged.left_at,
    coalesce(staged.left_at, now()) - staged.entered_at as duration,
    staged.entered_by,
    staged.source
  from crm_private.staged() as staged;

do $invoker$
begin
  -- It reads functions only, which run as whoever asks in any case; before release 15 it cannot be said.
  if current_setting('server_version_num')::integer >= 150000 then
    alter view crm.stage_history set (security_invoker = true);
  end if;
end
$invoker$;

comment on view crm.stage_history is
  E'@primaryKey entry_id\n@name stage_period\n@behavior -single\n'
  '@foreignKey (deal_id) references crm.deals (id)|@fieldName deal|@foreignFieldName stageHistory\n'
  'The stages that deals were in: from when to when and for how long. The last of a deal lasts until now.';
comment on column crm.stage_history.entry_id is
  E'@notNull\nThe entry of the journal that tells when it began; it increases.';
comment on column crm.stage_history.deal_id is E'@notNull\nThe id of the deal.';
comment on column crm.stage_history.stage is E'@notNull\nThe name of the stage.';
comment on column crm.stage_history.entered_at is E'@notNull\nWhen the deal came into the stage.';
comment on column crm.stage_history.left_at is
  'When it left, or was deleted; null if it is still there.';
comment on column crm.stage_history.duration is
  E'@notNull\nHow long it was there, or has been there until now.';
comment on column crm.stage_history.entered_by is E'@notNull\nThe user who moved it there.';
comment on column crm.stage_history.source is
  E'@notNull\nWhat it was moved through: api, import or sql.';

grant select on crm.stage_history to crm_reader;
