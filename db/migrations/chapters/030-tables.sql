/*
 * Why: the tables, each with its constraints, comments, indexes, grants and policies.
 *
 * A rule that concerns one row is a check constraint. Its name, <table>_<column>_<rule>, is API.
 * Its comment is the message that a client receives, in which %s stands for the faulty value. A
 * failed check of an array or an object is evaluated again for each element, so that the fault
 * names the element.
 *
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

--!include tables/pipeline_stages.sql
--!include tables/companies.sql
--!include tables/contacts.sql
--!include tables/deals.sql
--!include tables/tasks.sql
--!include tables/notes.sql
--!include tables/custom_field_definitions.sql
--!include tables/exchange_rates.sql
--!include tables/settings.sql
--!include tables/api_keys.sql
--!include tables/api_key_hashes.sql
--!include tables/external_ids.sql
--!include tables/audit_logs.sql
--!include tables/audit_log_blocks.sql
--!include tables/audit_log_progress.sql
--!include tables/reversals.sql
--!include tables/merges.sql
--!include tables/dropped_indexes.sql
--!include tables/former_custom_fields.sql
--!include tables/erasure_lock.sql
--!include tables/faulty_rows.sql
--!include tables/idempotency_keys.sql
--!include tables/entity_types.sql

-- Stores the entries of a month without a partition, so that none is lost.
create table crm_private.audit_logs_other partition of crm.audit_logs default;
alter table crm_private.audit_logs_other alter column changes set statistics 0;
alter table crm_private.audit_logs_other enable row level security;
comment on table crm_private.audit_logs_other is
  'Audit log entries of a month that has no partition of its own.';

insert into crm_private.settings default values;
insert into crm_private.audit_log_progress default values;
