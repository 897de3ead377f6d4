/*
 * Refuses ids that lead to nothing, or to nothing that the caller may see: the two are told alike. The
 * detail names all of them. Called by functions that are given ids.
 */
create or replace function crm_private.refuse_missing(p_entity_type text, variadic p_ids text[])
returns void
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception '% % not found', p_entity_type, array_to_string(p_ids, ', ', 'null')
    using errcode = 'no_data_found',
          schema  = 'crm',
          detail  = jsonb_build_object(
                    'entityType', p_entity_type, 'ids', array_replace(p_ids, null, 'null')
                  )::text;
end
$$;

comment on function crm_private.refuse_missing(text, text[]) is
  'Refuses ids that lead to nothing, or to nothing that the caller may see.';

revoke all on function crm_private.refuse_missing(text, text[]) from public;
grant execute on function crm_private.refuse_missing(text, text[]) to crm_reader;
