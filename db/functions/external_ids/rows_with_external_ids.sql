/*
 * Returns the ids of the rows of an entity type that have one of the given external ids, each given
 * as a source and an id at the same position. Called by filters of the API. Each external id is
 * looked up by the key, whatever the planner expects.
 */
create or replace function crm_private.rows_with_external_ids(
  p_entity_type text,
  p_sources     text[],
  p_ids         text[]
)
returns setof uuid
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
  select held.entity_id
  from (
    select distinct source, id from unnest(p_sources, p_ids) as given (source, id)
  ) as wanted
  cross join lateral (
    select key.entity_id
    from crm_private.external_ids as key
    where key.entity_type = p_entity_type and key.source = wanted.source and key.id = wanted.id
    limit 1
  ) as held;
$$;

comment on function crm_private.rows_with_external_ids(text, text[], text[]) is
  'Returns the ids of the rows that have one of the given external ids.';

revoke all on function crm_private.rows_with_external_ids(text, text[], text[]) from public;
grant execute on function crm_private.rows_with_external_ids(text, text[], text[]) to crm_reader;
