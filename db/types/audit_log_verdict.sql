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
  'What comparing the audit log with its seals gave.';

comment on column crm.audit_log_verdict.intact is
  E'@notNull\nWhether everything is as it was sealed.';
comment on column crm.audit_log_verdict.fault is
  'What is wrong with the first faulty entry: altered, removed or inserted; or rewritten, if the '
  'seals themselves were changed, or are not those that the digest was taken of.';
comment on column crm.audit_log_verdict.entry_id is
  'The first faulty entry. If the seals were rewritten, the first whose seal is not to be believed.';
comment on column crm.audit_log_verdict."timestamp" is
  'The time of the faulty entry, if it is there.';
comment on column crm.audit_log_verdict.message is
  E'@notNull\nThe verdict in one sentence.';
comment on column crm.audit_log_verdict.entries is
  E'@notNull\nHow many entries were compared, up to the first fault.';
comment on column crm.audit_log_verdict.archived is
  E'@notNull\nHow many sealed entries have been archived, so that they could not be compared.';
comment on column crm.audit_log_verdict.unsealed is
  E'@notNull\nHow many entries have come too lately to be sealed.';
comment on column crm.audit_log_verdict.kept_since is
  'From when on the audit log is kept here; null if nothing was archived.';
comment on column crm.audit_log_verdict.digest is
  E'@notNull\nWhat auditLogDigest gives now.';
