/*
 * The keys that a contact may share with its duplicates. Whoever shares one is compared, and nobody
 * else: the index contacts_match_keys stands on them.
 *
 * - name: the skeletons of both names, in either order; head and tail: how the two together begin
 *   and end, so that one error elsewhere does no harm.
 * - email: each address in lower case. Dots and plus signs stay: what they mean is the provider's
 *   affair.
 * - domain: of each address.
 * - phone: the last seven digits of each number, which are the same with and without area code.
 *
 * One expression over whole arrays, because every write of a contact pays for it: a subquery over
 * the elements costs four times as much.
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
  v_first  text := crm_private.name_skeleton(first_name);
  v_last   text := crm_private.name_skeleton(last_name);
  v_emails text := lower(array_to_string(emails, ' ') collate "C");
begin
  return case
      when v_first || v_last <> '' then array[
        'name:' || left(least(v_first, v_last) || greatest(v_first, v_last), 100),
        'head:' || left(v_first || v_last, 4),
        'tail:' || right(v_first || v_last, 5)
      ]
      else '{}'
    end
    || case
      when v_emails <> '' then
        string_to_array('email:' || replace(v_emails, ' ', ' email:'), ' ')
        || string_to_array(regexp_replace(v_emails, '[^ ]*@', 'domain:', 'g'), ' ')
    end
    || case
      when phones <> '{}' then string_to_array(
        regexp_replace(
          regexp_replace(array_to_string(phones, '|'), '[^0-9|]+', '', 'g'),
          '[0-9]*([0-9]{7})(?![0-9])', 'phone:\1', 'g'
        ),
        '|'
      )
    end;
end
$$;

comment on function crm_private.contact_keys(text, text, text[], text[]) is
  'The keys that a contact may share with its duplicates.';

revoke all on function crm_private.contact_keys(text, text, text[], text[]) from public;
grant execute on function crm_private.contact_keys(text, text, text[], text[]) to crm_reader;
