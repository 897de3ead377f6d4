/*
 * Returns the regular expression of a legible name, which PostgreSQL and JavaScript interpret
 * alike. Hidden characters are allowed only where writing needs them:
 *
 * - one variation selector after a visible character: emoji, ideographs, Mongolian letters;
 * - one joiner, non-joiner or Mongolian separator between two visible characters: Persian, Indic
 *   scripts, families of emoji; at the end of a word only after a virama, as in Malayalam;
 * - the tags of a flag after the black flag.
 */
create or replace function crm_private.legible_pattern()
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_white text := '[' || crm_private.white_characters() || ']';
  v_seen  text := '[^' || crm_private.white_characters() || crm_private.hidden_characters() || ']';
begin
  return '^(?:' || v_white
    || U&'|\+01F3F4[\+0E0020-\+0E007E]+\+0E007F'
    || U&'|[\094D\09CD\0A4D\0ACD\0B4D\0BCD\0C4D\0CCD\0D4D\0DCA][\200C\200D](?!' || v_seen || ')'
    || '|' || v_seen || U&'[\180B-\180D\180F\FE00-\FE0F\+0E0100-\+0E01EF]?'
    || U&'(?:[\180E\200C\200D](?=' || v_seen || '))?'
    || ')*$';
end
$$;

comment on function crm_private.legible_pattern() is
  'Returns the regular expression of a legible name.';

revoke all on function crm_private.legible_pattern() from public;
grant execute on function crm_private.legible_pattern() to crm_member;
