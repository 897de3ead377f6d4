do $type$
begin
  if to_regtype('crm.audit_log_verdict') is null then
    create type crm.audit_log_verdict as (
      intact      boolean,
      fault       text,
      entry_id    bigint,
      "timestamp" timestamptz,
      message     text,
      entries     bigint,
      archived    bigint,
      unsealed    bigint,
      kept_since  timestamptz,
      digest      text
    );
  end if;
end
$type$;

comment on type crm.audit_log_verdict is
  'The result of a comparison of the audit log with its seals.';

comment on column crm.audit_log_verdict.intact is
  E'@notNull\nTrue if every sealed entry is as it was sealed.';
comment on column crm.audit_log_verdict.fault is
  'The kind of the first fault: altered, removed or inserted for an entry; rewritten if the seals '
  'themselves were changed, or are not those of the digest. Null if there is no fault.';
comment on column crm.audit_log_verdict.entry_id is
  'The id of the first faulty entry. If the seals were rewritten, the first entry whose seal '
  'cannot be trusted.';
comment on column crm.audit_log_verdict."timestamp" is
  'The time of the faulty entry. Null if there is no such entry.';
comment on column crm.audit_log_verdict.message is
  E'@notNull\nThe result in one sentence.';
comment on column crm.audit_log_verdict.entries is
  E'@notNull\nThe number of entries that were compared, up to the first fault.';
comment on column crm.audit_log_verdict.archived is
  E'@notNull\nThe number of sealed entries that could not be compared, because they were archived.';
comment on column crm.audit_log_verdict.unsealed is
  E'@notNull\nThe number of entries that are too recent to be sealed.';
comment on column crm.audit_log_verdict.kept_since is
  'The time from which the audit log is complete here; earlier entries were archived. Null if none '
  'were.';
comment on column crm.audit_log_verdict.digest is
  E'@notNull\nThe digest that auditLogDigest returns now.';
