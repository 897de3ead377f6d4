/*
 * Returns true if every element of an array is an email address: an RFC 5322 dot-atom, @, and an RFC
 * 1123 host name of at least two labels. Both may contain non-ASCII letters (RFC 6531), but no
 * invisible characters.
 *
 * A function, because every statement that writes contacts reads its checks from the catalog, and
 * the pattern is long.
 */
create or replace function crm_private.are_emails(value text[])
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_addresses text := array_to_string(value, ' ');
begin
  -- Most addresses have these characters only. As many @ as elements prove that none of the elements
  -- has a space.
  if v_addresses ~ (
      '^(?:[A-Za-z0-9_+-]+(?:[.][A-Za-z0-9_+-]+)*@(?:[A-Za-z0-9]+(?:-+[A-Za-z0-9]+)*[.])+[A-Za-z0-9]+'
      '(?: (?=.)|$))*$'
    )
    and char_length(v_addresses) - char_length(replace(v_addresses, '@', '')) = cardinality(value)
  then
    return true;
  end if;
  return not jsonb_path_exists(
    to_jsonb(value),
    '$[*] ? (!(@ like_regex "^[A-Za-z0-9!#$%&''*+/=?^_`{|}~\u00A1-\u00AC\u00AE-\u034E\u0350-\u061B\u061D-\u115E\u1161-\u167F\u1681-\u17B3\u17B6-\u180A\u1810-\u1FFF\u2010-\u2027\u2030-\u205E\u2070-\u27FF\u2801-\u2FFF\u3001-\u3163\u3165-\uD7FF\uF900-\uFDFF\uFE10-\uFEFE\uFF66-\uFF9F\uFFA1-\uFFEF\u{10000}-\u{DFFFF}-]+(?:\\.[A-Za-z0-9!#$%&''*+/=?^_`{|}~\u00A1-\u00AC\u00AE-\u034E\u0350-\u061B\u061D-\u115E\u1161-\u167F\u1681-\u17B3\u17B6-\u180A\u1810-\u1FFF\u2010-\u2027\u2030-\u205E\u2070-\u27FF\u2801-\u2FFF\u3001-\u3163\u3165-\uD7FF\uF900-\uFDFF\uFE10-\uFEFE\uFF66-\uFF9F\uFFA1-\uFFEF\u{10000}-\u{DFFFF}-]+)*@(?:[A-Za-z0-9\u00B7\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u034E\u0350-\u061A\u0620-\u115E\u1161-\u167F\u1681-\u17B3\u17B6-\u180A\u1810-\u1FFF\u2C00-\u2DFF\u3005-\u3007\u3021-\u302F\u3031-\u3035\u3038-\u303C\u3041-\u3163\u3165-\uD7FF\uF900-\uFDFF\uFE70-\uFEFE\uFF66-\uFF9F\u{10000}-\u{1EFFF}\u{20000}-\u{3FFFF}]+(?:-+[A-Za-z0-9\u00B7\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u034E\u0350-\u061A\u0620-\u115E\u1161-\u167F\u1681-\u17B3\u17B6-\u180A\u1810-\u1FFF\u2C00-\u2DFF\u3005-\u3007\u3021-\u302F\u3031-\u3035\u3038-\u303C\u3041-\u3163\u3165-\uD7FF\uF900-\uFDFF\uFE70-\uFEFE\uFF66-\uFF9F\u{10000}-\u{1EFFF}\u{20000}-\u{3FFFF}]+)*\\.)+[A-Za-z0-9\u00B7\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u034E\u0350-\u061A\u0620-\u115E\u1161-\u167F\u1681-\u17B3\u17B6-\u180A\u1810-\u1FFF\u2C00-\u2DFF\u3005-\u3007\u3021-\u302F\u3031-\u3035\u3038-\u303C\u3041-\u3163\u3165-\uD7FF\uF900-\uFDFF\uFE70-\uFEFE\uFF66-\uFF9F\u{10000}-\u{1EFFF}\u{20000}-\u{3FFFF}]+(?:-+[A-Za-z0-9\u00B7\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u034E\u0350-\u061A\u0620-\u115E\u1161-\u167F\u1681-\u17B3\u17B6-\u180A\u1810-\u1FFF\u2C00-\u2DFF\u3005-\u3007\u3021-\u302F\u3031-\u3035\u3038-\u303C\u3041-\u3163\u3165-\uD7FF\uF900-\uFDFF\uFE70-\uFEFE\uFF66-\uFF9F\u{10000}-\u{1EFFF}\u{20000}-\u{3FFFF}]+)*$"))'
  );
end
$$;

comment on function crm_private.are_emails(text[]) is
  'Returns true if every element of the array is an email address.';

revoke all on function crm_private.are_emails(text[]) from public;
grant execute on function crm_private.are_emails(text[]) to crm_member;
