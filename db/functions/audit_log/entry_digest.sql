/*
 * Returns the digest of an audit log entry. It covers every column, and the values through their
 * own digest. The columns are in binary form, which does not depend on the time zone or the date
 * format; the texts form a JSON array, in which one cannot run into the next. erased_at is
 * excluded, because erasing must not break the digest; crm_private.check_audit_log compares it with
 * the entry of the erasure.
 */
create or replace function crm_private.entry_digest(
  id             bigint,
  entity_type    text,
  entity_id      uuid,
  action         text,
  user_id        text,
  "timestamp"    timestamptz,
  transaction_id bigint,
  source         text,
  payload        bytea
)
returns bytea
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return sha256(
    int8send(id) || timestamptz_send("timestamp") || uuid_send(entity_id) || int8send(transaction_id)
    || payload
    || convert_to(jsonb_build_array(entity_type, action, user_id, source)::text, 'UTF8')
  );
end
$$;

comment on function crm_private.entry_digest(
  bigint, text, uuid, text, text, timestamptz, bigint, text, bytea
) is
  'Returns the SHA-256 of an audit log entry, with its values represented by their own digest.';

revoke all on function crm_private.entry_digest(
  bigint, text, uuid, text, text, timestamptz, bigint, text, bytea
) from public;
