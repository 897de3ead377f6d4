/*
 * Seals the audit log entries written since the last call: stores their digests in blocks, each
 * with the hash of the block before. Returns the number of entries sealed; stops after about
 * p_limit. Called by the server every few seconds, and by crm.verify_audit_log and
 * crm.audit_log_digest before they compare.
 *
 * Writers neither wait nor do any work for it, and it does not wait for them. Ids are assigned
 * before their transactions commit. So it reads the sequence first, and then from the locks which
 * other transactions are writing the audit log. Once these have ended, each id up to the one that
 * was read is in the audit log or never will be. If there are such transactions, it stores them
 * with the id, and a later call continues from there. Entries of its own transaction are sealed
 * with it, or not at all.
 *
 * Seals nothing where it cannot read or write everything: on a standby, and in a transaction that
 * is read-only or has its own snapshot.
 *
 * Security definer: the blocks belong to the owner, and only the owner may write them.
 */
create or replace function crm_private.seal_audit_log(p_limit bigint default null)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  c_span    constant bigint := 10000::bigint; -- ids that a block covers, at most
  v_state   crm_private.audit_log_progress;
  v_last    bigint;
  v_writers text[];
  v_to      bigint;
  v_from    bigint;
  v_number  bigint := 0::bigint;
  v_hash    bytea  := decode(repeat('00', 32), 'hex');
  v_block   crm_private.audit_log_blocks;
  v_sealed  bigint := 0::bigint;
begin
  if not crm_private.lock_seals(p_waits => false) then
    return 0::bigint;
  end if;

  select case when is_called then last_value else last_value - 1 end into v_last
  from crm.audit_logs_id_seq;

  select * into strict v_state from crm_private.audit_log_progress;

  if v_last <= v_state.sealed_to then
    return 0::bigint;
  end if;

  v_writers := array(
    select virtualtransaction
    from pg_locks
    where locktype = 'relation'
      and database = (select oid from pg_database where datname = current_database())
      and relation = 'crm.audit_logs'::regclass
      and mode = 'RowExclusiveLock'
      and pid is distinct from pg_backend_pid()
  );

  v_to := case
    when v_writers = '{}' then v_last
    when not v_state.pending_for && v_writers then v_state.pending_to
  end;

  if v_to = v_last then
    v_state.pending_to  := null;
    v_state.pending_for := null;
  elsif v_state.pending_to is null or v_to is not null then
    v_state.pending_to  := v_last;
    v_state.pending_for := v_writers;
  end if;

  if v_to is not null then
    select number, hash into v_block.number, v_block.hash
    from crm_private.audit_log_blocks order by number desc limit 1;
    if found then
      v_number := v_block.number;
      v_hash   := v_block.hash;
    end if;

    v_from := v_state.sealed_to;
    while v_from < v_to and not coalesce(v_sealed >= p_limit, false) loop
      insert into crm_private.audit_log_blocks
        (number, last_id, sealed_at, ids, digests, salts, previous, hash)
      select
        v_number + 1, max(id), now(), array_agg(id), array_agg(digest), array_agg(salt), v_hash,
        crm_private.block_hash(v_hash, v_number + 1, now(), array_agg(id), array_agg(digest))
      from (
        select
          id, salt,
          crm_private.entry_digest(
            id, entity_type, entity_id, action, user_id, "timestamp", transaction_id, source,
            crm_private.payload_digest(salt, changes)
          ) as digest
        from (
          select audit_log.*, uuid_send(gen_random_uuid()) as salt
          from crm.audit_logs as audit_log
          where audit_log.id > v_from and audit_log.id <= least(v_from + c_span, v_to)
        ) as entry
        order by id
      ) as entry
      having count(*) > 0
      returning * into v_block;

      if found then
        v_number := v_block.number;
        v_hash   := v_block.hash;
        v_sealed := v_sealed + cardinality(v_block.ids);
        v_from   := least(v_from + c_span, v_to);
      else
        -- Aborted transactions may leave large gaps between ids.
        select coalesce(min(audit_log.id) - 1, v_to) into v_from
        from crm.audit_logs as audit_log
        where audit_log.id > v_from + c_span and audit_log.id <= v_to;
      end if;
    end loop;
    v_state.sealed_to := v_from;

    if v_from < v_to then -- the rest is for the next call
      v_state.pending_to  := v_to;
      v_state.pending_for := '{}';
    end if;
  end if;

  update crm_private.audit_log_progress
  set sealed_to   = v_state.sealed_to,
      pending_to  = v_state.pending_to,
      pending_for = v_state.pending_for;

  return v_sealed;
end
$$;

comment on function crm_private.seal_audit_log(bigint) is
  'Seals the audit log entries written since the last call; returns their number.';

revoke all on function crm_private.seal_audit_log(bigint) from public;
grant execute on function crm_private.seal_audit_log(bigint) to crm_server;
