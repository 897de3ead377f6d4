/*
 * Returns the search document of a company: its name (weight A), its address and the texts of its
 * custom fields (C). The trigger crm_private.derive_company calls it.
 */
create or replace function crm_private.company_document(
  name          text,
  address       jsonb,
  custom_fields jsonb
)
returns tsvector
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return crm_private.search_name_vector(name)
    || crm_private.search_vector(crm_private.search_texts(address), 'C')
    || crm_private.search_vector(crm_private.search_texts(custom_fields), 'C');
end
$$;

comment on function crm_private.company_document(text, jsonb, jsonb) is
  'Returns the search document of a company.';

revoke all on function crm_private.company_document(text, jsonb, jsonb) from public;
grant execute on function crm_private.company_document(text, jsonb, jsonb) to crm_member;
