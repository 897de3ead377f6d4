/* Moves of deals between stages. Read by analysts, with the owner's rights. */
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
  'Every move of a deal from one stage to another. Moves from or to a deleted stage are left out.';
comment on column reporting.stage_moves.deal_id is 'The id of the deal.';
comment on column reporting.stage_moves.deal is 'The title of the deal.';
comment on column reporting.stage_moves.company is 'The name of the company.';
comment on column reporting.stage_moves.owner_id is 'The user who owns the deal now.';
comment on column reporting.stage_moves.moved_at is 'When the deal was moved.';
comment on column reporting.stage_moves.moved_by is 'The user who moved the deal.';
comment on column reporting.stage_moves.from_stage is
  'The current name of the stage that the deal left.';
comment on column reporting.stage_moves.to_stage is
  'The current name of the stage that the deal entered.';
comment on column reporting.stage_moves.direction is
  'The direction of the move: forward, back, won, lost, or reopened.';

grant select on reporting.stage_moves to crm_reporter;
