/*
 * Compiles search from the catalogue of entity types: an attribute of the type crm.search_hit for
 * each type that search finds, crm.search, crm_private.search_candidates, crm_private.search_parts,
 * and crm_private.search_body, which returns the text of which a hit shows an extract.
 *
 * crm.search is compiled, because its result changes with the type; sessions that have called it
 * compile a replaced function anew. Its work is in crm_private.search_hits.
 *
 * Call it in the migration that changes the columns of crm_private.entity_types, or from which
 * columns a document is derived. Called by crm_private.register_entity and
 * crm_private.unregister_entity.
 */
create or replace function crm_private.compile_search()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_change text;
  v_search record;
begin
  for v_change in
    select format('alter type crm.search_hit drop attribute %I', attname)
    from pg_attribute
    where attrelid = 'crm.search_hit'::regclass
      and not attisdropped
      and attname <> all ('{entity_type,entity_id,rank,extract,place,position}')
      and attname not in (select entity_type || '_id' from crm_private.searched_types)

    union all

    (
      select format('alter type crm.search_hit add attribute %I uuid', entity_type || '_id')
      from crm_private.searched_types
      where not exists (
        select from pg_attribute
        where attrelid = 'crm.search_hit'::regclass and attname = entity_type || '_id'
      )
      order by place
    )

    union all

    select format(
      'comment on column crm.search_hit.%I is %L',
      entity_type || '_id',
      format(
        'The id of the %s. Null if the hit is of another type.', replace(entity_type, '_', ' ')
      )
    )
    from crm_private.searched_types
  loop
    execute v_change;
  end loop;

  select
    -- Only tables of the schema crm are types of the API.
    string_agg(
      format(E'@foreignKey (%I) references %s (id)\n', entity_type || '_id', entity_table),
      '' order by place
    ) filter (where relnamespace = 'crm'::regnamespace) as tags,
    string_agg(replace(entity_type, '_', ' '), ', ' order by place) as types,
    string_agg(replace(relname, '_', ' '), ', ' order by place) as tables,
    (
      select string_agg(tables, ' before ' order by search_order)
      from (
        select search_order, string_agg(replace(relname, '_', ' '), ' and ' order by place) as tables
        from crm_private.searched_types
        join pg_class on oid = entity_table
        group by search_order
      ) as ordered
    ) as tables_in_order,
    string_agg(
      replace(relname, '_', ' '), ' and ' order by place
    ) filter (where searched_by = 'text') as texts,
    string_agg(
      format(
        E'    when %L then\n      return (select body from %s where id = p_entity_id);\n',
        entity_type, entities
      ),
      '' order by place
    ) as bodies,
    (
      select string_agg(
        case
          when attname = any ('{entity_type,entity_id,rank,extract,place,position}')
          then format('hit.%I', attname)
          else format(
            'case when hit.entity_type = %L then hit.entity_id end', regexp_replace(attname, '_id$', '')
          )
        end,
        E',\n    ' order by attnum
      )
      from pg_attribute
      where attrelid = 'crm.search_hit'::regclass and not attisdropped
    ) as attributes
  into strict v_search
  from crm_private.searched_types
  join pg_class on oid = entity_table;

  execute format(
    'comment on type crm.search_hit is %L',
    E'@primaryKey position\n' || v_search.tags || format(
      'A search hit. One of %s is set.', regexp_replace(v_search.types, ', ([^,]+)$', ' and \1')
    )
  );

  execute format(
    $function$
create or replace function %s(p_entity_type text, p_entity_id uuid)
returns text
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as %L
    $function$,
    'crm_private.search_body',
    E'\n#variable_conflict use_column\nbegin\n  case p_entity_type\n' || v_search.bodies
      || E'    else\n      return null;\n  end case;\nend\n'
  );
  comment on function crm_private.search_body is
    'Returns the text of which a hit shows an extract. Compiled.';
  revoke all on function crm_private.search_body from public;
  grant execute on function crm_private.search_body to crm_reader;

  execute format(
    $function$
create or replace function %s(
  query        text,
  entity_types text[]  default null,
  first        integer default 100,
  after        text    default null,
  extracts     boolean default true
)
returns setof crm.search_hit
language plpgsql
stable
parallel safe
rows 20
set search_path = pg_catalog, pg_temp
as %L
    $function$,
    'crm.search',
    format(
      $body$
begin
  return query
  select
    %s
  from crm_private.search_hits(query, entity_types, first, after, extracts) as hit
  order by hit.place;
end
$body$,
      v_search.attributes
    )
  );
  execute format(
    'comment on function crm.search is %L',
    format(
      'Searches %s for the words of a query. The best hits come first: names that equal the query, '
      'then shorter names; of equal hits, %s, then newer rows. Case and accents do not matter, and '
      'the last word may be incomplete. "Words in quotes" must follow each other; -word excludes '
      'rows with the word; or separates alternatives; and and & are equivalent. In %s, other forms '
      'of a word match too. If there are fewer than five hits, one typing error per word is '
      'tolerated. A phone number is found in any notation and by four or more of its digits, an '
      'address by its parts. entityTypes are some of %s, all by default. At most 1,000 hits '
      'are found; first is the number to return, 100 by default, and after the position of a hit, to '
      'return later ones only. Without extracts, which cost more than the rest, it is several times '
      'as fast.',
      regexp_replace(v_search.tables, ', ([^,]+)$', ' and \1'),
      v_search.tables_in_order,
      v_search.texts,
      regexp_replace(v_search.types, ', ([^,]+)$', ' and \1')
    )
  );
  revoke all on function crm.search from public;
  grant execute on function crm.search to crm_reader;

  perform crm_private.compile_search_candidates();
  perform crm_private.compile_search_parts();
end
$$;

comment on function crm_private.compile_search() is
  'Creates search, compiled from the catalogue of entity types.';

revoke all on function crm_private.compile_search() from public;
