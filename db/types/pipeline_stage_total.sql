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

comment on type crm.pipeline_stage_total is 'What a stage of the pipeline held at an instant.';

comment on column crm.pipeline_stage_total.stage is
  E'@notNull\nThe name that the stage has now, whatever it was called then; of one that is gone, the last.';
comment on column crm.pipeline_stage_total."position" is
  'The place that the stage had then, the first being the lowest.';
comment on column crm.pipeline_stage_total.count is E'@notNull\nHow many deals were in it.';
comment on column crm.pipeline_stage_total.value is
  'The sum of their values. Null where they are in more than one currency.';
comment on column crm.pipeline_stage_total.value_by_currency is
  E'@notNull\nThe sum of their values in each currency, as {"EUR": 10.00}.';
comment on column crm.pipeline_stage_total.value_in_base_currency is
  'The sum of their values in the base currency, at the rates of the day. Null where a currency has none.';
comment on column crm.pipeline_stage_total.stage_id is
  'The id of the stage. Null if the audit log does not tell it any more.';
comment on column crm.pipeline_stage_total.stage_then is
  E'@notNull\nThe name that the stage had then.';
