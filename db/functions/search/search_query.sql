/*
 * Parses the text of a search box into tsqueries and patterns. All of them are null if there is
 * nothing to search for.
 *
 * The syntax is that of web search: "words in sequence", -without, or. A word with punctuation in
 * it, such as an address, is a sequence of its parts. The last word may be incomplete. "and" or "&"
 * among other words is ignored.
 *
 * An alternative that only excludes words is ignored, because no index can find its rows. Words
 * after the 32nd are ignored, too.
 *
 * Input cannot change the syntax of a tsquery: its text is built from words that contain neither
 * quotes nor backslashes.
 */
create or replace function crm_private.search_query(
  query           text,
  country         text default null, -- of numbers without a country code
  out exact       tsquery, -- a name that equals the query
  out whole       tsquery, -- every word complete
  out typed       tsquery, -- the last word incomplete, or a stem in place of a word
  out indexed     tsquery, -- typed, without a beginning so short that an index finds too much
  out loose       tsquery, -- indexed, or a name with one typing error per word
  out loose_texts text,    -- indexed, for crm_private.search_misspelt
  out whole_names tsquery, -- whole, for names only
  out typed_names tsquery, -- the last word incomplete, for names only
  out named       tsquery, -- whole_names, by the keys that only names have in the index
  out begun       text,    -- the short beginning, if there is nothing else
  out number      text,    -- the digits of the longest number, to mark them
  out numbers     text[],  -- sequences of digits; a phone number that matches has one of them
  out phone       text,    -- that number in one form, if it has a country code
  out beside      tsquery, -- the query without the number
  out words       text[],  -- the words, the longest first, if there is nothing else
  out marks       text[],  -- patterns of the words to mark, between spaces
  out stems       text[],  -- the stems of the words
  out near        text[]   -- the keys that misspelt words share with them
)
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
set client_min_messages = warning
as $$
#variable_conflict use_column
declare
  v_unspaced constant text := crm_private.unspaced_scripts();
