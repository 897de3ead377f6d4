/*
 * Deletes stored responses of repeated mutations that may contain values of the given entities. The
 * keys stay: a repeated mutation still does nothing, and its client gets an error that the response
 * is gone. Called by crm_private.erase_contact.
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
  'Deletes stored responses of repeated mutations that may contain values of the given entities.';

revoke all on function crm_private.drop_responses(uuid[]) from public;
