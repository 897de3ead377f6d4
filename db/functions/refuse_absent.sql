/*
 * Says that contacts or companies are not there, or not for the caller to see, which is the same to
 * the caller. The detail names all of them. Called by functions that are given ids.
 */
create or replace function crm_private.refuse_absent(p_entity_type text, p_ids uuid[])
returns void
language plpgsql
stable
parallel safe
set search_path = ''
as $$
begin
  raise exception '% with id % not found', p_entity_type, array_to_string(p_ids, ', ', 'null')
    using errcode = 'no_data_found',
          schema  = 'crm',
          table   = case p_entity_type when 'contact' then 'contacts' else 'companies' end,
          column  = 'id',
          detail  = jsonb_build_object('entityType', p_entity_type, 'ids', p_ids);
end
$$;

comment on function crm_private.refuse_absent(text, uuid[]) is
  'Says that contacts or companies are not there.';

revoke all on function crm_private.refuse_absent(text, uuid[]) from public;
grant execute on function crm_private.refuse_absent(text, uuid[]) to crm_reader;
