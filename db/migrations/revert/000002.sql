/* Undoes the second migration. What other migrations of other products put beside it stays. */

alter table crm.audit_logs drop column erased_at;

drop function crm_private.fold(text);

revoke usage on schema extensions from crm_reader;
drop extension pg_trgm;
drop extension unaccent;
drop schema extensions;
