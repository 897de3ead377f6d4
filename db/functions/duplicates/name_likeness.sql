/*
 * Returns how similar two plain names are, from 0 to 1: the share of trigrams that they have in
 * common, but at least 0.8 if they sound alike, that is, if they have the same skeleton of four
 * letters or more. Callers that compare many names compute each skeleton once.
 */
create or replace function crm_private.name_likeness(
  plain_name     text,
  other_name     text,
  skeleton       text,
  other_skeleton text
)
returns real
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return case
    when plain_name = other_name then 1
    when skeleton = other_skeleton and length(skeleton) >= 4
    then greatest(extensions.similarity(plain_name, other_name), 0.8::real)
    else extensions.similarity(plain_name, other_name)
  end;
end
$$;

comment on function crm_private.name_likeness(text, text, text, text) is
  'Returns how similar two plain names are, from 0 to 1.';

revoke all on function crm_private.name_likeness(text, text, text, text) from public;
grant execute on function crm_private.name_likeness(text, text, text, text) to crm_reader;
