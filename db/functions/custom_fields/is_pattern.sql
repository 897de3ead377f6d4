/*
 * Returns true if a text is a regular expression of PostgreSQL that is safe to apply to every
 * value. Rejects constructs that can take excessive time: back references and look-ahead or
 * look-behind, when a text is matched; repetitions that make an expression large when it is
 * compiled, of single atoms as well as of groups; and comments, which could hide what is repeated.
 * All other expressions compile in a fraction of a second, once per session, and match a text in
 * one pass.
 *
 * Called when a definition is written, never for the rows.
 */
create or replace function crm_private.is_pattern(value text)
returns boolean
language plpgsql
immutable
strict
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Without escaped backslashes and parentheses.
  v_bare text    := regexp_replace(replace(value, '\\', ''), '\\[()]', '', 'g');
  v_extent record;
begin
  -- A directive for another syntax would make the checks below unreliable.
  if v_bare ~ '^\*\*\*' or v_bare ~ '^\(\?[a-z]*[beqx]' then
    return false;
  end if;

  if v_bare ~ '\\[1-9]' or v_bare ~ '\(\?(<?[=!]|#)' then
    return false;
  end if;

  v_extent := crm_private.pattern_extent(value);

  -- The automaton has links between atoms for each character that the expression distinguishes.
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
  'Returns true if the text is a regular expression that is safe to apply to every value.';

revoke all on function crm_private.is_pattern(text) from public;
grant execute on function crm_private.is_pattern(text) to crm_member;
