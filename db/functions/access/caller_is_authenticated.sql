/*
 * Whether whoever asks may still do so. Who logged in, or came with a token, may; an API key that was
 * revoked or has expired since its request was let in is refused. The policies of all tables that are
 * written by others than the owner ask it, once a statement, and so do the functions that write with
 * the rights of the owner: revocation holds for what waits for its turn, and in a transaction that is
 * under way.
 *
 * Security definer: nobody but administrators reads the keys.
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
      using errcode = 'insufficient_privilege';
  end if;
  return true;
end
$$;

comment on function crm_private.caller_is_authenticated() is
  'True; refuses an API key that was revoked or has expired.';

revoke all on function crm_private.caller_is_authenticated() from public;
grant execute on function crm_private.caller_is_authenticated() to crm_member;
