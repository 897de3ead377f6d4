/*
 * Returns true if one of the phone numbers matches the given number, in any notation of both. Short
 * numbers, such as 110, are compared as they are. Called by filters of the API.
 */
create or replace function crm_private.has_phone(phones text[], number text, country text)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_number constant text := crm_private.phone_number(number, country);
begin
  return v_number <> '' and exists (
    select
    from unnest(phones) as phone
    cross join lateral crm_private.phone_number(phone, country) as known
    where known = v_number or crm_private.same_phone(known, v_number)
  );
end
$$;

comment on function crm_private.has_phone(text[], text, text) is
  'Returns true if one of the phone numbers matches the given number.';

revoke all on function crm_private.has_phone(text[], text, text) from public;
grant execute on function crm_private.has_phone(text[], text, text) to crm_reader;
