/*
 * Raises no_data_found for ids that no row has, or no row that the caller can see; the error does
 * not distinguish the two. The detail lists all of them. Called by functions that take ids.
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
    using errcode    = 'no_data_found',
          schema     = 'crm',
          constraint = 'argument_found',
          detail     = jsonb_build_object(
                         'entityType', p_entity_type, 'ids', array_replace(p_ids, null, 'null')
                       )::text,
          hint       = 'Pass the ids of rows that exist and that your role can read.';
end
$$;

comment on function crm_private.refuse_missing(text, text[]) is
  'Raises an error for ids that no row has, or no row that the caller can see.';

revoke all on function crm_private.refuse_missing(text, text[]) from public;
grant execute on function crm_private.refuse_missing(text, text[]) to crm_reader;
