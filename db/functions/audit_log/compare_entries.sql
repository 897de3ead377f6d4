/*
 * Compares the audit log with a range of blocks. Returns the first entry that differs from its
 * seal, with its fault (altered, removed or inserted), and how many entries were compared and how
 * many are archived. Called by crm_private.check_audit_log.
 *
 * The blocks cover all ids after the block before them, so an entry in that range that no block
 * lists was inserted later. An erased entry has no values to compare: the block stores their digest
 * in place of the salt, and the audit log must contain the entry that records the erasure.
 */
create or replace function crm_private.compare_entries(
  p_first      bigint,
  p_last       bigint,
  out entry_id bigint,
  out fault    text,
  out entries  bigint,
  out archived bigint
)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with block as (
    select * from crm_private.audit_log_blocks where number between p_first and p_last
  ),
  sealed as (
    select seal.*
    from block
    cross join lateral unnest(block.ids, block.digests, block.salts) as seal (id, digest, salt)
  ),
  entry as (
    select audit_log.*
    from crm.audit_logs as audit_log
    where audit_log.id > coalesce(
        (select last_id from crm_private.audit_log_blocks where number = p_first - 1),
        -9223372036854775808
      )
      and audit_log.id <= (select max(last_id) from block)
  ),
  compared as materialized (
    select
      id,
      entry.entity_id is not null as is_there,
      case
        when entry.entity_id is null then
          case when id <@ (select crm_private.archived_entries()) then null else 'removed' end
        when sealed.digest is null then 'inserted'
        when sealed.digest <> crm_private.entry_digest(
          id, entry.entity_type, entry.entity_id, entry.action, entry.user_id,
          entry."timestamp", entry.transaction_id, entry.source,
          case
            when octet_length(sealed.salt) = 32 then sealed.salt
            else crm_private.payload_digest(coalesce(sealed.salt, ''), entry.changes)
          end
        ) then 'altered'
        when entry.erased_at is null then
          case when octet_length(sealed.salt) = 32 then 'altered' end
        when entry.changes <> '{}' or not exists (
          select
          from crm.audit_logs as erasure
          where erasure."timestamp" = entry.erased_at
            and (
              erasure.action = 'erase' and erasure.entity_id = entry.entity_id
              or erasure.action = 'purge' and entry.action = 'delete'
                and (erasure.changes ->> 'before')::timestamptz > entry."timestamp"
            )
        ) then 'altered'
      end as fault
    from sealed
    full join entry using (id)
  ),
  -- An entry and its exact copy both match. The primary key prevents copies, but a superuser can
  -- drop it.
  faulty as (
    select id, compared.fault from compared where compared.fault is not null
    union all
    select id, 'inserted'
    from compared
    where (select count(*) from compared) > (select sum(cardinality(ids)) from block)
    group by id
    having count(*) > 1 and count(compared.fault) = 0
  )
  select
    first.id,
    first.fault,
    (select count(*) from compared where is_there),
    (select count(*) from compared where not is_there)
  from (select) as always
  left join (select id, faulty.fault from faulty order by id limit 1) as first on true;
$$;

comment on function crm_private.compare_entries(bigint, bigint) is
  'Returns the first entry of a range of blocks that was changed, and how many were compared.';

revoke all on function crm_private.compare_entries(bigint, bigint) from public;
