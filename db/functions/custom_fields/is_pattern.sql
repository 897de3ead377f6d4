/*
 * True if a text is a regular expression of PostgreSQL that every value can be asked of. Refused is
 * what lets time grow out of hand: back references and looking ahead or behind, when a text is
 * matched; repetitions that make an expression large when it is read, of single atoms as of groups;
 * comments, which would hide what is repeated. All others are read in a fraction of a second, once a
 * session, and match a text in one pass.
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
  v_extent record;
begin
  -- Another syntax than the usual one would hide it.
  if v_bare ~ '^\*\*\*' or v_bare ~ '^\(\?[a-z]*[beqx]' then
    return false;
  end if;

  if v_bare ~ '\\[1-9]' or v_bare ~ '\(\?(<?[=!]|#)' then
    return false;
  end if;

  v_extent := crm_private.pattern_extent(value);

  -- What links atoms is made for each character that the expression tells from others.
  if v_extent.atoms > 1000
    or v_extent.skippable > 50
    or v_extent.atoms * v_extent.skippable * (
      select count(distinct part) from regexp_split_to_table(value, '') as part
    ) > 300000
  then
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
