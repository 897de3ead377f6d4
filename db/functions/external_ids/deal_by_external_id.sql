/*
 * The deal that carries an external id, by the key of crm_private.external_ids.
 */
create or replace function crm.deal_by_external_id(source text, id text)
returns crm.deals
language sql
stable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select record.*
  from crm_private.external_ids as held
  join crm.deals as record on record.id = held.entity_id
  where held.entity_type = 'deal'
    and held.source = deal_by_external_id.source
    and held.id = deal_by_external_id.id;
$$;

comment on function crm.deal_by_external_id(text, text) is
  'The deal that carries an external id; null if none does.';

revoke all on function crm.deal_by_external_id(text, text) from public;
grant execute on function crm.deal_by_external_id(text, text) to crm_reader;
