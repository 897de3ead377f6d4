/*
 * Returns a name without everything that is easily misheard or mistyped: accents, vowels, h, w and
 * y, spaces and punctuation. "Jon Smith" and "John Smyth" are both "jnsmt", "&" is "and". A name of
 * which nothing would remain is returned folded.
 *
 * Every write of a name pays for it, so it is one pass, without folding ASCII text.
 */
create or replace function crm_private.name_skeleton(name text)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return case
    when octet_length(name) = char_length(name)
    then coalesce(
      nullif(
        translate(replace(lower(name collate "C"), '&', 'nd'), 'aeiouhwy .,-''/()', ''), ''
      ),
      lower(name collate "C")
    )
    else coalesce(
      nullif(
        translate(replace(crm_private.fold(name), '&', 'nd'), 'aeiouhwy .,-''’/()', ''), ''
      ),
      crm_private.fold(name)
    )
  end;
end
$$;

comment on function crm_private.name_skeleton(text) is
  'Returns a name without what is easily misheard or mistyped.';

revoke all on function crm_private.name_skeleton(text) from public;
grant execute on function crm_private.name_skeleton(text) to crm_reader;
