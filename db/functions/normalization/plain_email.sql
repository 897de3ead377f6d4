/*
 * Returns an email address for comparisons: in lower case, with a domain in Unicode.
 * "Mail@XN--KLN-SNA.de" and "mail@köln.de" are equal. Dots and plus signs stay, because their
 * meaning depends on the provider. Works for a domain alone, too.
 */
create or replace function crm_private.plain_email(address text)
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_address text := address;
begin
  if octet_length(v_address) = char_length(v_address) then
    v_address := lower(v_address collate "C");
    if strpos(v_address, 'xn--') = 0 then
      return v_address;
    end if;
  end if;
  return lower(
    normalize(crm_private.unicode_labels(v_address), nfc) collate crm_private.folding
  );
end
$$;

comment on function crm_private.plain_email(text) is
  'Returns an email address for comparisons: in lower case, with its domain in Unicode.';

revoke all on function crm_private.plain_email(text) from public;
grant execute on function crm_private.plain_email(text) to crm_reader;
