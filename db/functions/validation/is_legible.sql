/*
 * True if a text of one line, such as a name, holds nothing that cannot be seen but where writing needs it:
 * crm_private.legible_pattern. One that is blank has that fault alone, which another rule tells. Nearly every text has no hidden character at all, which is asked first.
 */
create or replace function crm_private.is_legible(value text)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return value !~ ('[' || crm_private.hidden_characters() || ']')
    or value ~ crm_private.legible_pattern()
    or crm_private.is_blank(value);
end
$$;

comment on function crm_private.is_legible(text) is
  'True if a text of one line holds nothing that cannot be seen but where writing needs it.';

revoke all on function crm_private.is_legible(text) from public;
grant execute on function crm_private.is_legible(text) to crm_member;
