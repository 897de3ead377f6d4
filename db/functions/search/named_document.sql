/*
 * Returns the search document of an entity with a name: its name (weight A) and the texts of its
 * custom fields (C). The trigger crm_private.derive_deal calls it.
 */
create or replace function crm_private.named_document(name text, custom_fields jsonb)
returns tsvector
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return crm_private.search_name_vector(name)
    || crm_private.search_vector(crm_private.search_texts(custom_fields), 'C');
end
$$;

comment on function crm_private.named_document(text, jsonb) is
  'Returns the search document of an entity with a name.';

revoke all on function crm_private.named_document(text, jsonb) from public;
grant execute on function crm_private.named_document(text, jsonb) to crm_member;
