/*
 * Returns the addresses of a contact for comparisons, each after a space. An index of trigrams finds
 * contacts by a part of an address through it. Called by filters that ignore case.
 */
create or replace function crm_private.email_words(emails text[])
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_emails text := array_to_string(emails, ' ');
begin
  -- For these crm_private.plain_email would do the same, at the price of a subquery.
  if octet_length(v_emails) = char_length(v_emails) then
    v_emails := lower(v_emails collate "C");
    if strpos(v_emails, 'xn--') = 0 then
      return case when emails <> '{}' then ' ' || v_emails end;
    end if;
  end if;
  return (
    select string_agg(' ' || crm_private.plain_email(email), '' order by ordinal)
    from unnest(emails) with ordinality as listed (email, ordinal)
  );
end
$$;

comment on function crm_private.email_words(text[]) is
  'Returns the addresses of a contact for comparisons, each after a space.';

revoke all on function crm_private.email_words(text[]) from public;
grant execute on function crm_private.email_words(text[]) to crm_reader;
