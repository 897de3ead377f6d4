/*
 * A deal as it was: what the row is, less what the journal has since then; crm_private.row_as_of does it.
 * Its stage has the name of now, because by its name it leads to the stage.
 */
create or replace function crm.deal_as_of(id uuid, at timestamptz)
returns crm.deals
language sql
stable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_populate_record(
    null::crm.deals,
    was.row || jsonb_build_object('stage', crm_private.stage_now(was.row ->> 'stage', deal_as_of.at))
  )
  from crm_private.row_as_of(
    'deal', deal_as_of.id, deal_as_of.at,
    (select to_jsonb(record) from crm.deals as record where record.id = deal_as_of.id)
  ) as was (row);
$$;

comment on function crm.deal_as_of(uuid, timestamptz) is
  'The deal as it was at an instant, with every column and custom field; null if there was none then. '
  'Relations lead to what they lead to now. The stage has the name that it has now.';

revoke all on function crm.deal_as_of(uuid, timestamptz) from public;
grant execute on function crm.deal_as_of(uuid, timestamptz) to crm_reader;
