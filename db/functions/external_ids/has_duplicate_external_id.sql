/* Returns true if a list contains an external id twice. */
create or replace function crm_private.has_duplicate_external_id(value crm.external_id[])
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select count(*) <> count(distinct (element.source, element.id))
      filter (where element.source is not null or element.id is not null)
    from unnest(value) as element
  );
end
$$;

comment on function crm_private.has_duplicate_external_id(crm.external_id[]) is
  'Returns true if the list contains an external id twice.';

revoke all on function crm_private.has_duplicate_external_id(crm.external_id[]) from public;
grant execute on function crm_private.has_duplicate_external_id(crm.external_id[]) to crm_member;
