/*
 * Returns the match keys of a contact, of which duplicates share at least one: only contacts with a
 * common key are compared. The trigger crm_private.derive_contact calls it. Those of the name come
 * first, in the order of this list: crm_private.contact_links reads them by their place.
 *
 * - name: the skeletons of both names, in either order; head and tail: the beginning and the end of
 *   the two together, so that an error elsewhere does no harm.
 * - email: each address in lower case, its domain in readable form. Dots and plus signs stay: their
 *   meaning depends on the provider.
 * - domain: of each address.
 * - phone: the last seven digits of each number, which are the same with and without area code. An
 *   extension does not count.
 *
 * Loops over the elements, because every write of a contact pays for it: a subquery costs four
 * times as much, and regular expressions over all elements half as much again.
 */
create or replace function crm_private.contact_keys(
  first_name text,
  last_name  text,
  emails     text[],
  phones     text[]
)
returns text[]
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_first  text   := crm_private.name_skeleton(first_name);
  v_last   text   := crm_private.name_skeleton(last_name);
  v_emails text   := lower(array_to_string(emails, ' ') collate "C");
  v_phones text   := array_to_string(phones, '|');
  v_keys   text[] := array[]::text[];
  v_item   text;
begin
  if octet_length(v_emails) <> char_length(v_emails) or strpos(v_emails, 'xn--') > 0 then
    v_emails := (
      select string_agg(crm_private.plain_email(email), ' ') from unnest(emails) as email
    );
  end if;
  -- Few numbers have characters other than digits and separators.
  if v_phones ~ '[^0-9 ()+/.|-]' then
    v_phones := (
      select string_agg(split_part(crm_private.phone_number(phone), 'x', 1), '|')
      from unnest(phones) as phone
    );
  end if;

  if v_first || v_last <> '' then
    v_keys := array[
      'name:' || left(least(v_first, v_last) || greatest(v_first, v_last), 100),
      'head:' || left(v_first || v_last, 4),
      'tail:' || right(v_first || v_last, 5)
    ];
  end if;
  foreach v_item in array string_to_array(coalesce(v_emails, ''), ' ') loop
    v_keys := v_keys || array['email:' || v_item, 'domain:' || split_part(v_item, '@', 2)];
  end loop;
  v_phones := translate(v_phones, ' ()+/.-', '');
  foreach v_item in array string_to_array(coalesce(v_phones, ''), '|') loop
    v_keys := v_keys
      || case when length(v_item) < 7 then v_item else 'phone:' || right(v_item, 7) end;
  end loop;
  return v_keys;
end
$$;

comment on function crm_private.contact_keys(text, text, text[], text[]) is
  'Returns the match keys of a contact.';

revoke all on function crm_private.contact_keys(text, text, text[], text[]) from public;
grant execute on function crm_private.contact_keys(text, text, text[], text[]) to crm_reader;
