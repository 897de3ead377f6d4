/*
 * Returns what two rows have in common, the strongest reason first. Names count from a similarity
 * of 0.5 on.
 */
create or replace function crm_private.duplicate_reasons(
  same_email      boolean,
  same_phone      boolean,
  same_domain     boolean,
  name_similarity real
)
returns text[]
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return array_remove(
    array[
      case when same_email then 'email' end,
      case when same_phone then 'phone' end,
      case when same_domain then 'domain' end,
      case when name_similarity >= 0.5 then 'name' end
    ],
    null
  );
end
$$;

comment on function crm_private.duplicate_reasons(boolean, boolean, boolean, real) is
  'Returns what two rows have in common, the strongest reason first.';

revoke all on function crm_private.duplicate_reasons(boolean, boolean, boolean, real) from public;
grant execute on function crm_private.duplicate_reasons(boolean, boolean, boolean, real)
  to crm_reader;
