/*
 * Returns true for every user except an API key that was revoked or has expired since its request
 * was admitted; raises for such a key. Called once per statement by the policies of all tables that
 * roles other than the owner write, and by the functions that write with the owner's rights.
 * Revocation therefore also applies to a request that waits for its turn, and inside an open
 * transaction.
 *
 * Security definer: only administrators can read the keys.
 */
create or replace function crm_private.caller_is_authenticated()
returns boolean
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if starts_with(crm.current_user_id(), 'key:')
    and not exists (
      select
      from crm.api_keys as api_key
      where 'key:' || api_key.name = crm.current_user_id()
        and api_key.revoked_at is null
        and coalesce(api_key.expires_at > clock_timestamp(), true)
    )
  then
    raise exception 'the API key was revoked or has expired'
      using errcode    = 'insufficient_privilege',
            schema     = 'crm', table = 'api_keys',
            constraint = 'caller_is_authenticated_key_valid',
            hint       = 'Use a valid API key; an administrator can create one.';
  end if;
  return true;
end
$$;

comment on function crm_private.caller_is_authenticated() is
  'Returns true; raises for an API key that was revoked or has expired.';

revoke all on function crm_private.caller_is_authenticated() from public;
grant execute on function crm_private.caller_is_authenticated() to crm_member;
