/*
 * Returns true if the API key that makes the request is valid; raises if it was revoked or has
 * expired. Called by crm_private.caller_is_authenticated.
 *
 * Security definer: only administrators can read the keys.
 */
create or replace function crm_private.key_is_valid()
returns boolean
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (
    select
    from crm.api_keys as api_key
    where 'key:' || api_key.name = crm.current_user_id()
      and api_key.revoked_at is null
      and coalesce(api_key.expires_at > clock_timestamp(), true)
  ) then
    raise exception 'the API key was revoked or has expired'
      using errcode    = 'insufficient_privilege',
            schema     = 'crm', table = 'api_keys',
            constraint = 'caller_is_authenticated_key_valid',
            hint       = 'Use a valid API key; an administrator can create one.';
  end if;
  return true;
end
$$;

comment on function crm_private.key_is_valid() is
  'Returns true if the API key of the request is valid; raises if it was revoked or has expired.';

revoke all on function crm_private.key_is_valid() from public;
grant execute on function crm_private.key_is_valid() to crm_member;
