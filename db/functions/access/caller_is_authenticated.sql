/*
 * Returns true for every user except an API key that was revoked or has expired since its request
 * was admitted; raises for such a key. Called once per statement by the policies of all tables that
 * roles other than the owner write, and by the functions that write with the owner's rights.
 * Revocation therefore also applies to a request that waits for its turn, and inside an open
 * transaction.
 *
 * Its body is bound, like that of crm.current_user_id, so that only a key costs a call.
 */
create or replace function crm_private.caller_is_authenticated()
returns boolean
language sql
stable
parallel safe
return not starts_with(crm.current_user_id(), 'key:') or crm_private.key_is_valid();

comment on function crm_private.caller_is_authenticated() is
  'Returns true; raises for an API key that was revoked or has expired.';

revoke all on function crm_private.caller_is_authenticated() from public;
grant execute on function crm_private.caller_is_authenticated() to crm_member;
