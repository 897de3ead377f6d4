/*
 * The email addresses, or phone numbers, of several rows in one list: those of the first row as they
 * are, then what the others add, in order. Addresses are compared without regard to case, numbers by
 * what is dialled: a number with and without its country code or an extension stays twice, for whoever
 * knows which is right. p_lists is an array of arrays. Called where contacts are merged.
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
  'Lists of email addresses or phone numbers in one, without what is there already.';

revoke all on function crm_private.merged_values(jsonb) from public;
grant execute on function crm_private.merged_values(jsonb) to crm_member;
