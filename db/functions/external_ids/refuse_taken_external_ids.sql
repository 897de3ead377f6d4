/*
 * Raises if rows of an entity type have an external id of another row. The detail lists the
 * position of each such id in externalIds, but not the other row. Returns if there is none. Called
 * only after a duplicate key was found, so its cost does not matter.
 */
create or replace function crm_private.refuse_taken_external_ids(p_entity_type text, p_ids uuid[])
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_relation regclass := crm_private.entity_table(p_entity_type);
  v_table    text     := (select relname::text from pg_class where oid = v_relation);
  v_fields   jsonb;
begin
  execute format(
    $find$
      with carried as (
        select record.id as entity_id, own.source, own.id, own.place - 1 as place
        from %s as record
        cross join unnest(record.external_ids) with ordinality as own (source, id, place)
        where record.id = any ($2)
      )
      select jsonb_object_agg(
        'externalIds.' || carried.place,
        jsonb_build_array(crm_private.fault_message(
          '%%s belongs to another ' || $1,
          jsonb_build_object('source', carried.source, 'id', carried.id)
        ))
      )
      from carried
      where exists (
          select from crm_private.external_ids as held
          where held.entity_type = $1
            and held.source = carried.source
            and held.id = carried.id
            and held.entity_id <> carried.entity_id
        )
        or exists (
          select from carried as other
          where other.source = carried.source
            and other.id = carried.id
            and other.entity_id <> carried.entity_id
        )
    $find$,
    v_relation
  ) into v_fields using p_entity_type, p_ids;

  if v_fields is null then
    return;
  end if;

  raise exception '%: an external id belongs to another %', v_table, p_entity_type
    using errcode    = 'unique_violation',
          schema     = 'crm', table = v_table, column = 'external_ids',
          constraint = v_table || '_external_ids_taken',
          detail     = v_fields::text,
          hint       = 'Update the row that has the external id, or use another one.';
end
$$;

comment on function crm_private.refuse_taken_external_ids(text, uuid[]) is
  'Raises if rows have an external id of another row.';

revoke all on function crm_private.refuse_taken_external_ids(text, uuid[]) from public;
