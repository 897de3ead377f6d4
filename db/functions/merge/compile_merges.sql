/*
 * Adds merges to a table: creates the trigger that ends the merge of a row that is restored, and
 * crm.<entity type>_merged_into, which returns the merge winner for the id of a merged record.
 */
create or replace function crm_private.compile_merges(p_table regclass, p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_function text := format('crm.%I', p_entity_type || '_merged_into');
begin
  execute format(
    'create or replace trigger _300_merges_insert after insert on %s '
    'referencing new table as new_rows for each statement execute function crm_private.end_merges()',
    p_table
  );

  execute format(
    $function$
create or replace function %1$s(id uuid)
returns %2$s
language sql
stable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $follow$
  select record.* from %2$s as record where record.id = crm_private.merged_into(%3$L, $1);
$follow$
    $function$,
    v_function, p_table, p_entity_type
  );
  execute format(
    'comment on function %s is %L',
    v_function,
    format(
      'Returns the %s that a merged one became part of, through any number of merges; null if it '
      'was not merged, or was restored, or if the merge winner was deleted.',
      replace(p_entity_type, '_', ' ')
    )
  );
  execute format('revoke all on function %s from public', v_function);
  execute format('grant execute on function %s to crm_reader', v_function);
end
$$;

comment on function crm_private.compile_merges(regclass, text) is
  'Creates the trigger that ends merges of restored rows of a table, and the function that '
  'returns the merge winner.';

revoke all on function crm_private.compile_merges(regclass, text) from public;
