/*
 * Returns a text with ASCII digits in place of Arabic, Persian, Devanagari and full-width digits.
 */
create or replace function crm_private.ascii_digits(value text)
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  if octet_length(value) = char_length(value) then
    return value;
  end if;
  return translate(
    normalize(value, nfkc),
    '٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹०१२३४५६७८९', '012345678901234567890123456789'
  );
end
$$;

comment on function crm_private.ascii_digits(text) is
  'Returns a text with ASCII digits in place of others.';

revoke all on function crm_private.ascii_digits(text) from public;
grant execute on function crm_private.ascii_digits(text) to crm_reader;
