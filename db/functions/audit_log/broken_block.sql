/*
 * Returns the number of the first block that was changed: it is missing, it does not match the
 * block before it, its hash is not that of its content, or its hash differs from that in the
 * auditor's digest. Null if the chain is intact. For a digest of a block that does not exist it
 * returns the number after the last block.
 */
create or replace function crm_private.broken_block(p_digest text)
returns bigint
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with block as (
    select
      number, last_id, sealed_at, ids, digests, previous, hash,
      lag(number, 1, 0::bigint) over in_order as number_before,
      lag(hash, 1, decode(repeat('00', 32), 'hex')) over in_order as hash_before
    from crm_private.audit_log_blocks
    window in_order as (order by number)
  )
  select least(
    (
      select number_before + 1
      from block
      where (number, previous, last_id, hash) is distinct from (
        number_before + 1,
        hash_before,
        ids[cardinality(ids)],
        crm_private.block_hash(previous, number, sealed_at, ids, digests)
      )
      order by number
      limit 1
    ),
    (
      select least(kept.number, (select count(*) + 1 from block))
      from (
        select
          split_part(p_digest, '-', 1)::bigint as number,
          decode(split_part(p_digest, '-', 2), 'hex') as hash
        where p_digest is not null
      ) as kept
      where kept.number > 0
        and not exists (
          select from block where block.number = kept.number and block.hash = kept.hash
        )
    )
  );
$$;

comment on function crm_private.broken_block(text) is
  'Returns the number of the first block that was changed or does not match the digest.';

revoke all on function crm_private.broken_block(text) from public;
