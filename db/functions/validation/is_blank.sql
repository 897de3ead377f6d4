/*
 * Returns true if nothing of a text can be seen: all its characters are white or hidden. Called by
 * every check with the message "must not be blank".
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
  'Returns true if nothing of the text can be seen: it is empty, white or hidden.';

revoke all on function crm_private.is_blank(text) from public;
grant execute on function crm_private.is_blank(text) to crm_member;
