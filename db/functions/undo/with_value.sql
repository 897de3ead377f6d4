/*
 * Returns an object in which the value of a member, or an element of its list, is replaced by
 * another.
 */
create or replace function crm_private.with_value(
  p_object jsonb,
  p_key    text,
  p_old    text,
  p_new    text
)
returns jsonb
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_object -> p_key = to_jsonb(p_old) then p_object || jsonb_build_object(p_key, p_new)
    when jsonb_typeof(p_object -> p_key) = 'array' then p_object || jsonb_build_object(
      p_key,
      (
        select coalesce(
          jsonb_agg(
            case when element = to_jsonb(p_old) then to_jsonb(p_new) else element end order by place
          ),
          '[]'
        )
        from jsonb_array_elements(p_object -> p_key) with ordinality as listed (element, place)
      )
    )
    else p_object
  end;
$$;

comment on function crm_private.with_value(jsonb, text, text, text) is
  'Returns an object in which a value of a member is replaced by another.';

revoke all on function crm_private.with_value(jsonb, text, text, text) from public;
