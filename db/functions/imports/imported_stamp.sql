/*
 * The value of created_at, created_by or closed_at that a session that imports gives the row that is
 * being made, null if it gives none or does not import. A statement of the owner, or COPY, has it in
 * the column. Others may not write the column: a bulk write says it in the setting crm.bulk_stamps,
 * for each row before it is made.
 */
create or replace function crm_private.imported_stamp(p_column text, p_written text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_said text := nullif(current_setting('crm.bulk_stamps', true), '');
begin
  if p_written is null and v_said is null or not crm_private.is_importing() then
    return null;
  elsif v_said is null then
    return p_written;
  end if;

  return v_said::jsonb ->> p_column;
end
$$;

comment on function crm_private.imported_stamp(text, text) is
  'The value of a column that a session that imports gives a new row; null if it gives none.';

revoke all on function crm_private.imported_stamp(text, text) from public;
grant execute on function crm_private.imported_stamp(text, text) to crm_member;
