/*
 * Returns the references of a table that a write may give by external id: company instead of
 * company_id. These are the references to entities with external ids. Returns one row for each
 * entity type that the reference may have; that of an attachment is in entity_type.
 *
 * A table that has a column of such a name has no reference of that name.
 */
create or replace function crm_private.references_of(p_table regclass)
returns table (name text, column_name text, target_type text, is_attachment boolean)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select left(link.field, -3), link.field, link.target_type, link.field <> link.key
  from crm_private.entity_links as link
  join crm_private.entity_types as target on target.entity_type = link.target_type
  where link.entity_table = p_table
    and target.is_record
    and link.field like '%\_id'
    and not exists (
      select
      from pg_attribute
      where attrelid = p_table and attname = left(link.field, -3) and not attisdropped
    );
$$;

comment on function crm_private.references_of(regclass) is
  'Returns the references of a table that a write may give by external id.';

revoke all on function crm_private.references_of(regclass) from public;
grant execute on function crm_private.references_of(regclass) to crm_member;
