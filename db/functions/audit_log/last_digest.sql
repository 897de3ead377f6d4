/*
 * Returns the number of the last block and its hash. Called by crm.audit_log_digest after sealing,
 * and by crm_private.check_audit_log.
 */
create or replace function crm_private.last_digest()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format('%s-%s', coalesce(block.number, 0), encode(coalesce(block.hash, none.hash), 'hex'))
  from (select decode(repeat('00', 32), 'hex') as hash) as none
  left join (
    select number, hash from crm_private.audit_log_blocks order by number desc limit 1
  ) as block on true;
$$;

comment on function crm_private.last_digest() is
  'Returns the number of the last block of sealed entries, and its hash.';

revoke all on function crm_private.last_digest() from public;
