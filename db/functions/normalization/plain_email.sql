/*
 * An email address as it is compared: in lower case, and its domain as it is read. "Mail@XN--KLN-SNA.de"
 * and "mail@köln.de" are one. Dots and plus signs stay: what they mean is the provider's affair. Works
 * for a bare domain, too.
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
  'An email address as it is compared: in lower case, its domain as it is read.';

revoke all on function crm_private.plain_email(text) from public;
grant execute on function crm_private.plain_email(text) to crm_reader;
