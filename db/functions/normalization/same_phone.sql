/*
 * Returns true if two phone numbers, as crm_private.phone_number returns them, can be the same
 * number, with and without country or area code: one ends with the other, which has at least seven
 * digits. Of longer numbers the last ten digits decide, because trunk prefixes differ between
 * countries. Numbers of two countries, or with two extensions, are different; a number with an
 * extension and one without can be the same.
 */
create or replace function crm_private.same_phone(number text, other_number text)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_one             text := split_part(number, 'x', 1);
  v_other           text := split_part(other_number, 'x', 1);
  v_extension       text := split_part(number, 'x', 2);
  v_other_extension text := split_part(other_number, 'x', 2);
  v_code            text;
  v_other_code      text;
  v_digits          integer;
begin
  if v_extension <> '' and v_other_extension <> '' and v_extension <> v_other_extension then
    return false;
  end if;
  if starts_with(v_one, '+') then
    v_code := crm_private.calling_code(substr(v_one, 2));
    v_one  := substr(v_one, length(v_code) + 2);
  end if;
  if starts_with(v_other, '+') then
    v_other_code := crm_private.calling_code(substr(v_other, 2));
    v_other      := substr(v_other, length(v_other_code) + 2);
  end if;
  v_digits := least(length(v_one), length(v_other), 10);
  return coalesce(v_code = v_other_code, true)
    and least(length(v_one), length(v_other)) >= 7
    and right(v_one, v_digits) = right(v_other, v_digits);
end
$$;

comment on function crm_private.same_phone(text, text) is
  'Returns true if two phone numbers, each in one form, can be the same.';

revoke all on function crm_private.same_phone(text, text) from public;
grant execute on function crm_private.same_phone(text, text) to crm_reader;
