/*
 * Returns the value of created_at, created_by or closed_at that a session that imports sets in the
 * row that is being inserted; null if it sets none, or does not import. A statement of the owner,
 * or COPY, has it in the column. Other roles may not write the column: a bulk write passes it in
 * the setting crm.bulk_stamps before it inserts each row.
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
  'Returns the value of a column that a session that imports sets in a new row; null if it sets '
  'none.';

revoke all on function crm_private.imported_stamp(text, text) from public;
grant execute on function crm_private.imported_stamp(text, text) to crm_member;
