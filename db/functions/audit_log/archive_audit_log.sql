/*
 * Detaches the months of the audit log that ended before a time and returns their tables, for the
 * owner to dump and drop. An audit log entry records the ids of the entries in them, so that
 * crm.verify_audit_log distinguishes archived entries from removed ones, and the time since which
 * the audit log is complete.
 *
 * Raises if the time is later than the beginning of this month, or if a month is not sealed
 * completely.
 */
create or replace function crm_private.archive_audit_log(p_before timestamptz)
returns setof regclass
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_month    record;
  v_ids      int8multirange := '{}'::int8multirange;
  v_sealed   bigint;
  v_unsealed bigint;
  v_tables   text[] := '{}'::text[];
  v_until    timestamptz;
begin
  perform crm_private.refuse_old_snapshot('archive_audit_log');
  perform crm_private.lock_seals();
  perform crm_private.seal_audit_log();

  if p_before > date_trunc('month', now() at time zone 'UTC') at time zone 'UTC' then
    raise exception 'archive_audit_log: % is after the beginning of this month', p_before
      using errcode    = 'invalid_parameter_value',
            schema     = 'crm', table = 'audit_logs', column = 'timestamp',
            constraint = 'archive_audit_log_before_range',
            detail     = '{"before": ["must not be after the beginning of this month"]}',
            hint       = 'Pass the beginning of this month, in UTC, or an earlier time.';
  end if;

  perform crm_private.ensure_audit_partitions();
  v_sealed := (select sealed_to from crm_private.audit_log_progress);

  for v_month in
    select child.oid::regclass as partition, child.ends
    from (
      select
        class.oid,
        (to_date(right(class.relname, 7), 'YYYY_MM') + interval '1 month') at time zone 'UTC' as ends
      from pg_inherits
      join pg_class as class on class.oid = inhrelid
      where inhparent = 'crm.audit_logs'::regclass and class.relname ~ '^audit_logs_\d{4}_\d{2}$'
    ) as child
    where child.ends <= p_before
    order by child.ends
  loop
    execute format('select count(*) from %s where id > $1', v_month.partition)
    into v_unsealed using v_sealed;
    if v_unsealed > 0 then
      raise exception 'archive_audit_log: % has % unsealed entries',
          v_month.partition, v_unsealed
        using errcode    = 'object_in_use',
              schema     = 'crm', table = 'audit_logs',
              constraint = 'archive_audit_log_month_sealed',
              hint       = 'Try again when the transactions that are now running have ended.';
    end if;

    -- Merges the ids into ranges that are contiguous among the sealed ids.
    execute format(
      $ids$
        select $1 + coalesce(range_agg(int8range(first, last, '[]')), '{}')
        from (
          select min(id) as first, max(id) as last
          from (
            select
              seal.id,
              entry.id is not null as goes,
              row_number() over (order by seal.id)
                - row_number() over (partition by entry.id is not null order by seal.id) as island
            from crm_private.audit_log_blocks as block
            cross join lateral unnest(block.ids) as seal (id)
            left join %1$s as entry on entry.id = seal.id
            where block.last_id >= (select min(id) from %1$s)
              and block.ids[1] <= (select max(id) from %1$s)
          ) as sealed
          where goes
          group by island
        ) as island
      $ids$,
      v_month.partition
    ) into v_ids using v_ids;

    execute format('alter table crm.audit_logs detach partition %s', v_month.partition);
    v_tables := v_tables || v_month.partition::text;
    v_until  := v_month.ends;
  end loop;

  if v_until is not null then
    perform crm_private.log_event(
      'audit_log', 'archive',
      jsonb_build_object(
        'before', v_until,
        'tables', v_tables,
        'ids', (crm_private.archived_entries() + v_ids)::text
      ),
      clock_timestamp()
    );
  end if;

  return query select name::regclass from unnest(v_tables) as name;
end
$$;

comment on function crm_private.archive_audit_log(timestamptz) is
  'Detaches the months of the audit log that ended before a time; returns their tables.';

revoke all on function crm_private.archive_audit_log(timestamptz) from public;
