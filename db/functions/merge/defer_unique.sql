/*
 * Lets several rows have the same value of a unique custom field, until it is called with false or
 * the transaction ends. Called where values move between rows: by merges and by an undo.
 */
create or replace function crm_private.defer_unique(p_deferred boolean)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statement is built from quoted names, which plpgsql_check cannot see.
-- @plpgsql_check_options: security_warnings = off
declare
  v_names text;
begin
  select string_agg(format('crm.%I', conname), ', ')
  into v_names
  from pg_constraint
  where contype = 'x'
    and condeferrable
    and conrelid in (
      select entity_table from crm_private.entity_types where has_custom_fields
    );

  if v_names is not null then
    execute format(
      'set constraints %s %s', v_names, case when p_deferred then 'deferred' else 'immediate' end
    );
  end if;
end
$$;

comment on function crm_private.defer_unique(boolean) is
  'Lets rows have the same value of a unique custom field for a while, or no longer.';

revoke all on function crm_private.defer_unique(boolean) from public;
grant execute on function crm_private.defer_unique(boolean) to crm_member;
