/* Undoes the sixth migration. */

-- 070-idempotency.sql
drop function crm_private.claim_idempotency_key;
drop function crm_private.keep_answer;
drop function crm_private.expire_idempotency_keys;
drop table crm_private.idempotency_keys;

drop function crm_private.custom_field_value;
