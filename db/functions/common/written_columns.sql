/*
 * Returns the columns of a table that members may insert or update, which are the columns that a
 * row of a bulk write may have. It reads the privileges of members, not of the caller, so that a
 * caller without the privilege is refused by the statement itself.
 */
create or replace function crm_private.written_columns(p_table regclass, p_privilege text)
returns name[]
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select array_agg(attname order by attnum)
  from pg_attribute
  where attrelid = p_table
    and attnum > 0
    and not attisdropped
    and has_column_privilege('crm_member', attrelid, attnum, p_privilege);
$$;

comment on function crm_private.written_columns(regclass, text) is
  'Returns the columns of a table that members may insert or update.';

revoke all on function crm_private.written_columns(regclass, text) from public;
grant execute on function crm_private.written_columns(regclass, text) to crm_reader;
