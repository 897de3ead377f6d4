/* Raises for an undo of values that were changed since, with the list of conflicts. */
create or replace function crm_private.refuse_conflicts(p_count bigint, p_conflicts jsonb)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception '%', coalesce(
      (
        select format(
          '%s %s was changed since: %s is %s, not %s%s',
          conflict ->> 'entityType', conflict ->> 'entityId', conflict ->> 'field',
          left((conflict -> 'found')::text, 80), left((conflict -> 'expected')::text, 80),
          case when p_count > 1 then format(' (and %s more)', p_count - 1) end
        )
        from jsonb_array_elements(p_conflicts) with ordinality as listed (conflict, ordinal)
        order by ordinal
        limit 1
      ),
      'a row was changed since'
    )
    using errcode    = 'CRM02',
          schema     = 'crm', table = 'audit_logs', column = 'changes',
          constraint = 'audit_logs_changes_current',
          detail     = jsonb_build_object('count', p_count, 'conflicts', p_conflicts)::text,
          hint       = 'Undo the later changes first, or leave them with SKIP; administrators can '
                       'overwrite them with FORCE.';
end
$$;

comment on function crm_private.refuse_conflicts(bigint, jsonb) is
  'Raises for an undo of values that were changed since, with the list of conflicts.';

revoke all on function crm_private.refuse_conflicts(bigint, jsonb) from public;
