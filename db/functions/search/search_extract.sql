/*
 * Returns a passage of a text around the first match, as HTML: matches are in <mark>. There is no
 * other markup, because the text is escaped.
 *
 * Words are separated like in crm_private.search_words, so that a part of an address that matches
 * is marked, and Zoë is marked for the query zoe; ts_headline of PostgreSQL does neither. In
 * scripts without spaces between words, the letters of the query are marked.
 */
create or replace function crm_private.search_extract(
  value  text,
  marks  text[],
  stems  text[],
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
  v_length   constant integer := 240;
  v_unspaced constant text    := '[' || crm_private.unspaced_scripts() || ']';
  v_text     text             := left(value, 100000);
  v_letters  text             := (
    select string_agg(
      case length(word)
        when 1 then word
        else format('%1$s(?=%2$s)|(?<=%1$s)%2$s', left(word, 1), right(word, 1))
      end,
      '|'
    )
    from unnest(marks) as mark
    cross join lateral trim(mark, '% ') as word
    where word ~ v_unspaced
  );
  v_folded   text;
  v_before   integer;
begin
  if length(v_text) > v_length then
    v_folded := crm_private.fold(v_text);
    v_before := length(substring(v_folded collate crm_private.folding from (
      select format(
        '^(.*?)(?:%s)',
        string_agg(case when word ~ v_unspaced then word else '\m' || word end, '|')
      )
      from (
        select trim(mark, '% ') from unnest(marks) as mark
        union all
        select unnest(stems)
      ) as wanted (word)
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
      case
        when not is_found then safe
        when safe ~ v_letters then replace(
          regexp_replace(safe, '(' || v_letters || ')', '<mark>\1</mark>', 'g'), '</mark><mark>', ''
        )
        else '<mark>' || safe || '</mark>'
      end,
      '' order by ordinal
    )
    from regexp_matches(
      v_text,
      -- First what may be a word, then what may not: ASCII except letters, digits, apostrophes.
      '([^\x01-\x26\x28-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+)'
      '|([\x01-\x26\x28-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+)',
      'g'
    ) with ordinality as matched (parts, ordinal)
    cross join lateral replace(replace(replace(replace(replace(
      coalesce(parts[1], parts[2]),
      '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;'
    ) as safe
    -- Most words are letters of ASCII, of which search_words would return the lower case.
    cross join lateral (
      select case
        when parts[1] ~ '^[A-Za-z0-9]+$' then lower(parts[1] collate "C")
        else crm_private.search_words(coalesce(parts[1], ''))
      end as words
    ) as folded
    cross join lateral coalesce(
      parts[1] is not null and (
        ' ' || words || ' ' like any (marks)
        or stems is not null and tsvector_to_array(crm_private.search_stems(words)) && stems
        or near is not null and crm_private.search_neighbours(words) && near
        or near is not null and stems is not null
          and crm_private.search_neighbours(
            array_to_string(tsvector_to_array(crm_private.search_stems(words)), ' ')
          ) && near
        or words ~ '^[0-9]{2,}$' and number like '%' || nullif(ltrim(words, '0'), '') || '%'
      ),
      false
    ) as is_found
  );
end
$$;

comment on function crm_private.search_extract(text, text[], text[], text[], text) is
  'Returns a passage of a text as HTML, with <mark> around the matches.';

revoke all on function crm_private.search_extract(text, text[], text[], text[], text) from public;
grant execute on function crm_private.search_extract(text, text[], text[], text[], text)
  to crm_reader;
