/*
 * Creates a constraint <table>_custom_<name>_unique for each custom field of an entity type that is
 * defined as unique, and drops the others. Called by crm_private.compile_custom_fields when the
 * definitions of the type change.
 *
 * They are exclusion constraints, because these can be on an expression and still be deferred: a
 * merge and an undo move values from row to row, and two rows may have the same value for a moment.
 * They use hash indexes, which accept text of any length. They compare JSON, which is equal if the
 * values are, and which also works for any value that an old version of a row had. A field without
 * a value never conflicts.
 *
 * Adding or dropping one locks the table exclusively while its index is built.
 */
create or replace function crm_private.compile_unique(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table  regclass := crm_private.entity_table(p_entity_type);
  v_prefix text     := (select relname || '_custom_' from pg_class where oid = v_table);
  v_change record;
begin
  for v_change in
    select
      wanted.field,
      coalesce(wanted.name, present.name) as name
    from (
      select d.name as field, v_prefix || d.name || '_unique' as name
      from crm.custom_field_definitions as d
      where d.entity_type = p_entity_type
        and d.is_unique
    ) as wanted
    full join (
      select conname::text as name
      from pg_constraint
      where conrelid = v_table
        and contype = 'x'
        and starts_with(conname, v_prefix)
    ) as present using (name)
    where wanted.name is null
      or present.name is null
  loop
    if v_change.field is null then
      execute format('alter table %s drop constraint %I', v_table, v_change.name);
    else
      execute format(
        'alter table %s add constraint %I '
        'exclude using hash ((custom_fields -> %L) with =) deferrable',
        v_table, v_change.name, v_change.field
      );
      execute format(
        'comment on constraint %I on %s is %L',
        v_change.name, v_table, format('customFields.%s is taken', v_change.field)
      );
    end if;
  end loop;
end
$$;

comment on function crm_private.compile_unique(text) is
  'Creates and drops the unique constraints of an entity type according to its definitions.';

revoke all on function crm_private.compile_unique(text) from public;
