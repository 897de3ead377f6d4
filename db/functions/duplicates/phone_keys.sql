/*
 * Returns the match keys of contacts with any of these numbers, in any notation; an index finds the
 * contacts by them. crm_private.has_phone then compares the whole numbers.
 */
create or replace function crm_private.phone_keys(phones text[])
returns text[]
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return array(
    select regexp_replace(digits, '^[0-9]*([0-9]{7})$', 'phone:\1')
    from unnest(phones) as phone
    cross join lateral (
      values
        (regexp_replace(
          (crm_private.phone_parts(crm_private.ascii_digits(phone)))[1], '[^0-9]+', '', 'g'
        )),
        (ltrim(split_part(crm_private.phone_number(phone), 'x', 1), '+'))
    ) as form (digits)
    where digits <> ''
  );
end
$$;

comment on function crm_private.phone_keys(text[]) is
  'Returns the match keys of contacts with any of these numbers.';

revoke all on function crm_private.phone_keys(text[]) from public;
grant execute on function crm_private.phone_keys(text[]) to crm_reader;
