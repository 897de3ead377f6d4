do $type$
begin
  if to_regtype('crm.pipeline_stage_total') is null then
    create type crm.pipeline_stage_total as (
      stage             text,
      "position"        integer,
      count             bigint,
      value             numeric,
      value_by_currency jsonb
    );
  end if;
end
$type$;

comment on type crm.pipeline_stage_total is 'What a stage of the pipeline held at an instant.';

comment on column crm.pipeline_stage_total.stage is
  E'@notNull\nThe name that the stage had then.';
comment on column crm.pipeline_stage_total."position" is
  'The place that the stage had then, the first being the lowest.';
comment on column crm.pipeline_stage_total.count is E'@notNull\nHow many deals were in it.';
comment on column crm.pipeline_stage_total.value is
  E'@notNull\nThe sum of their values, whatever their currencies.';
comment on column crm.pipeline_stage_total.value_by_currency is
  E'@notNull\nThe sum of their values in each currency, as {"EUR": 10.00}.';
