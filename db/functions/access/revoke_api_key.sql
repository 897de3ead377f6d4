/*
 * Revokes an API key: the next request with it is refused. A key that is already revoked stays
 * unchanged. Raises if the id is null or no key has it.
 *
 * Security definer: clients cannot write the table.
 */
create or replace function crm_private.revoke_api_key(id uuid)
returns crm.api_keys
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_api_key crm.api_keys;
begin
  if id is null then
    raise exception 'api_keys: id is required'
      using errcode    = 'not_null_violation',
            schema     = 'crm', table = 'api_keys', column = 'id',
            constraint = 'api_keys_id_not_null',
            detail     = '{"id": ["is required"]}',
            hint       = 'Pass the id of an API key; crm.api_keys lists them.';
  end if;

  update crm.api_keys as api_key
  set revoked_at = now()
  where api_key.id = revoke_api_key.id and api_key.revoked_at is null;

  select api_key.* into v_api_key
  from crm.api_keys as api_key
  where api_key.id = revoke_api_key.id;

  if not found then
    perform crm_private.refuse_missing('apiKey', id::text);
  end if;

  return v_api_key;
end
$$;

comment on function crm_private.revoke_api_key(uuid) is
  'Implements crm.revoke_api_key with the rights of the owner.';

revoke all on function crm_private.revoke_api_key(uuid) from public;
grant execute on function crm_private.revoke_api_key(uuid) to crm_admin;

create or replace function crm.revoke_api_key(id uuid)
returns crm.api_keys
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.revoke_api_key(id);
$$;

comment on function crm.revoke_api_key(uuid) is
  'Revokes an API key: the next request with it is refused. A revocation cannot be undone.';

revoke all on function crm.revoke_api_key(uuid) from public;
grant execute on function crm.revoke_api_key(uuid) to crm_admin;
