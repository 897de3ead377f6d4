/*
 * Drops the answers that were kept for repeated mutations and may hold something of entities. The keys
 * stay: a repeat still does nothing, and is told that its answer is gone.
 */
create or replace function crm_private.drop_responses(p_ids uuid[])
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  update crm_private.idempotency_keys
  set answer = null
  where answer is not null
    and (entity_ids is null or entity_ids && p_ids);
$$;

comment on function crm_private.drop_responses(uuid[]) is
  'Drops the answers kept for repeated mutations that may hold something of entities.';

revoke all on function crm_private.drop_responses(uuid[]) from public;
