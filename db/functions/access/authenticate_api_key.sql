/*
 * Returns the user and role of a request with an API key. Called by the server for each request, so
 * that revocation and expiry take effect at once. Returns no row if no key has this hash. For a key
 * that was revoked or has expired it returns no role, but the reason, for the log. It takes the
 * hash, so that no key reaches the logs of the database, and so that only the holder of a key can
 * query it.
 *
 * Records the use of the key at most once a minute, and never waits to do so: not for another
 * request that is recording a use, nor for the disk, nor where the database is read-only. This is
 * not a change of the row: neither the version nor the audit log records it.
 *
 * Security definer: the login role of the server cannot read tables.
 */
create or replace function crm_private.authenticate_api_key(p_key_hash bytea)
returns table (user_id text, role text, fault text)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_api_key crm.api_keys;
begin
  select api_key.* into v_api_key
  from crm_private.api_key_hashes as hash
  join crm.api_keys as api_key on api_key.id = hash.api_key_id
  where hash.key_hash = p_key_hash;

  if not found then
    return;
  end if;

  user_id := 'key:' || v_api_key.name;
  if v_api_key.revoked_at is not null then
    fault := 'was revoked';
  elsif v_api_key.expires_at <= now() then
    fault := 'has expired';
  else
    role := v_api_key.role;
    if coalesce(v_api_key.last_used_at < now() - interval '1 minute', true)
      and current_setting('transaction_read_only') = 'off'
    then
      perform set_config('synchronous_commit', 'off', true);
      update crm.api_keys as api_key
      set last_used_at = now()
      from (
        select free.id
        from crm.api_keys as free
        where free.id = v_api_key.id
        for no key update skip locked
      ) as free
      where api_key.id = free.id;
    end if;
  end if;
  return next;
end
$$;

comment on function crm_private.authenticate_api_key(bytea) is
  'Returns the user and role of the API key with this SHA-256, or the reason why it is not valid.';

revoke all on function crm_private.authenticate_api_key(bytea) from public;
grant execute on function crm_private.authenticate_api_key(bytea) to crm_server;
