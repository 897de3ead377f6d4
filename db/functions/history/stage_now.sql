/*
 * Returns the present name of the stage that had a name at an instant; the given name if the audit
 * log does not show it. Called for rows of the past, so that they reference a stage under its
 * present name.
 */
create or replace function crm_private.stage_now(p_name text, p_at timestamptz)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    (
      select named.stage
      from crm_private.stage_names as named
      where named.name = p_name
        and named.since_at <= p_at
        and (named.until_at is null or p_at < named.until_at)
    ),
    p_name
  );
$$;

comment on function crm_private.stage_now(text, timestamptz) is
  'Returns the present name of the stage that had a name at an instant.';

revoke all on function crm_private.stage_now(text, timestamptz) from public;
grant execute on function crm_private.stage_now(text, timestamptz) to crm_reader;
