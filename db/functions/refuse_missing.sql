/* Refuses what does not exist, or what the caller may not see: the two are told alike. */
create or replace function crm_private.refuse_missing(p_entity_type text, p_id text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception '% % not found', p_entity_type, p_id
    using errcode = 'no_data_found',
          schema  = 'crm',
          detail  = jsonb_build_object('entityType', p_entity_type, 'id', p_id)::text;
end
$$;

comment on function crm_private.refuse_missing(text, text) is
  'Refuses an id that leads to nothing, or to nothing that the caller may see.';

revoke all on function crm_private.refuse_missing(text, text) from public;
