/*
 * Returns true if the caller can read an entity. Called by the policy of the audit log: a user can
 * read the entries of every entity that the user can see now. A merged record is part of the merge
 * winner, so its entries are readable by everyone who can read the winner.
 *
 * Runs with the caller's rights, so that the policies of the entities decide.
 */
create or replace function crm_private.is_readable(p_entity_type text, p_entity_id uuid)
returns boolean
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return crm_private.is_there(p_entity_type, p_entity_id)
    or (
      crm_private.is_mergeable(p_entity_type)
      and crm_private.is_there(
        p_entity_type, crm_private.merged_into(p_entity_type, p_entity_id)
      )
    );
end
$$;

comment on function crm_private.is_readable(text, uuid) is
  'Returns true if the caller can read the entity, or the one that it was merged into.';

revoke all on function crm_private.is_readable(text, uuid) from public;
grant execute on function crm_private.is_readable(text, uuid) to crm_reader;
