/*
 * Writes the row that remains after a merge: the chosen values, custom fields one by one, or else
 * the combined values. Before that, it removes from the losers what only one row may have: external
 * ids, and the values of unique columns. A column that is not among the values stays unchanged.
 */
create or replace function crm_private.write_merged(
  p_table  regclass,
  p_winner uuid,
  p_losers uuid[],
  p_united jsonb,
  p_chosen jsonb
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are built from expressions, which cannot be quoted like names and values.
-- @plpgsql_check_options: security_warnings = off
begin
  execute (
    select format(
      'update %s set %s where id = any ($1) and (%s)',
      p_table,
      string_agg(alone.emptied, ', '),
      string_agg(alone.holds, ' or ')
    )
    from (
      select 'external_ids = ''{}''' as emptied, 'cardinality(external_ids) > 0' as holds

      union all

      select format('%I = null', attname), format('%I is not null', attname)
      from pg_index
      join pg_attribute on attrelid = indrelid and attnum = indkey[0]
      where indrelid = p_table
        and indisunique
        and indnkeyatts = 1
        and not attnotnull
        and attname = any (crm_private.written_columns(p_table, 'update'))
    ) as alone
  ) using p_losers;

  execute (
    select format(
      $update$
      update %s as record
      set (%s) = (select %s from jsonb_populate_record(record, $1) as chosen)
      where record.id = $2
      $update$,
      p_table,
      string_agg(quote_ident(name), ', '),
      string_agg('chosen.' || quote_ident(name), ', ')
    )
    from unnest(crm_private.written_columns(p_table, 'update')) as name
  ) using
    p_united || p_chosen || case
      when jsonb_typeof(p_chosen -> 'custom_fields') = 'object' then jsonb_build_object(
        'custom_fields', crm_private.with_current_names(
          p_table,
          (p_united -> 'custom_fields') || (p_chosen -> 'custom_fields'),
          p_united -> 'custom_fields'
        )
      )
      else '{}'
    end,
    p_winner;
end
$$;

comment on function crm_private.write_merged(regclass, uuid, uuid[], jsonb, jsonb) is
  'Writes the row that remains after a merge.';

revoke all on function crm_private.write_merged(regclass, uuid, uuid[], jsonb, jsonb) from public;
grant execute on function crm_private.write_merged(regclass, uuid, uuid[], jsonb, jsonb)
  to crm_member;
