/*
 * Returns the custom fields of a written row of a table with the present names of its fields in place
 * of former ones. An object with both names of a field keeps the former one, which validation then
 * reports. p_carried are values that the writer has not given: a present name with such a value does
 * not count, so an update that only carries it along gives one name. Called by the trigger of
 * crm_private.compile_renames and by crm_private.write_merged.
 */
create or replace function crm_private.with_current_names(
  p_table   regclass,
  p_fields  jsonb,
  p_carried jsonb
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_fields  jsonb := p_fields;
  v_carried jsonb := p_carried;
  v_former  record;
begin
  for v_former in
    select former.name, former.current_name
    from crm_private.live_former_fields as former
    where crm_private.entity_table(former.entity_type) = p_table
      and former.current_name is not null
      and p_fields ? former.name
    order by former.name
  loop
    if v_fields ? v_former.current_name
      and v_fields -> v_former.current_name is distinct from v_carried -> v_former.current_name
    then
      -- A name that is null would be removed before validation.
      if v_fields -> v_former.name = 'null' then
        v_fields := v_fields
          || jsonb_build_object(v_former.name, v_fields -> v_former.current_name);
      end if;
    else
      v_fields := v_fields - v_former.name
        || jsonb_build_object(v_former.current_name, v_fields -> v_former.name);
      -- Another former name of the same field would be a second one.
      v_carried := v_carried - v_former.current_name;
    end if;
  end loop;

  return v_fields;
end
$$;

comment on function crm_private.with_current_names(regclass, jsonb, jsonb) is
  'Returns custom fields with the present names of the fields in place of former ones.';

revoke all on function crm_private.with_current_names(regclass, jsonb, jsonb) from public;
grant execute on function crm_private.with_current_names(regclass, jsonb, jsonb) to crm_member;
