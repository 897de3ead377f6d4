/*
 * Where the id of a contact or a company leads that was merged into another: the one that is left in
 * the end, however many merges lie between. Null for a row that is there, and for one that was never
 * merged.
 *
 * Security definer: nobody reads the table. An id leads to an id, and no further than its rights do.
 */
create or replace function crm_private.merged_into(p_entity_type text, p_id uuid)
returns uuid
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_id   uuid := p_id;
  v_next uuid;
begin
  loop
    select merge.winner_id into v_next
    from crm_private.merges as merge
    where merge.loser_id = v_id
      and merge.entity_type = p_entity_type
      and merge.ended_at is null;

    exit when v_next is null or v_next = p_id or crm_private.is_there(p_entity_type, v_id);
    v_id := v_next;
  end loop;

  return nullif(v_id, p_id);
end
$$;

comment on function crm_private.merged_into(text, uuid) is
  'The contact or company that one became part of by a merge; null if it was not merged.';

revoke all on function crm_private.merged_into(text, uuid) from public;
grant execute on function crm_private.merged_into(text, uuid) to crm_reader;

create or replace function crm.merged_into(entity_type text, id uuid)
returns uuid
language plpgsql
stable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  if not crm_private.is_mergeable(entity_type) then
    perform crm_private.refuse_argument(
      'entityType',
      crm_private.fault_message(
        (
          select '%s is not one of ' || string_agg(type.entity_type, ', ' order by type.restore_order)
          from crm_private.entity_types as type
          where type.is_mergeable
        ),
        to_jsonb(entity_type)
      ),
      'merges_entity_type_known'
    );
  end if;

  return crm_private.merged_into(entity_type, id);
end
$$;

comment on function crm.merged_into(text, uuid) is
  'Where the id of a contact or a company leads that was merged: to the one that is left, through '
  'however many merges. Null if it was not merged, or is back. entityType is contact or company.';

revoke all on function crm.merged_into(text, uuid) from public;
grant execute on function crm.merged_into(text, uuid) to crm_reader;
