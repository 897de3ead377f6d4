/*
 * Returns the fields of a deal in a planned reversal that follow from its stage, and stay unchanged
 * with it: closed_at, and a probability that no user set.
 */
create or replace function crm_private.stage_followers(p_before jsonb)
returns text[]
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_before ? 'probability_given' then array['closed_at']
    else array['closed_at', 'probability']
  end;
$$;

comment on function crm_private.stage_followers(jsonb) is
  'Returns the fields of a deal in a planned reversal that follow from its stage.';

revoke all on function crm_private.stage_followers(jsonb) from public;
