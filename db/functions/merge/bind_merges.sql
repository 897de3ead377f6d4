/* Binds merges to a table: makes the trigger that ends the merge of a row that is back. */
create or replace function crm_private.bind_merges(p_table regclass)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format(
    'create or replace trigger _300_merges_insert after insert on %s '
    'referencing new table as new_rows for each statement execute function crm_private.end_merges()',
    p_table
  );
end
$$;

comment on function crm_private.bind_merges(regclass) is
  'Makes the trigger that ends the merges of rows of a table that are back.';

revoke all on function crm_private.bind_merges(regclass) from public;
