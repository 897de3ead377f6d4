/*
 * Resolves the references by external id in one row that is to be created or updated, and returns
 * the row. Raises if one is faulty, with all faults of the row, which a dry run of the write finds.
 * An update of a row that does not exist or has another version is not refused here, because the
 * write itself reports that.
 *
 * Called by the API before a mutation of one row with such references, and by
 * crm.create_deal_with_tasks.
 */
create or replace function crm_private.resolve_row(
  p_entity_type text,
  p_operation   text,
  p_row         jsonb
)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table regclass := crm_private.entity_table(p_entity_type);
  v_name  text     := (select relname::text from pg_class where oid = v_table);
  v_found record;
  v_fault jsonb;
begin
  select resolved.*
  into v_found
  from crm_private.resolve_references(
    v_table, array[row(0, null, p_operation, p_row)::crm_private.bulk_row]
  ) as resolved;

  if v_found.place is null then
    return p_row;
  elsif v_found.fields is null then
    return v_found.item;
  end if;

  v_fault := (
    crm_private.write_rows(
      p_entity_type, p_operation, jsonb_build_array(p_row), 'VALID_ONLY', true
    )
  ).faults -> 0;

  if v_fault -> 'fields' ?| '{id,version}' then
    return v_found.item;
  end if;

  v_fault := coalesce(
    v_fault, jsonb_build_object('code', v_found.code, 'fields', v_found.fields)
  );
  raise exception '%: a reference by external id is faulty', v_name
    using errcode    = case v_fault ->> 'code'
                         when 'CONSTRAINT_VIOLATION' then '23503' else '23514'
                       end,
          schema     = 'crm', table = v_name,
          constraint = v_name || '_references_known',
          detail     = (v_fault -> 'fields')::text,
          hint       = 'Correct every field that the detail lists, then write the row again.';
end
$$;

comment on function crm_private.resolve_row(text, text, jsonb) is
  'Resolves the references by external id in one row that is to be written.';

revoke all on function crm_private.resolve_row(text, text, jsonb) from public;
grant execute on function crm_private.resolve_row(text, text, jsonb) to crm_member;
