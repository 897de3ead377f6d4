/*
 * Returns the first of two values: the transition of the aggregate crm_private.first. Strict, so
 * that nulls are skipped.
 */
create or replace function crm_private.first_of(value jsonb, later jsonb)
returns jsonb
language sql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select value;
$$;

comment on function crm_private.first_of(jsonb, jsonb) is
  'Returns the first of two values: the transition of crm_private.first.';

revoke all on function crm_private.first_of(jsonb, jsonb) from public;
