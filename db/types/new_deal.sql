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
      lost_reason   text,
      company       crm.reference,
      contact       crm.reference
    );
  end if;
end
$type$;

comment on type crm.new_deal is
  E'@customFieldsOf deals\nThe values of a deal to create.';

comment on column crm.new_deal.title is 'The title of the deal, at most 255 characters. Required.';
comment on column crm.new_deal.company_id is
  'The id of the company. Either this or company is required.';
comment on column crm.new_deal.contact_id is 'The id of the contact at the company, if any.';
comment on column crm.new_deal.value is
  'The value of the deal, with at most two decimals. Required.';
comment on column crm.new_deal.currency is
  'The currency of the value, as an ISO 4217 code. The default is USD.';
comment on column crm.new_deal.stage is 'The name of the pipeline stage. Required.';
comment on column crm.new_deal.probability is
  'The probability of winning the deal, in percent. The default is that of the stage.';
comment on column crm.new_deal.close_date is 'The day on which the deal is expected to close.';
comment on column crm.new_deal.owner_id is 'The user who is responsible for the deal, if any.';
comment on column crm.new_deal.custom_fields is
  'The values of custom fields by name. The default is none.';
comment on column crm.new_deal.external_ids is
  'The ids of the deal in other systems. The default is none.';
comment on column crm.new_deal.lost_reason is 'Why the deal was lost, if it was.';
comment on column crm.new_deal.company is 'The company by its external id, instead of companyId.';
comment on column crm.new_deal.contact is 'The contact by its external id, instead of contactId.';
