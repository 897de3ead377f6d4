/*
 * A passage of a text around the first word that was found, as HTML: what was found stands in <mark>,
 * and there is no other markup, since whatever the text holds is escaped.
 *
 * Words are told apart as crm_private.search_words does, so that what an address was found by is
 * marked as a part of it, and Zoë if zoe was looked for; PostgreSQL's own ts_headline does neither.
 */
create or replace function crm_private.search_extract(
  value  text,
  marks  text[],
  near   text[],
  number text
)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_length  constant integer := 240;
  v_text    text             := left(value, 100000);
  v_folded  text;
  v_before  integer;
begin
  if length(v_text) > v_length then
    v_folded := crm_private.fold(v_text);
    v_before := length(substring(v_folded from (
      select format('^(.*?)\m(?:%s)', string_agg(trim(mark, '% '), '|'))
      from unnest(marks) as mark
    )));
    -- Folding may make a text longer.
    v_before := (coalesce(v_before, 0)::bigint * length(v_text) / length(v_folded))::integer;
    if v_before > v_length / 3 then
      v_text := regexp_replace(substr(v_text, v_before - v_length / 4), '^\S{0,40}\s+', '');
    end if;
    v_text := regexp_replace(left(v_text, v_length), '\s+\S{0,40}$', '');
  end if;

  return (
    select string_agg(
      case when is_found then '<mark>' || safe || '</mark>' else safe end, '' order by ordinal
    )
    from regexp_matches(
      v_text,
      -- What may be a word, and what may not: blanks, and ASCII but for letters, digits, apostrophes.
      '([^\x01-\x26\x28-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+)'
      '|([\x01-\x26\x28-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+)',
      'g'
    ) with ordinality as matched (parts, ordinal)
    cross join lateral replace(replace(replace(replace(replace(
      coalesce(parts[1], parts[2]),
      '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;'
    ) as safe
    cross join lateral crm_private.search_words(coalesce(parts[1], '')) as words
    cross join lateral coalesce(
      parts[1] is not null and (
        ' ' || words || ' ' like any (marks)
        or crm_private.search_neighbours(words) && near
        or words ~ '^[0-9]{2,}$' and number like '%' || words || '%'
      ),
      false
    ) as is_found
  );
end
$$;

comment on function crm_private.search_extract(text, text[], text[], text) is
  'A passage of a text as HTML, with <mark> around what was found.';

revoke all on function crm_private.search_extract(text, text[], text[], text) from public;
grant execute on function crm_private.search_extract(text, text[], text[], text) to crm_reader;
