/*
 * The domain of a text that is a link, a host or an email address and nothing else, without www:
 * "https://www.acme.com/about" and "info@acme.com" are of acme.com. Null for any other text.
 */
create or replace function crm_private.domain_of(value text)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return case
    when char_length(value) <= 1000 then (
      regexp_match(
        lower(value collate "C"),
        '^\s*(?:https?://)?(?:[^\s@/]+@)?(?:www\.)?((?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,})'
        '(?::[0-9]+)?(?:[/?#]\S*)?\s*$'
      )
    )[1]
  end;
end
$$;

comment on function crm_private.domain_of(text) is
  'The domain of a text that is a link, a host or an email address; null for any other text.';

revoke all on function crm_private.domain_of(text) from public;
grant execute on function crm_private.domain_of(text) to crm_reader;
