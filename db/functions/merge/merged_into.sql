/*
 * Returns the merge winner for the id of a merged contact or company, through any number of merges.
 * Null for a row that exists, and for one that was never merged.
 *
 * Security definer: no other role can read crm_private.merges. It returns only an id; to read the
 * row, the caller needs the rights to do so.
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
  'Returns the contact or company that one became part of by a merge; null if it was not merged.';

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
  'Returns the id of the contact or company that a merged one became part of, through any number '
  'of merges, so that old links still work. Null if it was not merged, or was restored. '
  'entityType is contact or company.';

revoke all on function crm.merged_into(text, uuid) from public;
grant execute on function crm.merged_into(text, uuid) to crm_reader;
