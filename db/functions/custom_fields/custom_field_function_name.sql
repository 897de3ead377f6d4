/*
 * Returns the name of the function of a custom field in crm_custom: deals_product. A name that is
 * too long for PostgreSQL is cut and made unique by a hash.
 */
create or replace function crm_private.custom_field_function_name(p_table regclass, p_name text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when length(relname || '_' || p_name) <= 63 then relname || '_' || p_name
    else left(relname || '_' || p_name, 54) || '_' || left(md5(p_name), 8)
  end
  from pg_class
  where oid = p_table;
$$;

comment on function crm_private.custom_field_function_name(regclass, text) is
  'Returns the name of the function of a custom field in crm_custom.';

revoke all on function crm_private.custom_field_function_name(regclass, text) from public;
