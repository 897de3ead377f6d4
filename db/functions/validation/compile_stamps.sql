/*
 * Compiles the stamps of a table: creates crm_private.<table>_stamp from the columns of the table,
 * and the triggers that stamp its rows. Columns that are generated, or derived by a later trigger
 * (crm_private.derived_columns), follow from the others. They have their old values until they are
 * computed anew, so that they do not make an update look like a change, and no writer can set them.
 *
 * Call it in the migration that adds or removes a generated column; a test finds where that was
 * forgotten.
 */
create or replace function crm_private.compile_stamps(p_table regclass, p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are built from expressions, which cannot be quoted like names and values.
-- @plpgsql_check_options: security_warnings = off
declare
  v_function text := format(
    'crm_private.%I', (select relname from pg_class where oid = p_table) || '_stamp'
  );
  v_generated text;
begin
  select string_agg(format(E'\n  new.%1$I := old.%1$I;', attname), '' order by attnum)
  into v_generated
  from pg_attribute
  where attrelid = p_table and attnum > 0 and not attisdropped
    and (attgenerated <> '' or attname = any (crm_private.derived_columns()));

  execute format(
    $function$
create or replace function %1$s()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $stamp$
begin
  if new.id <> old.id or new.version is distinct from old.version then
    perform crm_private.refuse_update(tg_table_name, tg_argv[0], to_jsonb(old), to_jsonb(new));
  end if;

  new.created_at := old.created_at;
  new.created_by := old.created_by;
  new.updated_at := old.updated_at;
  new.updated_by := old.updated_by;%2$s

  if new is distinct from old then
    new.version    := old.version + 1;
    new.updated_at := greatest(clock_timestamp(), old.updated_at + interval '1 microsecond');
    new.updated_by := crm.current_user_id();
  end if;

  return new;
end
$stamp$
    $function$,
    v_function, coalesce(v_generated, '')
  );
  execute format(
    'comment on function %s() is %L',
    v_function, 'Sets version, updated_at and updated_by; refuses an outdated version. Compiled.'
  );
  execute format('revoke all on function %s() from public', v_function);

  execute format(
    'create or replace trigger _110_stamp_insert before insert on %s '
    'for each row execute function crm_private.stamp_insert()',
    p_table
  );
  execute format(
    'create or replace trigger _110_stamp_update before update on %s '
    'for each row execute function %s(%L)',
    p_table, v_function, p_entity_type
  );
end
$$;

comment on function crm_private.compile_stamps(regclass, text) is
  'Creates the triggers that stamp the rows of a table, compiled from its columns.';

revoke all on function crm_private.compile_stamps(regclass, text) from public;