begin
  with items as (
    select
      ordinal,
      parts[1] = '-'                                      as is_without,
      coalesce(parts[2], (crm_private.phone_parts(parts[3]))[1], parts[4]) as item,
      parts[1] = '' and lower(parts[4]) = 'or'            as is_or,
      parts[2] is not null                                as is_quoted,
      parts[3] is not null                                as is_number,
      parts[2] is null and ordinal = max(ordinal) over () as is_last
    from regexp_matches(
      crm_private.ascii_digits(query),
      '(-?)(?:"([^"]*)(?:"|$)|([+(]*[0-9](?:[ ()/.+-]*[0-9]){6,}'
        '(?:[ ,;]*(?:ext(?:ension|n)?|xtn?|x|poste|durchwahl|#)[ .:=]*[0-9]{1,8})?)(?![^\s"])|([^\s"]+))',
      'gi'
    ) with ordinality as matched (parts, ordinal)
    order by ordinal
    limit 32
  ),
  worded as (
    select
      items.*,
      item_words,
      count(*) filter (where is_or) over (order by ordinal) as alternative,
      case when is_or then '' else parts.term end           as term,
      parts.term ~ ('[' || v_unspaced || ']')               as is_unspaced
    from items
    cross join lateral trim(crm_private.search_words(item)) as item_words
    -- In a script without spaces, the last letter counts only if it is all that is searched for.
    cross join lateral regexp_replace(
      item_words, replace('(?<=[S][S] )[S](?= |$)', 'S', v_unspaced), '', 'g'
    ) as asked
    cross join lateral (
      select coalesce(
        string_agg(
          format(
            '''%s''%s', word, case when word ~ ('^[' || v_unspaced || ']$') then ':*' end
          ),
          case when is_number then ' & ' else format(' <%s> ', distance) end order by place
        ),
        ''
      )
      from (
        select word, place, place - lag(place) over (order by place) as distance
        from unnest(string_to_array(asked, ' ')) with ordinality as listed (word, place)
        where word <> ''
      ) as placed
    ) as parts (term)
  ),
  terms as (
    select
      ordinal,
      alternative,
      is_without,
      is_quoted,
      item_words,
      case when is_without then '!(%s)' else '(%s)' end as sign,
      term,
      term || case when is_last and term !~ '\*$' then ':*' else '' end as typed_term,
      -- Two letters and the quotes; the letters must have trigrams.
      is_last and not is_without and not is_unspaced and length(term) <= 4
        and extensions.show_trgm(item_words) <> '{}'    as is_short,
      case
        when is_number and not is_without then crm_private.phone_number(item, country)
        when not is_without
        then ltrim(
          regexp_replace(substring(item from '^[0-9 ()/.+-]*$'), '[^0-9]', '', 'g'), '0'
        )
      end                                               as digits,
      is_plain,
      case
        when is_plain then crm_private.search_neighbours(item_words)
        else '{}'
      end                                               as neighbours,
      case when is_plain then (tsvector_to_array(crm_private.search_stems(item_words)))[1] end as stem
    from worded
    cross join lateral (
      select not (is_quoted or is_without or item_words ~ ' ')
    ) as kind (is_plain)
    where term <> ''
      and item ~ '[[:alnum:]]|[^\x01-\x7f]'
      and (item_words <> 'and' or is_last or is_quoted or is_without
        or (select count(*) from items) = 1)
  ),
  alternatives as (
    select
      string_agg(format(sign, term), ' & ' order by ordinal)       as whole_text,
      string_agg(format(sign, typed_term), ' & ' order by ordinal) as typed_text,
      string_agg(format(sign, stemmed_term), ' & ' order by ordinal) as stemmed_text,
      string_agg(format(sign, stemmed_term), ' & ' order by ordinal)
        filter (where not is_short)                                as indexed_text,
      string_agg(
        format(
          sign,
          stemmed_term || case
            when is_plain and item_words ~ '^[^0-9 ]{4,20}$' and not is_short
            then format(' | ''?%s''', item_words)
            else ''
          end
        ),
        ' & ' order by ordinal
      ) filter (where not is_short)                                as loose_texts,
      string_agg(
        format(
          sign,
          typed_term
            || coalesce(' | ''' || array_to_string(nullif(neighbours, '{}'), ''' | ''') || '''', '')
        ),
        ' & ' order by ordinal
      ) filter (where not is_short)                                as loose_text,
      bool_or(not is_without and not is_short)                     as is_indexable
    from terms
    cross join lateral (
      select typed_term
        || case when stem is not null then format(' | ''%1$s'' | ''^%1$s''', stem) else '' end
    ) as reduced (stemmed_term)
    group by alternative
    having bool_or(not is_without)
  ),
  queries as (
    select
      string_agg(whole_text, ' | ')                               as whole_text,
      string_agg(typed_text, ' | ')                               as typed_text,
      string_agg(stemmed_text, ' | ')                             as stemmed_text,
      string_agg(loose_texts, ' | ') filter (where is_indexable)  as loose_texts,
      string_agg(indexed_text, ' | ') filter (where is_indexable) as indexed_text,
      string_agg(loose_text, ' | ') filter (where is_indexable)   as loose_text
    from alternatives
  ),
  number as (
    select ordinal, digits
    from terms
    where length(digits) >= 4 and (select count(*) from alternatives) = 1
    order by length(digits) desc, ordinal
    limit 1
  )
  select
    (
      select format('''%s''', whole_name)::tsquery
      from crm_private.search_whole(crm_private.search_words(translate(query, '"', ' ')))
        as whole_name
      where whole_name <> '='
        and not exists (select from terms where is_without)
    ),
    whole_text::tsquery,
    stemmed_text::tsquery,
    coalesce(indexed_text, whole_text)::tsquery,
    loose_text::tsquery,
    loose_texts,
    regexp_replace(whole_text, '''([^'']+)''(?::(\*))?', '''\1'':\2A', 'g')::tsquery,
    regexp_replace(typed_text, '''([^'']+)''(?::(\*))?', '''\1'':\2A', 'g')::tsquery,
    regexp_replace(
      regexp_replace(whole_text, '''([^'' ]+)''', '''~\1''', 'g'), '<[-0-9]+>', '&', 'g'
    )::tsquery,
    (select item_words from terms where indexed_text is null and is_short limit 1),
    (select ltrim(digits, '+') from number),
    (
      select case
        when starts_with(digits, '+')
        then array[substr(digits, 2 + length(crm_private.calling_code(substr(digits, 2))))]
        when length(digits) > 10
        then array_remove(
          array[
            right(digits, 10),
            nullif(substr(digits, 1 + length(crm_private.calling_code(digits))), '')
          ],
          null
        )
        else array[digits]
      end
      from number
    ),
    (select digits from number where starts_with(digits, '+')),
    (
      select string_agg(format(sign, typed_term), ' & ')::tsquery
      from terms
      where ordinal <> (select ordinal from number)
    ),
    (
      select array_agg(item_words order by length(item_words) desc, ordinal)
      from terms
      having bool_and(not is_without and not is_quoted) and max(alternative) = 0
        and extensions.show_trgm(max(item_words)) <> '{}'
    ),
    (
      select array_agg('% ' || lexeme[1] || case when lexeme[2] = '*' then '%' else ' %' end)
      from terms
      cross join lateral regexp_matches(typed_term, '''([^'']+)''(?::(\*))?', 'g') as lexeme
      where not is_without
    ),
    (select array_agg(stem) filter (where stem is not null) from terms),
    (
      select array_agg(neighbour)
      from terms
      cross join lateral unnest(
        case
          when stem is null or stem = item_words then neighbours
          else neighbours || crm_private.search_neighbours(stem)
        end
      ) as neighbour
    )
  into
    exact, whole, typed, indexed, loose, loose_texts, whole_names, typed_names, named, begun,
    number, numbers, phone, beside, words, marks, stems, near
  from queries
  where whole_text is not null;
end
$$;

comment on function crm_private.search_query(text, text) is
  'Parses the text of a search box into tsqueries and patterns.';

revoke all on function crm_private.search_query(text, text) from public;
grant execute on function crm_private.search_query(text, text) to crm_reader;
