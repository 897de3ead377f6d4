/*
 * Creates an API key and returns it, once: only its hash is stored. The key is 256 random bits in
 * URL-safe base64, after a prefix by which secret scanners recognise leaked keys.
 *
 * Raises if the caller is itself an API key: a stolen key must not outlive its revocation.
 *
 * Security definer: only the owner can access the hashes, and clients set no columns of the row
 * except those passed here.
 */
create or replace function crm_private.create_api_key(
  name       text,
  role       text,
  expires_at timestamptz default null
)
returns crm.issued_api_key
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  -- A random UUID has 122 random bits; three of them have more than the 256 of the digest.
  v_key     text := 'pgcrm_' || translate(
    encode(
      sha256(
        uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
      ),
      'base64'
    ),
    '+/=', '-_'
  );
  v_api_key crm.api_keys;
begin
  if starts_with(crm.current_user_id(), 'key:') then
    raise exception 'an API key cannot create API keys'
      using errcode    = 'insufficient_privilege',
            schema     = 'crm', table = 'api_keys',
            constraint = 'create_api_key_caller_not_key',
            hint       = 'Create the key as an administrator who does not use an API key.';
  end if;

  insert into crm.api_keys (name, role, expires_at, prefix)
  values (
    create_api_key.name, create_api_key.role, create_api_key.expires_at, left(v_key, 12)
  )
  returning * into v_api_key;

  insert into crm_private.api_key_hashes (api_key_id, key_hash)
  values (v_api_key.id, sha256(convert_to(v_key, 'UTF8')));

  return (v_key, v_api_key);
end
$$;

comment on function crm_private.create_api_key(text, text, timestamptz) is
  'Implements crm.create_api_key with the rights of the owner.';

revoke all on function crm_private.create_api_key(text, text, timestamptz) from public;
grant execute on function crm_private.create_api_key(text, text, timestamptz) to crm_admin;

create or replace function crm.create_api_key(
  name       text,
  role       text,
  expires_at timestamptz default null
)
returns crm.issued_api_key
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.create_api_key(name, role, expires_at);
$$;

comment on function crm.create_api_key(text, text, timestamptz) is
  'Creates an API key for an integration. The name consists of lower case letters and digits, with '
  'single dots, hyphens or underscores between them; the role is reader, member or admin; without '
  'an expiry time the key is valid until it is revoked. The response shows the key itself, once.';

revoke all on function crm.create_api_key(text, text, timestamptz) from public;
grant execute on function crm.create_api_key(text, text, timestamptz) to crm_admin;
