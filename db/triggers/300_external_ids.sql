/*
 * Phase 300: an external id belongs to one row of its entity type. crm_private.external_ids has a
 * row for each external id. The trigger maintains it from the columns external_ids, once for each
 * statement. Rows without external ids cost no access to the table.
 */

/* Security definer: no other role can write the table. */
create or replace function crm_private.keep_external_ids()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_gone         crm_private.external_ids[];
  v_taken        crm_private.external_ids[];
  v_is_concerned boolean := false;
begin
  -- Most statements concern rows without external ids.
  if tg_op <> 'DELETE' then
    v_is_concerned := exists (select from new_rows where cardinality(external_ids) > 0);
  end if;
  if tg_op <> 'INSERT' and not v_is_concerned then
    v_is_concerned := exists (select from old_rows where cardinality(external_ids) > 0);
  end if;
  if not v_is_concerned then
    return null;
  end if;

  if tg_op = 'INSERT' then
    select array_agg(row(tg_argv[0], own.source, own.id, new_row.id)::crm_private.external_ids)
    into v_taken
    from new_rows as new_row
    cross join unnest(new_row.external_ids) as own
    where cardinality(new_row.external_ids) > 0;

  elsif tg_op = 'DELETE' then
    select array_agg(row(tg_argv[0], own.source, own.id, old_row.id)::crm_private.external_ids)
    into v_gone
    from old_rows as old_row
    cross join unnest(old_row.external_ids) as own
    where cardinality(old_row.external_ids) > 0;

  else
    -- Compares the rows before and after: an external id in only one of them was freed or claimed.
    with before as (
      select own.source, own.id, old_row.id as entity_id
      from old_rows as old_row
      cross join unnest(old_row.external_ids) as own
      where cardinality(old_row.external_ids) > 0
    ),
    after as (
      select own.source, own.id, new_row.id as entity_id
      from new_rows as new_row
      cross join unnest(new_row.external_ids) as own
      where cardinality(new_row.external_ids) > 0
    )
    select
      (
        select array_agg(row(tg_argv[0], source, id, entity_id)::crm_private.external_ids)
        from (table before except table after) as gone
      ),
      (
        select array_agg(row(tg_argv[0], source, id, entity_id)::crm_private.external_ids)
        from (table after except table before) as taken
      )
    into v_gone, v_taken;
  end if;

  if v_gone is not null or v_taken is not null then
    perform crm_private.move_external_ids(v_gone, v_taken);
  end if;
  return null;
end
$$;

comment on function crm_private.keep_external_ids() is
  'Frees the external ids that rows lose, and claims those that they get.';

revoke all on function crm_private.keep_external_ids() from public;

select crm_private.compile_external_ids(entity_table, entity_type)
from crm_private.entity_types
where is_record;
