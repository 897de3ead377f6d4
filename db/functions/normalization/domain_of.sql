/*
 * Returns the domain of a text that is only a link, a host or an email address, without www:
 * acme.com for "https://www.acme.com/about" and "info@acme.com", köln.de for xn--kln-sna.de. Null
 * for any other text.
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
        crm_private.plain_email(value),
        replace(replace(
          '^\s*(?:https?://)?(?:[^\s@/]+@)?(?:www\.)?((?:[A](?:[L]*[A])?\.)+[^\x01-\x60\x7b-\x7f\s]{2,})'
          '(?::[0-9]+)?(?:[/?#]\S*)?\s*$',
          'A', '^\x01-\x2f\x3a-\x60\x7b-\x7f\s'),
          'L', '^\x01-\x2c\x2e\x2f\x3a-\x60\x7b-\x7f\s'
        )
      )
    )[1]
  end;
end
$$;

comment on function crm_private.domain_of(text) is
  'Returns the domain of a text that is a link, a host or an email address; null for any other '
  'text.';

revoke all on function crm_private.domain_of(text) from public;
grant execute on function crm_private.domain_of(text) to crm_reader;
