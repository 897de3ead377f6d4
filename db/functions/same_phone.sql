/*
 * True if two phone numbers can be one, written with and without country or area code: one ends with
 * the other, which has seven digits at least. Of longer numbers the last ten decide, because trunk
 * prefixes differ from country to country.
 */
create or replace function crm_private.same_phone(digits text, other_digits text)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return least(length(digits), length(other_digits)) >= 7
    and right(digits, least(length(digits), length(other_digits), 10))
      = right(other_digits, least(length(digits), length(other_digits), 10));
end
$$;

comment on function crm_private.same_phone(text, text) is
  'True if two phone numbers, given as digits, can be one.';

revoke all on function crm_private.same_phone(text, text) from public;
grant execute on function crm_private.same_phone(text, text) to crm_reader;
