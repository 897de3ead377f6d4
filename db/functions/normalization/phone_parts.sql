/*
 * Returns a phone number without its extension, and the extension: 4048 for "555 0100 ext. 4048",
 * "555 0100x4048" and "555 0100 #4048". It knows the words for an extension of libphonenumber and
 * some more of European languages.
 */
create or replace function crm_private.phone_parts(phone text)
returns text[]
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce(
    regexp_match(
      phone,
      '^(.*[0-9][^0-9#A-Za-zА-Яа-я;~]*)'
      '(?:;ext=|[ ,;]*(?:ext(?:ension|n)?|e?xtn?|x|доб(?:авочный)?|int(?:erno|erne)?|anexo|poste|'
      'durchwahl|dw|app(?:areil)?|toestel|tst|#|~)[ .:=]*#?)'
      '\s*([0-9]{1,8})#?\s*$',
      'i'
    ),
    array[phone, '']
  );
end
$$;

comment on function crm_private.phone_parts(text) is
  'Returns a phone number without its extension, and the extension.';

revoke all on function crm_private.phone_parts(text) from public;
grant execute on function crm_private.phone_parts(text) to crm_reader;
