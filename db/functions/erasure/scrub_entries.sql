/*
 * Removes the values from audit log entries permanently. In the blocks that seal the entries, the
 * digests of the values replace the salts, so that the entries can still be verified and no one can
 * find the values by guessing.
 *
 * The caller must hold the lock of crm_private.seal_audit_log, so that no block is being built from
 * the old values, and must log the erasure with the same time, which crm_private.compare_entries
 * expects.
 */
create or replace function crm_private.scrub_entries(
  p_table   regclass,
  p_entries crm.audit_logs[],
  p_at      timestamptz
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  with doomed as (
    select entry.id, entry.changes, block.number
    from unnest(p_entries) as entry
    cross join lateral (
      select number
      from crm_private.audit_log_blocks
      where last_id >= entry.id
      order by last_id
      limit 1
    ) as block
  ),
  scrubbed as (
    select
      block.number,
      array_agg(
        case
          when doomed.id is null then seal.salt
          else crm_private.payload_digest(seal.salt, doomed.changes)
        end
        order by seal.place
      ) as salts
    from crm_private.audit_log_blocks as block
    cross join lateral unnest(block.ids, block.salts)
      with ordinality as seal (id, salt, place)
    left join doomed on doomed.number = block.number and doomed.id = seal.id
    where block.number in (select number from doomed)
    group by block.number
  )
  update crm_private.audit_log_blocks as block
  set salts = scrubbed.salts
  from scrubbed
  where scrubbed.number = block.number;

  -- Passes only keys: a server log may contain the parameters of a statement.
  execute format(
    'update %s as entry set changes = ''{}'', erased_at = $3
     from unnest($1, $2) as doomed (id, "timestamp")
     where entry."timestamp" = doomed."timestamp" and entry.id = doomed.id',
    p_table
  ) using
    array(select id from unnest(p_entries) with ordinality order by ordinality),
    array(select "timestamp" from unnest(p_entries) with ordinality order by ordinality),
    p_at;
end
$$;

comment on function crm_private.scrub_entries(regclass, crm.audit_logs[], timestamptz) is
  'Removes the values from audit log entries, and leaves what verifies them.';

revoke all on function crm_private.scrub_entries(regclass, crm.audit_logs[], timestamptz) from public;
