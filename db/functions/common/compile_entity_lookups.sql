/*
 * Compiles the functions that look up rows and entries of any entity type, from the catalogue and
 * the foreign keys: crm_private.is_there, crm_private.table_of, crm_private.is_mergeable,
 * crm_private.is_reversible, crm_private.takes_others, crm_private.deleted_label,
 * crm_private.cascade_parent and crm_private.cleared_reference. They are called for each row of the
 * trash, for each entry that is undone, and by the policy of the audit log, so none of them reads
 * the catalogue.
 *
 * Call it in the migration that adds a foreign key between entities; a test fails if the call is
 * missing. Called by crm_private.register_entity and crm_private.unregister_entity.
 */
create or replace function crm_private.compile_entity_lookups()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_lookup record;
begin
  for v_lookup in
    -- A function, because for subqueries of a policy PostgreSQL would hash whole tables, and plan
    -- each subquery for every partition; this looks up one primary key at a time.
    select
      'is_there' as name, 'p_entity_type text, p_entity_id uuid' as arguments, 'boolean' as result,
      'stable' as volatility, 'crm_reader' as role,
      'Returns true if the entity exists and the caller can read it. Compiled.' as description,
      E'  case p_entity_type\n' || string_agg(
        format(
          E'    when %L then\n      return exists (\n        '
          'select from %s as entity where entity.id = is_there.p_entity_id\n      );\n',
          entity_type, entity_table
        ),
        '' order by restore_order
      ) || E'    else\n      return false;\n  end case;' as body
    from crm_private.entity_types
    where restore_order is not null

    union all

    -- One look-up after the other, those of records first. The caller may lack the right to read a
    -- table, which is checked for a statement as a whole.
    select
      'table_of', 'p_id uuid', 'regclass', 'stable', 'crm_reader',
      'Returns the table of the entity with an id; null if the caller can read none. Compiled.',
      string_agg(
        format(
          E'  if has_table_privilege(%L, \'select\') then\n    if exists (\n'
          '      select from %s as entity where entity.id = table_of.p_id\n    ) then\n'
          '      return %L::regclass;\n    end if;\n  end if;\n',
          entity_table::text, entity_table, entity_table::text
        ),
        '' order by not is_record, restore_order
      ) || '  return null;'
    from crm_private.entity_types

    union all

    select
      listed.name, 'p_entity_type text', 'boolean', 'immutable', listed.role, listed.description,
      format('  return coalesce(p_entity_type = any (%L::text[]), false);', listed.types)
    from (
      values
        (
          'is_mergeable', 'crm_reader', 'Returns true if rows of a type can be merged. Compiled.',
          array(
            select entity_type from crm_private.entity_types
            where is_mergeable
            order by restore_order
          )
        ),
        (
          'is_reversible', 'crm_member',
          'Returns true if changes of entities of a type can be undone. Compiled.',
          array(
            select entity_type from crm_private.entity_types
            where restore_order is not null
            order by restore_order
          )
        ),
        (
          'takes_others', 'crm_member',
          'Returns true if the deletion of such an entity can delete or change others. Compiled.',
          array(select distinct target_type from crm_private.entity_links order by target_type)
        )
    ) as listed (name, role, description, types)

    union all

    select
      'deleted_label', 'p_entity_type text, p_changes jsonb', 'text', 'immutable', 'crm_member',
      'Returns the label by which people recognise a deleted row. Compiled.',
      E'  return left(case p_entity_type\n' || string_agg(
        format(E'    when %L then %s\n', entity_type, label), '' order by restore_order
      ) || E'  end, 100);'
    from (
      select
        entity_type, restore_order,
        (
          select format(
            case when bool_or(not attnotnull) then 'nullif(btrim(%s), '''')' else '%s' end,
            string_agg(
              format(
                case
                  when attnotnull then '(p_changes ->> %L)'
                  else 'coalesce(p_changes ->> %L, '''')'
                end,
                attname
              ),
              E' || \' \' || ' order by place
            )
          )
          from unnest(label_columns) with ordinality as label (attname, place)
          join pg_attribute using (attname)
          where attrelid = entity_table
        ) as label
      from crm_private.entity_types
    ) as labelled

    union all

    select
      'cascade_parent', 'p_entity_type text, p_changes jsonb', 'uuid', 'immutable', 'crm_member',
      'Returns the parent whose deletion cascaded to a row; null if there is none. Compiled.',
      E'  return case p_entity_type\n' || string_agg(
        format(E'    when %L then coalesce(%s)\n', entity_type, parents), '' order by entity_type
      ) || E'  end::uuid;'
    from (
      select entity_type, string_agg(distinct format('p_changes ->> %L', field), ', ') as parents
      from crm_private.entity_links
      where not is_severed
      group by entity_type
    ) as child

    union all

    select
      'cleared_reference', 'p_entity_type text, p_changes jsonb', 'uuid', 'immutable', 'crm_member',
      'Returns the row whose deletion set a reference of an updated row to null; null for other '
      'updates. Compiled.',
      E'  return case\n' || string_agg(
        format(
          E'    when p_entity_type = %L and p_changes #> %L = ''null''\n    then p_changes #>> %L\n',
          entity_type, array[field, 'new'], array[field, 'old']
        ),
        '' order by entity_type, field
      ) || E'  end::uuid;'
    from crm_private.entity_links
    where is_severed
  loop
    execute format(
      'create or replace function crm_private.%I(%s) returns %s language plpgsql %s parallel safe '
      'set search_path = pg_catalog, pg_temp as %L',
      v_lookup.name, v_lookup.arguments, v_lookup.result, v_lookup.volatility,
      E'begin\n' || v_lookup.body || E'\nend'
    );
    execute format(
      'comment on function crm_private.%I is %L', v_lookup.name, v_lookup.description
    );
    execute format('revoke all on function crm_private.%I from public', v_lookup.name);
    execute format('grant execute on function crm_private.%I to %I', v_lookup.name, v_lookup.role);
  end loop;
end
$$;

comment on function crm_private.compile_entity_lookups() is
  'Creates the functions that look up rows of any entity type, compiled from the catalogue.';

revoke all on function crm_private.compile_entity_lookups() from public;

select crm_private.compile_entity_lookups();
