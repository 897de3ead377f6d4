/*
 * Returns the statement that creates the index of a custom field, on exactly the expression that
 * the field's function returns; p_option is empty or concurrently.
 *
 * The default is a B-tree with the id after the value, so that a page sorted by the field is read
 * from it. Its entries are limited to 2,704 bytes. A longer text would make a write fail, so a text
 * field has a B-tree only if its definition has a max_length that cannot exceed the limit: 500
 * characters of four bytes. SP-GiST accepts text of any length, and finds the whole value or its
 * beginning, but in no order. For lists of values GIN indexes each element.
 */
create or replace function crm_private.custom_field_index_statement(
  p_definition crm.custom_field_definitions,
  p_option     text default ''
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
      else 'create index %s %I on %s using btree ((%s), id)'
    end,
    p_option,
    crm_private.custom_field_index_name(p_definition),
    crm_private.entity_table(p_definition.entity_type),
    crm_private.custom_field_value(p_definition)
  );
$$;

comment on function crm_private.custom_field_index_statement(crm.custom_field_definitions, text) is
  'Returns the statement that creates the index of a custom field.';

revoke all on function crm_private.custom_field_index_statement(crm.custom_field_definitions, text)
  from public;
