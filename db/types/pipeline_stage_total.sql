do $type$
begin
  if to_regtype('crm.pipeline_stage_total') is null then
    create type crm.pipeline_stage_total as (
      stage                  text,
      "position"             integer,
      count                  bigint,
      value                  numeric,
      value_by_currency      jsonb,
      value_in_base_currency numeric,
      stage_id               uuid,
      stage_then             text
    );
  end if;
end
$type$;

comment on type crm.pipeline_stage_total is 'The deals of a pipeline stage at a point in time.';

comment on column crm.pipeline_stage_total.stage is
  E'@notNull\nThe current name of the stage, or its last name if the stage was deleted.';
comment on column crm.pipeline_stage_total."position" is
  'The position of the stage in the pipeline at that time, or now if the stage was created later; '
  'the first stage has the lowest.';
comment on column crm.pipeline_stage_total.count is E'@notNull\nThe number of deals in the stage.';
comment on column crm.pipeline_stage_total.value is
  'The total value of these deals. Null if they are in more than one currency.';
comment on column crm.pipeline_stage_total.value_by_currency is
  E'@notNull\nThe total value of these deals in each currency, as {"EUR": 10.00}.';
comment on column crm.pipeline_stage_total.value_in_base_currency is
  'The total value of these deals in the base currency, at the rates of the day. Null if a '
  'currency has no rate.';
comment on column crm.pipeline_stage_total.stage_id is
  'The id of the stage. Null if the audit log no longer records it.';
comment on column crm.pipeline_stage_total.stage_then is
  E'@notNull\nThe name of the stage at that time.';
