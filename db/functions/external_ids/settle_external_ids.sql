/*
 * Ends the time in which an external id may be held twice, which begins with
 * set constraints crm_private.external_ids_pkey deferred: while an undo moves it from one row to
 * another in several statements. Refuses the given rows if one of theirs belongs to another.
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
  'Ends the time in which an external id may be held twice; refuses rows that share one.';

revoke all on function crm_private.settle_external_ids(text, uuid[]) from public;
