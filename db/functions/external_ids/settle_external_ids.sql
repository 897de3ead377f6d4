/*
 * Ends the period in which two rows may have the same external id. The period begins with set
 * constraints crm_private.external_ids_pkey deferred, so that an undo can move an id from one row
 * to another in several statements. Raises if one of the given rows has an external id of another
 * row.
 */
create or replace function crm_private.settle_external_ids(p_entity_type text, p_ids uuid[])
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  set constraints crm_private.external_ids_pkey immediate;
exception
  when unique_violation then
    perform crm_private.refuse_taken_external_ids(p_entity_type, p_ids);
    raise;
end
$$;

comment on function crm_private.settle_external_ids(text, uuid[]) is
  'Ends the period in which two rows may have the same external id; raises if rows still do.';

revoke all on function crm_private.settle_external_ids(text, uuid[]) from public;
