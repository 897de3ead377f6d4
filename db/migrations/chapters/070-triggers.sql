/*
 * Why: the triggers, one phase a file.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

--!include triggers/100_normalise.sql
--!include triggers/110_stamp.sql
--!include triggers/200_validate.sql
--!include triggers/210_exchange_rates.sql
--!include triggers/250_derive.sql
--!include triggers/300_external_ids.sql
--!include triggers/300_merges.sql
--!include triggers/500_definitions.sql
--!include triggers/500_stages.sql
--!include triggers/900_audit_log.sql

select crm_private.ensure_audit_partitions();
