/* Returns true if JSON can be read as a value of a type, in the way of jsonb_populate_record. */
create or replace function crm_private.is_value_of(p_type oid, p_value jsonb)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('select from jsonb_to_record($1) as read (value %s)', format_type(p_type, null))
  using jsonb_build_object('value', p_value);
  return true;
exception
  when data_exception or program_limit_exceeded then
    return false;
end
$$;

comment on function crm_private.is_value_of(oid, jsonb) is
  'Returns true if JSON can be read as a value of a type.';

revoke all on function crm_private.is_value_of(oid, jsonb) from public;
grant execute on function crm_private.is_value_of(oid, jsonb) to crm_member;
