/*
 * Compares the audit log with its seals and, if one is passed, with a digest that was stored
 * elsewhere. Returns a verdict with the first entry that was changed since it was sealed. Called by
 * crm.verify_audit_log and the command line, after sealing. Raises for text that is not a digest.
 *
 * Checks the chain of blocks first. The blocks before the first broken one are reliable: their
 * entries are compared, a hundred blocks at a time, so that memory does not grow with the audit
 * log.
 */
create or replace function crm_private.check_audit_log(p_digest text default null)
returns crm.audit_log_verdict
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  c_blocks  constant bigint := 100::bigint; -- at a time
  v_verdict crm.audit_log_verdict;
  v_broken  bigint;
  v_blocks  bigint;
  v_first   bigint := 1::bigint;
  v_part    record;
begin
  if p_digest !~ '^\d{1,18}-[0-9a-f]{64}$' then
    raise exception 'verify_audit_log: % is not a digest of the audit log',
        left(to_json(p_digest)::text, 80)
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs',
            constraint = 'verify_audit_log_digest_format',
            detail     = '{"digest": ["is not a digest that auditLogDigest returns"]}',
            hint       = 'Pass a result of crm.audit_log_digest, or null to omit the digest.';
  end if;

  v_verdict.digest     := crm_private.last_digest();
  v_verdict.entries    := 0;
  v_verdict.archived   := 0;
  v_verdict.kept_since := crm.audit_log_kept_since();
  v_verdict.unsealed   := (
    select count(*)
    from crm.audit_logs as audit_log
    where audit_log.id > coalesce(
      (select max(last_id) from crm_private.audit_log_blocks), -9223372036854775808
    )
  );

  v_broken := crm_private.broken_block(p_digest);
  v_blocks := coalesce(
    v_broken - 1, (select max(number) from crm_private.audit_log_blocks), 0
  );

  while v_first <= v_blocks loop
    select * into v_part
    from crm_private.compare_entries(v_first, least(v_first + c_blocks - 1, v_blocks));

    v_verdict.entries  := v_verdict.entries + v_part.entries;
    v_verdict.archived := v_verdict.archived + v_part.archived;

    if v_part.fault is not null then
      v_verdict.fault       := v_part.fault;
      v_verdict.entry_id    := v_part.entry_id;
      v_verdict."timestamp" := (
        select min(audit_log."timestamp")
        from crm.audit_logs as audit_log
        where audit_log.id = v_part.entry_id
      );
      v_verdict.message := format(
        case v_part.fault
          when 'altered'  then 'Entry %s was altered after it was sealed.'
          when 'removed'  then 'Entry %s was removed after it was sealed.'
          when 'inserted' then 'Entry %s was inserted among sealed entries.'
        end,
        v_part.entry_id
      );
      exit;
    end if;
    v_first := v_first + c_blocks;
  end loop;

  if v_verdict.fault is null and v_broken is not null then
    v_verdict.fault    := 'rewritten';
    v_verdict.entry_id := (
      select last_id + 1 from crm_private.audit_log_blocks where number = v_broken - 1
    );
    v_verdict.entry_id := coalesce(v_verdict.entry_id, 1);
    v_verdict.message  := format(
      'The seals from block %s on, for the entries from %s on, were rewritten.',
      v_broken, v_verdict.entry_id
    );
  end if;

  v_verdict.intact  := v_verdict.fault is null;
  v_verdict.message := coalesce(
    v_verdict.message, format('All %s sealed entries are unchanged.', v_verdict.entries)
  );
  return v_verdict;
end
$$;

comment on function crm_private.check_audit_log(text) is
  'Compares the audit log with its seals; returns the first entry that was changed.';

revoke all on function crm_private.check_audit_log(text) from public;
