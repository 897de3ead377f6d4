/*
 * Why: the tables, each with its constraints, comments, indexes, grants and policies.
 *
 * A rule that one row can answer for is a check constraint. Its name, <table>_<column>_<rule>, is
 * API; its comment is the message that a client reads, in which %s stands for the faulty value.
 * A check of an array or an object is asked again for each element, so the message names the one
 * that is wrong.
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
--!include tables/erasure_lock.sql
--!include tables/faulty_rows.sql
--!include tables/idempotency_keys.sql
--!include tables/entity_types.sql

-- What no partition is made for is never lost.
create table crm_private.audit_logs_other partition of crm.audit_logs default;
alter table crm_private.audit_logs_other alter column changes set statistics 0;
alter table crm_private.audit_logs_other enable row level security;
comment on table crm_private.audit_logs_other is
  'Audit log entries of a month that has no partition of its own.';

insert into crm_private.settings default values;
insert into crm_private.audit_log_progress default values;
