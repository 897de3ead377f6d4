/*
 * Returns the hash of a block of sealed entries. It covers the hash of the block before, so
 * changing one block requires changing all later ones. Salts are excluded, because erasure removes
 * them.
 */
create or replace function crm_private.block_hash(
  previous  bytea,
  number    bigint,
  sealed_at timestamptz,
  ids       bigint[],
  digests   bytea[]
)
returns bytea
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return sha256(
    previous || int8send(number) || timestamptz_send(sealed_at) || array_send(ids)
    || array_send(digests)
  );
end
$$;

comment on function crm_private.block_hash(bytea, bigint, timestamptz, bigint[], bytea[]) is
  'Returns the SHA-256 of a block of sealed entries and of the hash of the block before it.';

revoke all on function crm_private.block_hash(bytea, bigint, timestamptz, bigint[], bytea[])
  from public;
