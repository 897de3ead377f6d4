/*
 * Returns how many custom fields an entity type may have: 200, or the value that the owner has set
 * for the database:
 *
 *    alter database crm set crm.max_custom_fields = 500;
 *
 * It is read from the catalog of database settings, which only the owner of the database can write;
 * any session could change the setting itself. Any value but a whole number counts as not set.
 * Called by crm_private.apply_definitions.
 */
create or replace function crm_private.max_custom_fields()
returns integer
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    (
      select substring(setting from '^crm\.max_custom_fields=([0-9]{1,6})$')::integer
      from pg_db_role_setting as input
      cross join unnest(input.setconfig) as setting
      where input.setdatabase = (select oid from pg_database where datname = current_database())
        and input.setrole = 0
        and starts_with(setting, 'crm.max_custom_fields=')
    ),
    200
  );
$$;

comment on function crm_private.max_custom_fields() is
  'Returns how many custom fields an entity type may have.';

revoke all on function crm_private.max_custom_fields() from public;
