/*
 * Removes the former names of custom fields that have expired, with their functions. Returns their
 * number. Called by each server before it looks for changed custom fields, so it only reads unless
 * a name has expired, and does nothing on a standby.
 *
 * Security definer: crm_server has no rights of its own on the tables.
 */
create or replace function crm_private.expire_former_fields()
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_types text[];
begin
  select coalesce(array_agg(former.entity_type), '{}') into v_types
  from crm_private.former_custom_fields as former
  where not exists (
    select
    from crm_private.live_former_fields as live
    where live.entity_type = former.entity_type and live.name = former.name
  );

  if v_types = '{}' or current_setting('transaction_read_only')::boolean then
    return 0;
  end if;

  perform crm_private.compile_former_fields(listed.entity_type)
  from (
    select entity_type from unnest(v_types) as entity_type group by entity_type order by entity_type
  ) as listed;

  return cardinality(v_types);
end
$$;

comment on function crm_private.expire_former_fields() is
  'Removes the former names of custom fields that have expired; returns their number.';

revoke all on function crm_private.expire_former_fields() from public;
grant execute on function crm_private.expire_former_fields() to crm_server;
