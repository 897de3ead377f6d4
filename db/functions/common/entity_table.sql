/*
 * Returns the table of an entity type, such as crm.contacts for contact; null if there is no such
 * type.
 */
create or replace function crm_private.entity_table(p_entity_type text)
returns regclass
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select entity_table from crm_private.entity_types where entity_type = p_entity_type;
$$;

comment on function crm_private.entity_table(text) is
  'Returns the table of an entity type; null if there is no such type.';

revoke all on function crm_private.entity_table(text) from public;
grant execute on function crm_private.entity_table(text) to crm_reader;
