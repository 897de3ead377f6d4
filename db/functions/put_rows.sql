/*
 * Writes rows whose ids are known: creates, updates and deletes, each with one statement. Gives those
 * that were written, with their ids, in any order, and whether anything changed.
 *
 * A row that the validation refuses is noted and left out (crm_private.refuse_row). Rows are made one
 * after the other, and until the next one crm.bulk_row tells the place of each: to the validation,
 * and to what is returned of it. Triggers that fire meanwhile plan as they always do.
 */
create or replace function crm_private.put_rows(p_table regclass, p_rows crm_private.bulk_row[])
returns setof crm_private.written_row
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = auto
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can; that they
-- write cannot be told.
-- @plpgsql_check_options: security_warnings = off, performance_warnings = off
declare
  v_custom text := 'case jsonb_typeof(given.item -> ''set_custom_fields'') when ''object'' '
    'then filled.custom_fields || (given.item -> ''set_custom_fields'') '
    'else filled.custom_fields end';
begin
  if exists (select from unnest(p_rows) as given where given.operation = 'create') then
    return query execute (
      select format(
        'insert into %s as record (%s)
         select %s
         from unnest($1) as given
         cross join lateral jsonb_populate_record(null::%1$s, $2 || given.item) as filled
         where given.operation = ''create''
           and set_config(''crm.bulk_row'', given.place::text, true) is not null
         returning current_setting(''crm.bulk_row'')::integer, record.id, ''create'', true',
        p_table,
        string_agg(quote_ident(name), ', '),
        string_agg(
          case name when 'custom_fields' then v_custom else 'filled.' || quote_ident(name) end, ', '
        )
      )
      from unnest(crm_private.written_columns(p_table, 'insert')) as name
    ) using p_rows, crm_private.column_defaults(p_table);
    perform set_config('crm.bulk_row', '', true);
  end if;

  if exists (select from unnest(p_rows) as given where given.operation = 'update') then
    return query execute (
      select format(
        'update %s as record
         set %s
         from (
           select given.place, found.version as old_version, %s
           from unnest($1) as given
           join %1$s as found on found.id = given.id
           cross join lateral jsonb_populate_record(found, given.item) as filled
           where given.operation = ''update''
         ) as patched
         where record.id = patched."#id"
         returning patched.place, record.id, ''update'', record.version <> patched.old_version',
        p_table,
        string_agg(format('%1$I = patched.%1$I', name), ', '),
        string_agg(
          format(
            '%s as %I',
            case name when 'custom_fields' then v_custom else 'filled.' || quote_ident(name) end,
            name
          ),
          ', '
        ) || ', found.id as "#id"'
      )
      from unnest(crm_private.written_columns(p_table, 'update')) as name
    ) using p_rows;
  end if;

  if exists (select from unnest(p_rows) as given where given.operation = 'delete') then
    return query execute format(
      'delete from %s as record
       using unnest($1) as given
       where given.operation = ''delete'' and record.id = given.id
       returning given.place, record.id, ''delete'', true',
      p_table
    ) using p_rows;
  end if;
end
$$;

comment on function crm_private.put_rows(regclass, crm_private.bulk_row[]) is
  'Writes the rows of a bulk write whose ids are known.';

revoke all on function crm_private.put_rows(regclass, crm_private.bulk_row[]) from public;
grant execute on function crm_private.put_rows(regclass, crm_private.bulk_row[]) to crm_member;
