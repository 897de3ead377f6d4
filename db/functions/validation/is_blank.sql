/*
 * True if a text has nothing to see in it: no character that is neither white nor hidden. Used by every
 * "must not be blank" check.
 */
create or replace function crm_private.is_blank(value text)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return not coalesce(ascii(value) between 33 and 126, false)
    and value !~ (
      '[^' || crm_private.white_characters() || crm_private.hidden_characters() || ']'
    );
end
$$;

comment on function crm_private.is_blank(text) is
  'True if the text has nothing to see in it: it is empty, white, or hidden.';

revoke all on function crm_private.is_blank(text) from public;
grant execute on function crm_private.is_blank(text) to crm_member;
