/*
 * No function of the API has the rights of the owner: each calls one of crm_private that has.
 * Replaces functions only; locks nothing.
 */
--!include functions/caller_holds.sql
--!include functions/base_currency.sql
--!include functions/check_custom_field_rule.sql
--!include functions/create_api_key.sql
--!include functions/erase_contact.sql
--!include functions/index_custom_field.sql
--!include functions/journal_digest.sql
--!include functions/journal_kept_since.sql
--!include functions/pipeline_as_of.sql
--!include functions/purge_trash.sql
--!include functions/rename_custom_field_value.sql
--!include functions/restore_deleted.sql
--!include functions/revoke_api_key.sql
--!include functions/set_base_currency.sql
--!include functions/set_trash_retention.sql
--!include functions/trash_retention_days.sql
--!include functions/undo_entry.sql
--!include functions/undo_field.sql
--!include functions/undo_transaction.sql
--!include functions/unindex_custom_field.sql
--!include functions/verify_journal.sql
