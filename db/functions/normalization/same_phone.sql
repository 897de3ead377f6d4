/*
 * True if two phone numbers, as crm_private.phone_number gives them, can be one, written with and
 * without country or area code: one ends with the other, which has seven digits at least. Of longer
 * numbers the last ten decide, because trunk prefixes differ from country to country. Numbers of two
 * countries, or with two extensions, are two; one with an extension and one without may be one.
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
  'True if two phone numbers, each in one form, can be one.';

revoke all on function crm_private.same_phone(text, text) from public;
grant execute on function crm_private.same_phone(text, text) to crm_reader;
