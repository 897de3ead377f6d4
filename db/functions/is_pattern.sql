/*
 * True if a text is a regular expression of PostgreSQL that every value can be asked of. Refused is
 * what lets time grow out of hand: back references and looking ahead or behind, when a text is
 * matched; groups that are repeated very often, when the expression is read. All others are read in
 * milliseconds, and match a text in one pass.
 *
 * Asked where a definition is written, never for the rows.
 */
create or replace function crm_private.is_pattern(value text)
returns boolean
language plpgsql
immutable
strict
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Without what is escaped: a backslash, and parentheses.
  v_bare text    := regexp_replace(replace(value, '\\', ''), '\\[()]', '', 'g');
  v_size numeric := char_length(value)::numeric;
  v_most text;
begin
  -- Another syntax than the usual one would hide it.
  if v_bare ~ '^\*\*\*' or v_bare ~ '^\(\?[a-z]*[beqx]' then
    return false;
  end if;

  if v_bare ~ '\\[1-9]' or v_bare ~ '\(\?<?[=!]' then
    return false;
  end if;

  -- Groups within groups multiply.
  for v_most in
    select coalesce(nullif(repeated[2], ''), repeated[1])
    from regexp_matches(v_bare, '\)\{([0-9]+)(?:,([0-9]*))?\}', 'g') as repeated
  loop
    v_size := v_size * greatest(v_most::numeric, 1);
  end loop;

  if v_size > 2000 then
    return false;
  end if;

  perform '' ~ value;
  return true;
exception
  when invalid_regular_expression then
    return false;
end
$$;

comment on function crm_private.is_pattern(text) is
  'True if the text is a regular expression that can be asked of every value.';

revoke all on function crm_private.is_pattern(text) from public;
grant execute on function crm_private.is_pattern(text) to crm_member;
