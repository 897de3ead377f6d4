/*
 * Returns the statement that creates the index of a custom field, on exactly the expression that
 * the field's function returns; p_option is empty or concurrently.
 *
 * The default is a B-tree with the id after the value, so that a page sorted by the field is read
 * from it. p_prefix has the names of columns before the value, which crm_private.index_prefix
 * returns. Columns after the value would give no order: ->> is not leakproof, so below a policy the
 * planner does not see that a filter by one value leaves only that value.
 *
 * Entries of a B-tree are limited to 2,704 bytes. A longer text would make a write fail, so a text
 * field has a B-tree only if its definition has a max_length that cannot exceed the limit: 500
 * characters of four bytes. SP-GiST accepts text of any length, and finds the whole value or its
 * beginning, but in no order. For lists of values GIN indexes each element. Neither has a prefix,
 * and a B-tree has it only if its texts cannot exceed the limit together.
 */
create or replace function crm_private.custom_field_index_statement(
  p_definition crm.custom_field_definitions,
  p_option     text   default '',
  p_prefix     text[] default '{}'
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format(
    case
      when p_definition.field_type = 'multi_enum' then 'create index %s %I on %s using gin ((%s))'
      when p_definition.field_type = 'text' and coalesce(p_definition.max_length > 500, true)
        then 'create index %s %I on %s using spgist ((%s))'
      else 'create index %s %I on %s using btree (%5$s(%4$s), id)'
    end,
    p_option,
    crm_private.custom_field_index_name(p_definition),
    crm_private.entity_table(p_definition.entity_type),
    crm_private.custom_field_value(p_definition),
    (
      select string_agg(format('%I, ', name), '' order by ordinal)
      from unnest(crm_private.index_prefix(p_definition, p_prefix))
        with ordinality as prefix (name, ordinal)
    )
  );
$$;

comment on function crm_private.custom_field_index_statement(
  crm.custom_field_definitions, text, text[]
) is
  'Returns the statement that creates the index of a custom field.';

revoke all on function crm_private.custom_field_index_statement(
  crm.custom_field_definitions, text, text[]
) from public;
