/*
 * Returns the email addresses, or the phone numbers, of several rows in one list: those of the
 * first row unchanged, then those that the others add, in order. Addresses are compared without
 * regard to case, numbers by the digits that are dialled. A number with and without its country
 * code or an extension stays twice, because only a user can know which one is right. p_lists is an
 * array of arrays. Called by merges of contacts.
 */
create or replace function crm_private.merged_values(p_lists jsonb)
returns text[]
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(value order by row, position), '{}')
  from (
    select
      list.row,
      element.position,
      element.value,
      row_number() over (
        partition by case
          when strpos(element.value, '@') > 0 then crm_private.plain_email(element.value)
          else coalesce(
            nullif(crm_private.phone_number(element.value), ''), crm_private.fold(element.value)
          )
        end
        order by list.row, element.position
      ) as occurrence
    from jsonb_array_elements(p_lists) with ordinality as list (value, row)
    cross join lateral jsonb_array_elements_text(list.value) with ordinality
      as element (value, position)
  ) as listed
  where row = 1 or occurrence = 1;
$$;

comment on function crm_private.merged_values(jsonb) is
  'Returns lists of email addresses or phone numbers as one, without duplicates.';

revoke all on function crm_private.merged_values(jsonb) from public;
grant execute on function crm_private.merged_values(jsonb) to crm_member;
