do $type$
begin
  if to_regtype('crm.new_deal') is null then
    create type crm.new_deal as (
      title         text,
      company_id    uuid,
      contact_id    uuid,
      value         numeric,
      currency      text,
      stage         text,
      probability   integer,
      close_date    date,
      owner_id      text,
      custom_fields jsonb,
      external_ids  crm.external_id[],
      lost_reason   text
    );
  end if;
end
$type$;

comment on type crm.new_deal is
  E'@customFieldsOf deals\nA deal to create: what a client may say of it.';

comment on column crm.new_deal.title is 'Required.';
comment on column crm.new_deal.company_id is 'Required.';
comment on column crm.new_deal.contact_id is 'The person at the company, if any.';
comment on column crm.new_deal.value is 'Required: at most two decimals.';
comment on column crm.new_deal.currency is 'USD, if not given.';
comment on column crm.new_deal.stage is 'Required: the name of a pipeline stage.';
comment on column crm.new_deal.probability is 'That of the stage, if not given.';
comment on column crm.new_deal.close_date is 'The day on which it is expected to close.';
comment on column crm.new_deal.owner_id is 'The user who is responsible, if anybody is.';
comment on column crm.new_deal.custom_fields is 'None, if not given.';
comment on column crm.new_deal.external_ids is 'None, if not given.';
comment on column crm.new_deal.lost_reason is 'Why it was lost, if it was.';
