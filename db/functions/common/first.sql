/*
 * The first value that is not null, in the order of the call: crm_private.first(value order by id).
 * An aggregate, because (array_agg(value order by id) filter (where value is not null))[1] takes
 * twice the time where there are many groups and fields. Called by crm_private.former_deals.
 */
create or replace aggregate crm_private.first(jsonb) (
  sfunc    = crm_private.first_of,
  stype    = jsonb,
  parallel = safe
);

comment on aggregate crm_private.first(jsonb) is
  'Returns the first value that is not null, in the order of the call.';

revoke all on function crm_private.first(jsonb) from public;
