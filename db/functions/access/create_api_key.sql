/*
 * Creates an API key and gives it, this once: what is kept is its hash. The key is 256 random bits,
 * in base64 as URLs take it, behind a beginning by which scanners find keys that were leaked.
 *
 * An API key cannot create another one: a stolen one must not outlive its revocation.
 *
 * Security definer: nobody but the owner reaches the hashes, and no client says what a row holds
 * beside what it gives here.
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
  -- A random UUID has 122 random bits; three of them have more than the digest keeps.
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
      using errcode = 'insufficient_privilege';
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
  'What crm.create_api_key calls, with the rights of the owner.';

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
  'Creates an API key: its name (lower case letters and digits, with single dots, hyphens or '
  'underscores between them), its role (reader, member or admin), and when it ceases to be good, if '
  'it does. The key itself is shown in the answer and never again.';

revoke all on function crm.create_api_key(text, text, timestamptz) from public;
grant execute on function crm.create_api_key(text, text, timestamptz) to crm_admin;
