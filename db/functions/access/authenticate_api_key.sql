/*
 * Who a request with an API key speaks for, asked by the server at each request, so that revocation
 * and expiry hold at once. No row if no key has this hash; no role, but the reason for the log, if
 * the key is not good any more. It takes the hash, so that no key comes near the database's logs,
 * and answers about a key only whoever holds it.
 *
 * A use is noted at most once a minute, and never waited for: not where another request is just
 * noting it, nor for the disk, nor where the database takes no writes. It is no change of the row:
 * neither version nor audit log tell of it.
 *
 * Security definer: the server's login role reads no table.
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
  'Who a request with an API key of this SHA-256 speaks for, and whether the key is good.';

revoke all on function crm_private.authenticate_api_key(bytea) from public;
grant execute on function crm_private.authenticate_api_key(bytea) to crm_server;
