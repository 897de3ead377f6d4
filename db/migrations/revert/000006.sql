/* Undoes the sixth migration. */

drop function crm_private.custom_field_value;
