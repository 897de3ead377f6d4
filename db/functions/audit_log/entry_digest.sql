/*
 * The digest of an audit log entry: of every column, and of the values by their own digest. The
 * columns are in binary form, which does not depend on time zone or format of dates; the texts are
 * a JSON array, in which none can run into the next. erased_at is left out, because erasing must not
 * break the digest; crm_private.check_audit_log holds it against the entry that records the erasure.
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
  'SHA-256 of an audit log entry, its values given by their own digest.';

revoke all on function crm_private.entry_digest(
  bigint, text, uuid, text, text, timestamptz, bigint, text, bytea
) from public;
