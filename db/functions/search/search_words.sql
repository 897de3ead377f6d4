/*
 * Returns the words of a text for search: without case and accents, and with a space for every
 * character that is neither a letter nor a digit. Indexed texts and queries both pass through it,
 * so that an address is the same sequence of parts in both. An apostrophe is dropped: O'Brien is
 * one word. "&" is the word "and". Labels of domain names in ASCII form are decoded to Unicode.
 *
 * In scripts without spaces between words, each two adjacent letters are a word, and so is the last
 * letter: 東京会議 becomes 東京 京会 会議 議. So a text is found by any part of it.
 *
 * The result is limited because PostgreSQL is: 100,000 characters are far below the megabyte of a
 * tsvector, and a word is cut long before the 2 kB of a lexeme. So no value of a column fails here
 * before its checks can refuse it.
 *
 * The characters that separate words are listed here rather than taken from the locale of the
 * database: in the locale C, no character beyond ASCII separates words. Indexes depend on it.
 */
create or replace function crm_private.search_words(value text)
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_words text;
begin
  -- Most texts are short and ASCII, and every write of a row pays for each function that it calls.
  if octet_length(value) = char_length(value) and octet_length(value) <= 400 then
    v_words := replace(replace(lower(value collate "C"), '''', ''), '&', ' and ');
    if v_words !~ 'xn--|[^a-z0-9 ]|  ' then
      return v_words;
    elsif strpos(v_words, 'xn--') = 0 then
      return regexp_replace(v_words, '[^a-z0-9]+', ' ', 'g');
    end if;
  end if;

  v_words := left(
    replace(replace(crm_private.fold(left(value, 100000)), '''', ''), '&', ' and '), 100000
  );
  if strpos(v_words, 'xn--') > 0 then
    v_words := left(crm_private.fold(crm_private.unicode_labels(v_words)), 100000);
  end if;
  if octet_length(v_words) = char_length(v_words) then
    v_words := regexp_replace(v_words, '[^a-z0-9]+', ' ', 'g');
  else
    -- Characters that cannot be seen, and combining marks.
    v_words := regexp_replace(
      v_words,
      '[\u00AD\u0300-\u036F\u0591-\u05BD\u05BF\u05C1\u05C2\u05C4\u05C5\u05C7\u0610-\u061A\u061C'
      '\u0640\u064B-\u065F\u0670\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u202A-\u202E'
      '\u2060-\u206F\u3099\u309A\u3164\uFE00-\uFE0F\uFEFF\uFFA0\U000E0000-\U000E0FFF]+',
      '', 'g'
    );
    -- Punctuation and symbols.
    v_words := btrim(regexp_replace(
      v_words,
      '[\x01-\x2F\x3A-\x60\x7B-\x7F'
      '\u0080-\u00A9\u00AB-\u00B4\u00B6-\u00B8\u00BB-\u00BF\u00D7\u00F7\u02C2-\u02C5\u02D2-\u02DF'
      '\u037E\u0387\u055A-\u055F\u0589\u058A\u05BE\u05C0\u05C3\u05C6\u05F3\u05F4\u0606-\u060F\u061B'
      '\u061D-\u061F\u066A-\u066D\u06D4\u0700-\u070D\u0964\u0965\u0970\u0E3F\u0E4F\u0E5A\u0E5B'
      '\u0F01-\u0F17\u0F3A-\u0F3D\u0F85\u104A-\u104F\u10FB\u1360-\u1368\u1400\u166E\u1680\u169B\u169C'
      '\u16EB-\u16ED\u17D4-\u17DB\u1800-\u180A\u2000-\u200A\u2010-\u2029\u202F-\u205F\u20A0-\u20CF'
      '\u2190-\u2BFF\u2E00-\u2E7F\u3000-\u3004\u3008-\u3020\u3030\u3036\u303D-\u303F\u30A0\u30FB'
      '\uA4FE\uA4FF\uFE10-\uFE19\uFE30-\uFE6F\uFF00-\uFF0F\uFF5F-\uFF65\uFFE0-\uFFFF'
      '\U0001F000-\U0001FAFF]+',
      ' ', 'g'
    ));

    if v_words ~ ('[' || crm_private.unspaced_scripts() || ']') then
      v_words := regexp_replace(
        v_words,
        replace('([S]+)', 'S', crm_private.unspaced_scripts()), ' \1 ', 'g'
      );
      v_words := btrim(left(
        regexp_replace(
          regexp_replace(
            v_words,
            replace('(?<=[S])([S])', 'S', crm_private.unspaced_scripts()), '\1 \1', 'g'
          ),
          ' +', ' ', 'g'
        ),
        100000
      ));
    end if;
  end if;
  if octet_length(v_words) > 2000 then
    v_words := regexp_replace(
      regexp_replace(v_words, '([^ ]{255})[^ ]+', '\1', 'g'), ' {2,}', ' ', 'g'
    );
  end if;
  return v_words;
end
$$;

comment on function crm_private.search_words(text) is
  'Returns the words of a text, folded, with spaces between them.';

revoke all on function crm_private.search_words(text) from public;
grant execute on function crm_private.search_words(text) to crm_reader;
