/*
 * A name as it is compared: folded, words apart by one space, without punctuation. "O'Neill, Zoë"
 * becomes "oneill zoe". Inlined.
 */
create or replace function crm_private.plain_name(name text)
returns text
language sql
immutable
parallel safe
return btrim(regexp_replace(
  regexp_replace(crm_private.fold(name), '[''.`´’]+', '', 'g'),
  '[[:space:]!-/:-@[-`{-~]+', ' ', 'g'
));

comment on function crm_private.plain_name(text) is
  'A name as it is compared: folded and without punctuation.';

revoke all on function crm_private.plain_name(text) from public;
grant execute on function crm_private.plain_name(text) to crm_reader;
