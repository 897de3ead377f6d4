/* How deals move. Analysts read it with the rights of its owner. */
create or replace view reporting.stage_moves as
  select
    moved.deal_id,
    moved.deal,
    moved.company,
    moved.owner_id,
    moved.moved_at,
    moved.moved_by,
    former.name                                           as from_stage,
    moved.stage                                           as to_stage,
    case
      when stage.kind = 'won' then 'won'
      when stage.kind = 'lost' then 'lost'
      when former.kind <> 'open' then 'reopened'
      when stage.position < former.position then 'back'
      else 'forward'
    end                                                   as direction
  from (
    select
      period.deal_id,
      period.deal,
      period.company,
      period.owner_id,
      period.entered_at                                   as moved_at,
      period.entered_by                                   as moved_by,
      period.stage,
      period.stage_id,
      lag(period.stage_id) over (partition by period.deal_id order by period.entered_at) as former_id
    from reporting.stage_periods as period
  ) as moved
  join crm.pipeline_stages as former on former.id = moved.former_id
  join crm.pipeline_stages as stage on stage.id = moved.stage_id;

comment on view reporting.stage_moves is
  'Every move of a deal from one stage to another, of stages that are still there.';
comment on column reporting.stage_moves.deal_id is 'The id of the deal.';
comment on column reporting.stage_moves.deal is 'Its title.';
comment on column reporting.stage_moves.company is 'The name of its company.';
comment on column reporting.stage_moves.owner_id is 'The user who owns it now.';
comment on column reporting.stage_moves.moved_at is 'When it was moved.';
comment on column reporting.stage_moves.moved_by is 'The user who moved it.';
comment on column reporting.stage_moves.from_stage is
  'The name that the stage that it left has now.';
comment on column reporting.stage_moves.to_stage is
  'The name that the stage that it came into has now.';
comment on column reporting.stage_moves.direction is 'forward, back, won, lost, or reopened.';

grant select on reporting.stage_moves to crm_reporter;
