/*
 * Returns true if a JSON value is a list of one or more different texts, each of them one of the
 * choices; null if there is no value. The rule of a multi_enum field.
 */
create or replace function crm_private.are_choices(value jsonb, choices jsonb)
returns boolean
language sql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select case
    when jsonb_typeof(value) <> 'array' then false
    -- Each element is compared with each choice, so a list that is too long is not examined.
    when jsonb_array_length(value) not between 1 and jsonb_array_length(choices) then false
    else value <@ choices and (
      select count(*) = count(distinct element) from jsonb_array_elements(value) as element
    )
  end;
$$;

comment on function crm_private.are_choices(jsonb, jsonb) is
  'Returns true if the JSON value is a list of one or more different choices.';

revoke all on function crm_private.are_choices(jsonb, jsonb) from public;
grant execute on function crm_private.are_choices(jsonb, jsonb) to crm_member;
