/*
 * The digits of a phone number without the zeros before them, and without the zero in brackets that
 * is not dialled from abroad: "+49 (0) 30 1234567" and "0049 30 1234567" are both 49301234567. Empty
 * if it has none.
 */
create or replace function crm_private.phone_digits(phone text)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return ltrim(regexp_replace(replace(phone, '(0)', ''), '[^0-9]+', '', 'g'), '0');
end
$$;

comment on function crm_private.phone_digits(text) is
  'The digits of a phone number without leading zeros.';

revoke all on function crm_private.phone_digits(text) from public;
grant execute on function crm_private.phone_digits(text) to crm_reader;
