/*
 * Adds external ids to a table: creates the triggers that maintain crm_private.external_ids, and
 * crm.<entity type>_by_external_id and crm.<table>_by_external_ids, which find rows by external
 * ids. The second looks up each id by keys, whatever the planner expects.
 */
create or replace function crm_private.compile_external_ids(p_table regclass, p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are built from expressions, which cannot be quoted like names and values.
-- @plpgsql_check_options: security_warnings = off
declare
  v_name     text := (select relname::text from pg_class where oid = p_table);
  v_words    text := replace(p_entity_type, '_', ' ');
  v_function text;
  v_step     record;
begin
  for v_step in
    select name, operation, tables
    from (
      values
        ('_300_external_ids_insert', 'insert', 'new table as new_rows'),
        ('_300_external_ids_update', 'update', 'old table as old_rows new table as new_rows'),
        ('_300_external_ids_delete', 'delete', 'old table as old_rows')
    ) as step (name, operation, tables)
  loop
    execute format(
      'create or replace trigger %I after %s on %s referencing %s '
      'for each statement execute function crm_private.keep_external_ids(%L)',
      v_step.name, v_step.operation, p_table, v_step.tables, p_entity_type
    );
  end loop;

  v_function := format('crm.%I', p_entity_type || '_by_external_id');
  execute format(
    $function$
create or replace function %1$s(source text, id text)
returns %2$s
language sql
stable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $find$
  select record.*
  from crm_private.external_ids as held
  join %2$s as record on record.id = held.entity_id
  where held.entity_type = %3$L
    and held.source = $1
    and held.id = $2;
$find$
    $function$,
    v_function, p_table, p_entity_type
  );
  execute format(
    'comment on function %s is %L',
    v_function,
    format(
      'Returns the %s that another system knows by this external id; null if there is none.',
      v_words
    )
  );
  execute format('revoke all on function %s from public', v_function);
  execute format('grant execute on function %s to crm_reader', v_function);

  v_function := format('crm.%I', v_name || '_by_external_ids');
  execute format(
    $function$
create or replace function %1$s(source text, ids text[])
returns setof %2$s
language sql
stable
strict
parallel safe
rows 100
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $find$
  select record.*
  from (
    select id, min(place) as place from unnest($2) with ordinality as given (id, place) group by id
  ) as wanted
  cross join lateral (
    select key.entity_id
    from crm_private.external_ids as key
    where key.entity_type = %3$L
      and key.source = $1
      and key.id = wanted.id
    limit 1
  ) as held
  cross join lateral (
    select * from %2$s as entity where entity.id = held.entity_id limit 1
  ) as record
  order by wanted.place;
$find$
    $function$,
    v_function, p_table, p_entity_type
  );
  execute format(
    'comment on function %s is %L',
    v_function,
    format(
      'Returns each %s that another system knows by one of these external ids, in their order. Ids '
      'that it does not know are left out.',
      v_words
    )
  );
  execute format('revoke all on function %s from public', v_function);
  execute format('grant execute on function %s to crm_reader', v_function);
end
$$;

comment on function crm_private.compile_external_ids(regclass, text) is
  'Creates the triggers that maintain the external ids of a table, and the functions that find rows '
  'by them.';

revoke all on function crm_private.compile_external_ids(regclass, text) from public;
