/*
 * Checks the arguments of a merge: raises with all faults at once, or returns the chosen fields by
 * column. Called by crm_private.merge_rows.
 *
 * A field may have its name in the API or the name of its column, and must be one that a member may
 * set in an update. A value of another type than the column's is refused here, with the messages of
 * the typed layer, because jsonb_populate_record would convert it to something unintended.
 */
create or replace function crm_private.check_merge(
  p_table  regclass,
  p_winner uuid,
  p_losers uuid[],
  p_fields jsonb
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table  text := (select relname::text from pg_class where oid = p_table);
  v_chosen jsonb;
  v_faults jsonb;
begin
  with input as (
    select member.key, member.value, settable.attname, settable.atttypid
    from jsonb_each(case jsonb_typeof(p_fields) when 'object' then p_fields end) as member
    left join pg_attribute as settable
      on settable.attrelid = p_table
      and settable.attnum > 0
      and not settable.attisdropped
      and member.key in (settable.attname, crm_private.camel_case(settable.attname))
      and has_column_privilege('crm_member', p_table, settable.attnum, 'update')
  ),
  faults as (
    select 'winner' as field, 'is required' as message, v_table || '_winner_present' as rule
    where p_winner is null

    union all

    select 'losers', 'must name at least one', v_table || '_losers_present'
    where coalesce(cardinality(p_losers), 0) = 0

    union all

    select 'losers', 'must not contain null', v_table || '_losers_present'
    where array_position(p_losers, null) is not null

    union all

    select 'losers', format('must not name the winner, %s', p_winner), v_table || '_losers_others'
    where p_winner = any (p_losers)

    union all

    select 'losers', format('must not name %s twice', loser), v_table || '_losers_distinct'
    from unnest(p_losers) as loser
    where loser is not null
    group by loser
    having count(*) > 1

    union all

    select 'fields', 'must be an object', v_table || '_fields_object'
    where jsonb_typeof(p_fields) <> 'object'

    union all

    select key, 'is not a field that can be given here', v_table || '_fields_known'
    from input
    where attname is null

    union all

    select crm_private.camel_case(attname), 'is given twice', v_table || '_fields_known'
    from input
    where attname is not null
    group by attname
    having count(*) > 1

    union all

    select
      key,
      case
        when atttypid = 'text[]'::regtype then 'must be a list of texts'
        when atttypid = 'crm.external_id[]'::regtype then 'must be a list of external ids'
        when typcategory = 'A' then 'must be a list'
        when atttypid = 'uuid'::regtype then 'must be a UUID'
        when atttypid = 'integer'::regtype
        then 'must be a whole number below 2,147,483,648'
        when typcategory = 'N' then 'must be a number'
        when typcategory = 'B' then 'must be true or false'
        when jsonb_typeof(value) <> 'string' then 'must be text'
        else crm_private.fault_message('%s has the wrong form', value)
      end,
      v_table || '_fields_type'
    from input
    join pg_type as type on type.oid = atttypid
    where jsonb_typeof(value) <> 'null'
      and not case
        when atttypid = 'text[]'::regtype then
          jsonb_typeof(value) = 'array'
          and not jsonb_path_exists(
            value, 'strict $[*] ? (@.type() != "string" && @.type() != "null")'
          )
        when atttypid = 'crm.external_id[]'::regtype then
          jsonb_typeof(value) = 'array'
          and not jsonb_path_exists(
            value,
            'strict $[*] ? (@.type() != "object" || @.source.type() != "string" || @.id.type() != "string")',
            silent => true
          )
        when typcategory = 'A' then
          jsonb_typeof(value) = 'array' and crm_private.is_value_of(atttypid, value)
        when atttypid = 'uuid'::regtype then
          jsonb_typeof(value) = 'string'
          and value #>> '{}' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
        when atttypid = 'integer'::regtype then
          jsonb_typeof(value) = 'number'
          and jsonb_path_exists(value, '$ ? (@ > -2147483648 && @ < 2147483648 && @ == @.floor())')
        -- The API writes a number as text where a number of JSON would lose digits.
        when typcategory = 'N' then
          jsonb_typeof(value) in ('number', 'string') and crm_private.is_value_of(atttypid, value)
        when typcategory = 'B' then jsonb_typeof(value) = 'boolean'
        -- The column's own check decides whether JSON must be an object.
        when atttypid = any ('{json,jsonb}'::regtype[]) then true
        else jsonb_typeof(value) = 'string' and crm_private.is_value_of(atttypid, value)
      end
  )
  select
    (select jsonb_object_agg(attname, value) from input where attname is not null),
    (
      select jsonb_build_object(
        'fields', jsonb_object_agg(field, messages),
        'rule', (array_agg(rule order by rank))[1],
        'summary', string_agg(field || ' ' || (messages ->> 0), '; ' order by rank)
      )
      from (
        select
          left(field, 80) as field,
          jsonb_agg(message order by message) as messages,
          min(rule) as rule,
          row_number() over (order by left(field, 80)) as rank
        from faults
        group by left(field, 80)
      ) as listed
    )
  into v_chosen, v_faults;

  if v_faults ->> 'rule' is not null then
    raise exception '%: %', v_table, v_faults ->> 'summary'
      using errcode    = 'check_violation',
            schema     = 'crm', table = v_table,
            constraint = v_faults ->> 'rule',
            detail     = v_faults -> 'fields',
            hint       = 'Correct the arguments that the detail lists, then repeat the merge.';
  end if;

  return coalesce(v_chosen, '{}');
end
$$;

comment on function crm_private.check_merge(regclass, uuid, uuid[], jsonb) is
  'Raises if a merge is not possible; returns the chosen fields by column.';

revoke all on function crm_private.check_merge(regclass, uuid, uuid[], jsonb) from public;
grant execute on function crm_private.check_merge(regclass, uuid, uuid[], jsonb) to crm_member;
